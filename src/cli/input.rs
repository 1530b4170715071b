//! Checkpoints that the command line names.

use std::path::Path;

use crate::error::{Error, Result};
use crate::format::bytes::Io;
use crate::format::open::{Opened, open_checkpoint};
use crate::report::sink::Destination;

/// Opens the checkpoint at `path`, and refuses a report that would be written over it.
///
/// # Errors
/// As [`open_checkpoint`]; standard input, which cannot be a checkpoint; an `output` that is one of its files.
pub(super) fn open(path: &Path, io: Io, output: &Destination) -> Result<Opened> {
    if path.as_os_str() == "-" {
        return Err(Error::Usage("a checkpoint cannot be read from standard input (expected a path)".into()));
    }
    let opened = open_checkpoint(path, io)?;
    keep(path, output)?;
    opened.checkpoint.files.iter().try_for_each(|file| keep(&file.path, output))?;
    Ok(opened)
}

/// Refuses a report that would be written over the file at `input`.
///
/// # Errors
/// `output` is that file.
pub(super) fn keep(input: &Path, output: &Destination) -> Result<()> {
    if output.is_file(input) {
        return Err(Error::Usage(format!("--output would overwrite an input, {}", input.display())));
    }
    Ok(())
}
