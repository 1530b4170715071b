//! The JSON of `wcmp hash` and `wcmp hash --check`.

use serde::Serialize;

use super::CheckpointRow;

/// `wcmp hash`.
#[derive(Debug, Clone, Serialize)]
pub struct Hash {
    /// `wcmp.hash/1`.
    pub schema: &'static str,
    /// Version.
    pub wcmp: &'static str,
    /// The checkpoint.
    pub checkpoint: CheckpointRow,
    /// Tensors.
    pub tensors: Vec<HashTensor>,
    /// SHA-256 of the manifest's lines.
    pub model_digest: String,
}

/// Tensor of a hash manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HashTensor {
    /// Name.
    pub name: String,
    /// Dtype.
    pub dtype: String,
    /// Shape.
    pub shape: Vec<u64>,
    /// Digest.
    pub sha256: String,
}

/// `wcmp hash --check`.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// `wcmp.check/1`.
    pub schema: &'static str,
    /// Version.
    pub wcmp: &'static str,
    /// The checkpoint.
    pub checkpoint: CheckpointRow,
    /// Whether all is as the manifest says.
    pub equal: bool,
    /// Tensors that match.
    pub matching: u64,
    /// Tensors that differ.
    pub different: Vec<HashDifference>,
    /// Tensors the manifest has and the checkpoint lacks.
    pub missing: Vec<String>,
    /// Tensors the checkpoint has and the manifest lacks.
    pub new: Vec<String>,
}

/// A tensor that is not what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HashDifference {
    /// Name.
    pub name: String,
    /// What the manifest says.
    pub expected: String,
    /// What was found.
    pub found: String,
}
