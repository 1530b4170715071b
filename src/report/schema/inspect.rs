//! The JSON of `wcmp inspect`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::words::en::inspect as words;
use super::{CheckpointRow, VERSION, WarningRow, lenient, version};
use crate::model::checkpoint::WeightSet;
use crate::model::words::{Block, Class, Role};
use crate::results::inspect::{ComponentSize, InspectedTensor, Inspection};

version! {
    /// Version of the JSON of `wcmp inspect`.
    InspectVersion = "wcmp.inspect/1"
}

/// `wcmp inspect`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Inspect {
    /// `wcmp.inspect/1`.
    pub schema: InspectVersion,
    /// Version.
    pub wcmp: String,
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
    /// Which files were taken, typed.
    #[serde(default, deserialize_with = "lenient")]
    pub weight_sets: Vec<WeightSet>,
}

/// Component of `inspect`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct InspectComponent {
    /// Component.
    pub component: String,
    /// Logical elements.
    pub parameters: u64,
    /// Layers.
    pub layers: u64,
}

/// Block of `inspect`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct InspectBlock {
    /// Block.
    pub block: String,
    /// Logical elements.
    pub parameters: u64,
}

/// Tensor of `inspect`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
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
    pub class: Class,
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

impl From<Inspection> for Inspect {
    fn from(found: Inspection) -> Self {
        Self {
            schema: InspectVersion,
            wcmp: VERSION.to_owned(),
            checkpoint: found.checkpoint.into(),
            weight_set: words::weight_sets(&found.weight_sets),
            ignored_files: found.ignored_files,
            config: found.config,
            components: found
                .components
                .into_iter()
                .map(InspectComponent::from)
                .collect(),
            blocks: found.blocks.into_iter().map(InspectBlock::from).collect(),
            tensors: found.tensors.into_iter().map(InspectTensor::from).collect(),
            warnings: found.warnings.iter().map(WarningRow::from).collect(),
            weight_sets: found.weight_sets,
        }
    }
}

impl From<ComponentSize> for InspectComponent {
    fn from(size: ComponentSize) -> Self {
        Self {
            component: size.component.to_string(),
            parameters: size.parameters,
            layers: size.layers,
        }
    }
}

impl From<(Block, u64)> for InspectBlock {
    fn from((block, parameters): (Block, u64)) -> Self {
        Self {
            block: block.to_string(),
            parameters,
        }
    }
}

impl From<InspectedTensor> for InspectTensor {
    fn from(tensor: InspectedTensor) -> Self {
        Self {
            name: tensor.name,
            component: tensor.component.to_string(),
            layer: tensor.layer,
            block: tensor.block.map(|block| block.to_string()),
            role: tensor.role,
            expert: tensor.expert,
            shared_expert: tensor.shared_expert,
            class: tensor.class,
            informative: tensor.informative,
            shape: tensor.shape,
            logical_shape: tensor.logical_shape,
            dtype: tensor.dtype.to_string(),
            storage: tensor.storage.to_owned(),
            file: tensor.file,
            offset: tensor.offset,
            bytes: tensor.bytes,
        }
    }
}
