//! `wcmp rank TARGET BASE...`: which of these is the target made from, or from none?

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::super::exit::Exit;
use super::super::settings::{Analyses, Settings};
use super::super::{Answer, input};
use crate::measure::monitor::Monitor;
use crate::pipeline;
use crate::report::schema::convert;

/// Holds every base against the target and renders the report.
///
/// # Errors
/// A checkpoint that cannot be read, or an interrupt.
pub(in crate::cli) fn run(
    settings: &Settings,
    analyses: &Analyses,
    target: &Path,
    bases: &[PathBuf],
    monitor: &dyn Monitor,
) -> anyhow::Result<Answer> {
    let options = &analyses.options;
    let target = input::open(target, options.io, &settings.output).context("target")?;
    let open =
        |base: &PathBuf| input::open_base(base, options.io, &settings.output).context("base");
    let bases = bases.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
    let rank = || pipeline::rank::rank(target, bases, options, monitor);
    let ranked = settings.pool()?.install(rank).context("while ranking")?;
    let met = analyses
        .expect
        .as_ref()
        .is_none_or(|expect| expect.names(ranked.conclusion.label));
    Ok(Answer {
        report: settings.render(convert::rank(ranked), &analyses.style(settings)),
        exit: Exit::answered(met),
        notes: Vec::new(),
    })
}
