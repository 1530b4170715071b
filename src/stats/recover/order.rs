//! The order and the signs of the residual dimensions, from the embeddings over shared tokens.

use super::{Pair, Tokens};
use crate::error::Result;
use crate::numeric::linalg::{Dense, products, round6};
use crate::numeric::rows::RowSource;
use crate::stats::assignment::assign;

/// Tokens to recover from. A dimension is known by its values over tokens: over 1,024 of them the
/// best of 8,192 unrelated dimensions correlates with 0.13, far below what any copy does.
const TOKENS: usize = 1024;

/// Dimensions that are assigned at once; of more, those that choose each other go first.
const AT_ONCE: usize = 1024;

/// Columns of the base whose correlations with all of the target are held at one time.
const TILE: usize = 256;

/// A re-ordering of the residual dimensions with signs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// One pair a dimension, by index in the target.
    pub pairs: Vec<Pair>,
    /// Mean over the dimensions of the correlation over tokens held out, signs undone; 6 digits.
    /// Without any relation 0, of independent models on like text up to about 0.3, of a copy near
    /// 1.
    pub agreement: f64,
    /// Pairs with a sign or a place of their own: dimensions that are not simply where they were.
    pub moved: usize,
}

/// The order and signs of the target's dimensions, from embeddings of shape (shared tokens, d)
/// whose rows are the same tokens in the same order.
///
/// The pairs maximise the sum of absolute correlations over the tokens; of more than 1,024
/// dimensions, those that are each other's best match are paired first, round by round, so that
/// memory stays at 256 x d correlations. `None` where the widths differ, with fewer than 16 tokens,
/// or with a value that is not finite.
///
/// # Errors
/// When rows cannot be read.
pub(crate) fn recover_order(
    base: &dyn RowSource,
    target: &dyn RowSource,
    seed: u64,
) -> Result<Option<Order>> {
    if base.columns() != target.columns() || base.columns() == 0 {
        return Ok(None);
    }
    let Some(tokens) = Tokens::draw([base, target], TOKENS, seed)? else {
        return Ok(None);
    };
    let [left, right] = unit_columns(&tokens)?;
    let mut open = Open {
        left,
        right,
        rows: Vec::new(),
        columns: Vec::new(),
    };
    open.rows = (0..base.columns()).collect();
    open.columns = open.rows.clone();
    let mut pairs = Vec::new();
    while open.rows.len() > AT_ONCE {
        let found = open.mutual();
        // The largest correlation of all is mutual, unless values were not finite.
        if found.is_empty() {
            break;
        }
        open.close(&found);
        pairs.extend(found);
    }
    if open.rows.len() <= AT_ONCE {
        pairs.extend(open.assigned());
    }
    pairs.sort_unstable_by_key(|pair| pair.target);

    let agreement = agreement(&tokens, &pairs)?;
    let moved = pairs
        .iter()
        .filter(|pair| pair.base != pair.target || pair.negated)
        .count();
    Ok(Some(Order {
        pairs,
        agreement: round6(agreement),
        moved,
    }))
}

/// The columns over the fitted tokens as rows of length 1, in single precision; zero where a column
/// is constant.
fn unit_columns(tokens: &Tokens) -> Result<[Vec<f32>; 2]> {
    let length = tokens.fitted.len();
    let mut columns = tokens
        .sources
        .map(|source| vec![0.0f32; source.columns() * length]);
    tokens.each(&tokens.fitted, |first, sides| {
        for (columns, side) in columns.iter_mut().zip(sides) {
            for i in 0..side.rows {
                for (column, &value) in columns.chunks_mut(length).zip(side.row(i)) {
                    column[first + i] = value as f32;
                }
            }
        }
    })?;
    for column in columns.iter_mut().flat_map(|side| side.chunks_mut(length)) {
        let norm = column
            .iter()
            .map(|&v| f64::from(v).powi(2))
            .sum::<f64>()
            .sqrt();
        let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        column
            .iter_mut()
            .for_each(|v| *v = (f64::from(*v) * factor) as f32);
    }
    Ok(columns)
}

/// Mean correlation of the pairs over the tokens held out; 0 for a pair with a constant side.
fn agreement(tokens: &Tokens, pairs: &[Pair]) -> Result<f64> {
    let mut sums = vec![[0.0; 3]; pairs.len()];
    tokens.each(&tokens.held_out, |_, [base, target]| {
        for i in 0..base.rows {
            for (sum, pair) in sums.iter_mut().zip(pairs) {
                let (a, b) = (
                    pair.sign() * base.row(i)[pair.base],
                    target.row(i)[pair.target],
                );
                sum[0] += a * b;
                sum[1] += a * a;
                sum[2] += b * b;
            }
        }
    })?;
    let correlation = |[product, a, b]: &[f64; 3]| {
        let norms = (a * b).sqrt();
        if norms > 0.0 && norms.is_finite() {
            product / norms
        } else {
            0.0
        }
    };
    Ok(sums.iter().map(correlation).sum::<f64>() / pairs.len().max(1) as f64)
}

/// Dimensions without a partner yet, their numbers and their values over the tokens.
struct Open {
    left: Vec<f32>,
    right: Vec<f32>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Open {
    /// Calls `visit` with row, column (places among those open) and correlation.
    fn each(&self, mut visit: impl FnMut(usize, usize, f32)) {
        let length = self.left.len() / self.rows.len();
        let mut out = vec![0.0f32; TILE * self.columns.len()];
        for (tile, rows) in self.left.chunks(TILE * length).enumerate() {
            let out = &mut out[..rows.len() / length * self.columns.len()];
            products(rows, &self.right, length, out);
            for (i, line) in out.chunks(self.columns.len()).enumerate() {
                line.iter()
                    .enumerate()
                    .for_each(|(j, &value)| visit(tile * TILE + i, j, value));
            }
        }
    }

    fn pair(&self, row: usize, column: usize, correlation: f32) -> Pair {
        Pair {
            base: self.rows[row],
            target: self.columns[column],
            negated: correlation < 0.0,
        }
    }

    /// The pairs that are each other's best match by absolute correlation; of equals the first is
    /// best.
    fn mutual(&self) -> Vec<Pair> {
        let mut by_row = vec![(0usize, 0.0f32); self.rows.len()];
        let mut by_column = vec![(0usize, 0.0f32); self.columns.len()];
        self.each(|i, j, value| {
            if value.abs() > by_row[i].1.abs() {
                by_row[i] = (j, value);
            }
            if value.abs() > by_column[j].1.abs() {
                by_column[j] = (i, value);
            }
        });
        let best = by_row
            .iter()
            .enumerate()
            .filter(|(i, (j, value))| *value != 0.0 && by_column[*j].0 == *i);
        best.map(|(i, &(j, value))| self.pair(i, j, value))
            .collect()
    }

    /// The best assignment of all that are open.
    fn assigned(&self) -> Vec<Pair> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let mut correlations = Dense::zeros(self.rows.len(), self.columns.len());
        self.each(|i, j, value| correlations.row_mut(i)[j] = f64::from(value));
        let mut strengths = correlations.clone();
        strengths.values.iter_mut().for_each(|v| *v = v.abs());
        let columns = assign(&strengths).into_iter().enumerate();
        columns
            .filter_map(|(i, j)| j.map(|j| self.pair(i, j, correlations.row(i)[j] as f32)))
            .collect()
    }

    /// Takes the dimensions of `pairs` out.
    fn close(&mut self, pairs: &[Pair]) {
        let length = self.left.len() / self.rows.len();
        let keep = |numbers: &mut Vec<usize>, values: &mut Vec<f32>, taken: Vec<usize>| {
            let kept: Vec<usize> = (0..numbers.len())
                .filter(|&i| taken.binary_search(&numbers[i]).is_err())
                .collect();
            *values = kept
                .iter()
                .flat_map(|&i| values[i * length..(i + 1) * length].iter().copied())
                .collect();
            *numbers = kept.iter().map(|&i| numbers[i]).collect();
        };
        let sorted = |of: fn(&Pair) -> usize| {
            let mut out: Vec<usize> = pairs.iter().map(of).collect();
            out.sort_unstable();
            out
        };
        keep(&mut self.rows, &mut self.left, sorted(|pair| pair.base));
        keep(
            &mut self.columns,
            &mut self.right,
            sorted(|pair| pair.target),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut draws = Draws::new(seed, "embeddings");
        Matrix {
            rows,
            columns,
            values: (0..rows * columns).map(|_| draws.normal() as f32).collect(),
        }
    }

    /// A copy with its columns in another order, some of them negated, under noise; and the truth.
    fn disguised(base: &Matrix, noise: f32, seed: u64) -> (Matrix, Vec<Pair>) {
        let mut draws = Draws::new(seed, "disguise");
        let order = draws.permutation(base.columns);
        let truth: Vec<Pair> = (0..base.columns)
            .map(|target| Pair {
                base: order[target],
                target,
                negated: draws.below(2) == 1,
            })
            .collect();
        let mut out = random(base.rows, base.columns, seed + 1);
        for i in 0..base.rows {
            for pair in &truth {
                let value = base.values[i * base.columns + pair.base] * pair.sign() as f32;
                let place = i * base.columns + pair.target;
                out.values[place] = value + noise * out.values[place];
            }
        }
        (out, truth)
    }

    #[test]
    fn a_planted_order_with_signs_is_recovered_through_noise() {
        for noise in [0.0, 0.3, 1.0] {
            let base = random(400, 96, 1);
            let (target, truth) = disguised(&base, noise, 2);
            let found = recover_order(&base, &target, 0).unwrap().unwrap();
            assert_eq!(found.pairs, truth, "noise {noise}");
            assert!(
                (found.agreement - 1.0 / f64::from(1.0 + noise * noise).sqrt()).abs() < 0.03,
                "{}",
                found.agreement
            );
            assert!(found.moved > 90);
        }
    }

    #[test]
    fn more_dimensions_than_are_assigned_at_once_are_recovered_too() {
        let base = random(260, AT_ONCE + 180, 3);
        let (target, truth) = disguised(&base, 0.5, 4);
        let found = recover_order(&base, &target, 0).unwrap().unwrap();
        assert_eq!(found.pairs, truth);
    }

    #[test]
    fn without_a_copy_every_dimension_still_has_one_partner() {
        let (base, target) = (random(40, AT_ONCE + 60, 5), random(40, AT_ONCE + 60, 6));
        let found = recover_order(&base, &target, 0).unwrap().unwrap();
        let mut taken: Vec<usize> = found.pairs.iter().map(|pair| pair.base).collect();
        taken.sort_unstable();
        assert_eq!(taken, (0..AT_ONCE + 60).collect::<Vec<_>>());
        assert!(
            found
                .pairs
                .iter()
                .enumerate()
                .all(|(j, pair)| pair.target == j)
        );
    }

    #[test]
    fn independent_embeddings_agree_by_chance_only() {
        for seed in 0..20 {
            let found = recover_order(
                &random(300, 64, 10 + seed),
                &random(300, 64, 50 + seed),
                seed,
            )
            .unwrap()
            .unwrap();
            assert!(found.agreement.abs() < 0.06, "{}", found.agreement);
        }
    }

    #[test]
    fn an_unmoved_copy_has_nothing_moved_and_dead_dimensions_do_no_harm() {
        let mut base = random(100, 20, 7);
        (0..100).for_each(|i| base.values[i * 20 + 3] = 0.5);
        let found = recover_order(&base, &base, 0).unwrap().unwrap();
        assert_eq!((found.moved, found.agreement), (0, 0.95));
    }

    #[test]
    fn what_cannot_be_matched_gives_none() {
        let base = random(100, 20, 8);
        assert!(
            recover_order(&base, &random(100, 21, 9), 0)
                .unwrap()
                .is_none()
        );
        assert!(
            recover_order(&random(15, 20, 9), &base, 0)
                .unwrap()
                .is_none()
        );
        assert!(
            recover_order(&random(100, 0, 9), &random(100, 0, 9), 0)
                .unwrap()
                .is_none()
        );
        let mut broken = base.clone();
        broken.values.fill(f32::INFINITY);
        assert!(recover_order(&base, &broken, 0).unwrap().is_none());
    }
}
