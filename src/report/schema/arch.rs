//! The JSON of `wcmp arch` as types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::words::en::{arch as words, findings};
use super::{CheckpointRow, TokenizerRow, VERSION, WarningRow, lenient, version};
use crate::model::architecture::{
    ArchReason, Comparability, ComponentComparison, Conflict, Fact, Kind, PossibleChange,
    RoleComparison, Shape, Source,
};
use crate::model::words::{Component, Role};
use crate::results::arch::{ArchReport, BaseArchitecture, Field};

version! {
    /// Version of the JSON of `wcmp arch`.
    ArchVersion = "wcmp.arch/1"
}

/// Shape of a role and its tensors' number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct ShapeRow {
    /// Axes, [out, in] for a matrix.
    pub shape: Vec<u64>,
    /// Tensors of that shape.
    pub copies: u64,
}

/// One role on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct RoleRow {
    /// Component.
    pub component: Component,
    /// Role.
    pub role: Role,
    /// dense, shared, expert, or none.
    pub kind: Option<Kind>,
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
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct ArchComponent {
    /// Component.
    pub component: Component,
    /// full, partial or none.
    pub comparability: Comparability,
    /// Part of its values in equal shapes, 0 to 1.
    pub share: Option<f64>,
}

/// The target against one base.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct ArchBase {
    /// The base.
    pub base: CheckpointRow,
    /// full, partial or none, for the whole model.
    pub comparability: Comparability,
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
    /// The reasons but for that of the tokenizers, typed, in the same order.
    #[serde(default, deserialize_with = "lenient")]
    pub grounds: Vec<ArchReason>,
    /// The changes of `could_be`, typed, in the same order.
    #[serde(default, deserialize_with = "lenient")]
    pub changes: Vec<PossibleChange>,
}

/// Where the values of a field come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct SourceRow {
    /// tensors, config or absent.
    pub target: Source,
    /// The same of each base.
    pub bases: Vec<Source>,
}

/// `CFGF`: one fact of target and bases.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct ConflictRow {
    /// Field.
    pub field: String,
    /// What config.json says.
    pub config: Value,
    /// What the tensors show.
    pub tensors: Value,
}

/// `wcmp arch`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Arch {
    /// `wcmp.arch/1`.
    pub schema: ArchVersion,
    /// Version of wcmp.
    pub wcmp: String,
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

impl From<ArchReport> for Arch {
    fn from(report: ArchReport) -> Self {
        Self {
            schema: ArchVersion,
            wcmp: VERSION.to_owned(),
            target: report.target.into(),
            bases: report.bases.into_iter().map(ArchBase::from).collect(),
            fields: report.fields.into_iter().map(FieldRow::from).collect(),
            conflicts: report
                .conflicts
                .into_iter()
                .map(ConflictRow::from)
                .collect(),
            warnings: report.warnings.iter().map(WarningRow::from).collect(),
        }
    }
}

impl From<BaseArchitecture> for ArchBase {
    fn from(base: BaseArchitecture) -> Self {
        let shapes = base.shapes;
        let of_shapes = shapes.reasons.iter().map(words::reason);
        let of_tokenizers = base.tokenizer.iter().map(findings::tokenizers);
        let components = shapes.components.into_iter();
        Self {
            base: base.base.into(),
            comparability: shapes.comparability,
            reasons: of_shapes.chain(of_tokenizers).collect(),
            share: shapes.share,
            components: components.map(ArchComponent::from).collect(),
            roles: shapes.roles.into_iter().map(RoleRow::from).collect(),
            could_be: shapes.could_be.iter().map(words::change).collect(),
            tokenizer: base.tokenizer.as_ref().map(TokenizerRow::from),
            grounds: shapes.reasons,
            changes: shapes.could_be,
        }
    }
}

impl From<ComponentComparison> for ArchComponent {
    fn from(row: ComponentComparison) -> Self {
        Self {
            component: row.component,
            comparability: row.comparability,
            share: row.share,
        }
    }
}

impl From<RoleComparison> for RoleRow {
    fn from(row: RoleComparison) -> Self {
        Self {
            component: row.component,
            role: row.role,
            kind: row.kind,
            name: Some(row.name),
            target: row.target.map(ShapeRow::from),
            base: row.base.map(ShapeRow::from),
            equal: row.equal,
        }
    }
}

impl From<Shape> for ShapeRow {
    fn from(shape: Shape) -> Self {
        Self {
            shape: shape.axes,
            copies: shape.copies,
        }
    }
}

impl From<Field> for FieldRow {
    fn from(field: Field) -> Self {
        let source = |fact: Option<&Fact>| fact.map_or(Source::Absent, |fact| fact.source);
        let value = |fact: Option<Fact>| fact.map(|fact| fact.value);
        Self {
            equal: (0..field.bases.len())
                .map(|base| field.equals(base))
                .collect(),
            source: SourceRow {
                target: source(field.target.as_ref()),
                bases: field
                    .bases
                    .iter()
                    .map(|fact| source(fact.as_ref()))
                    .collect(),
            },
            field: field.name,
            target: value(field.target),
            bases: field.bases.into_iter().map(value).collect(),
        }
    }
}

impl From<Conflict> for ConflictRow {
    fn from(conflict: Conflict) -> Self {
        Self {
            field: conflict.field,
            config: conflict.config,
            tensors: conflict.tensors,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;
    use crate::model::architecture::{Architecture, compare, describe};
    use crate::model::checkpoint::Format;
    use crate::model::config::Config;
    use crate::results::checkpoint::{CheckpointFacts, CheckpointKind};

    fn architecture(config: Value) -> Architecture {
        let raw = config.as_object().unwrap().clone();
        describe(Some(&Config { raw }), &[])
    }

    fn checkpoint(name: &str) -> CheckpointFacts {
        CheckpointFacts {
            kind: CheckpointKind::Checkpoint,
            path: format!("{name}/config.json"),
            name: name.into(),
            format: Format::Config,
            files: Vec::new(),
            architecture: None,
            parameters: 0,
            bytes: 0,
            dtypes: BTreeMap::new(),
            quantization: None,
            model_digest: None,
        }
    }

    /// A small model against one of half its depth.
    fn report() -> Arch {
        let small = |layers: u64, theta: Value| {
            architecture(json!({
                "model_type": "llama", "hidden_size": 8, "num_hidden_layers": layers,
                "vocab_size": 32, "num_attention_heads": 2, "intermediate_size": 16,
                "rope_theta": theta
            }))
        };
        let target = small(4, json!(10000));
        let bases = [
            small(2, json!(10000.0)),
            architecture(json!({"hidden_size": 4})),
        ];
        let theta = Field {
            name: "rope_theta".to_owned(),
            target: target.fact("rope_theta").cloned(),
            bases: bases
                .iter()
                .map(|base| base.fact("rope_theta").cloned())
                .collect(),
        };
        let base = |(base, name): (&Architecture, &str)| BaseArchitecture {
            base: checkpoint(name),
            shapes: compare(&target, base),
            tokenizer: None,
        };
        Arch::from(ArchReport {
            target: checkpoint("a"),
            bases: bases.iter().zip(["b", "c"]).map(base).collect(),
            fields: vec![theta],
            conflicts: Vec::new(),
            warnings: Vec::new(),
        })
    }

    #[test]
    fn the_json_has_the_keys_of_the_schema_in_order() {
        let text = serde_json::to_string(&report()).unwrap();
        let order = |keys: &[&str]| {
            let places: Vec<_> = keys
                .iter()
                .map(|key| text.find(&format!("\"{key}\":")).unwrap_or(usize::MAX))
                .collect();
            assert!(
                places.is_sorted() && places.iter().all(|place| *place < usize::MAX),
                "{keys:?} {places:?}"
            );
        };
        order(&[
            "schema",
            "wcmp",
            "target",
            "bases",
            "fields",
            "conflicts",
            "warnings",
        ]);
        order(&[
            "comparability",
            "reasons",
            "share",
            "components",
            "roles",
            "could_be",
            "tokenizer",
        ]);
        let json: Value = serde_json::from_str(&text).unwrap();
        let role = &json["bases"][0]["roles"][0];
        let keys: BTreeSet<&str> = role
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let expected = [
            "component",
            "role",
            "kind",
            "name",
            "target",
            "base",
            "equal",
        ];
        assert_eq!(keys, BTreeSet::from(expected));
        assert_eq!(role["name"], "dense.down");
        assert_eq!(role["target"], json!({"shape": [8, 16], "copies": 4}));
        let theta = &json["fields"][0];
        assert_eq!(theta["equal"], json!([true, null]));
        assert_eq!(
            theta["source"],
            json!({"target": "config", "bases": ["config", "absent"]})
        );
        assert_eq!(theta["bases"], json!([10000.0, null]));
    }

    #[test]
    fn a_saved_report_reads_back_and_another_version_does_not() {
        let report = report();
        let mut saved = serde_json::to_value(&report).unwrap();
        let read = |saved: &Value| serde_json::from_value::<Arch>(saved.clone());
        assert_eq!(read(&saved).unwrap(), report);
        saved["a_key_of_tomorrow"] = json!(1);
        saved["target"]["another"] = json!([]);
        assert_eq!(read(&saved).unwrap(), report);

        let mut word = saved.clone();
        word["bases"][0]["comparability"] = json!("perhaps");
        let error = read(&word).unwrap_err().to_string();
        assert_eq!(error, "\"perhaps\" is not a word of Comparability");

        saved["schema"] = json!("wcmp.arch/2");
        let error = read(&saved).unwrap_err().to_string();
        assert_eq!(error, "schema \"wcmp.arch/2\" (expected \"wcmp.arch/1\")");
    }
}
