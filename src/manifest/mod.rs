//! The hash manifest: written, read in both its forms, and held against what a checkpoint has.
//!
//! One line a tensor, sorted by name bytes, then the model digest, which is the SHA-256 of the
//! lines above it:
//! ```text
//! DIGEST  DTYPE  [2,3]  NAME
//! DIGEST  -  -  model
//! ```
//! A check may fail too often and never pass wrongly: what is cut short, repeated, out of order or
//! changed by hand is an error that names the line.

use std::cmp::Ordering;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result, quoted};
use crate::report::escape;
use crate::report::number;
use crate::report::schema::{Check, CheckpointRow, Hash, HashDifference, HashTensor};

/// A manifest that was read: every digest in it is well formed, and the model digest is that of its
/// lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Tensors, sorted by name bytes.
    pub tensors: Vec<HashTensor>,
    /// SHA-256 of the manifest's lines.
    pub model_digest: String,
}

/// The manifest line of one tensor, without its line end. A name that needs escapes makes the line
/// begin with `\`.
pub fn line(tensor: &HashTensor) -> String {
    let name = escape::name(&tensor.name);
    let mark = if name == tensor.name { "" } else { "\\" };
    format!(
        "{mark}{}  {}  {}  {name}",
        tensor.sha256,
        tensor.dtype,
        number::shape(&tensor.shape)
    )
}

/// SHA-256 over the manifest lines of `tensors`, each with its LF; the order in which they are
/// given does not matter.
pub fn model_digest<'a>(tensors: impl IntoIterator<Item = &'a HashTensor>) -> String {
    let mut sorted: Vec<&HashTensor> = tensors.into_iter().collect();
    sorted.sort_by(|a, b| by_name(a, b));
    let mut digest = Sha256::new();
    for tensor in sorted {
        digest.update(line(tensor).as_bytes());
        digest.update(b"\n");
    }
    hex::encode(digest.finalize())
}

/// The manifest as text: the lines of `hash`, sorted by name bytes, and the model digest.
pub fn to_string(hash: &Hash) -> String {
    let mut sorted: Vec<&HashTensor> = hash.tensors.iter().collect();
    sorted.sort_by(|a, b| by_name(a, b));
    let mut out = String::new();
    for tensor in sorted {
        out.push_str(&line(tensor));
        out.push('\n');
    }
    out.push_str(&format!("{}  -  -  model\n", hash.model_digest));
    out
}

fn by_name(a: &HashTensor, b: &HashTensor) -> Ordering {
    a.name.as_bytes().cmp(b.name.as_bytes())
}

/// Reads a manifest in its text form or as the JSON of `wcmp hash`. `source` names it in errors.
///
/// # Errors
/// [`Error::Malformed`] with the line (or the tensor) that is wrong and what was expected.
pub fn parse(bytes: &[u8], source: &Path) -> Result<Manifest> {
    let malformed = |what: String| Error::malformed(source, what);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        malformed(format!("line {line} of the manifest is not UTF-8"))
    })?;
    if text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{')
    {
        parse_json(text).map_err(malformed)
    } else {
        parse_lines(text).map_err(malformed)
    }
}

fn parse_lines(text: &str) -> std::result::Result<Manifest, String> {
    if text.is_empty() {
        return Err("the manifest is empty (expected the output of wcmp hash)".to_owned());
    }
    let Some(text) = text.strip_suffix('\n') else {
        return Err(
            "the manifest's last line has no line end; it seems to be cut short".to_owned(),
        );
    };
    let mut tensors: Vec<HashTensor> = Vec::new();
    let mut model: Option<String> = None;
    for (index, line) in text.split('\n').enumerate() {
        let at = |what: String| format!("line {} of the manifest {what}", index + 1);
        if model.is_some() {
            return Err(at(
                "stands behind the model digest (expected nothing there)".to_owned(),
            ));
        }
        match parse_line(line).map_err(at)? {
            Line::Model(digest) => model = Some(digest),
            Line::Tensor(tensor) => {
                in_order(tensors.last(), &tensor).map_err(at)?;
                tensors.push(tensor);
            }
        }
    }
    let Some(model_digest) = model else {
        return Err(
            "the manifest has no model digest (expected `DIGEST  -  -  model` as its last line)"
                .to_owned(),
        );
    };
    finish(tensors, model_digest)
}

enum Line {
    Tensor(HashTensor),
    Model(String),
}

fn parse_line(line: &str) -> std::result::Result<Line, String> {
    let (escaped, fields) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let mut fields = fields.splitn(4, "  ");
    let (Some(digest), Some(dtype), Some(shape), Some(name)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(
            "has too few fields (expected `DIGEST  DTYPE  SHAPE  NAME`, two spaces between)"
                .to_owned(),
        );
    };
    let sha256 = checked_digest(digest)?;
    if dtype == "-" && shape == "-" && name == "model" && !escaped {
        return Ok(Line::Model(sha256));
    }
    let dtype = checked_dtype(dtype)?;
    let shape = parse_shape(shape)
        .ok_or_else(|| format!("has shape {} (expected as in [2,3] or [])", quoted(shape)))?;
    let plain = if escaped {
        unescape(name)?
    } else {
        name.to_owned()
    };
    let tensor = HashTensor {
        name: plain,
        dtype,
        shape,
        sha256,
    };
    if self::line(&tensor) != line {
        return Err(format!(
            "writes the name {} otherwise than wcmp hash does",
            quoted(&tensor.name)
        ));
    }
    Ok(Line::Tensor(tensor))
}

fn checked_digest(text: &str) -> std::result::Result<String, String> {
    if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "has digest {} (expected 64 hexadecimal digits, lower case)",
        quoted(text)
    ))
}

fn checked_dtype(text: &str) -> std::result::Result<String, String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(text.to_owned());
    }
    Err(format!(
        "has dtype {} (expected a name as BF16)",
        quoted(text)
    ))
}

fn parse_shape(text: &str) -> Option<Vec<u64>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let axis = |axis: &str| {
        axis.parse::<u64>()
            .ok()
            .filter(|value| value.to_string() == axis)
    };
    inner.split(',').map(axis).collect()
}

fn unescape(text: &str) -> std::result::Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (c, used) = match after.as_bytes() {
            [b'\\', ..] => ('\\', 1),
            [b'n', ..] => ('\n', 1),
            [b'r', ..] => ('\r', 1),
            [b'0', ..] => ('\0', 1),
            [b'u', ..] => {
                let code = after
                    .get(1..5)
                    .and_then(|hex| u32::from_str_radix(hex, 16).ok())
                    .and_then(char::from_u32);
                (
                    code.ok_or_else(|| {
                        format!("has a broken escape in the name {}", quoted(text))
                    })?,
                    5,
                )
            }
            _ => {
                return Err(format!(
                    "has an unknown escape in the name {}",
                    quoted(text)
                ));
            }
        };
        out.push(c);
        rest = &after[used..];
    }
    out.push_str(rest);
    Ok(out)
}

/// What is read of the JSON of `wcmp hash`; keys that later versions add are passed over.
#[derive(Deserialize)]
struct Json {
    schema: String,
    tensors: Vec<JsonTensor>,
    model_digest: String,
}

#[derive(Deserialize)]
struct JsonTensor {
    name: String,
    dtype: String,
    shape: Vec<u64>,
    sha256: String,
}

fn parse_json(text: &str) -> std::result::Result<Manifest, String> {
    let json: Json = serde_json::from_str(text).map_err(|error| {
        format!(
            "the manifest is not the JSON of wcmp hash: {}",
            escape::sentence(&error.to_string())
        )
    })?;
    if json.schema != "wcmp.hash/1" {
        return Err(format!(
            "the manifest has schema {} (expected \"wcmp.hash/1\")",
            quoted(&json.schema)
        ));
    }
    let mut tensors: Vec<HashTensor> = Vec::new();
    for JsonTensor {
        name,
        dtype,
        shape,
        sha256,
    } in json.tensors
    {
        let at = |what: String| format!("tensor {} of the manifest {what}", quoted(&name));
        let (dtype, sha256) = (
            checked_dtype(&dtype).map_err(at)?,
            checked_digest(&sha256).map_err(at)?,
        );
        let tensor = HashTensor {
            name: name.clone(),
            dtype,
            shape,
            sha256,
        };
        in_order(tensors.last(), &tensor).map_err(at)?;
        tensors.push(tensor);
    }
    let model_digest =
        checked_digest(&json.model_digest).map_err(|what| format!("the model {what}"))?;
    finish(tensors, model_digest)
}

fn in_order(last: Option<&HashTensor>, next: &HashTensor) -> std::result::Result<(), String> {
    match last.map(|last| by_name(last, next)) {
        None | Some(Ordering::Less) => Ok(()),
        Some(Ordering::Equal) => Err(format!("repeats the name {}", quoted(&next.name))),
        Some(Ordering::Greater) => Err(format!(
            "has {} out of order (expected names sorted by bytes)",
            quoted(&next.name)
        )),
    }
}

fn finish(tensors: Vec<HashTensor>, model_digest: String) -> std::result::Result<Manifest, String> {
    let found = self::model_digest(&tensors);
    if found != model_digest {
        return Err(format!(
            "the manifest's model digest is {model_digest}, but its lines give {found}; a line was changed, added or lost"
        ));
    }
    Ok(Manifest {
        tensors,
        model_digest,
    })
}

/// Holds what was found in a checkpoint against a manifest.
///
/// A tensor whose dtype and shape agree differs by its digest alone, and `expected` and `found` are
/// the digests; else they are the first three fields of the manifest line.
pub fn check(manifest: &Manifest, checkpoint: CheckpointRow, found: &[HashTensor]) -> Check {
    let mut sorted: Vec<&HashTensor> = found.iter().collect();
    sorted.sort_by(|a, b| by_name(a, b));
    let (mut expected, mut found) = (
        manifest.tensors.iter().peekable(),
        sorted.into_iter().peekable(),
    );
    let (mut matching, mut different, mut missing, mut new) =
        (0, Vec::new(), Vec::new(), Vec::new());
    loop {
        let order = match (expected.peek(), found.peek()) {
            (Some(e), Some(f)) => by_name(e, f),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        let expected = if order.is_le() { expected.next() } else { None };
        let found = if order.is_ge() { found.next() } else { None };
        match (expected, found) {
            (Some(e), Some(f)) if e == f => matching += 1,
            (Some(e), Some(f)) => different.push(difference(e, f)),
            (Some(e), None) => missing.push(e.name.clone()),
            (None, Some(f)) => new.push(f.name.clone()),
            (None, None) => {}
        }
    }
    Check {
        schema: "wcmp.check/1",
        wcmp: env!("CARGO_PKG_VERSION"),
        checkpoint,
        equal: different.is_empty() && missing.is_empty() && new.is_empty(),
        matching,
        different,
        missing,
        new,
    }
}

fn difference(expected: &HashTensor, found: &HashTensor) -> HashDifference {
    let alike = expected.dtype == found.dtype && expected.shape == found.shape;
    let shown = |t: &HashTensor| {
        if alike {
            t.sha256.clone()
        } else {
            format!("{}  {}  {}", t.sha256, t.dtype, number::shape(&t.shape))
        }
    };
    HashDifference {
        name: expected.name.clone(),
        expected: shown(expected),
        found: shown(found),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::report::json;

    fn tensor(name: &str, dtype: &str, shape: &[u64], bytes: &[u8]) -> HashTensor {
        let sha256 = hex::encode(Sha256::digest(bytes));
        HashTensor {
            name: name.to_owned(),
            dtype: dtype.to_owned(),
            shape: shape.to_vec(),
            sha256,
        }
    }

    fn checkpoint() -> CheckpointRow {
        CheckpointRow {
            path: "m".to_owned(),
            name: "m".to_owned(),
            format: crate::model::checkpoint::Format::Safetensors,
            files: Vec::new(),
            architecture: None,
            parameters: 0,
            bytes: 0,
            dtypes: BTreeMap::new(),
            quantization: None,
            model_digest: None,
        }
    }

    fn hash(tensors: Vec<HashTensor>) -> Hash {
        let model_digest = model_digest(&tensors);
        Hash {
            schema: "wcmp.hash/1",
            wcmp: "0",
            checkpoint: checkpoint(),
            tensors,
            model_digest,
        }
    }

    fn sample() -> Hash {
        hash(vec![
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
        let hash = sample();
        for text in [to_string(&hash), json::to_string(&hash)] {
            let manifest = parse(text.as_bytes(), Path::new("-")).unwrap();
            assert_eq!(manifest.tensors, hash.tensors);
            assert_eq!(manifest.model_digest, hash.model_digest);
        }
    }

    #[test]
    fn a_model_without_tensors_has_the_digest_of_nothing() {
        let text = to_string(&hash(Vec::new()));
        assert!(text.starts_with("e3b0c442"));
        assert_eq!(parse(text.as_bytes(), Path::new("-")).unwrap().tensors, []);
    }

    #[test]
    fn a_tensor_named_model_is_not_the_model() {
        let hash = hash(vec![tensor("model", "F32", &[1], b"x")]);
        assert_eq!(
            parse(to_string(&hash).as_bytes(), Path::new("-"))
                .unwrap()
                .tensors,
            hash.tensors
        );
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
                json::to_string(&sample()).replace("\"BF16\"", "\"F16\""),
                "a line was changed, added or lost",
            ),
            (
                json::to_string(&sample()).replace("\"b\"", "\"a.weight\""),
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
        let hash = hash(vec![
            tensor("a", "F32", &[1], b"1"),
            tensor("b", "F32", &[1], b"2"),
            tensor("c", "F32", &[1], b"3"),
            tensor("d", "BF16", &[1], b"4"),
        ]);
        let manifest = parse(to_string(&hash).as_bytes(), Path::new("-")).unwrap();
        let same = check(&manifest, checkpoint(), &hash.tensors);
        assert!(same.equal && same.matching == 4);
        let found = [
            tensor("e", "F32", &[1], b"5"),
            tensor("d", "F16", &[1], b"4"),
            tensor("b", "F32", &[1], b"x"),
            tensor("a", "F32", &[1], b"1"),
        ];
        let changed = check(&manifest, checkpoint(), &found);
        assert!(!changed.equal && changed.matching == 1);
        let names: Vec<&str> = changed.different.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["b", "d"]);
        assert_eq!(
            changed.different[0].found,
            hex::encode(Sha256::digest(b"x"))
        );
        assert!(changed.different[1].found.ends_with("  F16  [1]"));
        assert_eq!(
            (changed.missing, changed.new),
            (vec!["c".to_owned()], vec!["e".to_owned()])
        );
    }

    proptest! {
        #[test]
        fn any_names_survive_both_forms(names in prop::collection::btree_set(any::<String>(), 0..8)) {
            let mut tensors: Vec<HashTensor> = names.iter().map(|name| tensor(name, "F32", &[7], name.as_bytes())).collect();
            tensors.sort_by(by_name);
            let hash = hash(tensors);
            for text in [to_string(&hash), json::to_string(&hash)] {
                let manifest = parse(text.as_bytes(), Path::new("-")).unwrap();
                prop_assert_eq!(&manifest.tensors, &hash.tensors);
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
}
