//! Some eigenvalues and eigenvectors of a symmetric tridiagonal matrix: by bisection and inverse
//! iteration, as LAPACK's dstebz and dstein go (Demmel, Applied Numerical Linear Algebra, section
//! 5.3.4).

use super::linalg::Dense;
use super::rng::Draws;
use super::wide::widest;

/// Eigenvalues that are looked for side by side.
const LANES: usize = 8;

/// Halvings of an interval: one more than a double has digits, and some for values near zero.
const HALVINGS: usize = 64;

/// Solutions of inverse iteration. The second is within rounding where values are apart; what is
/// left is for those that are not.
const ITERATIONS: usize = 4;

/// Share of the largest value below which two of them do not tell their vectors apart by
/// themselves.
const CLOSE: f64 = 1e-3;

/// How far from an eigenvector one may be, as a share of the largest value.
const RESIDUAL: f64 = 1e-12;

/// A symmetric tridiagonal matrix of at least one row.
#[derive(Debug, Clone)]
pub(super) struct Tridiagonal {
    /// Its diagonal.
    pub(super) diagonal: Vec<f64>,
    /// What lies beside it, one fewer.
    pub(super) beside: Vec<f64>,
}

impl Tridiagonal {
    fn len(&self) -> usize {
        self.diagonal.len()
    }

    /// Sum of the magnitudes of what stands beside the diagonal in a row.
    fn around(&self, row: usize) -> f64 {
        let before = row.checked_sub(1).map_or(0.0, |at| self.beside[at].abs());
        before + self.beside.get(row).map_or(0.0, |x| x.abs())
    }

    /// The ends of an interval that all eigenvalues lie in (Gershgorin).
    fn bounds(&self) -> (f64, f64) {
        let rows = 0..self.len();
        rows.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), row| {
            let (middle, around) = (self.diagonal[row], self.around(row));
            (low.min(middle - around), high.max(middle + around))
        })
    }

    /// The `count` largest eigenvalues, largest first.
    pub(super) fn largest(&self, count: usize) -> Vec<f64> {
        let (low, high) = self.bounds();
        let squares: Vec<f64> = self.beside.iter().map(|x| x * x).collect();
        let greatest = squares.iter().fold(1.0f64, |most, &x| most.max(x));
        let least_pivot = f64::MIN_POSITIVE * greatest;
        let mut values = Vec::with_capacity(count);
        for first in (0..count).step_by(LANES) {
            // The value of rank r is where r + 1 of them are no smaller.
            let mut ranks = [0; LANES];
            for (lane, rank) in ranks.iter_mut().enumerate() {
                *rank = (first + lane).min(self.len() - 1);
            }
            let (mut lows, mut highs) = ([low; LANES], [high; LANES]);
            for _ in 0..HALVINGS {
                let mut middles = [0.0; LANES];
                for lane in 0..LANES {
                    middles[lane] = 0.5 * (lows[lane] + highs[lane]);
                }
                let below = self.below(&middles, &squares, least_pivot);
                for lane in 0..LANES {
                    let above = self.len() as f64 - below[lane];
                    if above > ranks[lane] as f64 {
                        lows[lane] = middles[lane];
                    } else {
                        highs[lane] = middles[lane];
                    }
                }
            }
            let found = lows.iter().zip(highs).map(|(low, high)| 0.5 * (low + high));
            values.extend(found.take(count - first));
        }
        values
    }

    /// How many eigenvalues are below each of some numbers: negative pivots of what is left when it
    /// is taken off the diagonal (Sylvester). `squares` are those of what lies beside.
    fn below(&self, at: &[f64; LANES], squares: &[f64], least_pivot: f64) -> [f64; LANES] {
        widest(
            #[inline(always)]
            || {
                let (mut count, mut pivots) = ([0.0; LANES], [1.0; LANES]);
                for (row, own) in self.diagonal.iter().enumerate() {
                    let square = if row > 0 { squares[row - 1] } else { 0.0 };
                    for lane in 0..LANES {
                        let pivot = own - at[lane] - square / pivots[lane];
                        let is_none = pivot.abs() < least_pivot;
                        let pivot = if is_none { -least_pivot } else { pivot };
                        count[lane] += if pivot < 0.0 { 1.0 } else { 0.0 };
                        pivots[lane] = pivot;
                    }
                }
                count
            },
        )
    }

    /// Unit eigenvectors of some eigenvalues, which descend, one a row; `None` where one is not
    /// near enough.
    pub(super) fn vectors(&self, values: &[f64]) -> Option<Dense> {
        let n = self.len();
        let (low, high) = self.bounds();
        let scale = low.abs().max(high.abs());
        if scale <= 0.0 {
            return None;
        }
        let mut draws = Draws::new(0, "inverse iteration");
        let mut out = Dense::zeros(0, n);
        let mut shift = f64::INFINITY;
        for (at, &value) in values.iter().enumerate() {
            // Equal ones are set apart by some roundings, so that each has a solution of its own.
            shift = value.min(shift - 10.0 * f64::EPSILON * scale);
            let factors = Factors::new(self, shift, f64::EPSILON * scale);
            let first_close = values.partition_point(|other| *other > value + CLOSE * scale);
            let mut vector: Vec<f64> = (0..n).map(|_| draws.normal()).collect();
            for _ in 0..ITERATIONS {
                factors.solve(&mut vector);
                for _ in 0..2 {
                    normalise(&mut vector)?;
                    for other in first_close..at {
                        take_off(&mut vector, out.row(other));
                    }
                }
                normalise(&mut vector)?;
            }
            if self.off(&vector, value) > RESIDUAL * scale {
                return None;
            }
            out.values.extend(vector);
            out.rows += 1;
        }
        Some(out)
    }

    /// The largest part of T·v − value·v.
    fn off(&self, vector: &[f64], value: f64) -> f64 {
        let part = |row: usize| {
            let before = row
                .checked_sub(1)
                .map_or(0.0, |at| self.beside[at] * vector[at]);
            let behind = self.beside.get(row).map_or(0.0, |x| x * vector[row + 1]);
            (before + behind + (self.diagonal[row] - value) * vector[row]).abs()
        };
        (0..self.len()).map(part).fold(0.0, f64::max)
    }
}

/// Takes off `vector` what it has along a unit vector.
fn take_off(vector: &mut [f64], unit: &[f64]) {
    let along: f64 = vector.iter().zip(unit).map(|(x, y)| x * y).sum();
    vector
        .iter_mut()
        .zip(unit)
        .for_each(|(x, y)| *x -= along * y);
}

/// Makes it of length 1, if it has one.
fn normalise(vector: &mut [f64]) -> Option<()> {
    let largest = vector.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    if !(largest > 0.0 && largest.is_finite()) {
        return None;
    }
    vector.iter_mut().for_each(|x| *x /= largest);
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    Some(())
}

/// T − shift as lower and upper triangle, rows exchanged where the lower pivot is the larger.
struct Factors {
    /// One over each pivot.
    pivots: Vec<f64>,
    /// What the row of a pivot holds one and two places behind it.
    behind: Vec<[f64; 2]>,
    /// What of it is taken off the row below, and whether the two were exchanged first.
    taken: Vec<(f64, bool)>,
}

impl Factors {
    /// A pivot is at least `least`.
    fn new(matrix: &Tridiagonal, shift: f64, least: f64) -> Self {
        let n = matrix.len();
        let mut out = Self {
            pivots: Vec::with_capacity(n),
            behind: Vec::with_capacity(n),
            taken: Vec::with_capacity(n),
        };
        let at_least = |pivot: f64| match pivot.abs() < least {
            true => least.copysign(pivot),
            false => pivot,
        };
        let mut row = [
            matrix.diagonal[0] - shift,
            matrix.beside.first().copied().unwrap_or(0.0),
        ];
        for at in 0..n - 1 {
            let below = matrix.beside[at];
            let next = [
                matrix.diagonal[at + 1] - shift,
                matrix.beside.get(at + 1).copied().unwrap_or(0.0),
            ];
            if below.abs() > row[0].abs() {
                let factor = row[0] / below;
                out.pivots.push(1.0 / at_least(below));
                out.behind.push(next);
                out.taken.push((factor, true));
                row = [row[1] - factor * next[0], -factor * next[1]];
            } else {
                let pivot = at_least(row[0]);
                let factor = below / pivot;
                out.pivots.push(1.0 / pivot);
                out.behind.push([row[1], 0.0]);
                out.taken.push((factor, false));
                row = [next[0] - factor * row[1], next[1]];
            }
        }
        out.pivots.push(1.0 / at_least(row[0]));
        out.behind.push([0.0; 2]);
        out
    }

    /// The solution, up to its length: what it grows by is what inverse iteration asks for.
    fn solve(&self, vector: &mut [f64]) {
        for (at, &(factor, is_exchanged)) in self.taken.iter().enumerate() {
            if is_exchanged {
                vector.swap(at, at + 1);
            }
            vector[at + 1] -= factor * vector[at];
        }
        let [mut next, mut after] = [0.0; 2];
        for at in (0..vector.len()).rev() {
            let [beside, behind] = self.behind[at];
            let value = (vector[at] - beside * next - behind * after) * self.pivots[at];
            vector[at] = value;
            (after, next) = (next, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// −1, 2, −1: the values are 2 − 2·cos(kπ / (n + 1)), the vectors sines.
    fn second_differences(n: usize) -> Tridiagonal {
        Tridiagonal {
            diagonal: vec![2.0; n],
            beside: vec![-1.0; n - 1],
        }
    }

    #[test]
    fn values_and_vectors_of_second_differences_are_those_of_sines() {
        for n in [1, 2, 5, 64, 300] {
            let matrix = second_differences(n);
            let values = matrix.largest(n.min(20));
            let vectors = matrix.vectors(&values).unwrap();
            let unit = std::f64::consts::PI / (n + 1) as f64;
            for (i, value) in values.iter().enumerate() {
                let angle = (n - i) as f64 * unit;
                assert!((value - (2.0 - 2.0 * angle.cos())).abs() < 1e-14);
                let sines: Vec<f64> = (1..=n).map(|t| (t as f64 * angle).sin()).collect();
                let length = ((n + 1) as f64 / 2.0).sqrt();
                let along: f64 = vectors.row(i).iter().zip(&sines).map(|(x, y)| x * y).sum();
                assert!((along.abs() / length - 1.0).abs() < 1e-12, "{n} {i}");
            }
        }
    }

    #[test]
    fn equal_values_in_separate_blocks_have_vectors_of_their_own() {
        let mut matrix = second_differences(60);
        for at in [19, 39] {
            matrix.beside[at] = 0.0;
        }
        let values = matrix.largest(9);
        let vectors = matrix.vectors(&values).unwrap();
        for three in values.chunks(3) {
            assert!((three[0] - three[2]).abs() < 1e-14);
        }
        for i in 0..9 {
            for j in 0..9 {
                let pairs = vectors.row(i).iter().zip(vectors.row(j));
                let along: f64 = pairs.map(|(x, y)| x * y).sum();
                assert!((along - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}
