//! `wcmp hash` and `--check`: a manifest goes out and comes back, whatever the names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::command::{answer, error_line, fixture, run, text, wcmp};
use crate::support::file::{Tensor, safetensors};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// `wcmp.hash/1`, read strictly.
#[derive(Debug, Deserialize)]
struct Hash {
    schema: String,
    wcmp: String,
    checkpoint: serde_json::Value,
    tensors: Vec<HashTensor>,
    model_digest: String,
}

#[derive(Debug, Deserialize)]
struct HashTensor {
    name: String,
    dtype: String,
    shape: Vec<u64>,
    sha256: String,
}

/// `wcmp.check/1`, read strictly.
#[derive(Debug, Deserialize)]
struct Check {
    schema: String,
    wcmp: String,
    checkpoint: serde_json::Value,
    equal: bool,
    matching: u64,
    different: Vec<Difference>,
    missing: Vec<String>,
    new: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Difference {
    name: String,
    expected: String,
    found: String,
}

/// Names that a line format must not stumble over, sorted by bytes.
const NAMES: [&str; 12] = [
    "",
    "  leading spaces",
    "DIGEST  BF16  [2]  x",
    "\\backslash\\n",
    "a\u{202e}b",
    "embed\nding",
    "model",
    "model  -  -",
    "nul\u{0}nul",
    "return\r",
    "trailing  ",
    "層.weight",
];

fn tensor(name: &str, bytes: &[u8]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dtype: "U8",
        shape: vec![bytes.len() as u64],
        bytes: bytes.to_vec(),
    }
}

fn odd_model(directory: &Path) -> PathBuf {
    let tensors: Vec<Tensor> = NAMES
        .iter()
        .enumerate()
        .map(|(at, name)| tensor(name, &vec![at as u8; at]))
        .collect();
    let path = directory.join("odd.safetensors");
    fs::write(&path, safetensors(&tensors)).expect("write the model");
    path
}

fn manifest(directory: &TempDir, checkpoint: &Path, options: &[&str]) -> PathBuf {
    let output = wcmp()
        .arg("hash")
        .arg(checkpoint)
        .args(options)
        .output()
        .expect("run wcmp");
    let file = directory.path().join("manifest");
    fs::write(&file, answer(&output, 0)).expect("write the manifest");
    file
}

fn check(manifest: &Path, checkpoint: &Path, code: i32) -> Check {
    let mut command = wcmp();
    command
        .args(["hash", "--format", "json", "--check"])
        .args([manifest, checkpoint]);
    serde_json::from_str(answer(&command.output().expect("run wcmp"), code))
        .expect("the JSON of a check")
}

#[test]
fn a_manifest_line_is_digest_dtype_shape_name_and_the_last_is_the_model() {
    let output = run(&["hash".as_ref(), fixture("base").as_os_str()]);
    let lines: Vec<&str> = answer(&output, 0).lines().collect();
    let (model, tensors) = lines.split_last().expect("lines");
    let file = fs::read(fixture("base/model.safetensors")).expect("read the fixture");
    let header_len = u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
    let header: serde_json::Value =
        serde_json::from_slice(&file[8..8 + header_len]).expect("a header");
    for line in tensors {
        let fields: Vec<&str> = line.split("  ").collect();
        let entry = &header[fields[3]];
        let offset = |at: usize| {
            8 + header_len + entry["data_offsets"][at].as_u64().expect("an offset") as usize
        };
        assert_eq!(
            fields[0],
            hex::encode(Sha256::digest(&file[offset(0)..offset(1)])),
            "{line}"
        );
        assert_eq!(
            (fields[1], fields[2]),
            ("BF16", entry["shape"].to_string().as_str())
        );
    }
    let names: Vec<&str> = tensors
        .iter()
        .filter_map(|line| line.split("  ").nth(3))
        .collect();
    assert!(names.is_sorted() && names.len() == 39);
    let above: String = tensors.iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(
        *model,
        format!("{}  -  -  model", hex::encode(Sha256::digest(above)))
    );
}

#[test]
fn the_manifest_is_the_same_however_the_files_are_sharded_and_for_any_threads() {
    let one = run(&["hash".as_ref(), fixture("base").as_os_str()]);
    for threads in ["1", "2", "7"] {
        let shards = run(&[
            "hash".as_ref(),
            fixture("sharded").as_os_str(),
            "--threads".as_ref(),
            threads.as_ref(),
        ]);
        assert_eq!(answer(&shards, 0), answer(&one, 0));
    }
}

#[test]
fn every_form_of_a_manifest_comes_back_equal_whatever_the_names() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let model = odd_model(directory.path());
    for format in ["text", "json"] {
        let manifest = manifest(&directory, &model, &["--format", format]);
        let check = check(&manifest, &model, 0);
        assert!(
            check.equal && check.matching == NAMES.len() as u64,
            "{check:?}"
        );
        let through_stdin = wcmp()
            .args(["hash", "--check", "-"])
            .arg(&model)
            .write_stdin(fs::read(&manifest).expect("read the manifest"))
            .output()
            .expect("run wcmp");
        assert!(answer(&through_stdin, 0).contains("is what the manifest says"));
    }
}

#[test]
fn a_line_whose_name_is_escaped_begins_with_a_backslash() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let manifest = manifest(&directory, &odd_model(directory.path()), &[]);
    let lines = fs::read_to_string(manifest).expect("read the manifest");
    assert_eq!(lines.lines().count(), NAMES.len() + 1);
    for (name, shown) in [
        ("embed\nding", "embed\\nding"),
        ("\\backslash\\n", "\\\\backslash\\\\n"),
        ("nul\0", "nul\\0nul"),
    ] {
        let line = lines
            .lines()
            .find(|line| line.ends_with(shown))
            .unwrap_or_else(|| panic!("{name:?} in {lines}"));
        assert!(line.starts_with('\\'), "{line}");
    }
    let plain = lines
        .lines()
        .find(|line| line.ends_with("    leading spaces"))
        .expect("the plain line");
    assert!(!plain.starts_with('\\'));
}

#[test]
fn json_of_hash_has_the_names_as_they_are() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let output = wcmp()
        .args(["hash", "--format", "json"])
        .arg(odd_model(directory.path()))
        .output()
        .expect("run wcmp");
    let hash: Hash = serde_json::from_str(answer(&output, 0)).expect("the JSON of a manifest");
    assert_eq!(
        (hash.schema.as_str(), hash.wcmp.as_str()),
        ("wcmp.hash/1", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(
        hash.tensors
            .iter()
            .map(|tensor| tensor.name.as_str())
            .collect::<Vec<_>>(),
        NAMES
    );
    for (at, tensor) in hash.tensors.iter().enumerate() {
        assert_eq!(
            (tensor.dtype.as_str(), tensor.shape.as_slice()),
            ("U8", &[at as u64][..])
        );
        assert_eq!(
            tensor.sha256,
            hex::encode(Sha256::digest(vec![at as u8; at]))
        );
    }
    assert_eq!(hash.checkpoint["model_digest"], hash.model_digest.as_str());
}

#[test]
fn a_check_names_what_differs_what_is_missing_and_what_is_new() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let write = |name: &str, tensors: &[Tensor]| {
        let path = directory.path().join(name);
        fs::write(&path, safetensors(tensors)).expect("write the model");
        path
    };
    let released = write(
        "released.safetensors",
        &[tensor("a", b"1"), tensor("b", b"2"), tensor("c", b"33")],
    );
    let copy = write(
        "copy.safetensors",
        &[tensor("a", b"1"), tensor("b", b"3"), tensor("d", b"4")],
    );
    let manifest = manifest(&directory, &released, &[]);
    let check = check(&manifest, &copy, 1);
    assert_eq!(
        (check.schema.as_str(), check.wcmp.as_str()),
        ("wcmp.check/1", env!("CARGO_PKG_VERSION"))
    );
    assert!(!check.equal && check.matching == 1);
    let [difference] = check.different.as_slice() else {
        panic!("{:?}", check.different)
    };
    assert_eq!(difference.name, "b");
    assert_eq!(difference.expected, hex::encode(Sha256::digest(b"2")));
    assert_eq!(difference.found, hex::encode(Sha256::digest(b"3")));
    assert_eq!(
        (check.missing, check.new),
        (vec!["c".to_owned()], vec!["d".to_owned()])
    );
    assert_eq!(check.checkpoint["name"], "copy.safetensors");

    let shown = wcmp()
        .args(["hash", "--check"])
        .args([&manifest, &copy])
        .output()
        .expect("run wcmp");
    let shown = answer(&shown, 1)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(shown.contains("1 differ, 1 missing, 1 new"), "{shown}");
}

#[test]
fn one_changed_bit_or_shape_or_dtype_is_a_difference() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let original = Tensor {
        name: "x".into(),
        dtype: "F16",
        shape: vec![2, 3],
        bytes: vec![7; 12],
    };
    let released = directory.path().join("released.safetensors");
    fs::write(&released, safetensors(std::slice::from_ref(&original))).expect("write the model");
    let manifest = manifest(&directory, &released, &[]);
    let mut flipped = original.clone();
    flipped.bytes[11] ^= 1;
    for changed in [
        flipped,
        Tensor {
            shape: vec![3, 2],
            ..original.clone()
        },
        Tensor {
            dtype: "BF16",
            ..original
        },
    ] {
        let copy = directory.path().join("copy.safetensors");
        fs::write(&copy, safetensors(&[changed])).expect("write the copy");
        assert_eq!(check(&manifest, &copy, 1).different.len(), 1);
    }
}

#[test]
fn a_damaged_manifest_is_no_answer() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let model = fixture("base");
    let whole = fs::read_to_string(manifest(&directory, &model, &[])).expect("read the manifest");
    let lines: Vec<&str> = whole.lines().collect();
    let without = |at: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != at);
        kept.map(|(_, line)| format!("{line}\n"))
            .collect::<String>()
    };
    let damaged = [
        String::new(),
        "not a manifest\n".to_owned(),
        whole[..whole.len() - 1].to_owned(),
        without(3),
        without(lines.len() - 1),
        whole.replacen("BF16", "F16", 1),
        whole.replace('\n', "\r\n"),
        "{\"schema\": \"wcmp.hash/1\"}".to_owned(),
        "\u{feff}".to_owned() + &whole,
    ];
    for text in damaged {
        let file = directory.path().join("damaged");
        fs::write(&file, &text).expect("write the manifest");
        let output = wcmp()
            .args(["hash", "--check"])
            .args([&file, &model])
            .output()
            .expect("run wcmp");
        assert!(error_line(&output).contains("damaged: "), "{text:.80}");
    }
}

#[test]
fn a_manifest_that_is_not_there_is_named() {
    let output = run(&[
        "hash".as_ref(),
        "--check".as_ref(),
        "no/such".as_ref(),
        fixture("base").as_os_str(),
    ]);
    assert!(error_line(&output).contains("no/such: no such file"));
    let folder = fixture("");
    let output = run(&[
        "hash".as_ref(),
        "--check".as_ref(),
        folder.as_os_str(),
        fixture("base").as_os_str(),
    ]);
    assert!(error_line(&output).contains("a directory (expected a manifest"));
}

#[test]
fn csv_and_markdown_list_every_tensor() {
    for format in ["csv", "markdown"] {
        let output = wcmp()
            .args(["hash", "--format", format])
            .arg(fixture("base"))
            .output()
            .expect("run wcmp");
        assert_eq!(
            answer(&output, 0)
                .matches("self_attn.q_proj.weight")
                .count(),
            4,
            "{format}"
        );
    }
    let output = wcmp()
        .args(["hash", "--format", "csv"])
        .arg(fixture("base"))
        .output()
        .expect("run wcmp");
    assert!(text(&output.stdout).starts_with("name,dtype,shape,sha256"));
}
