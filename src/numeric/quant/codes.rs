//! What the codes of a quantised layout mean: integers, small floats, lists of values.

use half::f16;

use crate::numeric::small_floats::SmallFloat;

/// For each code of a table the distance to its neighbours, the larger of the two. Equal values
/// share a step.
pub(crate) fn table_steps(table: &[f32]) -> Vec<f32> {
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
pub(crate) struct Table {
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
    pub(crate) fn unsigned(bits: usize, offset: u8) -> Box<Self> {
        Self::from(
            1 << bits.min(8),
            |code| f32::from(code) - f32::from(offset),
            |_| 1.0,
        )
    }

    /// Signed bytes.
    pub(crate) fn signed() -> Box<Self> {
        Self::from(256, |code| f32::from(code.cast_signed()), |_| 1.0)
    }

    /// Codes of a small float.
    pub(crate) fn small_float(float: &SmallFloat) -> Box<Self> {
        Self::from(
            float.codes(),
            |code| float.value(code),
            |code| float.step(code),
        )
    }

    /// Sixteen or more values given by a list; codes beyond it are 0.
    pub(crate) fn listed(list: &[f32]) -> Box<Self> {
        let steps = table_steps(list);
        let entry = |entries: &[f32], code: u8| {
            let found = entries.get(usize::from(code));
            found.copied().unwrap_or(0.0)
        };
        Self::from(
            list.len().min(256),
            |code| entry(list, code),
            |code| entry(&steps, code),
        )
    }
}

/// Little-endian half at `at`.
pub(super) fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::small_floats::{E2M1, E2M3};

    #[test]
    fn steps_of_a_small_float_are_those_of_its_list_of_values() {
        for float in [&E2M1, &E2M3] {
            let codes = (0..=255u8).take(float.codes());
            let values: Vec<f32> = codes.map(|code| float.value(code)).collect();
            let (table, listed) = (Table::small_float(float), Table::listed(&values));
            assert_eq!(table.values, listed.values);
            let count = float.codes();
            assert_eq!(table.steps[..count], listed.steps[..count]);
        }
    }
}
