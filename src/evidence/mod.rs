//! evidence

pub mod chance;
pub mod power;
