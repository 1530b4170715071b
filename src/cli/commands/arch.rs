//! `wcmp arch TARGET BASE...`: can the weights be compared at all, part by part?

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::super::settings::Settings;
use super::super::{Answer, input};
use crate::pipeline;
use crate::report::schema::arch::Arch;

/// Sets the target against each base, from config.json and headers; no tensor value is read.
///
/// # Errors
/// A checkpoint or configuration that cannot be read.
pub(in crate::cli) fn run(
    settings: &Settings,
    target: &Path,
    bases: &[PathBuf],
) -> anyhow::Result<Answer> {
    let target = input::open_described(target, &settings.destinations()).context("target")?;
    let bases = bases
        .iter()
        .map(|base| input::open_described(base, &settings.destinations()).context("base"))
        .collect::<anyhow::Result<_>>()?;
    let report = Arch::from(pipeline::arch::arch(target, bases));
    Ok(Answer::plain(settings.render(report, &settings.style)))
}
