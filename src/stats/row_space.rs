//! Heads mixed in place: the row spaces of attention matrices (guide/methods.md, section 8.7).
//!
//! q and k of a head may be rotated and scaled together, v and o multiplied by an inverse pair: the
//! model computes the same, and no row is what it was. The space that the rows of a group span stays
//! as it was, and so does its overlap with another model's.

use crate::error::Result;
use crate::numeric::linalg::{Dense, orthonormal_rows};
use crate::numeric::rows::RowSource;
use crate::stats::assignment::assign;

/// Deviations of the controls by which an overlap must lie above their mean.
const DEVIATIONS: f64 = 6.0;

/// And by how much.
const LEAST_ABOVE: f64 = 0.1;

/// Controls from which a deviation is taken.
const LEAST_CONTROLS: usize = 3;

/// The space that some rows span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowSpace {
    /// Orthonormal vectors, one a row, shape (rank, width).
    basis: Dense,
    /// ‖basis·1‖², how far the all-ones direction lies in it.
    along_ones: f64,
}

impl RowSpace {
    /// The space of `rows`; none where all are zero, a value is not finite, or they span the whole
    /// width, which says nothing.
    pub(crate) fn of(rows: &Dense) -> Option<Self> {
        if rows.columns == 0 || !rows.values.iter().all(|x| x.is_finite()) {
            return None;
        }
        let basis = orthonormal_rows(rows);
        if basis.rows == 0 || basis.rows >= basis.columns {
            return None;
        }
        let along_ones = (0..basis.rows)
            .map(|at| basis.row(at).iter().sum::<f64>().powi(2))
            .sum();
        Some(Self { basis, along_ones })
    }

    /// Its dimension.
    pub(crate) fn rank(&self) -> usize {
        self.basis.rows
    }

    /// Dimensions of the space that it lies in.
    pub(crate) fn width(&self) -> usize {
        self.basis.columns
    }
}

/// The row spaces of groups of `rows_per_group` neighbouring rows: KV groups of k and v, heads of
/// q, heads of o with a column a row. None for a group as [`RowSpace::of`] says.
///
/// # Errors
/// When rows cannot be read.
pub(crate) fn group_spaces(
    source: &dyn RowSource,
    rows_per_group: usize,
) -> Result<Vec<Option<RowSpace>>> {
    let width = source.columns();
    if rows_per_group == 0 || width == 0 || !source.rows().is_multiple_of(rows_per_group) {
        return Ok(Vec::new());
    }
    let mut values = vec![0.0f32; rows_per_group * width];
    (0..source.rows() / rows_per_group)
        .map(|group| {
            let first = group * rows_per_group;
            source.read_rows(first..first + rows_per_group, &mut values)?;
            let rows = Dense {
                rows: rows_per_group,
                columns: width,
                values: values.iter().map(|&x| f64::from(x)).collect(),
            };
            Ok(RowSpace::of(&rows))
        })
        .collect()
}

/// How far two row spaces are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpaceOverlap {
    /// ‖V_A·V_Bᵀ‖²_F over the smaller dimension, 0 to 1.
    pub(crate) overlap: f64,
    /// Its exact mean over all orders of the coordinates of one side.
    pub(crate) expected: f64,
    /// Its deviation over random rotations.
    pub(crate) deviation: f64,
}

impl SpaceOverlap {
    /// Of two spaces in the same coordinates; none where their widths differ.
    pub(crate) fn of(base: &RowSpace, target: &RowSpace) -> Option<Self> {
        if base.width() != target.width() || base.width() < 3 {
            return None;
        }
        let d = base.width() as f64;
        let (a, b) = (base.rank() as f64, target.rank() as f64);
        let smaller = a.min(b);
        let common = base.basis.times_transposed(&target.basis).energy();
        // A random order keeps the diagonal of a projection's Gram and spreads the rest evenly.
        let mean = a * b / d + (base.along_ones - a) * (target.along_ones - b) / (d * (d - 1.0));
        // Variance of tr(P·Q) over random rotations of two projections of ranks a and b.
        let variance = 2.0 * a * b * (d - a) * (d - b) / (d * d * (d - 1.0).max(1.0) * (d + 2.0));
        Some(Self {
            overlap: (common / smaller).clamp(0.0, 1.0),
            expected: (mean / smaller).clamp(0.0, 1.0),
            deviation: variance.sqrt() / smaller,
        })
    }
}

/// Groups of two layers, matched by what they span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MatchedGroups {
    /// Pairs (group of the base, group of the target).
    pub(crate) groups: Vec<(usize, usize)>,
    /// Of each matrix the mean over the pairs.
    pub(crate) means: Vec<SpaceOverlap>,
}

/// Matches the groups of one layer of each side by all of their matrices together (k and v, say),
/// each group with one other, such that the overlaps sum up to most. `base` and `target` have of
/// each matrix the spaces of all groups. Groups that have no space in some matrix stay out.
/// None where nothing can be matched.
///
/// The match itself lifts the means, so controls must be matched in the same way.
///
/// # Panics
/// When the numbers of matrices differ.
pub(crate) fn match_groups(
    base: &[Vec<Option<RowSpace>>],
    target: &[Vec<Option<RowSpace>>],
) -> Option<MatchedGroups> {
    assert_eq!(base.len(), target.len(), "the same matrices on both sides");
    let groups = |side: &[Vec<Option<RowSpace>>]| side.iter().map(Vec::len).min().unwrap_or(0);
    let (of_base, of_target) = (groups(base), groups(target));
    let overlaps = |one: usize, other: usize| -> Option<Vec<SpaceOverlap>> {
        let sides = base.iter().zip(target);
        sides
            .map(|(base, target)| SpaceOverlap::of(base[one].as_ref()?, target[other].as_ref()?))
            .collect()
    };
    let mut similarity = Dense::zeros(of_base, of_target);
    let mut all = vec![None; of_base * of_target];
    for one in 0..of_base {
        for other in 0..of_target {
            let found = overlaps(one, other);
            let sum = found
                .as_ref()
                .map_or(-100.0, |found| found.iter().map(|o| o.overlap).sum());
            similarity.row_mut(one)[other] = sum;
            all[one * of_target + other] = found;
        }
    }
    let chosen: Vec<(usize, usize)> = assign(&similarity)
        .into_iter()
        .enumerate()
        .filter_map(|(one, other)| Some((one, other?)))
        .filter(|(one, other)| all[one * of_target + other].is_some())
        .collect();
    if chosen.is_empty() {
        return None;
    }
    let count = chosen.len() as f64;
    let means = (0..base.len()).map(|matrix| {
        let mean = |value: &dyn Fn(&SpaceOverlap) -> f64| {
            let of_pairs = chosen.iter().filter_map(|(one, other)| {
                all[one * of_target + other]
                    .as_ref()
                    .map(|found| value(&found[matrix]))
            });
            of_pairs.sum::<f64>() / count
        };
        SpaceOverlap {
            overlap: mean(&|o| o.overlap),
            expected: mean(&|o| o.expected),
            deviation: mean(&|o| o.deviation),
        }
    });
    let means = means.collect();
    Some(MatchedGroups {
        groups: chosen,
        means,
    })
}

/// An overlap against what pairs of layers gave that have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contrast {
    /// The overlap.
    pub(crate) own: f64,
    /// Controls.
    pub(crate) controls: usize,
    /// Their mean.
    pub(crate) mean: f64,
    /// Their deviation.
    pub(crate) deviation: f64,
}

impl Contrast {
    /// `own` against `controls`; none with fewer than 3 of them.
    pub(crate) fn of(own: f64, controls: &[f64]) -> Option<Self> {
        if controls.len() < LEAST_CONTROLS {
            return None;
        }
        let count = controls.len() as f64;
        let mean = controls.iter().sum::<f64>() / count;
        let squares: f64 = controls.iter().map(|x| (x - mean).powi(2)).sum();
        Some(Self {
            own,
            controls: controls.len(),
            mean,
            deviation: (squares / (count - 1.0)).sqrt(),
        })
    }

    /// `own` against the mean and deviation of random orders (residual coordinates, where nothing
    /// but the null itself is needed).
    pub(crate) fn with_null(overlap: &SpaceOverlap) -> Self {
        Self {
            own: overlap.overlap,
            controls: 0,
            mean: overlap.expected,
            deviation: overlap.deviation,
        }
    }

    /// Six deviations and 0.1 above the controls. A part is found where k and v both stand out.
    pub(crate) fn stands_out(&self) -> bool {
        self.own - self.mean >= LEAST_ABOVE.max(DEVIATIONS * self.deviation)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    const D: usize = 48;
    const HEAD: usize = 8;

    fn normal(rows: usize, columns: usize, draws: &mut Draws) -> Dense {
        Dense {
            rows,
            columns,
            values: (0..rows * columns).map(|_| draws.normal()).collect(),
        }
    }

    fn stored(dense: &Dense) -> Matrix {
        Matrix {
            rows: dense.rows,
            columns: dense.columns,
            values: dense.values.iter().map(|&x| x as f32).collect(),
        }
    }

    /// Each group multiplied by a matrix of its own, and the groups re-ordered.
    fn mixed(matrix: &Dense, order: &[usize], draws: &mut Draws) -> Dense {
        let mut out = Dense::zeros(0, matrix.columns);
        for &group in order {
            let rows = Dense {
                rows: HEAD,
                columns: matrix.columns,
                values: (0..HEAD)
                    .flat_map(|at| matrix.row(group * HEAD + at).to_vec())
                    .collect(),
            };
            out.append(&normal(HEAD, HEAD, draws).times(&rows));
        }
        out
    }

    fn spaces(matrices: &[&Dense]) -> Vec<Vec<Option<RowSpace>>> {
        matrices
            .iter()
            .map(|m| group_spaces(&stored(m), HEAD).unwrap())
            .collect()
    }

    #[test]
    fn heads_mixed_and_re_ordered_are_the_same_spaces() {
        let mut draws = Draws::new(0, "mixed heads");
        let (k, v) = (
            normal(4 * HEAD, D, &mut draws),
            normal(4 * HEAD, D, &mut draws),
        );
        let order = [2, 0, 3, 1];
        let (k2, v2) = (mixed(&k, &order, &mut draws), mixed(&v, &order, &mut draws));
        let found = match_groups(&spaces(&[&k, &v]), &spaces(&[&k2, &v2])).unwrap();
        assert_eq!(found.groups, [(0, 1), (1, 3), (2, 0), (3, 2)]);
        for mean in &found.means {
            assert!(mean.overlap > 0.9999 && (mean.expected - HEAD as f64 / D as f64).abs() < 0.05);
            assert!(Contrast::with_null(mean).stands_out());
        }
    }

    /// All orders of the coordinates, in full.
    #[test]
    fn the_expected_overlap_is_the_mean_over_all_orders() {
        let mut draws = Draws::new(1, "orders");
        let mut one = normal(2, 4, &mut draws);
        one.values.iter_mut().for_each(|x| *x += 0.7);
        let other = normal(1, 4, &mut draws);
        let (one, other) = (RowSpace::of(&one).unwrap(), RowSpace::of(&other).unwrap());
        let mut sum = 0.0;
        let mut orders = 0;
        for code in 0..256usize {
            let order = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3];
            if (0..4).all(|at| order.contains(&at)) {
                let mut moved = other.clone();
                (0..4).for_each(|at| moved.basis.values[at] = other.basis.values[order[at]]);
                sum += SpaceOverlap::of(&one, &moved).unwrap().overlap;
                orders += 1;
            }
        }
        let expected = SpaceOverlap::of(&one, &other).unwrap().expected;
        assert!(orders == 24 && (sum / 24.0 - expected).abs() < 1e-12);
    }

    fn layer(kind: &str, draws: &mut Draws) -> [Dense; 2] {
        [(); 2].map(|()| {
            let mut rows = normal(4 * HEAD, D, draws);
            let direction = normal(1, D, draws);
            for at in 0..rows.rows {
                for (column, x) in rows.row_mut(at).iter_mut().enumerate() {
                    match kind {
                        "common" => *x += direction.values[column],
                        "spectrum" => *x /= (1.0 + column as f64).sqrt(),
                        "tails" => *x = x.powi(3),
                        _ => {}
                    }
                }
            }
            rows
        })
    }

    /// Layers of strangers against one another, the null of random orders and controls of other
    /// layers. "spectrum": both models' streams have the same strong coordinates, which an order
    /// null does not forgive; the controls do.
    fn strangers(rounds: u64) {
        for round in 0..rounds {
            for kind in ["plain", "common", "spectrum", "tails"] {
                let mut draws = Draws::new(round, kind);
                let sides: Vec<Vec<[Dense; 2]>> = (0..2)
                    .map(|_| (0..4).map(|_| layer(kind, &mut draws)).collect())
                    .collect();
                let of = |side: usize, at: usize| {
                    let [k, v] = &sides[side][at];
                    spaces(&[k, v])
                };
                let means = |a: usize, b: usize| match_groups(&of(0, a), &of(1, b)).unwrap().means;
                for matrix in 0..2 {
                    let controls: Vec<f64> = (0..4)
                        .flat_map(|a| (0..4).map(move |b| (a, b)))
                        .filter(|(a, b)| a != b)
                        .map(|(a, b)| means(a, b)[matrix].overlap)
                        .collect();
                    let own = means(0, 0)[matrix];
                    let contrast = Contrast::of(own.overlap, &controls).unwrap();
                    assert!(!contrast.stands_out(), "{kind} {round}: {contrast:?}");
                    if kind != "spectrum" {
                        let null = Contrast::with_null(&own);
                        assert!(!null.stands_out(), "{kind} {round}: {null:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn strangers_do_not_stand_out() {
        strangers(2);
    }

    #[test]
    #[ignore = "minutes: the level over 2,000 pairs"]
    fn strangers_never_stand_out() {
        strangers(500);
    }

    #[test]
    fn spaces_that_say_nothing_are_none() {
        let mut draws = Draws::new(3, "nothing");
        assert!(RowSpace::of(&Dense::zeros(3, 8)).is_none());
        assert!(RowSpace::of(&normal(9, 8, &mut draws)).is_none());
        let mut broken = normal(2, 8, &mut draws);
        broken.values[3] = f64::NAN;
        assert!(RowSpace::of(&broken).is_none());
        let seven = stored(&normal(7, 8, &mut draws));
        assert!(group_spaces(&seven, 2).unwrap().is_empty());
        assert!(match_groups(&[vec![None]], &[vec![None]]).is_none());
        assert!(Contrast::of(1.0, &[0.0, 0.1]).is_none());
        let (one, other) = (normal(2, 8, &mut draws), normal(2, 9, &mut draws));
        let (one, other) = (RowSpace::of(&one).unwrap(), RowSpace::of(&other).unwrap());
        assert!(SpaceOverlap::of(&one, &other).is_none());
    }
}
