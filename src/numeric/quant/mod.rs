//! Quantised layouts: codes and scales back to values, and the step of their grids.

pub mod codes;
pub mod ggml;

#[cfg(test)]
pub(crate) mod reference;
