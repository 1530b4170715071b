//! A directory of checkpoints.

use std::path::{Path, PathBuf};

use super::find::{CONFIG, PIPELINE, names};
use crate::error::Result;
use crate::format::weights;
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

fn is_checkpoint(folder: &dyn Listing) -> bool {
    let mut names = names(folder);
    names.any(|name| name == PIPELINE || weights::is_weight_file(name))
}
