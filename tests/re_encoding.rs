//! The same values in another encoding are told from a fine-tune in one.

use std::fs;

use crate::support::encoded::{
    Folder, SIZE, compare, expect_covered, expect_label, is_linear, model, rounded,
};
use crate::support::file::Tensor;
use crate::support::gguf::Kind;
use crate::support::weights::{Decoder, Model};
use crate::support::{command, gptq};
use serde_json::{Value, json};

#[test]
fn every_encoding_of_a_model_is_a_re_encoding_of_it_and_of_no_other() {
    let (folder, a, b) = (Folder::new(), model("a"), model("b"));
    let (base, other) = (folder.bf16("base", &a), folder.bf16("other", &b));
    for (form, confidence) in [
        (folder.gguf("f16", &a, Kind::F16, true), "strong"),
        (folder.gguf("q8_0", &a, Kind::Q8_0, true), "strong"),
        (folder.gguf("q4_0", &a, Kind::Q4_0, true), "strong"),
        (folder.gguf("nvfp4", &a, Kind::Nvfp4, true), "strong"),
        (folder.fp8("fp8", &a), "strong"),
        (folder.gptq("gptq", &a), "moderate"),
    ] {
        let report = compare(&base, &form);
        expect_label(&report, "re_encoded");
        expect_covered(&report);
        assert_eq!(
            report["verdict"]["confidence"],
            confidence,
            "{}",
            form.display()
        );
        expect_label(&compare(&form, &base), "re_encoded");
        expect_label(&compare(&other, &form), "from_scratch");
    }
}

#[test]
fn an_encoding_of_a_heavy_fine_tune_is_derived_and_no_re_encoding() {
    let (folder, a) = (Folder::new(), model("a"));
    let base = folder.bf16("base", &a);
    let heavy = rounded(&a.trained("heavy", |_| 0.4));
    for form in [
        folder.gguf("q8_0", &heavy, Kind::Q8_0, true),
        folder.fp8("fp8", &heavy),
        folder.gptq("gptq", &heavy),
    ] {
        let report = compare(&base, &form);
        expect_label(&report, "derived");
        let relations = report["verdict"]["relations"].as_array().unwrap();
        assert!(
            relations.contains(&json!("quantized_fine_tune")),
            "{relations:?}"
        );
    }
}

#[test]
fn a_light_fine_tune_of_norms_alone_is_no_re_encoding_in_four_bits() {
    let (folder, a) = (Folder::new(), model("a"));
    let norms = rounded(&a.trained(
        "norms",
        |name| if name.contains("norm") { 0.02 } else { 0.0 },
    ));
    let (base, form) = (
        folder.bf16("base", &a),
        folder.gguf("q4_0", &norms, Kind::Q4_0, true),
    );
    expect_label(&compare(&base, &form), "derived");
    let light = folder.bf16("light", &rounded(&a.trained("light", |_| 0.002)));
    expect_label(&compare(&base, &light), "derived");
}

#[test]
fn a_grid_that_clips_its_far_end_is_rounding_all_the_same() {
    let (folder, a) = (Folder::new(), model("a"));
    let base = folder.bf16("base", &a);
    let light = rounded(&a.trained("light", |name| if is_linear(name) { 0.1 } else { 0.0 }));
    for bits in [2, 3, 4] {
        let report = compare(&base, &folder.mlx(&format!("a-{bits}"), &a, bits));
        expect_label(&report, "re_encoded");
        let cosine = report["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["kind"] == "cosine")
            .unwrap();
        assert!(
            cosine["statement"]
                .as_str()
                .unwrap()
                .contains("of its size would not show"),
            "{cosine:#}"
        );
        let report = compare(&base, &folder.mlx(&format!("light-{bits}"), &light, bits));
        expect_label(&report, "derived");
    }
}

#[test]
fn rotary_rows_that_were_not_re_ordered_are_found_and_told() {
    let (folder, a) = (Folder::new(), model("a"));
    let (base, form) = (
        folder.bf16("base", &a),
        folder.gguf("plain", &a, Kind::F16, false),
    );
    let report = compare(&base, &form);
    expect_label(&report, "re_encoded");
    let told = |report: &Value| {
        report["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|w| w["code"] == "rotary_order")
    };
    assert!(told(&report));
    let turned = folder.gguf("turned", &a, Kind::Q8_0, true);
    for [base, target] in [[&form, &turned], [&turned, &form]] {
        let report = compare(base, target);
        expect_label(&report, "re_encoded");
        assert!(told(&report));
    }
}

#[test]
fn zero_points_that_programs_read_differently_are_told() {
    let (folder, a) = (Folder::new(), model("a"));
    let (base, stem) = (folder.bf16("base", &a), "model.layers.0.mlp.up_proj");
    let told = |report: &Value| {
        report["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|warning| warning["code"] == "gptq_zero_points")
            .count()
    };
    assert_eq!(told(&compare(&base, &folder.gptq("sound", &a))), 0);
    let mut tensors = gptq::gptq(stem, &a.0[&format!("{stem}.weight")]);
    tensors
        .iter_mut()
        .filter(|tensor| tensor.name.ends_with("qzeros"))
        .for_each(|tensor| tensor.bytes[0] = 0xF7);
    tensors.extend(
        a.stored(|_| "F16")
            .into_iter()
            .filter(|tensor| !tensor.name.starts_with(stem)),
    );
    let settings = json!({ "quant_method": "gptq", "bits": 4, "group_size": gptq::GROUP });
    assert_eq!(
        told(&compare(
            &base,
            &folder.safetensors("wrapped", &tensors, Some(settings))
        )),
        1
    );
}

/// Stacks of experts as gpt-oss has them: gate and up rows alternate; BF16 stacks are stored (in,
/// out), MXFP4 ones (out, in) in groups of 32 with the power of two below the largest element.
fn gpt_oss_stacks(seed: &str, layer: usize) -> [Vec<Tensor>; 2] {
    const EXPERTS: usize = 4;
    let shape = Decoder {
        hidden: 64,
        ffn: 96,
        layers: EXPERTS,
        heads: 4,
        kv_heads: 2,
        vocab: 8,
        experts: 0,
    };
    let experts = rounded(&Model::decoder(&format!("{seed} {layer}"), shape));
    let of = |expert: usize, name: &str| {
        experts.0[&format!("model.layers.{expert}.mlp.{name}_proj.weight")].clone()
    };
    let mut out = [Vec::new(), Vec::new()];
    for (name, rows, columns) in [
        ("gate_up", 2 * shape.ffn, shape.hidden),
        ("down", shape.hidden, shape.ffn),
    ] {
        let row = |expert: usize, row: usize| -> Vec<f64> {
            let (name, row) = if name == "down" {
                ("down", row)
            } else {
                (["gate", "up"][row % 2], row / 2)
            };
            of(expert, name).values[row * columns..][..columns].to_vec()
        };
        let stack: Vec<Vec<Vec<f64>>> = (0..EXPERTS)
            .map(|expert| (0..rows).map(|at| row(expert, at)).collect())
            .collect();
        let name = format!("model.layers.{layer}.mlp.experts.{name}_proj");
        let tensor = |ending: &str, dtype, shape: &[usize], bytes| Tensor {
            name: format!("{name}{ending}"),
            dtype,
            shape: shape.iter().map(|axis| *axis as u64).collect(),
            bytes,
        };
        let turned = stack
            .iter()
            .flat_map(|m| (0..columns).flat_map(move |c| m.iter().map(move |row| row[c])));
        let bytes = turned
            .flat_map(|value| half::bf16::from_f64(value).to_le_bytes())
            .collect();
        out[0].push(tensor("", "BF16", &[EXPERTS, columns, rows], bytes));
        let (mut blocks, mut scales) = (Vec::new(), Vec::new());
        for group in stack.iter().flatten().flat_map(|row| row.chunks(32)) {
            let largest = group
                .iter()
                .fold(0.0, |most: f64, value| most.max(value.abs()));
            let exponent = largest.log2().floor() as i32 - 2;
            scales.push((exponent + 127) as u8);
            let codes: Vec<u8> = group
                .iter()
                .map(|value| nearest_e2m1(value / 2f64.powi(exponent)))
                .collect();
            blocks.extend(codes.chunks(2).map(|pair| pair[0] | pair[1] << 4));
        }
        out[1].push(tensor(
            "_blocks",
            "U8",
            &[EXPERTS, rows, columns / 32, 16],
            blocks,
        ));
        out[1].push(tensor(
            "_scales",
            "U8",
            &[EXPERTS, rows, columns / 32],
            scales,
        ));
    }
    out
}

fn nearest_e2m1(value: f64) -> u8 {
    const VALUES: [f64; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
    let distance = |code: &u8| (VALUES[usize::from(*code)] - value.abs()).abs();
    let code = (0..8u8)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap();
    if value < 0.0 { code | 8 } else { code }
}

#[test]
fn experts_of_gpt_oss_in_mxfp4_are_a_re_encoding_of_those_in_bf16() {
    let folder = Folder::new();
    let forms = |seed: &str| {
        let rest = model(seed)
            .stored(|_| "BF16")
            .into_iter()
            .filter(|tensor| !tensor.name.contains(".mlp."));
        let mut tensors = [rest.collect::<Vec<_>>(), Vec::new()];
        tensors[1] = tensors[0].clone();
        for layer in 0..SIZE.layers {
            let stacks = gpt_oss_stacks(seed, layer);
            tensors
                .iter_mut()
                .zip(stacks)
                .for_each(|(tensors, stacks)| tensors.extend(stacks));
        }
        [format!("{seed}-bf16"), format!("{seed}-mxfp4")].map(|name| {
            let quantization = name
                .ends_with("mxfp4")
                .then(|| json!({ "quant_method": "mxfp4" }));
            let path = folder.safetensors(
                &name,
                &tensors[usize::from(quantization.is_some())],
                quantization,
            );
            let config = fs::read_to_string(path.join("config.json"))
                .unwrap()
                .replace("llama", "gpt_oss");
            fs::write(path.join("config.json"), config).unwrap();
            path
        })
    };
    let ([base, form], [_, other]) = (forms("a"), forms("b"));
    for report in [compare(&base, &form), compare(&form, &base)] {
        expect_label(&report, "re_encoded");
        expect_covered(&report);
    }
    expect_label(&compare(&base, &other), "from_scratch");
}

#[test]
fn side_tensors_are_no_tensors_and_copies_of_a_quantised_model_are_identical() {
    let (folder, a) = (Folder::new(), model("a"));
    let (gptq, copy) = (folder.gptq("gptq", &a), folder.gptq("copy", &a));
    for options in [vec![], vec!["--hash=none"]] {
        let paths = [
            "compare".as_ref(),
            gptq.as_os_str(),
            copy.as_os_str(),
            "--format=json".as_ref(),
        ];
        let output = command::run(
            &paths
                .into_iter()
                .chain(options.iter().map(|o: &&str| o.as_ref()))
                .collect::<Vec<_>>(),
        );
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        expect_label(&report, "identical");
        assert_eq!(report["tensors"].as_array().unwrap().len(), a.0.len());
        let parameters: usize = a.0.values().map(|tensor| tensor.values.len()).sum();
        assert_eq!(report["base"]["parameters"], parameters);
    }
}

#[test]
fn rank_knows_a_copy_of_a_quantised_model_as_compare_does() {
    let (folder, a) = (Folder::new(), model("a"));
    let (gptq, copy) = (folder.gptq("gptq", &a), folder.gptq("copy", &a));
    let other = folder.gptq("other", &model("b"));
    for hash in ["--hash=sha256", "--hash=none"] {
        let output = command::run(&[
            "rank".as_ref(),
            gptq.as_os_str(),
            other.as_os_str(),
            copy.as_os_str(),
            "--format=json".as_ref(),
            hash.as_ref(),
        ]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let best = &report["ranking"][0];
        assert_eq!(best["base"]["name"], "copy");
        expect_label(best, "identical");
    }
}

#[test]
fn a_layout_that_is_not_read_is_named_and_the_rest_is_compared() {
    let (folder, a) = (Folder::new(), model("a"));
    let base = folder.bf16("base", &a);
    let stem = "model.layers.1.mlp.up_proj";
    let mut tensors: Vec<Tensor> = a.stored(|_| "BF16");
    tensors.retain(|tensor| tensor.name != format!("{stem}.weight"));
    let words = |name: &str, shape: &[u64]| Tensor {
        name: format!("{stem}.{name}"),
        dtype: "I32",
        shape: shape.to_vec(),
        bytes: vec![1; 4 * shape.iter().product::<u64>() as usize],
    };
    tensors.extend([words("q_weight", &[8, 96]), words("q_scale", &[2, 12])]);
    let report = compare(&base, &folder.safetensors("exl2", &tensors, None));
    let left = &report["unmatched"]["target"][0];
    assert_eq!(
        (left["name"].as_str(), left["why"].as_str()),
        (
            Some("model.layers.1.mlp.up_proj.weight"),
            Some("unsupported")
        )
    );
    assert_eq!(report["unmatched"]["base"][0]["why"], "unsupported");
    let told = report["verdict"]["not_testable"].as_array().unwrap();
    assert!(
        told.iter()
            .any(|row| row["why"].as_str().unwrap().contains("EXL2")),
        "{told:?}"
    );
    assert!(
        report["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|w| w["code"] == "unsupported_quantization")
    );
    expect_label(&report, "derived");
}

#[test]
fn codes_without_their_scale_are_said_and_no_fine_tune() {
    let folder = Folder::new();
    let base = folder.bf16("base", &model("base"));
    let stored = |name: &str, model: &Model| {
        let dtype = |name: &str| {
            if name.contains("_proj") {
                "F8_E4M3"
            } else {
                "BF16"
            }
        };
        folder.safetensors(name, &model.stored(dtype), None)
    };
    let codes = |report: &Value| -> Vec<String> {
        let warnings = report["warnings"].as_array().unwrap().iter();
        let code = |warning: &Value| warning["code"].as_str().unwrap().to_owned();
        warnings.map(code).collect()
    };
    let mut scaled = model("base");
    for (name, matrix) in scaled
        .0
        .iter_mut()
        .filter(|(name, _)| name.contains("_proj"))
    {
        let most = matrix
            .values
            .iter()
            .fold(0.0, |most: f64, x| most.max(x.abs()));
        assert!(most > 0.0, "{name}");
        matrix.values.iter_mut().for_each(|x| *x *= 448.0 / most);
    }
    let report = compare(&base, &stored("scaled", &scaled));
    expect_label(&report, "derived");
    assert!(codes(&report).contains(&"scale_missing".to_owned()));
    let relations = report["verdict"]["relations"].to_string();
    assert!(!relations.contains("fine_tuned"), "{relations}");

    // A cast alone has the size of weights.
    let report = compare(&base, &stored("cast", &model("base")));
    assert!(!codes(&report).contains(&"scale_missing".to_owned()));
}

#[test]
fn values_on_a_grid_of_16_levels_are_said_as_such() {
    let folder = Folder::new();
    let base = folder.bf16("base", &model("base"));
    let on_grid = |report: &Value| {
        let warnings = report["warnings"].as_array().unwrap();
        let found = warnings
            .iter()
            .find(|warning| warning["code"] == "few_levels");
        found.cloned()
    };
    for among in ["neighbours", "row", "matrix"] {
        let mut fake = model("base");
        for (_, matrix) in fake.0.iter_mut().filter(|(name, _)| is_linear(name)) {
            let group = match among {
                "neighbours" => 32,
                "row" => matrix.shape[1],
                _ => matrix.values.len(),
            };
            for values in matrix.values.chunks_mut(group) {
                let most = values.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                let step = most / 7.5;
                let rounded = |x: f64| ((x / step - 0.5).round() + 0.5) * step;
                values.iter_mut().for_each(|x| *x = rounded(*x));
            }
        }
        let name = format!("fake-{among}");
        let target = folder.safetensors(&name, &fake.stored(|_| "F16"), None);
        let report = compare(&base, &target);
        let warning = on_grid(&report).unwrap_or_else(|| panic!("{among}"));
        assert_eq!(warning["about"]["side"], "target", "{warning}");
        let says = &warning["says"]["values"];
        assert_eq!(says["among"], among, "{warning}");
        assert!(
            (8..=16).contains(&says["levels"].as_u64().unwrap()),
            "{warning}"
        );
        assert_eq!(
            says["tensors"],
            fake.0.keys().filter(|name| is_linear(name)).count()
        );
        expect_label(&report, "derived");
    }
    for dtype in ["BF16", "F32"] {
        let tuned = model("base").trained("tuned", |_| 0.02).stored(|_| dtype);
        let report = compare(&base, &folder.safetensors(dtype, &tuned, None));
        assert_eq!(on_grid(&report), None, "{dtype}");
    }
}

#[test]
fn a_norm_stored_plus_one_is_a_re_encoding_and_hides_no_change() {
    let is_norm = |name: &str| name.contains("norm");
    let shifted = |model: &Model, by: f64| {
        let mut model = model.clone();
        for (_, gain) in model.0.iter_mut().filter(|(name, _)| is_norm(name)) {
            gain.values.iter_mut().for_each(|value| *value += by);
        }
        model
    };
    let said = |report: &Value| -> Vec<Value> {
        let warnings = report["warnings"].as_array().unwrap().iter();
        let said = warnings.filter(|warning| warning["code"] == "norms_plus_one");
        said.map(|warning| warning["about"]["side"].clone())
            .collect()
    };
    let folder = Folder::new();
    let centred = rounded(&shifted(&model("base"), -1.0));
    let plus = shifted(&centred, 1.0);
    let base = folder.bf16("base", &centred);
    for dtype in ["BF16", "F16", "F32"] {
        let target = folder.safetensors(dtype, &plus.stored(|_| dtype), None);
        for (pair, side) in [([&base, &target], "target"), ([&target, &base], "base")] {
            let report = compare(pair[0], pair[1]);
            expect_label(&report, "re_encoded");
            assert_eq!(said(&report), [side], "{dtype}");
        }
    }
    let tuned = plus.trained("tuned", |name| if is_norm(name) { 0.0 } else { 0.02 });
    let report = compare(&base, &folder.bf16("tuned", &tuned));
    expect_label(&report, "derived");
    assert_eq!(said(&report), ["target"]);

    // A gain that moved besides is a change.
    let moved = plus.trained("moved", |name| if is_norm(name) { 0.05 } else { 0.0 });
    let report = compare(&base, &folder.bf16("moved", &moved));
    expect_label(&report, "derived");
    assert!(said(&report).is_empty());

    let stranger = model("stranger").taking(&plus, is_norm);
    expect_label(
        &compare(&base, &folder.bf16("stranger", &stranger)),
        "from_scratch",
    );
}
