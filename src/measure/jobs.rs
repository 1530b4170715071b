//! The pass cut into jobs, and jobs run on all workers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::numeric::kernels::digester;
use crate::view::model::Model;

use super::readings::{Reading, StoredAt};
use super::segment::Geometry;

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

/// What there is to do, and how much.
pub(super) struct Plan {
    /// In the order in which workers take them.
    pub(super) jobs: Vec<Job>,
    /// Bytes that they read.
    pub(super) bytes: u64,
}

/// Nanoseconds in which a byte of a pair is read and summed.
const SUM_TIME: f64 = 0.2;

/// Those in which it is read.
const READ_TIME: f64 = 0.15;

fn time_of_digests(bytes: u64, streams: usize) -> f64 {
    bytes as f64 * digester().time_a_byte(streams)
}

/// Each pair of a reading takes the time of two of its tensors.
fn time_of_sums(reading: &Reading, bytes: u64) -> f64 {
    let summed = 2 * reading.duo_count();
    let read = reading.members().len().max(2);
    bytes as f64 * SUM_TIME * summed as f64 / read as f64
}

/// Parts of a worker's share of all bytes that a job of several digests may be as large as, the
/// largest first: smaller ones leave the others something to do while it runs, larger ones take more
/// digests in step.
const SHARES: [f64; 4] = [1.0, 0.7, 0.5, 0.3];

/// All jobs, the longest first, so that no worker is left alone with one at the end.
///
/// With `hash`, tensors are summed and digested from one read where that can be: each is digested
/// once, in one job (a digest cannot be cut), and not where that job alone would outlast the share
/// of one worker. Tensors of one size are digested in step, as many as a core takes.
pub(super) fn plan(models: &[&Model], readings: &[Reading], hash: bool, threads: u64) -> Plan {
    let total: u64 = models
        .iter()
        .flat_map(|model| &model.checkpoint().tensors)
        .fold(0, |sum, tensor| sum.saturating_add(tensor.bytes));
    let work = Work::new(models, readings, hash, |bytes| {
        threads == 1 || bytes.saturating_mul(threads) <= total
    });

    let share = total as f64 / threads.max(1) as f64;
    let streams = digester().streams();
    let cuts = SHARES.map(|part| {
        let bytes = (part * share) as u64;
        let timed = work.jobs(&Limit { streams, bytes });
        let end = end_of_all(timed.iter().map(|(time, _)| *time), threads);
        (end, timed)
    });
    // Of equals the first, whose jobs are the largest.
    let best = cuts.into_iter().min_by_key(|(end, _)| *end);
    let timed = best.map(|(_, timed)| timed).unwrap_or_default();
    Plan {
        jobs: timed.into_iter().map(|(_, job)| job).collect(),
        bytes: work.bytes,
    }
}

/// When the last of `threads` workers is done with jobs of these times, each of them taking the next
/// one as it is free.
fn end_of_all(times: impl Iterator<Item = u64>, threads: u64) -> u64 {
    let mut free_at: BinaryHeap<Reverse<u64>> = (0..threads.max(1)).map(|_| Reverse(0)).collect();
    let mut end = 0;
    for time in times {
        let Reverse(start) = free_at.pop().unwrap_or(Reverse(0));
        let done = start.saturating_add(time);
        free_at.push(Reverse(done));
        end = end.max(done);
    }
    end
}

/// What there is to do, before it is put together to jobs.
struct Work {
    /// Sums of tensors that are digested elsewhere or not at all, each with its time.
    segments: Vec<(u64, Job)>,
    /// Readings whose tensors are digested as they are read.
    whole: Vec<InStep<(Geometry, Vec<u64>), usize>>,
    /// Tensors that are digested alone.
    left: Vec<InStep<u64, StoredAt>>,
    /// Bytes that are read.
    bytes: u64,
}

impl Work {
    /// `fits` tells whether one worker may read so many bytes in one go.
    fn new(
        models: &[&Model],
        readings: &[Reading],
        hash: bool,
        fits: impl Fn(u64) -> bool,
    ) -> Self {
        let mut segments = Vec::new();
        let mut whole = Vec::new();
        let mut all_bytes = 0u64;
        let mut is_digested: Vec<Vec<bool>> = models
            .iter()
            .map(|model| vec![false; model.checkpoint().tensors.len()])
            .collect();
        for (index, reading) in readings.iter().enumerate() {
            let members = reading.members();
            let is_new = |at: &StoredAt| !is_digested[at.model][at.tensor];
            let bytes = reading.bytes(models, &reading.values());

            if hash && !members.is_empty() && members.iter().all(is_new) && fits(bytes) {
                for at in members {
                    is_digested[at.model][at.tensor] = true;
                }
                let lengths: Vec<u64> = members.iter().map(|at| at.info(models).bytes).collect();
                all_bytes = all_bytes.saturating_add(bytes);
                whole.push(InStep {
                    alike: (reading.geometry, lengths),
                    streams: members.len(),
                    bytes,
                    beside: time_of_sums(reading, bytes),
                    what: index,
                });
            } else {
                segments.extend(reading.geometry.segments().into_iter().map(|values| {
                    let bytes = reading.bytes(models, &values);
                    all_bytes = all_bytes.saturating_add(bytes);
                    let time = time_of_sums(reading, bytes);
                    (time as u64, Job::Segment(index, values))
                }));
            }
        }

        let mut left = Vec::new();
        for (model, is_digested) in is_digested.iter().enumerate().filter(|_| hash) {
            let tensors = (0..is_digested.len()).filter(|&tensor| !is_digested[tensor]);
            left.extend(tensors.map(|tensor| {
                let what = StoredAt { model, tensor };
                let bytes = what.info(models).bytes;
                all_bytes = all_bytes.saturating_add(bytes);
                InStep {
                    alike: bytes,
                    streams: 1,
                    bytes,
                    beside: bytes as f64 * READ_TIME,
                    what,
                }
            }));
        }
        whole.sort_by(|a, b| a.alike.cmp(&b.alike));
        left.sort_by_key(|one| one.alike);
        Self {
            segments,
            whole,
            left,
            bytes: all_bytes,
        }
    }

    /// All of it as jobs with their times, those that are alike together as far as the limit allows;
    /// the longest first, so that no worker is left alone with one at the end.
    fn jobs(&self, limit: &Limit) -> Vec<(u64, Job)> {
        let whole = limit.groups(&self.whole).into_iter();
        let whole = whole.map(|(time, group)| (time, Job::Whole(group)));
        let digests = limit.groups(&self.left).into_iter();
        let digests = digests.map(|(time, group)| (time, Job::Digests(group)));
        let segments = self.segments.iter().cloned();
        let mut jobs: Vec<(u64, Job)> = segments.chain(whole).chain(digests).collect();
        jobs.sort_by_key(|(time, _)| Reverse(*time));
        jobs
    }
}

/// What may be digested in step with others that are alike.
struct InStep<K, T> {
    alike: K,
    /// Digests that are taken of it.
    streams: usize,
    bytes: u64,
    /// Nanoseconds for what is done beside them.
    beside: f64,
    what: T,
}

/// How much is digested in one job.
struct Limit {
    streams: usize,
    bytes: u64,
}

impl Limit {
    /// `all`, of which those that are alike follow one another, together as far as the limit
    /// allows; within it in their order. With each group its expected nanoseconds.
    fn groups<K: PartialEq, T: Copy>(&self, all: &[InStep<K, T>]) -> Vec<(u64, Vec<T>)> {
        let mut groups = Vec::new();
        let mut at = 0;
        while let Some(first) = all.get(at) {
            let begin = at;
            let (mut streams, mut bytes, mut beside) = (0, 0u64, 0.0);
            while let Some(next) = all.get(at) {
                let streams_with = streams + next.streams;
                let bytes_with = bytes.saturating_add(next.bytes);
                let fits = next.alike == first.alike
                    && streams_with <= self.streams
                    && bytes_with <= self.bytes;
                if !fits && at > begin {
                    break;
                }
                (streams, bytes) = (streams_with, bytes_with);
                beside += next.beside;
                at += 1;
            }
            let time = beside + time_of_digests(bytes, streams);
            let group = all[begin..at].iter().map(|one| one.what).collect();
            groups.push((time as u64, group));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(places: Range<usize>, bytes: u64) -> Vec<InStep<u64, usize>> {
        let one = |what| InStep {
            alike: bytes,
            streams: 2,
            bytes,
            beside: 3.0,
            what,
        };
        places.map(one).collect()
    }

    #[test]
    fn groups_hold_what_is_alike_within_the_limit() {
        let mut all = alike(0..9, 10);
        all.extend(alike(9..11, 7));
        let sizes = |limit: &Limit| -> Vec<usize> {
            let groups = limit.groups(&all);
            let mut order: Vec<usize> = Vec::new();
            for (time, group) in &groups {
                let bytes = group
                    .iter()
                    .map(|what| if *what < 9 { 10 } else { 7 })
                    .sum();
                let digests = time_of_digests(bytes, 2 * group.len());
                assert_eq!(*time, (3.0 * group.len() as f64 + digests) as u64);
                order.extend(group);
            }
            assert_eq!(order, (0..all.len()).collect::<Vec<_>>());
            groups.iter().map(|(_, group)| group.len()).collect()
        };
        let limit = |streams, bytes| Limit { streams, bytes };
        assert_eq!(sizes(&limit(16, 1000)), [8, 1, 2]);
        assert_eq!(sizes(&limit(16, 45)), [4, 4, 1, 2]);
        assert_eq!(sizes(&limit(16, 5)), [1; 11]);
        assert_eq!(sizes(&limit(2, 1000)), [1; 11]);
    }

    #[test]
    fn the_last_worker_is_done_when_all_is() {
        let end = |times: &[u64], threads| end_of_all(times.iter().copied(), threads);
        assert_eq!(end(&[], 2), 0);
        assert_eq!(end(&[5, 4, 3], 1), 12);
        assert_eq!(end(&[5, 4, 3], 2), 7);
        assert_eq!(end(&[9, 4, 3], 2), 9);
        assert_eq!(end(&[9, 4, 3], 8), 9);
        assert_eq!(end(&[u64::MAX, 1], 1), u64::MAX);
    }
}
