//! The matrix that most layouts come to: (table of the code − zero) · scale + bias, by groups.

use std::ops::Range;

use super::codes::Table;
use super::grid::{Grid, Groups};
use super::packed::Packed;
use super::{Built, SteppedRows};
use crate::error::Result;
use crate::numeric::rows::RowSource;

/// A quantised matrix of shape (rows, columns).
pub(crate) struct Grouped<'a> {
    rows: usize,
    columns: usize,
    codes: Packed<'a>,
    table: Box<Table>,
    groups: Groups,
    scales: Grid<'a>,
    zeros: Option<Grid<'a>>,
    biases: Option<Grid<'a>>,
}

/// The parts of a [`Grouped`].
pub(crate) struct Parts<'a> {
    /// Codes, (rows, columns).
    pub codes: Packed<'a>,
    /// What a code means.
    pub table: Box<Table>,
    /// Group of each column.
    pub groups: Groups,
    /// Scale of each block.
    pub scales: Grid<'a>,
    /// Zero point of each block, in codes.
    pub zeros: Option<Grid<'a>>,
    /// What is added in the end.
    pub biases: Option<Grid<'a>>,
}

impl<'a> Grouped<'a> {
    /// Puts the parts of a (`rows`, `columns`) matrix together.
    ///
    /// # Errors
    /// The groups of columns are not those of the grids.
    pub(crate) fn new(rows: usize, columns: usize, parts: Parts<'a>) -> Built<Self> {
        let Parts {
            codes,
            table,
            groups,
            scales,
            zeros,
            biases,
        } = parts;
        rows.checked_mul(columns).ok_or("the matrix is too large")?;
        let count = match &groups {
            Groups::Even(size) => columns.div_ceil(*size),
            Groups::Listed(list) if list.len() == columns => {
                list.iter().max().map_or(0, |&last| last as usize + 1)
            }
            Groups::Listed(list) => {
                return Err(format!("groups of {} columns for {columns}", list.len()));
            }
        };
        for (what, grid) in [
            ("scales", Some(&scales)),
            ("zero points", zeros.as_ref()),
            ("biases", biases.as_ref()),
        ] {
            if let Some(grid) = grid
                && grid.groups() < count
            {
                return Err(format!(
                    "{what} of {} groups, expected {count}",
                    grid.groups()
                ));
            }
        }
        Ok(Self {
            rows,
            columns,
            codes,
            table,
            groups,
            scales,
            zeros,
            biases,
        })
    }

    /// Runs over the columns of a row by group.
    fn each_group(&self, codes: &[u8], out: &mut [f32], run: impl Fn(usize, &[u8], &mut [f32])) {
        match &self.groups {
            Groups::Even(size) => {
                let groups = codes.chunks(*size).zip(out.chunks_mut(*size)).enumerate();
                groups.for_each(|(group, (codes, out))| run(group, codes, out));
            }
            Groups::Listed(list) => {
                let columns = list.iter().zip(codes.chunks(1).zip(out.chunks_mut(1)));
                columns.for_each(|(&group, (codes, out))| run(group as usize, codes, out));
            }
        }
    }

    /// How many zero points wrap around (see [`Grid`]); such fields are read differently by
    /// different programs.
    ///
    /// # Errors
    /// The zero points cannot be read.
    pub(crate) fn wrapped_zeros(&self) -> Result<u64> {
        self.zeros.as_ref().map_or(Ok(0), Grid::wrapped)
    }
}

impl RowSource for Grouped<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        assert!(rows.end <= self.rows, "rows out of range");
        let mut codes = vec![0; rows.len() * self.columns];
        self.codes.read(rows.clone(), &mut codes)?;
        let scales = self.scales.read(rows.clone())?;
        let zeros = self
            .zeros
            .as_ref()
            .map(|grid| grid.read(rows.clone()))
            .transpose()?;
        let biases = self
            .biases
            .as_ref()
            .map(|grid| grid.read(rows.clone()))
            .transpose()?;
        let out = out[..codes.len()].chunks_exact_mut(self.columns);
        for ((row, codes), out) in rows.zip(codes.chunks_exact(self.columns)).zip(out) {
            let scales = scales.row(row);
            let zeros = zeros.as_ref().map(|zeros| zeros.row(row));
            let biases = biases.as_ref().map(|biases| biases.row(row));
            self.each_group(codes, out, |group, codes, out| {
                let (scale, zero) = (scales[group], zeros.map_or(0.0, |zeros| zeros[group]));
                let bias = biases.map(|biases| biases[group]);
                for (&code, out) in codes.iter().zip(out) {
                    let value = (self.table.values[usize::from(code)] - zero) * scale;
                    *out = bias.map_or(value, |bias| value + bias);
                }
            });
        }
        Ok(())
    }
}

impl SteppedRows for Grouped<'_> {
    fn read_steps(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        assert!(rows.end <= self.rows, "rows out of range");
        let mut codes = vec![0; rows.len() * self.columns];
        self.codes.read(rows.clone(), &mut codes)?;
        let scales = self.scales.read(rows.clone())?;
        let out = out[..codes.len()].chunks_exact_mut(self.columns);
        for ((row, codes), out) in rows.zip(codes.chunks_exact(self.columns)).zip(out) {
            let scales = scales.row(row);
            self.each_group(codes, out, |group, codes, out| {
                let scale = scales[group].abs();
                for (&code, out) in codes.iter().zip(out) {
                    *out = self.table.steps[usize::from(code)] * scale;
                }
            });
        }
        Ok(())
    }
}
