//! Units that are the columns of a matrix: residual dimensions of projections and embeddings,
//! hidden units of a down projection.

use std::ops::Range;

use super::TILE;
use super::features::Features;
use crate::error::Result;
use crate::numeric::rows::{RowSource, read_chosen};

/// Values held at one time: the rows are read once for each tile of columns, so tiles are made
/// large.
const TILE_VALUES: usize = 1 << 22;

/// Rows read together, so that the scattered writes share cache lines; and columns of them that are
/// written in one go.
const SIDE: usize = 16;

/// Each column of a matrix a unit; its feature are the column's values in drawn rows.
///
/// Memory: one tile of 2²² values or 256 units, and 16 rows; the rows are read once a tile.
pub struct ColumnFeatures<'a> {
    source: &'a dyn RowSource,
    rows: Vec<usize>,
    centred: bool,
}

impl<'a> ColumnFeatures<'a> {
    /// The columns of `source` in `rows`, which need not be ascending: on both sides the k-th must
    /// mean the same.
    ///
    /// # Panics
    /// When a row is out of range.
    pub fn new(source: &'a dyn RowSource, rows: Vec<usize>) -> Self {
        assert!(
            rows.iter().all(|&row| row < source.rows()),
            "a row beyond {}",
            source.rows()
        );
        Self {
            source,
            rows,
            centred: false,
        }
    }

    /// Takes off the mean of the rows: what all tokens of an embedding have in common.
    #[must_use]
    pub fn centred(mut self) -> Self {
        self.centred = true;
        self
    }

    /// Reads the rows and hands out some at a time.
    fn each_portion(&self, mut visit: impl FnMut(&Portion<'_>)) -> Result<()> {
        let columns = self.source.columns();
        let mut values = vec![0.0; SIDE * columns];
        for (at, rows) in self.rows.chunks(SIDE).enumerate() {
            read_chosen(self.source, rows, &mut values)?;
            visit(&Portion {
                values: &values[..rows.len() * columns],
                columns,
                from: at * SIDE,
            });
        }
        Ok(())
    }

    fn centre(&self, feature: &mut [f32]) {
        if self.centred {
            let mean = feature.iter().map(|&x| f64::from(x)).sum::<f64>() / feature.len() as f64;
            feature
                .iter_mut()
                .for_each(|x| *x = (f64::from(*x) - mean) as f32);
        }
    }
}

/// Some rows, and the place of the first of them in a feature.
struct Portion<'a> {
    /// Shape (rows, columns).
    values: &'a [f32],
    columns: usize,
    from: usize,
}

impl Portion<'_> {
    /// Puts the values of one column in their places of its feature.
    fn put(&self, unit: usize, feature: &mut [f32]) {
        let rows = self.values.chunks_exact(self.columns);
        let places = feature[self.from..].iter_mut().zip(rows);
        places.for_each(|(x, row)| *x = row[unit]);
    }

    /// The same of the columns from `first` on, as many as there are features of `width` values.
    fn put_neighbours(&self, first: usize, features: &mut [f32], width: usize) {
        let is_square = features.len() == SIDE * width && self.values.len() == SIDE * self.columns;
        if !is_square {
            let features = features.chunks_exact_mut(width).enumerate();
            features.for_each(|(at, feature)| self.put(first + at, feature));
            return;
        }
        let mut square = [[0.0f32; SIDE]; SIDE];
        let rows = self.values.chunks_exact(self.columns);
        for (own, row) in square.iter_mut().zip(rows) {
            own.copy_from_slice(&row[first..first + SIDE]);
        }
        for (at, feature) in features.chunks_exact_mut(width).enumerate() {
            let places = feature[self.from..self.from + SIDE].iter_mut();
            places.zip(&square).for_each(|(x, own)| *x = own[at]);
        }
    }
}

impl Features for ColumnFeatures<'_> {
    fn is_partial(&self) -> bool {
        self.source.is_partial()
    }

    fn units(&self) -> usize {
        self.source.columns()
    }

    fn width(&self) -> usize {
        self.rows.len()
    }

    fn read(&self, units: Range<usize>, out: &mut [f32]) -> Result<()> {
        let width = self.width();
        if width == 0 {
            return Ok(());
        }
        let out = &mut out[..units.len() * width];
        self.each_portion(|portion| {
            let firsts = units.clone().step_by(SIDE);
            for (first, features) in firsts.zip(out.chunks_mut(SIDE * width)) {
                portion.put_neighbours(first, features, width);
            }
        })?;
        out.chunks_exact_mut(width)
            .for_each(|feature| self.centre(feature));
        Ok(())
    }

    fn read_each(&self, units: &[usize], out: &mut [f32]) -> Result<()> {
        // One reading of the rows serves all units asked for.
        let width = self.width().max(1);
        self.each_portion(|portion| {
            for (&unit, feature) in units.iter().zip(out.chunks_exact_mut(width)) {
                portion.put(unit, feature);
            }
        })?;
        out.chunks_exact_mut(width)
            .for_each(|feature| self.centre(feature));
        Ok(())
    }

    fn tile(&self) -> usize {
        (TILE_VALUES / self.width().max(1)).max(TILE)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Held;
    use super::*;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    fn matrix(rows: usize, columns: usize) -> Matrix {
        let mut draws = Draws::new(0, "columns");
        Matrix {
            rows,
            columns,
            values: (0..rows * columns)
                .map(|_| draws.normal() as f32 + 0.5)
                .collect(),
        }
    }

    #[test]
    fn a_feature_is_the_column_in_the_drawn_rows() {
        let source = matrix(60, 11);
        let rows = [
            3, 59, 4, 0, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 40,
        ];
        let features = ColumnFeatures::new(&source, rows.to_vec());
        let expected: Vec<f32> = rows.iter().map(|row| source.values[row * 11 + 6]).collect();
        let mut read = vec![0.0; 2 * rows.len()];
        features.read(5..7, &mut read).unwrap();
        assert_eq!(read[rows.len()..], expected);
        let mut each = vec![0.0; 2 * rows.len()];
        features.read_each(&[6, 5], &mut each).unwrap();
        assert_eq!(each, [&expected, &read[..rows.len()]].concat());
    }

    #[test]
    fn whole_squares_and_what_is_left_of_them_are_read_alike() {
        let source = matrix(70, 53);
        for drawn in [1, 16, 37, 64] {
            let rows: Vec<usize> = (0..drawn).map(|at| (at * 29) % 70).collect();
            let features = ColumnFeatures::new(&source, rows.clone());
            for units in [0..53, 3..35, 20..21] {
                let mut read = vec![0.0; units.len() * drawn];
                features.read(units.clone(), &mut read).unwrap();
                let value = |unit: usize| rows.iter().map(move |row| (row * 53) + unit);
                let expected = units.flat_map(value).map(|at| source.values[at]);
                assert_eq!(read, expected.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn centring_takes_off_what_the_rows_have_in_common() {
        let mut source = matrix(40, 5);
        let rows: Vec<usize> = (0..40).collect();
        let plain = Held::all(&ColumnFeatures::new(&source, rows.clone()).centred()).unwrap();
        source
            .values
            .iter_mut()
            .enumerate()
            .for_each(|(at, x)| *x += (at % 5) as f32);
        (0..40).for_each(|row| source.values[row * 5 + 2] = 0.1);
        let shifted = Held::all(&ColumnFeatures::new(&source, rows).centred()).unwrap();
        for (unit, (a, b)) in plain.rows().zip(shifted.rows()).enumerate() {
            let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            assert_eq!(cosine > 0.999, unit != 2, "{unit}: {cosine}");
        }
        assert!(shifted.rows().nth(2).unwrap().iter().all(|&x| x == 0.0));
    }
}
