//! One answer: the same bytes of JSON for any number of threads and either way of reading.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::command::{answer, fixture, run};
use crate::support::draws::Draws;
use crate::support::file::{Tensor, safetensors};

/// The report of every number of threads and way of reading is that of one thread.
#[track_caller]
fn answers_alike(arguments: &[&str]) {
    let report = |threads: &str, io: &str| {
        let output = run(&[
            arguments,
            &["--format", "json", "--threads", threads, "--io", io],
        ]
        .concat());
        answer(&output, 0).to_owned()
    };
    let one = report("1", "mmap");
    for threads in ["1", "2", "3", "7"] {
        for io in ["mmap", "read"] {
            assert!(
                report(threads, io) == one,
                "{arguments:?} --threads {threads} --io {io}"
            );
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn fixtures_are_compared_alike() {
    let pairs = [
        ("base", "fine-tuned"),
        ("base", "independent"),
        ("base", "mixed-dtypes"),
        ("moe-base", "moe-fine-tuned"),
        ("vlm-base", "vlm-new-decoder"),
    ];
    for (base, target) in pairs {
        let sides = [fixture(base), fixture(target)];
        answers_alike(&["compare", path(&sides[0]), path(&sides[1])]);
    }
}

#[test]
fn principal_subspaces_of_all_matrices_are_alike() {
    let sides = [fixture("base"), fixture("fine-tuned")];
    answers_alike(&[
        "compare",
        path(&sides[0]),
        path(&sides[1]),
        "--pca",
        "full",
        "--hash",
        "none",
    ]);
}

#[test]
fn manifests_are_alike() {
    let checkpoint = fixture("sharded");
    answers_alike(&["hash", path(&checkpoint)]);
    let folder = tempfile::tempdir().expect("temporary folder");
    answers_alike(&["hash", path(&write_large(folder.path(), 0))]);
}

/// BF16 codes around 0; side 1 differs from side 0 from the middle on.
fn codes(name: &str, count: usize, side: usize) -> Vec<u8> {
    let mut base = Draws::new(&[name]);
    let mut other = Draws::new(&[name, "other"]);
    let code = |at: usize| {
        let (own, noise) = (base.unit() - 0.5, other.unit() - 0.5);
        let value = if side == 1 && 2 * at > count {
            own + 0.1 * noise
        } else {
            own
        };
        half::bf16::from_f64(value).to_le_bytes()
    };
    (0..count).flat_map(code).collect()
}

/// Tensors of several segments and chunks: whole rows, rows longer than a chunk, and one row longer
/// than a segment.
fn write_large(folder: &Path, side: usize) -> PathBuf {
    let shapes: [(&str, &[u64]); 4] = [
        ("model.embed_tokens.weight", &[1100, 4096]),
        ("model.layers.0.mlp.up_proj.weight", &[517, 1031]),
        ("model.wide.weight", &[5, 150_001]),
        ("model.row.weight", &[1, 4_400_001]),
    ];
    let tensors = shapes.map(|(name, shape)| Tensor {
        name: name.to_owned(),
        dtype: "BF16",
        shape: shape.to_vec(),
        bytes: codes(name, shape.iter().product::<u64>() as usize, side),
    });
    let path = folder.join(format!("{side}.safetensors"));
    fs::write(&path, safetensors(&tensors)).expect("write");
    path
}

#[test]
fn tensors_cut_into_segments_are_compared_alike() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let sides = [write_large(folder.path(), 0), write_large(folder.path(), 1)];
    answers_alike(&["compare", path(&sides[0]), path(&sides[1])]);
    answers_alike(&[
        "compare",
        path(&sides[0]),
        path(&sides[1]),
        "--hash",
        "none",
        "--permutation",
        "off",
    ]);
}
