//! The rows of one matrix multiplied by factors that the columns of the next are divided by.

use std::collections::BTreeMap;

use crate::align::{Alignment, Pair};
use crate::error::Result;
use crate::model::sides::Sides;
use crate::model::words::Role;
use crate::view::logical::{Logical, Scale};
use crate::view::model::Model;

use super::fit::{Fit, ROWS_LOOKED_AT};
use super::{Axis, REST, UNEXPLAINED, rescale, views};

/// Units of a layer that are tried before the others are taken to be as they are: tools rescale all
/// experts alike.
const UNITS_TRIED: usize = 8;

/// Matrices whose rows are hidden units without a non-linearity of their own, and those whose
/// columns they are.
pub(super) const UNITS: &[(Role, Role)] = &[(Role::V, Role::O), (Role::Up, Role::Down)];

/// The matrix that writes some hidden units, and the one that reads them.
#[derive(Debug, Clone, Copy)]
struct Written {
    writer: usize,
    reader: usize,
}

/// What the rows of the writer and the columns of the reader carry.
struct Factors {
    rows: Scale,
    columns: Scale,
}

/// Undoes a rescaling of units between the matrix that writes them and the one that reads them.
pub(super) fn between_matrices(
    alignment: &mut Alignment,
    models: Sides<&Model>,
    members: &[usize],
    writer: Role,
    reader: Role,
) -> Result<()> {
    let before = alignment.rescaled.pairs;
    let written = written_units(&alignment.pairs, members, writer, reader);
    for (tried, units) in written.into_iter().enumerate() {
        if tried >= UNITS_TRIED && alignment.rescaled.pairs == before {
            break;
        }
        let Some(factors) = factors(alignment, models, units)? else {
            continue;
        };
        rescale(alignment, units.writer, &factors.rows, Axis::Rows);
        rescale(alignment, units.reader, &factors.columns, Axis::Columns);
        if let Some(bias) = bias_of(&alignment.pairs, members, units.writer) {
            rescale(alignment, bias, &factors.rows, Axis::Columns);
        }
    }
    Ok(())
}

/// Which feed-forward of a layer a tensor belongs to: those of experts stand beside one another.
fn expert(logical: &Logical) -> (Option<u32>, bool) {
    (logical.meaning.expert, logical.meaning.shared_expert)
}

/// The matrices of one expert that write and read its units, where both are there and of fitting
/// shapes.
fn written_units(pairs: &[Pair], members: &[usize], writer: Role, reader: Role) -> Vec<Written> {
    let matrices = |role: Role| {
        members.iter().copied().filter(move |&at| {
            let target = &pairs[at].target;
            target.meaning.role == role && target.shape.len() == 2
        })
    };
    let readers: BTreeMap<_, usize> = matrices(reader)
        .map(|at| (expert(&pairs[at].target), at))
        .collect();
    matrices(writer)
        .filter_map(|writer| {
            let reader = *readers.get(&expert(&pairs[writer].target))?;
            Some(Written { writer, reader })
        })
        .collect()
}

/// The factors between two matrices, where both carry them.
///
/// Either matrix tells them: the factor of a column of the reader is the inverse of that of the
/// writer's row. Each is read in the scale that the *other* one tells, so that nothing is fitted to
/// what it is applied to, and a likeness that is left says something about the models.
fn factors(
    alignment: &Alignment,
    models: Sides<&Model>,
    units: Written,
) -> Result<Option<Factors>> {
    let rows = alignment.pairs[units.writer].target.shape[0];
    let columns = alignment.pairs[units.reader].target.shape[1];
    if rows != columns {
        return Ok(None);
    }
    let Some(read) = views(models, alignment, units.reader)? else {
        return Ok(None);
    };
    // A few rows first: of unrelated or merely retrained matrices nothing more is read.
    let few = Fit::of_columns(&read, ROWS_LOOKED_AT, None)?;
    let is_rescaled = few.rest() <= REST && few.rest() < UNEXPLAINED.sqrt() * few.change();
    if !is_rescaled || !few.is_alike() {
        return Ok(None);
    }
    let Some(written) = views(models, alignment, units.writer)? else {
        return Ok(None);
    };

    let by_reader = Fit::of_columns(&read, usize::MAX, None)?.factors();
    let inverse: Vec<f32> = by_reader.iter().map(|factor| 1.0 / factor).collect();
    let writes = Fit::of_rows(&written)?;
    if writes.unexplained(&inverse) > UNEXPLAINED {
        return Ok(None);
    }

    let by_writer = writes.factors();
    // Both factors are measured: what they differ by is how well they are known.
    let uncertainty: Vec<f32> = by_reader
        .iter()
        .zip(&by_writer)
        .map(|(reader, writer)| (reader * writer - 1.0).abs())
        .collect();
    let known = |factors: Vec<f32>| Scale {
        factors: factors.into(),
        uncertainty: uncertainty.clone().into(),
    };
    Ok(Some(Factors {
        rows: known(inverse),
        columns: known(by_writer).inverse(),
    }))
}

/// The bias that the writer adds to the units.
fn bias_of(pairs: &[Pair], members: &[usize], writer: usize) -> Option<usize> {
    let matrix = &pairs[writer].target;
    let slot = matrix.meaning.slot.replace(".weight", ".bias");
    if *slot == *matrix.meaning.slot {
        return None;
    }
    members.iter().copied().find(|&at| {
        let target = &pairs[at].target;
        *target.meaning.slot == *slot
            && expert(target) == expert(matrix)
            && target.shape == [matrix.shape[0]]
    })
}
