//! What the comparison of two architectures says beside its rows, typed: reasons, assumptions and
//! possible changes, with their names and numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::sides::{Side, Sides};
use crate::model::words::Component;

/// Why weights can or cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "values")]
pub enum ArchReason {
    /// What the shapes of one component of the target come to.
    Component {
        /// The component; none where the target has no other.
        component: Option<Component>,
        /// What was found.
        shapes: ComponentShapes,
    },
    /// A component that the target lacks.
    OnlyInBase(Component),
    /// A count that differs and bears on shapes.
    CountDiffers {
        /// Field.
        field: String,
        /// Its values.
        values: Sides<u64>,
    },
    /// A word that differs and bears on shapes.
    WordDiffers {
        /// Field.
        field: String,
        /// Its values.
        values: Sides<String>,
    },
    /// Embeddings of one width and different numbers of rows.
    EqualEmbeddingWidths,
    /// Embeddings of equal numbers of rows and different widths.
    EqualVocabularySizes {
        /// Rows.
        rows: u64,
    },
    /// Roles whose shapes cannot be told.
    UnknownShapes {
        /// Whose.
        side: Side,
        /// The roles.
        roles: Vec<String>,
        /// The fields that are missing, sorted.
        missing: Vec<String>,
    },
    /// What the shapes of a side rest on.
    Assumed {
        /// Whose.
        side: Side,
        /// What is assumed.
        assumption: Assumption,
    },
    /// What different shapes do not say.
    SaysNothingAboutOrigin,
}

/// What the shapes of a component come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentShapes {
    /// The base has no such component.
    NotInBase,
    /// Equal shapes and copies throughout.
    Equal,
    /// Equal shapes throughout, and other numbers of tensors.
    OtherCopies {
        /// Roles of the target.
        roles: usize,
        /// Matrix roles whose number of tensors differs.
        differing: Vec<String>,
    },
    /// Some roles have equal shapes.
    PartlyEqual {
        /// Roles of the target.
        roles: usize,
        /// Roles with an equal shape.
        equal: Vec<String>,
        /// The others, of both sides.
        unequal: Vec<UnequalRole>,
    },
    /// No role has an equal shape.
    NoneEqual,
    /// No matrix has an equal shape.
    NoMatrixEqual {
        /// Other roles that have one.
        equal: Vec<String>,
    },
}

/// A role without an equal shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct UnequalRole {
    /// Name of the role.
    pub name: String,
    /// The most frequent shape of each side; none where a side lacks the role.
    pub shapes: Sides<Option<Vec<u64>>>,
}

/// What shapes rest on beside the facts of config.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assumption {
    /// Values that config.json leaves to the maker's code.
    ClassDefaults {
        /// The part of the model.
        component: Component,
        /// Fields and values.
        values: Vec<(String, u64)>,
        /// The type of model; empty where config.json has none.
        model_type: String,
    },
    /// A type of model whose layout is not known.
    UnknownLayout {
        /// The type of model; empty where config.json has none.
        model_type: String,
    },
    /// A vision tower whose layout is not known.
    UnknownTower {
        /// The type of tower; empty where config.json has none.
        model_type: String,
    },
}

/// A number in the base and in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct FromTo {
    /// The base's.
    pub from: u64,
    /// The target's.
    pub to: u64,
}

/// A change that one makes to a released model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "values")]
pub enum PossibleChange {
    /// Another number of layers.
    Depth(FromTo),
    /// Other widths.
    Width(Vec<WidthChange>),
    /// Another number of tokens.
    Vocabulary(FromTo),
    /// A dense model made one of experts.
    DenseToExperts {
        /// Experts of the target.
        experts: u64,
    },
    /// A model of experts made a dense one.
    ExpertsToDense {
        /// Experts of the base.
        experts: u64,
    },
    /// Another number of experts.
    ExpertCount(FromTo),
    /// Another kind of attention.
    Attention {
        /// The base's.
        from: String,
        /// The target's.
        to: String,
    },
}

/// A width that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct WidthChange {
    /// Which.
    pub width: Width,
    /// The widths.
    pub values: FromTo,
}

/// A width of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// That of a field of config.json.
    Field(String),
    /// That of an expert, seen in its tensors.
    OfExperts,
}
