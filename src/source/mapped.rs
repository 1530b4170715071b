//! A regular file in a memory map: its bytes are lent, not copied.
//!
//! The only file that maps memory.
#![allow(unsafe_code)]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(unix)]
use memmap2::Advice;
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
    /// The same file, for scattered reads: a touch of a page maps its neighbours too, so that
    /// scattered touches would keep most of the file in memory.
    file: FileSource,
    /// Scattered reads that were too short for a system call each, since the pages were last given
    /// back.
    short_reads: AtomicU64,
    /// The window that was last done with and is still mapped, by number; [`NO_WINDOW`] at first.
    #[cfg(unix)]
    last_done: AtomicU64,
}

/// Pages are given back by windows of addresses. One fault may map as much as one page table holds
/// (2 MiB on common systems) where the page cache has large folios, so that whatever is read near a
/// range would map all of it again.
#[cfg(unix)]
const WINDOW: u64 = 1 << 21;

/// A scattered read below this many bytes costs less as a touch of the map than as a system call.
const SHORT: usize = 1 << 10;

/// After so many short reads all pages are given back: 64 MiB where a touch maps 16 pages, as Linux
/// does by default.
const SHORT_READS: u64 = 1 << 10;

/// No window has this number: the last address is never mapped.
#[cfg(unix)]
const NO_WINDOW: u64 = u64::MAX;

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
        #[cfg(unix)]
        let _ = map.advise(Advice::Sequential);
        Ok(Self {
            #[cfg(unix)]
            _watch,
            map,
            file,
            short_reads: AtomicU64::new(0),
            #[cfg(unix)]
            last_done: AtomicU64::new(NO_WINDOW),
        })
    }

    #[inline]
    fn slice(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let begin = usize::try_from(offset).ok()?;
        self.map.get(begin..begin.checked_add(len)?)
    }

    fn count_short_read(&self) {
        if self.short_reads.fetch_add(1, Ordering::Relaxed) % SHORT_READS == SHORT_READS - 1 {
            self.give_back(0, self.map.len() as u64);
        }
    }

    #[cfg(unix)]
    fn fetch(&self, offset: u64, len: u64) {
        if let (Ok(offset), Ok(len)) = (usize::try_from(offset), usize::try_from(len)) {
            // Advice is a hint: a refusal changes nothing that is read.
            let _ = self.map.advise_range(Advice::WillNeed, offset, len);
        }
    }

    /// Gives back the windows of the range but the last, and the last of the range before:
    /// neighbouring ranges share a window, which is given back once. At most one window a file
    /// stays behind. Whoever still reads in a window gets it back with a fault.
    #[cfg(unix)]
    fn give_back_behind(&self, offset: u64, len: u64) {
        let size = self.map.len() as u64;
        if len == 0 || offset >= size {
            return;
        }
        let base = self.map.as_ptr() as u64;
        let first = (base + offset) / WINDOW;
        let last = (base + offset + (len - 1).min(size - 1 - offset)) / WINDOW;
        let before = self.last_done.swap(last, Ordering::AcqRel);
        let give_back = |first: u64, end: u64| {
            let begin = (first * WINDOW).max(base) - base;
            self.give_back(begin, (end * WINDOW - base).min(size) - begin);
        };
        if before != NO_WINDOW && !(first..=last).contains(&before) {
            give_back(before, before + 1);
        }
        if first < last {
            give_back(first, last);
        }
    }

    #[cfg(unix)]
    fn give_back(&self, offset: u64, len: u64) {
        if let (Ok(offset), Ok(len)) = (usize::try_from(offset), usize::try_from(len)) {
            // SAFETY: the map is a read-only file map, never written through: pages that are
            // dropped come back from the file with the same bytes, so slices of them stay valid.
            let _ = unsafe {
                self.map
                    .unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, len)
            };
        }
    }

    #[cfg(not(unix))]
    fn give_back(&self, _offset: u64, _len: u64) {}

    #[cfg(not(unix))]
    fn fetch(&self, _offset: u64, _len: u64) {}

    #[cfg(not(unix))]
    fn give_back_behind(&self, _offset: u64, _len: u64) {}
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

    /// Pages stay mapped until [`Source::done_with`].
    #[inline]
    fn borrow(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.slice(offset, len)
    }

    fn will_need(&self, offset: u64, len: u64) {
        self.fetch(offset, len.min(self.len().saturating_sub(offset)));
    }

    fn done_with(&self, offset: u64, len: u64) {
        self.give_back_behind(offset, len);
    }

    fn check_unchanged(&self) -> Result<()> {
        self.file.check_unchanged()
    }
}
