//! Facts of the text part that several keys of config.json tell together. An absent key stays
//! absent.

use serde_json::{Map, Value, json};

use super::family::Family;
use crate::model::config::Scope;

/// Facts that several keys tell together.
pub(super) fn derived(text: &Scope<'_>, family: Option<&Family>) -> Vec<(&'static str, Value)> {
    let mut out = Vec::new();
    if let Some(kind) = attention(text) {
        out.push(("attention", json!(kind)));
    }
    if let Some(pattern) = attention_pattern(text) {
        out.push(("attention_pattern", json!(pattern)));
    }
    if let Some(placement) = family.and_then(Family::norm_placement) {
        out.push(("norm_placement", json!(placement)));
    }
    if let Some(scaling) = rope_scaling(text) {
        out.push(("rope_scaling", scaling));
    }
    if text.value("rope_theta").is_none()
        && let Some(parameters) = text.raw("rope_parameters")
        && let Some(theta) = parameters.get("rope_theta").filter(|v| v.is_number())
    {
        out.push(("rope_theta", theta.clone()));
    }
    if text.value("first_k_dense_replace").is_none()
        && let Some(first) = first_dense_of_list(text)
    {
        out.push(("first_k_dense_replace", json!(first)));
    }
    out
}

/// MLA, MQA, GQA or MHA.
fn attention(text: &Scope<'_>) -> Option<&'static str> {
    if text.count("kv_lora_rank").is_some() {
        return Some("MLA");
    }
    let heads = text.count("num_attention_heads")?;
    Some(match text.key_value_heads()? {
        kv if kv == heads => "MHA",
        1 => "MQA",
        _ => "GQA",
    })
}

/// `full`, `sliding`, or the ratio of kinds: `sliding:full 5:1`.
fn attention_pattern(text: &Scope<'_>) -> Option<String> {
    if let Some(types) = text.raw("layer_types").and_then(Value::as_array) {
        return ratio_of_kinds(types);
    }
    if text.flag("use_sliding_window") == Some(false) {
        return Some("full".into());
    }
    if let Some(pattern) = text.raw("sliding_window_pattern") {
        // "LLLG": a letter a layer.
        if let Some(word) = pattern.as_str() {
            let local = word.chars().filter(|c| *c == 'L').count();
            let global = word.chars().filter(|c| *c == 'G').count();
            let is_pattern = local + global == word.chars().count();
            return is_pattern.then(|| format!("sliding:full {local}:{global}"));
        }
        // 6: every sixth layer is full.
        if let Some(every) = pattern.as_u64().filter(|every| *every > 1) {
            return Some(format!("sliding:full {}:1", every - 1));
        }
    }
    // A window that is null says that there is none.
    let window = text.stated("sliding_window")?;
    Some(if window.is_u64() { "sliding" } else { "full" }.into())
}

/// The kinds of a list of layers, the most frequent first, and how many of each there are to one
/// another.
fn ratio_of_kinds(types: &[Value]) -> Option<String> {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for word in types.iter().filter_map(Value::as_str) {
        let kind = word.strip_suffix("_attention").unwrap_or(word);
        match kinds.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
        if kinds.len() > MOST_KINDS {
            return None;
        }
    }
    kinds.sort_by(|a, b| b.1.cmp(&a.1).then(b.0.cmp(a.0)));
    if let [(only, _)] = kinds[..] {
        return Some(only.to_owned());
    }
    let common = kinds
        .iter()
        .fold(0, |divisor, (_, count)| gcd(divisor, *count));
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    let counts: Vec<String> = kinds
        .iter()
        .map(|(_, count)| (count / common.max(1)).to_string())
        .collect();
    (!kinds.is_empty()).then(|| format!("{} {}", names.join(":"), counts.join(":")))
}

/// Kind, factor and first context of scaled rotary positions.
fn rope_scaling(text: &Scope<'_>) -> Option<Value> {
    let scaling = text
        .raw("rope_scaling")
        .or_else(|| text.raw("rope_parameters"))?
        .as_object()?;
    let mut out = Map::new();
    let kind = scaling
        .get("rope_type")
        .or_else(|| scaling.get("type"))
        .filter(|v| v.is_string());
    out.insert("rope_type".into(), kind?.clone());
    for key in ["factor", "original_max_position_embeddings"] {
        if let Some(value) = scaling.get(key).filter(|v| v.is_number()) {
            out.insert(key.into(), value.clone());
        }
    }
    Some(Value::Object(out))
}

fn first_dense_of_list(text: &Scope<'_>) -> Option<u64> {
    let kinds = layer_kinds(text)?;
    kinds
        .iter()
        .position(|moe| *moe)
        .and_then(|first| u64::try_from(first).ok())
}

/// Whether each layer holds experts, where a list says it.
pub(super) fn layer_kinds(text: &Scope<'_>) -> Option<Vec<bool>> {
    let list = |key| text.raw(key).and_then(Value::as_array);
    if let Some(list) = list("is_moe_layer") {
        return list.iter().map(Value::as_bool).collect();
    }
    if let Some(list) = list("mlp_layer_types") {
        return list
            .iter()
            .map(|kind| kind.as_str().map(|word| word == "sparse"))
            .collect();
    }
    list("moe_layer_freq")?
        .iter()
        .map(|kind| kind.as_u64().map(|n| n != 0))
        .collect()
}

/// Kinds of layers of one model; a list of more is no list of kinds.
const MOST_KINDS: usize = 16;

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
