//! `wcmp schema` against the reports and against the published lists of keys.

use std::collections::BTreeSet;

use serde_json::Value;
use wcmp::schema::{ReportKind, json_schema};

use super::samples;
use crate::support::command::{answer, run};

fn printed(command: &str) -> Value {
    let page = run(&["schema", command]);
    serde_json::from_str(answer(&page, 0)).unwrap()
}

/// What in `value` is not as `schema` says, of the words that the printed schemas use.
fn wrong(value: &Value, schema: &Value, root: &Value, path: &str) -> Vec<String> {
    if let Some(definition) = schema.get("$ref") {
        let pointer = definition.as_str().unwrap().trim_start_matches('#');
        return wrong(value, root.pointer(pointer).unwrap(), root, path);
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(cases) = schema.get(several).and_then(Value::as_array) {
            let fits = |case: &&Value| wrong(value, case, root, path).is_empty();
            return match cases.iter().any(|case| fits(&case)) {
                true => Vec::new(),
                false => vec![format!("{path}: none of {several}: {value}")],
            };
        }
    }
    let mut out = Vec::new();
    let mut held = |fits: bool, what: &str| {
        if !fits {
            out.push(format!("{path}: {what}: {value}"));
        }
    };
    if let Some(types) = schema.get("type") {
        let one = [types.clone()];
        let types = types.as_array().map_or(one.as_slice(), Vec::as_slice);
        let is = |name: &Value| match name.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.is_u64() || value.is_i64(),
            "null" => value.is_null(),
            other => panic!("{path}: type {other}"),
        };
        held(types.iter().any(is), "type");
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        held(words.contains(value), "enum");
    }
    if let Some(only) = schema.get("const") {
        held(only == value, "const");
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    if let Some(object) = value.as_object() {
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten() {
            held(object.contains_key(key.as_str().unwrap()), "required");
        }
        for (key, value) in object {
            let path = format!("{path}.{key}");
            let told = properties.and_then(|properties| properties.get(key));
            match told.or_else(|| schema.get("additionalProperties")) {
                Some(Value::Bool(true)) => {}
                Some(told) => out.extend(wrong(value, told, root, &path)),
                None if schema.as_object().is_some_and(|schema| schema.is_empty()) => {}
                None if schema.is_boolean() => {}
                None => out.push(format!("{path}: a key that the schema does not have")),
            }
        }
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for item in list {
            out.extend(wrong(item, items, root, &format!("{path}[]")));
        }
    }
    out
}

fn hold<T: serde::Serialize>(kind: ReportKind, reports: &[T]) {
    let schema = json_schema(kind);
    for report in reports {
        let report = serde_json::to_value(report).unwrap();
        let wrong = wrong(&report, schema.as_value(), schema.as_value(), "");
        assert!(wrong.is_empty(), "{kind}: {}", wrong.join("\n"));
    }
}

#[test]
fn every_report_is_as_its_schema_says() {
    let compares: Vec<_> = samples::all_compares()
        .into_iter()
        .map(|(_, report)| report)
        .collect();
    hold(ReportKind::Compare, &compares);
    hold(
        ReportKind::Rank,
        &[
            samples::ranked(),
            samples::hostile_rank(),
            samples::typed_rank(),
        ],
    );
    hold(
        ReportKind::Arch,
        &[samples::architectures(), samples::typed_architectures()],
    );
    hold(
        ReportKind::Inspect,
        &[samples::inspected(), samples::hostile_inspect()],
    );
    hold(ReportKind::Hash, &[samples::hashed()]);
    hold(ReportKind::Check, &[samples::checked()]);
    hold(
        ReportKind::Matrix,
        &[samples::families(), samples::hostile_families()],
    );
    hold(
        ReportKind::Sketch,
        &[samples::sketched(), samples::hostile_sketch()],
    );
}

#[test]
fn a_report_that_is_not_as_its_schema_says_is_seen() {
    let schema = json_schema(ReportKind::Hash);
    let schema = schema.as_value();
    let good = serde_json::to_value(samples::hashed()).unwrap();
    for (key, bad) in [
        ("schema", "wcmp.hash/2".into()),
        ("tensors", Value::Null),
        ("other", 1.into()),
    ] {
        let mut report = good.clone();
        report[key] = bad;
        assert!(!wrong(&report, schema, schema, "").is_empty(), "{key}");
    }
    let mut short = good;
    short.as_object_mut().unwrap().remove("model_sha256");
    short.as_object_mut().unwrap().remove("tensors");
    assert!(!wrong(&short, schema, schema, "").is_empty());
}

/// Paths of all keys of a schema, as the published lists write them but for `[]`.
fn paths(schema: &Value, root: &Value, path: &str, above: &[&str], out: &mut BTreeSet<String>) {
    if let Some(definition) = schema.get("$ref") {
        let pointer = definition.as_str().unwrap().trim_start_matches('#');
        if !above.contains(&pointer) {
            let above = [above, &[pointer]].concat();
            paths(root.pointer(pointer).unwrap(), root, path, &above, out);
        }
    }
    for several in ["anyOf", "oneOf"] {
        for case in schema
            .get(several)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            paths(case, root, path, above, out);
        }
    }
    if let Some(items) = schema.get("items") {
        paths(items, root, path, above, out);
    }
    if schema
        .get("additionalProperties")
        .is_some_and(Value::is_object)
    {
        out.insert(format!("{path}.*"));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (key, value) in properties.into_iter().flatten() {
        let path = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        paths(value, root, &path, above, out);
        out.insert(path);
    }
}

#[test]
fn the_published_keys_are_those_of_the_schemas() {
    for (command, list) in [
        ("compare", include_str!("../schema/compare.txt")),
        ("rank", include_str!("../schema/rank.txt")),
        ("arch", include_str!("../schema/arch.txt")),
        ("inspect", include_str!("../schema/inspect.txt")),
        ("hash", include_str!("../schema/hash.txt")),
        ("check", include_str!("../schema/check.txt")),
        ("sketch", include_str!("../schema/sketch.txt")),
        ("matrix", include_str!("../schema/matrix.txt")),
    ] {
        let schema = printed(command);
        assert_eq!(schema["title"], format!("wcmp {command}"));
        let mut of_schema = BTreeSet::new();
        paths(&schema, &schema, "", &[], &mut of_schema);
        let listed: BTreeSet<String> = list.lines().map(|line| line.replace("[]", "")).collect();
        // Below `*`, and below the typed reasons, the list says no more.
        let is_open = |path: &str| {
            let mut above = path;
            while let Some((parent, _)) = above.rsplit_once('.') {
                let below = format!("{parent}.");
                let told = listed.iter().filter(|listed| listed.starts_with(&below));
                if listed.contains(parent) && told.clone().all(|told| *told == format!("{below}*"))
                {
                    return true;
                }
                above = parent;
            }
            false
        };
        let missing: Vec<&String> = listed
            .iter()
            .filter(|path| !path.ends_with(".*") && !of_schema.contains(*path))
            .collect();
        let unlisted: Vec<&String> = of_schema
            .iter()
            .filter(|path| !listed.contains(*path) && !is_open(path))
            .collect();
        assert!(
            missing.is_empty() && unlisted.is_empty(),
            "{command}: not in the schema {missing:?}, not in the list {unlisted:?}"
        );
    }
    let page = run(&["schema", "sketches"]);
    assert_eq!(page.status.code(), Some(2));
}
