//! A logical matrix as a source of rows.

use std::ops::Range;

use crate::error::Result;

/// A matrix of shape (rows, columns), row-major, whose values are read a few rows at a time and
/// never held whole.
///
/// A vector is one row; axes beyond the second are folded into the columns.
pub trait RowSource: Sync {
    /// Number of rows.
    fn rows(&self) -> usize;

    /// Number of columns.
    fn columns(&self) -> usize;

    /// Writes the values of `rows`, `rows.len() * columns()` of them, to the front of `out`.
    ///
    /// # Errors
    /// When the bytes behind the rows cannot be read.
    ///
    /// # Panics
    /// When `rows` is out of range or `out` is too short.
    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()>;

    /// Writes the first `width` values of each of `rows`, one row behind the other, to the front of
    /// `out`.
    ///
    /// # Errors
    /// As [`RowSource::read_rows`].
    ///
    /// # Panics
    /// When `rows` or `width` is out of range or `out` is too short.
    fn read_starts(&self, rows: Range<usize>, width: usize, out: &mut [f32]) -> Result<()> {
        let read = |rows, out: &mut [f32]| self.read_rows(rows, out);
        starts_of_whole_rows(rows, self.columns(), width, out, read)
    }

    /// Whether values that are NaN may be such that nobody knows: a sketch keeps few.
    fn is_partial(&self) -> bool {
        false
    }
}

/// [`RowSource::read_starts`] where no less than whole rows of `columns` values can be read.
pub(crate) fn starts_of_whole_rows(
    rows: Range<usize>,
    columns: usize,
    width: usize,
    out: &mut [f32],
    read_rows: impl Fn(Range<usize>, &mut [f32]) -> Result<()>,
) -> Result<()> {
    let mut whole = vec![0.0; columns];
    for (row, out) in rows.zip(out.chunks_exact_mut(width.max(1))) {
        read_rows(row..row + 1, &mut whole)?;
        out.copy_from_slice(&whole[..width]);
    }
    Ok(())
}

/// Writes chosen `rows` of `source`, in the order given, to the front of `out`; neighbours among them
/// are read together.
///
/// # Errors
/// When they cannot be read.
///
/// # Panics
/// When a row is out of range or `out` is too short.
pub(crate) fn read_chosen(source: &dyn RowSource, rows: &[usize], out: &mut [f32]) -> Result<()> {
    let mut rest = out;
    for run in rows.chunk_by(|row, next| row.checked_add(1) == Some(*next)) {
        let (values, behind) = rest.split_at_mut(run.len() * source.columns());
        source.read_rows(run[0]..run[0] + run.len(), values)?;
        rest = behind;
    }
    Ok(())
}

/// A matrix held in memory.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Values, row-major, `rows * columns` of them.
    pub values: Vec<f32>,
}

impl Matrix {
    /// The given `rows` of `source`, in the order given.
    ///
    /// # Errors
    /// When they cannot be read.
    ///
    /// # Panics
    /// When a row is out of range.
    pub(crate) fn from_rows(source: &dyn RowSource, rows: &[usize]) -> Result<Self> {
        let columns = source.columns();
        let mut values = vec![0.0; rows.len() * columns];
        read_chosen(source, rows, &mut values)?;
        Ok(Self {
            rows: rows.len(),
            columns,
            values,
        })
    }
}

impl RowSource for Matrix {
    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let values = &self.values[rows.start * self.columns..rows.end * self.columns];
        out[..values.len()].copy_from_slice(values);
        Ok(())
    }
}
