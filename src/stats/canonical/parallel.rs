//! Which units have one gate: by random projections of all gates, then by the rows of those that may
//! be parallel.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::numeric::linalg::{inner_product, products, squared_length};
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::numeric::wide::widest;

use super::{FeedForward, Folded, TILE};

/// |cosine| of gates from which on units are one group.
const PARALLEL: f64 = 0.999;

/// Projections that stand for a gate while parallel ones are looked for.
const SKETCH: usize = 16;

/// What is kept of the gates.
pub(super) struct Sketched {
    /// Of each gate, the gain of the norm folded in.
    pub(super) lengths: Vec<f64>,
    /// Effective ones: the unit's own and what the norm's offset gives through its row.
    pub(super) biases: Vec<f64>,
    /// Projections of each gate, bias included, at length 1 on random directions, [`SKETCH`] each.
    projections: Vec<f32>,
}

/// Reads the gates once.
///
/// # Errors
/// When rows cannot be read.
pub(super) fn sketch(layer: &FeedForward<'_>, gate: &Folded<'_>, seed: u64) -> Result<Sketched> {
    let (units, width) = (gate.rows(), gate.columns());
    let mut draws = Draws::new(seed, "directions of gates");
    let directions: Vec<f32> = (0..SKETCH * width).map(|_| draws.normal() as f32).collect();
    let bias_directions: Vec<f64> = (0..SKETCH).map(|_| draws.normal()).collect();
    let mut out = Sketched {
        lengths: Vec::with_capacity(units),
        biases: Vec::with_capacity(units),
        projections: Vec::with_capacity(units * SKETCH),
    };
    let mut values = vec![0.0f32; TILE.min(units) * width];
    let mut stored = values.clone();
    let mut projected = vec![0.0f32; TILE.min(units) * SKETCH];
    for start in (0..units).step_by(TILE) {
        let end = units.min(start + TILE);
        let values = &mut values[..(end - start) * width];
        gate.read_rows(start..end, values)?;
        if layer.norm.offset.is_some() {
            layer.gate.read_rows(start..end, &mut stored)?;
        }
        let projected = &mut projected[..(end - start) * SKETCH];
        products(values, &directions, width, projected);
        for (at, row) in values.chunks_exact(width).enumerate() {
            let length = squared_length(row).sqrt();
            let own = layer
                .gate_bias
                .map_or(0.0, |bias| f64::from(bias[start + at]));
            let through = layer.norm.offset.map_or(0.0, |offset| {
                inner_product(&stored[at * width..(at + 1) * width], offset)
            });
            let bias = own + through;
            let whole = (length * length + bias * bias).sqrt();
            let scale = if whole > 0.0 { whole.recip() } else { 0.0 };
            out.lengths.push(length);
            out.biases.push(bias);
            let products = &projected[at * SKETCH..(at + 1) * SKETCH];
            out.projections.extend(
                (products.iter().zip(&bias_directions))
                    .map(|(&p, d)| ((f64::from(p) + bias * d) * scale) as f32),
            );
        }
    }
    Ok(out)
}

/// Groups of at least two `candidates` whose gates are parallel, found by their sketches and checked
/// by their rows. A pair of parallel gates differs by 0.0447 at most, so its sketches differ by √16
/// times that and little more.
///
/// # Errors
/// When rows cannot be read.
pub(super) fn parallel_groups(
    layer: &FeedForward<'_>,
    gate: &Folded<'_>,
    sketched: &Sketched,
    candidates: &[usize],
) -> Result<Vec<Vec<usize>>> {
    let apart = (2.0 * (1.0 - PARALLEL)).sqrt();
    let (window, most) = (5.0 * apart, 60.0 * apart * apart);
    let (projections, []) = sketched.projections.as_chunks::<SKETCH>() else {
        return Ok(Vec::new());
    };
    let near = |one: usize, other: usize| {
        let (a, b) = (&projections[one], &projections[other]);
        [1.0f32, -1.0].into_iter().any(|sign| {
            let mut left = most;
            a.iter().zip(b).all(|(x, y)| {
                left -= f64::from(x - sign * y).powi(2);
                left >= 0.0
            })
        })
    };
    let window = window as f32;
    let cells = cells(projections, candidates, window);
    let mut parents: Vec<usize> = (0..gate.rows()).collect();
    let mut others: Vec<usize> = Vec::new();
    for (&place, cell) in &cells {
        let beside: Vec<&Vec<Standing>> = later_neighbours(place)
            .filter_map(|place| cells.get(&place))
            .collect();
        for (at, own) in cell.iter().enumerate() {
            others.clear();
            others.extend(own.within(&cell[at + 1..], window));
            for cell in &beside {
                others.extend(own.within(cell, window));
            }
            let one = own.unit;
            keep_near(&mut others, one, projections, most);
            for &other in &others {
                let (a, b) = (root(&parents, one), root(&parents, other));
                if a != b && near(one, other) && are_parallel(layer, gate, sketched, one, other)? {
                    parents[a.max(b)] = a.min(b);
                }
            }
        }
    }
    let mut groups = BTreeMap::<usize, Vec<usize>>::new();
    for &unit in candidates {
        groups.entry(root(&parents, unit)).or_default().push(unit);
    }
    Ok(groups
        .into_values()
        .filter(|group| group.len() > 1)
        .collect())
}

/// Where a unit stands: the sizes of its first projections.
struct Standing {
    sizes: [f32; 3],
    unit: usize,
}

impl Standing {
    /// Units among `others`, which stand in the order of their third sizes, whose sizes are all
    /// within `window` of its own.
    fn within(&self, others: &[Self], window: f32) -> impl Iterator<Item = usize> {
        let is_within =
            move |other: &Self, at: usize| (other.sizes[at] - self.sizes[at]).abs() <= window;
        let low = self.sizes[2] - window;
        let first = others.partition_point(|other| other.sizes[2] < low);
        let others = others[first..].iter();
        others
            .take_while(move |other| is_within(other, 2))
            .filter(move |other| is_within(other, 0) && is_within(other, 1))
            .map(|other| other.unit)
    }
}

/// Units in cells by their first two sizes, in each by the third: those that are within a window of
/// one another stand in one cell or in neighbouring ones.
fn cells(
    projections: &[[f32; SKETCH]],
    units: &[usize],
    window: f32,
) -> BTreeMap<(u32, u32), Vec<Standing>> {
    let mut cells: BTreeMap<(u32, u32), Vec<Standing>> = BTreeMap::new();
    for &unit in units {
        let own = &projections[unit];
        let sizes = [own[0].abs(), own[1].abs(), own[2].abs()];
        let [first, second] = [0, 1].map(|at| (sizes[at] / window) as u32);
        let cell = cells.entry((first, second)).or_default();
        cell.push(Standing { sizes, unit });
    }
    for cell in cells.values_mut() {
        let order = |a: &Standing, b: &Standing| a.sizes[2].total_cmp(&b.sizes[2]);
        cell.sort_by(|a, b| order(a, b).then(a.unit.cmp(&b.unit)));
    }
    cells
}

/// The neighbours of a cell that come after it, so that each two are held together once.
fn later_neighbours((first, second): (u32, u32)) -> impl Iterator<Item = (u32, u32)> {
    let next = first.checked_add(1);
    let above = second.checked_add(1);
    let below = second.checked_sub(1);
    let in_next = [below, Some(second), above].into_iter().flatten();
    let in_next = next
        .into_iter()
        .flat_map(move |next| in_next.clone().map(move |at| (next, at)));
    above.map(|above| (first, above)).into_iter().chain(in_next)
}

/// Keeps those of `others` whose projections are not farther from those of `one` than `most`, as a
/// square and up to a sign; with a margin, for |a ∓ b|² is taken from sums in single precision.
fn keep_near(others: &mut Vec<usize>, one: usize, projections: &[[f32; SKETCH]], most: f64) {
    const MARGIN: f64 = 1e-3;
    let inner = |a: &[f32; SKETCH], b: &[f32; SKETCH]| {
        let mut products = [0.0f32; SKETCH];
        for at in 0..SKETCH {
            products[at] = a[at] * b[at];
        }
        // Halves added to halves: no sum waits long for another.
        let mut size = SKETCH / 2;
        while size > 0 {
            for at in 0..size {
                products[at] += products[at + size];
            }
            size /= 2;
        }
        products[0]
    };
    let own = &projections[one];
    widest(
        #[inline(always)]
        || {
            let square = inner(own, own);
            others.retain(|&other| {
                let other = &projections[other];
                let apart = square + inner(other, other) - 2.0 * inner(own, other).abs();
                f64::from(apart) <= most + MARGIN * f64::from(1.0 + square)
            });
        },
    );
}

fn root(parents: &[usize], mut at: usize) -> usize {
    while parents[at] != at {
        at = parents[at];
    }
    at
}

fn are_parallel(
    layer: &FeedForward<'_>,
    gate: &Folded<'_>,
    sketched: &Sketched,
    one: usize,
    other: usize,
) -> Result<bool> {
    let width = layer.gate.columns();
    let mut rows = vec![0.0f32; 2 * width];
    gate.read_rows(one..one + 1, &mut rows)?;
    gate.read_rows(other..other + 1, &mut rows[width..])?;
    let (a, b) = rows.split_at(width);
    let dot = inner_product(a, b) + sketched.biases[one] * sketched.biases[other];
    let whole = |unit: usize| sketched.lengths[unit].hypot(sketched.biases[unit]);
    Ok(dot.abs() > PARALLEL * whole(one) * whole(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_within_a_window_are_found_in_their_cells_and_in_no_others() {
        let mut draws = Draws::new(2, "cells");
        let projections: Vec<[f32; SKETCH]> = (0..300)
            .map(|_| std::array::from_fn(|_| draws.normal() as f32))
            .collect();
        let window = 0.2;
        let units: Vec<usize> = (0..300).filter(|unit| unit % 7 != 0).collect();
        let size = |unit: usize, at: usize| projections[unit][at].abs();
        let are_within =
            |a: usize, b: usize| (0..3).all(|at| (size(a, at) - size(b, at)).abs() <= window);
        let mut expected: Vec<(usize, usize)> = Vec::new();
        for &a in &units {
            let later = units.iter().filter(|&&b| b > a && are_within(a, b));
            expected.extend(later.map(|&b| (a, b)));
        }
        assert!(expected.len() > 100);

        let cells = cells(&projections, &units, window);
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (&place, cell) in &cells {
            for (at, own) in cell.iter().enumerate() {
                let beside = later_neighbours(place).filter_map(|place| cells.get(&place));
                let others = std::iter::once(&cell[at + 1..]).chain(beside.map(|cell| &cell[..]));
                let others = others.flat_map(|others| own.within(others, window));
                found.extend(others.map(|other| (own.unit.min(other), own.unit.max(other))));
            }
        }
        found.sort_unstable();
        assert_eq!(found, expected);

        // What is near, up to a sign, is kept whatever single precision makes of it.
        let mut near = projections[..40].to_vec();
        for (at, own) in near.iter_mut().enumerate().skip(20) {
            let sign = if at % 2 == 0 { 1.0 } else { -1.0 };
            own.iter_mut().for_each(|x| *x = sign * (*x + 1e-3));
        }
        near.extend_from_slice(&projections[20..40]);
        for one in 20..40 {
            let mut others: Vec<usize> = (0..60).filter(|&other| other != one).collect();
            keep_near(&mut others, one, &near, 0.12);
            assert_eq!(others, [one + 20]);
        }
    }
}
