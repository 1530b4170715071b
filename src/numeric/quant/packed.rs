//! Codes of up to eight bits packed in bytes or 32-bit words, along either axis.

use std::ops::Range;

use super::Built;
use super::stored::Stored;
use crate::error::Result;

/// How codes of b bits sit in a run of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fields {
    /// Code i at bits i·b …, least significant first: words and bytes alike.
    Stream,
    /// Two codes to a byte, the first in the high nibble (bitsandbytes).
    HighFirst,
    /// ⌊32/b⌋ codes to a word, the rest of the word idle (compressed-tensors before 0.10).
    PerWord,
    /// For each 32 codes a plane of their low 4 bits, then planes of 2 bits and 1 bit as b needs
    /// (gptq_p).
    Planar,
    /// Eight 4-bit codes to a word in the order 0 2 4 6 1 3 5 7 (AWQ).
    Awq,
}

/// Nibble of an AWQ word that holds the code of each column.
const AWQ_NIBBLE: [u32; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

impl Fields {
    /// The least (codes, bytes) that repeat.
    fn period(self, bits: usize) -> (usize, usize) {
        match self {
            Self::Stream | Self::Planar => (32, 4 * bits),
            Self::PerWord => (32 / bits, 4),
            Self::HighFirst | Self::Awq => (8, 4),
        }
    }

    /// Bytes that `count` codes take, in whole units of `unit` bytes.
    fn byte_len(self, count: usize, bits: usize, unit: usize) -> Option<usize> {
        let (codes, bytes) = self.period(bits);
        let exact = match self {
            Self::Stream | Self::HighFirst => count.checked_mul(bits)?.div_ceil(8),
            _ => count.div_ceil(codes).checked_mul(bytes)?,
        };
        Some(exact.div_ceil(unit) * unit)
    }

    /// Unpacks the codes `range` of a run that begins with code 0.
    pub(super) fn unpack(self, bits: usize, run: &[u8], range: Range<usize>, out: &mut [u8]) {
        let word = |at: usize| {
            u32::from_le_bytes([
                run[4 * at],
                run[4 * at + 1],
                run[4 * at + 2],
                run[4 * at + 3],
            ])
        };
        let mask = 0xFF >> (8 - bits);
        let out = out[..range.len()].iter_mut().zip(range.clone());
        match self {
            Self::Stream if bits == 8 => out.for_each(|(out, i)| *out = run[i]),
            Self::Stream if bits == 4 => {
                out.for_each(|(out, i)| *out = (run[i / 2] >> (4 * (i % 2))) & 15)
            }
            Self::Stream => out.for_each(|(out, i)| {
                let (at, shift) = (i * bits / 8, i * bits % 8);
                let high = run.get(at + 1).copied().unwrap_or(0);
                *out = (u16::from_le_bytes([run[at], high]) >> shift) as u8 & mask;
            }),
            Self::HighFirst => {
                out.for_each(|(out, i)| *out = (run[i / 2] >> (4 * (1 - i % 2))) & 15)
            }
            Self::PerWord => {
                let per_word = 32 / bits;
                out.for_each(|(out, i)| {
                    *out = (word(i / per_word) >> (i % per_word * bits)) as u8 & mask
                });
            }
            Self::Planar => out.for_each(|(out, i)| {
                let (mut at, j, mut code, mut low) = (i / 32 * bits, i % 32, 0, 0);
                for plane in [4, 2, 1].into_iter().filter(|plane| bits & plane != 0) {
                    let field = word(at + j * plane / 32) >> (j * plane % 32) & ((1 << plane) - 1);
                    code |= field << low;
                    (at, low) = (at + plane, low + plane);
                }
                *out = code as u8;
            }),
            Self::Awq => {
                out.for_each(|(out, i)| *out = (word(i / 8) >> (4 * AWQ_NIBBLE[i % 8])) as u8 & 15)
            }
        }
    }
}

/// An axis of a stored matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// The slower one.
    First,
    /// The faster one.
    Second,
}

/// Where the codes of a logical (rows, columns) matrix are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bits of a code, 1 to 8.
    pub bits: usize,
    /// Order inside a run.
    pub fields: Fields,
    /// Bytes of a stored element: 1, or 4 for 32-bit words.
    pub unit: usize,
    /// Axis of the stored matrix along which runs go.
    pub packed: Axis,
    /// Whether a run goes along the rows of the logical matrix, that is down one column.
    pub along_rows: bool,
}

/// Packed codes of a logical matrix.
pub(crate) struct Packed<'a> {
    stored: Stored<'a>,
    layout: Layout,
    /// Codes in a run.
    run_codes: usize,
    /// Bytes of a run.
    run_bytes: usize,
    /// Runs.
    runs: usize,
}

impl<'a> Packed<'a> {
    /// Codes of a (`rows`, `columns`) matrix. Leading axes of the stored tensor count as one.
    ///
    /// # Errors
    /// The stored shape is not that of the layout.
    pub(crate) fn new(
        what: &str,
        stored: Stored<'a>,
        layout: Layout,
        rows: usize,
        columns: usize,
    ) -> Built<Self> {
        let (run_codes, runs) = if layout.along_rows {
            (rows, columns)
        } else {
            (columns, rows)
        };
        let run_bytes = layout
            .fields
            .byte_len(run_codes, layout.bits, layout.unit)
            .ok_or("a shape is too large")?;
        let run_units = run_bytes / layout.unit;
        let expected = match layout.packed {
            Axis::First => [run_units, runs],
            Axis::Second => [runs, run_units],
        };
        let leading: usize = stored.shape().iter().rev().skip(1).product();
        // In units, not elements: an F4 element takes half a byte.
        let last = stored.len() / leading / layout.unit;
        if [leading, last] != expected {
            let (bits, shape) = (layout.bits, stored.shape());
            return Err(format!(
                "{what} has the shape {shape:?}, expected {expected:?} for {rows} × {columns} codes of {bits} bits"
            ));
        }
        Ok(Self {
            stored,
            layout,
            run_codes,
            run_bytes,
            runs,
        })
    }

    /// Codes of the logical rows `rows`, row-major, to the front of `out`.
    pub(super) fn read(&self, rows: Range<usize>, out: &mut [u8]) -> Result<()> {
        let Layout {
            bits,
            fields,
            unit,
            packed,
            along_rows,
        } = self.layout;
        let (runs, codes) = if along_rows {
            (0..self.runs, rows)
        } else {
            (rows, 0..self.run_codes)
        };
        if codes.is_empty() || runs.is_empty() {
            return Ok(());
        }
        // The part of the runs that holds the codes, from a period on.
        let (period, period_bytes) = fields.period(bits);
        let first = codes.start / period;
        let bytes =
            first * period_bytes..(codes.end.div_ceil(period) * period_bytes).min(self.run_bytes);
        let codes = codes.start - first * period..codes.end - first * period;
        let tile = match packed {
            Axis::Second => self
                .stored
                .read_tile(self.run_bytes, runs.clone(), bytes.clone())?,
            Axis::First => {
                let units = bytes.start / unit..bytes.end / unit;
                self.stored.read_tile(
                    self.runs * unit,
                    units,
                    runs.start * unit..runs.end * unit,
                )?
            }
        };
        let (run_count, run_bytes) = (runs.len(), bytes.len());
        let mut gathered = vec![0; if packed == Axis::First { run_bytes } else { 0 }];
        let mut column = vec![0; if along_rows { codes.len() } else { 0 }];
        for at in 0..run_count {
            let run = match packed {
                Axis::Second => &tile[at * run_bytes..(at + 1) * run_bytes],
                Axis::First => {
                    let units = tile
                        .chunks_exact(run_count * unit)
                        .map(|row| &row[at * unit..(at + 1) * unit]);
                    gathered
                        .chunks_exact_mut(unit)
                        .zip(units)
                        .for_each(|(to, from)| to.copy_from_slice(from));
                    &gathered
                }
            };
            if along_rows {
                fields.unpack(bits, run, codes.clone(), &mut column);
                out[at..]
                    .iter_mut()
                    .step_by(run_count)
                    .zip(&column)
                    .for_each(|(out, &code)| *out = code);
            } else {
                fields.unpack(bits, run, codes.clone(), &mut out[at * codes.len()..]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::dtype::Dtype;

    /// Packs `codes` of one run, bit by bit, as the layout defines it.
    fn pack(fields: Fields, bits: usize, codes: &[u8]) -> Vec<u8> {
        let mut run = vec![0u8; fields.byte_len(codes.len(), bits, 4).unwrap()];
        for (i, &code) in codes.iter().enumerate() {
            for bit in 0..bits {
                let position = match fields {
                    Fields::Stream => i * bits + bit,
                    Fields::HighFirst => 8 * (i / 2) + 4 * (1 - i % 2) + bit,
                    Fields::PerWord => 32 * (i / (32 / bits)) + i % (32 / bits) * bits + bit,
                    Fields::Awq => 32 * (i / 8) + 4 * [0, 4, 1, 5, 2, 6, 3, 7][i % 8] + bit,
                    Fields::Planar => {
                        let widths: Vec<usize> =
                            [4, 2, 1].into_iter().filter(|w| bits & w != 0).collect();
                        let mut start = 32 * bits * (i / 32);
                        let mut low = 0;
                        let mut width = 0;
                        for w in widths {
                            if bit < low + w {
                                width = w;
                                break;
                            }
                            (start, low) = (start + 32 * w, low + w);
                        }
                        start + (i % 32) * width + bit - low
                    }
                };
                run[position / 8] |= ((code >> bit) & 1) << (position % 8);
            }
        }
        run
    }

    proptest! {
        /// Any rows of any layout give the codes that were packed.
        #[test]
        fn packed_codes_are_found_again(
            (fields, bits) in prop_oneof![
                (Just(Fields::Stream), 1usize..=8),
                (Just(Fields::PerWord), 1usize..=8),
                (Just(Fields::Planar), 5usize..=7),
                (Just(Fields::HighFirst), Just(4usize)),
                (Just(Fields::Awq), Just(4usize)),
            ],
            first in any::<bool>(), along_rows in any::<bool>(),
            rows in 1usize..80, columns in 1usize..80, from in 0usize..80, to in 0usize..80, seed in any::<u64>(),
        ) {
            let mask = 0xFF >> (8 - bits);
            let code = |r: usize, c: usize| (seed.wrapping_mul((r * 80 + c) as u64 * 2 + 1) >> 17) as u8 & mask;
            let runs: Vec<Vec<u8>> = if along_rows {
                (0..columns).map(|c| pack(fields, bits, &(0..rows).map(|r| code(r, c)).collect::<Vec<_>>())).collect()
            } else {
                (0..rows).map(|r| pack(fields, bits, &(0..columns).map(|c| code(r, c)).collect::<Vec<_>>())).collect()
            };
            let words = runs[0].len() / 4;
            let (bytes, shape) = if first {
                let words_of = |at: usize| runs.iter().flat_map(move |run| run[4 * at..4 * at + 4].to_vec());
                ((0..words).flat_map(words_of).collect(), [words as u64, runs.len() as u64])
            } else {
                (runs.concat(), [runs.len() as u64, words as u64])
            };
            let bytes: Vec<u8> = bytes;
            let stored = Stored::new(Dtype::I32, &shape, Box::new(bytes)).unwrap();
            let packed = if first { Axis::First } else { Axis::Second };
            let layout = Layout { bits, fields, unit: 4, packed, along_rows };
            let codes = Packed::new("codes", stored, layout, rows, columns).unwrap();
            let range = from.min(rows)..to.clamp(from.min(rows), rows);
            let mut out = vec![0; range.len() * columns];
            codes.read(range.clone(), &mut out).unwrap();
            let expected: Vec<u8> = range.flat_map(|r| (0..columns).map(move |c| code(r, c))).collect();
            prop_assert_eq!(out, expected);
        }
    }
}
