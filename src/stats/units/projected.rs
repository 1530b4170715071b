//! Features that do not change when the residual stream is rotated or permuted: hidden units
//! projected on what tokens look like in that stream.

use std::ops::Range;

use super::TILE;
use super::features::{Features, normalise};
use crate::error::Result;
use crate::numeric::linalg::{add_products_of_columns, inner_product, products, squared_length};
use crate::numeric::rows::RowSource;

/// Embedding or output-head rows of tokens that both models share, shape (tokens, d), centred by
/// their mean row.
///
/// The k-th row must belong to the same token on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRows {
    width: usize,
    values: Vec<f32>,
}

impl TokenRows {
    /// The rows `tokens` of `source`, less their mean. A row that holds a value that is not finite
    /// counts as 0: it says nothing, and must not silence the others.
    ///
    /// # Errors
    /// When the rows cannot be read.
    ///
    /// # Panics
    /// When a token is out of range.
    pub fn read(source: &dyn RowSource, tokens: &[usize]) -> Result<Self> {
        let width = source.columns();
        let mut values = vec![0.0f32; tokens.len() * width];
        let mut sums = vec![0.0f64; width];
        let mut finite_rows = Vec::with_capacity(tokens.len());
        for (&token, row) in tokens.iter().zip(values.chunks_exact_mut(width.max(1))) {
            source.read_rows(token..token + 1, row)?;
            let finite = row.iter().all(|x| x.is_finite());
            if finite {
                sums.iter_mut()
                    .zip(&*row)
                    .for_each(|(sum, &x)| *sum += f64::from(x));
            }
            finite_rows.push(finite);
        }
        let count = finite_rows.iter().filter(|&&finite| finite).count().max(1) as f64;
        for (row, finite) in values.chunks_exact_mut(width.max(1)).zip(finite_rows) {
            row.iter_mut().zip(&sums).for_each(|(x, sum)| {
                *x = if finite {
                    (f64::from(*x) - sum / count) as f32
                } else {
                    0.0
                }
            });
        }
        Ok(Self { width, values })
    }

    /// The rows at length 1, zero rows left as they are: no token counts more than another. Before
    /// a gain.
    #[must_use]
    pub fn at_unit_length(mut self) -> Self {
        for row in self.values.chunks_exact_mut(self.width.max(1)) {
            normalise(row);
        }
        self
    }

    /// The rows times `gain`, of length d, element by element: (w ∘ g)·e = w·(e ∘ g).
    ///
    /// # Panics
    /// When the gain is not of length d.
    #[must_use]
    pub fn times(mut self, gain: &[f32]) -> Self {
        assert_eq!(gain.len(), self.width, "a gain of another width");
        for row in self.values.chunks_exact_mut(self.width.max(1)) {
            row.iter_mut().zip(gain).for_each(|(x, g)| *x *= g);
        }
        self
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Residual dimensions d.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// Rows of a matrix of shape (units, d), projected on tokens: W·Eᵀ. The token-projected form with E
/// the embedding rows times the gain of the norm that feeds W.
pub struct Projected<'a> {
    source: &'a dyn RowSource,
    tokens: &'a TokenRows,
}

impl<'a> Projected<'a> {
    /// Projects the rows of `source`; none where their widths differ.
    pub fn new(source: &'a dyn RowSource, tokens: &'a TokenRows) -> Option<Self> {
        (source.columns() == tokens.width).then_some(Self { source, tokens })
    }
}

impl Features for Projected<'_> {
    fn units(&self) -> usize {
        self.source.rows()
    }

    fn width(&self) -> usize {
        self.tokens.tokens()
    }

    fn read(&self, units: Range<usize>, out: &mut [f32]) -> Result<()> {
        let (width, columns) = (self.width(), self.source.columns());
        if width == 0 {
            return Ok(());
        }
        let out = &mut out[..units.len() * width];
        let mut rows = vec![0.0; units.len() * columns];
        self.source.read_rows(units, &mut rows)?;
        products(&rows, &self.tokens.values, columns, out);
        Ok(())
    }
}

/// The given `columns` of a matrix of shape (d, units), projected on tokens: Wᵀ·Eᵀ, shape (columns,
/// tokens), not scaled. With E the output-head rows times the final gain this is what a hidden unit
/// of a down projection writes. None where the widths differ.
///
/// # Errors
/// When the rows cannot be read.
///
/// # Panics
/// When a column is out of range.
pub fn project_columns(
    source: &dyn RowSource,
    columns: &[usize],
    tokens: &TokenRows,
) -> Result<Option<Vec<f32>>> {
    if source.rows() != tokens.width {
        return Ok(None);
    }
    let mut sums = vec![0.0f32; columns.len() * tokens.tokens()];
    let width = source.columns();
    let are_all = columns.len() == width && columns.iter().copied().eq(0..width);
    let together = TILE.min(source.rows());
    let mut rows = vec![0.0; together * columns.len()];
    let mut whole = vec![0.0; if are_all { 0 } else { width }];
    for start in (0..source.rows()).step_by(TILE) {
        let count = TILE.min(source.rows() - start);
        let rows = &mut rows[..count * columns.len()];
        match are_all {
            true => source.read_rows(start..start + count, rows)?,
            false => {
                let places = rows.chunks_exact_mut(columns.len().max(1));
                for (row, chosen) in (start..start + count).zip(places) {
                    source.read_rows(row..row + 1, &mut whole)?;
                    let values = chosen.iter_mut().zip(columns);
                    values.for_each(|(x, &column)| *x = whole[column]);
                }
            }
        }
        let of_tokens = (&tokens.values[..], tokens.width, start);
        add_products_of_columns(rows, of_tokens, count, &mut sums);
    }
    Ok(Some(sums))
}

/// How much more alike the same-index rows of two arrays of shape (units, `width`) are than their
/// rows in random order: `excess` of guide/methods.md, section 3, with the units as the axis that
/// is put in random order. None where it is undefined.
pub fn excess_over_random_order(one: &[f32], other: &[f32], width: usize) -> Option<f64> {
    let column_sums = |values: &[f32]| {
        let mut sums = vec![0.0f64; width];
        values.chunks_exact(width.max(1)).for_each(|row| {
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, &x)| *sum += f64::from(x))
        });
        sums
    };
    let units = one.len() / width.max(1);
    let norms = (squared_length(one) * squared_length(other)).sqrt();
    if one.len() != other.len() || units == 0 || !norms.is_finite() || norms == 0.0 {
        return None;
    }
    let cosine = inner_product(one, other) / norms;
    let common: f64 = column_sums(one)
        .iter()
        .zip(column_sums(other))
        .map(|(a, b)| a * b)
        .sum();
    let expected = common / units as f64 / norms;
    (expected <= 1.0 - 1e-9).then(|| (cosine - expected) / (1.0 - expected))
}

#[cfg(test)]
mod tests {
    use super::super::Held;
    use super::*;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    fn normal(rows: usize, columns: usize, purpose: &str) -> Matrix {
        let mut draws = Draws::new(0, purpose);
        Matrix {
            rows,
            columns,
            values: (0..rows * columns).map(|_| draws.normal() as f32).collect(),
        }
    }

    fn transposed(matrix: &Matrix) -> Matrix {
        let at = |x: usize| matrix.values[x % matrix.rows * matrix.columns + x / matrix.rows];
        Matrix {
            rows: matrix.columns,
            columns: matrix.rows,
            values: (0..matrix.values.len()).map(at).collect(),
        }
    }

    #[test]
    fn token_rows_are_centred_and_a_broken_row_says_nothing() {
        let mut embedding = normal(6, 3, "embedding");
        embedding.values[4 * 3 + 1] = f32::NAN;
        let rows = TokenRows::read(&embedding, &[5, 4, 0]).unwrap();
        assert_eq!((rows.tokens(), rows.width()), (3, 3));
        assert_eq!(rows.values[3..6], [0.0; 3]);
        for column in 0..3 {
            let half = (embedding.values[15 + column] - embedding.values[column]) / 2.0;
            assert!(
                (rows.values[column] - half).abs() < 1e-6
                    && (rows.values[6 + column] + half).abs() < 1e-6
            );
        }
    }

    #[test]
    fn a_projection_is_the_product_with_the_gained_rows() {
        let (up, embedding, gain) = (
            normal(300, 7, "up"),
            normal(20, 7, "embedding"),
            normal(1, 7, "gain").values,
        );
        let tokens = TokenRows::read(&embedding, &[1, 2, 3, 9]).unwrap();
        let gained = tokens.clone().times(&gain);
        let projected = Projected::new(&up, &gained).unwrap();
        let mut read = vec![0.0; 2 * 4];
        projected.read(257..259, &mut read).unwrap();
        for (unit, token) in (0..2).flat_map(|unit| (0..4).map(move |token| (unit, token))) {
            let terms = (0..7)
                .map(|d| up.values[(257 + unit) * 7 + d] * gain[d] * tokens.values[token * 7 + d]);
            assert!((read[unit * 4 + token] - terms.sum::<f32>()).abs() < 1e-4);
        }
        assert!(Projected::new(&normal(5, 8, "other"), &gained).is_none());
    }

    #[test]
    fn projected_columns_are_projected_rows_of_the_transpose() {
        let (down, head) = (normal(600, 9, "down"), normal(12, 600, "head"));
        let tokens = TokenRows::read(&head, &[0, 3, 4, 11]).unwrap();
        let found = project_columns(&down, &[8, 2], &tokens).unwrap().unwrap();
        let turned = transposed(&down);
        let expected = Held::some(&Projected::new(&turned, &tokens).unwrap(), &[8, 2]).unwrap();
        let found = Held::new(found, 4);
        assert!(
            found
                .values()
                .iter()
                .zip(expected.values())
                .all(|(a, b)| (a - b).abs() < 1e-5)
        );
        assert!(
            project_columns(&normal(5, 9, "other"), &[0], &tokens)
                .unwrap()
                .is_none()
        );
    }

    /// The mean over all orders of the units is taken in full.
    #[test]
    fn excess_is_what_is_above_the_mean_over_all_orders() {
        let (one, mut other) = (normal(4, 3, "one").values, normal(4, 3, "other").values);
        other.iter_mut().zip(&one).for_each(|(b, a)| *b += a + 1.0);
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let norms = (dot(&one, &one) * dot(&other, &other)).sqrt();
        let mut cosines = Vec::new();
        for order in
            (0..256usize).map(|code| [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3])
        {
            if (0..4).all(|unit| order.contains(&unit)) {
                let moved: Vec<f32> = order
                    .iter()
                    .flat_map(|unit| &other[unit * 3..unit * 3 + 3])
                    .copied()
                    .collect();
                cosines.push(dot(&one, &moved) / norms);
            }
        }
        assert_eq!(cosines.len(), 24);
        let expected = cosines.iter().sum::<f64>() / 24.0;
        let excess = (dot(&one, &other) / norms - expected) / (1.0 - expected);
        assert!((excess_over_random_order(&one, &other, 3).unwrap() - excess).abs() < 1e-6);
        assert_eq!(excess_over_random_order(&one, &[0.0; 12], 3), None);
        assert_eq!(excess_over_random_order(&[1.0; 12], &[1.0; 12], 3), None);
    }
}
