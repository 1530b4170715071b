//! Models whose layers lie in long vectors, in which nothing was found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::command::{answer, run};
use crate::support::draws::Draws;
use crate::support::file::safetensors;
use crate::support::weights::{Decoder, Model, Values};

const SIZE: Decoder = Decoder {
    hidden: 64,
    ffn: 160,
    layers: 4,
    heads: 4,
    kv_heads: 2,
    vocab: 300,
    experts: 0,
};

/// The model with all values of each layer in one vector, in an order of their own.
fn layers_mixed(model: &Model) -> Model {
    let mut out = Model::default();
    let mut layers: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, values) in &model.0 {
        let layer = name.strip_prefix("model.layers.");
        match layer.and_then(|rest| rest.split_once('.')) {
            Some((layer, _)) => {
                let vector = format!("model.layers.{layer}._flat_param");
                layers.entry(vector).or_default().extend(&values.values);
            }
            None => _ = out.0.insert(name.clone(), values.clone()),
        }
    }
    for (name, mut values) in layers {
        let mut draws = Draws::new(&[&name]);
        for at in (1..values.len()).rev() {
            values.swap(at, (draws.unit() * (at + 1) as f64) as usize);
        }
        let shape = vec![values.len()];
        out.0.insert(name, Values { shape, values });
    }
    out
}

fn written(model: &Model, folder: &TempDir, name: &str) -> PathBuf {
    let file = folder.path().join(format!("{name}.safetensors"));
    fs::write(&file, safetensors(&model.stored(|_| "F32"))).expect("write");
    file
}

fn compare(base: &Path, target: &Path) -> Value {
    let [base, target] = [base, target].map(|path| path.to_str().expect("UTF-8"));
    let output = run(&["compare", base, target, "--format", "json"]);
    serde_json::from_str(answer(&output, 0)).expect("JSON")
}

#[test]
fn nothing_is_concluded_while_most_lies_in_vectors_without_a_counterpart() {
    let folder = TempDir::new().expect("a directory");
    let base = written(&Model::decoder("base", SIZE), &folder, "base");
    let target = layers_mixed(&Model::decoder("stranger", SIZE));
    let target = written(&target, &folder, "target");
    for (base, target, side) in [(&base, &target, "target"), (&target, &base, "base")] {
        let report = compare(base, target);
        assert_eq!(
            report["verdict"]["label"], "inconclusive",
            "{}",
            report["verdict"]
        );
        let covered = report["coverage"]["matrices"][side].as_f64();
        assert!(covered < Some(0.5), "{covered:?}");
    }
}
