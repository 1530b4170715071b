//! A small model in the encodings that a checkpoint may have, and what `compare` says of two of
//! them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::file::{Tensor, safetensors};
use super::gguf::{self, Kind};
use super::weights::{Decoder, Model, Values};
use super::{awq, command, gptq, mlx};

/// Sizes of the model.
pub(crate) const SIZE: Decoder = Decoder {
    hidden: 64,
    ffn: 96,
    layers: 3,
    heads: 4,
    kv_heads: 2,
    vocab: 160,
    experts: 0,
};

/// A model whose values are exact in BF16.
pub(crate) fn model(seed: &str) -> Model {
    rounded(&Model::decoder(seed, SIZE))
}

pub(crate) fn rounded(model: &Model) -> Model {
    let mut model = model.clone();
    for tensor in model.0.values_mut() {
        tensor
            .values
            .iter_mut()
            .for_each(|value| *value = half::bf16::from_f64(*value).to_f64());
    }
    model
}

/// A folder of checkpoints.
pub(crate) struct Folder(pub(crate) TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A safetensors checkpoint; `quantization` goes into its config.json.
    pub(crate) fn safetensors(
        &self,
        name: &str,
        tensors: &[Tensor],
        quantization: Option<Value>,
    ) -> PathBuf {
        let folder = self.0.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("model.safetensors"), safetensors(tensors)).unwrap();
        let mut config = json!({
            "model_type": "llama", "hidden_size": SIZE.hidden, "num_attention_heads": SIZE.heads,
            "num_key_value_heads": SIZE.kv_heads, "num_hidden_layers": SIZE.layers,
        });
        if let Some(quantization) = quantization {
            config["quantization_config"] = quantization;
        }
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
        folder
    }

    pub(crate) fn bf16(&self, name: &str, model: &Model) -> PathBuf {
        self.safetensors(name, &model.stored(|_| "BF16"), None)
    }

    pub(crate) fn gguf(&self, name: &str, model: &Model, kind: Kind, interleaved: bool) -> PathBuf {
        let path = self.0.path().join(format!("{name}.gguf"));
        fs::write(&path, gguf::gguf(model, SIZE, kind, interleaved)).unwrap();
        path
    }

    /// Matrices of the layers in E4M3 with one scale each.
    pub(crate) fn fp8(&self, name: &str, model: &Model) -> PathBuf {
        let (mut scaled, mut scales) = (model.clone(), Vec::new());
        for (name, tensor) in scaled.0.iter_mut().filter(|(name, _)| is_linear(name)) {
            let scale = tensor
                .values
                .iter()
                .fold(0.0, |most: f64, value| most.max(value.abs()))
                / 448.0;
            let scale = f64::from(scale as f32);
            tensor.values.iter_mut().for_each(|value| *value /= scale);
            let name = format!("{name}_scale");
            scales.push(Tensor {
                name,
                dtype: "F32",
                shape: vec![1],
                bytes: (scale as f32).to_le_bytes().to_vec(),
            });
        }
        let mut tensors = scaled.stored(|name| if is_linear(name) { "F8_E4M3" } else { "BF16" });
        tensors.extend(scales);
        self.safetensors(name, &tensors, Some(json!({ "quant_method": "fp8" })))
    }

    /// Matrices of the layers by GPTQ in 4 bits, the rest in halves.
    pub(crate) fn gptq(&self, name: &str, model: &Model) -> PathBuf {
        let linear = model.0.iter().filter(|(name, _)| is_linear(name));
        let quantise = |(name, matrix): (&String, &Values)| {
            gptq::gptq(name.strip_suffix(".weight").unwrap(), matrix)
        };
        let mut tensors: Vec<Tensor> = linear.flat_map(quantise).collect();
        tensors.extend(
            model
                .stored(|_| "F16")
                .into_iter()
                .filter(|tensor| !is_linear(&tensor.name)),
        );
        let settings = json!({ "quant_method": "gptq", "bits": 4, "group_size": gptq::GROUP, "checkpoint_format": "gptq" });
        self.safetensors(name, &tensors, Some(settings))
    }

    /// Matrices of the layers by AWQ in 4 bits, the rest in halves.
    pub(crate) fn awq(&self, name: &str, model: &Model) -> PathBuf {
        let linear = model.0.iter().filter(|(name, _)| is_linear(name));
        let quantise = |(name, matrix): (&String, &Values)| {
            awq::awq(name.strip_suffix(".weight").unwrap(), matrix)
        };
        let mut tensors: Vec<Tensor> = linear.flat_map(quantise).collect();
        tensors.extend(
            model
                .stored(|_| "F16")
                .into_iter()
                .filter(|tensor| !is_linear(&tensor.name)),
        );
        let settings = json!({ "quant_method": "awq", "bits": 4, "group_size": awq::GROUP, "version": "gemm" });
        self.safetensors(name, &tensors, Some(settings))
    }

    /// Matrices of the layers by MLX, the rest in BF16.
    pub(crate) fn mlx(&self, name: &str, model: &Model, bits: usize) -> PathBuf {
        let linear = model.0.iter().filter(|(name, _)| is_linear(name));
        let quantise = |(name, matrix): (&String, &Values)| {
            mlx::mlx(name.strip_suffix(".weight").unwrap(), matrix, bits)
        };
        let mut tensors: Vec<Tensor> = linear.flat_map(quantise).collect();
        tensors.extend(
            model
                .stored(|_| "BF16")
                .into_iter()
                .filter(|tensor| !is_linear(&tensor.name)),
        );
        let settings = json!({ "bits": bits, "group_size": mlx::GROUP });
        self.safetensors(name, &tensors, Some(settings))
    }
}

pub(crate) fn is_linear(name: &str) -> bool {
    name.contains("_proj")
}

pub(crate) fn compare(base: &Path, target: &Path) -> Value {
    let output = command::run(&[
        "compare".as_ref(),
        base.as_os_str(),
        target.as_os_str(),
        "--format=json".as_ref(),
    ]);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", command::text(&output.stderr)))
}

#[track_caller]
pub(crate) fn expect_label(report: &Value, label: &str) {
    let (verdict, evidence) = (&report["verdict"], &report["evidence"]);
    assert_eq!(verdict["label"], label, "{verdict:#} {evidence:#}");
}

/// All tensors are paired, and matrices are alike.
#[track_caller]
pub(crate) fn expect_covered(report: &Value) {
    assert_eq!(
        report["coverage"]["parameters"],
        json!({ "target": 1.0, "base": 1.0 }),
        "{:#}",
        report["unmatched"]
    );
    assert!(
        report["similarity"]["matrix_cosine"].as_f64() > Some(0.98),
        "{:#}",
        report["similarity"]
    );
}
