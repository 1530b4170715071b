//! Arithmetic on arrays: nothing here knows a file, a name or a verdict.

pub mod decode;
pub mod kernels;
pub mod linalg;
pub mod quant;
pub mod rng;
pub mod rows;
pub(crate) mod small_floats;
pub mod sums;
