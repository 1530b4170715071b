//! `wcmp arch TARGET BASE...`: can the weights be compared at all, part by part?

use std::path::{Path, PathBuf};

use super::settings::Settings;
use super::{Answer, input};
use crate::error::Result;
use crate::pipeline;
use crate::report::schema::arch::Arch;

/// Sets the target against each base, from config.json and headers; no tensor value is read.
///
/// # Errors
/// A checkpoint or configuration that cannot be read.
pub(super) fn run(settings: &Settings, target: &Path, bases: &[PathBuf]) -> Result<Answer> {
    let target = input::open_described(target, &settings.output)?;
    let bases = bases
        .iter()
        .map(|base| input::open_described(base, &settings.output))
        .collect::<Result<_>>()?;
    let report = Arch::from(pipeline::arch::arch(target, bases));
    Ok(Answer::plain(settings.render(report, &settings.style)))
}
