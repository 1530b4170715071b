//! evidence

pub mod chance;
pub mod power;
pub mod units;
pub mod coordinates;
pub mod mixture;
pub mod subspace;
