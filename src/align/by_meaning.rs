//! Tensors of one place in the model that go by different names.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::sides::{Side, Sides};
use crate::model::words::Role;
use crate::view::logical::{Logical, Via};
use crate::view::model::Model;
use crate::view::pieces::{differ_in_layout, pieces};
use crate::view::place::Place;
use crate::view::qkv;

use super::by_name::via;
use super::pool::{Cut, Pool};
use super::transposed::transposed;
use super::{Pair, is_comparable};

/// Tensors by their place.
fn by_place(pool: &Pool) -> BTreeMap<Place, Vec<Arc<Logical>>> {
    let mut places: BTreeMap<Place, Vec<_>> = BTreeMap::new();
    for logical in pool.iter() {
        places
            .entry(logical.place())
            .or_default()
            .push(Arc::clone(logical));
    }
    places
}

/// Pairs tensors of one place where each side has exactly one.
pub(super) fn pair_by_meaning(
    left: &mut Sides<Pool>,
    models: Sides<&Model>,
    pairs: &mut Vec<Pair>,
) {
    let facts = models.map(|model| &model.facts);
    let targets = by_place(&left.target);
    for (place, bases) in by_place(&left.base) {
        let ([base], Some([target])) = (bases.as_slice(), targets.get(&place).map(Vec::as_slice))
        else {
            continue;
        };
        let sides = Sides { base, target };
        let tensors = sides.map(AsRef::as_ref);
        if !is_comparable(base, target) || differ_in_layout(tensors, facts) {
            continue;
        }
        left.base.take(&base.name);
        left.target.take(&target.name);

        let via = match via(base, target) {
            Via::Stored => Via::Mapped,
            via => via,
        };
        pairs.push(Pair::of_sides(sides.map(Arc::clone), via));
    }
}

/// Pairs matrices of one place whose axes are exchanged.
pub(super) fn pair_transposed(left: &mut Sides<Pool>, pairs: &mut Vec<Pair>) {
    let targets = by_place(&left.target);
    for base in left.base.to_vec() {
        let Some([target]) = targets.get(&base.place()).map(Vec::as_slice) else {
            continue;
        };
        let Some(other) = transposed(target).filter(|other| is_comparable(&base, other)) else {
            continue;
        };
        left.base.take(&base.name);
        left.target.take(&target.name);

        let sides = Sides {
            base,
            target: Arc::new(other),
        };
        pairs.push(Pair::of_sides(sides, Via::Transposed));
    }
}

/// Has `pair` at work while fused tensors are cut; those of which no piece found a partner are whole
/// again afterwards.
pub(super) fn with_fused_cut(
    left: &mut Sides<Pool>,
    models: Sides<&Model>,
    pair: impl FnOnce(&mut Sides<Pool>),
) {
    let cuts = Sides {
        base: fused_cut(Side::Base, left, models),
        target: fused_cut(Side::Target, left, models),
    };
    for side in Side::BOTH {
        left.get_mut(side).replace(cuts.get(side));
    }
    pair(left);
    for side in Side::BOTH {
        left.get_mut(side).restore(cuts.get(side));
    }
}

/// The pieces of every fused tensor that is left of a side.
fn fused_cut(side: Side, left: &Sides<Pool>, models: Sides<&Model>) -> Vec<Cut> {
    let (own, other) = (left.get(side), left.get(side.other()));
    let (own_facts, other_facts) = (&models.get(side).facts, &models.get(side.other()).facts);
    let others: BTreeMap<Place, &Logical> = other.iter().map(|l| (l.place(), l.as_ref())).collect();

    // The other side's query and key tell the sizes, and its heads the groups, where the own model
    // does not.
    let rows = |place: Place| others.get(&place)?.shape.first().copied();
    let sizes_there = |fused: &Logical| {
        let query = rows(qkv::place_of(fused, Role::Q))?;
        let key = rows(qkv::place_of(fused, Role::K))?;
        Some([query, key])
    };
    let cut = |logical: &Logical| {
        let usual = pieces(logical, own_facts);
        if !qkv::is_fused(logical) {
            return usual;
        }
        let query_rows = usual.first().and_then(|query| query.shape.first().copied());
        let Some(sizes) = sizes_there(logical).filter(|sizes| query_rows != Some(sizes[0])) else {
            return usual;
        };
        let head = own_facts.head_dim.or(other_facts.head_dim);
        let cut = qkv::cut(logical, sizes, qkv::usual_order(logical, head));
        if cut.is_empty() {
            qkv::cut(logical, sizes, qkv::QkvOrder::Blocks)
        } else {
            cut
        }
    };

    own.iter()
        .map(|whole| Cut {
            whole: Arc::clone(whole),
            pieces: cut(whole).into_iter().map(Arc::new).collect(),
        })
        .filter(|cut| !cut.pieces.is_empty())
        .collect()
}
