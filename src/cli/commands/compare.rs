//! `wcmp compare BASE TARGET`: was the target made from the base?

use std::path::Path;

use anyhow::Context;

use super::super::settings::{Analyses, Settings};
use super::super::{Answer, input};
use crate::measure::monitor::Monitor;
use crate::pipeline;
use crate::report::schema::convert;

/// Compares the two and renders the report.
///
/// # Errors
/// A checkpoint that cannot be read, or an interrupt.
pub(in crate::cli) fn run(
    settings: &Settings,
    analyses: &Analyses,
    base: &Path,
    target: &Path,
    monitor: &dyn Monitor,
) -> anyhow::Result<Answer> {
    let options = &analyses.options;
    let open_base = || input::open_base(base, options.io, &settings.output);
    let open_target = || input::open(target, options.io, &settings.output);
    let pool = settings.pool()?;
    let (base, target) = pool.join(open_base, open_target);
    let (base, target) = (base.context("base")?, target.context("target")?);
    let compare = || pipeline::compare::compare(base, target, options, monitor);
    let compared = pool.install(compare).context("while comparing")?;
    let exit = analyses.exit(compared.verdict.label);
    let compared = convert::compare(compared);
    Ok(Answer {
        report: settings.render(compared, &analyses.style(settings)),
        exit,
        notes: Vec::new(),
    })
}
