//! `wcmp compare BASE TARGET`: was the target made from the base?

use std::path::Path;

use super::Answer;
use super::settings::{Analyses, Settings};
use crate::error::{Error, Result};
use crate::measure::monitor::Monitor;

/// Runs the command.
///
/// # Errors
/// This build does not have it.
pub(super) fn run(
    _settings: &Settings,
    _analyses: &Analyses,
    _base: &Path,
    target: &Path,
    _monitor: &dyn Monitor,
) -> Result<Answer> {
    Err(Error::unsupported(target, "wcmp compare is not part of this build"))
}
