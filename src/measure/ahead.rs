//! A run of bytes of one file that is read once and in order: fetched ahead of the reader, given
//! back behind it.

use crate::source::Region;

/// Bytes that the system is asked to fetch ahead of the reader: while a worker hashes them, the
/// disk reads the next.
const AHEAD: u64 = 8 << 20;

/// Shorter runs are left to the system's own reading ahead: announcing each of many small tensors
/// costs more.
const SHORT: u64 = 1 << 17;

/// Bytes that are given back at a time.
const BEHIND: u64 = 2 << 20;

/// Where the reader of a run stands.
pub(super) struct ReadAhead<'a> {
    bytes: Region<'a>,
    kept: u64,
    at: u64,
    fetched: u64,
    end: u64,
}

impl<'a> ReadAhead<'a> {
    /// A run of `len` bytes of `bytes` from `offset`, nothing read yet.
    pub(super) fn new(bytes: Region<'a>, offset: u64, len: u64) -> Self {
        let end = offset.saturating_add(len);
        let fetched = if len < SHORT { end } else { offset };
        let mut run = Self {
            bytes,
            kept: offset,
            at: offset,
            fetched,
            end,
        };
        run.fetch();
        run
    }

    /// `count` more bytes were read.
    pub(super) fn advance(&mut self, count: u64) {
        self.at = self.at.saturating_add(count).min(self.end);
        if self.at - self.kept >= BEHIND || self.at == self.end {
            self.bytes.done_with(self.kept, self.at - self.kept);
            self.kept = self.at;
        }
        self.fetch();
    }

    /// Keeps between one and two halves of the window ahead announced.
    fn fetch(&mut self) {
        if self.fetched < self.end && self.fetched.saturating_sub(self.at) <= AHEAD / 2 {
            let until = self.at.saturating_add(AHEAD).min(self.end);
            self.bytes
                .will_need(self.fetched, until.saturating_sub(self.fetched));
            self.fetched = until;
        }
    }
}
