//! What `arch` answers.

use serde_json::Value;

use super::checkpoint::CheckpointFacts;
use crate::model::architecture::{Conflict, Fact, ShapeComparison};
use crate::model::tokenizer::Overlap;
use crate::model::warning::Noted;

/// A target set against each base.
#[derive(Debug, Clone, PartialEq)]
pub struct ArchReport {
    /// The target.
    pub target: CheckpointFacts,
    /// Bases, as they were given.
    pub bases: Vec<BaseArchitecture>,
    /// Facts that a side has, sorted by field.
    pub fields: Vec<Field>,
    /// Disagreements inside the target.
    pub conflicts: Vec<Conflict>,
    /// What is odd about any of them.
    pub warnings: Vec<Noted>,
}

/// The target against one base.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseArchitecture {
    /// The base.
    pub base: CheckpointFacts,
    /// Their shapes.
    pub shapes: ShapeComparison,
    /// Their tokenizers, where both have one.
    pub tokenizer: Option<Overlap>,
}

/// One fact of target and bases.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Spelling of the field.
    pub name: String,
    /// The target's.
    pub target: Option<Fact>,
    /// The bases', in their order.
    pub bases: Vec<Option<Fact>>,
}

impl Field {
    /// Whether the base's fact of this number equals the target's; `None` where one is absent or
    /// has no tensor behind it.
    pub fn equals(&self, base: usize) -> Option<bool> {
        let (own, other) = (self.target.as_ref()?, self.bases.get(base)?.as_ref()?);
        if own.unused || other.unused {
            return None;
        }
        // 10000 and 10000.0 are one base of rotary positions.
        Some(match (number(&own.value), number(&other.value)) {
            (Some(own), Some(other)) => own == other,
            _ => own.value == other.value,
        })
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}
