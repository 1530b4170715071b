//! What `inspect` answers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::checkpoint::CheckpointFacts;
use crate::model::checkpoint::WeightSet;
use crate::model::dtype::Dtype;
use crate::model::warning::Warning;
use crate::model::words::{Block, Class, Component, Role};

/// What is in a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// The checkpoint.
    pub checkpoint: CheckpointFacts,
    /// Which files were taken.
    pub weight_sets: Vec<WeightSet>,
    /// Which were not.
    pub ignored_files: Vec<String>,
    /// Facts of config.json.
    pub config: BTreeMap<String, Value>,
    /// Components, sorted.
    pub components: Vec<ComponentSize>,
    /// Logical elements of blocks, sorted.
    pub blocks: Vec<(Block, u64)>,
    /// Logical tensors, sorted by name bytes.
    pub tensors: Vec<InspectedTensor>,
    /// What is odd.
    pub warnings: Vec<Warning>,
}

/// The size of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentSize {
    /// The component.
    pub component: Component,
    /// Logical elements.
    pub parameters: u64,
    /// Layers, those of multi-token prediction left out.
    pub layers: u64,
}

/// A logical tensor, and where it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedTensor {
    /// Name.
    pub name: String,
    /// Component.
    pub component: Component,
    /// Layer.
    pub layer: Option<u32>,
    /// Block.
    pub block: Option<Block>,
    /// Role.
    pub role: Role,
    /// Expert.
    pub expert: Option<u32>,
    /// Whether it is of a shared expert.
    pub shared_expert: bool,
    /// Class.
    pub class: Class,
    /// Whether it counts; none where values would have to be read.
    pub informative: Option<bool>,
    /// Stored shape.
    pub shape: Vec<u64>,
    /// Logical shape.
    pub logical_shape: Vec<u64>,
    /// Number format.
    pub dtype: Dtype,
    /// How it is stored, in one word.
    pub storage: &'static str,
    /// The file of its largest stored tensor.
    pub file: String,
    /// First byte of that tensor in the file.
    pub offset: u64,
    /// Length of all its stored tensors, in bytes.
    pub bytes: u64,
}
