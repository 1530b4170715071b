//! A comparison in this process, as the rows of its report.

use wcmp::Monitor;
use wcmp::Opened;
use wcmp::Options;
use wcmp::Result;
use wcmp::schema::{Compare, convert};

/// Compares two checkpoints as the command does.
pub(crate) fn compare(
    base: Opened,
    target: Opened,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Compare> {
    wcmp::compare(base, target, options, monitor).map(convert::compare)
}
