//! The pass cut into jobs, and jobs run on all workers.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::view::model::Model;

use super::readings::{Reading, StoredAt};

/// A piece of work for one worker.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// Sums of a reading and the digests of its tensors, from one read.
    Whole(usize),
    /// Sums of one segment of a reading.
    Segment(usize, Range<u64>),
    /// Digest of one stored tensor.
    Digest(StoredAt),
}

/// What a job costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Bytes that are read.
    pub(super) bytes: u64,
    /// In units of a hashed byte.
    time: u64,
}

/// A digest takes about four times as long a byte as sums of one pair do.
const SUM_SHARE: u64 = 4;

impl Job {
    /// What it costs.
    pub(super) fn cost(&self, models: &[&Model], readings: &[Reading]) -> Cost {
        match self {
            Self::Whole(index) => {
                let reading = &readings[*index];
                let bytes = reading.bytes(models, &reading.values());
                let time = bytes.saturating_add(time_of_sums(reading, bytes));
                Cost { bytes, time }
            }
            Self::Segment(index, values) => {
                let reading = &readings[*index];
                let bytes = reading.bytes(models, values);
                let time = time_of_sums(reading, bytes);
                Cost { bytes, time }
            }
            Self::Digest(at) => {
                let bytes = at.info(models).bytes;
                Cost { bytes, time: bytes }
            }
        }
    }
}

/// Each pair of a reading takes the time of two of its tensors.
fn time_of_sums(reading: &Reading, bytes: u64) -> u64 {
    let summed = 2 * reading.duo_count() as u64;
    let read = reading.members().len().max(2) as u64;
    bytes.saturating_mul(summed) / read / SUM_SHARE
}

/// All jobs, the longest first, so that no worker is left alone with one at the end.
///
/// With `hash`, tensors are summed and digested from one read where that can be: each is digested
/// once, in one job (a digest cannot be cut), and not where that job alone would outlast the share
/// of one worker.
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

    for (index, reading) in readings.iter().enumerate() {
        let members = reading.members();
        let is_new = |at: &StoredAt| !is_digested[at.model][at.tensor];
        let bytes = reading.bytes(models, &reading.values());
        let fits_one_worker = threads == 1 || bytes.saturating_mul(threads) <= total;

        if hash && !members.is_empty() && members.iter().all(is_new) && fits_one_worker {
            for at in members {
                is_digested[at.model][at.tensor] = true;
            }
            jobs.push(Job::Whole(index));
        } else {
            let segments = reading.geometry.segments().into_iter();
            jobs.extend(segments.map(|values| Job::Segment(index, values)));
        }
    }

    if hash {
        for (model, is_digested) in is_digested.iter().enumerate() {
            let left = (0..is_digested.len()).filter(|&tensor| !is_digested[tensor]);
            jobs.extend(left.map(|tensor| Job::Digest(StoredAt { model, tensor })));
        }
    }
    jobs.sort_by_cached_key(|job| Reverse(job.cost(models, readings).time));
    jobs
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
