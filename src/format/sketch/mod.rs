//! Sketches: a safetensors file that keeps a little of a model (guide/sketches.md).
//!
//! It is read as a checkpoint of which most values are not known: tensors of the full shapes, over
//! a [`Holes`](crate::source::Holes) that knows the patches.

mod read;
mod write;

pub(crate) use read::{Sketch, check, is_sketch, opened};
pub(crate) use write::{Values, Writer, bytes};
