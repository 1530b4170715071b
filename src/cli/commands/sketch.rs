//! `wcmp sketch CHECKPOINT --output FILE`: what is to be kept of a model, so that others can be
//! compared with it without its weights?

use std::path::Path;

use anyhow::Context;

use super::super::settings::Settings;
use super::super::{Answer, input};
use crate::error::Error;
use crate::measure::monitor::Monitor;
use crate::pipeline;
use crate::report::Report;
use crate::report::schema::Sketch;
use crate::report::sink::Destination;
use crate::source::Io;

/// Takes a sketch of `checkpoint` and writes it to `file`, whole or not at all; the report says what
/// it holds.
///
/// # Errors
/// A checkpoint that cannot be read, a file that cannot be written, an interrupt.
pub(in crate::cli) fn run(
    settings: &Settings,
    checkpoint: &Path,
    file: &Path,
    io: Io,
    monitor: &dyn Monitor,
) -> anyhow::Result<Answer> {
    let destination = Destination::from_path(file)?;
    if destination == Destination::Stdout {
        let what =
            "sketch needs --output FILE (a sketch is no text; its report goes to standard output)";
        return Err(Error::Usage(what.to_owned()).into());
    }
    destination.check()?;
    let mut destinations = settings.destinations();
    destinations.insert(0, destination.clone());
    let opened = input::open_base(checkpoint, io, &destinations).context("checkpoint")?;
    let sketch = || pipeline::sketch::sketch(opened, monitor);
    let mut sketched = settings
        .pool()?
        .install(sketch)
        .context("while sketching")?;
    sketched.report.file = file.to_string_lossy().into_owned();
    let mut reports = settings.render(Sketch::from(sketched.report), &settings.style);
    reports.push((destination, Report::from(sketched.bytes)));
    Ok(Answer::plain(reports))
}
