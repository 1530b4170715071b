//! What `hash` and `hash --check` answer.

use super::checkpoint::CheckpointFacts;
use crate::manifest::{Differences, Manifest};
use crate::model::checkpoint::LeftAside;
use crate::model::warning::Warning;

/// The manifest of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashReport {
    /// The checkpoint.
    pub checkpoint: CheckpointFacts,
    /// Its manifest.
    pub manifest: Manifest,
    /// What is odd about it.
    pub warnings: Vec<Warning>,
    /// Weight files that were not hashed.
    pub left_aside: Vec<LeftAside>,
}

/// A checkpoint held against a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// The checkpoint.
    pub checkpoint: CheckpointFacts,
    /// What it has otherwise than the manifest says.
    pub differences: Differences,
    /// What is odd about it.
    pub warnings: Vec<Warning>,
}
