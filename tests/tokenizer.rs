//! Embedding rows are paired by token: a vocabulary in another order hides nothing where the
//! tokenizers are at hand.

use std::fs;
use std::path::Path;

use crate::support::command::{answer, fixture, wcmp};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

const TOKENS: usize = 256;

/// Writes `base` with the rows of embedding and head in reverse, and the tokenizer of that order
/// where asked for.
fn renumbered(folder: &Path, with_tokenizer: bool) {
    let bytes = fs::read(fixture("base").join("model.safetensors")).expect("the fixture");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let turned: Vec<(String, TensorView<'_>, Vec<u8>)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let row = view.data().len() / view.shape()[0];
            let over_tokens = view.shape() == [TOKENS, 64];
            let rows: Vec<&[u8]> = view.data().chunks_exact(row).collect();
            let data = if over_tokens {
                rows.iter().rev().copied().collect::<Vec<_>>().concat()
            } else {
                rows.concat()
            };
            (name, view, data)
        })
        .collect();
    let views = turned.iter().map(|(name, view, data)| {
        (
            name.as_str(),
            TensorView::new(view.dtype(), view.shape().to_vec(), data).expect("a view"),
        )
    });
    let written = safetensors::serialize(views, None).expect("memory takes it");
    fs::write(folder.join("model.safetensors"), written).expect("write");
    fs::copy(
        fixture("base").join("config.json"),
        folder.join("config.json"),
    )
    .expect("copy");
    if with_tokenizer {
        vocabulary(folder, |token| TOKENS - 1 - token);
    }
}

fn vocabulary(folder: &Path, id: impl Fn(usize) -> usize) {
    let tokens: serde_json::Map<String, Value> = (0..TOKENS)
        .map(|t| (format!("token {t}"), json!(id(t))))
        .collect();
    let document = json!({"model": {"type": "WordLevel", "vocab": tokens}});
    fs::write(folder.join("tokenizer.json"), document.to_string()).expect("write");
}

/// Probes and hits of the residual test on the embedding.
fn on_embedding(base: &Path, target: &Path) -> (u64, u64) {
    let output = wcmp()
        .args(["compare", "--format", "json", "--pca", "off"])
        .args([base, target])
        .output();
    let report: Value = serde_json::from_str(answer(&output.expect("run wcmp"), 0)).expect("JSON");
    let tests = report["permutation"]["tests"].as_array().expect("tests");
    let of_embedding =
        |test: &&Value| test["kind"] == "residual" && test["name"] == "model.embed_tokens.weight";
    let test = tests
        .iter()
        .find(of_embedding)
        .expect("a test on the embedding");
    (
        test["probes"].as_u64().expect("probes"),
        test["hits"].as_u64().expect("hits"),
    )
}

#[test]
fn a_renumbered_vocabulary_is_seen_through_by_its_tokenizers() {
    let [base, with, without] = [0, 1, 2].map(|_| tempfile::tempdir().expect("a folder"));
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture("base").join(file), base.path().join(file)).expect("copy");
    }
    vocabulary(base.path(), |token| token);
    renumbered(with.path(), true);
    renumbered(without.path(), false);
    let (probes, hits) = on_embedding(base.path(), with.path());
    assert_eq!(probes, hits);
    let (probes, hits) = on_embedding(base.path(), without.path());
    assert!(
        4 * hits < probes,
        "{hits} of {probes} without the target's tokenizer"
    );
}
