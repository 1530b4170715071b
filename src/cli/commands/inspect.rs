//! `wcmp inspect CHECKPOINT`: what does wcmp see in it?

use std::path::Path;

use anyhow::Context;

use super::super::settings::Settings;
use super::super::{Answer, input};
use crate::pipeline;
use crate::report::schema::Inspect;
use crate::source::Io;

/// Describes the checkpoint from its headers; no tensor value is read.
///
/// # Errors
/// A checkpoint that cannot be read.
pub(in crate::cli) fn run(settings: &Settings, checkpoint: &Path) -> anyhow::Result<Answer> {
    let opened =
        input::open(checkpoint, Io::Mmap, &settings.destinations()).context("checkpoint")?;
    let inspected = Inspect::from(pipeline::inspect::inspect(opened));
    Ok(Answer::plain(settings.render(inspected, &settings.style)))
}
