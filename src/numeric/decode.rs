//! Stored bytes to numbers: every dtype of safetensors 0.8 whose bit order is defined, from
//! little-endian bytes at any alignment.
//!
//! What the codes of small floats mean is the table of `numeric/small_floats.rs`.

use half::slice::HalfFloatSliceExt;

use super::small_floats::{Encoding, Special, small_float};
use super::wide::widest;
use crate::model::dtype::{Dtype, Kind};

/// Whether the values of `dtype` are decoded here: all plain numbers, not F6 (bit order undefined)
/// nor ggml's blocks.
pub const fn decodes(dtype: Dtype) -> bool {
    !matches!(dtype.kind(), Kind::Opaque | Kind::Block)
}

/// Whether every finite value of `dtype` is exact in f32.
pub(crate) const fn is_exact_in_f32(dtype: Dtype) -> bool {
    use Dtype::{F64, I32, I64, U32, U64};
    decodes(dtype) && !matches!(dtype, F64 | I32 | U32 | I64 | U64)
}

/// Numbers that one element decodes to: 2 for a complex element (real, imaginary), else 1.
pub const fn values_per_element(dtype: Dtype) -> usize {
    if matches!(dtype, Dtype::C64) { 2 } else { 1 }
}

/// Decodes `bytes` to f32: exact where `is_exact_in_f32`, else rounded to nearest (an F64 beyond
/// f32 gives infinity).
///
/// # Panics
/// When `dtype` is not decoded here, or `out` does not hold exactly the values of `bytes`.
pub fn decode_f32(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        Dtype::Bool => each(bytes, out, |[byte]| f32::from(byte != 0)),
        Dtype::U8 => each(bytes, out, |code| f32::from(u8::from_le_bytes(code))),
        Dtype::I8 => each(bytes, out, |code| f32::from(i8::from_le_bytes(code))),
        Dtype::U16 => each(bytes, out, |code| f32::from(u16::from_le_bytes(code))),
        Dtype::I16 => each(bytes, out, |code| f32::from(i16::from_le_bytes(code))),
        Dtype::U32 => each(bytes, out, |code| u32::from_le_bytes(code) as f32),
        Dtype::I32 => each(bytes, out, |code| i32::from_le_bytes(code) as f32),
        Dtype::U64 => each(bytes, out, |code| u64::from_le_bytes(code) as f32),
        Dtype::I64 => each(bytes, out, |code| i64::from_le_bytes(code) as f32),
        Dtype::F32 | Dtype::C64 => each(bytes, out, f32::from_le_bytes),
        Dtype::F64 => each(bytes, out, |code| f64::from_le_bytes(code) as f32),
        Dtype::Bf16 => widest(
            #[inline(always)]
            || {
                let upper_half = |code| f32::from_bits(u32::from(u16::from_le_bytes(code)) << 16);
                each(bytes, out, upper_half);
            },
        ),
        Dtype::F16 => decode_f16(bytes, out),
        _ => decode_small(dtype, bytes, out, |value| value),
    }
}

/// Decodes `bytes` to f64: exact for all but 64-bit integers beyond 2^53, which go to the nearest
/// f64.
///
/// # Panics
/// As [`decode_f32`].
pub fn decode_f64(dtype: Dtype, bytes: &[u8], out: &mut [f64]) {
    match dtype {
        Dtype::U32 => each(bytes, out, |code| f64::from(u32::from_le_bytes(code))),
        Dtype::I32 => each(bytes, out, |code| f64::from(i32::from_le_bytes(code))),
        Dtype::U64 => each(bytes, out, |code| u64::from_le_bytes(code) as f64),
        Dtype::I64 => each(bytes, out, |code| i64::from_le_bytes(code) as f64),
        Dtype::F32 | Dtype::C64 => each(bytes, out, |code| f64::from(f32::from_le_bytes(code))),
        Dtype::F64 => each(bytes, out, f64::from_le_bytes),
        Dtype::Bool => each(bytes, out, |[byte]| f64::from(byte != 0)),
        Dtype::U8 => each(bytes, out, |code| f64::from(u8::from_le_bytes(code))),
        Dtype::I8 => each(bytes, out, |code| f64::from(i8::from_le_bytes(code))),
        Dtype::U16 => each(bytes, out, |code| f64::from(u16::from_le_bytes(code))),
        Dtype::I16 => each(bytes, out, |code| f64::from(i16::from_le_bytes(code))),
        Dtype::Bf16 => each(bytes, out, |code| {
            f64::from(f32::from_bits(u32::from(u16::from_le_bytes(code)) << 16))
        }),
        Dtype::F16 => each(bytes, out, |code| half::f16::from_le_bytes(code).to_f64()),
        _ => decode_small(dtype, bytes, out, f64::from),
    }
}

/// Distance from |`value`| to the next larger number on the grid of `dtype` (guide/methods.md,
/// section 6), subnormals included; beyond the largest number of the format, the distance below it.
/// 1 for integers and truth values. NaN for a non-finite value and for formats whose grid hangs on
/// a scale.
pub(crate) fn step(dtype: Dtype, value: f32) -> f32 {
    let Some(encoding) = encoding(dtype) else {
        return if matches!(dtype.kind(), Kind::Integer | Kind::Boolean) {
            1.0
        } else {
            f32::NAN
        };
    };
    if !value.is_finite() {
        return f32::NAN;
    }
    let value = f64::from(value).abs();
    // The exponent field of a normal f64, and every finite f32 but 0 is one: the floor of log2.
    let exponent = ((value.to_bits() >> 52) as i32 - 1023)
        .clamp(encoding.least_exponent(), encoding.greatest_exponent());
    power_of_two(exponent - encoding.mantissa_bits as i32) as f32
}

/// 2 to the `exponent`, from its bits where it is normal.
fn power_of_two(exponent: i32) -> f64 {
    if (f64::MIN_EXP - 1..f64::MAX_EXP).contains(&exponent) {
        f64::from_bits(((exponent + 1023) as u64) << 52)
    } else {
        2f64.powi(exponent)
    }
}

/// The steps of a float's values, which hang on the exponent alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FloatSteps {
    /// Powers of two at which the exponents of the format begin and end.
    least: f64,
    greatest: f64,
    /// Step of a value between 1 and 2.
    unit: f64,
}

impl FloatSteps {
    /// No step at all, as where only equal values count as near.
    pub(crate) const NONE: Self = Self {
        least: 0.0,
        greatest: 0.0,
        unit: 0.0,
    };

    /// `None` for what is no float, and for a format with smaller values than single precision.
    pub(crate) fn new(dtype: Dtype) -> Option<Self> {
        let encoding =
            encoding(dtype).filter(|encoding| encoding.least_exponent() >= f32::MIN_EXP - 1)?;
        let greatest = encoding.greatest_exponent().min(f32::MAX_EXP - 1);
        Some(Self {
            least: power_of_two(encoding.least_exponent()),
            greatest: power_of_two(greatest),
            unit: power_of_two(-(encoding.mantissa_bits as i32)),
        })
    }

    /// [`step`] of a finite value; of any other, that of the largest. In f64 no step is subnormal,
    /// which would be slow.
    #[inline(always)]
    pub(crate) fn step(self, value: f32) -> f64 {
        const EXPONENT: u32 = 0x7f80_0000;
        let power = f64::from(f32::from_bits(value.to_bits() & EXPONENT));
        let power = if power < self.least {
            self.least
        } else {
            power
        };
        let power = if power > self.greatest {
            self.greatest
        } else {
            power
        };
        power * self.unit
    }
}

/// How a float is put together; `None` for what is no float.
fn encoding(dtype: Dtype) -> Option<Encoding> {
    let (exponent_bits, mantissa_bits, bias) = match dtype {
        Dtype::F16 => (5, 10, 15),
        Dtype::Bf16 => (8, 7, 127),
        Dtype::F32 | Dtype::C64 => (8, 23, 127),
        Dtype::F64 => (11, 52, 1023),
        small => return small_float(small).map(|float| float.encoding()),
    };
    Some(Encoding {
        exponent_bits,
        mantissa_bits,
        bias,
        special: Special::Ieee,
    })
}

/// Decodes fixed-width codes one by one; the compiler vectorises the loop where the conversion
/// allows.
#[inline(always)]
fn each<T, const N: usize>(bytes: &[u8], out: &mut [T], convert: impl Fn([u8; N]) -> T) {
    let (codes, rest) = bytes.as_chunks::<N>();
    assert!(
        codes.len() == out.len() && rest.is_empty(),
        "{} values in {} bytes of {N}",
        out.len(),
        bytes.len()
    );
    for (value, &code) in out.iter_mut().zip(codes) {
        *value = convert(code);
    }
}

/// F16 by `half`'s vector conversion, which wants aligned codes: copied through a buffer that stays
/// in cache.
fn decode_f16(bytes: &[u8], out: &mut [f32]) {
    assert!(
        bytes.len() == 2 * out.len(),
        "{} values in {} bytes of 2",
        out.len(),
        bytes.len()
    );
    const RUN: usize = 256;
    let mut codes = [half::f16::ZERO; RUN];
    for (bytes, out) in bytes.chunks(2 * RUN).zip(out.chunks_mut(RUN)) {
        let codes = &mut codes[..out.len()];
        each(bytes, codes, half::f16::from_le_bytes);
        codes.convert_to_f32_slice(out);
    }
}

/// Decodes the floats of at most 8 bits, by table.
fn decode_small<T>(dtype: Dtype, bytes: &[u8], out: &mut [T], convert: impl Fn(f32) -> T) {
    let Some(float) = small_float(dtype).filter(|_| decodes(dtype)) else {
        panic!("{dtype} is not a plain number");
    };
    let value = |code: u8| convert(float.value(code));
    match float.encoding().bits() {
        4 => each_packed::<_, 1, 2>(bytes, out, value),
        6 => each_packed::<_, 3, 4>(bytes, out, value),
        _ => each(bytes, out, |[code]| value(code)),
    }
}

/// Decodes codes that lie `CODES` in each `BYTES` bytes, the first in the lowest bits.
fn each_packed<T, const BYTES: usize, const CODES: usize>(
    bytes: &[u8],
    out: &mut [T],
    value: impl Fn(u8) -> T,
) {
    let (packs, rest) = bytes.as_chunks::<BYTES>();
    let (groups, left) = out.as_chunks_mut::<CODES>();
    assert!(
        packs.len() == groups.len() && rest.is_empty() && left.is_empty(),
        "{} values in {} bytes of {CODES} codes",
        groups.len() * CODES + left.len(),
        bytes.len()
    );
    let bits = 8 * BYTES / CODES;
    for (group, pack) in groups.iter_mut().zip(packs) {
        let packed = pack
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u32::from(byte));
        for (at, out) in group.iter_mut().enumerate() {
            let code = packed >> (at * bits) & ((1 << bits) - 1);
            *out = value(code as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn f32s(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
        let elements = bytes.len() * dtype.block().0 as usize / dtype.block().1 as usize;
        let mut out = vec![7.0; elements * values_per_element(dtype)];
        decode_f32(dtype, bytes, &mut out);
        out
    }

    fn f64s(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
        let elements = bytes.len() * dtype.block().0 as usize / dtype.block().1 as usize;
        let mut out = vec![7.0; elements * values_per_element(dtype)];
        decode_f64(dtype, bytes, &mut out);
        out
    }

    /// ±(m/2^M)·2^(1−bias) or ±(1+m/2^M)·2^(e−bias), by division and repeated products of f64.
    fn by_formula(code: u32, exponent_bits: u32, mantissa_bits: u32, bias: i32) -> f64 {
        let m = f64::from(code % 2u32.pow(mantissa_bits)) / f64::from(2u32.pow(mantissa_bits));
        let e = (code / 2u32.pow(mantissa_bits) % 2u32.pow(exponent_bits)) as i32;
        let sign = if code / 2u32.pow(mantissa_bits + exponent_bits) == 1 {
            -1.0
        } else {
            1.0
        };
        let (significand, power) = if e == 0 {
            (m, 1 - bias)
        } else {
            (1.0 + m, e - bias)
        };
        let mut value = sign * significand;
        for _ in 0..power.abs() {
            value *= if power > 0 { 2.0 } else { 0.5 };
        }
        value
    }

    /// Every code of a format of up to 16 bits against the formula; `special` gives the codes that
    /// are no plain number.
    fn check_codes(dtype: Dtype, bits: [u32; 2], bias: i32, special: impl Fn(u32) -> Option<f64>) {
        let total = 1 + bits[0] + bits[1];
        for code in 0..2u32.pow(total) {
            let bytes = &code.to_le_bytes()[..total.div_ceil(8) as usize];
            let want = special(code).unwrap_or_else(|| by_formula(code, bits[0], bits[1], bias));
            for got in [f64::from(f32s(dtype, bytes)[0]), f64s(dtype, bytes)[0]] {
                let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
                assert!(same, "{dtype} code {code:#x}: {got}, expected {want}");
            }
        }
    }

    #[test]
    fn every_code_of_the_small_floats_means_what_the_table_says() {
        let at =
            |codes: &'static [u32], value: f64| move |code| codes.contains(&code).then_some(value);
        check_codes(Dtype::F8E4M3, [4, 3], 7, at(&[0x7f, 0xff], f64::NAN));
        check_codes(Dtype::F8E4M3Fnuz, [4, 3], 8, at(&[0x80], f64::NAN));
        check_codes(Dtype::F8E5M2Fnuz, [5, 2], 16, at(&[0x80], f64::NAN));
        let ieee = |exponent: u32, mantissa: u32| {
            move |code: u32| {
                let magnitude = code % (1 << (exponent + mantissa));
                let infinity = ((1 << exponent) - 1) << mantissa;
                match magnitude.cmp(&infinity) {
                    std::cmp::Ordering::Less => None,
                    std::cmp::Ordering::Equal if magnitude == code => Some(f64::INFINITY),
                    std::cmp::Ordering::Equal => Some(f64::NEG_INFINITY),
                    std::cmp::Ordering::Greater => Some(f64::NAN),
                }
            }
        };
        check_codes(Dtype::F8E5M2, [5, 2], 15, ieee(5, 2));
        check_codes(Dtype::F16, [5, 10], 15, ieee(5, 10));
        check_codes(Dtype::Bf16, [8, 7], 127, ieee(8, 7));
    }

    #[test]
    fn powers_of_two_have_no_zero_and_one_nan() {
        let codes: Vec<u8> = (0..=255).collect();
        let values = f32s(Dtype::F8E8M0, &codes);
        assert!(values[255].is_nan());
        assert_eq!(
            (values[127], values[0], values[254]),
            (1.0, 2f32.powi(-127), 2f32.powi(127))
        );
        assert!(
            values[..255]
                .windows(2)
                .all(|pair| pair[1] == 2.0 * pair[0])
        );
        assert!(
            f64s(Dtype::F8E8M0, &codes)[..255]
                .iter()
                .zip(&values)
                .all(|(&wide, &value)| wide == f64::from(value))
        );
    }

    #[test]
    fn f4_reads_the_low_nibble_first() {
        let magnitudes = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
        for byte in 0..=255u8 {
            let want = [byte % 16, byte / 16].map(|code| {
                let magnitude: f32 = magnitudes[usize::from(code % 8)];
                if code >= 8 { -magnitude } else { magnitude }
            });
            let got = f32s(Dtype::F4, &[byte]);
            assert_eq!(
                got.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                want.map(f32::to_bits)
            );
            assert_eq!(f64s(Dtype::F4, &[byte]), want.map(f64::from));
        }
    }

    #[test]
    fn integers_and_truth_values() {
        let all: Vec<u8> = (0..=255).collect();
        assert!(
            f32s(Dtype::Bool, &all)
                .iter()
                .enumerate()
                .all(|(code, &x)| x == if code == 0 { 0.0 } else { 1.0 })
        );
        assert!(
            f32s(Dtype::U8, &all)
                .iter()
                .enumerate()
                .all(|(code, &x)| x == code as f32)
        );
        for (code, x) in f32s(Dtype::I8, &all).into_iter().enumerate() {
            assert_eq!(
                x,
                if code < 128 {
                    code as f32
                } else {
                    code as f32 - 256.0
                }
            );
        }
        assert_eq!(f32s(Dtype::U16, &[0xff, 0xff, 1, 2]), [65535.0, 513.0]);
        assert_eq!(f32s(Dtype::I16, &[0xff, 0xff, 0, 0x80]), [-1.0, -32768.0]);
        assert_eq!(f64s(Dtype::I32, &i32::MIN.to_le_bytes()), [-2147483648.0]);
        assert_eq!(f64s(Dtype::U32, &u32::MAX.to_le_bytes()), [4294967295.0]);
        assert_eq!(f64s(Dtype::I64, &(-3i64).to_le_bytes()), [-3.0]);
        assert_eq!(
            f64s(Dtype::U64, &u64::MAX.to_le_bytes()),
            [18446744073709551616.0]
        );
        assert_eq!(f32s(Dtype::U32, &16777217u32.to_le_bytes()), [16777216.0]);
        assert_eq!(
            f32s(Dtype::I32, &(-16777219i32).to_le_bytes()),
            [-16777220.0]
        );
        assert_eq!(
            f32s(Dtype::I64, &i64::MIN.to_le_bytes()),
            [-9223372036854775808.0]
        );
        assert_eq!(
            f32s(Dtype::U64, &((1u64 << 40) + 1).to_le_bytes()),
            [1099511627776.0]
        );
    }

    #[test]
    fn wide_floats_and_complex_parts() {
        assert_eq!(f32s(Dtype::F64, &0.1f64.to_le_bytes()), [0.1f32]);
        assert_eq!(f64s(Dtype::F64, &0.1f64.to_le_bytes()), [0.1f64]);
        assert_eq!(f32s(Dtype::F64, &1e300f64.to_le_bytes()), [f32::INFINITY]);
        let complex = [1.5f32.to_le_bytes(), (-2.0f32).to_le_bytes()].concat();
        assert_eq!(f32s(Dtype::C64, &complex), [1.5, -2.0]);
        assert_eq!(f64s(Dtype::C64, &complex), [1.5, -2.0]);
        assert_eq!(
            f64s(Dtype::F32, &1e-45f32.to_le_bytes()),
            [f64::from(1e-45f32)]
        );
    }

    #[test]
    fn what_is_decoded_is_what_has_a_defined_bit_order() {
        let refused: Vec<_> = Dtype::SAFETENSORS
            .iter()
            .filter(|&&dtype| !decodes(dtype))
            .collect();
        assert_eq!(refused, [&Dtype::F6E2M3, &Dtype::F6E3M2]);
        assert!(!decodes(Dtype::Q4_0) && !decodes(Dtype::Mxfp4));
        let rounded: Vec<_> = Dtype::SAFETENSORS
            .iter()
            .filter(|&&d| decodes(d) && !is_exact_in_f32(d))
            .collect();
        assert_eq!(
            rounded,
            [
                &Dtype::I32,
                &Dtype::U32,
                &Dtype::F64,
                &Dtype::I64,
                &Dtype::U64
            ]
        );
        assert!(!is_exact_in_f32(Dtype::F6E2M3));
    }

    #[test]
    fn steps_are_the_distances_on_the_grid() {
        for (dtype, codes) in [
            (Dtype::F8E4M3, 0x7f_u8),
            (Dtype::F8E5M2, 0x7c),
            (Dtype::F8E4M3Fnuz, 0x80),
            (Dtype::F8E5M2Fnuz, 0x80),
            (Dtype::F4, 8),
        ] {
            let values: Vec<f32> = (0..codes).map(|code| f32s(dtype, &[code])[0]).collect();
            for pair in values.windows(2) {
                assert_eq!(
                    step(dtype, pair[0]),
                    pair[1] - pair[0],
                    "{dtype} at {}",
                    pair[0]
                );
                assert_eq!(
                    step(dtype, -(pair[0] + pair[1]) / 2.0),
                    pair[1] - pair[0],
                    "{dtype} above {}",
                    pair[0]
                );
            }
            let [.., below, last] = values[..] else {
                unreachable!()
            };
            assert_eq!(step(dtype, 1e30), last - below, "{dtype} clips");
        }
        for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F16, Dtype::F8E4M3] {
            let steps = FloatSteps::new(dtype).unwrap();
            for value in [0.0f32, 1e-45, 1e-39, -1e-3, 1.0, 1.5, -7e4, 3e38] {
                assert_eq!(
                    steps.step(value),
                    f64::from(step(dtype, value)),
                    "{dtype} at {value}"
                );
            }
        }
        assert_eq!(FloatSteps::new(Dtype::F64), None);
        for value in [0.0f32, 1e-45, 1e-39, 1.0, 1.5, 3e38] {
            assert_eq!(step(Dtype::F32, value), value.next_up() - value);
        }
        assert_eq!(step(Dtype::Bf16, 1.0), 2f32.powi(-7));
        // 2^-133, in units of the least subnormal.
        assert_eq!(step(Dtype::Bf16, 0.0), f32::from_bits(1 << 16));
        assert_eq!(step(Dtype::F16, 1e-6), 2f32.powi(-24));
        assert_eq!(step(Dtype::F16, -0.75), 2f32.powi(-11));
        assert_eq!(step(Dtype::F64, 1.0), 2f32.powi(-52));
        assert_eq!(step(Dtype::F8E8M0, 5.0), 4.0);
        assert_eq!(step(Dtype::I8, 100.0), 1.0);
        assert!(step(Dtype::Q8_0, 1.0).is_nan() && step(Dtype::F32, f32::INFINITY).is_nan());
    }

    #[test]
    #[should_panic(expected = "3 values in 4 bytes")]
    fn a_buffer_of_the_wrong_length_is_refused() {
        decode_f32(Dtype::Bf16, &[0; 4], &mut [0.0; 3]);
    }

    proptest! {
        #[test]
        fn any_alignment_and_length_give_the_codes_one_by_one(
            bytes in prop::collection::vec(any::<u8>(), 0..6000),
            skip in 0usize..9,
            dtype in prop::sample::select(Dtype::SAFETENSORS),
        ) {
            prop_assume!(decodes(dtype));
            let bytes = &bytes[skip.min(bytes.len())..];
            let width = dtype.block().1 as usize;
            let bytes = &bytes[..bytes.len() - bytes.len() % width];
            let one_by_one = bytes.chunks(width).flat_map(|code| f32s(dtype, code));
            let bits = |x: f32| if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() };
            prop_assert!(f32s(dtype, bytes).into_iter().map(bits).eq(one_by_one.map(bits)));
            let narrowed = f64s(dtype, bytes).into_iter().map(|x| x as f32);
            prop_assert!(!is_exact_in_f32(dtype) || narrowed.map(bits).eq(f32s(dtype, bytes).into_iter().map(bits)));
        }
    }
}
