//! `*.index.json` of a sharded model: which tensor stands in which file.

use super::json::{Scan, Scanner};
use super::{limits, sidecar};
use crate::error::{Error, Result, quoted};
use crate::source::Listing;

/// The weight map, sorted by tensor name, names unique.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Tensor and file name.
    pub(super) weight_map: Vec<(String, String)>,
}

impl Index {
    /// The file of a tensor.
    pub(super) fn file_of(&self, tensor: &str) -> Option<&str> {
        let at = self
            .weight_map
            .binary_search_by(|(name, _)| name.as_str().cmp(tensor))
            .ok()?;
        self.weight_map.get(at).map(|(_, file)| file.as_str())
    }

    /// The files it names, sorted.
    pub(super) fn files(&self) -> Vec<&str> {
        let mut files: Vec<&str> = self
            .weight_map
            .iter()
            .map(|(_, file)| file.as_str())
            .collect();
        files.sort_unstable();
        files.dedup();
        files
    }
}

/// Reads the index of that name; `None` where there is none. `metadata.total_size` is not looked at: it is wrong in released models.
///
/// # Errors
/// Not JSON, no weight_map, a tensor in two files, or a file that is no plain name.
pub(super) fn read(folder: &dyn Listing, name: &str) -> Result<Option<Index>> {
    let Some(text) = sidecar::read_json_text(folder, name, limits::INDEX_BYTES)? else {
        return Ok(None);
    };
    let index = parse(&text).map_err(|what| Error::malformed(&folder.path_of(name), what))?;
    Ok(Some(index))
}

fn parse(text: &str) -> Scan<Index> {
    let mut weight_map = None;
    let mut scanner = Scanner::new(text);
    scanner.object(|scanner, key| match (&*key, &weight_map) {
        ("weight_map", None) => {
            let read = read_weight_map(scanner).map_err(|what| format!("weight_map: {what}"));
            weight_map = Some(read?);
            Ok(())
        }
        ("weight_map", Some(_)) => Err("weight_map twice (expected once)".into()),
        _ => scanner.skip(),
    })?;
    scanner.end()?;

    let mut weight_map: Vec<(String, String)> =
        weight_map.ok_or("no weight_map (expected an index of shards)")?;
    if weight_map.is_empty() {
        return Err("weight_map names no tensor (expected an index of shards)".into());
    }
    weight_map.sort_unstable();
    weight_map.dedup();
    require_one_file_a_tensor(&weight_map)?;
    Ok(Index { weight_map })
}

/// Reads the object that maps each tensor to its file.
fn read_weight_map(scanner: &mut Scanner<'_>) -> Scan<Vec<(String, String)>> {
    let mut map = Vec::new();
    scanner.object(|scanner, tensor| {
        let of_tensor = |what| format!("tensor {}: {what}", quoted(&tensor));
        let file = scanner.string().map_err(of_tensor)?;
        check_plain(&file).map_err(of_tensor)?;
        map.push((tensor.into_owned(), file.into_owned()));
        Ok(())
    })?;
    Ok(map)
}

/// That no tensor of the sorted map stands in two files.
fn require_one_file_a_tensor(weight_map: &[(String, String)]) -> Scan<()> {
    let twice = weight_map.windows(2).find_map(|pair| match pair {
        [first, second] if first.0 == second.0 => Some((first, second)),
        _ => None,
    });
    let Some(((tensor, one_file), (_, other_file))) = twice else {
        return Ok(());
    };
    Err(format!(
        "tensor {} is mapped to {} and to {} (expected one file)",
        quoted(tensor),
        quoted(one_file),
        quoted(other_file)
    ))
}

/// That a file named by an index stands in the index's own directory.
fn check_plain(file: &str) -> Scan<()> {
    let plain = !matches!(file, "" | "." | "..") && !file.contains(['/', '\\', '\0', ':']);
    match plain {
        true => Ok(()),
        false => Err(format!(
            "file {} (expected a plain file name in the index's directory)",
            quoted(file)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_sorted_and_looked_up() {
        let text = r#"{"metadata":{"total_size":9e99},"weight_map":{"b":"2.safetensors","a":"1.safetensors","c":"2.safetensors"}}"#;
        let index = parse(text).unwrap();
        assert_eq!(index.files(), ["1.safetensors", "2.safetensors"]);
        assert_eq!(index.file_of("c"), Some("2.safetensors"));
        assert_eq!(index.file_of("d"), None);
        assert_eq!(
            parse(r#"{"weight_map":{"a":"x","a":"x"}}"#)
                .unwrap()
                .weight_map
                .len(),
            1
        );
    }

    #[test]
    fn what_is_no_index_is_an_error_that_says_why() {
        for (text, what) in [
            ("", "the end at byte 0 (expected an object)"),
            ("{}", "no weight_map (expected an index of shards)"),
            (
                r#"{"weight_map":{}}"#,
                "weight_map names no tensor (expected an index of shards)",
            ),
            (
                r#"{"weight_map":[]}"#,
                "weight_map: '[' at byte 14 (expected an object)",
            ),
            (
                r#"{"weight_map":{"a":"x"},"weight_map":{"a":"x"}}"#,
                "weight_map twice (expected once)",
            ),
            (
                r#"{"weight_map":{"a":7}}"#,
                "weight_map: tensor \"a\": \"7\" at byte 19 (expected a string)",
            ),
            (
                r#"{"weight_map":{"a":"x","\u0061":"y"}}"#,
                "tensor \"a\" is mapped to \"x\" and to \"y\" (expected one file)",
            ),
            (
                r#"{"weight_map":{"a":"x"}} x"#,
                "\"x\" at byte 25 (expected the end)",
            ),
            ("\u{feff}{}", "'\\u{feff}' at byte 0 (expected an object)"),
        ] {
            assert_eq!(parse(text).unwrap_err(), what, "{text}");
        }
    }

    #[test]
    fn files_must_be_plain_names() {
        for file in [
            "",
            ".",
            "..",
            "../x",
            "/etc/passwd",
            "a/b",
            "a\\\\b",
            "x\\u0000",
            "C:x",
        ] {
            let error = parse(&format!(r#"{{"weight_map":{{"t":"{file}"}}}}"#)).unwrap_err();
            assert!(
                error.ends_with("(expected a plain file name in the index's directory)"),
                "{error}"
            );
        }
    }
}
