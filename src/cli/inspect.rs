//! `wcmp inspect CHECKPOINT`: what does wcmp see in it?

use std::path::Path;

use super::choices::OutputFormat;
use super::settings::Settings;
use super::{Answer, input};
use crate::error::Result;
use crate::pipeline;
use crate::report::schema::Inspect;
use crate::report::{Report, csv, json, markdown, text};
use crate::source::Io;
use crate::view::model::Model;

/// Describes the checkpoint from its headers; no tensor value is read.
///
/// # Errors
/// A checkpoint that cannot be read.
pub(super) fn run(settings: &Settings, checkpoint: &Path) -> Result<Answer> {
    let model = Model::new(input::open(checkpoint, Io::Mmap, &settings.output)?);
    let inspected = Inspect::from(pipeline::inspect::inspect(&model));
    let report: Report = match settings.format {
        OutputFormat::Text => text::inspect(&inspected, &settings.style).into(),
        OutputFormat::Json => json::report(inspected),
        OutputFormat::Csv => csv::inspect(&inspected).into(),
        OutputFormat::Markdown => markdown::inspect(&inspected, &settings.style).into(),
    };
    Ok(Answer::plain(report))
}
