//! Matrices that lie inside a larger tensor as evenly spaced rows or columns of it: fused in
//! whatever order, interleaved, stacked on any axis, cut by heads; and matrices whose rows or
//! columns stand in another order.
//!
//! A few rows of the matrix are looked for among all rows of the tensor. Where the most alike of
//! them stand at equal distances, the matrix is there: rows of unrelated models are most alike
//! anywhere.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::model::sides::{Side, Sides};
use crate::model::words::Class;
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::view::logical::{Logical, RowRun};
use crate::view::model::Model;

use super::holds::{Kinds, may_hold};
use super::place::{Found, Reading, Shape, Spot, apart, is_plain, reading_of};
use super::rows::{MOST_PRODUCTS, Nearest, Rows, VECTOR_AHEAD, VECTOR_ALIKE};
use super::{Item, is_complex};

/// Values of a row that are looked at.
const COLUMNS: usize = 128;

/// Shortest row that can be told from others.
const FEWEST_COLUMNS: u64 = 12;

/// Longest row that is read.
const MOST_COLUMNS: u64 = 1 << 22;

/// Rows of a matrix that are looked for.
const PROBES: usize = 12;

/// Fewest rows of a matrix that can be told by where they stand; of few all must stand there, as
/// like as vectors are.
const FEWEST_ROWS: u64 = 2;

/// Values that are held at a time.
const MOST_VALUES: usize = 1 << 24;

/// Matrices with rows of one length that are looked for; more are told by their shapes alone.
const MOST_PROBES: usize = 1 << 14;

/// Products that it costs to look up a row by its signs.
const LOOKED_UP: usize = 1 << 12;

/// Products that may still be spent on two models: some seconds of work.
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(1 << 35)
    }
}

impl Budget {
    /// Whether so many matrices may be looked for in this reading; takes off what that costs.
    fn allows(&mut self, reading: Reading, wanted: usize) -> bool {
        let width = reading.columns().min(COLUMNS as u64) as usize;
        let rows = usize::try_from(reading.rows()).unwrap_or(usize::MAX);
        let values = rows.saturating_mul(width);
        let looked_for = wanted.saturating_mul(PROBES);
        let products = match values.saturating_mul(looked_for) {
            products if products <= MOST_PRODUCTS => products,
            _ => rows.saturating_add(looked_for).saturating_mul(LOOKED_UP),
        };
        if wanted == 0 || values > MOST_VALUES || products > self.0 {
            return false;
        }
        self.0 -= products;
        true
    }
}

/// Values read at a time.
const CHUNK: usize = 1 << 18;

/// Least chance, base e, that rows stand at equal distances by accident.
const BY_ACCIDENT: f64 = -16.0;

/// The readings of a tensor, cut behind each of its axes; a long vector as vectors of the lengths
/// `vectors` behind one another.
fn readings(logical: &Logical, vectors: &BTreeSet<u64>) -> Vec<Reading> {
    let mut out = BTreeSet::new();
    if !is_plain(logical) || logical.meaning.class == Class::Uninformative {
        return Vec::new();
    }
    let product = |axes: &[u64]| axes.iter().product::<u64>();
    for axis in 1..logical.shape.len() {
        let (lead, last) = logical.shape.split_at(axis);
        let stored = (product(lead), product(last));
        out.extend([false, true].map(|transposed| Reading { stored, transposed }));
    }
    if let [all] = logical.shape[..] {
        let lengths = vectors
            .iter()
            .filter(|length| **length < all && all.is_multiple_of(**length));
        out.extend(lengths.map(|length| Reading {
            stored: (all / length, *length),
            transposed: false,
        }));
    }
    let lengths = FEWEST_COLUMNS..=MOST_COLUMNS;
    let is_long = |reading: &Reading| reading.rows() >= 2 && lengths.contains(&reading.columns());
    out.into_iter().filter(is_long).collect()
}

/// Some rows of a matrix.
struct Probe {
    piece: usize,
    shape: Shape,
    rows: u64,
    columns: u64,
    indices: Vec<usize>,
    /// The columns looked at, a row after the other.
    values: Vec<f32>,
}

/// The columns that are looked at in rows of a length, ascending.
fn chosen_columns(length: u64) -> Vec<usize> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Draws::new(0, &format!("runs {length}")).distinct(COLUMNS, length)
}

/// The chosen columns of the rows `indices` of a matrix.
fn sampled(model: &Model, matrix: &Logical, indices: &[usize]) -> Result<Vec<f32>> {
    let (narrow, picked) = narrowed(matrix);
    let view = model.view(&narrow)?;
    let picked = picked.unwrap_or_else(|| chosen_columns(view.columns() as u64));
    let mut row = vec![0.0; view.columns()];
    let mut out = Vec::with_capacity(indices.len() * picked.len());
    for &index in indices {
        view.read_rows(index..index + 1, &mut row)?;
        out.extend(picked.iter().map(|column| row[*column]));
    }
    Ok(out)
}

/// A matrix of its chosen columns alone where they lie as lines of their own, and where in its rows
/// they are then: nobody reads the lines between them.
fn narrowed(matrix: &Logical) -> (Logical, Option<Vec<usize>>) {
    let mut out = matrix.clone();
    let [_, columns] = matrix.shape[..] else {
        return (out, None);
    };
    if !matrix.stored_as.transposed || is_complex(matrix) {
        return (out, None);
    }
    let chosen = chosen_columns(columns);
    let runs = chosen.iter().map(|column| RowRun {
        start: *column as u64,
        count: 1,
        step: 1,
    });
    out.stored_as.columns = Some(runs.collect());
    out.shape[1] = chosen.len() as u64;
    (out, Some((0..chosen.len()).collect()))
}

/// The chosen columns of all rows of a matrix.
fn sampled_all(model: &Model, matrix: &Logical) -> Result<Vec<f32>> {
    let (narrow, picked) = narrowed(matrix);
    let view = model.view(&narrow)?;
    let (rows, columns) = (view.rows(), view.columns());
    let chosen = picked.unwrap_or_else(|| chosen_columns(columns as u64));
    let step = (CHUNK / columns.max(1)).clamp(1, rows.max(1));
    let mut out = Vec::with_capacity(rows * chosen.len());
    let mut values = vec![0.0; step * columns];
    for begin in (0..rows).step_by(step) {
        let end = (begin + step).min(rows);
        view.read_rows(begin..end, &mut values)?;
        for row in values.chunks_exact(columns).take(end - begin) {
            out.extend(chosen.iter().map(|column| row[*column]));
        }
    }
    Ok(out)
}

/// The matrices of a side that are looked for, as rows and as columns, and the vectors.
fn probes(
    model: &Model,
    items: &[Item],
    lengths: &BTreeSet<u64>,
    wholes: &Kinds,
) -> Result<Vec<Probe>> {
    let shapes_of = |item: &Item| {
        let logical = &*item.logical;
        let is_asked = is_plain(logical)
            && wholes.may_hold(logical)
            && logical.meaning.class != Class::Uninformative
            && item.sketch.is_telling();
        let shapes: &[Shape] = match logical.shape.len() {
            1 if is_asked => &[Shape::Vector],
            2 if is_asked => &[Shape::Rows, Shape::Columns],
            _ => &[],
        };
        let with_reading = shapes
            .iter()
            .map(|shape| (*shape, reading_of(logical, *shape)));
        let mut out: Vec<(Shape, Reading)> = with_reading.collect();
        out.retain(|(shape, reading)| {
            let is_long = reading.rows() >= FEWEST_ROWS || *shape == Shape::Vector;
            is_long && reading.columns() >= FEWEST_COLUMNS && lengths.contains(&reading.columns())
        });
        out
    };
    let mut of_length: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, reading) in items.iter().flat_map(shapes_of) {
        *of_length.entry(reading.columns()).or_default() += 1;
    }
    let of_item = |(piece, item): (usize, &Item)| -> Result<Vec<Probe>> {
        let logical = &*item.logical;
        let mut out = Vec::new();
        for (shape, reading) in shapes_of(item) {
            let (rows, columns) = (reading.rows(), reading.columns());
            if of_length[&columns] > MOST_PROBES {
                continue;
            }
            let bound = usize::try_from(rows).unwrap_or(usize::MAX);
            let indices = Draws::new(0, "rows of runs").distinct(PROBES, bound);
            let values = sampled(model, &reading.of(logical), &indices)?;
            out.push(Probe {
                piece,
                shape,
                rows,
                columns,
                indices,
                values,
            });
        }
        Ok(out)
    };
    let found: Result<Vec<Vec<Probe>>> = items.par_iter().enumerate().map(of_item).collect();
    Ok(found?.into_iter().flatten().collect())
}

/// Matrices of the other side that lie inside tensors of `side`.
///
/// # Errors
/// A read that fails.
pub(super) fn find(
    side: Side,
    models: Sides<&Model>,
    left: &Sides<Vec<Item>>,
    budget: &mut Budget,
) -> Result<Vec<Found>> {
    let (own, other) = (left.get(side), left.get(side.other()));
    let (model, other_model) = (*models.get(side), *models.get(side.other()));
    let vectors: BTreeSet<u64> = other
        .iter()
        .filter(|item| item.logical.shape.len() == 1)
        .map(|item| item.logical.elements())
        .filter(|length| *length > 0)
        .collect();
    let of_other = Kinds::new(other);
    let wholes: Vec<(usize, Vec<Reading>)> = own
        .iter()
        .map(|item| match of_other.may_lie_in(&item.logical) {
            true => readings(&item.logical, &vectors),
            false => Vec::new(),
        })
        .enumerate()
        .filter(|(_, readings)| !readings.is_empty())
        .collect();
    let all = wholes.iter().flat_map(|(_, readings)| readings);
    let lengths: BTreeSet<u64> = all.map(|reading| reading.columns()).collect();
    let of_wholes = Kinds::new(wholes.iter().map(|(whole, _)| &own[*whole]));
    let probes = probes(other_model, other, &lengths, &of_wholes)?;
    let mut by_length: BTreeMap<u64, Vec<&Probe>> = BTreeMap::new();
    for probe in &probes {
        by_length.entry(probe.columns).or_default().push(probe);
    }

    let mut gone = BTreeSet::new();
    let mut out = Vec::new();
    for (whole, readings) in wholes {
        let logical = &*own[whole].logical;
        let mut best: Vec<Found> = Vec::new();
        for reading in readings {
            let of_length = by_length.get(&reading.columns());
            let wanted: Vec<&Probe> = of_length
                .into_iter()
                .flatten()
                .copied()
                .filter(|probe| {
                    probe.rows <= reading.rows()
                        && !gone.contains(&probe.piece)
                        && may_hold(logical, &other[probe.piece].logical)
                })
                .collect();
            if !budget.allows(reading, wanted.len()) {
                continue;
            }
            let found = search((model, logical, reading), &wanted, other_model, other)?;
            let found = apart(found, whole);
            let elements = |all: &[Found]| {
                let pieces = all.iter().map(|found| &other[found.piece].logical);
                pieces.map(|piece| piece.elements()).sum::<u64>()
            };
            if elements(&found) > elements(&best) {
                best = found;
            }
        }
        gone.extend(best.iter().map(|found| found.piece));
        out.extend(best);
    }
    Ok(out)
}

/// Where the wanted matrices lie in one reading of a tensor, and how sure it is.
fn search(
    (model, whole, reading): (&Model, &Logical, Reading),
    wanted: &[&Probe],
    other_model: &Model,
    other: &[Item],
) -> Result<Vec<(usize, Spot, f64)>> {
    let width = chosen_columns(reading.columns()).len();
    let rows = reading.rows() as usize;
    let values = sampled_all(model, &reading.of(whole))?;
    let table = Rows::new(width, values, wanted.len() * PROBES);
    let of_probe = |probe: &&Probe| -> Result<Option<(usize, Spot, f64)>> {
        let nearest: Vec<Nearest> = probe
            .values
            .chunks_exact(width)
            .map(|row| table.nearest(row))
            .collect();
        let spot = |run: RowRun| Spot {
            reading,
            run,
            shape: probe.shape,
        };
        if let (Shape::Vector, [nearest]) = (probe.shape, &nearest[..]) {
            let run = RowRun {
                start: nearest.row as u64,
                count: 1,
                step: 1,
            };
            let is_it = nearest.cosine >= VECTOR_ALIKE
                && nearest.cosine >= nearest.second + VECTOR_AHEAD
                && table.is_alike_throughout(nearest.row, &probe.values);
            return Ok(is_it.then(|| (probe.piece, spot(run), nearest.cosine)));
        }
        if let Some((run, hits)) = at_equal_distances(&probe.indices, &nearest, probe.rows, rows) {
            return Ok(Some((probe.piece, spot(run), hits as f64)));
        }
        let clear: BTreeSet<usize> = nearest
            .iter()
            .filter(|nearest| nearest.is_clear())
            .map(|nearest| nearest.row)
            .collect();
        if 3 * clear.len() < 2 * nearest.len() {
            return Ok(None);
        }
        let piece = &*other[probe.piece].logical;
        let values = sampled_all(other_model, &reading_of(piece, probe.shape).of(piece))?;
        let run = in_any_order(&table, &values, probe.rows);
        Ok(run.map(|run| (probe.piece, spot(run), 0.5)))
    };
    let found: Result<Vec<Option<_>>> = wanted.par_iter().map(of_probe).collect();
    Ok(found?.into_iter().flatten().collect())
}

/// The run of `count` among `rows` rows on which most of the nearest rows lie, and how many do;
/// `None` where as many might by accident.
fn at_equal_distances(
    indices: &[usize],
    nearest: &[Nearest],
    count: u64,
    rows: usize,
) -> Option<(RowRun, usize)> {
    let mut best: Option<(RowRun, usize)> = None;
    for first in 0..indices.len() {
        for last in first + 1..indices.len() {
            let gap = indices[last] - indices[first];
            let Some(distance) = nearest[last].row.checked_sub(nearest[first].row) else {
                continue;
            };
            let step = distance / gap;
            let Some(start) = nearest[first].row.checked_sub(step * indices[first]) else {
                continue;
            };
            let end = (count as usize - 1)
                .saturating_mul(step)
                .saturating_add(start);
            if step == 0 || step * gap != distance || end >= rows {
                continue;
            }
            let lies = |(index, nearest): (&usize, &Nearest)| nearest.row == start + step * index;
            let hits = indices
                .iter()
                .zip(nearest)
                .filter(|pair| lies(*pair))
                .count();
            if best.is_none_or(|(_, most)| hits > most) {
                let run = RowRun {
                    start: start as u64,
                    count,
                    step: step as u64,
                };
                best = Some((run, hits));
            }
        }
    }
    let (run, hits) = best?;
    let probes = indices.len() as u64;
    let more = hits as u64 - 2;
    // Any two rows lie on a line; the chance that so many more do.
    let ways = ln_choose(probes, 2) + ln_choose(probes - 2, more);
    let by_accident = ways - more as f64 * (rows as f64).ln();
    let is_sure = 3 * hits >= indices.len() && by_accident <= BY_ACCIDENT;
    let mut all = nearest.iter();
    let all_alike = all.all(|nearest| nearest.cosine >= VECTOR_ALIKE && nearest.is_clear());
    (is_sure || all_alike && hits == indices.len()).then_some((run, hits))
}

/// Logarithm, base e, of the number of ways to choose.
fn ln_choose(of: u64, chosen: u64) -> f64 {
    let factors = (0..chosen).map(|at| (of - at) as f64 / (at + 1) as f64);
    factors.map(f64::ln).sum()
}

/// The evenly spaced rows that are those of a matrix, in whatever order.
fn in_any_order(table: &Rows, values: &[f32], count: u64) -> Option<RowRun> {
    let mut hit = BTreeSet::new();
    for row in values.chunks_exact(table.width) {
        let nearest = table.nearest(row);
        if nearest.is_clear() {
            hit.insert(nearest.row as u64);
        }
    }
    let (start, last) = (*hit.first()?, *hit.last()?);
    let most = 10 * hit.len() as u64 >= 9 * count;
    let all_rows = table.count() as u64;
    if count == all_rows && most {
        return Some(RowRun {
            start: 0,
            count,
            step: 1,
        });
    }
    let distances = hit.iter().map(|row| row - start);
    let step = distances.fold(0, greatest_common_divisor);
    let is_run = step > 0 && last - start == (count - 1) * step;
    (most && is_run).then_some(RowRun { start, count, step })
}

pub(super) fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(rows: &[usize]) -> Vec<Nearest> {
        let one = |row: &usize| Nearest {
            row: *row,
            cosine: 0.9,
            second: 0.1,
        };
        rows.iter().map(one).collect()
    }

    #[test]
    fn rows_at_equal_distances_are_a_matrix() {
        let indices = [0, 3, 5, 9, 12, 20, 30];
        let rows: Vec<usize> = indices.iter().map(|at| 17 + 2 * at).collect();
        let (run, hits) = at_equal_distances(&indices, &nearest(&rows), 40, 1000).unwrap();
        assert_eq!((run.start, run.count, run.step, hits), (17, 40, 2, 7));
        // Its last row would lie behind the end.
        assert!(at_equal_distances(&indices, &nearest(&rows), 40, 90).is_none());
        let anywhere = nearest(&[400, 3, 811, 5, 90, 411, 77]);
        assert!(at_equal_distances(&indices, &anywhere, 40, 1000).is_none());
        let one_hub = nearest(&[7; 7]);
        assert!(at_equal_distances(&indices, &one_hub, 40, 1000).is_none());
    }
}
