//! Statistics: arrays of values in, numbers out. Nothing here knows a model, a tensor's name or a
//! file; the analyses of `evidence` say what the numbers mean.

pub mod assignment;
pub mod chance;
pub mod coordinates;
pub mod levels;
pub mod mixture;
pub mod power;
pub mod principal;
pub mod recover;
pub mod subspace;
pub mod units;
