//! `wcmp inspect`: its JSON read back with types that know every key.

use std::collections::BTreeMap;

use crate::support::command::{self, answer, fixture, wcmp};
use crate::support::encoded::Folder;
use crate::support::file::Tensor as Stored;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
struct Inspect {
    schema: String,
    wcmp: String,
    checkpoint: Checkpoint,
    weight_set: String,
    ignored_files: Vec<String>,
    config: BTreeMap<String, Value>,
    components: Vec<Component>,
    blocks: Vec<Block>,
    tensors: Vec<Tensor>,
    warnings: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Checkpoint {
    path: String,
    name: String,
    format: String,
    files: Vec<File>,
    architecture: Option<String>,
    parameters: u64,
    bytes: u64,
    dtypes: BTreeMap<String, u64>,
    quantization: Option<String>,
    model_digest: Option<String>,
}

#[derive(Debug, Deserialize)]
struct File {
    name: String,
    bytes: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Component {
    component: String,
    parameters: u64,
    layers: u64,
}

#[derive(Debug, Deserialize)]
struct Block {
    block: String,
    parameters: u64,
}

#[derive(Debug, Deserialize)]
struct Tensor {
    name: String,
    component: String,
    layer: Option<u32>,
    block: Option<String>,
    role: String,
    expert: Option<u32>,
    shared_expert: bool,
    class: String,
    informative: Option<bool>,
    shape: Vec<u64>,
    logical_shape: Vec<u64>,
    dtype: String,
    storage: String,
    file: String,
    offset: u64,
    bytes: u64,
}

fn inspect(name: &str) -> Inspect {
    let output = wcmp()
        .args(["inspect", "--format", "json"])
        .arg(fixture(name))
        .output()
        .expect("run wcmp");
    serde_json::from_str(answer(&output, 0)).expect("the JSON of inspect")
}

fn tensor<'a>(report: &'a Inspect, name: &str) -> &'a Tensor {
    report
        .tensors
        .iter()
        .find(|tensor| tensor.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn a_dense_decoder_is_seen_by_block_and_role() {
    let report = inspect("base");
    assert_eq!(
        (report.schema.as_str(), report.wcmp.as_str()),
        ("wcmp.inspect/1", env!("CARGO_PKG_VERSION"))
    );
    let checkpoint = &report.checkpoint;
    assert_eq!(
        (checkpoint.name.as_str(), checkpoint.format.as_str()),
        ("base", "safetensors")
    );
    assert_eq!(checkpoint.path, fixture("base").display().to_string());
    assert_eq!(checkpoint.architecture.as_deref(), Some("LlamaForCausalLM"));
    assert_eq!(
        (checkpoint.parameters, checkpoint.bytes),
        (180_800, 361_600)
    );
    assert_eq!(
        checkpoint.dtypes,
        BTreeMap::from([("BF16".to_owned(), 180_800)])
    );
    assert_eq!(
        (&checkpoint.quantization, &checkpoint.model_digest),
        (&None, &None)
    );
    assert!(
        report.ignored_files.is_empty() && report.warnings.is_empty(),
        "{:?}",
        report.warnings
    );
    assert_eq!(report.config["hidden_size"], json!(64));
    let blocks: Vec<&str> = report
        .blocks
        .iter()
        .map(|block| block.block.as_str())
        .collect();
    assert_eq!(
        blocks,
        [
            "embedding",
            "layer 0",
            "layer 1",
            "layer 2",
            "layer 3",
            "final"
        ]
    );
    assert_eq!(
        report
            .blocks
            .iter()
            .map(|block| block.parameters)
            .sum::<u64>(),
        checkpoint.parameters
    );
    let down = tensor(&report, "model.layers.3.mlp.down_proj.weight");
    assert_eq!(
        (down.role.as_str(), down.class.as_str(), down.layer),
        ("down", "matrix", Some(3))
    );
    assert_eq!(
        (down.component.as_str(), down.block.as_deref()),
        ("text", Some("layer 3"))
    );
    assert_eq!(
        (&down.shape, &down.logical_shape),
        (&vec![64, 128], &vec![64, 128])
    );
    assert_eq!(
        (down.expert, down.shared_expert, down.informative),
        (None, false, None)
    );
    assert_eq!(
        (down.dtype.as_str(), down.storage.as_str(), down.bytes),
        ("BF16", "stored", 16_384)
    );
}

#[test]
fn offsets_tile_every_shard() {
    let report = inspect("sharded");
    assert_eq!(report.checkpoint.files.len(), 3);
    assert!(
        report.weight_set.contains("model.safetensors.index.json"),
        "{}",
        report.weight_set
    );
    for file in &report.checkpoint.files {
        let mut ranges: Vec<(u64, u64)> = report
            .tensors
            .iter()
            .filter(|t| t.file == file.name)
            .map(|t| (t.offset, t.offset + t.bytes))
            .collect();
        ranges.sort_unstable();
        assert!(
            ranges.windows(2).all(|pair| pair[0].1 == pair[1].0),
            "{}",
            file.name
        );
        assert_eq!(ranges.last().map(|range| range.1), Some(file.bytes));
    }
}

#[test]
fn a_vision_tower_is_a_component_of_its_own() {
    let report = inspect("vlm-base");
    let component = |component: &str, parameters, layers| Component {
        component: component.into(),
        parameters,
        layers,
    };
    assert_eq!(
        report.components,
        [component("text", 54_000, 2), component("vision", 46_992, 2)]
    );
    let merger = tensor(&report, "visual.merger.mlp.0.weight");
    assert_eq!(merger.component, "vision");
    assert_eq!(report.config["vision_config.depth"], json!(2));
}

#[test]
fn what_has_running_statistics_beside_it_is_a_norm_whatever_number_it_has() {
    // FasterNet: the feed-forward is a sequence with a normalisation in it.
    let stored = |(module, shape): (&str, &[u64])| Stored {
        name: format!("stages.0.blocks.0.mlp.{module}"),
        dtype: "F32",
        shape: shape.to_vec(),
        bytes: (0..shape.iter().product::<u64>())
            .flat_map(|at| (at as f32).to_le_bytes())
            .collect(),
    };
    let modules: [(&str, &[u64]); 6] = [
        ("0.weight", &[8, 4, 1, 1]),
        ("1.weight", &[8]),
        ("1.bias", &[8]),
        ("1.running_mean", &[8]),
        ("1.running_var", &[8]),
        ("3.weight", &[4, 8, 1, 1]),
    ];
    let folder = Folder::new();
    let path = folder.safetensors("fasternet", &modules.map(stored), None);
    let output = command::run(&["inspect", path.to_str().unwrap(), "--format=json"]);
    let report: Inspect = serde_json::from_str(answer(&output, 0)).unwrap();
    let role = |module: &str| {
        let name = format!("stages.0.blocks.0.mlp.{module}");
        let tensor = tensor(&report, &name);
        (
            tensor.role.as_str(),
            tensor.component.as_str(),
            tensor.layer,
        )
    };
    let of_layer = |role| (role, "vision", Some(0));
    assert_eq!(role("0.weight"), of_layer("fc1"));
    assert_eq!(role("1.weight"), of_layer("norm"));
    assert_eq!(role("1.bias"), of_layer("norm"));
    assert_eq!(role("3.weight"), of_layer("fc2"));
}

#[test]
fn experts_carry_their_number() {
    let report = inspect("moe-base");
    let down = tensor(
        &report,
        "model.layers.1.block_sparse_moe.experts.7.w2.weight",
    );
    assert_eq!(
        (down.role.as_str(), down.expert, down.layer),
        ("down", Some(7), Some(1))
    );
    assert_eq!(
        tensor(&report, "model.layers.0.block_sparse_moe.gate.weight").role,
        "router"
    );
}

#[test]
fn buffers_and_tables_are_uninformative_and_odd_shapes_are_legal() {
    let report = inspect("mixed-dtypes");
    for name in [
        "model.rotary_emb.inv_freq",
        "model.position_ids",
        "model.attn_mask",
        "extra.codes",
    ] {
        let tensor = tensor(&report, name);
        assert_eq!(
            (tensor.class.as_str(), tensor.informative),
            ("uninformative", Some(false)),
            "{name}"
        );
    }
    assert_eq!(tensor(&report, "extra.empty").bytes, 0);
    assert_eq!(tensor(&report, "extra.scalar").shape, [0; 0]);
    let dtypes: Vec<&str> = report
        .checkpoint
        .dtypes
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        dtypes,
        [
            "BF16", "BOOL", "C64", "F16", "F32", "F64", "F8_E4M3", "I64", "U8"
        ]
    );
}

#[test]
fn csv_has_a_row_a_tensor() {
    let output = wcmp()
        .args(["inspect", "--format", "csv"])
        .arg(fixture("base"))
        .output()
        .expect("run wcmp");
    assert_eq!(answer(&output, 0).lines().count(), 1 + 39);
}
