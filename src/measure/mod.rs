//! The pass over the bytes, and what it measures: sums and digests of every pair, in bounded memory.

mod ahead;
mod as_stored;
mod digest;
mod driver;
mod fold;
mod held;
mod identity;
mod jobs;
pub(crate) mod monitor;
mod readings;
pub(crate) mod record;
mod segment;
mod views;

pub(crate) use driver::{Measured, MeasuredGroups, digests, measure, measure_groups};
pub(crate) use held::measure_held;
pub(crate) use readings::Duo;
pub(crate) use views::measure_views;
