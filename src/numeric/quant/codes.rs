//! Number codes of 4 and 8 bits that quantised layouts build their blocks and scales from.

use half::f16;

/// The sixteen values of E2M1, code 8 being −0.
pub const E2M1: [f32; 16] = [
    0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0,
];

/// Value of an E8M0 code, 2^(code − 127); code 255 is NaN (OCP Microscaling 1.0, section 5.4.1).
pub fn e8m0(code: u8) -> f32 {
    match code {
        0xFF => f32::NAN,
        // 2^-127 is a subnormal of f32.
        0 => f32::from_bits(1 << 22),
        code => f32::from_bits(u32::from(code) << 23),
    }
}

/// Value of an E4M3 code of the finite kind with NaN: bias 7, 0x7F and 0xFF are NaN.
pub fn e4m3(code: u8) -> f32 {
    let magnitude = match code & 0x7F {
        0x7F => f32::NAN,
        code @ 0..8 => f32::from(code) * (1.0 / 512.0),
        // Three bits of fraction and four of exponent, rebiased from 7 to 127.
        code => f32::from_bits((u32::from(code) << 20) + (120 << 23)),
    };
    if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// Value of an E5M2 code, IEEE-like with bias 15: the upper byte of a half.
pub fn e5m2(code: u8) -> f32 {
    f16::from_bits(u16::from(code) << 8).to_f32()
}

/// Distance from an E4M3 value to its neighbours, the larger of the two: 2^(exponent − 3).
pub fn e4m3_step(code: u8) -> f32 {
    let exponent = ((code >> 3) & 0xF).max(1);
    f32::from_bits((u32::from(exponent) + 127 - 7 - 3) << 23)
}

/// Distance from an E5M2 value to its neighbours, the larger of the two: 2^(exponent − 2).
pub fn e5m2_step(code: u8) -> f32 {
    let exponent = ((code >> 2) & 0x1F).clamp(1, 30);
    f32::from_bits((u32::from(exponent) + 127 - 15 - 2) << 23)
}

/// For each code of a table the distance to its neighbours, the larger of the two. Equal values
/// share a step.
pub fn table_steps(table: &[f32]) -> Vec<f32> {
    let mut ascending = table.to_vec();
    ascending.sort_by(f32::total_cmp);
    let step = |&value: &f32| {
        let below = ascending
            .iter()
            .rev()
            .find(|&&other| other < value)
            .map_or(0.0, |&other| value - other);
        let above = ascending
            .iter()
            .find(|&&other| other > value)
            .map_or(0.0, |&other| other - value);
        below.max(above)
    };
    table.iter().map(step).collect()
}

/// What the codes of a layout mean: for each of up to 256 codes the value and the distance to its
/// neighbours.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Value of each code.
    pub values: [f32; 256],
    /// Distance to the neighbouring values, the larger of the two; negative for the least and the
    /// greatest value, which also stand for what lies beyond them.
    pub steps: [f32; 256],
}

/// Codes of a table below which no value can be told from one that was clipped: of one bit both are
/// ends.
const FEWEST_WITH_ENDS: usize = 4;

impl Table {
    /// A table whose first `count` codes occur.
    fn from(count: usize, value: impl Fn(u8) -> f32, step: impl Fn(u8) -> f32) -> Box<Self> {
        let each = |f: &dyn Fn(u8) -> f32| std::array::from_fn(|code| f(code as u8));
        let mut table = Box::new(Self {
            values: each(&value),
            steps: each(&step),
        });
        let least = table.values[..count]
            .iter()
            .copied()
            .fold(f32::INFINITY, f32::min);
        let greatest = table.values[..count]
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max);
        if count >= FEWEST_WITH_ENDS {
            let codes = table.values[..count].iter().zip(&mut table.steps);
            codes
                .filter(|(value, _)| **value == least || **value == greatest)
                .for_each(|(_, step)| *step = -*step);
        }
        table
    }

    /// code − `offset`, codes of `bits` bits.
    pub fn unsigned(bits: usize, offset: u8) -> Box<Self> {
        Self::from(
            1 << bits.min(8),
            |code| f32::from(code) - f32::from(offset),
            |_| 1.0,
        )
    }

    /// Signed bytes.
    pub fn signed() -> Box<Self> {
        Self::from(256, |code| f32::from(code.cast_signed()), |_| 1.0)
    }

    /// E4M3, bias 7.
    pub fn e4m3() -> Box<Self> {
        Self::from(256, e4m3, e4m3_step)
    }

    /// E5M2, bias 15.
    pub fn e5m2() -> Box<Self> {
        Self::from(256, e5m2, e5m2_step)
    }

    /// E4M3 of the FNUZ kind: bias 8, code 0x80 is NaN, 0x7F and 0xFF are numbers.
    pub fn e4m3_fnuz() -> Box<Self> {
        let value = |code: u8| match code {
            0x80 => f32::NAN,
            0x7F => 240.0,
            0xFF => -240.0,
            code => e4m3(code) / 2.0,
        };
        Self::from(256, value, |code| e4m3_step(code) / 2.0)
    }

    /// E5M2 of the FNUZ kind: bias 16, code 0x80 is NaN, all others are numbers.
    pub fn e5m2_fnuz() -> Box<Self> {
        let value = |code: u8| {
            let (exponent, fraction) = (i32::from(code >> 2 & 0x1F), f32::from(code & 3) / 4.0);
            let magnitude = match exponent {
                0 => fraction * 2f32.powi(-15),
                _ => (1.0 + fraction) * 2f32.powi(exponent - 16),
            };
            match code {
                0x80 => f32::NAN,
                0x81.. => -magnitude,
                _ => magnitude,
            }
        };
        Self::from(256, value, |code| {
            2f32.powi(i32::from(code >> 2 & 0x1F).max(1) - 16 - 2)
        })
    }

    /// Sixteen or more values given by a list; codes beyond it are 0.
    pub fn listed(list: &[f32]) -> Box<Self> {
        let steps = table_steps(list);
        let at = |of: &[f32], code: u8| of.get(usize::from(code)).copied().unwrap_or(0.0);
        Self::from(
            list.len().min(256),
            |code| at(list, code),
            |code| at(&steps, code),
        )
    }

    /// E2M1.
    pub fn e2m1() -> Box<Self> {
        Self::listed(&E2M1)
    }

    /// E2M3, bias 1.
    pub fn e2m3() -> Box<Self> {
        let value = |code: usize| {
            let fraction = (code & 7) as f32 / 8.0;
            let magnitude = match code >> 3 & 3 {
                0 => fraction,
                exponent => (1.0 + fraction) * 2f32.powi(exponent as i32 - 1),
            };
            if code & 32 == 0 {
                magnitude
            } else {
                -magnitude
            }
        };
        Self::listed(&std::array::from_fn::<f32, 64, _>(value))
    }
}

/// Little-endian half at `at`.
pub(super) fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: ±(m/8)·2^-6 where the exponent is 0, else ±(1 + m/8)·2^(e − 7).
    fn slow_e4m3(code: u8) -> f32 {
        let (exponent, fraction) = (i32::from((code >> 3) & 0xF), f32::from(code & 7) / 8.0);
        let sign = if code & 0x80 == 0 { 1.0 } else { -1.0 };
        if code & 0x7F == 0x7F {
            return f32::NAN;
        }
        sign * if exponent == 0 {
            fraction * 2f32.powi(-6)
        } else {
            (1.0 + fraction) * 2f32.powi(exponent - 7)
        }
    }

    #[test]
    fn every_e4m3_code_has_the_defined_value() {
        for code in 0..=255u8 {
            let (fast, slow) = (e4m3(code), slow_e4m3(code));
            assert!(
                fast == slow || fast.is_nan() && slow.is_nan(),
                "code {code}: {fast} against {slow}"
            );
        }
        assert_eq!(e4m3(0x7E), 448.0);
    }

    #[test]
    fn steps_are_distances_to_the_next_code() {
        for code in 0..0x7Eu8 {
            assert_eq!(e4m3_step(code), e4m3(code + 1) - e4m3(code), "code {code}");
        }
        for code in 0..0x7Bu8 {
            assert_eq!(e5m2_step(code), e5m2(code + 1) - e5m2(code), "code {code}");
        }
        assert_eq!(
            table_steps(&E2M1),
            [
                0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 2.0, 2.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 2.0, 2.0
            ]
        );
    }

    #[test]
    fn e8m0_is_a_power_of_two_from_end_to_end() {
        assert_eq!(e8m0(0), 2f32.powi(-126) / 2.0);
        assert_eq!(e8m0(127), 1.0);
        assert_eq!(e8m0(254), 2f32.powi(127));
        assert!(e8m0(255).is_nan());
    }
}
