//! Two or four streams by turns through the SHA-256 instructions of ARMv8: a round waits for the
//! one before of its own stream alone, and meanwhile the unit takes rounds of the others.
#![allow(unsafe_code)]
// Loads from references of the width that is loaded.
// Iterators over several arrays are calls where a build inlines nothing across its parts, and then
// the streams leave their registers.
#![allow(clippy::needless_range_loop)]

use std::arch::aarch64::*;

use super::{Block, K, State};

/// A stream in registers: its state and 16 words of its schedule.
#[derive(Clone, Copy)]
struct Stream {
    abcd: uint32x4_t,
    efgh: uint32x4_t,
    words: [uint32x4_t; 4],
}

/// See [`super::Form::advance`].
#[target_feature(enable = "neon,sha2")]
pub(super) fn advance<const N: usize>(states: &mut [State; N], inputs: &[&[Block]; N]) {
    let zeros = vdupq_n_u32(0);
    let mut streams = [Stream {
        abcd: zeros,
        efgh: zeros,
        words: [zeros; 4],
    }; N];
    for (stream, state) in streams.iter_mut().zip(states.iter()) {
        let halves = state.as_chunks().0;
        (stream.abcd, stream.efgh) = (load(&halves[0]), load(&halves[1]));
    }
    for block in 0..inputs[0].len() {
        let before = streams;
        for n in 0..N {
            streams[n].words = load_words(&inputs[n][block]);
        }
        for four in [0, 4, 8] {
            four_rounds::<N, 0, true>(&mut streams, four);
            four_rounds::<N, 1, true>(&mut streams, four);
            four_rounds::<N, 2, true>(&mut streams, four);
            four_rounds::<N, 3, true>(&mut streams, four);
        }
        four_rounds::<N, 0, false>(&mut streams, 12);
        four_rounds::<N, 1, false>(&mut streams, 12);
        four_rounds::<N, 2, false>(&mut streams, 12);
        four_rounds::<N, 3, false>(&mut streams, 12);
        for n in 0..N {
            streams[n].abcd = vaddq_u32(streams[n].abcd, before[n].abcd);
            streams[n].efgh = vaddq_u32(streams[n].efgh, before[n].efgh);
        }
    }
    for (stream, state) in streams.iter().zip(states) {
        let halves = state.as_chunks_mut::<4>().0.iter_mut();
        for (words, register) in halves.zip([stream.abcd, stream.efgh]) {
            // SAFETY: the reference holds the four words of an unaligned store.
            unsafe { vst1q_u32(words.as_mut_ptr(), register) }
        }
    }
}

/// Rounds 4 (`four` + `AT`) and the three behind it of every stream; with `SCHEDULE` the four words
/// they used make room for those of 16 rounds later.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn four_rounds<const N: usize, const AT: usize, const SCHEDULE: bool>(
    streams: &mut [Stream; N],
    four: usize,
) {
    let constants = load(&K.as_chunks().0[four + AT]);
    for stream in streams {
        let sum = vaddq_u32(stream.words[AT], constants);
        let abcd = stream.abcd;
        stream.abcd = vsha256hq_u32(abcd, stream.efgh, sum);
        stream.efgh = vsha256h2q_u32(stream.efgh, abcd, sum);
        if SCHEDULE {
            let words = &mut stream.words;
            let (first, second) = (words[AT], words[(AT + 1) % 4]);
            let (third, last) = (words[(AT + 2) % 4], words[(AT + 3) % 4]);
            words[AT] = vsha256su1q_u32(vsha256su0q_u32(first, second), third, last);
        }
    }
}

/// The 16 words of a block.
#[inline]
#[target_feature(enable = "neon")]
fn load_words(block: &Block) -> [uint32x4_t; 4] {
    let quarters = block.as_chunks().0;
    [
        load_four_words(&quarters[0]),
        load_four_words(&quarters[1]),
        load_four_words(&quarters[2]),
        load_four_words(&quarters[3]),
    ]
}

/// Four words, from big-endian.
#[inline]
#[target_feature(enable = "neon")]
fn load_four_words(bytes: &[u8; 16]) -> uint32x4_t {
    // SAFETY: the reference holds the 16 bytes of an unaligned load.
    let bytes = unsafe { vld1q_u8(bytes.as_ptr()) };
    vreinterpretq_u32_u8(vrev32q_u8(bytes))
}

#[inline]
#[target_feature(enable = "neon")]
fn load(words: &[u32; 4]) -> uint32x4_t {
    // SAFETY: the reference holds the four words of an unaligned load.
    unsafe { vld1q_u32(words.as_ptr()) }
}
