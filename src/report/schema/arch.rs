//! The JSON of `wcmp arch` as types.

use serde::Serialize;
use serde_json::Value;

use super::{CheckpointRow, TokenizerRow, WarningRow};
use crate::model::words::Role;

/// Shape of a role and its tensors' number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShapeRow {
    /// Axes, [out, in] for a matrix.
    pub shape: Vec<u64>,
    /// Tensors of that shape.
    pub copies: u64,
}

/// One role on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleRow {
    /// Component.
    pub component: &'static str,
    /// Role.
    pub role: Role,
    /// dense, shared, expert, or none.
    pub kind: Option<&'static str>,
    /// Name of the role: `expert.gate`, `norm:pre_mlp`.
    pub name: Option<String>,
    /// The target's.
    pub target: Option<ShapeRow>,
    /// The base's.
    pub base: Option<ShapeRow>,
    /// Equal shapes, whatever the copies.
    pub equal: bool,
}

/// One component of the target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArchComponent {
    /// Component.
    pub component: &'static str,
    /// full, partial or none.
    pub comparability: &'static str,
    /// Part of its values in equal shapes, 0 to 1.
    pub share: Option<f64>,
}

/// The target against one base.
#[derive(Debug, Clone, Serialize)]
pub struct ArchBase {
    /// The base.
    pub base: CheckpointRow,
    /// full, partial or none, for the whole model.
    pub comparability: &'static str,
    /// Why.
    pub reasons: Vec<String>,
    /// Part of the target's values in equal shapes, 0 to 1.
    pub share: Option<f64>,
    /// By component.
    pub components: Vec<ArchComponent>,
    /// By role, sorted by component and name.
    pub roles: Vec<RoleRow>,
    /// Changes that together could explain the difference.
    pub could_be: Vec<String>,
    /// Tokenizers compared.
    pub tokenizer: Option<TokenizerRow>,
}

/// Where the values of a field come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceRow {
    /// tensors, config or absent.
    pub target: &'static str,
    /// The same of each base.
    pub bases: Vec<&'static str>,
}

/// `CFGF`: one fact of target and bases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldRow {
    /// Field.
    pub field: String,
    /// The target's value.
    pub target: Option<Value>,
    /// The bases' values.
    pub bases: Vec<Option<Value>>,
    /// Whether each base's equals the target's; null where one is absent or has no tensor behind
    /// it.
    pub equal: Vec<Option<bool>>,
    /// Where they come from.
    pub source: SourceRow,
}

/// A fact on which the target's config.json and its tensors disagree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConflictRow {
    /// Field.
    pub field: String,
    /// What config.json says.
    pub config: Value,
    /// What the tensors show.
    pub tensors: Value,
}

/// `wcmp arch`.
#[derive(Debug, Clone, Serialize)]
pub struct Arch {
    /// `wcmp.arch/1`.
    pub schema: &'static str,
    /// Version of wcmp.
    pub wcmp: &'static str,
    /// The target.
    pub target: CheckpointRow,
    /// Bases, as they were given.
    pub bases: Vec<ArchBase>,
    /// Facts that a side has, sorted by field.
    pub fields: Vec<FieldRow>,
    /// Disagreements inside the target.
    pub conflicts: Vec<ConflictRow>,
    /// Warnings.
    pub warnings: Vec<WarningRow>,
}
