//! A directory of a checkpoint: what is in it, and where its symbolic links may lead.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{hub, limits};
use crate::error::{Error, Result};

/// A listed directory.
pub(super) struct Folder {
    path: PathBuf,
    /// Directories, links resolved, that hold every file a link may name.
    roots: Vec<PathBuf>,
    /// Everything but directories, sorted by the name for people.
    files: Vec<(String, OsString)>,
    /// Directories, sorted.
    folders: Vec<(String, OsString)>,
}

impl Folder {
    /// Lists `path`.
    ///
    /// # Errors
    /// Not a readable directory, or more than [`limits::DIRECTORY_ENTRIES`] entries.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let own = fs::canonicalize(path).map_err(|e| Error::io(path, e))?;
        let mut roots = hub::repository(&own)
            .map(|repository| repository.link_roots())
            .unwrap_or_default();
        roots.push(own);
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(path).map_err(|e| Error::io(path, e))? {
            let entry = entry.map_err(|e| Error::io(path, e))?;
            if files.len() + folders.len() == limits::DIRECTORY_ENTRIES {
                let what = format!(
                    "more than {} entries (expected a model's directory)",
                    limits::DIRECTORY_ENTRIES
                );
                return Err(Error::malformed(path, what));
            }
            let name = entry.file_name();
            let listed = (name.to_string_lossy().into_owned(), name);
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                folders.push(listed)
            } else {
                files.push(listed)
            }
        }
        files.sort_unstable();
        folders.sort_unstable();
        Ok(Self {
            path: path.to_path_buf(),
            roots,
            files,
            folders,
        })
    }

    /// Where it is, as it was given.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Names of everything but directories, sorted.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }

    /// Names and paths of the directories in it, sorted. Links to directories are not followed.
    pub(super) fn folders(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        self.folders
            .iter()
            .map(|(name, os_name)| (name.as_str(), self.path.join(os_name)))
    }

    /// The file of that name, `None` where there is none.
    ///
    /// # Errors
    /// A symbolic link to nothing, or to somewhere else than the directory and the stores of its
    /// hub cache.
    pub(super) fn file(&self, name: &str) -> Result<Option<PathBuf>> {
        let Ok(at) = self
            .files
            .binary_search_by(|(listed, _)| listed.as_str().cmp(name))
        else {
            return Ok(None);
        };
        let path = self
            .files
            .get(at)
            .map(|(_, os_name)| self.path.join(os_name))
            .unwrap_or_default();
        let Ok(target) = fs::read_link(&path) else {
            return Ok(Some(path));
        };
        let shown = crate::error::escape_controls(&target.to_string_lossy());
        let resolved = fs::canonicalize(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::malformed(
                &path,
                format!("a symbolic link to {shown}, which is not there: not downloaded"),
            ),
            _ => Error::io(&path, e),
        })?;
        match self.roots.iter().any(|root| resolved.starts_with(root)) {
            true => Ok(Some(path)),
            false => Err(Error::malformed(
                &path,
                format!(
                    "a symbolic link that leads out of the checkpoint, to {shown} (expected a file inside)"
                ),
            )),
        }
    }
}
