//! Fused and stacked tensors cut into what other layouts store apart
//! (guide/formats.md, sections 1.3 and 1.7).

use std::sync::Arc;

use crate::model::config::Config;
use crate::model::name::Meaning;
use crate::model::sides::Sides;
use crate::model::words::{Class, Role};

use super::logical::{Logical, Origin, RowOrder, RowRun, StoredAs, fold};
use super::qkv::{self, MOST_GROUPS};

/// What a model says of itself that its fused tensors need.
#[derive(Debug, Clone, Copy, Default)]
pub struct LayoutFacts {
    /// Width of the residual stream.
    pub hidden: Option<u64>,
    /// Query heads.
    pub heads: Option<u64>,
    /// Key and value heads.
    pub kv_heads: Option<u64>,
    /// Size of a head.
    pub head_dim: Option<u64>,
    /// Rows of the low-rank key and of the value of a head: without its rotary part,
    /// `qk_nope_head_dim`, and `v_head_dim`.
    pub low_rank_head: Option<(u64, u64)>,
    /// Whether gate and up rows alternate in stacked experts (gpt-oss).
    pub interleaved_experts: bool,
    /// Whether stacked experts are stored (in, out), where the shape of one of them shows it.
    pub transposed_experts: Option<bool>,
    /// Heads of linear attention.
    pub linear: Option<LinearHeads>,
    /// Whether norm gains are stored less 1 (guide/formats.md, section 2).
    pub zero_centred_gains: bool,
}

/// Heads of a gated delta rule (Qwen3-Next, Qwen3.5).
#[derive(Debug, Clone, Copy)]
pub struct LinearHeads {
    /// Key heads, and query heads.
    pub keys: u64,
    /// Value heads, a multiple of the key heads.
    pub values: u64,
    /// Size of a key head.
    pub key_dim: u64,
    /// Size of a value head.
    pub value_dim: u64,
}

/// Most heads of a layer; what a file claims beyond is no count of heads.
const MOST_HEADS: u64 = 1 << 16;

/// Model types that store norm gains less 1; a type followed by `*` stands for all that begin with
/// it.
const ZERO_CENTRED_GAINS: [&str; 17] = [
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
    "muse_glimmer*",
    "muse_spark*",
    "qwen4*",
    "step3p*",
    "videoprism*",
];

impl LayoutFacts {
    /// LayoutFacts of the text part, from config.json and the width of the embedding.
    pub fn new(config: Option<&Config>, embedding_width: Option<u64>) -> Self {
        let Some(config) = config else {
            return Self {
                hidden: embedding_width,
                ..Self::default()
            };
        };
        let text = config.text();
        let linear = || {
            Some(LinearHeads {
                keys: text.count("linear_num_key_heads")?,
                values: text.count("linear_num_value_heads")?,
                key_dim: text.count("linear_key_head_dim")?,
                value_dim: text.count("linear_value_head_dim")?,
            })
        };
        let low_rank_key = text.count("qk_nope_head_dim");
        let model_type = text.model_type();
        Self {
            hidden: embedding_width.or_else(|| text.count("hidden_size")),
            heads: text.count("num_attention_heads"),
            kv_heads: text.key_value_heads(),
            head_dim: text.head_dim(embedding_width),
            low_rank_head: low_rank_key.zip(text.count("v_head_dim")),
            interleaved_experts: model_type == Some("gpt_oss"),
            transposed_experts: None,
            linear: linear(),
            zero_centred_gains: model_type.is_some_and(stores_gains_less_one),
        }
    }
}

fn stores_gains_less_one(model_type: &str) -> bool {
    let mut rows = ZERO_CENTRED_GAINS.iter();
    rows.any(|row| match row.strip_suffix('*') {
        Some(beginning) => model_type.starts_with(beginning),
        None => model_type == *row,
    })
}

/// The pieces of a fused or stacked tensor, in the order of its rows; empty for any other.
pub fn pieces(logical: &Logical, facts: &LayoutFacts) -> Vec<Logical> {
    if is_stacked(logical) {
        let cut = |expert: Logical| match holds(&expert, "gate_up") {
            true if facts.interleaved_experts => halves(&expert, GateUp::Interleaved),
            true => halves(&expert, GateUp::Halves),
            false => vec![expert],
        };
        return experts(logical, facts).into_iter().flat_map(cut).collect();
    }
    if holds(logical, "gate_up") {
        return halves(logical, GateUp::Halves);
    }
    if qkv::is_fused(logical) {
        let Some(sizes) = qkv::usual_sizes(logical, facts) else {
            return Vec::new();
        };
        let cut = qkv::cut(logical, sizes, qkv::usual_order(logical, facts.head_dim));
        return if cut.is_empty() {
            qkv::cut(logical, sizes, qkv::QkvOrder::Blocks)
        } else {
            cut
        };
    }
    let by_heads = low_rank_key_value(logical, facts).or_else(|| linear_attention(logical, facts));
    by_heads.unwrap_or_default()
}

/// Whether two tensors of one place and shape hold their rows in different orders, so that only
/// their pieces can be compared: llama.cpp puts the rows of `query_key_value` in the order of its
/// own `attn_qkv`, and transposes gpt-oss's experts.
pub(crate) fn differ_in_layout(tensors: Sides<&Logical>, facts: Sides<&LayoutFacts>) -> bool {
    if tensors.iter().all(|side| is_stacked(side)) {
        let holds_both = tensors.iter().any(|side| holds(side, "gate_up"));
        let transposed = tensors
            .zip(facts)
            .map(|(stack, facts)| stored_in_out(stack, facts));
        let interleaved = facts.map(|facts| facts.interleaved_experts);
        return transposed.base != transposed.target
            || holds_both && interleaved.base != interleaved.target;
    }
    // By the name alone, so that a side that says nothing of its heads is taken as the other.
    let orders = tensors.map(|side| qkv::usual_order(side, Some(1)));
    tensors.iter().all(|side| qkv::is_fused(side)) && orders.base != orders.target
}

/// Whether a matrix or a bias is that of several: `qkv`, `gate_up`.
pub(super) fn holds(logical: &Logical, several: &str) -> bool {
    matches!(logical.meaning.role, Role::Qkv | Role::GateUp | Role::Bias)
        && logical.meaning.slot.split('.').any(|word| word == several)
}

/// Whether a tensor holds all experts of a layer: matrices, or biases.
fn is_stacked(logical: &Logical) -> bool {
    let axes = match logical.meaning.role {
        Role::Gate | Role::Up | Role::Down | Role::GateUp | Role::Fc1 | Role::Fc2 => 3,
        Role::Bias
            if logical
                .meaning
                .slot
                .split('.')
                .any(|word| word == "experts") =>
        {
            2
        }
        _ => return false,
    };
    logical.shape.len() == axes && logical.meaning.expert.is_none()
}

/// Whether stacked experts are stored (in, out): the side that reads the residual stream, `hidden`
/// wide, is the last axis when they are stored (out, in). `None` where no stack of matrices shows
/// it.
pub(crate) fn transposed_experts(logicals: &[Logical], hidden: Option<u64>) -> Option<bool> {
    logicals
        .iter()
        .filter(|l| is_stacked(l))
        .find_map(|l| transposed_by_shape(l, hidden?))
}

fn transposed_by_shape(stack: &Logical, hidden: u64) -> Option<bool> {
    let &[_, rows, columns] = stack.shape.as_slice() else {
        return None;
    };
    let reads_stream = !matches!(stack.meaning.role, Role::Down | Role::Fc2);
    let [read, written] = if reads_stream {
        [columns, rows]
    } else {
        [rows, columns]
    };
    match (read == hidden, written == hidden) {
        (true, false) => Some(false),
        (false, true) => Some(true),
        _ => None,
    }
}

/// Whether each matrix of a stack is stored (in, out).
fn stored_in_out(stack: &Logical, facts: &LayoutFacts) -> bool {
    if stack.shape.len() != 3 {
        return false;
    }
    // The quantised form is (out, in) in any case.
    let by_others = matches!(stack.stored_as.origin, Origin::Tensor(_))
        && (facts.interleaved_experts || facts.transposed_experts == Some(true));
    facts
        .hidden
        .and_then(|hidden| transposed_by_shape(stack, hidden))
        .unwrap_or(by_others)
}

/// Experts of one stack that are taken apart; released models have up to 512.
const MOST_EXPERTS: u64 = 1 << 14;

/// One matrix for each expert of a stack, as (out, in), or one bias.
fn experts(logical: &Logical, facts: &LayoutFacts) -> Vec<Logical> {
    let (count, rows, columns) = match *logical.shape.as_slice() {
        [count, n] => (count, 1, n),
        [count, rows, columns] => (count, rows, columns),
        _ => return Vec::new(),
    };
    let is_bias = logical.shape.len() == 2;
    // Experts without an element are none, however many a header promises.
    if rows == 0 || columns == 0 || count > MOST_EXPERTS {
        return Vec::new();
    }
    let transposed = stored_in_out(logical, facts);
    let shape = match (is_bias, transposed) {
        (true, _) => vec![columns],
        (_, true) => vec![columns, rows],
        (_, false) => vec![rows, columns],
    };
    let slot: Arc<str> = logical.meaning.slot.replacen("experts.", "", 1).into();
    let class = if is_bias {
        Class::Vector
    } else {
        logical.meaning.class
    };
    let piece = |expert: u64| {
        let index = u32::try_from(expert).ok()?;
        Some(Logical {
            name: format!("{}[{expert}]", logical.name),
            meaning: Meaning {
                expert: Some(index),
                slot: slot.clone(),
                class,
                ..logical.meaning.clone()
            },
            shape: shape.clone(),
            stored_shape: logical.stored_shape.clone(),
            dtype: logical.dtype,
            stored_as: StoredAs {
                stored: (rows, columns),
                start: logical.stored_as.start + expert * rows * columns,
                transposed,
                rows: RowOrder::All,
                ..logical.stored_as.clone()
            },
        })
    };
    (0..count).map_while(piece).collect()
}

/// In which order a fused tensor holds the rows of gate and up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GateUp {
    /// The gate's, then those of up.
    Halves,
    /// Those of up, then the gate's.
    Swapped,
    /// In turn, the gate's first.
    Interleaved,
}

impl GateUp {
    /// The rows of one of the two, of `half` rows each.
    fn run(self, role: Role, half: u64) -> RowRun {
        let second = u64::from(role == Role::Up);
        match self {
            Self::Halves => RowRun {
                start: second * half,
                count: half,
                step: 1,
            },
            Self::Swapped => RowRun {
                start: (1 - second) * half,
                count: half,
                step: 1,
            },
            Self::Interleaved => RowRun {
                start: second,
                count: half,
                step: 2,
            },
        }
    }
}

/// Gate and up.
fn halves(logical: &Logical, order: GateUp) -> Vec<Logical> {
    let (rows, _) = split_shape(logical);
    if rows % 2 != 0 || logical.stored_as.rows != RowOrder::All {
        return Vec::new();
    }
    let cut = |role: Role| {
        piece(
            logical,
            "gate_up",
            role.word(),
            role,
            vec![order.run(role, rows / 2)],
        )
    };
    vec![cut(Role::Gate), cut(Role::Up)]
}

/// The same half of the same fused tensor, if that held its rows in another order; none for what is
/// no such half.
pub(crate) fn other_half(piece: &Logical, order: GateUp) -> Option<Logical> {
    let RowOrder::Runs(runs) = &piece.stored_as.rows else {
        return None;
    };
    let [run] = runs.as_ref() else { return None };
    let is_named = |role: &Role| {
        piece
            .meaning
            .slot
            .split('.')
            .any(|word| word == role.word())
    };
    let role = [Role::Gate, Role::Up].into_iter().find(is_named)?;
    let mut out = piece.clone();
    out.stored_as.rows = RowOrder::Runs(Arc::from([order.run(role, run.count)]));
    Some(out)
}

/// Keys and values of low-rank attention: the rows of each head are [key; value] (guide/formats.md,
/// section 1.7: MLA).
fn low_rank_key_value(logical: &Logical, facts: &LayoutFacts) -> Option<Vec<Logical>> {
    let (heads, (key, value)) = (facts.heads?, facts.low_rank_head?);
    let head = key.checked_add(value)?;
    let is_whole = &*logical.meaning.slot == "kv_b.weight"
        && heads.checked_mul(head)? == split_shape(logical).0;
    if !is_whole || heads > MOST_HEADS {
        return None;
    }
    let runs = |offset: u64, count: u64| {
        (0..heads)
            .map(|h| RowRun {
                start: h * head + offset,
                count,
                step: 1,
            })
            .collect()
    };
    let cut = |slot: &str, runs| piece(logical, "kv_b", slot, Role::KvB, runs);
    Some(vec![cut("k_b", runs(0, key)), cut("v_b", runs(key, value))])
}

/// The projections in front of a gated delta rule: Qwen3-Next stores for each key head its query,
/// its key, and the values and gates of its value heads; in a second matrix the two scalars of each
/// of these (modeling_qwen3_next.py: `fix_query_key_value_ordering`). Qwen3.5 stores queries, keys
/// and values of all heads, and the others apart.
fn linear_attention(logical: &Logical, facts: &LayoutFacts) -> Option<Vec<Logical>> {
    let LinearHeads {
        keys,
        values,
        key_dim,
        value_dim,
    } = facts.linear?;
    if logical.shape.len() != 2
        || logical.stored_as.rows != RowOrder::All
        || keys == 0
        || keys > MOST_GROUPS
        || !values.is_multiple_of(keys)
    {
        return None;
    }
    let each = values / keys;
    let fused = logical.meaning.slot.strip_suffix(".weight")?;
    // Rows of a key head, by what they are.
    let counts: &[u64] = match fused {
        "ssm.in_proj" => &[
            key_dim,
            key_dim,
            each.checked_mul(value_dim)?,
            each.checked_mul(value_dim)?,
        ],
        "ssm.in_proj_ba" => &[each, each],
        _ => return None,
    };
    let block = counts
        .iter()
        .try_fold(0u64, |sum, count| sum.checked_add(*count))?;
    if block.checked_mul(keys)? != split_shape(logical).0 || keys > MOST_HEADS {
        return None;
    }
    let runs = |part: usize| {
        let offset: u64 = counts[..part].iter().sum();
        (0..keys).map(move |head| RowRun {
            start: head * block + offset,
            count: counts[part],
            step: 1,
        })
    };
    let word = fused.strip_prefix("ssm.")?;
    let cut = |name: &str, parts: std::ops::Range<usize>| {
        piece(
            logical,
            word,
            &format!("in_proj_{name}"),
            Role::Ssm,
            parts.flat_map(runs).collect(),
        )
    };
    Some(match word {
        "in_proj" => vec![cut("qkv", 0..3), cut("z", 3..4)],
        _ => vec![cut("b", 0..1), cut("a", 1..2)],
    })
}

/// Rows that are cut: the elements of a vector, the rows of a matrix.
fn split_shape(logical: &Logical) -> (u64, u64) {
    match logical.shape.as_slice() {
        [n] => (*n, 1),
        shape => fold(shape, logical.meaning.role),
    }
}

/// The rows `runs` of `whole`, with `word` in the place of `fused` in its slot; a piece of a bias
/// is a bias.
pub(super) fn piece(
    whole: &Logical,
    fused: &str,
    word: &str,
    role: Role,
    runs: Vec<RowRun>,
) -> Logical {
    let slot = whole.meaning.slot.replacen(fused, word, 1).into();
    let rows: u64 = runs.iter().map(|r| r.count).sum();
    let is_vector = whole.shape.len() == 1;
    let (_, columns) = split_shape(whole);
    let is_bias = whole.meaning.role == Role::Bias;
    Logical {
        name: format!("{}[{word}]", whole.name),
        meaning: Meaning {
            role: if is_bias { Role::Bias } else { role },
            slot,
            ..whole.meaning.clone()
        },
        shape: if is_vector {
            vec![rows]
        } else {
            vec![rows, columns]
        },
        stored_shape: whole.stored_shape.clone(),
        dtype: whole.dtype,
        stored_as: StoredAs {
            stored: if is_vector {
                (rows_of(whole), 1)
            } else {
                whole.stored_as.stored
            },
            rows: RowOrder::Runs(Arc::from(runs)),
            ..whole.stored_as.clone()
        },
    }
}

fn rows_of(vector: &Logical) -> u64 {
    vector.shape.first().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::Dtype;
    use crate::model::name::Namer;

    fn logical(name: &str, shape: &[u64]) -> Logical {
        let meaning =
            Namer::new([name, "model.embed_tokens.weight"], None).meaning(name, shape, Dtype::F32);
        let stored_as = StoredAs::whole(Origin::Tensor(0), fold(shape, meaning.role));
        let (name, shape, stored_shape) = (name.to_owned(), shape.to_vec(), shape.to_vec());
        Logical {
            name,
            meaning,
            shape,
            stored_shape,
            dtype: Dtype::F32,
            stored_as,
        }
    }

    /// Slots and shapes of the pieces.
    fn slots(pieces: &[Logical]) -> Vec<(&str, &[u64])> {
        pieces
            .iter()
            .map(|piece| (&*piece.meaning.slot, piece.shape.as_slice()))
            .collect()
    }

    fn starts(piece: &Logical) -> Vec<u64> {
        match &piece.stored_as.rows {
            RowOrder::Runs(runs) => runs.iter().map(|run| run.start).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn an_expert_of_a_stack_has_the_slot_of_one_that_is_stored_apart() {
        let facts = LayoutFacts {
            hidden: Some(6),
            ..LayoutFacts::default()
        };
        let stack = pieces(&logical("blk.0.ffn_down_exps.weight", &[2, 6, 4]), &facts);
        let apart = logical("model.layers.0.mlp.experts.1.down_proj.weight", &[6, 4]);
        assert_eq!(stack[1].place(), apart.place());
        assert_eq!(
            (stack[1].stored_as.start, stack[1].shape.as_slice()),
            (24, &[6, 4][..])
        );
        let bias = pieces(&logical("blk.0.ffn_gate_exps.bias", &[2, 4]), &facts);
        assert_eq!(slots(&bias), [("gate.bias", &[4][..]), ("gate.bias", &[4])]);
        assert_eq!(
            (bias[1].stored_as.start, bias[1].meaning.class),
            (4, Class::Vector)
        );
    }

    #[test]
    fn fused_attention_is_cut_with_its_bias() {
        let facts = LayoutFacts {
            heads: Some(2),
            kv_heads: Some(2),
            head_dim: Some(3),
            ..LayoutFacts::default()
        };
        for (name, shape, leaf) in [("weight", &[18, 5][..], 5), ("bias", &[18], 1)] {
            let grouped = pieces(
                &logical(
                    &format!("transformer.h.0.attention.query_key_value.{name}"),
                    shape,
                ),
                &facts,
            );
            assert_eq!(starts(&grouped[1]), [3, 12], "{name}");
            assert_eq!(*grouped[2].meaning.slot, *format!("v.{name}"));
            assert_eq!(grouped[0].elements(), 6 * leaf);
        }
        let joined = pieces(&logical("blk.0.attn_qkv.bias", &[18]), &facts);
        assert_eq!(starts(&joined[1]), [6]);
    }

    #[test]
    fn low_rank_keys_and_values_are_cut_by_heads() {
        let facts = LayoutFacts {
            heads: Some(2),
            low_rank_head: Some((3, 2)),
            ..LayoutFacts::default()
        };
        let cut = pieces(
            &logical("model.layers.0.self_attn.kv_b_proj.weight", &[10, 4]),
            &facts,
        );
        assert_eq!(
            slots(&cut),
            [("k_b.weight", &[6, 4][..]), ("v_b.weight", &[4, 4])]
        );
        assert_eq!([starts(&cut[0]), starts(&cut[1])], [[0, 5], [3, 8]]);
        assert!(
            pieces(
                &logical("model.layers.0.self_attn.kv_b_proj.weight", &[11, 4]),
                &facts
            )
            .is_empty()
        );
    }

    #[test]
    fn linear_attention_is_cut_by_key_heads() {
        let linear = Some(LinearHeads {
            keys: 2,
            values: 4,
            key_dim: 1,
            value_dim: 3,
        });
        let facts = LayoutFacts {
            linear,
            ..LayoutFacts::default()
        };
        let cut = pieces(
            &logical("model.layers.0.linear_attn.in_proj_qkvz.weight", &[28, 4]),
            &facts,
        );
        assert_eq!(
            slots(&cut),
            [
                ("ssm.in_proj_qkv.weight", &[16, 4][..]),
                ("ssm.in_proj_z.weight", &[12, 4])
            ]
        );
        assert_eq!(
            [starts(&cut[0]), starts(&cut[1])],
            [vec![0, 14, 1, 15, 2, 16], vec![8, 22]]
        );
    }

    #[test]
    fn counts_that_no_model_has_cut_nothing() {
        let linear = Some(LinearHeads {
            keys: u64::MAX,
            values: u64::MAX,
            key_dim: 2,
            value_dim: u64::MAX,
        });
        let facts = LayoutFacts {
            heads: Some(u64::MAX),
            low_rank_head: Some((1, u64::MAX)),
            linear,
            ..LayoutFacts::default()
        };
        for name in ["self_attn.kv_b_proj", "linear_attn.in_proj_qkvz"] {
            assert!(
                pieces(
                    &logical(&format!("model.layers.0.{name}.weight"), &[8, 4]),
                    &facts
                )
                .is_empty()
            );
        }
    }
}
