//! Channels that one side rescales without any change of function are read in one scale, and no
//! others.

use std::fs;

use crate::support::awq;
use crate::support::draws::Draws;
use crate::support::encoded::{
    Folder, SIZE, compare, expect_covered, expect_label, model, rounded,
};
use crate::support::weights::Model;
use serde_json::Value;

/// Number of layers whose channels were rescaled, as the report lists them.
fn rescaled_layers(report: &Value) -> usize {
    let rows = report["transformations"].as_array().unwrap();
    let row = rows.iter().find(|row| row["kind"] == "channels_rescaled");
    row.map_or(0, |row| row["found_in"].as_array().unwrap().len())
}

#[test]
fn channels_that_were_rescaled_are_read_in_one_scale() {
    let (folder, a, b) = (Folder::new(), model("a"), model("b"));
    let (base, other) = (folder.bf16("base", &a), folder.bf16("other", &b));
    let smooth = awq::rescaled(&a, SIZE.layers, "scales", 0.3);
    for (form, confidence) in [
        (folder.awq("awq", &smooth), "moderate"),
        (folder.bf16("bf16", &smooth), "strong"),
        (
            folder.bf16("wild", &awq::rescaled(&a, SIZE.layers, "wild", 1.5)),
            "strong",
        ),
    ] {
        for report in [compare(&base, &form), compare(&form, &base)] {
            expect_label(&report, "re_encoded");
            assert_eq!(
                report["verdict"]["confidence"],
                confidence,
                "{}",
                form.display()
            );
            expect_covered(&report);
            assert_eq!(rescaled_layers(&report), SIZE.layers);
            let rows = report["tensors"].as_array().unwrap();
            let mapped = rows.iter().filter(|row| row["compared_via"] == "mapped");
            assert_eq!(mapped.count(), 6 * SIZE.layers);
        }
        let report = compare(&other, &form);
        expect_label(&report, "from_scratch");
        assert_eq!(rescaled_layers(&report), 0);
    }
}

#[test]
fn two_quantised_copies_in_different_scales_are_one_model() {
    let (folder, a) = (Folder::new(), model("a"));
    let [one, two] =
        ["one", "two"].map(|seed| folder.awq(seed, &awq::rescaled(&a, SIZE.layers, seed, 0.3)));
    let tuned = awq::rescaled(&a.trained("heavy", |_| 0.4), SIZE.layers, "one", 0.3);
    let (gptq, tuned) = (folder.gptq("gptq", &a), folder.awq("tuned", &tuned));
    for [base, target] in [[&gptq, &one], [&one, &gptq], [&one, &two]] {
        expect_label(&compare(base, target), "re_encoded");
    }
    for base in [&gptq, &two] {
        expect_label(&compare(base, &tuned), "derived");
    }
}

#[test]
fn no_rescaling_makes_independent_models_alike() {
    let (folder, a, b) = (Folder::new(), model("a"), model("b"));
    let base = folder.bf16("base", &a);
    for spread in [0.02, 1.0, 5.0] {
        let other = folder.bf16(
            &format!("other-{spread}"),
            &awq::rescaled(&b, SIZE.layers, "scales", spread),
        );
        for report in [compare(&base, &other), compare(&other, &base)] {
            assert_eq!(rescaled_layers(&report), 0, "{spread}");
            assert_eq!(report["verdict"]["label"], "from_scratch", "{spread}");
        }
    }
}

/// Layers as GPT-2 has them: matrices stored (in, out), norms with biases.
fn gpt2(seed: &str) -> Model {
    let mut model = Model::default();
    model.matrix(seed, "wte.weight", SIZE.vocab, SIZE.hidden);
    model.matrix(seed, "wpe.weight", 32, SIZE.hidden);
    for layer in 0..SIZE.layers {
        for (name, rows, columns) in [
            ("attn.c_attn", SIZE.hidden, 3 * SIZE.hidden),
            ("attn.c_proj", SIZE.hidden, SIZE.hidden),
            ("mlp.c_fc", SIZE.hidden, 4 * SIZE.hidden),
            ("mlp.c_proj", 4 * SIZE.hidden, SIZE.hidden),
        ] {
            model.matrix(seed, &format!("h.{layer}.{name}.weight"), rows, columns);
            model.bias(seed, &format!("h.{layer}.{name}.bias"), columns);
        }
        for norm in ["ln_1", "ln_2"] {
            model.gain(seed, &format!("h.{layer}.{norm}.weight"), SIZE.hidden);
            model.bias(seed, &format!("h.{layer}.{norm}.bias"), SIZE.hidden);
        }
    }
    model.gain(seed, "ln_f.weight", SIZE.hidden);
    model.bias(seed, "ln_f.bias", SIZE.hidden);
    rounded(&model)
}

#[test]
fn channels_behind_norms_with_biases_are_read_in_one_scale_where_matrices_are_stored_in_out() {
    let (folder, a) = (Folder::new(), gpt2("a"));
    let mut smooth = a.clone();
    for layer in 0..SIZE.layers {
        for (norm, reader) in [("ln_1", "attn.c_attn"), ("ln_2", "mlp.c_fc")] {
            let factors =
                Draws::new(&["scales", norm, &layer.to_string()]).many(SIZE.hidden, Draws::factor);
            for name in ["weight", "bias"] {
                let values = &mut smooth
                    .0
                    .get_mut(&format!("h.{layer}.{norm}.{name}"))
                    .unwrap()
                    .values;
                values
                    .iter_mut()
                    .zip(&factors)
                    .for_each(|(value, factor)| *value /= factor);
            }
            let read = smooth
                .0
                .get_mut(&format!("h.{layer}.{reader}.weight"))
                .unwrap();
            let rows = read.values.chunks_mut(read.shape[1]).zip(&factors);
            rows.for_each(|(row, factor)| row.iter_mut().for_each(|value| *value *= factor));
        }
    }
    let (base, form) = (folder.bf16("base", &a), folder.bf16("form", &smooth));
    for path in [&base, &form] {
        fs::write(
            path.join("config.json"),
            r#"{"model_type": "gpt2", "n_embd": 64, "n_head": 4, "n_layer": 3}"#,
        )
        .unwrap();
    }
    for report in [compare(&base, &form), compare(&form, &base)] {
        expect_label(&report, "re_encoded");
        expect_covered(&report);
        assert_eq!(rescaled_layers(&report), SIZE.layers);
        let rows = report["tensors"].as_array().unwrap();
        let mapped: Vec<&Value> = rows
            .iter()
            .filter(|row| row["compared_via"] == "mapped")
            .collect();
        assert_eq!(mapped.len(), 4 * SIZE.layers);
        for row in mapped {
            assert!(row["figures"]["cosine"].as_f64().unwrap() > 0.9999, "{row}");
        }
    }
    // All of a matrix is read, not as many rows as it is stored with.
    let changed = smooth.0.get_mut("h.0.mlp.c_fc.weight").unwrap();
    let half = changed.shape[1] / 2;
    let lines = changed.values.chunks_mut(changed.shape[1]);
    lines.for_each(|line| line[half..].iter_mut().for_each(|value| *value *= 3.0));
    let form = folder.bf16("changed", &smooth);
    fs::copy(base.join("config.json"), form.join("config.json")).unwrap();
    let report = compare(&base, &form);
    let rows = report["tensors"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["name"]["base"] == "h.0.mlp.c_fc.weight")
        .unwrap();
    assert_eq!(row["compared_via"], "mapped");
    assert!(row["figures"]["cosine"].as_f64().unwrap() < 0.95, "{row}");
}

#[test]
fn a_fine_tune_behind_rescaled_channels_is_derived() {
    let (folder, a) = (Folder::new(), model("a"));
    let base = folder.bf16("base", &a);
    let heavy = awq::rescaled(&a.trained("heavy", |_| 0.4), SIZE.layers, "scales", 0.3);
    expect_label(&compare(&base, &folder.awq("awq", &heavy)), "derived");
    let light = awq::rescaled(&a.trained("light", |_| 0.05), SIZE.layers, "scales", 0.3);
    let report = compare(&base, &folder.bf16("light", &light));
    expect_label(&report, "derived");
    assert_eq!(rescaled_layers(&report), SIZE.layers);
}

#[test]
fn gains_that_not_every_matrix_behind_them_takes_back_are_compared_as_they_are() {
    let (folder, a) = (Folder::new(), model("a"));
    let base = folder.bf16("base", &a);
    let smooth = awq::rescaled(&a, SIZE.layers, "scales", 0.3);
    let broken = smooth.taking(&a, |name| {
        name.contains("k_proj") || name.contains("gate_proj") || name.contains("down")
    });
    let report = compare(&base, &folder.bf16("broken", &broken));
    expect_label(&report, "derived");
    assert_eq!(rescaled_layers(&report), 0);
}
