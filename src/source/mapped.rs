//! A regular file whose short reads are touches of a memory map, and whose longer ones are
//! positioned reads.
//!
//! Longer ones are copied because that is faster than a map, by a tenth of the time of a whole pass
//! on the machine at hand: the copy lies in the cache when it is summed, where a page that is
//! touched once costs its part of a fault, an entry in the page table and taking that out again.
//!
//! The only file that maps memory.
#![allow(unsafe_code)]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;

#[cfg(unix)]
use super::fault;
use super::file::FileSource;
use super::{Source, outside};
use crate::error::Result;

/// A mapped file.
///
/// Field order is drop order: the range leaves the table of faults before it is unmapped.
pub(super) struct MappedSource {
    #[cfg(unix)]
    _watch: fault::Watch,
    map: Mmap,
    /// The same file, for all reads but the shortest.
    file: FileSource,
    /// Reads that were too short for a system call each.
    short_reads: AtomicU64,
}

/// A read below this many bytes costs less as a touch of the map than as a system call.
const SHORT: usize = 1 << 10;

/// After so many short reads all pages are given back, for a touch maps the neighbours of its page
/// too: 16 MiB where it maps 16 pages, as Linux does by default.
const SHORT_READS: u64 = 1 << 8;

impl MappedSource {
    /// Maps `file`, or gives it back where it cannot be mapped: a file system without maps, an
    /// address space that is too small.
    pub(super) fn new(file: FileSource) -> std::result::Result<Self, FileSource> {
        let Ok(len) = usize::try_from(file.len()) else {
            return Err(file);
        };
        // SAFETY: the map is read only and private to this value; bytes are handed out as shared
        // slices that live no longer than it. That nobody writes to the file meanwhile cannot be
        // ensured: values may then be any bytes, which every reader must bear anyway, and a file
        // that shrinks ends in the fault handler.
        let map = unsafe { memmap2::MmapOptions::new().len(len).map(file.file()) };
        let Ok(map) = map else {
            return Err(file);
        };
        #[cfg(unix)]
        let _watch = fault::watch(map.as_ptr() as usize, len, file.path(), file.len());
        Ok(Self {
            #[cfg(unix)]
            _watch,
            map,
            file,
            short_reads: AtomicU64::new(0),
        })
    }

    #[inline]
    fn slice(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let begin = usize::try_from(offset).ok()?;
        self.map.get(begin..begin.checked_add(len)?)
    }

    fn count_short_read(&self) {
        if self.short_reads.fetch_add(1, Ordering::Relaxed) % SHORT_READS == SHORT_READS - 1 {
            self.give_back();
        }
    }

    /// Takes all pages out of memory; whoever touches one again gets it back with a fault.
    #[cfg(unix)]
    fn give_back(&self) {
        // SAFETY: the map is a read-only file map, never written through: pages that are dropped
        // come back from the file with the same bytes, so slices of them stay valid.
        let _ = unsafe {
            self.map
                .unchecked_advise(memmap2::UncheckedAdvice::DontNeed)
        };
    }

    #[cfg(not(unix))]
    fn give_back(&self) {}
}

impl Source for MappedSource {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn len(&self) -> u64 {
        self.file.len()
    }

    /// No page stays mapped for long.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        if out.len() >= SHORT {
            return self.file.read_at(offset, out);
        }
        self.count_short_read();
        let Some(bytes) = self.slice(offset, out.len()) else {
            return Err(outside(self.path(), self.len(), offset, out.len()));
        };
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn will_need(&self, offset: u64, len: u64) {
        self.file.will_need(offset, len);
    }

    fn check_unchanged(&self) -> Result<()> {
        self.file.check_unchanged()
    }
}
