//! Sixteen streams in the lanes of AVX-512 registers (F and BW): a block of each is 16 registers,
//! and rotations and three-way logic are one instruction.
#![allow(unsafe_code)]
// Loads from references of the width that is loaded.
// Iterators over several arrays are calls where a build inlines nothing across its parts.
#![allow(clippy::needless_range_loop)]

use std::arch::asm;
use std::arch::x86_64::*;

use super::lanes::rounds;
use super::{Block, State};

/// Streams at a time.
pub(super) const LANES: usize = 16;

/// See [`super::Form::advance`].
#[target_feature(enable = "avx512f,avx512bw,avx2")]
pub(super) fn advance(states: &mut [State; LANES], inputs: &[&[Block]; LANES]) {
    let mut state = [_mm512_setzero_si512(); 8];
    for (word, register) in state.iter_mut().enumerate() {
        let mut lanes = [0; LANES];
        for (lane, state) in lanes.iter_mut().zip(states.iter()) {
            *lane = state[word];
        }
        *register = load(&lanes);
    }
    for block in 0..inputs[0].len() {
        let mut words = [_mm512_setzero_si512(); 16];
        for lane in 0..LANES {
            words[lane] = load_words(&inputs[lane][block]);
        }
        let mut words = transposed(words);
        rounds!(state, words);
    }
    for (word, register) in state.into_iter().enumerate() {
        for (own, value) in states.iter_mut().zip(stored(register)) {
            own[word] = value;
        }
    }
}

/// Word i of row j to word j of row i.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(rows: [__m512i; 16]) -> [__m512i; 16] {
    // Four rows at a time: columns 4 q + k of rows 4 p to 4 p + 3, q being the quarter of the
    // register, in `fours[p][k]`.
    let mut fours = [[_mm512_setzero_si512(); 4]; 4];
    for (four, rows) in fours.iter_mut().zip(rows.as_chunks::<4>().0) {
        let [r0, r1, r2, r3] = *rows;
        let (p0, p1) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
        let (p2, p3) = (_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
        *four = [
            _mm512_unpacklo_epi64(p0, p2),
            _mm512_unpackhi_epi64(p0, p2),
            _mm512_unpacklo_epi64(p1, p3),
            _mm512_unpackhi_epi64(p1, p3),
        ];
    }
    // Then the quarters themselves are transposed.
    let mut columns = [_mm512_setzero_si512(); 16];
    for k in 0..4 {
        let (x0, x1, x2, x3) = (fours[0][k], fours[1][k], fours[2][k], fours[3][k]);
        let even_low = _mm512_shuffle_i32x4::<0x88>(x0, x1);
        let odd_low = _mm512_shuffle_i32x4::<0xdd>(x0, x1);
        let even_high = _mm512_shuffle_i32x4::<0x88>(x2, x3);
        let odd_high = _mm512_shuffle_i32x4::<0xdd>(x2, x3);
        columns[k] = _mm512_shuffle_i32x4::<0x88>(even_low, even_high);
        columns[k + 4] = _mm512_shuffle_i32x4::<0x88>(odd_low, odd_high);
        columns[k + 8] = _mm512_shuffle_i32x4::<0xdd>(even_low, even_high);
        columns[k + 12] = _mm512_shuffle_i32x4::<0xdd>(odd_low, odd_high);
    }
    columns
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(lanes: &[u32; LANES]) -> __m512i {
    // SAFETY: the reference holds the 64 bytes of an unaligned load.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn stored(register: __m512i) -> [u32; LANES] {
    let mut lanes = [0; LANES];
    // SAFETY: the reference holds the 64 bytes of an unaligned store.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), register) };
    lanes
}

/// The 16 words of a block, from big-endian.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_words(block: &Block) -> __m512i {
    // SAFETY: the reference holds the 64 bytes of an unaligned load.
    let words = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
    let of_word = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(of_word))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(value: u32) -> __m512i {
    _mm512_set1_epi32(value.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(x: __m512i, y: __m512i) -> __m512i {
    _mm512_add_epi32(x, y)
}

/// [`add`], which no compiler takes apart to add its terms in another order: the one that lets the
/// next round begin as early as it can.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_now(x: __m512i, y: __m512i) -> __m512i {
    let sum;
    // SAFETY: an addition of registers, of an instruction set that is there.
    unsafe {
        asm!("vpaddd {}, {}, {}", lateout(zmm_reg) sum, in(zmm_reg) x, in(zmm_reg) y,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// x ^ y ^ z.
#[inline]
#[target_feature(enable = "avx512f")]
fn xor(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma_0(x: __m512i) -> __m512i {
    xor(
        _mm512_ror_epi32::<2>(x),
        _mm512_ror_epi32::<13>(x),
        _mm512_ror_epi32::<22>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma_1(x: __m512i) -> __m512i {
    xor(
        _mm512_ror_epi32::<6>(x),
        _mm512_ror_epi32::<11>(x),
        _mm512_ror_epi32::<25>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma_0(x: __m512i) -> __m512i {
    xor(
        _mm512_ror_epi32::<7>(x),
        _mm512_ror_epi32::<18>(x),
        _mm512_srli_epi32::<3>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma_1(x: __m512i) -> __m512i {
    xor(
        _mm512_ror_epi32::<17>(x),
        _mm512_ror_epi32::<19>(x),
        _mm512_srli_epi32::<10>(x),
    )
}

/// y where x has a 1, else z.
#[inline]
#[target_feature(enable = "avx512f")]
fn choose(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0xca>(x, y, z)
}

/// What two of three hold.
#[inline]
#[target_feature(enable = "avx512f")]
fn majority(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0xe8>(x, y, z)
}
