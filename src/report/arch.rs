//! From architectures to the JSON of `wcmp arch`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::schema::arch::{
    Arch, ArchBase, ArchComponent, ConflictRow, FieldRow, RoleRow, ShapeRow, SourceRow,
};
use super::schema::{CheckpointRow, WarningRow};
use super::summary;
use crate::model::architecture::{Architecture, Fact, Shape, Source, compare};
use crate::model::tokenizer::Overlap;

/// One model: what was opened, and what it is.
#[derive(Debug, Clone)]
pub struct Model {
    /// The checkpoint.
    pub checkpoint: CheckpointRow,
    /// Its facts and shapes.
    pub architecture: Architecture,
}

/// The report on `target` against each base, with the tokenizers where both sides have one.
pub fn report(
    target: &Model,
    bases: &[(Model, Option<Overlap>)],
    mut warnings: Vec<WarningRow>,
) -> Arch {
    for (model, _) in bases {
        for conflict in &model.architecture.conflicts {
            warnings.push(WarningRow {
                code: "config_conflict".into(),
                message: format!(
                    "config.json of {} says {} {}, its tensors {}",
                    model.checkpoint.name, conflict.field, conflict.config, conflict.tensors
                ),
                name: Some(model.checkpoint.path.clone()),
            });
        }
    }
    let models: Vec<&Architecture> = bases.iter().map(|(model, _)| &model.architecture).collect();
    let conflicts = target
        .architecture
        .conflicts
        .iter()
        .map(|conflict| ConflictRow {
            field: conflict.field.clone(),
            config: conflict.config.clone(),
            tensors: conflict.tensors.clone(),
        });
    Arch {
        schema: "wcmp.arch/1",
        wcmp: env!("CARGO_PKG_VERSION"),
        target: target.checkpoint.clone(),
        bases: bases
            .iter()
            .map(|(model, tokenizer)| base(target, model, tokenizer.as_ref()))
            .collect(),
        fields: fields(&target.architecture, &models),
        conflicts: conflicts.collect(),
        warnings,
    }
}

fn base(target: &Model, base: &Model, tokenizer: Option<&Overlap>) -> ArchBase {
    let mut comparison = compare(&target.architecture, &base.architecture);
    comparison
        .reasons
        .extend(tokenizer.map(super::words::en::findings::tokenizers));
    let shape = |shape: Shape| ShapeRow {
        shape: shape.axes,
        copies: shape.copies,
    };
    ArchBase {
        base: base.checkpoint.clone(),
        comparability: comparison.comparability.word(),
        reasons: comparison.reasons,
        share: comparison.share,
        components: comparison
            .components
            .into_iter()
            .map(|row| ArchComponent {
                component: row.component.word(),
                comparability: row.comparability.word(),
                share: row.share,
            })
            .collect(),
        roles: comparison
            .roles
            .into_iter()
            .map(|row| RoleRow {
                component: row.component.word(),
                role: row.role,
                kind: row.kind.map(|kind| kind.word()),
                name: Some(row.name),
                target: row.target.map(shape),
                base: row.base.map(shape),
                equal: row.equal,
            })
            .collect(),
        could_be: comparison.could_be,
        tokenizer: tokenizer.map(summary::tokenizer),
    }
}

fn fields(target: &Architecture, bases: &[&Architecture]) -> Vec<FieldRow> {
    let all = std::iter::once(target).chain(bases.iter().copied());
    let names: BTreeSet<&str> = all
        .flat_map(|model| model.facts.iter().map(|fact| fact.field.as_str()))
        .collect();
    let source = |fact: Option<&Fact>| fact.map_or(Source::Absent, |fact| fact.source).word();
    let row = |field: &str| {
        let mine = target.fact(field);
        let theirs: Vec<Option<&Fact>> = bases.iter().map(|model| model.fact(field)).collect();
        FieldRow {
            field: field.to_owned(),
            target: mine.map(|fact| fact.value.clone()),
            bases: theirs
                .iter()
                .map(|fact| fact.map(|fact| fact.value.clone()))
                .collect(),
            equal: theirs.iter().map(|fact| equal(mine?, (*fact)?)).collect(),
            source: SourceRow {
                target: source(mine),
                bases: theirs.into_iter().map(source).collect(),
            },
        }
    };
    names.into_iter().map(row).collect()
}

/// Whether two facts are equal; `None` where no tensor rests on one of them.
fn equal(a: &Fact, b: &Fact) -> Option<bool> {
    if a.unused || b.unused {
        return None;
    }
    // 10000 and 10000.0 are one base of rotary positions.
    let number = |value: &Value| value.as_f64();
    Some(match (number(&a.value), number(&b.value)) {
        (Some(a), Some(b)) => a == b,
        _ => a.value == b.value,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::model::architecture::describe;
    use crate::model::config::Config;

    fn model(name: &str, config: Value) -> Model {
        let config = Config {
            raw: config.as_object().unwrap().clone(),
        };
        let checkpoint = CheckpointRow {
            path: format!("{name}/config.json"),
            name: name.into(),
            format: "config",
            files: Vec::new(),
            architecture: None,
            parameters: 0,
            bytes: 0,
            dtypes: BTreeMap::new(),
            quantization: None,
            model_digest: None,
        };
        Model {
            checkpoint,
            architecture: describe(Some(&config), &[]),
        }
    }

    #[test]
    fn the_json_has_the_keys_of_the_schema_in_order() {
        let small = |layers: u64, theta: Value| {
            json!({"model_type": "llama", "hidden_size": 8, "num_hidden_layers": layers, "vocab_size": 32,
                "num_attention_heads": 2, "intermediate_size": 16, "rope_theta": theta})
        };
        let target = model("a", small(4, json!(10000)));
        let bases = [
            (model("b", small(2, json!(10000.0))), None),
            (model("c", json!({"hidden_size": 4})), None),
        ];
        let report = report(&target, &bases, Vec::new());
        let text = serde_json::to_string(&report).unwrap();
        let order = |keys: &[&str]| {
            let places: Vec<_> = keys
                .iter()
                .map(|key| text.find(&format!("\"{key}\":")).unwrap_or(usize::MAX))
                .collect();
            assert!(
                places.is_sorted() && places[0] < usize::MAX,
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
        let keys = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        let set = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let role = &json["bases"][0]["roles"][0];
        assert_eq!(
            keys(role),
            set(&[
                "component",
                "role",
                "kind",
                "name",
                "target",
                "base",
                "equal"
            ])
        );
        assert_eq!(role["name"], "dense.down");
        assert_eq!(role["target"], json!({"shape": [8, 16], "copies": 4}));
        let theta = json["fields"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["field"] == "rope_theta")
            .unwrap();
        assert_eq!(theta["equal"], json!([true, null]));
        assert_eq!(
            theta["source"],
            json!({"target": "config", "bases": ["config", "absent"]})
        );
        assert_eq!(theta["bases"], json!([10000.0, null]));
    }
}
