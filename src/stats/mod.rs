//! Statistics: arrays of values in, numbers out. Nothing here knows a model, a tensor's name or a
//! file; the analyses of `evidence` say what the numbers mean.

pub(crate) mod anchors;
pub(crate) mod assignment;
pub(crate) mod canonical;
pub(crate) mod chance;
pub(crate) mod coordinates;
pub(crate) mod formula;
pub(crate) mod geometry;
pub(crate) mod levels;
pub(crate) mod partners;
pub(crate) mod power;
pub(crate) mod principal;
pub(crate) mod recover;
pub(crate) mod row_space;
pub(crate) mod shares;
pub mod subspace;
pub mod units;
pub(crate) mod zeros;
