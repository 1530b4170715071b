//! Small models whose weights look trained: hidden dimensions and rows of unequal scale, heavy
//! tails, a direction that all rows share, norm gains near 1.

use std::collections::BTreeMap;

use super::draws::Draws;
use super::file::Tensor;

/// Values of one tensor before they are stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values {
    /// Axes, slowest first.
    pub(crate) shape: Vec<usize>,
    /// Row-major.
    pub(crate) values: Vec<f64>,
}

/// Tensors of a model by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Model(pub(crate) BTreeMap<String, Values>);

/// Sizes of a Llama-like decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoder {
    /// Width of the residual stream.
    pub(crate) hidden: usize,
    /// Hidden units of a feed-forward, or of an expert.
    pub(crate) ffn: usize,
    /// Layers.
    pub(crate) layers: usize,
    /// Query heads.
    pub(crate) heads: usize,
    /// Key and value heads.
    pub(crate) kv_heads: usize,
    /// Tokens.
    pub(crate) vocab: usize,
    /// Experts of a layer; 0 for a dense model.
    pub(crate) experts: usize,
}

impl Model {
    /// A decoder trained from scratch; `seed` names the run.
    pub(crate) fn decoder(seed: &str, size: Decoder) -> Self {
        let mut model = Self::default();
        let Decoder {
            hidden,
            ffn,
            vocab,
            experts,
            ..
        } = size;
        let kv = hidden / size.heads * size.kv_heads;
        model.matrix(seed, "model.embed_tokens.weight", vocab, hidden);
        for layer in 0..size.layers {
            let mut named = |name: &str, rows, columns| {
                model.matrix(
                    seed,
                    &format!("model.layers.{layer}.{name}.weight"),
                    rows,
                    columns,
                );
            };
            named("self_attn.q_proj", hidden, hidden);
            named("self_attn.k_proj", kv, hidden);
            named("self_attn.v_proj", kv, hidden);
            named("self_attn.o_proj", hidden, hidden);
            if experts == 0 {
                named("mlp.gate_proj", ffn, hidden);
                named("mlp.up_proj", ffn, hidden);
                named("mlp.down_proj", hidden, ffn);
            } else {
                named("block_sparse_moe.gate", experts, hidden);
            }
            for expert in 0..experts {
                let mut named = |name: &str, rows, columns| {
                    named(
                        &format!("block_sparse_moe.experts.{expert}.{name}"),
                        rows,
                        columns,
                    );
                };
                named("w1", ffn, hidden);
                named("w2", hidden, ffn);
                named("w3", ffn, hidden);
            }
            model.gain(
                seed,
                &format!("model.layers.{layer}.input_layernorm.weight"),
                hidden,
            );
            model.gain(
                seed,
                &format!("model.layers.{layer}.post_attention_layernorm.weight"),
                hidden,
            );
        }
        model.gain(seed, "model.norm.weight", hidden);
        model.matrix(seed, "lm_head.weight", vocab, hidden);
        model
    }

    /// A vision tower as Qwen2.5-VL names it: patches of 4 x 4 pixels and 2 frames, a merger to
    /// `output` dimensions.
    pub(crate) fn vision_tower(
        seed: &str,
        hidden: usize,
        ffn: usize,
        layers: usize,
        output: usize,
    ) -> Self {
        let mut model = Self::default();
        model.shaped(
            seed,
            "visual.patch_embed.proj.weight",
            &[hidden, 3, 2, 4, 4],
        );
        for layer in 0..layers {
            let name = |name: &str| format!("visual.blocks.{layer}.{name}");
            for (module, rows, columns) in [
                ("attn.qkv", 3 * hidden, hidden),
                ("attn.proj", hidden, hidden),
                ("mlp.gate_proj", ffn, hidden),
                ("mlp.up_proj", ffn, hidden),
                ("mlp.down_proj", hidden, ffn),
            ] {
                model.matrix(seed, &name(&format!("{module}.weight")), rows, columns);
                model.bias(seed, &name(&format!("{module}.bias")), rows);
            }
            model.gain(seed, &name("norm1.weight"), hidden);
            model.gain(seed, &name("norm2.weight"), hidden);
        }
        model.gain(seed, "visual.merger.ln_q.weight", hidden);
        model.matrix(seed, "visual.merger.mlp.0.weight", 4 * hidden, 4 * hidden);
        model.bias(seed, "visual.merger.mlp.0.bias", 4 * hidden);
        model.matrix(seed, "visual.merger.mlp.2.weight", output, 4 * hidden);
        model.bias(seed, "visual.merger.mlp.2.bias", output);
        model
    }

    /// These tensors and those of `other`.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The model after more training: each tensor moved by `change(name)` times its own size, in a
    /// direction that belongs to `seed`. A change of 0 leaves a tensor as it is.
    pub(crate) fn trained(&self, seed: &str, change: impl Fn(&str) -> f64) -> Self {
        let mut model = self.clone();
        for (name, tensor) in &mut model.0 {
            let change = change(name);
            if change == 0.0 {
                continue;
            }
            let size = (tensor.values.iter().map(|value| value * value).sum::<f64>()
                / tensor.values.len() as f64)
                .sqrt();
            let mut draws = Draws::new(&[seed, name]);
            tensor
                .values
                .iter_mut()
                .for_each(|value| *value += change * size * draws.normal());
        }
        model
    }

    /// This model, but the tensors that `take` names from `other`.
    pub(crate) fn taking(&self, other: &Self, take: impl Fn(&str) -> bool) -> Self {
        let pick = |(name, own): (&String, &Values)| {
            let from = if take(name) { &other.0[name] } else { own };
            (name.clone(), from.clone())
        };
        Self(self.0.iter().map(pick).collect())
    }

    /// The tensors as they are stored, sorted by name, each in the dtype that `dtype(name)` gives.
    pub(crate) fn stored(&self, dtype: impl Fn(&str) -> &'static str) -> Vec<Tensor> {
        let store = |(name, tensor): (&String, &Values)| {
            let dtype = dtype(name);
            Tensor {
                name: name.clone(),
                dtype,
                shape: tensor.shape.iter().map(|axis| *axis as u64).collect(),
                bytes: tensor
                    .values
                    .iter()
                    .flat_map(|value| encoded(dtype, *value))
                    .collect(),
            }
        };
        self.0.iter().map(store).collect()
    }

    pub(crate) fn matrix(&mut self, seed: &str, name: &str, rows: usize, columns: usize) {
        self.shaped(seed, name, &[rows, columns]);
    }

    pub(crate) fn shaped(&mut self, seed: &str, name: &str, shape: &[usize]) {
        let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
        // One residual stream, one set of scales: it belongs to the run and the width, not to the
        // tensor.
        let column_scales =
            Draws::new(&[seed, "columns", &columns.to_string()]).many(columns, Draws::factor);
        let mut draws = Draws::new(&[seed, name]);
        let common = draws.many(columns, |draws| 0.15 + 0.3 * draws.normal());
        let scale = 1.0 / (columns as f64).sqrt();
        let mut values = Vec::with_capacity(rows * columns);
        for _ in 0..rows {
            let row_scale = draws.factor();
            let row = column_scales
                .iter()
                .zip(&common)
                .map(|(column_scale, common)| {
                    scale * (row_scale * column_scale * draws.normal() + common)
                });
            values.extend(row);
        }
        self.0.insert(
            name.to_owned(),
            Values {
                shape: shape.to_vec(),
                values,
            },
        );
    }

    pub(crate) fn gain(&mut self, seed: &str, name: &str, len: usize) {
        let values = Draws::new(&[seed, name]).many(len, |draws| 1.0 + 0.04 * draws.heavy());
        self.0.insert(
            name.to_owned(),
            Values {
                shape: vec![len],
                values,
            },
        );
    }

    pub(crate) fn bias(&mut self, seed: &str, name: &str, len: usize) {
        let values = Draws::new(&[seed, name]).many(len, |draws| 0.02 * draws.heavy());
        self.0.insert(
            name.to_owned(),
            Values {
                shape: vec![len],
                values,
            },
        );
    }
}

fn encoded(dtype: &str, value: f64) -> Vec<u8> {
    match dtype {
        "F64" => value.to_le_bytes().to_vec(),
        "F32" => (value as f32).to_le_bytes().to_vec(),
        "F16" => half::f16::from_f32(value as f32).to_le_bytes().to_vec(),
        "BF16" => half::bf16::from_f32(value as f32).to_le_bytes().to_vec(),
        "F8_E4M3" => vec![nearest_e4m3(value)],
        _ => panic!("no encoder for {dtype}"),
    }
}

/// The E4M3 code whose value is nearest; of two, the lower one. Larger values than 448 become 448.
fn nearest_e4m3(value: f64) -> u8 {
    let decoded = |code: u8| {
        let (exponent, fraction) = (i32::from(code >> 3), f64::from(code & 7) / 8.0);
        if exponent == 0 {
            fraction * 2f64.powi(-6)
        } else {
            (1.0 + fraction) * 2f64.powi(exponent - 7)
        }
    };
    let distance = |code: &u8| (decoded(*code) - value.abs()).abs();
    let code = (0..0x7f)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or(0);
    if value < 0.0 { code | 0x80 } else { code }
}
