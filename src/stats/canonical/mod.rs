//! The hidden units of a feed-forward as they count (guide/methods.md, section 8.3): gains folded in,
//! constants that a LayerNorm removes taken off, units that say nothing set aside, units with one
//! gate put together.
//!
//! A file can hold units that change nothing: dead ones, tiny ones, pairs that cancel, a unit split
//! in two. They blind a test on units (each unit between two decoys), and they can carry weights of
//! another model (plants). What is left here is what the layer computes, written in one way.

mod parallel;

use std::ops::Range;
use std::sync::LazyLock;

use crate::error::Result;
use crate::numeric::linalg::{Dense, fix_sign, squared_length, symmetric_eigen};
use crate::numeric::rows::RowSource;
use crate::numeric::wide::widest;

use parallel::{parallel_groups, sketch};

/// Units below this share of the mean contribution of the top eighth are set aside.
const LEAST_SHARE_OF_TOP: f64 = 0.02;

/// Largest group that is put together; a larger one is set aside, since its net has as many
/// directions as the stream.
const LARGEST_GROUP: usize = 256;

/// Units read together.
const TILE: usize = 256;

/// Steps in which a normal input is run through.
const STEPS: usize = 48;

/// The function between what a unit reads and what it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// x·σ(x).
    Silu,
    /// x·Φ(x), exact or by tanh.
    Gelu,
}

impl Activation {
    /// Its value at `x`.
    pub(crate) fn at(self, x: f64) -> f64 {
        match self {
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Gelu => x * 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
        }
    }

    /// Root mean square over a normal input of that mean and deviation: Simpson's rule on 49 points
    /// within 6 deviations.
    pub(crate) fn root_mean_square(self, mean: f64, deviation: f64) -> f64 {
        let (mut sum, mut mass) = (0.0, 0.0);
        for &(t, density) in POINTS.iter() {
            sum += density * self.at(mean + deviation * t).powi(2);
            mass += density;
        }
        (sum / mass).sqrt()
    }
}

/// Points of a standard normal input, with what each weighs.
static POINTS: LazyLock<[(f64, f64); STEPS + 1]> = LazyLock::new(|| {
    const REACH: f64 = 6.0;
    let step = 2.0 * REACH / STEPS as f64;
    std::array::from_fn(|at| {
        let weight = match at {
            0 | STEPS => 1.0,
            _ if at % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let t = -REACH + at as f64 * step;
        (t, weight * (-0.5 * t * t).exp())
    })
});

/// The normalisation that feeds matrices.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Norm<'a> {
    /// One factor a residual dimension.
    pub(crate) gain: Option<&'a [f32]>,
    /// What is added after it (LayerNorm's bias).
    pub(crate) offset: Option<&'a [f32]>,
    /// LayerNorm: the mean over the dimensions is taken off.
    pub(crate) removes_mean: bool,
}

/// Rows of a matrix as they meet the stream: times the gain, and less their mean where the
/// normalisation makes a constant meaningless. Writers have no gain.
pub(crate) struct Folded<'a> {
    source: &'a dyn RowSource,
    gain: Option<&'a [f32]>,
    centred: bool,
}

impl<'a> Folded<'a> {
    /// Rows that read the stream behind `norm`; none where the gain has another width.
    pub(crate) fn reader(source: &'a dyn RowSource, norm: &Norm<'a>) -> Option<Self> {
        let fits = norm.gain.is_none_or(|gain| gain.len() == source.columns());
        fits.then_some(Self {
            source,
            gain: norm.gain,
            centred: norm.removes_mean,
        })
    }

    /// Rows that are added to the stream (units of a down projection, embeddings): a constant over
    /// the dimensions is meaningless where every reader stands behind a LayerNorm.
    pub(crate) fn writer(source: &'a dyn RowSource, removes_mean: bool) -> Self {
        Self {
            source,
            gain: None,
            centred: removes_mean,
        }
    }
}

impl RowSource for Folded<'_> {
    fn rows(&self) -> usize {
        self.source.rows()
    }

    fn columns(&self) -> usize {
        self.source.columns()
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let count = rows.len();
        self.source.read_rows(rows, out)?;
        for row in out.chunks_mut(self.columns().max(1)).take(count) {
            if let Some(gain) = self.gain {
                widest(
                    #[inline(always)]
                    || row.iter_mut().zip(gain).for_each(|(x, g)| *x *= g),
                );
            }
            if self.centred {
                let sum: f64 = row.iter().map(|&x| f64::from(x)).sum();
                let mean = (sum / row.len() as f64) as f32;
                row.iter_mut().for_each(|x| *x -= mean);
            }
        }
        Ok(())
    }
}

/// A feed-forward; every matrix has a unit a row, shape (units, d).
#[derive(Clone, Copy)]
pub(crate) struct FeedForward<'a> {
    /// What the activation is applied to: the gate, or fc1 where there is none.
    pub(crate) gate: &'a dyn RowSource,
    /// Added to the gate's product, one a unit.
    pub(crate) gate_bias: Option<&'a [f32]>,
    /// What the activation is multiplied with; none without a gate.
    pub(crate) up: Option<&'a dyn RowSource>,
    /// What a unit writes.
    pub(crate) down: &'a dyn RowSource,
    /// The activation.
    pub(crate) activation: Activation,
    /// The normalisation before gate and up.
    pub(crate) norm: Norm<'a>,
}

/// One unit of the canonical form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    /// The stored unit that it is, or the strongest of its group.
    pub(crate) stored: usize,
    /// Its contribution.
    pub(crate) contribution: f64,
    /// Rows of up (none without a gate) and down that replace the stored ones: a singular pair of
    /// the net Σ w·uᵀ of a group.
    pub(crate) replaced: Option<(Vec<f32>, Vec<f32>)>,
}

/// What a feed-forward computes, unit by unit.
#[derive(Debug, Clone)]
pub(crate) struct Canonical {
    /// Live units, by stored index.
    pub(crate) live: Vec<Unit>,
}

impl Canonical {
    /// Share of the contribution of all live units that `units`, indices of [`Canonical::live`],
    /// hold; each counts once. 0 where nothing is live.
    ///
    /// # Panics
    /// When an index is out of range.
    pub(crate) fn share(&self, units: &[usize]) -> f64 {
        let mut chosen = units.to_vec();
        chosen.sort_unstable();
        chosen.dedup();
        let total: f64 = self.live.iter().map(|unit| unit.contribution).sum();
        let held: f64 = chosen.iter().map(|&at| self.live[at].contribution).sum();
        if total > 0.0 { held / total } else { 0.0 }
    }
}

/// Which rows of the canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// What the activation is applied to.
    Gate,
    /// What it is multiplied with.
    Up,
    /// What is written.
    Down,
}

/// The rows of one role, one a live unit.
pub(crate) struct CanonicalRows<'a> {
    rows: Folded<'a>,
    live: &'a [Unit],
    role: Role,
}

impl<'a> CanonicalRows<'a> {
    /// The rows of `role`; none where the layer has no such matrix or its width does not fit.
    pub(crate) fn new(layer: &FeedForward<'a>, form: &'a Canonical, role: Role) -> Option<Self> {
        let rows = match role {
            Role::Gate => Folded::reader(layer.gate, &layer.norm)?,
            Role::Up => Folded::reader(layer.up?, &layer.norm)?,
            Role::Down => Folded::writer(layer.down, layer.norm.removes_mean),
        };
        Some(Self {
            rows,
            live: &form.live,
            role,
        })
    }
}

impl RowSource for CanonicalRows<'_> {
    fn rows(&self) -> usize {
        self.live.len()
    }

    fn columns(&self) -> usize {
        self.rows.columns()
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let width = self.columns().max(1);
        let mut at = rows.start;
        let mut rest = out;
        while at < rows.end {
            let unit = &self.live[at];
            let replacement = match (&unit.replaced, self.role) {
                (Some((up, _)), Role::Up) => Some(up),
                (Some((_, down)), Role::Down) => Some(down),
                _ => None,
            };
            let together = match replacement {
                Some(row) => {
                    rest[..width].copy_from_slice(row);
                    1
                }
                // A run of units that are stored one after another is read at once.
                None => {
                    let count = run_length(&self.live[at..rows.end], self.role);
                    self.rows
                        .read_rows(unit.stored..unit.stored + count, rest)?;
                    count
                }
            };
            rest = &mut rest[together * width..];
            at += together;
        }
        Ok(())
    }
}

/// How many of the first units have neighbouring stored rows.
fn run_length(units: &[Unit], role: Role) -> usize {
    let stands = |unit: &Unit| unit.replaced.is_none() || role == Role::Gate;
    units
        .iter()
        .enumerate()
        .take_while(|(at, unit)| stands(unit) && unit.stored == units[0].stored + at)
        .count()
        .max(1)
}

/// The canonical form of `layer`; none where the shapes do not fit one another.
///
/// A unit's contribution is ‖up∘g‖·‖down‖ times the root mean square of the activation over a
/// normal input of deviation ‖gate∘g‖ around its bias: what it adds to the stream over inputs of
/// which only the length is known.
///
/// Units with parallel gates, |cosine| > 0.999 bias included, are one group: what they add together
/// is a(g·x)·(Σ a·w·uᵀ)x, so the net is what counts, and its singular pairs stand for them. Opposite
/// gates belong to one group too: SiLU, GELU and ReLU have a(z) − a(−z) = z, so a thief can trade
/// one for the other against terms without an activation. Gates of other lengths are other
/// functions; the net weighs each by its own root mean square.
///
/// # Errors
/// When rows cannot be read.
pub(crate) fn canonical(layer: &FeedForward<'_>, seed: u64) -> Result<Option<Canonical>> {
    let units = layer.gate.rows();
    let width = layer.gate.columns();
    let fits = |source: &dyn RowSource| source.rows() == units;
    let ups_fit = layer.up.is_none_or(|up| fits(up) && up.columns() == width);
    let biases_fit = layer.gate_bias.is_none_or(|bias| bias.len() == units);
    let gains_fit = [layer.norm.gain, layer.norm.offset]
        .iter()
        .flatten()
        .all(|values| values.len() == width);
    if width == 0 || !ups_fit || !biases_fit || !gains_fit || !fits(layer.down) {
        return Ok(None);
    }
    let Some(gate) = Folded::reader(layer.gate, &layer.norm) else {
        return Ok(None);
    };
    let sketched = sketch(layer, &gate, seed)?;
    let ups = match layer.up {
        Some(up) => match Folded::reader(up, &layer.norm) {
            Some(up) => lengths(&up)?,
            None => return Ok(None),
        },
        None => vec![1.0; units],
    };
    let downs = lengths(&Folded::writer(layer.down, layer.norm.removes_mean))?;
    let activity: Vec<f64> = (sketched.lengths.iter().zip(&sketched.biases))
        .map(|(&length, &bias)| layer.activation.root_mean_square(bias, length))
        .collect();
    let contributions: Vec<f64> = (0..units)
        .map(|unit| ups[unit] * downs[unit] * activity[unit])
        .map(|c| if c.is_finite() { c } else { 0.0 })
        .collect();

    // A layer of decoys must not hide behind its own scale, so groups come first; and units that
    // are far below everything need no group.
    let rough_floor = 1e-3 * live_floor(&contributions);
    let candidates: Vec<usize> = (0..units)
        .filter(|&unit| contributions[unit] > rough_floor)
        .collect();
    let groups = parallel_groups(layer, &gate, &sketched, &candidates)?;
    let mut found: Vec<Unit> = Vec::new();
    let mut is_grouped = vec![false; units];
    for group in &groups {
        group.iter().for_each(|&unit| is_grouped[unit] = true);
        found.extend(net_of(layer, group, &activity, &contributions)?);
    }
    found.extend(
        (0..units)
            .filter(|&unit| !is_grouped[unit])
            .map(|unit| Unit {
                stored: unit,
                contribution: contributions[unit],
                replaced: None,
            }),
    );
    found.sort_by_key(|unit| unit.stored);

    let floor = live_floor(
        &found
            .iter()
            .map(|unit| unit.contribution)
            .collect::<Vec<_>>(),
    );
    found.retain(|unit| unit.contribution > 0.0 && unit.contribution >= floor);
    Ok(Some(Canonical { live: found }))
}

/// Least contribution of a live unit: 2 % of the mean of the top eighth.
pub(crate) fn live_floor(contributions: &[f64]) -> f64 {
    let mut sorted = contributions.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let top = (sorted.len() / 8).max(1).min(sorted.len());
    LEAST_SHARE_OF_TOP * sorted[..top].iter().sum::<f64>() / top.max(1) as f64
}

/// Lengths of the rows.
fn lengths(rows: &dyn RowSource) -> Result<Vec<f64>> {
    let width = rows.columns().max(1);
    let mut out = Vec::with_capacity(rows.rows());
    let mut values = vec![0.0f32; TILE.min(rows.rows()) * width];
    for start in (0..rows.rows()).step_by(TILE) {
        let end = rows.rows().min(start + TILE);
        rows.read_rows(start..end, &mut values)?;
        let tile = values.chunks_exact(width).take(end - start);
        out.extend(tile.map(|row| squared_length(row).sqrt()));
    }
    Ok(out)
}

/// The singular pairs of the net of a group of units with one gate, strongest first.
fn net_of(
    layer: &FeedForward<'_>,
    group: &[usize],
    activity: &[f64],
    contributions: &[f64],
) -> Result<Vec<Unit>> {
    if group.len() > LARGEST_GROUP {
        return Ok(Vec::new());
    }
    let strongest = group.iter().copied().max_by(|&a, &b| {
        contributions[a]
            .total_cmp(&contributions[b])
            .then(b.cmp(&a))
    });
    let Some(stored) = strongest else {
        return Ok(Vec::new());
    };
    let rows_of = |source: &dyn RowSource, scaled: bool| -> Result<Dense> {
        let mut out = Dense::zeros(group.len(), source.columns());
        let mut row = vec![0.0f32; source.columns()];
        for (at, &unit) in group.iter().enumerate() {
            source.read_rows(unit..unit + 1, &mut row)?;
            let factor = if scaled { activity[unit] } else { 1.0 };
            let place = out.row_mut(at).iter_mut().zip(&row);
            place.for_each(|(x, &value)| *x = factor * f64::from(value));
        }
        Ok(out)
    };
    let down = rows_of(&Folded::writer(layer.down, layer.norm.removes_mean), true)?;
    let up = match layer.up.and_then(|up| Folded::reader(up, &layer.norm)) {
        Some(up) => rows_of(&up, false)?,
        // Without a gate the net is a sum of vectors: a u of one coordinate that is 1.
        None => Dense {
            rows: group.len(),
            columns: 1,
            values: vec![1.0; group.len()],
        },
    };
    let Some(pairs) = singular_pairs(&up, &down) else {
        return Ok(Vec::new());
    };
    let has_up = layer.up.is_some();
    Ok(pairs
        .into_iter()
        .map(|(value, mut u, mut w)| {
            if has_up {
                let before = u.clone();
                fix_sign(&mut u);
                if u != before {
                    w.iter_mut().for_each(|x| *x = -*x);
                }
            } else if u[0] < 0.0 {
                w.iter_mut().for_each(|x| *x = -*x);
            }
            let narrow = |values: Vec<f64>, factor: f64| -> Vec<f32> {
                values.into_iter().map(|x| (x * factor) as f32).collect()
            };
            Unit {
                stored,
                contribution: value,
                replaced: Some((
                    if has_up { narrow(u, 1.0) } else { Vec::new() },
                    narrow(w, value),
                )),
            }
        })
        .collect())
}

/// Singular values and pairs (right, left) of downᵀ·up, largest first, by the Gram matrices of the
/// rows; those below 1e-6 of the largest product of lengths are left out.
#[allow(clippy::type_complexity)]
fn singular_pairs(up: &Dense, down: &Dense) -> Option<Vec<(f64, Vec<f64>, Vec<f64>)>> {
    let eigen = symmetric_eigen(&up.times_transposed(up))?;
    let largest = eigen.values.first().copied().unwrap_or(0.0);
    let kept = eigen
        .values
        .iter()
        .filter(|&&v| v > 1e-12 * largest)
        .count();
    // Rows of `right`: orthonormal vectors that span the rows of up; of `image`: the net of each.
    let mut basis = eigen.vectors;
    basis.truncate(kept);
    let mut right = basis.times(up);
    for (at, value) in eigen.values[..kept].iter().enumerate() {
        right
            .row_mut(at)
            .iter_mut()
            .for_each(|x| *x /= value.sqrt());
    }
    let image = right.times_transposed(up).times(down);
    let squares = symmetric_eigen(&image.times_transposed(&image))?;
    let scale = (up.energy() * down.energy()).sqrt();
    let strong = squares
        .values
        .iter()
        .filter(|v| v.max(0.0).sqrt() > 1e-6 * scale);
    let strong = strong.count();
    let mut turns = squares.vectors;
    turns.truncate(strong);
    let (rights, lefts) = (turns.times(&right), turns.times(&image));
    Some(
        (0..strong)
            .map(|at| {
                let value = squares.values[at].sqrt();
                let left = lefts.row(at).iter().map(|x| x / value).collect();
                (value, rights.row(at).to_vec(), left)
            })
            .collect(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    const D: usize = 24;

    fn normal(units: usize, purpose: &str) -> Matrix {
        let mut draws = Draws::new(0, purpose);
        Matrix {
            rows: units,
            columns: D,
            values: (0..units * D).map(|_| draws.normal() as f32).collect(),
        }
    }

    fn push(to: &mut Matrix, row: &[f32], factor: f32) {
        to.values.extend(row.iter().map(|x| x * factor));
        to.rows += 1;
    }

    fn layer<'a>(gate: &'a Matrix, up: Option<&'a Matrix>, down: &'a Matrix) -> FeedForward<'a> {
        FeedForward {
            gate,
            gate_bias: None,
            up: up.map(|up| up as &dyn RowSource),
            down,
            activation: Activation::Silu,
            norm: Norm::default(),
        }
    }

    fn row(matrix: &Matrix, at: usize) -> Vec<f32> {
        matrix.values[at * D..(at + 1) * D].to_vec()
    }

    /// Values of a numerical integral with 200,000 points.
    #[test]
    fn activations_over_a_normal_input() {
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 2e-3, "{a} {b}");
        close(Activation::Silu.root_mean_square(0.0, 1.0), 0.596_5);
        close(Activation::Gelu.root_mean_square(0.0, 1.0), 0.652_2);
        close(Activation::Silu.root_mean_square(0.0, 1e3), 707.1);
        assert!(Activation::Gelu.root_mean_square(-8.0, 0.1) < 1e-6);
    }

    #[test]
    fn trained_units_stay_as_they_are() {
        let (gate, up, down) = (normal(100, "gate"), normal(100, "up"), normal(100, "down"));
        let form = canonical(&layer(&gate, Some(&up), &down), 0)
            .unwrap()
            .unwrap();
        assert_eq!(form.live.len(), 100);
        assert!((form.share(&(0..100).collect::<Vec<_>>()) - 1.0).abs() < 1e-12);
        let half = form.share(&(0..50).chain(0..50).collect::<Vec<_>>());
        assert!((0.4..0.6).contains(&half), "{half}");
        let whole = layer(&gate, Some(&up), &down);
        let rows = CanonicalRows::new(&whole, &form, Role::Down).unwrap();
        let mut read = vec![0.0; 30 * D];
        rows.read_rows(60..90, &mut read).unwrap();
        assert_eq!(read, down.values[60 * D..90 * D]);
    }

    /// Each unit beside two decoys that cancel, dead and tiny units with rows of another model, and
    /// units split in two: the same layer as before.
    #[test]
    fn decoys_plants_and_splits_leave_the_layer_as_it_was() {
        let (gate, up, down) = (normal(60, "gate"), normal(60, "up"), normal(60, "down"));
        let [other_gate, other_up, other_down] =
            ["other gate", "other up", "other down"].map(|purpose| normal(60, purpose));
        let (mut more_gate, mut more_up, mut more_down) = (gate.clone(), up.clone(), down.clone());
        for unit in 0..60 {
            // Two that cancel beside the unit's own gate, negated once.
            for sign in [1.0, -1.0] {
                push(&mut more_gate, &row(&gate, unit), sign);
                push(&mut more_up, &row(&other_up, unit), 1.0);
                push(&mut more_down, &row(&other_down, unit), sign);
            }
            // A tiny and a dead one.
            for factor in [1e-3, 0.0] {
                push(&mut more_gate, &row(&other_gate, unit), 1.0);
                push(&mut more_up, &row(&other_up, unit), 1.0);
                push(&mut more_down, &row(&other_down, unit), factor);
            }
        }
        for unit in 0..30 {
            push(&mut more_gate, &row(&gate, unit), 1.0);
            push(&mut more_up, &row(&up, unit), -2.0);
            push(&mut more_down, &row(&down, unit), -0.2);
            more_down.values[unit * D..(unit + 1) * D]
                .iter_mut()
                .for_each(|x| *x *= 0.6);
        }
        let whole = layer(&more_gate, Some(&more_up), &more_down);
        let form = canonical(&whole, 0).unwrap().unwrap();
        assert_eq!(form.live.len(), 60);
        let rows = [Role::Gate, Role::Up, Role::Down]
            .map(|role| CanonicalRows::new(&whole, &form, role).unwrap());
        for unit in 0..60 {
            let mut read = vec![0.0; D];
            let owner = match form.live[unit].stored {
                decoy @ 60..300 => (decoy - 60) / 4,
                half @ 300.. => half - 300,
                stored => stored,
            };
            for (rows, expected) in rows.iter().zip([&gate, &up, &down]) {
                rows.read_rows(unit..unit + 1, &mut read).unwrap();
                let expected = row(expected, owner);
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
                let cosine =
                    dot(&read, &expected) / (dot(&read, &read) * dot(&expected, &expected)).sqrt();
                assert!(cosine.abs() > 0.98, "unit {owner}: {cosine}");
            }
        }
    }

    #[test]
    fn without_a_gate_parallel_rows_add_up() {
        let (fc1, down) = (normal(40, "fc1"), normal(40, "down"));
        let (mut more, mut more_down) = (fc1.clone(), down.clone());
        for unit in 0..40 {
            push(&mut more, &row(&fc1, unit), 1.0);
            push(&mut more_down, &row(&down, unit), -0.5);
        }
        let form = canonical(&layer(&more, None, &more_down), 0)
            .unwrap()
            .unwrap();
        assert_eq!(form.live.len(), 40);
        let whole = layer(&more, None, &more_down);
        let rows = CanonicalRows::new(&whole, &form, Role::Down).unwrap();
        let mut read = vec![0.0; D];
        rows.read_rows(3..4, &mut read).unwrap();
        let dot: f32 = read
            .iter()
            .zip(&down.values[3 * D..4 * D])
            .map(|(x, y)| x * y)
            .sum();
        assert!(dot > 0.0, "the sum keeps its sign");
        assert!(CanonicalRows::new(&whole, &form, Role::Up).is_none());
    }

    #[test]
    fn constants_behind_a_layer_norm_say_nothing() {
        let (gate, up, down) = (normal(50, "gate"), normal(50, "up"), normal(50, "down"));
        let shifted = |matrix: &Matrix, by: f32| {
            let mut out = matrix.clone();
            for (at, x) in out.values.iter_mut().enumerate() {
                *x += by * ((at / D) as f32 - 20.0);
            }
            out
        };
        let (gate2, up2, down2) = (shifted(&gate, 1.0), shifted(&up, -2.0), shifted(&down, 0.5));
        let norm = Norm {
            removes_mean: true,
            ..Norm::default()
        };
        let one = FeedForward {
            norm,
            ..layer(&gate, Some(&up), &down)
        };
        let other = FeedForward {
            norm,
            ..layer(&gate2, Some(&up2), &down2)
        };
        let [a, b] = [&one, &other].map(|side| canonical(side, 0).unwrap().unwrap());
        for (x, y) in a.live.iter().zip(&b.live) {
            assert!((x.contribution / y.contribution - 1.0).abs() < 1e-3);
        }
        assert_eq!(a.live.len(), b.live.len());
    }

    #[test]
    fn what_is_broken_or_does_not_fit_gives_nothing() {
        let (gate, up, mut down) = (normal(20, "gate"), normal(20, "up"), normal(20, "down"));
        assert!(
            canonical(&layer(&gate, Some(&normal(19, "up")), &down), 0)
                .unwrap()
                .is_none()
        );
        down.values[5 * D] = f32::NAN;
        down.values[7 * D..8 * D].fill(f32::INFINITY);
        let form = canonical(&layer(&gate, Some(&up), &down), 0)
            .unwrap()
            .unwrap();
        assert!(
            form.live
                .iter()
                .all(|unit| unit.stored != 5 && unit.stored != 7)
        );
        let zero = Matrix {
            rows: 20,
            columns: D,
            values: vec![0.0; 20 * D],
        };
        let form = canonical(&layer(&gate, Some(&up), &zero), 0)
            .unwrap()
            .unwrap();
        assert!(form.live.is_empty() && form.share(&[]) == 0.0);
    }
}
