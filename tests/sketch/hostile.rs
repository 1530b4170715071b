//! Sketches that lie or are damaged: one line that names the file, nothing else, at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use wcmp::{Io, open_checkpoint};

use super::parts::Parts;
use super::{path, sketch};
use crate::support::command::{error_line, fixture, run};
use crate::support::draws::Draws;

const UP: &str = "model.layers.0.mlp.up_proj.weight";
const TABLE: &str = "model.embed_tokens.weight";

/// A damage, and what is said of it.
struct Case {
    name: &'static str,
    damage: fn(&mut Parts),
    says: &'static str,
}

/// The name of the list of rows of the up projection.
fn rows(parts: &mut Parts) -> String {
    let rows = parts.kept(UP)["patches"][0]["rows"].clone();
    rows.as_str().expect("a name").to_owned()
}

fn values(parts: &mut Parts) -> String {
    let values = parts.kept(UP)["patches"][0]["values"].clone();
    values.as_str().expect("a name").to_owned()
}

fn cases() -> Vec<Case> {
    let case = |name, damage, says| Case { name, damage, says };
    vec![
        case(
            "version",
            |p| p.head["schema"] = json!("wcmp.sketch/2"),
            "schema \"wcmp.sketch/2\"",
        ),
        case(
            "head-no-json",
            |p| p.head = json!("{"),
            "wcmp.sketch in the metadata",
        ),
        case(
            "head-array",
            |p| p.head = json!([1]),
            "wcmp.sketch in the metadata",
        ),
        case(
            "head-without-seed",
            |p| p.head = json!({"schema": "wcmp.sketch/1"}),
            "wcmp.sketch in the metadata",
        ),
        case(
            "negative-seed",
            |p| p.head["seed"] = json!(-1),
            "wcmp.sketch in the metadata",
        ),
        case("facts-array", |p| p.facts = json!([]), "sketch.facts"),
        case("facts-number", |p| p.facts = json!(7), "sketch.facts"),
        case("facts-null", |p| p.facts = Value::Null, "sketch.facts"),
        case("facts-empty", |p| p.facts = json!({}), "sketch.facts"),
        case(
            "name-number",
            |p| p.facts["name"] = json!(1),
            "sketch.facts",
        ),
        case(
            "unknown-format",
            |p| p.facts["format"] = json!("zip"),
            "sketch.facts",
        ),
        case(
            "config-array",
            |p| p.facts["config"] = json!([1]),
            "sketch.facts",
        ),
        case(
            "parameters-negative",
            |p| p.facts["parameters"] = json!(-1),
            "sketch.facts",
        ),
        case(
            "parameters-2-to-the-64",
            |p| p.facts["parameters"] = json!(u64::MAX),
            "parameters or bytes",
        ),
        case(
            "bytes-2-to-the-64",
            |p| p.facts["bytes"] = json!(u64::MAX),
            "parameters or bytes",
        ),
        case(
            "dtypes-2-to-the-64",
            |p| p.facts["dtypes"]["F32"] = json!(u64::MAX),
            "parameters or bytes",
        ),
        case(
            "share-of-two",
            |p| p.facts["disclosed_share"] = json!(2.0),
            "disclosed_share 2",
        ),
        case(
            "share-negative",
            |p| p.facts["disclosed_share"] = json!(-0.1),
            "disclosed_share -0.1",
        ),
        case(
            "share-word",
            |p| p.facts["disclosed_share"] = json!("all"),
            "sketch.facts",
        ),
        case(
            "tensors-null",
            |p| p.facts["tensors"] = Value::Null,
            "sketch.facts",
        ),
        case(
            "manifest-number",
            |p| p.facts["manifest"] = json!(3),
            "sketch.facts",
        ),
        case(
            "largest-none",
            |p| p.kept(UP)["largest"][0]["values"] = json!("none"),
            "no tensor",
        ),
        case(
            "largest-twice",
            |p| twice(&mut p.kept(UP)["largest"]),
            "each of values of its own",
        ),
        case(
            "largest-of-the-patches",
            |p| {
                let kept = p.kept(UP);
                kept["largest"] = kept["patches"].clone();
            },
            "each of values of its own",
        ),
        case(
            "largest-word",
            |p| p.kept(UP)["largest"] = json!("all"),
            "sketch.facts",
        ),
        case(
            "digest-short",
            |p| p.facts["manifest"][0]["sha256"] = json!("00ff"),
            "64 hexadecimal digits",
        ),
        case(
            "digest-no-hex",
            |p| p.facts["manifest"][0]["sha256"] = json!("g".repeat(64)),
            "64 hexadecimal digits",
        ),
        case(
            "digest-not-ascii",
            |p| p.facts["manifest"][0]["sha256"] = json!("é".repeat(32)),
            "64 hexadecimal digits",
        ),
        case(
            "dtype-of-no-word",
            |p| p.facts["manifest"][0]["dtype"] = json!("F 32\n"),
            "expected a word",
        ),
        case(
            "manifest-out-of-order",
            |p| swap(&mut p.facts["manifest"]),
            "a manifest out of order",
        ),
        case(
            "manifest-name-twice",
            |p| twice(&mut p.facts["manifest"]),
            "a manifest out of order",
        ),
        case(
            "tensors-out-of-order",
            |p| swap(&mut p.facts["tensors"]),
            "out of order",
        ),
        case(
            "tensor-twice",
            |p| twice(&mut p.facts["tensors"]),
            "out of order",
        ),
        case(
            "stored-as-none",
            |p| p.kept(UP)["stored"] = json!([1u64 << 40]),
            "of a stored tensor that is none",
        ),
        case(
            "stored-negative",
            |p| p.kept(UP)["stored"] = json!([-1]),
            "sketch.facts",
        ),
        case(
            "dtype-of-codes",
            |p| p.kept(UP)["dtype"] = json!("Q4_K"),
            "expected F32, F16 or BF16",
        ),
        case(
            "another-dtype",
            |p| p.kept(UP)["dtype"] = json!("F32"),
            "expected F32",
        ),
        case(
            "shape-overflows",
            |p| p.kept(UP)["shape"] = json!([u64::MAX, u64::MAX]),
            "beyond all bounds",
        ),
        case(
            "shape-of-2-to-the-62",
            |p| shape(p, &[1 << 31, 1 << 31]),
            "expected at most",
        ),
        case(
            "row-of-2-to-the-32",
            |p| shape(p, &[4, 1 << 32]),
            "expected at most",
        ),
        case(
            "2-to-the-40-rows",
            |p| shape(p, &[1 << 40, 1]),
            "expected at most",
        ),
        case(
            "shape-negative",
            |p| p.kept(UP)["shape"] = json!([-1, 4]),
            "sketch.facts",
        ),
        case(
            "thousand-axes",
            |p| p.kept(UP)["shape"] = json!(vec![1; 1000]),
            "beyond all bounds",
        ),
        case(
            "width-0",
            |p| p.kept(UP)["width"] = json!(0),
            "rows of 0 values",
        ),
        case(
            "width-7",
            |p| p.kept(UP)["width"] = json!(7),
            "rows of 7 values",
        ),
        case(
            "width-other",
            |p| p.kept(UP)["width"] = json!(32),
            "expected BF16 [64, 32]",
        ),
        case(
            "nothing-in-it",
            |p| p.kept(UP)["shape"] = json!([0, 64]),
            "expected less than 0",
        ),
        case(
            "rows-unknown",
            |p| p.kept(UP)["patches"][0]["rows"] = json!("none"),
            "no tensor \"none\"",
        ),
        case(
            "rows-are-values",
            |p| p.kept(UP)["patches"][0]["rows"] = json!("values.0.lm_head.weight"),
            "expected U32 of 1",
        ),
        case(
            "values-unknown",
            |p| p.kept(UP)["patches"][0]["values"] = json!("none"),
            "no tensor \"none\"",
        ),
        case(
            "values-of-another",
            |p| p.kept(UP)["patches"][0]["values"] = json!("values.0.lm_head.weight"),
            "expected BF16 [64, 64]",
        ),
        case(
            "values-twice",
            |p| twice(&mut p.kept(UP)["patches"]),
            "each of values of its own",
        ),
        case(
            "rows-of-all",
            |p| p.kept(UP)["patches"][0]["rows"] = Value::Null,
            "expected BF16 [128, 64]",
        ),
        case(
            "index-past-the-end",
            |p| {
                let rows = rows(p);
                p.tensor(&rows).3[63 * 4..].copy_from_slice(&u32::MAX.to_le_bytes());
            },
            "index 4294967295 in",
        ),
        case(
            "indices-descend",
            |p| {
                let rows = rows(p);
                p.tensor(&rows).3.rotate_left(4);
            },
            "out of order (expected them ascending",
        ),
        case(
            "index-twice",
            |p| {
                let rows = rows(p);
                p.tensor(&rows).3.copy_within(0..4, 4);
            },
            "out of order (expected them ascending",
        ),
        case(
            "indices-of-i32",
            |p| {
                let rows = rows(p);
                p.tensor(&rows).1 = "I32".to_owned();
            },
            "expected U32 of 1",
        ),
        case(
            "indices-of-two-axes",
            |p| {
                let rows = rows(p);
                p.tensor(&rows).2 = vec![1, 64];
            },
            "expected U32 of 1",
        ),
        case(
            "no-index",
            |p| {
                let rows = rows(p);
                let list = p.tensor(&rows);
                (list.2, list.3) = (vec![0], Vec::new());
            },
            "no index in",
        ),
        case(
            "values-of-another-shape",
            |p| {
                let values = values(p);
                p.tensor(&values).2 = vec![32, 128];
            },
            "expected BF16 [64, 64]",
        ),
        case(
            "values-of-f16",
            |p| {
                let values = values(p);
                p.tensor(&values).1 = "F16".to_owned();
            },
            "expected BF16 [64, 64]",
        ),
        case(
            "a-token-without-an-id",
            |p| tokens(p, &[2, 8], &[1]),
            "do not fit",
        ),
        case(
            "hashes-of-nine-bytes",
            |p| tokens(p, &[2, 9], &[2]),
            "do not fit",
        ),
        case(
            "hashes-of-one-axis",
            |p| tokens(p, &[16], &[2]),
            "do not fit",
        ),
        case(
            "hashes-without-ids",
            |p| {
                tokens(p, &[2, 8], &[2]);
                p.tensors.pop();
            },
            "no tensor \"sketch.token_ids\"",
        ),
        case(
            "header-entry-of-no-size",
            |p| {
                let values = values(p);
                p.tensor(&values).2 = vec![64, 63];
            },
            "header",
        ),
    ]
}

fn swap(list: &mut Value) {
    list.as_array_mut().expect("a list").swap(2, 3);
}

fn twice(list: &mut Value) {
    let list = list.as_array_mut().expect("a list");
    list.insert(1, list[0].clone());
}

/// Another shape of the up projection, of which nothing is kept.
fn shape(parts: &mut Parts, shape: &[u64]) {
    let kept = parts.kept(UP);
    kept["shape"] = json!(shape);
    kept["width"] = json!(shape.last());
    kept["patches"] = json!([]);
}

fn tokens(parts: &mut Parts, hashes: &[u64], ids: &[u64]) {
    let bytes = |shape: &[u64], size| vec![0; (shape.iter().product::<u64>() * size) as usize];
    for (name, dtype, shape, size) in [
        ("sketch.token_hashes", "U8", hashes, 1),
        ("sketch.token_ids", "U32", ids, 4),
    ] {
        let tensor = (
            name.to_owned(),
            dtype.to_owned(),
            shape.to_vec(),
            bytes(shape, size),
        );
        parts.tensors.push(tensor);
    }
}

/// The one line about `file`, which came at once.
#[track_caller]
fn refused(arguments: &[&str], file: &Path) -> String {
    let begin = Instant::now();
    let output = run(arguments);
    let line = error_line(&output).to_owned();
    assert!(begin.elapsed() < Duration::from_secs(60), "{line}");
    assert!(line.contains(path(file)), "{line}");
    assert!(!line.contains("internal error"), "{line}");
    line
}

fn base(folder: &TempDir) -> (PathBuf, Parts) {
    let file = sketch(&fixture("base"), folder, "base");
    let parts = Parts::read(&file);
    (file, parts)
}

#[test]
fn parts_put_together_again_are_the_sketch() {
    let folder = TempDir::new().expect("a directory");
    let (_, parts) = base(&folder);
    let file = folder.path().join("again.sketch");
    fs::write(&file, parts.file()).expect("write");
    open_checkpoint(&file, Io::Read).expect("a sketch");
    for tensor in [UP, TABLE] {
        assert!(!parts.values(tensor, 0).is_empty());
    }
}

#[test]
fn every_damage_is_one_line_that_names_the_file() {
    let folder = TempDir::new().expect("a directory");
    let (_, sound) = base(&folder);
    let target = fixture("fine-tuned");
    for case in cases() {
        let mut parts = sound.clone();
        (case.damage)(&mut parts);
        let file = folder.path().join(format!("{}.sketch", case.name));
        fs::write(&file, parts.file()).expect("write");
        let line = refused(&["compare", path(&file), path(&target)], &file);
        assert!(line.contains(case.says), "{}: {line}", case.name);
        assert!(line.len() < 600, "{}: {line}", case.name);
    }
}

#[test]
fn every_command_refuses_a_damaged_sketch() {
    let folder = TempDir::new().expect("a directory");
    let (_, mut parts) = base(&folder);
    parts.facts["manifest"][0]["sha256"] = json!("00");
    let file = folder.path().join("damaged.sketch");
    fs::write(&file, parts.file()).expect("write");
    let (damaged, model) = (path(&file), fixture("base"));
    let model = path(&model);
    let out = folder.path().join("again.sketch");
    for arguments in [
        vec!["compare", model, damaged],
        vec!["compare", damaged, damaged],
        vec!["rank", model, damaged],
        vec!["rank", damaged, model],
        vec!["arch", model, damaged],
        vec!["inspect", damaged],
        vec!["hash", damaged],
        vec!["hash", "--check", damaged, model],
        vec!["sketch", damaged, "--output", path(&out)],
    ] {
        refused(&arguments, &file);
    }
    assert!(!out.exists());
}

#[test]
fn facts_cut_anywhere_are_refused() {
    let folder = TempDir::new().expect("a directory");
    let (_, parts) = base(&folder);
    let facts = parts.facts.to_string();
    let file = folder.path().join("cut.sketch");
    for at in (0..facts.len()).step_by(251) {
        fs::write(&file, parts.file_with(&facts.as_bytes()[..at])).expect("write");
        let refused = open_checkpoint(&file, Io::Read);
        let line = refused.err().expect("an error").to_string();
        assert!(line.contains("sketch.facts"), "{at}: {line}");
    }
    let deep = "[".repeat(100_000);
    fs::write(&file, parts.file_with(deep.as_bytes())).expect("write");
    refused(&["inspect", path(&file)], &file);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = TempDir::new().expect("a directory");
    let (file, _) = base(&folder);
    let whole = fs::read(&file).expect("a sketch");
    let cut = folder.path().join("cut.sketch");
    let header = u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    let in_header = (0..header + 8).step_by(97);
    let places = in_header.chain((header + 8..whole.len()).step_by(4999));
    for at in places.chain([whole.len() - 1]) {
        fs::write(&cut, &whole[..at]).expect("write");
        assert!(open_checkpoint(&cut, Io::Read).is_err(), "{at}");
    }
    fs::write(&cut, &whole[..whole.len() - 1]).expect("write");
    refused(&["compare", path(&cut), path(&fixture("base"))], &cut);
}

/// Bytes changed anywhere: an answer or an error, and never a panic.
#[test]
fn random_damage_ends_in_an_answer_or_an_error() {
    let folder = TempDir::new().expect("a directory");
    let (_, parts) = base(&folder);
    let facts = parts.facts.to_string().into_bytes();
    let file = folder.path().join("random.sketch");
    let mut draws = Draws::new(&["damage"]);
    let mut opened = 0;
    for _ in 0..400 {
        let mut facts = facts.clone();
        for _ in 0..=(draws.unit() * 3.0) as usize {
            let at = (draws.unit() * facts.len() as f64) as usize;
            facts[at] = match draws.unit() {
                digit if digit < 0.7 => b'0' + (draws.unit() * 10.0) as u8,
                _ => (draws.unit() * 256.0) as u8,
            };
        }
        fs::write(&file, parts.file_with(&facts)).expect("write");
        let Ok(sketch) = open_checkpoint(&file, Io::Read) else {
            continue;
        };
        opened += 1;
        if opened % 8 != 0 {
            continue;
        }
        let target = open_checkpoint(&fixture("fine-tuned"), Io::Read).expect("a checkpoint");
        let options = wcmp::Options::default();
        // What it says does not matter here.
        let _ = wcmp::compare(sketch, target, &options, &wcmp::Silent);
    }
    assert!(opened > 20, "{opened}");
}

/// What a sketch claims costs no more memory than it has itself: under a limit of the address
/// space too.
#[cfg(unix)]
#[test]
fn great_claims_cost_little() {
    let folder = TempDir::new().expect("a directory");
    let (_, sound) = base(&folder);
    let claims = [
        (vec![1 << 20, 64], true),
        (vec![1 << 20, 64], false),
        (vec![64, 1 << 20], false),
        (vec![1 << 24, 1 << 13], false),
        (vec![1 << 6, 1 << 14, 64], true),
    ];
    for (number, (shape, keeps)) in claims.into_iter().enumerate() {
        let mut parts = sound.clone();
        match keeps {
            true => parts.kept(UP)["shape"] = json!(shape),
            false => self::shape(&mut parts, &shape),
        }
        let file = folder.path().join(format!("{number}.sketch"));
        fs::write(&file, parts.file()).expect("write");
        let fine_tuned = fixture("fine-tuned");
        for arguments in [
            vec!["inspect", path(&file)],
            vec!["hash", path(&file)],
            vec!["compare", path(&file), path(&fine_tuned)],
            vec!["compare", path(&fine_tuned), path(&file)],
            vec!["compare", path(&file), path(&file)],
        ] {
            let begin = Instant::now();
            let mut command = std::process::Command::new("sh");
            command
                .args(["-c", "ulimit -v 3000000; exec \"$0\" \"$@\" --threads 2 -q"])
                .arg(env!("CARGO_BIN_EXE_wcmp"))
                .args(&arguments);
            let output = command.output().expect("run wcmp");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(
                matches!(output.status.code(), Some(0 | 2)),
                "{arguments:?} {shape:?}: {error}"
            );
            assert!(!error.contains("internal error"), "{error}");
            let seconds = begin.elapsed().as_secs();
            assert!(seconds < 60, "{arguments:?} {shape:?}: {seconds} s");
        }
    }
}
