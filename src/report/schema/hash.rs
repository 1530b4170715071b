//! The JSON of `wcmp hash` and `wcmp hash --check`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CheckpointRow, Hex, VERSION, version};
use crate::manifest::{Difference, Manifest, ManifestEntry};
use crate::report::number;
use crate::results::hash::{CheckReport, HashReport};

version! {
    /// Version of the JSON of `wcmp hash`.
    HashVersion = "wcmp.hash/1"
}

version! {
    /// Version of the JSON of `wcmp hash --check`.
    CheckVersion = "wcmp.check/1"
}

/// `wcmp hash`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Hash {
    /// `wcmp.hash/1`.
    pub schema: HashVersion,
    /// Version.
    pub wcmp: String,
    /// The checkpoint.
    pub checkpoint: CheckpointRow,
    /// Tensors.
    pub tensors: Vec<HashTensor>,
    /// SHA-256 of the manifest's lines.
    pub model_digest: Hex,
}

/// Tensor of a hash manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct HashTensor {
    /// Name.
    pub name: String,
    /// Dtype.
    pub dtype: String,
    /// Shape.
    pub shape: Vec<u64>,
    /// Digest.
    pub sha256: Hex,
}

/// `wcmp hash --check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Check {
    /// `wcmp.check/1`.
    pub schema: CheckVersion,
    /// Version.
    pub wcmp: String,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct HashDifference {
    /// Name.
    pub name: String,
    /// What the manifest says.
    pub expected: String,
    /// What was found.
    pub found: String,
}

impl From<HashReport> for Hash {
    fn from(report: HashReport) -> Self {
        let entries = report.manifest.entries.into_iter();
        Self {
            schema: HashVersion,
            wcmp: VERSION.to_owned(),
            checkpoint: report.checkpoint.into(),
            tensors: entries.map(HashTensor::from).collect(),
            model_digest: Hex(report.manifest.model_digest),
        }
    }
}

impl From<ManifestEntry> for HashTensor {
    fn from(entry: ManifestEntry) -> Self {
        Self {
            name: entry.name,
            dtype: entry.dtype,
            shape: entry.shape,
            sha256: Hex(entry.sha256),
        }
    }
}

impl From<&Hash> for Manifest {
    fn from(hash: &Hash) -> Self {
        let entry = |tensor: &HashTensor| ManifestEntry {
            name: tensor.name.clone(),
            dtype: tensor.dtype.clone(),
            shape: tensor.shape.clone(),
            sha256: tensor.sha256.0,
        };
        Self::new(hash.tensors.iter().map(entry).collect())
    }
}

impl From<CheckReport> for Check {
    fn from(report: CheckReport) -> Self {
        let found = report.differences;
        Self {
            schema: CheckVersion,
            wcmp: VERSION.to_owned(),
            checkpoint: report.checkpoint.into(),
            equal: found.is_empty(),
            matching: found.matching,
            different: found
                .different
                .into_iter()
                .map(HashDifference::from)
                .collect(),
            missing: found.missing,
            new: found.new,
        }
    }
}

/// Where dtype and shape agree, the digests; else the first three fields of the manifest line.
impl From<Difference> for HashDifference {
    fn from(difference: Difference) -> Self {
        let digest_alone = difference.is_of_bytes_alone();
        let shown = |entry: &ManifestEntry| {
            let digest = Hex(entry.sha256);
            match digest_alone {
                true => digest.to_string(),
                false => format!("{digest}  {}  {}", entry.dtype, number::shape(&entry.shape)),
            }
        };
        Self {
            expected: shown(&difference.expected),
            found: shown(&difference.found),
            name: difference.expected.name,
        }
    }
}
