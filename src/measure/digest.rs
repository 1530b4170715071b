//! SHA-256 of stored bytes, of several tensors in step.

use super::ahead::ReadAhead;
use crate::error::Result;
use crate::numeric::kernels::digester;
use crate::numeric::kernels::sha256::{Feed, Stream, advance, finish};
use crate::source::Region;

/// Bytes of all tensors in step that are read and digested at a time; they stay in a core's
/// second-level cache.
pub(super) const CHUNK: usize = 1 << 18;

/// SHA-256 of all of `bytes`, of each of `tensors`; `step` hears of every chunk and may end the run.
pub(super) fn digests(
    tensors: &[Region<'_>],
    scratch: &mut [Vec<u8>],
    step: &dyn Fn(u64) -> Result<()>,
) -> Result<Vec<[u8; 32]>> {
    let chunk = CHUNK / tensors.len().max(1);
    let mut streams = vec![Stream::default(); tensors.len()];
    let mut ahead: Vec<ReadAhead<'_>> = tensors
        .iter()
        .map(|bytes| ReadAhead::new(*bytes, 0..bytes.len(), tensors.len()))
        .collect();
    let longest = tensors.iter().map(|bytes| bytes.len()).max().unwrap_or(0);

    let mut done = 0;
    while done < longest {
        let mut read: Vec<&[u8]> = Vec::with_capacity(tensors.len());
        for (bytes, scratch) in tensors.iter().zip(scratch.iter_mut()) {
            let left = bytes.len().saturating_sub(done);
            let count = usize::try_from(left).map_or(chunk, |left| left.min(chunk));
            read.push(bytes.bytes(done.min(bytes.len()), count, scratch)?);
        }
        let feeds = streams.iter_mut().zip(&read);
        let mut feeds: Vec<Feed<'_, '_>> = feeds
            .map(|(stream, &bytes)| Feed { stream, bytes })
            .collect();
        advance(digester(), &mut feeds);

        let mut count = 0;
        for (ahead, bytes) in ahead.iter_mut().zip(&read) {
            ahead.advance(bytes.len() as u64);
            count += bytes.len() as u64;
        }
        step(count)?;
        done += chunk as u64;
    }
    Ok(finish(digester(), streams))
}

/// SHA-256 of several runs of bytes that are read side by side: the first one's stream serves all
/// whose bytes have been equal to its own.
pub(super) struct Hashers {
    first: Stream,
    others: Vec<Option<Stream>>,
}

impl Hashers {
    pub(super) fn new(members: usize) -> Self {
        Self {
            first: Stream::default(),
            others: vec![None; members.saturating_sub(1)],
        }
    }

    /// What the next bytes of every member are fed to.
    pub(super) fn feeds<'s, 'b>(&'s mut self, read: &[&'b [u8]], feeds: &mut Vec<Feed<'s, 'b>>) {
        let Some((&first, others)) = read.split_first() else {
            return;
        };
        for (&bytes, own) in others.iter().zip(&mut self.others) {
            if own.is_none() && bytes != first {
                *own = Some(self.first.clone());
            }
            let stream = own.as_mut();
            feeds.extend(stream.map(|stream| Feed { stream, bytes }));
        }
        let (stream, bytes) = (&mut self.first, first);
        feeds.push(Feed { stream, bytes });
    }

    /// The digests of the members of each of `all`.
    pub(super) fn finish(all: Vec<Self>) -> Vec<Vec<[u8; 32]>> {
        let mut streams = Vec::new();
        let mut places: Vec<Vec<usize>> = Vec::with_capacity(all.len());
        for Self { first, others } in all {
            let shared = streams.len();
            streams.push(first);
            let mut own_places = vec![shared];
            for own in others {
                own_places.push(if own.is_some() { streams.len() } else { shared });
                streams.extend(own);
            }
            places.push(own_places);
        }
        let digests = finish(digester(), streams);
        let members = places.into_iter();
        members
            .map(|places| places.into_iter().map(|at| digests[at]).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn digests_are_those_of_each_member_alone() {
        let members: [[&[u8]; 3]; 4] = [
            [b"one", b"two", b"three"],
            [b"one", b"two", b"three"],
            [b"one", b"too", b"three"],
            [b"nil", b"two", b""],
        ];
        // The second group has the members of the first in another order.
        let order = [[0, 1, 2, 3], [3, 1, 0, 2]];
        let mut hashers: Vec<Hashers> = order.iter().map(|own| Hashers::new(own.len())).collect();
        for piece in [0, 1, 2] {
            let mut feeds = Vec::new();
            for (hashers, order) in hashers.iter_mut().zip(order) {
                hashers.feeds(&order.map(|member| members[member][piece]), &mut feeds);
            }
            advance(digester(), &mut feeds);
        }
        let alone = members.map(|m| <[u8; 32]>::from(Sha256::digest(m.concat())));
        let expected = order.map(|own| own.map(|member| alone[member]).to_vec());
        assert_eq!(Hashers::finish(hashers), expected);
    }
}
