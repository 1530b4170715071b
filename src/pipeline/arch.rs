//! `wcmp arch`: can the weights be compared at all, part by part? From headers and config.json
//! alone.

use std::collections::BTreeSet;

use serde_json::json;

use super::checkpoint;
use crate::format::open::Opened;
use crate::format::tokenizer;
use crate::model::architecture::{Architecture, compare};
use crate::model::dtype::Dtype;
use crate::model::tokenizer::{Overlap, Tokenizer};
use crate::model::warning::{Noted, Warning};
use crate::results::arch::{ArchReport, BaseArchitecture, Field};
use crate::results::checkpoint::CheckpointFacts;
use crate::view::model::Model;

/// One model: what was opened, and what it is.
struct Described {
    checkpoint: CheckpointFacts,
    architecture: Architecture,
    tokenizer: Option<Tokenizer>,
}

/// Sets a target against each base. Either may be a configuration without weights.
pub fn arch(target: Opened, bases: Vec<Opened>) -> ArchReport {
    let mut warnings = Vec::new();
    let target = described(target, &mut warnings);
    let bases: Vec<Described> = bases
        .into_iter()
        .map(|base| described(base, &mut warnings))
        .collect();
    warnings.extend(bases.iter().flat_map(conflicts));
    ArchReport {
        fields: fields(&target.architecture, &bases),
        bases: bases
            .into_iter()
            .map(|base| against(&target, base))
            .collect(),
        target: target.checkpoint,
        conflicts: target.architecture.conflicts,
        warnings,
    }
}

fn described(mut opened: Opened, warnings: &mut Vec<Noted>) -> Described {
    let tokenizer = tokenizer::read(&mut opened);
    let model = Model::new(opened);
    let c = model.checkpoint();
    let own = c.warnings.iter().cloned();
    warnings.extend(own.map(|warning| warning.of_model(&c.name)));
    let mut architecture = checkpoint::architecture(&model);
    observe_dtype(&model, &mut architecture);
    Described {
        checkpoint: checkpoint::facts(&model, None),
        architecture,
        tokenizer,
    }
}

fn against(target: &Described, base: Described) -> BaseArchitecture {
    let tokenizers = base.tokenizer.as_ref().zip(target.tokenizer.as_ref());
    BaseArchitecture {
        shapes: compare(&target.architecture, &base.architecture),
        tokenizer: tokenizers.map(|(base, target)| Overlap::of(base, target)),
        base: base.checkpoint,
    }
}

/// Disagreements inside a base; those of the target have their own place in the report.
fn conflicts(base: &Described) -> impl Iterator<Item = Noted> {
    let conflicts = base.architecture.conflicts.iter();
    conflicts.map(|conflict| {
        Noted::from(Warning::ConfigConflict {
            model: base.checkpoint.name.clone(),
            path: base.checkpoint.path.clone(),
            conflict: conflict.clone(),
        })
    })
}

/// Facts that a side has, sorted by field.
fn fields(target: &Architecture, bases: &[Described]) -> Vec<Field> {
    let all = std::iter::once(target).chain(bases.iter().map(|base| &base.architecture));
    let names: BTreeSet<&str> = all
        .flat_map(|model| model.facts.iter().map(|fact| fact.field.as_str()))
        .collect();
    let field = |name: &str| Field {
        name: name.to_owned(),
        target: target.fact(name).cloned(),
        bases: bases
            .iter()
            .map(|base| base.architecture.fact(name).cloned())
            .collect(),
    };
    names.into_iter().map(field).collect()
}

/// The number format that most parameters are stored in, where no quantisation stands between it
/// and the model's.
fn observe_dtype(model: &Model, architecture: &mut Architecture) {
    if architecture.fact("quantization").is_some() {
        return;
    }
    let mut words = [
        ("float32", 0u64),
        ("float16", 0),
        ("bfloat16", 0),
        ("float64", 0),
        ("", 0),
    ];
    for logical in &model.logicals {
        let at = match logical.dtype {
            Dtype::F32 => 0,
            Dtype::F16 => 1,
            Dtype::Bf16 => 2,
            Dtype::F64 => 3,
            _ => 4,
        };
        words[at].1 = words[at].1.saturating_add(logical.elements());
    }
    if let Some((word, 1..)) = words.into_iter().max_by_key(|(_, parameters)| *parameters)
        && !word.is_empty()
    {
        architecture.observe("dtype", json!(word));
    }
}
