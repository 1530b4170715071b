//! `wcmp rank TARGET BASE...`: which of these is the target made from, or from none?

use std::path::{Path, PathBuf};

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
    target: &Path,
    _bases: &[PathBuf],
    _monitor: &dyn Monitor,
) -> Result<Answer> {
    Err(Error::unsupported(target, "wcmp rank is not part of this build"))
}
