//! The loops for NEON, which every 64-bit ARM has: a block is gone through once for each quarter of
//! the lanes, with every sum in a register.
#![allow(unsafe_code)] // Loads from references of the width that is loaded.

use std::arch::aarch64::*;

use super::{BLOCK, LANES, Lanes, Narrow, STEP, Seen};

/// Lanes of f64 in one register.
const PAIR: usize = LANES / 4;

/// Lanes of f32 in one register.
const QUAD: usize = STEP / 4;

/// See [`super::Kernel::narrow`].
#[target_feature(enable = "neon")]
pub(super) fn narrow(format: Narrow, a: &[u8], b: &[u8], lanes: &mut Lanes) -> usize {
    match format {
        Narrow::Bf16 => narrow_run::<true>(a, b, lanes),
        Narrow::F16 => narrow_run::<false>(a, b, lanes),
    }
}

#[target_feature(enable = "neon")]
fn narrow_run<const BF16: bool>(a: &[u8], b: &[u8], lanes: &mut Lanes) -> usize {
    let format = if BF16 { Narrow::Bf16 } else { Narrow::F16 };
    let mut max = vdupq_n_f32(0.0);
    let mut done = 0;
    for (a, b) in a.chunks(2 * BLOCK).zip(b.chunks(2 * BLOCK)) {
        let seen = look_at_codes(format, a.as_chunks().0, b.as_chunks().0);
        if seen.beyond {
            break;
        }
        seen.add_to(lanes);
        let (steps_a, steps_b) = (a.as_chunks().0, b.as_chunks().0);
        for quarter in [0, 1] {
            let low = narrow_quarter::<BF16>(steps_a, steps_b, quarter);
            let high = narrow_quarter::<BF16>(steps_a, steps_b, quarter + 2);
            fold(&mut lanes.ab, quarter, low.ab, high.ab);
            fold(&mut lanes.aa, quarter, low.aa, high.aa);
            fold(&mut lanes.bb, quarter, low.bb, high.bb);
            fold(&mut lanes.a, quarter, low.a, high.a);
            fold(&mut lanes.b, quarter, low.b, high.b);
            fold(&mut lanes.dd, quarter, low.dd, high.dd);
            max = vmaxq_f32(max, vmaxq_f32(low.max, high.max));
        }
        done += a.len() / 2;
    }
    lanes.max_abs_diff = lanes.max_abs_diff.max(f64::from(vmaxvq_f32(max)));
    done
}

/// Sums of one quarter of the 16 f32 lanes over a block.
struct NarrowQuarter {
    ab: float32x4_t,
    aa: float32x4_t,
    bb: float32x4_t,
    a: float32x4_t,
    b: float32x4_t,
    dd: float32x4_t,
    max: float32x4_t,
}

#[inline]
#[target_feature(enable = "neon")]
fn narrow_quarter<const BF16: bool>(
    a: &[[u8; 2 * STEP]],
    b: &[[u8; 2 * STEP]],
    quarter: usize,
) -> NarrowQuarter {
    let [
        mut ab,
        mut aa,
        mut bb,
        mut sum_a,
        mut sum_b,
        mut dd,
        mut max,
    ] = [vdupq_n_f32(0.0); 7];
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (
            convert::<BF16>(&a.as_chunks().0[quarter]),
            convert::<BF16>(&b.as_chunks().0[quarter]),
        );
        let d = vsubq_f32(a, b);
        ab = vfmaq_f32(ab, a, b);
        aa = vfmaq_f32(aa, a, a);
        bb = vfmaq_f32(bb, b, b);
        sum_a = vaddq_f32(sum_a, a);
        sum_b = vaddq_f32(sum_b, b);
        dd = vaddq_f32(dd, vmulq_f32(d, d));
        max = vmaxq_f32(max, vabsq_f32(d));
    }
    NarrowQuarter {
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
#[target_feature(enable = "neon")]
fn look_at_codes(format: Narrow, a: &[[u8; STEP]], b: &[[u8; STEP]]) -> Seen {
    let (least, past) = format.range();
    // Comparisons leave −1 in each lane that holds; a block has 32 of these loads, so 16 bits hold
    // every count.
    let [mut equal, mut zeros_a, mut zeros_b, mut most] = [vdupq_n_u16(0); 4];
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (load_codes(a), load_codes(b));
        equal = vsubq_u16(equal, vceqq_u16(a, b));
        for (code, zeros) in [(a, &mut zeros_a), (b, &mut zeros_b)] {
            let magnitude = vshlq_n_u16::<1>(code);
            let zero = vceqzq_u16(magnitude);
            *zeros = vsubq_u16(*zeros, zero);
            most = vmaxq_u16(
                most,
                vbicq_u16(vsubq_u16(magnitude, vdupq_n_u16(least)), zero),
            );
        }
    }
    let count = |counts| u64::from(vaddlvq_u16(counts));
    Seen {
        equal: count(equal),
        zeros: [count(zeros_a), count(zeros_b)],
        beyond: vmaxvq_u16(most) >= past - least,
    }
}

/// See [`super::Kernel::wide`].
#[target_feature(enable = "neon")]
pub(super) fn wide(a: &[f32], b: &[f32], lanes: &mut Lanes) -> usize {
    let mut max = vdupq_n_f64(0.0);
    let mut done = 0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let seen = look_at_values(a.as_chunks().0, b.as_chunks().0);
        if seen.beyond {
            break;
        }
        seen.add_to(lanes);
        for quarter in 0..4 {
            max = vmaxq_f64(
                max,
                wide_quarter(a.as_chunks().0, b.as_chunks().0, quarter, lanes),
            );
        }
        done += a.len();
    }
    lanes.max_abs_diff = lanes.max_abs_diff.max(vmaxvq_f64(max));
    done
}

/// Adds a block to one quarter of the f64 lanes; the greatest differences.
#[inline]
#[target_feature(enable = "neon")]
fn wide_quarter(
    a: &[[f32; LANES]],
    b: &[[f32; LANES]],
    quarter: usize,
    lanes: &mut Lanes,
) -> float64x2_t {
    let mut max = vdupq_n_f64(0.0);
    let [mut ab, mut aa, mut bb] =
        [&lanes.ab, &lanes.aa, &lanes.bb].map(|sums| load_pair(sums, quarter));
    let [mut sum_a, mut sum_b, mut dd] =
        [&lanes.a, &lanes.b, &lanes.dd].map(|sums| load_pair(sums, quarter));
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (
            load_f32(&a.as_chunks().0[quarter]),
            load_f32(&b.as_chunks().0[quarter]),
        );
        let d = vsubq_f64(a, b);
        ab = vfmaq_f64(ab, a, b);
        aa = vfmaq_f64(aa, a, a);
        bb = vfmaq_f64(bb, b, b);
        sum_a = vaddq_f64(sum_a, a);
        sum_b = vaddq_f64(sum_b, b);
        dd = vaddq_f64(dd, vmulq_f64(d, d));
        max = vmaxq_f64(max, vabsq_f64(d));
    }
    store_pair(&mut lanes.ab, quarter, ab);
    store_pair(&mut lanes.aa, quarter, aa);
    store_pair(&mut lanes.bb, quarter, bb);
    store_pair(&mut lanes.a, quarter, sum_a);
    store_pair(&mut lanes.b, quarter, sum_b);
    store_pair(&mut lanes.dd, quarter, dd);
    max
}

#[inline]
#[target_feature(enable = "neon")]
fn look_at_values(a: &[[f32; QUAD]], b: &[[f32; QUAD]]) -> Seen {
    let [mut equal, mut zeros_a, mut zeros_b, mut most] = [vdupq_n_u32(0); 4];
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (load_bits(a), load_bits(b));
        equal = vsubq_u32(equal, vceqq_u32(a, b));
        for (bits, zeros) in [(a, &mut zeros_a), (b, &mut zeros_b)] {
            let magnitude = vandq_u32(bits, vdupq_n_u32(0x7fff_ffff));
            *zeros = vsubq_u32(*zeros, vceqzq_u32(magnitude));
            most = vmaxq_u32(most, magnitude);
        }
    }
    let count = |counts| vaddlvq_u32(counts);
    Seen {
        equal: count(equal),
        zeros: [count(zeros_a), count(zeros_b)],
        beyond: vmaxvq_u32(most) >= 0x7f80_0000,
    }
}

/// `sums[j] += low[j] + high[j]`, in f64, for the four lanes of a quarter's f32.
#[inline]
#[target_feature(enable = "neon")]
fn fold(sums: &mut [f64; LANES], quarter: usize, low: float32x4_t, high: float32x4_t) {
    let first = vaddq_f64(
        vcvt_f64_f32(vget_low_f32(low)),
        vcvt_f64_f32(vget_low_f32(high)),
    );
    let second = vaddq_f64(vcvt_high_f64_f32(low), vcvt_high_f64_f32(high));
    for (pair, terms) in [(2 * quarter, first), (2 * quarter + 1, second)] {
        let sum = vaddq_f64(load_pair(sums, pair), terms);
        store_pair(sums, pair, sum);
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn convert<const BF16: bool>(codes: &[u8; 2 * QUAD]) -> float32x4_t {
    // SAFETY: the reference holds the 8 bytes of an unaligned load.
    let codes = vreinterpret_u16_u8(unsafe { vld1_u8(codes.as_ptr()) });
    if BF16 {
        return vreinterpretq_f32_u32(vshll_n_u16::<16>(codes));
    }
    // A finite F16 with its exponent field taken for that of an f32 is 2^112 too small; the product
    // is exact, for subnormals too.
    let magnitude = vreinterpretq_f32_u32(vshll_n_u16::<13>(vand_u16(codes, vdup_n_u16(0x7fff))));
    let scale = vdupq_n_f32(f32::from_bits((127 + 112) << 23));
    let sign = vshll_n_u16::<16>(vand_u16(codes, vdup_n_u16(0x8000)));
    vreinterpretq_f32_u32(vorrq_u32(
        vreinterpretq_u32_f32(vmulq_f32(magnitude, scale)),
        sign,
    ))
}

#[inline]
#[target_feature(enable = "neon")]
fn load_codes(codes: &[u8; STEP]) -> uint16x8_t {
    // SAFETY: the reference holds the 16 bytes of an unaligned load.
    vreinterpretq_u16_u8(unsafe { vld1q_u8(codes.as_ptr()) })
}

#[inline]
#[target_feature(enable = "neon")]
fn load_bits(values: &[f32; QUAD]) -> uint32x4_t {
    // SAFETY: the reference holds the 4 values of the load.
    vreinterpretq_u32_f32(unsafe { vld1q_f32(values.as_ptr()) })
}

#[inline]
#[target_feature(enable = "neon")]
fn load_f32(values: &[f32; PAIR]) -> float64x2_t {
    // SAFETY: the reference holds the 2 values of the load.
    vcvt_f64_f32(unsafe { vld1_f32(values.as_ptr()) })
}

#[inline]
#[target_feature(enable = "neon")]
fn load_pair(sums: &[f64; LANES], quarter: usize) -> float64x2_t {
    let values: &[f64; PAIR] = &sums.as_chunks().0[quarter];
    // SAFETY: the reference holds the 2 values of the load.
    unsafe { vld1q_f64(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn store_pair(sums: &mut [f64; LANES], quarter: usize, register: float64x2_t) {
    let values: &mut [f64; PAIR] = &mut sums.as_chunks_mut().0[quarter];
    // SAFETY: the reference holds the 2 values of the store.
    unsafe { vst1q_f64(values.as_mut_ptr(), register) }
}
