//! The driver of the pass: each chunk of a tensor is read once from every model that has it, and
//! summed for every pair of them and digested while it lies in the cache.
//!
//! `compare` is a pass over two models, `rank` one over its bases and the target, `hash` one over a
//! single model and no pair. Work is cut into jobs, the longest first, and results are folded in
//! the order of the pairs: the same bits for any number of threads and either way of reading.
//!
//! A worker holds one chunk of each tensor that it digests in step, smaller ones where there are
//! more: memory is threads x chunk, whatever the models.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use crate::align::Pair;
use crate::error::Result;
use crate::model::checkpoint::TensorInfo;
use crate::model::sides::Sides;
use crate::numeric::kernels::{digester, sha256};
use crate::source::Region;
use crate::view::model::Model;

use super::ahead::ReadAhead;
use super::as_stored::{geometry, needs_columns, unreadable};
use super::digest::{Hashers, digests as digests_in_step};
use super::fold::fold;
use super::identity::is_identical;
use super::jobs::{Job, on_all_workers, plan};
use super::monitor::Monitor;
use super::readings::{Duo, Read, Reading, StoredAt, Summed, readings};
use super::record::{Digest, Record};
use super::segment::{Buffers, Summing, Tally, byte_range};

/// What was measured of two models.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// One record a pair, in the order of the pairs.
    pub records: Vec<Record>,
    /// Digests of the stored tensors of each side, in their order; empty without hashing.
    pub digests: Sides<Vec<Digest>>,
}

/// What was measured of any number of models.
#[derive(Debug, Default)]
pub(crate) struct MeasuredGroups {
    /// One record a duo, in the order of the groups and in them.
    pub records: Vec<Vec<Record>>,
    /// Digests of the stored tensors of each model, in their order; empty without hashing.
    pub digests: Vec<Vec<Digest>>,
}

/// Measures every pair of two models, and digests every stored tensor of both if `hash`. Runs on
/// the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(crate) fn measure(
    models: Sides<&Model>,
    pairs: &[Pair],
    hash: bool,
    monitor: &dyn Monitor,
) -> Result<Measured> {
    let group = |pair| {
        let duo = Duo {
            models: Sides { base: 0, target: 1 },
            pair: Cow::Borrowed(pair),
        };
        vec![duo]
    };
    let groups: Vec<Vec<Duo<'_>>> = pairs.iter().map(group).collect();
    let measured = measure_groups(&models.into_array(), &groups, hash, monitor)?;

    let mut digests = measured.digests.into_iter();
    let mut records = Vec::with_capacity(pairs.len());
    records.extend(measured.records.into_iter().flatten());
    Ok(Measured {
        records,
        digests: Sides {
            base: digests.next().unwrap_or_default(),
            target: digests.next().unwrap_or_default(),
        },
    })
}

/// Measures the duos of every group, and digests every stored tensor of all models if `hash`. Duos
/// of a group are read together where they are cut alike: a group should hold the duos of one
/// tensor. Runs on the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(crate) fn measure_groups(
    models: &[&Model],
    groups: &[Vec<Duo<'_>>],
    hash: bool,
    monitor: &dyn Monitor,
) -> Result<MeasuredGroups> {
    let phase = if hash {
        "comparing and hashing"
    } else {
        "comparing"
    };
    Pass::new(models, groups, hash, monitor).over_the_bytes(phase)
}

/// SHA-256 of the stored bytes of each tensor of a checkpoint, in their order. Runs on the current
/// rayon pool.
///
/// # Errors
/// Bytes that cannot be read, a file that changed meanwhile, an interrupt.
pub(crate) fn digests(model: &Model, monitor: &dyn Monitor) -> Result<Vec<Digest>> {
    let measured = Pass::new(&[model], &[], true, monitor).over_the_bytes("hashing")?;
    model.opened.check_unchanged()?;
    Ok(measured.digests.into_iter().flatten().collect())
}

/// A pass over the bytes of some models.
struct Pass<'a> {
    models: &'a [&'a Model],
    groups: &'a [Vec<Duo<'a>>],
    readings: Vec<Reading>,
    hash: bool,
    monitor: &'a dyn Monitor,
}

/// What a job gave.
#[derive(Default)]
struct Output {
    tallies: Vec<DuoTally>,
    digests: Vec<(StoredAt, Digest)>,
}

/// Sums of one segment of one duo.
struct DuoTally {
    group: usize,
    duo: usize,
    /// First value of the segment.
    start: u64,
    tally: Tally,
}

/// A reading of stored tensors.
struct Stored<'a> {
    reading: &'a Reading,
    members: &'a [StoredAt],
    duos: &'a [Summed],
}

/// One segment of such a reading under way.
struct Running<'a> {
    members: Vec<Member<'a>>,
    sums: Vec<Summing>,
}

/// One member of a reading, as it is read.
struct Member<'a> {
    info: &'a TensorInfo,
    bytes: Region<'a>,
    ahead: ReadAhead<'a>,
}

impl<'a> Member<'a> {
    /// The stored bytes of a chunk of values.
    fn read<'s>(&self, chunk: &Range<u64>, scratch: &'s mut Vec<u8>) -> Result<&'s [u8]> {
        let range = byte_range(self.info.dtype, chunk);
        let length = (range.end - range.start) as usize;
        self.bytes.bytes(range.start, length, scratch)
    }
}

thread_local! {
    static SCRATCH: RefCell<(Vec<Vec<u8>>, Buffers)> = RefCell::default();
}

impl<'a> Pass<'a> {
    fn new(
        models: &'a [&'a Model],
        groups: &'a [Vec<Duo<'a>>],
        hash: bool,
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            models,
            groups,
            readings: readings(models, groups),
            hash,
            monitor,
        }
    }

    /// Reads everything once; `phase` tells people what it is for.
    fn over_the_bytes(mut self, phase: &str) -> Result<MeasuredGroups> {
        let threads = rayon::current_num_threads() as u64;
        let plan = plan(self.models, &self.readings, self.hash, threads);
        self.monitor.begin(phase, plan.bytes);
        let outputs = on_all_workers(&plan.jobs, |job| self.work(job))?;
        self.monitor.end();
        // Their room is for the records.
        self.readings = Vec::new();
        self.fold(outputs)
    }

    fn work(&self, job: &Job) -> Result<Output> {
        match job {
            Job::Whole(group) => self.whole(group),
            Job::Segment(index, values) => {
                let reading = &self.readings[*index];
                let tallies = match &reading.what {
                    Read::Stored { members, duos } => {
                        let stored = Stored {
                            reading,
                            members,
                            duos,
                        };
                        self.stored_segment(&[stored], values.clone(), None)?
                    }
                    Read::Views { duo, .. } => vec![self.view_segment(reading, *duo, values)?],
                };
                Ok(Output {
                    tallies,
                    digests: Vec::new(),
                })
            }
            Job::Digests(tensors) => {
                let digests = self.digests(tensors)?;
                Ok(Output {
                    tallies: Vec::new(),
                    digests: tensors.iter().copied().zip(digests).collect(),
                })
            }
        }
    }

    /// All segments of the stored tensors of some readings that are cut alike, and their digests.
    fn whole(&self, group: &[usize]) -> Result<Output> {
        let stored = group.iter().filter_map(|&index| {
            let reading = &self.readings[index];
            match &reading.what {
                Read::Stored { members, duos } => Some(Stored {
                    reading,
                    members,
                    duos,
                }),
                Read::Views { .. } => None,
            }
        });
        let stored: Vec<Stored<'_>> = stored.collect();
        let Some(first) = stored.first() else {
            return Ok(Output::default());
        };

        let members = stored.iter().map(|one| one.members.len());
        let mut hashers: Vec<Hashers> = members.map(Hashers::new).collect();
        let mut out = Output::default();
        for values in first.reading.geometry.segments() {
            let tallies = self.stored_segment(&stored, values, Some(&mut hashers))?;
            out.tallies.extend(tallies);
        }
        for (one, digests) in stored.iter().zip(Hashers::finish(hashers)) {
            out.digests.extend(one.members.iter().copied().zip(digests));
        }
        Ok(out)
    }

    /// Sums of one segment of the stored tensors of some readings that are cut alike. Each chunk is
    /// read from all of them, then summed for every duo and digested, and is in the cache for all
    /// but the first of these.
    fn stored_segment(
        &self,
        stored: &[Stored<'_>],
        values: Range<u64>,
        mut hashers: Option<&mut Vec<Hashers>>,
    ) -> Result<Vec<DuoTally>> {
        let Some(Stored { reading, .. }) = stored.first() else {
            return Ok(Vec::new());
        };
        let (geometry, start) = (reading.geometry, values.start);
        let streams = stored.iter().map(|one| one.members.len()).sum();
        let mut running: Vec<Running<'_>> = stored
            .iter()
            .map(|one| self.begin(one, &values, streams))
            .collect();

        SCRATCH.with_borrow_mut(|(scratch, buffers)| {
            scratch.resize_with(scratch.len().max(streams), Vec::new);
            for chunk in geometry.chunks(values, streams) {
                let mut read: Vec<Vec<&[u8]>> = Vec::with_capacity(stored.len());
                let mut scratch = scratch.iter_mut();
                for (one, running) in stored.iter().zip(&mut running) {
                    let members = running.members.iter().zip(&mut scratch);
                    let bytes = members.map(|(member, scratch)| member.read(&chunk, scratch));
                    let bytes: Vec<&[u8]> = bytes.collect::<Result<_>>()?;
                    for (summed, summing) in one.duos.iter().zip(&mut running.sums) {
                        let dtypes = summed.members.map(|at| running.members[at].info.dtype);
                        let bytes = summed.members.map(|at| bytes[at]);
                        summing.stored(&chunk, dtypes, bytes, buffers);
                    }
                    read.push(bytes);
                }

                if let Some(hashers) = &mut hashers {
                    let mut feeds = Vec::with_capacity(streams);
                    for (hashers, read) in hashers.iter_mut().zip(&read) {
                        hashers.feeds(read, &mut feeds);
                    }
                    sha256::advance(digester(), &mut feeds);
                }

                let members = running.iter_mut().flat_map(|one| &mut one.members);
                let mut done = 0;
                for (member, bytes) in members.zip(read.iter().flatten()) {
                    member.ahead.advance(bytes.len() as u64);
                    done += bytes.len() as u64;
                }
                self.advance(done)?;
            }
            Ok(())
        })?;

        let mut tallies = Vec::new();
        for (one, running) in stored.iter().zip(running) {
            let sums = one.duos.iter().zip(running.sums);
            tallies.extend(sums.map(|(summed, summing)| DuoTally {
                group: one.reading.group,
                duo: summed.duo,
                start,
                tally: summing.tally,
            }));
        }
        Ok(tallies)
    }

    fn begin(&self, stored: &Stored<'_>, values: &Range<u64>, streams: usize) -> Running<'a> {
        let member = |at: &StoredAt| {
            let info = at.info(self.models);
            let bytes = self.bytes_of(*at);
            Member {
                info,
                bytes,
                ahead: ReadAhead::new(bytes, byte_range(info.dtype, values), streams),
            }
        };
        let summing = |summed: &Summed| {
            let pair = &self.groups[stored.reading.group][summed.duo].pair;
            Summing::new(stored.reading.geometry, needs_columns(pair))
        };
        Running {
            members: stored.members.iter().map(member).collect(),
            sums: stored.duos.iter().map(summing).collect(),
        }
    }

    fn bytes_of(&self, at: StoredAt) -> Region<'a> {
        let opened = &self.models[at.model].opened;
        opened.bytes_of(at.info(self.models))
    }

    /// Sums of one segment of a duo that is read through views.
    fn view_segment(&self, reading: &Reading, duo: usize, values: &Range<u64>) -> Result<DuoTally> {
        let Duo { pair, .. } = &self.groups[reading.group][duo];
        let models = self.groups[reading.group][duo].among(self.models);
        let base = models.base.view(&pair.base)?;
        let target = models.target.view(&pair.target)?;

        let geometry = reading.geometry;
        let first = (values.start / geometry.columns) as usize;
        let end = values.end.div_ceil(geometry.columns) as usize;
        let step = |rows: Range<usize>| {
            let values = rows.start as u64 * geometry.columns..rows.end as u64 * geometry.columns;
            self.advance(reading.bytes(self.models, &values))
        };
        let views = Sides {
            base: &base as _,
            target: &target as _,
        };
        let tally =
            Summing::new(geometry, needs_columns(pair)).all_rows(first..end, views, &step)?;
        Ok(DuoTally {
            group: reading.group,
            duo,
            start: values.start,
            tally,
        })
    }

    fn digests(&self, tensors: &[StoredAt]) -> Result<Vec<Digest>> {
        SCRATCH.with_borrow_mut(|(scratch, _)| {
            scratch.resize_with(scratch.len().max(tensors.len()), Vec::new);
            let bytes: Vec<Region<'_>> = tensors.iter().map(|at| self.bytes_of(*at)).collect();
            let step = |bytes| self.advance(bytes);
            digests_in_step(&bytes, scratch, &step)
        })
    }

    fn advance(&self, bytes: u64) -> Result<()> {
        self.monitor.advance(bytes);
        self.monitor.check()
    }

    fn fold(&self, outputs: Vec<Output>) -> Result<MeasuredGroups> {
        let mut tallies: Vec<Vec<Vec<(u64, Tally)>>> = self
            .groups
            .iter()
            .map(|duos| duos.iter().map(|_| Vec::with_capacity(1)).collect())
            .collect();
        let mut digests: Vec<Vec<Digest>> = self
            .models
            .iter()
            .map(|model| match self.hash {
                true => vec![[0; 32]; model.checkpoint().tensors.len()],
                false => Vec::new(),
            })
            .collect();
        for output in outputs {
            for found in output.tallies {
                tallies[found.group][found.duo].push((found.start, found.tally));
            }
            for (at, digest) in output.digests {
                digests[at.model][at.tensor] = digest;
            }
        }

        let records = self.groups.par_iter().zip(tallies).map(|(duos, tallies)| {
            // Of exactly its size: there are as many groups as tensors.
            let mut records = Vec::with_capacity(duos.len());
            for (duo, tallies) in duos.iter().zip(tallies) {
                records.push(self.record(duo, tallies, &digests)?);
            }
            Ok(records)
        });
        let records: Vec<Result<Vec<Record>>> = records.collect();
        Ok(MeasuredGroups {
            records: records.into_iter().collect::<Result<_>>()?,
            digests,
        })
    }

    /// The record of a duo from its segments, whichever worker was first with them.
    fn record(
        &self,
        duo: &Duo<'_>,
        mut tallies: Vec<(u64, Tally)>,
        digests: &[Vec<Digest>],
    ) -> Result<Record> {
        let pair: &Pair = &duo.pair;
        let models = duo.among(self.models);
        tallies.sort_by_key(|(start, _)| *start);
        let tallies = tallies.into_iter().map(|(_, tally)| tally);

        let mut record = fold(pair, geometry(pair), tallies);
        record.unreadable = unreadable(models, pair);
        let digests = duo.models.map(|model| digests[model].as_slice());
        let digests = self.hash.then_some(digests);
        record.identical = is_identical(models, pair, digests, record.identical)?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rayon::ThreadPoolBuilder;

    use rayon::ThreadPool;
    use sha2::Digest as _;
    use sha2::Sha256;

    use super::*;
    use crate::error::Error;
    use crate::format::open::open_checkpoint;
    use crate::measure::digest::CHUNK;
    use crate::source::Io;

    /// A safetensors file of U8 tensors `t0`, `t1`, … with these contents.
    fn file(tensors: &[Vec<u8>]) -> tempfile::NamedTempFile {
        let mut at = 0;
        let entry = |(index, bytes): (usize, &Vec<u8>)| {
            let begin = at;
            at += bytes.len();
            format!(
                r#""t{index}":{{"dtype":"U8","shape":[{}],"data_offsets":[{begin},{at}]}}"#,
                bytes.len()
            )
        };
        let header = format!(
            "{{{}}}",
            tensors
                .iter()
                .enumerate()
                .map(entry)
                .collect::<Vec<_>>()
                .join(",")
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        tensors.iter().for_each(|tensor| bytes.extend(tensor));
        let file = tempfile::Builder::new()
            .suffix(".safetensors")
            .tempfile()
            .unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn pool(threads: usize) -> ThreadPool {
        ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    }

    struct Counter {
        total: AtomicU64,
        done: AtomicU64,
        stop_at: u64,
    }

    impl Counter {
        fn stopping_at(stop_at: u64) -> Self {
            Self {
                total: AtomicU64::new(0),
                done: AtomicU64::new(0),
                stop_at,
            }
        }
    }

    impl Monitor for Counter {
        fn begin(&self, _phase: &str, total_bytes: u64) {
            self.total.store(total_bytes, Ordering::Relaxed);
        }

        fn advance(&self, bytes: u64) {
            self.done.fetch_add(bytes, Ordering::Relaxed);
        }

        fn end(&self) {}

        fn interrupted(&self) -> bool {
            self.done.load(Ordering::Relaxed) >= self.stop_at
        }
    }

    #[test]
    fn digests_are_those_of_the_bytes_for_any_threads_and_io() {
        let lengths = [0, 1, 63, CHUNK - 1, CHUNK, 3 * CHUNK + 17];
        let tensors: Vec<Vec<u8>> = lengths
            .iter()
            .map(|len| (0..*len).map(|i| (i * i % 251) as u8).collect())
            .collect();
        let file = file(&tensors);
        let expected: Vec<[u8; 32]> = tensors
            .iter()
            .map(|bytes| Sha256::digest(bytes).into())
            .collect();
        for io in [Io::Mmap, Io::Read] {
            for threads in [1, 3] {
                let model = Model::new(open_checkpoint(file.path(), io).unwrap());
                let counter = Counter::stopping_at(u64::MAX);
                assert_eq!(
                    pool(threads).install(|| digests(&model, &counter)).unwrap(),
                    expected
                );
                let bytes = lengths.iter().sum::<usize>() as u64;
                assert_eq!(
                    (counter.total.into_inner(), counter.done.into_inner()),
                    (bytes, bytes)
                );
            }
        }
        assert_eq!(
            hex::encode(expected[0]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn an_interrupt_ends_the_pass_within_a_chunk() {
        let file = file(&[vec![1; 4 * CHUNK]]);
        let model = Model::new(open_checkpoint(file.path(), Io::Mmap).unwrap());
        let counter = Counter::stopping_at(1);
        assert!(matches!(
            pool(1).install(|| digests(&model, &counter)),
            Err(Error::Interrupted)
        ));
        assert_eq!(counter.done.into_inner(), CHUNK as u64);
    }
}
