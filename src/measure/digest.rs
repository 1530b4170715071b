//! SHA-256 of stored bytes.

use sha2::{Digest, Sha256};

use super::ahead::ReadAhead;
use crate::error::Result;
use crate::source::Region;

/// Bytes that are read and digested at a time; they stay in a core's second-level cache.
pub(super) const CHUNK: usize = 1 << 18;

/// SHA-256 of all of `bytes`; `step` hears of every chunk and may end the run.
pub(super) fn digest(
    bytes: Region<'_>,
    scratch: &mut Vec<u8>,
    step: &dyn Fn(u64) -> Result<()>,
) -> Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut ahead = ReadAhead::new(bytes, 0, bytes.len());
    let mut done = 0;
    while done < bytes.len() {
        let count = usize::try_from(bytes.len() - done).map_or(CHUNK, |left| left.min(CHUNK));
        let chunk = bytes.run_of_bytes(done, count, scratch)?;
        hasher.update(chunk);
        ahead.advance(count as u64);
        step(count as u64)?;
        done += count as u64;
    }
    Ok(hasher.finalize().into())
}

/// SHA-256 of several runs of bytes that are read side by side: the first one's hasher serves all
/// whose bytes have been equal to its own.
pub(super) struct Hashers {
    first: Sha256,
    others: Vec<Option<Sha256>>,
}

impl Hashers {
    pub(super) fn new(members: usize) -> Self {
        Self {
            first: Sha256::new(),
            others: vec![None; members.saturating_sub(1)],
        }
    }

    /// The next bytes of every member.
    pub(super) fn update<'a>(&mut self, mut read: impl Iterator<Item = &'a [u8]>) {
        let Some(first) = read.next() else { return };
        for (bytes, own) in read.zip(&mut self.others) {
            if own.is_none() && bytes != first {
                *own = Some(self.first.clone());
            }
            if let Some(hasher) = own {
                hasher.update(bytes);
            }
        }
        self.first.update(first);
    }

    pub(super) fn finish(self) -> Vec<[u8; 32]> {
        let first: [u8; 32] = self.first.finalize().into();
        let others = self
            .others
            .into_iter()
            .map(|own| own.map_or(first, |hasher| hasher.finalize().into()));
        std::iter::once(first).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_each_member_alone() {
        let members: [[&[u8]; 3]; 4] = [
            [b"one", b"two", b"three"],
            [b"one", b"two", b"three"],
            [b"one", b"too", b"three"],
            [b"nil", b"two", b""],
        ];
        let mut hashers = Hashers::new(members.len());
        for at in 0..3 {
            hashers.update(members.iter().map(|m| m[at]));
        }
        let alone = members.map(|m| <[u8; 32]>::from(Sha256::digest(m.concat())));
        assert_eq!(hashers.finish(), alone);
    }
}
