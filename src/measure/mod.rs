//! The passes over the bytes, and what they measure.

pub mod digest;
pub mod monitor;
