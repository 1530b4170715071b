//! One answer: the same bytes of JSON for any number of threads, either way of reading and every
//! kernel of the machine.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::command::{answer, error_line, fixture, run, wcmp};
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
    for threads in ["1", "2", "3", "8"] {
        for io in ["mmap", "read"] {
            assert!(
                report(threads, io) == one,
                "{arguments:?} --threads {threads} --io {io}"
            );
        }
    }
}

/// The names of the kernels of this machine, as the refusal of another lists them.
fn kernels() -> Vec<String> {
    let mut command = wcmp();
    let refused = command.env("WCMP_KERNEL", "none of them").arg("--version");
    let refused = refused.output().expect("run wcmp");
    let line = error_line(&refused);
    let list = |begin: &str, end: char| -> Vec<String> {
        let (_, names) = line.split_once(begin).expect(begin);
        let (names, _) = names.split_once(end).expect("an end");
        names.split(", ").map(str::to_owned).collect()
    };
    let mut names = list("sums ", ';');
    names.extend(list("digests ", ')'));
    names.sort();
    names.dedup();
    names
}

/// The report by every kernel is that by the fastest.
#[track_caller]
fn kernels_agree(arguments: &[&str]) {
    let arguments = [arguments, &["--format", "json"]].concat();
    let usual = run(&arguments);
    let usual = answer(&usual, 0);
    let names = kernels();
    assert!(names.contains(&"portable".to_owned()) && names.contains(&"sha2".to_owned()));
    for name in names {
        let mut command = wcmp();
        let forced = command.env("WCMP_KERNEL", &name).args(&arguments);
        let forced = forced.output().expect("run wcmp");
        assert!(answer(&forced, 0) == usual, "{arguments:?} by {name}");
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
    kernels_agree(&["hash", path(&checkpoint)]);
    let folder = tempfile::tempdir().expect("temporary folder");
    let large = write_large(folder.path(), 0);
    answers_alike(&["hash", path(&large)]);
    kernels_agree(&["hash", path(&large)]);
}

#[test]
fn models_of_many_layers_are_compared_alike() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let sides = [0, 1].map(|side| write_layers(folder.path(), side));
    let sides = [path(&sides[0]), path(&sides[1])];
    answers_alike(&["compare", sides[0], sides[1]]);
    kernels_agree(&["compare", sides[0], sides[1]]);
    kernels_agree(&["rank", sides[1], sides[0], path(&fixture("base"))]);
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

/// 19 layers whose tensors repeat in shape, so that they are digested in step: of whole and of cut
/// blocks, rows short and long, at odd offsets in the file; every third layer is the same on both
/// sides.
fn write_layers(folder: &Path, side: usize) -> PathBuf {
    let shapes: [(&str, &[u64]); 5] = [
        ("mlp.up_proj", &[96, 64]),
        ("mlp.down_proj", &[64, 96]),
        ("self_attn.q_proj", &[48, 67]),
        ("input_layernorm", &[61]),
        ("conv", &[33, 7]),
    ];
    let mut tensors = vec![Tensor {
        name: "odd".to_owned(),
        dtype: "U8",
        shape: vec![3],
        bytes: vec![1, 2, 3],
    }];
    for layer in 0..19 {
        for (name, shape) in shapes {
            let name = format!("model.layers.{layer}.{name}.weight");
            let count = shape.iter().product::<u64>() as usize;
            let own = if layer % 3 == 0 { 0 } else { side };
            tensors.push(Tensor {
                bytes: codes(&name, count, own),
                name,
                dtype: "BF16",
                shape: shape.to_vec(),
            });
        }
    }
    let path = folder.join(format!("layers-{side}.safetensors"));
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
