//! Large checkpoints for timing: a pair of Llama-style decoders, and one of many small experts. The
//! same bytes on every machine.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use half::bf16;
use rayon::prelude::*;
use serde_json::{Value, json};

/// How the target comes from the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Noise of 2 % on the matrices of the first half of the layers, of 30 % on the second; the
    /// rest is byte-identical.
    Derived,
    /// Drawn anew.
    Independent,
    /// The same values in BF16, of a base in F32.
    ReEncoded,
    /// Drawn anew in BF16, beside a base in F32.
    IndependentOfF32,
}

impl Kind {
    fn is_drawn_anew(self) -> bool {
        matches!(self, Self::Independent | Self::IndependentOfF32)
    }

    fn has_base_in_f32(self) -> bool {
        matches!(self, Self::ReEncoded | Self::IndependentOfF32)
    }
}

/// Sizes of a decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoder {
    hidden: u64,
    layers: u64,
    ffn: u64,
    kv: u64,
    vocab: u64,
    /// Experts of a layer; 0 for a dense model.
    experts: u64,
}

impl Decoder {
    /// 1.1 billion parameters in 22 layers, 2.05 GiB in BF16.
    pub(crate) fn dense(layers: u64) -> Self {
        Self {
            hidden: 2048,
            layers,
            ffn: 5632,
            kv: 256,
            vocab: 32000,
            experts: 0,
        }
    }

    /// 85 million parameters in 12 layers.
    pub(crate) fn small() -> Self {
        Self {
            hidden: 768,
            layers: 12,
            ffn: 2048,
            kv: 768,
            vocab: 1000,
            experts: 0,
        }
    }

    /// 98,304 matrices of 512 values in 64 layers of 512 experts, and what else a model has.
    pub(crate) fn many_experts() -> Self {
        Self {
            hidden: 32,
            layers: 64,
            ffn: 16,
            kv: 8,
            vocab: 1000,
            experts: 512,
        }
    }

    fn tensors(self) -> Vec<(String, Vec<u64>)> {
        let Self {
            hidden,
            ffn,
            kv,
            vocab,
            ..
        } = self;
        let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![vocab, hidden])];
        for layer in 0..self.layers {
            let mut push = |name: &str, shape: &[u64]| {
                all.push((
                    format!("model.layers.{layer}.{name}.weight"),
                    shape.to_vec(),
                ));
            };
            push("input_layernorm", &[hidden]);
            if self.experts == 0 {
                push("mlp.down_proj", &[hidden, ffn]);
                push("mlp.gate_proj", &[ffn, hidden]);
                push("mlp.up_proj", &[ffn, hidden]);
            } else {
                push("mlp.gate", &[self.experts, hidden]);
            }
            for expert in 0..self.experts {
                push(&format!("mlp.experts.{expert}.down_proj"), &[hidden, ffn]);
                push(&format!("mlp.experts.{expert}.gate_proj"), &[ffn, hidden]);
                push(&format!("mlp.experts.{expert}.up_proj"), &[ffn, hidden]);
            }
            push("post_attention_layernorm", &[hidden]);
            push("self_attn.k_proj", &[kv, hidden]);
            push("self_attn.o_proj", &[hidden, hidden]);
            push("self_attn.q_proj", &[hidden, hidden]);
            push("self_attn.v_proj", &[kv, hidden]);
        }
        all.push(("model.norm.weight".to_owned(), vec![hidden]));
        all.push(("lm_head.weight".to_owned(), vec![vocab, hidden]));
        all
    }

    fn config(self) -> Value {
        let (kind, model_type) = if self.experts == 0 {
            ("LlamaForCausalLM", "llama")
        } else {
            ("Qwen3MoeForCausalLM", "qwen3_moe")
        };
        json!({
            "architectures": [kind], "model_type": model_type, "hidden_size": self.hidden,
            "num_hidden_layers": self.layers, "num_attention_heads": 32.min(self.hidden / 8),
            "num_key_value_heads": 4.min(self.kv / 8), "intermediate_size": self.ffn, "vocab_size": self.vocab,
            "moe_intermediate_size": self.ffn, "num_experts": self.experts, "torch_dtype": "bfloat16"
        })
    }
}

/// Writes `dir`/base and `dir`/target, unless a run before has.
pub(crate) fn write_pair(dir: &Path, decoder: Decoder, kind: Kind) -> io::Result<[PathBuf; 2]> {
    let sides = ["base", "target"].map(|side| dir.join(side));
    let plan = format!("1 {decoder:?} {kind:?}\n");
    let finished = dir.join("written");
    if fs::read_to_string(&finished).is_ok_and(|written| written == plan) {
        return Ok(sides);
    }
    for (at, side) in sides.iter().enumerate() {
        fs::create_dir_all(side)?;
        fs::write(side.join("config.json"), decoder.config().to_string())?;
        write_shards(side, decoder, kind, at == 1)?;
    }
    fs::write(finished, plan)?;
    Ok(sides)
}

fn write_shards(folder: &Path, decoder: Decoder, kind: Kind, is_target: bool) -> io::Result<()> {
    let tensors = decoder.tensors();
    let is_f32 = kind.has_base_in_f32() && !is_target;
    let (dtype, width) = if is_f32 { ("F32", 4) } else { ("BF16", 2) };
    let mut weight_map = serde_json::Map::new();
    let (first, second) = tensors.split_at(tensors.len() / 2);
    for (part, tensors) in [(1, first), (2, second)] {
        let file = format!("model-{part:05}-of-00002.safetensors");
        let mut header = serde_json::Map::new();
        let mut at = 0;
        for (name, shape) in tensors {
            let end = at + width * shape.iter().product::<u64>();
            header.insert(
                name.clone(),
                json!({"dtype": dtype, "shape": shape, "data_offsets": [at, end]}),
            );
            weight_map.insert(name.clone(), json!(file));
            at = end;
        }
        let mut header = Value::from(header).to_string();
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
        let mut out = BufWriter::with_capacity(1 << 20, File::create(folder.join(&file))?);
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        for (name, shape) in tensors {
            let target = is_target.then_some(kind);
            out.write_all(&codes(name, shape, decoder.layers, target, is_f32))?;
        }
        out.flush()?;
    }
    fs::write(
        folder.join("model.safetensors.index.json"),
        json!({"weight_map": weight_map}).to_string(),
    )
}

/// Values drawn together.
const STRETCH: usize = 1 << 16;

/// The stored bytes of a tensor, in F32 or BF16.
fn codes(name: &str, shape: &[u64], layers: u64, target: Option<Kind>, is_f32: bool) -> Vec<u8> {
    let count = shape.iter().product::<u64>() as usize;
    let width = if is_f32 { 4 } else { 2 };
    let seed = match target {
        Some(kind) if kind.is_drawn_anew() => "1007",
        _ => "7",
    };
    let is_gain = shape.len() == 1;
    let layer = name
        .strip_prefix("model.layers.")
        .and_then(|rest| rest.split('.').next()?.parse::<u64>().ok());
    let noise = match (target, layer) {
        (Some(Kind::Derived), Some(layer)) if !is_gain => {
            Some(if 2 * layer >= layers { 0.3 } else { 0.02 })
        }
        _ => None,
    };
    let mut bytes = vec![0; width * count];
    bytes
        .par_chunks_mut(width * STRETCH)
        .enumerate()
        .for_each(|(stretch, bytes)| {
            let mut values = Normal::new(&[seed, name], stretch as u64);
            let mut noises = Normal::new(&["noise", name], stretch as u64);
            for code in bytes.chunks_exact_mut(width) {
                let value = values.next();
                let value = value + noise.map_or(0.0, |share| share * noises.next());
                let value = if is_gain {
                    1.0 + 0.1 * value
                } else {
                    0.02 * value
                };
                if is_f32 {
                    code.copy_from_slice(&value.to_le_bytes());
                } else {
                    code.copy_from_slice(&bf16::from_f32(value).to_le_bytes());
                }
            }
        });
    bytes
}

/// Nearly normal numbers of mean 0 and variance 1: the sum of the 8 bytes of a SplitMix64 word
/// (Steele, Lea and Flood 2014).
struct Normal(u64);

impl Normal {
    /// The stream that belongs to these words and this number, told apart by their FNV-1a hash.
    fn new(words: &[&str], number: u64) -> Self {
        let bytes = words
            .iter()
            .flat_map(|word| word.bytes().chain([0x1f]))
            .chain(number.to_le_bytes());
        Self(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // Bytes added in pairs, the four pairs by a product.
        let pairs = (z & 0x00ff_00ff_00ff_00ff) + ((z >> 8) & 0x00ff_00ff_00ff_00ff);
        let sum = pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48;
        (sum as f32 - 1020.0) / 209.02
    }
}
