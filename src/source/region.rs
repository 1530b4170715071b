//! A part of a source.

use std::path::Path;

use super::Source;
use crate::error::Result;

/// A part of a source: the bytes of one stored tensor. Offsets count from its first byte.
#[derive(Clone, Copy)]
pub struct Region<'a> {
    source: &'a dyn Source,
    begin: u64,
    len: u64,
}

impl<'a> Region<'a> {
    /// `len` bytes of `source` from `begin`.
    pub fn new(source: &'a dyn Source, begin: u64, len: u64) -> Self {
        Self { source, begin, len }
    }

    /// All bytes of `source`.
    pub fn whole(source: &'a dyn Source) -> Self {
        Self::new(source, 0, source.len())
    }

    /// The name of its source in errors.
    pub fn path(&self) -> &'a Path {
        self.source.path()
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True for a part of no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `len` bytes from `offset`.
    ///
    /// `scratch` grows to the longest range asked for and is not cleared between calls.
    ///
    /// # Errors
    /// As [`Source::read_at`].
    #[inline]
    pub fn bytes<'s>(&self, offset: u64, len: usize, scratch: &'s mut Vec<u8>) -> Result<&'s [u8]> {
        self.source.bytes(self.place(offset), len, scratch)
    }

    /// A hint that the range will be read soon.
    pub fn will_need(&self, offset: u64, len: u64) {
        self.source.will_need(self.place(offset), len);
    }

    /// An offset that is past every end is left to the source to refuse.
    fn place(&self, offset: u64) -> u64 {
        self.begin.saturating_add(offset)
    }
}
