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
    let destinations = settings.destinations();
    let open_base = || input::open_base(base, options.io, &destinations);
    let open_target = || input::open(target, options.io, &destinations);
    let pool = settings.pool()?;
    let (base, target) = pool.join(open_base, open_target);
    let (base, target) = (base.context("base")?, target.context("target")?);
    // On a worker, whose part of the heap has the room that the models leave.
    let compare = || {
        let compared = pipeline::compare::compare(base, target, options, monitor);
        compared.map(convert::compare)
    };
    let mut compared = pool.install(compare).context("while comparing")?;
    let verdict = &compared.verdict;
    compared.expect = analyses.expected(verdict.label, verdict.confidence);
    let expect = compared.expect.clone();
    let reports = settings.render(compared, &analyses.style(settings));
    Ok(Answer::expected(reports, expect.as_ref()))
}
