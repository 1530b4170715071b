//! Block formats of ggml: values, and the distance of neighbouring values.
//!
//! Layouts as in `gguf/quants.py` of llama.cpp and guide/formats.md, section 1.4.

use super::codes::half_at;
use crate::model::dtype::{Dtype, Kind};
use crate::numeric::small_floats::{E2M1, E4M3, E8M0};

/// Codes of IQ4_NL and IQ4_XS (`kvalues_iq4nl` of ggml).
const IQ4_VALUES: [f32; 16] = [
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0,
    89.0, 113.0,
];

/// Distances of neighbouring [`IQ4_VALUES`], the larger of the two.
const IQ4_STEPS: [f32; 16] = [
    23.0, 23.0, 21.0, 18.0, 16.0, 14.0, 13.0, 12.0, 12.0, 12.0, 13.0, 15.0, 16.0, 20.0, 24.0, 24.0,
];

/// The same in MXFP4, whose scale is the largest power of two that is no more than a quarter of the
/// largest value: values of up to 8 scales are clipped to 6.
const MXFP4_STEPS: [f32; 16] = [
    0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 2.0, 4.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 2.0, 4.0,
];

/// Whether [`decode_blocks`] knows the dtype.
pub fn is_decoded(dtype: Dtype) -> bool {
    dtype.kind() == Kind::Block
}

/// Block formats of ggml that are written by a search that weighs the elements, with an importance
/// matrix or without.
pub fn is_searched(dtype: Dtype) -> bool {
    is_decoded(dtype)
        && !matches!(
            dtype,
            Dtype::Q4_0
                | Dtype::Q4_1
                | Dtype::Q5_0
                | Dtype::Q5_1
                | Dtype::Q8_0
                | Dtype::Mxfp4
                | Dtype::Nvfp4
                | Dtype::Tq1_0
                | Dtype::Tq2_0
                | Dtype::Q1_0
        )
}

/// Decodes whole blocks: `bytes` holds n blocks of `dtype`, `out` their n × block elements in
/// storage order.
///
/// # Panics
/// When `dtype` is no block type of ggml that is decoded, or the lengths do not fit one another.
pub fn decode_blocks(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    each_element(dtype, bytes, out, |value, _| value);
}

/// For each element the distance of neighbouring values of its grid: |scale| times the distance of
/// neighbouring codes, the larger of the two where they differ. A sub-block whose integer scale was
/// rounded to 0 has the step of scale 1.
///
/// # Panics
/// As [`decode_blocks`].
pub fn block_steps(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    each_element(dtype, bytes, out, |_, step| step);
}

/// Runs over all elements and keeps what `pick` makes of (value, step).
fn each_element(
    dtype: Dtype,
    bytes: &[u8],
    out: &mut [f32],
    pick: impl Fn(f32, f32) -> f32 + Copy,
) {
    assert!(is_decoded(dtype), "{dtype} is no block format");
    let (elements, size) = dtype.block();
    let fits = bytes.len().is_multiple_of(size as usize)
        && bytes.len() / size as usize * elements as usize == out.len();
    assert!(fits, "lengths do not fit {dtype}");
    // Blocks as arrays: a length that is known lets the compiler drop the checks of indices and use
    // wide registers.
    macro_rules! blocks {
        ($size:literal, $elements:literal, $decode:expr) => {
            for (block, out) in bytes
                .as_chunks::<$size>()
                .0
                .iter()
                .zip(out.as_chunks_mut::<$elements>().0)
            {
                $decode(block, |at: usize, value: f32, step: f32| {
                    out[at] = pick(value, step)
                });
            }
        };
    }
    match dtype {
        Dtype::Q4_0 => blocks!(18, 32, q4_0),
        Dtype::Q4_1 => blocks!(20, 32, q4_1),
        Dtype::Q5_0 => blocks!(22, 32, q5_0),
        Dtype::Q5_1 => blocks!(24, 32, q5_1),
        Dtype::Q8_0 => blocks!(34, 32, q8_0),
        Dtype::Q2K => blocks!(84, 256, q2_k),
        Dtype::Q3K => blocks!(110, 256, q3_k),
        Dtype::Q4K => blocks!(144, 256, q4_k),
        Dtype::Q5K => blocks!(176, 256, q5_k),
        Dtype::Q6K => blocks!(210, 256, q6_k),
        Dtype::Iq4Nl => blocks!(18, 32, iq4_nl),
        Dtype::Iq4Xs => blocks!(136, 256, iq4_xs),
        Dtype::Mxfp4 => blocks!(17, 32, mxfp4),
        Dtype::Nvfp4 => blocks!(36, 64, nvfp4),
        Dtype::Tq1_0 => blocks!(54, 256, tq1_0),
        Dtype::Tq2_0 => blocks!(66, 256, tq2_0),
        Dtype::Q1_0 => blocks!(18, 128, q1_0),
        _ => unreachable!("is_decoded lists {dtype}"),
    }
}

/// Runs over codes of which the first half sits in low nibbles, the second half in high ones.
fn nibbles(codes: &[u8], mut put: impl FnMut(usize, u8)) {
    for (i, &pair) in codes.iter().enumerate() {
        put(i, pair & 15);
        put(i + codes.len(), pair >> 4);
    }
}

fn q4_0(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let d = half_at(block, 0);
    // The value of the largest size is code 0, and what lies as far on the other side is clipped to
    // code 15.
    let step = |code: u8| if code == 15 { 2.0 * d.abs() } else { d.abs() };
    nibbles(&block[2..], |i, code| {
        put(i, d * (f32::from(code) - 8.0), step(code))
    });
}

fn q4_1(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    nibbles(&block[4..], |i, code| {
        put(i, d * f32::from(code) + m, d.abs())
    });
}

/// Five-bit codes: nibbles with bit i of a 32-bit field on top.
fn five_bits(high: &[u8], codes: &[u8], mut put: impl FnMut(usize, u8)) {
    let high = u32::from_le_bytes([high[0], high[1], high[2], high[3]]);
    nibbles(codes, |i, code| {
        put(i, code | (((high >> i) & 1) << 4) as u8)
    });
}

fn q5_0(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let d = half_at(block, 0);
    let step = |code: u8| if code == 31 { 2.0 * d.abs() } else { d.abs() };
    five_bits(&block[2..6], &block[6..], |i, code| {
        put(i, d * (f32::from(code) - 16.0), step(code))
    });
}

fn q5_1(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    five_bits(&block[4..8], &block[8..], |i, code| {
        put(i, d * f32::from(code) + m, d.abs())
    });
}

fn q8_0(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let d = half_at(block, 0);
    // Codes are chosen by the scale before it was rounded to half precision.
    let rounding = half_step(d);
    for (i, &code) in block[2..].iter().enumerate() {
        let code = f32::from(code.cast_signed());
        put(i, d * code, d.abs() + rounding * code.abs());
    }
}

/// Distance of neighbouring values of half precision at `d`.
fn half_step(d: f32) -> f32 {
    let exponent = d.abs().max(f32::from(half::f16::MIN_POSITIVE)).to_bits() >> 23;
    f32::from_bits((exponent - 10) << 23)
}

/// Scale of a sub-block: (scale of the codes, step).
fn sub_scale(d: f32, scale: f32) -> (f32, f32) {
    (d * scale, d.abs() * scale.abs().max(1.0))
}

/// Runs over the two-bit codes of a super-block in the order that Q2_K, Q3_K, TQ2_0 and the top
/// bits of Q6_K share: code 128n + 32k + l is bit pair k of byte 32n + l.
fn bit_pairs(codes: &[u8], mut put: impl FnMut(usize, u8)) {
    for n in 0..2 {
        for k in 0..4 {
            for l in 0..32 {
                put(128 * n + 32 * k + l, (codes[32 * n + l] >> (2 * k)) & 3);
            }
        }
    }
}

fn q2_k(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    let scales: [(f32, f32, f32); 16] = std::array::from_fn(|t| {
        let (scale, step) = sub_scale(d, f32::from(block[t] & 15));
        (scale, step, dmin * f32::from(block[t] >> 4))
    });
    bit_pairs(&block[16..80], |i, code| {
        let (scale, step, minimum) = scales[i / 16];
        put(i, scale * f32::from(code) - minimum, step);
    });
}

fn q3_k(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let (high, packed) = (&block[..32], &block[96..108]);
    let d = half_at(block, 108);
    let scales: [(f32, f32); 16] = std::array::from_fn(|t| {
        let low = if t < 8 {
            packed[t] & 15
        } else {
            packed[t - 8] >> 4
        };
        let top = (packed[8 + t % 4] >> (2 * (t / 4))) & 3;
        sub_scale(d, f32::from(low | top << 4) - 32.0)
    });
    bit_pairs(&block[32..96], |i, code| {
        let (scale, step) = scales[i / 16];
        // The bit is set where nothing is taken off.
        let below = if (high[i % 32] >> (i / 32)) & 1 == 0 {
            4.0
        } else {
            0.0
        };
        put(i, scale * (f32::from(code) - below), step);
    });
}

/// Six-bit (scale, minimum) of sub-block `b` of eight, packed in 12 bytes.
fn scale_and_minimum(packed: &[u8], b: usize) -> (u8, u8) {
    if b < 4 {
        (packed[b] & 63, packed[b + 4] & 63)
    } else {
        (
            (packed[b + 4] & 15) | (packed[b - 4] >> 6) << 4,
            (packed[b + 4] >> 4) | (packed[b] >> 6) << 4,
        )
    }
}

fn q4_k(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    four_bits_and_high(block, &block[16..], |_, _| 0, &mut put);
}

fn q5_k(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let high = &block[16..48];
    four_bits_and_high(
        block,
        &block[48..],
        |b, l| ((high[l] >> b) & 1) << 4,
        &mut put,
    );
}

/// Q4_K and Q5_K: `top` gives the bits above the nibble of element `l` of sub-block `b`.
fn four_bits_and_high(
    block: &[u8],
    codes: &[u8],
    top: impl Fn(usize, usize) -> u8,
    put: &mut impl FnMut(usize, f32, f32),
) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    for b in 0..8 {
        let (scale, minimum) = scale_and_minimum(&block[4..16], b);
        let (scale, step) = sub_scale(d, f32::from(scale));
        let minimum = dmin * f32::from(minimum);
        for l in 0..32 {
            let code = (codes[32 * (b / 2) + l] >> (4 * (b % 2))) & 15 | top(b, l);
            put(32 * b + l, scale * f32::from(code) - minimum, step);
        }
    }
}

fn q6_k(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let low = &block[..128];
    let d = half_at(block, 208);
    let scales: [(f32, f32); 16] =
        std::array::from_fn(|t| sub_scale(d, f32::from(block[192 + t].cast_signed())));
    bit_pairs(&block[128..192], |i, top| {
        let (n, k) = (i / 128, i / 32 % 4);
        let code = (low[64 * n + 32 * (k & 1) + i % 32] >> (4 * (k >> 1))) & 15 | top << 4;
        let (scale, step) = scales[i / 16];
        put(i, scale * (f32::from(code) - 32.0), step);
    });
}

fn iq4_nl(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let d = half_at(block, 0);
    nibbles(&block[2..], |i, code| {
        let code = usize::from(code);
        put(i, d * IQ4_VALUES[code], d.abs() * IQ4_STEPS[code]);
    });
}

fn iq4_xs(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let d = half_at(block, 0);
    let top = u16::from_le_bytes([block[2], block[3]]);
    for b in 0..8 {
        let low = (block[4 + b / 2] >> (4 * (b % 2))) & 15;
        let high = (top >> (2 * b)) & 3;
        let (scale, step) = sub_scale(d, f32::from(low) + f32::from(high) * 16.0 - 32.0);
        nibbles(&block[8 + 16 * b..24 + 16 * b], |i, code| {
            let code = usize::from(code);
            put(32 * b + i, scale * IQ4_VALUES[code], step * IQ4_STEPS[code]);
        });
    }
}

fn mxfp4(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    // ggml has no NaN among the scales: code 255 is 2^128 there, which it applies as 2^127 to
    // doubled codes.
    let (scale, doubled) = if block[0] == 0xFF {
        (E8M0.value(254), 2.0)
    } else {
        (E8M0.value(block[0]), 1.0)
    };
    nibbles(&block[1..], |i, code| {
        let step = MXFP4_STEPS[usize::from(code)];
        put(
            i,
            scale * (doubled * E2M1.value(code)),
            scale * (doubled * step),
        );
    });
}

fn nvfp4(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    for (sub, &scale) in block[..4].iter().enumerate() {
        // Unsigned E4M3 without NaN: 0x7F stands for 0, and the idle top bit is not looked at
        // (`ggml_ue4m3_to_fp32`).
        let scale = match scale {
            0x7F => 0.0,
            0xFF => 480.0,
            scale => E4M3.value(scale & 0x7F),
        };
        nibbles(&block[4 + 8 * sub..12 + 8 * sub], |i, code| {
            put(
                16 * sub + i,
                scale * E2M1.value(code),
                scale * E2M1.step(code),
            );
        });
    }
}

fn tq1_0(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let d = half_at(block, 52);
    // Five ternary digits to a byte, first digit on top, in runs of 32, 16 and (four digits only) 4
    // bytes.
    for (bytes, digits, first) in [(0..32, 5, 0), (32..48, 5, 160), (48..52, 4, 240)] {
        let run = bytes.len();
        for (at, &packed) in block[bytes].iter().enumerate() {
            let mut rest = packed;
            for digit in 0..digits {
                let code = (u16::from(rest) * 3) >> 8;
                put(
                    first + digit * run + at,
                    d * (f32::from(code) - 1.0),
                    d.abs(),
                );
                rest = rest.wrapping_mul(3);
            }
        }
    }
}

fn tq2_0(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let d = half_at(block, 64);
    bit_pairs(&block[..64], |i, code| {
        put(i, d * (f32::from(code) - 1.0), d.abs())
    });
}

/// Signs, the lowest bit first.
fn q1_0(block: &[u8], mut put: impl FnMut(usize, f32, f32)) {
    let d = half_at(block, 0);
    for (at, &signs) in block[2..].iter().enumerate() {
        for bit in 0..8 {
            let code = f32::from(signs >> bit & 1);
            put(8 * at + bit, d * (2.0 * code - 1.0), 2.0 * d.abs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::quant::codes::table_steps;
    use crate::numeric::quant::reference::Reference;

    const DECODED: [Dtype; 16] = [
        Dtype::Q4_0,
        Dtype::Q4_1,
        Dtype::Q5_0,
        Dtype::Q5_1,
        Dtype::Q8_0,
        Dtype::Q2K,
        Dtype::Q3K,
        Dtype::Q4K,
        Dtype::Q5K,
        Dtype::Q6K,
        Dtype::Iq4Nl,
        Dtype::Iq4Xs,
        Dtype::Mxfp4,
        Dtype::Nvfp4,
        Dtype::Tq1_0,
        Dtype::Tq2_0,
    ];

    #[test]
    fn random_blocks_decode_as_the_gguf_package_decodes_them() {
        let reference = Reference::load("quant_ggml");
        for dtype in DECODED {
            let expected = reference.f32(&format!("{dtype}.values"));
            let mut values = vec![0.0; expected.len()];
            decode_blocks(
                dtype,
                reference.bytes(&format!("{dtype}.blocks")),
                &mut values,
            );
            assert_eq!(values, expected, "{dtype}");
        }
        assert!(
            Dtype::ALL
                .iter()
                .filter(|dtype| **dtype != Dtype::Q1_0)
                .all(|&dtype| is_decoded(dtype) == DECODED.contains(&dtype))
        );
    }

    /// Where codes are integers times one scale, values are whole multiples of the step and differ
    /// by no less.
    #[test]
    fn steps_are_distances_of_neighbouring_values() {
        let reference = Reference::load("quant_ggml");
        for dtype in DECODED {
            let blocks = reference.bytes(&format!("{dtype}.blocks"));
            let elements = reference.f32(&format!("{dtype}.values")).len();
            let (mut values, mut steps) = (vec![0.0; elements], vec![0.0; elements]);
            decode_blocks(dtype, blocks, &mut values);
            block_steps(dtype, blocks, &mut steps);
            assert!(
                steps.iter().all(|step| step.is_finite() && *step >= 0.0),
                "{dtype}"
            );
            if matches!(
                dtype,
                Dtype::Q4_0 | Dtype::Q5_0 | Dtype::Tq2_0 | Dtype::Tq1_0
            ) {
                let block = dtype.block().0 as usize;
                for (values, steps) in values.chunks(block).zip(steps.chunks(block)) {
                    let step = steps.iter().copied().fold(f32::MAX, f32::min);
                    for value in values {
                        assert_eq!(
                            (value / step).fract(),
                            0.0,
                            "{dtype}: {value} is no multiple of {step}"
                        );
                    }
                    let mut distinct: Vec<f32> = values.to_vec();
                    distinct.sort_by(f32::total_cmp);
                    let least = distinct
                        .windows(2)
                        .map(|w| w[1] - w[0])
                        .filter(|&gap| gap > 0.0)
                        .fold(f32::MAX, f32::min);
                    assert!(
                        least >= step * 0.999,
                        "{dtype}: {least} is less than a step of {step}"
                    );
                }
            }
        }
    }

    /// Rounds `values` to a grid of scale 1/16 and asks that none is further from its value than
    /// half a step.
    fn assert_within(dtype: Dtype, block: &[u8], values: &[f32]) {
        let (mut decoded, mut steps) = (vec![0.0; values.len()], vec![0.0; values.len()]);
        decode_blocks(dtype, block, &mut decoded);
        block_steps(dtype, block, &mut steps);
        for ((value, decoded), step) in values.iter().zip(&decoded).zip(&steps) {
            assert!(
                (value - decoded).abs() <= step / 2.0,
                "{dtype}: {value} became {decoded}, a step is {step}"
            );
        }
    }

    #[test]
    fn what_is_clipped_to_the_end_of_a_grid_is_within_its_step() {
        let scale = half::f16::from_f32(1.0 / 16.0).to_le_bytes();
        let clipped = |code: f32| vec![code / 16.0; 32];
        assert_within(
            Dtype::Q4_0,
            &[&scale[..], &[0xFF; 16]].concat(),
            &clipped(8.0),
        );
        assert_within(
            Dtype::Q5_0,
            &[&scale[..], &[0xFF; 20]].concat(),
            &clipped(16.0),
        );
        assert_within(
            Dtype::Mxfp4,
            &[&[127 - 4][..], &[0x77; 16]].concat(),
            &clipped(8.0),
        );
    }

    #[test]
    fn a_scale_that_was_rounded_after_the_codes_were_chosen_is_within_their_steps() {
        for scale in [0.01f32, 3.1e-5, 2.9e-7, 0.77] {
            let values: Vec<f32> = (0..32)
                .map(|i| (i as f32 * 8.17 - 127.0).clamp(-127.0, 127.0) * scale)
                .collect();
            let codes = values
                .iter()
                .map(|value| (value / scale).round() as i8 as u8);
            let block: Vec<u8> = half::f16::from_f32(scale)
                .to_le_bytes()
                .into_iter()
                .chain(codes)
                .collect();
            assert_within(Dtype::Q8_0, &block, &values);
        }
    }

    #[test]
    fn steps_of_tables_are_those_of_their_values() {
        assert_eq!(table_steps(&IQ4_VALUES), IQ4_STEPS);
    }

    #[test]
    fn a_scale_rounded_to_nought_keeps_the_step_of_the_least_scale() {
        let mut block = [0u8; 210];
        block[208..].copy_from_slice(&half::f16::from_f32(0.25).to_le_bytes());
        let mut steps = [0.0; 256];
        block_steps(Dtype::Q6K, &block, &mut steps);
        assert!(steps.iter().all(|&step| step == 0.25));
    }

    #[test]
    fn signs_of_a_block_take_its_scale() {
        // 0.5 in half precision, then the signs + - - - - - - +, - ...
        let mut block = [0u8; 18];
        block[..3].copy_from_slice(&[0x00, 0x38, 0b1000_0001]);
        let mut values = [0.0; 128];
        decode_blocks(Dtype::Q1_0, &block, &mut values);
        assert_eq!(
            values[..9],
            [0.5, -0.5, -0.5, -0.5, -0.5, -0.5, -0.5, 0.5, -0.5]
        );
    }
}
