//! Elements that do not lie one behind the other in row-major order: transposed, sliced and
//! expanded views of another source.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{Source, require_inside};
use crate::error::Result;

/// A view of a source whose bytes are those of its elements in row-major order.
#[derive(Clone)]
pub(crate) struct Strided {
    base: Arc<dyn Source>,
    layout: Layout,
}

impl Strided {
    /// The elements of `base` that `layout` names.
    pub(crate) fn new(base: Arc<dyn Source>, layout: Layout) -> Self {
        Self { base, layout }
    }
}

impl fmt::Debug for Strided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strided")
            .field("base", &self.base.path())
            .field("layout", &self.layout)
            .finish()
    }
}

impl Source for Strided {
    fn path(&self) -> &Path {
        self.base.path()
    }

    fn len(&self) -> u64 {
        self.layout.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        require_inside(self.path(), self.len(), offset, out.len())?;
        let range = offset..offset + out.len() as u64;
        self.layout.read(&*self.base, range, out)
    }

    fn check_unchanged(&self) -> Result<()> {
        self.base.check_unchanged()
    }
}

/// Where the elements of such a tensor lie in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Offset of the first element in bytes.
    pub start: u64,
    /// Bytes of an element.
    pub width: u64,
    /// Axes, slowest first, none of them 0.
    pub shape: Vec<u64>,
    /// Distance of elements along each axis, in elements.
    pub strides: Vec<u64>,
}

impl Layout {
    /// Bytes of all elements.
    pub fn len(&self) -> u64 {
        self.shape.iter().product::<u64>() * self.width
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the bytes `bytes` of the elements in row-major order to the front of `out`.
    ///
    /// # Errors
    /// When the bytes cannot be read.
    ///
    /// # Panics
    /// When `bytes` is out of range or `out` is too short.
    pub fn read(&self, source: &dyn Source, bytes: Range<u64>, out: &mut [u8]) -> Result<()> {
        let pages = Pages::new(source);
        assert!(bytes.end <= self.len(), "bytes out of range");
        let elements = bytes.start / self.width..bytes.end.div_ceil(self.width);
        let lead = (bytes.start - elements.start * self.width) as usize;
        let (len, whole) = (
            (bytes.end - bytes.start) as usize,
            (elements.end - elements.start) * self.width,
        );
        let out = out.split_at_mut(len).0;
        if whole as usize == len {
            return self.read_elements(&pages, elements, out);
        }
        let mut around = vec![0; whole as usize];
        self.read_elements(&pages, elements, &mut around)?;
        out.copy_from_slice(around.split_at(lead).1.split_at(len).0);
        Ok(())
    }

    fn read_elements(&self, pages: &Pages<'_>, elements: Range<u64>, out: &mut [u8]) -> Result<()> {
        let (Some(&columns), Some(&step)) = (self.shape.last(), self.strides.last()) else {
            return pages.read_at(self.start, out);
        };
        let (mut at, mut out) = (elements.start, out);
        while at < elements.end {
            let column = at % columns;
            let count = (columns - column).min(elements.end - at);
            let first = self.row(at / columns) + column * step;
            let (line, rest) = out.split_at_mut((count * self.width) as usize);
            if step == 1 {
                pages.read_at(self.start + first * self.width, line)?;
            } else {
                for (i, element) in (0..count).zip(line.chunks_exact_mut(self.width as usize)) {
                    pages.read_at(self.start + (first + i * step) * self.width, element)?;
                }
            }
            (at, out) = (at + count, rest);
        }
        Ok(())
    }

    /// Distance of the first element of row `row`, counted over all axes but the last, from the
    /// first of all.
    fn row(&self, mut row: u64) -> u64 {
        let mut at = 0;
        for (&axis, &stride) in self.shape.iter().zip(&self.strides).rev().skip(1) {
            at += row % axis * stride;
            row /= axis;
        }
        at
    }
}

/// Bytes of a page that is kept.
const PAGE: u64 = 1 << 12;

/// Most pages that are kept, 16 MiB: the columns of a transposed matrix are a page each.
const PAGES: usize = 1 << 12;

/// Keeps the pages that were read last: elements that lie near one another are asked for one at a
/// time.
struct Pages<'a> {
    source: &'a dyn Source,
    kept: RefCell<HashMap<u64, Vec<u8>>>,
}

impl<'a> Pages<'a> {
    fn new(source: &'a dyn Source) -> Self {
        Self {
            source,
            kept: RefCell::default(),
        }
    }

    /// Fills `out` from `offset` on, through the page that holds all of it where one does.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let (number, within) = (offset / PAGE, (offset % PAGE) as usize);
        if within + out.len() <= PAGE as usize {
            self.keep(number)?;
            let kept = self.kept.borrow();
            let page = kept.get(&number);
            if let Some(bytes) = page.and_then(|page| page.get(within..within + out.len())) {
                out.copy_from_slice(bytes);
                return Ok(());
            }
        }
        self.source.read_at(offset, out)
    }

    /// Reads the page of that number, unless it is kept.
    fn keep(&self, number: u64) -> Result<()> {
        let mut kept = self.kept.borrow_mut();
        if kept.contains_key(&number) {
            return Ok(());
        }
        if kept.len() >= PAGES {
            kept.clear();
        }
        let start = number * PAGE;
        let mut page = vec![0; self.source.len().saturating_sub(start).min(PAGE) as usize];
        self.source.read_at(start, &mut page)?;
        kept.insert(number, page);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn any_range_of_a_view_is_read_in_row_major_order() {
        // 16-bit elements 0, 1, 2, … from byte 10 on.
        let file: Vec<u8> = [0; 10]
            .into_iter()
            .chain((0..9000u16).flat_map(u16::to_le_bytes))
            .collect();
        for (shape, strides) in [
            (vec![70, 60], vec![1, 70]),
            (vec![3, 4, 5], vec![100, 7, 1]),
            (vec![4, 1, 6], vec![0, 5, 3]),
            (vec![5], vec![0]),
            (vec![], vec![]),
        ] {
            let view = Layout {
                start: 10,
                width: 2,
                shape: shape.clone(),
                strides: strides.clone(),
            };
            let mut expected: Vec<u16> = vec![0];
            for (&axis, &stride) in shape.iter().zip(&strides) {
                let along = |first: &u16| {
                    (0..axis)
                        .map(|i| *first + (i * stride) as u16)
                        .collect::<Vec<_>>()
                };
                expected = expected.iter().flat_map(along).collect();
            }
            let expected: Vec<u8> = expected.into_iter().flat_map(u16::to_le_bytes).collect();
            assert_eq!(view.len(), expected.len() as u64, "{shape:?}");
            let source = Memory::new(Path::new("file"), &file);
            let len = expected.len();
            for range in [0..len, 0..1, len - 1..len, len / 3..len / 2 + 1, len..len] {
                let mut out = vec![0; range.len()];
                view.read(&source, range.start as u64..range.end as u64, &mut out)
                    .unwrap();
                assert_eq!(out, expected[range.clone()], "{shape:?} {range:?}");
            }
        }
    }
}
