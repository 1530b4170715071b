//! The loops in plain Rust: what every other kernel must equal, bit by bit.

use half::slice::HalfFloatSliceExt;

use super::{BLOCK, LANES, Lanes, Narrow, STEP, Seen};

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
        let seen = look_at_codes(format, &codes[0][..n], &codes[1][..n]);
        if seen.beyond {
            break;
        }
        seen.add_to(lanes);
        for (codes, values) in codes.iter().zip(&mut values) {
            convert(format, &codes[..n], &mut values[..n]);
        }
        narrow_block(&values[0][..n], &values[1][..n], lanes);
        done += n;
    }
    done
}

fn look_at_codes(format: Narrow, a: &[u16], b: &[u16]) -> Seen {
    let (least, past) = format.range();
    // With the sign shifted out and `least` taken away, the exact range begins at 0. No `&&`: a
    // branch would keep the loop from being vectorised.
    let beyond = |code: u16| (code << 1 != 0) & ((code << 1).wrapping_sub(least) >= past - least);
    Seen {
        equal: count(a, b, |a, b| a == b),
        zeros: [
            count(a, a, |code, _| code << 1 == 0),
            count(b, b, |code, _| code << 1 == 0),
        ],
        beyond: count(a, b, |a, b| beyond(a) | beyond(b)) > 0,
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
    u64::from(
        a.iter()
            .zip(b)
            .fold(0u16, |count, (&a, &b)| count + u16::from(what(a, b))),
    )
}

/// One block of whole steps in f32 lanes, folded into the f64 ones.
fn narrow_block(a: &[f32], b: &[f32], lanes: &mut Lanes) {
    let [
        mut ab,
        mut aa,
        mut bb,
        mut sum_a,
        mut sum_b,
        mut dd,
        mut max,
    ] = [[0f32; STEP]; 7];
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
            max[lane] = if d.abs() > max[lane] {
                d.abs()
            } else {
                max[lane]
            };
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
    lanes.max_abs_diff = lanes
        .max_abs_diff
        .max(f64::from(max.into_iter().fold(0.0, f32::max)));
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
        let seen = look_at_values(a, b);
        if seen.beyond {
            break;
        }
        seen.add_to(lanes);
        wide_block(a, b, lanes);
        done += n;
    }
    done
}

fn look_at_values(a: &[f64], b: &[f64]) -> Seen {
    Seen {
        equal: count(a, b, |a, b| a.to_bits() == b.to_bits()),
        zeros: [
            count(a, a, |value, _| value == 0.0),
            count(b, b, |value, _| value == 0.0),
        ],
        beyond: count(a, b, |a, b| !(a.is_finite() & b.is_finite())) > 0,
    }
}

/// One block of whole steps in f64 lanes.
fn wide_block(a: &[f64], b: &[f64], lanes: &mut Lanes) {
    let mut max = [0f64; LANES];
    for (a, b) in a
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(b.as_chunks::<LANES>().0)
    {
        for lane in 0..LANES {
            let (a, b) = (a[lane], b[lane]);
            let d = a - b;
            lanes.ab[lane] += a * b;
            lanes.aa[lane] += a * a;
            lanes.bb[lane] += b * b;
            lanes.a[lane] += a;
            lanes.b[lane] += b;
            lanes.dd[lane] += d * d;
            max[lane] = if d.abs() > max[lane] {
                d.abs()
            } else {
                max[lane]
            };
        }
    }
    lanes.max_abs_diff = lanes.max_abs_diff.max(max.into_iter().fold(0.0, f64::max));
}
