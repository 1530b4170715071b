//! Matrices of a rotated copy that lie inside larger ones: the norms of their rows or columns stand
//! there in a row, though no value is what it was.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::model::sides::{Side, Sides};
use crate::view::logical::Logical;

use super::Item;
use super::holds::may_hold;
use super::profile::{CHANCE, Profiles, SURELY_ALIKE};
use super::runs::{Found, FoundAt, Reading, Shape, apart, is_plain, spot};

/// Distances between the rows of a matrix inside another: on top of one another, and taken in turn
/// with one or two others.
const STEPS: std::ops::RangeInclusive<usize> = 1..=3;

/// Norms that are looked at first.
const FIRST: usize = 48;

/// Least correlation of the first ones.
const FIRST_ALIKE: f64 = 0.5;

/// Products that are spent on two models.
const MOST_PRODUCTS: usize = 1 << 34;

/// Norms of what is looked for.
struct Probe<'a> {
    piece: usize,
    shape: Shape,
    /// Rows of the matrix, or its columns.
    norms: &'a [f32],
    /// Their length.
    length: u64,
}

/// Matrices of the other side whose norms stand in a row in a matrix of `side`.
pub(super) fn find(
    side: Side,
    left: &Sides<Vec<Item>>,
    profiles: &Sides<Profiles>,
    gone: &Sides<BTreeSet<usize>>,
) -> Vec<Found> {
    let is_open = |side: Side, at: usize| {
        is_plain(&left.get(side)[at].logical) && !gone.get(side).contains(&at)
    };
    let mut probes = Vec::new();
    for (piece, rows, columns) in profiles.get(side.other()).norms() {
        let [count, length] = left.get(side.other())[piece].logical.shape[..] else {
            continue;
        };
        if !is_open(side.other(), piece) {
            continue;
        }
        let ways = [
            (Shape::Rows, rows, length),
            (Shape::Columns, columns, count),
        ];
        for (shape, norms, length) in ways.into_iter().filter(|(_, norms, _)| !norms.is_empty()) {
            probes.push(Probe {
                piece,
                shape,
                norms,
                length,
            });
        }
    }
    let mut spent = 0usize;
    let mut out: Vec<Found> = Vec::new();
    let mut taken = BTreeSet::new();
    for (whole, rows, columns) in profiles.get(side).norms() {
        let logical = &*left.get(side)[whole].logical;
        let [count, length] = logical.shape[..] else {
            continue;
        };
        if !is_open(side, whole) {
            continue;
        }
        let mut best: Vec<Found> = Vec::new();
        for (norms, length, transposed) in [(rows, length, false), (columns, count, true)] {
            let wanted: Vec<&Probe> = probes
                .iter()
                .filter(|probe| {
                    let piece = &left.get(side.other())[probe.piece].logical;
                    probe.length == length
                        && probe.norms.len() < norms.len()
                        && !taken.contains(&probe.piece)
                        && may_hold(logical, piece)
                })
                .collect();
            let products = wanted.len().saturating_mul(norms.len() * FIRST);
            spent = spent.saturating_add(products);
            if wanted.is_empty() || spent > MOST_PRODUCTS {
                continue;
            }
            let reading = Reading::new(logical, transposed);
            let found = wanted.par_iter().filter_map(|probe| {
                let (start, step, likeness) = most_alike(norms, probe.norms)?;
                let run = (start, probe.norms.len(), step);
                Some((probe.piece, spot(reading, run, probe.shape), likeness))
            });
            let found = apart(found.collect::<Vec<FoundAt>>(), whole);
            if elements(left.get(side.other()), &found) > elements(left.get(side.other()), &best) {
                best = found;
            }
        }
        taken.extend(best.iter().map(|found| found.piece));
        out.extend(best);
    }
    out
}

/// Elements of what was found.
pub(super) fn elements(other: &[Item], found: &[Found]) -> u64 {
    let pieces = found.iter().map(|found| &other[found.piece].logical);
    pieces
        .map(|piece: &std::sync::Arc<Logical>| piece.elements())
        .sum()
}

/// Where the norms of a matrix stand among those of a larger one: the first, the distance, and the
/// correlation.
fn most_alike(among: &[f32], norms: &[f32]) -> Option<(usize, usize, f64)> {
    let mut best: Option<(usize, usize, f64)> = None;
    let first = &norms[..norms.len().min(FIRST)];
    for step in STEPS {
        let extent = (norms.len() - 1) * step + 1;
        for start in 0..(among.len() + 1).saturating_sub(extent) {
            let stand = |count: usize| among[start..].iter().step_by(step).take(count).copied();
            let is_near = correlation(stand(first.len()), first) >= FIRST_ALIKE;
            let likeness = match is_near {
                true => correlation(stand(norms.len()), norms),
                false => continue,
            };
            if best.is_none_or(|(_, _, most)| likeness > most) {
                best = Some((start, step, likeness));
            }
        }
    }
    let is_sure = |likeness: f64| {
        likeness >= SURELY_ALIKE && likeness * (norms.len() as f64).sqrt() >= CHANCE
    };
    best.filter(|(_, _, likeness)| is_sure(*likeness))
}

fn correlation(a: impl Iterator<Item = f32>, b: &[f32]) -> f64 {
    let mut sums = [0.0f64; 5];
    for (a, b) in a.zip(b) {
        let (a, b) = (f64::from(a), f64::from(*b));
        let terms = [a, b, a * a, b * b, a * b];
        sums.iter_mut()
            .zip(terms)
            .for_each(|(sum, term)| *sum += term);
    }
    let n = b.len() as f64;
    let [a, b, aa, bb, ab] = sums;
    let spread = ((aa - a * a / n) * (bb - b * b / n)).sqrt();
    if spread > 0.0 {
        (ab - a * b / n) / spread
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    #[test]
    fn norms_are_found_on_top_and_in_turn() {
        let mut draws = Draws::new(1, "norms");
        let all: Vec<f32> = (0..400).map(|_| draws.normal() as f32).collect();
        let scaled =
            |at: usize, draws: &mut Draws| 3.0 * all[at] + 1.0 + 0.1 * draws.normal() as f32;
        let on_top: Vec<f32> = (0..64).map(|at| scaled(100 + at, &mut draws)).collect();
        let in_turn: Vec<f32> = (0..64).map(|at| scaled(31 + 2 * at, &mut draws)).collect();
        let strange: Vec<f32> = (0..64).map(|_| draws.normal() as f32).collect();
        let place = |norms: &[f32]| most_alike(&all, norms).map(|(start, step, _)| (start, step));
        assert_eq!(place(&on_top), Some((100, 1)));
        assert_eq!(place(&in_turn), Some((31, 2)));
        assert_eq!(place(&strange), None);
    }
}
