//! Do the values of a matrix lie on a grid of few levels, as those of codes that were written out
//! do? (guide/methods.md, section 9)

use std::collections::BTreeSet;

use crate::model::warning::Among;

/// Most levels of codes of 4 bits, which have a scale for a few neighbours.
const LEVELS_OF_NEIGHBOURS: usize = 16;

/// Most levels of codes of 8 bits, which have one for a row at least.
const LEVELS_OF_ROW: usize = 256;

/// Neighbours among which levels are counted: quantisers have groups of 16 and more, most of 32 and
/// more.
const NEIGHBOURS: usize = 32;

/// Shortest row in which so many levels as 8 bits have are few.
const LONG_ROW: usize = 1024;

/// Values other than zero that are needed.
pub(crate) const LEAST_VALUES: usize = 512;

/// Different values other than zero, as a share of all of them, up to which they are few. Of 32
/// values that fall on 16 levels by a bell curve 0.4 are different, of any others nearly all, in 16
/// bits too; what pruning left of a row has few values, and as many different ones.
const FEW: f64 = 0.7;

/// A grid of few levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Most levels among these values.
    pub(crate) levels: usize,
    /// The most values of which that holds.
    pub(crate) among: Among,
}

/// Looks at rows of a matrix, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    of_neighbours: Scope,
    of_rows: Scope,
    all: BTreeSet<u32>,
    sorted: Vec<u32>,
}

/// What stretches of one length hold.
#[derive(Debug, Default)]
struct Scope {
    most: usize,
    values: usize,
    different: usize,
    /// Stretches, and those that hold one value alone.
    stretches: usize,
    constant: usize,
}

/// A value as one of the levels: 0 and −0 are one.
fn level(value: &f32) -> u32 {
    (value + 0.0).to_bits()
}

impl Scope {
    /// Adds a stretch; `sorted` is room for its levels.
    fn add(&mut self, values: &[f32], sorted: &mut Vec<u32>) {
        sorted.clear();
        sorted.extend(values.iter().map(level));
        sorted.sort_unstable();
        sorted.dedup();
        self.most = self.most.max(sorted.len());
        self.values += values.iter().filter(|value| **value != 0.0).count();
        self.different += sorted.len() - usize::from(sorted.first() == Some(&0));
        self.stretches += 1;
        self.constant += usize::from(sorted.len() < 2);
    }

    fn is_few(&self, most: usize) -> bool {
        self.most <= most
            && self.values >= LEAST_VALUES
            && self.different as f64 <= FEW * self.values as f64
            && 2 * self.constant <= self.stretches
    }
}

impl Looked {
    /// Adds a row; `false` where no row that follows can make its levels few.
    pub(crate) fn add(&mut self, row: &[f32]) -> bool {
        let sorted = &mut self.sorted;
        // A stretch with too many levels decides: how many the others have does not matter.
        for run in row.chunks_exact(NEIGHBOURS) {
            if self.of_neighbours.most <= LEVELS_OF_NEIGHBOURS {
                self.of_neighbours.add(run, sorted);
            }
        }
        let may_be_four_bits = self.of_neighbours.most <= LEVELS_OF_NEIGHBOURS;
        if may_be_four_bits || row.len() >= LONG_ROW {
            self.of_rows.add(row, sorted);
        }
        let may_be_eight_bits = row.len() >= LONG_ROW && self.of_rows.most <= LEVELS_OF_ROW;
        let is_open = may_be_four_bits || may_be_eight_bits;
        if is_open && self.all.len() <= LEVELS_OF_ROW {
            self.all.extend(row.iter().map(level));
        }
        is_open
    }

    /// The grid, if there is one.
    pub(crate) fn grid(&self) -> Option<Grid> {
        let four_bits = self.of_neighbours.is_few(LEVELS_OF_NEIGHBOURS);
        let limit = match four_bits {
            true => LEVELS_OF_NEIGHBOURS,
            false if self.of_rows.is_few(LEVELS_OF_ROW) => LEVELS_OF_ROW,
            false => return None,
        };
        let grid = |levels, among| Some(Grid { levels, among });
        if self.all.len() <= limit {
            grid(self.all.len(), Among::Matrix)
        } else if self.of_rows.most <= limit {
            grid(self.of_rows.most, Among::Row)
        } else {
            grid(self.of_neighbours.most, Among::Neighbours)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    const COLUMNS: usize = 2048;

    fn rows(value: impl Fn(&mut Draws) -> f64) -> Vec<Vec<f32>> {
        let mut draws = Draws::new(7, "few levels");
        let row = |_| (0..COLUMNS).map(|_| value(&mut draws) as f32).collect();
        (0..16).map(row).collect()
    }

    /// Each group of values rounded to 2^`bits` levels between its ends.
    fn on_grid(mut rows: Vec<Vec<f32>>, group: usize, bits: i32) -> Vec<Vec<f32>> {
        for values in rows.iter_mut().flat_map(|row| row.chunks_mut(group)) {
            let most = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let step = most / (2f32.powi(bits - 1) - 1.0);
            values
                .iter_mut()
                .for_each(|x| *x = (*x / step).round() * step);
        }
        rows
    }

    fn look(rows: &[Vec<f32>]) -> Option<Grid> {
        let mut looked = Looked::default();
        let is_open = rows.iter().all(|row| looked.add(row));
        is_open.then(|| looked.grid()).flatten()
    }

    fn bf16(value: f64) -> f64 {
        f64::from(f32::from_bits((value as f32).to_bits() & 0xffff_0000))
    }

    #[test]
    fn codes_that_were_written_out_are_seen_with_what_shares_a_scale() {
        let normal = || rows(|draws| 0.02 * draws.normal());
        for (group, among) in [
            (32, Among::Neighbours),
            (128, Among::Neighbours),
            (COLUMNS, Among::Row),
        ] {
            let grid = look(&on_grid(normal(), group, 4)).unwrap();
            assert_eq!(grid.among, among, "{group}");
            assert!((8..=15).contains(&grid.levels), "{grid:?}");
        }
        let of_tensor = rows(|draws| (draws.normal() / 0.4).round().clamp(-8.0, 7.0) * 0.013);
        let grid = look(&of_tensor).unwrap();
        assert_eq!((grid.levels, grid.among), (16, Among::Matrix));
        let eight_bits = look(&on_grid(normal(), COLUMNS, 8)).unwrap();
        assert_eq!(eight_bits.among, Among::Row);
        assert!((100..=255).contains(&eight_bits.levels), "{eight_bits:?}");
        let ternary = look(&rows(|draws| {
            draws.normal().round().clamp(-1.0, 1.0) * 0.07
        }))
        .unwrap();
        assert_eq!((ternary.levels, ternary.among), (3, Among::Matrix));
    }

    #[test]
    fn weights_pruned_weights_and_constants_lie_on_none() {
        assert_eq!(look(&rows(|draws| bf16(0.02 * draws.normal()))), None);
        assert_eq!(look(&rows(|draws| bf16(0.02 * draws.unit()))), None);
        let pruned = rows(|draws| {
            let kept = f64::from(u8::from(draws.unit() < 0.3));
            bf16(kept * draws.normal())
        });
        assert_eq!(look(&pruned), None);
        assert_eq!(look(&rows(|_| 0.5)), None);
        let one_value_a_row: Vec<Vec<f32>> = rows(Draws::normal)
            .into_iter()
            .map(|row| vec![row[0]; COLUMNS])
            .collect();
        assert_eq!(look(&one_value_a_row), None);
        let identity = (0..16).map(|i| (0..COLUMNS).map(|j| f32::from(u8::from(i == j))).collect());
        assert_eq!(look(&identity.collect::<Vec<_>>()), None);
    }
}
