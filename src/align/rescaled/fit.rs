//! How much of the factors that rows or columns should carry a pair of matrices does carry.

use crate::error::Result;
use crate::model::sides::{Side, Sides};
use crate::numeric::linalg::{inner_product, squared_length};
use crate::numeric::rows::RowSource;
use crate::numeric::wide::widest;
use crate::view::reader::View;

use super::Axis;

/// Rows of a matrix that are looked at for the factors of its columns.
pub(super) const ROWS_LOOKED_AT: usize = 64;

/// Values of a matrix that are read at a time.
const VALUES_READ: usize = 1 << 22;

/// Least correlation of a column with its counterpart that counts as likeness. Independent columns
/// reach 0.5 by chance on 64 rows once in 10⁵.
const LIKE: f64 = 0.5;

/// Quotients of factors below this, negative ones among them, count as this.
const LEAST_QUOTIENT: f64 = 0.1;

/// What a change of sign counts beside the square of a factor's logarithm.
const SIGN_FLIPPED: f64 = 4.0;

/// Sums of each row or column of a pair: its least-squares factor, target over base, is Σab/Σa².
pub(super) struct Fit {
    products: Vec<f64>,
    base: Vec<f64>,
    target: Vec<f64>,
    /// Whether the base was multiplied by the expected factors first, so that a factor of 1 is
    /// left.
    taken_off: bool,
}

impl Fit {
    /// Sums over the first `rows` rows for each unit along `axis`. With the factors that columns are
    /// expected to carry, the base is multiplied by them and rows count alike on both sides: they may
    /// be rescaled too.
    fn over_rows(
        views: &Sides<View<'_>>,
        rows: usize,
        expected: Option<&[f32]>,
        axis: Axis,
    ) -> Result<Self> {
        let count = match axis {
            Axis::Rows => rows,
            Axis::Columns => views.base.columns(),
        };
        let zeros = || vec![0.0; count];
        let mut out = Self {
            products: zeros(),
            base: zeros(),
            target: zeros(),
            taken_off: expected.is_some(),
        };
        let columns = views.base.columns();
        let height = ROWS_LOOKED_AT
            .min(VALUES_READ / columns.max(1))
            .clamp(1, rows.max(1));
        let mut tiles = Sides {
            base: vec![0.0f32; height * columns],
            target: vec![0.0f32; height * columns],
        };

        for start in (0..rows).step_by(height) {
            let tile = start..(start + height).min(rows);
            for side in Side::BOTH {
                let values = tiles.get_mut(side);
                views.get(side).read_rows(tile.clone(), values)?;
            }
            let base_rows = tiles.base.chunks_exact_mut(columns);
            let target_rows = tiles.target.chunks_exact_mut(columns);
            for (row, (a, b)) in tile.zip(base_rows.zip(target_rows)) {
                if let Some(factors) = expected {
                    a.iter_mut()
                        .zip(factors)
                        .for_each(|(a, factor)| *a *= factor);
                    to_unit_length(a);
                    to_unit_length(b);
                }
                match axis {
                    Axis::Rows => {
                        out.products[row] = inner_product(a, b);
                        out.base[row] = squared_length(a);
                        out.target[row] = squared_length(b);
                    }
                    Axis::Columns => out.add_to_columns(a, b),
                }
            }
        }
        Ok(out)
    }

    fn add_to_columns(&mut self, a: &[f32], b: &[f32]) {
        widest(
            #[inline(always)]
            || {
                let own = self.base.iter_mut().zip(&mut self.target);
                let sums = self.products.iter_mut().zip(own);
                for ((product, (base, target)), (&a, &b)) in sums.zip(a.iter().zip(b)) {
                    let (a, b) = (f64::from(a), f64::from(b));
                    *product += a * b;
                    *base += a * a;
                    *target += b * b;
                }
            },
        );
    }

    /// The sums of each column over the first `rows` rows.
    pub(super) fn of_columns(
        views: &Sides<View<'_>>,
        rows: usize,
        expected: Option<&[f32]>,
    ) -> Result<Self> {
        let rows = rows.min(views.base.rows());
        Self::over_rows(views, rows, expected, Axis::Columns)
    }

    /// The sums of each row.
    pub(super) fn of_rows(views: &Sides<View<'_>>) -> Result<Self> {
        Self::over_rows(views, views.base.rows(), None, Axis::Rows)
    }

    /// The factor of each unit; 1 where there is none.
    pub(super) fn factors(&self) -> Vec<f32> {
        let factor = |(ab, aa): (&f64, &f64)| {
            if *ab != 0.0 && *aa > 0.0 {
                (ab / aa) as f32
            } else {
                1.0
            }
        };
        self.products.iter().zip(&self.base).map(factor).collect()
    }

    /// Which part of these factors the units do not carry: the square of ln(own/factor) beside that
    /// of ln(factor), each unit weighed by its own square. Rounding of the base makes Σab/Σa² too
    /// small and leaves Σb²/Σab alone, that of the target the other way round, so the smaller of
    /// the two counts. Infinite where the factors are all 1.
    pub(super) fn unexplained(&self, factors: &[f32]) -> f64 {
        let mut size = 0.0;
        let mut left_by_base = 0.0;
        let mut left_by_target = 0.0;
        for (i, factor) in factors.iter().enumerate() {
            let (product, base, target) = (self.products[i], self.base[i], self.target[i]);
            let factor = f64::from(*factor);
            let expected = if self.taken_off { 1.0 } else { factor };
            let by_base = product / base.max(f64::MIN_POSITIVE);
            let by_target = (target / product.abs().max(f64::MIN_POSITIVE)).copysign(product);

            // A unit that is unlike its counterpart carries nothing.
            let left = |own: f64| (own / expected).max(LEAST_QUOTIENT).ln().powi(2);
            left_by_base += base * left(by_base);
            left_by_target += base * left(by_target);

            let flipped = if factor < 0.0 { SIGN_FLIPPED } else { 0.0 };
            size += base * (factor.abs().ln().powi(2) + flipped);
        }
        let share = left_by_base.min(left_by_target) / size;
        if size > 0.0 && share.is_finite() {
            share
        } else {
            f64::INFINITY
        }
    }

    /// Whether at least half of the units are like their counterparts, each counted once: a few
    /// large ones prove nothing.
    pub(super) fn is_alike(&self) -> bool {
        let product = |at: usize| {
            if self.taken_off {
                self.products[at]
            } else {
                self.products[at].abs()
            }
        };
        let norms = |at: usize| (self.base[at] * self.target[at]).sqrt();
        let told: Vec<usize> = (0..self.base.len())
            .filter(|&at| self.base[at] > 0.0 && self.target[at] > 0.0)
            .collect();
        let alike = told
            .iter()
            .filter(|&&at| product(at) >= LIKE * norms(at))
            .count();
        !told.is_empty() && 2 * alike >= told.len()
    }

    /// Cosine of the two sides.
    pub(super) fn cosine(&self) -> Option<f64> {
        let [ab, aa, bb] =
            [&self.products, &self.base, &self.target].map(|sums| sums.iter().sum::<f64>());
        let norms = (aa * bb).sqrt();
        (norms > 0.0).then(|| (ab / norms).clamp(-1.0, 1.0))
    }

    /// Share of the target's square that is left once each unit has its best factor, as a length.
    pub(super) fn rest(&self) -> f64 {
        let all: f64 = self.target.iter().sum();
        let explained: f64 = self
            .products
            .iter()
            .zip(&self.base)
            .filter(|(_, aa)| **aa > 0.0)
            .map(|(ab, aa)| ab * ab / aa)
            .sum();
        if all > 0.0 {
            ((all - explained).max(0.0) / all).sqrt()
        } else {
            1.0
        }
    }

    /// How far the two sides are apart as they are stored, relative to the target.
    pub(super) fn change(&self) -> f64 {
        let [ab, aa, bb] =
            [&self.products, &self.base, &self.target].map(|sums| sums.iter().sum::<f64>());
        if bb > 0.0 {
            ((aa - 2.0 * ab + bb).max(0.0) / bb).sqrt()
        } else {
            0.0
        }
    }
}

fn to_unit_length(row: &mut [f32]) {
    let length = squared_length(row).sqrt();
    if length > 0.0 {
        row.iter_mut()
            .for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
}
