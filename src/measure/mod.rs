//! The pass over the bytes, and what it measures: sums and digests of every pair, in bounded memory.

mod ahead;
mod as_stored;
mod digest;
mod driver;
mod fold;
mod identity;
mod jobs;
pub mod monitor;
mod readings;
pub mod record;
mod segment;
mod views;

pub use driver::{Measured, MeasuredGroups, digests, measure, measure_groups};
pub use readings::Duo;
pub use views::measure_views;
