//! Tensors of one shape that hold the same values, or are each other's most alike.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::model::sides::{Side, Sides};
use crate::model::words::Class;

use super::neighbours::{Index, product};
use super::{Item, axes, follow, may_be_one};

/// Least size of the cosine of two matrices that are the same one, where their sketches are long.
/// Independent matrices of published models stay below 0.1 once the means of rows and columns are
/// taken off.
pub(super) const ALIKE: f64 = 0.3;

/// The same of vectors: gains of one place resemble one another in unrelated models.
const ALIKE_VECTORS: f64 = 0.8;

/// A cosine over n values is chance below this many times 1/√n.
const CHANCE: f64 = 8.0;

/// How much the most alike must be ahead of the second.
pub(super) const AHEAD: f64 = 0.15;

/// Products up to which all tensors of one shape are held against each other.
const MOST_PRODUCTS: usize = 1 << 31;

/// Fewest values of a sketch that are worth a look.
pub(super) const LEAST_VALUES: usize = 256;

/// Two items that are one tensor, and the order of the target's axes.
pub(super) struct Match {
    pub(super) places: Sides<usize>,
    pub(super) order: Vec<usize>,
}

/// Tensors of equal shape and equal values where looked at: copies. Of several such on a side
/// (clones, ties) each goes with the one at its place in the order of names.
pub(super) fn equal_ones(left: &Sides<Vec<Item>>) -> Vec<Match> {
    type Key = (Vec<u64>, Vec<u32>);
    let by_values = |items: &[Item]| {
        let mut out: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (at, item) in items.iter().enumerate() {
            if item.sketch.is_telling() {
                let bits = item.sketch.values.iter().map(|value| value.to_bits());
                let key = (item.logical.shape.clone(), bits.collect());
                out.entry(key).or_default().push(at);
            }
        }
        out
    };
    let mut targets = by_values(&left.target);
    let mut out = Vec::new();
    for (key, mut bases) in by_values(&left.base) {
        let Some(mut of_target) = targets.remove(&key) else {
            continue;
        };
        bases.sort_by_key(|at| follow::natural(&left.base[*at].logical.name));
        of_target.sort_by_key(|at| follow::natural(&left.target[*at].logical.name));
        let order: Vec<usize> = (0..key.0.len()).collect();
        for (base, target) in bases.into_iter().zip(of_target) {
            if may_be_one(&left.base[base].logical, &left.target[target].logical) {
                out.push(Match {
                    places: Sides { base, target },
                    order: order.clone(),
                });
            }
        }
    }
    out
}

/// A tensor of the target with its axes in some order, as it is held against the base's.
struct Turned {
    at: usize,
    order: Vec<usize>,
    direction: Vec<f32>,
}

/// Tensors that are each other's most alike of their shape, in whatever order of the axes, and
/// clearly so.
pub(super) fn alike_ones(left: &Sides<Vec<Item>>) -> Vec<Match> {
    let is_asked = |item: &Item| {
        let class = item.logical.meaning.class;
        class != Class::Uninformative
            && item.sketch.values.len() >= LEAST_VALUES
            && item.sketch.is_telling()
    };
    let mut targets: BTreeMap<Vec<u64>, Vec<Turned>> = BTreeMap::new();
    let wanted: BTreeSet<&[u64]> = left
        .base
        .iter()
        .map(|item| &item.logical.shape[..])
        .collect();
    for (at, item) in left
        .target
        .iter()
        .enumerate()
        .filter(|(_, item)| is_asked(item))
    {
        let shape = &item.logical.shape;
        for order in axes::orders(shape.len()) {
            let other: Vec<u64> = order.iter().map(|axis| shape[*axis]).collect();
            let is_needless = !order.is_sorted() && axes::is_usual(&order, shape);
            if is_needless || !wanted.contains(&other[..]) {
                continue;
            }
            let direction = item.sketch.with_axes(&order).direction();
            let is_read = axes::with_axes(&item.logical, &order).is_some();
            if let Some(direction) = direction.filter(|_| is_read) {
                let turned = Turned {
                    at,
                    order,
                    direction,
                };
                targets.entry(other).or_default().push(turned);
            }
        }
    }
    let mut bases: BTreeMap<&[u64], Vec<(usize, Vec<f32>)>> = BTreeMap::new();
    for (at, item) in left
        .base
        .iter()
        .enumerate()
        .filter(|(_, item)| is_asked(item))
    {
        if let Some(direction) = item.sketch.direction() {
            bases
                .entry(&item.logical.shape)
                .or_default()
                .push((at, direction));
        }
    }

    let mut scores = Vec::new();
    for (shape, of_base) in &bases {
        if let Some(of_target) = targets.get(*shape) {
            scores.extend(best_of_shape(left, of_base, of_target));
        }
    }
    each_others_best(scores)
}

/// How alike two tensors are.
pub(super) struct Score {
    pub(super) places: Sides<usize>,
    pub(super) order: Vec<usize>,
    pub(super) cosine: f64,
    /// What must be reached.
    pub(super) floor: f64,
    /// How much the most alike must be ahead of the second.
    pub(super) ahead: f64,
}

/// The pairs of one shape that are alike at all.
fn best_of_shape(
    left: &Sides<Vec<Item>>,
    of_base: &[(usize, Vec<f32>)],
    of_target: &[Turned],
) -> Vec<Score> {
    let length = of_base.first().map_or(0, |(_, direction)| direction.len());
    let bases: Vec<&[f32]> = of_base
        .iter()
        .map(|(_, direction)| &direction[..])
        .collect();
    let targets: Vec<&[f32]> = of_target
        .iter()
        .map(|turned| &turned.direction[..])
        .collect();
    let is_vector = left.base[of_base[0].0].logical.shape.len() < 2;
    let floor = CHANCE / (length as f64).sqrt();
    let floor = floor.max(if is_vector { ALIKE_VECTORS } else { ALIKE });
    // What is below half the floor is no rival either.
    let near = near_pairs(&bases, &targets, floor / 2.0, |base, target| {
        let (base, target) = (of_base[base].0, of_target[target].at);
        may_be_one(&left.base[base].logical, &left.target[target].logical)
    });
    let score = |near: Near| Score {
        places: Sides {
            base: of_base[near.base].0,
            target: of_target[near.target].at,
        },
        order: of_target[near.target].order.clone(),
        cosine: near.cosine.abs(),
        floor,
        ahead: AHEAD,
    };
    near.into_iter().map(score).collect()
}

/// Two vectors, by their places in two lists, and their cosine.
pub(super) struct Near {
    pub(super) base: usize,
    pub(super) target: usize,
    pub(super) cosine: f64,
}

/// The pairs of vectors of norm 1 whose cosine is at least `least` in size, among those that may be
/// pairs; of many vectors those that an index of their signs names.
pub(super) fn near_pairs(
    bases: &[&[f32]],
    targets: &[&[f32]],
    least: f64,
    may_be: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<Near> {
    let length = bases.first().map_or(0, |vector| vector.len());
    let products = bases
        .len()
        .saturating_mul(targets.len())
        .saturating_mul(length);
    let index = (products > MOST_PRODUCTS).then(|| Index::new(targets));
    let everything: Vec<usize> = match index {
        Some(_) => Vec::new(),
        None => (0..targets.len()).collect(),
    };
    let of_base = |(base, vector): (usize, &&[f32])| {
        let named = index.as_ref().map(|index| index.near(vector));
        let asked = named.as_ref().unwrap_or(&everything);
        let near = asked.iter().filter(|target| may_be(base, **target));
        let near = near.filter_map(|&target| {
            let cosine = product(vector, targets[target]);
            (cosine.abs() >= least).then_some(Near {
                base,
                target,
                cosine,
            })
        });
        near.collect::<Vec<_>>()
    };
    bases
        .par_iter()
        .enumerate()
        .flat_map_iter(of_base)
        .collect()
}

/// The matches that are best on both sides and clearly before the second.
pub(super) fn each_others_best(mut scores: Vec<Score>) -> Vec<Match> {
    scores.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
    // Best of each tensor, and the most alike of the others.
    let mut best: Sides<BTreeMap<usize, (usize, f64)>> = Sides::default();
    let mut second: Sides<BTreeMap<usize, f64>> = Sides::default();
    for score in &scores {
        for side in Side::BOTH {
            let (own, other) = (*score.places.get(side), *score.places.get(side.other()));
            let first = best
                .get_mut(side)
                .entry(own)
                .or_insert((other, score.cosine));
            if first.0 != other {
                second.get_mut(side).entry(own).or_insert(score.cosine);
            }
        }
    }
    let mut taken: Sides<BTreeSet<usize>> = Sides::default();
    let mut out = Vec::new();
    for score in scores {
        let is_best = Side::BOTH.into_iter().all(|side| {
            let (own, other) = (score.places.get(side), score.places.get(side.other()));
            let rival = second.get(side).get(own).copied().unwrap_or(0.0);
            best.get(side)
                .get(own)
                .is_some_and(|(first, _)| first == other)
                && score.cosine >= rival + score.ahead
                && !taken.get(side).contains(own)
        });
        if is_best && score.cosine >= score.floor {
            for side in Side::BOTH {
                taken.get_mut(side).insert(*score.places.get(side));
            }
            out.push(Match {
                places: score.places,
                order: score.order,
            });
        }
    }
    out
}
