//! Between file and analysis: logical tensors, whatever their storage.
//!
//! A stored tensor, a slice of a fused one, a transposed or a quantised one all look alike from
//! here up: a shape, a meaning and rows of values.

pub(crate) mod adapted;
pub(crate) mod composed;
pub(crate) mod kept;
pub(crate) mod logical;
pub(crate) mod model;
pub(crate) mod pieces;
pub(crate) mod place;
pub(crate) mod qkv;
pub(crate) mod quantised;
pub(crate) mod reader;
