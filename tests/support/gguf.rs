//! A GGUF writer for Llama-like models: names, row order and block formats as llama.cpp's converter
//! has them.

use std::collections::BTreeMap;

use super::weights::{Decoder, Model, Values};

/// Number format of matrices; vectors are F32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Halves.
    F16,
    /// 4 bits in blocks of 32.
    Q4_0,
    /// 8 bits in blocks of 32.
    Q8_0,
    /// 4-bit floats in blocks of 64, with a scale for the whole tensor beside it.
    Nvfp4,
}

/// The bytes of a GGUF file of architecture llama. `interleaved`: q and k rows in rotary pairs, as
/// converted from the Hugging Face layout.
pub(crate) fn gguf(model: &Model, size: Decoder, kind: Kind, interleaved: bool) -> Vec<u8> {
    let pairs = [
        text("general.architecture", "llama"),
        count("llama.block_count", size.layers),
        count("llama.embedding_length", size.hidden),
        count("llama.feed_forward_length", size.ffn),
        count("llama.attention.head_count", size.heads),
        count("llama.attention.head_count_kv", size.kv_heads),
    ];
    let heads = |name: &str| match () {
        () if name.contains("q_proj") => size.heads,
        () if name.contains("k_proj") => size.kv_heads,
        () => 0,
    };
    let tensors: BTreeMap<String, Values> = model
        .0
        .iter()
        .map(|(name, tensor)| {
            let heads = heads(name);
            (
                renamed(name),
                if interleaved && heads > 0 {
                    in_pairs(tensor, heads)
                } else {
                    tensor.clone()
                },
            )
        })
        .collect();
    file(&pairs, &tensors, kind)
}

/// The bytes of a GGUF file with these metadata and tensors, matrices in the format `kind` where
/// their rows are whole blocks, else in halves.
pub(crate) fn file(pairs: &[Vec<u8>], tensors: &BTreeMap<String, Values>, kind: Kind) -> Vec<u8> {
    let mut stored: Vec<(String, Vec<usize>, u32, Vec<u8>)> = Vec::new();
    for (name, tensor) in tensors {
        let row = tensor.shape.last().copied().unwrap_or(1);
        let kind = match kind {
            Kind::Nvfp4 if row % 64 == 0 => Kind::Nvfp4,
            Kind::Q4_0 | Kind::Q8_0 if row % 32 == 0 => kind,
            _ => Kind::F16,
        };
        let in_floats = tensor.shape.len() < 2 || name.contains("ssm_conv1d");
        let (number, bytes) = if in_floats {
            floats(&tensor.values)
        } else {
            encoded(kind, &tensor.values)
        };
        if kind == Kind::Nvfp4 && !in_floats {
            let scale = floats(&[scale_of(&tensor.values)]).1;
            let name = format!("{}.scale", name.trim_end_matches(".weight"));
            stored.push((name, vec![1], 0, scale));
        }
        stored.push((name.clone(), tensor.shape.clone(), number, bytes));
    }
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend((stored.len() as u64).to_le_bytes());
    file.extend((pairs.len() as u64).to_le_bytes());
    file.extend(pairs.concat());
    let mut data: Vec<u8> = Vec::new();
    for (name, shape, number, bytes) in stored {
        file.extend(string(&name));
        file.extend((shape.len() as u32).to_le_bytes());
        let axes = shape.iter().rev();
        axes.for_each(|axis| file.extend((*axis as u64).to_le_bytes()));
        file.extend(number.to_le_bytes());
        file.extend((data.len() as u64).to_le_bytes());
        data.extend(bytes);
        data.resize(data.len().next_multiple_of(32), 0);
    }
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(data);
    file
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A pair with a text.
pub(crate) fn text(key: &str, value: &str) -> Vec<u8> {
    [string(key), 8u32.to_le_bytes().to_vec(), string(value)].concat()
}

/// A pair with a count.
pub(crate) fn count(key: &str, value: usize) -> Vec<u8> {
    [
        string(key),
        4u32.to_le_bytes().to_vec(),
        (value as u32).to_le_bytes().to_vec(),
    ]
    .concat()
}

/// The name that llama.cpp gives a tensor of the Llama family.
pub(crate) fn renamed(name: &str) -> String {
    let mut name = name.to_owned();
    for (from, to) in [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers", "blk"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
    ] {
        name = name.replace(from, to);
    }
    name
}

/// Row h·d + 2j + p from row h·d + p·d/2 + j.
pub(crate) fn in_pairs(tensor: &Values, heads: usize) -> Values {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1]);
    let head = rows / heads;
    let from = |row: usize| row / head * head + row % 2 * (head / 2) + row % head / 2;
    let values = (0..rows)
        .flat_map(|row| tensor.values[from(row) * columns..][..columns].to_vec())
        .collect();
    Values {
        shape: tensor.shape.clone(),
        values,
    }
}

fn floats(values: &[f64]) -> (u32, Vec<u8>) {
    (
        0,
        values
            .iter()
            .flat_map(|value| (*value as f32).to_le_bytes())
            .collect(),
    )
}

fn encoded(kind: Kind, values: &[f64]) -> (u32, Vec<u8>) {
    match kind {
        Kind::F16 => (1, values.iter().flat_map(|value| half(*value).1).collect()),
        Kind::Q4_0 => (2, values.chunks(32).flat_map(q4_0).collect()),
        Kind::Q8_0 => (8, values.chunks(32).flat_map(q8_0).collect()),
        Kind::Nvfp4 => {
            let scale = scale_of(values);
            let blocks = values.chunks(64).flat_map(|block| nvfp4(block, scale));
            (40, blocks.collect())
        }
    }
}

/// A value rounded to half precision, and its bytes.
fn half(value: f64) -> (f64, [u8; 2]) {
    let half = half::f16::from_f32(value as f32);
    (half.to_f64(), half.to_le_bytes())
}

fn q8_0(block: &[f64]) -> Vec<u8> {
    let largest = block
        .iter()
        .fold(0.0, |most: f64, value| most.max(value.abs()));
    let (scale, mut bytes) = (largest / 127.0, half(largest / 127.0).1.to_vec());
    bytes.extend(
        block
            .iter()
            .map(|value| (value / scale).round() as i8 as u8),
    );
    bytes
}

/// The value of largest size becomes −8, and what would be 8 is clipped to 7.
fn q4_0(block: &[f64]) -> Vec<u8> {
    let largest = block.iter().copied().fold(0.0, |most: f64, value| {
        if value.abs() > most.abs() {
            value
        } else {
            most
        }
    });
    let (scale, mut bytes) = (largest / -8.0, half(largest / -8.0).1.to_vec());
    let code = |value: f64| ((value / scale + 8.5).floor() as i64).clamp(0, 15) as u8;
    bytes.extend((0..16).map(|i| code(block[i]) | code(block[i + 16]) << 4));
    bytes
}

fn largest(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(0.0, |most: f64, value| most.max(value.abs()))
}

/// The scale under which the largest value is the largest that a block holds.
fn scale_of(values: &[f64]) -> f64 {
    f64::from((largest(values) / (6.0 * 448.0)) as f32)
}

/// Unsigned E4M3.
fn ue4m3(code: u8) -> f64 {
    let (exponent, mantissa) = (i32::from(code >> 3), f64::from(code & 7) / 8.0);
    match exponent {
        0 => mantissa * 2f64.powi(-6),
        exponent => (1.0 + mantissa) * 2f64.powi(exponent - 7),
    }
}

/// Four scales, then for each 16 values the low nibbles of the first eight and the high ones of the
/// others.
fn nvfp4(block: &[f64], scale: f64) -> Vec<u8> {
    const E2M1: [f64; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
    let (mut scales, mut codes) = (Vec::new(), Vec::new());
    for part in block.chunks(16) {
        let wanted = largest(part) / scale / 6.0;
        let off = |code: &u8| (ue4m3(*code) - wanted).abs();
        let own = (1..127).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap();
        let code = |value: f64| {
            let value = value / scale / ue4m3(own);
            let off = |at: &usize| (E2M1[*at] - value.abs()).abs();
            let nearest = (0..8).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap();
            nearest as u8 | u8::from(value < 0.0) << 3
        };
        scales.push(own);
        codes.extend((0..8).map(|at| code(part[at]) | code(part[at + 8]) << 4));
    }
    [scales, codes].concat()
}
