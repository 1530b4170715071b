//! Least squares with shares that add up to 1, and how far they may be off.

use rayon::prelude::*;

use super::Places;
use super::solve::{dot, inverse, times};
use crate::numeric::grid::Grid;
use crate::numeric::linalg::Dense;

/// Units of rounding by which the terms must differ in a place: below, the target snaps to one of
/// them, and the share of the larger one comes out too large.
const APART: f64 = 8.0;

/// How far beside the shares found the rounding is tried.
const BESIDE: [f64; 7] = [0.0, 0.003, -0.003, 0.01, -0.01, 0.02, -0.02];

/// Least number of pieces whose spread is an error.
const PIECES: usize = 8;

/// Shares of some bases in the target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit {
    /// Bases.
    pub terms: Vec<usize>,
    /// Share of each; they add up to 1.
    pub weights: Vec<f64>,
    /// Standard error of each.
    pub errors: Vec<f64>,
    /// Squared distance that is left beyond rounding, over the squared distance to the nearest
    /// term beyond rounding: 0 for a sum, about 1 for a relative of one term.
    pub left: f64,
    /// Squared distance that is left, rounding included.
    pub residual: f64,
    /// Squared distance that rounding alone leaves.
    pub rounding: f64,
    /// Squared distance of the target to each term.
    pub distances: Vec<f64>,
    /// Largest multiple correlation of a term's difference with those of the others; 0 with two.
    pub collinearity: f64,
    /// Places that differ enough to be used.
    pub used: u64,
}

/// Sums over the places of a piece: with r the first term, d_i = b_i − r and y = t − r.
struct Sums {
    products: Dense,
    towards: Vec<f64>,
    energy: f64,
    /// Squared distance of the target to each term.
    distances: Vec<f64>,
    used: u64,
}

/// A run of places of one tensor.
#[derive(Clone, Copy)]
struct Piece<'a> {
    places: &'a Places,
    start: usize,
    end: usize,
}

impl Piece<'_> {
    /// Calls `each` with r, the d_i and y of every place that is used.
    fn each(&self, terms: &[usize], mut each: impl FnMut(f64, &[f64], f64)) {
        let Places { values, grid, .. } = self.places;
        let target = self.places.target();
        let mut differences = vec![0.0; terms.len() - 1];
        for at in self.start..self.end {
            let reference = values[terms[0]][at];
            let (mut least, mut most) = (reference, reference);
            for (difference, term) in differences.iter_mut().zip(&terms[1..]) {
                let value = values[*term][at];
                least = least.min(value);
                most = most.max(value);
                *difference = f64::from(value) - f64::from(reference);
            }
            let spread = f64::from(most) - f64::from(least);
            let largest = most.abs().max(least.abs());
            let is_apart = spread > 0.0 && spread >= APART * grid.unit(largest);
            // Values that are not finite are apart from nothing.
            if is_apart && spread.is_finite() && target[at].is_finite() {
                let reference = f64::from(reference);
                each(reference, &differences, f64::from(target[at]) - reference);
            }
        }
    }

    fn sums(&self, terms: &[usize]) -> Sums {
        let free = terms.len() - 1;
        let mut sums = Sums {
            products: Dense::zeros(free, free),
            towards: vec![0.0; free],
            energy: 0.0,
            distances: vec![0.0; terms.len()],
            used: 0,
        };
        self.each(terms, |_, differences, y| {
            for (i, one) in differences.iter().enumerate() {
                sums.towards[i] += one * y;
                let row = sums.products.row_mut(i);
                for (sum, other) in row.iter_mut().zip(differences) {
                    *sum += one * other;
                }
                sums.distances[i + 1] += (y - one) * (y - one);
            }
            sums.energy += y * y;
            sums.distances[0] += y * y;
            sums.used += 1;
        });
        sums
    }

    /// Σ d_i·y and Σ y² of the sum of the terms with each of these free `weights`, rounded to the
    /// target's format.
    fn rounded(&self, terms: &[usize], weights: &[Vec<f64>]) -> Vec<(Vec<f64>, f64)> {
        let mut out = vec![(vec![0.0; terms.len() - 1], 0.0); weights.len()];
        self.each(terms, |reference, differences, _| {
            for ((towards, energy), weights) in out.iter_mut().zip(weights) {
                let sum = reference + dot(weights, differences);
                let y = self.places.grid.rounded(sum) - reference;
                let both = towards.iter_mut().zip(differences);
                both.for_each(|(towards, difference)| *towards += difference * y);
                *energy += y * y;
            }
        });
        out
    }
}

/// The places of each tensor; where the tensors are few, in several pieces each.
fn pieces<'a>(tensors: &[&'a Places]) -> Vec<Piece<'a>> {
    let cuts = PIECES.div_ceil(tensors.len().max(1));
    let of_tensor = |places: &&'a Places| {
        let places = *places;
        let length = places.len();
        (0..cuts).map(move |cut| Piece {
            places,
            start: length * cut / cuts,
            end: length * (cut + 1) / cuts,
        })
    };
    tensors.iter().flat_map(of_tensor).collect()
}

/// Σ over the pieces, in their order.
fn total(pieces: &[Sums], terms: usize) -> Sums {
    let mut total = Sums {
        products: Dense::zeros(terms - 1, terms - 1),
        towards: vec![0.0; terms - 1],
        energy: 0.0,
        distances: vec![0.0; terms],
        used: 0,
    };
    let add = |sum: &mut [f64], more: &[f64]| {
        let both = sum.iter_mut().zip(more);
        both.for_each(|(sum, more)| *sum += more);
    };
    for piece in pieces {
        add(&mut total.products.values, &piece.products.values);
        add(&mut total.towards, &piece.towards);
        add(&mut total.distances, &piece.distances);
        total.energy += piece.energy;
        total.used += piece.used;
    }
    total
}

/// Squared distance that the free `weights` leave.
fn residual(products: &Dense, towards: &[f64], energy: f64, weights: &[f64]) -> f64 {
    let fitted = dot(weights, &times(products, weights));
    (energy - 2.0 * dot(weights, towards) + fitted).max(0.0)
}

/// Shares of `terms` in the target of `tensors` (guide/methods.md, section 10.1).
///
/// `None` with fewer than two terms, and where the terms differ nowhere or one of them is a sum of
/// the others.
pub(crate) fn fit(tensors: &[&Places], terms: &[usize]) -> Option<Fit> {
    fit_with(tensors, terms, &BESIDE)
}

/// The same, with the errors by rounding as they are at the shares found: good enough to choose
/// terms by.
pub(super) fn fit_in_short(tensors: &[&Places], terms: &[usize]) -> Option<Fit> {
    fit_with(tensors, terms, &BESIDE[..1])
}

fn fit_with(tensors: &[&Places], terms: &[usize], tried: &[f64]) -> Option<Fit> {
    if terms.len() < 2 {
        return None;
    }
    let pieces = pieces(tensors);
    let sums: Vec<Sums> = pieces.par_iter().map(|piece| piece.sums(terms)).collect();
    let all = total(&sums, terms.len());
    let inverse = inverse(&all.products)?;
    let weights = times(&inverse, &all.towards);

    let beside: Vec<Vec<f64>> = tried.iter().map(|by| beside(&weights, *by)).collect();
    let simulated: Vec<Vec<(Vec<f64>, f64)>> = pieces
        .par_iter()
        .map(|piece| piece.rounded(terms, &beside))
        .collect();
    let mut bias = vec![0.0; terms.len()];
    let mut rounding = 0.0;
    for (at, weights) in beside.iter().enumerate() {
        let mut towards = vec![0.0; weights.len()];
        let mut energy = 0.0;
        for piece in &simulated {
            let both = towards.iter_mut().zip(&piece[at].0);
            both.for_each(|(sum, more)| *sum += more);
            energy += piece[at].1;
        }
        let found = with_first(&times(&inverse, &towards));
        for ((bias, found), truth) in bias.iter_mut().zip(found).zip(with_first(weights)) {
            *bias += (found - truth) * (found - truth) / tried.len() as f64;
        }
        if at == 0 {
            rounding = residual(&all.products, &towards, energy, weights);
        }
    }

    let spread = spread(&sums, &inverse, &weights);
    let residual = residual(&all.products, &all.towards, all.energy, &weights);
    let grids: Vec<Grid> = tensors.iter().map(|places| places.grid).collect();
    let shares = with_first(&weights);
    let largest = shares.iter().copied().map(f64::abs).fold(0.0, f64::max);
    let arithmetic = quarter_unit(&grids, largest);
    let error = |i: usize| (spread[i] + bias[i] + arithmetic * arithmetic).sqrt();
    // A sum that is computed in the target's own format is rounded once a term and once more.
    let forgiven = rounding * (terms.len() + 1) as f64;
    let nearest = all.distances.iter().copied().fold(f64::INFINITY, f64::min);
    let beyond = nearest - forgiven;
    Some(Fit {
        terms: terms.to_vec(),
        errors: (0..terms.len()).map(error).collect(),
        left: if beyond > 0.0 {
            (residual - forgiven).max(0.0) / beyond
        } else {
            1.0
        },
        residual,
        rounding,
        distances: all.distances.clone(),
        collinearity: collinearity(&all.products, &inverse),
        used: all.used,
        weights: shares,
    })
}

/// The weights with some of them a little larger and the others a little smaller.
fn beside(weights: &[f64], by: f64) -> Vec<f64> {
    let each = weights.iter().enumerate();
    each.map(|(i, weight)| weight + if i % 2 == 0 { by } else { -by })
        .collect()
}

/// All shares, of which the first is what the free ones leave of 1.
fn with_first(weights: &[f64]) -> Vec<f64> {
    let first = 1.0 - weights.iter().sum::<f64>();
    std::iter::once(first)
        .chain(weights.iter().copied())
        .collect()
}

/// Squared standard errors of all shares from the spread over the pieces.
fn spread(pieces: &[Sums], inverse: &Dense, weights: &[f64]) -> Vec<f64> {
    let mut squares = vec![0.0; weights.len() + 1];
    let mut count = 0.0;
    for piece in pieces.iter().filter(|piece| piece.used > 0) {
        let fitted = times(&piece.products, weights);
        let off: Vec<f64> = piece
            .towards
            .iter()
            .zip(fitted)
            .map(|(t, f)| t - f)
            .collect();
        let moved = times(inverse, &off);
        squares[0] += moved.iter().sum::<f64>().powi(2);
        let free = squares[1..].iter_mut().zip(&moved);
        free.for_each(|(square, moved)| *square += moved * moved);
        count += 1.0;
    }
    if count < 2.0 {
        return vec![1.0; squares.len()];
    }
    squares.iter().map(|s| s * count / (count - 1.0)).collect()
}

/// A quarter of the unit of rounding of the largest share in the target's format: where the sum was
/// computed in that format, the shares themselves were rounded.
fn quarter_unit(grids: &[Grid], share: f64) -> f64 {
    let units = grids.iter().map(|grid| grid.unit(share as f32));
    0.25 * units.fold(0.0, f64::max)
}

fn collinearity(products: &Dense, inverse: &Dense) -> f64 {
    let outside = |i: usize| 1.0 / (products.row(i)[i] * inverse.row(i)[i]);
    let least = (0..products.rows).map(outside).fold(1.0, f64::min);
    (1.0 - least).max(0.0).sqrt()
}

/// ‖t − Σ wᵢ·bᵢ‖² / ‖t‖² over all places; `None` where the target is zero.
pub(crate) fn unexplained(tensors: &[&Places], terms: &[usize], weights: &[f64]) -> Option<f64> {
    let of_tensor = |places: &&Places| {
        let (mut left, mut energy) = (0.0, 0.0);
        for (at, target) in places.target().iter().enumerate() {
            let target = f64::from(*target);
            let terms = terms.iter().zip(weights);
            let sum: f64 = terms
                .map(|(term, weight)| weight * f64::from(places.values[*term][at]))
                .sum();
            if target.is_finite() && sum.is_finite() {
                left += (target - sum) * (target - sum);
                energy += target * target;
            }
        }
        (left, energy)
    };
    let sums: Vec<(f64, f64)> = tensors.par_iter().map(of_tensor).collect();
    let (left, energy) = sums
        .iter()
        .fold((0.0, 0.0), |(l, e), (left, energy)| (l + left, e + energy));
    (energy > 0.0).then(|| (left / energy).min(1.0))
}
