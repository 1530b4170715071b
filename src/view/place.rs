//! Place of a tensor in a model, whatever its naming scheme.

use std::sync::Arc;

use crate::model::name::Meaning;
use crate::model::words::{Block, Component};

use super::logical::Logical;

/// Two tensors of one place in two models are the same tensor, whatever they are called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Component.
    pub component: Component,
    /// Block.
    pub block: Option<Block>,
    /// Layer, also inside the prediction layers after the last.
    pub layer: Option<u32>,
    /// Routed expert.
    pub expert: Option<u32>,
    /// Whether it belongs to a shared expert.
    pub shared_expert: bool,
    /// Scheme-independent name inside the block.
    pub slot: Arc<str>,
}

impl Place {
    /// The place that a meaning names.
    pub fn meant_by(meaning: &Meaning) -> Self {
        Self {
            component: meaning.component,
            block: meaning.block,
            layer: meaning.layer,
            expert: meaning.expert,
            shared_expert: meaning.shared_expert,
            slot: meaning.slot.clone(),
        }
    }
}

impl Logical {
    /// Its place.
    pub fn place(&self) -> Place {
        Place::meant_by(&self.meaning)
    }
}
