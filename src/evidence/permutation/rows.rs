//! Rows of matrices in networks of any other kind: one test a tensor, tensors of equal row count in one group.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::align::Pair as Aligned;
use crate::error::{Error, Result};
use crate::evidence::part::Kind as PartKind;
use crate::evidence::parts::{is_informative, part_of};
use crate::evidence::units::{Features, Layout, RowFeatures, fixed_point_test};
use crate::model::words::{Block, Role};
use crate::numeric::rows::RowSource;
use crate::view::logical::Logical;

use super::{Form, Kind, Outcome, Setting, Skipped, Test};

/// Words in the last segments of a name whose rows are classes or tokens: they carry identities.
const ROWS_WITH_IDENTITY: [&str; 6] = ["classifier", "score", "head", "decoder", "predictions", "codebook"];

/// Whether the rows of a matrix may stand in any order.
fn rows_are_units(logical: &Logical) -> bool {
    let role = logical.meaning.role;
    let known = matches!(role, Role::Conv | Role::Linear | Role::PatchEmbed | Role::Projector | Role::Other);
    let name = logical.name.to_lowercase();
    let mut last = name.rsplit('.').skip(1).take(1);
    let identified = last.any(|segment| ROWS_WITH_IDENTITY.iter().any(|word| segment.contains(word)));
    let fused_heads = name.contains("in_proj_weight");
    known && !identified && !fused_heads && logical.meaning.block != Some(Block::Mtp)
}

/// Rows that make up one unit: the gates of a recurrent cell are stacked.
fn layout(logical: &Logical) -> Layout {
    let name = logical.name.to_lowercase();
    let recurrent = ["weight_ih", "weight_hh", "lstm", "gru"].iter().any(|word| name.contains(word));
    match (recurrent, name.contains("gru")) {
        (true, true) => Layout::Stacks(3),
        (true, false) => Layout::Stacks(4),
        (false, _) => Layout::Rows,
    }
}

pub(super) fn run(setting: &Setting<'_>, first_group: usize, skipped: &mut Vec<Skipped>) -> Result<Vec<Outcome>> {
    let pairs = setting.alignment.pairs.iter().zip(setting.records);
    let tried: Vec<&Aligned> = pairs
        .filter(|(pair, record)| {
            let other = part_of(&pair.target).is_some_and(|key| key.kind == PartKind::Other);
            other && is_informative(pair, record) && rows_are_units(&pair.target)
        })
        .map(|(pair, _)| pair)
        .collect();
    let tested: Vec<Result<std::result::Result<Outcome, Skipped>>> =
        tried.par_iter().map(|pair| test(setting, pair)).collect();
    let mut out = Vec::new();
    for result in tested {
        match result? {
            Ok(outcome) => out.push(outcome),
            Err(why) => skipped.push(why),
        }
    }
    let mut groups: BTreeMap<usize, usize> = BTreeMap::new();
    for outcome in &mut out {
        let next = first_group + groups.len();
        outcome.test.group = *groups.entry(outcome.test.units[1]).or_insert(next);
    }
    Ok(out)
}

fn test(setting: &Setting<'_>, pair: &Aligned) -> Result<std::result::Result<Outcome, Skipped>> {
    if setting.monitor.interrupted() {
        return Err(Error::Interrupted);
    }
    let skip = |why: String| Ok(Err(Skipped { what: format!("rows of {}", pair.target.name), why }));
    let sides = [&pair.base, &pair.target];
    for (model, logical) in setting.models.into_iter().zip(sides) {
        if let Some(why) = model.unreadable(logical) {
            return skip(why);
        }
    }
    let views = [setting.models[0].view(sides[0])?, setting.models[1].view(sides[1])?];
    let layout = layout(&pair.target);
    let [Some(base), Some(target)] = [&views[0], &views[1]].map(|view| {
        let features = RowFeatures::with_layout(view, layout)?;
        let width = features.full_width();
        Some(features.cut(&setting.sampling.coordinates(width)))
    }) else {
        return skip(format!("{} rows do not fill whole units", views[1].rows()));
    };
    let probes = setting.sampling.probes(base.units().min(target.units()));
    if base.units() != target.units() {
        return skip(format!("{} units against {}", base.units(), target.units()));
    }
    match fixed_point_test(&base, &target, &probes)? {
        Err(why) => skip(why.to_string()),
        Ok(found) => Ok(Ok(Outcome {
            test: Test {
                kind: Kind::Rows,
                form: Form::Direct,
                component: pair.target.meaning.component,
                layer: None,
                base_layer: None,
                expert: None,
                name: Some(pair.target.name.clone()),
                units: [base.units(), target.units()],
                probes: found.probes.len(),
                hits: found.hits,
                log10_p: found.log10_p,
                exact: true,
                group: 0,
            },
            part: part_of(&pair.target),
        })),
    }
}
