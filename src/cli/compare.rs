//! `wcmp compare BASE TARGET`: was the target made from the base?

use std::path::Path;

use super::choices::OutputFormat;
use super::settings::{Analyses, Settings, Verbosity};
use super::{Answer, input};
use crate::error::Result;
use crate::measure::monitor::Monitor;
use crate::pipeline;
use crate::report::schema::Compare;
use crate::report::{Report, Style, csv, json, markdown, text};

/// Compares the two and renders the report.
///
/// # Errors
/// A checkpoint that cannot be read, or an interrupt.
pub(super) fn run(
    settings: &Settings,
    analyses: &Analyses,
    base: &Path,
    target: &Path,
    monitor: &dyn Monitor,
) -> Result<Answer> {
    let options = &analyses.options;
    let open_base = || input::open_base(base, options.io, &settings.output);
    let open_target = || input::open(target, options.io, &settings.output);
    let pool = settings.pool()?;
    let (base, target) = pool.join(open_base, open_target);
    let (base, target) = (base?, target?);
    let compared = pool.install(|| pipeline::compare::compare(base, target, options, monitor))?;
    let exit = analyses.exit(compared.verdict.label);
    Ok(Answer {
        report: render(compared, settings, &analyses.style(settings)),
        exit,
        notes: Vec::new(),
    })
}

fn render(mut compared: Compare, settings: &Settings, style: &Style) -> Report {
    let for_people = matches!(settings.format, OutputFormat::Text | OutputFormat::Markdown);
    if for_people && settings.verbosity == Verbosity::Quiet {
        compared.warnings.clear();
    }
    match settings.format {
        OutputFormat::Text => text::compare(&compared, style).into(),
        OutputFormat::Json => json::report(compared),
        OutputFormat::Csv => csv::compare(&compared).into(),
        OutputFormat::Markdown => markdown::compare(&compared, style).into(),
    }
}
