//! A directory of checkpoints.

use std::path::{Path, PathBuf};

use super::find::{CONFIG, PIPELINE, names};
use crate::error::Result;
use crate::format::{sketch, weights};
use crate::source::{At, Io, Listing, Place, locate};

/// The checkpoints one level below the directory at `path`, by name; none where it is a checkpoint
/// itself, or no directory.
///
/// # Errors
/// Nothing there, or a directory that cannot be listed.
pub(crate) fn one_level_down(path: &Path, io: Io) -> Result<Vec<PathBuf>> {
    let place = locate(path, io)?;
    let At::Folder(folder) = &place.at else {
        return Ok(Vec::new());
    };
    if is_checkpoint(&**folder) || names(&**folder).any(|name| name == CONFIG) {
        return Ok(Vec::new());
    }
    let mut below = folder.folders().to_vec();
    below.sort_unstable();
    // A folder that cannot be looked at is no checkpoint that was asked for.
    let holds_weights = |path: &PathBuf| match locate(path, io) {
        Ok(Place {
            at: At::Folder(folder),
            ..
        }) => is_checkpoint(&*folder),
        _ => false,
    };
    let below = below.iter().map(|name| path.join(name));
    Ok(below.filter(holds_weights).collect())
}

/// The sketches in the directory at `path`, by name, or the one that `path` is; none elsewhere.
///
/// # Errors
/// Nothing there, or a directory that cannot be listed.
pub(crate) fn sketches_in(path: &Path) -> Result<Vec<PathBuf>> {
    let place = locate(path, Io::Read)?;
    let is_sketch = |folder: &dyn Listing, name: &str| -> bool {
        let source = folder.open(name).ok().flatten();
        source.is_some_and(|source| sketch::is_sketch(&*source).unwrap_or(false))
    };
    match &place.at {
        At::File { .. } => Ok(Vec::new()),
        At::Folder(folder) => {
            let mut files: Vec<&String> = folder.files().iter().collect();
            files.sort_unstable();
            let files = files.into_iter().filter(|name| is_sketch(&**folder, name));
            Ok(files.map(|name| path.join(name)).collect())
        }
    }
}

fn is_checkpoint(folder: &dyn Listing) -> bool {
    let mut names = names(folder);
    names.any(|name| name == PIPELINE || weights::is_weight_file(name))
}
