//! What the pass measured of one pair, and the figures that follow from it (guide/contract.md,
//! section 3).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::sides::Sides;
use crate::numeric::sums::Sums;

/// SHA-256 of stored bytes.
pub type Digest = [u8; 32];

/// Measurements of one aligned pair.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    /// Sums over all elements.
    pub sums: Sums,
    /// Σ over rows of (row sum of a)·(row sum of b).
    pub row_products: f64,
    /// Length of a row.
    pub columns: u64,
    /// Same dtype, shape and stored bytes.
    pub identical: bool,
    /// Whether all elements of a side are one value.
    pub constant: Sides<bool>,
    /// Sums after the mean row is taken off each side; for embeddings and output heads only.
    pub row_centered: Option<RowCentered>,
    /// Whether a formula explains what the two sides have in common (guide/methods.md, section 8.6).
    pub is_by_formula: bool,
    /// Why no figure could be computed, where values are not decoded.
    pub unreadable: Option<String>,
    /// Where not every value was read: how many were, and what that leaves open.
    pub estimated: Option<Estimated>,
}

/// What a cosine of some of the values is worth.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimated {
    /// Values that were read.
    pub values: u64,
    /// Standard error of the cosine; none where one row was read.
    pub standard_error: Option<f64>,
}

/// Sums of a pair after each side's mean row is taken off.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RowCentered {
    /// Σab.
    pub ab: f64,
    /// Σa².
    pub aa: f64,
    /// Σb².
    pub bb: f64,
    /// Σ over rows of the products of row sums.
    pub row_products: f64,
}

/// Figures of one pair; `None` where they are not defined.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// dot(a,b) / (‖a‖‖b‖).
    pub cosine: Option<f64>,
    /// The same after each side's mean is taken off.
    pub centered_cosine: Option<f64>,
    /// Mean cosine over all orders of the last axis of one side (guide/methods.md, section 3).
    pub expected_cosine: Option<f64>,
    /// (cosine − expected) / (1 − expected).
    pub excess: Option<f64>,
    /// ‖b−a‖ / ‖a‖.
    pub relative_change: Option<f64>,
    /// Largest |a−b|.
    pub max_abs_diff: Option<f64>,
    /// Why the cosine is not defined.
    pub reason: Option<Undefined>,
    /// Where not every value was read.
    pub estimated: Option<Estimated>,
}

/// Why a cosine is not defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undefined {
    /// There are no elements.
    NoElements,
    /// A side is all zero.
    Zero {
        /// Whether the base is.
        base: bool,
        /// Whether the target is.
        target: bool,
    },
    /// Values are NaN or infinite.
    NotFinite {
        /// How many in the base.
        base: u64,
        /// How many in the target.
        target: u64,
    },
    /// Values cannot be read; why, in one line.
    Unreadable(String),
}

/// Expected cosines above this leave no room for an excess.
const EXPECTED_LIMIT: f64 = 1.0 - 1e-9;

impl Record {
    /// The figures of guide/contract.md, section 3.
    pub(crate) fn figures(&self) -> Figures {
        let s = &self.sums;
        if let Some(reason) = self.undefined() {
            return Figures {
                reason: Some(reason),
                ..Figures::default()
            };
        }
        let change = Figures {
            relative_change: (s.aa > 0.0).then(|| {
                if self.is_equal() {
                    0.0
                } else {
                    (s.dd / s.aa).sqrt()
                }
            }),
            max_abs_diff: Some(s.max_abs_diff),
            estimated: self.estimated.filter(|_| !self.identical),
            ..Figures::default()
        };
        let [base, target] = [s.aa, s.bb].map(|squares| squares <= 0.0);
        if base || target {
            return Figures {
                reason: Some(Undefined::Zero { base, target }),
                ..change
            };
        }
        let norms = s.aa.sqrt() * s.bb.sqrt();
        let cosine = if self.is_equal() {
            1.0
        } else {
            bounded(s.ab / norms)
        };
        let expected = bounded(self.row_products / self.columns as f64 / norms);
        Figures {
            cosine: Some(cosine),
            centered_cosine: self.centered(),
            expected_cosine: Some(expected),
            excess: excess(cosine, expected),
            ..change
        }
    }

    /// Excess of the pair as a part of a verdict: after the mean row is taken off where it was
    /// measured.
    pub(crate) fn part_excess(&self) -> Option<f64> {
        let Some(c) = &self.row_centered else {
            return self.figures().excess;
        };
        if self.undefined().is_some() || c.aa <= 0.0 || c.bb <= 0.0 {
            return None;
        }
        let norms = c.aa.sqrt() * c.bb.sqrt();
        let cosine = if self.is_equal() {
            1.0
        } else {
            bounded(c.ab / norms)
        };
        excess(
            cosine,
            bounded(c.row_products / self.columns as f64 / norms),
        )
    }

    /// Whether all values are equal, however they are stored.
    fn is_equal(&self) -> bool {
        let no_difference = self.sums.dd == 0.0 && self.sums.max_abs_diff == 0.0;
        let is_seen = self.estimated.is_none();
        self.identical || no_difference && is_seen && self.sums.nonfinite == Sides::default()
    }

    fn undefined(&self) -> Option<Undefined> {
        if let Some(reason) = &self.unreadable {
            return Some(Undefined::Unreadable(reason.clone()));
        }
        if self.sums.n == 0 {
            return Some(Undefined::NoElements);
        }
        let Sides { base, target } = self.sums.nonfinite;
        (base > 0 || target > 0).then_some(Undefined::NotFinite { base, target })
    }

    /// Cosine about the means; not defined where a side is constant.
    fn centered(&self) -> Option<f64> {
        let s = &self.sums;
        if self.constant != Sides::default() {
            return None;
        }
        let n = s.n as f64;
        let aa = s.aa - s.a * s.a / n;
        let bb = s.bb - s.b * s.b / n;
        if aa <= 0.0 || bb <= 0.0 {
            return None;
        }
        if self.is_equal() {
            return Some(1.0);
        }
        Some(bounded((s.ab - s.a * s.b / n) / (aa.sqrt() * bb.sqrt())))
    }
}

fn excess(cosine: f64, expected: f64) -> Option<f64> {
    (expected <= EXPECTED_LIMIT).then(|| (cosine - expected) / (1.0 - expected))
}

/// Clamped to [−1, 1], and never −0.
fn bounded(x: f64) -> f64 {
    x.clamp(-1.0, 1.0) + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(a: &[f64], b: &[f64], columns: usize) -> Record {
        let sum =
            |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(&x, &y)| f(x, y)).sum::<f64>();
        let sums = Sums {
            n: a.len() as u64,
            ab: sum(&|x, y| x * y),
            aa: sum(&|x, _| x * x),
            bb: sum(&|_, y| y * y),
            a: sum(&|x, _| x),
            b: sum(&|_, y| y),
            dd: sum(&|x, y| (x - y) * (x - y)),
            ..Sums::default()
        };
        let rows = a.chunks(columns).zip(b.chunks(columns));
        let row_products = rows
            .map(|(x, y)| x.iter().sum::<f64>() * y.iter().sum::<f64>())
            .sum();
        Record {
            sums,
            row_products,
            columns: columns as u64,
            ..Record::default()
        }
    }

    #[test]
    fn expected_cosine_is_the_mean_over_all_orders_of_the_last_axis() {
        let (a, b) = (
            [1.0, 2.0, 4.0, -1.0, 0.5, 3.0],
            [2.0, 1.0, 0.0, 1.5, 1.0, -2.0],
        );
        let orders = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        let mut mean = 0.0;
        for order in orders {
            let reordered: Vec<f64> = (0..6).map(|i| b[i / 3 * 3 + order[i % 3]]).collect();
            mean += record(&a, &reordered, 3)
                .figures()
                .cosine
                .unwrap_or(f64::NAN)
                / 6.0;
        }
        let figures = record(&a, &b, 3).figures();
        assert!((figures.expected_cosine.unwrap_or(f64::NAN) - mean).abs() < 1e-12);
    }

    #[test]
    fn the_excess_of_a_vector_is_near_its_centred_cosine() {
        let a: Vec<f64> = (0..100).map(|i| 1.0 + 0.01 * f64::from(i % 7)).collect();
        let b: Vec<f64> = (0..100).map(|i| 1.0 + 0.01 * f64::from(i % 5)).collect();
        let figures = record(&a, &b, 100).figures();
        assert!(figures.cosine > Some(0.99));
        let gap = figures.excess.unwrap_or(f64::NAN) - figures.centered_cosine.unwrap_or(f64::NAN);
        assert!(gap.abs() < 0.05, "{figures:?}");
    }

    #[test]
    fn a_zero_side_has_no_cosine_and_says_why() {
        let figures = record(&[0.0, 0.0], &[1.0, 2.0], 2).figures();
        assert_eq!(figures.cosine, None);
        let zero = Undefined::Zero {
            base: true,
            target: false,
        };
        assert_eq!(figures.reason, Some(zero));
        assert_eq!(figures.relative_change, None);
    }
}
