//! Scales, zero points and biases: one number for a block of elements.

use std::ops::Range;

use super::Built;
use super::packed::{Axis, Packed};
use super::stored::{Stored, float, float_bytes};
use crate::error::Result;

/// Blocks of one row of codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Groups {
    /// Column c is in group c / size.
    Even(usize),
    /// Group of each column.
    Listed(Vec<u32>),
}

impl Groups {
    /// Even groups of `size` over `columns` columns, which make `count` groups.
    pub(super) fn even(size: usize, columns: usize, count: usize) -> Built<Self> {
        if size == 0 || columns.div_ceil(size) != count {
            return Err(format!(
                "{count} groups do not fit {columns} columns in groups of {size}"
            ));
        }
        Ok(Self::Even(size))
    }
}

/// What the numbers of a grid are multiplied with or divided by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Factor {
    /// Nothing.
    One,
    /// Multiplied (modelopt).
    Times(f32),
    /// Divided (compressed-tensors).
    Over(f32),
}

/// Numbers of a grid.
enum Numbers<'a> {
    /// Stored floats of shape (grid rows, groups), or transposed.
    Floats {
        stored: Stored<'a>,
        rows_on: Axis,
        factor: Factor,
    },
    /// Packed codes of shape (grid rows, groups); `add` is added modulo `mask + 1`.
    Codes {
        codes: Packed<'a>,
        add: u8,
        mask: u8,
    },
}

/// One number for each block of `block_rows` rows and one group of columns.
pub(crate) struct Grid<'a> {
    numbers: Numbers<'a>,
    rows: usize,
    groups: usize,
    block_rows: usize,
}

impl<'a> Grid<'a> {
    /// Floats (or int8) of shape (grid rows, groups) for a matrix of `rows` rows, each grid row
    /// standing for `block_rows` of them. Scalars and vectors count as one group; leading axes as
    /// one.
    ///
    /// # Errors
    /// No float dtype, or the shape does not fit.
    pub(crate) fn floats(
        what: &str,
        stored: Stored<'a>,
        rows: usize,
        block_rows: usize,
        factor: Factor,
    ) -> Built<Self> {
        let grid_rows = rows.div_ceil(block_rows.max(1));
        let groups = stored.elements() / grid_rows.max(1);
        let leading: usize = stored.shape().iter().rev().skip(1).product();
        // (grid rows, groups), or all numbers of one group in any shape.
        let fits = leading == grid_rows || groups == 1;
        if block_rows == 0
            || float_bytes(stored.dtype()).is_none()
            || !fits
            || groups * grid_rows != stored.elements()
        {
            let (dtype, shape) = (stored.dtype(), stored.shape());
            return Err(format!(
                "{what} is {dtype} of shape {shape:?}, expected floats for {grid_rows} rows"
            ));
        }
        Ok(Self {
            numbers: Numbers::Floats {
                stored,
                rows_on: Axis::First,
                factor,
            },
            rows,
            groups,
            block_rows,
        })
    }

    /// Floats of shape (groups, rows).
    ///
    /// # Errors
    /// No float dtype, or the shape does not fit.
    pub(crate) fn transposed(what: &str, stored: Stored<'a>, rows: usize) -> Built<Self> {
        let (groups, columns) = stored.matrix(what)?;
        if columns != rows || float_bytes(stored.dtype()).is_none() {
            let (dtype, shape) = (stored.dtype(), stored.shape());
            return Err(format!(
                "{what} is {dtype} of shape {shape:?}, expected floats of [groups, {rows}]"
            ));
        }
        let numbers = Numbers::Floats {
            stored,
            rows_on: Axis::Second,
            factor: Factor::One,
        };
        Ok(Self {
            numbers,
            rows,
            groups,
            block_rows: 1,
        })
    }

    /// Zero points as packed codes of shape (rows, groups) and `bits` bits; each code counts as
    /// code + `add`.
    pub(crate) fn codes(
        codes: Packed<'a>,
        rows: usize,
        groups: usize,
        bits: usize,
        add: u8,
    ) -> Self {
        Self {
            numbers: Numbers::Codes {
                codes,
                add,
                mask: 0xFF >> (8 - bits),
            },
            rows,
            groups,
            block_rows: 1,
        }
    }

    /// Number of groups of columns.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// Numbers for the matrix rows `rows`.
    pub(super) fn read(&self, rows: Range<usize>) -> Result<GridRows> {
        let end = rows.end.min(self.rows);
        let grid_rows = rows.start / self.block_rows..end.div_ceil(self.block_rows);
        let (count, first) = (grid_rows.len(), grid_rows.start);
        let values = match &self.numbers {
            Numbers::Floats {
                stored,
                rows_on,
                factor,
            } => {
                let dtype = stored.dtype();
                let width = float_bytes(dtype).unwrap_or(1);
                let scaled = |bytes: &[u8]| match factor {
                    Factor::One => float(dtype, bytes),
                    Factor::Times(factor) => float(dtype, bytes) * factor,
                    Factor::Over(divisor) => float(dtype, bytes) / divisor,
                };
                let row_bytes = width
                    * if *rows_on == Axis::First {
                        self.groups
                    } else {
                        self.rows
                    };
                match rows_on {
                    Axis::First => {
                        let bytes = stored.read_tile(row_bytes, grid_rows, 0..row_bytes)?;
                        bytes.chunks_exact(width).map(scaled).collect()
                    }
                    Axis::Second => {
                        let tile = stored.read_tile(
                            row_bytes,
                            0..self.groups,
                            first * width..grid_rows.end * width,
                        )?;
                        let mut values = vec![0.0; count * self.groups];
                        for (at, bytes) in tile.chunks_exact(width).enumerate() {
                            let (group, row) = (at / count, at % count);
                            values[row * self.groups + group] = scaled(bytes);
                        }
                        values
                    }
                }
            }
            Numbers::Codes { codes, add, mask } => {
                let mut out = vec![0; count * self.groups];
                codes.read(grid_rows, &mut out)?;
                out.iter()
                    .map(|code| f32::from(code.wrapping_add(*add) & mask))
                    .collect()
            }
        };
        Ok(GridRows {
            values,
            first,
            block_rows: self.block_rows,
            groups: self.groups,
        })
    }

    /// How many packed codes wrap around when `add` is added: zero points that writers and readers
    /// disagree about.
    pub(super) fn wrapped(&self) -> Result<u64> {
        let Numbers::Codes { codes, add, mask } = &self.numbers else {
            return Ok(0);
        };
        let mut count = 0;
        let mut out = Vec::new();
        for start in (0..self.rows).step_by(256) {
            let rows = start..(start + 256).min(self.rows);
            out.resize(rows.len() * self.groups, 0);
            codes.read(rows, &mut out)?;
            count += out
                .iter()
                .filter(|&&code| u16::from(code) + u16::from(*add) > u16::from(*mask))
                .count() as u64;
        }
        Ok(count)
    }
}

/// Numbers of a few grid rows.
pub(super) struct GridRows {
    values: Vec<f32>,
    first: usize,
    block_rows: usize,
    groups: usize,
}

impl GridRows {
    /// Numbers of the groups of matrix row `row`.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        let at = row / self.block_rows - self.first;
        &self.values[at * self.groups..(at + 1) * self.groups]
    }
}
