//! In which order the rows of q and k hold the pairs that rotate together: the two halves of a
//! head, or side by side.
//!
//! Meta's own files, and llama.cpp for some architectures, store them side by side; no file says
//! which it is (guide/formats.md, sections 1.2 and 1.4).

use std::sync::Arc;

use crate::align::likeness::{Best, Places, head_sizes, mean_likeness};
use crate::align::{Alignment, Pair};
use crate::error::Result;
use crate::model::rotary::interleaved_row;
use crate::model::sides::{Side, Sides};
use crate::model::warning::Warning;
use crate::model::words::{Component, Role};
use crate::view::logical::{Logical, RowOrder, RowRun, Via};
use crate::view::model::Model;

/// Tries the other order on either side, on a few matrices, and takes it for all where it fits.
///
/// # Errors
/// A read that fails.
pub(super) fn orient_heads(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    let is_rotary = |pair: &Pair| is_query_or_key(&pair.base) && is_query_or_key(&pair.target);
    let places = Places::new(alignment, is_rotary);
    let looked_at: Vec<Pair> = places
        .looked_at
        .iter()
        .map(|&at| alignment.pairs[at].clone())
        .collect();
    let Some(usual) = mean_likeness(models, &looked_at)? else {
        return Ok(());
    };

    let mut best = Best::than_usual(usual);
    let sizes = if best.can_be_beaten() {
        head_sizes(models)
    } else {
        Vec::new()
    };
    for head in sizes {
        for side in Side::BOTH {
            let pairs = looked_at
                .iter()
                .map(|pair| in_other_order(pair, side, head))
                .collect::<Option<Vec<_>>>();
            let likeness = mean_likeness(models, &pairs.unwrap_or_default())?;
            best.offer((side, head), likeness);
        }
    }
    let Some((side, head)) = best.way() else {
        return Ok(());
    };

    for at in places.all {
        if let Some(pair) = in_other_order(&alignment.pairs[at], side, head) {
            alignment.pairs[at] = pair;
        }
    }
    alignment.warnings.push(Warning::RotaryOrder.on(side));
    Ok(())
}

/// A query or key of the text part, its bias or its norm.
fn is_query_or_key(logical: &Logical) -> bool {
    let m = &logical.meaning;
    let is_of_heads = match m.role {
        Role::Q | Role::K | Role::QNorm | Role::KNorm => true,
        Role::Bias => ["q.bias", "k.bias"].contains(&&*m.slot),
        _ => false,
    };
    is_of_heads && m.component == Component::Text && matches!(logical.shape.len(), 1 | 2)
}

fn in_other_order(pair: &Pair, side: Side, head: u64) -> Option<Pair> {
    let other = other_order(pair.sides().get(side), head)?;
    // Of a pair by name only the names agree now, as of one paired by meaning.
    let via = if pair.by_name { Via::Mapped } else { pair.via };
    let pair = Pair {
        via,
        by_name: false,
        ..pair.clone()
    };
    Some(pair.with(side, other))
}

/// The same rows in the other rotary order.
fn other_order(logical: &Logical, head: u64) -> Option<Logical> {
    let rows = *logical.shape.first()?;
    let mut out = logical.clone();
    out.stored_as.rows = match &logical.stored_as.rows {
        RowOrder::HalfSplit { .. } => RowOrder::All,
        _ if head == 0 || !head.is_multiple_of(2) || !rows.is_multiple_of(head) => return None,
        RowOrder::All => RowOrder::HalfSplit { heads: rows / head },
        RowOrder::Runs(runs) => RowOrder::Runs(Arc::from(side_by_side(runs, head)?)),
    };
    if logical.shape.len() == 1 {
        out.stored_as.stored = if out.stored_as.rows == RowOrder::All {
            (1, rows)
        } else {
            (rows.max(logical.stored_as.stored.0), 1)
        };
    }
    Some(out)
}

/// Most rows of a piece whose order is written out; the widest models have 2¹⁷ query rows.
const MOST_ROWS: u64 = 1 << 20;

/// The rows of `runs`, of each head the two halves of pairs that stand side by side.
fn side_by_side(runs: &[RowRun], head: u64) -> Option<Vec<RowRun>> {
    if runs.iter().map(|run| run.count).sum::<u64>() > MOST_ROWS {
        return None;
    }
    let rows: Vec<u64> = runs
        .iter()
        .flat_map(|run| (0..run.count).map(|i| run.start + i * run.step))
        .collect();
    let head = usize::try_from(head).ok()?;
    let stored = |row: usize| {
        rows.get(interleaved_row(row as u64, head as u64) as usize)
            .copied()
    };
    let mut out: Vec<RowRun> = Vec::new();
    for row in 0..rows.len() {
        let at = stored(row)?;
        match out.last_mut() {
            Some(run) if row % (head / 2) != 0 && run.start + run.count * run.step == at => {
                run.count += 1
            }
            _ => out.push(RowRun {
                start: at,
                count: 1,
                step: 2,
            }),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_as_halves() {
        let runs = [
            RowRun {
                start: 10,
                count: 4,
                step: 1,
            },
            RowRun {
                start: 20,
                count: 4,
                step: 1,
            },
        ];
        let found = side_by_side(&runs, 4).unwrap_or_default();
        let rows: Vec<u64> = found
            .iter()
            .flat_map(|run| (0..run.count).map(|i| run.start + i * run.step))
            .collect();
        assert_eq!(rows, [10, 12, 11, 13, 20, 22, 21, 23]);
        assert_eq!(found.len(), 4);
    }
}
