//! The corpus of the fuzz targets as an ordinary test: each file as it is, cut, and with seeded
//! changes of its bytes.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

#[path = "fuzz/src/lib.rs"]
#[allow(unreachable_pub)]
mod targets;

/// Runs a target over its corpus, and over `changes` changed copies of each file.
fn run(name: &str, target: fn(&[u8]), changes: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no corpus in {}", folder.display());
    // More of them, from another seed, for a longer run.
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<usize>().ok())
    };
    let changes = changes * number("WCMP_CORPUS_TIMES").unwrap_or(1);
    let seed = number("WCMP_CORPUS_SEED").unwrap_or(0) as u64;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for path in paths {
        let seed = std::fs::read(&path).unwrap();
        target(&seed);
        for _ in 0..changes {
            target(&changed(seed.clone(), &mut random));
        }
    }
}

/// One to eight changes: a byte set, a byte set to an extreme, a piece repeated or cut out, the end
/// cut off.
fn changed(mut bytes: Vec<u8>, random: &mut ChaCha8Rng) -> Vec<u8> {
    for _ in 0..=random.next_u32() % 8 {
        let below = |random: &mut ChaCha8Rng, end: usize| random.next_u64() as usize % end.max(1);
        let at = below(random, bytes.len());
        let end = at + below(random, bytes.len() - at.min(bytes.len())).min(16);
        match random.next_u32() % 8 {
            _ if bytes.is_empty() => break,
            0..=3 => bytes[at] = random.next_u32() as u8,
            4 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][below(random, 5)],
            5 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            6 => drop(bytes.drain(at..end)),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

#[test]
fn gguf_headers() {
    run("gguf", targets::gguf, 3000);
}

#[test]
fn torch_files() {
    run("torch", targets::torch, 3000);
}

#[test]
fn pickles() {
    run("pickle", targets::pickle, 5000);
}

#[test]
fn sketches() {
    run("sketch", targets::sketch, 1000);
}

#[test]
fn safetensors_headers() {
    run("header", targets::header, 300);
}

#[test]
fn indexes() {
    run("index", targets::index, 300);
}
