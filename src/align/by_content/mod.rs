//! Tensors that names leave over, paired by what they hold (guide/methods.md, section 9).
//!
//! A name is a convention: hashed, numbered, or another library's, it says nothing, and the same
//! values still stand there. The pass and the tests of units look at what is paired here as at any
//! other pair; that the most alike of many was chosen is no evidence by itself.

mod axes;
mod follow;
mod misled;
mod profile;
mod runs;
mod sketch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::Result;
use crate::model::sides::{Side, Sides};
use crate::model::words::{Class, Component, Role};
use crate::view::logical::{Logical, RowOrder, Via};
use crate::view::model::Model;

use super::{Alignment, Pair, Unmatched, Why, is_complex};
use sketch::Sketch;

/// Least size of the cosine of two matrices that are the same one, where their sketches are long.
/// Independent matrices of published models stay below 0.1 once the means of rows and columns are
/// taken off.
const ALIKE: f64 = 0.3;

/// The same of vectors: gains of one place resemble one another in unrelated models.
const ALIKE_VECTORS: f64 = 0.8;

/// A cosine over n values is chance below this many times 1/√n.
const CHANCE: f64 = 8.0;

/// How much the most alike must be ahead of the second.
const AHEAD: f64 = 0.15;

/// Products that the tensors of one shape are held against each other with, at most.
const MOST_PRODUCTS: usize = 1 << 31;

/// Fewest values of a sketch that are worth a look.
const LEAST_VALUES: usize = 256;

/// Matrices of a stack that are taken apart.
const MOST_SLICES: u64 = 1 << 12;

/// How many tensors were paired by what they hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ByContent {
    /// With equal values among those looked at.
    pub equal: usize,
    /// As the most alike of their shape.
    pub alike: usize,
    /// Because what stands beside them was paired.
    pub followed: usize,
}

/// A tensor that is looked at, or one matrix of a stack.
#[derive(Clone)]
struct Item {
    logical: Arc<Logical>,
    sketch: Sketch,
}

/// Two items that are one tensor, and the order of the target's axes.
struct Match {
    places: Sides<usize>,
    order: Vec<usize>,
}

/// Pairs what the names of an alignment leave over, and what they misled.
///
/// # Errors
/// A read that fails.
pub(crate) fn pair_by_content(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    if models.iter().any(|model| model.opened.adapter.is_some()) {
        return Ok(());
    }
    let released = misled::release(alignment, models)?;
    pair_left(alignment, models)?;
    misled::restore(alignment, released);
    Ok(())
}

fn pair_left(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    if alignment.base_left.is_empty() || alignment.target_left.is_empty() {
        return Ok(());
    }
    let mut left = Sides {
        base: items(models.base, &alignment.base_left)?,
        target: items(models.target, &alignment.target_left)?,
    };
    let mut made = Made::default();
    let mut budget = runs::Budget::default();

    made.take(&mut left, equal_ones, |found| &mut found.equal);
    made.take(&mut left, alike_ones, |found| &mut found.alike);
    for side in Side::BOTH {
        let mut cut = left.clone();
        let (slices, counts) = slices(models.get(side), left.get(side), left.get(side.other()))?;
        if slices.is_empty() {
            continue;
        }
        *cut.get_mut(side) = slices;
        let mut of_stacks = Made::default();
        of_stacks.take(&mut cut, equal_ones, |found| &mut found.equal);
        of_stacks.take(&mut cut, alike_ones, |found| &mut found.alike);
        let found = runs::find(side, models, &cut, &mut budget)?;
        of_stacks.take_runs(found, side, &mut cut);
        of_stacks.take_profiles(models, &mut cut)?;
        made.take_whole_stacks(of_stacks, side, &counts, &mut left);
    }
    for side in Side::BOTH {
        let found = runs::find(side, models, &left, &mut budget)?;
        made.take_runs(found, side, &mut left);
    }
    made.take_profiles(models, &mut left)?;
    follow::follow(&mut left, &mut made);
    if made.pairs.is_empty() {
        return Ok(());
    }

    for side in Side::BOTH {
        let taken: BTreeSet<&str> = made.taken.get(side).iter().map(String::as_str).collect();
        let of_side = match side {
            Side::Base => &mut alignment.base_left,
            Side::Target => &mut alignment.target_left,
        };
        of_side.retain(|left| !taken.contains(left.tensor.name.as_str()));
        let rest = made.rest.get_mut(side).drain(..);
        of_side.extend(rest.map(|tensor| Unmatched {
            tensor: Arc::new(tensor),
            why: Why::Shape,
        }));
        of_side.sort_by(|a, b| a.tensor.name.as_bytes().cmp(b.tensor.name.as_bytes()));
    }
    alignment.pairs.append(&mut made.pairs);
    alignment.by_content = made.found;
    alignment.sort_pairs();
    let names = alignment.name_mapping.take().into_iter();
    let words: Vec<String> = names.chain(["by content".to_owned()]).collect();
    alignment.name_mapping = Some(words.join(", "));
    Ok(())
}

/// What of a side can be paired by what it holds.
fn items(model: &Model, left: &[Unmatched]) -> Result<Vec<Item>> {
    let of_tensor = |left: &Unmatched| {
        let counts = matches!(left.why, Why::NoSuchName | Why::Shape);
        if !counts || left.tensor.is_cut_by_token() {
            return Ok(None);
        }
        item(model, &left.tensor)
    };
    let items: Result<Vec<Option<Item>>> = left.par_iter().map(of_tensor).collect();
    Ok(items?.into_iter().flatten().collect())
}

fn item(model: &Model, logical: &Arc<Logical>) -> Result<Option<Item>> {
    let sketch = Sketch::new(model, logical)?;
    Ok(sketch.map(|sketch| Item {
        logical: Arc::clone(logical),
        sketch,
    }))
}

/// The matrices of every stack, and the rows of every matrix that is as tall as some of the other
/// side's of one layer on top of one another; with the number of pieces of each, by its name.
fn slices(
    model: &Model,
    own: &[Item],
    other: &[Item],
) -> Result<(Vec<Item>, BTreeMap<String, usize>)> {
    let heights = fused_heights(other);
    let (mut out, mut counts) = (Vec::new(), BTreeMap::new());
    for whole in own {
        let logical = &whole.logical;
        let rows = heights.get(&logical.shape[..]);
        let pieces = match rows {
            Some(rows) if !is_known(logical) => axes::row_cuts(logical, rows),
            _ => axes::slices(logical, MOST_SLICES),
        };
        if pieces.is_empty() {
            continue;
        }
        counts.insert(logical.name.clone(), pieces.len());
        for piece in pieces {
            out.extend(item(model, &Arc::new(piece))?);
        }
    }
    Ok((out, counts))
}

/// Roles whose matrices of one layer are often stored as one.
const FUSED: [&[Role]; 3] = [
    &[Role::Q, Role::K, Role::V],
    &[Role::Gate, Role::Up],
    &[Role::K, Role::V],
];

/// Rows of matrices that would be one as they stand on top of one another, by its shape.
fn fused_heights(items: &[Item]) -> BTreeMap<Vec<u64>, Vec<u64>> {
    let mut layers: BTreeMap<_, BTreeMap<Role, &[u64]>> = BTreeMap::new();
    for Item { logical, .. } in items.iter().filter(|item| item.logical.shape.len() == 2) {
        let m = &logical.meaning;
        let layer = layers.entry((m.component, m.layer, m.expert)).or_default();
        layer.insert(m.role, &logical.shape[..]);
    }
    let mut out = BTreeMap::new();
    for layer in layers.values() {
        for roles in FUSED {
            let shapes: Option<Vec<&[u64]>> =
                roles.iter().map(|role| layer.get(role).copied()).collect();
            let Some(shapes) = shapes else { continue };
            let columns = shapes[0][1];
            let rows: Vec<u64> = shapes.iter().map(|shape| shape[0]).collect();
            let sum = rows
                .iter()
                .try_fold(0u64, |sum, rows| sum.checked_add(*rows));
            if let Some(sum) = sum.filter(|_| shapes.iter().all(|shape| shape[1] == columns)) {
                out.entry(vec![sum, columns]).or_insert(rows);
            }
        }
    }
    out
}

/// What was paired so far.
#[derive(Default)]
struct Made {
    found: ByContent,
    pairs: Vec<Pair>,
    /// Names of what is paired, as the sides have them left.
    taken: Sides<Vec<String>>,
    /// What is left of tensors of which a part is paired.
    rest: Sides<Vec<Logical>>,
}

impl Made {
    /// Pairs what `find` finds among what is left, and takes it out.
    fn take(
        &mut self,
        left: &mut Sides<Vec<Item>>,
        find: impl Fn(&Sides<Vec<Item>>) -> Vec<Match>,
        count: impl Fn(&mut ByContent) -> &mut usize,
    ) {
        let mut gone: Sides<BTreeSet<usize>> = Sides::default();
        for found in find(left) {
            let items = Sides {
                base: &left.base[found.places.base],
                target: &left.target[found.places.target],
            };
            let Some(pair) = paired(items, &found.order) else {
                continue;
            };
            for side in Side::BOTH {
                gone.get_mut(side).insert(*found.places.get(side));
                let name = items.get(side).logical.name.clone();
                self.taken.get_mut(side).push(name);
            }
            *count(&mut self.found) += 1;
            self.pairs.push(pair);
        }
        for side in Side::BOTH {
            let gone = gone.get(side);
            let mut at = 0;
            left.get_mut(side).retain(|_| {
                at += 1;
                !gone.contains(&(at - 1))
            });
        }
    }

    /// Pairs what resembles each other in what no order changes.
    fn take_profiles(&mut self, models: Sides<&Model>, left: &mut Sides<Vec<Item>>) -> Result<()> {
        let profiles = Sides {
            base: profile::Profiles::new(models.base, &left.base)?,
            target: profile::Profiles::new(models.target, &left.target)?,
        };
        let of_profile = |left: &Sides<Vec<Item>>| profile::find(left, &profiles);
        self.take(left, of_profile, |found| &mut found.alike);
        Ok(())
    }

    /// Pairs what was found inside tensors of `side`, and takes these out.
    fn take_runs(&mut self, found: Vec<runs::Found>, side: Side, left: &mut Sides<Vec<Item>>) {
        let mut spots: BTreeMap<usize, Vec<runs::Spot>> = BTreeMap::new();
        let mut gone: Sides<BTreeSet<usize>> = Sides::default();
        for runs::Found { whole, piece, spot } in found {
            let own = &left.get(side)[whole];
            let other = &left.get(side.other())[piece];
            let cut = Item {
                logical: Arc::new(spot.cut(&own.logical)),
                sketch: own.sketch.clone(),
            };
            let order: Vec<usize> = (0..cut.logical.shape.len()).collect();
            let Some(pair) = paired(Sides::placed(side, &cut, other), &order) else {
                continue;
            };
            let as_left = Sides::placed(side, own, other).map(|item| item.logical.as_ref());
            let pair = turned_back(pair, as_left);
            let via = if cut.logical.name == own.logical.name {
                pair.via
            } else {
                Via::Split
            };
            self.pairs.push(Pair { via, ..pair });
            self.found.alike += 1;
            self.taken
                .get_mut(side.other())
                .push(other.logical.name.clone());
            gone.get_mut(side).insert(whole);
            gone.get_mut(side.other()).insert(piece);
            spots.entry(whole).or_default().push(spot);
        }
        for (whole, spots) in &spots {
            let logical = &left.get(side)[*whole].logical;
            self.taken.get_mut(side).push(logical.name.clone());
            let rest = runs::rest(logical, spots);
            self.rest.get_mut(side).extend(rest);
        }
        for side in Side::BOTH {
            let mut at = 0..;
            let gone = gone.get(side);
            left.get_mut(side)
                .retain(|_| at.next().is_some_and(|at| !gone.contains(&at)));
        }
    }

    /// Takes over those stacks of `side` of which every matrix was paired.
    fn take_whole_stacks(
        &mut self,
        of_stacks: Self,
        side: Side,
        counts: &BTreeMap<String, usize>,
        left: &mut Sides<Vec<Item>>,
    ) {
        let stack_of = |name: &str| name.rsplit_once('[').map(|(stack, _)| stack.to_owned());
        let mut by_stack: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
        for pair in of_stacks.pairs {
            let own = &pair.sides().get(side).name;
            if let Some(stack) = stack_of(own) {
                by_stack.entry(stack).or_default().push(pair);
            }
        }
        for (stack, pairs) in by_stack {
            if counts.get(&stack) != Some(&pairs.len()) {
                continue;
            }
            let others: BTreeSet<String> = pairs
                .iter()
                .map(|pair| pair.sides().get(side.other()).name.clone())
                .collect();
            left.get_mut(side).retain(|item| item.logical.name != stack);
            left.get_mut(side.other())
                .retain(|item| !others.contains(&item.logical.name));
            self.taken.get_mut(side).push(stack);
            self.taken.get_mut(side.other()).extend(others);
            self.found.alike += pairs.len();
            let stacked = pairs.into_iter().map(|pair| Pair {
                via: match pair.sides().get(side).stored_as.rows {
                    RowOrder::Runs(_) => Via::Split,
                    _ => Via::Stacked,
                },
                ..pair
            });
            self.pairs.extend(stacked);
        }
    }
}

/// Two items as a pair: the side whose name says more tells the other what it is.
fn paired(items: Sides<&Item>, order: &[usize]) -> Option<Pair> {
    let mut base = Logical::clone(&items.base.logical);
    let mut target = axes::with_axes(&items.target.logical, order)?;
    let is_turned_kernel = !order.is_sorted() && order.len() == 3;
    if is_turned_kernel {
        axes::as_kernel(&mut base);
    }
    let by_target = tells(&target) > tells(&base);
    let (teller, taught) = if by_target {
        (&target, &mut base)
    } else {
        (&base, &mut target)
    };
    if taught.matrix_shape() != teller.matrix_shape() && !is_turned_kernel {
        let (rows, columns) = teller.matrix_shape();
        let folds = taught.whole_tensor().is_some() && !taught.stored_as.transposed;
        if !folds || taught.stored_as.columns.is_some() {
            return None;
        }
        taught.stored_as.stored = (rows, columns);
    }
    taught.meaning = teller.meaning.clone();
    let via = match axes::is_usual(order, &items.target.logical.shape) {
        true => Via::Mapped,
        false => Via::Transposed,
    };
    let sides = Sides { base, target };
    Some(Pair::of_sides(sides.map(Arc::new), via))
}

/// A pair of matrices whose rows are those of the side whose name says more: which of them was
/// looked for in which must not decide what a unit is.
fn turned_back(pair: Pair, as_left: Sides<&Logical>) -> Pair {
    let teller = match tells(as_left.target) > tells(as_left.base) {
        true => Side::Target,
        false => Side::Base,
    };
    let is_turned =
        pair.sides().get(teller).stored_as.transposed != as_left.get(teller).stored_as.transposed;
    let Sides { base, target } = pair.sides().map(|side| match side.shape.len() {
        2 if is_turned => axes::with_axes(side, &[1, 0]),
        _ => None,
    });
    match base.zip(target) {
        Some((base, target)) => {
            let via = match base.stored_as.transposed == target.stored_as.transposed {
                true => pair.via,
                false => Via::Transposed,
            };
            Pair::of_sides(Sides { base, target }.map(Arc::new), via)
        }
        None => pair,
    }
}

/// How much a name says of its tensor.
fn tells(logical: &Logical) -> u8 {
    let meaning = &logical.meaning;
    2 * u8::from(is_known(logical)) + u8::from(meaning.layer.is_some())
}

/// Whether the name says which tensor of a model it is.
fn is_known(logical: &Logical) -> bool {
    !matches!(
        logical.meaning.role,
        Role::Other | Role::Linear | Role::Conv | Role::Bias | Role::Buffer
    )
}

/// Whether nothing in the names of two tensors speaks against their being one: layers that moved,
/// experts that changed places and encoders beside decoders are looked at as such.
pub(crate) fn may_be_one(base: &Logical, target: &Logical) -> bool {
    let (a, b) = (&base.meaning, &target.meaning);
    let agree =
        |own: Option<u32>, other: Option<u32>| own.is_none() || other.is_none() || own == other;
    let same_place = a.role == b.role && agree(a.layer, b.layer) && agree(a.expert, b.expert);
    let same_part = a.component == b.component
        || [a, b]
            .iter()
            .any(|meaning| meaning.component == Component::Other);
    let is_said = is_known(base) && is_known(target);
    is_complex(base) == is_complex(target) && (!is_said || same_place && same_part)
}

/// Tensors of equal shape and equal values where looked at: copies. Of several such on a side
/// (clones, ties) each goes with the one at its place in the order of names.
fn equal_ones(left: &Sides<Vec<Item>>) -> Vec<Match> {
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
fn alike_ones(left: &Sides<Vec<Item>>) -> Vec<Match> {
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
struct Score {
    places: Sides<usize>,
    order: Vec<usize>,
    cosine: f64,
    /// What must be reached.
    floor: f64,
    /// How much the most alike must be ahead of the second.
    ahead: f64,
}

/// The pairs of one shape that are alike at all.
fn best_of_shape(
    left: &Sides<Vec<Item>>,
    of_base: &[(usize, Vec<f32>)],
    of_target: &[Turned],
) -> Vec<Score> {
    let products = of_base.len().saturating_mul(of_target.len());
    let length = of_base.first().map_or(0, |(_, direction)| direction.len());
    let affordable = MOST_PRODUCTS / products.max(1);
    if affordable < LEAST_VALUES.min(length) {
        return Vec::new();
    }
    let looked_at = length.min(affordable);
    let is_vector = left.base[of_base[0].0].logical.shape.len() < 2;
    let floor = CHANCE / (looked_at as f64).sqrt();
    let floor = floor.max(if is_vector { ALIKE_VECTORS } else { ALIKE });
    let of_one = |(base, direction): &(usize, Vec<f32>)| {
        let scores = of_target.iter().filter_map(|turned| {
            let tensors = [&left.base[*base], &left.target[turned.at]];
            if !may_be_one(&tensors[0].logical, &tensors[1].logical) {
                return None;
            }
            let cosine = cosine(&direction[..looked_at], &turned.direction[..looked_at]).abs();
            let places = Sides {
                base: *base,
                target: turned.at,
            };
            // What is below half the floor is no rival either.
            (2.0 * cosine >= floor).then(|| Score {
                places,
                order: turned.order.clone(),
                cosine,
                floor,
                ahead: AHEAD,
            })
        });
        scores.collect::<Vec<_>>()
    };
    of_base.par_iter().flat_map_iter(of_one).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0f64; 3];
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        sums[0] += x * y;
        sums[1] += x * x;
        sums[2] += y * y;
    }
    let norms = (sums[1] * sums[2]).sqrt();
    if norms > 0.0 { sums[0] / norms } else { 0.0 }
}

/// The matches that are best on both sides and clearly before the second.
fn each_others_best(mut scores: Vec<Score>) -> Vec<Match> {
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
