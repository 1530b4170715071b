//! The JSON of `wcmp inspect`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{CheckpointRow, WarningRow};
use crate::model::words::Role;

/// `wcmp inspect`.
#[derive(Debug, Clone, Serialize)]
pub struct Inspect {
    /// `wcmp.inspect/1`.
    pub schema: &'static str,
    /// Version.
    pub wcmp: &'static str,
    /// The checkpoint.
    pub checkpoint: CheckpointRow,
    /// Which files were taken.
    pub weight_set: String,
    /// Which were not.
    pub ignored_files: Vec<String>,
    /// Facts of config.json.
    pub config: BTreeMap<String, Value>,
    /// Components.
    pub components: Vec<InspectComponent>,
    /// Blocks.
    pub blocks: Vec<InspectBlock>,
    /// Tensors.
    pub tensors: Vec<InspectTensor>,
    /// Warnings.
    pub warnings: Vec<WarningRow>,
}

/// Component of `inspect`.
#[derive(Debug, Clone, Serialize)]
pub struct InspectComponent {
    /// Component.
    pub component: String,
    /// Logical elements.
    pub parameters: u64,
    /// Layers.
    pub layers: u64,
}

/// Block of `inspect`.
#[derive(Debug, Clone, Serialize)]
pub struct InspectBlock {
    /// Block.
    pub block: String,
    /// Logical elements.
    pub parameters: u64,
}

/// Tensor of `inspect`.
#[derive(Debug, Clone, Serialize)]
pub struct InspectTensor {
    /// Name.
    pub name: String,
    /// Component.
    pub component: String,
    /// Layer.
    pub layer: Option<u32>,
    /// Block.
    pub block: Option<String>,
    /// Role.
    pub role: Role,
    /// Expert.
    pub expert: Option<u32>,
    /// Shared expert.
    pub shared_expert: bool,
    /// Class.
    pub class: &'static str,
    /// Whether it counts; null where values would have to be read.
    pub informative: Option<bool>,
    /// Stored shape.
    pub shape: Vec<u64>,
    /// Logical shape.
    pub logical_shape: Vec<u64>,
    /// Dtype.
    pub dtype: String,
    /// How it is stored.
    pub storage: String,
    /// File.
    pub file: String,
    /// First byte in the file.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}
