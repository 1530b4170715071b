//! A stored tensor as quantised layouts read it: dtype, shape, bytes at an offset.

use std::ops::Range;

use half::{bf16, f16};

use super::Built;
use crate::error::Result;
use crate::model::dtype::{Dtype, element_count};
use crate::numeric::small_floats::{E4M3, E5M2, E8M0};

/// Bytes of one stored tensor.
pub trait StoredBytes: Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// The range is not there, or the system refuses the read.
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()>;
}

/// One stored tensor.
pub struct Stored<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Box<dyn StoredBytes + 'a>,
}

impl<'a> Stored<'a> {
    /// A tensor of that dtype and shape.
    ///
    /// # Errors
    /// The bytes are not as many as dtype and shape need, or there is no element.
    pub fn new(dtype: Dtype, shape: &[u64], bytes: Box<dyn StoredBytes + 'a>) -> Built<Self> {
        let expected = element_count(shape)
            .filter(|&count| count > 0)
            .and_then(|count| dtype.byte_len(count));
        if expected != Some(bytes.len()) {
            return Err(format!(
                "{dtype} of shape {shape:?} does not fit {} bytes",
                bytes.len()
            ));
        }
        let axes = shape
            .iter()
            .map(|&axis| usize::try_from(axis).ok())
            .collect::<Option<Vec<_>>>();
        match axes {
            Some(shape) => Ok(Self {
                dtype,
                shape,
                bytes,
            }),
            None => Err(format!("shape {shape:?} is too large")),
        }
    }

    /// The same bytes under another shape of as many elements.
    pub(super) fn reshaped(self, shape: &[usize]) -> Built<Self> {
        let count = shape
            .iter()
            .try_fold(1usize, |product, &axis| product.checked_mul(axis));
        if count != Some(self.elements()) {
            return Err(format!(
                "shape {:?} cannot be read as {shape:?}",
                self.shape
            ));
        }
        Ok(Self {
            shape: shape.to_vec(),
            ..self
        })
    }

    /// The same bytes under another dtype of as many bytes.
    pub(super) fn read_as(self, dtype: Dtype) -> Built<Self> {
        if self.dtype.block() != dtype.block() {
            return Err(format!("{} cannot be read as {dtype}", self.dtype));
        }
        Ok(Self { dtype, ..self })
    }

    /// Number format.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Axes, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        // A shape in usize whose elements were counted: at most 8 bytes each, all of them in one
        // file.
        self.bytes.len() as usize
    }

    /// Never: a tensor without an element is refused.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The two axes, where there are two.
    pub(super) fn matrix(&self, what: &str) -> Built<(usize, usize)> {
        match self.shape[..] {
            [rows, columns] => Ok((rows, columns)),
            _ => Err(format!(
                "{what} has the shape {:?}, expected two axes",
                self.shape
            )),
        }
    }

    /// Checks the dtype.
    pub(super) fn expect(&self, what: &str, allowed: &[Dtype]) -> Built<()> {
        if allowed.contains(&self.dtype) {
            return Ok(());
        }
        let words: Vec<_> = allowed.iter().map(|dtype| dtype.word()).collect();
        Err(format!(
            "{what} is {}, expected {}",
            self.dtype,
            words.join(" or ")
        ))
    }

    /// Bytes of `range`.
    pub(super) fn read(&self, range: Range<usize>) -> Result<Vec<u8>> {
        let mut out = vec![0; range.len()];
        self.bytes.read(range.start as u64, &mut out)?;
        Ok(out)
    }

    /// Of a row-major matrix with rows of `row_bytes`: the bytes `columns` of each of `rows`, one
    /// behind the other.
    pub(super) fn read_tile(
        &self,
        row_bytes: usize,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Result<Vec<u8>> {
        if columns.len() == row_bytes {
            return self.read(rows.start * row_bytes..rows.end * row_bytes);
        }
        let mut out = vec![0; rows.len() * columns.len()];
        for (row, out) in rows.zip(out.chunks_exact_mut(columns.len().max(1))) {
            self.bytes
                .read((row * row_bytes + columns.start) as u64, out)?;
        }
        Ok(out)
    }

    /// All values as f32; for tensors of a bounded number of elements.
    pub(super) fn floats(&self, what: &str, limit: usize) -> Built<Vec<f32>> {
        let width = float_bytes(self.dtype)
            .ok_or_else(|| format!("{what} is {}, expected floats", self.dtype))?;
        if self.elements() > limit {
            return Err(format!(
                "{what} has {} elements, expected at most {limit}",
                self.elements()
            ));
        }
        let bytes = self
            .read(0..self.len())
            .map_err(|error| error.to_string())?;
        Ok(bytes
            .chunks_exact(width)
            .map(|bytes| float(self.dtype, bytes))
            .collect())
    }

    /// The only value.
    pub(super) fn scalar(&self, what: &str) -> Built<f32> {
        match self.floats(what, 1)?[..] {
            [value] => Ok(value),
            _ => Err(format!("{what} is no scalar")),
        }
    }
}

/// Bytes of one value of a dtype that scales come in. U8 stands for E8M0, as the writers of MX
/// formats have it.
pub(super) fn float_bytes(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::F8E8M0 | Dtype::U8 | Dtype::I8 => Some(1),
        Dtype::F16 | Dtype::Bf16 => Some(2),
        Dtype::F32 => Some(4),
        Dtype::F64 => Some(8),
        _ => None,
    }
}

/// Value of [`float_bytes`] bytes.
pub(super) fn float(dtype: Dtype, bytes: &[u8]) -> f32 {
    match (dtype, bytes) {
        (Dtype::F8E4M3, &[code]) => E4M3.value(code),
        (Dtype::F8E5M2, &[code]) => E5M2.value(code),
        (Dtype::F8E8M0 | Dtype::U8, &[code]) => E8M0.value(code),
        (Dtype::I8, &[code]) => f32::from(code.cast_signed()),
        (Dtype::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
        (Dtype::Bf16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f32(),
        (Dtype::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
        (Dtype::F64, &[a, b, c, d, e, f, g, h]) => {
            f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32
        }
        _ => f32::NAN,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::error::Error;

    /// Bytes in memory.
    impl StoredBytes for Vec<u8> {
        fn len(&self) -> u64 {
            self.as_slice().len() as u64
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
            match self.get(offset as usize..offset as usize + out.len()) {
                Some(bytes) => out.copy_from_slice(bytes),
                None => return Err(Error::Usage("read past the end".into())),
            }
            Ok(())
        }
    }

    #[test]
    fn bytes_must_fit_dtype_and_shape() {
        let stored =
            |dtype, shape: &[u64], len: usize| Stored::new(dtype, shape, Box::new(vec![0u8; len]));
        assert!(stored(Dtype::F16, &[2, 3], 12).is_ok());
        assert!(stored(Dtype::F16, &[2, 3], 11).is_err());
        assert!(stored(Dtype::F16, &[0, 3], 0).is_err());
        assert!(stored(Dtype::F16, &[1 << 63, 2], 0).is_err());
    }

    #[test]
    fn a_tile_is_cut_out_of_each_row() {
        let stored = Stored::new(Dtype::U8, &[3, 4], Box::new((0u8..12).collect::<Vec<_>>()));
        assert_eq!(
            stored.as_ref().map(|s| s.read_tile(4, 1..3, 1..3).ok()),
            Ok(Some(vec![5, 6, 9, 10]))
        );
        assert_eq!(
            stored.as_ref().map(|s| s.read_tile(4, 1..2, 0..4).ok()),
            Ok(Some(vec![4, 5, 6, 7]))
        );
    }
}
