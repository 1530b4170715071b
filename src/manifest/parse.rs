//! A manifest read, in its text form and as JSON.

use std::cmp::Ordering;
use std::path::Path;

use serde::Deserialize;

use super::{Digest, Manifest, ManifestEntry, by_name};
use crate::error::{self, Error, Result, quoted};

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
    let mut tensors: Vec<ManifestEntry> = Vec::new();
    let mut model: Option<Digest> = None;
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
    Tensor(ManifestEntry),
    Model(Digest),
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
    let tensor = ManifestEntry {
        name: plain,
        dtype,
        shape,
        sha256,
    };
    if super::line(&tensor) != line {
        return Err(format!(
            "writes the name {} otherwise than wcmp hash does",
            quoted(&tensor.name)
        ));
    }
    Ok(Line::Tensor(tensor))
}

fn checked_digest(text: &str) -> std::result::Result<Digest, String> {
    let mut digest = [0; 32];
    let is_lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    match hex::decode_to_slice(text, &mut digest) {
        Ok(()) if is_lower_case => Ok(digest),
        _ => Err(format!(
            "has digest {} (expected 64 hexadecimal digits, lower case)",
            quoted(text)
        )),
    }
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
            error::escape_sentence(&error.to_string())
        )
    })?;
    if json.schema != "wcmp.hash/1" {
        return Err(format!(
            "the manifest has schema {} (expected \"wcmp.hash/1\")",
            quoted(&json.schema)
        ));
    }
    let mut tensors: Vec<ManifestEntry> = Vec::new();
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
        let tensor = ManifestEntry {
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

fn in_order(last: Option<&ManifestEntry>, next: &ManifestEntry) -> std::result::Result<(), String> {
    match last.map(|last| by_name(last, next)) {
        None | Some(Ordering::Less) => Ok(()),
        Some(Ordering::Equal) => Err(format!("repeats the name {}", quoted(&next.name))),
        Some(Ordering::Greater) => Err(format!(
            "has {} out of order (expected names sorted by bytes)",
            quoted(&next.name)
        )),
    }
}

fn finish(
    entries: Vec<ManifestEntry>,
    model_digest: Digest,
) -> std::result::Result<Manifest, String> {
    let found = super::model_digest(&entries);
    if found != model_digest {
        let [said, found] = [model_digest, found].map(hex::encode);
        return Err(format!(
            "the manifest's model digest is {said}, but its lines give {found}; a line was \
             changed, added or lost"
        ));
    }
    Ok(Manifest {
        entries,
        model_digest,
    })
}
