//! Partners by how units stand to partners already known (guide/methods.md, section 8.4).
//!
//! A few pairs, most of them wrong, are enough: a unit is told by its angles with the known units,
//! a partner by its angles with theirs, and each round finds more. Only angles within one model
//! enter, so no order, basis, scale or sign matters. It is a search for the best order and no test:
//! what it finds is weighed by `geometry`, whose limit allows for every order.

use crate::numeric::linalg::products;
use crate::stats::units::{Features, Held};

/// Pairs of partners that units are told by, at most.
const MOST_ANCHORS: usize = 128;

/// Standardised angles are cut here, so that no single one decides.
const CUT: f32 = 4.0;

/// Fewest pairs that a round starts from.
const LEAST: usize = 4;

/// Units of a block: rows of each of its matrices, all of one number of units.
pub(crate) struct Rows<'a> {
    /// Rows of each matrix, shape (units, width), at unit length.
    pub(crate) matrices: &'a [Held],
    /// Matrices whose rows may be negated.
    pub(crate) free_signs: &'a [usize],
}

impl Rows<'_> {
    fn units(&self) -> usize {
        self.matrices.first().map_or(0, Held::units)
    }

    /// Angles of all units with the units `anchors`, each matrix against each of its width,
    /// standardised over the units.
    fn angles(&self, anchors: &[usize]) -> Held {
        let units = self.units();
        let count = anchors.len();
        let mut features: Vec<Vec<f32>> = Vec::new();
        for (one, rows) in self.matrices.iter().enumerate() {
            for (other, known) in self.matrices.iter().enumerate() {
                let width = rows.width();
                if known.width() != width {
                    continue;
                }
                let chosen: Vec<f32> = anchors
                    .iter()
                    .flat_map(|&at| &known.values()[at * width..(at + 1) * width])
                    .copied()
                    .collect();
                let mut cosines = vec![0.0f32; units * count];
                products(rows.values(), &chosen, width, &mut cosines);
                if self.free_signs.contains(&one) || self.free_signs.contains(&other) {
                    cosines.iter_mut().for_each(|x| *x = x.abs());
                }
                standardise(&mut cosines, anchors);
                features.push(cosines);
            }
        }
        let mut joined = Vec::with_capacity(units * count * features.len());
        for unit in 0..units {
            for part in &features {
                joined.extend_from_slice(&part[unit * count..(unit + 1) * count]);
            }
        }
        Held::new(joined, count * features.len())
    }
}

/// Each column less its mean, by its deviation, cut; a unit's angle with itself says nothing.
fn standardise(cosines: &mut [f32], anchors: &[usize]) {
    let count = anchors.len();
    let units = cosines.len() / count.max(1);
    for (column, &own) in anchors.iter().enumerate() {
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        let others = |unit: &usize| *unit != own;
        for unit in (0..units).filter(others) {
            let x = f64::from(cosines[unit * count + column]);
            sum += x;
            squares += x * x;
        }
        let number = units.saturating_sub(1).max(1) as f64;
        let mean = sum / number;
        let deviation = (squares / number - mean * mean).max(0.0).sqrt() + 1e-9;
        for unit in 0..units {
            let x = &mut cosines[unit * count + column];
            *x = match unit == own {
                true => 0.0,
                false => (((f64::from(*x) - mean) / deviation) as f32).clamp(-CUT, CUT),
            };
        }
    }
}

/// Pairs that are nearest to each other both ways, by unit of the base.
pub(crate) fn mutual(base: &Held, target: &Held) -> Vec<(usize, usize)> {
    let width = base.width();
    if width == 0 || target.width() != width {
        return Vec::new();
    }
    let (rows, columns) = (base.units(), target.units());
    let mut cosines = vec![0.0f32; rows * columns];
    products(base.values(), target.values(), width, &mut cosines);
    let mut of_base: Vec<(f32, usize)> = vec![(f32::NEG_INFINITY, 0); rows];
    let mut of_target: Vec<(f32, usize)> = vec![(f32::NEG_INFINITY, 0); columns];
    for (row, cosines) in cosines.chunks_exact(columns.max(1)).enumerate() {
        for (column, &cosine) in cosines.iter().enumerate() {
            if cosine > of_base[row].0 {
                of_base[row] = (cosine, column);
            }
            if cosine > of_target[column].0 {
                of_target[column] = (cosine, row);
            }
        }
    }
    let pairs = of_base
        .iter()
        .enumerate()
        .filter_map(|(row, &(cosine, column))| {
            (cosine > 0.0 && of_target[column].1 == row).then_some((row, column))
        });
    pairs.collect()
}

/// Finds more partners by those known, `rounds` times, or until they stay the same.
///
/// Cost: rounds × units × anchors × width × pairs of matrices, on each side.
pub(crate) fn refine(
    base: &Rows<'_>,
    target: &Rows<'_>,
    mut pairs: Vec<(usize, usize)>,
    rounds: usize,
) -> Vec<(usize, usize)> {
    for _ in 0..rounds {
        if pairs.len() < LEAST {
            break;
        }
        let step = pairs.len().div_ceil(MOST_ANCHORS).max(1);
        let (of_base, of_target): (Vec<usize>, Vec<usize>) =
            pairs.iter().step_by(step).copied().unzip();
        let found = mutual(&base.angles(&of_base), &target.angles(&of_target));
        if found == pairs {
            break;
        }
        pairs = found;
    }
    pairs
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numeric::linalg::{Dense, orthonormal_rows};
    use crate::numeric::rng::Draws;
    use crate::stats::geometry::mutual_geometry;

    const UNITS: usize = 160;
    const WIDTH: usize = 48;

    fn rows(draws: &mut Draws) -> Vec<f32> {
        (0..UNITS * WIDTH).map(|_| draws.normal() as f32).collect()
    }

    /// A block in another basis and another order, with noise.
    fn hidden(matrices: &[Vec<f32>], order: &[usize], noise: f32, draws: &mut Draws) -> Vec<Held> {
        let mut square = Dense::zeros(WIDTH, WIDTH);
        square.values.iter_mut().for_each(|x| *x = draws.normal());
        let turn = orthonormal_rows(&square);
        let turn: Vec<f32> = turn.values.iter().map(|&x| x as f32).collect();
        matrices
            .iter()
            .map(|rows| {
                let noised: Vec<f32> = rows
                    .iter()
                    .map(|x| x + noise * draws.normal() as f32)
                    .collect();
                let moved: Vec<f32> = order
                    .iter()
                    .flat_map(|&at| &noised[at * WIDTH..(at + 1) * WIDTH])
                    .copied()
                    .collect();
                let mut out = vec![0.0; moved.len()];
                products(&moved, &turn, WIDTH, &mut out);
                Held::new(out, WIDTH)
            })
            .collect()
    }

    #[test]
    fn a_few_right_pairs_among_many_wrong_ones_find_all() {
        let mut draws = Draws::new(1, "anchors");
        let matrices = [rows(&mut draws), rows(&mut draws), rows(&mut draws)];
        let order = draws.permutation(UNITS);
        let target = hidden(&matrices, &order, 0.3, &mut draws);
        let base: Vec<Held> = matrices
            .iter()
            .map(|rows| Held::new(rows.clone(), WIDTH))
            .collect();
        let mut start: Vec<(usize, usize)> = (0..8).map(|at| (order[at], at)).collect();
        start.extend((8..40).map(|at| (order[at], (at + 7) % UNITS)));
        start.sort_unstable();
        let [one, other] = [&base, &target].map(|matrices| Rows {
            matrices,
            free_signs: &[1, 2],
        });
        let found = refine(&one, &other, start, 8);
        let right = found.iter().filter(|(unit, at)| order[*at] == *unit);
        assert!(right.count() > 150);
    }

    #[test]
    fn strangers_stay_below_the_limit_of_geometry() {
        for seed in 0..20 {
            let mut draws = Draws::new(seed, "strangers");
            let mut block =
                || -> Vec<Held> { (0..3).map(|_| Held::new(rows(&mut draws), WIDTH)).collect() };
            let (base, target) = (block(), block());
            let [one, other] = [&base, &target].map(|matrices| Rows {
                matrices,
                free_signs: &[1, 2],
            });
            let start: Vec<(usize, usize)> = (0..64).map(|at| (at, at)).collect();
            let found = refine(&one, &other, start, 8);
            let (i, j): (Vec<usize>, Vec<usize>) = found.into_iter().unzip();
            let take = |held: &[Held], units: &[usize]| -> Vec<Held> {
                held.iter()
                    .map(|held| Held::some(held, units).unwrap())
                    .collect()
            };
            let geometry =
                mutual_geometry(&take(&base, &i), &take(&target, &j), &[1, 2], UNITS).unwrap();
            assert!(!geometry.confirms(), "{seed}: {geometry:?}");
        }
    }
}
