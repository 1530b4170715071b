//! PEFT adapters against their bases: what they change, and what may be concluded from them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::command;
use crate::support::compared::{Change, Compare};
use crate::support::draws::Draws;
use crate::support::file::safetensors;
use crate::support::weights::{Decoder, Model, Values};

const SIZE: Decoder = Decoder {
    hidden: 64,
    ffn: 160,
    layers: 3,
    heads: 4,
    kv_heads: 2,
    vocab: 256,
    experts: 0,
};

/// A folder of checkpoints.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, file: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let folder = self.0.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), content).unwrap();
        folder
    }

    /// A model in F32, with as much of a config.json as its shapes need.
    fn model(&self, name: &str, model: &Model) -> PathBuf {
        let config = json!({ "model_type": "mixtral", "hidden_size": SIZE.hidden, "_name_or_path": "org/base" });
        self.write(name, "config.json", config.to_string());
        self.write(
            name,
            "model.safetensors",
            safetensors(&model.stored(|_| "F32")),
        )
    }

    fn adapter(&self, name: &str, adapter: &Adapter) -> PathBuf {
        self.write(name, "adapter_config.json", adapter.config.to_string());
        self.write(
            name,
            "adapter_model.safetensors",
            safetensors(&adapter.tensors.stored(|_| "F32")),
        )
    }
}

/// An adapter in the making.
struct Adapter {
    config: Value,
    tensors: Model,
}

impl Adapter {
    fn new(config: Value) -> Self {
        let mut all = json!({ "peft_type": "LORA", "base_model_name_or_path": "org/base", "r": 4, "lora_alpha": 8 });
        all.as_object_mut()
            .unwrap()
            .extend(config.as_object().unwrap().clone());
        Self {
            config: all,
            tensors: Model::default(),
        }
    }

    fn put(&mut self, name: &str, shape: &[usize], values: Vec<f64>) {
        // As they are stored.
        let values = values
            .into_iter()
            .map(|value| f64::from(value as f32))
            .collect();
        self.tensors.0.insert(
            format!("base_model.model.{name}"),
            Values {
                shape: shape.to_vec(),
                values,
            },
        );
    }

    /// A and B of random numbers; B·A, not scaled.
    fn factors(&mut self, names: [&str; 2], [out, rank, input]: [usize; 3]) -> Vec<f64> {
        let draw = |name: &str, count| {
            Draws::new(&["adapter", name]).many(count, |draws| 0.1 * draws.normal())
        };
        self.put(names[0], &[rank, input], draw(names[0], rank * input));
        self.put(names[1], &[out, rank], draw(names[1], out * rank));
        let [a, b] = names.map(|name| &self.tensors.0[&format!("base_model.model.{name}")].values);
        let sum = |i: usize, j: usize| {
            (0..rank)
                .map(|k| b[i * rank + k] * a[k * input + j])
                .sum::<f64>()
        };
        (0..out * input)
            .map(|at| sum(at / input, at % input))
            .collect()
    }

    fn linear(&mut self, module: &str, shape: [usize; 3]) -> Vec<f64> {
        self.factors(
            [
                &format!("{module}.lora_A.weight"),
                &format!("{module}.lora_B.weight"),
            ],
            shape,
        )
    }
}

fn stored(model: &Model, name: &str) -> Vec<f64> {
    model.0[name]
        .values
        .iter()
        .map(|value| f64::from(*value as f32))
        .collect()
}

fn norm(values: impl IntoIterator<Item = f64>) -> f64 {
    values
        .into_iter()
        .map(|value| value * value)
        .sum::<f64>()
        .sqrt()
}

/// ‖W' − W‖ / ‖W‖.
fn relative(base: &[f64], adapted: &[f64]) -> f64 {
    norm(base.iter().zip(adapted).map(|(w, v)| v - w)) / norm(base.iter().copied())
}

fn compare(base: &Path, target: &Path) -> Compare {
    let arguments = [
        "compare",
        base.to_str().unwrap(),
        target.to_str().unwrap(),
        "--format",
        "json",
        "-q",
    ];
    serde_json::from_str(command::answer(&command::run(&arguments), 0)).unwrap()
}

#[track_caller]
fn change<'a>(report: &'a Compare, name: &str) -> &'a Change {
    report
        .adapter
        .as_ref()
        .unwrap()
        .changes
        .iter()
        .find(|change| change.name == name)
        .unwrap()
}

#[track_caller]
fn close(found: Option<f64>, expected: f64) {
    assert!(
        found.is_some_and(|found| (found - expected).abs() <= 1e-5 * expected),
        "{found:?}, not {expected}"
    );
}

#[test]
fn factors_alone_tell_the_change_and_nothing_of_the_origin() {
    let (folder, base) = (Folder::new(), Model::decoder("base", SIZE));
    let mut adapter =
        Adapter::new(json!({ "use_rslora": true, "alpha_pattern": { "down_proj": 3 } }));
    let mut expected = Vec::new();
    for (module, shape, alpha) in [
        ("model.layers.0.self_attn.q_proj", [64, 4, 64], 8.0),
        ("model.layers.2.mlp.down_proj", [64, 4, 160], 3.0),
    ] {
        let name = format!("{module}.weight");
        let delta = adapter.linear(module, shape);
        let w = stored(&base, &name);
        let adapted: Vec<f64> = w
            .iter()
            .zip(&delta)
            .map(|(w, d)| w + alpha / 2.0 * d)
            .collect();
        let dot: f64 = w.iter().zip(&adapted).map(|(w, v)| w * v).sum();
        let cosine = dot / norm(w.iter().copied()) / norm(adapted.iter().copied());
        expected.push((name, relative(&w, &adapted), cosine));
    }
    let (base, target) = (
        folder.model("base", &base),
        folder.adapter("adapter", &adapter),
    );
    let report = compare(&base, &target);
    assert_eq!(
        (report.target.format.as_str(), report.target.parameters),
        ("adapter", 4 * (64 + 64 + 64 + 160))
    );
    for (name, size, cosine) in &expected {
        close(change(&report, name).relative_change, *size);
        assert_eq!(change(&report, name).rank, 4);
        let row = report
            .tensors
            .iter()
            .find(|row| row.name.target == *name)
            .unwrap();
        close(row.figures.cosine, *cosine);
        assert_eq!(
            (row.compared_via.as_str(), row.identical, &row.sha256.target),
            ("mapped", false, &None)
        );
    }
    let layers: Vec<u32> = report.layers.iter().map(|layer| layer.layer).collect();
    assert_eq!(layers, [0, 2]);
    // W' is made of the base at hand: no figure that a verdict rests on may hold it.
    assert_eq!(
        (
            report.similarity.aligned,
            report.similarity.mean_cosine,
            report.evidence.len()
        ),
        (0, None, 0)
    );
    assert!(
        report.origin_reading.band.is_none() && report.parts.iter().all(|part| part.state == "new")
    );
    assert_eq!(report.verdict.label, "inconclusive");
    assert_eq!(report.verdict.relations, ["adapter"]);
    assert!(
        report
            .verdict
            .reasons
            .iter()
            .any(|reason| reason.contains("rank 4; scale 1.5000, 4"))
    );
    assert!(
        report
            .verdict
            .reasons
            .iter()
            .any(|reason| reason.contains("a claim, and no evidence"))
    );
    assert!(report.unmatched.target.is_empty());
    let text = command::run(&[
        "compare",
        "--full",
        base.to_str().unwrap(),
        target.to_str().unwrap(),
    ]);
    assert!(command::answer(&text, 0).contains("What the adapter changes"));
    let screen = command::run(&["compare", base.to_str().unwrap(), target.to_str().unwrap()]);
    assert!(command::answer(&screen, 0).contains("Verdict on an adapter"));
}

#[test]
fn magnitudes_tell_the_base_they_began_with_from_another() {
    let (folder, base) = (Folder::new(), Model::decoder("base", SIZE));
    let mut adapter = Adapter::new(json!({ "use_dora": true }));
    let name = |layer: usize, matrix: &str| format!("model.layers.{layer}.mlp.{matrix}");
    let mut sizes = Vec::new();
    for (layer, matrix, [out, input]) in (0..3).flat_map(|l| {
        [
            (l, "gate_proj", [160, 64]),
            (l, "up_proj", [160, 64]),
            (l, "down_proj", [64, 160]),
        ]
    }) {
        let module = name(layer, matrix);
        let w = stored(&base, &format!("{module}.weight"));
        let delta = adapter.linear(&module, [out, 4, input]);
        let mut draws = Draws::new(&["magnitudes", &module]);
        let magnitudes: Vec<f64> = w
            .chunks(input)
            .map(|row| norm(row.iter().copied()) * (1.0 + 0.01 * draws.normal()))
            .collect();
        let moved: Vec<f64> = w.iter().zip(&delta).map(|(w, d)| w + 2.0 * d).collect();
        let rows = moved.chunks(input).zip(&magnitudes);
        let adapted: Vec<f64> = rows
            .flat_map(|(row, m)| {
                row.iter()
                    .map(|v| v * m / norm(row.iter().copied()))
                    .collect::<Vec<_>>()
            })
            .collect();
        adapter.put(
            &format!("{module}.lora_magnitude_vector"),
            &[out],
            magnitudes,
        );
        sizes.push((format!("{module}.weight"), relative(&w, &adapted)));
    }
    let target = folder.adapter("adapter", &adapter);
    let own = compare(&folder.model("base", &base), &target);
    sizes
        .iter()
        .for_each(|(name, size)| close(change(&own, name).relative_change, *size));
    assert_eq!(
        (own.verdict.label.as_str(), own.verdict.relation.as_deref()),
        ("derived", Some("adapter"))
    );
    let finding = own
        .evidence
        .iter()
        .find(|finding| finding.kind == "transformation")
        .unwrap();
    assert!(
        finding.supports == "derived" && finding.log10_p.unwrap() < -6.0,
        "{finding:?}"
    );
    let other = compare(
        &folder.model("other", &Model::decoder("another run", SIZE)),
        &target,
    );
    assert_eq!(other.verdict.label, "inconclusive");
    assert!(other.parts.iter().all(|part| part.state != "reused"));
    assert!(
        other
            .evidence
            .iter()
            .all(|finding| finding.supports == "nothing")
    );
}

#[test]
fn tensors_saved_along_are_compared_and_the_rest_of_the_base_is_not() {
    let (folder, base) = (Folder::new(), Model::decoder("base", SIZE));
    let mut adapter = Adapter::new(json!({ "modules_to_save": ["lm_head"] }));
    let embed = stored(&base, "model.embed_tokens.weight");
    let names = [
        "model.embed_tokens.lora_embedding_A",
        "model.embed_tokens.lora_embedding_B",
    ];
    let delta = adapter.factors(names, [64, 4, 256]);
    let adapted: Vec<f64> = embed
        .iter()
        .enumerate()
        .map(|(at, w)| w + 2.0 * delta[at % 64 * 256 + at / 64])
        .collect();
    adapter.put(
        "model.embed_tokens.base_layer.weight",
        &[256, 64],
        embed.clone(),
    );
    let trained = base.trained("head", |_| 0.05);
    adapter.put(
        "lm_head.weight",
        &[256, 64],
        stored(&trained, "lm_head.weight"),
    );
    let target = folder.adapter("adapter", &adapter);
    let own = compare(&folder.model("base", &base), &target);
    close(
        change(&own, "model.embed_tokens.weight").relative_change,
        relative(&embed, &adapted),
    );
    assert_eq!(own.adapter.as_ref().unwrap().replaced, ["lm_head.weight"]);
    assert_eq!(
        (own.verdict.label.as_str(), own.verdict.relation.as_deref()),
        ("derived", Some("adapter"))
    );
    assert_eq!(
        (own.similarity.aligned, own.similarity.identical_informative),
        (2, 1)
    );
    assert!(own.similarity.mean_cosine.unwrap() > 0.99);
    let other = compare(
        &folder.model("other", &Model::decoder("another run", SIZE)),
        &target,
    );
    assert_eq!(other.verdict.label, "inconclusive");
    assert!(other.parts.iter().all(|part| part.state != "reused"));
}

#[test]
fn an_output_head_that_began_anew_does_not_speak_against_the_base() {
    let (folder, base) = (Folder::new(), Model::decoder("base", SIZE));
    let mut adapter = Adapter::new(json!({ "modules_to_save": ["lm_head"] }));
    adapter.linear("model.layers.0.self_attn.q_proj", [64, 4, 64]);
    adapter.put(
        "lm_head.weight",
        &[256, 64],
        stored(&Model::decoder("anew", SIZE), "lm_head.weight"),
    );
    let report = compare(
        &folder.model("base", &base),
        &folder.adapter("adapter", &adapter),
    );
    assert_eq!(
        (
            report.verdict.label.as_str(),
            report.verdict.relation.as_deref()
        ),
        ("inconclusive", Some("adapter"))
    );
}

#[test]
fn experts_change_alike_in_one_tensor_and_apart() {
    let folder = Folder::new();
    let base = Model::decoder(
        "base",
        Decoder {
            experts: 4,
            ffn: 24,
            layers: 1,
            ..SIZE
        },
    );
    let mut stacked = Model(
        base.0
            .iter()
            .filter(|(name, _)| !name.contains(".experts."))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect(),
    );
    let holder = "model.layers.0.mlp.experts";
    let of = |matrices: &[&str]| {
        let names = (0..4).flat_map(|e| {
            matrices
                .iter()
                .map(move |m| format!("model.layers.0.block_sparse_moe.experts.{e}.{m}.weight"))
        });
        names
            .flat_map(|name| base.0[&name].values.clone())
            .collect::<Vec<f64>>()
    };
    let mut put = |name: &str, shape: &[usize], values| {
        stacked.0.insert(
            format!("{holder}.{name}"),
            Values {
                shape: shape.to_vec(),
                values,
            },
        )
    };
    put("gate_up_proj", &[4, 48, 64], of(&["w1", "w3"]));
    put("down_proj", &[4, 64, 24], of(&["w2"]));
    let parameters = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"];
    let mut adapter = Adapter::new(json!({ "r": 2, "target_parameters": parameters }));
    // The parameter listed first is wrapped first.
    let mut expected = Vec::new();
    for (module, out, input, w) in [
        (
            format!("{holder}.base_layer"),
            48,
            64,
            stored(&stacked, &format!("{holder}.gate_up_proj")),
        ),
        (
            holder.to_owned(),
            64,
            24,
            stored(&stacked, &format!("{holder}.down_proj")),
        ),
    ] {
        adapter.linear(&module, [out, 8, input]);
        let factor = |end: &str| {
            stored(
                &adapter.tensors,
                &format!("base_model.model.{module}.{end}.weight"),
            )
        };
        let (a, b) = (factor("lora_A"), factor("lora_B"));
        let delta = |e: usize, i: usize, j: usize| {
            (0..2)
                .map(|k| b[i * 8 + k * 4 + e] * a[(e * 2 + k) * input + j])
                .sum::<f64>()
        };
        let adapted = w
            .iter()
            .enumerate()
            .map(|(at, w)| w + 4.0 * delta(at / (out * input), at / input % out, at % input));
        expected.push((w.clone(), adapted.collect::<Vec<f64>>()));
    }
    let target = folder.adapter("adapter", &adapter);
    let whole = compare(&folder.model("stacked", &stacked), &target);
    for (name, (w, adapted)) in ["gate_up_proj", "down_proj"].iter().zip(&expected) {
        let change = change(&whole, &format!("{holder}.{name}"));
        close(change.relative_change, relative(w, adapted));
        assert_eq!(change.rank, 2);
    }
    let apart = compare(&folder.model("apart", &base), &target);
    assert_eq!(apart.adapter.as_ref().unwrap().changes.len(), 12);
    let (w, adapted) = &expected[0];
    for (expert, half, matrix) in [(0, 0, "w1"), (2, 1, "w3")] {
        let rows = (expert * 48 + half * 24) * 64..(expert * 48 + half * 24 + 24) * 64;
        let change = change(
            &apart,
            &format!("model.layers.0.block_sparse_moe.experts.{expert}.{matrix}.weight"),
        );
        close(
            change.relative_change,
            relative(&w[rows.clone()], &adapted[rows]),
        );
    }
    // The two bases are one model in two layouts.
    let same = compare(
        &folder.model("apart", &base),
        &folder.model("stacked", &stacked),
    );
    assert_eq!(
        same.verdict.label, "re_encoded",
        "{:?}",
        same.verdict.reasons
    );
}

#[test]
fn a_tied_output_head_is_changed_as_the_embedding_that_it_is() {
    let (folder, mut base) = (Folder::new(), Model::decoder("base", SIZE));
    base.0.remove("lm_head.weight");
    let mut adapter = Adapter::new(json!({}));
    let delta = adapter.linear("lm_head", [256, 4, 64]);
    let embed = stored(&base, "model.embed_tokens.weight");
    let adapted: Vec<f64> = embed.iter().zip(&delta).map(|(w, d)| w + 2.0 * d).collect();
    let report = compare(
        &folder.model("base", &base),
        &folder.adapter("adapter", &adapter),
    );
    close(
        change(&report, "model.embed_tokens.weight").relative_change,
        relative(&embed, &adapted),
    );
}

#[test]
fn an_adapter_of_another_architecture_fits_nowhere() {
    let folder = Folder::new();
    let mut adapter = Adapter::new(json!({}));
    adapter.linear("model.layers.0.self_attn.q_proj", [64, 4, 64]);
    adapter.linear("model.layers.0.self_attn.o_proj", [96, 4, 64]);
    adapter.linear("model.layers.7.mlp.wide_proj", [64, 4, 64]);
    adapter.linear("model.layers.1.self_attn.q_proj", [64, 4, 64]);
    adapter.put(
        "model.layers.1.self_attn.q_proj.lora_B.weight",
        &[64, 4],
        vec![f64::NAN; 256],
    );
    let (base, target) = (
        folder.model("base", &Model::decoder("base", SIZE)),
        folder.adapter("adapter", &adapter),
    );
    let report = compare(&base, &target);
    let why = |name: &str| change(&report, name).reason.clone();
    assert_eq!(why("model.layers.0.self_attn.q_proj.weight"), None);
    assert_eq!(
        why("model.layers.0.self_attn.o_proj.weight").as_deref(),
        Some("[64, 64] in the base, B·A is [96, 64]")
    );
    assert_eq!(
        why("model.layers.1.self_attn.q_proj.weight").as_deref(),
        Some("4096 NaN or infinite in target")
    );
    assert_eq!(
        why("model.layers.7.mlp.wide_proj.weight").as_deref(),
        Some("no such matrix in the base")
    );
    assert_eq!(
        (
            report.verdict.label.as_str(),
            report.verdict.relations.len()
        ),
        ("inconclusive", 0)
    );
    assert!(
        report
            .verdict
            .reasons
            .iter()
            .any(|reason| reason.contains("2 of 4 changes have no matrix"))
    );
    assert_eq!(report.unmatched.target.len(), 4);
}

#[test]
fn every_command_answers_for_an_adapter_or_says_what_it_expects() {
    let (folder, base) = (Folder::new(), Model::decoder("base", SIZE));
    let mut adapter = Adapter::new(json!({}));
    adapter.linear("model.layers.0.self_attn.q_proj", [64, 4, 64]);
    let target = folder.adapter("adapter", &adapter);
    let (base, target) = (
        folder.model("base", &base),
        target.to_str().unwrap().to_owned(),
    );
    let base = base.to_str().unwrap();
    let inspected = command::run(&["inspect", &target, "--full"]);
    assert!(command::answer(&inspected, 0).contains("lora_A"));
    assert_eq!(
        command::answer(&command::run(&["hash", &target]), 0)
            .lines()
            .count(),
        3
    );
    let ranked = command::run(&["rank", &target, base, "--format", "json", "-q"]);
    let ranked: Value = serde_json::from_str(command::answer(&ranked, 0)).unwrap();
    assert_eq!(ranked["conclusion"]["label"], "inconclusive");
    let holds =
        |criterion: &Value| criterion["id"] != "no_identical" && !criterion["holds"].is_null();
    assert!(
        !ranked["criteria"].as_array().unwrap().iter().any(holds),
        "{}",
        ranked["criteria"]
    );
    for arguments in [
        ["compare", &target, base],
        ["rank", base, &target],
        ["arch", base, &target],
        ["arch", &target, base],
    ] {
        let error = command::run(&arguments);
        assert!(
            command::error_line(&error).contains("a PEFT adapter (expected a whole model"),
            "{arguments:?}"
        );
    }
    let version = command::run(&["--version"]);
    assert!(
        command::answer(&version, 0)
            .contains("GGUF, PyTorch (.bin, .pt, .pth), PEFT LoRA adapters")
    );
}

/// Changes of one kind of matrix in all layers, in the forms that other programs write.
fn in_form(folder: &Folder, form: &str) -> (PathBuf, Vec<Vec<f64>>) {
    let mut all = Adapter::new(json!({}));
    let mut products = Vec::new();
    for layer in 0..SIZE.layers {
        products.push(all.linear(
            &format!("model.layers.{layer}.self_attn.q_proj"),
            [64, 4, 64],
        ));
    }
    let other_way_round = |values: &Values| {
        let &[rows, columns] = &values.shape[..] else {
            panic!()
        };
        let at = |i: usize| values.values[i % rows * columns + i / rows];
        Values {
            shape: vec![columns, rows],
            values: (0..rows * columns).map(at).collect(),
        }
    };
    let mut out = Model::default();
    for (name, values) in &all.tensors.0 {
        let path = name.trim_start_matches("base_model.model.");
        let (module, factor) = path.split_once(".lora_").unwrap();
        let is_a = factor.starts_with('A');
        match form {
            "peft" => {
                let name = name.replace(".weight", ".default.weight");
                out.0.insert(name, values.clone());
            }
            "kohya" => {
                let module = format!("lora_te_{}", module.replace('.', "_"));
                let word = if is_a { "down" } else { "up" };
                out.0
                    .insert(format!("{module}.lora_{word}.weight"), values.clone());
                let alpha = Values {
                    shape: vec![],
                    values: vec![8.0],
                };
                out.0.insert(format!("{module}.alpha"), alpha);
            }
            "diffusers" => {
                out.0.insert(format!("text_encoder.{path}"), values.clone());
            }
            _ => {
                let word = if is_a { "a" } else { "b" };
                out.0
                    .insert(format!("{module}.lora_{word}"), other_way_round(values));
            }
        }
    }
    let file = match form {
        "peft" => "adapter_model.safetensors",
        "mlx" => "adapters.safetensors",
        _ => "style.safetensors",
    };
    let path = folder.write(form, file, safetensors(&out.stored(|_| "F32")));
    match form {
        "peft" => drop(folder.write(form, "adapter_config.json", all.config.to_string())),
        "mlx" => {
            let config =
                json!({ "fine_tune_type": "lora", "lora_parameters": { "rank": 4, "scale": 2.0 } });
            folder.write(form, "adapter_config.json", config.to_string());
            folder.write(form, "0000100_adapters.safetensors", safetensors(&[]));
        }
        _ => {}
    }
    (path, products)
}

#[test]
fn adapters_of_other_programs_change_what_they_name() {
    let (folder, base) = (Folder::new(), Model::decoder("base", SIZE));
    let path = folder.model("base", &base);
    for (form, scale) in [
        ("peft", 2.0),
        ("kohya", 2.0),
        ("diffusers", 1.0),
        ("mlx", 2.0),
    ] {
        let (adapter, products) = in_form(&folder, form);
        let report = compare(&path, &adapter);
        for (layer, product) in products.iter().enumerate() {
            let name = format!("model.layers.{layer}.self_attn.q_proj.weight");
            let matrix = stored(&base, &name);
            let adapted: Vec<f64> = matrix
                .iter()
                .zip(product)
                .map(|(w, d)| w + scale * d)
                .collect();
            let change = change(&report, &name);
            close(change.relative_change, relative(&matrix, &adapted));
        }
    }
}

#[test]
fn adapters_of_other_kinds_are_refused_by_name() {
    let (folder, base) = (Folder::new(), Model::decoder("base", SIZE));
    let path = folder.model("base", &base);
    for (kind, words) in [
        ("LoHa", ["hada_w1_a", "hada_w1_b"]),
        ("LoKr", ["lokr_w1", "lokr_w2"]),
        ("IA3", ["on_input", "weight"]),
    ] {
        let mut tensors = Model::default();
        for word in words {
            let values = Values {
                shape: vec![4, 4],
                values: vec![0.5; 16],
            };
            tensors
                .0
                .insert(format!("lycoris_blocks_0_attn_q.{word}"), values);
        }
        let file = safetensors(&tensors.stored(|_| "F32"));
        let adapter = folder.write(kind, "style.safetensors", file);
        let arguments = ["compare", path.to_str().unwrap(), adapter.to_str().unwrap()];
        let output = command::run(&arguments);
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(kind) && said.contains("expected LoRA"),
            "{said}"
        );
    }
}
