//! Floats of at most 8 bits: one table of what their codes mean, for plain tensors and for the
//! blocks and scales of quantised layouts.
//!
//! With sign s, exponent e and mantissa m of M bits a code means ±(m/2^M)·2^(1−bias) where e = 0
//! and ±(1+m/2^M)·2^(e−bias) elsewhere (guide/formats.md, section 1.1). A new format is a row of
//! the table here.

use crate::model::dtype::Dtype;

/// How a float is put together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoding {
    /// Bits of the exponent.
    pub(crate) exponent_bits: u32,
    /// Bits of the mantissa.
    pub(crate) mantissa_bits: u32,
    /// What is taken off the exponent.
    pub(crate) bias: i32,
    /// Which codes are no numbers.
    pub(crate) special: Special,
}

/// Which codes are no numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// None.
    None,
    /// The greatest exponent: infinity where the mantissa is 0, else NaN.
    Ieee,
    /// All exponent and mantissa bits set: NaN ("fn").
    AllOnes,
    /// The code of −0: NaN ("fnuz").
    NegativeZero,
    /// A bare exponent without sign: no zero, and NaN where all bits are set.
    BareExponent,
}

/// A float of at most 8 bits and the value of each of its codes.
#[derive(Debug)]
pub(crate) struct SmallFloat {
    encoding: Encoding,
    /// By code; 0 beyond the last.
    values: [f32; 256],
}

/// Declares the formats: dtype, name, bits of exponent and mantissa, bias, codes that are no
/// numbers.
macro_rules! small_floats {
    ($($dtype:ident $name:ident: $exponent:literal $mantissa:literal $bias:literal $special:ident;)*) => {
        $(pub(crate) static $name: SmallFloat = SmallFloat::new(Encoding {
            exponent_bits: $exponent,
            mantissa_bits: $mantissa,
            bias: $bias,
            special: Special::$special,
        });)*

        /// The format of a dtype that is a small float.
        pub(crate) fn small_float(dtype: Dtype) -> Option<&'static SmallFloat> {
            match dtype {
                $(Dtype::$dtype => Some(&$name),)*
                _ => None,
            }
        }
    };
}

small_floats! {
    F4         E2M1:      2 1 1   None;
    F6E2M3     E2M3:      2 3 1   None;
    F6E3M2     E3M2:      3 2 3   None;
    F8E4M3     E4M3:      4 3 7   AllOnes;
    F8E5M2     E5M2:      5 2 15  Ieee;
    F8E4M3Fnuz E4M3_FNUZ: 4 3 8   NegativeZero;
    F8E5M2Fnuz E5M2_FNUZ: 5 2 16  NegativeZero;
    F8E8M0     E8M0:      8 0 127 BareExponent;
}

impl Encoding {
    const fn is_signed(self) -> bool {
        !matches!(self.special, Special::BareExponent)
    }

    /// Bits of a code.
    pub(crate) const fn bits(self) -> u32 {
        self.exponent_bits + self.mantissa_bits + if self.is_signed() { 1 } else { 0 }
    }

    /// Whether codes are bytes with a sign.
    pub(crate) const fn is_signed_byte(self) -> bool {
        self.is_signed() && self.bits() == 8
    }

    /// Least exponent field of a number without a smaller spacing: the subnormals share that of 1.
    const fn least_field(self) -> u32 {
        if self.is_signed() { 1 } else { 0 }
    }

    /// Greatest exponent field of a number.
    const fn greatest_field(self) -> u32 {
        let all_ones = (1 << self.exponent_bits) - 1;
        match self.special {
            Special::Ieee | Special::BareExponent => all_ones - 1,
            Special::None | Special::AllOnes | Special::NegativeZero => all_ones,
        }
    }

    /// Least exponent of two that a spacing of 2^(exponent − mantissa bits) goes by.
    pub(crate) const fn least_exponent(self) -> i32 {
        self.least_field() as i32 - self.bias
    }

    /// The greatest.
    pub(crate) const fn greatest_exponent(self) -> i32 {
        self.greatest_field() as i32 - self.bias
    }

    /// The exponent field of a code.
    const fn field(self, code: u32) -> u32 {
        (code >> self.mantissa_bits) & ((1 << self.exponent_bits) - 1)
    }

    /// Value of a code.
    const fn value(self, code: u32) -> f32 {
        let exponent = self.field(code);
        let mantissa_range = 1 << self.mantissa_bits;
        let mantissa = code & (mantissa_range - 1);
        let is_negative = self.is_signed() && code >> (self.bits() - 1) == 1;
        let is_greatest = exponent == (1 << self.exponent_bits) - 1;
        let is_nan = match self.special {
            Special::None => false,
            Special::Ieee => is_greatest && mantissa != 0,
            Special::AllOnes | Special::BareExponent => {
                is_greatest && mantissa == mantissa_range - 1
            }
            Special::NegativeZero => is_negative && exponent == 0 && mantissa == 0,
        };
        let scale = self.mantissa_bits as i32 + self.bias;
        let absolute = if is_nan {
            f32::NAN
        } else if matches!(self.special, Special::Ieee) && is_greatest {
            f32::INFINITY
        } else if exponent == 0 && self.is_signed() {
            mantissa as f32 * power_of_two(1 - scale)
        } else {
            (mantissa + mantissa_range) as f32 * power_of_two(exponent as i32 - scale)
        };
        if is_negative { -absolute } else { absolute }
    }
}

impl SmallFloat {
    const fn new(encoding: Encoding) -> Self {
        let mut values = [0.0; 256];
        let mut code = 0;
        while code < 1 << encoding.bits() {
            values[code] = encoding.value(code as u32);
            code += 1;
        }
        Self { encoding, values }
    }

    /// How it is put together.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Number of codes.
    pub(crate) fn codes(&self) -> usize {
        1 << self.encoding.bits()
    }

    /// Value of a code; 0 beyond the last.
    pub(crate) fn value(&self, code: u8) -> f32 {
        self.values[usize::from(code)]
    }

    /// Distance from the value of a code to its neighbours, the larger of the two.
    pub(crate) fn step(&self, code: u8) -> f32 {
        let Encoding {
            mantissa_bits,
            bias,
            ..
        } = self.encoding;
        let (least, greatest) = (self.encoding.least_field(), self.encoding.greatest_field());
        let field = self.encoding.field(u32::from(code)).clamp(least, greatest);
        power_of_two(field as i32 - bias - mantissa_bits as i32)
    }
}

/// 2^exponent, of −149 to 127.
const fn power_of_two(exponent: i32) -> f32 {
    if exponent < -126 {
        f32::from_bits(1 << (exponent + 149))
    } else {
        f32::from_bits(((exponent + 127) as u32) << 23)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, by doubles.
    fn defined(encoding: Encoding, code: u32) -> f64 {
        let mantissa_range = 2u32.pow(encoding.mantissa_bits);
        let fraction = f64::from(code % mantissa_range) / f64::from(mantissa_range);
        let exponent = (code / mantissa_range % 2u32.pow(encoding.exponent_bits)) as i32;
        let sign = if code / mantissa_range / 2u32.pow(encoding.exponent_bits) == 1 {
            -1.0
        } else {
            1.0
        };
        match exponent {
            0 => sign * fraction * 2f64.powi(1 - encoding.bias),
            _ => sign * (1.0 + fraction) * 2f64.powi(exponent - encoding.bias),
        }
    }

    #[test]
    fn every_number_has_the_defined_value_and_step() {
        for float in [&E2M1, &E2M3, &E3M2, &E4M3, &E5M2, &E4M3_FNUZ, &E5M2_FNUZ] {
            let half = (float.codes() / 2) as u8;
            for code in (0..=255u8).take(float.codes()) {
                let value = float.value(code);
                if value.is_finite() {
                    assert_eq!(f64::from(value), defined(float.encoding, code.into()));
                }
                let next = float.value(code.wrapping_add(1));
                if code % half != half - 1 && next.is_finite() && value.is_finite() {
                    assert_eq!(
                        float.step(code),
                        (next - value).abs(),
                        "{code} of {float:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn codes_that_are_no_numbers() {
        let not_finite = |float: &SmallFloat| -> Vec<u8> {
            let codes = (0..=255u8).take(float.codes());
            codes
                .filter(|&code| !float.value(code).is_finite())
                .collect()
        };
        for float in [&E2M1, &E2M3, &E3M2] {
            assert!(not_finite(float).is_empty());
        }
        assert_eq!(not_finite(&E4M3), [0x7F, 0xFF]);
        assert_eq!(not_finite(&E4M3_FNUZ), [0x80]);
        assert_eq!(not_finite(&E5M2_FNUZ), [0x80]);
        assert_eq!(
            not_finite(&E5M2),
            [0x7C, 0x7D, 0x7E, 0x7F, 0xFC, 0xFD, 0xFE, 0xFF]
        );
        assert_eq!(E5M2.value(0xFC), f32::NEG_INFINITY);
        assert!(E5M2.value(0x7D).is_nan());
        assert_eq!((E4M3.value(0x7E), E4M3_FNUZ.value(0x7F)), (448.0, 240.0));
        assert_eq!((E2M3.value(31), E3M2.value(31)), (7.5, 28.0));
    }

    #[test]
    fn a_bare_exponent_is_a_power_of_two_from_end_to_end() {
        assert_eq!(E8M0.value(0), 2f32.powi(-126) / 2.0);
        assert_eq!(E8M0.value(127), 1.0);
        assert_eq!(E8M0.value(254), 2f32.powi(127));
        assert!(E8M0.value(255).is_nan());
    }
}
