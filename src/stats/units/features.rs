//! The features by which units are told apart.

use std::ops::Range;

use super::TILE;
use crate::error::Result;
use crate::numeric::linalg::squared_length;
use crate::numeric::rows::RowSource;
use crate::numeric::wide::widest;

/// The units of one block, a feature vector each, read a tile at a time.
///
/// The tests compare directions: they scale each feature to length 1, and one that is zero or holds
/// a value that is not finite is like no other. Its length tells whether the units are sorted.
pub trait Features: Sync {
    /// Number of units.
    fn units(&self) -> usize;

    /// Values of one feature.
    fn width(&self) -> usize;

    /// Writes the features of `units` to the front of `out`, `units.len() * width()` values.
    ///
    /// # Errors
    /// When the bytes behind them cannot be read.
    ///
    /// # Panics
    /// When `units` is out of range or `out` is too short.
    fn read(&self, units: Range<usize>, out: &mut [f32]) -> Result<()>;

    /// Writes the features of a few `units`, in the order given.
    ///
    /// # Errors
    /// When the bytes behind them cannot be read.
    ///
    /// # Panics
    /// When a unit is out of range or `out` is too short.
    fn read_each(&self, units: &[usize], out: &mut [f32]) -> Result<()> {
        for (&unit, feature) in units.iter().zip(out.chunks_exact_mut(self.width().max(1))) {
            self.read(unit..unit + 1, feature)?;
        }
        Ok(())
    }

    /// Whether units without a feature may be such that nobody knows.
    fn is_partial(&self) -> bool {
        false
    }

    /// Units that are best read together.
    fn tile(&self) -> usize {
        TILE
    }
}

/// Scales `feature` to length 1, or to zeros where that is impossible; returns the length it had, 0
/// for the latter.
pub(super) fn normalise(feature: &mut [f32]) -> f64 {
    let squares = squared_length(feature);
    if squares > 0.0 && squares.is_finite() {
        let length = squares.sqrt();
        let scale = length.recip();
        widest(
            #[inline(always)]
            || {
                let values = feature.iter_mut();
                values.for_each(|x| *x = (f64::from(*x) * scale) as f32);
            },
        );
        length
    } else {
        feature.fill(0.0);
        0.0
    }
}

/// The length of each of the features.
///
/// # Errors
/// When they cannot be read.
pub(super) fn lengths(features: &dyn Features) -> Result<Vec<f64>> {
    let (width, tile) = (
        features.width(),
        features.tile().clamp(1, features.units().max(1)),
    );
    let mut lengths = Vec::with_capacity(features.units());
    let mut values = vec![0.0; tile * width];
    for start in (0..features.units()).step_by(tile) {
        let values = &mut values[..tile.min(features.units() - start) * width];
        features.read(start..start + values.len() / width.max(1), values)?;
        lengths.extend(values.chunks_exact_mut(width.max(1)).map(normalise));
    }
    Ok(lengths)
}

/// Features held in memory, shape (units, width), row-major, each of length 1 or zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    units: usize,
    width: usize,
    values: Vec<f32>,
}

impl Held {
    /// Scales each of `values`, shape (units, `width`), to length 1; to zeros where that is
    /// impossible.
    ///
    /// # Panics
    /// When the values do not fill whole rows.
    pub fn new(mut values: Vec<f32>, width: usize) -> Self {
        assert!(
            width > 0 && values.len().is_multiple_of(width),
            "{} values in rows of {width}",
            values.len()
        );
        values.chunks_exact_mut(width).for_each(|feature| {
            normalise(feature);
        });
        Self {
            units: values.len() / width,
            width,
            values,
        }
    }

    /// The features of a few `units`, in the order given.
    ///
    /// # Errors
    /// When they cannot be read.
    ///
    /// # Panics
    /// When a unit is out of range or a feature has no values.
    pub fn some(features: &dyn Features, units: &[usize]) -> Result<Self> {
        let mut values = vec![0.0; units.len() * features.width()];
        features.read_each(units, &mut values)?;
        Ok(Self::new(values, features.width()))
    }

    /// The features of all units.
    ///
    /// # Errors
    /// When they cannot be read.
    ///
    /// # Panics
    /// When a feature has no values.
    pub fn all(features: &dyn Features) -> Result<Self> {
        let (units, width, tile) = (features.units(), features.width(), features.tile().max(1));
        let mut values = vec![0.0; units * width];
        for start in (0..units).step_by(tile) {
            let end = units.min(start + tile);
            features.read(start..end, &mut values[start * width..end * width])?;
        }
        Ok(Self::new(values, width))
    }

    /// Values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The feature of each unit.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// Whether at least two features are there and differ.
    pub(super) fn distinct(&self) -> bool {
        let mut usable = self.rows().filter(|feature| usable(feature));
        usable
            .next()
            .is_some_and(|first| usable.any(|other| other != first))
    }
}

/// Whether a feature scaled to length 1 is not the zero vector.
pub(super) fn usable(feature: &[f32]) -> bool {
    feature.iter().any(|&x| x != 0.0)
}

impl Features for Held {
    fn units(&self) -> usize {
        self.units
    }

    fn width(&self) -> usize {
        self.width
    }

    fn read(&self, units: Range<usize>, out: &mut [f32]) -> Result<()> {
        let values = &self.values[units.start * self.width..units.end * self.width];
        out[..values.len()].copy_from_slice(values);
        Ok(())
    }
}

/// Which rows of a matrix make up a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Each row is a unit.
    Rows,
    /// So many stacks of rows, the gates of a recurrent cell or a fused gate and up: unit j has row
    /// j of each.
    Stacks(usize),
    /// So many neighbouring rows a unit: the dimensions of a head, or of a group of heads.
    Neighbours(usize),
}

/// Units that are rows of a matrix, or several rows each; the feature is their values, or drawn
/// coordinates of them.
pub struct RowFeatures<'a> {
    source: &'a dyn RowSource,
    units: usize,
    rows_per_unit: usize,
    /// From a unit to the next, and from a row of a unit to its next.
    strides: (usize, usize),
    /// Columns taken of each row of a unit; all where none are named.
    columns: Option<Vec<Vec<usize>>>,
}

impl<'a> RowFeatures<'a> {
    /// Each row of `source` a unit.
    pub fn new(source: &'a dyn RowSource) -> Self {
        Self {
            source,
            units: source.rows(),
            rows_per_unit: 1,
            strides: (1, 1),
            columns: None,
        }
    }

    /// Units of several rows; none where the rows of `source` do not fill whole units.
    pub fn with_layout(source: &'a dyn RowSource, layout: Layout) -> Option<Self> {
        let rows = source.rows();
        let per_unit = match layout {
            Layout::Rows => 1,
            Layout::Stacks(count) | Layout::Neighbours(count) => count,
        };
        if per_unit == 0 || !rows.is_multiple_of(per_unit) {
            return None;
        }
        let units = rows / per_unit;
        let strides = match layout {
            Layout::Rows | Layout::Neighbours(_) => (per_unit, 1),
            Layout::Stacks(_) => (1, units),
        };
        Some(Self {
            source,
            units,
            rows_per_unit: per_unit,
            strides,
            columns: None,
        })
    }

    /// Values of a whole feature, before any cut.
    pub fn full_width(&self) -> usize {
        self.rows_per_unit * self.source.columns()
    }

    /// Keeps the `coordinates` of the whole feature, ascending.
    ///
    /// # Panics
    /// When a coordinate is out of range.
    #[must_use]
    pub fn cut(mut self, coordinates: &[usize]) -> Self {
        if coordinates.len() < self.full_width() {
            let mut columns = vec![Vec::new(); self.rows_per_unit];
            for &coordinate in coordinates {
                columns[coordinate / self.source.columns()]
                    .push(coordinate % self.source.columns());
            }
            self.columns = Some(columns);
        }
        self
    }
}

/// Values of neighbouring rows that are read together: fewer calls than row by row, and in the
/// core's cache.
const ROWS_VALUES: usize = 1 << 15;

impl RowFeatures<'_> {
    /// Whether the rows of neighbouring units lie one behind the other, and all of each are taken.
    fn lies_in_order(&self) -> bool {
        let per_unit = self.rows_per_unit;
        let in_order = self.strides.0 == per_unit && (self.strides.1 == 1 || per_unit == 1);
        in_order && self.columns.is_none()
    }

    /// Whole rows, as they lie.
    fn read_whole_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let width = self.source.columns();
        let together = (ROWS_VALUES / width).max(1);
        for (first, out) in (rows.start..)
            .step_by(together)
            .zip(out.chunks_mut(together * width))
        {
            let end = (first + together).min(rows.end);
            self.source.read_rows(first..end, out)?;
        }
        Ok(())
    }

    /// `columns` of neighbouring rows, a unit each.
    fn read_cut_rows(&self, units: Range<usize>, columns: &[usize], out: &mut [f32]) -> Result<()> {
        let width = self.source.columns();
        let together = (ROWS_VALUES / width).clamp(1, units.len().max(1));
        let mut values = vec![0.0; together * width];
        for (first, features) in units
            .clone()
            .step_by(together)
            .zip(out.chunks_mut(together * columns.len()))
        {
            let rows = first..(first + together).min(units.end);
            let values = &mut values[..rows.len() * width];
            self.source.read_rows(rows, values)?;
            for (row, feature) in values
                .chunks_exact(width)
                .zip(features.chunks_exact_mut(columns.len()))
            {
                feature
                    .iter_mut()
                    .zip(columns)
                    .for_each(|(x, &column)| *x = row[column]);
            }
        }
        Ok(())
    }
}

impl Features for RowFeatures<'_> {
    fn is_partial(&self) -> bool {
        self.source.is_partial()
    }

    fn units(&self) -> usize {
        self.units
    }

    fn width(&self) -> usize {
        self.columns.as_ref().map_or(self.full_width(), |columns| {
            columns.iter().map(Vec::len).sum()
        })
    }

    fn read(&self, units: Range<usize>, out: &mut [f32]) -> Result<()> {
        let width = self.width();
        if width == 0 {
            return Ok(());
        }
        let out = &mut out[..units.len() * width];
        if let (1, (1, _), Some([columns])) =
            (self.rows_per_unit, self.strides, self.columns.as_deref())
        {
            return self.read_cut_rows(units, columns, out);
        }
        if self.lies_in_order() {
            let per_unit = self.rows_per_unit;
            return self.read_whole_rows(units.start * per_unit..units.end * per_unit, out);
        }
        let mut values = vec![0.0; self.source.columns()];
        for (unit, feature) in units.zip(out.chunks_exact_mut(width)) {
            let mut rest = &mut feature[..];
            for at in 0..self.rows_per_unit {
                let row = unit * self.strides.0 + at * self.strides.1;
                let count = match &self.columns {
                    None => {
                        self.source.read_rows(row..row + 1, rest)?;
                        values.len()
                    }
                    Some(columns) if columns[at].is_empty() => 0,
                    Some(columns) => {
                        self.source.read_rows(row..row + 1, &mut values)?;
                        rest.iter_mut()
                            .zip(&columns[at])
                            .for_each(|(x, &column)| *x = values[column]);
                        columns[at].len()
                    }
                };
                rest = &mut rest[count..];
            }
        }
        Ok(())
    }

    /// Neighbours among the units are read together.
    fn read_each(&self, units: &[usize], out: &mut [f32]) -> Result<()> {
        let mut rest = out;
        for run in units.chunk_by(|unit, next| unit.checked_add(1) == Some(*next)) {
            let (features, behind) = rest.split_at_mut(run.len() * self.width());
            self.read(run[0]..run[0] + run.len(), features)?;
            rest = behind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rows::Matrix;

    fn matrix(rows: usize, columns: usize) -> Matrix {
        Matrix {
            rows,
            columns,
            values: (0..rows * columns).map(|x| x as f32 + 1.0).collect(),
        }
    }

    fn normed(values: &[f32]) -> Vec<f32> {
        let mut values = values.to_vec();
        normalise(&mut values);
        values
    }

    #[test]
    fn a_unit_is_a_row_a_row_of_each_stack_or_neighbouring_rows() {
        let source = matrix(6, 2);
        let unit = |layout, unit| {
            let features = RowFeatures::with_layout(&source, layout).unwrap();
            Held::some(&features, &[unit]).unwrap().values
        };
        assert_eq!(unit(Layout::Rows, 1), normed(&[3.0, 4.0]));
        assert_eq!(unit(Layout::Stacks(2), 1), normed(&[3.0, 4.0, 9.0, 10.0]));
        assert_eq!(
            unit(Layout::Neighbours(2), 1),
            normed(&[5.0, 6.0, 7.0, 8.0])
        );
        assert!(RowFeatures::with_layout(&source, Layout::Stacks(4)).is_none());
        assert!(RowFeatures::with_layout(&source, Layout::Neighbours(0)).is_none());
    }

    #[test]
    fn a_cut_takes_the_coordinates_of_the_whole_feature() {
        let source = matrix(4, 3);
        let features = RowFeatures::with_layout(&source, Layout::Stacks(2))
            .unwrap()
            .cut(&[1, 3, 5]);
        assert_eq!(features.width(), 3);
        assert_eq!(
            Held::all(&features).unwrap().values,
            [normed(&[2.0, 7.0, 9.0]), normed(&[5.0, 10.0, 12.0])].concat()
        );
    }

    #[test]
    fn units_that_are_read_together_are_the_units_one_by_one() {
        let source = matrix(12, ROWS_VALUES / 3);
        for layout in [
            Layout::Rows,
            Layout::Stacks(2),
            Layout::Neighbours(2),
            Layout::Neighbours(3),
        ] {
            let features = RowFeatures::with_layout(&source, layout).unwrap();
            let width = features.width();
            let units = [0, 1, 2, 3, 1, 3, 2];
            let mut together = vec![0.0; units.len() * width];
            features.read_each(&units, &mut together).unwrap();
            for (unit, feature) in units.into_iter().zip(together.chunks_exact(width)) {
                let rows = match layout {
                    Layout::Rows => vec![unit],
                    Layout::Stacks(_) => vec![unit, unit + features.units()],
                    Layout::Neighbours(count) => (unit * count..(unit + 1) * count).collect(),
                };
                let values = rows.iter().flat_map(|row| {
                    let width = source.columns;
                    &source.values[row * width..(row + 1) * width]
                });
                assert!(feature.iter().eq(values), "{layout:?} {unit}");
            }
        }
    }

    #[test]
    fn cut_rows_that_are_read_together_are_the_rows_one_by_one() {
        let source = matrix(70, ROWS_VALUES / 32);
        let features = RowFeatures::new(&source).cut(&[0, 5, 1000]);
        let mut together = vec![0.0; 66 * 3];
        features.read(3..69, &mut together).unwrap();
        let mut one_by_one = vec![0.0; 66 * 3];
        features
            .read_each(&(3..69).collect::<Vec<_>>(), &mut one_by_one)
            .unwrap();
        assert_eq!(together, one_by_one);
        assert_eq!(together[..3], [3072.0 + 1.0, 3072.0 + 6.0, 3072.0 + 1001.0]);
    }

    #[test]
    fn a_zero_or_non_finite_feature_is_read_as_zeros() {
        let values = vec![
            0.0,
            0.0,
            f32::NAN,
            1.0,
            f32::INFINITY,
            1.0,
            3e38,
            3e38,
            1e-45,
            0.0,
        ];
        let held = Held::all(&RowFeatures::new(&Matrix {
            rows: 5,
            columns: 2,
            values,
        }))
        .unwrap();
        let half = 0.5f32.sqrt();
        assert_eq!(
            held.values,
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, half, half, 1.0, 0.0]
        );
    }
}
