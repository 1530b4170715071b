//! One pass over several models: each chunk of a tensor is read once from every model that has it,
//! and summed for every pair of them, so that distances and mixtures need no second look.
//!
//! A worker holds one chunk of each model: memory is threads x models x chunk.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use crate::align::Pair;
use crate::error::{Error, Result};
use crate::view::model::Model;

use super::digest::{Hashers, digest_run};
use super::monitor::Monitor;
use super::pass::{Pass, SUM_SHARE, needs_columns, phase, run, settled};
use super::record::{Digest, Record};
use super::run::Run;
use super::segment::{Buffers, Geometry, Summing, Tally, byte_range};

/// Two tensors of two of the models.
#[derive(Debug, Clone)]
pub struct Duo<'a> {
    /// Places in the list of models, of the pair's base and of its target.
    pub models: [usize; 2],
    /// The tensors.
    pub pair: Cow<'a, Pair>,
}

/// Result of the pass.
#[derive(Debug, Default)]
pub struct Measured {
    /// One record a duo, in the order of the groups and in them.
    pub records: Vec<Vec<Record>>,
    /// Digests of the stored tensors of each model, in their order; empty without hashing.
    pub digests: Vec<Vec<Digest>>,
}

/// Measures the duos of every group, and digests every stored tensor of all models if `hash`. Duos
/// of a group are read together where they are cut alike: a group should hold the duos of one
/// tensor. Runs on the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub fn measure(
    models: &[&Model],
    groups: &[Vec<Duo<'_>>],
    hash: bool,
    monitor: &dyn Monitor,
) -> Result<Measured> {
    let pass = Many {
        models,
        groups,
        readings: readings(models, groups, monitor),
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
    Ok(pass.fold(outputs))
}

/// Duos that are read together.
struct Reading {
    group: usize,
    geometry: Geometry,
    /// Places in the group, and of their two sides among the members.
    duos: Vec<(usize, [usize; 2])>,
    /// Model and stored tensor; empty for a duo whose values are read through views.
    members: Vec<(usize, usize)>,
}

/// The readings that a list of groups comes to; duos whose values cannot be read have none.
fn readings(models: &[&Model], groups: &[Vec<Duo<'_>>], monitor: &dyn Monitor) -> Vec<Reading> {
    let mut out: Vec<Reading> = Vec::new();
    for (group, duos) in groups.iter().enumerate() {
        let first = out.len();
        for (at, duo) in duos.iter().enumerate() {
            let geometry = Pass::geometry(&duo.pair);
            let Some(stored) = Pass::stored(&duo.pair) else {
                if pass(models, duo, monitor).unreadable(&duo.pair).is_none() {
                    out.push(Reading {
                        group,
                        geometry,
                        duos: vec![(at, [0, 0])],
                        members: Vec::new(),
                    });
                }
                continue;
            };
            let together = out[first..]
                .iter()
                .position(|r| !r.members.is_empty() && r.geometry == geometry);
            let reading = match together {
                Some(found) => &mut out[first + found],
                None => {
                    out.push(Reading {
                        group,
                        geometry,
                        duos: Vec::new(),
                        members: Vec::new(),
                    });
                    let last = out.len() - 1;
                    &mut out[last]
                }
            };
            let sides = [0, 1].map(|side| reading.member((duo.models[side], stored[side])));
            reading.duos.push((at, sides));
        }
    }
    out
}

impl Reading {
    /// Place of a tensor among the members, which it joins where it is new.
    fn member(&mut self, tensor: (usize, usize)) -> usize {
        self.members
            .iter()
            .position(|m| *m == tensor)
            .unwrap_or_else(|| {
                self.members.push(tensor);
                self.members.len() - 1
            })
    }
}

/// A pass over the two models of one duo.
fn pass<'a>(models: &[&'a Model], duo: &Duo<'_>, monitor: &'a dyn Monitor) -> Pass<'a> {
    Pass {
        models: duo.models.map(|m| models[m]),
        pairs: &[],
        hash: false,
        monitor,
    }
}

/// A piece of work for one worker.
#[derive(Debug, Clone)]
enum Job {
    /// Sums of a reading and the digests of its members, from one read.
    Whole(usize),
    /// Sums of one segment of a reading.
    Segment(usize, Range<u64>),
    /// Digest of one stored tensor of one model.
    Digest(usize, usize),
}

/// What a job gave.
#[derive(Default)]
struct Output {
    /// Group, place in it, first value, sums.
    tallies: Vec<(usize, usize, u64, Tally)>,
    /// Model, stored tensor, digest.
    digests: Vec<(usize, usize, Digest)>,
}

/// What a job costs.
struct Cost {
    bytes: u64,
    /// In units of a hashed byte.
    time: u64,
}

struct Many<'a> {
    models: &'a [&'a Model],
    groups: &'a [Vec<Duo<'a>>],
    readings: Vec<Reading>,
    hash: bool,
    monitor: &'a dyn Monitor,
}

thread_local! {
    static SCRATCH: RefCell<(Vec<Vec<u8>>, Buffers)> = RefCell::default();
}

impl Many<'_> {
    fn duo(&self, reading: &Reading, at: usize) -> &Duo<'_> {
        &self.groups[reading.group][at]
    }

    fn jobs(&self, threads: u64) -> Vec<Job> {
        let mut jobs = Vec::new();
        let mut covered: Vec<Vec<bool>> = self
            .models
            .iter()
            .map(|m| vec![false; m.checkpoint().tensors.len()])
            .collect();
        let total: u64 = self
            .models
            .iter()
            .flat_map(|m| &m.checkpoint().tensors)
            .map(|t| t.bytes)
            .sum();
        for (index, reading) in self.readings.iter().enumerate() {
            let lone =
                !reading.members.is_empty() && reading.members.iter().all(|&(m, t)| !covered[m][t]);
            let spread = self
                .bytes(reading, &(0..reading.geometry.values()))
                .saturating_mul(threads)
                > total;
            if self.hash && lone && (!spread || threads == 1) {
                reading
                    .members
                    .iter()
                    .for_each(|&(m, t)| covered[m][t] = true);
                jobs.push(Job::Whole(index));
            } else {
                jobs.extend(
                    reading
                        .geometry
                        .segments()
                        .into_iter()
                        .map(|s| Job::Segment(index, s)),
                );
            }
        }
        if self.hash {
            for (model, covered) in covered.iter().enumerate() {
                jobs.extend(
                    (0..covered.len())
                        .filter(|&i| !covered[i])
                        .map(|i| Job::Digest(model, i)),
                );
            }
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(self.cost(job).time));
        jobs
    }

    /// Stored bytes behind `values` of a reading.
    fn bytes(&self, reading: &Reading, values: &Range<u64>) -> u64 {
        let width = |dtype| byte_range(dtype, values).end - byte_range(dtype, values).start;
        if reading.members.is_empty() {
            let duos = reading
                .duos
                .iter()
                .map(|(at, _)| &self.duo(reading, *at).pair);
            return duos
                .flat_map(|pair| Pass::sides(pair))
                .map(|l| width(l.dtype))
                .sum();
        }
        reading
            .members
            .iter()
            .map(|&(m, t)| width(self.models[m].checkpoint().tensors[t].dtype))
            .sum()
    }

    fn cost(&self, job: &Job) -> Cost {
        let sums = |index: usize, values: &Range<u64>| {
            let reading = &self.readings[index];
            let bytes = self.bytes(reading, values);
            let pairs = 2 * reading.duos.len() as u64;
            (
                bytes,
                bytes.saturating_mul(pairs) / reading.members.len().max(2) as u64 / SUM_SHARE,
            )
        };
        match job {
            Job::Whole(index) => {
                let (bytes, time) = sums(*index, &(0..self.readings[*index].geometry.values()));
                Cost {
                    bytes,
                    time: bytes + time,
                }
            }
            Job::Segment(index, values) => {
                let (bytes, time) = sums(*index, values);
                Cost { bytes, time }
            }
            Job::Digest(model, index) => {
                let bytes = self.models[*model].checkpoint().tensors[*index].bytes;
                Cost { bytes, time: bytes }
            }
        }
    }

    fn run(&self, job: &Job) -> Result<Output> {
        match job {
            Job::Whole(index) => {
                let reading = &self.readings[*index];
                let mut hashers = Some(Hashers::new(reading.members.len()));
                let mut out = Output::default();
                for segment in reading.geometry.segments() {
                    out.tallies
                        .extend(self.segment(reading, segment, &mut hashers)?);
                }
                let digests = hashers.into_iter().flat_map(Hashers::finish);
                out.digests = reading
                    .members
                    .iter()
                    .zip(digests)
                    .map(|(&(m, t), digest)| (m, t, digest))
                    .collect();
                Ok(out)
            }
            Job::Segment(index, values) => {
                let reading = &self.readings[*index];
                let tallies = match reading.members.is_empty() {
                    false => self.segment(reading, values.clone(), &mut None)?,
                    true => self.views(reading, values)?,
                };
                Ok(Output {
                    tallies,
                    digests: Vec::new(),
                })
            }
            Job::Digest(model, index) => {
                let digest = self.digest(*model, *index)?;
                Ok(Output {
                    tallies: Vec::new(),
                    digests: vec![(*model, *index, digest)],
                })
            }
        }
    }

    fn views(
        &self,
        reading: &Reading,
        values: &Range<u64>,
    ) -> Result<Vec<(usize, usize, u64, Tally)>> {
        let one = |&(at, _): &(usize, [usize; 2])| {
            let duo = self.duo(reading, at);
            let tally =
                pass(self.models, duo, self.monitor).view_segment(&duo.pair, values.clone())?;
            Ok((reading.group, at, values.start, tally))
        };
        reading.duos.iter().map(one).collect()
    }

    /// Sums of one segment of stored tensors.
    fn segment(
        &self,
        reading: &Reading,
        values: Range<u64>,
        hashers: &mut Option<Hashers>,
    ) -> Result<Vec<(usize, usize, u64, Tally)>> {
        let tensors: Vec<_> = reading
            .members
            .iter()
            .map(|&(m, t)| (self.models[m], &self.models[m].checkpoint().tensors[t]))
            .collect();
        let sources: Vec<_> = tensors
            .iter()
            .map(|(model, tensor)| &model.opened.sources[tensor.file])
            .collect();
        let runs = tensors.iter().zip(&sources).map(|((_, tensor), source)| {
            let range = byte_range(tensor.dtype, &values);
            Run::new(source, tensor.offset + range.start, range.end - range.start)
        });
        let mut runs: Vec<Run> = runs.collect();
        let mut sums: Vec<Summing> = reading
            .duos
            .iter()
            .map(|(at, _)| {
                Summing::new(
                    reading.geometry,
                    needs_columns(&self.duo(reading, *at).pair),
                )
            })
            .collect();
        SCRATCH.with_borrow_mut(|(scratch, buffers)| {
            scratch.resize_with(scratch.len().max(tensors.len()), Vec::new);
            for chunk in reading.geometry.chunks(values.clone()) {
                let mut read: Vec<(u64, &[u8])> = Vec::with_capacity(tensors.len());
                for (((_, tensor), source), scratch) in
                    tensors.iter().zip(&sources).zip(scratch.iter_mut())
                {
                    let range = byte_range(tensor.dtype, &chunk);
                    let start = tensor.offset + range.start;
                    read.push((
                        start,
                        source.run_of_bytes(start, (range.end - range.start) as usize, scratch)?,
                    ));
                }
                for ((_, sides), summing) in reading.duos.iter().zip(&mut sums) {
                    let dtypes = sides.map(|side| tensors[side].1.dtype);
                    summing.stored(&chunk, dtypes, sides.map(|side| read[side].1), buffers);
                }
                if let Some(hashers) = hashers {
                    hashers.update(read.iter().map(|&(_, bytes)| bytes));
                }
                for ((_, bytes), run) in read.iter().zip(&mut runs) {
                    run.advance(bytes.len() as u64);
                }
                self.step(read.iter().map(|(_, bytes)| bytes.len() as u64).sum())?;
            }
            Ok(())
        })?;
        let tallies = reading.duos.iter().zip(sums);
        Ok(tallies
            .map(|((at, _), summing)| (reading.group, *at, values.start, summing.tally))
            .collect())
    }

    fn digest(&self, model: usize, index: usize) -> Result<Digest> {
        let tensor = &self.models[model].checkpoint().tensors[index];
        let source = &self.models[model].opened.sources[tensor.file];
        digest_run(
            source,
            tensor.offset,
            tensor.bytes,
            &mut Vec::new(),
            &|bytes| self.step(bytes),
        )
    }

    fn step(&self, bytes: u64) -> Result<()> {
        self.monitor.advance(bytes);
        if self.monitor.interrupted() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    fn fold(&self, outputs: Vec<Output>) -> Measured {
        let mut tallies: Vec<Vec<Vec<(u64, Tally)>>> = self
            .groups
            .iter()
            .map(|duos| duos.iter().map(|_| Vec::new()).collect())
            .collect();
        let length = |model: &&Model| {
            if self.hash {
                model.checkpoint().tensors.len()
            } else {
                0
            }
        };
        let mut digests: Vec<Vec<Digest>> = self
            .models
            .iter()
            .map(|m| vec![[0; 32]; length(m)])
            .collect();
        for output in outputs {
            for (group, at, start, tally) in output.tallies {
                tallies[group][at].push((start, tally));
            }
            for (model, index, digest) in output.digests {
                digests[model][index] = digest;
            }
        }
        let record = |(duo, mut found): (&Duo<'_>, Vec<(u64, Tally)>)| {
            found.sort_by_key(|(start, _)| *start);
            let of = duo.models.map(|m| digests[m].as_slice());
            let unreadable = pass(self.models, duo, self.monitor).unreadable(&duo.pair);
            settled(
                &duo.pair,
                found.into_iter().map(|(_, tally)| tally),
                of,
                unreadable,
            )
        };
        let groups = self.groups.iter().zip(tallies);
        let records = groups
            .map(|(duos, tallies)| duos.iter().zip(tallies).map(record).collect())
            .collect();
        Measured { records, digests }
    }
}
