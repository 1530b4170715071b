//! The passes over the bytes, and what they measure: sums and digests of every pair, in bounded
//! memory.

pub mod digest;
pub mod many;
pub mod monitor;
pub mod pass;
pub mod record;
mod run;
mod segment;
pub mod views;
