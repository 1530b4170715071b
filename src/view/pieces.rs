//! Fused and stacked tensors cut into the matrices that other layouts store apart (formats.md, sections 1.3 and 1.7).

use std::sync::Arc;

use crate::model::config::Config;
use crate::model::name::Meaning;
use crate::model::words::Role;

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
    /// Whether gate and up rows alternate in stacked experts (gpt-oss).
    pub interleaved_experts: bool,
    /// Whether norm gains are stored less 1 (formats.md, section 2).
    pub zero_centred_gains: bool,
}

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
    let stacked = logical.shape.len() == 3 && logical.meaning.expert.is_none();
    match logical.meaning.role {
        Role::Gate | Role::Up | Role::Down | Role::GateUp if stacked => {
            let experts = experts(logical, facts);
            experts
                .into_iter()
                .flat_map(|e| if e.meaning.role == Role::GateUp { halves(&e, facts, true) } else { vec![e] })
                .collect()
        }
        Role::GateUp => halves(logical, facts, false),
        Role::Qkv => query_key_value(logical, facts),
        _ => Vec::new(),
    }
}

/// One matrix for each expert of a stack, turned to (out, in).
fn experts(logical: &Logical, facts: &Facts) -> Vec<Logical> {
    let &[count, rows, columns] = logical.shape.as_slice() else { return Vec::new() };
    // The side that reads the residual stream is as wide as the stream: the last axis when stored (out, in).
    let reads_stream = logical.meaning.role != Role::Down;
    let turned = facts.hidden.is_some_and(|h| rows != columns && (if reads_stream { rows } else { columns }) == h);
    // The quantised form is (out, in) in any case.
    let turned = turned || facts.interleaved_experts && matches!(logical.source.origin, Origin::Tensor(_));
    let shape = if turned { vec![columns, rows] } else { vec![rows, columns] };
    // One expert of a stack is what other layouts store as a tensor of its own.
    let slot = logical.meaning.slot.strip_prefix("experts.").unwrap_or(&logical.meaning.slot);
    let piece = |expert: u64| {
        let index = u32::try_from(expert).ok()?;
        Some(Logical {
            name: format!("{}[{expert}]", logical.name),
            meaning: Meaning { expert: Some(index), slot: slot.to_owned(), ..logical.meaning.clone() },
            shape: shape.clone(),
            stored_shape: logical.stored_shape.clone(),
            dtype: logical.dtype,
            source: Source {
                origin: logical.source.origin,
                stored: (rows, columns),
                start: logical.source.start + expert * rows * columns,
                transposed: turned,
                rows: RowOrder::All,
                undo: logical.source.undo,
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
    let cut = |role: Role, second: u64| piece(logical, "gate_up", role, vec![run(second)]);
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
    vec![piece(logical, "qkv", Role::Q, q), piece(logical, "qkv", Role::K, k), piece(logical, "qkv", Role::V, v)]
}

/// Whether two tensors of one place hold their rows in different orders, so that only their pieces can be compared:
/// llama.cpp puts the rows of `query_key_value` in the order of its own `attn_qkv`.
pub fn differ_in_layout(a: &Logical, b: &Logical) -> bool {
    let is_qkv = |l: &Logical| l.meaning.slot.starts_with("qkv.");
    is_qkv(a) && is_qkv(b) && interleave(&a.name) != interleave(&b.name)
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

fn piece(whole: &Logical, fused: &str, role: Role, runs: Vec<Run>) -> Logical {
    let slot = whole.meaning.slot.replacen(fused, role.word(), 1);
    let rows: u64 = runs.iter().map(|r| r.count).sum();
    let is_vector = whole.shape.len() == 1;
    let (_, columns) = split_shape(whole);
    let is_bias = whole.meaning.role == Role::Bias;
    Logical {
        name: format!("{}[{role}]", whole.name),
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
