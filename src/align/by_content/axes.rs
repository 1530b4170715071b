//! A tensor read with its axes in another order.

use std::sync::Arc;

use crate::model::words::{Class, Role};
use crate::view::logical::{Logical, RowOrder, RowRun, StoredAs};

/// Most columns whose order is written down.
const MOST_COLUMNS: u64 = 1 << 22;

/// All orders of `count` axes, the usual one first.
pub(super) fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new()];
    for _ in 0..count {
        let longer = out.iter().flat_map(|order: &Vec<usize>| {
            let rest = (0..count).filter(|axis| !order.contains(axis));
            rest.map(|axis| [order.as_slice(), &[axis]].concat())
                .collect::<Vec<_>>()
        });
        out = longer.collect();
    }
    out
}

/// Whether an order of axes is that in which they lie, but for axes of length 1.
pub(super) fn is_usual(order: &[usize], shape: &[u64]) -> bool {
    let wide = order.iter().filter(|axis| shape[**axis] > 1);
    wide.is_sorted()
}

/// The tensor with its axes in the order `order`; `None` where its rows do not lie so that they can
/// be read.
pub(super) fn with_axes(logical: &Logical, order: &[usize]) -> Option<Logical> {
    let shape: Vec<u64> = order.iter().map(|axis| logical.shape[*axis]).collect();
    if order.is_sorted() {
        return Some(logical.clone());
    }
    let storage = &logical.stored_as;
    if !logical.is_uncut() {
        return None;
    }
    let mut out = logical.clone();
    if order.len() == 2 {
        out.shape = shape;
        out.stored_as.transposed = !storage.transposed;
        return Some(out);
    }
    let last = order.len() - 1;
    let rows_first = order[0] == 0;
    if storage.transposed || !(rows_first || order[0] == last) {
        return None;
    }
    let out_rows = shape[0];
    let rest: Vec<usize> = order[1..].to_vec();
    let columns = shape[1..]
        .iter()
        .try_fold(1u64, |n, axis| n.checked_mul(*axis))?;
    if columns > MOST_COLUMNS {
        return None;
    }
    let stored_axes = if rows_first { 1..last + 1 } else { 0..last };
    out.stored_as = StoredAs {
        stored: if rows_first {
            (out_rows, columns)
        } else {
            (columns, out_rows)
        },
        transposed: !rows_first,
        columns: (!rest.is_sorted()).then(|| column_runs(&logical.shape, stored_axes, &rest)),
        ..storage.clone()
    };
    out.shape = shape;
    as_kernel(&mut out);
    Some(out)
}

/// Reads a tensor of three axes and more as (out, rest), whatever its name means.
pub(super) fn as_kernel(logical: &mut Logical) {
    if logical.shape.len() == 3 && !matches!(logical.meaning.role, Role::Conv | Role::PatchEmbed) {
        let [out, a, b] = logical.shape[..] else {
            return;
        };
        if !logical.stored_as.transposed && logical.stored_as.columns.is_none() {
            logical.stored_as.stored = (out, a * b);
        }
        logical.meaning.role = Role::Conv;
    }
}

/// The tensors of a stack, one an index of its first axis; none for what is no stack, or has more
/// than `most`.
pub(super) fn slices(stack: &Logical, most: u64) -> Vec<Logical> {
    let [count, ref rest @ ..] = stack.shape[..] else {
        return Vec::new();
    };
    let storage = &stack.stored_as;
    let is_plain = stack.is_uncut() && !storage.transposed;
    let elements = rest.iter().try_fold(1u64, |n, axis| n.checked_mul(*axis));
    let (Some(elements), true) = (elements, is_plain && !rest.is_empty()) else {
        return Vec::new();
    };
    if count < 2 || count > most || rest.iter().filter(|axis| **axis > 1).count() < 1 {
        return Vec::new();
    }
    let slice = |at: u64| {
        let mut out = stack.clone();
        out.name = format!("{}[{at}]", stack.name);
        out.shape = rest.to_vec();
        out.meaning.class = match rest.len() {
            1 => Class::Vector,
            _ => stack.meaning.class,
        };
        out.stored_as.start = storage.start + at * elements;
        out.stored_as.stored = out.matrix_shape();
        out
    };
    (0..count).map(slice).collect()
}

/// A matrix cut into runs of so many rows; none for one that is not stored row by row.
pub(super) fn row_cuts(whole: &Logical, rows: &[u64]) -> Vec<Logical> {
    let &[_, columns] = &whole.shape[..] else {
        return Vec::new();
    };
    if whole.stored_as.rows != RowOrder::All || whole.is_rescaled() {
        return Vec::new();
    }
    let mut start = 0;
    let cut = |(at, count): (usize, &u64)| {
        let run = RowRun {
            start,
            count: *count,
            step: 1,
        };
        start += count;
        let mut out = whole.clone();
        out.name = format!("{}[{at}]", whole.name);
        out.shape = vec![*count, columns];
        out.stored_as.rows = RowOrder::Runs(Arc::from([run]));
        out
    };
    rows.iter().enumerate().map(cut).collect()
}

/// Stored columns in the order of `order`, axes of `shape` of which `stored` lie one in the other.
fn column_runs(shape: &[u64], stored: std::ops::Range<usize>, order: &[usize]) -> Arc<[RowRun]> {
    let stride = |axis: usize| shape[axis + 1..stored.end].iter().product::<u64>();
    let Some((inner, outer)) = order.split_last() else {
        return Arc::from([]);
    };
    let mut starts = vec![0];
    for axis in outer {
        let extended = starts
            .iter()
            .flat_map(|start| (0..shape[*axis]).map(move |at| start + at * stride(*axis)));
        starts = extended.collect();
    }
    let run = |start: u64| RowRun {
        start,
        count: shape[*inner],
        step: stride(*inner),
    };
    starts.into_iter().map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_channels_last_kernel() {
        // (out, h, w, in) as (out, in, h, w).
        let runs = column_runs(&[5, 2, 2, 3], 1..4, &[3, 1, 2]);
        let order: Vec<u64> = runs
            .iter()
            .flat_map(|run| (0..run.count).map(move |at| run.start + at * run.step))
            .collect();
        assert_eq!(order, [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    }

    #[test]
    fn all_orders_are_tried_the_usual_one_first() {
        let orders = orders(3);
        assert_eq!(orders.len(), 6);
        assert_eq!(orders[0], [0, 1, 2]);
        assert!(is_usual(&[0, 2, 1], &[4, 1, 3]));
    }
}
