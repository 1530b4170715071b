//! A checkpoint held against a manifest.

use std::cmp::Ordering;

use super::{Manifest, ManifestEntry, by_name};

/// What a checkpoint has otherwise than a manifest says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Tensors that match.
    pub matching: u64,
    /// Tensors that differ, sorted by name bytes.
    pub different: Vec<Difference>,
    /// Names that the manifest has and the checkpoint lacks.
    pub missing: Vec<String>,
    /// Names that the checkpoint has and the manifest lacks.
    pub new: Vec<String>,
}

/// A tensor that is not what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What the manifest says.
    pub expected: ManifestEntry,
    /// What was found under its name.
    pub found: ManifestEntry,
}

impl Differences {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.different.is_empty() && self.missing.is_empty() && self.new.is_empty()
    }
}

impl Difference {
    /// Whether dtype and shape agree, so that the digests alone differ.
    pub fn is_of_bytes_alone(&self) -> bool {
        self.expected.dtype == self.found.dtype && self.expected.shape == self.found.shape
    }
}

/// Holds what was `found` in a checkpoint against the `expected` manifest.
pub fn check(expected: &Manifest, found: &Manifest) -> Differences {
    let mut out = Differences::default();
    let mut expected = expected.entries.iter().peekable();
    let mut found = found.entries.iter().peekable();
    loop {
        let order = match (expected.peek(), found.peek()) {
            (Some(expected), Some(found)) => by_name(expected, found),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return out,
        };
        let expected = expected.next_if(|_| order.is_le());
        let found = found.next_if(|_| order.is_ge());
        match (expected, found) {
            (Some(expected), Some(found)) if expected == found => out.matching += 1,
            (Some(expected), Some(found)) => out.different.push(Difference {
                expected: expected.clone(),
                found: found.clone(),
            }),
            (Some(expected), None) => out.missing.push(expected.name.clone()),
            (None, Some(found)) => out.new.push(found.name.clone()),
            (None, None) => {}
        }
    }
}
