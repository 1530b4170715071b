//! Are two models the same values up to the precision of their number formats? (guide/methods.md,
//! section 6: "Noise floor of an encoding")
//!
//! Size of the change alone tells nothing: rounding to 4 bits moves weights more than a light
//! fine-tune does. What tells is whether each element moved by no more than its own grid allows.
//! Every informative tensor, norms included, must pass; the first that does not ends the search.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::align::{Alignment, Pair, Unmatched, Why};
use crate::error::Result;
use crate::measure::monitor::Monitor;
use crate::measure::record::Record;
use crate::model::dtype::Kind;
use crate::model::words::{Class, Component};
use crate::numeric::rows::RowSource;
use crate::view::adapted::adapter;
use crate::view::logical::{Logical, Origin, RowOrder};
use crate::view::model::Model;
use crate::view::reader::View;

use super::analysis::{Analysis, Found, Setting};
use super::figures::Covered;
use super::finding::NoiseFloor;
use super::grounds::{Grounds, ReEncoding};
use super::part::Part;
use super::relation::Relation;

/// No encoding in use brings a tensor's cosine below this: 2 bits in groups of 128 leave 0.85.
const LEAST_COSINE: f64 = 0.75;
/// Elements of a chunk.
const CHUNK: usize = 1 << 17;
/// Programs round products of codes and scales in formats of their own; nothing that matters is
/// smaller than this share of a step.
const STEP_SLACK: f64 = 1e-3;
/// Half steps that a value at the end of a grid may be away from what was clipped to it.
const CLIPPED_REACH: f64 = 4.0;
/// The same as [`STEP_SLACK`] for dequantised values, as a share of the value: a few units in the
/// last place of f32.
const VALUE_SLACK: f64 = 1.0 / (1 << 21) as f64;

/// What number formats explain of the difference.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Encoding {
    /// What the search found; `None` where a tensor lacks its counterpart or is too unlike for any
    /// encoding.
    pub noise_floor: Option<NoiseFloor>,
    /// Whether every tensor of both sides was read.
    is_whole: bool,
    /// Whether one side is a quantised form of something.
    is_quantised: bool,
}

impl Analysis for Encoding {
    fn needs_all_values() -> bool {
        true
    }

    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        let models = setting.models;
        let is_adapter = adapter(models[1]).is_some();
        Ok(Some(Self {
            noise_floor: judge_all(setting)?,
            is_whole: models.iter().all(|model| model.checkpoint().is_whole()),
            is_quantised: !is_adapter && is_quantised_on_one_side(setting.alignment, models),
        }))
    }

    fn relations(&self, _: &[Part], _: Option<Component>) -> Vec<Relation> {
        let passed = self.noise_floor.as_ref().is_some_and(|floor| floor.passed);
        let quantised = (self.is_quantised && !passed).then_some(Relation::QuantizedFineTune);
        quantised.into_iter().collect()
    }

    fn weigh(&self, _: Option<Component>, grounds: &mut Grounds) {
        let floor = self.noise_floor.as_ref();
        let floor = floor.filter(|floor| floor.passed && self.is_whole);
        grounds.re_encoding = floor.map(|floor| ReEncoding {
            calibrated: floor.calibrated,
        });
    }
}

/// Judges the pairs; `None` where a tensor lacks its counterpart or is too unlike for any encoding.
/// Runs on the current rayon pool.
fn judge_all(setting: &Setting<'_>) -> Result<Option<NoiseFloor>> {
    let Setting {
        models,
        alignment,
        records,
        monitor,
        ..
    } = *setting;
    let mut padded = 0;
    for (model, left) in models
        .into_iter()
        .zip([&alignment.base_left, &alignment.target_left])
    {
        for unmatched in left
            .iter()
            .filter(|unmatched| unmatched.why != Why::Filtered)
        {
            if !says_nothing(model, &unmatched.tensor, left)? {
                return Ok(None);
            }
            padded += usize::from(unmatched.tensor.is_cut_by_token());
        }
    }
    // A gain that carries a factor changes no function; the matrices that carry it too are judged.
    let carrier = |pair: &Pair| alignment.rescaled.gains.contains(&pair.target.name);
    let judged = alignment
        .pairs
        .iter()
        .zip(records)
        .filter(|(pair, record)| counts(pair, record) && !carrier(pair));
    let mut judged: Vec<(&Pair, &Record)> = judged.collect();
    let like = |record: &Record| {
        record
            .figures()
            .cosine
            .is_none_or(|cosine| cosine > LEAST_COSINE)
    };
    let tried = !judged.is_empty()
        && judged
            .iter()
            .all(|(_, record)| record.unreadable.is_none() && like(record));
    if !tried {
        return Ok(None);
    }
    // What needs no reading first, then the small ones: a fine-tune shows in the norms.
    judged.sort_by_cached_key(|(pair, record)| {
        (
            !record.identical && formats(models, pair).is_some(),
            pair.target.elements(),
        )
    });
    let mut out = NoiseFloor {
        passed: true,
        calibrated: false,
        tensors: judged.len(),
        least_within: 1.0,
        hidden_change: 0.0,
        rescaled: alignment.rescaled.pairs,
        padded,
        beyond: None,
    };
    monitor.begin(
        "noise floor",
        judged.iter().map(|(pair, _)| pair.target.elements()).sum(),
    );
    for (pair, record) in judged {
        let verdict = judge(models, pair, record, monitor)?;
        out.calibrated |= verdict.calibrated;
        out.least_within = out.least_within.min(verdict.within);
        out.hidden_change = out.hidden_change.max(verdict.hidden_change);
        if !verdict.passed {
            out.passed = false;
            out.beyond = Some(pair.target.name.clone());
            break;
        }
    }
    monitor.end();
    Ok(Some(out))
}

/// Whether most of the paired matrices' parameters are quantised on one side at least, by a layout
/// that leaves every column its scale: then more than rounding sets the two apart. (AWQ rescales
/// columns, so of its files nothing is said.)
fn is_quantised_on_one_side(alignment: &Alignment, models: [&Model; 2]) -> bool {
    let share = |side: usize| {
        let mut covered = Covered::default();
        for pair in &alignment.pairs {
            let logical = if side == 0 { &pair.base } else { &pair.target };
            if logical.meaning.class == Class::Matrix {
                let counts = logical.is_quantised() && !models[side].rescales_inputs(logical);
                covered.total += logical.elements();
                covered.aligned += if counts { logical.elements() } else { 0 };
            }
        }
        covered.share()
    };
    [0, 1].into_iter().any(|side| share(side) > Some(0.5))
}

/// Longest vector that is read to see whether it says anything.
const LONGEST_VECTOR: u64 = 1 << 20;

/// Whether a tensor without a counterpart says nothing: a buffer, a vector whose elements are all
/// equal (the zero biases that converters add), a second copy of a vector of the same block (the
/// two biases of BERT's head) that is not itself `left`, or the padding of a vocabulary.
fn says_nothing(model: &Model, tensor: &Logical, left: &[Unmatched]) -> Result<bool> {
    if tensor.meaning.class == Class::Uninformative {
        return Ok(true);
    }
    if tensor.is_cut_by_token() && tensor.shape.len() == 2 {
        return is_padding(model, tensor);
    }
    if tensor.shape.len() != 1
        || tensor.elements() > LONGEST_VECTOR
        || model.unreadable(tensor).is_some()
    {
        return Ok(false);
    }
    let values = vector(model, tensor)?;
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(true);
    }
    let is_second = |other: &&Arc<Logical>| {
        (other.meaning.block, other.meaning.role, &other.shape)
            == (tensor.meaning.block, tensor.meaning.role, &tensor.shape)
            && (other.dtype, other.meaning.component) == (tensor.dtype, tensor.meaning.component)
            && left
                .iter()
                .all(|unmatched| unmatched.tensor.name != other.name)
            && model.unreadable(other).is_none()
    };
    for other in model.logicals.iter().filter(is_second) {
        if vector(model, other)? == values {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether rows of a table of tokens are what pads it: all zero, or several copies of one row
/// (guide/formats.md, section 2).
fn is_padding(model: &Model, tensor: &Logical) -> Result<bool> {
    if model.unreadable(tensor).is_some() {
        return Ok(false);
    }
    let view = model.view(tensor)?;
    let [mut first, mut row] = [vec![0.0; view.columns()], vec![0.0; view.columns()]];
    if view.rows() > 1 {
        view.read_rows(0..1, &mut first)?;
    }
    for at in 0..view.rows() {
        view.read_rows(at..at + 1, &mut row)?;
        if row != first {
            return Ok(false);
        }
    }
    Ok(true)
}

fn vector(model: &Model, tensor: &Logical) -> Result<Vec<f32>> {
    let view = model.view(tensor)?;
    let mut values = vec![0.0; view.columns()];
    view.read_rows(0..view.rows(), &mut values)?;
    Ok(values)
}

/// Whether a pair counts: a value that never moved says nothing, unless it did on the other side.
fn counts(pair: &Pair, record: &Record) -> bool {
    let told = |l: &Logical| l.meaning.class == Class::Uninformative;
    let never_moved = record.constant.base && record.constant.target;
    !(told(&pair.base) || told(&pair.target) || never_moved)
}

/// Verdict on one tensor.
struct Judged {
    passed: bool,
    calibrated: bool,
    /// Share of elements within s.
    within: f64,
    /// See [`NoiseFloor::hidden_change`].
    hidden_change: f64,
}

fn judge(
    models: [&Model; 2],
    pair: &Pair,
    record: &Record,
    monitor: &dyn Monitor,
) -> Result<Judged> {
    let calibrated = models[0].is_calibrated(&pair.base) || models[1].is_calibrated(&pair.target);
    let is_equal = record.sums.n > 0 && record.sums.equal == record.sums.n;
    if record.identical || is_equal {
        return Ok(Judged {
            passed: true,
            calibrated,
            within: 1.0,
            hidden_change: 0.0,
        });
    }
    // Block formats of ggml weigh the elements to choose scales; their codes are the nearest ones
    // all the same.
    let sides = [(models[0], &pair.base), (models[1], &pair.target)];
    let feeds_back = sides
        .iter()
        .any(|(model, side)| model.is_calibrated(side) && side.dtype.kind() != Kind::Block);
    let Some(formats) = formats(models, pair) else {
        return Ok(Judged {
            passed: false,
            calibrated,
            within: 0.0,
            hidden_change: 0.0,
        });
    };
    let tally = tally(models, pair, formats, monitor)?;
    let passed = match formats {
        Formats::One => tally.equal == tally.n,
        Formats::Two if feeds_back => tally.is_calibrated_rounding(),
        Formats::Two if calibrated => tally.is_searched_rounding(),
        Formats::Two => tally.is_rounding(),
    };
    let hidden_change = match formats {
        Formats::One => 0.0,
        Formats::Two => tally.hidden_change(calibrated),
    };
    Ok(Judged {
        passed,
        calibrated,
        within: tally.within as f64 / tally.n.max(1) as f64,
        hidden_change,
    })
}

/// Number formats of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Formats {
    /// One and the same: only equal values pass.
    One,
    /// Two.
    Two,
}

/// `None` where the bytes, which differ, already say that the values do.
fn formats(models: [&Model; 2], pair: &Pair) -> Option<Formats> {
    let (base, target) = (&pair.base, &pair.target);
    let plain = |l: &Logical| l.is_as_stored();
    // Codes without their scale are no values that another format could hold.
    let is_codes = |l: &Logical| !l.is_quantised() && l.dtype.kind() == Kind::Integer;
    if is_codes(base) != is_codes(target) {
        return None;
    }
    match (base.stored_as.origin, target.stored_as.origin) {
        // Blocks along one axis and blocks along the other are two grids.
        (Origin::Tensor(_), Origin::Tensor(_))
            if base.dtype.kind() == Kind::Block
                && base.stored_as.transposed != target.stored_as.transposed =>
        {
            Some(Formats::Two)
        }
        (Origin::Tensor(_), Origin::Tensor(_))
            if base.dtype == target.dtype && plain(base) && plain(target) =>
        {
            let as_stored =
                |l: &Logical| l.whole_tensor().is_some() && l.stored_as.rows == RowOrder::All;
            let as_it_lies = as_stored(base)
                && as_stored(target)
                && base.stored_as.transposed == target.stored_as.transposed;
            if as_it_lies { None } else { Some(Formats::One) }
        }
        (Origin::Quantised(a), Origin::Quantised(b)) if !base.is_rescaled() => {
            let layout = |model: &Model, at: usize| {
                let matrix = model.quantised.matrices.get(at)?;
                let tensors = &model.checkpoint().tensors;
                let shape = |(member, at): (&&'static str, &usize)| {
                    tensors
                        .get(*at)
                        .map(|tensor| (*member, tensor.dtype, tensor.shape.clone()))
                };
                Some((
                    matrix.scheme.clone(),
                    matrix.members.iter().map(shape).collect::<Vec<_>>(),
                ))
            };
            if layout(models[0], a) == layout(models[1], b) {
                Some(Formats::One)
            } else {
                Some(Formats::Two)
            }
        }
        _ => Some(Formats::Two),
    }
}

/// Counts over the elements of a tensor. s is the mean of the two steps at an element.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Tally {
    n: u64,
    /// Equal values.
    equal: u64,
    /// |a − b| ≤ s.
    within: u64,
    /// |a − b| ≤ 2s.
    within_two: u64,
    /// |a − b| ≤ 4s.
    within_four: u64,
    /// |a − b| ≤ 8s.
    within_eight: u64,
    /// Σ(a − b)².
    squares: f64,
    /// Σs².
    steps: f64,
    /// Σa².
    size: f64,
}

impl Tally {
    fn add(mut self, other: &Self) -> Self {
        self.n += other.n;
        self.equal += other.equal;
        self.within += other.within;
        self.within_two += other.within_two;
        self.within_four += other.within_four;
        self.within_eight += other.within_eight;
        self.squares += other.squares;
        self.steps += other.steps;
        self.size += other.size;
        self
    }

    /// Whether no more than the share `allowed` of the elements is outside of `within`.
    fn all_but(&self, within: u64, allowed: f64) -> bool {
        (self.n - within) as f64 <= allowed * self.n as f64
    }

    /// Round to nearest. Block formats without codes of their own for the ends of their grids
    /// (GGUF) leave a few clipped elements.
    fn is_rounding(&self) -> bool {
        self.all_but(self.within, 0.01) && self.all_but(self.within_two, 1e-4)
    }

    /// A calibrated quantiser rounds some elements the other way, to pay for the errors of others.
    /// A uniform error between −s and s has the mean square s²/3; GPTQ on strongly correlated
    /// inputs in activation order reaches 1.6 times its root, with 0.5 % of the elements beyond 4s
    /// and 0.01 % beyond 8s.
    fn is_calibrated_rounding(&self) -> bool {
        self.squares <= 4.0 * self.steps / 3.0
            && self.all_but(self.within_four, 0.01)
            && self.all_but(self.within_eight, 1e-3)
    }

    /// Root mean square of a change, relative to that of the values, that rounding would hide. A
    /// normal change of standard deviation d carries the share 0.4·d/s of uniform errors over s,
    /// and 1 % may be there; a calibrated rounding may grow up to the limit of its mean square.
    fn hidden_change(&self, calibrated: bool) -> f64 {
        let square = if calibrated {
            4.0 * self.steps / 3.0 - self.squares
        } else {
            self.steps * (0.01f64 / 0.4).powi(2)
        };
        if self.size > 0.0 {
            (square.max(0.0) / self.size).sqrt()
        } else {
            0.0
        }
    }

    /// Rounding to nearest on scales that a search chose, which clips more: up to 1.5 % of the
    /// elements in every format of ggml, where a change of 1 % of the deviation puts 5 to 11 %
    /// outside in Q4_K to Q6_K.
    fn is_searched_rounding(&self) -> bool {
        self.all_but(self.within, 0.04) && self.is_calibrated_rounding()
    }

    /// Adds elements (a, step of a) and (b, step of b).
    fn of([a, b]: [&[f32]; 2], [step_a, step_b]: [&[f32]; 2], value_slack: f64) -> Self {
        let mut lanes = Lanes::default();
        let (a, b) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let (step_a, step_b) = (step_a.as_chunks::<LANES>(), step_b.as_chunks::<LANES>());
        for (((a, b), step_a), step_b) in a.0.iter().zip(b.0).zip(step_a.0).zip(step_b.0) {
            for lane in 0..LANES {
                lanes.add(
                    lane,
                    [a[lane], b[lane]],
                    [step_a[lane], step_b[lane]],
                    value_slack,
                );
            }
        }
        let rest = a.1.iter().zip(b.1).zip(step_a.1).zip(step_b.1);
        for (lane, (((a, b), step_a), step_b)) in rest.enumerate() {
            lanes.add(lane, [*a, *b], [*step_a, *step_b], value_slack);
        }
        let n = LANES * a.0.len() + a.1.len();
        lanes.sum(n as u64)
    }
}

/// Elements that are counted side by side, so that the compiler can use wide registers.
const LANES: usize = 8;

/// A tally of every eighth element each; counts are whole numbers below 2⁵³.
#[derive(Default)]
struct Lanes {
    equal: [f64; LANES],
    within: [f64; LANES],
    within_two: [f64; LANES],
    within_four: [f64; LANES],
    within_eight: [f64; LANES],
    squares: [f64; LANES],
    steps: [f64; LANES],
    size: [f64; LANES],
}

impl Lanes {
    #[inline(always)]
    fn add(&mut self, lane: usize, [a, b]: [f32; 2], steps: [f32; 2], value_slack: f64) {
        let (a, b) = (f64::from(a), f64::from(b));
        let is_equal = (a == b) | (a.is_nan() & b.is_nan());
        // A value at the end of a grid stands for what lies up to two steps beyond it: MLX fits its
        // grid to nought, the MX formats take the power of two below the largest element.
        let is_end = (steps[0] < 0.0) | (steps[1] < 0.0);
        let reach = if is_end { CLIPPED_REACH } else { 1.0 };
        let s = (f64::from(steps[0].abs()) + f64::from(steps[1].abs())) / 2.0;
        let apart = if is_equal { 0.0 } else { (a - b).abs() };
        let larger = if b.abs() > a.abs() { b.abs() } else { a.abs() };
        let limit = s * (1.0 + STEP_SLACK) + value_slack * larger;
        let limit = if s.is_finite() { limit } else { 0.0 };
        let one_if = |holds: bool| if holds { 1.0 } else { 0.0 };
        let twice = if reach > 2.0 { reach } else { 2.0 };
        self.equal[lane] += one_if(is_equal);
        self.within[lane] += one_if(apart <= reach * limit);
        self.within_two[lane] += one_if(apart <= twice * limit);
        self.within_four[lane] += one_if(apart <= 4.0 * limit);
        self.within_eight[lane] += one_if(apart <= 8.0 * limit);
        self.squares[lane] += apart * apart;
        self.steps[lane] += limit * limit;
        self.size[lane] += a * a;
    }

    fn sum(&self, n: u64) -> Tally {
        let sum = |lanes: &[f64; LANES]| lanes.iter().sum::<f64>();
        let count = |lanes: &[f64; LANES]| sum(lanes) as u64;
        Tally {
            n,
            equal: count(&self.equal),
            within: count(&self.within),
            within_two: count(&self.within_two),
            within_four: count(&self.within_four),
            within_eight: count(&self.within_eight),
            squares: sum(&self.squares),
            steps: sum(&self.steps),
            size: sum(&self.size),
        }
    }
}

fn tally(
    models: [&Model; 2],
    pair: &Pair,
    formats: Formats,
    monitor: &dyn Monitor,
) -> Result<Tally> {
    let views = [models[0].view(&pair.base)?, models[1].view(&pair.target)?];
    let (rows, columns) = (views[0].rows(), views[0].columns());
    let quantised = pair.base.is_quantised() || pair.target.is_quantised();
    let value_slack = if quantised { VALUE_SLACK } else { 0.0 };
    let step = (CHUNK / columns.max(1)).max(1);
    let chunks: Vec<Range<usize>> = (0..rows)
        .step_by(step)
        .map(|at| at..(at + step).min(rows))
        .collect();
    let chunk = |rows: &Range<usize>| -> Result<Tally> {
        monitor.check()?;
        let count = rows.len() * columns;
        let read = |view: &View<'_>| -> Result<[Vec<f32>; 2]> {
            let (mut values, mut steps) = (vec![0.0; count], vec![0.0; count]);
            view.read_rows(rows.clone(), &mut values)?;
            match view.steps_by_exponent() {
                _ if formats == Formats::One => {}
                Some(table) => {
                    let of_value = |value: &f32| table[usize::from((value.to_bits() >> 23) as u8)];
                    steps
                        .iter_mut()
                        .zip(&values)
                        .for_each(|(step, value)| *step = of_value(value));
                }
                None => view.read_steps(rows.clone(), &mut steps)?,
            }
            Ok([values, steps])
        };
        let ([a, step_a], [b, step_b]) = (read(&views[0])?, read(&views[1])?);
        monitor.advance(count as u64);
        Ok(Tally::of([&a, &b], [&step_a, &step_b], value_slack))
    };
    let tallies: Vec<Tally> = chunks.par_iter().map(chunk).collect::<Result<_>>()?;
    // In order, so that the sums do not depend on the number of threads.
    Ok(tallies.iter().fold(Tally::default(), Tally::add))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    /// Values, and the same after `quantise` on a grid of step 1.
    fn tally(count: usize, quantise: impl Fn(f64, &mut Draws) -> f64) -> Tally {
        let mut draws = Draws::new(7, "noise floor");
        let a: Vec<f32> = (0..count).map(|_| (20.0 * draws.normal()) as f32).collect();
        let b: Vec<f32> = a
            .iter()
            .map(|&a| quantise(f64::from(a), &mut draws) as f32)
            .collect();
        Tally::of([&a, &b], [&vec![0.0; count], &vec![1.0; count]], 0.0)
    }

    #[test]
    fn rounding_to_nearest_passes_and_as_much_noise_does_not() {
        assert!(tally(100_000, |a, _| a.round()).is_rounding());
        let noise = tally(100_000, |a, draws| a + draws.normal() / 12f64.sqrt());
        assert!(!noise.is_rounding(), "{noise:?}");
        let tuned = tally(100_000, |a, draws| (a + 0.05 * draws.normal()).round());
        assert!(!tuned.is_rounding(), "{tuned:?}");
    }

    #[test]
    fn a_change_that_rounding_hides_passes_and_one_of_twice_its_size_does_not() {
        let hidden = 20.0 * tally(100_000, |a, _| a.round()).hidden_change(false);
        let changed =
            |size: f64| tally(100_000, move |a, draws| (a + size * draws.normal()).round());
        assert!(
            changed(0.8 * hidden).is_rounding() && !changed(2.0 * hidden).is_rounding(),
            "{hidden}"
        );
        let calibrated = 20.0 * tally(100_000, |a, _| a.round()).hidden_change(true);
        assert!(
            changed(0.9 * calibrated).is_calibrated_rounding(),
            "{calibrated}"
        );
        assert!(
            !changed(1.2 * calibrated).is_calibrated_rounding(),
            "{calibrated}"
        );
    }

    #[test]
    fn what_was_clipped_to_the_end_of_a_grid_is_told_from_what_was_changed() {
        // Codes -8 to 7 of step 1, values up to 8.5.
        let mut draws = Draws::new(7, "clipped");
        let a: Vec<f32> = (0..100_000)
            .map(|_| (17.0 * draws.unit() - 8.5) as f32)
            .collect();
        let clipped = |change: f32| {
            let mut draws = Draws::new(8, "change");
            let b: Vec<f32> = a
                .iter()
                .map(|a| {
                    (a + change * draws.normal() as f32)
                        .round()
                        .clamp(-8.0, 7.0)
                })
                .collect();
            let steps: Vec<f32> = b
                .iter()
                .map(|&b| if b == -8.0 || b == 7.0 { -1.0 } else { 1.0 })
                .collect();
            Tally::of([&a, &b], [&vec![0.0; a.len()], &steps], 0.0)
        };
        assert!(clipped(0.0).is_rounding(), "{:?}", clipped(0.0));
        assert!(!clipped(0.05).is_rounding(), "{:?}", clipped(0.05));
    }

    #[test]
    fn a_calibrated_rounding_goes_the_other_way_now_and_then() {
        // Real GPTQ: 25 % over half a step, 2.6 % over one.
        let calibrated = tally(100_000, |a, draws| (a + 0.4 * draws.normal()).round());
        assert!(
            !calibrated.is_rounding() && calibrated.is_calibrated_rounding(),
            "{calibrated:?}"
        );
        let tuned = tally(100_000, |a, draws| (a + draws.normal()).round());
        assert!(!tuned.is_calibrated_rounding(), "{tuned:?}");
    }

    #[test]
    fn scales_of_a_search_clip_but_round_to_nearest() {
        let clipped = tally(100_000, |a, draws| {
            a.round() + f64::from(u8::from(draws.normal() > 2.2))
        });
        assert!(
            !clipped.is_rounding() && clipped.is_searched_rounding(),
            "{clipped:?}"
        );
        let tuned = tally(100_000, |a, draws| (a + 0.2 * draws.normal()).round());
        assert!(
            !tuned.is_searched_rounding() && tuned.is_calibrated_rounding(),
            "{tuned:?}"
        );
    }

    #[test]
    fn a_value_that_is_not_finite_must_be_so_on_both_sides() {
        let nan = Tally::of(
            [&[f32::NAN, 1.0], &[f32::NAN, f32::NAN]],
            [&[f32::NAN, 1.0], &[f32::NAN, 1.0]],
            0.0,
        );
        assert_eq!((nan.equal, nan.within), (1, 1));
    }
}
