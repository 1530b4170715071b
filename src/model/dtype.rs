//! Number formats of stored tensors: names, widths, what their codes mean.
//!
//! One entry of [`Dtype`] a dtype; decoding to values lives in `numeric::decode`.

use super::words::words;

words! {
    /// Number format of a stored tensor, named as its file format names it: safetensors 0.8 first,
    /// then the block types of ggml that are no plain number.
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
        /// ggml: blocks of 32, 4 bits, scale.
        Q4_0 = "Q4_0",
        /// ggml: blocks of 32, 4 bits, scale and minimum.
        Q4_1 = "Q4_1",
        /// ggml: blocks of 32, 5 bits, scale.
        Q5_0 = "Q5_0",
        /// ggml: blocks of 32, 5 bits, scale and minimum.
        Q5_1 = "Q5_1",
        /// ggml: blocks of 32, 8 bits, scale.
        Q8_0 = "Q8_0",
        /// ggml: super-blocks of 256, 2 bits.
        Q2K = "Q2_K",
        /// ggml: super-blocks of 256, 3 bits.
        Q3K = "Q3_K",
        /// ggml: super-blocks of 256, 4 bits.
        Q4K = "Q4_K",
        /// ggml: super-blocks of 256, 5 bits.
        Q5K = "Q5_K",
        /// ggml: super-blocks of 256, 6 bits.
        Q6K = "Q6_K",
        /// ggml: blocks of 32, 4-bit codes of a fixed non-linear table.
        Iq4Nl = "IQ4_NL",
        /// ggml: super-blocks of 256, 4-bit codes of a fixed non-linear table.
        Iq4Xs = "IQ4_XS",
        /// ggml: blocks of 32 E2M1 codes with a power-of-two scale.
        Mxfp4 = "MXFP4",
        /// ggml: blocks of 64 E2M1 codes with an E4M3 scale for each 16.
        Nvfp4 = "NVFP4",
        /// ggml: super-blocks of 256, ternary, five to a byte.
        Tq1_0 = "TQ1_0",
        /// ggml: super-blocks of 256, ternary.
        Tq2_0 = "TQ2_0",
        /// ggml: blocks of 128, signs and a scale.
        Q1_0 = "Q1_0",
        /// ggml: super-blocks of 256, 1.6-bit grid codes; compared by bytes only, as all grid
        /// types.
        Iq1S = "IQ1_S",
        /// ggml: super-blocks of 256, 1.75-bit grid codes.
        Iq1M = "IQ1_M",
        /// ggml: super-blocks of 256, 2.06-bit grid codes.
        Iq2Xxs = "IQ2_XXS",
        /// ggml: super-blocks of 256, 2.3-bit grid codes.
        Iq2Xs = "IQ2_XS",
        /// ggml: super-blocks of 256, 2.6-bit grid codes.
        Iq2S = "IQ2_S",
        /// ggml: super-blocks of 256, 3.06-bit grid codes.
        Iq3Xxs = "IQ3_XXS",
        /// ggml: super-blocks of 256, 3.4-bit grid codes.
        Iq3S = "IQ3_S",
        /// ggml: a tensor type of a number that is not known; forks add them at any time.
        Unknown = "unknown",
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
    /// Values that are not decoded: their place inside the bytes is undefined, or needs the tables
    /// of the format.
    Opaque,
    /// Blocks of codes with scales (ggml).
    Block,
}

impl Dtype {
    /// The dtypes of safetensors 0.8.
    pub const SAFETENSORS: &'static [Self] = Self::ALL.split_at(22).0;

    /// The safetensors dtype of that exact, case-sensitive name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::SAFETENSORS
            .iter()
            .copied()
            .find(|dtype| dtype.word() == name)
    }

    /// The smallest run of elements that fills whole bytes: (elements, bytes).
    pub const fn block(self) -> (u64, u64) {
        match self {
            Self::F4 => (2, 1),
            Self::F6E2M3 | Self::F6E3M2 => (4, 3),
            Self::Bool | Self::U8 | Self::I8 | Self::F8E5M2 | Self::F8E4M3 | Self::F8E8M0 => (1, 1),
            Self::F8E4M3Fnuz | Self::F8E5M2Fnuz | Self::Unknown => (1, 1),
            Self::I16 | Self::U16 | Self::F16 | Self::Bf16 => (1, 2),
            Self::I32 | Self::U32 | Self::F32 => (1, 4),
            Self::C64 | Self::F64 | Self::I64 | Self::U64 => (1, 8),
            Self::Q4_0 | Self::Iq4Nl => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Mxfp4 => (32, 17),
            Self::Q2K => (256, 84),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
            Self::Iq4Xs => (256, 136),
            Self::Nvfp4 => (64, 36),
            Self::Q1_0 => (128, 18),
            Self::Tq1_0 => (256, 54),
            Self::Tq2_0 | Self::Iq2Xxs => (256, 66),
            Self::Iq1S => (256, 50),
            Self::Iq1M => (256, 56),
            Self::Iq2Xs => (256, 74),
            Self::Iq2S => (256, 82),
            Self::Iq3Xxs => (256, 98),
            Self::Q3K | Self::Iq3S => (256, 110),
        }
    }

    /// What its values are.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Bool => Kind::Boolean,
            Self::F6E2M3 | Self::F6E3M2 | Self::Iq1S | Self::Iq1M | Self::Unknown => Kind::Opaque,
            Self::Iq2Xxs | Self::Iq2Xs | Self::Iq2S | Self::Iq3Xxs | Self::Iq3S => Kind::Opaque,
            Self::U8
            | Self::I8
            | Self::I16
            | Self::U16
            | Self::I32
            | Self::U32
            | Self::I64
            | Self::U64 => Kind::Integer,
            Self::C64 => Kind::Complex,
            dtype if dtype.block().0 >= 32 => Kind::Block,
            _ => Kind::Float,
        }
    }

    /// Bytes of `elements` elements; `None` where they do not fill whole blocks or the product
    /// overflows.
    pub fn byte_len(self, elements: u64) -> Option<u64> {
        let (block, bytes) = self.block();
        if !elements.is_multiple_of(block) {
            return None;
        }
        (elements / block).checked_mul(bytes)
    }
}

/// Number of elements of a shape; `None` where the product overflows. A shape with a 0 has none,
/// whatever the rest.
pub(crate) fn element_count(shape: &[u64]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1u64, |product, &axis| product.checked_mul(axis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        assert_eq!(Dtype::parse("BF16"), Some(Dtype::Bf16));
        assert_eq!(Dtype::parse("bf16"), None);
        assert_eq!(Dtype::parse("F8_E4M3FN"), None);
        assert_eq!(Dtype::SAFETENSORS.len(), 22);
        assert_eq!(Dtype::SAFETENSORS.last(), Some(&Dtype::U64));
        assert_eq!(Dtype::parse("Q4_0"), None);
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
