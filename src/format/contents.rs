//! What reading one weight file gives, whatever its format.

use std::collections::BTreeMap;

use super::gguf::GgufFile;
use crate::model::checkpoint::TensorInfo;
use crate::model::config::Config;
use crate::model::warning::Warning;
use crate::source::Strided;

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
    /// The key of the model that is read, where others stand beside it.
    pub(super) key: Option<String>,
    /// Models beside the one that is read.
    pub(super) others: Vec<ModelBeside>,
    /// What `__metadata__` tells of an adapter or a sketch.
    pub(super) metadata: BTreeMap<String, String>,
    /// Odd but usable things.
    pub(super) warnings: Vec<Warning>,
}

/// A model that stands beside another in one file, and is read only where it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct ModelBeside {
    /// The key of its dictionary.
    pub(crate) key: String,
    /// Its tensors; their names begin with the key and a dot.
    pub(crate) tensors: Vec<TensorInfo>,
}
