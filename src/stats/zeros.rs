//! Where two matrices are zero (guide/methods.md, section 8.6): a pattern that both sides were given
//! makes rows alike by their places alone.

use crate::error::Result;
use crate::numeric::rows::RowSource;

/// Rows that are looked at.
const ROWS: usize = 256;

/// Share of zeros from which a pattern of zeros says something.
pub(crate) const LEAST_SHARE: f64 = 0.1;

/// Share of one side's zeros that are the other's from which on two patterns are one.
const SAME_ZEROS: f64 = 0.95;

/// Where two matrices are exactly zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Zeros {
    /// Share of zeros in the base and in the target.
    pub share: (f64, f64),
    /// Share of the rarer side's zeros that are zeros of the other.
    pub common: f64,
    /// What that share would be if places had nothing to do with each other.
    pub by_chance: f64,
}

impl Zeros {
    /// Of two matrices of one shape, over at most [`ROWS`] evenly spaced rows; none where the
    /// shapes differ.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub(crate) fn of(base: &dyn RowSource, target: &dyn RowSource) -> Result<Option<Self>> {
        let (rows, columns) = (base.rows(), base.columns());
        if (target.rows(), target.columns()) != (rows, columns) || rows * columns == 0 {
            return Ok(None);
        }
        let (mut one, mut other) = (vec![0.0f32; columns], vec![0.0f32; columns]);
        let (mut of_base, mut of_target, mut of_both) = (0u64, 0u64, 0u64);
        let drawn = rows.min(ROWS);
        for row in (0..drawn).map(|at| at * rows / drawn) {
            base.read_rows(row..row + 1, &mut one)?;
            target.read_rows(row..row + 1, &mut other)?;
            for (x, y) in one.iter().zip(&other) {
                of_base += u64::from(*x == 0.0);
                of_target += u64::from(*y == 0.0);
                of_both += u64::from(*x == 0.0 && *y == 0.0);
            }
        }
        let all = (drawn * columns) as f64;
        let share = (of_base as f64 / all, of_target as f64 / all);
        let rarer = of_base.min(of_target);
        Ok(Some(Self {
            share,
            common: if rarer > 0 {
                of_both as f64 / rarer as f64
            } else {
                0.0
            },
            by_chance: share.0.max(share.1),
        }))
    }

    /// Whether both sides have one pattern, of more than a tenth of their values: a structure that
    /// both were given, so rows are alike by where they are zero. No hit counts there.
    pub(crate) fn are_one_pattern(&self) -> bool {
        self.share.0 > LEAST_SHARE
            && self.share.1 > LEAST_SHARE
            && self.common >= SAME_ZEROS
            && self.common - self.by_chance > 0.5 * (1.0 - self.by_chance)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    #[test]
    fn one_pattern_of_zeros_is_seen_and_chance_is_not() {
        let matrix = |zero: &dyn Fn(usize, usize) -> bool, purpose: &str| {
            let mut draws = Draws::new(0, purpose);
            let value = |at: usize| {
                if zero(at / 40, at % 40) {
                    0.0
                } else {
                    draws.normal() as f32
                }
            };
            Matrix {
                rows: 50,
                columns: 40,
                values: (0..2000).map(value).collect(),
            }
        };
        let band = |i: usize, j: usize| i.abs_diff(j) > 3;
        let zeros = |a: &Matrix, b: &Matrix| Zeros::of(a, b).unwrap().unwrap();
        let found = zeros(&matrix(&band, "one"), &matrix(&band, "other"));
        assert!(found.are_one_pattern() && found.share.0 > 0.8, "{found:?}");
        let two = |k: usize| move |i: usize, j: usize| (i * 7 + j * k) % 11 < 5;
        let found = zeros(&matrix(&two(3), "one"), &matrix(&two(5), "other"));
        assert!(!found.are_one_pattern(), "{found:?}");
        let dense = matrix(&|_, _| false, "dense");
        assert!(!zeros(&dense, &dense).are_one_pattern());
        let other = Matrix {
            rows: 40,
            columns: 50,
            values: dense.values.clone(),
        };
        assert!(Zeros::of(&dense, &other).unwrap().is_none());
    }
}
