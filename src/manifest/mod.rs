//! The hash manifest: written, read in both its forms, and held against what a checkpoint has.
//!
//! One line a tensor, sorted by name bytes, then the model digest, which is the SHA-256 of the
//! lines above it:
//! ```text
//! DIGEST  DTYPE  [2,3]  NAME
//! DIGEST  -  -  model
//! ```
//! A check may fail too often and never pass wrongly: what is cut short, repeated, out of order or
//! changed by hand is an error that names the line.

mod check;
mod parse;
#[cfg(test)]
mod tests;
mod write;

use std::cmp::Ordering;

pub use self::check::{Difference, Differences, check};
pub use self::parse::parse;
pub(crate) use self::write::{Line, digest_of_lines};
pub use self::write::{line, model_digest, to_string};

/// SHA-256.
pub type Digest = [u8; 32];

/// A manifest: its entries, and the digest of their lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Tensors, sorted by name bytes.
    pub entries: Vec<ManifestEntry>,
    /// SHA-256 of the manifest's lines.
    pub model_digest: Digest,
}

/// One tensor of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestEntry {
    /// Name as stored.
    pub name: String,
    /// Number format, a word of letters, digits and `_`. A manifest that was read may have one that
    /// this version does not know.
    pub dtype: String,
    /// Axes, slowest first.
    pub shape: Vec<u64>,
    /// SHA-256 of the stored bytes.
    pub sha256: Digest,
}

impl Manifest {
    /// The manifest of these tensors, given in any order.
    pub fn new(mut entries: Vec<ManifestEntry>) -> Self {
        entries.sort_by(by_name);
        let model_digest = model_digest(&entries);
        Self {
            entries,
            model_digest,
        }
    }
}

fn by_name(a: &ManifestEntry, b: &ManifestEntry) -> Ordering {
    a.name.as_bytes().cmp(b.name.as_bytes())
}
