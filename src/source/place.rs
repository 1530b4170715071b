//! What lies at a path that a user gave.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::Directory;
use super::file::metadata;
use super::{Io, Listing, hub};
use crate::error::{Error, Result};

/// A path, and what lies there.
pub(crate) struct Place {
    /// The path as it was given.
    pub path: PathBuf,
    /// Name for people: ORG/NAME of a hub folder, else the folder's or file's own name. An index is
    /// named after its folder.
    pub name: String,
    /// What lies there.
    pub at: At,
}

impl Place {
    /// The other snapshots of a hub cache folder: what is not in the one that is read may be there.
    pub(crate) fn other_snapshots(&self) -> Vec<Arc<dyn Listing>> {
        let At::Folder(folder) = &self.at else {
            return Vec::new();
        };
        let others = hub::other_snapshots(&self.path, folder.path()).into_iter();
        let listings = others.filter_map(|path| Directory::open(&path, Io::Read).ok());
        listings
            .map(|directory| Arc::new(directory) as Arc<dyn Listing>)
            .collect()
    }
}

/// A directory or a file.
pub(crate) enum At {
    /// A directory; of a hub cache folder, the snapshot to read.
    Folder(Arc<dyn Listing>),
    /// A file.
    File {
        /// Its name in its directory.
        name: String,
        /// Its directory.
        folder: Arc<dyn Listing>,
        /// Why its directory cannot be listed; it then shows the file alone.
        unlisted: Option<Error>,
    },
}

/// Looks at `path`; files there are opened in the way that `io` names.
///
/// # Errors
/// Nothing there, a hub cache folder without one snapshot to read, a directory that cannot be
/// listed.
pub(crate) fn locate(path: &Path, io: Io) -> Result<Place> {
    let at = if metadata(path)?.is_dir() {
        let snapshot = hub::snapshot(path)?;
        let directory = Directory::open(snapshot.as_deref().unwrap_or(path), io)?;
        At::Folder(Arc::new(directory))
    } else {
        locate_file(path, io)
    };
    Ok(Place {
        path: path.to_path_buf(),
        name: name_for_people(path),
        at,
    })
}

fn locate_file(path: &Path, io: Io) -> At {
    let name = own_name(path);
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let (folder, unlisted) = match Directory::open(parent, io) {
        Ok(folder) => (folder.with_named(name.clone(), path.to_path_buf()), None),
        Err(error) => {
            let alone = Directory::of_one_file(parent, name.clone(), path.to_path_buf(), io);
            (alone, Some(error))
        }
    };
    At::File {
        name,
        folder: Arc::new(folder),
        unlisted,
    }
}

fn name_for_people(path: &Path) -> String {
    let resolved = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    // A snapshot's files are links into the store, so the place of the link tells the model.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let repository = [&resolved, &absolute]
        .into_iter()
        .find_map(|path| hub::repository(path)?.name());
    if let Some(name) = repository {
        return name;
    }
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let has_name = path.file_name().is_some() && !path.ends_with("..");
    match (is_json, has_name) {
        (true, _) => own_name(resolved.parent().unwrap_or(&resolved)),
        (false, true) => own_name(path),
        // `.` and `..` are named after what they stand for.
        (false, false) => own_name(&resolved),
    }
}

fn own_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
