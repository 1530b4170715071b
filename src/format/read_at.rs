//! The view of a file that the format readers take: bytes at an offset, as in `object`'s `ReadRef`.

use std::path::Path;

use super::bytes::ByteSource;
use crate::error::{Error, Result};

/// Bytes at an offset.
pub trait ReadAt {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// The range is not in the file, or the system refuses the read.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()>;
}

impl ReadAt for ByteSource {
    fn len(&self) -> u64 {
        ByteSource::len(self)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let mut scratch = Vec::new();
        out.copy_from_slice(self.bytes(offset, out.len(), &mut scratch)?);
        Ok(())
    }
}

/// Bytes in memory.
impl ReadAt for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let range = usize::try_from(offset)
            .ok()
            .and_then(|start| Some(start..start.checked_add(out.len())?));
        match range.and_then(|range| self.get(range)) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => return Err(Error::malformed(Path::new("memory"), "read past the end")),
        }
        Ok(())
    }
}
