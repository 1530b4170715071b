//! The file formats that are read, and which of them a file has.
//!
//! To add one: its word in [`Format`], a file or folder that reads it, and an entry in [`FORMATS`].

use std::path::Path;
use std::sync::Arc;

use super::contents::Contents;
use super::{foreign, gguf, safetensors, torch};
use crate::error::{Error, Result};
use crate::model::checkpoint::Format;
use crate::source::Source;

/// A file format that is read.
#[derive(Debug)]
pub(super) struct FormatReader {
    /// The word of the contract.
    pub(super) format: Format,
    /// Its name in errors.
    pub(super) name: &'static str,
    /// What file names end in, behind the dot.
    pub(super) endings: &'static [&'static str],
    /// The same, of names that other files have too: these count only behind a stem that loaders
    /// look for.
    pub(super) shared_endings: &'static [&'static str],
    /// Where a directory holds a model in several formats, the least is read.
    pub(super) preference: u8,
    /// Whether each file is a model, unless it is numbered as one of several shards.
    pub(super) each_file_is_a_model: bool,
    /// Whether files whose names differ in their numbers may be one model, unlike what each file of
    /// a format that is made for whole models is.
    pub(super) has_series: bool,
    /// Whether a file with one of the endings and of no known content is left to this reader, which
    /// says what is wrong with it.
    pub(super) reads_any_content: bool,
    /// Whether a file that begins with these bytes, at most [`HEAD_BYTES`], is of this format.
    pub(super) begins: fn(&[u8]) -> bool,
    /// Reads the header of a file, the number of which in its checkpoint is given.
    pub(super) read: fn(&Arc<dyn Source>, usize) -> Result<Contents>,
}

/// Bytes of a file by which formats are told apart.
const HEAD_BYTES: u64 = 512;

/// Every format, in the order in which people are told of them.
const FORMATS: [&FormatReader; 3] = [
    &FormatReader {
        format: Format::Safetensors,
        name: "safetensors",
        endings: &["safetensors", "sft"],
        shared_endings: &[],
        preference: 0,
        each_file_is_a_model: false,
        has_series: true,
        reads_any_content: true,
        begins: safetensors::is_safetensors,
        read: |source, file| safetensors::read(&**source, file),
    },
    &FormatReader {
        format: Format::Gguf,
        name: "GGUF",
        endings: &["gguf"],
        shared_endings: &[],
        preference: 2,
        each_file_is_a_model: true,
        has_series: false,
        reads_any_content: false,
        begins: |head| head.starts_with(&gguf::MAGIC),
        read: read_gguf,
    },
    &FormatReader {
        format: Format::Torch,
        name: "PyTorch",
        endings: &["pt", "pth", "ckpt"],
        shared_endings: &["bin"],
        preference: 1,
        each_file_is_a_model: true,
        has_series: true,
        reads_any_content: false,
        begins: torch::is_torch,
        read: torch::read,
    },
];

/// The tensors of a GGUF file come when its parts are joined.
fn read_gguf(source: &Arc<dyn Source>, file: usize) -> Result<Contents> {
    Ok(Contents {
        gguf: Some(gguf::parse_gguf(&**source, file)?),
        ..Contents::default()
    })
}

/// Every format, the preferred first.
pub(super) fn by_preference() -> [&'static FormatReader; FORMATS.len()] {
    let mut formats = FORMATS;
    formats.sort_by_key(|format| format.preference);
    formats
}

/// Every format.
pub(super) fn all() -> impl Iterator<Item = &'static FormatReader> {
    FORMATS.into_iter()
}

/// Reads the header of the file `source`, number `file` of its checkpoint.
///
/// # Errors
/// No format that is read, or a file that breaks its format.
pub(super) fn read(source: &Arc<dyn Source>, file: usize) -> Result<(Format, Contents)> {
    let mut scratch = Vec::new();
    let len = usize::try_from(source.len().min(HEAD_BYTES)).unwrap_or(0);
    let head = source.bytes(0, len, &mut scratch)?;
    if foreign::is_distributed(source.path()) {
        return Err(Error::unsupported(source.path(), foreign::DISTRIBUTED));
    }
    let what = match tell(head, source.path()) {
        Told::Format(reader) => {
            let contents = (reader.read)(source, file)?;
            return Ok((reader.format, contents));
        }
        Told::Else(what) => what,
        Told::Unknown if head.is_empty() => {
            "an empty file: not downloaded? (expected a weight file)".to_owned()
        }
        Told::Unknown => format!(
            "no weight file of a known format (expected {})",
            names_in_words()
        ),
    };
    Err(Error::unsupported(source.path(), what))
}

/// "safetensors, GGUF or PyTorch".
fn names_in_words() -> String {
    let names: Vec<&str> = all().map(|format| format.name).collect();
    match names.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What a file is.
#[derive(Debug)]
enum Told {
    Format(&'static FormatReader),
    /// Something else that is known: what it is, and what was expected.
    Else(String),
    Unknown,
}

/// Content first: names lie.
fn tell(head: &[u8], path: &Path) -> Told {
    if let Some(format) = all().find(|format| (format.begins)(head)) {
        return Told::Format(format);
    }
    if let Some(what) = foreign::tell(head, path) {
        return Told::Else(what);
    }
    let named = all().find(|format| format.reads_any_content && has_its_ending(format, path));
    named.map_or(Told::Unknown, Told::Format)
}

fn has_its_ending(format: &FormatReader, path: &Path) -> bool {
    let Some(ending) = path.extension() else {
        return false;
    };
    let mut endings = format.endings.iter();
    endings.any(|own| ending.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file is told to be, in a word.
    fn told(head: &[u8], name: &str) -> &'static str {
        match tell(head, Path::new(name)) {
            Told::Format(reader) => reader.format.word(),
            Told::Else(_) => "else",
            Told::Unknown => "unknown",
        }
    }

    #[test]
    fn content_decides_before_the_name() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\n";
        for (head, name, expected) in [
            (&b"\x02\0\0\0\0\0\0\0{}"[..], "weights", "safetensors"),
            (b"GGUF\x03\0\0\0", "model.safetensors", "gguf"),
            (b"PK\x03\x04\0\0\x08\x08\0\0", "pytorch_model.bin", "torch"),
            (b"\x80\x02\x8a\x0al\xfc", "old.pt", "torch"),
            (pointer, "model.safetensors", "else"),
            (b"<!DOCTYPE html>", "model.safetensors", "else"),
            (b"\0\x05\x16\x07\0\x02\0\0", "._model.safetensors", "else"),
            (b"../../blobs/0123", "model.safetensors", "else"),
            (b"\x89HDF\r\n\x1a\n", "model.bin", "else"),
            (b"\x1f\x8b\x08\0", "model.gguf", "else"),
            (b"", "model.safetensors", "safetensors"),
            (b"\x10\x02", "MODEL.SFT", "safetensors"),
            (b"\x10\x02", "model.SafeTensors", "safetensors"),
            (b"\x10\x02", "model.gguf", "unknown"),
            (b"\x10\x02", "notes.txt", "unknown"),
        ] {
            assert_eq!(told(head, name), expected, "{name}");
        }
    }

    #[test]
    fn formats_differ_in_word_endings_and_preference() {
        assert_eq!(names_in_words(), "safetensors, GGUF or PyTorch");
        let formats = by_preference();
        for (at, one) in formats.iter().enumerate() {
            for other in &formats[at + 1..] {
                assert!(one.format != other.format && one.preference < other.preference);
                let endings = || one.endings.iter().chain(one.shared_endings);
                assert!(endings().all(|ending| !other.endings.contains(ending)));
            }
        }
    }
}
