//! Tensors of which only some values are known: the rest reads as NaN.
//!
//! A sketch keeps rows and columns of a model's matrices. Whoever reads the model through this
//! source sees matrices of the full shapes, so that nothing above has to know how little there is.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::Source;
use crate::error::{Error, Result};

thread_local! {
    /// Kept values of one row, a buffer a worker.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Indices along one axis of a matrix, ascending; `None` stands for all of them.
pub(crate) type Axis = Option<Arc<[u32]>>;

/// The values at `rows` × `columns` of a matrix, row-major, from byte `at` of the file on.
#[derive(Debug, Clone)]
pub(crate) struct Patch {
    /// Which rows.
    pub rows: Axis,
    /// Which columns.
    pub columns: Axis,
    /// First byte in the file.
    pub at: u64,
}

/// A matrix of which some patches are known.
#[derive(Debug, Clone)]
pub(crate) struct Patched {
    /// First byte as it is addressed from above.
    pub offset: u64,
    /// Values.
    pub elements: u64,
    /// Values of one row.
    pub width: u64,
    /// The bytes of a NaN in its number format.
    pub nan: &'static [u8],
    /// What is known.
    pub patches: Vec<Patch>,
}

/// Such matrices one behind the other, over the file that holds their patches.
pub(crate) struct Holes {
    file: Arc<dyn Source>,
    /// By offset, without gaps.
    tensors: Vec<Patched>,
    bytes: u64,
}

impl Holes {
    /// `tensors` follow one another without gaps from 0 on; their patches lie in `file`.
    pub(crate) fn new(file: Arc<dyn Source>, tensors: Vec<Patched>) -> Self {
        let bytes = tensors.last().map_or(0, |last| {
            last.offset + last.elements * last.nan.len() as u64
        });
        Self {
            file,
            tensors,
            bytes,
        }
    }

    fn fill(&self, tensor: &Patched, elements: Range<u64>, out: &mut [u8]) -> Result<()> {
        if !tensor.knows_all(&elements) {
            fill_with(tensor.nan, out);
        }
        if elements.is_empty() || tensor.width == 0 {
            return Ok(());
        }
        let rows = elements.start / tensor.width..=(elements.end - 1) / tensor.width;
        for patch in &tensor.patches {
            let known: Range<usize> = match &patch.rows {
                None => *rows.start() as usize..*rows.end() as usize + 1,
                Some(list) => {
                    let first = list.partition_point(|&row| u64::from(row) < *rows.start());
                    let end = list.partition_point(|&row| u64::from(row) <= *rows.end());
                    first..end
                }
            };
            for at in known {
                let row = match &patch.rows {
                    None => at as u64,
                    Some(list) => u64::from(list[at]),
                };
                self.fill_row(tensor, patch, (at as u64, row), &elements, out)?;
            }
        }
        Ok(())
    }

    /// The values of row number `at` of a patch, which is row `row` of its matrix.
    fn fill_row(
        &self,
        tensor: &Patched,
        patch: &Patch,
        (at, row): (u64, u64),
        elements: &Range<u64>,
        out: &mut [u8],
    ) -> Result<()> {
        let size = tensor.nan.len() as u64;
        let first = row * tensor.width;
        // Columns that were asked for.
        let begin = elements.start.saturating_sub(first);
        let end = (elements.end - first).min(tensor.width);
        let place = |column: u64| ((first + column - elements.start) * size) as usize;
        let Some(columns) = &patch.columns else {
            let from = patch.at + (at * tensor.width + begin) * size;
            let length = ((end - begin) * size) as usize;
            return self.file.read_at(from, &mut out[place(begin)..][..length]);
        };
        let first_known = columns.partition_point(|&column| u64::from(column) < begin);
        let end_known = columns.partition_point(|&column| u64::from(column) < end);
        let known = &columns[first_known..end_known];
        let from = patch.at + (at * columns.len() as u64 + first_known as u64) * size;
        SCRATCH.with_borrow_mut(|scratch| {
            let bytes = self
                .file
                .bytes(from, known.len() * size as usize, scratch)?;
            for (&column, value) in known.iter().zip(bytes.chunks_exact(size as usize)) {
                out[place(u64::from(column))..][..value.len()].copy_from_slice(value);
            }
            Ok(())
        })
    }
}

/// Writes copies of `pattern` over all of `out`, twice as many each time.
fn fill_with(pattern: &[u8], out: &mut [u8]) {
    let Some(first) = out.get_mut(..pattern.len()) else {
        return;
    };
    first.copy_from_slice(pattern);
    let mut done = pattern.len();
    while done < out.len() {
        let more = done.min(out.len() - done);
        out.copy_within(..more, done);
        done += more;
    }
}

impl Patched {
    /// Whether the elements lie in one row that a patch knows whole.
    fn knows_all(&self, elements: &Range<u64>) -> bool {
        if self.width == 0 || elements.is_empty() {
            return false;
        }
        let row = elements.start / self.width;
        let is_one = row == (elements.end - 1) / self.width;
        is_one
            && self.patches.iter().any(|patch| {
                let known = patch.rows.as_ref();
                patch.columns.is_none()
                    && known.is_none_or(|rows| {
                        u32::try_from(row).is_ok_and(|row| rows.binary_search(&row).is_ok())
                    })
            })
    }
}

impl Source for Holes {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let mut offset = offset;
        let mut out = out;
        while !out.is_empty() {
            let at = self.tensors.partition_point(|t| t.offset <= offset);
            let tensor = at.checked_sub(1).and_then(|at| self.tensors.get(at));
            let Some(tensor) = tensor.filter(|_| offset < self.bytes) else {
                let what = "values beyond the last matrix (expected values of one)";
                return Err(Error::malformed(self.path(), what));
            };
            let size = tensor.nan.len() as u64;
            let begin = (offset - tensor.offset) / size;
            let wanted = (out.len() as u64).div_ceil(size);
            let end = tensor.elements.min(begin + wanted);
            // What is asked for begins and ends with whole values: dtypes here have no blocks.
            let length = (((end - begin) * size) as usize).min(out.len());
            let (here, rest) = out.split_at_mut(length);
            self.fill(tensor, begin..end, here)?;
            offset += length as u64;
            out = rest;
            if length == 0 {
                let what = "an empty matrix was read (expected values)";
                return Err(Error::malformed(self.path(), what));
            }
        }
        Ok(())
    }

    fn check_unchanged(&self) -> Result<()> {
        self.file.check_unchanged()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    const NAN: [u8; 4] = [0, 0, 0xC0, 0x7F];

    fn holes(values: &'static [f32], tensors: Vec<Patched>) -> Holes {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Holes::new(
            Arc::new(Memory::new(Path::new("a.sketch"), Vec::leak(bytes))),
            tensors,
        )
    }

    fn read(holes: &Holes, values: Range<u64>) -> Vec<f32> {
        let mut out = vec![0; (values.end - values.start) as usize * 4];
        holes.read_at(values.start * 4, &mut out).unwrap();
        let values = out.chunks_exact(4);
        values
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect()
    }

    #[test]
    fn what_is_known_stands_in_its_place_and_the_rest_is_nan() {
        let patched = |offset, elements, patches| Patched {
            offset,
            elements,
            width: 4,
            nan: &NAN,
            patches,
        };
        let patch = |rows: Option<&[u32]>, columns: Option<&[u32]>, at| Patch {
            rows: rows.map(Arc::from),
            columns: columns.map(Arc::from),
            at,
        };
        // A row, two columns of two rows; then a matrix that is known whole.
        let first = patched(
            0,
            12,
            vec![
                patch(Some(&[1]), None, 0),
                patch(Some(&[0, 2]), Some(&[1, 3]), 16),
            ],
        );
        let second = patched(48, 4, vec![patch(None, None, 32)]);
        let holes = holes(
            &[1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.],
            vec![first, second],
        );
        let shown = |values: Vec<f32>| -> Vec<i32> {
            let shown = values.into_iter();
            shown
                .map(|x| if x.is_nan() { -1 } else { x as i32 })
                .collect()
        };
        let all = [-1, 5, -1, 6, 1, 2, 3, 4, -1, 7, -1, 8, 9, 10, 11, 12];
        assert_eq!(shown(read(&holes, 0..16)), all);
        for begin in 0..16 {
            for end in begin + 1..=16 {
                let expected = &all[begin as usize..end as usize];
                assert_eq!(shown(read(&holes, begin..end)), expected, "{begin}..{end}");
            }
        }
        assert!(holes.read_at(64, &mut [0; 4]).is_err());
        assert_eq!(holes.len(), 64);
    }
}
