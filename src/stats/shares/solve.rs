//! Small symmetric systems of equations.

use crate::numeric::linalg::Dense;

/// Share of a difference that lies outside of the others, below which it is none of its own.
const RESOLVED: f64 = 1e-9;

/// The inverse of a symmetric matrix with positive diagonal, by Cholesky's factors of it once its
/// diagonal is 1; `None` where a row is a sum of the others.
pub(super) fn inverse(matrix: &Dense) -> Option<Dense> {
    let n = matrix.rows;
    let scale: Vec<f64> = (0..n).map(|i| matrix.row(i)[i].sqrt()).collect();
    if scale
        .iter()
        .any(|scale| !scale.is_finite() || *scale <= 0.0)
    {
        return None;
    }
    let mut lower = Dense::zeros(n, n);
    for i in 0..n {
        for j in 0..=i {
            let before: f64 = (0..j).map(|k| lower.row(i)[k] * lower.row(j)[k]).sum();
            let left = matrix.row(i)[j] / (scale[i] * scale[j]) - before;
            lower.row_mut(i)[j] = if i > j {
                left / lower.row(j)[j]
            } else if left > RESOLVED {
                left.sqrt()
            } else {
                return None;
            };
        }
    }

    let mut out = Dense::zeros(n, n);
    for column in 0..n {
        // Forward through the factor, then backward through its transpose.
        let mut solved = vec![0.0; n];
        for i in 0..n {
            let before: f64 = (0..i).map(|k| lower.row(i)[k] * solved[k]).sum();
            let unit = f64::from(u8::from(i == column));
            solved[i] = (unit - before) / lower.row(i)[i];
        }
        for i in (0..n).rev() {
            let after: f64 = (i + 1..n).map(|k| lower.row(k)[i] * solved[k]).sum();
            solved[i] = (solved[i] - after) / lower.row(i)[i];
        }
        for (i, value) in solved.iter().enumerate() {
            out.row_mut(i)[column] = value / (scale[i] * scale[column]);
        }
    }
    Some(out)
}

/// `matrix` times `vector`.
pub(super) fn times(matrix: &Dense, vector: &[f64]) -> Vec<f64> {
    let row = |i| dot(matrix.row(i), vector);
    (0..matrix.rows).map(row).collect()
}

/// Inner product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_is_one_and_a_sum_of_rows_has_none() {
        let matrix = Dense {
            rows: 3,
            columns: 3,
            values: vec![4.0, 1.0, 0.5, 1.0, 9.0, -2.0, 0.5, -2.0, 1e4],
        };
        let product = matrix.times(&inverse(&matrix).unwrap());
        for i in 0..3 {
            for j in 0..3 {
                let unit = f64::from(u8::from(i == j));
                assert!((product.row(i)[j] - unit).abs() < 1e-12, "{product:?}");
            }
        }
        let twice = Dense {
            rows: 2,
            columns: 2,
            values: vec![1.0, 2.0, 2.0, 4.0],
        };
        assert!(inverse(&twice).is_none());
        assert!(inverse(&Dense::zeros(1, 1)).is_none());
    }
}
