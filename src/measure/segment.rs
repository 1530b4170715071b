//! Sums over one segment of a pair, chunk by chunk.
//!
//! A pair is cut into segments of whole rows, or of pieces where a row is longer than a segment.
//! The cut depends on the shape alone and segments are folded in order, hence the same bits for any
//! number of threads.

use std::ops::Range;

use crate::error::Result;
use crate::model::dtype::Dtype;
use crate::model::sides::{Side, Sides};
use crate::numeric::decode::{decode_f32, decode_f64, is_exact_in_f32, values_per_element};
use crate::numeric::rows::RowSource;
use crate::numeric::sums::{self, Span, Sums};

/// Elements of a segment.
pub(super) const SEGMENT: u64 = 1 << 22;

/// Elements of a chunk: both sides of it in a 16-bit format stay in a core's second-level cache.
pub(super) const CHUNK: u64 = 1 << 17;

/// How a pair of (rows, columns) values is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Geometry {
    /// Number of rows.
    pub(super) rows: u64,
    /// Values in a row.
    pub(super) columns: u64,
}

impl Geometry {
    /// Number of values.
    pub(super) fn values(self) -> u64 {
        self.rows.saturating_mul(self.columns)
    }

    /// Whether segments are pieces of rows.
    pub(super) fn in_pieces(self) -> bool {
        self.columns > SEGMENT
    }

    /// The segments, as ranges of values, in order.
    pub(super) fn segments(self) -> Vec<Range<u64>> {
        if self.values() == 0 {
            return Vec::new();
        }
        if self.in_pieces() {
            let pieces = move |row: u64| cut(row * self.columns..(row + 1) * self.columns, SEGMENT);
            return (0..self.rows).flat_map(pieces).collect();
        }
        cut(0..self.values(), SEGMENT / self.columns * self.columns).collect()
    }

    /// The chunks of a segment, of which those of `tensors` tensors are in the cache together: whole
    /// rows where several fit, else pieces of a row.
    ///
    /// Chunks of rows that are summed one by one may be of any size; all others are the same for
    /// any number of tensors, for their sums hang on the cut.
    pub(super) fn chunks(self, segment: Range<u64>, tensors: usize) -> Vec<Range<u64>> {
        if self.columns > CHUNK {
            let mut out = Vec::new();
            let mut at = segment.start;
            while at < segment.end {
                let row_end = (at / self.columns + 1) * self.columns;
                let end = row_end.min(segment.end);
                out.extend(cut(at..end, CHUNK));
                at = end;
            }
            return out;
        }
        let is_by_row = self.columns >= sums::SHORT_ROW as u64;
        let share = match is_by_row {
            true => 2 * CHUNK / tensors.max(2) as u64,
            false => CHUNK,
        };
        let rows = (share / self.columns.max(1)).max(1);
        cut(segment, rows * self.columns).collect()
    }
}

fn cut(range: Range<u64>, step: u64) -> impl Iterator<Item = Range<u64>> {
    let step = step.max(1);
    let count = (range.end - range.start).div_ceil(step);
    (0..count).map(move |i| range.start + i * step..(range.start + (i + 1) * step).min(range.end))
}

/// What one segment adds up to.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) sums: Sums,
    /// Σ over the rows of the segment of the products of row sums; 0 for a piece of a row.
    pub(super) row_products: f64,
    /// Column sums of both sides, where asked for.
    pub(super) columns: Option<Box<Sides<Vec<f64>>>>,
    /// First value of each side, while all values are equal to it.
    pub(super) constant: Sides<Constant>,
    /// Whether all stored bytes were equal so far.
    pub(super) equal_bytes: bool,
}

/// Whether a side has had one value so far, and which.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Constant {
    /// Nothing seen.
    #[default]
    Unknown,
    /// One value, as bits of its stored form.
    Of(u64),
    /// More than one value.
    No,
}

impl Constant {
    pub(super) fn join(self, later: Self) -> Self {
        match (self, later) {
            (Self::Unknown, x) | (x, Self::Unknown) => x,
            (Self::Of(a), Self::Of(b)) if a == b => self,
            _ => Self::No,
        }
    }

    /// Looks at stored elements of `width` bytes.
    fn look(self, bytes: &[u8], width: usize) -> Self {
        if self == Self::No || bytes.is_empty() {
            return self;
        }
        let one = bytes
            .get(width..)
            .zip(bytes.get(..bytes.len() - width))
            .is_some_and(|(a, b)| a == b);
        let first = bytes
            .iter()
            .take(width)
            .fold(0, |bits, &byte| bits << 8 | u64::from(byte));
        self.join(if one { Self::Of(first) } else { Self::No })
    }

    fn look_at_values(self, values: &[f32]) -> Self {
        let Some((first, rest)) = values.split_first() else {
            return self;
        };
        let one = rest.iter().all(|v| v == first);
        self.join(if one {
            Self::Of(u64::from((first + 0.0).to_bits()))
        } else {
            Self::No
        })
    }
}

impl Tally {
    /// An empty tally; with column sums of that many columns where asked for.
    pub(super) fn new(columns: Option<usize>) -> Self {
        Self {
            columns: columns.map(|n| {
                Box::new(Sides {
                    base: vec![0.0; n],
                    target: vec![0.0; n],
                })
            }),
            equal_bytes: true,
            ..Self::default()
        }
    }

    fn add(&mut self, span: Span<'_>, geometry: Geometry, row: &mut Sides<f64>, ends_row: bool) {
        if geometry.columns > CHUNK {
            let piece = sums::span(span);
            row.base += piece.a;
            row.target += piece.b;
            self.sums.add(&piece);
            if ends_row && !geometry.in_pieces() {
                self.row_products += row.base * row.target;
                *row = Sides::default();
            }
        } else {
            sums::rows(
                span,
                geometry.columns as usize,
                &mut self.sums,
                &mut self.row_products,
            );
        }
    }

    fn add_columns(&mut self, side: Side, values: &[f32]) {
        if let Some(columns) = &mut self.columns {
            let columns = columns.get_mut(side);
            sums::add_columns(values, columns.len(), columns);
        }
    }
}

/// Decoded values of both sides, reused from chunk to chunk.
#[derive(Default)]
pub(super) struct Buffers {
    f32: Sides<Vec<f32>>,
    f64: Sides<Vec<f64>>,
}

/// A running sum over one segment.
pub(super) struct Summing {
    pub(super) tally: Tally,
    geometry: Geometry,
    /// Sums of the row that is not yet complete.
    row: Sides<f64>,
}

impl Summing {
    pub(super) fn new(geometry: Geometry, with_columns: bool) -> Self {
        let columns = (with_columns && !geometry.in_pieces()).then_some(geometry.columns as usize);
        Self {
            tally: Tally::new(columns),
            geometry,
            row: Sides::default(),
        }
    }

    /// The sums of `rows` of both sides, chunk by chunk; `step` hears of each and may end the work.
    ///
    /// # Errors
    /// A read that fails, or what `step` returns.
    pub(super) fn all_rows(
        mut self,
        rows: Range<usize>,
        views: Sides<&dyn RowSource>,
        step: &dyn Fn(Range<usize>) -> Result<()>,
    ) -> Result<Tally> {
        let count = (CHUNK / self.geometry.columns.max(1)).max(1) as usize;
        let mut buffers = Buffers::default();
        for first in rows.clone().step_by(count) {
            let chunk = first..(first + count).min(rows.end);
            self.views(chunk.clone(), views, &mut buffers)?;
            step(chunk)?;
        }
        Ok(self.tally)
    }

    /// Adds the stored bytes of one chunk.
    pub(super) fn stored(
        &mut self,
        chunk: &Range<u64>,
        dtypes: Sides<Dtype>,
        bytes: Sides<&[u8]>,
        buffers: &mut Buffers,
    ) {
        let count = (chunk.end - chunk.start) as usize;
        let ends_row = chunk.end.is_multiple_of(self.geometry.columns);
        for side in Side::BOTH {
            let width = dtypes.get(side).block().1 as usize;
            let constant = self.tally.constant.get_mut(side);
            *constant = constant.look(bytes.get(side), width);
        }
        self.tally.equal_bytes &= dtypes.base == dtypes.target && bytes.base == bytes.target;
        if self.tally.columns.is_some() {
            for side in Side::BOTH {
                let values = sized(buffers.f32.get_mut(side), count);
                decode_f32(*dtypes.get(side), bytes.get(side), values);
                self.tally.add_columns(side, values);
            }
        }

        let Sides { base: a, target: b } = bytes;
        let span = match dtypes.into_array() {
            [Dtype::Bf16, Dtype::Bf16] => Span::Bf16(a, b),
            [Dtype::F16, Dtype::F16] => Span::F16(a, b),
            [x, y] if is_exact_in_f32(x) && is_exact_in_f32(y) => {
                let values = &mut buffers.f32;
                let u = sized(&mut values.base, count);
                let v = sized(&mut values.target, count);
                decode_f32(x, a, u);
                decode_f32(y, b, v);
                Span::F32(u, v)
            }
            [x, y] => {
                let values = &mut buffers.f64;
                let u = sized(&mut values.base, count);
                let v = sized(&mut values.target, count);
                decode_f64(x, a, u);
                decode_f64(y, b, v);
                Span::F64(u, v)
            }
        };
        self.tally.add(span, self.geometry, &mut self.row, ends_row);
    }

    /// Adds whole rows of two views.
    fn views(
        &mut self,
        rows: Range<usize>,
        views: Sides<&dyn RowSource>,
        buffers: &mut Buffers,
    ) -> Result<()> {
        let count = rows.len() * self.geometry.columns as usize;
        for side in Side::BOTH {
            let values = sized(buffers.f32.get_mut(side), count);
            views.get(side).read_rows(rows.clone(), values)?;
            let constant = self.tally.constant.get_mut(side);
            *constant = constant.look_at_values(values);
            self.tally.add_columns(side, values);
        }
        self.tally.equal_bytes = false;
        let Sides { base, target } = &buffers.f32;
        let span = Span::F32(&base[..count], &target[..count]);
        self.tally.add(span, self.geometry, &mut self.row, true);
        Ok(())
    }
}

fn sized<T: Default + Clone>(buffer: &mut Vec<T>, count: usize) -> &mut [T] {
    if buffer.len() < count {
        buffer.resize(count, T::default());
    }
    &mut buffer[..count]
}

/// Values of a chunk as bytes of a stored tensor.
pub(super) fn byte_range(dtype: Dtype, values: &Range<u64>) -> Range<u64> {
    let parts = values_per_element(dtype) as u64;
    let (block, bytes) = dtype.block();
    let per_block = block * parts;
    values.start / per_block * bytes..values.end.div_ceil(per_block) * bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_chunks_tile_the_values() {
        for (rows, columns) in [
            (1, 1),
            (3, 7),
            (5, CHUNK + 3),
            (2, SEGMENT + 5),
            (100_000, 64),
            (0, 4),
            (4, 0),
        ] {
            let geometry = Geometry { rows, columns };
            let mut at = 0;
            for segment in geometry.segments() {
                assert_eq!(segment.start, at);
                for tensors in [16, 3, 2] {
                    at = segment.start;
                    for chunk in geometry.chunks(segment.clone(), tensors) {
                        assert_eq!(chunk.start, at);
                        assert!(chunk.end - chunk.start <= CHUNK.max(1), "{geometry:?}");
                        let same_row = chunk.start / columns == (chunk.end - 1) / columns;
                        assert!(same_row || chunk.end % columns == 0 && chunk.start % columns == 0);
                        at = chunk.end;
                    }
                    assert_eq!(segment.end, at);
                }
            }
            assert_eq!(at, geometry.values());
        }
    }

    #[test]
    fn a_constant_is_seen_across_chunks() {
        let one = Constant::Unknown.look(&[1, 2, 1, 2], 2).look(&[1, 2], 2);
        assert_eq!(one, Constant::Of(0x0102));
        assert_eq!(one.look(&[1, 3], 2), Constant::No);
        assert_eq!(Constant::Unknown.look(&[1, 2, 1, 3], 2), Constant::No);
    }
}
