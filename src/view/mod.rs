//! Between file and analysis: logical tensors, whatever their storage.
//!
//! A stored tensor, a slice of a fused one, a transposed or a quantised one all look alike from
//! here up: a shape, a meaning and rows of values.

pub mod adapted;
pub mod logical;
pub mod model;
pub mod pieces;
pub mod place;
pub mod qkv;
pub mod quantised;
pub mod reader;
