//! `wcmp inspect CHECKPOINT`: what does wcmp see in it?

use std::path::Path;

use super::Answer;
use super::settings::Settings;
use crate::error::{Error, Result};

/// Runs the command.
///
/// # Errors
/// This build does not have it.
pub(super) fn run(_settings: &Settings, checkpoint: &Path) -> Result<Answer> {
    Err(Error::unsupported(checkpoint, "wcmp inspect is not part of this build"))
}
