//! The pass cut into jobs, and jobs run on all workers.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::numeric::kernels::digester;
use crate::view::model::Model;

use super::readings::{Reading, StoredAt};

/// A piece of work for one worker.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// Sums of some readings that are cut alike and the digests of their tensors, from one read.
    Whole(Vec<usize>),
    /// Sums of one segment of a reading.
    Segment(usize, Range<u64>),
    /// Digests of some stored tensors.
    Digests(Vec<StoredAt>),
}

/// What a job costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Bytes that are read.
    pub(super) bytes: u64,
    /// Expected nanoseconds on the machine at hand; only the ratios matter.
    time: u64,
}

/// Nanoseconds in which a byte of a pair is read and summed.
const SUM_TIME: f64 = 0.2;

impl Job {
    /// What it costs.
    pub(super) fn cost(&self, models: &[&Model], readings: &[Reading]) -> Cost {
        let (bytes, time) = match self {
            Self::Whole(group) => {
                let group = group.iter().map(|&index| &readings[index]);
                let streams = group.clone().map(|reading| reading.members().len()).sum();
                let whole = group.map(|reading| {
                    let bytes = reading.bytes(models, &reading.values());
                    (bytes, time_of_sums(reading, bytes))
                });
                let (bytes, sums) = whole.fold((0, 0.0), |(all, time), (bytes, sums)| {
                    (bytes.saturating_add(all), time + sums)
                });
                (bytes, sums + time_of_digests(bytes, streams))
            }
            Self::Segment(index, values) => {
                let reading = &readings[*index];
                let bytes = reading.bytes(models, values);
                (bytes, time_of_sums(reading, bytes))
            }
            Self::Digests(tensors) => {
                let bytes = tensors.iter().map(|at| at.info(models).bytes);
                let bytes = bytes.fold(0, u64::saturating_add);
                (bytes, time_of_digests(bytes, tensors.len()))
            }
        };
        let time = time as u64;
        Cost { bytes, time }
    }
}

fn time_of_digests(bytes: u64, streams: usize) -> f64 {
    bytes as f64 * digester().time_a_byte(streams)
}

/// Each pair of a reading takes the time of two of its tensors.
fn time_of_sums(reading: &Reading, bytes: u64) -> f64 {
    let summed = 2 * reading.duo_count();
    let read = reading.members().len().max(2);
    bytes as f64 * SUM_TIME * summed as f64 / read as f64
}

/// A job of several digests is no larger than this part of a worker's share of all bytes, so that
/// the others have something to do while it runs.
const PARTS: u64 = 2;

/// All jobs, the longest first, so that no worker is left alone with one at the end.
///
/// With `hash`, tensors are summed and digested from one read where that can be: each is digested
/// once, in one job (a digest cannot be cut), and not where that job alone would outlast the share
/// of one worker. Tensors of one size are digested in step, as many as a core takes.
pub(super) fn jobs(models: &[&Model], readings: &[Reading], hash: bool, threads: u64) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut is_digested: Vec<Vec<bool>> = models
        .iter()
        .map(|model| vec![false; model.checkpoint().tensors.len()])
        .collect();
    let total: u64 = models
        .iter()
        .flat_map(|model| &model.checkpoint().tensors)
        .fold(0, |sum, tensor| sum.saturating_add(tensor.bytes));
    let limit = Limit {
        streams: digester().streams(),
        bytes: total / threads.saturating_mul(PARTS).max(1),
    };

    let mut whole = Vec::new();
    for (index, reading) in readings.iter().enumerate() {
        let members = reading.members();
        let is_new = |at: &StoredAt| !is_digested[at.model][at.tensor];
        let bytes = reading.bytes(models, &reading.values());
        let fits_one_worker = threads == 1 || bytes.saturating_mul(threads) <= total;

        if hash && !members.is_empty() && members.iter().all(is_new) && fits_one_worker {
            for at in members {
                is_digested[at.model][at.tensor] = true;
            }
            let lengths: Vec<u64> = members.iter().map(|at| at.info(models).bytes).collect();
            whole.push(InStep {
                alike: (reading.geometry, lengths),
                streams: members.len(),
                bytes,
                what: index,
            });
        } else {
            let segments = reading.geometry.segments().into_iter();
            jobs.extend(segments.map(|values| Job::Segment(index, values)));
        }
    }
    jobs.extend(limit.groups(whole).into_iter().map(Job::Whole));

    if hash {
        let mut left = Vec::new();
        for (model, is_digested) in is_digested.iter().enumerate() {
            let tensors = (0..is_digested.len()).filter(|&tensor| !is_digested[tensor]);
            left.extend(tensors.map(|tensor| {
                let what = StoredAt { model, tensor };
                let bytes = what.info(models).bytes;
                InStep {
                    alike: bytes,
                    streams: 1,
                    bytes,
                    what,
                }
            }));
        }
        jobs.extend(limit.groups(left).into_iter().map(Job::Digests));
    }
    jobs.sort_by_cached_key(|job| Reverse(job.cost(models, readings).time));
    jobs
}

/// What may be digested in step with others that are alike.
struct InStep<K, T> {
    alike: K,
    /// Digests that are taken of it.
    streams: usize,
    bytes: u64,
    what: T,
}

/// How much is digested in one job.
struct Limit {
    streams: usize,
    bytes: u64,
}

impl Limit {
    /// `all`, those that are alike together as far as the limit allows; within it in their order.
    fn groups<K: Ord, T>(&self, mut all: Vec<InStep<K, T>>) -> Vec<Vec<T>> {
        all.sort_by(|a, b| a.alike.cmp(&b.alike));
        let mut groups: Vec<Vec<T>> = Vec::new();
        let mut last: Option<(K, usize, u64)> = None;
        for next in all {
            let joined = last.as_ref().and_then(|(alike, streams, bytes)| {
                let streams = streams + next.streams;
                let bytes = bytes.saturating_add(next.bytes);
                let fits = streams <= self.streams && bytes <= self.bytes;
                (*alike == next.alike && fits).then_some((streams, bytes))
            });
            match (joined, groups.last_mut()) {
                (Some((streams, bytes)), Some(group)) => {
                    group.push(next.what);
                    last = Some((next.alike, streams, bytes));
                }
                _ => {
                    groups.push(vec![next.what]);
                    last = Some((next.alike, next.streams, next.bytes));
                }
            }
        }
        groups
    }
}

/// Works on `jobs` in their order on all workers of the current rayon pool; outputs come in the
/// same order. The first error ends the rest.
///
/// # Errors
/// The error of the first job that failed.
pub(super) fn on_all_workers<J: Sync, T: Send>(
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
