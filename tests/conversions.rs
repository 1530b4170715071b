//! What llama.cpp's converter does to an architecture is undone: a converted model is a re-encoding
//! of its own, with every tensor paired, and of no other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::gguf::{Kind, count, text};
use crate::support::weights::{Decoder, Model, Values};
use crate::support::{command, file, gguf};
use serde_json::{Value, json};

const SIZE: Decoder = Decoder {
    hidden: 64,
    ffn: 96,
    layers: 3,
    heads: 4,
    kv_heads: 2,
    vocab: 160,
    experts: 0,
};

/// A model as Hugging Face has it and as llama.cpp converts it.
struct Case {
    config: Value,
    model: Model,
    /// Metadata beyond the architecture and the sizes that all share.
    pairs: Vec<Vec<u8>>,
    architecture: &'static str,
    converted: BTreeMap<String, Values>,
}

/// Values that BF16 holds.
fn rounded(mut model: Model) -> Model {
    for tensor in model.0.values_mut() {
        tensor
            .values
            .iter_mut()
            .for_each(|value| *value = half::bf16::from_f64(*value).to_f64());
    }
    model
}

fn config(model_type: &str, more: Value) -> Value {
    let mut config = json!({
        "model_type": model_type, "hidden_size": SIZE.hidden, "num_attention_heads": SIZE.heads,
        "num_key_value_heads": SIZE.kv_heads, "num_hidden_layers": SIZE.layers, "vocab_size": SIZE.vocab,
    });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    config
}

/// A decoder without its attention, and what `attention` adds to each layer.
fn decoder(seed: &str, attention: impl Fn(&mut Model, &str)) -> Model {
    let mut model = Model::decoder(seed, SIZE);
    model.0.retain(|name, _| !name.contains("self_attn"));
    (0..SIZE.layers).for_each(|layer| attention(&mut model, &format!("model.layers.{layer}")));
    rounded(model)
}

/// Rows `rows` of a tensor, in that order.
fn rows(tensor: &Values, rows: impl IntoIterator<Item = usize>) -> Values {
    let columns: usize = tensor.shape[1..].iter().product();
    let rows: Vec<usize> = rows.into_iter().collect();
    let values = rows
        .iter()
        .flat_map(|row| tensor.values[row * columns..][..columns].to_vec())
        .collect();
    Values {
        shape: [&[rows.len()][..], &tensor.shape[1..]].concat(),
        values,
    }
}

fn reshaped(tensor: Values, shape: &[usize]) -> Values {
    Values {
        shape: shape.to_vec(),
        ..tensor
    }
}

fn transposed(tensor: &Values) -> Values {
    let [rows, columns] = tensor.shape[..] else {
        panic!("no matrix")
    };
    let values = (0..columns)
        .flat_map(|column| (0..rows).map(move |row| tensor.values[row * columns + column]));
    Values {
        shape: vec![columns, rows],
        values: values.collect(),
    }
}

fn mapped(tensor: &Values, change: impl Fn(f64) -> f64) -> Values {
    Values {
        shape: tensor.shape.clone(),
        values: tensor.values.iter().copied().map(change).collect(),
    }
}

/// Experts in tensors of their own, and stacked in GGUF.
fn mixture(seed: &str) -> Case {
    let model = rounded(Model::decoder(seed, Decoder { experts: 3, ..SIZE }));
    let mut converted: BTreeMap<String, Values> = BTreeMap::new();
    for (name, tensor) in &model.0 {
        let name = gguf::renamed(name);
        if let Some((layer, expert)) = name.split_once(".block_sparse_moe.experts.") {
            let role = [("w1", "gate"), ("w2", "down"), ("w3", "up")];
            let role = role
                .into_iter()
                .find(|(word, _)| expert.contains(word))
                .unwrap()
                .1;
            let stack = converted
                .entry(format!("{layer}.ffn_{role}_exps.weight"))
                .or_insert_with(|| Values {
                    shape: [&[0][..], &tensor.shape].concat(),
                    values: Vec::new(),
                });
            stack.shape[0] += 1;
            stack.values.extend(&tensor.values);
            continue;
        }
        let heads = if name.contains("attn_q.") {
            SIZE.heads
        } else {
            SIZE.kv_heads
        };
        let in_pairs = name.contains("attn_q.") || name.contains("attn_k.");
        let tensor = if in_pairs {
            gguf::in_pairs(tensor, heads)
        } else {
            tensor.clone()
        };
        converted.insert(
            name.replace("block_sparse_moe.gate", "ffn_gate_inp"),
            tensor,
        );
    }
    let config = config(
        "mixtral",
        json!({ "num_local_experts": 3, "num_experts_per_tok": 2 }),
    );
    Case {
        config,
        model,
        pairs: vec![count("llama.expert_count", 3)],
        architecture: "llama",
        converted,
    }
}

/// Low-rank keys and values: joined in one matrix, split in GGUF with the key part of each head
/// turned.
fn low_rank(seed: &str) -> Case {
    let (rank, rope, nope, value) = (32, 8, 24, 16);
    let model = decoder(seed, |model, layer| {
        for (name, rows, columns) in [
            ("q_proj", SIZE.heads * (nope + rope), SIZE.hidden),
            ("kv_a_proj_with_mqa", rank + rope, SIZE.hidden),
            ("kv_b_proj", SIZE.heads * (nope + value), rank),
            ("o_proj", SIZE.hidden, SIZE.heads * value),
        ] {
            model.matrix(
                seed,
                &format!("{layer}.self_attn.{name}.weight"),
                rows,
                columns,
            );
        }
        model.gain(
            seed,
            &format!("{layer}.self_attn.kv_a_layernorm.weight"),
            rank,
        );
    });
    let mut converted = BTreeMap::new();
    for (name, tensor) in &model.0 {
        let name = gguf::renamed(name).replace("self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa");
        if let Some(layer) = name.strip_suffix("self_attn.kv_b_proj.weight") {
            let head = nope + value;
            let of = |offset: usize, count: usize| {
                (0..SIZE.heads).map(move |h| h * head + offset..h * head + offset + count)
            };
            let keys = of(0, nope)
                .flat_map(|head| transposed(&rows(tensor, head)).values)
                .collect();
            converted.insert(
                format!("{layer}attn_k_b.weight"),
                Values {
                    shape: vec![SIZE.heads, rank, nope],
                    values: keys,
                },
            );
            let values = reshaped(
                rows(tensor, of(nope, value).flatten()),
                &[SIZE.heads, value, rank],
            );
            converted.insert(format!("{layer}attn_v_b.weight"), values);
            continue;
        }
        converted.insert(
            name.replace("self_attn.kv_a_layernorm", "attn_kv_a_norm"),
            tensor.clone(),
        );
    }
    let sizes = json!({
        "num_key_value_heads": SIZE.heads, "kv_lora_rank": rank, "qk_rope_head_dim": rope, "qk_nope_head_dim": nope,
        "v_head_dim": value,
    });
    let pairs = [
        ("kv_lora_rank", rank),
        ("head_count_kv", 1),
        ("key_length", rank + rope),
        ("value_length", rank),
        ("key_length_mla", nope + rope),
        ("value_length_mla", value),
    ];
    let mut pairs: Vec<_> = pairs
        .map(|(key, value)| count(&format!("deepseek2.attention.{key}"), value))
        .into();
    pairs.push(count("deepseek2.rope.dimension_count", rope));
    Case {
        config: config("deepseek_v3", sizes),
        model,
        pairs,
        architecture: "deepseek2",
        converted,
    }
}

/// Rows of [query; key; value] for each head, all queries, keys and values together in GGUF; the
/// bias likewise.
fn grouped(seed: &str) -> Case {
    let mut model = Model::default();
    let (hidden, head) = (SIZE.hidden, SIZE.hidden / SIZE.heads);
    model.matrix(
        seed,
        "transformer.word_embeddings.weight",
        SIZE.vocab,
        hidden,
    );
    for layer in 0..SIZE.layers {
        let name = |name: &str| format!("transformer.h.{layer}.{name}");
        for (module, rows, columns) in [
            ("self_attention.query_key_value", 3 * hidden, hidden),
            ("self_attention.dense", hidden, hidden),
            ("mlp.dense_h_to_4h", 4 * hidden, hidden),
            ("mlp.dense_4h_to_h", hidden, 4 * hidden),
        ] {
            model.matrix(seed, &name(&format!("{module}.weight")), rows, columns);
            model.bias(seed, &name(&format!("{module}.bias")), rows);
        }
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            model.gain(seed, &name(&format!("{norm}.weight")), hidden);
            model.bias(seed, &name(&format!("{norm}.bias")), hidden);
        }
    }
    model.gain(seed, "transformer.ln_f.weight", hidden);
    model.bias(seed, "transformer.ln_f.bias", hidden);
    let model = rounded(model);
    let names = [
        ("transformer.word_embeddings", "token_embd"),
        ("transformer.ln_f", "output_norm"),
        ("transformer.h", "blk"),
        ("self_attention.query_key_value", "attn_qkv"),
        ("self_attention.dense", "attn_output"),
        ("mlp.dense_h_to_4h", "ffn_up"),
        ("mlp.dense_4h_to_h", "ffn_down"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
    ];
    let convert = |(name, tensor): (&String, &Values)| {
        let regrouped = (0..3)
            .flat_map(|part| (0..SIZE.heads).map(move |h| (3 * h + part) * head))
            .flat_map(|row| row..row + head);
        let tensor = if name.contains("query_key_value") {
            rows(tensor, regrouped)
        } else {
            tensor.clone()
        };
        (
            names
                .iter()
                .fold(name.clone(), |name, (from, to)| name.replace(from, to)),
            tensor,
        )
    };
    let converted = model.0.iter().map(convert).collect();
    let config = config(
        "bloom",
        json!({ "num_key_value_heads": null, "n_head": SIZE.heads }),
    );
    Case {
        config,
        model,
        pairs: vec![],
        architecture: "bloom",
        converted,
    }
}

/// Linear attention: zero-centred gains, decay rates, convolutions, and value heads in the order of
/// ggml.
fn linear_attention(seed: &str) -> Case {
    let (keys, per_key, key_dim, value_dim) = (2, 3, 8, 16);
    let (joined, values) = (2 * keys * key_dim, keys * per_key * value_dim);
    let mut model = decoder(seed, |model, layer| {
        for (name, rows, columns) in [
            ("in_proj_qkv", joined + values, SIZE.hidden),
            ("in_proj_z", values, SIZE.hidden),
            ("in_proj_a", keys * per_key, SIZE.hidden),
            ("in_proj_b", keys * per_key, SIZE.hidden),
            ("out_proj", SIZE.hidden, values),
        ] {
            model.matrix(
                seed,
                &format!("{layer}.linear_attn.{name}.weight"),
                rows,
                columns,
            );
        }
        model.shaped(
            seed,
            &format!("{layer}.linear_attn.conv1d.weight"),
            &[joined + values, 1, 4],
        );
        model.bias(seed, &format!("{layer}.linear_attn.A_log"), keys * per_key);
        model.bias(
            seed,
            &format!("{layer}.linear_attn.dt_bias"),
            keys * per_key,
        );
        model.gain(seed, &format!("{layer}.linear_attn.norm.weight"), value_dim);
    });
    let is_shifted = |name: &str| name.ends_with("norm.weight") && !name.contains("linear_attn");
    for (_, gain) in model.0.iter_mut().filter(|(name, _)| is_shifted(name)) {
        *gain = mapped(gain, |value| value - 1.0);
    }
    let model = rounded(model);
    let tiled = |first: usize, size: usize| {
        let head = move |at: usize| (at % keys) * per_key + at / keys;
        (0..first).chain(
            (0..keys * per_key)
                .flat_map(move |at| first + head(at) * size..first + (head(at) + 1) * size),
        )
    };
    let mut converted = BTreeMap::new();
    for (name, tensor) in &model.0 {
        let renamed = gguf::renamed(name).replace("ffn_norm", "post_attention_norm");
        let (layer, role) = renamed
            .split_once(".linear_attn.")
            .unwrap_or((&renamed, ""));
        let (role, tensor) = match role {
            "in_proj_qkv.weight" => ("attn_qkv.weight", rows(tensor, tiled(joined, value_dim))),
            "in_proj_z.weight" => ("attn_gate.weight", rows(tensor, tiled(0, value_dim))),
            "in_proj_a.weight" => ("ssm_alpha.weight", rows(tensor, tiled(0, 1))),
            "in_proj_b.weight" => ("ssm_beta.weight", rows(tensor, tiled(0, 1))),
            "out_proj.weight" => (
                "ssm_out.weight",
                transposed(&rows(&transposed(tensor), tiled(0, value_dim))),
            ),
            "conv1d.weight" => {
                let rows = rows(tensor, tiled(joined, value_dim));
                ("ssm_conv1d.weight", reshaped(rows, &[joined + values, 4]))
            }
            "A_log" => (
                "ssm_a",
                mapped(&rows(tensor, tiled(0, 1)), |value| -value.exp()),
            ),
            "dt_bias" => ("ssm_dt.bias", rows(tensor, tiled(0, 1))),
            "norm.weight" => ("ssm_norm.weight", tensor.clone()),
            _ if is_shifted(name) => ("", mapped(tensor, |value| value + 1.0)),
            _ => ("", tensor.clone()),
        };
        converted.insert(
            if role.is_empty() {
                renamed.clone()
            } else {
                format!("{layer}.{role}")
            },
            tensor,
        );
    }
    let sizes = json!({
        "linear_num_key_heads": keys, "linear_num_value_heads": keys * per_key, "linear_key_head_dim": key_dim,
        "linear_value_head_dim": value_dim,
    });
    let pairs = [
        ("group_count", keys),
        ("time_step_rank", keys * per_key),
        ("state_size", key_dim),
        ("inner_size", values),
        ("conv_kernel", 4),
    ];
    let pairs = pairs
        .map(|(key, value)| count(&format!("qwen35.ssm.{key}"), value))
        .into();
    Case {
        config: config("qwen3_5_text", sizes),
        model,
        pairs,
        architecture: "qwen35",
        converted,
    }
}

impl Case {
    fn pairs(&self) -> Vec<Vec<u8>> {
        let counts = [
            ("block_count", SIZE.layers),
            ("embedding_length", SIZE.hidden),
            ("attention.head_count", SIZE.heads),
        ];
        let counts =
            counts.map(|(key, value)| count(&format!("{}.{key}", self.architecture), value));
        let kv = count(
            &format!("{}.attention.head_count_kv", self.architecture),
            SIZE.kv_heads,
        );
        let own_kv = self
            .pairs
            .iter()
            .any(|pair| pair.windows(13).any(|key| key == b"head_count_kv"));
        let kv = (!own_kv && self.architecture != "bloom").then_some(kv);
        [text("general.architecture", self.architecture)]
            .into_iter()
            .chain(counts)
            .chain(kv)
            .chain(self.pairs.clone())
            .collect()
    }

    fn write(&self, folder: &Path, name: &str) -> [PathBuf; 2] {
        let original = folder.join(name);
        fs::create_dir(&original).unwrap();
        fs::write(
            original.join("model.safetensors"),
            file::safetensors(&self.model.stored(|_| "BF16")),
        )
        .unwrap();
        fs::write(original.join("config.json"), self.config.to_string()).unwrap();
        let converted = folder.join(format!("{name}.gguf"));
        fs::write(
            &converted,
            gguf::file(&self.pairs(), &self.converted, Kind::Q8_0),
        )
        .unwrap();
        [original, converted]
    }
}

fn compare(base: &Path, target: &Path) -> Value {
    let output = command::run(&[
        "compare".as_ref(),
        base.as_os_str(),
        target.as_os_str(),
        "--format=json".as_ref(),
    ]);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", command::text(&output.stderr)))
}

/// The verdict is `re_encoded`, and every tensor is paired.
#[track_caller]
fn expect_re_encoded(base: &Path, target: &Path) {
    let report = compare(base, target);
    let (verdict, left) = (&report["verdict"], &report["unmatched"]);
    assert_eq!(
        verdict["label"],
        "re_encoded",
        "{} {:#} {left:#}",
        target.display(),
        report["evidence"]
    );
    assert_eq!(
        left,
        &json!({ "base": [], "target": [] }),
        "{}",
        target.display()
    );
    assert!(
        report["similarity"]["matrix_cosine"].as_f64() > Some(0.98),
        "{:#}",
        report["similarity"]
    );
}

#[test]
fn a_converted_model_is_a_re_encoding_of_its_own_and_of_no_other() {
    let scratch = tempfile::tempdir().unwrap();
    for (name, case) in [
        ("mixture", mixture as fn(&str) -> Case),
        ("low-rank", low_rank),
        ("grouped", grouped),
        ("linear-attention", linear_attention),
    ] {
        let [original, converted] = case("a").write(scratch.path(), name);
        expect_re_encoded(&original, &converted);
        expect_re_encoded(&converted, &original);
        let [other, _] = case("b").write(scratch.path(), &format!("{name}-other"));
        let verdict = &compare(&other, &converted)["verdict"];
        assert_eq!(verdict["label"], "from_scratch", "{name}: {verdict:#}");
    }
}

#[test]
fn a_model_in_parts_is_read_from_any_of_them_and_from_their_directory() {
    let scratch = tempfile::tempdir().unwrap();
    let case = mixture("a");
    let [original, _] = case.write(scratch.path(), "whole");
    let folder = scratch.path().join("parts");
    fs::create_dir(&folder).unwrap();
    let name = |part: usize| folder.join(format!("m-Q8_0-{:05}-of-00003.gguf", part + 1));
    for part in 0..3 {
        let tensors = case
            .converted
            .iter()
            .enumerate()
            .filter(|(at, _)| at % 3 == part);
        let tensors = tensors
            .map(|(_, (name, tensor))| (name.clone(), tensor.clone()))
            .collect();
        let split = [
            count("split.no", part),
            count("split.count", 3),
            count("split.tensors.count", case.converted.len()),
        ];
        let pairs = if part == 0 { case.pairs() } else { Vec::new() };
        fs::write(
            name(part),
            gguf::file(&[&pairs[..], &split].concat(), &tensors, Kind::Q8_0),
        )
        .unwrap();
    }
    for path in [name(0), name(2), folder.clone()] {
        expect_re_encoded(&original, &path);
    }
    fs::remove_file(name(1)).unwrap();
    for path in [name(0), name(2), folder.clone()] {
        let output = command::run(&["compare".as_ref(), original.as_os_str(), path.as_os_str()]);
        assert!(
            command::error_line(&output)
                .contains("its part \"m-Q8_0-00002-of-00003.gguf\" is not there")
        );
    }
}

#[test]
fn a_tower_beside_the_model_is_read_with_it() {
    let scratch = tempfile::tempdir().unwrap();
    let case = mixture("a");
    let mut tower = Model::default();
    tower.matrix(
        "a",
        "vision_tower.vision_model.embeddings.position_embedding.weight",
        17,
        32,
    );
    for layer in 0..2 {
        for (name, rows, columns) in [
            ("self_attn.q_proj", 32, 32),
            ("self_attn.v_proj", 32, 32),
            ("mlp.fc1", 64, 32),
            ("mlp.fc2", 32, 64),
        ] {
            tower.matrix(
                "a",
                &format!("vision_tower.vision_model.encoder.layers.{layer}.{name}.weight"),
                rows,
                columns,
            );
        }
    }
    tower.matrix("a", "multi_modal_projector.linear_1.weight", 64, 32);
    tower.matrix("a", "multi_modal_projector.linear_2.weight", 64, 64);
    let tower = rounded(tower);
    let names = [
        (
            "vision_tower.vision_model.embeddings.position_embedding",
            "v.position_embd",
        ),
        ("vision_tower.vision_model.encoder.layers", "v.blk"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.v_proj", "attn_v"),
        ("mlp.fc1", "ffn_up"),
        ("mlp.fc2", "ffn_down"),
        ("multi_modal_projector.linear_", "mm."),
    ];
    let renamed = |name: &String| {
        names
            .iter()
            .fold(name.clone(), |name, (from, to)| name.replace(from, to))
    };
    let converted: BTreeMap<String, Values> = tower
        .0
        .iter()
        .map(|(name, tensor)| (renamed(name), tensor.clone()))
        .collect();
    let text_part = case
        .model
        .0
        .iter()
        .map(|(name, tensor)| (format!("language_model.{name}"), tensor.clone()));
    let whole = Case {
        model: Model(text_part.collect()).with(tower),
        ..case
    };
    let [original, model] = whole.write(scratch.path(), "whole");
    let folder = scratch.path().join("gguf");
    fs::create_dir(&folder).unwrap();
    fs::rename(model, folder.join("m-Q8_0.gguf")).unwrap();
    let pairs = [
        text("general.architecture", "clip"),
        count("clip.vision.attention.head_count", 4),
    ];
    for (kind, name) in [
        (Kind::F16, "mmproj-F16.gguf"),
        (Kind::Q8_0, "mmproj-Q8_0.gguf"),
    ] {
        fs::write(folder.join(name), gguf::file(&pairs, &converted, kind)).unwrap();
    }
    expect_re_encoded(&original, &folder);
    expect_re_encoded(&folder, &original);
    let output = command::run(&[
        "inspect".as_ref(),
        folder.as_os_str(),
        "--format=json".as_ref(),
    ]);
    let report: Value = serde_json::from_str(command::answer(&output, 0)).unwrap();
    assert!(
        report.to_string().contains("mmproj-Q8_0.gguf"),
        "{report:#}"
    );
}

#[test]
fn transposed_tensors_of_a_torch_file_have_the_digest_of_their_rows() {
    use sha2::{Digest, Sha256};
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/torch_zip.bin");
    let output = command::run(&["hash".as_ref(), path.as_os_str(), "--quiet".as_ref()]);
    let rows: Vec<u8> = [0f32, 3.0, 1.0, 4.0, 2.0, 5.0]
        .into_iter()
        .flat_map(f32::to_le_bytes)
        .collect();
    let digest: String = Sha256::digest(&rows)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let manifest = command::answer(&output, 0);
    assert!(
        manifest.contains(&format!("{digest}  F32  [3,2]  a.transposed")),
        "{manifest}"
    );
}
