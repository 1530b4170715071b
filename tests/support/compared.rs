//! The JSON of `wcmp compare`, read back with types that know every key.

#![allow(dead_code)]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Sides<T> {
    pub(crate) base: T,
    pub(crate) target: T,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Compare {
    pub(crate) schema: String,
    pub(crate) wcmp: String,
    pub(crate) settings: Value,
    pub(crate) base: Checkpoint,
    pub(crate) target: Checkpoint,
    pub(crate) name_mapping: Option<String>,
    pub(crate) coverage: Coverage,
    pub(crate) similarity: Similarity,
    pub(crate) origin_reading: Origin,
    pub(crate) layers: Vec<Layer>,
    pub(crate) components: Vec<Component>,
    pub(crate) parts: Vec<Part>,
    pub(crate) layer_map: Option<Vec<LayerOrigin>>,
    pub(crate) permutation: Option<Permutation>,
    pub(crate) pca: Option<Pca>,
    pub(crate) experts: Option<Vec<Experts>>,
    pub(crate) transformations: Vec<Transformation>,
    pub(crate) tokenizer: Option<Value>,
    pub(crate) evidence: Vec<Finding>,
    pub(crate) verdict: Verdict,
    pub(crate) unmatched: Sides<Vec<Unmatched>>,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) adapter: Option<Adapter>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Adapter {
    pub(crate) declared_base: Option<String>,
    pub(crate) declared_revision: Option<String>,
    pub(crate) task: Option<String>,
    pub(crate) changes: Vec<Change>,
    pub(crate) replaced: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) layer: Option<u32>,
    pub(crate) role: String,
    pub(crate) rank: u64,
    pub(crate) alpha: f64,
    pub(crate) scale: f64,
    pub(crate) dora: bool,
    pub(crate) relative_change: Option<f64>,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) format: String,
    pub(crate) files: Vec<Value>,
    pub(crate) architecture: Option<String>,
    pub(crate) parameters: u64,
    pub(crate) bytes: u64,
    pub(crate) dtypes: BTreeMap<String, u64>,
    pub(crate) quantization: Option<String>,
    pub(crate) model_digest: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Coverage {
    pub(crate) parameters: Shares,
    pub(crate) matrices: Shares,
}

#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Shares {
    pub(crate) target: Option<f64>,
    pub(crate) base: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Similarity {
    pub(crate) mean_cosine: Option<f64>,
    pub(crate) matrix_cosine: Option<f64>,
    pub(crate) matrix_excess: Option<f64>,
    pub(crate) norm_cosine: Option<f64>,
    pub(crate) norm_expected_cosine: Option<f64>,
    pub(crate) norm_centered_cosine: Option<f64>,
    pub(crate) aligned: u64,
    pub(crate) identical: u64,
    pub(crate) identical_informative: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Origin {
    pub(crate) mean_cosine: Option<f64>,
    pub(crate) band: Option<String>,
    pub(crate) band_meaning: Option<String>,
    pub(crate) layer_pattern: String,
    pub(crate) pattern_meaning: String,
    pub(crate) agrees: Option<bool>,
    pub(crate) why: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Layer {
    pub(crate) component: String,
    pub(crate) layer: u32,
    pub(crate) base_layer: Option<u32>,
    pub(crate) matrix_cosine: Option<f64>,
    pub(crate) matrix_excess: Option<f64>,
    pub(crate) norm_cosine: Option<f64>,
    pub(crate) tensors: u64,
    pub(crate) identical: u64,
    pub(crate) log10_p: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Component {
    pub(crate) component: String,
    pub(crate) coverage: Coverage,
    pub(crate) similarity: Similarity,
    pub(crate) layer_pattern: String,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    pub(crate) block: Option<String>,
    pub(crate) kind: String,
    pub(crate) component: String,
    pub(crate) layer: Option<u32>,
    pub(crate) base_layer: Option<u32>,
    pub(crate) expert: Option<u32>,
    pub(crate) parameters: u64,
    pub(crate) state: String,
    pub(crate) excess: Option<f64>,
    pub(crate) log10_p: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LayerOrigin {
    pub(crate) target: u32,
    pub(crate) base: Option<u32>,
    pub(crate) log10_p: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Permutation {
    pub(crate) log10_p: Option<f64>,
    pub(crate) probes: u64,
    pub(crate) hits: u64,
    pub(crate) groups: u64,
    pub(crate) tests: Vec<Test>,
    pub(crate) power: Vec<Power>,
    pub(crate) skipped: Vec<Skipped>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Test {
    pub(crate) kind: String,
    pub(crate) form: String,
    pub(crate) layer: Option<u32>,
    pub(crate) base_layer: Option<u32>,
    pub(crate) expert: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) units: Sides<u64>,
    pub(crate) probes: u64,
    pub(crate) hits: u64,
    pub(crate) log10_p: Option<f64>,
    pub(crate) exact: bool,
    pub(crate) group: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Power {
    pub(crate) kind: String,
    pub(crate) probes: u64,
    pub(crate) hits_needed: u64,
    pub(crate) share_seen_95: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Skipped {
    pub(crate) what: String,
    pub(crate) why: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pca {
    pub(crate) mode: String,
    pub(crate) summary: String,
    pub(crate) median_excess: Option<f64>,
    pub(crate) matrices: Vec<Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Experts {
    pub(crate) layer: u32,
    pub(crate) base_experts: u64,
    pub(crate) target_experts: u64,
    pub(crate) map: Vec<Option<u64>>,
    pub(crate) permuted: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Transformation {
    pub(crate) kind: String,
    pub(crate) found_in: Vec<u32>,
    pub(crate) units_kept: Option<u64>,
    pub(crate) units_of: Option<u64>,
    pub(crate) check: String,
    pub(crate) check_cosine: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Finding {
    pub(crate) kind: String,
    pub(crate) statement: String,
    pub(crate) value: Option<f64>,
    pub(crate) log10_p: Option<f64>,
    pub(crate) supports: String,
    pub(crate) scope: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) label: String,
    pub(crate) relation: Option<String>,
    pub(crate) relations: Vec<String>,
    pub(crate) confidence: Option<String>,
    pub(crate) reasons: Vec<String>,
    pub(crate) not_testable: Vec<Skipped>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Unmatched {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) dtype: String,
    pub(crate) parameters: u64,
    pub(crate) why: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Tensor {
    pub(crate) name: Sides<String>,
    pub(crate) component: String,
    pub(crate) layer: Option<u32>,
    pub(crate) block: Option<String>,
    pub(crate) role: String,
    pub(crate) expert: Option<u32>,
    pub(crate) shared_expert: bool,
    pub(crate) class: String,
    pub(crate) informative: bool,
    pub(crate) logical_shape: Vec<u64>,
    pub(crate) shape: Sides<Vec<u64>>,
    pub(crate) dtype: Sides<String>,
    pub(crate) compared_via: String,
    pub(crate) figures: Figures,
    pub(crate) nonfinite: Sides<u64>,
    pub(crate) sha256: Sides<Option<String>>,
    pub(crate) identical: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Figures {
    pub(crate) cosine: Option<f64>,
    pub(crate) centered_cosine: Option<f64>,
    pub(crate) expected_cosine: Option<f64>,
    pub(crate) excess: Option<f64>,
    pub(crate) relative_change: Option<f64>,
    pub(crate) max_abs_diff: Option<f64>,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Warning {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) name: Option<String>,
}
