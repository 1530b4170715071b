//! Units in order of their length, as structured pruning may leave them: such an order is not
//! exchangeable, and neither the fixed-point test nor the order test holds.

use super::features::lengths;
use super::{Features, Untestable};
use crate::error::Result;

/// Least number of units whose order is judged.
const LEAST: usize = 64;

/// Whether the units of both sides are sorted: |ρ| > max(0.2, 4/√n) on each, ρ being Spearman's
/// correlation of length and index. The side `probed` is read only where the other, of the given
/// lengths, is sorted.
pub(super) fn both_sorted(
    searched_lengths: &[f64],
    probed: &dyn Features,
) -> Result<Option<Untestable>> {
    let Some(searched) = sorted(searched_lengths) else {
        return Ok(None);
    };
    Ok(sorted(&lengths(probed)?).map(|probed| Untestable::Sorted {
        rho: [probed, searched],
    }))
}

/// The correlation where it shows a sorted side. Of a side of which few units are known, those alone
/// are judged, and fewer are enough.
fn sorted(lengths: &[f64]) -> Option<f64> {
    let known: Vec<f64> = lengths.iter().copied().filter(|l| *l > 0.0).collect();
    let is_sparse = 2 * known.len() < lengths.len();
    let judged = if is_sparse { &known } else { lengths };
    let limit = f64::max(0.2, 4.0 / (judged.len() as f64).sqrt());
    let least = if is_sparse { LEAST / 4 } else { LEAST };
    (judged.len() >= least)
        .then(|| rank_correlation_with_index(judged))
        .filter(|rho| rho.abs() > limit.min(0.9))
}

/// Spearman's ρ of `values` and their index, equal values sharing the mean of their ranks; 0 where
/// all are equal.
fn rank_correlation_with_index(values: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let (mut covariance, mut of_ranks, mut of_indices) = (0.0, 0.0, 0.0);
    let mut from = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = from as f64 + (equal.len() as f64 - 1.0) / 2.0 - middle;
        for &index in equal {
            let index = index as f64 - middle;
            covariance += rank * index;
            of_ranks += rank * rank;
            of_indices += index * index;
        }
        from += equal.len();
    }
    if of_ranks == 0.0 {
        0.0
    } else {
        covariance / (of_ranks * of_indices).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Held;
    use super::*;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;
    use crate::stats::units::RowFeatures;

    #[test]
    fn rank_correlations() {
        assert!((rank_correlation_with_index(&[1.0, 2.0, 3.0, 9.0]) - 1.0).abs() < 1e-12);
        assert!((rank_correlation_with_index(&[4.0, 3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        assert_eq!(rank_correlation_with_index(&[2.0; 5]), 0.0);
        // Ranks 2, 1, 3.5, 3.5 against 1, 2, 3, 4.
        assert!(
            (rank_correlation_with_index(&[1.0, 0.0, 5.0, 5.0]) - 3.5 / (5.0f64 * 4.5).sqrt())
                .abs()
                < 1e-12
        );
    }

    #[test]
    fn a_test_is_refused_only_where_both_sides_are_sorted() {
        let mut draws = Draws::new(0, "sorted");
        let mut matrix = |units: usize, growth: f64| {
            let length = |at: usize| (growth * (at / 8) as f64 / units as f64).exp();
            let values = (0..units * 8)
                .map(|at| (length(at) * draws.normal()) as f32)
                .collect();
            Matrix {
                rows: units,
                columns: 8,
                values,
            }
        };
        let (plain, rising, falling, few) = (
            matrix(100, 0.0),
            matrix(100, 2.0),
            matrix(100, -2.0),
            matrix(63, 3.0),
        );
        let refused = |one: &Matrix, other: &Matrix| {
            both_sorted(
                &lengths(&RowFeatures::new(one)).unwrap(),
                &RowFeatures::new(other),
            )
            .unwrap()
            .is_some()
        };
        assert!(
            refused(&rising, &falling) && refused(&falling, &rising) && refused(&rising, &rising)
        );
        assert!(!refused(&plain, &rising) && !refused(&rising, &plain) && !refused(&few, &few));
        let directions = Held::all(&RowFeatures::new(&rising)).unwrap();
        assert!(
            both_sorted(&lengths(&directions).unwrap(), &directions)
                .unwrap()
                .is_none()
        );
    }
}
