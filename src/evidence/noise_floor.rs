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
use crate::numeric::decode::FloatSteps;
use crate::numeric::rows::RowSource;
use crate::view::adapted::adapter;
use crate::view::logical::{Logical, Origin, RowOrder};
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting};
use super::figures::Covered;
use super::finding::NoiseFloor;
use super::grounds::{Grounds, ReEncoding};
use super::part::Part;
use super::relation::Relation;

mod tally;

use tally::{Steps, Tally};

/// No encoding in use brings a tensor's cosine below this: 2 bits in groups of 128 leave 0.85.
const LEAST_COSINE: f64 = 0.75;
/// Elements of a chunk: values and steps of both sides stay in the cache, and their memory is not
/// asked of the system anew for each.
const CHUNK: usize = 1 << 14;
/// The same where a side is stored (in, out): a row of it is a value from each of its lines.
const TRANSPOSED_CHUNK: usize = 1 << 17;
/// The same as `tally::STEP_SLACK` for dequantised values, as a share of the value: a few units in the
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
        Formats::One => tally.within == tally.n,
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
    let is_transposed = pair.sides().iter().any(|side| side.stored_as.transposed);
    let chunk = match is_transposed {
        true => TRANSPOSED_CHUNK,
        false => CHUNK,
    };
    let step = (chunk / columns.max(1)).max(1);
    let chunks: Vec<Range<usize>> = (0..rows)
        .step_by(step)
        .map(|at| at..(at + step).min(rows))
        .collect();
    // Of two formats that are one only equal values pass, whatever the steps.
    let floats = views.each_ref().map(|view| match formats {
        Formats::One => Some(FloatSteps::NONE),
        Formats::Two => view.float_steps(),
    });
    let chunk = |buffers: &mut [Buffers; 2], rows: &Range<usize>| -> Result<Tally> {
        monitor.check()?;
        let count = rows.len() * columns;
        for ((view, floats), buffers) in views.iter().zip(floats).zip(buffers.iter_mut()) {
            view.read_rows(rows.clone(), sized(&mut buffers.values, count))?;
            if floats.is_none() {
                view.read_steps(rows.clone(), sized(&mut buffers.steps, count))?;
            }
        }
        monitor.advance(count as u64);
        let [base, target] = &*buffers;
        Ok(Tally::count(
            [&base.values[..count], &target.values[..count]],
            [base.steps(floats[0], count), target.steps(floats[1], count)],
            value_slack,
        ))
    };
    let tallies: Vec<Tally> = chunks
        .par_iter()
        .map_init(Default::default, chunk)
        .collect::<Result<_>>()?;
    // In order, so that the sums do not depend on the number of threads.
    Ok(tallies.iter().fold(Tally::default(), Tally::add))
}

/// Values and steps of one side, reused from chunk to chunk.
#[derive(Default)]
struct Buffers {
    values: Vec<f32>,
    steps: Vec<f32>,
}

impl Buffers {
    /// The steps of the first `count` values.
    fn steps(&self, floats: Option<FloatSteps>, count: usize) -> Steps<'_> {
        match floats {
            Some(floats) => Steps::Float(floats),
            None => Steps::Each(&self.steps[..count]),
        }
    }
}

fn sized(buffer: &mut Vec<f32>, count: usize) -> &mut [f32] {
    if buffer.len() < count {
        buffer.resize(count, 0.0);
    }
    &mut buffer[..count]
}
