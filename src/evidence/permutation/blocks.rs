//! Hidden units of feed-forward blocks and of experts: one test a block, clones grouped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use crate::align::Alignment;
use crate::error::Result;
use crate::evidence::formulas::Formulas;
use crate::evidence::no_weights::holds_no_weights;
use crate::evidence::part::PartKey;
use crate::evidence::parts::part_of;
use crate::measure::record::Record;
use crate::model::name::Meaning;
use crate::model::sides::Side;
use crate::model::words::{Block as Place, Class, Component, Role};
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::stats::units::{
    Block, ColumnFeatures, Concat, Features, Held, Layout, Pair, RowFeatures, Sampling, Stacked,
};
use crate::stats::units::{Untestable, block_test, clones};
use crate::view::logical::Logical;
use crate::view::model::Model;
use crate::view::reader::View;

use super::Outcome;
use super::prepared::{Preparation, Prepared};
use crate::evidence::analysis::Setting;
use crate::evidence::tests_of_units::{Form, Test, UnitKind};
use crate::evidence::untested::{Obstacle, Subject, UnitsOf, Untested};

/// Blocks whose probes are held at one time, in whole layers.
const BATCH: usize = 16;

/// Rows of an expert's default matrix that it is recognised by.
const ROWS: usize = 16;

/// Columns of these.
const COLUMNS: usize = 32;

/// A feed-forward block or an expert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockKey {
    /// Layer.
    pub layer: u32,
    /// Component.
    pub component: Component,
    /// Routed expert.
    pub expert: Option<u32>,
    /// Whether it is a shared expert.
    pub shared: bool,
    /// What tells several feed-forwards of one layer apart ("encoder.").
    pub stem: Arc<str>,
}

impl BlockKey {
    /// The block as what could not be tested.
    fn subject(&self) -> Subject {
        Subject::Block {
            component: self.component,
            layer: self.layer,
            expert: self.expert,
        }
    }
}

/// The matrices of a block.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matrices<'a> {
    /// Rows are hidden units: up, gate or fc1, the default feature first.
    pub by_row: Vec<&'a Logical>,
    /// Columns are hidden units: down or fc2.
    pub by_column: Option<&'a Logical>,
}

/// The [`blocks`] of base and target.
pub(crate) type BlocksOfBoth<'a> = [BTreeMap<BlockKey, Matrices<'a>>; 2];

/// The [`blocks`] of both models, without what a formula explains and without matrices that hold no
/// weights: a gate that is still zero tells no unit from another.
pub(crate) fn blocks_of_both<'a>(
    [base, target]: [&'a Model; 2],
    alignment: &Alignment,
    records: &[Record],
    formulas: &Formulas,
) -> BlocksOfBoth<'a> {
    let of_side = |model, side| {
        let mut blocks = blocks(model);
        let empty = names_without_weights(alignment, records, side);
        if !empty.is_empty() || !formulas.is_empty() {
            leave_out(&mut blocks, &|logical| {
                formulas.holds(side, logical) || empty.contains(logical.name.as_str())
            });
        }
        blocks
    };
    let (base, target) = rayon::join(
        || of_side(base, Side::Base),
        || of_side(target, Side::Target),
    );
    [base, target]
}

/// Names of that side's matrices that hold no weights on either side.
fn names_without_weights<'a>(
    alignment: &'a Alignment,
    records: &[Record],
    side: Side,
) -> BTreeSet<&'a str> {
    let pairs = alignment.pairs.iter().zip(records);
    let empty = pairs.filter(|(pair, record)| holds_no_weights(pair, record));
    empty
        .map(|(pair, _)| pair.sides().get(side).name.as_str())
        .collect()
}

/// Feed-forward blocks and experts of a model, by layer; fused matrices are cut.
pub(crate) fn blocks(model: &Model) -> BTreeMap<BlockKey, Matrices<'_>> {
    let mut stems = Stems::default();
    let mut found: Vec<(BlockKey, &Logical)> = Vec::new();
    for (_, logical) in model.places() {
        let m = &logical.meaning;
        let (Some(layer), Some(Place::Layer(_)), Class::Matrix) = (m.layer, m.block, m.class)
        else {
            continue;
        };
        let is_of_block = [Role::Up, Role::Fc1, Role::Gate, Role::Down, Role::Fc2];
        if !is_of_block.contains(&m.role) || !logical.is_plain_matrix() {
            continue;
        }
        let key = BlockKey {
            layer,
            component: m.component,
            expert: m.expert,
            shared: m.shared_expert,
            stem: stems.of_meaning(m),
        };
        found.push((key, logical));
    }
    // The default feature is up, else fc1, else gate.
    let rank = |logical: &Logical| {
        let ranks = [Role::Up, Role::Fc1, Role::Gate];
        ranks.iter().position(|role| *role == logical.meaning.role)
    };
    found
        .sort_by(|(key, one), (other, two)| key.cmp(other).then_with(|| rank(one).cmp(&rank(two))));
    let mut out: Vec<(BlockKey, Matrices<'_>)> = Vec::new();
    for (key, logical) in found {
        if out.last().is_none_or(|(last, _)| *last != key) {
            out.push((key, Matrices::default()));
        }
        if let Some((_, matrices)) = out.last_mut() {
            match rank(logical) {
                Some(_) => matrices.by_row.push(logical),
                None => matrices.by_column = Some(logical),
            }
        }
    }
    out.retain(|(_, matrices)| !matrices.by_row.is_empty());
    out.into_iter().collect()
}

/// What is left of slots without the words of roles, each made once: a model has few slots.
#[derive(Default)]
struct Stems(HashMap<(Arc<str>, Role), Arc<str>>);

impl Stems {
    fn of_meaning(&mut self, meaning: &Meaning) -> Arc<str> {
        let (slot, role) = (&meaning.slot, meaning.role);
        let stem = self.0.entry((Arc::clone(slot), role));
        Arc::clone(stem.or_insert_with(|| slot.replacen(role.word(), "", 1).into()))
    }
}

/// Leaves out some matrices, and blocks of which nothing is left to look at.
fn leave_out(blocks: &mut BTreeMap<BlockKey, Matrices<'_>>, leaves: &dyn Fn(&Logical) -> bool) {
    for matrices in blocks.values_mut() {
        matrices.by_row.retain(|logical| !leaves(logical));
        matrices.by_column = matrices.by_column.filter(|logical| !leaves(logical));
    }
    blocks.retain(|_, matrices| !matrices.by_row.is_empty());
}

/// The default features of a block: rows of its first matrix, cut to drawn coordinates.
pub(crate) fn default_features<'a>(
    view: &'a dyn RowSource,
    sampling: &Sampling,
) -> RowFeatures<'a> {
    RowFeatures::new(view).cut(&sampling.coordinates(view.columns()))
}

/// An expert as one unit, by 16 seeded rows and 32 seeded columns of its default matrix; none where
/// the matrix is empty.
pub(crate) fn as_unit<'a>(view: &'a View<'_>, sampling: &Sampling) -> Option<RowFeatures<'a>> {
    let [rows, columns] = coordinates_of_an_expert([view.rows(), view.columns()], sampling);
    let coordinates = rows.iter().flat_map(|row| {
        columns
            .iter()
            .map(move |column| row * view.columns() + column)
    });
    let coordinates: Vec<usize> = coordinates.collect();
    let whole = RowFeatures::with_layout(view, Layout::Neighbours(view.rows()))?;
    (!coordinates.is_empty()).then(|| whole.cut(&coordinates))
}

/// Rows and columns of the default matrix of an expert, of that many, by which it is recognised.
pub(crate) fn coordinates_of_an_expert(
    [rows, columns]: [usize; 2],
    sampling: &Sampling,
) -> [Vec<usize>; 2] {
    let draw = |purpose, count, bound| Draws::new(sampling.seed, purpose).distinct(count, bound);
    [
        draw("rows of an expert", ROWS, rows),
        draw("columns of an expert", COLUMNS, columns),
    ]
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
pub(super) fn test_all(setting: &Setting<'_>, skipped: &mut Vec<Untested>) -> Result<Vec<Outcome>> {
    let of_sides = setting.blocks;
    let both: Vec<Both<'_>> = of_sides[1]
        .iter()
        .filter_map(|(key, target)| {
            of_sides[0].get(key).map(|base| Both {
                key,
                sides: [base, target],
            })
        })
        .collect();
    if both.is_empty() {
        skipped.push(Untested {
            what: Subject::FeedForwards,
            why: Obstacle::NoCommonBlock,
        });
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut clone_pairs: Vec<(usize, usize)> = Vec::new();
    let mut first_of_layer: Vec<(usize, [Held; 2])> = Vec::new();
    for batch in batches(&both) {
        let tested: Vec<Result<std::result::Result<Tested, Untested>>> =
            batch.par_iter().map(|block| test(setting, block)).collect();
        let mut layer: Vec<(usize, Option<u32>, [Held; 2])> = Vec::new();
        for (block, result) in batch.iter().zip(tested) {
            match result? {
                Err(why) => skipped.push(why),
                Ok(found) => {
                    layer.push((
                        outcomes.len(),
                        block.key.expert.map(|_| block.key.layer),
                        found.probes,
                    ));
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
    let of_layers = experts_as_units(setting, of_sides, &both, &outcomes)?;
    outcomes.extend(of_layers);
    Ok(outcomes)
}

/// The experts of a layer as units, where there are enough of them on both sides: one test a layer,
/// in the group of the layer's first expert, so that layers that are clones of one another stay
/// together.
fn experts_as_units<'a>(
    setting: &Setting<'a>,
    of_sides: &BlocksOfBoth<'a>,
    both: &[Both<'_>],
    outcomes: &[Outcome],
) -> Result<Vec<Outcome>> {
    let mut groups: BTreeMap<(Component, u32), usize> = BTreeMap::new();
    for test in outcomes
        .iter()
        .map(|outcome| &outcome.test)
        .filter(|test| test.expert.is_some())
    {
        if let Some(layer) = test.layer {
            groups.entry((test.component, layer)).or_insert(test.group);
        }
    }
    let of_layer = |(component, layer), group| {
        setting.monitor.check()?;
        let first = both.partition_point(|b| (b.key.layer, b.key.component) < (layer, component));
        let of_layer = both[first..]
            .iter()
            .take_while(|b| (b.key.layer, b.key.component) == (layer, component));
        let alike = of_layer.into_iter().find(|b| b.key.expert.is_some());
        let Some(alike) = alike.map(|both| both.sides[1].by_row[0]) else {
            return Ok(None);
        };
        let views = [0, 1].map(|side| {
            experts_of(
                setting.models[side],
                &of_sides[side],
                component,
                layer,
                alike,
            )
        });
        let [base, target] = views;
        let (base, target) = (base?, target?);
        let (Some(base), Some(target)) = (
            stack(&base, &setting.sampling),
            stack(&target, &setting.sampling),
        ) else {
            return Ok(None);
        };
        let pair = Pair {
            base: &base,
            target: &target,
        };
        let Ok(block) = block_test(pair, None, &setting.sampling, false)? else {
            return Ok(None);
        };
        let test = test_of(
            &block,
            [base.units(), target.units()],
            UnitKind::Expert,
            component,
            [layer, layer],
        );
        let name = Some(UnitsOf::Experts { layer });
        Ok(Some(Outcome {
            test: Test {
                name,
                group,
                ..test
            },
            part: None,
        }))
    };
    let found: Vec<Result<Option<Outcome>>> = groups
        .into_par_iter()
        .map(|(place, group)| of_layer(place, group))
        .collect();
    found.into_iter().filter_map(Result::transpose).collect()
}

/// The matrices of the routed experts of a layer that are of the role and shape of `alike`, in the
/// order of experts.
fn experts_of<'a>(
    model: &'a Model,
    blocks: &BTreeMap<BlockKey, Matrices<'a>>,
    component: Component,
    layer: u32,
    alike: &Logical,
) -> Result<Vec<View<'a>>> {
    let first = BlockKey {
        layer,
        component,
        expert: None,
        shared: false,
        stem: "".into(),
    };
    let of_layer = blocks
        .range(first..)
        .take_while(|(key, _)| (key.layer, key.component) == (layer, component));
    let experts = of_layer.filter(|(key, _)| key.expert.is_some() && !key.shared);
    let mut out: BTreeMap<u32, View<'_>> = BTreeMap::new();
    for (key, matrices) in experts {
        let fits = |l: &&&Logical| l.meaning.role == alike.meaning.role && l.shape == alike.shape;
        let Some(logical) = matrices.by_row.iter().find(fits) else {
            continue;
        };
        if let (Some(expert), None) = (key.expert, model.unreadable(logical)) {
            out.insert(expert, model.view(logical)?);
        }
    }
    Ok(out.into_values().collect())
}

/// Experts one after another, each a unit.
fn stack<'a>(experts: &'a [View<'_>], sampling: &Sampling) -> Option<Stacked<'a>> {
    let units = experts
        .iter()
        .map(|view| -> Option<Box<dyn Features + 'a>> { Some(Box::new(as_unit(view, sampling)?)) });
    Stacked::new(units.collect::<Option<Vec<_>>>()?)
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
        let pairs = clones::expert_pairs(experts.len()).into_par_iter();
        let pairs = pairs.map(|(one, other)| (&layer[experts[one]], &layer[experts[other]]));
        let found = pairs.filter(|(one, other)| alike_on_a_side(&one.2, &other.2));
        out.extend(
            found
                .map(|(one, other)| (one.0, other.0))
                .collect::<Vec<_>>(),
        );
    }
    out
}

fn clones_among_layers(firsts: &[(usize, [Held; 2])]) -> Vec<(usize, usize)> {
    let pairs = clones::layer_pairs(firsts.len());
    let found = pairs
        .into_par_iter()
        .filter(|&(a, b)| alike_on_a_side(&firsts[a].1, &firsts[b].1));
    found.map(|(a, b)| (firsts[a].0, firsts[b].0)).collect()
}

fn alike_on_a_side(one: &[Held; 2], other: &[Held; 2]) -> bool {
    (0..2).any(|side| {
        let (a, b) = (&one[side], &other[side]);
        a.units() == b.units() && a.width() == b.width() && clones::are_clones(a, b)
    })
}

fn test(setting: &Setting<'_>, block: &Both<'_>) -> Result<std::result::Result<Tested, Untested>> {
    setting.monitor.check()?;
    let looked = match look_prepared(
        setting.models,
        block.sides,
        &setting.sampling,
        setting.preparation(),
    )? {
        Ok(looked) => looked,
        Err(why) => {
            return Ok(Err(Untested {
                what: block.key.subject(),
                why,
            }));
        }
    };
    let Looked {
        block: found,
        units,
        probes,
        part,
    } = looked;
    let key = block.key;
    let kind = if key.expert.is_some() {
        UnitKind::Expert
    } else {
        UnitKind::Ffn
    };
    let test = Test {
        expert: key.expert,
        ..test_of(&found, units, kind, key.component, [key.layer, key.layer])
    };
    Ok(Ok(Tested {
        outcome: Outcome { test, part },
        probes,
    }))
}

/// A block looked at on both sides.
pub(crate) struct Looked {
    /// The outcome of the looks.
    pub block: Block,
    /// Units of base and target.
    pub units: [usize; 2],
    /// Probe units of base and target.
    pub probes: [Held; 2],
    /// The part of the target that the block belongs to.
    pub part: Option<PartKey>,
}

/// Compares the units of a block of the base with those of a block of the target; where it cannot,
/// says why.
///
/// # Errors
/// A read that fails.
pub(crate) fn look(
    models: [&Model; 2],
    sides: [&Matrices<'_>; 2],
    sampling: &Sampling,
) -> Result<std::result::Result<Looked, Obstacle>> {
    look_prepared(models, sides, sampling, Preparation::default())
}

/// The same with matrices prepared.
///
/// # Errors
/// A read that fails.
pub(crate) fn look_prepared(
    models: [&Model; 2],
    sides: [&Matrices<'_>; 2],
    sampling: &Sampling,
    preparation: Preparation<'_>,
) -> Result<std::result::Result<Looked, Obstacle>> {
    let [base_matrices, target_matrices] = sides;
    let common = target_matrices.by_row.iter().find_map(|target| {
        let base = base_matrices
            .by_row
            .iter()
            .find(|base| base.meaning.role == target.meaning.role)?;
        Some([*base, *target])
    });
    let Some(firsts) = common else {
        return Ok(Err(Obstacle::NoCommonRole));
    };
    let mut views = Vec::new();
    for ((model, side), logical) in models.into_iter().zip(Side::BOTH).zip(firsts) {
        match model.unreadable(logical) {
            Some(why) => return Ok(Err(Obstacle::Unreadable(why))),
            None => views.push(Prepared::open(model, side, logical, preparation)?),
        }
    }
    let [base, target] = [&views[0], &views[1]].map(|view| default_features(view, sampling));
    if base.width() != target.width() || views[0].columns() != views[1].columns() {
        let unequal = Untestable::UnequalWidths(views[0].columns(), views[1].columns());
        return Ok(Err(Obstacle::Units(unequal)));
    }
    let all = AllFeatures::open(models, sides, preparation)?;
    let all = all
        .as_ref()
        .map(|all| [0, 1].map(|side| all.features(side, sampling)));
    let all = all.as_ref().and_then(|[b, t]| {
        Some(Pair {
            base: b.as_ref()?,
            target: t.as_ref()?,
        })
    });
    let block = match block_test(
        Pair {
            base: &base,
            target: &target,
        },
        all,
        sampling,
        false,
    )? {
        Ok(block) => block,
        Err(why) => return Ok(Err(Obstacle::Units(why))),
    };
    let probes = [&base, &target].map(|side| Held::some(side, &sampling.probes(side.units())));
    let [base_probes, target_probes] = probes;
    Ok(Ok(Looked {
        block,
        units: [base.units(), target.units()],
        probes: [base_probes?, target_probes?],
        part: part_of(firsts[1]),
    }))
}

/// The test that the looks on a block make, between a layer of the base and one of the target.
pub(crate) fn test_of(
    block: &Block,
    units: [usize; 2],
    kind: UnitKind,
    component: Component,
    [base_layer, layer]: [u32; 2],
) -> Test {
    let look = block
        .all_features
        .iter()
        .chain(&block.direct)
        .max_by_key(|look| look.hits);
    let (form, probes, hits) = match (look, &block.order) {
        (Some(look), _) => (Form::Direct, look.probes.len(), look.hits),
        (None, Some(order)) => (Form::Order, order.kept.len(), order.in_order),
        (None, None) => (Form::Direct, 0, 0),
    };
    Test {
        kind,
        form,
        component,
        layer: Some(layer),
        base_layer: Some(base_layer),
        expert: None,
        name: None,
        units,
        probes,
        hits,
        log10_p: block.log10_p,
        exact: true,
        group: 0,
        control: None,
        features: None,
    }
}

/// Gate, up and down of a block together, on both sides.
struct AllFeatures<'a> {
    by_row: [Vec<Prepared<'a>>; 2],
    by_column: [Option<Prepared<'a>>; 2],
}

impl<'a> AllFeatures<'a> {
    /// Opens the matrices that both sides have in one shape; none where the default feature is the
    /// only one.
    fn open(
        models: [&'a Model; 2],
        sides: [&Matrices<'_>; 2],
        preparation: Preparation<'_>,
    ) -> Result<Option<Self>> {
        let open = |side: Side, logical| {
            let at = usize::from(side == Side::Target);
            Prepared::open(models[at], side, logical, preparation)
        };
        let mut out = Self {
            by_row: [Vec::new(), Vec::new()],
            by_column: [None, None],
        };
        let readable = |pair: [&Logical; 2]| {
            pair[0].matrix_shape() == pair[1].matrix_shape()
                && (0..2).all(|side| models[side].unreadable(pair[side]).is_none())
        };
        for target in &sides[1].by_row {
            let base = sides[0]
                .by_row
                .iter()
                .find(|base| base.meaning.role == target.meaning.role);
            if let Some(base) = base.filter(|base| readable([base, target])) {
                out.by_row[0].push(open(Side::Base, base)?);
                out.by_row[1].push(open(Side::Target, target)?);
            }
        }
        if let (Some(base), Some(target)) = (sides[0].by_column, sides[1].by_column)
            && readable([base, target])
        {
            let opened = [open(Side::Base, base)?, open(Side::Target, target)?];
            out.by_column = opened.map(Some);
        }
        let count = out.by_row[0].len() + usize::from(out.by_column[0].is_some());
        Ok((count > 1).then_some(out))
    }

    fn features(&self, side: usize, sampling: &Sampling) -> Option<Concat<'_>> {
        let rows = self.by_row[side]
            .iter()
            .map(|view| -> Box<dyn Features + '_> { Box::new(default_features(view, sampling)) });
        let columns = self.by_column[side]
            .iter()
            .map(|view| -> Box<dyn Features + '_> {
                Box::new(ColumnFeatures::new(view, sampling.coordinates(view.rows())))
            });
        Concat::new(rows.chain(columns).collect())
    }
}
