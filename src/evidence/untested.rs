//! What could not be tested, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::words::Component;
use crate::stats::formula::Formula;
use crate::stats::units::Untestable;

use super::part::PartKind;

/// Something that could not be tested.
#[derive(Debug, Clone, PartialEq)]
pub struct Untested {
    /// What.
    pub what: Subject,
    /// Why.
    pub why: Obstacle,
}

/// What a test would have looked at.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "values")]
pub enum Subject {
    /// Units of feed-forwards, of all layers.
    FeedForwards,
    /// Units of one feed-forward, or of one expert.
    Block {
        /// Component.
        component: Component,
        /// Layer.
        layer: u32,
        /// Routed expert.
        expert: Option<u32>,
    },
    /// Dimensions of the residual stream, in all parts.
    ResidualDimensions,
    /// Dimensions of the residual stream in one part.
    ResidualOf(UnitsOf),
    /// Rows of the tensor of that name.
    Rows(String),
    /// Disguises that only shared tokens see through.
    TokenDisguises,
    /// Units in another order.
    ReorderedUnits,
    /// Dimensions in another order, or rotated.
    Disguises,
    /// The tensor of that name.
    Tensor(String),
}

/// What the units of a test belong to, where it is no block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitsOf {
    /// The tensor of that name.
    Tensor(String),
    /// A part of a layer.
    Layer {
        /// Which part.
        kind: PartKind,
        /// Which layer.
        layer: u32,
    },
    /// The experts of a layer, each a unit.
    Experts {
        /// Which layer.
        layer: u32,
    },
}

/// Why something could not be tested.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "values")]
pub enum Obstacle {
    /// No feed-forward block of equal layer and kind on both sides.
    NoCommonBlock,
    /// No matrix of one role on both sides.
    NoCommonRole,
    /// No attention, embedding or output head of one width on both sides.
    NoCommonStream,
    /// The matrices have no common width.
    NoCommonWidth,
    /// The two tokenizers have no token in common.
    NoCommonToken,
    /// The two sides have too few tokens in common.
    FewCommonTokens {
        /// Tokens in common.
        shared: usize,
        /// Tokens that are needed.
        needed: usize,
    },
    /// Numbers of residual dimensions differ.
    UnequalDimensions {
        /// The base's.
        base: usize,
        /// The target's.
        target: usize,
    },
    /// Rows do not fill whole units.
    PartialUnits {
        /// Rows.
        rows: usize,
    },
    /// Byte-identical while nothing else is alike, and small or like a table.
    IdenticalAlone,
    /// A formula explains the likeness of the two sides.
    Formula(Formula),
    /// Places along its axes have a meaning of their own.
    NamedPlaces,
    /// Each row is like the next, on both sides.
    OwnOrder,
    /// What statistics say of the units.
    Units(Untestable),
    /// Values cannot be read; why, in one line.
    Unreadable(String),
    /// Permutation tests were switched off.
    PermutationOff,
    /// Disguises were not looked for.
    DeepOff,
    /// A sketch does not keep what it takes.
    NotInSketch,
}
