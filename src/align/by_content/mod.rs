//! Tensors that names leave over, paired by what they hold (guide/methods.md, section 9).
//!
//! A name is a convention: hashed, numbered, or another library's, it says nothing, and the same
//! values still stand there. The pass and the tests of units look at what is paired here as at any
//! other pair; that the most alike of many was chosen is no evidence by itself.

mod alike;
mod axes;
mod by_sizes;
mod flat;
mod follow;
mod holds;
mod laid;
mod leftover;
mod made;
mod misled;
mod neighbours;
mod norm_runs;
mod place;
mod profile;
mod rows;
mod runs;
mod sketch;
mod spans;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::Result;
use crate::model::sides::{Side, Sides};
use crate::model::words::{Component, Role};
use crate::view::logical::{Logical, Via};
use crate::view::model::Model;

use super::{Alignment, Pair, Unmatched, Why, is_complex};
use alike::{alike_ones, equal_ones};
use made::Made;
use sketch::Sketch;

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
    /// As what both sides had left of a shape.
    pub left: usize,
}

/// A tensor that is looked at, or one matrix of a stack.
#[derive(Clone)]
struct Item {
    logical: Arc<Logical>,
    sketch: Sketch,
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
    flat::count_as_matrices(alignment);
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
        of_stacks.take_runs(found, side, models, &mut cut)?;
        of_stacks.take_profiles(models, &mut cut)?;
        made.take_whole_stacks(of_stacks, side, &counts, &mut left);
    }
    for side in Side::BOTH {
        let found = spans::find(side, models, &left)?;
        made.take_runs(found, side, models, &mut left)?;
    }
    // What lies in another order or basis says nothing of the basis of the rest.
    let before = leftover::paired_elements(&made);
    for side in Side::BOTH {
        let found = laid::find(side, models, &left)?;
        made.take_runs(found, side, models, &mut left)?;
    }
    let in_another = leftover::paired_elements(&made) - before;
    for side in Side::BOTH {
        let found = runs::find(side, models, &left, &mut budget)?;
        made.take_runs(found, side, models, &mut left)?;
    }
    let in_basis = leftover::paired_elements(&made) - in_another;
    made.take_profiles(models, &mut left)?;
    follow::follow(&mut left, &mut made);
    if leftover::lie_in_one_basis(&left, &made, in_basis) {
        for side in Side::BOTH {
            by_sizes::cut(side, models, &mut made, &mut left)?;
        }
        leftover::pair(&mut left, &mut made);
    }
    if made.pairs.is_empty() {
        return Ok(());
    }

    for side in Side::BOTH {
        let of_side = match side {
            Side::Base => &mut alignment.base_left,
            Side::Target => &mut alignment.target_left,
        };
        let stored: BTreeSet<&str> = of_side
            .iter()
            .map(|left| left.tensor.name.as_str())
            .collect();
        let rest = made.rests(side, &stored, left.get(side)).into_iter();
        let taken: BTreeSet<&str> = made.taken.get(side).iter().map(String::as_str).collect();
        of_side.retain(|left| !taken.contains(left.tensor.name.as_str()));
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
    let is_said = is_known(base) && is_known(target);
    let is_one_role = || base.meaning.role == target.meaning.role;
    is_complex(base) == is_complex(target)
        && (!is_said || is_one_role() && is_one_place(base, target) && is_one_part(base, target))
}

/// Whether two names speak of one layer and expert, as far as they speak of any.
fn is_one_place(base: &Logical, target: &Logical) -> bool {
    let agree =
        |own: Option<u32>, other: Option<u32>| own.is_none() || other.is_none() || own == other;
    let (a, b) = (&base.meaning, &target.meaning);
    agree(a.layer, b.layer) && agree(a.expert, b.expert)
}

/// Whether two names speak of one component, as far as they speak of any.
fn is_one_part(base: &Logical, target: &Logical) -> bool {
    let components = [base.meaning.component, target.meaning.component];
    components[0] == components[1] || components.contains(&Component::Other)
}
