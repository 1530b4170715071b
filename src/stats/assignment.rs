//! One partner for each: the assignment of rows to columns with the largest sum of similarities.
//! The only file that names the crate behind it.

use pathfinding::prelude::{Matrix, kuhn_munkres};

use crate::numeric::linalg::Dense;

/// Steps of a similarity of 1. The library wants whole numbers, which also make the answer the same
/// on every machine.
const STEPS: f64 = 1e9;

/// The column of each row such that no two rows share one and the sum of `similarity` is the
/// largest (Kuhn 1955, Munkres 1957; cubic time, a second at 2048). Where there are more rows than
/// columns, the rows that go without are `None`. Values count within ±1e3, one that is NaN as the
/// least.
pub fn assign(similarity: &Dense) -> Vec<Option<usize>> {
    if similarity.rows == 0 || similarity.columns == 0 {
        return vec![None; similarity.rows];
    }
    if similarity.rows > similarity.columns {
        let mut out = vec![None; similarity.rows];
        for (column, row) in assign(&similarity.transposed()).into_iter().enumerate() {
            if let Some(row) = row {
                out[row] = Some(column);
            }
        }
        return out;
    }
    let weight = |&value: &f64| match value {
        0.0 => 0,
        _ if value.is_nan() => (-1e3 * STEPS) as i64,
        _ => (value.clamp(-1e3, 1e3) * STEPS).round() as i64,
    };
    let rows = (0..similarity.rows).map(|i| similarity.row(i).iter().map(weight));
    let Ok(weights) = Matrix::from_rows(rows) else {
        return vec![None; similarity.rows];
    };
    kuhn_munkres(&weights).1.into_iter().map(Some).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(similarity: &Dense, columns: &[usize]) -> f64 {
        columns
            .iter()
            .enumerate()
            .map(|(i, &j)| similarity.row(i)[j])
            .sum()
    }

    /// The largest sum by trying every order.
    fn largest(similarity: &Dense, taken: &mut Vec<usize>) -> f64 {
        if taken.len() == similarity.rows {
            return total(similarity, taken);
        }
        let mut best = f64::NEG_INFINITY;
        for j in 0..similarity.columns {
            if !taken.contains(&j) {
                taken.push(j);
                best = best.max(largest(similarity, taken));
                taken.pop();
            }
        }
        best
    }

    #[test]
    fn the_odd_ones_go_without() {
        let similarity = Dense {
            rows: 3,
            columns: 2,
            values: vec![0.1, 0.9, 0.2, 0.8, 0.9, 0.95],
        };
        assert_eq!(assign(&similarity), [Some(1), None, Some(0)]);
        assert_eq!(assign(&similarity.transposed()), [Some(2), Some(0)]);
        assert_eq!(assign(&Dense::zeros(2, 0)), [None, None]);
    }

    #[test]
    fn values_that_are_not_finite_are_taken_last() {
        let values = vec![f64::NAN, 0.1, 0.2, f64::NEG_INFINITY];
        assert_eq!(
            assign(&Dense {
                rows: 2,
                columns: 2,
                values
            }),
            [Some(1), Some(0)]
        );
    }

    proptest! {
        #[test]
        fn no_order_has_a_larger_sum(values in proptest::collection::vec(-1.0f64..1.0, 20)) {
            let similarity = Dense { rows: 4, columns: 5, values };
            let columns: Vec<usize> = assign(&similarity).into_iter().flatten().collect();
            prop_assert_eq!(columns.len(), 4);
            prop_assert!((total(&similarity, &columns) - largest(&similarity, &mut Vec::new())).abs() < 1e-8);
        }
    }
}
