//! What was done to the base's weights, with the check on what took no part in finding it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::sides::Side;
use crate::model::words::{Component, words};

words! {
    /// Kind of a recovered transformation.
    TransformationKind {
        /// Hidden units of feed-forwards in another order.
        FfnPermuted = "ffn_permuted",
        /// Key/value groups, or heads in them, in another order.
        HeadsPermuted = "heads_permuted",
        /// Residual dimensions in another order, perhaps with other signs.
        ResidualPermuted = "residual_permuted",
        /// Residual stream in another basis.
        ResidualRotated = "residual_rotated",
        /// Routed experts under other numbers.
        ExpertsPermuted = "experts_permuted",
        /// Hidden units left out.
        Pruned = "pruned",
        /// Experts left out.
        ExpertsPruned = "experts_pruned",
        /// Channels in another scale.
        ChannelsRescaled = "channels_rescaled",
    }
}

/// What was recovered.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformation {
    /// What was changed.
    pub kind: TransformationKind,
    /// Component; `None` where layers of several are told together.
    pub component: Option<Component>,
    /// Layers it was found in.
    pub layers: Vec<u32>,
    /// Units that were kept, where some were left out.
    pub kept: Option<KeptUnits>,
    /// What it was checked on.
    pub check: Check,
    /// Cosine after it is undone.
    pub check_cosine: Option<f64>,
}

/// Units kept, of those that there are on the larger side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptUnits {
    /// Units of the smaller side.
    pub kept: usize,
    /// Units of the larger side.
    pub of: usize,
}

/// What a recovered transformation was checked on. `as_stored` is the cosine before it is undone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "values")]
pub enum Check {
    /// Angles among the units, against those among their partners.
    Geometry,
    /// Queries of heads matched by values and outputs, in the order found.
    Queries {
        /// Their cosine as stored.
        as_stored: Option<f64>,
    },
    /// Tensors that read or write the residual stream.
    Stream {
        /// Which.
        witness: StreamWitness,
        /// Their cosine as stored.
        as_stored: Option<f64>,
    },
    /// Rows of routers in the order of their experts.
    Routers,
    /// Order of the units, of which one side has fewer.
    Order {
        /// The side that has fewer.
        fewer: Side,
        /// Units that stand in one order.
        in_order: usize,
        /// Units that were asked.
        probes: usize,
    },
    /// Matrices that read the norms, multiplied by the quotient of the gains.
    NormReaders,
}

/// What speaks for a change of the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamWitness {
    /// Attention matrices.
    AttentionMatrices,
    /// The output head.
    OutputHead,
}
