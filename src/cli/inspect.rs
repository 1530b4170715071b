//! `wcmp inspect CHECKPOINT`: what does wcmp see in it?

use std::path::Path;

use super::settings::Settings;
use super::{Answer, input};
use crate::error::Result;
use crate::pipeline;
use crate::report::schema::Inspect;
use crate::source::Io;
use crate::view::model::Model;

/// Describes the checkpoint from its headers; no tensor value is read.
///
/// # Errors
/// A checkpoint that cannot be read.
pub(super) fn run(settings: &Settings, checkpoint: &Path) -> Result<Answer> {
    let model = Model::new(input::open(checkpoint, Io::Mmap, &settings.output)?);
    let inspected = Inspect::from(pipeline::inspect::inspect(&model));
    Ok(Answer::plain(settings.render(inspected, &settings.style)))
}
