//! Eight streams in the lanes of AVX2 registers.
#![allow(unsafe_code)] // Loads from references of the width that is loaded.

use std::arch::x86_64::*;

use super::lanes::rounds;
use super::{Block, State};

/// Streams at a time.
pub(super) const LANES: usize = 8;

/// See [`super::Form::advance`].
#[target_feature(enable = "avx2")]
pub(super) fn advance(states: &mut [State; LANES], inputs: &[&[Block]; LANES]) {
    let mut rows = [_mm256_setzero_si256(); LANES];
    for (row, state) in rows.iter_mut().zip(states.iter()) {
        *row = load(state);
    }
    let mut state = transposed(rows);
    for block in 0..inputs[0].len() {
        let mut words = [_mm256_setzero_si256(); 16];
        let (first, second) = words.split_at_mut(8);
        for (half, words) in [first, second].into_iter().enumerate() {
            for (row, input) in rows.iter_mut().zip(inputs) {
                *row = load_words(&input[block], half);
            }
            words.copy_from_slice(&transposed(rows));
        }
        rounds!(state, words);
    }
    for (own, row) in states.iter_mut().zip(transposed(state)) {
        store(own, row);
    }
}

/// Word i of row j to word j of row i.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(rows: [__m256i; 8]) -> [__m256i; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    // Pairs of rows, then of pairs: columns k and k + 4 of four rows in the halves of a register.
    let (p0, p1) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpackhi_epi32(r0, r1));
    let (p2, p3) = (_mm256_unpacklo_epi32(r2, r3), _mm256_unpackhi_epi32(r2, r3));
    let (p4, p5) = (_mm256_unpacklo_epi32(r4, r5), _mm256_unpackhi_epi32(r4, r5));
    let (p6, p7) = (_mm256_unpacklo_epi32(r6, r7), _mm256_unpackhi_epi32(r6, r7));
    let upper = [
        _mm256_unpacklo_epi64(p0, p2),
        _mm256_unpackhi_epi64(p0, p2),
        _mm256_unpacklo_epi64(p1, p3),
        _mm256_unpackhi_epi64(p1, p3),
    ];
    let lower = [
        _mm256_unpacklo_epi64(p4, p6),
        _mm256_unpackhi_epi64(p4, p6),
        _mm256_unpacklo_epi64(p5, p7),
        _mm256_unpackhi_epi64(p5, p7),
    ];
    let mut columns = [_mm256_setzero_si256(); 8];
    for k in 0..4 {
        columns[k] = _mm256_permute2x128_si256::<0x20>(upper[k], lower[k]);
        columns[k + 4] = _mm256_permute2x128_si256::<0x31>(upper[k], lower[k]);
    }
    columns
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(state: &State) -> __m256i {
    // SAFETY: the reference holds the 32 bytes of an unaligned load.
    unsafe { _mm256_loadu_si256(state.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(state: &mut State, register: __m256i) {
    // SAFETY: the reference holds the 32 bytes of an unaligned store.
    unsafe { _mm256_storeu_si256(state.as_mut_ptr().cast(), register) }
}

/// Eight of the 16 words of a block, from big-endian.
#[inline]
#[target_feature(enable = "avx2")]
fn load_words(block: &Block, half: usize) -> __m256i {
    let bytes: &[u8; 32] = &block.as_chunks().0[half];
    // SAFETY: the reference holds the 32 bytes of an unaligned load.
    let words = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
    let of_word = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(of_word))
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(value: u32) -> __m256i {
    _mm256_set1_epi32(value.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(x: __m256i, y: __m256i) -> __m256i {
    _mm256_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_now(x: __m256i, y: __m256i) -> __m256i {
    add(x, y)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(x: __m256i, y: __m256i) -> __m256i {
    _mm256_xor_si256(x, y)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotated<const RIGHT: i32, const LEFT: i32>(x: __m256i) -> __m256i {
    const { assert!(RIGHT + LEFT == 32) };
    _mm256_or_si256(_mm256_srli_epi32::<RIGHT>(x), _mm256_slli_epi32::<LEFT>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma_0(x: __m256i) -> __m256i {
    let last = xor(rotated::<13, 19>(x), rotated::<22, 10>(x));
    xor(rotated::<2, 30>(x), last)
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma_1(x: __m256i) -> __m256i {
    let last = xor(rotated::<11, 21>(x), rotated::<25, 7>(x));
    xor(rotated::<6, 26>(x), last)
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma_0(x: __m256i) -> __m256i {
    let last = xor(rotated::<18, 14>(x), _mm256_srli_epi32::<3>(x));
    xor(rotated::<7, 25>(x), last)
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma_1(x: __m256i) -> __m256i {
    let last = xor(rotated::<19, 13>(x), _mm256_srli_epi32::<10>(x));
    xor(rotated::<17, 15>(x), last)
}

#[inline]
#[target_feature(enable = "avx2")]
fn choose(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    xor(z, _mm256_and_si256(x, xor(y, z)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    let either = _mm256_and_si256(z, _mm256_or_si256(x, y));
    _mm256_or_si256(_mm256_and_si256(x, y), either)
}
