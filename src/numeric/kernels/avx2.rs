//! The loops for AVX2 with FMA and F16C: a step takes two registers, so that a block is gone
//! through once for each half of the lanes, with every sum in a register.
#![allow(unsafe_code)] // Loads from references of the width that is loaded.

use std::arch::x86_64::*;

use super::{BLOCK, LANES, Lanes, Narrow, STEP, Seen};

/// Lanes of f64 in one register.
const HALF: usize = LANES / 2;

/// See [`super::Kernel::narrow`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn narrow(format: Narrow, a: &[u8], b: &[u8], lanes: &mut Lanes) -> usize {
    match format {
        Narrow::Bf16 => narrow_run::<true>(a, b, lanes),
        Narrow::F16 => narrow_run::<false>(a, b, lanes),
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn narrow_run<const BF16: bool>(a: &[u8], b: &[u8], lanes: &mut Lanes) -> usize {
    let format = if BF16 { Narrow::Bf16 } else { Narrow::F16 };
    let mut max = _mm256_setzero_ps();
    let mut done = 0;
    for (a, b) in a.chunks(2 * BLOCK).zip(b.chunks(2 * BLOCK)) {
        let (steps_a, steps_b) = (
            a.as_chunks::<{ 2 * STEP }>().0,
            b.as_chunks::<{ 2 * STEP }>().0,
        );
        let seen = look_at_codes(format, steps_a, steps_b);
        if seen.beyond {
            break;
        }
        seen.add_to(lanes);
        let [low, high] = [0, 1].map(|half| narrow_half::<BF16>(steps_a, steps_b, half));
        fold(&mut lanes.ab, low.ab, high.ab);
        fold(&mut lanes.aa, low.aa, high.aa);
        fold(&mut lanes.bb, low.bb, high.bb);
        fold(&mut lanes.a, low.a, high.a);
        fold(&mut lanes.b, low.b, high.b);
        fold(&mut lanes.dd, low.dd, high.dd);
        max = _mm256_max_ps(max, _mm256_max_ps(low.max, high.max));
        done += a.len() / 2;
    }
    let max = _mm_max_ps(_mm256_castps256_ps128(max), _mm256_extractf128_ps::<1>(max));
    let max = _mm_max_ps(max, _mm_movehl_ps(max, max));
    let max = _mm_max_ss(max, _mm_movehdup_ps(max));
    lanes.max_abs_diff = lanes.max_abs_diff.max(f64::from(_mm_cvtss_f32(max)));
    done
}

/// Sums of one half of the 16 f32 lanes over a block.
struct NarrowHalf {
    ab: __m256,
    aa: __m256,
    bb: __m256,
    a: __m256,
    b: __m256,
    dd: __m256,
    max: __m256,
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn narrow_half<const BF16: bool>(
    a: &[[u8; 2 * STEP]],
    b: &[[u8; 2 * STEP]],
    half: usize,
) -> NarrowHalf {
    let [
        mut ab,
        mut aa,
        mut bb,
        mut sum_a,
        mut sum_b,
        mut dd,
        mut max,
    ] = [_mm256_setzero_ps(); 7];
    let sign = _mm256_set1_ps(-0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (
            convert::<BF16>(&a.as_chunks().0[half]),
            convert::<BF16>(&b.as_chunks().0[half]),
        );
        let d = _mm256_sub_ps(a, b);
        ab = _mm256_fmadd_ps(a, b, ab);
        aa = _mm256_fmadd_ps(a, a, aa);
        bb = _mm256_fmadd_ps(b, b, bb);
        sum_a = _mm256_add_ps(sum_a, a);
        sum_b = _mm256_add_ps(sum_b, b);
        dd = _mm256_add_ps(dd, _mm256_mul_ps(d, d));
        max = _mm256_max_ps(max, _mm256_andnot_ps(sign, d));
    }
    NarrowHalf {
        ab,
        aa,
        bb,
        a: sum_a,
        b: sum_b,
        dd,
        max,
    }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn look_at_codes(format: Narrow, a: &[[u8; 2 * STEP]], b: &[[u8; 2 * STEP]]) -> Seen {
    let (least, past) = format.range();
    let least = _mm256_set1_epi16(least as i16);
    let last = _mm256_sub_epi16(_mm256_set1_epi16((past - 1) as i16), least);
    // Comparisons leave −1 in each lane that holds; a block has 16 steps, so 16 bits hold every
    // count.
    let [mut equal, mut zeros_a, mut zeros_b, mut most] = [_mm256_setzero_si256(); 4];
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (load_codes(a), load_codes(b));
        equal = _mm256_sub_epi16(equal, _mm256_cmpeq_epi16(a, b));
        for (code, zeros) in [(a, &mut zeros_a), (b, &mut zeros_b)] {
            let magnitude = _mm256_slli_epi16::<1>(code);
            let zero = _mm256_cmpeq_epi16(magnitude, _mm256_setzero_si256());
            *zeros = _mm256_sub_epi16(*zeros, zero);
            most = _mm256_max_epu16(
                most,
                _mm256_andnot_si256(zero, _mm256_sub_epi16(magnitude, least)),
            );
        }
    }
    let within = _mm256_cmpeq_epi16(_mm256_max_epu16(most, last), last);
    let count = |counts| add_up(_mm256_madd_epi16(counts, _mm256_set1_epi16(1)));
    Seen {
        equal: count(equal),
        zeros: [count(zeros_a), count(zeros_b)],
        beyond: _mm256_movemask_epi8(within) != -1,
    }
}

/// See [`super::Kernel::wide`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn wide(a: &[f32], b: &[f32], lanes: &mut Lanes) -> usize {
    let mut max = _mm256_setzero_pd();
    let mut done = 0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let (steps_a, steps_b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
        let seen = look_at_values(steps_a, steps_b);
        if seen.beyond {
            break;
        }
        seen.add_to(lanes);
        for half in [0, 1] {
            max = _mm256_max_pd(max, wide_half(steps_a, steps_b, half, lanes));
        }
        done += a.len();
    }
    let max = _mm_max_pd(_mm256_castpd256_pd128(max), _mm256_extractf128_pd::<1>(max));
    let max = _mm_max_sd(max, _mm_unpackhi_pd(max, max));
    lanes.max_abs_diff = lanes.max_abs_diff.max(_mm_cvtsd_f64(max));
    done
}

/// Adds a block to one half of the f64 lanes; the greatest differences.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn wide_half(a: &[[f32; LANES]], b: &[[f32; LANES]], half: usize, lanes: &mut Lanes) -> __m256d {
    let sign = _mm256_set1_pd(-0.0);
    let mut max = _mm256_setzero_pd();
    let [mut ab, mut aa, mut bb] =
        [&lanes.ab, &lanes.aa, &lanes.bb].map(|sums| load_half(sums, half));
    let [mut sum_a, mut sum_b, mut dd] =
        [&lanes.a, &lanes.b, &lanes.dd].map(|sums| load_half(sums, half));
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (
            load_f32(&a.as_chunks().0[half]),
            load_f32(&b.as_chunks().0[half]),
        );
        let d = _mm256_sub_pd(a, b);
        ab = _mm256_fmadd_pd(a, b, ab);
        aa = _mm256_fmadd_pd(a, a, aa);
        bb = _mm256_fmadd_pd(b, b, bb);
        sum_a = _mm256_add_pd(sum_a, a);
        sum_b = _mm256_add_pd(sum_b, b);
        dd = _mm256_add_pd(dd, _mm256_mul_pd(d, d));
        max = _mm256_max_pd(max, _mm256_andnot_pd(sign, d));
    }
    store_half(&mut lanes.ab, half, ab);
    store_half(&mut lanes.aa, half, aa);
    store_half(&mut lanes.bb, half, bb);
    store_half(&mut lanes.a, half, sum_a);
    store_half(&mut lanes.b, half, sum_b);
    store_half(&mut lanes.dd, half, dd);
    max
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn look_at_values(a: &[[f32; LANES]], b: &[[f32; LANES]]) -> Seen {
    let [mut equal, mut zeros_a, mut zeros_b, mut most] = [_mm256_setzero_si256(); 4];
    let magnitude = _mm256_set1_epi32(0x7fff_ffff);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (load_bits(a), load_bits(b));
        equal = _mm256_sub_epi32(equal, _mm256_cmpeq_epi32(a, b));
        for (bits, zeros) in [(a, &mut zeros_a), (b, &mut zeros_b)] {
            let bits = _mm256_and_si256(bits, magnitude);
            *zeros = _mm256_sub_epi32(*zeros, _mm256_cmpeq_epi32(bits, _mm256_setzero_si256()));
            most = _mm256_max_epi32(most, bits);
        }
    }
    let beyond = _mm256_cmpgt_epi32(most, _mm256_set1_epi32(0x7f7f_ffff));
    Seen {
        equal: add_up(equal),
        zeros: [add_up(zeros_a), add_up(zeros_b)],
        beyond: _mm256_movemask_epi8(beyond) != 0,
    }
}

/// The sum of 8 counts.
#[inline]
#[target_feature(enable = "avx2")]
fn add_up(counts: __m256i) -> u64 {
    let counts = _mm_add_epi32(
        _mm256_castsi256_si128(counts),
        _mm256_extracti128_si256::<1>(counts),
    );
    let counts = _mm_add_epi32(counts, _mm_srli_si128::<8>(counts));
    let counts = _mm_add_epi32(counts, _mm_srli_si128::<4>(counts));
    u64::from(_mm_cvtsi128_si32(counts).unsigned_abs())
}

/// `sums[j] += low[j] + high[j]`, in f64.
#[inline]
#[target_feature(enable = "avx2")]
fn fold(sums: &mut [f64; LANES], low: __m256, high: __m256) {
    let first = _mm256_add_pd(
        _mm256_cvtps_pd(_mm256_castps256_ps128(low)),
        _mm256_cvtps_pd(_mm256_castps256_ps128(high)),
    );
    let second = _mm256_add_pd(
        _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(low)),
        _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(high)),
    );
    for (half, terms) in [first, second].into_iter().enumerate() {
        let sum = _mm256_add_pd(load_half(sums, half), terms);
        store_half(sums, half, sum);
    }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn convert<const BF16: bool>(codes: &[u8; STEP]) -> __m256 {
    // SAFETY: the reference holds the 16 bytes of an unaligned load.
    let codes = unsafe { _mm_loadu_si128(codes.as_ptr().cast()) };
    if BF16 {
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(codes)))
    } else {
        _mm256_cvtph_ps(codes)
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_codes(codes: &[u8; 2 * STEP]) -> __m256i {
    // SAFETY: the reference holds the 32 bytes of an unaligned load.
    unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_bits(values: &[f32; LANES]) -> __m256i {
    // SAFETY: the reference holds the 32 bytes of an unaligned load.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_f32(values: &[f32; HALF]) -> __m256d {
    // SAFETY: the reference holds the 4 values of an unaligned load.
    _mm256_cvtps_pd(unsafe { _mm_loadu_ps(values.as_ptr()) })
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_half(sums: &[f64; LANES], half: usize) -> __m256d {
    let values: &[f64; HALF] = &sums.as_chunks().0[half];
    // SAFETY: the reference holds the 4 values of an unaligned load.
    unsafe { _mm256_loadu_pd(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_half(sums: &mut [f64; LANES], half: usize, register: __m256d) {
    let values: &mut [f64; HALF] = &mut sums.as_chunks_mut().0[half];
    // SAFETY: the reference holds the 4 values of an unaligned store.
    unsafe { _mm256_storeu_pd(values.as_mut_ptr(), register) }
}
