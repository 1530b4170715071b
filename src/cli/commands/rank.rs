//! `wcmp rank TARGET BASE...`: which of these is the target made from, or from none?

use std::path::{Path, PathBuf};

use anyhow::Context;

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
    let target = input::open(target, options.io, &settings.destinations()).context("target")?;
    let open = |base: &PathBuf| {
        input::open_base(base, options.io, &settings.destinations()).context("base")
    };
    let bases = bases.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
    let rank = || pipeline::rank::rank(target, bases, options, monitor);
    let ranked = settings.pool()?.install(rank).context("while ranking")?;
    let mut ranked = convert::rank(ranked);
    ranked.expect = analyses.expected(ranked.conclusion.label, ranked.confidence());
    let expect = ranked.expect.clone();
    let reports = settings.render(ranked, &analyses.style(settings));
    Ok(Answer::expected(reports, expect.as_ref()))
}
