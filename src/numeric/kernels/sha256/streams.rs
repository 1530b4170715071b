//! Streams of bytes on their way to their digests.

use super::{Block, Digester, Lane, START, State};

/// Bytes of a block.
const BLOCK: usize = size_of::<Block>();

/// SHA-256 of the bytes so far.
#[derive(Debug, Clone)]
pub struct Stream {
    state: State,
    /// Bytes so far.
    length: u64,
    /// Those behind the last whole block, in front.
    rest: Block,
}

impl Default for Stream {
    /// No bytes yet.
    fn default() -> Self {
        Self {
            state: START,
            length: 0,
            rest: [0; BLOCK],
        }
    }
}

impl Stream {
    fn rest_len(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    /// Takes as many of `bytes` as a block that was begun lacks, and gives back the others.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let begun = self.rest_len();
        let lacking = (BLOCK - begun).min(bytes.len());
        let (now, later) = bytes.split_at(lacking);
        self.rest[begun..begun + lacking].copy_from_slice(now);
        self.length += lacking as u64;
        later
    }

    /// The last blocks: the rest of the bytes, a one, zeros and the length in bits (FIPS 180-4,
    /// section 5.1.1).
    fn padding(&self) -> ([Block; 2], usize) {
        let rest = self.rest_len();
        let mut blocks = [[0; BLOCK]; 2];
        blocks[0][..rest].copy_from_slice(&self.rest[..rest]);
        blocks[0][rest] = 0x80;
        let count = if rest < BLOCK - 8 { 1 } else { 2 };
        let bits = self.length.wrapping_mul(8).to_be_bytes();
        blocks[count - 1][BLOCK - 8..].copy_from_slice(&bits);
        (blocks, count)
    }
}

/// The next bytes of a stream.
#[derive(Debug)]
pub struct Feed<'s, 'b> {
    /// What they are added to.
    pub stream: &'s mut Stream,
    /// Any number of them.
    pub bytes: &'b [u8],
}

/// Adds the next bytes of several streams, which need not be equally many.
pub fn advance(digester: Digester, feeds: &mut [Feed<'_, '_>]) {
    let mut begun = Vec::new();
    for Feed { stream, bytes } in &mut *feeds {
        if stream.rest_len() > 0 {
            *bytes = stream.fill(bytes);
            if stream.rest_len() == 0 {
                let Stream { state, rest, .. } = &mut **stream;
                let blocks = std::slice::from_ref(&*rest);
                begun.push(Lane { state, blocks });
            }
        }
    }
    advance_lanes(digester, begun);

    let mut lanes = Vec::with_capacity(feeds.len());
    for Feed { stream, bytes } in feeds {
        let (blocks, rest) = bytes.as_chunks();
        if !bytes.is_empty() {
            stream.length += (bytes.len() - rest.len()) as u64;
            stream.fill(rest);
            let state = &mut stream.state;
            lanes.push(Lane { state, blocks });
        }
    }
    advance_lanes(digester, lanes);
}

/// The digests of several streams.
pub fn finish(digester: Digester, mut streams: Vec<Stream>) -> Vec<[u8; 32]> {
    let paddings: Vec<_> = streams.iter().map(Stream::padding).collect();
    let last = streams.iter_mut().zip(&paddings);
    let lanes = last.map(|(stream, (blocks, count))| Lane {
        state: &mut stream.state,
        blocks: &blocks[..*count],
    });
    advance_lanes(digester, lanes.collect());
    let bytes = |stream: &Stream| {
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(stream.state) {
            *bytes = word.to_be_bytes();
        }
        digest
    };
    streams.iter().map(bytes).collect()
}

/// Advances all lanes to the end of their blocks: those that have the most to come, as far as they
/// go together, then again.
fn advance_lanes(digester: Digester, mut lanes: Vec<Lane<'_>>) {
    loop {
        lanes.retain(|lane| !lane.blocks.is_empty());
        if lanes.is_empty() {
            return;
        }
        let form = digester.form_for(lanes.len());
        lanes.sort_by_key(|lane| std::cmp::Reverse(lane.blocks.len()));
        let count = form.lanes().min(lanes.len());
        let together = &mut lanes[..count];
        let blocks = together.iter().map(|lane| lane.blocks.len()).min();
        form.advance(together, blocks.unwrap_or(0));
    }
}
