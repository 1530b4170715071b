//! Long vectors without a counterpart: they hold matrices, whatever nobody found in them.

use std::sync::Arc;

use crate::align::{Alignment, Unmatched, Why};
use crate::model::sides::{Side, Sides};
use crate::model::words::Class;

/// Shortest vector that is more than a bias, a gain or a scale.
const SHORTEST: u64 = 1 << 10;

/// How many times as long as any row or column it is.
const TIMES: u64 = 4;

/// Counts long vectors that are left as the matrices that lie in them, so that no share of the
/// parameters in matrices is computed without them.
pub(super) fn count_as_matrices(alignment: &mut Alignment) {
    let left = Sides {
        base: &alignment.base_left,
        target: &alignment.target_left,
    };
    let of_pairs = alignment
        .pairs
        .iter()
        .flat_map(|pair| pair.sides().into_array());
    let of_left = left.iter().flat_map(|left| left.iter());
    let tensors = of_pairs.chain(of_left.map(|left| &*left.tensor));
    let sides = tensors.filter(|tensor| tensor.meaning.class == Class::Matrix);
    let sides = sides.map(|matrix| {
        let (rows, columns) = matrix.matrix_shape();
        rows.max(columns)
    });
    let longest = sides.max().unwrap_or(0);
    let is_long = |left: &Unmatched| {
        let tensor = &left.tensor;
        matches!(left.why, Why::NoSuchName | Why::Shape)
            && tensor.shape.len() == 1
            && tensor.meaning.class == Class::Vector
            && tensor.elements() >= longest.saturating_mul(TIMES).max(SHORTEST)
    };
    for side in Side::BOTH {
        let left = match side {
            Side::Base => &mut alignment.base_left,
            Side::Target => &mut alignment.target_left,
        };
        for left in left.iter_mut().filter(|left| is_long(left)) {
            Arc::make_mut(&mut left.tensor).meaning.class = Class::Matrix;
        }
    }
}
