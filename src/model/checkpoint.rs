//! What was found in a checkpoint: files, stored tensors, config, and what is odd about them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::path::PathBuf;

use super::config::Config;
use super::dtype::Dtype;
use super::warning::Warning;
use super::words::words;

words! {
    /// File format of a checkpoint.
    Format {
        /// safetensors files.
        Safetensors = "safetensors",
        /// GGUF files.
        Gguf = "gguf",
        /// PyTorch zip files.
        Torch = "torch",
        /// A PEFT adapter.
        Adapter = "adapter",
        /// config.json alone, without weights.
        Config = "config",
    }
}

/// One weight file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Name relative to the checkpoint's directory (or the file's own name).
    pub name: String,
    /// Where it is opened.
    pub path: PathBuf,
    /// Length in bytes.
    pub bytes: u64,
}

/// Files that are one model, or one part of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct WeightSet {
    /// What names begin with: the sub-folder with `/`, or nothing.
    pub prefix: String,
    /// The files.
    pub files: WeightFiles,
}

/// How the files of a set belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightFiles {
    /// Shards that an index names.
    Indexed {
        /// The index.
        index: String,
        /// How many shards.
        shards: usize,
    },
    /// One file.
    One(String),
    /// Several that no index names.
    Several(usize),
    /// None: a configuration alone.
    ConfigAlone(String),
}

words! {
    /// Why a weight file was not read.
    WhyAside {
        /// An adapter beside a model.
        Adapter = "adapter",
        /// The format is read, and another one is preferred.
        AnotherFormat = "another_format",
        /// A format that is not read.
        UnreadFormat = "unread_format",
        /// Another copy, variant or generation.
        AnotherCopy = "another_copy",
        /// An index, or a shard that the index does not name.
        NotInIndex = "not_in_index",
        /// It holds other weights under the same names, or another number of them.
        AnotherModel = "another_model",
    }
}

/// A weight file that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAside {
    /// Name relative to the checkpoint's directory.
    pub file: String,
    /// Why.
    pub why: WhyAside,
}

/// A tensor as it is stored: `bytes` bytes at `offset` of file `file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name as stored.
    pub name: String,
    /// Number format.
    pub dtype: Dtype,
    /// Axes, slowest first.
    pub shape: Vec<u64>,
    /// Index into [`Checkpoint::files`].
    pub file: usize,
    /// Position of the first byte in that file.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}

impl TensorInfo {
    /// Number of elements (checked by the reader).
    pub fn elements(&self) -> u64 {
        super::dtype::element_count(&self.shape).unwrap_or(0)
    }
}

/// A checkpoint whose headers were read and checked; no tensor value has been looked at.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The path as the user gave it.
    pub path: PathBuf,
    /// Name for people (guide/contract.md, section 5).
    pub name: String,
    /// File format.
    pub format: Format,
    /// Weight files, sorted by name.
    pub files: Vec<File>,
    /// Stored tensors, sorted by name bytes.
    pub tensors: Vec<TensorInfo>,
    /// config.json, where there is one.
    pub config: Option<Config>,
    /// `base_model` that the model card (README.md front matter) declares.
    pub declared_base: Vec<String>,
    /// Which files were taken: one set, or one of each part of a pipeline.
    pub weight_sets: Vec<WeightSet>,
    /// Weight files that were not read, sorted by name.
    pub left_aside: Vec<LeftAside>,
    /// Odd but usable things.
    pub warnings: Vec<Warning>,
}

impl Checkpoint {
    /// Whether every tensor of the files stands in [`Self::tensors`]; a warning names each of those
    /// that do not.
    pub fn is_whole(&self) -> bool {
        !self
            .warnings
            .iter()
            .any(|warning| matches!(warning, Warning::TensorNotRead { .. }))
    }

    /// Whether files or layers of the model are missing, so that what is not there says nothing of
    /// how it was made.
    pub fn is_incomplete(&self) -> bool {
        self.warnings.iter().any(|warning| {
            matches!(
                warning,
                Warning::ShardsMissing { .. }
                    | Warning::PartMissing { .. }
                    | Warning::LayersMissing { .. }
            )
        })
    }

    /// The stored tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        let at = self
            .tensors
            .binary_search_by(|t| t.name.as_bytes().cmp(name.as_bytes()))
            .ok()?;
        self.tensors.get(at)
    }
}
