//! The gates of a recurrent cell, stacked in one matrix: libraries stack them in different orders.

use std::sync::Arc;

use crate::align::likeness::{are_readable, cosine};
use crate::align::{Alignment, Pair};
use crate::error::Result;
use crate::model::sides::Sides;
use crate::numeric::rows::RowSource;
use crate::view::logical::{Logical, RowOrder, RowRun, Via};
use crate::view::model::Model;

/// Rows of each gate that are looked at.
const ROWS_LOOKED_AT: usize = 16;

/// Columns of a cell that is looked at.
const MOST_COLUMNS: usize = 1 << 16;

/// Fewest rows of a gate.
const FEWEST_ROWS: u64 = 8;

/// Cosine of a gate with its counterpart, and what it has to be with any other at most.
const ALIKE: f64 = 0.5;
const UNLIKE: f64 = 0.25;

/// Words in the names of recurrent cells' matrices.
const WORDS: [&str; 7] = [
    "lstm",
    "gru",
    "rnn",
    "weight_ih",
    "weight_hh",
    "recurrent",
    "cell",
];

/// How many gates a cell may have by the names of a pair: 3 of a GRU, 4 of an LSTM, either where
/// they speak of a cell alone.
fn gates(pair: &Pair) -> &'static [u64] {
    let names = pair.sides().map(|side| side.name.to_lowercase());
    let has = |word: &str| names.iter().any(|name| name.contains(word));
    if has("gru") {
        &[3]
    } else if has("lstm") {
        &[4]
    } else if WORDS.iter().any(|word| has(word)) {
        &[4, 3]
    } else {
        &[]
    }
}

/// Reads the gates of the target's recurrent cells in the base's order.
///
/// # Errors
/// A read that fails.
pub(super) fn orient_gates(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    for pair in &mut alignment.pairs {
        for &count in gates(pair) {
            if !may_be_stacked(pair, count) || !are_readable(models, pair) {
                continue;
            }
            let Some(order) = order(pair, models, count)? else {
                continue;
            };
            let rows = pair.target.matrix_shape().0 / count;
            let runs = order.iter().map(|gate| RowRun {
                start: *gate as u64 * rows,
                count: rows,
                step: 1,
            });
            let mut target = Logical::clone(&pair.target);
            target.stored_as.rows = RowOrder::Runs(runs.collect());
            *pair = Pair {
                target: Arc::new(target),
                via: Via::Transposed,
                by_name: false,
                ..pair.clone()
            };
            break;
        }
    }
    Ok(())
}

fn may_be_stacked(pair: &Pair, gates: u64) -> bool {
    let (rows, columns) = pair.target.matrix_shape();
    pair.target.shape.len() >= 2
        && pair.base.matrix_shape() == (rows, columns)
        && rows.is_multiple_of(gates)
        && rows / gates >= FEWEST_ROWS
        && columns > 1
        && columns <= MOST_COLUMNS as u64
        && pair.sides().iter().all(|side| side.is_uncut())
}

/// For each gate of the base its counterpart in the target, where each has one, clearly, and they
/// are not in one order already.
fn order(pair: &Pair, models: Sides<&Model>, gates: u64) -> Result<Option<Vec<usize>>> {
    let views = Sides {
        base: models.base.view(&pair.base)?,
        target: models.target.view(&pair.target)?,
    };
    let gates = usize::try_from(gates).unwrap_or(0);
    let rows = views.target.rows() / gates.max(1);
    let read = |view: &dyn RowSource, gate: usize| -> Result<Vec<f32>> {
        let start = gate * rows;
        let count = rows.min(ROWS_LOOKED_AT);
        let mut values = vec![0.0; count * view.columns()];
        view.read_rows(start..start + count, &mut values)?;
        Ok(values)
    };
    let all = |view: &dyn RowSource| -> Result<Vec<Vec<f32>>> {
        (0..gates).map(|gate| read(view, gate)).collect()
    };
    let (base, target) = (all(&views.base)?, all(&views.target)?);
    let mut order = Vec::new();
    for own in &base {
        let cosines: Vec<f64> = target.iter().map(|other| cosine(own, other)).collect();
        let counterpart = cosines.iter().position(|cosine| *cosine >= ALIKE);
        let others = cosines
            .iter()
            .filter(|cosine| cosine.abs() > UNLIKE)
            .count();
        match counterpart {
            Some(gate) if others == 1 && !order.contains(&gate) => order.push(gate),
            _ => return Ok(None),
        }
    }
    Ok((!order.is_sorted()).then_some(order))
}
