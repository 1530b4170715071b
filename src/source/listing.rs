//! What a directory of a checkpoint is to its readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Source;
use super::file::require_small;
use crate::error::Result;

/// A directory: the names in it, and their bytes. Nothing outside of it can be reached.
pub(crate) trait Listing: Send + Sync {
    /// Its name in errors.
    fn path(&self) -> &Path;

    /// Names of everything but directories, sorted.
    fn files(&self) -> &[String];

    /// Names of the directories in it, sorted.
    fn folders(&self) -> &[String];

    /// What errors call the file of that name.
    fn path_of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Whether there is a file of that name. Nothing is opened yet, so that a checkpoint that lacks
    /// files is refused before any is read.
    ///
    /// # Errors
    /// A name that stands for something outside of the directory, or for nothing.
    fn has(&self, name: &str) -> Result<bool> {
        let found = self
            .files()
            .binary_search_by(|file| file.as_str().cmp(name));
        Ok(found.is_ok())
    }

    /// Opens the file of that name; `None` where there is none.
    ///
    /// # Errors
    /// As [`Listing::has`], and a file that cannot be opened.
    fn open(&self, name: &str) -> Result<Option<Arc<dyn Source>>>;

    /// The directory of that name, one of [`Listing::folders`].
    ///
    /// # Errors
    /// It cannot be listed.
    fn folder(&self, name: &str) -> Result<Arc<dyn Listing>>;

    /// The first bytes of the file of that name, at most `limit`; `None` where there is none.
    ///
    /// # Errors
    /// As [`Listing::open`] and [`Source::read_at`].
    fn read_start(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(source) = self.open(name)? else {
            return Ok(None);
        };
        let len = source.len().min(limit);
        let mut start = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        source.read_at(0, &mut start)?;
        Ok(Some(start))
    }
}

impl dyn Listing + '_ {
    /// The file of that name, which has at most `limit` bytes; `None` where there is none.
    ///
    /// # Errors
    /// As [`Listing::read_start`], and a longer file.
    pub(crate) fn read_small(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let start = self.read_start(name, limit.saturating_add(1))?;
        start
            .map(|start| require_small(&self.path_of(name), start, limit))
            .transpose()
    }
}
