//! Values that are no weights are told, left out, and temper the verdict.

use serde_json::Value;

use crate::support::encoded::{Folder, SIZE, compare, expect_label, model};
use crate::support::weights::Model;

const DOWN: &str = "model.layers.1.mlp.down_proj.weight";

/// `model`, with one tensor changed.
fn with(model: &Model, name: &str, change: impl Fn(&mut Vec<f64>)) -> Model {
    let mut model = model.clone();
    change(&mut model.0.get_mut(name).unwrap().values);
    model
}

fn codes(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().unwrap();
    warnings.iter().filter_map(|w| w["code"].as_str()).collect()
}

/// The first reason names the tensor, and the verdict is no surer than moderate.
#[track_caller]
fn expect_told(report: &Value, code: &str, name: &str) {
    assert!(codes(report).contains(&code), "{:#}", report["warnings"]);
    let first = report["verdict"]["reasons"][0].as_str().unwrap();
    assert!(first.contains(name), "{first}");
    let confidence = &report["verdict"]["confidence"];
    assert!(
        ["moderate", "weak"].contains(&confidence.as_str().unwrap()),
        "{confidence}"
    );
}

#[test]
fn a_cast_that_overflows_is_no_re_encoding() {
    let folder = Folder::new();
    let wide = with(&model("base"), DOWN, |values| values[5] = 1e5);
    let base = folder.bf16("base", &wide);
    let target = folder.safetensors("target", &wide.stored(|_| "F16"), None);
    let report = compare(&base, &target);
    expect_label(&report, "derived");
    expect_told(&report, "not_finite", DOWN);
}

#[test]
fn a_matrix_of_nothing_is_left_out_and_told() {
    let base = model("base");
    let tuned = base.trained("tuned", |_| 0.02);
    let cases: [(&str, fn(&mut Vec<f64>)); 3] = [
        ("not_finite", |values| values[17] = f64::NAN),
        ("zero_matrix", |values| values.fill(0.0)),
        ("constant_matrix", |values| values.fill(0.5)),
    ];
    for (code, change) in cases {
        let folder = Folder::new();
        let target = with(&tuned, DOWN, change);
        let report = compare(&folder.bf16("base", &base), &folder.bf16("target", &target));
        expect_label(&report, "derived");
        expect_told(&report, code, DOWN);
        let parameters = |model: &Model, counts: fn(&str) -> bool| -> usize {
            let matrices = model
                .0
                .iter()
                .filter(|(name, v)| v.shape.len() == 2 && counts(name));
            matrices.map(|(_, v)| v.values.len()).sum()
        };
        let parts = report["parts"].as_array().unwrap();
        let told: u64 = parts.iter().filter_map(|p| p["parameters"].as_u64()).sum();
        let expected = parameters(&base, |_| true) - SIZE.hidden * SIZE.ffn;
        assert_eq!(told, expected as u64, "{code}");
    }
}

#[test]
fn a_matrix_of_zeros_without_a_counterpart_is_told() {
    let folder = Folder::new();
    let mut target = model("base");
    let head = with(&target, DOWN, |values| values.fill(0.0)).0[DOWN].clone();
    target.0.insert("value_head.weight".to_owned(), head);
    let report = compare(
        &folder.bf16("base", &model("base")),
        &folder.bf16("target", &target),
    );
    expect_told(&report, "zero_matrix", "value_head.weight");
}

#[test]
fn a_diverged_run_is_told_as_one() {
    let folder = Folder::new();
    let mut diverged = model("base");
    let matrices = diverged
        .0
        .values_mut()
        .filter(|tensor| tensor.shape.len() == 2);
    matrices.for_each(|tensor| tensor.values.fill(f64::NAN));
    let report = compare(
        &folder.bf16("base", &model("base")),
        &folder.bf16("target", &diverged),
    );
    expect_label(&report, "inconclusive");
    assert!(codes(&report).contains(&"not_finite"));
}

#[test]
fn half_a_download_is_told_as_one() {
    let folder = Folder::new();
    let base = folder.bf16("base", &model("base"));
    let target = folder.bf16("target", &model("base"));
    let file = target.join("model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0);
    std::fs::write(&file, bytes).unwrap();
    let report = compare(&base, &target);
    expect_label(&report, "derived");
    assert!(
        codes(&report).contains(&"ends_in_zeros"),
        "{:?}",
        codes(&report)
    );
    let relations = report["verdict"]["relations"].as_array().unwrap();
    assert!(
        relations.iter().all(|relation| relation != "pruned"),
        "{relations:?}"
    );
    assert_eq!(report["verdict"]["confidence"], "moderate");
}

#[test]
fn equal_bytes_are_identical_whatever_they_hold() {
    let folder = Folder::new();
    let broken = with(&model("base"), DOWN, |values| values.fill(f64::NAN));
    let report = compare(
        &folder.bf16("base", &broken),
        &folder.bf16("target", &broken),
    );
    expect_label(&report, "identical");
    assert!(codes(&report).contains(&"not_finite"));
}

#[test]
fn gates_that_are_still_zero_hide_no_copy_and_make_none() {
    let gated = |seed: &str| {
        let mut model = model(seed);
        let gates = model.0.iter_mut();
        for (_, gate) in gates.filter(|(name, _)| name.contains("gate_proj")) {
            gate.values.fill(0.0);
        }
        model
    };
    let folder = Folder::new();
    let base = folder.bf16("base", &gated("base"));
    let tuned = folder.bf16("tuned", &gated("base").trained("tuned", |_| 0.02));
    let report = compare(&base, &tuned);
    expect_label(&report, "derived");
    assert!(codes(&report).contains(&"zero_matrix"));
    let parts = report["parts"].as_array().unwrap().iter();
    let mut blocks = parts.filter(|part| part["kind"] == "ffn");
    assert!(blocks.all(|part| part["state"] == "reused"));

    let stranger = compare(&base, &folder.bf16("stranger", &gated("other")));
    let label = stranger["verdict"]["label"].as_str().unwrap();
    assert!(["from_scratch", "inconclusive"].contains(&label), "{label}");
}

/// What a sharded training did not gather has one axis, of no length.
#[test]
fn tensors_of_no_element_are_told_whatever_their_axes() {
    let folder = Folder::new();
    let base = model("base");
    let mut target = base.trained("tuned", |_| 0.02);
    let down = target.0.get_mut(DOWN).unwrap();
    (down.shape, down.values) = (vec![0], Vec::new());
    let report = compare(&folder.bf16("base", &base), &folder.bf16("target", &target));
    expect_label(&report, "derived");
    expect_told(&report, "no_elements", DOWN);
}
