//! Leading singular vectors of a matrix with two long sides: a range finder that states its error.

use super::{Leading, NoSubspace, Side, Step, Tiles, orthonormal, resolved};
use crate::numeric::linalg::{Dense, orthonormal_rows, symmetric_eigen};
use crate::numeric::rng::Draws;

/// Vectors of the range finder beyond those asked for.
const OVERSAMPLING: usize = 8;

/// Multiplications with the Gram matrix: two power steps, and one for the Ritz values.
const LEAST_STEPS: usize = 3;

/// Where the spectrum falls so slowly that the residuals are still large, it goes on up to here.
const MOST_STEPS: usize = 16;

/// Mean sine of the angles between found and true vectors that is near enough.
const NEAR_ENOUGH: f64 = 2e-4;

/// By a randomised range finder (Halko, Martinsson and Tropp 2011) on the Gram matrix of the
/// shorter side that keeps the vectors of all its power steps, a block Krylov space (Musco and
/// Musco 2015): the same passes over the rows, a much smaller error.
pub(super) fn by_range(tiles: &Tiles, side: Side, k: usize) -> Step<Leading> {
    let (rows, columns) = (tiles.source.rows(), tiles.source.columns());
    let short = if rows < columns {
        Side::Rows
    } else {
        Side::Columns
    };
    let length = short.dimension(tiles.source);
    let mut block = if side == short {
        tiles.across(short, &random_signs(k + OVERSAMPLING, rows.max(columns)))?
    } else {
        tiles.gram_times(short, &random_signs(k + OVERSAMPLING, length))?
    };
    let mut basis = Dense::zeros(0, length);
    let mut images = Dense::zeros(0, length);
    let mut ritz = Ritz::default();
    for step in 1..=MOST_STEPS {
        let fresh = outside(&basis, &block);
        if fresh.rows == 0 {
            break;
        }
        block = tiles.gram_times(short, &fresh)?;
        basis.append(&fresh);
        images.append(&block);
        ritz = Ritz::new(&basis, &images, k)?;
        if step >= LEAST_STEPS && ritz.deviation <= NEAR_ENOUGH * k as f64 {
            break;
        }
    }
    let found = resolved(&ritz.values, ritz.vectors, k)?;
    let vectors = if side == short {
        found
    } else {
        orthonormal(&tiles.across(side, &found)?)
    };
    Ok(Leading {
        vectors,
        deviation: Some(ritz.deviation),
    })
}

/// `count` vectors of random signs, one a row.
pub(super) fn random_signs(count: usize, length: usize) -> Dense {
    let mut draws = Draws::new(0, "range finder");
    let mut out = Dense::zeros(count, length);
    for i in 0..length {
        let bits = draws.below(1 << count);
        for j in 0..count {
            out.values[j * length + i] = if bits >> j & 1 == 1 { 1.0 } else { -1.0 };
        }
    }
    out
}

/// An orthonormal basis of what the rows of `block` have outside the span of `basis`; twice, since
/// once loses digits.
pub(super) fn outside(basis: &Dense, block: &Dense) -> Dense {
    let mut rest = orthonormal_rows(block);
    for _ in 0..2 {
        if basis.rows > 0 {
            let within = basis.times_transposed(&rest);
            rest.add_transposed_times(&within, basis, -1.0);
        }
        drop_short(&mut rest);
        rest = orthonormal_rows(&rest);
    }
    rest
}

/// Drops rows that are rounding noise of vectors once of length 1, lest scaling them up make
/// vectors of them.
fn drop_short(rows: &mut Dense) {
    let kept: Vec<usize> = (0..rows.rows)
        .filter(|&i| rows.row(i).iter().map(|v| v * v).sum::<f64>() > 1e-20)
        .collect();
    rows.values = kept.iter().flat_map(|&i| rows.row(i).to_vec()).collect();
    rows.rows = kept.len();
}

/// Eigenvalues and eigenvectors of C as seen from a subspace (Rayleigh and Ritz).
pub(super) struct Ritz {
    values: Vec<f64>,
    pub(super) vectors: Dense,
    pub(super) deviation: f64,
}

impl Default for Ritz {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            vectors: Dense::zeros(0, 0),
            deviation: 0.0,
        }
    }
}

impl Ritz {
    /// From an orthonormal basis and its images under C, one vector a row; the k leading vectors
    /// are kept.
    pub(super) fn new(basis: &Dense, images: &Dense, k: usize) -> Step<Self> {
        let eigen =
            symmetric_eigen(&images.times_transposed(basis)).ok_or(NoSubspace::NonFinite)?;
        let mut weights = eigen.vectors;
        weights.truncate(k + OVERSAMPLING);
        let mut vectors = weights.times(basis);
        let mut residuals = weights.times(images);
        for i in 0..residuals.rows {
            let value = eigen.values[i];
            residuals
                .row_mut(i)
                .iter_mut()
                .zip(vectors.row(i))
                .for_each(|(r, v)| *r -= value * v);
        }
        let norms: Vec<f64> = (0..residuals.rows)
            .map(|i| residuals.row(i).iter().map(|v| v * v).sum::<f64>().sqrt())
            .collect();
        let deviation = deviation(&eigen.values, &norms, k);
        vectors.truncate(k);
        Ok(Self {
            values: eigen.values,
            vectors,
            deviation,
        })
    }
}

/// Sum of the sines of the angles between the k leading Ritz vectors and the true ones, estimated
/// from above.
///
/// A Ritz vector with value θ and residual ρ has at most ρ / (θ − λ) of its length outside the j
/// leading eigenvectors, λ < θ being an upper bound of the other eigenvalues; over j vectors these
/// lengths add up to no less than the sum of the sines. The k − j vectors after them count 1 each,
/// and j is the best choice. Residuals are orthogonal to the basis, so that one multiplication with
/// W does not enlarge them against the values: it holds on both sides.
///
/// What makes it an estimate is λ, eigenvalue j + 1: its Ritz value plus the residual, or, where
/// the next one is well apart, plus residual² / distance (Kato 1949, Temple 1928). That fails if
/// the random start missed an eigenvector.
fn deviation(values: &[f64], residuals: &[f64], k: usize) -> f64 {
    let mut above = vec![0.0; residuals.len() + 1];
    for i in (0..residuals.len()).rev() {
        let (value, residual) = (values[i], residuals[i]);
        let distance = value
            - if i + 1 < residuals.len() {
                above[i + 1]
            } else {
                value
            };
        above[i] = value
            + if distance > residual {
                residual * residual / distance
            } else {
                residual
            };
    }
    (1..=k.min(residuals.len())).fold(k as f64, |least, j| {
        let outside = |i: usize| {
            let gap = values[i] - above[j];
            if gap > residuals[i] {
                residuals[i] / gap
            } else {
                1.0
            }
        };
        least.min((0..j).map(outside).sum::<f64>() + (k - j) as f64)
    })
}
