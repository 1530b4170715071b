//! Quantised layouts: codes and scales back to values, and the step of their grids.
//!
//! A layout is a constructor that checks the shapes of its tensors against one another and puts
//! together the same few parts: packed codes ([`packed`]), a table of what a code means
//! ([`codes`]), scales and zero points for blocks of elements ([`grid`]). Values are f32(code) −
//! zero, times scale; nothing is held but the rows that are asked for. What each scheme says of
//! itself is in `scheme.rs`; adding one is its file and a line in `REGISTERED`.

pub(crate) mod awq;
pub(crate) mod bnb;
pub(crate) mod codes;
pub(crate) mod compressed;
mod foreign;
pub(crate) mod fp8;
pub mod ggml;
pub(crate) mod gptq;
pub(crate) mod grid;
pub(crate) mod grouped;
pub(crate) mod mlx;
pub(crate) mod mxfp4;
pub(crate) mod nvfp4;
pub(crate) mod packed;
#[cfg(test)]
pub(crate) mod reference;
pub(crate) mod scheme;
pub(crate) mod stored;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::scheme::Registration;
use super::rows::RowSource;
use crate::error::Result;

pub(crate) use scheme::{Scheme, Tensors};
pub(crate) use stored::Stored;
pub use stored::StoredBytes;

/// The schemes, in the order in which a group of tensors is shown to them.
///
/// Order counts: AWQ has the names of GPTQ and takes what GPTQ leaves; NVFP4 comes before MXFP4,
/// both before the other forms of compressed-tensors; plain bytes with a scale come last.
pub(crate) const REGISTERED: &[&Registration] = &[
    &foreign::NAMED,
    &bnb::REGISTRATION,
    &gptq::REGISTRATION,
    &awq::REGISTRATION,
    &foreign::EETQ,
    &mlx::REGISTRATION,
    &nvfp4::REGISTRATION,
    &mxfp4::REGISTRATION,
    &compressed::REGISTRATION,
    &fp8::REGISTRATION,
    &foreign::UNKNOWN,
];

/// Result of putting a layout together; the error is one line that says what does not fit.
pub(crate) type Built<T> = std::result::Result<T, String>;

/// Rows of a matrix that is stored on a grid of values.
pub trait SteppedRows: RowSource {
    /// Writes for each element of `rows` the distance of neighbouring values of its grid to the
    /// front of `out`; the larger of the two where they differ, negative for the last value at
    /// either end of the grid, to which values beyond it were clipped.
    ///
    /// # Errors
    /// When the bytes behind the rows cannot be read.
    ///
    /// # Panics
    /// When `rows` is out of range or `out` is too short.
    fn read_steps(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()>;
}
