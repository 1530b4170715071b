//! Arithmetic on arrays: nothing here knows a file, a name or a verdict.

pub(crate) mod decode;
pub(crate) mod grid;
pub(crate) mod kernels;
pub(crate) mod linalg;
pub(crate) mod quant;
pub(crate) mod rng;
pub(crate) mod rows;
pub(crate) mod small_floats;
pub(crate) mod sums;
mod tridiagonal;
pub(crate) mod wide;
