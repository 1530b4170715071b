//! Partners by how units stand to partners already known (guide/methods.md, section 8.4).
//!
//! A few pairs, most of them wrong, are enough: a unit is told by its angles with the known units,
//! a partner by its angles with theirs, and each round finds more. Only angles within one model
//! enter, so no order, basis, scale or sign matters. It is a search for the best order and no test:
//! what it finds is weighed by `geometry`, whose limit allows for every order.

use rayon::prelude::*;

use crate::numeric::linalg::products;
use crate::stats::units::{Features, Held};

/// Pairs of partners that units are told by, at most.
const MOST_ANCHORS: usize = 128;

/// Quantiles kept of a unit's angles with the rows of one matrix.
const QUANTILES: usize = 48;

/// Standardised angles are cut here, so that no single one decides.
const CUT: f32 = 4.0;

/// Fewest pairs that a round starts from.
const LEAST: usize = 4;

/// The angles among the units of a block: of every row with every row, of each matrix with each of
/// its width.
pub(crate) struct Angles {
    units: usize,
    pairs: Vec<Pair>,
}

/// The angles of the rows of one matrix with those of one, shape (units, units).
struct Pair {
    of_one_matrix: bool,
    cosines: Vec<f32>,
}

/// A pair as seen from one of its matrices: a unit's angles with the rows of the other.
#[derive(Clone, Copy)]
struct Seen<'a> {
    pair: &'a Pair,
    from_other: bool,
}

impl Seen<'_> {
    /// Shape (units, units), the angles of each unit in its row.
    fn rows(self, units: usize) -> Vec<f32> {
        match self.from_other {
            true => transposed(&self.pair.cosines, units),
            false => self.pair.cosines.clone(),
        }
    }

    /// Shape (units, anchors): the angles of each unit with these.
    fn with(self, anchors: &[usize], units: usize) -> Vec<f32> {
        let angle = |unit: usize, anchor: usize| match self.from_other {
            true => self.pair.cosines[anchor * units + unit],
            false => self.pair.cosines[unit * units + anchor],
        };
        let of_unit = |unit| anchors.iter().map(move |&anchor| angle(unit, anchor));
        (0..units).flat_map(of_unit).collect()
    }
}

impl Angles {
    /// From the rows of each matrix, at unit length, all of one number of units. Those of matrices
    /// in `free_signs` may be negated, so their |cosine| is taken.
    ///
    /// Cost: units² × width × pairs of matrices; memory: units² × pairs of matrices. Uses the current
    /// rayon pool, as all that follows.
    pub(crate) fn new(matrices: &[Held], free_signs: &[usize]) -> Self {
        let units = matrices.first().map_or(0, Held::units);
        let all = 0..matrices.len();
        let chosen = all.flat_map(|one| (one..matrices.len()).map(move |other| (one, other)));
        let chosen: Vec<(usize, usize)> = chosen
            .filter(|(one, other)| matrices[*one].width() == matrices[*other].width())
            .collect();
        let of_two = |(one, other): (usize, usize)| {
            let (rows, with) = (&matrices[one], &matrices[other]);
            let mut cosines = vec![0.0f32; units * units];
            products(rows.values(), with.values(), rows.width(), &mut cosines);
            if free_signs.contains(&one) || free_signs.contains(&other) {
                cosines.iter_mut().for_each(|x| *x = x.abs());
            }
            Pair {
                of_one_matrix: one == other,
                cosines,
            }
        };
        let pairs = chosen.into_par_iter().map(of_two).collect();
        Self { units, pairs }
    }

    /// Each pair from each of its matrices.
    fn seen(&self) -> Vec<Seen<'_>> {
        let from_both = |pair: &'_ Pair| -> &'static [bool] {
            match pair.of_one_matrix {
                true => &[false],
                false => &[false, true],
            }
        };
        let pairs = self.pairs.iter();
        let seen = pairs.flat_map(|pair| {
            let sides = from_both(pair).iter();
            sides.map(move |&from_other| Seen { pair, from_other })
        });
        seen.collect()
    }

    /// What a unit is without any other being known: the quantiles of its angles with each other
    /// matrix, each standardised over the units. Where no two matrices are of one width (a
    /// feed-forward that takes in more than it gives out), those with its own matrix.
    pub(crate) fn sorted(&self) -> Held {
        let count = self.units;
        let are_of_one = self.pairs.iter().all(|pair| pair.of_one_matrix);
        let parts = self.seen().into_par_iter();
        let parts = parts.filter(|seen| are_of_one || !seen.pair.of_one_matrix);
        let parts = parts.map(|seen| {
            let mut sorted = seen.rows(count);
            let rows = sorted.chunks_exact_mut(count.max(1));
            let quantiles = rows.flat_map(|row| {
                sort(row);
                (0..QUANTILES)
                    .map(|at| quantile(row, at))
                    .collect::<Vec<_>>()
            });
            let mut part: Vec<f32> = quantiles.collect();
            standardise(&mut part, QUANTILES, &[]);
            part
        });
        self.joined(parts.collect(), QUANTILES)
    }

    /// Angles of all units with the units `anchors`, standardised over the units.
    fn with(&self, anchors: &[usize]) -> Held {
        let parts = self.seen().into_par_iter().map(|seen| {
            let mut part = seen.with(anchors, self.units);
            standardise(&mut part, anchors.len(), anchors);
            part
        });
        self.joined(parts.collect(), anchors.len())
    }

    /// Parts of shape (units, `width`) side by side.
    fn joined(&self, parts: Vec<Vec<f32>>, width: usize) -> Held {
        let mut joined = Vec::with_capacity(self.units * width * parts.len());
        for unit in 0..self.units {
            for part in &parts {
                joined.extend_from_slice(&part[unit * width..(unit + 1) * width]);
            }
        }
        Held::new(joined, width * parts.len())
    }
}

/// Sorts values as `f32::total_cmp` does, by integers in its order.
fn sort(values: &mut [f32]) {
    let key = |bits: u32| bits as i32 ^ ((bits as i32 >> 31) as u32 >> 1) as i32;
    let mut keys: Vec<i32> = values.iter().map(|value| key(value.to_bits())).collect();
    keys.sort_unstable();
    let sorted = values.iter_mut().zip(keys);
    sorted.for_each(|(value, sorted)| *value = f32::from_bits(key(sorted as u32) as u32));
}

/// A square matrix, row-major, with rows and columns exchanged.
fn transposed(values: &[f32], side: usize) -> Vec<f32> {
    let mut out = vec![0.0f32; values.len()];
    for (at, row) in out.chunks_exact_mut(side.max(1)).enumerate() {
        let column = values.iter().skip(at).step_by(side.max(1));
        row.iter_mut()
            .zip(column)
            .for_each(|(x, &value)| *x = value);
    }
    out
}

/// The value at place `at` of 48 evenly spread over sorted values, between neighbours by their
/// distance.
fn quantile(sorted: &[f32], at: usize) -> f32 {
    let place = at as f32 * (sorted.len() - 1) as f32 / (QUANTILES - 1) as f32;
    let below = (place.floor() as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f32) * (sorted[above] - sorted[below])
}

/// Each of `columns` less its mean over the units, by its deviation, cut. Where the k-th is the
/// angle with the k-th of `anchors`, the unit's angle with itself says nothing.
fn standardise(values: &mut [f32], columns: usize, anchors: &[usize]) {
    let columns = columns.max(1);
    let units = values.len() / columns;
    // Taken out of the sums by being zero in them.
    for (column, &unit) in anchors.iter().enumerate() {
        values[unit * columns + column] = 0.0;
    }
    let (mut sums, mut squares) = (vec![0.0f32; columns], vec![0.0f32; columns]);
    for row in values.chunks_exact(columns) {
        for ((sum, square), &x) in sums.iter_mut().zip(&mut squares).zip(row) {
            *sum += x;
            *square += x * x;
        }
    }
    let number = units
        .saturating_sub(usize::from(!anchors.is_empty()))
        .max(1) as f32;
    let scales: Vec<f32> = sums
        .iter_mut()
        .zip(&squares)
        .map(|(sum, square)| {
            *sum /= number;
            ((square / number - *sum * *sum).max(0.0).sqrt() + 1e-9).recip()
        })
        .collect();
    for row in values.chunks_exact_mut(columns) {
        for ((x, mean), scale) in row.iter_mut().zip(&sums).zip(&scales) {
            *x = ((*x - mean) * scale).clamp(-CUT, CUT);
        }
    }
    for (column, &unit) in anchors.iter().enumerate() {
        values[unit * columns + column] = 0.0;
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
/// Cost: rounds × units² × anchors × pairs of matrices.
pub(crate) fn refine(
    base: &Angles,
    target: &Angles,
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
        let (one, other) = rayon::join(|| base.with(&of_base), || target.with(&of_target));
        let found = mutual(&one, &other);
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
    use crate::stats::geometry::{Geometry, mutual_geometry};

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
        let [one, other] = [&base, &target].map(|rows| Angles::new(rows, &[1, 2]));
        let found = refine(&one, &other, start, 8);
        let right = found.iter().filter(|(unit, at)| order[*at] == *unit);
        assert!(right.count() > 150);
    }

    /// The geometry of what the search finds between two blocks.
    fn searched(base: &[Held], target: &[Held]) -> Geometry {
        let [one, other] = [base, target].map(|rows| Angles::new(rows, &[1, 2]));
        let start = mutual(&one.sorted(), &other.sorted());
        let found = refine(&one, &other, start, 8);
        let (i, j): (Vec<usize>, Vec<usize>) = found.into_iter().take(128).unzip();
        let take = |held: &[Held], units: &[usize]| -> Vec<Held> {
            let some = held.iter().map(|held| Held::some(held, units).unwrap());
            some.collect()
        };
        mutual_geometry(&take(base, &i), &take(target, &j), &[1, 2], UNITS).unwrap()
    }

    #[test]
    fn matrices_of_two_widths_are_told_by_their_own_angles() {
        let mut draws = Draws::new(4, "two widths");
        let mut block = || -> Vec<Held> {
            let widths = [2 * WIDTH, WIDTH].into_iter();
            let matrix = |width: usize| {
                let values = (0..UNITS * width).map(|_| draws.normal() as f32);
                Held::new(values.collect(), width)
            };
            widths.map(matrix).collect()
        };
        let (base, stranger) = (block(), block());
        assert!(searched(&base, &base).confirms());
        assert!(!searched(&base, &stranger).confirms());
    }

    #[test]
    fn strangers_in_few_directions_stay_below_the_limit_of_geometry() {
        for rank in [8, 12, 16] {
            for seed in 0..12 {
                let mut draws = Draws::new(seed, "few directions");
                let mut block = || -> Vec<Held> {
                    let matrix = |draws: &mut Draws| {
                        let values = (0..UNITS * rank).map(|_| draws.normal() as f32);
                        Held::new(values.collect(), rank)
                    };
                    (0..3).map(|_| matrix(&mut draws)).collect()
                };
                let (base, target) = (block(), block());
                let geometry = searched(&base, &target);
                assert!(!geometry.confirms(), "{rank} {seed}: {geometry:?}");
                let itself = searched(&base, &base);
                assert!(itself.confirms(), "{rank} {seed}: {itself:?}");
            }
        }
    }

    #[test]
    fn strangers_stay_below_the_limit_of_geometry() {
        for seed in 0..20 {
            let mut draws = Draws::new(seed, "strangers");
            let mut block =
                || -> Vec<Held> { (0..3).map(|_| Held::new(rows(&mut draws), WIDTH)).collect() };
            let (base, target) = (block(), block());
            let [one, other] = [&base, &target].map(|rows| Angles::new(rows, &[1, 2]));
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
