//! What a sketch says of the model that it was taken of: the facts beside its values
//! (guide/sketches.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::checkpoint::Format;

/// Version of the layout.
pub(crate) const SCHEMA: &str = "wcmp.sketch/1";

/// Key of the file's metadata by which a sketch is known.
pub(crate) const METADATA: &str = "wcmp.sketch";

/// Tensor of the file that holds [`Facts`] as JSON.
pub(crate) const FACTS: &str = "sketch.facts";

/// Tensor that holds the first eight bytes of the SHA-256 of each token, shape (tokens, 8).
pub(crate) const TOKEN_HASHES: &str = "sketch.token_hashes";

/// Tensor that holds the id of each of these tokens.
pub(crate) const TOKEN_IDS: &str = "sketch.token_ids";

/// Longest axis of a matrix that a sketch can keep something of, rows or values of one row: who reads
/// it holds a row, and a number for each row.
pub(crate) const LONGEST_AXIS: u64 = 1 << 24;

/// What everybody who opens the file is told first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of wcmp that wrote it.
    pub wcmp: String,
    /// Seed of everything that was drawn: fixed and public, so that sketches fit one another.
    pub seed: u64,
}

/// What a sketch says of its model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Name for people.
    pub name: String,
    /// File format of the checkpoint.
    pub format: Format,
    /// Names and lengths of its weight files, in bytes.
    pub files: Vec<(String, u64)>,
    /// Logical elements.
    pub parameters: u64,
    /// Stored bytes of all tensors.
    pub bytes: u64,
    /// Logical elements by number format.
    pub dtypes: BTreeMap<String, u64>,
    /// config.json, where there is one.
    pub config: Option<Map<String, Value>>,
    /// `base_model` that the model card declares.
    pub declared_base: Vec<String>,
    /// Whether every tensor of the files was read, and none is missing.
    pub is_whole: bool,
    /// Share of the parameters whose values stand in the sketch.
    pub disclosed_share: f64,
    /// What did not fit and was left out, in a few words each.
    pub left_out: Vec<String>,
    /// Stored tensors, sorted by name bytes.
    pub manifest: Vec<Entry>,
    /// Logical tensors, sorted by name bytes, and what is kept of them.
    pub tensors: Vec<Kept>,
}

/// A stored tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Name as stored.
    pub name: String,
    /// Number format.
    pub dtype: String,
    /// Axes, slowest first.
    pub shape: Vec<u64>,
    /// SHA-256 of the stored bytes, in hexadecimal.
    pub sha256: String,
}

/// A tensor and what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Name.
    pub name: String,
    /// Number format of the values kept: F32, F16 or BF16.
    pub dtype: String,
    /// Axes of the whole, slowest first.
    pub shape: Vec<u64>,
    /// Values of one row of the whole.
    pub width: u64,
    /// Stored tensors that it is, by their places in the manifest.
    pub stored: Vec<usize>,
    /// Whether a formula explains its first rows and columns.
    pub by_formula: bool,
    /// Whether its rows stand in an order of their own, each like the next, and whether its columns
    /// do.
    pub in_order: [bool; 2],
    /// What is kept.
    pub patches: Vec<Patch>,
    /// What is kept of the units that contribute most to their feed-forward: which these are hangs
    /// on the values, so nothing that counts on a draw looks at them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub largest: Vec<Patch>,
}

/// Values at some rows and columns of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Patch {
    /// Tensor of the file that holds them, shape (rows, columns).
    pub values: String,
    /// Tensor of the file that lists the rows, ascending; all where there is none.
    pub rows: Option<String>,
    /// The same of the columns.
    pub columns: Option<String>,
}
