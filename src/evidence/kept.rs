//! What of a model has to be kept so that the analyses find it again (guide/sketches.md): the rows
//! and columns that they draw, and no more.
//!
//! Every draw here is the one that the analysis makes, from the same seed; so a test on what was
//! kept is the test on the whole, and its bound the same.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::model::tokenizer::Tokenizer;
use crate::model::words::{self, Class, Role};
use crate::numeric::linalg::squared_length;
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::stats::units::Sampling;
use crate::view::kept::{Axis, Chosen};
use crate::view::logical::Logical;
use crate::view::model::Model;
use crate::view::place::Place;

use super::partners::block::{Block, written_dimensions};
use super::permutation::blocks::{BlockKey, Matrices, blocks, coordinates_of_an_expert};
use super::permutation::residual::{Stream, stream_of};

/// Tokens whose rows are kept.
const TOKENS: usize = 512;

/// Units of a feed-forward that are kept, the first number that fits.
const UNITS: [usize; 5] = [64, 48, 32, 24, 16];

/// The same of experts beyond [`WHOLE_EXPERTS`] of a layer.
const UNITS_OF_EXPERTS: [usize; 5] = [32, 16, 8, 4, 0];

/// Units of a feed-forward that are kept for what they contribute, the first number that fits.
const LARGEST: [usize; 5] = [64, 48, 32, 24, 16];

/// Experts of a layer whose units are kept over the whole width: they speak for all.
const WHOLE_EXPERTS: usize = 4;

/// Rows and columns of matrices that no test draws from, for their cosine.
const SAMPLE: [usize; 2] = [64, 128];

/// Longest row that is kept whole of a matrix outside the layers of a transformer.
const LONGEST_ROW: usize = 4096;

/// Rows and columns of a tensor; `None` stands for all.
pub(crate) struct Wanted<'a> {
    /// The tensor.
    pub logical: &'a Logical,
    /// Ascending.
    pub rows: Option<Vec<usize>>,
    /// Ascending.
    pub columns: Option<Vec<usize>>,
}

impl Wanted<'_> {
    /// Numbers of rows and columns.
    fn counts(&self) -> [u64; 2] {
        let (rows, columns) = self.logical.matrix_shape();
        let count = |list: &Option<Vec<usize>>, all: u64| {
            list.as_ref().map_or(all, |list| list.len() as u64)
        };
        [count(&self.rows, rows), count(&self.columns, columns)]
    }

    /// Values.
    fn values(&self) -> u64 {
        let [rows, columns] = self.counts();
        rows.saturating_mul(columns)
    }

    fn bytes(&self) -> u64 {
        let (_, width) = self.logical.dtype.block();
        // Codes are kept as the numbers that they stand for.
        let is_narrow = self.logical.dtype.block().0 == 1 && width == 2;
        self.values().saturating_mul(if is_narrow { 2 } else { 4 })
    }
}

/// What is kept of a model, and what did not fit, in a few words each.
pub(crate) struct Plan<'a> {
    /// What is kept.
    pub wanted: Vec<Wanted<'a>>,
    /// What is kept of the units that contribute most.
    pub largest: Vec<Wanted<'a>>,
    /// What did not fit.
    pub left_out: Vec<String>,
}

/// Chooses what to keep of a model within `budget` bytes; `largest` are the units that contribute
/// most to each feed-forward, those that do first.
pub(crate) fn plan<'a>(
    model: &'a Model,
    largest: &BTreeMap<BlockKey, Vec<usize>>,
    sampling: &Sampling,
    budget: u64,
) -> Plan<'a> {
    let mut out = Plan {
        wanted: Vec::new(),
        largest: Vec::new(),
        left_out: Vec::new(),
    };
    let blocks = blocks(model);
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let small = vectors(model)
        .chain(tables(model))
        .chain(streams(model, sampling));
    out.add(
        small.collect(),
        budget,
        "vectors, rows of tokens and the residual stream",
    );
    let left = budget.saturating_sub(out.bytes());

    let dense: Vec<_> = blocks
        .iter()
        .filter(|(key, _)| key.expert.is_none())
        .collect();
    let whole: Vec<_> = blocks
        .iter()
        .filter(|(key, _)| key.expert.is_some() && largest.contains_key(key))
        .collect();
    let fitting = UNITS.iter().find_map(|&units| {
        let chosen = dense.iter().copied().chain(whole.iter().copied());
        let wanted: Vec<Wanted<'_>> = chosen
            .flat_map(|(_, matrices)| whole_units(matrices, units, sampling))
            .collect();
        let bytes: u64 = wanted.iter().map(Wanted::bytes).sum();
        (bytes <= left).then_some((units, wanted))
    });
    match fitting {
        Some((units, wanted)) => {
            if units < UNITS[0] {
                out.left_out
                    .push(format!("all but {units} units of each feed-forward"));
            }
            out.wanted.extend(wanted);
        }
        None => out.left_out.push("units of feed-forwards".to_owned()),
    }
    out.experts(&blocks, sampling, budget);

    seen.extend(out.wanted.iter().map(|wanted| wanted.logical.name.as_str()));
    let others: Vec<Wanted<'_>> = model
        .logicals
        .iter()
        .filter(|logical| logical.meaning.class == Class::Matrix)
        .filter(|logical| !seen.contains(logical.name.as_str()))
        .filter(|logical| !is_covered(logical, &blocks))
        .flat_map(|logical| rows_and_columns(logical, sampling))
        .collect();
    let left = budget.saturating_sub(out.bytes());
    let bytes: u64 = others.iter().map(Wanted::bytes).sum();
    match bytes <= left {
        true => out.wanted.extend(others),
        false => {
            let samples = others
                .into_iter()
                .map(|wanted| sample(wanted.logical, sampling));
            out.add(samples.collect(), budget, "matrices of other kinds");
        }
    }
    out.largest(&blocks, largest, sampling, budget);
    out
}

impl<'a> Plan<'a> {
    fn bytes(&self) -> u64 {
        let all = self.wanted.iter().chain(&self.largest);
        all.map(Wanted::bytes).sum()
    }

    /// As many of the largest units of each feed-forward as fit.
    fn largest(
        &mut self,
        blocks: &BTreeMap<BlockKey, Matrices<'a>>,
        largest: &BTreeMap<BlockKey, Vec<usize>>,
        sampling: &Sampling,
        budget: u64,
    ) {
        if largest.is_empty() {
            return;
        }
        let left = budget.saturating_sub(self.bytes());
        for count in LARGEST {
            let of_block = |(key, units): (&BlockKey, &Vec<usize>)| {
                let mut units: Vec<usize> = units.iter().take(count).copied().collect();
                units.sort_unstable();
                let matrices = blocks.get(key).filter(|_| !units.is_empty())?;
                Some(units_of(matrices, sampling, |_| units.clone()))
            };
            let wanted: Vec<Wanted<'a>> = largest.iter().filter_map(of_block).flatten().collect();
            if wanted.iter().map(Wanted::bytes).sum::<u64>() <= left {
                if count < LARGEST[0] && largest.values().any(|units| units.len() > count) {
                    self.left_out.push(format!(
                        "all but {count} of the largest units of each feed-forward"
                    ));
                }
                self.largest = wanted;
                return;
            }
        }
        self.left_out
            .push("the largest units of feed-forwards".to_owned());
    }

    /// Adds what is wanted as long as it fits; else says what was left out.
    fn add(&mut self, wanted: Vec<Wanted<'a>>, budget: u64, what: &str) {
        let mut bytes = self.bytes();
        let mut is_short = false;
        for one in wanted {
            let after = bytes.saturating_add(one.bytes());
            if after <= budget {
                bytes = after;
                self.wanted.push(one);
            } else {
                is_short = true;
            }
        }
        if is_short {
            self.left_out.push(format!("some {what}"));
        }
    }

    /// A few units of every expert, over drawn coordinates, and what tells experts apart.
    fn experts(
        &mut self,
        blocks: &BTreeMap<BlockKey, Matrices<'a>>,
        sampling: &Sampling,
        budget: u64,
    ) {
        let experts: Vec<_> = blocks
            .iter()
            .filter(|(key, _)| key.expert.is_some())
            .collect();
        if experts.is_empty() {
            return;
        }
        let prints = experts
            .iter()
            .filter_map(|(_, matrices)| Some(print(matrices.by_row.first()?, sampling)));
        self.add(prints.collect(), budget, "fingerprints of experts");
        let left = budget.saturating_sub(self.bytes());
        for units in UNITS_OF_EXPERTS {
            let wanted: Vec<Wanted<'a>> = experts
                .iter()
                .filter_map(|(_, matrices)| {
                    let first = *matrices.by_row.first()?;
                    let (rows, columns) = size(first);
                    let mut probes = sampling.probes(rows);
                    thin(&mut probes, units);
                    Some(Wanted {
                        logical: first,
                        rows: Some(probes),
                        columns: Some(sampling.coordinates(columns)),
                    })
                })
                .collect();
            let bytes: u64 = wanted.iter().map(Wanted::bytes).sum();
            if bytes <= left {
                let is_short = |wanted: &Wanted<'_>| {
                    let all = wanted.logical.matrix_shape().0;
                    wanted.counts()[0] < all.min(UNITS[0] as u64)
                };
                if wanted.iter().any(is_short) {
                    self.left_out
                        .push(format!("all but {units} units of most experts"));
                }
                self.wanted.extend(wanted);
                return;
            }
        }
    }
}

fn size(logical: &Logical) -> (usize, usize) {
    let (rows, columns) = logical.matrix_shape();
    let index = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    (index(rows), index(columns))
}

/// Leaves `count` of a list, evenly spaced.
fn thin(list: &mut Vec<usize>, count: usize) {
    if list.len() > count {
        let all = list.len();
        *list = (0..count).map(|at| list[at * all / count]).collect();
    }
}

/// Gains, biases and other vectors, whole.
fn vectors(model: &Model) -> impl Iterator<Item = Wanted<'_>> {
    let vectors = model.logicals.iter().filter(|logical| {
        logical.meaning.class != Class::Matrix
            && logical.elements() > 0
            && logical.elements() <= 1 << 20
    });
    vectors.map(|logical| Wanted {
        logical,
        rows: None,
        columns: None,
    })
}

/// Rows of a few tokens of every table of them.
fn tables(model: &Model) -> impl Iterator<Item = Wanted<'_>> {
    let tables = model.places().map(|(_, logical)| logical).filter(|l| {
        matches!(l.meaning.role, Role::Embed | Role::LmHead)
            && l.meaning.class == Class::Matrix
            && l.shape.len() == 2
    });
    tables.map(|logical| {
        let mut rows = kept_tokens(model.tokenizer.as_ref(), size(logical).0);
        rows.sort_unstable();
        Wanted {
            logical,
            rows: Some(rows),
            columns: None,
        }
    })
}

/// Rows of the tokens of a table whose hashes are the least: two vocabularies draw the same strings.
/// Without a tokenizer the hash is that of the number.
fn kept_tokens(tokenizer: Option<&Tokenizer>, rows: usize) -> Vec<usize> {
    let is_row = |row: &usize| *row < rows;
    let mut out: Vec<usize> = match tokenizer {
        Some(tokenizer) => {
            let hashed = tokenizer.hashed();
            let ids = hashed.tokens().iter();
            ids.filter_map(|(_, id)| usize::try_from(*id).ok())
                .filter(is_row)
                .take(TOKENS)
                .collect()
        }
        None => {
            let mut hashed: Vec<([u8; 32], usize)> = (0..rows)
                .map(|row| (Sha256::digest(row.to_string()).into(), row))
                .collect();
            hashed.sort_unstable();
            hashed
                .into_iter()
                .take(TOKENS)
                .map(|(_, row)| row)
                .collect()
        }
    };
    out.sort_unstable();
    out.dedup();
    out
}

/// Dimensions of the stream in every matrix that reads or writes it outside feed-forwards.
fn streams<'a>(model: &'a Model, sampling: &Sampling) -> impl Iterator<Item = Wanted<'a>> {
    model.places().filter_map(|(_, logical)| {
        let stream = stream_of(&logical.meaning)?;
        if logical.meaning.class != Class::Matrix || !logical.is_plain_matrix() {
            return None;
        }
        let (rows, columns) = size(logical);
        let (rows, columns) = match stream {
            Stream::Columns => (sampling.part_coordinates(rows), sampling.probes(columns)),
            Stream::Rows => (sampling.probes(rows), sampling.part_coordinates(columns)),
            Stream::ColumnsOfTokens => return None,
        };
        Some(Wanted {
            logical,
            rows: Some(rows),
            columns: Some(columns),
        })
    })
}

/// Probe units of a feed-forward over the whole width.
fn whole_units<'a>(matrices: &Matrices<'a>, units: usize, sampling: &Sampling) -> Vec<Wanted<'a>> {
    units_of(matrices, sampling, |count| {
        let mut probes = sampling.probes(count);
        thin(&mut probes, units);
        probes
    })
}

/// Units of a feed-forward over the whole width; `chosen` gives those of so many.
fn units_of<'a>(
    matrices: &Matrices<'a>,
    sampling: &Sampling,
    chosen: impl Fn(usize) -> Vec<usize>,
) -> Vec<Wanted<'a>> {
    let mut out: Vec<Wanted<'a>> = matrices
        .by_row
        .iter()
        .map(|logical| Wanted {
            logical,
            rows: Some(chosen(size(logical).0)),
            columns: None,
        })
        .collect();
    if let Some(down) = matrices.by_column {
        let (rows, columns) = size(down);
        // What a unit without a gate writes is projected on the head, for which all of it is needed.
        let is_gated = matrices.by_row.len() > 1;
        let written = written_dimensions(rows, sampling).into_iter();
        let read: BTreeSet<usize> = written.chain(sampling.coordinates(rows)).collect();
        out.push(Wanted {
            logical: down,
            rows: is_gated.then(|| read.into_iter().collect()),
            columns: Some(chosen(columns)),
        });
    }
    out
}

/// Experts of each layer that are kept over the whole width: those of the longest first matrices,
/// which no order of experts or units changes.
///
/// # Errors
/// A read that fails.
fn whole_experts(
    model: &Model,
    blocks: &BTreeMap<BlockKey, Matrices<'_>>,
) -> Result<Vec<BlockKey>> {
    let experts: Vec<_> = blocks
        .iter()
        .filter(|(key, _)| key.expert.is_some())
        .collect();
    let weighed: Vec<Result<(f64, &BlockKey)>> = experts
        .into_par_iter()
        .map(|(key, matrices)| {
            let first = matrices.by_row.first();
            let first = first.filter(|first| model.unreadable(first).is_none());
            let weight = first.map_or(Ok(0.0), |first| sum_of_squares(&model.view(first)?))?;
            Ok((weight, key))
        })
        .collect();
    let mut of_layers: BTreeMap<_, Vec<(f64, &BlockKey)>> = BTreeMap::new();
    for weighed in weighed {
        let (weight, key) = weighed?;
        let layer = (key.component, key.layer, key.shared, &*key.stem);
        of_layers.entry(layer).or_default().push((weight, key));
    }
    let mut out = Vec::new();
    for experts in of_layers.values_mut() {
        experts.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let longest = experts.iter().take(WHOLE_EXPERTS);
        out.extend(longest.map(|(_, key)| (*key).clone()));
    }
    Ok(out)
}

fn sum_of_squares(view: &dyn RowSource) -> Result<f64> {
    let mut row = vec![0.0; view.columns()];
    let mut sum = 0.0;
    for at in 0..view.rows() {
        view.read_rows(at..at + 1, &mut row)?;
        let squares = squared_length(&row);
        sum += if squares.is_finite() { squares } else { 0.0 };
    }
    Ok(sum)
}

fn print<'a>(logical: &'a Logical, sampling: &Sampling) -> Wanted<'a> {
    let (rows, columns) = size(logical);
    let [rows, columns] = coordinates_of_an_expert([rows, columns], sampling);
    Wanted {
        logical,
        rows: Some(rows),
        columns: Some(columns),
    }
}

/// Whether a fused matrix has pieces of which something is kept.
fn is_covered(logical: &Logical, blocks: &BTreeMap<BlockKey, Matrices<'_>>) -> bool {
    let origin = logical.stored_as.origin;
    let is_fused = matches!(logical.meaning.role, Role::GateUp) || logical.shape.len() == 3;
    is_fused
        && blocks.values().any(|matrices| {
            let mut all = matrices.by_row.iter().chain(&matrices.by_column);
            all.any(|piece| piece.stored_as.origin == origin)
        })
}

/// Units of a matrix of any other network, rows and columns.
fn rows_and_columns<'a>(logical: &'a Logical, sampling: &Sampling) -> Vec<Wanted<'a>> {
    let (rows, columns) = size(logical);
    let in_layers = matches!(logical.meaning.block, Some(words::Block::Layer(_)))
        && !matches!(
            logical.meaning.role,
            Role::Conv | Role::Linear | Role::Other
        );
    if in_layers {
        return vec![sample(logical, sampling)];
    }
    let is_short = columns <= LONGEST_ROW;
    let by_row = Wanted {
        logical,
        rows: Some(sampling.probes(rows)),
        columns: (!is_short).then(|| sampling.coordinates(columns)),
    };
    let by_column = Wanted {
        logical,
        rows: Some(sampling.coordinates(rows)),
        columns: Some(sampling.probes(columns)),
    };
    vec![by_row, by_column]
}

/// Values of a matrix for its cosine.
fn sample<'a>(logical: &'a Logical, sampling: &Sampling) -> Wanted<'a> {
    let (rows, columns) = size(logical);
    let [of_rows, of_columns] = SAMPLE;
    let draw = |purpose, count, bound| Draws::new(sampling.seed, purpose).distinct(count, bound);
    Wanted {
        logical,
        rows: Some(draw("sampled rows", of_rows, rows)),
        columns: Some(draw("sampled columns", of_columns, columns)),
    }
}

/// Leaves of the feed-forwards of `model` the units that are looked for: those that `keeps`, a
/// sketch, has values of in places that the seed chose, and as many as it has of the model's own
/// largest. Blocks that have other numbers of units there stay as they are.
///
/// # Errors
/// A read that fails: the largest units of a whole model are looked for in it.
pub(crate) fn condense(model: &mut Model, keeps: &Model, sampling: &Sampling) -> Result<()> {
    let of_sketch = blocks(keeps);
    let of_model = blocks(model);
    let chosen: Vec<Result<Option<OfBlock>>> = of_model
        .par_iter()
        .map(|(key, matrices)| {
            let Some(kept) = of_sketch.get(key) else {
                return Ok(None);
            };
            let Some(first) = kept.by_row.first() else {
                return Ok(None);
            };
            let Some(placed) = keeps.held_rows(first) else {
                return Ok(None);
            };
            let mut largest = keeps.largest_rows(first);
            if model.opened.sketch.is_none() && !largest.is_empty() {
                let count = largest.len();
                let block = Block::open(model, key, matrices)?;
                largest = match block {
                    Some(block) => block.largest(count, sampling)?,
                    None => Vec::new(),
                };
                largest.sort_unstable();
            }
            let all = size(first).0;
            Ok(Some(of_block(matrices, &placed, &largest, all)))
        })
        .collect();
    let chosen: Vec<Option<OfBlock>> = chosen.into_iter().collect::<Result<_>>()?;
    for OfBlock { axes, units } in chosen.into_iter().flatten() {
        let list: Vec<u64> = units.units.iter().map(|at| *at as u64).collect();
        for (place, axis) in axes {
            model.choose(&place, axis, &list);
            if axis == Axis::Rows {
                model.note_chosen(place, units.clone());
            }
        }
    }
    Ok(())
}

/// What is left of the matrices of one feed-forward.
struct OfBlock {
    axes: Vec<(Place, Axis)>,
    units: Chosen,
}

fn of_block(matrices: &Matrices<'_>, placed: &[usize], largest: &[usize], all: usize) -> OfBlock {
    let fits = |logical: &Logical, axis: Axis| {
        let (rows, columns) = size(logical);
        all == if axis == Axis::Rows { rows } else { columns }
    };
    let mut axes = Vec::new();
    for logical in matrices.by_row.iter().filter(|one| fits(one, Axis::Rows)) {
        axes.push((logical.place(), Axis::Rows));
        let bias = logical.meaning.slot.replace(".weight", ".bias");
        let bias = Place {
            slot: bias.into(),
            ..logical.place()
        };
        axes.push((bias, Axis::Rows));
    }
    let down = matrices.by_column.filter(|down| fits(down, Axis::Columns));
    axes.extend(down.map(|down| (down.place(), Axis::Columns)));
    let others = largest
        .iter()
        .filter(|unit| placed.binary_search(unit).is_err());
    OfBlock {
        axes,
        units: Chosen {
            units: placed.iter().chain(others).copied().collect(),
            placed: placed.len(),
            all,
        },
    }
}

/// The units of each feed-forward, and of a few experts of each layer, that contribute most, those that
/// do first, at most so many: no change of order and no basis changes which these are.
///
/// # Errors
/// A read that fails.
pub(crate) fn largest(
    model: &Model,
    sampling: &Sampling,
) -> Result<BTreeMap<BlockKey, Vec<usize>>> {
    let blocks = blocks(model);
    let whole = whole_experts(model, &blocks)?;
    let dense = blocks.keys().filter(|key| key.expert.is_none()).cloned();
    let chosen: Vec<BlockKey> = dense.chain(whole).collect();
    let of_block = |key: BlockKey| {
        let Some(matrices) = blocks.get(&key) else {
            return Ok(None);
        };
        let block = Block::open(model, &key, matrices)?;
        let largest = block.map(|block| block.largest(LARGEST[0], sampling));
        let units = largest.transpose()?.unwrap_or_default();
        Ok(Some((key, units)))
    };
    let found: Vec<Result<Option<_>>> = chosen.into_par_iter().map(of_block).collect();
    let found = found.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(found.into_iter().flatten().collect())
}
