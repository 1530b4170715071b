//! `wcmp sketch`: what is to be kept of a model, so that others can be compared with it without its
//! weights.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{checkpoint, incomplete};
use crate::error::{Error, Result};
use crate::evidence::kept::{Plan, Wanted, largest, plan};
use crate::format::open::Opened;
use crate::format::sketch::{self, Values, Writer, bytes};
use crate::measure::digests;
use crate::measure::monitor::Monitor;
use crate::measure::record::Digest;
use crate::model::sketch::{Entry, Facts, Head, Kept, Patch, SCHEMA};
use crate::model::tokenizer::Tokenizer;
use crate::model::words::Class;
use crate::numeric::rows::RowSource;
use crate::results::sketch::SketchReport;
use crate::stats::formula;
use crate::stats::units::Sampling;
use crate::view::kept::{Keeper, KeptAs, KeptPlace, Marks};
use crate::view::logical::Logical;
use crate::view::model::Model;

/// Seed of what is drawn: the default of every comparison, so that sketches fit them and one
/// another.
const SEED: u64 = 0;

/// Bytes of a sketch: 64 MiB up to models of 16 GiB, then one in 256 of the model, 256 MiB at most.
const LEAST_BUDGET: u64 = 64 << 20;
const MOST_BUDGET: u64 = 256 << 20;
const SHARE_OF_BYTES: u64 = 256;

/// Bytes of a token: its hash and its number.
const TOKEN_BYTES: u64 = 12;

/// A sketch, and what is told of it.
pub(crate) struct Sketched {
    /// The file.
    pub bytes: Vec<u8>,
    /// What is told of it; the name of the file is not known yet.
    pub report: SketchReport,
}

/// Takes a sketch of a checkpoint. Runs on the current rayon pool; the same bytes for any number of
/// threads.
///
/// # Errors
/// A read that fails, a file that changed meanwhile, an interrupt.
pub(crate) fn sketch(opened: Opened, monitor: &dyn Monitor) -> Result<Sketched> {
    let path = opened.checkpoint.path.clone();
    if opened.sketch.is_some() {
        let what = "a sketch (expected the model itself: of a sketch no other can be taken)";
        return Err(Error::unsupported(&path, what));
    }
    let mut model = Model::with_tokenizer(opened);
    incomplete::note_missing_layers(&mut model);
    let model = &model;
    let digests = digests(model, monitor)?;
    let checkpoint = checkpoint::facts(model, Some(&digests));

    let sampling = Sampling {
        seed: SEED,
        thorough: false,
    };
    let budget = (checkpoint.bytes / SHARE_OF_BYTES).clamp(LEAST_BUDGET, MOST_BUDGET);
    monitor.begin("sketching", 0);
    let largest = largest(model, &sampling)?;
    let tokens = model.tokenizer.as_ref().map_or(0, Tokenizer::len) as u64;
    let plan = plan(
        model,
        &largest,
        &sampling,
        budget.saturating_sub(TOKEN_BYTES * tokens),
    );
    let mut writer = Writer::default();
    let (tensors, disclosed) = kept(model, &plan, &mut writer, monitor)?;
    if let Some(tokenizer) = &model.tokenizer {
        writer.tokenizer(tokenizer);
    }
    model.opened.check_unchanged()?;
    monitor.end();

    let share = disclosed as f64 / checkpoint.parameters.max(1) as f64;
    let facts = Facts {
        name: checkpoint.name.clone(),
        format: checkpoint.format,
        files: checkpoint.files.clone(),
        parameters: checkpoint.parameters,
        bytes: checkpoint.bytes,
        dtypes: checkpoint
            .dtypes
            .iter()
            .map(|(dtype, count)| (dtype.to_string(), *count))
            .collect(),
        config: model.checkpoint().config.as_ref().map(|c| c.raw.clone()),
        declared_base: model.checkpoint().declared_base.clone(),
        is_whole: model.checkpoint().is_whole() && !model.checkpoint().is_incomplete(),
        disclosed_share: share.min(1.0),
        left_out: plan.left_out,
        manifest: manifest(model, &digests),
        tensors,
    };
    let head = Head {
        schema: SCHEMA.to_owned(),
        wcmp: env!("CARGO_PKG_VERSION").to_owned(),
        seed: SEED,
    };
    let report = SketchReport {
        file: String::new(),
        bytes: 0,
        tensors: facts
            .tensors
            .iter()
            .filter(|t| !t.patches.is_empty())
            .count() as u64,
        disclosed_share: facts.disclosed_share,
        left_out: facts.left_out.clone(),
        warnings: model.checkpoint().warnings.clone(),
        checkpoint,
    };
    let bytes = bytes(writer, &head, &facts).map_err(|what| Error::unsupported(&path, what))?;
    // What nobody could read again is not written.
    sketch::check(&path, &bytes)?;
    Ok(Sketched {
        report: SketchReport {
            bytes: bytes.len() as u64,
            ..report
        },
        bytes,
    })
}

fn manifest(model: &Model, digests: &[Digest]) -> Vec<Entry> {
    let tensors = model.checkpoint().tensors.iter().zip(digests);
    tensors
        .map(|(tensor, digest)| Entry {
            name: tensor.name.clone(),
            dtype: tensor.dtype.to_string(),
            shape: tensor.shape.clone(),
            sha256: hex::encode(digest),
        })
        .collect()
}

/// All tensors of a model with what is kept of each, and how many values that is; the values go to
/// `writer`.
fn kept(
    model: &Model,
    plan: &Plan<'_>,
    writer: &mut Writer,
    monitor: &dyn Monitor,
) -> Result<(Vec<Kept>, u64)> {
    let mut of_tensors = read_all(model, &plan.wanted, monitor)?;
    let mut largest_of_tensors = read_all(model, &plan.largest, monitor)?;
    let marks: Vec<Result<Marks>> = model
        .logicals
        .par_iter()
        .map(|logical| marks(model, logical))
        .collect();
    let mut out = Vec::with_capacity(model.logicals.len());
    let mut disclosed = 0;
    for ((at, logical), marks) in model.logicals.iter().enumerate().zip(marks) {
        let (marks, as_kept) = (marks?, Keeper::kept_as(logical));
        if !Keeper::is_kept(logical) {
            continue;
        }
        let patches = of_tensors.remove(&at).unwrap_or_default();
        let largest = largest_of_tensors.remove(&at).unwrap_or_default();
        let all: Vec<&Read> = patches.iter().chain(&largest).collect();
        disclosed += distinct(&all, &as_kept);
        let patches = written(patches, &logical.name, "values", writer);
        let largest = written(largest, &logical.name, "largest", writer);
        out.push(Kept {
            name: logical.name.clone(),
            dtype: as_kept.dtype.to_string(),
            shape: as_kept.shape,
            width: as_kept.width,
            stored: model.stored_tensors(logical).unwrap_or_default(),
            by_formula: marks.by_formula,
            in_order: marks.in_order,
            patches,
            largest,
        });
    }
    Ok((out, disclosed))
}

/// What is wanted, by the model's tensor that it is kept of.
fn read_all(
    model: &Model,
    wanted: &[Wanted<'_>],
    monitor: &dyn Monitor,
) -> Result<BTreeMap<usize, Vec<Read>>> {
    let keeper = Keeper::new(model);
    let read: Vec<Result<Option<Read>>> = wanted
        .par_iter()
        .map(|wanted| {
            monitor.check()?;
            read(model, &keeper, wanted)
        })
        .collect();
    let mut out: BTreeMap<usize, Vec<Read>> = BTreeMap::new();
    for read in read {
        if let Some(read) = read? {
            out.entry(read.tensor).or_default().push(read);
        }
    }
    Ok(out)
}

/// Patches of the tensor `of`, their values handed to the writer under `word`.
fn written(read: Vec<Read>, of: &str, word: &str, writer: &mut Writer) -> Vec<Patch> {
    let read = read.into_iter().enumerate();
    let patches = read.map(|(number, read)| Patch {
        rows: read.rows.map(|list| writer.axis(&list)),
        columns: read.columns.map(|list| writer.axis(&list)),
        values: writer.values(&format!("{word}.{number}.{of}"), read.values),
    });
    patches.collect()
}

/// Values of a tensor that stand in some patches, each counted once.
fn distinct(patches: &[&Read], as_kept: &KeptAs) -> u64 {
    let elements: u64 = as_kept.shape.iter().product();
    let height = elements.checked_div(as_kept.width).unwrap_or(0);
    let [first, rest @ ..] = patches else {
        return 0;
    };
    let count = |list: &Option<Vec<u32>>, all| list.as_ref().map_or(all, |list| list.len() as u64);
    if rest.is_empty() {
        return count(&first.rows, height) * count(&first.columns, as_kept.width);
    }
    // Rows that stand in the same patches have as many.
    let mut of_rows: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, patch) in patches.iter().enumerate() {
        let mut add = |row: u64| of_rows.entry(row).or_default().push(at);
        match &patch.rows {
            None => (0..height).for_each(&mut add),
            Some(rows) => rows.iter().for_each(|row| add(u64::from(*row))),
        }
    }
    let union = |places: &Vec<usize>| {
        let lists = places.iter().map(|at| patches[*at].columns.as_ref());
        let lists: Option<Vec<&Vec<u32>>> = lists.collect();
        lists.map_or(as_kept.width, |lists| {
            lists.into_iter().flatten().collect::<BTreeSet<_>>().len() as u64
        })
    };
    let mut counts: BTreeMap<Vec<usize>, u64> = BTreeMap::new();
    let places = of_rows.into_values();
    let of_row = |places| *counts.entry(places).or_insert_with_key(union);
    places.map(of_row).sum()
}

/// Values that were read of one tensor.
struct Read {
    tensor: usize,
    rows: Option<Vec<u32>>,
    columns: Option<Vec<u32>>,
    values: Values,
}

fn read(model: &Model, keeper: &Keeper<'_>, wanted: &Wanted<'_>) -> Result<Option<Read>> {
    let logical = wanted.logical;
    if model.unreadable(logical).is_some() {
        return Ok(None);
    }
    let view = model.view(logical)?;
    let all = |count: usize| (0..count).collect::<Vec<usize>>();
    let rows = wanted.rows.clone().unwrap_or_else(|| all(view.rows()));
    let columns = wanted
        .columns
        .clone()
        .unwrap_or_else(|| all(view.columns()));
    let Some(place) = keeper.kept_place(logical, &rows, &columns) else {
        return Ok(None);
    };
    let whole = keeper.whole(place.tensor);
    let as_kept = Keeper::kept_as(whole);
    let count: u64 = as_kept.shape.iter().product();
    let height = count.checked_div(as_kept.width).unwrap_or(0);

    // A matrix that is stored transposed has its rows as columns.
    let is_transposed = place.is_transposed;
    let mut row = vec![0.0; view.columns()];
    let mut values = vec![0.0; rows.len() * columns.len()];
    let KeptPlace {
        rows: kept_rows,
        columns: kept_columns,
        ..
    } = &place;
    let (row_ranks, column_ranks) = (ranks(kept_rows), ranks(kept_columns));
    let width = kept_columns.len();
    for (at, &number) in rows.iter().enumerate() {
        view.read_rows(number..number + 1, &mut row)?;
        for (beside, &column) in columns.iter().enumerate() {
            let (of_row, of_column) = match is_transposed {
                false => (at, beside),
                true => (beside, at),
            };
            values[row_ranks[of_row] * width + column_ranks[of_column]] = row[column];
        }
    }
    let shape = [kept_rows.len(), width];
    Ok(Some(Read {
        tensor: place.tensor,
        rows: list(kept_rows, height),
        columns: list(kept_columns, as_kept.width),
        values: Values::new(as_kept.dtype, shape, &values),
    }))
}

/// For each of some distinct numbers how many are less.
fn ranks(numbers: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by_key(|&at| numbers[at]);
    let mut out = vec![0; numbers.len()];
    for (rank, at) in order.into_iter().enumerate() {
        out[at] = rank;
    }
    out
}

/// The numbers, ascending; `None` where they are all below `count`.
fn list(numbers: &[u64], count: u64) -> Option<Vec<u32>> {
    let mut out: Vec<u32> = numbers
        .iter()
        .filter_map(|number| u32::try_from(*number).ok())
        .collect();
    out.sort_unstable();
    (out.len() as u64 != count).then_some(out)
}

fn marks(model: &Model, logical: &Logical) -> Result<Marks> {
    let is_asked = logical.meaning.class == Class::Matrix
        && logical.meaning.expert.is_none()
        && model.unreadable(logical).is_none();
    if !is_asked {
        return Ok(Marks::default());
    }
    let window = formula::window(&model.view(logical)?)?;
    Ok(Marks {
        by_formula: formula::nearest_formula(&window).is_some(),
        in_order: [
            formula::are_in_order(&window),
            formula::are_in_order(&window.transposed()),
        ],
    })
}
