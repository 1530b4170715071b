//! Whether a pair can be summed as it is stored, and how its values are cut.

use crate::align::Pair;
use crate::model::dtype::Dtype;
use crate::model::sides::Sides;
use crate::model::words::Role;
use crate::numeric::decode::{decodes, values_per_element};
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::segment::Geometry;

/// Both sides' stored tensors, where their bytes can be summed as they lie: element by element,
/// without a view between.
///
/// That is several times as fast as reading rows through views, and the only way in which one read
/// serves sums and digests.
pub(super) fn as_stored(pair: &Pair) -> Option<Sides<usize>> {
    let as_they_lie = elements_meet(pair) && values_are_final(pair) && lie_in_one_order(pair);
    if !as_they_lie {
        return None;
    }
    Some(Sides {
        base: pair.base.whole_tensor()?,
        target: pair.target.whole_tensor()?,
    })
}

/// Whether equal numbers of values of both sides lie in whole bytes, wherever the values are cut.
fn elements_meet(pair: &Pair) -> bool {
    let is_one_dtype = pair.base.dtype == pair.target.dtype;
    // A complex number is two values, a block holds many that share a scale: both meet their like
    // alone.
    let is_single = |dtype: Dtype| values_per_element(dtype) == 1 && dtype.block().0 == 1;

    sides(pair)
        .iter()
        .all(|side| decodes(side.dtype) && (is_one_dtype || is_single(side.dtype)))
}

/// Whether what is stored are the values themselves: nothing to be undone, no scale to be put on.
fn values_are_final(pair: &Pair) -> bool {
    sides(pair).iter().all(|side| side.is_as_stored())
}

/// Whether the stored elements of both sides follow one another in the same order.
///
/// It need not be the order of the logical matrix: no sum depends on it but those of the rows.
/// Matrices that both sides store (in, out) are one such case, and the sums of their stored columns
/// are then those of the rows. Several of them behind one another (a stack of experts) have no
/// such columns, and are read through views.
fn lie_in_one_order(pair: &Pair) -> bool {
    let (base, target) = (&pair.base.stored_as, &pair.target.stored_as);
    if base.transposed != target.transposed || base.rows != target.rows {
        return false;
    }
    !base.transposed || (are_transposed(pair) && base.stored == target.stored)
}

/// Whether both sides store the matrix (in, out) in one scale.
fn are_transposed(pair: &Pair) -> bool {
    sides(pair)
        .iter()
        .all(|side| side.is_whole_transposed() && !side.is_rescaled())
}

/// Whether such a matrix is read as it lies, so that the sums of its rows are those of the stored
/// columns. A view transposes it before it is read.
pub(super) fn is_read_transposed(pair: &Pair) -> bool {
    are_transposed(pair) && as_stored(pair).is_some()
}

/// Whether the mean row is taken off for the grade of a part (guide/methods.md, section 6).
fn centers_rows(pair: &Pair) -> bool {
    matches!(pair.target.meaning.role, Role::Embed | Role::LmHead) && pair.target.shape.len() == 2
}

/// Whether the sums of the columns are needed as well.
pub(super) fn needs_columns(pair: &Pair) -> bool {
    centers_rows(pair) || is_read_transposed(pair)
}

/// Rows and values in a row, as they are read; a complex number is two values.
pub(super) fn geometry(pair: &Pair) -> Geometry {
    let (rows, columns) = if is_read_transposed(pair) {
        pair.target.stored_as.stored
    } else {
        pair.target.matrix_shape()
    };
    let parts = if pair.base.dtype == pair.target.dtype {
        values_per_element(pair.target.dtype)
    } else {
        1
    };
    Geometry {
        rows,
        columns: columns * parts as u64,
    }
}

/// Why the values of a pair cannot be compared, if they cannot.
pub(super) fn unreadable(models: Sides<&Model>, pair: &Pair) -> Option<String> {
    if as_stored(pair).is_some() {
        return None;
    }
    let base = || models.base.unreadable(&pair.base);
    let target = || models.target.unreadable(&pair.target);
    base().or_else(target)
}

/// The two tensors of a pair.
pub(super) fn sides(pair: &Pair) -> Sides<&Logical> {
    Sides {
        base: &pair.base,
        target: &pair.target,
    }
}
