//! The driver of the pass: work cut into jobs, the longest first, results folded in a fixed order.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::align::Pair;
use crate::error::{Error, Result};
use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::Dtype;
use crate::model::words::Role;
use crate::numeric::decode::{decodes, values_per_element};
use crate::view::logical::{Logical, Undo};
use crate::view::model::Model;

use super::digest::{Hashers, digest_run};
use super::monitor::Monitor;
use super::record::{Digest, Record, RowCentered};
use super::run::Run;
use super::segment::{Buffers, CHUNK, Constant, Geometry, Summing, Tally, byte_range};

/// Result of the pass.
#[derive(Debug, Default)]
pub struct Measured {
    /// One record a pair, in the order of the pairs.
    pub records: Vec<Record>,
    /// Digests of the stored tensors of the base and of the target, in their order; empty without
    /// hashing.
    pub digests: [Vec<Digest>; 2],
}

/// Measures every pair, and digests every stored tensor of both sides if `hash`. Runs on the
/// current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub fn measure(
    models: [&Model; 2],
    pairs: &[Pair],
    hash: bool,
    monitor: &dyn Monitor,
) -> Result<Measured> {
    let pass = Pass {
        models,
        pairs,
        hash,
        monitor,
    };
    let jobs = pass.jobs(rayon::current_num_threads() as u64);
    monitor.begin(
        phase(hash),
        jobs.iter().map(|job| pass.cost(job).bytes).sum(),
    );
    let outputs = run(&jobs, |job| pass.run(job))?;
    monitor.end();
    pass.fold(&jobs, outputs)
}

/// What the pass does, for people.
pub(super) fn phase(hash: bool) -> &'static str {
    if hash {
        "comparing and hashing"
    } else {
        "comparing"
    }
}

/// A piece of work for one worker.
#[derive(Debug, Clone)]
enum Job {
    /// Sums and both digests of a pair, from one read.
    Pair(usize),
    /// Sums of one segment of a pair.
    Segment(usize, Range<u64>),
    /// Digest of one stored tensor of one side.
    Digest(usize, usize),
}

/// What a job gave.
enum Output {
    Pair(Vec<Tally>, Option<Vec<Digest>>),
    Segment(Tally),
    Digest(Digest),
}

/// What a job costs.
#[derive(Debug, Clone, Copy)]
struct Cost {
    bytes: u64,
    /// In units of a hashed byte.
    time: u64,
}

/// A digest takes about four times as long a byte as sums do.
pub(super) const SUM_SHARE: u64 = 4;

/// Runs jobs in their order on all workers; the first error ends the rest.
pub(super) fn run<J: Sync, T: Send>(
    jobs: &[J],
    work: impl Fn(&J) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let parts = rayon::broadcast(|_| {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { break };
            match work(job) {
                Ok(output) => done.push((index, output)),
                Err(error) => {
                    next.store(jobs.len(), Ordering::Relaxed);
                    return Err((index, error));
                }
            }
        }
        Ok(done)
    });
    let mut outputs: Vec<Option<T>> = jobs.iter().map(|_| None).collect();
    let mut failed: Option<(usize, Error)> = None;
    for part in parts {
        match part {
            Ok(done) => done
                .into_iter()
                .for_each(|(index, output)| outputs[index] = Some(output)),
            Err(error) if failed.as_ref().is_none_or(|f| error.0 < f.0) => failed = Some(error),
            Err(_) => {}
        }
    }
    match failed {
        Some((_, error)) => Err(error),
        None => Ok(outputs.into_iter().flatten().collect()),
    }
}

/// A pass over two models.
pub(super) struct Pass<'a> {
    pub(super) models: [&'a Model; 2],
    pub(super) pairs: &'a [Pair],
    pub(super) hash: bool,
    pub(super) monitor: &'a dyn Monitor,
}

thread_local! {
    static SCRATCH: RefCell<([Vec<u8>; 2], Buffers)> = RefCell::default();
}

impl Pass<'_> {
    pub(super) fn sides(pair: &Pair) -> [&Logical; 2] {
        [&pair.base, &pair.target]
    }

    /// Rows and values in a row, as they are read; a complex number is two values.
    pub(super) fn geometry(pair: &Pair) -> Geometry {
        let (rows, columns) = if is_read_turned(pair) {
            pair.target.source.stored
        } else {
            pair.target.matrix_shape()
        };
        let parts = if pair.base.dtype == pair.target.dtype {
            values_per_element(pair.target.dtype)
        } else {
            1
        };
        Geometry {
            rows,
            columns: columns * parts as u64,
        }
    }

    /// Both sides as stored tensors whose bytes can be summed as they lie.
    pub(super) fn stored(pair: &Pair) -> Option<[usize; 2]> {
        let [base, target] = Self::sides(pair);
        let plain = |dtype: Dtype| {
            decodes(dtype) && (values_per_element(dtype) == 1 || base.dtype == target.dtype)
        };
        let aligned = |dtype: Dtype| dtype.block().0 == 1 || base.dtype == target.dtype;
        let readable = [base.dtype, target.dtype]
            .into_iter()
            .all(|d| plain(d) && aligned(d));
        let one_way = base.source.transposed == target.source.transposed
            && base.source.rows == target.source.rows
            && [base, target]
                .iter()
                .all(|side| side.source.undo == Undo::Nothing && !side.is_rescaled())
            && match (base.source.transposed, is_turned(pair)) {
                (false, _) => true,
                (true, turned) => turned && base.source.stored == target.source.stored,
            };
        if readable && one_way {
            Some([base.whole_tensor()?, target.whole_tensor()?])
        } else {
            None
        }
    }

    /// Why the values of a pair cannot be compared, if they cannot.
    pub(super) fn unreadable(&self, pair: &Pair) -> Option<String> {
        if Self::stored(pair).is_some() {
            return None;
        }
        let sides = Self::sides(pair).into_iter().zip(self.models);
        sides
            .into_iter()
            .find_map(|(logical, model)| model.unreadable(logical))
    }

    fn jobs(&self, threads: u64) -> Vec<Job> {
        let mut jobs = Vec::new();
        let mut covered = self
            .models
            .map(|m| vec![false; m.checkpoint().tensors.len()]);
        let total: u64 = self
            .models
            .iter()
            .flat_map(|m| &m.checkpoint().tensors)
            .map(|t| t.bytes)
            .sum();
        for (index, pair) in self.pairs.iter().enumerate() {
            if self.unreadable(pair).is_some() {
                continue;
            }
            let stored = Self::stored(pair);
            let bytes = pair.base.stored_bytes() + pair.target.stored_bytes();
            let lone = stored.is_some_and(|at| !covered[0][at[0]] && !covered[1][at[1]]);
            let spread = bytes.saturating_mul(threads) > total && threads > 1;
            if self.hash && lone && !spread {
                for (side, at) in stored.into_iter().flatten().enumerate() {
                    covered[side][at] = true;
                }
                jobs.push(Job::Pair(index));
            } else {
                jobs.extend(
                    Self::geometry(pair)
                        .segments()
                        .into_iter()
                        .map(|s| Job::Segment(index, s)),
                );
            }
        }
        if self.hash {
            for (side, covered) in covered.iter().enumerate() {
                jobs.extend(
                    (0..covered.len())
                        .filter(|&i| !covered[i])
                        .map(|i| Job::Digest(side, i)),
                );
            }
        }
        jobs.sort_by_cached_key(|job| std::cmp::Reverse(self.cost(job).time));
        jobs
    }

    fn cost(&self, job: &Job) -> Cost {
        match job {
            Job::Pair(index) => {
                let bytes = self.pairs[*index].base.stored_bytes()
                    + self.pairs[*index].target.stored_bytes();
                Cost { bytes, time: bytes }
            }
            Job::Segment(index, values) => {
                let width = |l: &Logical| {
                    byte_range(l.dtype, values).end - byte_range(l.dtype, values).start
                };
                let bytes = Self::sides(&self.pairs[*index])
                    .into_iter()
                    .map(width)
                    .sum();
                Cost {
                    bytes,
                    time: bytes / SUM_SHARE,
                }
            }
            Job::Digest(side, index) => {
                let bytes = self.models[*side].checkpoint().tensors[*index].bytes;
                Cost { bytes, time: bytes }
            }
        }
    }

    fn run(&self, job: &Job) -> Result<Output> {
        match job {
            Job::Pair(index) => self.pair(&self.pairs[*index]),
            Job::Segment(index, values) => {
                let pair = &self.pairs[*index];
                match Self::stored(pair) {
                    Some(at) => Ok(Output::Segment(self.stored_segment(
                        pair,
                        at,
                        values.clone(),
                        &mut None,
                    )?)),
                    None => Ok(Output::Segment(self.view_segment(pair, values.clone())?)),
                }
            }
            Job::Digest(side, index) => self.digest(*side, *index),
        }
    }

    fn pair(&self, pair: &Pair) -> Result<Output> {
        let at = Self::stored(pair).unwrap_or_default();
        let geometry = Self::geometry(pair);
        let mut hashers = Some(Hashers::new(2));
        let segments = geometry.segments().into_iter();
        let tallies = segments
            .map(|s| self.stored_segment(pair, at, s, &mut hashers))
            .collect::<Result<_>>()?;
        Ok(Output::Pair(tallies, hashers.map(Hashers::finish)))
    }

    fn stored_segment(
        &self,
        pair: &Pair,
        at: [usize; 2],
        values: Range<u64>,
        hashers: &mut Option<Hashers>,
    ) -> Result<Tally> {
        let geometry = Self::geometry(pair);
        let dtypes = Self::sides(pair).map(|l| l.dtype);
        let tensors = [0, 1].map(|side| &self.models[side].checkpoint().tensors[at[side]]);
        let sources = [0, 1].map(|side| &self.models[side].opened.sources[tensors[side].file]);
        let mut runs = [0, 1].map(|side| {
            let range = byte_range(dtypes[side], &values);
            Run::new(
                sources[side],
                tensors[side].offset + range.start,
                range.end - range.start,
            )
        });
        SCRATCH.with_borrow_mut(|(scratch, buffers)| {
            let mut summing = Summing::new(geometry, needs_columns(pair));
            for chunk in geometry.chunks(values) {
                let ranges = dtypes.map(|dtype| byte_range(dtype, &chunk));
                let starts = [0, 1].map(|side| tensors[side].offset + ranges[side].start);
                let lengths = [0, 1].map(|side| (ranges[side].end - ranges[side].start) as usize);
                let [scratch_a, scratch_b] = scratch;
                let a = sources[0].run_of_bytes(starts[0], lengths[0], scratch_a)?;
                let b = sources[1].run_of_bytes(starts[1], lengths[1], scratch_b)?;
                summing.stored(&chunk, dtypes, [a, b], buffers);
                if let Some(hashers) = hashers {
                    hashers.update([a, b].into_iter());
                }
                for (run, length) in runs.iter_mut().zip(lengths) {
                    run.advance(length as u64);
                }
                self.step((lengths[0] + lengths[1]) as u64)?;
            }
            Ok(summing.tally)
        })
    }

    pub(super) fn view_segment(&self, pair: &Pair, values: Range<u64>) -> Result<Tally> {
        let geometry = Self::geometry(pair);
        let base = self.models[0].view(&pair.base)?;
        let target = self.models[1].view(&pair.target)?;
        let rows = (values.start / geometry.columns) as usize
            ..values.end.div_ceil(geometry.columns) as usize;
        let step = |rows: Range<usize>| {
            let chunk = rows.start as u64 * geometry.columns..rows.end as u64 * geometry.columns;
            let bytes =
                |l: &Logical| byte_range(l.dtype, &chunk).end - byte_range(l.dtype, &chunk).start;
            self.step(bytes(&pair.base) + bytes(&pair.target))
        };
        Summing::new(geometry, needs_columns(pair)).all_rows(rows, [&base, &target], &step)
    }

    fn digest(&self, side: usize, index: usize) -> Result<Output> {
        let tensor = &self.models[side].checkpoint().tensors[index];
        let source = &self.models[side].opened.sources[tensor.file];
        SCRATCH.with_borrow_mut(|(scratch, _)| {
            let step = |bytes| self.step(bytes);
            digest_run(source, tensor.offset, tensor.bytes, &mut scratch[0], &step)
                .map(Output::Digest)
        })
    }

    fn step(&self, bytes: u64) -> Result<()> {
        self.monitor.advance(bytes);
        if self.monitor.interrupted() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    fn fold(&self, jobs: &[Job], outputs: Vec<Output>) -> Result<Measured> {
        let mut tallies: Vec<(usize, u64, Tally)> = Vec::with_capacity(outputs.len());
        let mut digests = self.models.map(|m| {
            if self.hash {
                vec![[0; 32]; m.checkpoint().tensors.len()]
            } else {
                vec![]
            }
        });
        for (job, output) in jobs.iter().zip(outputs) {
            match (job, output) {
                (Job::Pair(index), Output::Pair(found, pair_digests)) => {
                    tallies.extend(
                        found
                            .into_iter()
                            .zip(0..)
                            .map(|(tally, segment)| (*index, segment, tally)),
                    );
                    let stored = Self::stored(&self.pairs[*index]);
                    for (side, (at, digest)) in stored
                        .into_iter()
                        .flatten()
                        .zip(pair_digests.into_iter().flatten())
                        .enumerate()
                    {
                        digests[side][at] = digest;
                    }
                }
                (Job::Segment(index, values), Output::Segment(tally)) => {
                    tallies.push((*index, values.start, tally))
                }
                (Job::Digest(side, index), Output::Digest(digest)) => {
                    digests[*side][*index] = digest
                }
                _ => {}
            }
        }
        tallies.sort_by_key(|(index, start, _)| (*index, *start));
        let mut tallies = tallies.into_iter().peekable();
        let records = self.pairs.iter().enumerate().map(|(index, pair)| {
            let own = std::iter::from_fn(|| {
                tallies
                    .next_if(|(of, ..)| *of == index)
                    .map(|(.., tally)| tally)
            });
            let mut record = settled(
                pair,
                own,
                digests.each_ref().map(Vec::as_slice),
                self.unreadable(pair),
            );
            record.identical = self.is_identical(pair, &digests, record.identical)?;
            Ok(record)
        });
        Ok(Measured {
            records: records.collect::<Result<_>>()?,
            digests,
        })
    }

    /// Whether a pair is stored in tensors of equal dtype, shape and bytes. `summed_equal`: what
    /// the sums saw.
    fn is_identical(
        &self,
        pair: &Pair,
        digests: &[Vec<Digest>; 2],
        summed_equal: bool,
    ) -> Result<bool> {
        let [Some(base), Some(target)] =
            [(0, &pair.base), (1, &pair.target)].map(|(side, logical): (usize, &Arc<Logical>)| {
                self.models[side].stored_tensors(logical)
            })
        else {
            return Ok(false);
        };
        let infos = |at: (&usize, &usize)| {
            [
                &self.models[0].checkpoint().tensors[*at.0],
                &self.models[1].checkpoint().tensors[*at.1],
            ]
        };
        let alike = |[a, b]: [&TensorInfo; 2]| a.dtype == b.dtype && a.shape == b.shape;
        if base.len() != target.len() || !base.iter().zip(&target).map(infos).all(alike) {
            return Ok(false);
        }
        if self.hash {
            return Ok(base
                .iter()
                .zip(&target)
                .all(|(a, b)| digests[0].get(*a) == digests[1].get(*b)));
        }
        if Self::stored(pair).is_some() {
            return Ok(summed_equal);
        }
        for tensors in base.iter().zip(&target).map(infos) {
            if !self.equal_bytes(tensors)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether two tensors of equal length hold the same bytes; for those that the sums saw as
    /// values only.
    fn equal_bytes(&self, tensors: [&TensorInfo; 2]) -> Result<bool> {
        let sources = [0, 1].map(|side| &self.models[side].opened.sources[tensors[side].file]);
        SCRATCH.with_borrow_mut(|([scratch_a, scratch_b], _)| {
            let mut at = 0;
            while at < tensors[0].bytes {
                let len = (2 * CHUNK).min(tensors[0].bytes - at);
                let a = sources[0].bytes(tensors[0].offset + at, len as usize, scratch_a)?;
                if a != sources[1].bytes(tensors[1].offset + at, len as usize, scratch_b)? {
                    return Ok(false);
                }
                sources
                    .iter()
                    .zip(tensors)
                    .for_each(|(source, tensor)| source.done(tensor.offset + at, len));
                at += len;
            }
            Ok(true)
        })
    }
}

/// The record of a pair from its segments in order; digests decide what is identical where they
/// were taken.
pub(super) fn settled(
    pair: &Pair,
    tallies: impl Iterator<Item = Tally>,
    digests: [&[Digest]; 2],
    unreadable: Option<String>,
) -> Record {
    let same_digest = || {
        let [a, b] = [pair.base.whole_tensor()?, pair.target.whole_tensor()?];
        Some(digests[0].get(a)? == digests[1].get(b)?)
    };
    let mut record = record(pair, Pass::geometry(pair), tallies);
    let alike =
        pair.base.dtype == pair.target.dtype && pair.base.stored_shape == pair.target.stored_shape;
    record.unreadable = unreadable;
    record.identical = alike && same_digest().unwrap_or(record.identical);
    record
}

/// Whether the mean row is taken off for the grade of a part (methods.md, section 6).
fn centers_rows(pair: &Pair) -> bool {
    matches!(pair.target.meaning.role, Role::Embed | Role::LmHead) && pair.target.shape.len() == 2
}

/// Whether both sides store the matrix (in, out) in one scale.
fn is_turned(pair: &Pair) -> bool {
    [&pair.base, &pair.target]
        .iter()
        .all(|side| side.is_turned() && !side.is_rescaled())
}

/// Whether such a matrix is read as it lies, so that the sums of its rows are those of the stored
/// columns. As a view it is turned before it is read.
fn is_read_turned(pair: &Pair) -> bool {
    is_turned(pair) && Pass::stored(pair).is_some()
}

pub(super) fn needs_columns(pair: &Pair) -> bool {
    centers_rows(pair) || is_read_turned(pair)
}

/// Folds the segments of a pair in order.
pub(super) fn record(
    pair: &Pair,
    geometry: Geometry,
    tallies: impl Iterator<Item = Tally>,
) -> Record {
    let mut total = Tally::new(None);
    let mut seen = false;
    let mut row = [0.0; 2];
    let mut columns: Option<[Vec<f64>; 2]> = None;
    for tally in tallies {
        seen = true;
        if geometry.in_pieces() {
            row[0] += tally.sums.a;
            row[1] += tally.sums.b;
        }
        total.sums.add(&tally.sums);
        total.row_products += tally.row_products;
        if geometry.in_pieces() && total.sums.n.is_multiple_of(geometry.columns) {
            total.row_products += row[0] * row[1];
            row = [0.0; 2];
        }
        total.equal_bytes &= tally.equal_bytes;
        for side in 0..2 {
            total.constant[side] = total.constant[side].join(tally.constant[side]);
        }
        columns = match (columns, tally.columns) {
            (Some(mut sum), Some(more)) => {
                for side in 0..2 {
                    sum[side]
                        .iter_mut()
                        .zip(&more[side])
                        .for_each(|(s, m)| *s += m);
                }
                Some(sum)
            }
            (None, more) => more,
            (sum, None) => sum,
        };
    }
    let sums = total.sums;
    let constant = [0, 1].map(|side| {
        matches!(total.constant[side], Constant::Of(_)) || sums.n > 0 && sums.zeros[side] == sums.n
    });
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(p, q)| p * q).sum::<f64>();
    let mut record = Record {
        sums,
        row_products: total.row_products,
        columns: geometry.columns,
        identical: total.equal_bytes && (seen || geometry.values() == 0),
        constant,
        row_centered: None,
        unreadable: None,
    };
    match columns {
        Some([a, b]) if is_read_turned(pair) => {
            record.row_products = dot(&a, &b);
            record.columns = geometry.rows;
        }
        Some([a, b]) => {
            let rows = geometry.rows as f64;
            record.row_centered = Some(RowCentered {
                ab: sums.ab - dot(&a, &b) / rows,
                aa: sums.aa - dot(&a, &a) / rows,
                bb: sums.bb - dot(&b, &b) / rows,
                row_products: total.row_products - sums.a * sums.b / rows,
            });
        }
        None => {}
    }
    record
}
