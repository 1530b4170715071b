//! Two reports of one command, field by field.

use serde_json::{Map, Value};

use super::DifferenceRow;

/// Fields whose figures go through linear algebra: they may differ in the sixth digit.
const THROUGH_ALGEBRA: [&str; 8] = [
    "pca",
    "permutation",
    "coordinates",
    "mixture",
    "transformations",
    "controls",
    "evidence",
    "says",
];
/// One in the sixth digit, relative.
const SIXTH_DIGIT: f64 = 1e-5;

/// Where `found` is not what `expected` says, paths and names of checkpoints aside. Of reports of
/// two versions only what both have is compared.
pub(crate) fn between(expected: &Value, found: &Value, same_version: bool) -> Vec<DifferenceRow> {
    let mut walk = Walk {
        same_version,
        renamed: renamed(expected, found),
        out: Vec::new(),
    };
    walk.value(expected, found, "", false);
    walk.out
}

/// Names and paths of checkpoints, as found and as expected, where they differ: they occur in
/// sentences too. The longest first, so that no name is replaced within another.
fn renamed(expected: &Value, found: &Value) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut names = |expected: Option<&Value>, found: Option<&Value>| {
        let (Some(expected), Some(found)) = (expected, found) else {
            return;
        };
        for key in ["path", "name"] {
            let (Some(Value::String(old)), Some(Value::String(new))) =
                (expected.get(key), found.get(key))
            else {
                continue;
            };
            if old != new && !new.is_empty() {
                out.push((new.clone(), old.clone()));
            }
        }
    };
    for key in ["base", "target", "checkpoint"] {
        names(expected.get(key), found.get(key));
    }
    for list in ["ranking", "bases"] {
        let rows = |report: &Value| report.get(list).and_then(Value::as_array).cloned();
        let (Some(old), Some(new)) = (rows(expected), rows(found)) else {
            continue;
        };
        for (old, new) in old.iter().zip(&new) {
            names(old.get("base"), new.get("base"));
        }
    }
    out.sort_by_key(|(new, _)| std::cmp::Reverse(new.len()));
    out
}

struct Walk {
    same_version: bool,
    renamed: Vec<(String, String)>,
    out: Vec<DifferenceRow>,
}

impl Walk {
    fn value(&mut self, expected: &Value, found: &Value, path: &str, algebra: bool) {
        match (expected, found) {
            (Value::Object(old), Value::Object(new)) => self.object(old, new, path, algebra),
            (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
                for (at, (old, new)) in old.iter().zip(new).enumerate() {
                    self.value(old, new, &format!("{path}[{at}]"), algebra);
                }
            }
            (Value::Array(old), Value::Array(new)) => {
                let length = |list: &Vec<Value>| Value::from(list.len());
                self.differs(&format!("{path}.length"), &length(old), &length(new));
            }
            (Value::Number(old), Value::Number(new)) => {
                let (a, b) = (old.as_f64(), new.as_f64());
                let near = match (a, b) {
                    (Some(a), Some(b)) => {
                        (a - b).abs() <= SIXTH_DIGIT * a.abs().max(b.abs()).max(f64::MIN_POSITIVE)
                    }
                    _ => false,
                };
                if old != new && !(algebra && near) {
                    self.differs(path, expected, found);
                }
            }
            (Value::String(old), Value::String(new)) => {
                if old != new && *old != self.as_expected(new) {
                    self.differs(path, expected, found);
                }
            }
            _ if expected == found => {}
            _ => self.differs(path, expected, found),
        }
    }

    /// A string with the checkpoints called as the report calls them.
    fn as_expected(&self, found: &str) -> String {
        let mut out = found.to_owned();
        for (new, old) in &self.renamed {
            out = out.replace(new, old);
        }
        out
    }

    fn object(
        &mut self,
        expected: &Map<String, Value>,
        found: &Map<String, Value>,
        path: &str,
        algebra: bool,
    ) {
        let join = |key: &str| match path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        // A checkpoint's own path and name are where and what it is now.
        let is_checkpoint = expected.contains_key("files") && expected.contains_key("dtypes");
        for (key, old) in expected {
            let aside = is_checkpoint && ["path", "name"].contains(&key.as_str());
            let version = path.is_empty() && key == "wcmp";
            if aside || version {
                continue;
            }
            let algebra = algebra || THROUGH_ALGEBRA.contains(&key.as_str());
            match found.get(key) {
                Some(new) => self.value(old, new, &join(key), algebra),
                None if self.same_version => self.differs(&join(key), old, &Value::Null),
                None => {}
            }
        }
        for (key, new) in found {
            if !expected.contains_key(key) && self.same_version {
                self.differs(&join(key), &Value::Null, new);
            }
        }
    }

    fn differs(&mut self, field: &str, expected: &Value, found: &Value) {
        self.out.push(DifferenceRow {
            field: field.to_owned(),
            expected: expected.clone(),
            found: found.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(expected: &Value, found: &Value, same_version: bool) -> Vec<String> {
        let rows = between(expected, found, same_version);
        rows.into_iter().map(|row| row.field).collect()
    }

    #[test]
    fn names_and_paths_may_differ_and_figures_may_not() {
        let report = |name: &str, cosine: f64| {
            json!({
                "base": {"path": format!("x/{name}"), "name": name, "files": [], "dtypes": {}},
                "warnings": [{"message": format!("{name}: odd")}],
                "similarity": {"mean_cosine": cosine},
            })
        };
        assert!(fields(&report("a", 0.5), &report("b", 0.5), true).is_empty());
        assert_eq!(
            fields(&report("a", 0.5), &report("b", 0.500_000_01), true),
            ["similarity.mean_cosine"]
        );
    }

    #[test]
    fn algebra_may_differ_in_the_sixth_digit_and_no_further() {
        let report = |overlap: f64| json!({"pca": {"matrices": [{"overlap": overlap}]}});
        assert!(fields(&report(0.123_456), &report(0.123_457), true).is_empty());
        assert_eq!(
            fields(&report(0.123_456), &report(0.123_476), true),
            ["pca.matrices[0].overlap"]
        );
    }

    #[test]
    fn keys_that_one_version_lacks_count_only_within_a_version() {
        let (old, new) = (json!({"a": 1}), json!({"a": 1, "b": 2}));
        assert_eq!(fields(&old, &new, true), ["b"]);
        assert_eq!(fields(&new, &old, true), ["b"]);
        assert!(fields(&old, &new, false).is_empty());
        assert_eq!(
            fields(&json!({"a": [1]}), &json!({"a": [1, 2]}), false),
            ["a.length"]
        );
    }
}
