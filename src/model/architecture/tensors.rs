//! Facts and shapes that the tensors themselves show.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::family::norm_placement;
use super::{Architecture, Kind, RoleShapes, Shape};
use crate::model::name::Meaning;
use crate::model::words::{Block, Component, Role};

/// Replaces the roles of `architecture` by those of the tensors, and its facts where the tensors
/// show them.
pub(super) fn apply(tensors: &[(Meaning, Vec<u64>)], architecture: &mut Architecture) {
    architecture.roles = roles(tensors);
    architecture.unknown.clear();
    for (field, value) in facts(tensors, architecture) {
        architecture.observe(&field, value);
    }
}

/// Name of a role that does not depend on the naming scheme, and its feed-forward; `None` for what
/// is compared nowhere: buffers and prediction layers.
fn role_name(meaning: &Meaning) -> Option<(String, Option<Kind>)> {
    if meaning.role == Role::Buffer || meaning.block == Some(Block::Mtp) {
        return None;
    }
    let slot = meaning
        .slot
        .strip_suffix(".weight")
        .unwrap_or(&meaning.slot);
    let (stacked, slot) = match slot.strip_prefix("experts.") {
        Some(rest) => (true, rest),
        None => (false, slot),
    };
    let feed_forward = ["gate", "up", "down", "gate_up", "fc1", "fc2"]
        .contains(&slot.split('.').next().unwrap_or(""));
    let kind = match () {
        () if stacked || meaning.expert.is_some() => Some(Kind::Expert),
        () if meaning.shared_expert && feed_forward => Some(Kind::Shared),
        () if feed_forward && meaning.component == Component::Text => Some(Kind::Dense),
        () => None,
    };
    let slot = match slot {
        "norm:merger" => "merger.norm".to_owned(),
        _ if meaning.component == Component::Text => slot.to_owned(),
        _ => slot
            .replace("norm:pre_attn", "norm1")
            .replace("norm:pre_mlp", "norm2"),
    };
    let name = match (meaning.component, kind) {
        (Component::Text, Some(kind)) => format!("{kind}.{slot}"),
        (Component::Text | Component::Projector, None) => slot,
        (component, Some(kind @ Kind::Expert | kind @ Kind::Shared)) => {
            format!("{component}.{kind}.{slot}")
        }
        (component, _) => format!("{component}.{slot}"),
    };
    Some((name, kind))
}

type Group = (Role, Option<Kind>, BTreeMap<Vec<u64>, u64>);

fn roles(tensors: &[(Meaning, Vec<u64>)]) -> Vec<RoleShapes> {
    let embed = tensors
        .iter()
        .find(|(m, _)| m.role == Role::Embed && m.component == Component::Text);
    let hidden = embed.and_then(|(_, shape)| shape.last().copied());
    let mut groups: BTreeMap<(Component, String), Group> = BTreeMap::new();
    for (meaning, shape) in tensors {
        let Some((name, kind)) = role_name(meaning) else {
            continue;
        };
        let (axes, copies) = single(meaning, shape, hidden);
        let group = groups
            .entry((meaning.component, name))
            .or_insert_with(|| (meaning.role, kind, BTreeMap::new()));
        let count = group.2.entry(axes).or_default();
        *count = count.saturating_add(copies);
    }
    let role = |((component, name), (role, kind, shapes)): ((Component, String), Group)| {
        let mut shapes: Vec<_> = shapes
            .into_iter()
            .map(|(axes, copies)| Shape { axes, copies })
            .collect();
        shapes.sort_by(|a, b| b.copies.cmp(&a.copies).then_with(|| a.axes.cmp(&b.axes)));
        RoleShapes {
            component,
            name,
            role,
            kind,
            shapes,
        }
    };
    groups.into_iter().map(role).collect()
}

/// One expert of a stacked tensor, as [out, in], and how many there are; any other tensor as it is.
fn single(meaning: &Meaning, shape: &[u64], hidden: Option<u64>) -> (Vec<u64>, u64) {
    if !meaning.slot.starts_with("experts.") || meaning.expert.is_some() || shape.len() < 2 {
        return (shape.to_vec(), 1);
    }
    let (experts, mut axes) = (shape[0], shape[1..].to_vec());
    if let [rows, columns] = axes.as_mut_slice() {
        // gpt-oss and Llama-4 keep stacked experts as [in, out].
        let reads_hidden = matches!(
            meaning.role,
            Role::Gate | Role::Up | Role::GateUp | Role::Fc1
        );
        let (inward, outward) = if reads_hidden {
            (*columns, *rows)
        } else {
            (*rows, *columns)
        };
        if hidden.is_some_and(|hidden| inward != hidden && outward == hidden) {
            std::mem::swap(rows, columns);
        }
    }
    (axes, experts)
}

/// What shapes and counts show. A partial checkpoint shows what it holds.
fn facts(tensors: &[(Meaning, Vec<u64>)], architecture: &Architecture) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    let mut add = |field: &str, value: Option<u64>| {
        out.extend(value.map(|value| (field.to_owned(), json!(value))))
    };
    let axis = |name: &str, at: usize| architecture.role(name)?.main()?.axes.get(at).copied();
    let claimed = |field: &str| architecture.count(field);

    let hidden = axis("embed", 1)
        .or_else(|| axis("q", 1))
        .or_else(|| axis("kv_a", 1));
    add("hidden_size", hidden);
    add("vocab_size", axis("embed", 0));
    add("num_hidden_layers", layers(tensors, Component::Text));
    let half = |rows: u64| rows.is_multiple_of(2).then_some(rows / 2);
    let width = |kind: &str| {
        axis(&format!("{kind}.gate"), 0)
            .or_else(|| axis(&format!("{kind}.gate_up"), 0).and_then(half))
    };
    let expert_width = width("expert")
        .or_else(|| axis("expert.fc1", 0))
        .or_else(|| axis("expert.up", 0));
    let dense = width("dense")
        .or_else(|| axis("dense.fc1", 0))
        .or_else(|| axis("dense.up", 0));
    // Mixtral's width of experts is its intermediate_size.
    let is_only_width = dense.is_none() && claimed("moe_intermediate_size").is_none();
    add(
        "intermediate_size",
        dense.or(if is_only_width { expert_width } else { None }),
    );
    if !is_only_width {
        add("moe_intermediate_size", expert_width);
    }
    add(
        "n_routed_experts",
        axis("router", 0).or_else(|| experts(tensors)),
    );
    if claimed("shared_expert_intermediate_size").is_some() {
        add("shared_expert_intermediate_size", width("shared"));
    } else if let (Some(shared), Some(one)) = (width("shared"), expert_width)
        && one > 0
        && shared.is_multiple_of(one)
    {
        add("n_shared_experts", Some(shared / one));
    }
    if expert_width.is_some() {
        add("first_k_dense_replace", first_expert_layer(tensors));
    }
    let rank = axis("kv_b", 1).or_else(|| axis("norm:kv_a", 0));
    if architecture.role("kv_a").is_some() {
        add("kv_lora_rank", rank);
        add("q_lora_rank", axis("q_a", 0));
        add(
            "qk_rope_head_dim",
            axis("kv_a", 0)
                .zip(rank)
                .and_then(|(rows, rank)| rows.checked_sub(rank)),
        );
    }
    let mut attention = architecture.role("kv_a").map(|_| "MLA");
    if let (None, Some(q), Some(k)) = (attention, axis("q", 0), axis("k", 0)) {
        let whole = |rows: u64, head: u64| {
            if head > 0 && rows.is_multiple_of(head) {
                Some(rows / head)
            } else {
                None
            }
        };
        // A gain over a head's dimension shows it; one over all heads does not.
        let by_norm = axis("q_norm", 0)
            .filter(|size| whole(q, *size).is_some() && whole(k, *size).is_some() && *size < q);
        let by_heads = claimed("num_attention_heads").and_then(|heads| whole(q, heads));
        let head = by_norm.or_else(|| claimed("head_dim")).or(by_heads);
        if let Some((heads, key_values)) = head.and_then(|head| whole(q, head).zip(whole(k, head)))
        {
            add("head_dim", head);
            add("num_attention_heads", Some(heads));
            add("num_key_value_heads", Some(key_values));
            attention = Some(match key_values {
                kv if kv == heads => "MHA",
                1 => "MQA",
                _ => "GQA",
            });
        }
    }
    add("vision.depth", layers(tensors, Component::Vision));
    add(
        "vision.hidden_size",
        axis("vision.patch_embed", 0).or_else(|| axis("vision.o", 0)),
    );
    add(
        "vision.intermediate_size",
        axis("vision.gate", 0).or_else(|| axis("vision.fc1", 0)),
    );
    add("audio.depth", layers(tensors, Component::Audio));
    if let Some(kind) = attention {
        out.push(("attention".into(), json!(kind)));
    }
    if architecture.role("embed").is_some() && hidden.is_some() {
        let tied = architecture.role("lm_head").is_none();
        // A stored head may be a copy: only its absence tells something.
        if tied {
            out.push(("tie_word_embeddings".into(), json!(true)));
        } else if architecture.fact("tie_word_embeddings").is_none() {
            out.push(("tie_word_embeddings".into(), json!(false)));
        }
    }
    let places = ["pre_attn", "post_attn", "pre_mlp", "post_mlp"];
    let stored: Vec<_> = places
        .into_iter()
        .filter(|place| architecture.role(&format!("norm:{place}")).is_some())
        .collect();
    if let Some(placement) = norm_placement(&stored) {
        out.push(("norm_placement".into(), json!(placement)));
    }
    out
}

fn layers(tensors: &[(Meaning, Vec<u64>)], component: Component) -> Option<u64> {
    let of_component = tensors
        .iter()
        .filter(|(meaning, _)| meaning.component == component);
    let indices: std::collections::BTreeSet<u32> = of_component
        .filter_map(|(meaning, _)| meaning.layer)
        .collect();
    if indices.is_empty() {
        None
    } else {
        u64::try_from(indices.len()).ok()
    }
}

fn experts(tensors: &[(Meaning, Vec<u64>)]) -> Option<u64> {
    let highest = tensors
        .iter()
        .filter_map(|(meaning, _)| meaning.expert)
        .max();
    let stacked = tensors
        .iter()
        .find(|(meaning, _)| meaning.slot.starts_with("experts.") && meaning.expert.is_none());
    highest
        .map(|index| u64::from(index) + 1)
        .or_else(|| stacked.and_then(|(_, shape)| shape.first().copied()))
}

fn first_expert_layer(tensors: &[(Meaning, Vec<u64>)]) -> Option<u64> {
    let of_experts = tensors
        .iter()
        .filter(|(m, _)| m.expert.is_some() || m.slot.starts_with("experts."));
    of_experts
        .filter_map(|(meaning, _)| meaning.layer)
        .min()
        .map(u64::from)
}
