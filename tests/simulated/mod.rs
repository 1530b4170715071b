//! Small models with the structure that trained ones have, for the statistics to be tried on.
#![allow(dead_code, unreachable_pub)]

use wcmp::internals::numeric::Draws;
use wcmp::internals::numeric::Matrix;
use wcmp::internals::stats::units::{Features, Held, RowFeatures, Sampling};
use wcmp::internals::stats::{FOUND_LOG10, binomial_tail, bonferroni};

pub const SAMPLING: Sampling = Sampling {
    seed: 0,
    thorough: false,
};

/// What makes independent models look alike, or a test stumble.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Plain,
    /// All units load on one direction common to both models, each by its own amount.
    CommonDirection,
    HeavyTails,
    /// Few different values, so that many cosines are equal.
    Ties,
    /// Half of the units are copies of others in the same model.
    Duplicates,
    /// Constant, zero and non-finite units among others.
    Constants,
    /// Two units a model to which most others are nearest.
    Hubs,
    /// Units near one of four prototypes common to both models.
    Clusters,
    /// Both models learn the same units, in orders of their own: the hardest case there is.
    SameUnits,
}

pub const KINDS: [Kind; 9] = [
    Kind::Plain,
    Kind::CommonDirection,
    Kind::HeavyTails,
    Kind::Ties,
    Kind::Duplicates,
    Kind::Constants,
    Kind::Hubs,
    Kind::Clusters,
    Kind::SameUnits,
];

/// What a unit is in all tensors of its model: which prototype it follows, how much it loads on the
/// common direction.
#[derive(Clone)]
pub struct Unit {
    prototype: usize,
    loading: f64,
    twin: Option<usize>,
}

/// The units of one model, in an order of its own.
pub fn units(kind: Kind, count: usize, draws: &mut Draws) -> Vec<Unit> {
    let order = draws.permutation(count);
    let unit = |&place: &usize| Unit {
        prototype: if kind == Kind::Clusters {
            place % 4
        } else {
            place
        },
        loading: match kind {
            Kind::CommonDirection => (0.7 * draws.normal()).exp(),
            Kind::Hubs if place < 2 => 10.0,
            Kind::Hubs => 0.7,
            _ => 0.0,
        },
        twin: None,
    };
    let mut units: Vec<Unit> = order.iter().map(unit).collect();
    if kind == Kind::Duplicates {
        let places = draws.permutation(count);
        for pair in places.chunks_exact(2).take(count / 4) {
            units[pair[1]].twin = Some(pair[0]);
        }
    }
    units
}

/// What one tensor has in common in all models: the tensor's direction and prototypes.
pub struct Shared {
    direction: Vec<f64>,
    prototypes: Vec<f64>,
}

pub fn shared(count: usize, width: usize, draws: &mut Draws) -> Shared {
    Shared {
        direction: (0..width).map(|_| draws.normal()).collect(),
        prototypes: (0..count * width).map(|_| draws.normal()).collect(),
    }
}

/// One tensor of a model: a row for each of its `units`.
pub fn tensor(kind: Kind, units: &[Unit], shared: &Shared, draws: &mut Draws) -> Matrix {
    let width = shared.direction.len();
    let (follow, noise) = match kind {
        Kind::Clusters => (1.0, 0.3),
        Kind::SameUnits => (1.0, 0.05),
        _ => (0.0, 1.0),
    };
    let mut values: Vec<f32> = Vec::with_capacity(units.len() * width);
    for unit in units {
        let scale = if kind == Kind::HeavyTails {
            (1.5 * draws.normal()).exp()
        } else {
            1.0
        };
        for at in 0..width {
            let tail = if kind == Kind::HeavyTails {
                (1.5 * draws.normal()).exp()
            } else {
                1.0
            };
            let of_prototype = follow * shared.prototypes[unit.prototype * width + at];
            let x = scale
                * (unit.loading * shared.direction[at]
                    + of_prototype
                    + noise * tail * draws.normal());
            values.push(if kind == Kind::Ties {
                (0.7 * x).round().clamp(-1.0, 1.0) as f32
            } else {
                x as f32
            });
        }
        if kind == Kind::Constants && unit.prototype < units.len() / 2 {
            let row = values.len() - width;
            match unit.prototype % 4 {
                0 => values[row..].fill(0.0),
                1 => values[row] = f32::NAN,
                _ => values[row..].fill(1.0),
            }
        }
    }
    for (unit, twin) in units
        .iter()
        .enumerate()
        .filter_map(|(unit, of)| Some((unit, of.twin?)))
    {
        values.copy_within(twin * width..(twin + 1) * width, unit * width);
    }
    Matrix {
        rows: units.len(),
        columns: width,
        values,
    }
}

/// One block of each of two independent models.
pub fn independent_pair(
    kind: Kind,
    counts: (usize, usize),
    width: usize,
    draws: &mut Draws,
) -> (Matrix, Matrix) {
    let shared = shared(counts.0.max(counts.1), width, draws);
    let (one, other) = (units(kind, counts.0, draws), units(kind, counts.1, draws));
    (
        tensor(kind, &one, &shared, draws),
        tensor(kind, &other, &shared, draws),
    )
}

/// Independent normal values.
pub fn normal(rows: usize, columns: usize, draws: &mut Draws) -> Matrix {
    Matrix {
        rows,
        columns,
        values: (0..rows * columns).map(|_| draws.normal() as f32).collect(),
    }
}

/// `source` with independent noise added, so that the cosine of both is near `cosine`.
pub fn noised(source: &Matrix, cosine: f64, draws: &mut Draws) -> Matrix {
    let rest = (1.0 - cosine * cosine).sqrt();
    let value = |&x: &f32| (cosine * f64::from(x) + rest * draws.normal()) as f32;
    Matrix {
        values: source.values.iter().map(value).collect(),
        ..*source
    }
}

/// The given rows.
pub fn rows(source: &Matrix, order: &[usize]) -> Matrix {
    let row = |&row: &usize| &source.values[row * source.columns..(row + 1) * source.columns];
    Matrix {
        rows: order.len(),
        columns: source.columns,
        values: order.iter().flat_map(row).copied().collect(),
    }
}

/// `source` · `other`.
pub fn product(source: &Matrix, other: &Matrix) -> Matrix {
    let mut values = vec![0.0f32; source.rows * other.columns];
    for (row, out) in source
        .values
        .chunks_exact(source.columns)
        .zip(values.chunks_exact_mut(other.columns))
    {
        for (x, of_other) in row.iter().zip(other.values.chunks_exact(other.columns)) {
            out.iter_mut()
                .zip(of_other)
                .for_each(|(sum, y)| *sum += x * y);
        }
    }
    Matrix {
        rows: source.rows,
        columns: other.columns,
        values,
    }
}

/// A random orthogonal matrix (Gram and Schmidt).
pub fn rotation(size: usize, draws: &mut Draws) -> Matrix {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    while basis.len() < size {
        let mut vector: Vec<f64> = (0..size).map(|_| draws.normal()).collect();
        for _ in 0..2 {
            for other in &basis {
                let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector
                    .iter_mut()
                    .zip(other)
                    .for_each(|(x, y)| *x -= along * y);
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        basis.push(vector.iter().map(|x| x / length).collect());
    }
    Matrix {
        rows: size,
        columns: size,
        values: basis.concat().iter().map(|&x| x as f32).collect(),
    }
}

pub fn held(matrix: &Matrix) -> Held {
    Held::all(&RowFeatures::new(matrix)).unwrap()
}

pub fn probes_of(features: &dyn Features) -> Held {
    Held::some(features, &SAMPLING.probes(features.units())).unwrap()
}

/// Levels at which p-values are counted.
const LEVELS: [f64; 9] = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001, 1e-4];

/// The least probability, over the levels, that p-values at or above uniform fall below a level as
/// often as these do.
fn rarest_excess(log10_p: &[f64]) -> (f64, f64) {
    let chance = |&level: &f64| {
        let below = log10_p
            .iter()
            .filter(|&&p| p <= level.log10() + 1e-9)
            .count();
        (binomial_tail(log10_p.len(), level, below), level)
    };
    LEVELS
        .iter()
        .map(chance)
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap()
}

/// Fails where p-values of independent pairs are smaller than uniform ones are by chance once in
/// 10^6 at some level.
#[track_caller]
pub fn assert_at_or_above_uniform(log10_p: &[f64], at_least: usize, of_what: &str) {
    assert!(
        log10_p.len() >= at_least,
        "{of_what}: only {} outcomes",
        log10_p.len()
    );
    let (chance, level) = rarest_excess(log10_p);
    assert!(
        chance > 1e-6,
        "{of_what}: too many p below {level} ({chance:e})"
    );
}

/// The check has teeth: what is known to be wrong must fail it.
#[track_caller]
pub fn assert_below_uniform(log10_p: &[f64], of_what: &str) {
    assert!(
        rarest_excess(log10_p).0 < 1e-6,
        "{of_what}: a wrong use of the test went unnoticed"
    );
}

/// For each of `target` layers the one of `base` layers with the least bound, accepted at the level
/// once the choice among all pairs is paid for: `test` gives log10 p of (target layer, base layer).
pub(crate) fn layer_map(
    target: usize,
    base: usize,
    mut test: impl FnMut(usize, usize) -> Option<f64>,
) -> Vec<Option<usize>> {
    let mut origins = Vec::new();
    for layer in 0..target {
        let tested = (0..base).filter_map(|from| Some((test(layer, from)?, from)));
        let least = tested.min_by(|a, b| a.0.total_cmp(&b.0));
        let accepted = least.filter(|(p, _)| bonferroni(*p, target * base) <= FOUND_LOG10);
        origins.push(accepted.map(|(_, from)| from));
    }
    origins
}
