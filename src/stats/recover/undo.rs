//! Do two matrices agree once a change of basis is undone on one of their axes?

use std::ops::Range;

use super::{Pair, wide};
use crate::error::Result;
use crate::numeric::linalg::{Dense, round6};
use crate::numeric::rng::Draws;
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::principal::Side;

/// Values held at one time of each matrix.
const TILE_VALUES: usize = 1 << 21;

/// Lines along the other axis that a rotation is undone for; each costs d² products.
const TURNED_LINES: usize = 1024;

/// A change of basis of one axis, from the base to the target.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'a> {
    /// Dimensions have other places and signs; those in no pair are left out.
    Order(&'a [Pair]),
    /// x_target = x_base · R, R of shape (d, d).
    Rotation(&'a Dense),
}

/// The figures of a pair of matrices once a change is undone; 6 digits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Undone {
    /// Cosine over the values compared.
    pub cosine: f64,
    /// Its mean over all orders of the axis, as in guide/methods.md, section 3.
    pub expected: f64,
    /// (cosine − expected) / (1 − expected); `None` where expected > 1 − 1e-9.
    pub excess: Option<f64>,
    /// Lines along the other axis that were compared; fewer than all of them after a rotation.
    pub lines: usize,
}

/// Sums of the values compared. A line runs along the axis that the change is undone on.
#[derive(Default)]
struct Sums {
    product: f64,
    base: f64,
    target: f64,
    /// Σ over lines of the product of the two line sums.
    line_sums: f64,
}

impl Sums {
    fn figures(&self, length: usize, lines: usize) -> Option<Undone> {
        let norms = (self.base * self.target).sqrt();
        if norms.is_nan() || norms <= 0.0 || norms.is_infinite() || !self.product.is_finite() {
            return None;
        }
        let cosine = round6((self.product / norms).clamp(-1.0, 1.0));
        let expected = round6((self.line_sums / length as f64 / norms).clamp(-1.0, 1.0));
        let excess =
            (expected <= 1.0 - 1e-9).then(|| round6((cosine - expected) / (1.0 - expected)));
        Some(Undone {
            cosine,
            expected,
            excess,
            lines,
        })
    }
}

/// Cosine of `base` and `target` after `change` is undone on `axis` (`Side::Columns`: each row is
/// turned; `Side::Rows`: each column). An order takes all values; a rotation 1,024 lines drawn from
/// `seed`.
///
/// `None` where the shapes do not fit the change, a value is not finite, or one side is zero.
///
/// # Errors
/// When rows cannot be read.
pub(crate) fn undo(
    base: &dyn RowSource,
    target: &dyn RowSource,
    axis: Side,
    change: Change,
    seed: u64,
) -> Result<Option<Undone>> {
    let lines = |source: &dyn RowSource| {
        if axis == Side::Columns {
            source.rows()
        } else {
            source.columns()
        }
    };
    let (on_base, on_target) = (axis.dimension(base), axis.dimension(target));
    let fits = match change {
        Change::Order(pairs) => {
            !pairs.is_empty()
                && pairs
                    .iter()
                    .all(|pair| pair.base < on_base && pair.target < on_target)
        }
        Change::Rotation(matrix) => matrix.rows == on_base && matrix.columns == on_target,
    };
    if !fits || lines(base) != lines(target) || lines(base) == 0 {
        return Ok(None);
    }
    match (change, axis) {
        (Change::Order(pairs), Side::Columns) => reordered_columns(base, target, pairs),
        (Change::Order(pairs), Side::Rows) => reordered_rows(base, target, pairs),
        (Change::Rotation(matrix), _) => turned(base, target, axis, matrix, seed),
    }
}

fn reordered_columns(
    base: &dyn RowSource,
    target: &dyn RowSource,
    pairs: &[Pair],
) -> Result<Option<Undone>> {
    let (wide_base, wide_target) = (base.columns(), target.columns());
    let height = (TILE_VALUES / wide_base.max(wide_target)).max(1);
    let mut sums = Sums::default();
    let mut tiles = [Vec::new(), Vec::new()];
    for first in (0..base.rows()).step_by(height) {
        let rows = first..(first + height).min(base.rows());
        tiles[0].resize(rows.len() * wide_base, 0.0f32);
        tiles[1].resize(rows.len() * wide_target, 0.0f32);
        base.read_rows(rows.clone(), &mut tiles[0])?;
        target.read_rows(rows, &mut tiles[1])?;
        for (a, b) in tiles[0].chunks(wide_base).zip(tiles[1].chunks(wide_target)) {
            let mut line = [0.0; 2];
            for pair in pairs {
                let (a, b) = (
                    pair.sign() * f64::from(a[pair.base]),
                    f64::from(b[pair.target]),
                );
                sums.product += a * b;
                sums.base += a * a;
                sums.target += b * b;
                line[0] += a;
                line[1] += b;
            }
            sums.line_sums += line[0] * line[1];
        }
    }
    Ok(sums.figures(pairs.len(), base.rows()))
}

fn reordered_rows(
    base: &dyn RowSource,
    target: &dyn RowSource,
    pairs: &[Pair],
) -> Result<Option<Undone>> {
    let columns = base.columns();
    let mut sums = Sums::default();
    let mut lines = [vec![0.0; columns], vec![0.0; columns]];
    let (mut a, mut b) = (vec![0.0f32; columns], vec![0.0f32; columns]);
    for pair in pairs {
        base.read_rows(pair.base..pair.base + 1, &mut a)?;
        target.read_rows(pair.target..pair.target + 1, &mut b)?;
        for (j, (&a, &b)) in a.iter().zip(&b).enumerate() {
            let (a, b) = (pair.sign() * f64::from(a), f64::from(b));
            sums.product += a * b;
            sums.base += a * a;
            sums.target += b * b;
            lines[0][j] += a;
            lines[1][j] += b;
        }
    }
    sums.line_sums = lines[0].iter().zip(&lines[1]).map(|(a, b)| a * b).sum();
    Ok(sums.figures(pairs.len(), columns))
}

fn turned(
    base: &dyn RowSource,
    target: &dyn RowSource,
    axis: Side,
    matrix: &Dense,
    seed: u64,
) -> Result<Option<Undone>> {
    let mut draws = Draws::new(seed, "turned lines");
    let [a, b] = match axis {
        Side::Columns => {
            let rows = draws.distinct(TURNED_LINES, base.rows());
            [
                wide(&Matrix::from_rows(base, &rows)?),
                wide(&Matrix::from_rows(target, &rows)?),
            ]
        }
        Side::Rows => {
            let columns = draws.distinct(TURNED_LINES, base.columns());
            [
                picked_columns(base, &columns)?,
                picked_columns(target, &columns)?,
            ]
        }
    };
    if !a.values.iter().chain(&b.values).all(|v| v.is_finite()) {
        return Ok(None);
    }
    let a = a.times(matrix);
    let sum = |line: &[f64]| line.iter().sum::<f64>();
    let sums = Sums {
        product: a.values.iter().zip(&b.values).map(|(a, b)| a * b).sum(),
        base: a.energy(),
        target: b.energy(),
        line_sums: (0..a.rows).map(|i| sum(a.row(i)) * sum(b.row(i))).sum(),
    };
    Ok(sums.figures(b.columns, b.rows))
}

/// Some columns of a source, one a row.
fn picked_columns(source: &dyn RowSource, columns: &[usize]) -> Result<Dense> {
    let width = source.columns();
    let height = (TILE_VALUES / width).max(1);
    let mut out = Dense::zeros(columns.len(), source.rows());
    let mut tile = Vec::new();
    for first in (0..source.rows()).step_by(height) {
        let rows = first..(first + height).min(source.rows());
        tile.resize(rows.len() * width, 0.0f32);
        source.read_rows(rows, &mut tile)?;
        for (i, row) in tile.chunks(width).enumerate() {
            for (j, &column) in columns.iter().enumerate() {
                out.row_mut(j)[first + i] = f64::from(row[column]);
            }
        }
    }
    Ok(out)
}

/// A matrix whose columns are multiplied by the gains of the normalisation that feeds it: what a
/// model computes with, and what stays comparable when the gains were folded into the weights, as a
/// rotation requires.
pub(crate) struct Gained<'a> {
    source: &'a dyn RowSource,
    gain: &'a [f32],
}

impl<'a> Gained<'a> {
    /// `source` with one gain a column; `None` where the numbers differ.
    pub(crate) fn new(source: &'a dyn RowSource, gain: &'a [f32]) -> Option<Self> {
        (source.columns() == gain.len()).then_some(Self { source, gain })
    }
}

impl RowSource for Gained<'_> {
    fn rows(&self) -> usize {
        self.source.rows()
    }

    fn columns(&self) -> usize {
        self.source.columns()
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.source.read_rows(rows.clone(), out)?;
        for row in out.chunks_mut(self.columns().max(1)).take(rows.len()) {
            row.iter_mut().zip(self.gain).for_each(|(v, g)| *v *= g);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::linalg::orthonormal_rows;

    fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut draws = Draws::new(seed, "weights");
        Matrix {
            rows,
            columns,
            values: (0..rows * columns).map(|_| draws.normal() as f32).collect(),
        }
    }

    fn transposed(matrix: &Matrix) -> Matrix {
        let dense = wide(matrix).transposed();
        stored(&dense)
    }

    fn stored(matrix: &Dense) -> Matrix {
        let values = matrix.values.iter().map(|&v| v as f32).collect();
        Matrix {
            rows: matrix.rows,
            columns: matrix.columns,
            values,
        }
    }

    fn order(kept: usize, of: usize, seed: u64) -> Vec<Pair> {
        let mut draws = Draws::new(seed, "order");
        let from = draws.permutation(of);
        (0..kept)
            .map(|target| Pair {
                base: from[target],
                target,
                negated: draws.below(2) == 1,
            })
            .collect()
    }

    /// The target of an order on the columns.
    fn moved(base: &Matrix, pairs: &[Pair]) -> Matrix {
        let mut out = Matrix {
            rows: base.rows,
            columns: pairs.len(),
            values: vec![0.0; base.rows * pairs.len()],
        };
        for i in 0..base.rows {
            for pair in pairs {
                out.values[i * pairs.len() + pair.target] =
                    base.values[i * base.columns + pair.base] * pair.sign() as f32;
            }
        }
        out
    }

    fn excess(base: &Matrix, target: &Matrix, axis: Side, change: Change) -> f64 {
        undo(base, target, axis, change, 0)
            .unwrap()
            .unwrap()
            .excess
            .unwrap()
    }

    #[test]
    fn an_order_is_undone_on_either_axis_also_where_units_were_pruned() {
        let base = random(30, 50, 1);
        for kept in [50, 32] {
            let pairs = order(kept, 50, 2);
            let target = moved(&base, &pairs);
            let change = Change::Order(&pairs);
            assert_eq!(excess(&base, &target, Side::Columns, change), 1.0);
            assert_eq!(
                excess(&transposed(&base), &transposed(&target), Side::Rows, change),
                1.0
            );
            assert!(excess(&base, &random(30, kept, 3), Side::Columns, change).abs() < 0.1);
        }
    }

    #[test]
    fn a_matrix_of_many_tiles_is_read_to_its_end() {
        let base = random(2200, 1000, 4);
        let pairs = order(1000, 1000, 5);
        let mut target = moved(&base, &pairs);
        let last = target.values.len() - 1000 * 100;
        target.values[last..].fill(0.0);
        let found = undo(&base, &target, Side::Columns, Change::Order(&pairs), 0)
            .unwrap()
            .unwrap();
        assert!(
            (found.cosine - (2100.0f64 / 2200.0).sqrt()).abs() < 1e-3 && found.lines == 2200,
            "{found:?}"
        );
    }

    #[test]
    fn a_rotation_is_undone_on_either_axis_from_some_lines() {
        let (base, rotation) = (
            random(1300, 32, 6),
            orthonormal_rows(&wide(&random(32, 32, 7))),
        );
        let target = stored(&wide(&base).times(&rotation));
        let change = Change::Rotation(&rotation);
        let found = undo(&base, &target, Side::Columns, change, 0)
            .unwrap()
            .unwrap();
        assert_eq!((found.cosine, found.lines), (1.0, TURNED_LINES));
        assert_eq!(
            excess(&transposed(&base), &transposed(&target), Side::Rows, change),
            1.0
        );
        assert!(excess(&base, &random(1300, 32, 8), Side::Columns, change).abs() < 0.02);
        assert!(
            excess(&base, &base, Side::Columns, change).abs() < 0.2,
            "not where it is not"
        );
    }

    #[test]
    fn the_expectation_is_the_mean_over_all_orders() {
        let (mut base, mut target) = (random(3, 4, 9), random(3, 4, 10));
        base.values
            .iter_mut()
            .chain(&mut target.values)
            .for_each(|v| *v += 0.7);
        let mut cosines = Vec::new();
        for code in 0..256usize {
            let from = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6];
            let mut seen = from;
            seen.sort_unstable();
            if seen == [0, 1, 2, 3] {
                let pairs: Vec<Pair> = (0..4)
                    .map(|target| Pair {
                        base: from[target],
                        target,
                        negated: false,
                    })
                    .collect();
                let found = undo(&base, &target, Side::Columns, Change::Order(&pairs), 0)
                    .unwrap()
                    .unwrap();
                cosines.push((found.cosine, found.expected));
            }
        }
        let mean = cosines.iter().map(|c| c.0).sum::<f64>() / 24.0;
        assert_eq!(cosines.len(), 24);
        assert!(
            cosines.iter().all(|c| (c.1 - mean).abs() < 1e-5),
            "{mean} {cosines:?}"
        );
    }

    #[test]
    fn gains_folded_into_a_matrix_are_undone_with_them() {
        let (base, gain) = (random(20, 12, 11), random(1, 12, 12).values);
        let mut folded = base.clone();
        folded
            .values
            .iter_mut()
            .enumerate()
            .for_each(|(i, v)| *v *= gain[i % 12]);
        let gained = Gained::new(&base, &gain).unwrap();
        let pairs = order(12, 12, 13);
        let found = undo(
            &gained,
            &moved(&folded, &pairs),
            Side::Columns,
            Change::Order(&pairs),
            0,
        )
        .unwrap()
        .unwrap();
        assert_eq!(found.cosine, 1.0);
        assert!(Gained::new(&base, &gain[1..]).is_none());
    }

    #[test]
    fn what_does_not_fit_or_is_not_finite_gives_none() {
        let (base, pairs, unit) = (
            random(10, 6, 14),
            order(6, 6, 15),
            orthonormal_rows(&wide(&random(6, 6, 16))),
        );
        let none =
            |target: &Matrix, axis, change| undo(&base, target, axis, change, 0).unwrap().is_none();
        assert!(none(
            &random(11, 6, 1),
            Side::Columns,
            Change::Order(&pairs)
        ));
        assert!(none(
            &random(10, 5, 1),
            Side::Columns,
            Change::Order(&pairs)
        ));
        assert!(none(
            &random(10, 5, 1),
            Side::Columns,
            Change::Rotation(&unit)
        ));
        assert!(none(&base, Side::Columns, Change::Order(&[])));
        assert!(none(
            &Matrix {
                values: vec![0.0; 60],
                ..base.clone()
            },
            Side::Columns,
            Change::Order(&pairs)
        ));
        let mut broken = base.clone();
        broken.values[7] = f32::NAN;
        assert!(none(&broken, Side::Columns, Change::Order(&pairs)));
        assert!(none(&broken, Side::Columns, Change::Rotation(&unit)));
    }
}
