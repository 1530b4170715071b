//! What `sketch` answers.

use super::checkpoint::CheckpointFacts;
use crate::model::warning::Warning;

/// A sketch that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct SketchReport {
    /// The checkpoint.
    pub checkpoint: CheckpointFacts,
    /// Where the sketch was written.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Tensors of the model that something is kept of.
    pub tensors: u64,
    /// Share of the parameters whose values stand in it.
    pub disclosed_share: f64,
    /// What did not fit, in a few words each.
    pub left_out: Vec<String>,
    /// What is odd about the checkpoint.
    pub warnings: Vec<Warning>,
}
