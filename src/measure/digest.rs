//! SHA-256 of every tensor's stored bytes, in one pass over the files.

use std::cmp::Reverse;

use rayon::ThreadPool;
use rayon::iter::{ParallelBridge, ParallelIterator};
use sha2::{Digest, Sha256};

use super::monitor::Monitor;
use super::run::Run;
use crate::error::Result;
use crate::format::bytes::ByteSource;
use crate::format::open::Opened;
use crate::model::checkpoint::TensorInfo;

/// Bytes that are read and digested at a time; they stay in a core's second-level cache.
const CHUNK: usize = 1 << 18;

/// SHA-256 of the stored bytes of each of [`Checkpoint::tensors`], in that order.
///
/// A tensor is the work of one thread, as its digest cannot be cut; the largest come first so that
/// no thread is left alone with one at the end. The result does not depend on the number of
/// threads.
///
/// [`Checkpoint::tensors`]: crate::model::checkpoint::Checkpoint::tensors
///
/// # Errors
/// Bytes that cannot be read, a file that changed meanwhile, an interrupt.
pub fn digests(opened: &Opened, pool: &ThreadPool, monitor: &dyn Monitor) -> Result<Vec<[u8; 32]>> {
    let tensors = &opened.checkpoint.tensors;
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|&index| Reverse(tensors[index].bytes));

    monitor.begin(
        "hashing",
        tensors
            .iter()
            .fold(0, |sum: u64, tensor| sum.saturating_add(tensor.bytes)),
    );
    let digest = |index: usize| {
        let tensor = &tensors[index];
        digest(tensor, &opened.sources[tensor.file], monitor).map(|digest| (index, digest))
    };
    let found: Result<Vec<_>> =
        pool.install(|| order.into_iter().par_bridge().map(digest).collect());
    monitor.end();

    let mut digests = vec![[0; 32]; tensors.len()];
    for (index, digest) in found? {
        digests[index] = digest;
    }
    opened
        .sources
        .iter()
        .try_for_each(ByteSource::check_unchanged)?;
    Ok(digests)
}

fn digest(tensor: &TensorInfo, source: &ByteSource, monitor: &dyn Monitor) -> Result<[u8; 32]> {
    let step = |bytes| {
        monitor.advance(bytes);
        monitor.check()
    };
    digest_run(source, tensor.offset, tensor.bytes, &mut Vec::new(), &step)
}

/// SHA-256 of `len` bytes from `offset`; `step` hears of every chunk and may end the run.
pub(super) fn digest_run(
    source: &ByteSource,
    offset: u64,
    len: u64,
    scratch: &mut Vec<u8>,
    step: &dyn Fn(u64) -> Result<()>,
) -> Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut run = Run::new(source, offset, len);
    let mut done = 0;
    while done < len {
        let count = usize::try_from(len - done).map_or(CHUNK, |left| left.min(CHUNK));
        let chunk = source.run_of_bytes(offset.saturating_add(done), count, scratch)?;
        hasher.update(chunk);
        run.advance(count as u64);
        step(count as u64)?;
        done += count as u64;
    }
    Ok(hasher.finalize().into())
}

/// SHA-256 of several runs of bytes that are read side by side: the first one's hasher serves all
/// whose bytes have been equal to its own.
pub(super) struct Hashers {
    first: Sha256,
    others: Vec<Option<Sha256>>,
}

impl Hashers {
    pub(super) fn new(members: usize) -> Self {
        Self {
            first: Sha256::new(),
            others: vec![None; members.saturating_sub(1)],
        }
    }

    /// The next bytes of every member.
    pub(super) fn update<'a>(&mut self, mut read: impl Iterator<Item = &'a [u8]>) {
        let Some(first) = read.next() else { return };
        for (bytes, own) in read.zip(&mut self.others) {
            if own.is_none() && bytes != first {
                *own = Some(self.first.clone());
            }
            if let Some(hasher) = own {
                hasher.update(bytes);
            }
        }
        self.first.update(first);
    }

    pub(super) fn finish(self) -> Vec<[u8; 32]> {
        let first: [u8; 32] = self.first.finalize().into();
        let others = self
            .others
            .into_iter()
            .map(|own| own.map_or(first, |hasher| hasher.finalize().into()));
        std::iter::once(first).chain(others).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rayon::ThreadPoolBuilder;

    use super::*;
    use crate::error::Error;
    use crate::format::bytes::Io;
    use crate::format::open::open_checkpoint;

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
                let opened = open_checkpoint(file.path(), io).unwrap();
                let counter = Counter::stopping_at(u64::MAX);
                assert_eq!(
                    digests(&opened, &pool(threads), &counter).unwrap(),
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
        let opened = open_checkpoint(file.path(), Io::Mmap).unwrap();
        let counter = Counter::stopping_at(1);
        assert!(matches!(
            digests(&opened, &pool(1), &counter),
            Err(Error::Interrupted)
        ));
        assert_eq!(counter.done.into_inner(), CHUNK as u64);
    }

    #[test]
    fn digests_are_those_of_each_member_alone() {
        let members: [[&[u8]; 3]; 4] = [
            [b"one", b"two", b"three"],
            [b"one", b"two", b"three"],
            [b"one", b"too", b"three"],
            [b"nil", b"two", b""],
        ];
        let mut hashers = Hashers::new(members.len());
        for at in 0..3 {
            hashers.update(members.iter().map(|m| m[at]));
        }
        let alone = members.map(|m| <[u8; 32]>::from(Sha256::digest(m.concat())));
        assert_eq!(hashers.finish(), alone);
    }
}
