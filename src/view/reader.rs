//! Rows of a logical tensor, decoded from where they are stored.

use std::cell::RefCell;
use std::ops::Range;

use crate::error::Result;
use crate::model::checkpoint::TensorInfo;
use crate::numeric::decode::{decode_f32, decodes, values_per_element};
use crate::numeric::rows::RowSource;

use super::logical::{Logical, Origin, RowOrder, Run};
use super::model::Model;

thread_local! {
    /// Bytes of positioned reads, one buffer a worker.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The rows of one logical tensor.
pub struct View<'a> {
    model: &'a Model,
    tensor: &'a TensorInfo,
    start: u64,
    stored_columns: usize,
    transposed: bool,
    order: RowOrder,
    rows: usize,
    columns: usize,
    /// A vector cut out of a longer one: read as rows of one element, shown as one row.
    flat: bool,
}

impl<'a> View<'a> {
    /// A view of `logical`, or the reason why there is none.
    pub(super) fn new(model: &'a Model, logical: &Logical) -> std::result::Result<Self, String> {
        let checkpoint = model.checkpoint();
        let Origin::Tensor(index) = logical.source.origin else {
            return Err("quantised tensors are not read".to_owned());
        };
        let tensor = &checkpoint.tensors[index];
        if !decodes(tensor.dtype) {
            return Err(format!("values of dtype {} are not decoded", tensor.dtype));
        }
        let flat = logical.shape.len() == 1 && logical.source.rows != RowOrder::All;
        let (rows, columns) = if flat { (logical.elements(), 1) } else { logical.matrix_shape() };
        let parts = values_per_element(tensor.dtype);
        Ok(Self {
            model,
            tensor,
            start: logical.source.start,
            stored_columns: size(logical.source.stored.1) * parts,
            transposed: logical.source.transposed,
            order: logical.source.rows.clone(),
            rows: size(rows),
            columns: size(columns) * parts,
            flat,
        })
    }

    /// Reads `count` stored values from element `first` of the matrix.
    fn read_stored(&self, first: u64, out: &mut [f32]) -> Result<()> {
        let parts = values_per_element(self.tensor.dtype) as u64;
        let (block, width) = self.tensor.dtype.block();
        let at = self.start * parts + first;
        // F4 holds two values a byte: start at the byte and drop what lies before.
        let lead = (at / parts) % block;
        let begin = (at / parts - lead) / block * width;
        let end = ((at + out.len() as u64).div_ceil(parts)).div_ceil(block) * width;
        SCRATCH.with_borrow_mut(|scratch| {
            let source = &self.model.opened.sources[self.tensor.file];
            let bytes = source.bytes(self.tensor.offset + begin, size(end - begin), scratch)?;
            if lead == 0 && (out.len() as u64).is_multiple_of(block * parts) {
                decode_f32(self.tensor.dtype, bytes, out);
            } else {
                let mut whole = vec![0.0; size((end - begin) / width * block * parts)];
                decode_f32(self.tensor.dtype, bytes, &mut whole);
                out.copy_from_slice(&whole[size(lead * parts)..][..out.len()]);
            }
            Ok(())
        })
    }

    /// Rows `rows` of the matrix after turning.
    fn read_turned(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let count = rows.len();
        if !self.transposed {
            return self.read_stored((rows.start * self.stored_columns) as u64, &mut out[..count * self.columns]);
        }
        let mut stripe = vec![0.0; count];
        for column in 0..self.columns {
            self.read_stored((column * self.stored_columns + rows.start) as u64, &mut stripe)?;
            for (row, value) in stripe.iter().enumerate() {
                out[row * self.columns + column] = *value;
            }
        }
        Ok(())
    }

    /// Rows `rows` in the order of the logical matrix.
    fn read_ordered(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let columns = self.columns;
        match &self.order {
            RowOrder::All => self.read_turned(rows, out),
            RowOrder::Runs(runs) => {
                let mut at = 0;
                for stretch in stretches(runs, rows) {
                    let here = &mut out[at * columns..][..stretch.len() * columns];
                    at += stretch.len();
                    self.read_turned(stretch, here)?;
                }
                Ok(())
            }
            RowOrder::HalfSplit { heads } => {
                let size_of_head = self.rows / size(*heads).max(1);
                for (i, row) in rows.enumerate() {
                    let stored = interleaved_row(row, size_of_head);
                    self.read_turned(stored..stored + 1, &mut out[i * columns..][..columns])?;
                }
                Ok(())
            }
        }
    }
}

impl RowSource for View<'_> {
    fn rows(&self) -> usize {
        if self.flat { 1 } else { self.rows }
    }

    fn columns(&self) -> usize {
        if self.flat { self.rows } else { self.columns }
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        match self.flat {
            true if rows.is_empty() => Ok(()),
            true => self.read_ordered(0..self.rows, out),
            false => self.read_ordered(rows, out),
        }
    }
}

/// Stored row of logical row `row` where each head's rotary pairs are stored side by side: row h·d + p·d/2 + j of the
/// half-split order is row h·d + 2j + p of the interleaved one.
fn interleaved_row(row: usize, head: usize) -> usize {
    let (h, r) = (row / head, row % head);
    let half = head / 2;
    h * head + 2 * (r % half) + r / half
}

/// The consecutive stored rows behind the logical rows `rows`, in order.
fn stretches(runs: &[Run], rows: Range<usize>) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut first = 0;
    for run in runs {
        let (start, count, step) = (size(run.start), size(run.count), size(run.step));
        let from = rows.start.max(first) - first;
        let to = rows.end.min(first + count).saturating_sub(first);
        if from < to {
            if step == 1 {
                out.push(start + from..start + to);
            } else {
                out.extend((from..to).map(|i| start + i * step..start + i * step + 1));
            }
        }
        first += count;
    }
    out
}

/// A count that the reader has checked against the file's length, as an index.
fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_give_their_rows_in_order() {
        let runs = [Run { start: 10, count: 3, step: 1 }, Run { start: 0, count: 2, step: 2 }];
        assert_eq!(stretches(&runs, 1..5), [11..13, 0..1, 2..3]);
        assert_eq!(stretches(&runs, 2..4), [12..13, 0..1]);
    }

    #[test]
    fn interleaved_rotary_rows_are_read_as_halves() {
        let order: Vec<usize> = (0..8).map(|row| interleaved_row(row, 4)).collect();
        assert_eq!(order, [0, 2, 1, 3, 4, 6, 5, 7]);
    }
}
