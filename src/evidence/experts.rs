//! Experts matched by content as well as by number (guide/methods.md, section 4).

use crate::stats::levels::{FOUND_LOG10, found_among};
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::model::words::{Component, Role};
use crate::numeric::linalg::{Dense, inner_product, products};
use crate::numeric::rows::RowSource;
use crate::numeric::wide::largest;
use crate::stats::assignment::assign;
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::analysis::Setting;
use super::finding::{Finding, Scope, Statement, Supports};
use super::part::{PartKey, PartTest};
use super::parts::{Elsewhere, Fate};
use super::permutation::blocks::{BlockKey, Looked, Matrices, as_unit, look};
use super::tests_of_units::{Test, UnitKind};
use super::witness::{FoundBy, Witnessed};
use crate::stats::chance;
use crate::stats::units::block::LOOKS;
use crate::stats::units::{Held, Sampling};

/// Least cosine at which two experts are tested as one: what 512 values leave to chance is 0.04.
const WORTH_A_TEST: f64 = 0.1;

/// The experts of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertLayer {
    /// Component.
    pub component: Component,
    /// Layer of the target.
    pub layer: u32,
    /// Layer of the base.
    pub base_layer: u32,
    /// Experts of the base.
    pub base_experts: usize,
    /// For each expert of the target, its number and that of the base's expert with its weights.
    pub map: Vec<(u32, Option<u32>)>,
    /// Least bound among the experts found by content.
    pub log10_p: Option<f64>,
    /// Cosine of the routers' rows of the experts found, in the order found: they took no part in
    /// it.
    pub router: Option<f64>,
}

impl ExpertLayer {
    /// Whether an expert was found under another number.
    pub fn permuted(&self) -> bool {
        self.map
            .iter()
            .any(|(target, base)| base.is_some_and(|base| base != *target))
    }

    /// Experts that were found.
    pub fn found(&self) -> usize {
        self.map.iter().filter(|(_, base)| base.is_some()).count()
    }
}

/// The experts of all layers that have them on both sides.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Experts {
    /// Layers, ascending.
    pub layers: Vec<ExpertLayer>,
    /// What became of the target's parts.
    pub parts: BTreeMap<PartKey, Elsewhere>,
}

type Routed<'a, 'b> = BTreeMap<(Component, u32), BTreeMap<u32, &'b Matrices<'a>>>;

/// Routed experts by layer.
fn routed<'a, 'b>(blocks: &'b BTreeMap<BlockKey, Matrices<'a>>) -> Routed<'a, 'b> {
    let mut out: Routed<'a, 'b> = BTreeMap::new();
    for (key, matrices) in blocks {
        if let (Some(expert), false) = (key.expert, key.shared) {
            out.entry((key.component, key.layer))
                .or_default()
                .insert(expert, matrices);
        }
    }
    out
}

/// Experts of one layer on both sides.
struct Task<'a, 'b> {
    component: Component,
    /// Of base and target.
    layers: [u32; 2],
    /// Of base and target.
    experts: [&'b BTreeMap<u32, &'b Matrices<'a>>; 2],
    /// Experts found under their own number.
    in_place: BTreeSet<u32>,
}

impl Task<'_, '_> {
    /// Experts that are not in their places, of the base and of the target.
    fn left(&self) -> [Vec<u32>; 2] {
        self.experts.map(|experts| {
            experts
                .keys()
                .copied()
                .filter(|e| !self.in_place.contains(e))
                .collect()
        })
    }
}

/// Matches the experts of each layer: those that `tests` found in their places by number, the
/// others by content. `counterpart` gives the layer of the base that a layer of the target goes
/// with.
///
/// The pairs with the largest sum of cosines are tested unit by unit, and the choice among all
/// pairs is paid for.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn match_all(
    setting: &Setting<'_>,
    counterpart: &dyn Fn(Component, u32) -> Option<u32>,
    tests: &[Test],
) -> Result<Experts> {
    let models = setting.models;
    let sampling = &setting.sampling;
    let blocks = setting.blocks;
    let [bases, targets] = blocks.each_ref().map(routed);
    let of_experts = || {
        tests
            .iter()
            .filter(|test| test.kind == UnitKind::Expert && test.layer == test.base_layer)
    };
    let level = found_among(of_experts().count());
    let mut in_place: BTreeMap<(Component, u32), BTreeSet<u32>> = BTreeMap::new();
    for test in of_experts().filter(|test| test.log10_p <= level) {
        if let (Some(layer), Some(expert)) = (test.layer, test.expert) {
            in_place
                .entry((test.component, layer))
                .or_default()
                .insert(expert);
        }
    }
    let mut tasks = Vec::new();
    for (&(component, layer), target) in &targets {
        let Some(base_layer) = counterpart(component, layer) else {
            continue;
        };
        let Some(base) = bases.get(&(component, base_layer)) else {
            continue;
        };
        let known = in_place
            .get(&(component, layer))
            .filter(|_| base_layer == layer);
        tasks.push(Task {
            component,
            layers: [base_layer, layer],
            experts: [base, target],
            in_place: known.cloned().unwrap_or_default(),
        });
    }
    let pairs: usize = tasks
        .iter()
        .map(|task| task.left().iter().map(Vec::len).product::<usize>())
        .sum();
    let matched: Vec<Result<Vec<Match>>> = tasks
        .par_iter()
        .map(|task| {
            setting.monitor.check()?;
            match_by_content(models, task, pairs, sampling)
        })
        .collect();
    let mut out = Experts::default();
    for (task, by_content) in tasks.iter().zip(matched) {
        out.add(models, task, by_content?)?;
    }
    Ok(out)
}

/// Experts of base and target found by content, with the part of the target and the bound.
struct Match {
    experts: [u32; 2],
    part: Option<PartKey>,
    log10_p: f64,
}

fn match_by_content(
    models: [&Model; 2],
    task: &Task<'_, '_>,
    pairs: usize,
    sampling: &Sampling,
) -> Result<Vec<Match>> {
    let left = task.left();
    let matrices = |side: usize, expert: u32| task.experts[side].get(&expert).copied();
    let units = [0, 1].map(|side| {
        let of_side = left[side]
            .iter()
            .filter_map(|expert| matrices(side, *expert));
        let matrices = of_side.flat_map(|matrices| &matrices.by_row);
        let rows: BTreeSet<u64> = matrices.map(|matrix| matrix.matrix_shape().0).collect();
        rows
    });
    // Of experts as small as these not even copies would be found among so many.
    if let [Some(units), None] = each_of(units[0].union(&units[1]))
        && least_log10_p(*units, pairs, sampling) > FOUND_LOG10
    {
        return Ok(Vec::new());
    }
    let shape = left[1]
        .first()
        .and_then(|e| matrices(1, *e))
        .map(|m| (m.by_row[0].meaning.role, &m.by_row[0].shape));
    let Some((role, shape)) = shape else {
        return Ok(Vec::new());
    };
    let mut numbers = [Vec::new(), Vec::new()];
    let mut units = [Vec::new(), Vec::new()];
    for side in 0..2 {
        let read = left[side].par_iter().map(|&expert| {
            let alike = |l: &&Logical| {
                l.meaning.role == role && l.shape == *shape && models[side].unreadable(l).is_none()
            };
            let Some(first) =
                matrices(side, expert).and_then(|m| m.by_row.iter().copied().find(|l| alike(l)))
            else {
                return Ok(None);
            };
            let view = models[side].view(first)?;
            let Some(features) = as_unit(&view, sampling) else {
                return Ok(None);
            };
            Ok(Some((expert, Held::some(&features, &[0])?)))
        });
        let read: Vec<Result<Option<(u32, Held)>>> = read.collect();
        for unit in read {
            if let Some((expert, unit)) = unit? {
                numbers[side].push(expert);
                units[side].push(unit);
            }
        }
    }
    let chosen = match units.iter().all(|units| units.len() <= MOST_ASSIGNED) {
        true => assigned(&units),
        false => each_others_best(&units[0], &units[1]),
    };
    let tested: Vec<Result<Option<Match>>> = chosen
        .par_iter()
        .map(|&[base, target]| {
            let experts = [numbers[0][base], numbers[1][target]];
            let (Some(base), Some(target)) = (matrices(0, experts[0]), matrices(1, experts[1]))
            else {
                return Ok(None);
            };
            let Ok(Looked { block, part, .. }) = look(models, [base, target], sampling)? else {
                return Ok(None);
            };
            let log10_p = chance::bonferroni(block.log10_p, pairs);
            Ok((log10_p <= FOUND_LOG10).then_some(Match {
                experts,
                part,
                log10_p,
            }))
        })
        .collect();
    tested.into_iter().filter_map(Result::transpose).collect()
}

/// The first two of some.
fn each_of<T>(mut some: impl Iterator<Item = T>) -> [Option<T>; 2] {
    [some.next(), some.next()]
}

/// The least bound that a pair of experts of that many units can have, chosen among `pairs`: every
/// probe in its own place.
fn least_log10_p(units: u64, pairs: usize, sampling: &Sampling) -> f64 {
    let Ok(units) = usize::try_from(units) else {
        return f64::NEG_INFINITY;
    };
    let probes = sampling.probes(units).len();
    let copy = chance::fixed_points(probes, probes, units);
    chance::bonferroni(chance::bonferroni(copy, LOOKS), pairs)
}

/// Most experts of a side that are assigned so that all pairs together are the most alike: the
/// time of that grows with the cube of their number, and its memory with the square.
const MOST_ASSIGNED: usize = 1024;

/// Pairs of units of base and target, each of one other, that are worth a test.
fn assigned(units: &[Vec<Held>; 2]) -> Vec<[usize; 2]> {
    let similarity = similarity(&units[1], &units[0]);
    let pairs = assign(&similarity)
        .into_iter()
        .enumerate()
        .filter_map(|(target, base)| Some((target, base?)));
    pairs
        .filter(|&(target, base)| similarity.row(target)[base] >= WORTH_A_TEST)
        .map(|(target, base)| [base, target])
        .collect()
}

/// The unit that is the most alike so far, of equals the first.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Likest {
    cosine: f32,
    at: usize,
}

impl Likest {
    const NONE: Self = Self {
        cosine: f32::NEG_INFINITY,
        at: usize::MAX,
    };

    fn or(self, other: Self) -> Self {
        let later = other
            .cosine
            .total_cmp(&self.cosine)
            .then(self.at.cmp(&other.at));
        if later.is_gt() { other } else { self }
    }
}

/// Pairs of units of base and target that are each the most alike of the other, and worth a test.
fn each_others_best(bases: &[Held], targets: &[Held]) -> Vec<[usize; 2]> {
    let width = bases.first().map_or(0, |unit| unit.values().len());
    let values = joined(bases);
    // For each target seen the likest base, and for each base the likest target.
    type Seen = (Vec<(usize, Likest)>, Vec<Likest>);
    let nobody = || -> Seen { (Vec::new(), vec![Likest::NONE; bases.len()]) };
    let tiles = targets.par_chunks(TILE).enumerate();
    let seen = tiles.fold(nobody, |(mut of_targets, mut of_bases), (tile, targets)| {
        let mut cosines = vec![0.0; targets.len() * bases.len()];
        products(&joined(targets), &values, width, &mut cosines);
        for (row, cosines) in cosines.chunks_exact(bases.len().max(1)).enumerate() {
            let target = tile * TILE + row;
            let mut own = Likest::NONE;
            let parts = cosines.chunks(TILE).zip(of_bases.chunks_mut(TILE));
            for (part, (cosines, of_bases)) in parts.enumerate() {
                // Of strangers no two are worth a look.
                if f64::from(largest(cosines)) < WORTH_A_TEST {
                    continue;
                }
                for (base, (&cosine, of_base)) in cosines.iter().zip(of_bases).enumerate() {
                    let at = part * TILE + base;
                    own = own.or(Likest { cosine, at });
                    *of_base = of_base.or(Likest { cosine, at: target });
                }
            }
            of_targets.push((target, own));
        }
        (of_targets, of_bases)
    });
    let (mut of_targets, of_bases) = seen.reduce(nobody, |(mut targets, mut bases), other| {
        targets.extend(other.0);
        for (own, other) in bases.iter_mut().zip(other.1) {
            *own = own.or(other);
        }
        (targets, bases)
    });
    of_targets.sort_by_key(|(target, _)| *target);
    let is_mutual = |target: usize, own: &Likest| {
        f64::from(own.cosine) >= WORTH_A_TEST
            && of_bases
                .get(own.at)
                .is_some_and(|likest| likest.at == target)
    };
    let mutual = of_targets
        .iter()
        .filter(|(target, own)| is_mutual(*target, own));
    mutual.map(|(target, own)| [own.at, *target]).collect()
}

/// The values of units one behind the other.
fn joined(units: &[Held]) -> Vec<f32> {
    units
        .iter()
        .flat_map(|unit| unit.values())
        .copied()
        .collect()
}

/// Rows of a product that are worked out at a time.
const TILE: usize = 64;

/// What f32 sums of products of unit vectors may be off by.
const ROUNDING: f32 = 1e-3;

/// Cosines of single units, shape (rows, columns), 0 where two are not worth a test. The products
/// in f32, which differ by machine in their last digits, only choose those that are summed in f64,
/// in a fixed order.
fn similarity(rows: &[Held], columns: &[Held]) -> Dense {
    let cosine = |a: &Held, b: &Held| inner_product(a.values(), b.values());
    let width = rows.first().map_or(0, |row| row.values().len());
    let of_columns = joined(columns);
    let tiles = rows.par_chunks(TILE).flat_map_iter(|tile| {
        let mut rough = vec![0.0; tile.len() * columns.len()];
        products(&joined(tile), &of_columns, width, &mut rough);
        let mut exact = vec![0.0; rough.len()];
        let rows = rough.chunks_exact(columns.len().max(1));
        let rows = rows.zip(exact.chunks_exact_mut(columns.len().max(1)));
        for (row, (rough, exact)) in tile.iter().zip(rows) {
            let worth = rough.iter().enumerate();
            let worth = worth.filter(|(_, rough)| f64::from(**rough + ROUNDING) >= WORTH_A_TEST);
            for (at, _) in worth {
                let cosine = cosine(row, &columns[at]);
                exact[at] = if cosine < WORTH_A_TEST { 0.0 } else { cosine };
            }
        }
        exact
    });
    Dense {
        rows: rows.len(),
        columns: columns.len(),
        values: tiles.collect(),
    }
}

impl Experts {
    fn add(
        &mut self,
        models: [&Model; 2],
        task: &Task<'_, '_>,
        by_content: Vec<Match>,
    ) -> Result<()> {
        let mut origins: BTreeMap<u32, u32> = task
            .in_place
            .iter()
            .map(|expert| (*expert, *expert))
            .collect();
        origins.extend(
            by_content
                .iter()
                .map(|found| (found.experts[1], found.experts[0])),
        );
        let map: Vec<(u32, Option<u32>)> = task.experts[1]
            .keys()
            .map(|expert| (*expert, origins.get(expert).copied()))
            .collect();
        let log10_p = by_content
            .iter()
            .map(|found| found.log10_p)
            .min_by(f64::total_cmp);
        for found in by_content {
            let test = PartTest {
                log10_p: found.log10_p,
                share_seen_95: None,
            };
            if let Some(key) = found.part {
                let elsewhere = Elsewhere {
                    base_layer: Some(task.layers[0]),
                    test: Some(test),
                    excess: None,
                    fate: Fate::Found,
                    found_by: FoundBy::Experts,
                    witnessed: Witnessed::default(),
                };
                self.parts.insert(key, elsewhere);
            }
        }
        let layer = ExpertLayer {
            component: task.component,
            layer: task.layers[1],
            base_layer: task.layers[0],
            base_experts: task.experts[0].len(),
            map,
            log10_p,
            router: None,
        };
        let router = if layer.permuted() {
            router_cosine(models, &layer)?
        } else {
            None
        };
        self.layers.push(ExpertLayer { router, ..layer });
        Ok(())
    }

    /// Layers of a component, or of all.
    pub(crate) fn about(&self, component: Option<Component>) -> impl Iterator<Item = &ExpertLayer> {
        self.layers
            .iter()
            .filter(move |layer| component.is_none_or(|c| c == layer.component))
    }

    /// Whether half of the experts of a layer of the target were found, at least.
    pub(crate) fn hit(&self, component: Component, layer: u32) -> bool {
        self.about(Some(component))
            .any(|l| l.layer == layer && l.found() > 0 && 2 * l.found() >= l.map.len())
    }

    /// What the content of the experts says, where any was found by it.
    pub(crate) fn finding(&self) -> Option<Finding> {
        // Each bound is paid for all pairs of all layers.
        let log10_p = self
            .layers
            .iter()
            .filter_map(|layer| layer.log10_p)
            .min_by(f64::total_cmp)?;
        let found: usize = self.layers.iter().map(ExpertLayer::found).sum();
        let all: usize = self.layers.iter().map(|layer| layer.map.len()).sum();
        let moved: usize = self
            .layers
            .iter()
            .map(|layer| {
                layer
                    .map
                    .iter()
                    .filter(|(t, b)| b.is_some_and(|b| b != *t))
                    .count()
            })
            .sum();
        Some(Finding {
            statement: Statement::RoutedExperts { found, all, moved },
            value: Some(found as f64),
            log10_p: Some(log10_p),
            supports: Supports::Derived,
            scope: Scope::Model,
        })
    }
}

/// Cosine of the rows of both routers in the order found; none where a router is missing or of
/// another shape.
fn router_cosine(models: [&Model; 2], layer: &ExpertLayer) -> Result<Option<f64>> {
    let router = |side: usize, number: u32| {
        let mut of_layer = models[side].of_layer(layer.component, number);
        of_layer.find(|l| l.meaning.role == Role::Router && l.shape.len() == 2)
    };
    let (Some(base), Some(target)) = (router(0, layer.base_layer), router(1, layer.layer)) else {
        return Ok(None);
    };
    if models[0].unreadable(base).is_some() || models[1].unreadable(target).is_some() {
        return Ok(None);
    }
    let (base, target) = (models[0].view(base)?, models[1].view(target)?);
    if base.columns() != target.columns() {
        return Ok(None);
    }
    let [mut ab, mut aa, mut bb] = [0.0; 3];
    let mut rows = [vec![0.0; base.columns()], vec![0.0; base.columns()]];
    for (of_target, of_base) in layer
        .map
        .iter()
        .filter_map(|(target, base)| Some((*target as usize, (*base)? as usize)))
    {
        if of_base >= base.rows() || of_target >= target.rows() {
            return Ok(None);
        }
        base.read_rows(of_base..of_base + 1, &mut rows[0])?;
        target.read_rows(of_target..of_target + 1, &mut rows[1])?;
        for (a, b) in rows[0].iter().zip(&rows[1]) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            ab += a * b;
            aa += a * a;
            bb += b * b;
        }
    }
    let norms = (aa * bb).sqrt();
    Ok((norms > 0.0 && norms.is_finite()).then(|| (ab / norms).clamp(-1.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    #[test]
    fn the_best_assignment_of_re_ordered_units_undoes_the_order() {
        let mut draws = Draws::new(0, "experts");
        let mut unit = || Held::new((0..512).map(|_| draws.normal() as f32).collect(), 512);
        let base: Vec<Held> = (0..9).map(|_| unit()).collect();
        let order = [4, 2, 8, 0, 6];
        let target: Vec<Held> = order
            .iter()
            .map(|&expert| base[expert].clone())
            .chain([unit()])
            .collect();
        let similarity = similarity(&target, &base);
        let found = assign(&similarity);
        let best = each_others_best(&base, &target);
        let undone = (0..5).map(|target| [order[target], target]);
        assert!(undone.into_iter().all(|pair| best.contains(&pair)));
        assert_eq!(found[..5], order.map(Some));
        assert!(
            similarity
                .row(5)
                .iter()
                .all(|&cosine| cosine < 2.0 * WORTH_A_TEST)
        );
        assert!((0..5).all(|row| similarity.row(row)[order[row]] > 0.99));
    }

    #[test]
    fn a_layer_is_permuted_where_an_expert_has_another_number() {
        let layer = |map: Vec<(u32, Option<u32>)>| ExpertLayer {
            component: Component::Text,
            layer: 0,
            base_layer: 0,
            base_experts: 4,
            map,
            log10_p: None,
            router: None,
        };
        assert!(!layer(vec![(0, Some(0)), (1, None)]).permuted());
        let moved = layer(vec![(0, Some(2)), (1, None)]);
        assert!(moved.permuted() && moved.found() == 1);
    }
}
