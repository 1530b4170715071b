//! What both sides have left of one shape, where what was paired shows that the two lie in one
//! basis: held against each other so that the tests of units can say that they are two, as they do
//! where names pair them.
//!
//! Nothing is chosen by its likeness: the most alike of its shape was looked for before and was not
//! there, in any place. What is held against what is told by the order of names alone.

use std::collections::BTreeMap;

use crate::model::sides::{Side, Sides};
use crate::model::words::Class;
use crate::view::logical::Logical;

use super::alike::Match;
use super::follow::natural;
use super::made::Made;
use super::spans::is_line;
use super::{Item, is_one_place, may_be_one};

/// Least share of the target's matrices that must have been paired by their likeness: of a copy in
/// another basis few would be, and what is left of it would seem unlike.
const IN_ONE_BASIS: f64 = 0.25;

/// Names that are looked at for one that does not speak against the other.
const LOOKED_AT: usize = 64;

fn is_matrix(logical: &Logical) -> bool {
    logical.shape.len() == 2 && logical.meaning.class == Class::Matrix
}

/// Elements of the matrices of the target that were paired so far.
pub(super) fn paired_elements(made: &Made) -> u64 {
    let targets = made.pairs.iter().map(|pair| &pair.target);
    let matrices = targets.filter(|target| is_matrix(target));
    matrices.map(|target| target.elements()).sum()
}

/// Whether what was paired shows that the two lie in one basis; `in_basis` are the elements of the
/// target's matrices that were paired by their likeness.
pub(super) fn lie_in_one_basis(left: &Sides<Vec<Item>>, made: &Made, in_basis: u64) -> bool {
    let is_open = |item: &&Item| is_matrix(&item.logical) || is_line(&item.logical);
    let open = left.target.iter().filter(is_open);
    let open: u64 = open.map(|item| item.logical.elements()).sum();
    let all = paired_elements(made).saturating_add(open);
    in_basis > 0 && in_basis as f64 >= IN_ONE_BASIS * all as f64
}

/// Pairs what is left.
pub(super) fn pair(left: &mut Sides<Vec<Item>>, made: &mut Made) {
    let transposed = made.pairs.iter().filter(|pair| {
        is_matrix(&pair.target)
            && pair.base.stored_as.transposed != pair.target.stored_as.transposed
    });
    let mostly_transposed = 2 * transposed.count() > made.pairs.len();
    let orders = match mostly_transposed {
        true => [[1, 0], [0, 1]],
        false => [[0, 1], [1, 0]],
    };
    for order in orders {
        made.take(
            left,
            |left| of_one_shape(left, order),
            |found| &mut found.left,
        );
    }
}

/// The matrices of each shape in the order of their names, the target's axes in the order `order`.
fn of_one_shape(left: &Sides<Vec<Item>>, order: [usize; 2]) -> Vec<Match> {
    let by_shape = |side: Side, order: [usize; 2]| {
        let mut out: BTreeMap<[u64; 2], Vec<usize>> = BTreeMap::new();
        for (at, item) in left.get(side).iter().enumerate() {
            if is_matrix(&item.logical) && item.sketch.is_telling() {
                let shape = order.map(|axis| item.logical.shape[axis]);
                out.entry(shape).or_default().push(at);
            }
        }
        for places in out.values_mut() {
            places.sort_by_key(|at| natural(&left.get(side)[*at].logical.name));
        }
        out
    };
    let targets = by_shape(Side::Target, order);
    let mut out = Vec::new();
    for (shape, bases) in by_shape(Side::Base, [0, 1]) {
        let mut of_target = targets.get(&shape).cloned().unwrap_or_default();
        for base in bases {
            let own = &left.base[base].logical;
            let may_be = |at: &usize| may_be_one(own, &left.target[*at].logical);
            let is_of_place = |at: &usize| {
                let other = &left.target[*at].logical;
                may_be_one(own, other) && is_one_place(own, other)
            };
            let looked_at = || of_target.iter().take(LOOKED_AT);
            let of_place = looked_at().position(is_of_place);
            let Some(at) = of_place.or_else(|| looked_at().position(may_be)) else {
                continue;
            };
            let target = of_target.remove(at);
            out.push(Match {
                places: Sides { base, target },
                order: order.to_vec(),
            });
        }
    }
    out
}
