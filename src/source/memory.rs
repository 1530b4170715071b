//! Bytes in memory, under a name.

use std::path::Path;

use super::{Source, require_inside};
use crate::error::Result;

/// Bytes in memory: what a reader is given by tests and fuzz targets.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

impl<'a> Memory<'a> {
    /// A source of `bytes` that errors call `path`.
    pub fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, bytes }
    }
}

impl Source for Memory<'_> {
    fn path(&self) -> &Path {
        self.path
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        require_inside(self.path, self.len(), offset, out.len())?;
        let begin = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(begin..).unwrap_or_default();
        out.copy_from_slice(bytes.get(..out.len()).unwrap_or_default());
        Ok(())
    }

    fn check_unchanged(&self) -> Result<()> {
        Ok(())
    }
}
