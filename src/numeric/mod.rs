//! Arithmetic on arrays: nothing here knows a file, a name or a verdict.

pub mod decode;
pub mod kernels;
pub mod assignment;
pub mod linalg;
pub mod quant;
pub mod principal;
pub mod rng;
pub mod rows;
pub mod sums;
