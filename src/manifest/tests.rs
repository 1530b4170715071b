use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::model::checkpoint::Format;
use crate::report::json;
use crate::report::schema::{Check, Hash};
use crate::results::checkpoint::{CheckpointFacts, CheckpointKind};
use crate::results::hash::{CheckReport, HashReport};

fn tensor(name: &str, dtype: &str, shape: &[u64], bytes: &[u8]) -> ManifestEntry {
    ManifestEntry {
        name: name.to_owned(),
        dtype: dtype.to_owned(),
        shape: shape.to_vec(),
        sha256: Sha256::digest(bytes).into(),
    }
}

fn checkpoint() -> CheckpointFacts {
    CheckpointFacts {
        kind: CheckpointKind::Checkpoint,
        path: "m".to_owned(),
        name: "m".to_owned(),
        format: Format::Safetensors,
        files: Vec::new(),
        architecture: None,
        parameters: 0,
        bytes: 0,
        dtypes: BTreeMap::new(),
        quantization: None,
        model_digest: None,
    }
}

/// The manifest in the JSON of `wcmp hash`.
fn to_json(manifest: &Manifest) -> String {
    json::to_string(&Hash::from(HashReport {
        checkpoint: checkpoint(),
        manifest: manifest.clone(),
        left_aside: Vec::new(),
        warnings: Vec::new(),
    }))
}

fn sample() -> Manifest {
    Manifest::new(vec![
        tensor("a.weight", "BF16", &[2, 3], b"abc"),
        tensor("b", "F32", &[], b""),
    ])
}

fn error(text: &str) -> String {
    parse(text.as_bytes(), Path::new("MANIFEST"))
        .unwrap_err()
        .to_string()
}

#[test]
fn the_text_is_the_documented_one() {
    let text = to_string(&sample());
    let lines = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  BF16  [2,3]  a.weight\n\
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  F32  []  b\n";
    let digest = hex::encode(Sha256::digest(lines));
    assert_eq!(text, format!("{lines}{digest}  -  -  model\n"));
}

#[test]
fn both_forms_read_back() {
    let manifest = sample();
    for text in [to_string(&manifest), to_json(&manifest)] {
        let read = parse(text.as_bytes(), Path::new("-")).unwrap();
        assert_eq!(read, manifest);
    }
}

#[test]
fn a_model_without_tensors_has_the_digest_of_nothing() {
    let text = to_string(&Manifest::new(Vec::new()));
    assert!(text.starts_with("e3b0c442"));
    assert_eq!(parse(text.as_bytes(), Path::new("-")).unwrap().entries, []);
}

#[test]
fn a_tensor_named_model_is_not_the_model() {
    let manifest = Manifest::new(vec![tensor("model", "F32", &[1], b"x")]);
    let text = to_string(&manifest);
    assert_eq!(parse(text.as_bytes(), Path::new("-")).unwrap(), manifest);
}

#[test]
fn every_fault_names_its_line() {
    let good = to_string(&sample());
    let lines: Vec<&str> = good.lines().collect();
    let [first, second, model] = lines[..] else {
        panic!("three lines")
    };
    let join = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let cases = [
        (String::new(), "the manifest is empty"),
        (good.trim_end().to_owned(), "cut short"),
        (join(&[first, second]), "no model digest"),
        (join(&[first, model]), "a line was changed, added or lost"),
        (
            join(&[second, first, model]),
            "line 2 of the manifest has \"a.weight\" out of order",
        ),
        (
            join(&[first, first, model]),
            "line 2 of the manifest repeats the name \"a.weight\"",
        ),
        (
            join(&[first, second, model, model]),
            "line 4 of the manifest stands behind the model digest",
        ),
        (
            join(&[&first.replace("  BF16", " BF16"), second, model]),
            "line 1 of the manifest has",
        ),
        (
            join(&[&first.to_uppercase(), second, model]),
            "line 1 of the manifest has digest",
        ),
        (
            join(&[&first[1..], second, model]),
            "line 1 of the manifest has digest",
        ),
        (
            join(&[&first.replace("[2,3]", "[2, 3]"), second, model]),
            "line 1 of the manifest has shape \"[2, 3]\"",
        ),
        (
            join(&[&first.replace("[2,3]", "[+2,3]"), second, model]),
            "line 1 of the manifest has shape",
        ),
        (
            join(&[&first.replace("[2,3]", "[2,,3]"), second, model]),
            "line 1 of the manifest has shape",
        ),
        (
            join(&[&first.replace("BF16", "B-16"), second, model]),
            "line 1 of the manifest has dtype",
        ),
        (
            join(&[&format!("\\{first}"), second, model]),
            "line 1 of the manifest writes the name",
        ),
        (
            join(&[&format!("\\{first}\\x"), second, model]),
            "line 1 of the manifest has an unknown escape",
        ),
        (
            join(&[&format!("\\{first}\\u00"), second, model]),
            "line 1 of the manifest has a broken escape",
        ),
        (
            join(&[&format!("{first}\t"), second, model]),
            "line 1 of the manifest writes the name",
        ),
        (
            good.replace('\n', "\r\n"),
            "line 1 of the manifest writes the name",
        ),
        ("\n".to_owned(), "line 1 of the manifest has too few fields"),
        ("{".to_owned(), "not the JSON of wcmp hash"),
        (
            "{\"schema\":\"wcmp.compare/1\",\"tensors\":[],\"model_digest\":\"\"}".to_owned(),
            "has schema",
        ),
        (
            "{\"schema\":\"wcmp.hash/1\",\"tensors\":[],\"model_digest\":\"0\"}".to_owned(),
            "has digest \"0\"",
        ),
        (
            to_json(&sample()).replace("\"BF16\"", "\"F16\""),
            "a line was changed, added or lost",
        ),
        (
            to_json(&sample()).replace("\"b\"", "\"a.weight\""),
            "repeats the name",
        ),
    ];
    for (text, expected) in cases {
        let message = error(&text);
        assert!(
            message.starts_with("MANIFEST: ") && message.contains(expected),
            "{message}\nfor {text:?}"
        );
        assert!(!message.contains('\n'));
    }
    let message = parse(b"ab\n\xff", Path::new("MANIFEST"))
        .unwrap_err()
        .to_string();
    assert_eq!(message, "MANIFEST: line 2 of the manifest is not UTF-8");
}

#[test]
fn a_check_names_what_differs_is_missing_or_is_new() {
    let entries = vec![
        tensor("a", "F32", &[1], b"1"),
        tensor("b", "F32", &[1], b"2"),
        tensor("c", "F32", &[1], b"3"),
        tensor("d", "BF16", &[1], b"4"),
    ];
    let text = to_string(&Manifest::new(entries.clone()));
    let manifest = parse(text.as_bytes(), Path::new("-")).unwrap();
    let same = check(&manifest, &Manifest::new(entries));
    assert!(same.is_empty() && same.matching == 4);

    let found = Manifest::new(vec![
        tensor("e", "F32", &[1], b"5"),
        tensor("d", "F16", &[1], b"4"),
        tensor("b", "F32", &[1], b"x"),
        tensor("a", "F32", &[1], b"1"),
    ]);
    let changed = check(&manifest, &found);
    assert!(!changed.is_empty() && changed.matching == 1);
    assert_eq!(
        (&changed.missing, &changed.new),
        (&vec!["c".to_owned()], &vec!["e".to_owned()])
    );
    let report = Check::from(CheckReport {
        checkpoint: checkpoint(),
        differences: changed,
        warnings: Vec::new(),
    });
    let names: Vec<&str> = report.different.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["b", "d"]);
    assert_eq!(report.different[0].found, hex::encode(Sha256::digest(b"x")));
    assert!(report.different[1].found.ends_with("  F16  [1]"));
    assert!(!report.equal);
}

#[test]
fn the_saved_json_of_both_reads_back_and_another_version_does_not() {
    let hash: Hash = serde_json::from_str(&to_json(&sample())).unwrap();
    assert_eq!(Manifest::from(&hash), sample());
    let newer = to_json(&sample()).replace("wcmp.hash/1", "wcmp.hash/2");
    let error = serde_json::from_str::<Hash>(&newer).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("schema \"wcmp.hash/2\" (expected \"wcmp.hash/1\")"),
        "{error}"
    );

    let check = Check::from(CheckReport {
        checkpoint: checkpoint(),
        differences: check(&sample(), &Manifest::new(Vec::new())),
        warnings: Vec::new(),
    });
    let text = json::to_string(&check);
    assert_eq!(serde_json::from_str::<Check>(&text).unwrap(), check);
    let newer = text.replace("wcmp.check/1", "wcmp.check/2");
    serde_json::from_str::<Check>(&newer).unwrap_err();
}

proptest! {
    #[test]
    fn any_names_survive_both_forms(names in prop::collection::btree_set(any::<String>(), 0..8)) {
        let entry = |name: &String| tensor(name, "F32", &[7], name.as_bytes());
        let manifest = Manifest::new(names.iter().map(entry).collect());
        for text in [to_string(&manifest), to_json(&manifest)] {
            let read = parse(text.as_bytes(), Path::new("-")).unwrap();
            prop_assert_eq!(&read, &manifest);
        }
    }

    #[test]
    fn a_changed_byte_is_never_accepted(at in 0usize..160, to in any::<u8>()) {
        let text = to_string(&sample());
        let mut bytes = text.clone().into_bytes();
        if bytes[at] != to {
            bytes[at] = to;
            prop_assert!(parse(&bytes, Path::new("-")).is_err());
        }
    }
}
