//! The loops for AVX-512 (F, BW, DQ, VL): all narrow lanes in one register, all wide lanes in one.
//!
//! Blocks are looked at as for AVX2: counting by mask registers was 8 % slower on the machine at
//! hand.
#![allow(unsafe_code)] // Loads from references of the width that is loaded.

use std::arch::x86_64::*;

use super::avx2::{look_at_codes, look_at_values};
use super::{BLOCK, LANES, Lanes, Narrow, STEP};

/// See [`super::Kernel::narrow`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn narrow(format: Narrow, a: &[u8], b: &[u8], lanes: &mut Lanes) -> usize {
    match format {
        Narrow::Bf16 => narrow_run::<true>(a, b, lanes),
        Narrow::F16 => narrow_run::<false>(a, b, lanes),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn narrow_run<const BF16: bool>(a: &[u8], b: &[u8], lanes: &mut Lanes) -> usize {
    let format = if BF16 { Narrow::Bf16 } else { Narrow::F16 };
    let mut sums = Sums::load(lanes);
    let mut max = _mm512_setzero_ps();
    let mut done = 0;
    for (a, b) in a.chunks(2 * BLOCK).zip(b.chunks(2 * BLOCK)) {
        let (steps_a, steps_b) = (a.as_chunks().0, b.as_chunks().0);
        let seen = look_at_codes(format, steps_a, steps_b);
        if seen.beyond {
            break;
        }
        seen.add_to(lanes);
        let [mut ab, mut aa, mut bb, mut sum_a, mut sum_b, mut dd] = [_mm512_setzero_ps(); 6];
        for (a, b) in steps_a.iter().zip(steps_b) {
            let (a, b) = (convert::<BF16>(a), convert::<BF16>(b));
            let d = _mm512_sub_ps(a, b);
            ab = _mm512_fmadd_ps(a, b, ab);
            aa = _mm512_fmadd_ps(a, a, aa);
            bb = _mm512_fmadd_ps(b, b, bb);
            sum_a = _mm512_add_ps(sum_a, a);
            sum_b = _mm512_add_ps(sum_b, b);
            dd = _mm512_add_ps(dd, _mm512_mul_ps(d, d));
            max = _mm512_max_ps(max, _mm512_abs_ps(d));
        }
        sums.ab = fold(sums.ab, ab);
        sums.aa = fold(sums.aa, aa);
        sums.bb = fold(sums.bb, bb);
        sums.a = fold(sums.a, sum_a);
        sums.b = fold(sums.b, sum_b);
        sums.dd = fold(sums.dd, dd);
        done += a.len() / 2;
    }
    sums.store(lanes);
    lanes.max_abs_diff = lanes.max_abs_diff.max(f64::from(_mm512_reduce_max_ps(max)));
    done
}

/// See [`super::Kernel::wide`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn wide(a: &[f32], b: &[f32], lanes: &mut Lanes) -> usize {
    let mut sums = Sums::load(lanes);
    let mut max = _mm512_setzero_pd();
    let mut done = 0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let (steps_a, steps_b) = (a.as_chunks().0, b.as_chunks().0);
        let seen = look_at_values(steps_a, steps_b);
        if seen.beyond {
            break;
        }
        seen.add_to(lanes);
        for (a, b) in steps_a.iter().zip(steps_b) {
            let (a, b) = (load_f32(a), load_f32(b));
            let d = _mm512_sub_pd(a, b);
            sums.ab = _mm512_fmadd_pd(a, b, sums.ab);
            sums.aa = _mm512_fmadd_pd(a, a, sums.aa);
            sums.bb = _mm512_fmadd_pd(b, b, sums.bb);
            sums.a = _mm512_add_pd(sums.a, a);
            sums.b = _mm512_add_pd(sums.b, b);
            sums.dd = _mm512_add_pd(sums.dd, _mm512_mul_pd(d, d));
            max = _mm512_max_pd(max, _mm512_abs_pd(d));
        }
        done += a.len();
    }
    sums.store(lanes);
    lanes.max_abs_diff = lanes.max_abs_diff.max(_mm512_reduce_max_pd(max));
    done
}

/// The f64 lanes in registers.
struct Sums {
    ab: __m512d,
    aa: __m512d,
    bb: __m512d,
    a: __m512d,
    b: __m512d,
    dd: __m512d,
}

impl Sums {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(lanes: &Lanes) -> Self {
        Self {
            ab: load_f64(&lanes.ab),
            aa: load_f64(&lanes.aa),
            bb: load_f64(&lanes.bb),
            a: load_f64(&lanes.a),
            b: load_f64(&lanes.b),
            dd: load_f64(&lanes.dd),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(&self, lanes: &mut Lanes) {
        store_f64(&mut lanes.ab, self.ab);
        store_f64(&mut lanes.aa, self.aa);
        store_f64(&mut lanes.bb, self.bb);
        store_f64(&mut lanes.a, self.a);
        store_f64(&mut lanes.b, self.b);
        store_f64(&mut lanes.dd, self.dd);
    }
}

/// `sums[j] + (block[j] + block[j + 8])`, in f64.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn fold(sums: __m512d, block: __m512) -> __m512d {
    let low = _mm512_cvtps_pd(_mm512_castps512_ps256(block));
    let high = _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(block));
    _mm512_add_pd(sums, _mm512_add_pd(low, high))
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn convert<const BF16: bool>(codes: &[u8; 2 * STEP]) -> __m512 {
    // SAFETY: the reference holds the 32 bytes of an unaligned load.
    let codes = unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) };
    if BF16 {
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(codes)))
    } else {
        _mm512_cvtph_ps(codes)
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_f32(values: &[f32; LANES]) -> __m512d {
    // SAFETY: the reference holds the 8 values of an unaligned load.
    _mm512_cvtps_pd(unsafe { _mm256_loadu_ps(values.as_ptr()) })
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_f64(values: &[f64; LANES]) -> __m512d {
    // SAFETY: the reference holds the 8 values of an unaligned load.
    unsafe { _mm512_loadu_pd(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_f64(values: &mut [f64; LANES], register: __m512d) {
    // SAFETY: the reference holds the 8 values of an unaligned store.
    unsafe { _mm512_storeu_pd(values.as_mut_ptr(), register) }
}
