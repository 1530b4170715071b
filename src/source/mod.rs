//! Where bytes come from: a file that is mapped or read by position, a strided view of one, a
//! directory.
//!
//! Whatever reads a checkpoint reads through [`Source`], so that another store of bytes (an
//! archive, a server that answers ranges) is one more implementation and nothing else. This layer
//! knows no format.

mod directory;
#[cfg(unix)]
mod fault;
mod file;
mod holes;
mod hub;
mod listing;
mod mapped;
mod memory;
mod place;
mod region;
mod strided;

use std::path::Path;
use std::sync::Arc;

#[cfg(unix)]
pub(crate) use fault::on_fault;
pub(crate) use holes::{Axis, Holes, Patch, Patched};
pub(crate) use listing::Listing;
pub use memory::Memory;
pub(crate) use place::{At, Place, locate};
pub(crate) use region::Region;
pub(crate) use strided::{Layout, Strided};

use crate::error::{Error, Result};
use crate::model::words::words;

words! {
    /// How weight files are read.
    Io {
        /// Positioned reads, and a memory map for scattered ones that are short.
        Mmap = "mmap",
        /// Positioned reads alone: for network file systems and files that may change.
        Read = "read",
    }
}

/// Bytes of a length that is known, read at any offset. Shared between threads; nothing in it
/// changes.
///
/// A reader cannot tell which way the bytes came, and must bear any bytes.
pub trait Source: Send + Sync {
    /// Its name in errors: the path it was opened at.
    fn path(&self) -> &Path;

    /// Length in bytes when it was opened.
    fn len(&self) -> u64;

    /// True for a source of no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `out` from `offset` on, wherever the last bytes were.
    ///
    /// # Errors
    /// The range is not in the source (any more), or the system refuses the read. `out` may then
    /// hold anything.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()>;

    /// A hint that the range will be read soon.
    fn will_need(&self, _offset: u64, _len: u64) {}

    /// That the source is still the one that was opened, to be asked after the last byte was read.
    ///
    /// # Errors
    /// It changed, or that cannot be told.
    fn check_unchanged(&self) -> Result<()>;
}

impl dyn Source + '_ {
    /// `len` bytes from `offset`, wherever the last ones were.
    ///
    /// `scratch` grows to the longest range asked for and is not cleared between calls.
    ///
    /// # Errors
    /// As [`Source::read_at`].
    #[inline]
    pub fn bytes<'a>(&self, offset: u64, len: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        require_inside(self.path(), self.len(), offset, len)?;
        if scratch.len() < len {
            scratch.resize(len, 0);
        }
        let target = scratch.get_mut(..len).unwrap_or_default();
        self.read_at(offset, target)?;
        Ok(target)
    }
}

/// Opens a regular file. A file system without maps is read with positioned reads.
///
/// # Errors
/// Not there, a symbolic link to nothing, not a regular file, or not readable.
pub(crate) fn open(path: &Path, io: Io) -> Result<Arc<dyn Source>> {
    let file = file::FileSource::open(path)?;
    let mapped = match io {
        Io::Mmap => mapped::MappedSource::new(file),
        Io::Read => Err(file),
    };
    Ok(match mapped {
        Ok(mapped) => Arc::new(mapped),
        Err(file) => Arc::new(file),
    })
}

/// That `len` bytes at `offset` lie in a source of `total` bytes, before room is made for them.
fn require_inside(path: &Path, total: u64, offset: u64, len: usize) -> Result<()> {
    let end = offset.checked_add(len as u64);
    match end.is_some_and(|end| end <= total) {
        true => Ok(()),
        false => Err(outside(path, total, offset, len)),
    }
}

#[cold]
fn outside(path: &Path, total: u64, offset: u64, len: usize) -> Error {
    let what =
        format!("{len} bytes at {offset} are not in the file (expected at most {total} bytes)");
    Error::malformed(path, what)
}

/// What is said of a file that got shorter while it was open.
fn shrank(expected: u64) -> String {
    format!(
        "shrank while it was read (expected {expected} bytes; --io read tolerates changing files better)"
    )
}

#[cfg(test)]
mod tests;
