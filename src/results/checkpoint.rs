//! What every report tells of a checkpoint.

use std::collections::BTreeMap;

use crate::model::checkpoint::Format;
use crate::model::dtype::Dtype;
use crate::model::words::words;

words! {
    /// What was given.
    CheckpointKind {
        /// Weights.
        Checkpoint = "checkpoint",
        /// What is kept of them.
        Sketch = "sketch",
    }
}

/// A checkpoint in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointFacts {
    /// Whether these are weights or a sketch of them.
    pub kind: CheckpointKind,
    /// Path as given.
    pub path: String,
    /// Name for people.
    pub name: String,
    /// File format.
    pub format: Format,
    /// Names and lengths of its weight files, in bytes.
    pub files: Vec<(String, u64)>,
    /// Architecture as config.json names it.
    pub architecture: Option<String>,
    /// Logical elements.
    pub parameters: u64,
    /// Stored bytes of all tensors.
    pub bytes: u64,
    /// Logical elements by number format.
    pub dtypes: BTreeMap<Dtype, u64>,
    /// Quantisation scheme as config.json names it.
    pub quantization: Option<String>,
    /// SHA-256 of the lines of its hash manifest, where digests were taken.
    pub model_digest: Option<[u8; 32]>,
}
