//! What lies in a checkpoint's directory: what is read, what is left aside, what is missing, and
//! what is said of a place without weights.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::command::{error_line, run, text, wcmp};
use crate::support::encoded::{Folder, compare, model};
use crate::support::file::safetensors;
use crate::support::weights::Model;

fn codes(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().unwrap();
    warnings
        .iter()
        .map(|warning| warning["code"].as_str().unwrap())
        .collect()
}

/// Files left aside of the target, each with the reason.
fn left_aside(report: &Value) -> Vec<(&str, &str)> {
    let rows = report["left_aside"].as_array().unwrap().iter();
    rows.filter(|row| row["side"] == "target")
        .map(|row| (row["file"].as_str().unwrap(), row["why"].as_str().unwrap()))
        .collect()
}

fn part_of(model: &Model, keep: impl Fn(&str) -> bool) -> Vec<u8> {
    let kept = model.0.iter().filter(|(name, _)| keep(name));
    let part = Model(
        kept.map(|(name, values)| (name.clone(), values.clone()))
            .collect(),
    );
    safetensors(&part.stored(|_| "F32"))
}

fn whole(model: &Model, dtype: &'static str) -> Vec<u8> {
    safetensors(&model.stored(|_| dtype))
}

#[test]
fn files_that_were_not_read_are_named_and_another_model_among_them_is_warned_of() {
    let folder = Folder::new();
    let (own, other) = (model("own"), model("other"));
    let base = folder.bf16("base", &own);
    let target = folder.bf16("target", &own);
    fs::write(target.join("model.fp32.safetensors"), whole(&own, "F32")).unwrap();
    fs::write(target.join("flax_model.msgpack"), b"x").unwrap();
    fs::write(target.join("adapter_model.safetensors"), b"x").unwrap();
    fs::write(target.join("optimizer.pt"), b"x").unwrap();
    let report = compare(&base, &target);
    assert_eq!(
        left_aside(&report),
        [
            ("adapter_model.safetensors", "adapter"),
            ("flax_model.msgpack", "unread_format"),
            ("model.fp32.safetensors", "another_copy"),
        ]
    );
    assert!(
        !codes(&report).contains(&"another_model_beside"),
        "{:?}",
        codes(&report)
    );

    fs::write(target.join("model.fp16.safetensors"), whole(&other, "F16")).unwrap();
    let report = compare(&base, &target);
    assert!(left_aside(&report).contains(&("model.fp16.safetensors", "another_model")));
    assert!(codes(&report).contains(&"another_model_beside"));
    let said = run(&["hash", target.to_str().unwrap()]);
    assert!(text(&said.stderr).contains("model.fp16.safetensors (another model)"));
}

#[test]
fn what_is_missing_is_no_change() {
    let folder = Folder::new();
    let base = folder.safetensors("base", &model("base").stored(|_| "F32"), None);
    let tuned = model("base").trained("tuned", |_| 0.02);
    let first = |name: &str| !name.contains("layers.2.");
    let expect_incomplete = |target: &Path, code: &str| {
        let report = compare(&base, target);
        assert!(codes(&report).contains(&code), "{:?}", codes(&report));
        let relations = report["verdict"]["relations"].as_array().unwrap();
        assert!(!relations.contains(&json!("depth_pruned")), "{relations:?}");
        let confidence = report["verdict"]["confidence"].as_str();
        assert!(
            matches!(confidence, None | Some("weak" | "moderate")),
            "{confidence:?}"
        );
    };
    let target = folder.safetensors("a", &tuned.stored(|_| "F32"), None);
    fs::write(target.join("model.safetensors"), part_of(&tuned, first)).unwrap();
    expect_incomplete(&target, "layers_missing");
    let shard = target.join("model-00001-of-00002.safetensors");
    fs::rename(target.join("model.safetensors"), &shard).unwrap();
    expect_incomplete(&target, "shards_missing");
    // Named alone it is no more.
    expect_incomplete(&shard, "shards_missing");
    let said = run(&["inspect", shard.to_str().unwrap()]);
    assert!(text(&said.stdout).contains("1 of 2 shards"));
}

#[test]
fn modules_of_sentence_transformers_are_read_as_parts_and_missed_where_they_are_not_there() {
    let folder = Folder::new();
    let mut dense = Model::default();
    dense.matrix("dense", "linear.weight", 32, 64);
    let modules = json!([
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"path": "2_Dense", "type": "sentence_transformers.models.Dense"},
    ]);
    let with_dense = |name: &str| {
        let path = folder.bf16(name, &model("base"));
        fs::write(path.join("modules.json"), modules.to_string()).unwrap();
        fs::create_dir(path.join("1_Pooling")).unwrap();
        path
    };
    let base = with_dense("base");
    fs::create_dir(base.join("2_Dense")).unwrap();
    fs::write(base.join("2_Dense/model.safetensors"), whole(&dense, "F32")).unwrap();
    let inspected = run(&["inspect", base.to_str().unwrap(), "--format", "json"]);
    assert!(text(&inspected.stdout).contains("\"2_Dense/linear.weight\""));
    let report = compare(&base, &with_dense("target"));
    assert!(
        codes(&report).contains(&"part_missing"),
        "{:?}",
        codes(&report)
    );
}

#[test]
fn slices_and_several_models_are_told_from_parts_of_one() {
    let folder = Folder::new();
    let (one, other) = (model("one"), model("other"));
    let place = |name: &str, files: &[(&str, Vec<u8>)]| {
        let path = folder.0.path().join(name);
        fs::create_dir(&path).unwrap();
        for (name, bytes) in files {
            fs::write(path.join(name), bytes).unwrap();
        }
        path
    };
    let error = |path: &Path| error_line(&run(&["inspect".as_ref(), path.as_os_str()])).to_owned();
    let both = [whole(&one, "F32"), whole(&other, "F32")];
    let slices = place(
        "ranks",
        &[
            ("model-rank-0-part-0.safetensors", both[0].clone()),
            ("model-rank-1-part-0.safetensors", both[1].clone()),
        ],
    );
    assert!(error(&slices).contains("tensor-parallel"));
    assert!(
        error(&slices.join("model-rank-0-part-0.safetensors"))
            .contains("one of 2 tensor-parallel slices")
    );
    let models = place(
        "models",
        &[
            ("a.safetensors", both[0].clone()),
            ("b.SFT", both[1].clone()),
        ],
    );
    assert!(error(&models).contains("several models, as \"a.safetensors\" and \"b.SFT\""));
    let first = |name: &str| !name.contains("layers.2.");
    let parts = place(
        "parts",
        &[
            ("hf_model_0001_0.safetensors", part_of(&one, first)),
            (
                "hf_model_0002_0.safetensors",
                part_of(&one, |name| !first(name)),
            ),
            ("._hf_model_0001_0.safetensors", b"\0\x05\x16\x07".to_vec()),
        ],
    );
    assert_eq!(
        run(&["inspect".as_ref(), parts.as_os_str()]).status.code(),
        Some(0)
    );
}

#[test]
fn a_place_without_weights_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str], &[&str]); 18] = [
        (
            "trainer",
            &[
                "checkpoint-5/model.safetensors",
                "checkpoint-9/model.safetensors",
            ],
            &["\"checkpoint-5\", \"checkpoint-9\""],
        ),
        (
            "fsdp",
            &["x.json", "shards/__0_0.distcp"],
            &["\"shards\"", "dcp_to_torch"],
        ),
        (
            "distributed",
            &["common.pt", "__0_0.distcp"],
            &["dcp_to_torch"],
        ),
        (
            "zero",
            &["latest", "global_step5/mp_rank_00_model_states.pt"],
            &["\"global_step5\"", "zero_to_fp32.py"],
        ),
        (
            "flax",
            &["flax_model.msgpack", "model.onnx"],
            &["\"flax_model.msgpack\" (Flax), \"model.onnx\" (ONNX)"],
        ),
        (
            "ollama",
            &["manifests/x/latest", "blobs/sha256-aa"],
            &["a store of Ollama"],
        ),
        (
            "cache",
            &["models--a--b/refs/main", "models--c--d/refs/main"],
            &["2 model(s), \"a/b\", \"c/d\""],
        ),
        (
            "part",
            &["a.json", ".cache/huggingface/download/x.incomplete"],
            &["an unfinished download"],
        ),
        (
            "megatron",
            &[
                "iter_5/mp_rank_00/model_optim_rng.pt",
                "iter_5/mp_rank_01/model_optim_rng.pt",
            ],
            &[
                "parallel ranks, which are not joined",
                "\"iter_5/mp_rank_00\"",
            ],
        ),
        (
            "runs",
            &["run/checkpoint-5/model.safetensors"],
            &["sub-folders with weights: \"run/checkpoint-5\""],
        ),
        (
            "tensorflow",
            &["saved_model.pb", "variables/variables.data-00000-of-00001"],
            &["\"saved_model.pb\" (a TensorFlow SavedModel)"],
        ),
        (
            "optimizer",
            &["optimizer.pt", "scheduler.pt"],
            &["only an optimizer's state, \"optimizer.pt\", no weights"],
        ),
        (
            "aria2",
            &["model.safetensors", "model.safetensors.aria2"],
            &[
                "/model.safetensors: an unfinished download",
                "\"model.safetensors.aria2\" beside it",
            ],
        ),
        (
            "torrent",
            &["model.gguf.!qB"],
            &["an unfinished download, \"model.gguf.!qB\""],
        ),
        (
            "pipeline",
            &[
                "layer_00-model_00-model_states.pt",
                "layer_01-model_00-model_states.pt",
            ],
            &["layers of a pipeline of DeepSpeed"],
        ),
        (
            "darknet",
            &["yolov3.weights", "m.dduf"],
            &["\"m.dduf\" (DDUF, a zip archive of a pipeline), \"yolov3.weights\" (Darknet)"],
        ),
        (
            "notes",
            &["notes.doc", "todo.xyz"],
            &["no weight file, but \"notes.doc\", \"todo.xyz\" (expected"],
        ),
        (
            "apple",
            &["._model.safetensors"],
            &["no weight file (expected"],
        ),
    ];
    for (name, files, wanted) in cases {
        let place = folder.path().join(name);
        for file in files {
            let path = place.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        let output = run(&["inspect".as_ref(), place.as_os_str()]);
        let line = error_line(&output);
        assert!(
            wanted.iter().all(|wanted| line.contains(wanted)),
            "{name}: {line}"
        );
    }
}

#[test]
fn what_a_file_holds_in_place_of_weights_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n";
    for (name, text, wanted) in [
        (
            "model.safetensors",
            "Entry not found",
            "it begins with \"Entry not found\"",
        ),
        (
            "model.gguf",
            "Access to x is restricted.\nAsk.",
            "begins with \"Access to x is restricted.\"",
        ),
        (
            "weights.bin",
            pointer,
            "\"weights.bin\" is a Git LFS pointer: not downloaded",
        ),
        (
            "net.pdparams",
            "\u{1}\u{2}\u{3}\u{4}",
            "\"net.pdparams\" (PaddlePaddle)",
        ),
    ] {
        let place = folder.path().join(format!("of-{name}"));
        fs::create_dir(&place).unwrap();
        fs::write(place.join(name), text).unwrap();
        let output = run(&["inspect".as_ref(), place.as_os_str()]);
        let line = error_line(&output);
        assert!(line.contains(wanted), "{name}: {line}");
    }
}

#[test]
fn one_rank_of_several_is_no_model() {
    let folder = Folder::new();
    let (one, other) = (model("one"), model("other"));
    let root = folder.0.path().join("run");
    for (rank, model) in [("mp_rank_00", &one), ("mp_rank_01", &other)] {
        fs::create_dir_all(root.join(rank)).unwrap();
        fs::write(
            root.join(rank).join("model.safetensors"),
            whole(model, "F32"),
        )
        .unwrap();
    }
    let error = |path: &Path| error_line(&run(&["inspect".as_ref(), path.as_os_str()])).to_owned();
    for path in ["", "mp_rank_00", "mp_rank_01/model.safetensors"] {
        let line = error(&root.join(path));
        assert!(
            line.contains("parallel ranks, which are not joined"),
            "{path}: {line}"
        );
    }
    fs::remove_dir_all(root.join("mp_rank_01")).unwrap();
    let alone = root.join("mp_rank_00");
    let output = run(&["inspect".as_ref(), alone.as_os_str()]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "a model of one rank is whole"
    );

    let beside = folder.0.path().join("beside");
    fs::create_dir(&beside).unwrap();
    for (name, model) in [
        ("model.rank0.safetensors", &one),
        ("model.rank1.safetensors", &other),
    ] {
        fs::write(beside.join(name), whole(model, "F32")).unwrap();
    }
    assert!(
        error(&beside).contains("tensor-parallel"),
        "{}",
        error(&beside)
    );
}

#[test]
fn a_name_of_ollama_is_no_path() {
    for name in ["llama3:8b", "library/llama3:8b"] {
        let output = run(&["inspect", name]);
        assert!(error_line(&output).contains("Ollama"), "{name}");
    }
}

#[test]
fn a_url_is_not_fetched() {
    let output = run(&["inspect", "https://huggingface.co/org/name"]);
    let line = error_line(&output);
    assert!(line.contains("a URL: nothing is fetched"), "{line}");
}

#[test]
fn an_id_is_looked_for_in_the_hub_cache() {
    let folder = Folder::new();
    let snapshot = folder.0.path().join("models--org--name/snapshots/abc");
    fs::create_dir_all(snapshot.parent().unwrap()).unwrap();
    fs::create_dir_all(folder.0.path().join("models--org--name/refs")).unwrap();
    fs::write(folder.0.path().join("models--org--name/refs/main"), "abc").unwrap();
    fs::rename(folder.bf16("m", &model("m")), &snapshot).unwrap();
    let of = |id: &str| {
        let mut command = wcmp();
        command
            .env("HF_HUB_CACHE", folder.0.path())
            .args(["inspect", id]);
        command.output().unwrap()
    };
    assert_eq!(of("org/name").status.code(), Some(0));
    let absent = of("org/absent");
    assert!(error_line(&absent).contains("hf download org/absent"));
}

#[cfg(unix)]
#[test]
fn links_of_a_hub_folder_lead_nowhere_else() {
    let folder = Folder::new();
    let private = folder.bf16("private", &model("m"));
    let hub = folder.0.path().join("models--a--b");
    for inner in ["refs", "snapshots", "blobs"] {
        fs::create_dir_all(hub.join(inner)).unwrap();
    }
    let error = || error_line(&run(&["inspect".as_ref(), hub.as_os_str()])).to_owned();
    std::os::unix::fs::symlink(&private, hub.join("snapshots/x")).unwrap();
    assert!(error().contains("leads out of the hub cache folder"));
    fs::write(folder.0.path().join("token"), "SECRET").unwrap();
    std::os::unix::fs::symlink(folder.0.path().join("token"), hub.join("refs/main")).unwrap();
    assert!(error().contains("leads out") && !error().contains("SECRET"));
}

#[test]
fn no_output_replaces_what_the_run_reads() {
    let folder = Folder::new();
    let model = folder.bf16("m", &model("m"));
    fs::write(model.join("tokenizer.json"), "{}").unwrap();
    let link = folder.0.path().join("link");
    fs::hard_link(model.join("model.safetensors"), &link).unwrap();
    for output in [
        model.join("config.json"),
        model.join("tokenizer.json"),
        model.join("model.safetensors"),
        link,
    ] {
        let before = fs::read(&output).unwrap();
        let arguments = [
            "inspect".as_ref(),
            model.as_os_str(),
            "--output".as_ref(),
            output.as_os_str(),
        ];
        let run = run(&arguments);
        assert_eq!(run.status.code(), Some(2), "{}", output.display());
        assert!(text(&run.stderr).contains("would overwrite an input"));
        assert!(fs::read(&output).unwrap() == before);
    }
    let beside = model.join("report.json");
    for _ in 0..2 {
        let arguments = [
            "inspect".as_ref(),
            model.as_os_str(),
            "--output".as_ref(),
            beside.as_os_str(),
        ];
        assert_eq!(run(&arguments).status.code(), Some(0));
    }
}

#[test]
fn a_report_that_is_verified_keeps_the_files_it_names() {
    let folder = Folder::new();
    let model = folder.bf16("m", &model("m"));
    let report = folder.0.path().join("report.json");
    let inspect = [
        "inspect".as_ref(),
        model.as_os_str(),
        "--format".as_ref(),
        "json".as_ref(),
        "--output".as_ref(),
        report.as_os_str(),
    ];
    assert_eq!(run(&inspect).status.code(), Some(0));
    let config = model.join("config.json");
    for output in [&config, &report] {
        let before = fs::read(output).unwrap();
        let verify = [
            "verify".as_ref(),
            report.as_os_str(),
            "--output".as_ref(),
            output.as_os_str(),
        ];
        let run = run(&verify);
        assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
        assert!(text(&run.stderr).contains("would overwrite an input"));
        assert!(fs::read(output).unwrap() == before);
    }
}

#[test]
fn one_place_is_written_once_whatever_it_is_called() {
    let folder = Folder::new();
    let model = folder.bf16("m", &model("m"));
    let report = folder.0.path().join("report.json");
    let other_name = model.join("..").join("report.json");
    let inspect = [
        "inspect".as_ref(),
        model.as_os_str(),
        "--output".as_ref(),
        report.as_os_str(),
        "--export".as_ref(),
        other_name.as_os_str(),
    ];
    let run = run(&inspect);
    assert_eq!(run.status.code(), Some(2));
    assert!(
        text(&run.stderr).contains("named twice"),
        "{}",
        text(&run.stderr)
    );
    assert!(!report.exists());
}
