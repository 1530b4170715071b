//! A run of bytes of one file that is read once and in order: fetched ahead of the reader.

use std::ops::Range;

use crate::source::Region;

/// Bytes that the system is asked to fetch ahead of a worker, over all runs that it reads side by
/// side: while it hashes them, the disk reads the next.
const AHEAD: u64 = 16 << 20;

/// The least of them that is asked for of one run.
const AHEAD_OF_ONE: u64 = 1 << 20;

/// Shorter runs are left to the system's own reading ahead: announcing each of many small tensors
/// costs more.
const SHORT: u64 = 1 << 17;

/// Where the reader of a run stands.
pub(super) struct ReadAhead<'a> {
    bytes: Region<'a>,
    at: u64,
    fetched: u64,
    end: u64,
    ahead: u64,
}

impl<'a> ReadAhead<'a> {
    /// The run `range` of `bytes`, one of `runs` that are read side by side; nothing read yet.
    pub(super) fn new(bytes: Region<'a>, range: Range<u64>, runs: usize) -> Self {
        let Range { start, end } = range;
        let is_short = end.saturating_sub(start) < SHORT;
        let mut run = Self {
            bytes,
            at: start,
            fetched: if is_short { end } else { start },
            end,
            ahead: (AHEAD / runs.max(1) as u64).max(AHEAD_OF_ONE),
        };
        run.fetch();
        run
    }

    /// `count` more bytes were read.
    pub(super) fn advance(&mut self, count: u64) {
        self.at = self.at.saturating_add(count).min(self.end);
        self.fetch();
    }

    /// Keeps between one and two halves of the window ahead announced.
    fn fetch(&mut self) {
        if self.fetched < self.end && self.fetched.saturating_sub(self.at) <= self.ahead / 2 {
            let until = self.at.saturating_add(self.ahead).min(self.end);
            self.bytes
                .will_need(self.fetched, until.saturating_sub(self.fetched));
            self.fetched = until;
        }
    }
}
