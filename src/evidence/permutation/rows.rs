//! Rows of matrices in networks of any other kind, or their columns where these are the hidden
//! units: one test a tensor, tensors of an equal number of units in one group.

use crate::stats::levels::{FOUND_LOG10, LARGE_SHARE};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::align::Pair as Aligned;
use crate::error::{Error, Result};
use crate::evidence::axes::{has_named_places, is_alone};
use crate::evidence::part::{Part, PartKind, State};
use crate::evidence::parts::{is_informative, part_of};
use crate::model::sides::Side;
use crate::model::words::{Block, Class, Role};
use crate::numeric::rows::RowSource;
use crate::stats::formula;
use crate::stats::units::{
    ColumnFeatures, Features, Layout, RowFeatures, Sampling, Untestable, fixed_point_test,
};
use crate::view::logical::Logical;

use super::prepared::Prepared;
use super::{Outcome, direct, outcomes};
use crate::evidence::analysis::Setting;
use crate::evidence::tests_of_units::UnitKind;
use crate::evidence::untested::{Obstacle, Subject, UnitsOf, Untested};

/// Words in the last module of a name whose outputs are classes or tokens: they carry identities.
const OUTPUTS_WITH_IDENTITY: [&str; 6] = [
    "classifier",
    "score",
    "head",
    "decoder",
    "predictions",
    "codebook",
];

/// Which units of a matrix may stand in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Units {
    /// Its rows, one or several a unit.
    Rows(Layout),
    /// Its columns.
    Columns,
}

/// The units of a matrix that is a part by itself, in a model whose matrices are `all`; `None`
/// where each of its axes knows its place.
fn units_of(logical: &Logical, all: &[Arc<Logical>]) -> Option<Units> {
    let meaning = &logical.meaning;
    if meaning.block == Some(Block::Mtp) {
        return None;
    }
    let plain = logical.is_plain_matrix();
    match meaning.role {
        Role::Conv | Role::Linear | Role::PatchEmbed | Role::Projector | Role::Other => {
            outputs(logical, all)
        }
        // A feed-forward outside the numbered layers. Stacked experts are cut before.
        Role::Fc1 | Role::Gate | Role::Up if plain || logical.shape.len() == 4 => {
            outputs(logical, all)
        }
        Role::GateUp if plain => Some(Units::Rows(Layout::Stacks(2))),
        Role::Fc2 | Role::Down if plain => Some(Units::Columns),
        // The channels of a first-generation state-space layer: its rates belong to a channel each,
        // while the states behind `x_proj` are numbered by the formula that they start from.
        Role::Ssm if plain => match meaning.slot.strip_suffix(".weight")? {
            "ssm.dt_proj" => Some(Units::Rows(Layout::Rows)),
            "ssm.x_proj" => Some(Units::Columns),
            _ => None,
        },
        _ => None,
    }
}

/// The output channels of a matrix as its units; `None` where they are classes, tokens, or the
/// dimensions of heads.
fn outputs(logical: &Logical, all: &[Arc<Logical>]) -> Option<Units> {
    let name = logical.name.to_lowercase();
    let module = name.rsplit('.').nth(1).unwrap_or("");
    let has_word = |word: &&str| module.contains(*word);
    let identified = OUTPUTS_WITH_IDENTITY.iter().any(has_word)
        && !(module.contains("conv") && feeds_a_head(logical, all));
    // A row of a fused projection, and of a gate that attention's output passes, is one of a head.
    let slot = logical.meaning.slot.trim_end_matches(".weight");
    let projects_heads = ["attn_gate", "qkv_mlp", "qk", "qkv", "query", "key", "value"];
    let of_heads =
        name.contains("in_proj_weight") || projects_heads.iter().any(|end| slot.ends_with(end));
    // The rows of a table of codes or entities are looked up by their number.
    let is_table = logical.meaning.role == Role::Linear && module.contains("embed");
    match (
        identified || of_heads,
        logical.is_channels_last() || is_table,
    ) {
        (true, _) => None,
        (false, true) => Some(Units::Columns),
        (false, false) => Some(Units::Rows(layout(logical))),
    }
}

/// Whether a later head reads as many channels as a matrix that is named a head puts out
/// (`conv_head` of EfficientNet, before `classifier`).
fn feeds_a_head(logical: &Logical, all: &[Arc<Logical>]) -> bool {
    let (rows, columns) = logical.matrix_shape();
    let channels = if logical.is_channels_last() {
        columns
    } else {
        rows
    };
    all.iter().any(|other| {
        other.meaning.block == Some(Block::Final)
            && other.name != logical.name
            && other.meaning.class == Class::Matrix
            && other.matrix_shape().1 == channels
    })
}

/// Rows that make up one unit: the gates of a recurrent cell are stacked.
fn layout(logical: &Logical) -> Layout {
    let name = logical.name.to_lowercase();
    let recurrent = ["weight_ih", "weight_hh", "lstm", "gru"]
        .iter()
        .any(|word| name.contains(word));
    match (recurrent, name.contains("gru")) {
        (true, true) => Layout::Stacks(3),
        (true, false) => Layout::Stacks(4),
        (false, _) => Layout::Rows,
    }
}

/// Tests the rows of every such matrix but those that are byte-identical and say nothing by
/// themselves. `alike` says whether other tests have found a likeness.
pub(super) fn test_all(
    setting: &Setting<'_>,
    alike: bool,
    first_group: usize,
    skipped: &mut Vec<Untested>,
) -> Result<Vec<Outcome>> {
    let pairs = setting.alignment.pairs.iter().zip(setting.records);
    let tried = pairs.filter(|(pair, record)| {
        let other = part_of(&pair.target).is_some_and(|key| key.kind == PartKind::Other);
        other
            && is_informative(pair, record)
            && units_of(&pair.target, &setting.models[1].logicals).is_some()
    });
    let (identical, changed): (Vec<_>, Vec<_>) = tried.partition(|(_, record)| record.identical);
    let mut out = test_each(setting, changed.into_iter().map(|(pair, _)| pair), skipped)?;
    let alike = alike
        || out
            .iter()
            .any(|outcome| outcome.test.log10_p <= FOUND_LOG10);
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for (pair, _) in identical {
        if alike || looks_random(setting, pair)? {
            kept.push(pair)
        } else {
            left_out.push(pair.target.name.clone())
        }
    }
    if !alike && !are_large(setting, &kept) {
        left_out.extend(kept.drain(..).map(|pair| pair.target.name.clone()));
        left_out.sort();
    }
    out.extend(test_each(setting, kept.into_iter(), skipped)?);
    skipped.extend(left_out.into_iter().map(|name| Untested {
        what: Subject::Rows(name),
        why: Obstacle::IdenticalAlone,
    }));
    let mut groups: BTreeMap<usize, usize> = BTreeMap::new();
    for outcome in &mut out {
        let next = first_group + groups.len();
        outcome.test.group = *groups.entry(outcome.test.units[1]).or_insert(next);
    }
    Ok(out)
}

fn are_large(setting: &Setting<'_>, pairs: &[&Aligned]) -> bool {
    let matrices = setting.models[1]
        .logicals
        .iter()
        .filter(|l| l.meaning.class == Class::Matrix);
    let all: u64 = matrices.map(|l| l.elements()).sum();
    let these: u64 = pairs.iter().map(|pair| pair.target.elements()).sum();
    these as f64 >= LARGE_SHARE * all as f64
}

/// Whether the first rows have many values, few zeros, and no smoothness: filter banks, windows and
/// tables of positions fail one of these.
fn looks_random(setting: &Setting<'_>, pair: &Aligned) -> Result<bool> {
    if setting.models[1].unreadable(&pair.target).is_some() {
        return Ok(false);
    }
    let view = setting.models[1].view(&pair.target)?;
    let rows = view.rows().min(64);
    let mut values = vec![0.0f32; rows * view.columns()];
    view.read_rows(0..rows, &mut values)?;
    Ok(values_look_random(&values, view.columns()))
}

fn values_look_random(values: &[f32], columns: usize) -> bool {
    let zeros = values.iter().filter(|v| **v == 0.0).count();
    let distinct: BTreeSet<u32> = values.iter().map(|v| v.to_bits()).collect();
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64;
    let (mut squares, mut neighbours) = (0.0, 0.0);
    for row in values.chunks_exact(columns.max(1)) {
        squares += row
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>();
        neighbours += row
            .windows(2)
            .map(|w| (f64::from(w[0]) - mean) * (f64::from(w[1]) - mean))
            .sum::<f64>();
    }
    4 * zeros < values.len()
        && distinct.len() >= (values.len() / 8).min(64)
        && squares > 0.0
        && (neighbours / squares).abs() < 0.5
}

/// Takes back the grade of matrices of no known role that no test ran on where nothing else is
/// shared: filter banks, windows and tables of positions are identical in unrelated models, since a
/// formula computes them (guide/methods.md, section 4). In two number formats they are not
/// identical: then they are doubted where other parts are independent, and these are few.
pub(super) fn doubt_formulas(parts: &mut [Part]) {
    let is_untested = |part: &&Part| part.key.kind == PartKind::Other && part.test.is_none();
    let reused = || parts.iter().filter(|part| part.state == State::Reused);
    if !reused().all(|part| is_untested(&part)) {
        return;
    }
    let all: u64 = parts.iter().map(|part| part.parameters).sum();
    let by_excess = reused().filter(|part| !part.identical);
    let by_excess: u64 = by_excess.map(|part| part.parameters).sum();
    let others_differ = parts.iter().any(|part| part.state == State::Independent);
    let is_small = (by_excess as f64) < LARGE_SHARE * all as f64;
    if by_excess > 0 && !(others_differ && is_small) {
        return;
    }
    for part in parts.iter_mut().filter(|part| part.state == State::Reused) {
        part.state = State::Unclear;
    }
}

fn test_each<'a>(
    setting: &Setting<'_>,
    pairs: impl Iterator<Item = &'a Aligned>,
    skipped: &mut Vec<Untested>,
) -> Result<Vec<Outcome>> {
    let pairs: Vec<&Aligned> = pairs.collect();
    outcomes(
        pairs.par_iter().map(|pair| test(setting, pair)).collect(),
        skipped,
    )
}

/// Whether the units of both sides stand in an order of their own, each like the next. Stacks are
/// made of several orders.
fn stand_in_order(views: &[Prepared<'_>; 2], units: Option<Units>) -> Result<bool> {
    for view in views {
        let window = formula::window(view)?;
        let units = match units {
            Some(Units::Rows(Layout::Rows)) => window,
            Some(Units::Columns) => window.transposed(),
            _ => return Ok(false),
        };
        if !formula::are_in_order(&units) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same of models of which one is a sketch: where the sketch says so.
fn marked_in_order(setting: &Setting<'_>, pair: &Aligned, units: Option<Units>) -> bool {
    let sides = [&pair.base, &pair.target];
    let mut marks = setting.models.into_iter().zip(sides);
    marks.any(|(model, logical)| {
        let [rows, columns] = model.kept_marks(logical).in_order;
        match units {
            Some(Units::Rows(Layout::Rows)) => rows,
            Some(Units::Columns) => columns,
            _ => false,
        }
    })
}

fn test(setting: &Setting<'_>, pair: &Aligned) -> Result<std::result::Result<Outcome, Untested>> {
    if setting.monitor.interrupted() {
        return Err(Error::Interrupted);
    }
    let skip = |why: Obstacle| {
        Ok(Err(Untested {
            what: Subject::Rows(pair.target.name.clone()),
            why,
        }))
    };
    if has_named_places(&pair.target) || is_alone(setting.models[1], &pair.target) {
        return skip(Obstacle::NamedPlaces);
    }
    let sides = [&pair.base, &pair.target];
    for (model, logical) in setting.models.into_iter().zip(sides) {
        if let Some(why) = model.unreadable(logical) {
            return skip(Obstacle::Unreadable(why));
        }
    }
    let views = [
        Prepared::open(
            setting.models[0],
            Side::Base,
            sides[0],
            setting.preparation(),
        )?,
        Prepared::open(
            setting.models[1],
            Side::Target,
            sides[1],
            setting.preparation(),
        )?,
    ];
    let units = units_of(&pair.target, &setting.models[1].logicals);
    let in_order = match setting.has_sketch() {
        // Of a sketch the mark tells that was made when all values were at hand.
        true => marked_in_order(setting, pair, units),
        false => stand_in_order(&views, units)?,
    };
    if in_order {
        return skip(Obstacle::OwnOrder);
    }
    let of_side = |view| features(view, units?, &setting.sampling);
    let [Some(base), Some(target)] = [&views[0], &views[1]].map(of_side) else {
        return skip(Obstacle::PartialUnits {
            rows: views[1].rows(),
        });
    };
    let probes = setting.sampling.probes(base.units().min(target.units()));
    if base.units() != target.units() {
        return skip(Obstacle::Units(Untestable::UnequalUnits(
            base.units(),
            target.units(),
        )));
    }
    match fixed_point_test(base.as_ref(), target.as_ref(), &probes)? {
        Err(why) => skip(Obstacle::Units(why)),
        Ok(found) => {
            let test = direct(
                &found,
                UnitKind::Rows,
                pair.target.meaning.component,
                UnitsOf::Tensor(pair.target.name.clone()),
            );
            Ok(Ok(Outcome {
                test,
                part: part_of(&pair.target),
            }))
        }
    }
}

/// Features of the `units` of a matrix, cut to drawn coordinates; `None` where its rows do not fill
/// whole units.
fn features<'a>(
    view: &'a Prepared<'_>,
    units: Units,
    sampling: &Sampling,
) -> Option<Box<dyn Features + 'a>> {
    match units {
        Units::Rows(layout) => {
            let features = RowFeatures::with_layout(view, layout)?;
            let width = features.full_width();
            Some(Box::new(features.cut(&sampling.coordinates(width))))
        }
        Units::Columns => {
            let drawn = sampling.coordinates(view.rows());
            Some(Box::new(ColumnFeatures::new(view, drawn)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::values_look_random;
    use crate::numeric::rng::Draws;

    #[test]
    fn filter_banks_and_tables_do_not_look_random() {
        let mut draws = Draws::new(0, "random rows");
        let random: Vec<f32> = (0..64 * 40).map(|_| draws.normal() as f32).collect();
        assert!(values_look_random(&random, 40));
        let sine: Vec<f32> = (0..64 * 40)
            .map(|i| (i as f32 % 40.0 * 0.1).sin())
            .collect();
        assert!(!values_look_random(&sine, 40));
        let bank: Vec<f32> = random
            .iter()
            .enumerate()
            .map(|(i, v)| if i % 4 == 0 { *v } else { 0.0 })
            .collect();
        assert!(!values_look_random(&bank, 40));
        assert!(!values_look_random(&[1.0, -1.0].repeat(64 * 20), 40));
    }
}
