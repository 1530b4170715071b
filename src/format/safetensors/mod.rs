//! safetensors: a strict header reader (guide/formats.md, section 1.1).
//!
//! A file is the header's length (u64, little-endian), one JSON object, and the tensors' bytes to
//! the end of the file. The reference crate lets some headers through that the format forbids, the
//! worst a name that occurs twice (the last wins, silently); everything is checked here before
//! anything is trusted. Where that crate refuses what is accepted here, a warning says so.

mod layout;
mod reference;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::adapter::foreign;
use super::contents::Contents;
use super::json::{Scan, Scanner};
use super::limits;
use crate::error::{Error, Result, quoted};
use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::Dtype;
use crate::model::sketch;
use crate::model::warning::Warning;
use crate::source::Source;

/// Whether a file that begins with `head` is one: a length that a header may have, and its brace.
pub(super) fn is_safetensors(head: &[u8]) -> bool {
    let length = head.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    length.is_some_and(|length| length <= limits::HEADER_BYTES) && head.get(8) == Some(&b'{')
}

/// Bytes of the length in front of the header.
const LENGTH_BYTES: u64 = 8;

/// Reads and checks the header of `source`, file number `file` of its checkpoint.
///
/// # Errors
/// Anything that the format forbids, naming the tensor and what was expected.
pub(super) fn read(source: &dyn Source, file: usize) -> Result<Contents> {
    let path = source.path();
    let malformed = |what| Error::malformed(path, what);
    let mut scratch = Vec::new();
    if source.len() < LENGTH_BYTES {
        return Err(malformed(format!(
            "{} bytes long (expected at least 10: a length and a header)",
            source.len()
        )));
    }
    let length = source
        .bytes(0, LENGTH_BYTES as usize, &mut scratch)?
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let space = source.len() - LENGTH_BYTES;
    let header_bytes = header_bytes(length, space).map_err(malformed)?;

    let start = source.bytes(0, LENGTH_BYTES as usize + header_bytes, &mut scratch)?;
    let header = start.get(LENGTH_BYTES as usize..).unwrap_or_default();
    let header = parse(header, space - length).map_err(malformed)?;
    let refusal = match reference::must_accept(&header) {
        true => None,
        false => reference::refusal(start),
    };

    let file_name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    let mut warnings = header.oddities.warnings(&file_name);
    warnings.extend(refusal.map(|why| Warning::ReferenceReaderDisagrees {
        file: file_name.clone().into_owned(),
        why,
    }));

    // No overflow: every range was found to lie inside the file.
    let begin = LENGTH_BYTES + length;
    let tensor = |entry: Entry| TensorInfo {
        offset: begin + entry.begin,
        bytes: entry.end - entry.begin,
        name: entry.name,
        dtype: entry.dtype,
        shape: entry.shape,
        file,
    };
    Ok(Contents {
        metadata: header.told,
        tensors: header.entries.into_iter().map(tensor).collect(),
        warnings,
        ..Contents::default()
    })
}

/// The header's length, if the format allows it and the `space` bytes behind it hold it.
fn header_bytes(length: u64, space: u64) -> Scan<usize> {
    if length < 2 {
        return Err(format!(
            "header length {length} (expected at least 2: an object)"
        ));
    }
    if length > limits::HEADER_BYTES {
        return Err(format!(
            "header length {length} (expected at most {} bytes)",
            limits::HEADER_BYTES
        ));
    }
    if length > space {
        return Err(format!(
            "header length {length}, but {space} bytes follow (expected the whole header: cut off?)"
        ));
    }
    usize::try_from(length).map_err(|_| "header too long for this machine".to_string())
}

/// A checked header: entries sorted by name bytes.
#[derive(Debug)]
struct Header {
    entries: Vec<Entry>,
    /// What `__metadata__` tells of an adapter or a sketch.
    told: BTreeMap<String, String>,
    oddities: Oddities,
}

/// One tensor; its range counts from the end of the header.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<u64>,
    begin: u64,
    end: u64,
}

/// What readers let through and a writer should not write.
#[derive(Debug, Default, PartialEq, Eq)]
struct Oddities {
    /// Fields of entries beside the three of the format: how many, and the first with its tensor.
    extra_fields: usize,
    first_extra: Option<(String, String)>,
    /// A key that `__metadata__` repeats.
    repeated_metadata: Option<String>,
}

impl Oddities {
    fn warnings(self, file: &str) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if let Some((tensor, field)) = self.first_extra {
            warnings.push(Warning::ExtraHeaderField {
                file: file.to_owned(),
                fields: self.extra_fields,
                tensor,
                field,
            });
        }
        if let Some(key) = self.repeated_metadata {
            warnings.push(Warning::RepeatedMetadataKey {
                file: file.to_owned(),
                key,
            });
        }
        warnings
    }
}

/// Reads a header whose file has `buffer` bytes behind it.
fn parse(header: &[u8], buffer: u64) -> Scan<Header> {
    if header.first() != Some(&b'{') {
        let found = header.first().map_or(0, |&byte| byte);
        return Err(format!(
            "header begins with byte 0x{found:02X} (expected '{{')"
        ));
    }
    let text = std::str::from_utf8(header).map_err(|e| {
        format!(
            "header is not UTF-8 at byte {} (expected UTF-8)",
            e.valid_up_to()
        )
    })?;
    let mut entries = Vec::new();
    let mut oddities = Oddities::default();
    let mut metadata_seen = false;
    let mut told = BTreeMap::new();
    let mut scanner = Scanner::new(text);
    scanner
        .object(|scanner, key| {
            if key != "__metadata__" {
                entries.push(entry(scanner, key, &mut oddities)?);
                return Ok(());
            }
            if std::mem::replace(&mut metadata_seen, true) {
                return Err("__metadata__ twice (expected once)".into());
            }
            let read = metadata(scanner, &mut oddities, &mut told);
            read.map_err(|what| format!("__metadata__: {what}"))
        })
        .map_err(|what| format!("header: {what}"))?;
    if let Some(at) = scanner.rest().bytes().position(|byte| byte != b' ') {
        let at = text.len() - scanner.rest().len() + at;
        return Err(format!(
            "header: something at byte {at}, behind the object (expected spaces, 0x20, only)"
        ));
    }
    layout::check(&mut entries, buffer)?;
    Ok(Header {
        entries,
        told,
        oddities,
    })
}

/// Reads one entry, `{"dtype": …, "shape": […], "data_offsets": [begin, end]}` in any order.
fn entry(scanner: &mut Scanner<'_>, name: Cow<'_, str>, oddities: &mut Oddities) -> Scan<Entry> {
    let (mut dtype, mut shape, mut offsets) = (None, None, None);
    let mut extra = Vec::new();
    let fields = scanner.object(|scanner, key| match &*key {
        "dtype" => once(
            &mut dtype,
            "dtype",
            read_dtype(scanner).map_err(|what| format!("dtype: {what}"))?,
        ),
        "shape" => once(
            &mut shape,
            "shape",
            read_shape(scanner).map_err(|what| format!("shape: {what}"))?,
        ),
        "data_offsets" => once(
            &mut offsets,
            "data_offsets",
            read_offsets(scanner).map_err(|what| format!("data_offsets: {what}"))?,
        ),
        _ if extra.contains(&key) => {
            Err(format!("{} twice (expected each field once)", quoted(&key)))
        }
        _ if extra.len() == limits::EXTRA_FIELDS => Err(format!(
            "more than {} unknown fields (expected dtype, shape and data_offsets)",
            limits::EXTRA_FIELDS
        )),
        _ => {
            scanner.skip()?;
            extra.push(key);
            Ok(())
        }
    });
    let complete = fields.and_then(|()| {
        let missing = |field| format!("no {field} (expected dtype, shape and data_offsets)");
        let dtype = dtype.ok_or_else(|| missing("dtype"))?;
        let shape = shape.ok_or_else(|| missing("shape"))?;
        let (begin, end) = offsets.ok_or_else(|| missing("data_offsets"))?;
        layout::check_length(dtype, &shape, begin, end)?;
        Ok((dtype, shape, begin, end))
    });
    let (dtype, shape, begin, end) =
        complete.map_err(|what| format!("tensor {}: {what}", quoted(&name)))?;
    let name = name.into_owned();
    oddities.extra_fields += extra.len();
    if let (None, Some(field)) = (&oddities.first_extra, extra.into_iter().next()) {
        oddities.first_extra = Some((name.clone(), field.into_owned()));
    }
    Ok(Entry {
        name,
        dtype,
        shape,
        begin,
        end,
    })
}

/// Fills `slot`, which a repeated field would fill twice.
fn once<T>(slot: &mut Option<T>, field: &str, value: T) -> Scan<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{field} twice (expected each field once)")),
    }
}

fn read_dtype(scanner: &mut Scanner<'_>) -> Scan<Dtype> {
    let name = scanner.string()?;
    Dtype::parse(&name).ok_or_else(|| {
        format!(
            "{} is unknown (expected a dtype of safetensors 0.8, such as BF16, F32 or F8_E4M3)",
            quoted(&name)
        )
    })
}

fn read_shape(scanner: &mut Scanner<'_>) -> Scan<Vec<u64>> {
    let mut shape = Vec::new();
    scanner.array(|scanner| {
        if shape.len() == limits::AXES {
            return Err(scanner.expected(&format!("at most {} axes", limits::AXES)));
        }
        shape.push(scanner.whole_number()?);
        Ok(())
    })?;
    shape.shrink_to_fit();
    Ok(shape)
}

fn read_offsets(scanner: &mut Scanner<'_>) -> Scan<(u64, u64)> {
    let mut numbers = [0u64; 2];
    let mut slots = numbers.iter_mut();
    scanner.array(|scanner| match slots.next() {
        Some(slot) => {
            *slot = scanner.whole_number()?;
            Ok(())
        }
        None => Err(scanner.expected("two numbers")),
    })?;
    if slots.next().is_some() {
        return Err(scanner.expected("two numbers"));
    }
    let [begin, end] = numbers;
    match begin <= end {
        true => Ok((begin, end)),
        false => Err(format!(
            "[{begin}, {end}] is reversed (expected begin, end)"
        )),
    }
}

/// Reads `__metadata__`: an object of strings, or null as some writers put it.
fn metadata(
    scanner: &mut Scanner<'_>,
    oddities: &mut Oddities,
    told: &mut BTreeMap<String, String>,
) -> Scan<()> {
    if scanner.null() {
        return Ok(());
    }
    let mut keys = Vec::new();
    scanner.object(|scanner, key| {
        let value = scanner
            .string()
            .map_err(|what| format!("{}: {what}", quoted(&key)))?;
        if foreign::is_told(&key) || key == sketch::METADATA {
            told.insert(key.to_string(), value.into_owned());
        }
        keys.push(key);
        Ok(())
    })?;
    keys.sort_unstable();
    oddities.repeated_metadata = keys.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some(b.to_string()),
        _ => None,
    });
    Ok(())
}
