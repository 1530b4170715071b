//! Fused and stacked tensors cut into the matrices that other layouts store apart (formats.md, sections 1.3 and 1.7).

use std::sync::Arc;

use crate::model::config::Config;
use crate::model::name::Meaning;
use crate::model::words::{Class, Role};

use super::logical::{Logical, Origin, RowOrder, Run, Source, fold};

/// What a model says of itself that its fused tensors need.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    /// Width of the residual stream.
    pub hidden: Option<u64>,
    /// Query heads.
    pub heads: Option<u64>,
    /// Key and value heads.
    pub kv_heads: Option<u64>,
    /// Size of a head.
    pub head_dim: Option<u64>,
    /// Rows of the low-rank key and of the value of a head: without its rotary part, `qk_nope_head_dim`, and `v_head_dim`.
    pub low_rank_head: Option<(u64, u64)>,
    /// Heads of linear attention.
    pub linear: Option<LinearHeads>,
    /// Whether gate and up rows alternate in stacked experts (gpt-oss).
    pub interleaved_experts: bool,
    /// Whether norm gains are stored less 1 (formats.md, section 2).
    pub zero_centred_gains: bool,
}

/// Heads of linear attention (Qwen3-Next): keys and queries have as many, values a whole multiple of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinearHeads {
    /// Key heads, and as many query heads.
    pub key_heads: u64,
    /// Rows of a key head.
    pub key_dim: u64,
    /// Value heads that share a key head.
    pub values_per_key: u64,
    /// Rows of a value head.
    pub value_dim: u64,
}

impl LinearHeads {
    fn new(config: &Config) -> Option<Self> {
        let value = |key| config.text_integer(&[key]);
        let key_heads = value("linear_num_key_heads").filter(|&heads| heads > 0)?;
        let value_heads = value("linear_num_value_heads")?;
        Some(Self {
            key_heads,
            key_dim: value("linear_key_head_dim")?,
            values_per_key: value_heads.is_multiple_of(key_heads).then_some(value_heads / key_heads)?,
            value_dim: value("linear_value_head_dim")?,
        })
    }
}

/// Most heads of a layer; what a file claims beyond is no count of heads.
const MOST_HEADS: u64 = 1 << 16;

/// Model types that store norm gains less 1; a type followed by `*` stands for all that begin with it.
const ZERO_CENTRED_GAINS: [&str; 12] = [
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3_text",
    "t5gemma*",
    "t5_gemma*",
    "recurrent_gemma",
    "vaultgemma",
    "nemotron",
    "qwen3_next",
    "qwen3_5*",
    "minimax_m3*",
];

impl Facts {
    /// Facts of the text part, from config.json and the width of the embedding.
    pub fn new(config: Option<&Config>, embedding_width: Option<u64>) -> Self {
        let value = |keys: &[&str]| config.and_then(|c| c.text_integer(keys));
        let hidden = embedding_width.or_else(|| value(&["hidden_size", "n_embd", "d_model"]));
        let heads = value(&["num_attention_heads", "n_head", "n_heads", "num_heads"]);
        let multi_query = config.and_then(|c| c.text_value("multi_query")).and_then(serde_json::Value::as_bool);
        let new_decoder = config.and_then(|c| c.text_value("new_decoder_architecture"));
        let one = multi_query == Some(true) && new_decoder.and_then(serde_json::Value::as_bool) != Some(true);
        let kv_heads =
            if one { Some(1) } else { value(&["num_key_value_heads", "n_kv_heads", "num_kv_heads", "n_head_kv"]) };
        let head_dim = value(&["head_dim", "kv_channels", "attention_head_size"])
            .or_else(|| hidden.zip(heads).and_then(|(width, heads)| width.checked_div(heads)));
        let model_type = config.and_then(Config::model_type);
        Self {
            hidden,
            heads,
            kv_heads: kv_heads.or(heads),
            head_dim,
            low_rank_head: value(&["qk_nope_head_dim"]).zip(value(&["v_head_dim"])),
            linear: config.and_then(LinearHeads::new),
            interleaved_experts: model_type == Some("gpt_oss"),
            zero_centred_gains: model_type.is_some_and(|model_type| {
                let is =
                    |name: &&str| name.strip_suffix('*').map_or(model_type == *name, |n| model_type.starts_with(n));
                ZERO_CENTRED_GAINS.iter().any(is)
            }),
        }
    }
}

/// The pieces of a fused or stacked tensor, in the order of its rows; empty for any other.
pub fn pieces(logical: &Logical, facts: &Facts) -> Vec<Logical> {
    let slot = logical.meaning.slot.as_str();
    let (place, leaf) = slot.rsplit_once('.').unwrap_or((slot, ""));
    if let (Some(role), None) = (place.strip_prefix("experts."), logical.meaning.expert) {
        let experts = experts(logical, facts);
        return match role {
            "gate_up" => experts.iter().flat_map(|expert| halves(expert, facts, true)).collect(),
            "gate" | "up" | "down" => experts,
            _ => Vec::new(),
        };
    }
    match place {
        _ if leaf != "weight" && leaf != "bias" => Vec::new(),
        "gate_up" => halves(logical, facts, false),
        "qkv" => query_key_value(logical, facts),
        "kv_b" => low_rank_key_value(logical, facts).unwrap_or_default(),
        "ssm.in_proj" => linear_attention(logical, facts).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Whether two tensors of one place and shape hold their rows in different orders, so that only their pieces can be
/// compared: llama.cpp puts the rows of `query_key_value` in the order of its own `attn_qkv`, and turns gpt-oss's experts.
pub fn differ_in_layout(sides: [&Logical; 2], facts: [&Facts; 2]) -> bool {
    let slot = sides[0].meaning.slot.as_str();
    let [a, b] = sides;
    if slot.starts_with("qkv.") {
        return interleave(&a.name) != interleave(&b.name);
    }
    let turned = |side: usize| stored_in_out(sides[side], facts[side]);
    let alternate = |side: usize| facts[side].interleaved_experts;
    match slot.strip_prefix("experts.") {
        Some(role) => turned(0) != turned(1) || role.starts_with("gate_up") && alternate(0) != alternate(1),
        None => false,
    }
}

/// Whether each expert of a stack is stored (in, out).
fn stored_in_out(logical: &Logical, facts: &Facts) -> bool {
    let &[_, rows, columns] = logical.shape.as_slice() else { return false };
    // The side that reads the residual stream is as wide as the stream: the last axis when stored (out, in).
    let reads_stream = logical.meaning.role != Role::Down;
    let turned = facts.hidden.is_some_and(|h| rows != columns && (if reads_stream { rows } else { columns }) == h);
    // The quantised form is (out, in) in any case.
    turned || facts.interleaved_experts && matches!(logical.source.origin, Origin::Tensor(_))
}

/// One matrix for each expert of a stack, turned to (out, in), or one bias.
fn experts(logical: &Logical, facts: &Facts) -> Vec<Logical> {
    let (count, rows, columns) = match logical.shape.as_slice() {
        &[count, rows, columns] => (count, rows, columns),
        &[count, columns] if logical.meaning.role == Role::Bias => (count, 1, columns),
        _ => return Vec::new(),
    };
    let is_bias = logical.shape.len() == 2;
    let turned = stored_in_out(logical, facts);
    let shape = match (is_bias, turned) {
        (true, _) => vec![columns],
        (false, true) => vec![columns, rows],
        (false, false) => vec![rows, columns],
    };
    // One expert of a stack is what other layouts store as a tensor of its own.
    let slot = logical.meaning.slot.strip_prefix("experts.").unwrap_or(&logical.meaning.slot);
    let class = if is_bias { Class::Vector } else { logical.meaning.class };
    let piece = |expert: u64| {
        let index = u32::try_from(expert).ok()?;
        Some(Logical {
            name: format!("{}[{expert}]", logical.name),
            meaning: Meaning { expert: Some(index), slot: slot.to_owned(), class, ..logical.meaning.clone() },
            shape: shape.clone(),
            stored_shape: logical.stored_shape.clone(),
            dtype: logical.dtype,
            source: Source {
                stored: (rows, columns),
                start: logical.source.start + expert * rows * columns,
                transposed: turned,
                rows: RowOrder::All,
                ..logical.source.clone()
            },
        })
    };
    (0..count).map_while(piece).collect()
}

/// Gate and up: the first and the second half of the rows, or every other row.
fn halves(logical: &Logical, facts: &Facts, expert: bool) -> Vec<Logical> {
    let (rows, _) = split_shape(logical);
    if rows % 2 != 0 {
        return Vec::new();
    }
    let half = rows / 2;
    let run = |second: u64| {
        if expert && facts.interleaved_experts {
            Run { start: second, count: half, step: 2 }
        } else {
            Run { start: second * half, count: half, step: 1 }
        }
    };
    let cut = |role: Role, second: u64| piece(logical, "gate_up", role.word(), role, vec![run(second)]);
    vec![cut(Role::Gate, 0), cut(Role::Up, 1)]
}

/// Query, key and value.
fn query_key_value(logical: &Logical, facts: &Facts) -> Vec<Logical> {
    let (rows, _) = split_shape(logical);
    let third = rows / 3;
    let plain = || {
        let (q, kv) = match (facts.heads, facts.kv_heads, facts.head_dim) {
            (Some(h), Some(k), Some(d)) if in_text(logical) && h.checked_add(2 * k)?.checked_mul(d)? == rows => {
                (h * d, k * d)
            }
            _ if rows.is_multiple_of(3) => (third, third),
            _ => return None,
        };
        let run = |start, count| vec![Run { start, count, step: 1 }];
        Some([run(0, q), run(q, kv), run(q + kv, kv)])
    };
    let runs = match interleave(&logical.name) {
        Interleave::None => plain(),
        Interleave::Groups => groups(rows, facts).or_else(plain),
    };
    let Some([q, k, v]) = runs else { return Vec::new() };
    let cut = |role: Role, runs| piece(logical, "qkv", role.word(), role, runs);
    vec![cut(Role::Q, q), cut(Role::K, k), cut(Role::V, v)]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interleave {
    /// All query rows, all key rows, all value rows.
    None,
    /// For each key/value group: its query heads, its key, its value.
    Groups,
}

/// GPT-NeoX, BLOOM and Falcon name the tensor `query_key_value`, InternLM2 `wqkv`; they store it by groups.
fn interleave(name: &str) -> Interleave {
    let grouped = ["query_key_value", "attention.wqkv"];
    if grouped.iter().any(|part| name.contains(part)) { Interleave::Groups } else { Interleave::None }
}

fn groups(rows: u64, facts: &Facts) -> Option<[Vec<Run>; 3]> {
    let (heads, groups, head) = (facts.heads?, facts.kv_heads?, facts.head_dim?);
    let each = heads.checked_div(groups)?;
    let block = each.checked_add(2)?.checked_mul(head)?;
    if block.checked_mul(groups)? != rows || each == 0 {
        return None;
    }
    let at = |offset: u64, count: u64| {
        (0..groups).map(|g| Run { start: g * block + offset, count, step: 1 }).collect::<Vec<_>>()
    };
    Some([at(0, each * head), at(each * head, head), at((each + 1) * head, head)])
}

/// Keys and values of low-rank attention: the rows of each head are [key; value] (formats.md, section 1.7: MLA).
fn low_rank_key_value(logical: &Logical, facts: &Facts) -> Option<Vec<Logical>> {
    let (heads, (key, value)) = (facts.heads?, facts.low_rank_head?);
    let head = key.checked_add(value)?;
    if heads.checked_mul(head)? != split_shape(logical).0 || heads > MOST_HEADS {
        return None;
    }
    let runs = |offset: u64, count: u64| (0..heads).map(|h| Run { start: h * head + offset, count, step: 1 }).collect();
    let cut = |slot: &str, runs| piece(logical, "kv_b", slot, Role::KvB, runs);
    Some(vec![cut("k_b", runs(0, key)), cut("v_b", runs(key, value))])
}

/// Query, key and value rows, and those of the gate, of linear attention: [q; k; values; gates] for each key head.
fn linear_attention(logical: &Logical, facts: &Facts) -> Option<Vec<Logical>> {
    let LinearHeads { key_heads, key_dim, values_per_key, value_dim } = facts.linear?;
    let values = values_per_key.checked_mul(value_dim)?;
    let head = key_dim.checked_add(values)?.checked_mul(2)?;
    if key_heads.checked_mul(head)? != split_shape(logical).0 || key_heads > MOST_HEADS {
        return None;
    }
    let runs = |offset: u64, count: u64| (0..key_heads).map(move |h| Run { start: h * head + offset, count, step: 1 });
    let (queries, keys) = (runs(0, key_dim), runs(key_dim, key_dim));
    let joined = queries.chain(keys).chain(runs(2 * key_dim, values)).collect();
    let cut = |slot: &str, runs| piece(logical, "ssm.in_proj", slot, Role::Ssm, runs);
    Some(vec![cut("ssm.in_proj_qkv", joined), cut("ssm.in_proj_z", runs(2 * key_dim + values, values).collect())])
}

fn in_text(logical: &Logical) -> bool {
    logical.meaning.component == crate::model::words::Component::Text
}

/// Rows that are cut: the elements of a vector, the rows of a matrix.
fn split_shape(logical: &Logical) -> (u64, u64) {
    match logical.shape.as_slice() {
        [n] => (*n, 1),
        shape => fold(shape, logical.meaning.role),
    }
}

/// The rows `runs` of a fused tensor, whose slot has `word` where that of the whole has `fused`.
fn piece(whole: &Logical, fused: &str, word: &str, role: Role, runs: Vec<Run>) -> Logical {
    let slot = whole.meaning.slot.replacen(fused, word, 1);
    let rows: u64 = runs.iter().map(|r| r.count).sum();
    let is_vector = whole.shape.len() == 1;
    let (_, columns) = split_shape(whole);
    let is_bias = whole.meaning.role == Role::Bias;
    Logical {
        name: format!("{}[{word}]", whole.name),
        meaning: Meaning { role: if is_bias { Role::Bias } else { role }, slot, ..whole.meaning.clone() },
        shape: if is_vector { vec![rows] } else { vec![rows, columns] },
        stored_shape: whole.stored_shape.clone(),
        dtype: whole.dtype,
        source: Source {
            stored: if is_vector { (rows_of(whole), 1) } else { whole.source.stored },
            rows: RowOrder::Runs(Arc::from(runs)),
            ..whole.source.clone()
        },
    }
}

fn rows_of(vector: &Logical) -> u64 {
    vector.shape.first().copied().unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::dtype::Dtype;
    use crate::model::name::Namer;
    use crate::view::logical::Undo;

    fn logical(name: &str, shape: &[u64]) -> Logical {
        let meaning = Namer::new([name, "model.embed_tokens.weight"], None).meaning(name, shape, Dtype::F32);
        let source = Source {
            origin: Origin::Tensor(0),
            stored: fold(shape, meaning.role),
            start: 0,
            transposed: false,
            rows: RowOrder::All,
            columns: None,
            undo: Undo::Nothing,
        };
        let (name, shape, stored_shape) = (name.to_owned(), shape.to_vec(), shape.to_vec());
        Logical { name, meaning, shape, stored_shape, dtype: Dtype::F32, source }
    }

    /// Slots and shapes of the pieces.
    fn slots(pieces: &[Logical]) -> Vec<(&str, &[u64])> {
        pieces.iter().map(|piece| (piece.meaning.slot.as_str(), piece.shape.as_slice())).collect()
    }

    fn starts(piece: &Logical) -> Vec<u64> {
        match &piece.source.rows {
            RowOrder::Runs(runs) => runs.iter().map(|run| run.start).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn an_expert_of_a_stack_has_the_slot_of_one_that_is_stored_apart() {
        let facts = Facts { hidden: Some(6), ..Facts::default() };
        let stack = pieces(&logical("blk.0.ffn_down_exps.weight", &[2, 6, 4]), &facts);
        let apart = logical("model.layers.0.mlp.experts.1.down_proj.weight", &[6, 4]);
        assert_eq!(stack[1].place(), apart.place());
        assert_eq!((stack[1].source.start, stack[1].shape.as_slice()), (24, &[6, 4][..]));
        let bias = pieces(&logical("blk.0.ffn_gate_exps.bias", &[2, 4]), &facts);
        assert_eq!(slots(&bias), [("gate.bias", &[4][..]), ("gate.bias", &[4])]);
        assert_eq!((bias[1].source.start, bias[1].meaning.class), (4, Class::Vector));
    }

    #[test]
    fn fused_attention_is_cut_with_its_bias() {
        let facts = Facts { heads: Some(2), kv_heads: Some(2), head_dim: Some(3), ..Facts::default() };
        for (name, shape, leaf) in [("weight", &[18, 5][..], 5), ("bias", &[18], 1)] {
            let grouped = pieces(&logical(&format!("transformer.h.0.attention.query_key_value.{name}"), shape), &facts);
            assert_eq!(starts(&grouped[1]), [3, 12], "{name}");
            assert_eq!(grouped[2].meaning.slot, format!("v.{name}"));
            assert_eq!(grouped[0].elements(), 6 * leaf);
        }
        let joined = pieces(&logical("blk.0.attn_qkv.bias", &[18]), &facts);
        assert_eq!(starts(&joined[1]), [6]);
    }

    #[test]
    fn low_rank_keys_and_values_are_cut_by_heads() {
        let facts = Facts { heads: Some(2), low_rank_head: Some((3, 2)), ..Facts::default() };
        let cut = pieces(&logical("model.layers.0.self_attn.kv_b_proj.weight", &[10, 4]), &facts);
        assert_eq!(slots(&cut), [("k_b.weight", &[6, 4][..]), ("v_b.weight", &[4, 4])]);
        assert_eq!([starts(&cut[0]), starts(&cut[1])], [[0, 5], [3, 8]]);
        assert!(pieces(&logical("model.layers.0.self_attn.kv_b_proj.weight", &[11, 4]), &facts).is_empty());
    }

    #[test]
    fn linear_attention_is_cut_by_key_heads() {
        let linear = Some(LinearHeads { key_heads: 2, key_dim: 1, values_per_key: 2, value_dim: 3 });
        let facts = Facts { linear, ..Facts::default() };
        let cut = pieces(&logical("model.layers.0.linear_attn.in_proj_qkvz.weight", &[28, 4]), &facts);
        assert_eq!(slots(&cut), [("ssm.in_proj_qkv.weight", &[16, 4][..]), ("ssm.in_proj_z.weight", &[12, 4])]);
        assert_eq!([starts(&cut[0]), starts(&cut[1])], [vec![0, 14, 1, 15, 2, 16], vec![8, 22]]);
    }

    #[test]
    fn counts_that_no_model_has_cut_nothing() {
        let linear = Some(LinearHeads { key_heads: u64::MAX, key_dim: 2, values_per_key: 1, value_dim: u64::MAX });
        let facts = Facts { heads: Some(u64::MAX), low_rank_head: Some((1, u64::MAX)), linear, ..Facts::default() };
        for name in ["self_attn.kv_b_proj", "linear_attn.in_proj_qkvz"] {
            assert!(pieces(&logical(&format!("model.layers.0.{name}.weight"), &[8, 4]), &facts).is_empty());
        }
    }
}
