//! That no output replaces what the run reads, found before anything is read.

use std::path::{Path, PathBuf};

use super::args::Command;
use super::{hub, input};
use crate::error::Result;
use crate::format::open;
use crate::report::sink::Destination;

/// Holds the outputs against every file that the command may read.
///
/// # Errors
/// One is one of them, under whatever name or link.
pub(super) fn check(command: &Command, outputs: &[Destination]) -> Result<()> {
    if outputs.iter().all(|output| *output == Destination::Stdout) {
        return Ok(());
    }
    inputs(command)
        .into_iter()
        .try_for_each(|path| keep_place(path, outputs))
}

/// Holds the outputs against every file of the checkpoint at `path` that may be read.
///
/// # Errors
/// One is one of them, under whatever name or link.
pub(super) fn keep_place(path: &Path, outputs: &[Destination]) -> Result<()> {
    input::keep(path, outputs)?;
    // What is wrong with a place is said where it is opened.
    let Ok(place) = hub::resolve(path) else {
        return Ok(());
    };
    let files = open::files_read(&place).unwrap_or_default();
    files.iter().try_for_each(|file| input::keep(file, outputs))
}

/// The paths that a command names.
fn inputs(command: &Command) -> Vec<&Path> {
    match command {
        Command::Compare(args) => vec![&*args.base, &*args.target],
        Command::Rank(args) => {
            let named = args.target.iter().chain(&args.bases).chain(&args.matrix);
            named.map(PathBuf::as_path).collect()
        }
        Command::Arch(args) => std::iter::once(&*args.target)
            .chain(args.bases.iter().map(|base| &**base))
            .collect(),
        Command::Inspect(args) => vec![&*args.checkpoint],
        Command::Sketch(args) => vec![&*args.checkpoint],
        Command::Hash(args) => std::iter::once(&*args.checkpoint)
            .chain(args.check.as_deref())
            .collect(),
        Command::Show(args) => vec![&*args.report],
        Command::Verify(args) => std::iter::once(&*args.report)
            .chain(args.paths.iter().map(|path| &**path))
            .collect(),
        _ => Vec::new(),
    }
}
