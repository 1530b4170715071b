//! Bytes of one weight file, by a map or by positioned reads.

use std::path::Path;

use crate::error::Result;
use crate::model::words::words;

words! {
    /// How weight files are read.
    Io {
        /// Memory map.
        Mmap = "mmap",
        /// Positioned reads: for network file systems and files that may change.
        Read = "read",
    }
}

/// The bytes of one regular file.
pub struct ByteSource(());

impl ByteSource {
    /// Opens a regular file.
    ///
    /// # Errors
    /// Not a regular file, or not readable.
    pub fn open(_path: &Path, _io: Io) -> Result<Self> {
        todo!()
    }

    /// Length in bytes when it was opened.
    pub fn len(&self) -> u64 {
        todo!()
    }

    /// `len` bytes from `offset`: a slice of the map, or `scratch` filled by positioned reads.
    ///
    /// # Errors
    /// The range is not in the file (any more), or the system refuses the read.
    pub fn bytes<'a>(&'a self, _offset: u64, _len: usize, _scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        todo!()
    }

    /// Announces that the range will be read soon.
    pub fn will_need(&self, _offset: u64, _len: u64) {
        todo!()
    }

    /// Gives the pages of the range back: they are not needed again soon.
    pub fn done(&self, _offset: u64, _len: u64) {
        todo!()
    }
}
