//! Is a matrix near a formula (guide/methods.md, section 8.6)? Identity, Fourier and sine tables,
//! Hadamard matrices, bands, filter banks: two models that never met compute them alike, train on
//! from them, and look like copies. Where a likeness goes when the formula is taken off, it was the
//! formula's.
//!
//! A formula is looked for in a window of [`WINDOW`] rows and columns: every one of them shows in a
//! window as in the whole.

use std::borrow::Cow;
use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::numeric::linalg::Dense;
use crate::numeric::rows::RowSource;
use crate::numeric::wide::{widest, widest_for};

/// Rows and columns that are looked at, from the first on.
pub(crate) const WINDOW: usize = 256;

/// Share of the energy that a formula must explain, beyond what chance gives it.
const LEAST_EXPLAINED: f64 = 0.25;

/// Share beyond chance from which on a window is looked at closely.
const WORTH_A_LOOK: f64 = 0.15;

/// Side of the corner in which formulas that repeat themselves are looked for first.
const CORNER: usize = 64;

/// Cosine from which on only number formats tell two tables apart.
const SAME_TABLE: f64 = 0.999;

/// Share of the energy of a table that its formula explains though it is fitted coarsely.
const PURE: f64 = 0.98;

/// A side with fewer rows or columns in its window has no formula.
const LEAST_SIDE: usize = 8;

/// A likeness below this is none.
const LIKE: f64 = 0.3;

/// What kind of formula a matrix follows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Formula {
    /// One value on one diagonal (identity, also scaled, shifted or at one place of a kernel).
    Identity,
    /// One value along each diagonal: bands, shifts, relative positions.
    Diagonals,
    /// Each column or each row one frequency: sine tables of positions, DCT, Fourier and STFT bases.
    Sines,
    /// Blocks of Sylvester's Hadamard matrix, the factor of each row or column of a block free.
    Hadamard,
    /// Each row the mean of its neighbours, or each column: filter banks, smooth tables.
    Smooth,
}

/// A formula and how much of a matrix it explains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Explained {
    /// Which.
    pub formula: Formula,
    /// Along rows or columns, where the formula has a direction.
    pub along: Along,
    /// Share of the energy that it explains, 0 to 1.
    pub share: f64,
    /// What it explains of random numbers.
    pub by_chance: f64,
}

impl Explained {
    fn excess(&self) -> f64 {
        self.share - self.by_chance
    }
}

/// The axis along which a formula runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Along {
    /// Down the rows of a column.
    Rows,
    /// Along the columns of a row.
    Columns,
}

/// The first rows and columns of a matrix; values that are not finite count as 0.
///
/// # Errors
/// When rows cannot be read.
pub(crate) fn window(source: &dyn RowSource) -> Result<Dense> {
    let (rows, columns) = (source.rows().min(WINDOW), source.columns().min(WINDOW));
    let mut read = vec![0.0f32; rows * columns];
    source.read_starts(0..rows, columns, &mut read)?;
    let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
    let values = read.into_iter().map(|value| f64::from(finite(value)));
    Ok(Dense {
        rows,
        columns,
        values: values.collect(),
    })
}

/// Whether the rows of a window stand in an order of their own: each is like the next, beyond what
/// any order of theirs would give.
///
/// r = Σ⟨xᵢ, xᵢ₊₁⟩ / Σ‖xᵢ‖², the mean row taken off; at least [`LIKE`] and four deviations of 1/√n,
/// which holds however few directions the rows share.
pub(crate) fn are_in_order(window: &Dense) -> bool {
    let rows = less_own_means(&window.transposed()).transposed();
    let beside = |at: usize| -> f64 {
        let pairs = rows.row(at - 1).iter().zip(rows.row(at));
        pairs.map(|(x, y)| x * y).sum()
    };
    let together: f64 = (1..rows.rows).map(beside).sum();
    let floor = LIKE.max(4.0 / (rows.rows as f64).sqrt());
    together >= floor * rows.energy() && together > 0.0
}

/// The formula that explains most of a window beyond chance; none where none explains a quarter, or
/// the window is smaller than 8 × 8 or all zero.
///
/// Random matrices, with common directions, clusters, low rank or heavy tails, are near none: every
/// formula here names places, and their rows and columns have none.
pub(crate) fn nearest_formula(window: &Dense) -> Option<Explained> {
    if is_small(window) || window.energy().is_nan() || window.energy() <= 0.0 {
        return None;
    }
    let mut best: Option<Explained> = None;
    for (formula, along) in every() {
        let Some(found) = explained(window, formula, along) else {
            continue;
        };
        if best.is_none_or(|best| found.excess() > best.excess() + 1e-9) {
            best = Some(found);
        }
    }
    best.filter(|best| best.excess() >= LEAST_EXPLAINED)
}

/// Whether a window has too few rows or columns to show a formula.
fn is_small(window: &Dense) -> bool {
    window.rows.min(window.columns) < LEAST_SIDE
}

/// A cheap look before [`nearest_formula`]: whether any formula explains 15 % of a window, those that
/// repeat themselves looked for in its corner alone.
fn may_follow(window: &Dense) -> bool {
    let corner = corner(window, CORNER);
    let has_diagonals = may_have_diagonals(window);
    let centred = centred(&corner);
    every().any(|(formula, along)| {
        let looked_at = match formula {
            Formula::Identity | Formula::Diagonals if !has_diagonals => return false,
            Formula::Identity | Formula::Diagonals => window,
            Formula::Sines if !may_have_sines(&corner, along) => return false,
            Formula::Smooth if !may_be_smooth(&centred, along) => return false,
            Formula::Hadamard if block_of_hadamard(&corner).is_none() => return false,
            Formula::Hadamard | Formula::Sines | Formula::Smooth => &*corner,
        };
        let explained = explained(looked_at, formula, along);
        explained.is_some_and(|explained| explained.excess() >= WORTH_A_LOOK)
    })
}

/// What may be lost where sums are taken in another order.
const ROUNDING: f64 = 1e-6;

/// Whether values along diagonals explain 15 % of a window: what [`explained`] would tell of
/// [`Formula::Identity`] and [`Formula::Diagonals`], from the sums of the diagonals alone.
fn may_have_diagonals(window: &Dense) -> bool {
    let (rows, columns) = (window.rows, window.columns);
    let size = (rows * columns) as f64;
    let energy = dot(&window.values, &window.values);
    if energy <= 0.0 {
        return false;
    }
    let mut most = f64::NEG_INFINITY;
    for stride in strides(window) {
        let (sums, counts) = diagonal_sums(window, stride);
        let explained = |at: usize| (sums[at] * sums[at] / counts[at].max(1.0), counts[at]);
        // One diagonal, of those that begin in the first row.
        let begins = stride.max(columns / 2).min(columns);
        let of_one = (0..begins).map(|offset| explained(offset + (rows - 1) * stride));
        let of_one = of_one.filter(|(_, count)| *count >= 4.0);
        let by_chance = IDENTITY_BY_CHANCE / size;
        most = of_one.fold(most, |most, (one, _)| most.max(one - energy * by_chance));

        let by_chance = sums.len() as f64 / size;
        if by_chance < 0.5 {
            let of_all: f64 = (0..sums.len()).map(|at| explained(at).0).sum();
            most = most.max(of_all - energy * by_chance);
        }
    }
    most >= (WORTH_A_LOOK - ROUNDING) * energy
}

/// Whether one frequency a column explains 15 % of a corner beyond chance: what [`explained`] would
/// tell of [`Formula::Sines`], from the spectra of the columns, and given up once too much is left.
fn may_have_sines(corner: &Dense, along: Along) -> bool {
    let columns = less_own_means(&match along {
        Along::Rows => corner.transposed(),
        Along::Columns => corner.clone(),
    });
    let n = columns.columns;
    let most_left = 1.0 - sines_by_chance(n) - WORTH_A_LOOK + ROUNDING;
    let energy = dot(&columns.values, &columns.values);
    // Of short columns a frequency explains nearly everything by chance.
    if most_left <= 0.0 || energy <= 0.0 {
        return false;
    }
    let (cosines, sines) = waves_of_corner(n);
    let spectrum = [columns.times(cosines), columns.times(sines)];
    let mut left = 0.0;
    let mut powers = Vec::with_capacity(n / 2);
    for at in 0..columns.rows {
        let column = columns.row(at);
        let own = dot(column, column);
        let (c, s) = (spectrum[0].row(at), spectrum[1].row(at));
        powers.clear();
        powers.extend(c.iter().zip(s).map(|(c, s)| c * c + s * s));
        let power = |k: usize| powers[k];
        // Of equals the last.
        let peak = (0..c.len()).reduce(|most, k| if powers[k] < powers[most] { most } else { k });
        let Some(peak) = peak else {
            return false;
        };
        // Waves of whole periods are orthogonal: each takes its own share off.
        let around = peak.saturating_sub(1)..(peak + 2).min(c.len());
        let together = own - around.map(|k| factor_of_wave(k, n) * power(k)).sum::<f64>();
        let left_of_column = match 2.0 * together < (1.0 + ROUNDING) * own {
            true => together.min(left_by_one_wave(column, peak)),
            false => together,
        };
        left += left_of_column.max(0.0);
        if left > most_left * energy {
            return false;
        }
    }
    true
}

/// Whether neighbours explain 15 % of the rows of a window, or of its columns: what [`explained`]
/// would tell of [`Formula::Smooth`], from the products of rows. The mean row and the mean of each
/// row are taken off already.
fn may_be_smooth(centred: &Dense, along: Along) -> bool {
    let rows = oriented(centred, along);
    let count = rows.rows;
    let energy = dot(&rows.values, &rows.values);
    if count < 3 || energy <= 0.0 {
        return count < 3;
    }
    let products = |apart: usize| -> Vec<f64> {
        let pairs = (apart..count).map(|at| dot(rows.row(at - apart), rows.row(at)));
        pairs.collect()
    };
    let [own, beside, across] = [products(0), products(1), products(2)];
    let inner = 1..count - 1;
    let together: f64 = inner
        .clone()
        .map(|at| 0.5 * (beside[at - 1] + beside[at]))
        .sum();
    let of_means: f64 = inner
        .map(|at| 0.25 * (own[at - 1] + own[at + 1] + 2.0 * across[at - 1]))
        .sum();
    let factor = if of_means > 0.0 {
        together / of_means
    } else {
        0.0
    };
    // The first and the last have one neighbour.
    let at_ends = |beside: f64, neighbour: f64| 2.0 * factor * beside - factor.powi(2) * neighbour;
    let explained =
        factor * together + at_ends(beside[0], own[1]) + at_ends(beside[count - 2], own[count - 2]);
    let by_chance = smooth_by_chance(&rows);
    explained >= (WORTH_A_LOOK + by_chance - ROUNDING) * energy
}

/// Sums and numbers of the values along each diagonal that goes `stride` columns to the right from a
/// row to the next: of the value at (row, column) at `column + (rows − 1 − row) · stride`.
fn diagonal_sums(window: &Dense, stride: usize) -> (Vec<f64>, Vec<f64>) {
    let (rows, columns) = (window.rows, window.columns);
    let diagonals = columns + (rows - 1) * stride;
    let (mut sums, mut counts) = (vec![0.0; diagonals], vec![0.0; diagonals]);
    widest(
        #[inline(always)]
        || {
            for (row, values) in window.values.chunks_exact(columns).enumerate() {
                let first = (rows - 1 - row) * stride;
                let own = sums[first..].iter_mut().zip(values);
                own.for_each(|(sum, x)| *sum += x);
                let own = counts[first..first + columns].iter_mut();
                own.for_each(|count| *count += 1.0);
            }
        },
    );
    (sums, counts)
}

/// The inner product, in lanes: faster than one sum after the other, and rounded another way.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    const LANES: usize = 8;
    let count = x.len();
    let (x, rest_of_x) = x.as_chunks::<LANES>();
    let (y, rest_of_y) = y.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    widest_for(
        count,
        #[inline(always)]
        || {
            for (x, y) in x.iter().zip(y) {
                for lane in 0..LANES {
                    sums[lane] += x[lane] * y[lane];
                }
            }
        },
    );
    let rest = rest_of_x.iter().zip(rest_of_y).map(|(x, y)| x * y);
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

/// The first rows and columns of a window.
fn corner(window: &Dense, side: usize) -> Cow<'_, Dense> {
    let (rows, columns) = (window.rows.min(side), window.columns.min(side));
    if (rows, columns) == (window.rows, window.columns) {
        return Cow::Borrowed(window);
    }
    let values = (0..rows).flat_map(|row| &window.row(row)[..columns]);
    Cow::Owned(Dense {
        rows,
        columns,
        values: values.copied().collect(),
    })
}

fn every() -> impl Iterator<Item = (Formula, Along)> {
    // The plainest first: of equals it stays.
    [
        (Formula::Identity, Along::Rows),
        (Formula::Diagonals, Along::Rows),
        (Formula::Hadamard, Along::Rows),
        (Formula::Hadamard, Along::Columns),
        (Formula::Sines, Along::Rows),
        (Formula::Sines, Along::Columns),
        (Formula::Smooth, Along::Rows),
        (Formula::Smooth, Along::Columns),
    ]
    .into_iter()
}

fn explained(window: &Dense, formula: Formula, along: Along) -> Option<Explained> {
    let (rest, by_chance) = rest(window, formula, along)?;
    let centred = match formula {
        Formula::Smooth => centred(&oriented(window, along)).energy(),
        Formula::Sines => less_own_means(&oriented(window, along).transposed()).energy(),
        _ => window.energy(),
    };
    let share = if centred > 1e-12 * window.energy() {
        (1.0 - rest.energy() / centred).clamp(0.0, 1.0)
    } else {
        0.0
    };
    Some(Explained {
        formula,
        along,
        share,
        by_chance,
    })
}

fn oriented(window: &Dense, along: Along) -> Dense {
    match along {
        Along::Rows => window.clone(),
        Along::Columns => window.transposed(),
    }
}

/// What is left of `window` when `formula` is taken off, the formula's free values fitted to it, and
/// the share of random numbers that the fit takes away.
fn rest(window: &Dense, formula: Formula, along: Along) -> Option<(Dense, f64)> {
    let oriented = oriented(window, along);
    match formula {
        Formula::Identity => Some(without_identity(&oriented)),
        Formula::Diagonals => Some(without_diagonals(&oriented)),
        Formula::Hadamard => without_hadamard(&oriented),
        Formula::Sines => Some(without_sines(&oriented)),
        Formula::Smooth => Some(without_neighbours(&oriented)),
    }
}

/// Strides from a row to the next at which diagonals are looked for: 1, and the kernel of a
/// convolution whose axes were folded.
fn strides(window: &Dense) -> impl Iterator<Item = usize> {
    let columns = window.columns;
    let of_kernels = [3, 4, 5, 7, 9, 16, 25, 36, 49, 64].into_iter();
    std::iter::once(1).chain(of_kernels.filter(move |stride| stride * 4 <= columns))
}

/// Values' worth of energy that one diagonal explains of random numbers: the best of some hundred
/// means of chi-squared 1.
const IDENTITY_BY_CHANCE: f64 = 12.0;

fn without_identity(window: &Dense) -> (Dense, f64) {
    let mut best: Option<(f64, usize, usize, f64)> = None;
    for stride in strides(window) {
        for offset in 0..stride.max(window.columns / 2) {
            let (mut sum, mut count) = (0.0, 0usize);
            for row in 0..window.rows {
                let Some(x) = window.row(row).get(row * stride + offset) else {
                    break;
                };
                sum += x;
                count += 1;
            }
            let energy = sum * sum / count.max(1) as f64;
            if count >= 4 && best.is_none_or(|(most, ..)| energy > most) {
                best = Some((energy, stride, offset, sum / count as f64));
            }
        }
    }
    let mut out = window.clone();
    if let Some((_, stride, offset, mean)) = best {
        for row in 0..window.rows {
            if let Some(x) = out.row_mut(row).get_mut(row * stride + offset) {
                *x -= mean;
            }
        }
    }
    (
        out,
        IDENTITY_BY_CHANCE / (window.rows * window.columns) as f64,
    )
}

fn without_diagonals(window: &Dense) -> (Dense, f64) {
    let (rows, columns) = (window.rows, window.columns);
    let place = |row: usize, column: usize, stride: usize| column + (rows - 1 - row) * stride;
    let energy = window.energy();
    let mut best: Option<(f64, usize, Vec<f64>)> = None;
    for stride in strides(window) {
        let diagonals = columns + (rows - 1) * stride;
        let chance = diagonals as f64 / (rows * columns) as f64;
        // Long strides have about as many diagonals as values: they explain anything.
        if chance >= 0.5 {
            continue;
        }
        let (mut means, mut counts) = (vec![0.0; diagonals], vec![0usize; diagonals]);
        for row in 0..rows {
            let first = place(row, 0, stride);
            let sums = means[first..].iter_mut().zip(&mut counts[first..]);
            for (x, (sum, count)) in window.row(row).iter().zip(sums) {
                *sum += x;
                *count += 1;
            }
        }
        let mut taken_off = 0.0;
        for (mean, &count) in means.iter_mut().zip(&counts) {
            *mean /= count.max(1) as f64;
            taken_off += *mean * *mean * count as f64;
        }
        let beyond = taken_off - energy * chance;
        if best.as_ref().is_none_or(|(most, ..)| beyond > *most) {
            best = Some((beyond, stride, means));
        }
    }
    let Some((_, stride, means)) = best else {
        return (window.clone(), 0.0);
    };
    let mut out = window.clone();
    for row in 0..rows {
        let first = place(row, 0, stride);
        let own = out.row_mut(row).iter_mut().zip(&means[first..]);
        own.for_each(|(x, mean)| *x -= mean);
    }
    (out, means.len() as f64 / (rows * columns) as f64)
}

/// Side of the blocks of Sylvester's matrix that fill a window; none where they would be small.
fn block_of_hadamard(window: &Dense) -> Option<usize> {
    let power = |n: usize| 1usize << n.trailing_zeros().min(8);
    let size = power(window.rows).min(power(window.columns));
    // The first row and column of smaller ones are much of them, and constant like many things.
    (size >= 2 * LEAST_SIDE).then_some(size)
}

/// Blocks of Sylvester's matrix H(i, j) = (−1)^popcount(i & j), a factor for each row of each block.
fn without_hadamard(window: &Dense) -> Option<(Dense, f64)> {
    let size = block_of_hadamard(window)?;
    let sign = |i: usize, j: usize| {
        if ((i % size) & (j % size)).count_ones().is_multiple_of(2) {
            1.0
        } else {
            -1.0
        }
    };
    let mut out = window.clone();
    for row in 0..window.rows {
        for (block, values) in out.row_mut(row).chunks_mut(size).enumerate() {
            let signed = values.iter().enumerate();
            let sum: f64 = signed.map(|(j, x)| x * sign(row, block * size + j)).sum();
            let factor = sum / size as f64;
            for (j, x) in values.iter_mut().enumerate() {
                *x -= factor * sign(row, block * size + j);
            }
        }
    }
    Some((out, 1.0 / size as f64))
}

/// Each column less its mean and its strongest frequency: either that one with its neighbours on
/// either side, as a window makes of a sine, or one wave of any frequency, whichever leaves less.
fn without_sines(window: &Dense) -> (Dense, f64) {
    let n = window.rows;
    let columns = less_own_means(&window.transposed());
    let (cosines, sines) = waves(n);
    let spectrum = [columns.times(&cosines), columns.times(&sines)];
    let mut out = Dense::zeros(0, n);
    for at in 0..columns.rows {
        let column = columns.row(at);
        let (c, s) = (spectrum[0].row(at), spectrum[1].row(at));
        let power = |k: usize| c[k].powi(2) + s[k].powi(2);
        let peak = (0..c.len()).max_by(|&a, &b| power(a).total_cmp(&power(b)));
        let rest = match peak {
            None => column.to_vec(),
            Some(peak) => {
                let together = less_three(column, peak, [c, s], [&cosines, &sines]);
                let energy = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>();
                let is_wave = 2.0 * energy(&together) < energy(column);
                let alone = is_wave.then(|| less_one_wave(column, peak));
                let alone = alone.filter(|alone| energy(alone) < energy(&together));
                alone.unwrap_or(together)
            }
        };
        out.values.extend(rest);
        out.rows += 1;
    }
    (out.transposed(), sines_by_chance(n))
}

/// Share of random columns of `n` values that their strongest frequency and its neighbours take: the
/// greatest of n/2 exponentials and two others, of n/2.
fn sines_by_chance(n: usize) -> f64 {
    let half = n as f64 / 2.0;
    ((half.ln() + 0.58 + 2.0) / half).min(1.0)
}

/// What a wave of k + 1 periods takes off a column of `n` values, of its product with it: the
/// highest frequency of an even number has one phase only.
fn factor_of_wave(k: usize, n: usize) -> f64 {
    let phases = if 2 * (k + 1) == n { 1.0 } else { 2.0 };
    phases / n as f64
}

/// cos and sin of 2π·k·t/n, shape (n, n/2), k = 1 to n/2 in the columns.
type Waves = (Dense, Dense);

/// Those of a column of a corner, made once: thousands of small matrices have one length.
fn waves_of_corner(n: usize) -> &'static Waves {
    static KNOWN: [OnceLock<Waves>; CORNER + 1] = [const { OnceLock::new() }; CORNER + 1];
    KNOWN[n].get_or_init(|| waves(n))
}

fn waves(n: usize) -> Waves {
    let turn = std::f64::consts::TAU / n as f64;
    let table = |wave: fn(f64) -> f64| {
        let of_turns: Vec<f64> = (0..n).map(|at| wave(turn * at as f64)).collect();
        let mut out = Dense::zeros(n, n / 2);
        for t in 0..n {
            let mut turned = 0;
            for x in out.row_mut(t) {
                turned += t;
                turned -= if turned >= n { n } else { 0 };
                *x = of_turns[turned];
            }
        }
        out
    };
    (table(f64::cos), table(f64::sin))
}

/// A column less the frequency at `peak` of its spectrum and the two beside it.
fn less_three(
    column: &[f64],
    peak: usize,
    [c, s]: [&[f64]; 2],
    [cosines, sines]: [&Dense; 2],
) -> Vec<f64> {
    let n = column.len();
    let mut out = column.to_vec();
    for k in peak.saturating_sub(1)..(peak + 2).min(c.len()) {
        let factor = factor_of_wave(k, n);
        for (t, x) in out.iter_mut().enumerate() {
            *x -= factor * (c[k] * cosines.row(t)[k] + s[k] * sines.row(t)[k]);
        }
    }
    out
}

/// Steps of the search for a frequency between those of the spectrum.
const NARROWED: usize = 24;

/// A column less a constant and the one wave that leaves the least of it, its frequency within one
/// of `peak`, by golden section.
fn less_one_wave(column: &[f64], peak: usize) -> Vec<f64> {
    let left = |at| wave_fitted(column, at).0;
    let frequency = narrowed(column.len(), peak, NARROWED, left);
    wave_fitted(column, frequency).1
}

/// The frequency within one of `peak` at which `left` is least, by so many steps of golden section.
fn narrowed(n: usize, peak: usize, steps: usize, left: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let unit = std::f64::consts::TAU / n as f64;
    let (mut low, mut high) = (unit * (peak as f64 + 0.02), unit * (peak as f64 + 2.0));
    let looked_at = |at| (at, left(at));
    let nearer = |low: f64, high: f64| looked_at(high - GOLDEN * (high - low));
    let farther = |low: f64, high: f64| looked_at(low + GOLDEN * (high - low));
    // What a step leaves between its ends was looked at by the step before.
    let (mut near, mut far) = (nearer(low, high), farther(low, high));
    for step in 1..=steps {
        let is_last = step == steps;
        if near.1 <= far.1 {
            (high, far) = (far.0, near);
            near = if is_last { far } else { nearer(low, high) };
        } else {
            (low, near) = (near.0, far);
            far = if is_last { near } else { farther(low, high) };
        }
    }
    0.5 * (low + high)
}

/// No more than the energy of what [`less_one_wave`] leaves of a column of a corner without mean,
/// from its products with waves of known frequencies. The frequency that the search ends at lies
/// within 1/32 of the nearest of these, and near its place a wave loses π²/3 of the square of that,
/// 0.32 %.
fn left_by_one_wave(column: &[f64], peak: usize) -> f64 {
    const LOST: f64 = 0.01;
    let products = waves_between(column.len()).products(column, peak);
    let taken = products.as_chunks().0.iter();
    let taken = taken.map(|[cosine, sine]| cosine * cosine + sine * sine);
    let energy = dot(column, column);
    energy - taken.fold(0.0, f64::max) - LOST * energy
}

/// Steps from a frequency of a spectrum to the next.
const STEPS_BETWEEN: usize = 16;

/// A cosine and a sine for each frequency within one of a peak.
const WAVES_AROUND: usize = 2 * (2 * STEPS_BETWEEN + 1);

/// Orthogonal waves of unit length without mean, of frequencies from 0 on, a sixteenth of the
/// distance of two of a spectrum apart.
struct WavesBetween {
    /// Shape (values of a wave, waves): a cosine and a sine for each frequency, about the middle,
    /// where they are apart.
    values: Dense,
}

impl WavesBetween {
    fn new(n: usize) -> Self {
        let middle = 0.5 * (n as f64 - 1.0);
        let unit = std::f64::consts::TAU / n as f64;
        // As far as the search goes around the last peak there is.
        let steps = (n / 2 + 1) * STEPS_BETWEEN + 1;
        let mut waves = Dense::zeros(2 * steps, n);
        for at in 0..2 * steps {
            let frequency = unit * (at / 2) as f64 / STEPS_BETWEEN as f64;
            let wave = waves.row_mut(at);
            for (t, x) in wave.iter_mut().enumerate() {
                let angle = (t as f64 - middle) * frequency;
                *x = if at % 2 == 0 {
                    angle.cos()
                } else {
                    angle.sin()
                };
            }
            let mean = wave.iter().sum::<f64>() / n as f64;
            wave.iter_mut().for_each(|x| *x -= mean);
            // Of a wave of no length only rounding is left.
            let own = dot(wave, wave);
            let is_wave = own > 1e-12 * n as f64;
            let factor = if is_wave { own.sqrt().recip() } else { 0.0 };
            wave.iter_mut().for_each(|x| *x *= factor);
        }
        Self {
            values: waves.transposed(),
        }
    }

    /// The products of a column with those within one of the frequency at `peak`, where the search
    /// looks.
    fn products(&self, column: &[f64], peak: usize) -> [f64; WAVES_AROUND] {
        let from = 2 * peak * STEPS_BETWEEN;
        let mut out = [0.0; WAVES_AROUND];
        widest(
            #[inline(always)]
            || {
                for (t, x) in column.iter().enumerate() {
                    let waves = &self.values.row(t)[from..from + WAVES_AROUND];
                    out.iter_mut()
                        .zip(waves)
                        .for_each(|(sum, wave)| *sum += x * wave);
                }
            },
        );
        out
    }
}

/// Those of a column of a corner, made once.
fn waves_between(n: usize) -> &'static WavesBetween {
    static KNOWN: [OnceLock<WavesBetween>; CORNER + 1] = [const { OnceLock::new() }; CORNER + 1];
    KNOWN[n].get_or_init(|| WavesBetween::new(n))
}

/// Energy and values of what is left of a column when a constant and a wave of that frequency, in
/// radians a step, are taken off it.
fn wave_fitted(column: &[f64], frequency: f64) -> (f64, Vec<f64>) {
    // Gram-Schmidt over 1, cos, sin; phases count from the middle, where cos and sin are apart. Each
    // step is a rotation of the one before: this is most of the time of a look.
    let middle = 0.5 * (column.len() as f64 - 1.0);
    let n = column.len() as f64;
    let (step_sine, step_cosine) = frequency.sin_cos();
    let (mut own_sine, mut own_cosine) = (-middle * frequency).sin_cos();
    let mut cosine = Vec::with_capacity(column.len());
    // About the middle a sine is odd: it has no mean, and nothing in common with a cosine.
    let mut sine = Vec::with_capacity(column.len());
    for _ in column {
        cosine.push(own_cosine);
        sine.push(own_sine);
        (own_sine, own_cosine) = (
            own_sine * step_cosine + own_cosine * step_sine,
            own_cosine * step_cosine - own_sine * step_sine,
        );
    }
    let mean = cosine.iter().sum::<f64>() / n;
    cosine.iter_mut().for_each(|x| *x -= mean);
    let mean = column.iter().sum::<f64>() / n;
    let mut rest: Vec<f64> = column.iter().map(|x| x - mean).collect();
    for wave in [&cosine, &sine] {
        let own: f64 = wave.iter().map(|x| x * x).sum();
        if own > 1e-12 * n {
            let share = rest.iter().zip(wave).map(|(x, w)| x * w).sum::<f64>() / own;
            rest.iter_mut().zip(wave).for_each(|(x, w)| *x -= share * w);
        }
    }
    (rest.iter().map(|x| x * x).sum(), rest)
}

/// Each row less its mean.
fn less_own_means(rows: &Dense) -> Dense {
    let mut out = rows.clone();
    for at in 0..out.rows {
        let row = out.row_mut(at);
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        row.iter_mut().for_each(|x| *x -= mean);
    }
    out
}

/// Each row less what the mean of its two neighbours tells of it, the mean row taken off first.
fn without_neighbours(window: &Dense) -> (Dense, f64) {
    let rows = centred(window);
    let around = |at: usize| -> Vec<f64> {
        let (before, after) = (rows.row(at - 1), rows.row(at + 1));
        before
            .iter()
            .zip(after)
            .map(|(x, y)| 0.5 * (x + y))
            .collect()
    };
    let (mut together, mut own) = (0.0, 0.0);
    for at in 1..rows.rows - 1 {
        let around = around(at);
        together += around
            .iter()
            .zip(rows.row(at))
            .map(|(x, y)| x * y)
            .sum::<f64>();
        own += around.iter().map(|x| x * x).sum::<f64>();
    }
    let factor = if own > 0.0 { together / own } else { 0.0 };
    let mut out = Dense::zeros(0, rows.columns);
    for at in 0..rows.rows {
        let inner = at > 0 && at + 1 < rows.rows;
        let values: Vec<f64> = if inner {
            let around = around(at);
            rows.row(at)
                .iter()
                .zip(around)
                .map(|(x, y)| x - factor * y)
                .collect()
        } else {
            // The first and the last have one neighbour.
            let beside = rows.row(if at == 0 { 1 } else { at - 1 });
            rows.row(at)
                .iter()
                .zip(beside)
                .map(|(x, y)| x - factor * y)
                .collect()
        };
        out.values.extend(values);
        out.rows += 1;
    }
    (out, smooth_by_chance(&rows))
}

/// Share of random rows that the mean of their neighbours tells.
fn smooth_by_chance(rows: &Dense) -> f64 {
    2.0 / (rows.rows * rows.columns) as f64
}

/// Less the mean row and the mean of each row: what all have in common is no formula of places.
fn centred(window: &Dense) -> Dense {
    let mut out = window.clone();
    for row in 0..out.rows {
        let mean = out.row(row).iter().sum::<f64>() / out.columns as f64;
        out.row_mut(row).iter_mut().for_each(|x| *x -= mean);
    }
    let mut means = vec![-0.0; out.columns];
    for row in 0..out.rows {
        let row = out.row(row).iter();
        means.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    means.iter_mut().for_each(|sum| *sum /= out.rows as f64);
    for row in 0..out.rows {
        let row = out.row_mut(row).iter_mut();
        row.zip(&means).for_each(|(x, mean)| *x -= mean);
    }
    out
}

/// How a likeness stands when the formula of one side is taken off both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Remaining {
    /// The formula.
    pub formula: Explained,
    /// What it explains of the other side.
    pub of_target: f64,
    /// Cosine of the two windows.
    pub before: f64,
    /// Cosine of what is left; 0 where nothing is.
    pub after: f64,
    /// Whether both are one table as it was computed, but for the number format.
    pub is_table: bool,
}

impl Remaining {
    /// Whether the likeness is the formula's: there before, and gone or nothing left after. A
    /// fine-tune of a model that holds such a table keeps more than the formula, its noise.
    pub(crate) fn is_explained(&self) -> bool {
        let is_gone = self.after < LIKE.min(0.5 * self.before.abs());
        self.is_table || self.before.abs() >= LIKE && is_gone
    }
}

/// Takes each formula that either window is near off both; of these the one that leaves the least
/// likeness. None where neither is near one, or their shapes differ.
///
/// A copy of a trained matrix stays like it whichever formula is taken off, by what training put
/// beside it, so the choice of the least costs a copy nothing.
pub(crate) fn remaining(base: &Dense, target: &Dense) -> Option<Remaining> {
    if (base.rows, base.columns) != (target.rows, target.columns) || is_small(base) {
        return None;
    }
    // What is explained to less than 15 % on one side and wholly on the other makes no cosine of
    // 0.5.
    if !may_follow(target) && (are_much_alike(base, target) || !may_follow(base)) {
        return None;
    }
    let before = cosine(base, target);
    let nearest = nearest_formula(base).or_else(|| nearest_formula(target))?;
    let is_table = before >= SAME_TABLE && (nearest.share >= PURE || share_zeros(base, target));
    let without = |formula, along| -> Option<Remaining> {
        let of_base = explained(base, formula, along)?;
        let of_target = explained(target, formula, along)?;
        if of_base.excess().max(of_target.excess()) < LEAST_EXPLAINED {
            return None;
        }
        let (rest_of_base, _) = rest(base, formula, along)?;
        let (rest_of_target, _) = rest(target, formula, along)?;
        // Rounding to 16 or 8 bits leaves something of every table: no likeness.
        let nothing_left = |rest: &Dense, window: &Dense| rest.energy() < 1e-3 * window.energy();
        let is_gone = nothing_left(&rest_of_base, base) || nothing_left(&rest_of_target, target);
        Some(Remaining {
            formula: of_base,
            of_target: of_target.share,
            before,
            is_table,
            after: if is_gone {
                0.0
            } else {
                cosine(&rest_of_base, &rest_of_target)
            },
        })
    };
    let mut best: Option<Remaining> = None;
    for (formula, along) in every() {
        let Some(found) = without(formula, along) else {
            continue;
        };
        if best.is_none_or(|best| found.after.abs() < best.after.abs()) {
            best = Some(found);
        }
    }
    best
}

/// Whether the cosine of two windows is at least 0.5.
fn are_much_alike(base: &Dense, target: &Dense) -> bool {
    let [own, of_target] = [base, target].map(|window| dot(&window.values, &window.values));
    let together = dot(&base.values, &target.values);
    together > 0.0 && together * together >= 0.25 * own * of_target
}

/// Whether most values of both are zero, in the same places.
fn share_zeros(one: &Dense, other: &Dense) -> bool {
    let both = one.values.iter().zip(&other.values);
    let (mut of_either, mut of_both) = (0usize, 0usize);
    for (x, y) in both {
        of_either += usize::from(*x == 0.0 || *y == 0.0);
        of_both += usize::from(*x == 0.0 && *y == 0.0);
    }
    2 * of_both > one.values.len() && 20 * of_both >= 19 * of_either
}

fn cosine(one: &Dense, other: &Dense) -> f64 {
    let dot: f64 = one
        .values
        .iter()
        .zip(&other.values)
        .map(|(x, y)| x * y)
        .sum();
    let scale = (one.energy() * other.energy()).sqrt();
    if scale > 0.0 { dot / scale } else { 0.0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::f64::consts::{PI, TAU};

    use super::*;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    fn table(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Dense {
        Dense {
            rows,
            columns,
            values: (0..rows * columns)
                .map(|at| value(at / columns, at % columns))
                .collect(),
        }
    }

    #[test]
    fn sums_of_diagonals_are_those_of_their_values() {
        for (rows, columns, stride) in [(3, 5, 1), (5, 3, 1), (8, 40, 3), (9, 64, 16), (2, 9, 1)] {
            let window = table(rows, columns, |row, column| {
                (1 + row * 7 + column * 3) as f64
            });
            let (sums, counts) = diagonal_sums(&window, stride);
            let (mut expected, mut number) = (vec![0.0; sums.len()], vec![0.0; sums.len()]);
            for (at, value) in window.values.iter().enumerate() {
                let diagonal = at % columns + (rows - 1 - at / columns) * stride;
                expected[diagonal] += value;
                number[diagonal] += 1.0;
            }
            assert_eq!(
                (sums, counts),
                (expected, number),
                "{rows} {columns} {stride}"
            );
        }
    }

    fn noised(table: &Dense, share: f64, purpose: &str) -> Dense {
        let mut draws = Draws::new(0, purpose);
        let size = share * (table.energy() / table.values.len() as f64).sqrt();
        Dense {
            values: table
                .values
                .iter()
                .map(|x| x + size * draws.normal())
                .collect(),
            ..*table
        }
    }

    fn positions(half_and_half: bool) -> Dense {
        table(128, 64, |position, column| {
            let pair = if half_and_half {
                column % 32
            } else {
                column / 2
            };
            let angle = position as f64 / 10_000f64.powf(pair as f64 / 32.0);
            let is_sine = if half_and_half {
                column < 32
            } else {
                column % 2 == 0
            };
            if is_sine { angle.sin() } else { angle.cos() }
        })
    }

    fn mel() -> Dense {
        table(40, 201, |filter, bin| {
            let centre = 5.0 * filter as f64;
            (1.0 - (bin as f64 - centre).abs() / 8.0).max(0.0)
        })
    }

    fn tables() -> Vec<(Formula, Dense)> {
        let popcount = |i: usize, j: usize| {
            if (i & j).count_ones().is_multiple_of(2) {
                1.0
            } else {
                -1.0
            }
        };
        vec![
            (Formula::Identity, table(64, 64, |i, j| f64::from(i == j))),
            (
                Formula::Identity,
                table(40, 60, |i, j| 3.0 * f64::from(i + 7 == j)),
            ),
            (
                Formula::Identity,
                table(28, 28 * 9, |i, j| f64::from(j == 9 * i + 4)),
            ),
            (
                Formula::Diagonals,
                table(96, 96, |i, j| (-(i as f64 - j as f64).abs() / 5.0).exp()),
            ),
            (
                Formula::Diagonals,
                table(96, 96, |i, j| f64::from((i + 96 - j) % 24 == 0)),
            ),
            (Formula::Sines, positions(true)),
            (Formula::Sines, positions(false)),
            (
                Formula::Sines,
                table(64, 64, |i, j| {
                    (PI * i as f64 * (j as f64 + 0.5) / 64.0).cos()
                }),
            ),
            (
                Formula::Sines,
                table(65, 128, |k, t| {
                    let hann = 0.5 - 0.5 * (TAU * t as f64 / 128.0).cos();
                    hann * (TAU * (k * t) as f64 / 128.0).sin()
                }),
            ),
            (Formula::Hadamard, table(128, 128, popcount)),
            (
                Formula::Hadamard,
                table(96, 96, |i, j| {
                    popcount(i % 32, j % 32) * [1.0, -1.0][usize::from(i < 40)]
                }),
            ),
        ]
    }

    #[test]
    fn formulas_are_recognised_in_any_format_and_noised() {
        for (formula, table) in tables() {
            for noise in [0.0, 0.005, 0.3] {
                let found = nearest_formula(&noised(&table, noise, "training")).unwrap();
                let other = formula != Formula::Identity && found.formula == Formula::Identity;
                assert!(
                    !other && found.share > 0.6,
                    "{formula:?} {noise}: {found:?}"
                );
            }
            let (one, other) = (noised(&table, 0.3, "one"), noised(&table, 0.3, "other"));
            let found = remaining(&one, &other).unwrap();
            assert!(found.is_explained(), "{formula:?}: {found:?}");
            let found = remaining(&table, &noised(&table, 1e-3, "format")).unwrap();
            assert!(found.is_explained(), "{formula:?}: {found:?}");
            // A copy of what training made of the table is a copy.
            let copy = remaining(&one, &noised(&one, 0.1, "fine-tuning")).unwrap();
            assert!(!copy.is_explained(), "{formula:?}: {copy:?}");
        }
        let found = nearest_formula(&mel()).unwrap();
        assert!(found.share > 0.6, "{found:?}");
        let mut rounded = mel();
        let round = |x: &mut f64| *x = f64::from(*x as f32) * (1.0 + 1e-3);
        rounded.values.iter_mut().for_each(round);
        assert!(remaining(&mel(), &rounded).unwrap().is_explained());
        let found = remaining(&noised(&mel(), 0.2, "one"), &noised(&mel(), 0.2, "other")).unwrap();
        assert!(found.is_explained(), "{found:?}");
    }

    #[test]
    fn the_cheap_look_at_diagonals_tells_what_the_formulas_do() {
        let mut seen = [0; 2];
        for (_, table) in tables() {
            for noise in [0.0, 0.3, 1.0, 1.5, 2.0, 2.5, 3.0] {
                let window = noised(&table, noise, "training");
                let follows = [Formula::Identity, Formula::Diagonals].into_iter();
                let follows = follows
                    .filter_map(|formula| explained(&window, formula, Along::Rows))
                    .any(|found| found.excess() >= WORTH_A_LOOK);
                assert_eq!(may_have_diagonals(&window), follows, "{noise}");
                seen[usize::from(follows)] += 1;
            }
        }
        assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
        assert!(!may_have_diagonals(&table(9, 9, |_, _| 0.0)));
        assert!(!may_have_diagonals(&table(0, 9, |_, _| 0.0)));
    }

    #[test]
    fn the_cheap_look_at_frequencies_tells_what_the_formula_does() {
        let mut seen = [0; 2];
        for (_, table) in tables() {
            for noise in [0.0, 0.3, 1.0, 1.5, 2.0, 2.5, 3.0] {
                let noised = noised(&table, noise, "training");
                let window = corner(&noised, CORNER);
                for along in [Along::Rows, Along::Columns] {
                    let found = explained(&window, Formula::Sines, along).unwrap();
                    let follows = found.excess() >= WORTH_A_LOOK;
                    // It may ask for a closer look in vain, by a little.
                    let is_near = found.excess() >= WORTH_A_LOOK - 0.02;
                    let looks = may_have_sines(&window, along);
                    assert!(looks == follows || looks && is_near, "{noise} {along:?}");
                    seen[usize::from(looks)] += 1;
                }
            }
        }
        assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
    }

    #[test]
    fn no_search_for_a_wave_leaves_less_than_the_cheap_look_says() {
        for n in [8, 9, 12, 16, 31, 64] {
            let mut draws = Draws::new(n as u64, "columns");
            for round in 1..400 {
                let frequency = PI * f64::from(round) / 400.0;
                let noise = [0.0, 0.3, 3.0][round as usize % 3];
                let value = |t: usize| (frequency * t as f64 + 0.7).sin() + noise * draws.normal();
                let column: Vec<f64> = (0..n).map(value).collect();
                let mean = column.iter().sum::<f64>() / n as f64;
                let column: Vec<f64> = column.iter().map(|x| x - mean).collect();
                let energy = dot(&column, &column);
                for peak in 0..n / 2 {
                    let rest = less_one_wave(&column, peak);
                    let (left, least) = (dot(&rest, &rest), left_by_one_wave(&column, peak));
                    assert!(left >= least - 1e-9 * energy, "{n} {round} {peak}");
                    // And the two are near where the wave is of that frequency.
                    let of_step = std::f64::consts::TAU / n as f64;
                    let is_its_own = (frequency / of_step - (peak + 1) as f64).abs() < 0.9;
                    if noise == 0.0 && is_its_own {
                        assert!(left <= least + 0.03 * energy, "{n} {round} {peak}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_cheap_look_at_neighbours_tells_what_the_formula_does() {
        let smooth = table(40, 30, |i, j| {
            (i as f64 / 9.0).sin() * (j as f64 / 7.0).cos()
        });
        let mut seen = [0; 2];
        let tables = tables().into_iter().map(|(_, table)| table);
        for table in tables.chain([smooth, mel()]) {
            for noise in [0.0, 0.3, 1.0, 2.0] {
                let noised = noised(&table, noise, "training");
                let window = corner(&noised, CORNER);
                for along in [Along::Rows, Along::Columns] {
                    let found = explained(&window, Formula::Smooth, along).unwrap();
                    let follows = found.excess() >= WORTH_A_LOOK;
                    assert_eq!(may_be_smooth(&centred(&window), along), follows, "{noise}");
                    seen[usize::from(follows)] += 1;
                }
            }
        }
        assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
    }

    /// Matrices without a formula, with all kinds of structure.
    fn random_ones(rounds: u64) {
        let mut greatest = 0.0f64;
        for round in 0..rounds {
            let mut draws = Draws::new(round, "no formula");
            let (rows, columns) = [(64, 64), (40, 201), (128, 32), (8, 8)][round as usize % 4];
            let mut normal =
                |count: usize| -> Vec<f64> { (0..count).map(|_| draws.normal()).collect() };
            let noise = normal(rows * columns);
            let (of_rows, of_columns) = (normal(rows * 4), normal(columns * 4));
            for kind in 0..6 {
                let window = table(rows, columns, |i, j| {
                    let x = noise[i * columns + j];
                    match kind {
                        0 => x,
                        1 => x.powi(3),
                        2 => x + 2.0 * of_columns[j],
                        3 => {
                            x + (0..4)
                                .map(|k| of_rows[i * 4 + k] * of_columns[j * 4 + k])
                                .sum::<f64>()
                        }
                        4 => x + 2.0 * of_columns[i % 3 * columns + j],
                        _ => x * (1.0 + i as f64 / rows as f64) + of_columns[j],
                    }
                });
                // Three clusters in turn repeat every third row; that is a frequency.
                if kind == 4 {
                    continue;
                }
                for (formula, along) in every() {
                    if let Some(found) = explained(&window, formula, along) {
                        greatest = greatest.max(found.excess());
                    }
                }
                assert!(nearest_formula(&window).is_none(), "{round} {kind}");
            }
        }
        assert!(greatest < LEAST_EXPLAINED, "{greatest}");
    }

    #[test]
    fn random_matrices_are_near_no_formula() {
        random_ones(12);
    }

    #[test]
    #[ignore = "minutes: 2,000 matrices"]
    fn random_matrices_are_never_near_a_formula() {
        random_ones(400);
    }

    #[test]
    fn what_is_small_empty_or_broken_has_no_formula() {
        assert!(nearest_formula(&table(64, 64, |_, _| 0.0)).is_none());
        assert!(nearest_formula(&table(7, 64, |i, j| f64::from(i == j))).is_none());
        let nan = Matrix {
            rows: 9,
            columns: 300,
            values: vec![f32::NAN; 2700],
        };
        let window = window(&nan).unwrap();
        assert_eq!(
            (window.rows, window.columns, window.energy()),
            (9, WINDOW, 0.0)
        );
        assert!(remaining(&window, &table(9, 9, |_, _| 1.0)).is_none());
        for (rows, columns) in [(1, 28), (28, 1), (2, 64), (7, 64), (1, 1)] {
            let wave = table(rows, columns, |i, j| (0.1 * (i + j) as f64).sin());
            let other = table(rows, columns, |i, j| (0.1 * (i + j) as f64 + 1.0).sin());
            assert!(remaining(&wave, &wave).is_none(), "{rows} x {columns}");
            assert!(remaining(&wave, &other).is_none(), "{rows} x {columns}");
        }
    }
}
