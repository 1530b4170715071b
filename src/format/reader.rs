//! What a file format is to the rest: how its files are called and told, and what reading one gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::gguf::GgufFile;
use crate::error::Result;
use crate::model::checkpoint::{Format, TensorInfo};
use crate::model::config::Config;
use crate::model::warning::Warning;
use crate::source::{Source, Strided};

/// A file format that is read. `formats` has the table of them.
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
    /// Whether a file with one of the endings and of no known content is left to this reader, which
    /// says what is wrong with it.
    pub(super) reads_any_content: bool,
    /// Whether a file that begins with these bytes, at most [`HEAD_BYTES`], is of this format.
    pub(super) begins: fn(&[u8]) -> bool,
    /// Reads the header of a file, the number of which in its checkpoint is given.
    pub(super) read: fn(&Arc<dyn Source>, usize) -> Result<Contents>,
}

/// Bytes of a file by which formats are told apart.
pub(super) const HEAD_BYTES: u64 = 64;

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
