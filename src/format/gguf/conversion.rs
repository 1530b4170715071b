//! What llama.cpp's converter does to values, as data for the undoing (`conversion/*.py` of
//! llama.cpp).

use super::config::{Counts, LinearHeads};
use super::{MetaValue, Metadata, architecture};

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

/// Rows that stand interleaved in the file, (first half, second half) pairwise, and belong
/// half-split: for each of `heads` heads, row `h·d + p·d/2 + j` of the original is stored as row
/// `h·d + 2j + p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfSplit {
    /// Number of heads in the rows.
    pub heads: u64,
}

impl HalfSplit {
    /// The stored row of row `row` of the original, of `rows` rows; `None` where the rows are not
    /// that many heads of an even size.
    pub fn stored_row(self, row: u64, rows: u64) -> Option<u64> {
        let size = rows.checked_div(self.heads)?;
        if size < 2 || !size.is_multiple_of(2) || !rows.is_multiple_of(self.heads) || row >= rows {
            return None;
        }
        let (head, within) = (row / size, row % size);
        let (half, pair) = (within / (size / 2), within % (size / 2));
        Some(head * size + 2 * pair + half)
    }
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
