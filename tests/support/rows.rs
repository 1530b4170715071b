//! A comparison in this process, as the rows of its report.

use wcmp::error::Result;
use wcmp::format::open::Opened;
use wcmp::measure::monitor::Monitor;
use wcmp::pipeline;
use wcmp::pipeline::options::Options;
use wcmp::report::schema::{Compare, convert};

/// Compares two checkpoints as the command does.
pub(crate) fn compare(
    base: Opened,
    target: Opened,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Compare> {
    pipeline::compare::compare(base, target, options, monitor).map(convert::compare)
}
