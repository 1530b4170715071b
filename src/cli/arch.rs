//! `wcmp arch TARGET BASE...`: can the weights be compared at all, part by part?

use std::path::{Path, PathBuf};

use super::choices::OutputFormat;
use super::settings::{Settings, Verbosity};
use super::{Answer, input};
use crate::error::Result;
use crate::pipeline;
use crate::report::schema::arch::Arch;
use crate::report::{Report, csv, json, markdown, text};

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
    let mut report = Arch::from(pipeline::arch::arch(target, bases));
    let for_people = matches!(settings.format, OutputFormat::Text | OutputFormat::Markdown);
    if for_people && settings.verbosity == Verbosity::Quiet {
        report.warnings.clear();
    }
    let report: Report = match settings.format {
        OutputFormat::Text => text::arch(&report, &settings.style).into(),
        OutputFormat::Json => json::report(report),
        OutputFormat::Csv => csv::arch(&report).into(),
        OutputFormat::Markdown => markdown::arch(&report, &settings.style).into(),
    };
    Ok(Answer::plain(report))
}
