//! `wcmp arch TARGET BASE...`: can the weights be compared at all, part by part?

use std::path::{Path, PathBuf};

use super::Answer;
use super::settings::Settings;
use crate::error::{Error, Result};

/// Runs the command.
///
/// # Errors
/// This build does not have it.
pub(super) fn run(_settings: &Settings, target: &Path, _bases: &[PathBuf]) -> Result<Answer> {
    Err(Error::unsupported(target, "wcmp arch is not part of this build"))
}
