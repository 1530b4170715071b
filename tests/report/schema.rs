//! The JSON against the published schema: the lists in tests/schema are the keys in their order,
//! one path a line, `[]` for the elements of a list and `*` for keys that the data names.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use wcmp::internals::report::json;
use wcmp::schema;

use super::samples;

/// The keys of a JSON value in the order in which they stand.
enum Keys {
    Object(Vec<(String, Keys)>),
    List(Vec<Keys>),
    Leaf,
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some(entry) = map.next_entry()? {
            keys.push(entry);
        }
        Ok(Keys::Object(keys))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Keys::List(items))
    }

    fn visit_unit<E>(self) -> Result<Keys, E> {
        Ok(Keys::Leaf)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Keys, E> {
        Ok(Keys::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Keys, E> {
        Ok(Keys::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Keys, E> {
        Ok(Keys::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Keys, E> {
        Ok(Keys::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Keys, E> {
        Ok(Keys::Leaf)
    }
}

/// One line of a published list, with what stands under it.
struct Expected<'a> {
    key: &'a str,
    under: Vec<Expected<'a>>,
}

fn expected(list: &str) -> Vec<Expected<'_>> {
    let mut root: Vec<Expected<'_>> = Vec::new();
    for line in list.lines() {
        let mut level = &mut root;
        for key in line.split('.') {
            if level.last().is_none_or(|last| last.key != key) {
                level.push(Expected {
                    key,
                    under: Vec::new(),
                });
            }
            level = &mut level.last_mut().unwrap().under;
        }
    }
    root
}

/// Holds a value against a list; counts in `seen` which of its lines were met with a value under
/// them.
fn hold(keys: &Keys, expected: &[Expected<'_>], path: &str, seen: &mut Vec<String>) {
    let Keys::Object(entries) = keys else {
        assert!(
            matches!(keys, Keys::Leaf),
            "{path}: a list where an object or null was expected"
        );
        return;
    };
    if let [Expected { key: "*", .. }] = expected {
        seen.push(format!("{path}.*"));
        return;
    }
    let found: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    let wanted: Vec<&str> = expected
        .iter()
        .map(|e| e.key.trim_end_matches("[]"))
        .collect();
    assert_eq!(found, wanted, "keys of {path:?}");
    for ((_, value), expected) in entries.iter().zip(expected) {
        let path = format!("{path}.{}", expected.key);
        seen.push(path.clone());
        if expected.under.is_empty() {
            let nested = matches!(value, Keys::Object(o) if !o.is_empty());
            assert!(!nested, "{path}: an object where a value was expected");
        } else if let (true, Keys::List(items)) = (expected.key.ends_with("[]"), value) {
            items
                .iter()
                .for_each(|item| hold(item, &expected.under, &path, seen));
        } else {
            hold(value, &expected.under, &path, seen);
        }
    }
}

/// Every report has the listed keys in their order, and together they show every line of the list.
fn hold_all(list: &str, reports: &[&dyn erased::Report]) {
    let expected = expected(list);
    let mut seen = Vec::new();
    for report in reports {
        let keys: Keys = serde_json::from_str(&report.json()).unwrap();
        hold(&keys, &expected, "", &mut seen);
    }
    for line in list.lines() {
        assert!(seen.contains(&format!(".{line}")), "no sample shows {line}");
    }
}

mod erased {
    use super::{Serialize, json};

    /// A report of any command.
    pub(crate) trait Report {
        fn json(&self) -> String;
    }

    impl<T: Serialize> Report for T {
        fn json(&self) -> String {
            let mut text = Vec::new();
            json::write(self, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        }
    }
}

#[test]
fn compare_has_the_keys_of_the_schema_in_their_order() {
    let reports = samples::all_compares();
    let reports: Vec<&dyn erased::Report> = reports
        .iter()
        .map(|(_, r)| r as &dyn erased::Report)
        .collect();
    hold_all(include_str!("../schema/compare.txt"), &reports);
}

#[test]
fn rank_has_the_keys_of_the_schema_in_their_order() {
    hold_all(
        include_str!("../schema/rank.txt"),
        &[
            &samples::ranked(),
            &samples::hostile_rank(),
            &samples::typed_rank(),
        ],
    );
}

#[test]
fn arch_has_the_keys_of_the_schema_in_their_order() {
    hold_all(
        include_str!("../schema/arch.txt"),
        &[&samples::architectures(), &samples::typed_architectures()],
    );
}

#[test]
fn inspect_has_the_keys_of_the_schema_in_their_order() {
    hold_all(
        include_str!("../schema/inspect.txt"),
        &[&samples::inspected(), &samples::hostile_inspect()],
    );
}

#[test]
fn hash_and_check_have_the_keys_of_the_schema_in_their_order() {
    hold_all(include_str!("../schema/hash.txt"), &[&samples::hashed()]);
    hold_all(include_str!("../schema/check.txt"), &[&samples::checked()]);
}

#[test]
fn sketch_has_the_keys_of_the_schema_in_their_order() {
    hold_all(
        include_str!("../schema/sketch.txt"),
        &[&samples::sketched(), &samples::hostile_sketch()],
    );
}

#[test]
fn rank_of_all_pairs_has_the_keys_of_the_schema_in_their_order() {
    hold_all(
        include_str!("../schema/matrix.txt"),
        &[&samples::families(), &samples::hostile_families()],
    );
}

#[test]
fn json_reads_back_with_hostile_names_as_they_were() {
    let text = erased::Report::json(&samples::hostile());
    let _: IgnoredAny = serde_json::from_str(&text).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["tensors"][0]["name"]["target"], samples::HOSTILE);
    assert!(
        !text
            .chars()
            .any(|c| (c.is_control() && c != '\n') || wcmp::internals::error::is_bidirectional(c))
    );
}

/// What a report gives when it is read back and written again.
fn written_again<T: Serialize + DeserializeOwned>(report: &T) -> String {
    let saved = erased::Report::json(report);
    let read: T = schema::read(saved.as_bytes()).unwrap();
    erased::Report::json(&read)
}

#[test]
fn saved_comparisons_and_rankings_read_back() {
    for (name, report) in samples::all_compares() {
        assert_eq!(
            written_again(&report),
            erased::Report::json(&report),
            "{name}"
        );
    }
    for report in [
        samples::ranked(),
        samples::hostile_rank(),
        samples::typed_rank(),
    ] {
        assert_eq!(written_again(&report), erased::Report::json(&report));
    }
}

#[test]
fn another_version_and_an_unknown_word_are_refused_and_a_new_key_is_not() {
    let saved = erased::Report::json(&samples::fine_tuned());
    let read = |json: &str| schema::read::<schema::Compare>(json.as_bytes());
    let replaced = |old: &str, new: &str| {
        assert!(saved.contains(old), "{old}");
        saved.replacen(old, new, 1)
    };
    let version = read(&replaced("wcmp.compare/1", "wcmp.compare/2")).unwrap_err();
    assert!(version.contains("wcmp.compare/1"), "{version}");
    let label = read(&replaced("\"label\": \"derived\"", "\"label\": \"stolen\"")).unwrap_err();
    assert!(label.contains("stolen"), "{label}");
    let added = replaced("\"wcmp\":", "\"from the future\": [1], \"wcmp\":");
    assert!(read(&added).is_ok());
    assert!(schema::read::<schema::Rank>(saved.as_bytes()).is_err());
}
