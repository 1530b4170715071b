//! What it costs to learn what a checkpoint holds, before any tensor is read: long headers, many
//! names, files that lie. Whole commands, as a user waits for them: `cargo bench --bench opening`.
//!
//! Aims on an idle core: a header of 100 000 tensors, read and named, under a second; the whole
//! hostile folder under five.
#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

/// Layers and experts of a sparse model with some 140 000 tensors.
const EXPERTS: [usize; 2] = [61, 384];

/// A safetensors file whose tensors have these names and one byte each.
fn of_names(folder: &Path, names: &[String]) -> PathBuf {
    let entry = |(at, name): (usize, &String)| {
        let end = at + 1;
        format!(r#""{name}":{{"dtype":"U8","shape":[1],"data_offsets":[{at},{end}]}}"#)
    };
    let entries: Vec<String> = names.iter().enumerate().map(entry).collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + names.len(), 0);
    let path = folder.join("model.safetensors");
    fs::write(&path, file).expect("write the model");
    path
}

/// `wcmp inspect`, its answer thrown away.
fn inspect(path: &Path) {
    Command::new(env!("CARGO_BIN_EXE_wcmp"))
        .arg("inspect")
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("run wcmp");
}

/// One flat list of names.
#[divan::bench(sample_count = 5)]
fn header_of_100_000_tensors(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<String> = (0..100_000).map(|at| format!("t.{at}")).collect();
    let path = of_names(folder.path(), &names);
    bencher
        .counter(ItemsCount::new(names.len()))
        .bench_local(|| inspect(&path));
}

/// Names with a layer, an expert and a scale beside each matrix.
#[divan::bench(sample_count = 5)]
fn names_of_a_sparse_model(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let [layers, experts] = EXPERTS;
    let mut names = Vec::new();
    for layer in 0..layers {
        for expert in 0..experts {
            let block = format!("model.layers.{layer}.mlp.experts.{expert}");
            for matrix in ["gate", "up", "down"] {
                names.push(format!("{block}.{matrix}_proj.weight"));
                names.push(format!("{block}.{matrix}_proj.weight_scale_inv"));
            }
        }
    }
    let path = of_names(folder.path(), &names);
    bencher
        .counter(ItemsCount::new(names.len()))
        .bench_local(|| inspect(&path));
}

/// Every file that lies, one after the other.
#[divan::bench(sample_count = 3)]
fn hostile_folder(bencher: Bencher<'_, '_>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the hostile folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    bencher
        .counter(ItemsCount::new(paths.len()))
        .bench_local(|| paths.iter().for_each(|path| inspect(path)));
}
