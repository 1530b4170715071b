//! Facts of config.json under one spelling. An absent key stays absent.

use serde_json::{Map, Value, json};

use super::family::Family;
use crate::model::config::Config;
use crate::model::words::Component;

/// What a value has to be to count as a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Count,
    Number,
    Word,
    Flag,
}

/// One meaning, its keys in order of preference, and its kind (configs of the field, section
/// "normalisation of keys").
type Row = (&'static str, &'static [&'static str], Kind);

const SYNONYMS: &[Row] = &[
    (
        "first_k_dense_replace",
        &["first_k_dense_replace", "first_last_k_dense_replace"],
        Kind::Count,
    ),
    (
        "head_dim",
        &["head_dim", "kv_channels", "attention_head_size"],
        Kind::Count,
    ),
    (
        "hidden_act",
        &[
            "hidden_act",
            "hidden_activation",
            "activation_function",
            "act_fn",
        ],
        Kind::Word,
    ),
    (
        "hidden_size",
        &["hidden_size", "n_embd", "d_model", "dim", "model_dim"],
        Kind::Count,
    ),
    (
        "intermediate_size",
        &[
            "intermediate_size",
            "ffn_dim",
            "n_inner",
            "ffn_hidden_size",
            "hidden_dim",
            "mlp_hidden_size",
            "d_ff",
        ],
        Kind::Count,
    ),
    ("kv_lora_rank", &["kv_lora_rank"], Kind::Count),
    (
        "max_position_embeddings",
        &[
            "max_position_embeddings",
            "n_positions",
            "max_seq_len",
            "seq_length",
            "n_ctx",
        ],
        Kind::Count,
    ),
    (
        "moe_intermediate_size",
        &["moe_intermediate_size", "expert_ffn_hidden_size"],
        Kind::Count,
    ),
    (
        "n_routed_experts",
        &[
            "n_routed_experts",
            "num_experts",
            "num_local_experts",
            "moe_num_experts",
            "n_experts",
        ],
        Kind::Count,
    ),
    (
        "n_shared_experts",
        &[
            "n_shared_experts",
            "num_shared_experts",
            "moe_num_shared_experts",
        ],
        Kind::Count,
    ),
    (
        "norm_eps",
        &[
            "rms_norm_eps",
            "layer_norm_eps",
            "layer_norm_epsilon",
            "norm_eps",
            "layernorm_epsilon",
        ],
        Kind::Number,
    ),
    (
        "num_attention_heads",
        &["num_attention_heads", "n_head", "n_heads", "num_heads"],
        Kind::Count,
    ),
    (
        "num_experts_per_tok",
        &[
            "num_experts_per_tok",
            "experts_per_token",
            "num_experts_per_token",
            "moe_top_k",
            "top_k",
            "moe_topk",
        ],
        Kind::Count,
    ),
    (
        "num_hidden_layers",
        &[
            "num_hidden_layers",
            "n_layer",
            "n_layers",
            "num_layers",
            "depth",
        ],
        Kind::Count,
    ),
    (
        "num_key_value_heads",
        &[
            "num_key_value_heads",
            "n_kv_heads",
            "num_kv_heads",
            "n_head_kv",
            "multi_query_group_num",
        ],
        Kind::Count,
    ),
    (
        "num_nextn_predict_layers",
        &["num_nextn_predict_layers", "num_mtp_layers"],
        Kind::Count,
    ),
    ("q_lora_rank", &["q_lora_rank"], Kind::Count),
    ("qk_nope_head_dim", &["qk_nope_head_dim"], Kind::Count),
    ("qk_rope_head_dim", &["qk_rope_head_dim"], Kind::Count),
    (
        "rope_theta",
        &["rope_theta", "rotary_emb_base"],
        Kind::Number,
    ),
    ("rope_theta_global", &["rope_theta_global"], Kind::Number),
    (
        "rope_local_base_freq",
        &["rope_local_base_freq"],
        Kind::Number,
    ),
    (
        "shared_expert_intermediate_size",
        &[
            "shared_expert_intermediate_size",
            "moe_shared_expert_intermediate_size",
        ],
        Kind::Count,
    ),
    ("sliding_window", &["sliding_window"], Kind::Count),
    (
        "tie_word_embeddings",
        &["tie_word_embeddings", "tie_embeddings"],
        Kind::Flag,
    ),
    ("v_head_dim", &["v_head_dim"], Kind::Count),
    (
        "vocab_size",
        &["vocab_size", "padded_vocab_size"],
        Kind::Count,
    ),
    ("dtype", &["torch_dtype", "dtype"], Kind::Word),
    ("model_type", &["model_type"], Kind::Word),
];

/// The same for a vision or audio tower.
const TOWER: &[Row] = &[
    (
        "depth",
        &[
            "depth",
            "num_hidden_layers",
            "encoder_layers",
            "n_layer",
            "num_layers",
        ],
        Kind::Count,
    ),
    (
        "hidden_size",
        &["hidden_size", "embed_dim", "d_model", "n_embd", "width"],
        Kind::Count,
    ),
    (
        "intermediate_size",
        &["intermediate_size", "encoder_ffn_dim", "ffn_dim"],
        Kind::Count,
    ),
    (
        "num_heads",
        &[
            "num_heads",
            "num_attention_heads",
            "encoder_attention_heads",
            "n_head",
        ],
        Kind::Count,
    ),
    (
        "hidden_act",
        &["hidden_act", "activation_function"],
        Kind::Word,
    ),
    ("image_size", &["image_size"], Kind::Count),
    (
        "in_channels",
        &["in_channels", "in_chans", "num_channels"],
        Kind::Count,
    ),
    ("model_type", &["model_type"], Kind::Word),
    ("num_mel_bins", &["num_mel_bins"], Kind::Count),
    (
        "out_hidden_size",
        &["out_hidden_size", "output_dim"],
        Kind::Count,
    ),
    (
        "patch_size",
        &["patch_size", "spatial_patch_size"],
        Kind::Count,
    ),
    ("spatial_merge_size", &["spatial_merge_size"], Kind::Count),
    ("temporal_patch_size", &["temporal_patch_size"], Kind::Count),
    ("window_size", &["window_size"], Kind::Count),
];

/// The parts of a config.json that speak of one component, nearest first.
#[derive(Debug, Clone)]
pub(super) struct Scope<'a> {
    maps: Vec<&'a Map<String, Value>>,
    rows: &'static [Row],
}

/// How deep nested configurations are looked for.
const DEPTH: usize = 4;

impl<'a> Scope<'a> {
    /// The text part: its nested configuration first, then the top.
    pub(super) fn text(config: &'a Config) -> Option<Self> {
        let mut maps = nested(
            &config.raw,
            &["text_config", "language_config", "llm_config"],
        );
        let top_is_tower = maps.is_empty() && is_tower(&config.raw);
        maps.push(&config.raw);
        (!top_is_tower).then_some(Self {
            maps,
            rows: SYNONYMS,
        })
    }

    /// A tower: its nested configuration, or the top of a model that is nothing else.
    pub(super) fn tower(config: &'a Config, component: Component) -> Option<Self> {
        let names: &[&str] = match component {
            Component::Vision => &[
                "vision_config",
                "vision_tower_config",
                "vit_config",
                "visual",
            ],
            Component::Audio => &["audio_config", "audio_tower_config", "speech_config"],
            _ => return None,
        };
        let mut maps = nested(&config.raw, names);
        if maps.is_empty() && component == Component::Vision && is_tower(&config.raw) {
            maps.push(&config.raw);
        }
        (!maps.is_empty()).then_some(Self { maps, rows: TOWER })
    }

    /// The first value of a key that is not null.
    pub(super) fn raw(&self, key: &str) -> Option<&'a Value> {
        self.maps
            .iter()
            .filter_map(|map| map.get(key))
            .find(|value| !value.is_null())
    }

    /// A fact by its one spelling.
    pub(super) fn fact(&self, field: &str) -> Option<&'a Value> {
        let (_, keys, kind) = self.rows.iter().find(|(name, ..)| *name == field)?;
        let found = self
            .maps
            .iter()
            .flat_map(|map| keys.iter().filter_map(|key| map.get(*key)));
        found.into_iter().find(|value| match kind {
            Kind::Count => value.is_u64(),
            Kind::Number => value.is_number(),
            Kind::Word => value.is_string(),
            Kind::Flag => value.is_boolean(),
        })
    }

    /// A count by its one spelling.
    pub(super) fn count(&self, field: &str) -> Option<u64> {
        self.fact(field)?.as_u64()
    }

    /// A flag by its key.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.raw(key)?.as_bool()
    }

    /// `model_type`, nearest first.
    pub(super) fn model_type(&self) -> &'a str {
        self.raw("model_type").and_then(Value::as_str).unwrap_or("")
    }

    /// Facts that stand in the file under one spelling, in the order of the table.
    pub(super) fn plain(&self) -> Vec<(&'static str, Value)> {
        let fields = self.rows.iter().map(|(field, ..)| *field);
        fields
            .filter_map(|field| Some((field, self.fact(field)?.clone())))
            .collect()
    }

    /// Number of key and value heads: the key, one for multi-query attention, else as many as
    /// heads.
    pub(super) fn key_value_heads(&self) -> Option<u64> {
        let falcon_mqa = self.flag("multi_query") == Some(true)
            && self.flag("new_decoder_architecture") != Some(true);
        self.count("num_key_value_heads")
            .or(falcon_mqa.then_some(1))
            .or_else(|| self.count("num_attention_heads"))
    }

    /// Size of a head: the key, else width over heads.
    pub(super) fn head_dim(&self) -> Option<u64> {
        let divided = || {
            self.count("hidden_size")?
                .checked_div(self.count("num_attention_heads")?)
        };
        self.count("head_dim").or_else(divided)
    }

    /// Facts that several keys tell together.
    pub(super) fn derived(&self, family: Option<&Family>) -> Vec<(&'static str, Value)> {
        let mut out = Vec::new();
        if let Some(kind) = self.attention() {
            out.push(("attention", json!(kind)));
        }
        if let Some(pattern) = self.attention_pattern() {
            out.push(("attention_pattern", json!(pattern)));
        }
        if let Some(placement) = family.and_then(Family::norm_placement) {
            out.push(("norm_placement", json!(placement)));
        }
        if let Some(scaling) = self.rope_scaling() {
            out.push(("rope_scaling", scaling));
        }
        if self.fact("rope_theta").is_none()
            && let Some(theta) = self
                .raw("rope_parameters")
                .and_then(|v| v.get("rope_theta"))
                .filter(|v| v.is_number())
        {
            out.push(("rope_theta", theta.clone()));
        }
        if self.fact("first_k_dense_replace").is_none()
            && let Some(first) = self.first_dense_of_list()
        {
            out.push(("first_k_dense_replace", json!(first)));
        }
        out
    }

    /// MLA, MQA, GQA or MHA.
    fn attention(&self) -> Option<&'static str> {
        if self.count("kv_lora_rank").is_some() {
            return Some("MLA");
        }
        let heads = self.count("num_attention_heads")?;
        Some(match self.key_value_heads()? {
            kv if kv == heads => "MHA",
            1 => "MQA",
            _ => "GQA",
        })
    }

    /// `full`, `sliding`, or the ratio of kinds: `sliding:full 5:1`.
    fn attention_pattern(&self) -> Option<String> {
        if let Some(types) = self.raw("layer_types").and_then(Value::as_array) {
            let words: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
            let mut kinds: Vec<(&str, usize)> = Vec::new();
            for word in &words {
                let kind = word.strip_suffix("_attention").unwrap_or(word);
                match kinds.iter_mut().find(|(name, _)| *name == kind) {
                    Some((_, count)) => *count += 1,
                    None => kinds.push((kind, 1)),
                }
            }
            kinds.sort_by(|a, b| b.1.cmp(&a.1).then(b.0.cmp(a.0)));
            return match kinds.as_slice() {
                [] => None,
                [(only, _)] => Some((*only).to_owned()),
                several => {
                    let common = several
                        .iter()
                        .fold(0, |divisor, (_, count)| gcd(divisor, *count));
                    let names: Vec<_> = several.iter().map(|(name, _)| *name).collect();
                    let counts: Vec<_> = several
                        .iter()
                        .map(|(_, count)| (count / common.max(1)).to_string())
                        .collect();
                    Some(format!("{} {}", names.join(":"), counts.join(":")))
                }
            };
        }
        if self.flag("use_sliding_window") == Some(false) {
            return Some("full".into());
        }
        if let Some(pattern) = self.raw("sliding_window_pattern") {
            if let Some(word) = pattern.as_str() {
                let local = word.chars().filter(|c| *c == 'L').count();
                let global = word.chars().filter(|c| *c == 'G').count();
                return (local + global == word.chars().count())
                    .then(|| format!("sliding:full {local}:{global}"));
            }
            if let Some(every) = pattern.as_u64().filter(|every| *every > 1) {
                return Some(format!("sliding:full {}:1", every - 1));
            }
        }
        let window = self.maps.iter().find_map(|map| map.get("sliding_window"))?;
        Some(if window.is_u64() { "sliding" } else { "full" }.into())
    }

    /// Kind, factor and first context of scaled rotary positions.
    fn rope_scaling(&self) -> Option<Value> {
        let scaling = self
            .raw("rope_scaling")
            .or_else(|| self.raw("rope_parameters"))?
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

    fn first_dense_of_list(&self) -> Option<u64> {
        let kinds = self.layer_kinds()?;
        kinds
            .iter()
            .position(|moe| *moe)
            .and_then(|first| u64::try_from(first).ok())
    }

    /// Whether each layer holds experts, where a list says it.
    pub(super) fn layer_kinds(&self) -> Option<Vec<bool>> {
        let list = |key| self.raw(key).and_then(Value::as_array);
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
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Whether a top level describes an image model and no text.
fn is_tower(map: &Map<String, Value>) -> bool {
    let has = |key: &str| map.contains_key(key);
    (has("patch_size") || has("image_size") || has("num_channels"))
        && !has("vocab_size")
        && !has("vision_config")
}

/// Objects under any of `names`, shallowest first, then by the order of `names`.
fn nested<'a>(top: &'a Map<String, Value>, names: &[&str]) -> Vec<&'a Map<String, Value>> {
    let mut level = vec![top];
    for _ in 0..DEPTH {
        let found = names.iter().find_map(|name| {
            let hits: Vec<_> = level
                .iter()
                .filter_map(|map| map.get(*name)?.as_object())
                .collect();
            (!hits.is_empty()).then_some(hits)
        });
        if let Some(mut hits) = found {
            hits.truncate(1);
            return hits;
        }
        level = level
            .iter()
            .flat_map(|map| map.iter())
            .filter(|(key, _)| key.ends_with("_config"))
            .filter_map(|(_, value)| value.as_object())
            .collect();
    }
    Vec::new()
}
