//! Rows of a logical tensor, decoded from where they are stored.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::open::Opened;
use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::Dtype;
use crate::model::rotary::interleaved_row;
use crate::numeric::decode::{FloatSteps, decode_f32, decodes, step, values_per_element};
use crate::numeric::quant::{SteppedRows, StoredBytes, ggml};
use crate::numeric::rows::{RowSource, starts_of_whole_rows};
use crate::source::Region;

use super::composed::Factor;
use super::logical::{Logical, Origin, RowOrder, RowRun, Scale, Undo};
use super::quantised::Quantised;

thread_local! {
    /// Bytes of positioned reads, one buffer a worker.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The rows of one logical tensor.
pub struct View<'a> {
    elements: Elements<'a>,
    start: u64,
    stored_columns: usize,
    transposed: bool,
    order: RowOrder,
    column_order: Option<Arc<[RowRun]>>,
    /// Logical row that each run begins with, where the order is one of runs.
    firsts: Vec<usize>,
    undo: Undo,
    factor: Option<StoredFactor<'a>>,
    row_scale: Option<Arc<Scale>>,
    column_scale: Option<Arc<Scale>>,
    rows: usize,
    columns: usize,
    /// A vector cut out of a longer one: read as rows of one element, shown as one row.
    flat: bool,
    /// Whether a sketch stands for the model.
    partial: bool,
}

/// What elements are decoded from.
enum Elements<'a> {
    /// One tensor, whose dtype says all.
    Tensor(TensorBytes<'a>),
    /// Codes and scales.
    Quantised(Box<dyn SteppedRows + 'a>),
}

/// What stored values are multiplied by.
enum StoredFactor<'a> {
    /// The values of another tensor.
    Mask(Elements<'a>),
    /// One number for every run of elements.
    Runs {
        each: u64,
        factors: Arc<[f32]>,
        uncertainty: f32,
    },
}

/// The bytes of one stored tensor.
#[derive(Clone, Copy)]
struct TensorBytes<'a> {
    tensor: &'a TensorInfo,
    bytes: Region<'a>,
}

/// What is read of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Values,
    /// Distance of neighbouring values of the number format.
    Steps,
}

impl<'a> View<'a> {
    /// A view of `logical`, a tensor of the checkpoint `opened` with the matrices `quantised`; or
    /// the reason why there is none.
    pub(super) fn new(
        opened: &'a Opened,
        quantised: &'a Quantised,
        logical: &Logical,
    ) -> std::result::Result<Self, String> {
        let elements = Elements::new(opened, quantised, logical.stored_as.origin)?;
        let flat = logical.shape.len() == 1 && logical.stored_as.rows != RowOrder::All;
        let (rows, columns) = if flat {
            (logical.elements(), 1)
        } else {
            logical.matrix_shape()
        };
        let parts = elements.values_per_element();
        Ok(Self {
            start: logical.stored_as.start,
            stored_columns: size(logical.stored_as.stored.1) * parts,
            transposed: logical.stored_as.transposed,
            order: logical.stored_as.rows.clone(),
            column_order: logical.stored_as.columns.clone(),
            firsts: match &logical.stored_as.rows {
                RowOrder::Runs(runs) => firsts(runs),
                _ => Vec::new(),
            },
            undo: logical.stored_as.undo,
            factor: match &logical.stored_as.composed {
                None => None,
                Some(composed) => Some(StoredFactor::new(opened, quantised, &composed.factor)?),
            },
            row_scale: logical.stored_as.row_scale.clone(),
            column_scale: logical.stored_as.column_scale.clone(),
            rows: size(rows),
            columns: size(columns) * parts,
            flat,
            partial: opened.sketch.is_some(),
            elements,
        })
    }

    /// Why there is no view of `logical`, if there is none.
    pub(super) fn refusal(
        opened: &Opened,
        quantised: &Quantised,
        logical: &Logical,
    ) -> Option<String> {
        let elements = Elements::new(opened, quantised, logical.stored_as.origin);
        let composed = logical.stored_as.composed.as_ref();
        let factor = composed.map(|parts| StoredFactor::new(opened, quantised, &parts.factor));
        elements.err().or(factor.and_then(std::result::Result::err))
    }

    /// Writes for each element of `rows` the distance of neighbouring values of its number format
    /// to the front of `out`; NaN where the value is not finite, negative at the ends of a grid of
    /// codes (see [`SteppedRows`]).
    ///
    /// # Errors
    /// When the bytes behind the rows cannot be read.
    ///
    /// # Panics
    /// When `rows` is out of range or `out` is too short.
    pub fn read_steps(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.read(rows, out, Wanted::Steps)
    }

    /// The distance of neighbouring values where the exponent alone tells it: floats that are read
    /// as they are stored.
    pub(crate) fn float_steps(&self) -> Option<FloatSteps> {
        let is_plain = self.undo == Undo::Nothing
            && self.factor.is_none()
            && self.row_scale.is_none()
            && self.column_scale.is_none();
        match &self.elements {
            Elements::Tensor(stored) if is_plain => FloatSteps::new(stored.tensor.dtype),
            _ => None,
        }
    }

    fn read(&self, rows: Range<usize>, out: &mut [f32], wanted: Wanted) -> Result<()> {
        self.read_unscaled(rows.clone(), out, wanted)?;
        if self.row_scale.is_none() && self.column_scale.is_none() {
            return Ok(());
        }
        if wanted == Wanted::Values {
            self.each_scaled(rows, out, |out, factor, _| *out *= factor);
            return Ok(());
        }
        // A factor that may be off moves a value like a coarser grid.
        let mut values = vec![0.0; rows.len() * self.columns()];
        self.read_unscaled(rows.clone(), &mut values, Wanted::Values)?;
        self.each_scaled(rows.clone(), &mut values, |value, factor, off| {
            *value = 2.0 * (*value * factor).abs() * off
        });
        self.each_scaled(rows, out, |step, factor, _| *step *= factor.abs());
        let widened = out.iter_mut().zip(&values);
        widened.for_each(|(step, off)| *step = (step.abs() + off).copysign(*step));
        Ok(())
    }

    /// Calls `change` with each element of `rows`, its factor, and how far that may be off.
    fn each_scaled(
        &self,
        rows: Range<usize>,
        out: &mut [f32],
        change: impl Fn(&mut f32, f32, f32),
    ) {
        let factor_at = |scale: &Option<Arc<Scale>>, at: usize| {
            let known = scale
                .as_ref()
                .and_then(|scale| Some((*scale.factors.get(at)?, *scale.uncertainty.get(at)?)));
            known.unwrap_or((1.0, 0.0))
        };
        for (row, out) in rows.zip(out.chunks_exact_mut(self.columns().max(1))) {
            let (row_factor, row_off) = factor_at(&self.row_scale, row);
            for (column, out) in out.iter_mut().enumerate() {
                let (factor, off) = factor_at(&self.column_scale, column);
                change(out, row_factor * factor, row_off + off);
            }
        }
    }

    fn read_unscaled(&self, rows: Range<usize>, out: &mut [f32], wanted: Wanted) -> Result<()> {
        match self.flat {
            true if rows.is_empty() => Ok(()),
            true => self.read_ordered(0..self.rows, out, wanted),
            false => self.read_ordered(rows, out, wanted),
        }
    }

    /// Reads stored elements from element `first` of the matrix on.
    fn read_stored(&self, first: u64, out: &mut [f32], wanted: Wanted) -> Result<()> {
        let at = self.start * self.elements.values_per_element() as u64 + first;
        self.elements.read(at, out, wanted)?;
        if let Some(factor) = &self.factor {
            factor.apply(at, out, wanted)?;
            if wanted == Wanted::Steps
                && let Some(uncertainty) = factor.uncertainty()
            {
                // A factor that may be off moves a value like a coarser grid.
                let mut values = vec![0.0; out.len()];
                self.elements.read(at, &mut values, Wanted::Values)?;
                factor.apply(at, &mut values, Wanted::Values)?;
                let widened = out.iter_mut().zip(&values);
                widened.for_each(|(step, value)| *step += 2.0 * value.abs() * uncertainty);
            }
        }
        match (self.undo, wanted) {
            (Undo::Nothing, _) | (Undo::AddedOne, Wanted::Steps) => {}
            (Undo::AddedOne, Wanted::Values) => out.iter_mut().for_each(|value| *value -= 1.0),
            (Undo::NegatedExponential, Wanted::Values) => {
                out.iter_mut().for_each(|value| *value = (-*value).ln())
            }
            (Undo::NegatedExponential, Wanted::Steps) => {
                let mut values = vec![0.0; out.len()];
                self.elements.read(at, &mut values, Wanted::Values)?;
                out.iter_mut()
                    .zip(&values)
                    .for_each(|(step, value)| *step /= value.abs());
            }
        }
        Ok(())
    }

    /// Rows `rows` of the matrix (out, in), in the order in which it is stored.
    fn read_matrix(&self, rows: Range<usize>, out: &mut [f32], wanted: Wanted) -> Result<()> {
        if let Some(runs) = &self.column_order {
            return self.read_columns(runs, rows, out, wanted);
        }
        let count = rows.len();
        if !self.transposed {
            let first = (rows.start * self.stored_columns) as u64;
            return self.read_stored(first, &mut out[..count * self.columns], wanted);
        }
        let mut stripe = vec![0.0; count.min(self.stored_columns)];
        let mut done = 0;
        while done < count {
            let (matrix, first) = (
                (rows.start + done) / self.stored_columns,
                (rows.start + done) % self.stored_columns,
            );
            let stripe = &mut stripe[..(count - done).min(self.stored_columns - first)];
            for column in 0..self.columns {
                let line = matrix * self.columns + column;
                self.read_stored((line * self.stored_columns + first) as u64, stripe, wanted)?;
                for (row, value) in stripe.iter().enumerate() {
                    out[(done + row) * self.columns + column] = *value;
                }
            }
            done += stripe.len();
        }
        Ok(())
    }

    /// The columns `runs` of the rows `rows` of the matrix (out, in).
    fn read_columns(
        &self,
        runs: &[RowRun],
        rows: Range<usize>,
        out: &mut [f32],
        wanted: Wanted,
    ) -> Result<()> {
        let chosen = stretches(runs, &firsts(runs), 0..self.columns);
        let out = &mut out[..rows.len() * self.columns];
        if self.transposed {
            // A column lies as a line.
            let mut stripe = vec![0.0; rows.len()];
            for (column, line) in chosen.into_iter().flatten().enumerate() {
                let first = line * self.stored_columns + rows.start;
                self.read_stored(first as u64, &mut stripe, wanted)?;
                let places = out[column..].iter_mut().step_by(self.columns);
                places.zip(&stripe).for_each(|(out, value)| *out = *value);
            }
            return Ok(());
        }
        let begin = chosen.iter().map(|stretch| stretch.start).min();
        let end = chosen.iter().map(|stretch| stretch.end).max();
        let (Some(begin), Some(end)) = (begin, end) else {
            return Ok(());
        };
        let mut stored = vec![0.0; end - begin];
        for (row, out) in rows.zip(out.chunks_exact_mut(self.columns)) {
            let first = row * self.stored_columns + begin;
            self.read_stored(first as u64, &mut stored, wanted)?;
            let mut at = 0;
            for stretch in &chosen {
                let taken = &stored[stretch.start - begin..stretch.end - begin];
                out[at..at + taken.len()].copy_from_slice(taken);
                at += taken.len();
            }
        }
        Ok(())
    }

    /// Rows `rows` in the order of the logical matrix.
    fn read_ordered(&self, rows: Range<usize>, out: &mut [f32], wanted: Wanted) -> Result<()> {
        let columns = self.columns;
        match &self.order {
            RowOrder::All => self.read_matrix(rows, out, wanted),
            RowOrder::Runs(runs) => {
                let mut at = 0;
                for stretch in stretches(runs, &self.firsts, rows) {
                    let here = &mut out[at * columns..][..stretch.len() * columns];
                    at += stretch.len();
                    self.read_matrix(stretch, here, wanted)?;
                }
                Ok(())
            }
            RowOrder::HalfSplit { heads } => {
                let size_of_head = (self.rows as u64) / (*heads).max(1);
                for (i, row) in rows.enumerate() {
                    let stored = interleaved_row(row as u64, size_of_head) as usize;
                    self.read_matrix(
                        stored..stored + 1,
                        &mut out[i * columns..][..columns],
                        wanted,
                    )?;
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
        self.read(rows, out, Wanted::Values)
    }

    fn read_starts(&self, rows: Range<usize>, width: usize, out: &mut [f32]) -> Result<()> {
        let lies_row_by_row = !self.flat && !self.transposed && self.column_order.is_none();
        let is_scaled = self.row_scale.is_some() || self.column_scale.is_some();
        if self.order != RowOrder::All || !lies_row_by_row || is_scaled {
            let read = |rows, out: &mut [f32]| self.read_rows(rows, out);
            return starts_of_whole_rows(rows, self.columns(), width, out, read);
        }
        if width == self.stored_columns {
            let out = &mut out[..rows.len() * width];
            return self.read_stored((rows.start * width) as u64, out, Wanted::Values);
        }
        for (row, out) in rows.zip(out.chunks_exact_mut(width.max(1))) {
            self.read_stored((row * self.stored_columns) as u64, out, Wanted::Values)?;
        }
        Ok(())
    }

    fn is_partial(&self) -> bool {
        self.partial
    }
}

impl<'a> StoredFactor<'a> {
    fn new(
        opened: &'a Opened,
        quantised: &'a Quantised,
        factor: &Factor,
    ) -> std::result::Result<Self, String> {
        Ok(match factor {
            Factor::Mask(at) => Self::Mask(Elements::new(opened, quantised, Origin::Tensor(*at))?),
            Factor::Runs {
                each,
                factors,
                uncertainty,
            } => Self::Runs {
                each: (*each).max(1),
                factors: Arc::clone(factors),
                uncertainty: *uncertainty,
            },
        })
    }

    /// What the factors may be off by, as a share; `None` where they are exact.
    fn uncertainty(&self) -> Option<f32> {
        match self {
            Self::Runs { uncertainty, .. } if *uncertainty > 0.0 => Some(*uncertainty),
            _ => None,
        }
    }

    /// Multiplies what was read from element `at` on; a mask leaves the grid as it is.
    fn apply(&self, at: u64, out: &mut [f32], wanted: Wanted) -> Result<()> {
        match self {
            Self::Mask(_) if wanted == Wanted::Steps => {}
            Self::Mask(mask) => {
                let mut factors = vec![0.0; out.len()];
                mask.read(at, &mut factors, Wanted::Values)?;
                out.iter_mut()
                    .zip(&factors)
                    .for_each(|(value, factor)| *value *= factor);
            }
            Self::Runs { each, factors, .. } => {
                for (at, value) in (at..).zip(out) {
                    let run = usize::try_from(at / each).ok();
                    let factor = run.and_then(|run| factors.get(run)).copied();
                    *value *= match wanted {
                        Wanted::Values => factor.unwrap_or(1.0),
                        Wanted::Steps => factor.unwrap_or(1.0).abs(),
                    };
                }
            }
        }
        Ok(())
    }
}

impl<'a> Elements<'a> {
    fn new(
        opened: &'a Opened,
        quantised: &'a Quantised,
        origin: Origin,
    ) -> std::result::Result<Self, String> {
        let tensors = &opened.checkpoint.tensors;
        let bytes = |at: usize| {
            let tensor: &'a TensorInfo = &tensors[at];
            TensorBytes {
                tensor,
                bytes: opened.bytes_of(tensor),
            }
        };
        match origin {
            Origin::Tensor(at) => {
                let dtype = tensors[at].dtype;
                match decodes(dtype) || ggml::is_decoded(dtype) {
                    true => Ok(Self::Tensor(bytes(at))),
                    false => Err(format!("values of dtype {dtype} are not decoded")),
                }
            }
            Origin::Quantised(at) => {
                let matrix = &quantised.matrices[at];
                let rows = matrix.open(tensors, &|at| {
                    Box::new(bytes(at)) as Box<dyn StoredBytes + 'a>
                });
                rows.map(Self::Quantised)
                    .map_err(|what| format!("{}: {what}", matrix.scheme.word()))
            }
            Origin::Unsupported(at) => Err(quantised.unsupported[at].reason.clone()),
            Origin::Adapted => Err("the change of an adapter, without its base".to_owned()),
        }
    }

    fn values_per_element(&self) -> usize {
        match self {
            Self::Tensor(stored) => values_per_element(stored.tensor.dtype),
            Self::Quantised(_) => 1,
        }
    }

    /// Reads values from number `at` on, in storage order.
    fn read(&self, at: u64, out: &mut [f32], wanted: Wanted) -> Result<()> {
        match self {
            Self::Tensor(stored) => stored.read_elements(at, out, wanted),
            Self::Quantised(rows) => {
                let (columns, at) = (rows.columns(), size(at));
                let lines = at / columns..(at + out.len()).div_ceil(columns);
                let lead = at - lines.start * columns;
                let count = lines.len() * columns;
                let read = |out: &mut [f32]| match wanted {
                    Wanted::Values => rows.read_rows(lines, out),
                    Wanted::Steps => rows.read_steps(lines, out),
                };
                if count == out.len() {
                    return read(out);
                }
                let mut whole = vec![0.0; count];
                read(&mut whole)?;
                out.copy_from_slice(&whole[lead..][..out.len()]);
                Ok(())
            }
        }
    }
}

impl TensorBytes<'_> {
    fn read_elements(&self, at: u64, out: &mut [f32], wanted: Wanted) -> Result<()> {
        let dtype = self.tensor.dtype;
        let parts = values_per_element(dtype) as u64;
        let (block, width) = dtype.block();
        // Several values can share bytes: start at their first one and drop what lies before.
        let lead = (at / parts) % block;
        let begin = (at / parts - lead) / block * width;
        let end = ((at + out.len() as u64).div_ceil(parts)).div_ceil(block) * width;
        SCRATCH.with_borrow_mut(|scratch| {
            let bytes = self.bytes.bytes(begin, size(end - begin), scratch)?;
            if lead == 0 && (out.len() as u64).is_multiple_of(block * parts) {
                decode(dtype, bytes, out, wanted);
            } else {
                let mut whole = vec![0.0; size((end - begin) / width * block * parts)];
                decode(dtype, bytes, &mut whole, wanted);
                out.copy_from_slice(&whole[size(lead * parts)..][..out.len()]);
            }
            Ok(())
        })
    }
}

/// The bytes of a stored tensor, as quantised layouts read them.
pub(super) fn stored_bytes(opened: &Opened, at: usize) -> Box<dyn StoredBytes + '_> {
    let tensor = &opened.checkpoint.tensors[at];
    Box::new(TensorBytes {
        tensor,
        bytes: opened.bytes_of(tensor),
    })
}

fn decode(dtype: Dtype, bytes: &[u8], out: &mut [f32], wanted: Wanted) {
    match (ggml::is_decoded(dtype), wanted) {
        (true, Wanted::Values) => ggml::decode_blocks(dtype, bytes, out),
        (true, Wanted::Steps) => ggml::block_steps(dtype, bytes, out),
        (false, Wanted::Values) => decode_f32(dtype, bytes, out),
        (false, Wanted::Steps) => {
            decode_f32(dtype, bytes, out);
            out.iter_mut()
                .for_each(|value| *value = step(dtype, *value));
        }
    }
}

impl StoredBytes for TensorBytes<'_> {
    fn len(&self) -> u64 {
        self.tensor.bytes
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let end = offset
            .checked_add(out.len() as u64)
            .filter(|&end| end <= self.tensor.bytes);
        if end.is_none() {
            let what = format!(
                "{} bytes at {offset} of tensor {}",
                out.len(),
                crate::error::quoted(&self.tensor.name)
            );
            return Err(Error::malformed(
                self.bytes.path(),
                format!("{what} are past its end"),
            ));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            out.copy_from_slice(self.bytes.bytes(offset, out.len(), scratch)?);
            Ok(())
        })
    }
}

/// The logical row that each run begins with.
fn firsts(runs: &[RowRun]) -> Vec<usize> {
    let first = |next: &mut usize, run: &RowRun| {
        let first = *next;
        *next += size(run.count);
        Some(first)
    };
    runs.iter().scan(0, first).collect()
}

/// The consecutive stored rows behind the logical rows `rows`, in order; `firsts` are the rows that
/// the runs begin with.
fn stretches(runs: &[RowRun], firsts: &[usize], rows: Range<usize>) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let touched = firsts
        .partition_point(|&first| first <= rows.start)
        .saturating_sub(1);
    for (run, &first) in runs.iter().zip(firsts).skip(touched) {
        let (start, count, step) = (size(run.start), size(run.count), size(run.step));
        if first >= rows.end {
            break;
        }
        let from = rows.start.max(first) - first;
        let to = rows.end.min(first + count) - first;
        if from >= to {
            continue;
        }
        if step == 1 {
            out.push(start + from..start + to);
        } else {
            out.extend((from..to).map(|i| start + i * step..start + i * step + 1));
        }
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
        let runs = [
            RowRun {
                start: 10,
                count: 3,
                step: 1,
            },
            RowRun {
                start: 0,
                count: 2,
                step: 2,
            },
        ];
        let firsts = firsts(&runs);
        assert_eq!(firsts, [0, 3]);
        assert_eq!(stretches(&runs, &firsts, 1..5), [11..13, 0..1, 2..3]);
        assert_eq!(stretches(&runs, &firsts, 2..4), [12..13, 0..1]);
        assert!(
            stretches(&runs, &firsts, 4..5)
                .into_iter()
                .flatten()
                .eq([2])
        );
        assert!(stretches(&runs, &firsts, 3..3).is_empty());
    }

    #[test]
    fn interleaved_rotary_rows_are_read_as_halves() {
        let order: Vec<u64> = (0..8).map(|row| interleaved_row(row, 4)).collect();
        assert_eq!(order, [0, 2, 1, 3, 4, 6, 5, 7]);
    }
}
