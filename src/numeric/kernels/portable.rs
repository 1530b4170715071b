//! The loops in plain Rust: what every other kernel must equal, bit by bit.

use half::slice::HalfFloatSliceExt;

use super::{BLOCK, LANES, Lanes, Narrow, STEP};

/// A block of codes or values, its tail beyond the run zero.
type Block<T> = [T; BLOCK];

/// See [`super::Kernel::narrow`].
pub(super) fn narrow(format: Narrow, a: &[u8], b: &[u8], lanes: &mut Lanes) -> usize {
    let mut codes = [[0; BLOCK]; 2];
    let mut values = [[0.0; BLOCK]; 2];
    let mut done = 0;
    for (a, b) in a.chunks(2 * BLOCK).zip(b.chunks(2 * BLOCK)) {
        let n = a.len() / 2;
        for (bytes, codes) in [a, b].into_iter().zip(&mut codes) {
            for (code, &bytes) in codes.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *code = u16::from_le_bytes(bytes);
            }
        }
        if !codes.iter().all(|codes| in_range(format, &codes[..n])) {
            break;
        }
        for (codes, values) in codes.iter().zip(&mut values) {
            convert(format, &codes[..n], &mut values[..n]);
        }
        lanes.equal += count(&codes[0][..n], &codes[1][..n], |a, b| a == b);
        lanes.zeros[0] += count(&codes[0][..n], &codes[0][..n], |code, _| code << 1 == 0);
        lanes.zeros[1] += count(&codes[1][..n], &codes[1][..n], |code, _| code << 1 == 0);
        narrow_block(&values[0][..n], &values[1][..n], lanes);
        done += n;
    }
    done
}

/// Whether every value may be squared in f32: finite, and for BF16 zero or of magnitude within [2^-55, 2^60), so that
/// sums of 16 squares stay below 2^126 and the square of a difference, at least 2^-62, stays normal.
fn in_range(format: Narrow, codes: &[u16]) -> bool {
    let (least, past) = format.range();
    // With the sign shifted out and 1 taken away, zero is the largest code.
    let smallest = codes.iter().fold(u16::MAX, |least, &code| least.min((code << 1).wrapping_sub(1)));
    let largest = codes.iter().fold(0, |most, &code| most.max(code << 1));
    smallest >= least - 1 && largest < past
}

impl Narrow {
    /// Codes, shifted left by 1, of the least non-zero magnitude that the narrow loops take, and of the first they no longer take.
    pub(super) const fn range(self) -> (u16, u16) {
        match self {
            Self::Bf16 => ((127 - 55) << 8, (127 + 60) << 8),
            Self::F16 => (2, 31 << 11),
        }
    }
}

fn convert(format: Narrow, codes: &[u16], values: &mut [f32]) {
    match format {
        Narrow::Bf16 => {
            for (value, &code) in values.iter_mut().zip(codes) {
                *value = f32::from_bits(u32::from(code) << 16);
            }
        }
        Narrow::F16 => {
            let codes: &[half::f16] = half::slice::HalfBitsSliceExt::reinterpret_cast(codes);
            codes.convert_to_f32_slice(values);
        }
    }
}

fn count<T: Copy>(a: &[T], b: &[T], what: impl Fn(T, T) -> bool) -> u64 {
    // A block has 256 elements, so u16 holds every count; narrow counters vectorise.
    u64::from(a.iter().zip(b).fold(0u16, |count, (&a, &b)| count + u16::from(what(a, b))))
}

/// One block of whole steps in f32 lanes, folded into the f64 ones.
fn narrow_block(a: &[f32], b: &[f32], lanes: &mut Lanes) {
    let [mut ab, mut aa, mut bb, mut sum_a, mut sum_b, mut dd, mut max] = [[0f32; STEP]; 7];
    for (a, b) in a.as_chunks::<STEP>().0.iter().zip(b.as_chunks::<STEP>().0) {
        for lane in 0..STEP {
            let (a, b) = (a[lane], b[lane]);
            let d = a - b;
            ab[lane] += a * b;
            aa[lane] += a * a;
            bb[lane] += b * b;
            sum_a[lane] += a;
            sum_b[lane] += b;
            dd[lane] += d * d;
            max[lane] = if d.abs() > max[lane] { d.abs() } else { max[lane] };
        }
    }
    let fold = |sums: &mut [f64; LANES], block: [f32; STEP]| {
        for lane in 0..LANES {
            sums[lane] += f64::from(block[lane]) + f64::from(block[lane + LANES]);
        }
    };
    fold(&mut lanes.ab, ab);
    fold(&mut lanes.aa, aa);
    fold(&mut lanes.bb, bb);
    fold(&mut lanes.a, sum_a);
    fold(&mut lanes.b, sum_b);
    fold(&mut lanes.dd, dd);
    lanes.max_abs_diff = lanes.max_abs_diff.max(f64::from(max.into_iter().fold(0.0, f32::max)));
}

/// See [`super::Kernel::wide`] and [`super::Kernel::double`].
pub(super) fn wide<T: Copy + Default + Into<f64>>(a: &[T], b: &[T], lanes: &mut Lanes) -> usize {
    let mut values: [Block<f64>; 2] = [[0.0; BLOCK]; 2];
    let mut done = 0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let n = a.len();
        for (run, values) in [a, b].into_iter().zip(&mut values) {
            for (value, &stored) in values.iter_mut().zip(run) {
                *value = stored.into();
            }
        }
        let (a, b) = (&values[0][..n], &values[1][..n]);
        if !a.iter().chain(b).all(|value| value.is_finite()) {
            break;
        }
        lanes.equal += count(a, b, |a, b| a.to_bits() == b.to_bits());
        lanes.zeros[0] += count(a, a, |value, _| value == 0.0);
        lanes.zeros[1] += count(b, b, |value, _| value == 0.0);
        wide_block(a, b, lanes);
        done += n;
    }
    done
}

/// One block of whole steps in f64 lanes.
fn wide_block(a: &[f64], b: &[f64], lanes: &mut Lanes) {
    let mut max = [0f64; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let (a, b) = (a[lane], b[lane]);
            let d = a - b;
            lanes.ab[lane] += a * b;
            lanes.aa[lane] += a * a;
            lanes.bb[lane] += b * b;
            lanes.a[lane] += a;
            lanes.b[lane] += b;
            lanes.dd[lane] += d * d;
            max[lane] = if d.abs() > max[lane] { d.abs() } else { max[lane] };
        }
    }
    lanes.max_abs_diff = lanes.max_abs_diff.max(max.into_iter().fold(0.0, f64::max));
}
