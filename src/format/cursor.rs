//! Little-endian reading from a part of a file.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::source::Source;

/// Bytes that are read ahead.
const WINDOW: u64 = 1 << 16;

/// A position in a part of a file.
pub(super) struct Cursor<'a> {
    source: &'a dyn Source,
    position: u64,
    end: u64,
    bound: &'static str,
    window: Vec<u8>,
    window_start: u64,
}

impl<'a> Cursor<'a> {
    /// Reads `part` of the file; `bound` says in errors what ends there.
    pub(super) fn new(source: &'a dyn Source, part: Range<u64>, bound: &'static str) -> Self {
        let (position, end) = (part.start, part.end.min(source.len()));
        Self {
            source,
            position,
            end,
            bound,
            window: Vec::new(),
            window_start: position,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn malformed(&self, what: impl Into<String>) -> Error {
        Error::malformed(self.source.path(), what)
    }

    pub(super) fn unsupported(&self, what: impl Into<String>) -> Error {
        Error::unsupported(self.source.path(), what)
    }

    /// Bytes that may still be read.
    fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// Checks that `len` bytes may follow, before anything of that size is allocated.
    pub(super) fn expect(&self, len: u64, of: &str) -> Result<()> {
        if len <= self.remaining() {
            return Ok(());
        }
        let (at, end, bound) = (self.position, self.end, self.bound);
        Err(self.malformed(format!(
            "{of} of {len} bytes at byte {at} runs past {bound} (byte {end})"
        )))
    }

    /// The next `len` bytes.
    pub(super) fn bytes(&mut self, len: u64, of: &str) -> Result<Vec<u8>> {
        self.expect(len, of)?;
        let mut out = vec![0; len as usize];
        if len > WINDOW {
            self.source.read_at(self.position, &mut out)?;
        } else {
            out.copy_from_slice(self.peek(len as usize)?);
        }
        self.position += len;
        Ok(out)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, of: &str) -> Result<[u8; N]> {
        self.expect(N as u64, of)?;
        let mut out = [0; N];
        out.copy_from_slice(self.peek(N)?);
        self.position += N as u64;
        Ok(out)
    }

    /// `len` bytes at the position, at most [`WINDOW`] and known to be there.
    fn peek(&mut self, len: usize) -> Result<&[u8]> {
        let start = self.position.wrapping_sub(self.window_start);
        if start > self.window.len() as u64 || self.window.len() as u64 - start < len as u64 {
            self.window.resize(self.remaining().min(WINDOW) as usize, 0);
            self.window_start = self.position;
            self.source.read_at(self.position, &mut self.window)?;
        }
        let start = (self.position - self.window_start) as usize;
        let window = self.window.get(start..start + len);
        window.ok_or_else(|| {
            Error::malformed(
                self.source.path(),
                format!("ends at byte {}", self.position),
            )
        })
    }

    pub(super) fn skip(&mut self, len: u64, of: &str) -> Result<()> {
        self.expect(len, of)?;
        self.position += len;
        Ok(())
    }

    pub(super) fn u8(&mut self, of: &str) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array(of)?))
    }

    pub(super) fn u16(&mut self, of: &str) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array(of)?))
    }

    pub(super) fn u32(&mut self, of: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(of)?))
    }

    pub(super) fn u64(&mut self, of: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(of)?))
    }

    /// A string behind its u64 length.
    pub(super) fn string(&mut self, of: &str) -> Result<Vec<u8>> {
        let len = self.u64(of)?;
        self.bytes(len, of)
    }

    /// A string that must be UTF-8, as keys and names must.
    pub(super) fn text(&mut self, of: &str) -> Result<String> {
        let bytes = self.string(of)?;
        String::from_utf8(bytes).map_err(|_| self.malformed(format!("{of} is no UTF-8")))
    }
}
