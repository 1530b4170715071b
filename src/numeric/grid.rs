//! The numbers that a format can hold, as far as rounding to them goes.

use super::decode::step;
use crate::model::dtype::Dtype;

/// The numbers of a format; of none, where values are not rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid(Option<Dtype>);

impl Grid {
    /// Values that are not rounded.
    pub(crate) const NONE: Self = Self(None);

    /// The numbers of `format`.
    pub(crate) const fn of(format: Dtype) -> Self {
        Self(Some(format))
    }

    /// Distance of neighbouring numbers at `value`; 0 where they have none.
    pub(crate) fn unit(self, value: f32) -> f64 {
        let unit = self.0.map_or(0.0, |format| f64::from(step(format, value)));
        if unit.is_finite() { unit } else { 0.0 }
    }

    /// The nearest number, of two the even one.
    pub(crate) fn rounded(self, value: f64) -> f64 {
        let unit = self.unit(value as f32);
        if unit > 0.0 {
            to_integer(value / unit) * unit
        } else {
            value
        }
    }
}

/// The nearest integer, of two the even one: where integers are neighbours of one another, adding
/// them to a small number rounds it.
fn to_integer(value: f64) -> f64 {
    const NEIGHBOURS: f64 = 1.5 * (1u64 << (f64::MANTISSA_DIGITS - 1)) as f64;
    if value.abs() < (1u64 << (f64::MANTISSA_DIGITS - 2)) as f64 {
        (value + NEIGHBOURS) - NEIGHBOURS
    } else {
        value.round_ties_even()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_formats() {
        for value in [
            1.0,
            0.3,
            -0.571,
            1e-3,
            65.37,
            1.003_906_25,
            2.0f64.powi(-130),
        ] {
            let bf16 = f64::from(half::bf16::from_f64(value));
            assert_eq!(Grid::of(Dtype::Bf16).rounded(value), bf16, "{value}");
            let f16 = f64::from(half::f16::from_f64(value));
            assert_eq!(Grid::of(Dtype::F16).rounded(value), f16, "{value}");
        }
        assert_eq!(Grid::NONE.rounded(0.3), 0.3);
        assert_eq!(Grid::of(Dtype::Bf16).unit(1.0), 2f64.powi(-7));
    }
}
