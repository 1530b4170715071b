//! evidence

pub mod chance;
pub mod power;
pub mod units;
pub mod subspace;
