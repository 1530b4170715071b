//! Which format a weight file has, told by its first bytes, and the one place where a reader is
//! chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::gguf::{self, GgufFile};
use super::{limits, safetensors, torch};
use crate::error::{Error, Result};
use crate::model::checkpoint::{Format, TensorInfo};
use crate::model::config::Config;
use crate::model::warning::Warning;
use crate::source::{Source, Strided};

/// What one weight file holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Stored tensors in any order, names unique in the file; offsets count from the beginning of
    /// the file.
    pub(super) tensors: Vec<TensorInfo>,
    /// The bytes of those tensors whose elements do not lie one behind the other, by name.
    pub(super) strided: BTreeMap<String, Strided>,
    /// What the file itself says in place of a config.json.
    pub(super) config: Option<Config>,
    /// A GGUF file, whose tensors are here and not in the list above until its parts are joined.
    pub(super) gguf: Option<GgufFile>,
    /// Odd but usable things.
    pub(super) warnings: Vec<Warning>,
}

/// Reads the header of the file `source`, number `file` of its checkpoint.
///
/// # Errors
/// No format that is read, or a file that breaks its format.
pub(super) fn read(source: &Arc<dyn Source>, file: usize) -> Result<(Format, Contents)> {
    let path = source.path();
    let mut scratch = Vec::new();
    let head = source.bytes(
        0,
        usize::try_from(source.len().min(64)).unwrap_or(64),
        &mut scratch,
    )?;
    match sniff(head, path) {
        Kind::Safetensors => {
            safetensors::read(&**source, file).map(|contents| (Format::Safetensors, contents))
        }
        Kind::Gguf => {
            let file = gguf::parse_gguf(&**source, file)?;
            Ok((
                Format::Gguf,
                Contents {
                    gguf: Some(file),
                    ..Contents::default()
                },
            ))
        }
        Kind::Torch => {
            let file = torch::parse_torch(&**source, file)?;
            Ok((Format::Torch, torch_contents(file, source)))
        }
        Kind::LfsPointer => Err(Error::unsupported(
            path,
            "a Git LFS pointer: not downloaded (expected the file it stands for)",
        )),
        Kind::WebPage => Err(Error::unsupported(
            path,
            "a web page (expected a weight file)",
        )),
        Kind::Unknown => Err(Error::unsupported(
            path,
            "no weight file of a known format (expected safetensors, GGUF or PyTorch)",
        )),
    }
}

/// Tensors of a PyTorch file. A tied tensor is taken once, under its first name; views whose
/// elements do not lie one behind the other are sources of their own.
fn torch_contents(file: torch::TorchFile, source: &Arc<dyn Source>) -> Contents {
    let aliases: BTreeSet<String> = file
        .tied()
        .into_iter()
        .map(|(alias, _)| alias.to_owned())
        .collect();
    let mut warnings = file.warnings;
    let mut tensors = Vec::new();
    let mut strided = BTreeMap::new();
    for tensor in file.tensors {
        let name = tensor.info.name.clone();
        if aliases.contains(&name) {
            warnings.push(Warning::TiedTensor { name });
            continue;
        }
        if let Some(layout) = tensor.layout() {
            strided.insert(name, Strided::new(Arc::clone(source), layout));
        }
        tensors.push(tensor.info);
    }
    Contents {
        tensors,
        strided,
        warnings,
        ..Contents::default()
    }
}

/// What a file is.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Safetensors,
    Gguf,
    /// A zip archive or a bare pickle.
    Torch,
    /// What `git clone` leaves of a large file without the LFS extension.
    LfsPointer,
    /// What a download that needs a login leaves.
    WebPage,
    Unknown,
}

/// Content first: names lie. A file named .safetensors of no other kind is left to the strict
/// reader, which says what is wrong with it.
fn sniff(head: &[u8], path: &Path) -> Kind {
    let begins = |magic: &[u8]| head.starts_with(magic);
    let length = head.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    if length.is_some_and(|length| length <= limits::HEADER_BYTES) && head.get(8) == Some(&b'{') {
        Kind::Safetensors
    } else if begins(b"GGUF") {
        Kind::Gguf
    } else if begins(b"PK\x03\x04") || begins(b"\x80\x02") {
        Kind::Torch
    } else if begins(b"version https://git-lfs") {
        Kind::LfsPointer
    } else if begins(b"<!DOCTYPE") || begins(b"<!doctype") || begins(b"<html") {
        Kind::WebPage
    } else if path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
    {
        Kind::Safetensors
    } else {
        Kind::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        let named = |head: &[u8], name: &str| sniff(head, Path::new(name));
        assert_eq!(named(b"\x02\0\0\0\0\0\0\0{}", "weights"), Kind::Safetensors);
        assert_eq!(named(b"GGUF\x03\0\0\0", "model.safetensors"), Kind::Gguf);
        assert_eq!(
            named(b"PK\x03\x04\0\0\x08\x08\0\0", "pytorch_model.bin"),
            Kind::Torch
        );
        assert_eq!(named(b"\x80\x02\x8a\x0al\xfc", "old.pt"), Kind::Torch);
        assert_eq!(
            named(
                b"version https://git-lfs.github.com/spec/v1\n",
                "model.safetensors"
            ),
            Kind::LfsPointer
        );
        assert_eq!(
            named(b"<!DOCTYPE html>", "model.safetensors"),
            Kind::WebPage
        );
        assert_eq!(named(b"", "model.safetensors"), Kind::Safetensors);
        assert_eq!(named(b"anything", "model.SafeTensors"), Kind::Safetensors);
        assert_eq!(named(b"anything", "notes.txt"), Kind::Unknown);
    }
}
