//! The checkpoints in fixtures/: how they are made, and that the ones on disk are these.
//!
//! `cargo test --test suite -- --ignored --exact fixtures::write_the_folder`
//! writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::file::{Tensor, safetensors};
use crate::support::weights::{Decoder, Model};

/// Files by their path under fixtures/.
type Files = BTreeMap<String, Vec<u8>>;

const DENSE: Decoder = Decoder {
    hidden: 64,
    ffn: 128,
    layers: 4,
    heads: 4,
    kv_heads: 2,
    vocab: 256,
    experts: 0,
};
const EXPERTS: Decoder = Decoder {
    hidden: 48,
    ffn: 24,
    layers: 2,
    heads: 4,
    kv_heads: 2,
    vocab: 96,
    experts: 8,
};
const CAPTION: Decoder = Decoder {
    hidden: 48,
    ffn: 96,
    layers: 2,
    heads: 4,
    kv_heads: 2,
    vocab: 128,
    experts: 0,
};

fn fixtures() -> Files {
    let mut files = Files::new();
    let base = Model::decoder("base", DENSE);
    let other = Model::decoder("another run", DENSE);
    let llama = config("LlamaForCausalLM", "llama", DENSE);

    add(&mut files, "base", &llama, base.stored(bf16));

    let fine_tuned = base.trained("fine-tuning", |name| match layer(name) {
        Some(layer) if name.contains("norm") => 0.001 * (layer + 1) as f64,
        Some(layer) => [0.03, 0.1, 0.2, 0.35][layer],
        None if name == "model.embed_tokens.weight" => 0.0,
        None if name == "lm_head.weight" => 0.2,
        None => 0.005,
    });
    add(&mut files, "fine-tuned", &llama, fine_tuned.stored(bf16));
    files.insert(
        "fine-tuned/README.md".to_owned(),
        model_card("wcmp-fixtures/base"),
    );

    add(&mut files, "independent", &llama, other.stored(bf16));
    files.insert(
        "independent/README.md".to_owned(),
        model_card("wcmp-fixtures/base"),
    );

    let lower_half = |name: &str| {
        layer(name).is_some_and(|layer| layer < 2) || name == "model.embed_tokens.weight"
    };
    let kept = base.trained("more training", |name| {
        if layer(name) == Some(1) { 0.05 } else { 0.0 }
    });
    add(
        &mut files,
        "partial-reuse",
        &llama,
        other.taking(&kept, lower_half).stored(bf16),
    );

    add_sharded(&mut files, "sharded", &llama, base.stored(bf16));
    add(&mut files, "mixed-dtypes", &llama, mixed_dtypes(&base));

    let experts = Model::decoder("experts", EXPERTS);
    let tuned_experts = experts.trained("experts", |name| match name {
        name if name.contains("norm") => 0.002,
        name if name.ends_with("block_sparse_moe.gate.weight") => 0.3,
        _ => 0.15,
    });
    let mut mixtral = config("MixtralForCausalLM", "mixtral", EXPERTS);
    mixtral["num_local_experts"] = json!(EXPERTS.experts);
    mixtral["num_experts_per_tok"] = json!(2);
    add(&mut files, "moe-base", &mixtral, experts.stored(bf16));
    add(
        &mut files,
        "moe-fine-tuned",
        &mixtral,
        tuned_experts.stored(bf16),
    );

    let tower = Model::vision_tower("tower", 32, 64, 2, CAPTION.hidden);
    let moved = tower.trained(
        "tower",
        |name| if name.contains("blocks.1") { 0.02 } else { 0.0 },
    );
    let mut vlm = config("Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl", CAPTION);
    vlm["vision_config"] = json!({
        "model_type": "qwen2_5_vl", "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
        "out_hidden_size": CAPTION.hidden, "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2,
    });
    add(
        &mut files,
        "vlm-base",
        &vlm,
        tower.with(Model::decoder("caption", CAPTION)).stored(bf16),
    );
    add(
        &mut files,
        "vlm-new-decoder",
        &vlm,
        moved
            .with(Model::decoder("new caption", CAPTION))
            .stored(bf16),
    );

    let line = |(path, bytes): (&String, &Vec<u8>)| {
        format!("{}  {path}\n", hex::encode(Sha256::digest(bytes)))
    };
    let sums: String = files.iter().map(line).collect();
    files.insert("SHA256SUMS".to_owned(), sums.into_bytes());
    files
}

fn bf16(_name: &str) -> &'static str {
    "BF16"
}

/// The layer of a tensor of the decoder.
fn layer(name: &str) -> Option<usize> {
    name.strip_prefix("model.layers.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

fn config(architecture: &str, model_type: &str, size: Decoder) -> Value {
    json!({
        "architectures": [architecture],
        "hidden_act": "silu",
        "hidden_size": size.hidden,
        "intermediate_size": size.ffn,
        "model_type": model_type,
        "num_attention_heads": size.heads,
        "num_hidden_layers": size.layers,
        "num_key_value_heads": size.kv_heads,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": false,
        "torch_dtype": "bfloat16",
        "vocab_size": size.vocab,
    })
}

fn model_card(base: &str) -> Vec<u8> {
    format!("---\nlicense: apache-2.0\nbase_model: {base}\n---\n\nA fixture of wcmp.\n")
        .into_bytes()
}

fn add(files: &mut Files, name: &str, config: &Value, tensors: Vec<Tensor>) {
    files.insert(format!("{name}/config.json"), pretty(config));
    files.insert(format!("{name}/model.safetensors"), safetensors(&tensors));
}

/// Three shards and their index, tensors dealt out in turn so that no shard is a run of names.
fn add_sharded(files: &mut Files, name: &str, config: &Value, tensors: Vec<Tensor>) {
    const SHARDS: usize = 3;
    let mut shards = vec![Vec::new(); SHARDS];
    let mut weight_map = BTreeMap::new();
    let total_size: usize = tensors.iter().map(|tensor| tensor.bytes.len()).sum();
    for (index, tensor) in tensors.into_iter().enumerate() {
        weight_map.insert(tensor.name.clone(), shard_name(index % SHARDS, SHARDS));
        shards[index % SHARDS].push(tensor);
    }
    for (index, tensors) in shards.iter().enumerate() {
        files.insert(
            format!("{name}/{}", shard_name(index, SHARDS)),
            safetensors(tensors),
        );
    }
    let index = json!({"metadata": {"total_size": total_size}, "weight_map": weight_map});
    files.insert(
        format!("{name}/model.safetensors.index.json"),
        pretty(&index),
    );
    files.insert(format!("{name}/config.json"), pretty(config));
}

fn shard_name(index: usize, of: usize) -> String {
    format!("model-{:05}-of-{of:05}.safetensors", index + 1)
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// The values of `base` in five number formats, and beside them buffers and odd shapes of every
/// other kind.
fn mixed_dtypes(base: &Model) -> Vec<Tensor> {
    let mut tensors = base.stored(|name| match name {
        "model.norm.weight" => "F64",
        "lm_head.weight" => "F8_E4M3",
        name if name.contains("norm") => "F32",
        name if name.contains("self_attn") => "F16",
        _ => "BF16",
    });
    let frequencies: Vec<f32> = (0..8).map(|i| 1.0 / f32::powi(10.0, i)).collect();
    let positions: Vec<i64> = (0..256).collect();
    let mask: Vec<u8> = (0..64).map(|at| u8::from(at % 8 <= at / 8)).collect();
    let spectrum: Vec<f32> = (0..16).map(|at| at as f32 / 4.0 - 2.0).collect();
    let mut extra = |name: &str, dtype, shape: &[u64], bytes| {
        tensors.push(Tensor {
            name: name.to_owned(),
            dtype,
            shape: shape.to_vec(),
            bytes,
        });
    };
    extra(
        "model.rotary_emb.inv_freq",
        "F32",
        &[8],
        frequencies.iter().flat_map(|x| x.to_le_bytes()).collect(),
    );
    extra(
        "model.position_ids",
        "I64",
        &[1, 256],
        positions.iter().flat_map(|x| x.to_le_bytes()).collect(),
    );
    extra("model.attn_mask", "BOOL", &[8, 8], mask);
    extra(
        "extra.complex",
        "C64",
        &[8],
        spectrum.iter().flat_map(|x| x.to_le_bytes()).collect(),
    );
    extra("extra.scalar", "F64", &[], 0.1f64.to_le_bytes().to_vec());
    extra("extra.empty", "F16", &[0, 64], Vec::new());
    extra("extra.codes", "U8", &[16], (0..16).collect());
    tensors
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

#[test]
fn fixtures_on_disk_are_the_generated_ones() {
    let again = "run: cargo test --test suite -- --ignored --exact fixtures::write_the_folder";
    for (path, bytes) in fixtures() {
        let found = fs::read(directory().join(&path))
            .unwrap_or_else(|error| panic!("fixtures/{path}: {error}; {again}"));
        assert!(found == bytes, "fixtures/{path} is stale; {again}");
    }
}

#[test]
fn fixtures_stay_small() {
    let bytes: usize = fixtures().values().map(Vec::len).sum();
    assert!(bytes < 3_000_000, "{bytes} bytes");
}

/// Cosine in float64 of the stored values, the plain way.
fn cosine(a: &Model, b: &Model, name: &str) -> f64 {
    let (a, b) = (&a.0[name].values, &b.0[name].values);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn unrelated_models_share_norm_gains_near_one_and_little_else() {
    let (base, other) = (
        Model::decoder("base", DENSE),
        Model::decoder("another run", DENSE),
    );
    for name in base.0.keys() {
        let cosine = cosine(&base, &other, name);
        if name.contains("norm") {
            assert!(cosine > 0.98, "{name}: {cosine}");
        } else {
            assert!(cosine.abs() < 0.15, "{name}: {cosine}");
        }
    }
}

#[test]
#[ignore = "writes fixtures/"]
fn write_the_folder() {
    for (path, bytes) in fixtures() {
        let path = directory().join(path);
        fs::create_dir_all(path.parent().expect("a fixture has a folder"))
            .expect("create the folder");
        fs::write(&path, bytes).expect("write the fixture");
    }
}
