//! Checkpoints that the command line names.

use std::borrow::Cow;
use std::path::Path;

use super::hub;
use crate::error::{Error, Result};
use crate::format::open::{self, Opened};
use crate::report::sink::Destination;
use crate::source::Io;

/// Opens the checkpoint at `path`, and refuses a report that would be written over it.
///
/// # Errors
/// As [`open::open_checkpoint`]; standard input, which cannot be a checkpoint; an `output` that is
/// one of its files.
pub(super) fn open(path: &Path, io: Io, outputs: &[Destination]) -> Result<Opened> {
    keep_inputs(open::open_checkpoint(&named(path)?, io)?, outputs)
}

/// As [`open()`], for a base: an adapter holds changes of one and is none.
///
/// # Errors
/// As [`open()`], and an adapter.
pub(super) fn open_base(path: &Path, io: Io, outputs: &[Destination]) -> Result<Opened> {
    whole_model(open(path, io, outputs)?)
}

/// The checkpoint, unless it is an adapter.
///
/// # Errors
/// An adapter.
pub(super) fn whole_model(opened: Opened) -> Result<Opened> {
    match opened.adapter {
        Some(_) => {
            let what = "a PEFT adapter (expected a whole model; an adapter can be the target of compare and rank)";
            Err(Error::unsupported(&opened.checkpoint.path, what))
        }
        None => Ok(opened),
    }
}

/// As [`open()`], or config.json alone where there is no weight file; no tensor value will be read.
///
/// # Errors
/// As [`open::open_described`], and as [`open_base`].
pub(super) fn open_described(path: &Path, outputs: &[Destination]) -> Result<Opened> {
    let opened = open::open_described(&named(path)?, Io::Mmap)?;
    keep(&path.join("config.json"), outputs)?;
    keep_inputs(whole_model(opened)?, outputs)
}

fn named(path: &Path) -> Result<Cow<'_, Path>> {
    match path.as_os_str() == "-" {
        true => Err(Error::Usage(
            "a checkpoint cannot be read from standard input (expected a path)".into(),
        )),
        false => hub::resolve(path),
    }
}

fn keep_inputs(opened: Opened, outputs: &[Destination]) -> Result<Opened> {
    keep(&opened.checkpoint.path, outputs)?;
    opened
        .checkpoint
        .files
        .iter()
        .try_for_each(|file| keep(&file.path, outputs))?;
    Ok(opened)
}

/// Refuses a report that would be written over the file at `input`.
///
/// # Errors
/// `output` is that file.
pub(super) fn keep(input: &Path, outputs: &[Destination]) -> Result<()> {
    let at = outputs.iter().position(|output| output.is_file(input));
    if let Some(at) = at {
        let option = if at == 0 { "--output" } else { "--export" };
        return Err(Error::Usage(format!(
            "{option} would overwrite an input, {}",
            input.display()
        )));
    }
    Ok(())
}
