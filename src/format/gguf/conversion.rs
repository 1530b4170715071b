//! What llama.cpp's converter does to a tensor, as data for the undoing (`conversion/*.py` of
//! llama.cpp; guide/formats.md, section 1.4): shapes, rotary order, transposed heads, tiled value
//! heads, changed values. Whoever reads the tensor applies a [`Conversion`] and knows no rule of
//! the converter.

use super::config::{Counts, LinearHeads};
use super::{MetaValue, Metadata, architecture};
use crate::model::rotary::HalfSplit;

/// What was done to one tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conversion {
    /// Rows re-ordered to interleaved rotary pairs.
    pub rotary: Option<HalfSplit>,
    /// Each of several matrices transposed: rows and columns of one as it is stored.
    pub transposed: Option<(u64, u64)>,
    /// Value heads re-ordered.
    pub tiles: Option<Tiles>,
    /// What was done to each value.
    pub values: Undo,
}

/// What the writer of the file did to each value, to be undone on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// Nothing.
    Nothing,
    /// 1 was added to a zero-centred gain.
    AddedOne,
    /// The logarithm of a decay rate, x, was stored as −exp(x).
    NegatedExponential,
}

/// What the converter did to the tensor of that name and stored shape.
pub(crate) fn conversion(metadata: &Metadata, tensor: &str, stored: &[u64]) -> Conversion {
    let is_key_of_low_rank = tensor.ends_with(".attn_k_b.weight");
    let transposed = match *stored {
        [_, rank, rows] if is_key_of_low_rank => Some((rank, rows)),
        _ => None,
    };
    let values = if norm_offset(metadata, tensor) > 0.0 {
        Undo::AddedOne
    } else if tensor.ends_with(".ssm_a") {
        Undo::NegatedExponential
    } else {
        Undo::Nothing
    };
    Conversion {
        rotary: row_order(metadata, tensor),
        transposed,
        tiles: tiled(metadata, tensor),
        values,
    }
}

/// Architectures whose converter turns the q and k rows of half-split rotary heads into interleaved
/// ones.
///
/// "llama" files that were made from Mistral's own consolidated format keep the order they had;
/// nothing in the file tells, so that a reader in doubt tries both.
const INTERLEAVED: [&str; 19] = [
    "llama",
    "arcee",
    "arctic",
    "baichuan",
    "bailingmoe",
    "chameleon",
    "deci",
    "deepseek",
    "granite",
    "granitehybrid",
    "granitemoe",
    "internlm2",
    "llada",
    "minicpm",
    "mistral3",
    "nanbeige",
    "olmo",
    "smollm3",
    "xverse",
];

/// Architectures whose converter adds 1 to zero-centred norm gains.
const SHIFTED_NORMS: [&str; 9] = [
    "gemma",
    "gemma2",
    "gemma3",
    "gemma-embedding",
    "minimax-m3",
    "nemotron",
    "qwen35",
    "qwen35moe",
    "qwen3next",
];

/// The shape that a tensor of a GGUF file had before: converters join the heads of low-rank keys
/// and values to rows, drop the middle axis of a convolution over time, and give a vector of heads
/// a second axis.
pub(crate) fn original_shape(name: &str, shape: &[u64]) -> Vec<u64> {
    let stem = name.strip_suffix(".weight").unwrap_or(name);
    let role = stem.rsplit_once('.').map_or(stem, |(_, role)| role);
    let joined =
        |heads: u64, rows: u64, columns: u64| Some(vec![heads.checked_mul(rows)?, columns]);
    let original = match (role, shape) {
        ("attn_k_b", &[heads, rank, rows]) | ("attn_v_b", &[heads, rows, rank]) => {
            joined(heads, rows, rank)
        }
        ("ssm_conv1d" | "conv", &[channels, width]) => Some(vec![channels, 1, width]),
        ("ssm_a" | "ssm_d", &[heads, 1]) => Some(vec![heads]),
        ("ssm_norm", &[groups, size]) => groups.checked_mul(size).map(|size| vec![size]),
        _ => None,
    };
    original.unwrap_or_else(|| shape.to_vec())
}

/// Architectures whose converter puts the value heads of linear attention in the order that ggml
/// repeats key heads in.
const TILED: [&str; 2] = ["qwen35", "qwen35moe"];

/// Rows or columns of value heads that stood together with those of the same key head, and stand in
/// the file as the first value heads of all key heads, the second of all, and so on: value head `j`
/// of key head `k` is stored as head `j·keys + k` instead of `k·per_key + j`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiles {
    /// Whether columns were re-ordered, not rows.
    pub of_columns: bool,
    /// Rows before the first value head, in their old order.
    pub first: u64,
    /// Key heads.
    pub keys: u64,
    /// Value heads of each key head.
    pub per_key: u64,
    /// Rows or columns of one value head.
    pub size: u64,
}

impl Tiles {
    /// Rows or columns in all.
    pub fn end(&self) -> Option<u64> {
        self.keys
            .checked_mul(self.per_key)?
            .checked_mul(self.size)?
            .checked_add(self.first)
    }

    /// Stored stretches in the order of the original, first row or column and length: heads that
    /// share a key head stand together there, and one behind the heads of all other key heads here.
    pub fn stretches(&self) -> Vec<(u64, u64)> {
        let Self {
            first,
            keys,
            per_key,
            size,
            ..
        } = *self;
        let heads = (0..keys).flat_map(|key| (0..per_key).map(move |value| value * keys + key));
        let heads = heads.map(|head| (first + head * size, size));
        let lead = (first > 0).then_some((0, first));
        lead.into_iter().chain(heads).collect()
    }
}

/// Most value heads of a layer; what a file claims beyond is no count of heads.
const MOST_HEADS: u64 = 1 << 16;

/// How the value heads of a tensor of linear attention were re-ordered.
pub fn tiled(metadata: &Metadata, tensor: &str) -> Option<Tiles> {
    if !TILED.contains(&architecture(metadata)?) {
        return None;
    }
    let LinearHeads {
        keys,
        values,
        key_dim,
        value_dim,
    } = Counts::new(metadata)?.linear_heads()?;
    let joined = 2u64.checked_mul(keys)?.checked_mul(key_dim)?;
    let stem = tensor
        .strip_suffix(".weight")
        .or_else(|| tensor.strip_suffix(".bias"))
        .unwrap_or(tensor);
    let (of_columns, first, size) = match stem.rsplit_once('.')?.1 {
        "attn_qkv" | "ssm_conv1d" => (false, joined, value_dim),
        "attn_gate" => (false, 0, value_dim),
        "ssm_alpha" | "ssm_beta" | "ssm_a" | "ssm_dt" => (false, 0, 1),
        "ssm_out" => (true, 0, value_dim),
        _ => return None,
    };
    let is_tiled = values.is_multiple_of(keys) && values > keys && values <= MOST_HEADS;
    is_tiled.then_some(Tiles {
        of_columns,
        first,
        keys,
        per_key: values / keys,
        size,
    })
}

/// How the rows of the tensor were re-ordered: set for q and k weights and biases of the
/// architectures above.
pub fn row_order(metadata: &Metadata, tensor: &str) -> Option<HalfSplit> {
    let architecture = architecture(metadata)?;
    let counts = Counts::new(metadata)?;
    let stem = tensor
        .strip_suffix(".weight")
        .or_else(|| tensor.strip_suffix(".bias"))?;
    let (block, role) = stem.rsplit_once('.')?;
    if architecture == "clip" {
        let projector = ["clip.vision.projector_type", "clip.projector_type"]
            .iter()
            .find_map(|key| metadata.get(*key));
        let pixtral = projector.and_then(MetaValue::as_text) == Some("pixtral");
        let permuted =
            pixtral && block.starts_with("v.blk.") && matches!(role, "attn_q" | "attn_k");
        let heads = counts.count("vision.attention.head_count")?;
        return permuted.then_some(HalfSplit { heads });
    }
    if !INTERLEAVED.contains(&architecture) {
        return None;
    }
    let layer: usize = block.strip_prefix("blk.")?.parse().ok()?;
    let heads = match role {
        "attn_q" => counts.of_layer("attention.head_count", layer)?,
        "attn_k" if counts.states("attention.head_count_kv") => {
            counts.of_layer("attention.head_count_kv", layer)?
        }
        // Without a count of their own, keys have as many heads as queries.
        "attn_k" => counts.of_layer("attention.head_count", layer)?,
        _ => return None,
    };
    Some(HalfSplit { heads })
}

/// What the converter added to every value of the tensor: 1 for zero-centred norm gains, else 0.
pub fn norm_offset(metadata: &Metadata, tensor: &str) -> f32 {
    let shifted = match architecture(metadata) {
        // Of a vision tower and its projector, only the norm that is the language model's.
        Some("clip") => tensor == "mm.soft_emb_norm.weight",
        architecture => {
            architecture.is_some_and(|architecture| SHIFTED_NORMS.contains(&architecture))
        }
    };
    // The gated norm of linear attention is an ordinary gain.
    let norm = tensor.ends_with("norm.weight") && !tensor.ends_with("ssm_norm.weight");
    if shifted && norm { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_those_before_the_conversion() {
        for (name, stored, original) in [
            ("blk.0.attn_k_b.weight", &[4, 64, 32][..], &[128, 64][..]),
            ("blk.0.attn_v_b.weight", &[4, 48, 64], &[192, 64]),
            ("blk.0.ssm_conv1d.weight", &[512, 4], &[512, 1, 4]),
            ("blk.0.shortconv.conv.weight", &[64, 3], &[64, 1, 3]),
            ("blk.0.ssm_a", &[8, 1], &[8]),
            ("blk.0.ssm_a", &[512, 16], &[512, 16]),
            ("blk.0.ssm_norm.weight", &[2, 256], &[512]),
            ("blk.0.attn_k.weight", &[32, 64], &[32, 64]),
            (
                "blk.0.attn_k_b.weight",
                &[u64::MAX, 2, 2],
                &[u64::MAX, 2, 2],
            ),
        ] {
            assert_eq!(original_shape(name, stored), original, "{name}");
        }
    }

    #[test]
    fn tiled_heads_come_back_to_their_key_head() {
        let tiles = Tiles {
            of_columns: false,
            first: 10,
            keys: 2,
            per_key: 3,
            size: 4,
        };
        let starts: Vec<u64> = tiles.stretches().iter().map(|(start, _)| *start).collect();
        // Stored: values 0 of keys 0 and 1, values 1 of both, values 2 of both.
        assert_eq!(starts, [0, 10, 18, 26, 14, 22, 30]);
    }
}
