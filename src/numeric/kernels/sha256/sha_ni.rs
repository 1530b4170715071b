//! Two or four streams by turns through the SHA instructions of x86-64: a round waits for the one
//! before of its own stream alone, and meanwhile the unit takes rounds of the others.
#![allow(unsafe_code)]
// Loads from references of the width that is loaded.
// Iterators over several arrays are calls where a build inlines nothing across its parts, and then
// the streams leave their registers.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::{Block, K, State};

/// A stream in registers: the words a, b, e, f and c, d, g, h of its state, as the instructions
/// take them (Intel SDM, SHA256RNDS2), and 16 words of its schedule.
#[derive(Clone, Copy)]
struct Stream {
    abef: __m128i,
    cdgh: __m128i,
    words: [__m128i; 4],
}

/// See [`super::Form::advance`].
#[target_feature(enable = "sha,sse4.1,ssse3")]
pub(super) fn advance<const N: usize>(states: &mut [State; N], inputs: &[&[Block]; N]) {
    let mut streams = [Stream {
        abef: _mm_setzero_si128(),
        cdgh: _mm_setzero_si128(),
        words: [_mm_setzero_si128(); 4],
    }; N];
    for (stream, state) in streams.iter_mut().zip(states.iter()) {
        (stream.abef, stream.cdgh) = load_state(state);
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
            streams[n].abef = _mm_add_epi32(streams[n].abef, before[n].abef);
            streams[n].cdgh = _mm_add_epi32(streams[n].cdgh, before[n].cdgh);
        }
    }
    for (stream, state) in streams.iter().zip(states) {
        store(state, stream.abef, stream.cdgh);
    }
}

/// Rounds 4 (`four` + `AT`) and the three behind it of every stream; with `SCHEDULE` the four words
/// they used make room for those of 16 rounds later.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn four_rounds<const N: usize, const AT: usize, const SCHEDULE: bool>(
    streams: &mut [Stream; N],
    four: usize,
) {
    let constants = load(&K.as_chunks().0[four + AT]);
    let mut sums = [constants; N];
    for n in 0..N {
        let stream = &mut streams[n];
        sums[n] = _mm_add_epi32(stream.words[AT], constants);
        stream.cdgh = _mm_sha256rnds2_epu32(stream.cdgh, stream.abef, sums[n]);
    }
    for n in 0..N {
        let stream = &mut streams[n];
        let sum = _mm_shuffle_epi32::<0x0e>(sums[n]);
        stream.abef = _mm_sha256rnds2_epu32(stream.abef, stream.cdgh, sum);
    }
    if SCHEDULE {
        for stream in streams {
            let words = &mut stream.words;
            let (first, second) = (words[AT], words[(AT + 1) % 4]);
            let (third, last) = (words[(AT + 2) % 4], words[(AT + 3) % 4]);
            let sum = _mm_add_epi32(
                _mm_sha256msg1_epu32(first, second),
                _mm_alignr_epi8::<4>(last, third),
            );
            words[AT] = _mm_sha256msg2_epu32(sum, last);
        }
    }
}

#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn load_state(state: &State) -> (__m128i, __m128i) {
    let halves = state.as_chunks().0;
    let cdab = _mm_shuffle_epi32::<0xb1>(load(&halves[0]));
    let hgfe = _mm_shuffle_epi32::<0x1b>(load(&halves[1]));
    (
        _mm_alignr_epi8::<8>(cdab, hgfe),
        _mm_blend_epi16::<0xf0>(hgfe, cdab),
    )
}

#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn store(state: &mut State, abef: __m128i, cdgh: __m128i) {
    let feba = _mm_shuffle_epi32::<0x1b>(abef);
    let dchg = _mm_shuffle_epi32::<0xb1>(cdgh);
    let halves = [
        _mm_blend_epi16::<0xf0>(feba, dchg),
        _mm_alignr_epi8::<8>(dchg, feba),
    ];
    for (words, register) in state.as_chunks_mut::<4>().0.iter_mut().zip(halves) {
        // SAFETY: the reference holds the 16 bytes of an unaligned store.
        unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), register) }
    }
}

/// The 16 words of a block.
#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn load_words(block: &Block) -> [__m128i; 4] {
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
#[target_feature(enable = "sse4.1,ssse3")]
fn load_four_words(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference holds the 16 bytes of an unaligned load.
    let words = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    let of_word = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm_shuffle_epi8(words, of_word)
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(words: &[u32; 4]) -> __m128i {
    // SAFETY: the reference holds the 16 bytes of an unaligned load.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}
