//! `wcmp rank TARGET BASE...`: which of these is the target made from, or from none?

use std::path::{Path, PathBuf};

use super::choices::OutputFormat;
use super::exit::Exit;
use super::settings::{Analyses, Settings, Verbosity};
use super::{Answer, input};
use crate::error::Result;
use crate::measure::monitor::Monitor;
use crate::pipeline;
use crate::report::schema::Rank;
use crate::report::{Report, csv, json, markdown, text};

/// Holds every base against the target and renders the report.
///
/// # Errors
/// A checkpoint that cannot be read, or an interrupt.
pub(super) fn run(
    settings: &Settings,
    analyses: &Analyses,
    target: &Path,
    bases: &[PathBuf],
    monitor: &dyn Monitor,
) -> Result<Answer> {
    let options = &analyses.options;
    let target = input::open(target, options.io, &settings.output)?;
    let open = |base: &PathBuf| input::open_base(base, options.io, &settings.output);
    let bases = bases.iter().map(open).collect::<Result<Vec<_>>>()?;
    let rank = || pipeline::rank::rank(target, bases, options, monitor);
    let ranked = settings.pool()?.install(rank)?;
    let met = analyses
        .expect
        .as_ref()
        .is_none_or(|expect| expect.names(ranked.conclusion.label));
    Ok(Answer {
        report: render(ranked, settings),
        exit: Exit::answered(met),
        notes: Vec::new(),
    })
}

fn render(mut ranked: Rank, settings: &Settings) -> Report {
    let for_people = matches!(settings.format, OutputFormat::Text | OutputFormat::Markdown);
    if for_people && settings.verbosity == Verbosity::Quiet {
        ranked.warnings.clear();
    }
    match settings.format {
        OutputFormat::Text => text::rank(&ranked, &settings.style).into(),
        OutputFormat::Json => json::report(ranked),
        OutputFormat::Csv => csv::rank(&ranked).into(),
        OutputFormat::Markdown => markdown::rank(&ranked, &settings.style).into(),
    }
}
