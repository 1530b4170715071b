//! Features that know no tokens, no basis and no order (guide/methods.md, section 8.4): how a unit stands
//! to the rows of the model's other matrices, sorted.

use crate::error::Result;
use crate::numeric::linalg::products;
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::stats::units::{Held, TILE};

/// Quantiles kept of a unit's cosines with one matrix.
pub(crate) const QUANTILES: usize = 48;

/// Rows of another matrix that units are compared with: seeded ones where it has more.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    rows: Held,
    signs_are_free: bool,
}

impl Reference {
    /// At most `most` rows of `source`, the same seed giving the same choice. Which rows they are
    /// need not correspond between two models; fewer rows make the quantiles coarser.
    /// `signs_are_free` where a row may be negated (up and down of a gated feed-forward).
    ///
    /// # Errors
    /// When they cannot be read.
    ///
    /// # Panics
    /// When the matrix has no columns.
    pub(crate) fn read(
        source: &dyn RowSource,
        most: usize,
        seed: u64,
        signs_are_free: bool,
    ) -> Result<Self> {
        let chosen = Draws::new(seed, "reference rows").distinct(most, source.rows());
        let width = source.columns();
        let mut values = vec![0.0f32; chosen.len() * width];
        for (&row, place) in chosen.iter().zip(values.chunks_exact_mut(width)) {
            source.read_rows(row..row + 1, place)?;
        }
        Ok(Self {
            rows: Held::new(values, width),
            signs_are_free,
        })
    }
}

/// Sorted cross-Gram features of units, gathered reference by reference.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrossGram {
    units: usize,
    /// Of each reference the quantiles of every unit, standardised over the units.
    parts: Vec<Vec<f32>>,
}

impl CrossGram {
    /// Features of the rows of `source` by each of `references`, none of which is the matrix
    /// itself. References of another width, or without rows, are left out of both sides by the
    /// caller. With `signs_are_free`, of the units or of a reference, |cosine| is taken.
    ///
    /// Cost: units × rows of all references × width. Memory: units × references × 48 values and a
    /// tile.
    ///
    /// # Errors
    /// When rows cannot be read.
    ///
    /// # Panics
    /// When a reference has another width.
    pub(crate) fn of(
        source: &dyn RowSource,
        signs_are_free: bool,
        references: &[&Reference],
    ) -> Result<Self> {
        let (units, width) = (source.rows(), source.columns());
        let mut parts = vec![Vec::with_capacity(units * QUANTILES); references.len()];
        let mut sorted = Vec::new();
        let fits = |reference: &&Reference| !reference.rows.values().is_empty();
        let there: Vec<bool> = references
            .iter()
            .map(|reference| width > 0 && fits(reference))
            .collect();
        for start in (0..units).step_by(TILE) {
            let tile = TILE.min(units - start);
            let mut values = vec![0.0f32; tile * width];
            source.read_rows(start..start + tile, &mut values)?;
            let held = Held::new(values, width.max(1));
            for ((part, reference), there) in parts.iter_mut().zip(references).zip(&there) {
                if !there {
                    part.resize(part.len() + tile * QUANTILES, 0.0);
                    continue;
                }
                let rows = reference.rows.values();
                let count = rows.len() / width.max(1);
                sorted.resize(tile * count, 0.0);
                products(held.values(), rows, width, &mut sorted);
                for cosines in sorted.chunks_exact_mut(count) {
                    if signs_are_free || reference.signs_are_free {
                        cosines.iter_mut().for_each(|x| *x = x.abs());
                    }
                    cosines.sort_unstable_by(f32::total_cmp);
                    part.extend((0..QUANTILES).map(|at| quantile(cosines, at)));
                }
            }
        }
        for part in &mut parts {
            standardise(part);
        }
        Ok(Self { units, parts })
    }

    /// The features by the references numbered `which`, joined.
    ///
    /// # Panics
    /// When a number is out of range or there is none.
    pub(crate) fn features(&self, which: &[usize]) -> Held {
        let mut values = Vec::with_capacity(self.units * which.len() * QUANTILES);
        for unit in 0..self.units {
            for &part in which {
                let own = unit * QUANTILES..(unit + 1) * QUANTILES;
                values.extend_from_slice(&self.parts[part][own]);
            }
        }
        Held::new(values, which.len() * QUANTILES)
    }
}

/// The value at place `at` of 48 evenly spread over sorted values, between neighbours by their
/// distance.
fn quantile(sorted: &[f32], at: usize) -> f32 {
    let place = at as f32 * (sorted.len() - 1) as f32 / (QUANTILES - 1) as f32;
    let below = (place.floor() as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f32) * (sorted[above] - sorted[below])
}

/// Each quantile less its mean over the units, by its deviation.
fn standardise(part: &mut [f32]) {
    let units = (part.len() / QUANTILES).max(1) as f64;
    let (mut sums, mut squares) = ([0.0f64; QUANTILES], [0.0f64; QUANTILES]);
    for row in part.chunks_exact(QUANTILES) {
        for (at, &x) in row.iter().enumerate() {
            sums[at] += f64::from(x) / units;
        }
    }
    for row in part.chunks_exact(QUANTILES) {
        for (at, &x) in row.iter().enumerate() {
            squares[at] += (f64::from(x) - sums[at]).powi(2) / units;
        }
    }
    for row in part.chunks_exact_mut(QUANTILES) {
        for (at, x) in row.iter_mut().enumerate() {
            *x = ((f64::from(*x) - sums[at]) / (squares[at].sqrt() + 1e-9)) as f32;
        }
    }
}
