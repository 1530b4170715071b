//! Hidden units of feed-forward blocks and of experts: one test a block, clones grouped.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::evidence::part::PartKey;
use crate::evidence::parts::part_of;
use crate::evidence::units::{Block, ColumnFeatures, Concat, Features, Held, Pair, RowFeatures, Sampling};
use crate::evidence::units::{Untestable, block_test, clones};
use crate::model::words::{Block as Place, Class, Component, Role};
use crate::numeric::rows::RowSource;
use crate::view::logical::Logical;
use crate::view::model::Model;
use crate::view::reader::View;

use super::{Form, Kind, Outcome, Setting, Skipped, Test};

/// Blocks whose probes are held at one time, in whole layers.
const BATCH: usize = 16;

/// A feed-forward block or an expert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockKey {
    /// Layer.
    pub layer: u32,
    /// Component.
    pub component: Component,
    /// Routed expert.
    pub expert: Option<u32>,
    /// Whether it is a shared expert.
    pub shared: bool,
    /// What tells several feed-forwards of one layer apart ("encoder.").
    pub stem: String,
}

/// The matrices of a block.
#[derive(Debug, Clone, Default)]
pub struct Matrices<'a> {
    /// Rows are hidden units: up, gate or fc1, the default feature first.
    pub by_row: Vec<&'a Logical>,
    /// Columns are hidden units: down or fc2.
    pub by_column: Option<&'a Logical>,
}

/// Feed-forward blocks and experts of a model, by layer; fused matrices are cut.
pub fn blocks(model: &Model) -> BTreeMap<BlockKey, Matrices<'_>> {
    let mut out: BTreeMap<BlockKey, Matrices<'_>> = BTreeMap::new();
    let mut places: Vec<&Logical> = model.places().map(|(_, logical)| logical).collect();
    // The default feature is up, else fc1, else gate.
    places.sort_by_key(|l| [Role::Up, Role::Fc1, Role::Gate].iter().position(|r| *r == l.meaning.role));
    for logical in places {
        let m = &logical.meaning;
        let (Some(layer), Some(Place::Layer(_)), Class::Matrix, 2) = (m.layer, m.block, m.class, logical.shape.len())
        else {
            continue;
        };
        let key = BlockKey {
            layer,
            component: m.component,
            expert: m.expert,
            shared: m.shared_expert,
            stem: m.slot.replacen(m.role.word(), "", 1),
        };
        match m.role {
            Role::Up | Role::Fc1 | Role::Gate => out.entry(key).or_default().by_row.push(logical),
            Role::Down | Role::Fc2 => out.entry(key).or_default().by_column = Some(logical),
            _ => {}
        }
    }
    out.retain(|_, matrices| !matrices.by_row.is_empty());
    out
}

/// The default features of a block: rows of its first matrix, cut to drawn coordinates.
pub fn default_features<'a>(view: &'a View<'_>, sampling: &Sampling) -> RowFeatures<'a> {
    RowFeatures::new(view).cut(&sampling.coordinates(view.columns()))
}

/// One block on both sides.
struct Both<'a> {
    key: &'a BlockKey,
    sides: [&'a Matrices<'a>; 2],
}

/// A tested block, with the probe units of both sides where clones may have to be told.
struct Tested {
    outcome: Outcome,
    probes: [Held; 2],
}

/// Tests every block that both models have.
pub(super) fn run(setting: &Setting<'_>, skipped: &mut Vec<Skipped>) -> Result<Vec<Outcome>> {
    let of = setting.models.map(blocks);
    let both: Vec<Both<'_>> = of[1]
        .iter()
        .filter_map(|(key, target)| of[0].get(key).map(|base| Both { key, sides: [base, target] }))
        .collect();
    if both.is_empty() {
        skipped.push(Skipped {
            what: "feed-forward units".to_owned(),
            why: "no feed-forward block of equal layer and kind on both sides".to_owned(),
        });
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut clone_pairs: Vec<(usize, usize)> = Vec::new();
    let mut first_of_layer: Vec<(usize, [Held; 2])> = Vec::new();
    for batch in batches(&both) {
        let tested: Vec<Result<std::result::Result<Tested, Skipped>>> =
            batch.par_iter().map(|block| test(setting, block)).collect();
        let mut layer: Vec<(usize, Option<u32>, [Held; 2])> = Vec::new();
        for (block, result) in batch.iter().zip(tested) {
            match result? {
                Err(why) => skipped.push(why),
                Ok(found) => {
                    layer.push((outcomes.len(), block.key.expert.map(|_| block.key.layer), found.probes));
                    outcomes.push(found.outcome);
                }
            }
        }
        clone_pairs.extend(clones_among_experts(&layer));
        for (index, expert_layer, probes) in layer {
            let seen = first_of_layer.last().is_some_and(|(last, _)| {
                outcomes[*last].test.layer == outcomes[index].test.layer
                    && outcomes[*last].test.component == outcomes[index].test.component
            });
            if expert_layer.is_none() || !seen {
                first_of_layer.push((index, probes));
            }
        }
    }
    clone_pairs.extend(clones_among_layers(&first_of_layer));
    let groups = clones::groups(outcomes.len(), &clone_pairs);
    for (group, members) in groups.iter().enumerate() {
        for &member in members {
            outcomes[member].test.group = group;
        }
    }
    Ok(outcomes)
}

/// Whole layers, at least [`BATCH`] blocks at a time.
fn batches<'a, 'b>(both: &'b [Both<'a>]) -> Vec<&'b [Both<'a>]> {
    let mut out = Vec::new();
    let mut start = 0;
    for at in 1..=both.len() {
        let at_layer_end = at == both.len() || both[at].key.layer != both[at - 1].key.layer;
        if at_layer_end && (at - start >= BATCH || at == both.len()) {
            out.push(&both[start..at]);
            start = at;
        }
    }
    out
}

fn clones_among_experts(layer: &[(usize, Option<u32>, [Held; 2])]) -> Vec<(usize, usize)> {
    let mut by_layer: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, (_, expert_layer, _)) in layer.iter().enumerate() {
        if let Some(number) = expert_layer {
            by_layer.entry(*number).or_default().push(at);
        }
    }
    let mut out = Vec::new();
    for experts in by_layer.values() {
        for (one, other) in clones::expert_pairs(experts.len()) {
            let (one, other) = (&layer[experts[one]], &layer[experts[other]]);
            if alike_on_a_side(&one.2, &other.2) {
                out.push((one.0, other.0));
            }
        }
    }
    out
}

fn clones_among_layers(firsts: &[(usize, [Held; 2])]) -> Vec<(usize, usize)> {
    let pairs = clones::layer_pairs(firsts.len());
    let found = pairs.into_par_iter().filter(|&(a, b)| alike_on_a_side(&firsts[a].1, &firsts[b].1));
    found.map(|(a, b)| (firsts[a].0, firsts[b].0)).collect()
}

fn alike_on_a_side(one: &[Held; 2], other: &[Held; 2]) -> bool {
    (0..2).any(|side| {
        let (a, b) = (&one[side], &other[side]);
        a.units() == b.units() && a.width() == b.width() && clones::are_clones(a, b)
    })
}

fn test(setting: &Setting<'_>, block: &Both<'_>) -> Result<std::result::Result<Tested, Skipped>> {
    if setting.monitor.interrupted() {
        return Err(Error::Interrupted);
    }
    let skip = |why: String| Ok(Err(Skipped { what: describe(block.key), why }));
    let [base_matrices, target_matrices] = block.sides;
    let common = target_matrices.by_row.iter().find_map(|target| {
        let base = base_matrices.by_row.iter().find(|base| base.meaning.role == target.meaning.role)?;
        Some([*base, *target])
    });
    let Some(firsts) = common else { return skip("no matrix of one role on both sides".to_owned()) };
    let mut views = Vec::new();
    for (model, logical) in setting.models.into_iter().zip(firsts) {
        match model.unreadable(logical) {
            Some(why) => return skip(why),
            None => views.push(model.view(logical)?),
        }
    }
    let sampling = &setting.sampling;
    let [base, target] = [&views[0], &views[1]].map(|view| default_features(view, sampling));
    if base.width() != target.width() || views[0].columns() != views[1].columns() {
        return skip(Untestable::UnequalWidths(views[0].columns(), views[1].columns()).to_string());
    }
    let all = AllFeatures::open(setting.models, block.sides)?;
    let all = all.as_ref().map(|all| [0, 1].map(|side| all.features(side, sampling)));
    let all = all.as_ref().and_then(|[b, t]| Some(Pair { base: b.as_ref()?, target: t.as_ref()? }));
    let outcome = match block_test(Pair { base: &base, target: &target }, all, sampling, false)? {
        Ok(outcome) => outcome,
        Err(why) => return skip(why.to_string()),
    };
    let probes = [&base, &target].map(|side| Held::some(side, &sampling.probes(side.units())));
    let [base_probes, target_probes] = probes;
    let probes = [base_probes?, target_probes?];
    let part = part_of(firsts[1]);
    Ok(Ok(Tested { outcome: outcome_of(block.key, &outcome, part, [base.units(), target.units()]), probes }))
}

fn outcome_of(key: &BlockKey, block: &Block, part: Option<PartKey>, units: [usize; 2]) -> Outcome {
    let look = block.all_features.iter().chain(&block.direct).max_by_key(|look| look.hits);
    let (form, probes, hits) = match (look, &block.order) {
        (Some(look), _) => (Form::Direct, look.probes.len(), look.hits),
        (None, Some(order)) => (Form::Order, order.kept.len(), order.in_order),
        (None, None) => (Form::Direct, 0, 0),
    };
    let test = Test {
        kind: if key.expert.is_some() { Kind::Expert } else { Kind::Ffn },
        form,
        component: key.component,
        layer: Some(key.layer),
        base_layer: Some(key.layer),
        expert: key.expert,
        name: None,
        units,
        probes,
        hits,
        log10_p: block.log10_p,
        exact: true,
        group: 0,
    };
    Outcome { test, part }
}

/// Gate, up and down of a block together, on both sides.
struct AllFeatures<'a> {
    by_row: [Vec<View<'a>>; 2],
    by_column: [Option<View<'a>>; 2],
}

impl<'a> AllFeatures<'a> {
    /// Opens the matrices that both sides have in one shape; none where the default feature is the only one.
    fn open(models: [&'a Model; 2], sides: [&Matrices<'_>; 2]) -> Result<Option<Self>> {
        let mut out = Self { by_row: [Vec::new(), Vec::new()], by_column: [None, None] };
        let readable = |pair: [&Logical; 2]| {
            pair[0].shape == pair[1].shape && (0..2).all(|side| models[side].unreadable(pair[side]).is_none())
        };
        for target in &sides[1].by_row {
            let base = sides[0].by_row.iter().find(|base| base.meaning.role == target.meaning.role);
            if let Some(base) = base.filter(|base| readable([base, target])) {
                out.by_row[0].push(models[0].view(base)?);
                out.by_row[1].push(models[1].view(target)?);
            }
        }
        if let (Some(base), Some(target)) = (sides[0].by_column, sides[1].by_column)
            && readable([base, target])
        {
            out.by_column = [Some(models[0].view(base)?), Some(models[1].view(target)?)];
        }
        let count = out.by_row[0].len() + usize::from(out.by_column[0].is_some());
        Ok((count > 1).then_some(out))
    }

    fn features(&self, side: usize, sampling: &Sampling) -> Option<Concat<'_>> {
        let rows = self.by_row[side]
            .iter()
            .map(|view| -> Box<dyn Features + '_> { Box::new(default_features(view, sampling)) });
        let columns = self.by_column[side].iter().map(|view| -> Box<dyn Features + '_> {
            Box::new(ColumnFeatures::new(view, sampling.coordinates(view.rows())))
        });
        Concat::new(rows.chain(columns).collect())
    }
}

/// A block in words.
pub fn describe(key: &BlockKey) -> String {
    let component = if key.component == Component::Text { String::new() } else { format!("{} ", key.component) };
    match key.expert {
        Some(expert) => format!("{component}expert {expert} of layer {}", key.layer),
        None => format!("{component}feed-forward of layer {}", key.layer),
    }
}
