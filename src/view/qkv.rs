//! Query, key and value in one tensor: where the rows of each lie (guide/formats.md, section 1.7).

use std::sync::Arc;

use crate::model::words::{Component, Role};

use super::logical::{Logical, RowOrder, RowRun, fold};
use super::pieces::{LayoutFacts, holds, piece};
use super::place::Place;

/// In which order a fused tensor holds the rows of query, key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QkvOrder {
    /// All query rows, all key rows, all value rows.
    Blocks,
    /// For each key/value head: its query heads, its key, its value. With as many key heads as
    /// query heads this is the interleave (heads, 3, head) of GPT-NeoX and BLOOM.
    Groups {
        /// Rows of a head.
        head: u64,
    },
}

/// Rows of the query, and of key and value each.
pub(crate) type Sizes = [u64; 2];

/// Most groups whose runs are written out; models have up to a few hundred heads.
pub(super) const MOST_GROUPS: u64 = 1 << 16;

const ROLES: [Role; 3] = [Role::Q, Role::K, Role::V];

/// Whether it is query, key and value in one tensor, or the bias of one.
pub(crate) fn is_fused(logical: &Logical) -> bool {
    holds(logical, "qkv") && logical.stored_as.rows == RowOrder::All
}

/// The sizes that the facts of the model give, else thirds.
pub(crate) fn usual_sizes(logical: &Logical, facts: &LayoutFacts) -> Option<Sizes> {
    let rows = rows(logical);
    let by_heads = || {
        let (heads, kv_heads, head) = (facts.heads?, facts.kv_heads?, facts.head_dim?);
        let fits = heads
            .checked_add(kv_heads.checked_mul(2)?)?
            .checked_mul(head)?
            == rows;
        (fits && is_text(logical)).then_some([heads * head, kv_heads * head])
    };
    by_heads().or_else(|| rows.is_multiple_of(3).then_some([rows / 3; 2]))
}

/// The order that the name stands for: GPT-NeoX, BLOOM and Falcon name the tensor
/// `query_key_value`, InternLM2 `wqkv`; they store it by groups.
pub(crate) fn usual_order(logical: &Logical, head: Option<u64>) -> QkvOrder {
    let grouped = ["query_key_value", "attention.wqkv"];
    let by_groups = is_text(logical) && grouped.iter().any(|part| logical.name.contains(part));
    head.filter(|_| by_groups)
        .map_or(QkvOrder::Blocks, |head| QkvOrder::Groups { head })
}

/// Query, key and value of a fused tensor; empty where the order does not fit the sizes, or these
/// the tensor.
pub(crate) fn cut(logical: &Logical, sizes: Sizes, order: QkvOrder) -> Vec<Logical> {
    if total(sizes) != Some(rows(logical)) {
        return Vec::new();
    }
    let piece = |(place, role): (usize, Role)| {
        Some(piece(
            logical,
            "qkv",
            role.word(),
            role,
            runs(sizes, order, place)?,
        ))
    };
    ROLES
        .into_iter()
        .enumerate()
        .map(piece)
        .collect::<Option<Vec<_>>>()
        .unwrap_or_default()
}

/// The same piece of the same fused tensor, if that held its rows in another order; none for what
/// is no such piece, or where the order does not fit.
pub(crate) fn reordered(piece: &Logical, order: QkvOrder) -> Option<Logical> {
    if !matches!(piece.stored_as.rows, RowOrder::Runs(_)) {
        return None;
    }
    let place = ROLES.iter().position(|role| {
        piece
            .meaning
            .slot
            .split('.')
            .any(|word| word == role.word())
    })?;
    let source = &piece.stored_as;
    let whole = if source.transposed {
        source.stored.1
    } else {
        source.stored.0
    };
    let own = *piece.shape.first()?;
    let sizes = match place {
        0 => [
            own,
            whole
                .checked_sub(own)
                .filter(|both| both.is_multiple_of(2))?
                / 2,
        ],
        _ => [whole.checked_sub(own.checked_mul(2)?)?, own],
    };
    let mut out = piece.clone();
    out.stored_as.rows = RowOrder::Runs(Arc::from(runs(sizes, order, place)?));
    Some(out)
}

/// The place of a piece of a fused tensor.
pub(crate) fn place_of(logical: &Logical, role: Role) -> Place {
    Place {
        slot: logical.meaning.slot.replacen("qkv", role.word(), 1).into(),
        ..logical.place()
    }
}

fn total([query, key]: Sizes) -> Option<u64> {
    key.checked_mul(2)?.checked_add(query)
}

/// Rows of query (place 0), key (1) or value (2).
fn runs([query, key]: Sizes, order: QkvOrder, place: usize) -> Option<Vec<RowRun>> {
    let parts = |query: u64, key: u64| match place {
        0 => (0, query),
        1 => (query, key),
        _ => (query + key, key),
    };
    let head = match order {
        QkvOrder::Blocks => {
            let (start, count) = parts(query, key);
            return Some(vec![RowRun {
                start,
                count,
                step: 1,
            }]);
        }
        QkvOrder::Groups { head } => head,
    };
    let fits = head > 0
        && key > 0
        && key / head <= MOST_GROUPS
        && key.is_multiple_of(head)
        && query > 0
        && query.is_multiple_of(key);
    let (groups, queries) = fits.then(|| (key / head, query / key * head))?;
    let (offset, count) = parts(queries, head);
    let block = queries + 2 * head;
    Some(
        (0..groups)
            .map(|group| RowRun {
                start: group * block + offset,
                count,
                step: 1,
            })
            .collect(),
    )
}

fn is_text(logical: &Logical) -> bool {
    logical.meaning.component == Component::Text
}

/// Rows that are cut: the elements of a vector, the rows of a matrix.
fn rows(logical: &Logical) -> u64 {
    match logical.shape.as_slice() {
        [n] => *n,
        shape => fold(shape, logical.meaning.role).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sizes: Sizes, order: QkvOrder, place: usize) -> Vec<(u64, u64)> {
        runs(sizes, order, place)
            .into_iter()
            .flatten()
            .map(|run| (run.start, run.count))
            .collect()
    }

    #[test]
    fn rows_lie_in_blocks_or_by_groups() {
        let sizes = [8, 4];
        assert_eq!(
            [0, 1, 2].map(|place| found(sizes, QkvOrder::Blocks, place)),
            [[(0, 8)], [(8, 4)], [(12, 4)]]
        );
        let groups = QkvOrder::Groups { head: 2 };
        let expected = [[(0, 4), (8, 4)], [(4, 2), (12, 2)], [(6, 2), (14, 2)]];
        assert_eq!([0, 1, 2].map(|place| found(sizes, groups, place)), expected);
        let heads = [0, 1, 2].map(|place| found([4, 4], groups, place));
        assert_eq!(
            heads,
            [[(0, 2), (6, 2)], [(2, 2), (8, 2)], [(4, 2), (10, 2)]]
        );
    }

    #[test]
    fn one_key_head_is_a_single_group() {
        let one = [0, 1, 2].map(|place| found([8, 2], QkvOrder::Groups { head: 2 }, place));
        assert_eq!(
            one,
            [0, 1, 2].map(|place| found([8, 2], QkvOrder::Blocks, place))
        );
    }

    #[test]
    fn groups_that_do_not_fit_are_refused() {
        for (sizes, head) in [
            ([8, 4], 3),
            ([6, 4], 2),
            ([8, 0], 2),
            ([8, 4], 0),
            ([0, 4], 2),
        ] {
            assert_eq!(
                runs(sizes, QkvOrder::Groups { head }, 0),
                None,
                "{sizes:?} {head}"
            );
        }
        assert_eq!(total([1, u64::MAX]), None);
    }
}
