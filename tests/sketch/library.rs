//! Libraries of sketches as bases of `rank`, and `rank --matrix` over one.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::file::safetensors;
use crate::support::weights::{Decoder, Model};

use super::{WIDE, json, path, reordered, sketch, varied};

/// Small enough that a library of them is made in a moment.
const SMALL: Decoder = Decoder {
    hidden: 32,
    ffn: 320,
    layers: 3,
    vocab: 300,
    ..WIDE
};

/// A model of that name, its units of several sizes.
fn model(name: &str) -> Model {
    varied(&Model::decoder(name, SMALL), SMALL)
}

/// Sketches of these models in a directory of their own, and nothing else.
fn library(models: &[(String, Model)], folder: &TempDir) -> PathBuf {
    let out = folder.path().join("library");
    fs::create_dir(&out).expect("a directory");
    let weights = TempDir::new().expect("a directory");
    for (name, model) in models {
        let file = weights.path().join(format!("{name}.safetensors"));
        fs::write(&file, safetensors(&model.stored(|_| "BF16"))).expect("write");
        let of_model = sketch(&file, &weights, name);
        fs::rename(of_model, out.join(format!("{name}.sketch"))).expect("move");
    }
    out
}

fn strangers(count: usize) -> Vec<(String, Model)> {
    (0..count)
        .map(|number| format!("stranger-{number}"))
        .map(|name| (name.clone(), model(&name)))
        .collect()
}

fn target(model: &Model, folder: &TempDir) -> PathBuf {
    let file = folder.path().join("target.safetensors");
    fs::write(&file, safetensors(&model.stored(|_| "BF16"))).expect("write");
    file
}

fn first(report: &Value) -> (&str, &str) {
    let best = &report["ranking"][0];
    (
        best["base"]["name"].as_str().expect("a name"),
        best["verdict"]["label"].as_str().expect("a label"),
    )
}

#[test]
fn a_parent_is_found_among_many_in_its_order_and_in_another() {
    let folder = TempDir::new().expect("a directory");
    let parent = model("parent");
    let mut models = strangers(40);
    models.push(("parent".to_owned(), parent.clone()));
    let library = library(&models, &folder);
    for (child, what) in [
        (parent.trained("child", |_| 0.3), "in its order"),
        (
            reordered(&parent, SMALL).trained("child", |_| 0.1),
            "in another",
        ),
    ] {
        let target = target(&child, &folder);
        let report = json(&["rank", path(&target), path(&library)]);
        assert_eq!(first(&report), ("parent.safetensors", "derived"), "{what}");
        let told = &report["library"];
        assert_eq!(told["sketches"], 41);
        let deep = told["looked_at_deeply"].as_u64().expect("a number");
        assert!((4..=16).contains(&deep), "{deep}");
        assert!(
            told["log10_p"].as_f64().is_none_or(|bound| bound < -6.0),
            "{told}"
        );
        let related = report["ranking"].as_array().expect("a list").iter();
        let related = related.filter(|base| base["verdict"]["label"] == "derived");
        assert_eq!(related.count(), 1);
    }
}

#[test]
fn of_a_stranger_to_all_of_a_library_nobody_is_the_parent() {
    let folder = TempDir::new().expect("a directory");
    let library = library(&strangers(20), &folder);
    let target = target(&model("another"), &folder);
    let report = json(&["rank", path(&target), path(&library)]);
    for base in report["ranking"].as_array().expect("a list") {
        let label = base["verdict"]["label"].as_str().expect("a label");
        assert!(["from_scratch", "inconclusive"].contains(&label), "{label}");
    }
    assert_eq!(report["conclusion"]["base"], Value::Null);
}

#[test]
fn copies_of_a_stranger_do_not_hide_the_parent() {
    let folder = TempDir::new().expect("a directory");
    let parent = model("parent");
    let mut child = reordered(&parent, SMALL).trained("child", |_| 0.1);
    let stranger = model("stranger");
    // One matrix of the target is the stranger's, byte for byte.
    let name = "model.layers.1.self_attn.q_proj.weight";
    child.0.insert(name.to_owned(), stranger.0[name].clone());
    let mut models: Vec<(String, Model)> = (0..40)
        .map(|number| (format!("copy-{number:02}"), stranger.clone()))
        .collect();
    models.push(("parent".to_owned(), parent));
    let library = library(&models, &folder);
    let target = target(&child, &folder);
    let report = json(&["rank", path(&target), path(&library)]);
    assert_eq!(first(&report).0, "parent.safetensors");
}

#[test]
fn a_matrix_tells_families_from_strangers() {
    let folder = TempDir::new().expect("a directory");
    let (one, other) = (model("one"), model("other"));
    let mut models = strangers(3);
    models.extend([
        ("a-one".to_owned(), one.clone()),
        ("b-child".to_owned(), one.trained("child", |_| 0.2)),
        ("c-reordered".to_owned(), reordered(&one, SMALL)),
        ("d-other".to_owned(), other.clone()),
        ("e-same".to_owned(), other),
    ]);
    let library = library(&models, &folder);
    let report = json(&["rank", "--matrix", path(&library)]);
    let names: Vec<&str> = report["models"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|model| model["name"].as_str().expect("a name"))
        .collect();
    let mut told: Vec<(String, String, String)> = Vec::new();
    let pairs = report["pairs"].as_array().expect("a list");
    assert_eq!(pairs.len(), 8 * 7 / 2);
    for pair in pairs {
        let name = |side: &str| {
            let name = names[pair[side].as_u64().expect("a place") as usize];
            name.trim_end_matches(".safetensors").to_owned()
        };
        let label = pair["label"].as_str().expect("a label").to_owned();
        if label != "inconclusive" {
            told.push((name("a"), name("b"), label));
        }
    }
    told.sort();
    let expected = [
        ("a-one", "b-child", "derived"),
        ("a-one", "c-reordered", "partial_reuse"),
        ("b-child", "c-reordered", "partial_reuse"),
        ("d-other", "e-same", "identical"),
    ];
    let expected = expected.map(|(a, b, label)| (a.to_owned(), b.to_owned(), label.to_owned()));
    assert_eq!(told, expected);
    let groups = report["groups"].as_array().expect("a list");
    assert_eq!(groups.len(), 2, "{groups:?}");
}
