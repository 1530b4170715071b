//! Number formats of stored tensors: names, widths, what their codes mean.
//!
//! One row of [`TABLE`] a dtype; decoding to values lives in `numeric::decode`.

use super::words::words;

words! {
    /// Number format of a stored tensor, named as safetensors 0.8 names it.
    Dtype {
        /// 8-bit boolean; any byte but 0 is true.
        Bool = "BOOL",
        /// 4-bit float E2M1, two to a byte, low nibble first.
        F4 = "F4",
        /// 6-bit float E2M3; the order of bits in a byte is left open by the format.
        F6E2M3 = "F6_E2M3",
        /// 6-bit float E3M2; the order of bits in a byte is left open by the format.
        F6E3M2 = "F6_E3M2",
        /// Unsigned 8-bit integer.
        U8 = "U8",
        /// Signed 8-bit integer.
        I8 = "I8",
        /// 8-bit float E5M2, IEEE-like.
        F8E5M2 = "F8_E5M2",
        /// 8-bit float E4M3, finite with NaN (the "fn" kind).
        F8E4M3 = "F8_E4M3",
        /// 8-bit power of two, 2^(byte − 127).
        F8E8M0 = "F8_E8M0",
        /// 8-bit float E4M3, bias 8, no negative zero.
        F8E4M3Fnuz = "F8_E4M3FNUZ",
        /// 8-bit float E5M2, bias 16, no negative zero.
        F8E5M2Fnuz = "F8_E5M2FNUZ",
        /// Signed 16-bit integer.
        I16 = "I16",
        /// Unsigned 16-bit integer.
        U16 = "U16",
        /// IEEE half precision.
        F16 = "F16",
        /// Upper half of an IEEE single.
        Bf16 = "BF16",
        /// Signed 32-bit integer.
        I32 = "I32",
        /// Unsigned 32-bit integer.
        U32 = "U32",
        /// IEEE single precision.
        F32 = "F32",
        /// Two IEEE singles, real and imaginary.
        C64 = "C64",
        /// IEEE double precision.
        F64 = "F64",
        /// Signed 64-bit integer.
        I64 = "I64",
        /// Unsigned 64-bit integer.
        U64 = "U64",
    }
}

/// What the values of a dtype are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Real floating-point numbers.
    Float,
    /// Pairs of floating-point numbers.
    Complex,
    /// Integers.
    Integer,
    /// Truth values.
    Boolean,
    /// Values whose order inside the bytes is not defined.
    Opaque,
}

impl Dtype {
    /// The dtype of that exact, case-sensitive name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|dtype| dtype.word() == name)
    }

    /// Bits of one element.
    pub const fn bits(self) -> u64 {
        match self {
            Self::F4 => 4,
            Self::F6E2M3 | Self::F6E3M2 => 6,
            Self::Bool | Self::U8 | Self::I8 | Self::F8E5M2 | Self::F8E4M3 | Self::F8E8M0 => 8,
            Self::F8E4M3Fnuz | Self::F8E5M2Fnuz => 8,
            Self::I16 | Self::U16 | Self::F16 | Self::Bf16 => 16,
            Self::I32 | Self::U32 | Self::F32 => 32,
            Self::C64 | Self::F64 | Self::I64 | Self::U64 => 64,
        }
    }

    /// What its values are.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Bool => Kind::Boolean,
            Self::F6E2M3 | Self::F6E3M2 => Kind::Opaque,
            Self::U8 | Self::I8 | Self::I16 | Self::U16 | Self::I32 | Self::U32 | Self::I64 | Self::U64 => {
                Kind::Integer
            }
            Self::C64 => Kind::Complex,
            _ => Kind::Float,
        }
    }

    /// Bytes of `elements` elements; `None` where they do not fill whole bytes or the product overflows.
    pub fn byte_len(self, elements: u64) -> Option<u64> {
        let bits = elements.checked_mul(self.bits())?;
        (bits % 8 == 0).then_some(bits / 8)
    }
}

/// Number of elements of a shape; `None` where the product overflows. A shape with a 0 has none, whatever the rest.
pub fn element_count(shape: &[u64]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1u64, |product, &axis| product.checked_mul(axis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        assert_eq!(Dtype::parse("BF16"), Some(Dtype::Bf16));
        assert_eq!(Dtype::parse("bf16"), None);
        assert_eq!(Dtype::parse("F8_E4M3FN"), None);
        assert_eq!(Dtype::ALL.len(), 22);
    }

    #[test]
    fn sub_byte_lengths_must_fill_bytes() {
        assert_eq!(Dtype::F4.byte_len(3), None);
        assert_eq!(Dtype::F4.byte_len(8), Some(4));
        assert_eq!(Dtype::F6E2M3.byte_len(4), Some(3));
        assert_eq!(Dtype::F64.byte_len(u64::MAX), None);
    }

    #[test]
    fn a_zero_axis_wins_over_overflow() {
        assert_eq!(element_count(&[1 << 32, 1 << 32, 0]), Some(0));
        assert_eq!(element_count(&[1 << 32, 1 << 32]), None);
        assert_eq!(element_count(&[]), Some(1));
    }
}
