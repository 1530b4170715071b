//! `wcmp arch`: can the weights be compared at all, part by part? From headers and config.json
//! alone.

use serde_json::json;

use crate::format::open::Opened;
use crate::format::tokenizer;
use crate::model::architecture::{Architecture, describe};
use crate::model::dtype::Dtype;
use crate::model::tokenizer::{Overlap, Tokenizer};
use crate::report::arch::{Model as Described, report};
use crate::report::schema::WarningRow;
use crate::report::schema::arch::Arch;
use crate::report::summary;
use crate::view::model::Model;

/// Sets a target against each base. Either may be a configuration without weights.
pub fn arch(target: Opened, bases: Vec<Opened>) -> Arch {
    let mut warnings = Vec::new();
    let (target, own) = described(target, &mut warnings);
    let bases = bases.into_iter().map(|base| {
        let (base, its) = described(base, &mut warnings);
        let overlap = its
            .as_ref()
            .zip(own.as_ref())
            .map(|(base, target)| Overlap::of(base, target));
        (base, overlap)
    });
    let bases: Vec<_> = bases.collect();
    report(&target, &bases, warnings)
}

fn described(mut opened: Opened, warnings: &mut Vec<WarningRow>) -> (Described, Option<Tokenizer>) {
    let tokenizer = tokenizer::read(&mut opened);
    let model = Model::new(opened);
    let c = model.checkpoint();
    let own = c.warnings.iter().cloned();
    warnings.extend(own.map(|warning| WarningRow::from(&warning.of_model(&c.name))));
    let tensors: Vec<_> = model
        .logicals
        .iter()
        .map(|l| (l.meaning.clone(), l.shape.clone()))
        .collect();
    let mut architecture = describe(c.config.as_ref(), &tensors);
    observe_dtype(&model, &mut architecture);
    (
        Described {
            checkpoint: summary::checkpoint(&model, None),
            architecture,
        },
        tokenizer,
    )
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
