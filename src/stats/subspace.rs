//! Do two matrices spread along the same directions? Overlap of their principal subspaces against
//! its expectation under independence (guide/methods.md, section 5).

use crate::error::Result;
use crate::numeric::linalg::{Dense, round6};
use crate::numeric::rng::Draws;
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::principal::{NoSubspace, leading};

pub use crate::stats::principal::Side;

/// Most vectors of a subspace.
const MOST_VECTORS: usize = 32;

/// Rows that [`sampled_overlap`] draws.
pub const SAMPLED_ROWS: usize = 256;

/// The principal subspaces of two matrices on one side. Figures are rounded to 6 significant
/// digits.
#[derive(Debug, Clone, PartialEq)]
pub struct Subspace {
    /// Dimension d of the side; the base's where they differ.
    pub dimension: usize,
    /// Number of leading singular vectors.
    pub k: usize,
    /// ‖V_AᵀV_B‖²_F / k, 0 to 1.
    pub overlap: Option<f64>,
    /// Its mean over all orders of the d dimensions of one matrix.
    pub expected: Option<f64>,
    /// (overlap − expected) / (1 − expected); `None` also where expected > 1 − 1e-9.
    pub excess: Option<f64>,
    /// How far the overlap may be from the exact one; `None` where it is exact.
    pub error: Option<f64>,
    /// Why there is no overlap.
    pub reason: Option<String>,
}

impl Subspace {
    fn undefined(dimension: usize, k: usize, reason: impl Into<String>) -> Self {
        let reason = Some(reason.into());
        Self {
            dimension,
            k,
            overlap: None,
            expected: None,
            excess: None,
            error: None,
            reason,
        }
    }
}

/// Overlap of the principal subspaces of `base` and `target` on `side`. With `centred` (embeddings
/// and heads) the mean row is taken off first. The matrices must agree in the side's dimension; the
/// other may differ.
///
/// Exact where a matrix has a side of at most 1024, else sketched with [`Subspace::error`].
///
/// # Errors
/// When rows cannot be read.
pub fn overlap(
    base: &dyn RowSource,
    target: &dyn RowSource,
    side: Side,
    centred: bool,
) -> Result<Subspace> {
    let dimension = side.dimension(base);
    let k = vectors(base).min(vectors(target));
    if side.dimension(target) != dimension {
        let reason = format!(
            "dimension {dimension} in the base, {} in the target",
            side.dimension(target)
        );
        return Ok(Subspace::undefined(dimension, k, reason));
    }
    for (source, whose) in [(base, "base"), (target, "target")] {
        if source.rows().min(source.columns()) < 2 {
            let reason = format!(
                "the {whose} is {} x {}: not a matrix",
                source.rows(),
                source.columns()
            );
            return Ok(Subspace::undefined(dimension, k, reason));
        }
    }
    let of_base = match leading(base, side, k, centred)? {
        Ok(found) => found,
        Err(why) => return Ok(Subspace::undefined(dimension, k, sentence(why, k, "base"))),
    };
    let of_target = match leading(target, side, k, centred)? {
        Ok(found) => found,
        Err(why) => {
            return Ok(Subspace::undefined(
                dimension,
                k,
                sentence(why, k, "target"),
            ));
        }
    };

    let overlap = round6(
        (of_base
            .vectors
            .times_transposed(&of_target.vectors)
            .energy()
            / k as f64)
            .clamp(0.0, 1.0),
    );
    let along_ones = |v: &Dense| {
        (0..v.rows)
            .map(|i| v.row(i).iter().sum::<f64>().powi(2))
            .sum::<f64>()
    };
    let expected = round6(expectation(
        dimension,
        k,
        along_ones(&of_base.vectors),
        along_ones(&of_target.vectors),
    ));
    let deviation = match (of_base.deviation, of_target.deviation) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0.0) + b.unwrap_or(0.0)),
    };
    Ok(Subspace {
        dimension,
        k,
        overlap: Some(overlap),
        expected: Some(expected),
        excess: (expected <= 1.0 - 1e-9).then(|| round6((overlap - expected) / (1.0 - expected))),
        // |tr(P P_B) − tr(P' P_B)| is at most the sum of the sines between P and P', whatever P_B.
        error: deviation.map(|sum| round6((sum / k as f64).min(1.0))),
        reason: None,
    })
}

/// [`overlap`] of the columns' side from [`SAMPLED_ROWS`] rows drawn from `seed`, the same ones of
/// both matrices; k is that of the sample. Exact for the sample.
///
/// # Errors
/// When rows cannot be read.
pub fn sampled_overlap(
    base: &dyn RowSource,
    target: &dyn RowSource,
    centred: bool,
    seed: u64,
) -> Result<Subspace> {
    let rows =
        Draws::new(seed, "subspace rows").distinct(SAMPLED_ROWS, base.rows().min(target.rows()));
    overlap(
        &Matrix::from_rows(base, &rows)?,
        &Matrix::from_rows(target, &rows)?,
        Side::Columns,
        centred,
    )
}

/// k = min(32, ⌊min(out, in)/8⌋), at least 1.
fn vectors(source: &dyn RowSource) -> usize {
    (source.rows().min(source.columns()) / 8).clamp(1, MOST_VECTORS)
}

/// Mean overlap over all orders of the `d` dimensions of one side, s = ‖Vᵀ1‖² of each: a random
/// order moves only what is orthogonal to the all-ones direction.
fn expectation(d: usize, k: usize, s_a: f64, s_b: f64) -> f64 {
    let (d, k) = (d as f64, k as f64);
    (k * k / d + (s_a - k) * (s_b - k) / (d * (d - 1.0))) / k
}

fn sentence(why: NoSubspace, k: usize, whose: &str) -> String {
    match why {
        NoSubspace::NonFinite => format!("the {whose} has values that are not finite"),
        NoSubspace::Zero => format!("the {whose} is constant"),
        NoSubspace::Rank(rank) => {
            format!("the {whose} has rank {rank}, below the {k} directions compared")
        }
        NoSubspace::Tie => {
            format!(
                "the {whose} has no leading directions: singular values {k} and {} are equal",
                k + 1
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::path::Path;

    use super::*;
    use crate::error::Error;

    fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut draws = Draws::new(seed, "matrix");
        Matrix {
            rows,
            columns,
            values: (0..rows * columns).map(|_| draws.normal() as f32).collect(),
        }
    }

    /// A few strong directions under noise, as in a trained matrix.
    fn trained(rows: usize, columns: usize, seed: u64) -> Matrix {
        let (left, right, mut out) = (
            random(rows, 12, seed + 1),
            random(columns, 12, seed + 2),
            random(rows, columns, seed),
        );
        for i in 0..rows {
            for j in 0..columns {
                let signal: f32 = (0..12)
                    .map(|r| left.values[i * 12 + r] * right.values[j * 12 + r])
                    .sum();
                out.values[i * columns + j] += signal;
            }
        }
        out
    }

    fn reason(base: &Matrix, target: &Matrix, centred: bool) -> String {
        let found = overlap(base, target, Side::Columns, centred).unwrap();
        assert!(found.overlap.is_none() && found.excess.is_none() && found.error.is_none());
        found.reason.unwrap()
    }

    #[test]
    fn a_matrix_without_directions_is_told_apart_and_never_a_panic() {
        let fine = random(40, 24, 1);
        let all = |value: f32, rows: usize, columns: usize| Matrix {
            rows,
            columns,
            values: vec![value; rows * columns],
        };
        assert_eq!(
            reason(&fine, &all(0.0, 40, 24), false),
            "the target is constant"
        );
        assert_eq!(
            reason(&all(0.5, 40, 24), &fine, true),
            "the base is constant"
        );
        assert_eq!(
            reason(&all(0.5, 40, 24), &fine, false),
            "the base has rank 1, below the 3 directions compared"
        );
        let mut broken = fine.clone();
        broken.values[7] = f32::NAN;
        assert_eq!(
            reason(&fine, &broken, true),
            "the target has values that are not finite"
        );
        broken.values[7] = f32::INFINITY;
        assert_eq!(
            reason(&broken, &fine, false),
            "the base has values that are not finite"
        );
        assert_eq!(
            reason(&random(1, 24, 2), &fine, false),
            "the base is 1 x 24: not a matrix"
        );
        assert_eq!(
            reason(&all(0.0, 0, 24), &fine, true),
            "the base is 0 x 24: not a matrix"
        );
        assert_eq!(
            reason(&fine, &random(40, 25, 2), false),
            "dimension 24 in the base, 25 in the target"
        );
        let mut unit = all(0.0, 24, 24);
        (0..24).for_each(|i| unit.values[i * 25] = 1.0);
        assert_eq!(
            reason(&fine, &unit, false),
            "the target has no leading directions: singular values 3 and 4 are equal"
        );
    }

    #[test]
    fn a_constant_matrix_of_one_direction_has_an_expectation_of_one_and_no_excess() {
        let constant = Matrix {
            rows: 8,
            columns: 6,
            values: vec![0.25; 48],
        };
        let found = overlap(&constant, &constant, Side::Columns, false).unwrap();
        assert_eq!(
            (found.overlap, found.expected, found.excess),
            (Some(1.0), Some(1.0), None)
        );
    }

    #[test]
    fn values_of_extreme_size_do_not_change_the_overlap() {
        let (base, target) = (trained(60, 40, 1), trained(60, 40, 9));
        let plain = overlap(&base, &target, Side::Rows, false).unwrap();
        let mut scaled = target.clone();
        for factor in [2.0f32.powi(-100), 2.0f32.powi(100)] {
            scaled.values = target.values.iter().map(|v| v * factor).collect();
            assert_eq!(overlap(&base, &scaled, Side::Rows, false).unwrap(), plain);
        }
    }

    #[test]
    fn independent_matrices_with_a_common_mean_row_have_no_excess_once_centred() {
        let mut excesses = Vec::new();
        let mean = random(1, 96, 77);
        for pair in 0..60 {
            let (mut base, mut target) = (
                trained(200, 96, 1000 + 10 * pair),
                trained(200, 96, 5000 + 10 * pair),
            );
            for side in [&mut base, &mut target] {
                side.values
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, v)| *v += 3.0 * mean.values[i % 96]);
            }
            let raw = overlap(&base, &target, Side::Columns, false)
                .unwrap()
                .excess
                .unwrap();
            assert!(raw > 0.03, "the common direction shows: {raw}");
            excesses.push(
                overlap(&base, &target, Side::Columns, true)
                    .unwrap()
                    .excess
                    .unwrap(),
            );
        }
        let average = excesses.iter().sum::<f64>() / 60.0;
        assert!(average.abs() < 0.01, "{average}");
        assert!(excesses.iter().all(|e| e.abs() < 0.1), "{excesses:?}");
    }

    #[test]
    fn the_all_ones_direction_is_expected() {
        let mut excesses = Vec::new();
        for pair in 0..40 {
            let (mut base, mut target) = (
                trained(120, 64, 9000 + 10 * pair),
                trained(120, 64, 19000 + 10 * pair),
            );
            for side in [&mut base, &mut target] {
                side.values.iter_mut().for_each(|v| *v += 2.0);
            }
            let found = overlap(&base, &target, Side::Columns, false).unwrap();
            assert!(
                found.expected.unwrap() > 0.2,
                "the plain k/d would be 0.125: {found:?}"
            );
            excesses.push(found.excess.unwrap());
        }
        assert!(
            (excesses.iter().sum::<f64>() / 40.0).abs() < 0.015,
            "{excesses:?}"
        );
    }

    #[test]
    fn the_sample_takes_the_same_rows_of_both_and_its_own_k() {
        let base = trained(700, 48, 3);
        let found = sampled_overlap(&base, &base, false, 5).unwrap();
        assert_eq!((found.k, found.overlap, found.error), (6, Some(1.0), None));
        let mut noised = base.clone();
        noised
            .values
            .iter_mut()
            .zip(random(700, 48, 4).values)
            .for_each(|(v, n)| *v += 0.3 * n);
        assert!(
            sampled_overlap(&base, &noised, false, 5)
                .unwrap()
                .excess
                .unwrap()
                > 0.9
        );
        assert!(
            sampled_overlap(&base, &trained(700, 48, 30), false, 5)
                .unwrap()
                .excess
                .unwrap()
                .abs()
                < 0.2
        );
        assert_eq!(
            sampled_overlap(&random(20, 48, 1), &random(30, 48, 2), false, 5)
                .unwrap()
                .k,
            2
        );
    }

    #[test]
    fn rows_that_cannot_be_read_are_an_error() {
        struct Torn;
        impl RowSource for Torn {
            fn rows(&self) -> usize {
                64
            }
            fn columns(&self) -> usize {
                32
            }
            fn read_rows(&self, _: Range<usize>, _: &mut [f32]) -> Result<()> {
                Err(Error::malformed(Path::new("model.safetensors"), "torn"))
            }
        }
        assert!(overlap(&random(64, 32, 1), &Torn, Side::Columns, false).is_err());
        assert!(sampled_overlap(&Torn, &random(64, 32, 1), true, 0).is_err());
    }
}
