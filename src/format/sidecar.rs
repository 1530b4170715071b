//! The small files beside the weights: config.json, model_index.json, README.md.

use std::path::Path;

use serde_json::Value;

use super::{card, limits};
use crate::error::{Error, Result};
use crate::model::config::Config;
use crate::model::warning::Warning;
use crate::source::Listing;

/// The UTF-8 text of a JSON file of at most `limit` bytes; `None` where there is none of that name.
///
/// # Errors
/// Not readable, too large, or not UTF-8.
pub(super) fn read_json_text(
    folder: &dyn Listing,
    name: &str,
    limit: u64,
) -> Result<Option<String>> {
    let Some(content) = folder.read_small(name, limit)? else {
        return Ok(None);
    };
    let text = String::from_utf8(content).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::malformed(
            &folder.path_of(name),
            format!("not UTF-8 at byte {at} (expected JSON)"),
        )
    })?;
    Ok(Some(text))
}

/// Reads a config.json; `None` where there is no file of that name. `NaN` and `Infinity`, which
/// Python writes and JSON does not have, become null with a warning.
///
/// # Errors
/// Not readable, too large, nested too deeply, no JSON, or no object.
pub(super) fn read_config(
    folder: &dyn Listing,
    name: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Config>> {
    let Some(text) = read_json_text(folder, name, limits::CONFIG_BYTES)? else {
        return Ok(None);
    };
    let (parsed, had_bare_floats) = parse_as_python_writes(&text);
    if had_bare_floats {
        warnings.push(Warning::ConfigNotJson {
            file: name.to_owned(),
        });
    }
    object(&folder.path_of(name), parsed).map(|raw| Some(Config { raw }))
}

/// Parses strictly, and where that fails once more with null for bare floats; whether that
/// succeeded.
fn parse_as_python_writes(text: &str) -> (serde_json::Result<Value>, bool) {
    let strict = match serde_json::from_str(text) {
        Ok(value) => return (Ok(value), false),
        Err(strict) => strict,
    };
    let Some(text) = without_bare_floats(text) else {
        return (Err(strict), false);
    };
    let parsed = serde_json::from_str(&text);
    let is_read = parsed.is_ok();
    (parsed, is_read)
}

/// The object that a configuration must be.
fn object(
    path: &Path,
    parsed: serde_json::Result<Value>,
) -> Result<serde_json::Map<String, Value>> {
    match parsed {
        Ok(Value::Object(raw)) => Ok(raw),
        Ok(_) => Err(Error::malformed(
            path,
            "not a JSON object (expected a model's configuration)",
        )),
        Err(e) => Err(Error::malformed(path, not_json(&e))),
    }
}

fn not_json(e: &serde_json::Error) -> String {
    let what = e.to_string();
    match what.starts_with("recursion limit") {
        true => "nested too deeply (expected at most 128 levels)".to_string(),
        false => format!("not JSON: {what} (expected a JSON object)"),
    }
}

/// `text` with `NaN`, `Infinity` and `-Infinity` outside of strings replaced by null; none where
/// there are none.
fn without_bare_floats(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut replaced = false;
    // Quotes split the text into what is outside and inside of strings, by turns, but for escaped
    // quotes inside.
    let mut inside = false;
    let mut escaped = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let bare = ["-Infinity", "Infinity", "NaN"]
            .into_iter()
            .find(|word| !inside && rest.starts_with(word));
        if let Some(word) = bare {
            out.push_str("null");
            replaced = true;
            rest = rest.strip_prefix(word).unwrap_or_default();
            continue;
        }
        out.push(c);
        inside ^= c == '"' && !escaped;
        escaped = inside && c == '\\' && !escaped;
        rest = rest.strip_prefix(c).unwrap_or_default();
    }
    replaced.then_some(out)
}

/// `base_model` of the model card of that name; nothing where there is none or it cannot be read, as
/// a claim is never needed.
pub(super) fn read_declared_base(folder: &dyn Listing, name: &str) -> Vec<String> {
    let Ok(Some(start)) = folder.read_start(name, limits::CARD_BYTES) else {
        return Vec::new();
    };
    card::declared_base(&String::from_utf8_lossy(&start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{At, Io, locate};

    fn config_of(content: &[u8]) -> (Result<Config>, Vec<Warning>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let place = locate(file.path(), Io::Read).unwrap();
        let At::File { name, folder, .. } = place.at else {
            panic!("a file")
        };
        let mut warnings = Vec::new();
        let config = read_config(&*folder, &name, &mut warnings);
        (config.map(Option::unwrap), warnings)
    }

    fn error_of(content: &[u8]) -> String {
        config_of(content).0.unwrap_err().to_string()
    }

    #[test]
    fn an_object_is_read_as_it_stands() {
        let (config, warnings) = config_of(br#"{"model_type": "llama", "x": [1, null]}"#);
        assert_eq!(config.unwrap().architecture(), Some("llama"));
        assert_eq!(warnings, []);
    }

    #[test]
    fn what_is_no_object_is_an_error_in_one_line() {
        assert!(error_of(b"").ends_with(
            "not JSON: EOF while parsing a value at line 1 column 0 (expected a JSON object)"
        ));
        assert!(error_of(b"\xef\xbb\xbf{}").contains(": not JSON: expected value"));
        assert!(
            error_of(b"[1]").ends_with(": not a JSON object (expected a model's configuration)")
        );
        assert!(error_of(b"{\"a\": \"\xff\"}").ends_with(": not UTF-8 at byte 7 (expected JSON)"));
        assert!(error_of(b"{\"a\": 1}}").contains(": not JSON: trailing characters"));
        let deep = format!("{{\"a\":{}", "[".repeat(1_000_000));
        assert!(
            error_of(deep.as_bytes())
                .ends_with(": nested too deeply (expected at most 128 levels)")
        );
        let large = vec![b' '; 16_000_001];
        assert!(error_of(&large).ends_with(": too large (expected at most 16000000 bytes)"));
    }

    #[test]
    fn infinities_of_python_become_null_with_a_warning() {
        let text =
            br#"{"time_step_limit": [0.0, Infinity], "low": -Infinity, "n": NaN, "s": "a \" NaN \\", "t": "Infinity"}"#;
        let (config, warnings) = config_of(text);
        let raw = config.unwrap().raw;
        assert_eq!(raw["time_step_limit"], serde_json::json!([0.0, null]));
        assert_eq!(raw["low"], Value::Null);
        assert_eq!(raw["s"], "a \" NaN \\");
        assert_eq!(raw["t"], "Infinity");
        let file = warnings[0].name().unwrap();
        assert_eq!(warnings, [Warning::ConfigNotJson { file }]);
    }
}
