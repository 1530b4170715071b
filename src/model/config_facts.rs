//! The facts of a config.json that say what shape a model has, under the names its maker gave them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::config::Config;

/// Keys of the text part, looked up in its nested configuration first; spellings of all makers.
const TEXT: &[&str] = &[
    "model_type",
    "vocab_size",
    "padded_vocab_size",
    "hidden_size",
    "n_embd",
    "d_model",
    "dim",
    "model_dim",
    "num_hidden_layers",
    "n_layer",
    "n_layers",
    "num_layers",
    "num_attention_heads",
    "n_head",
    "n_heads",
    "num_heads",
    "num_key_value_heads",
    "n_kv_heads",
    "num_kv_heads",
    "n_head_kv",
    "multi_query_group_num",
    "multi_query",
    "head_dim",
    "kv_channels",
    "attention_head_size",
    "q_lora_rank",
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    "intermediate_size",
    "ffn_dim",
    "n_inner",
    "ffn_hidden_size",
    "hidden_dim",
    "mlp_hidden_size",
    "n_routed_experts",
    "num_experts",
    "num_local_experts",
    "moe_num_experts",
    "n_experts",
    "num_experts_per_tok",
    "experts_per_token",
    "num_experts_per_token",
    "moe_top_k",
    "moe_topk",
    "moe_intermediate_size",
    "expert_ffn_hidden_size",
    "n_shared_experts",
    "num_shared_experts",
    "moe_num_shared_experts",
    "shared_expert_intermediate_size",
    "first_k_dense_replace",
    "moe_layer_freq",
    "decoder_sparse_step",
    "sliding_window",
    "sliding_window_pattern",
    "tie_word_embeddings",
    "tie_embeddings",
    "attention_bias",
    "mlp_bias",
    "use_qk_norm",
    "qk_layernorm",
    "hidden_act",
    "hidden_activation",
    "rms_norm_eps",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "max_position_embeddings",
    "n_positions",
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "num_nextn_predict_layers",
    "num_mtp_layers",
    "torch_dtype",
    "dtype",
];

/// Keys at the top.
const TOP: &[&str] = &["architectures", "_name_or_path"];

/// Keys inside another object, shown as `object.key`.
const NESTED: &[(&str, &[&str])] = &[
    ("vision_config", &TOWER),
    ("audio_config", &TOWER),
    (
        "quantization_config",
        &[
            "quant_method",
            "bits",
            "group_size",
            "fmt",
            "weight_block_size",
            "load_in_4bit",
        ],
    ),
];

const TOWER: [&str; 14] = [
    "model_type",
    "hidden_size",
    "embed_dim",
    "depth",
    "num_hidden_layers",
    "num_heads",
    "num_attention_heads",
    "intermediate_size",
    "mlp_ratio",
    "image_size",
    "patch_size",
    "temporal_patch_size",
    "spatial_merge_size",
    "out_hidden_size",
];

/// The facts that are there, by name. Null counts as absent, and nothing is filled in from a
/// default.
pub fn of(config: &Config) -> BTreeMap<String, Value> {
    let top = TOP
        .iter()
        .map(|key| ((*key).to_owned(), config.raw.get(*key)));
    let text = TEXT
        .iter()
        .map(|key| ((*key).to_owned(), config.text_value(key)));
    let nested = NESTED.iter().flat_map(|(object, keys)| {
        let object_value = config.raw.get(*object);
        keys.iter().map(move |key| {
            (
                format!("{object}.{key}"),
                object_value.and_then(|value| value.get(key)),
            )
        })
    });
    let facts = top.chain(text).chain(nested);
    facts
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_null())?.clone())))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_text_part_comes_first_and_towers_keep_their_name() {
        let raw = json!({
            "architectures": ["X"], "hidden_size": 1, "vocab_size": null, "unknown": 7,
            "text_config": {"hidden_size": 64, "num_hidden_layers": 4},
            "vision_config": {"hidden_size": 32, "depth": 2},
            "quantization_config": {"quant_method": "gptq", "bits": 4},
        });
        let facts = of(&Config {
            raw: raw.as_object().unwrap().clone(),
        });
        let expected = json!({
            "architectures": ["X"], "hidden_size": 64, "num_hidden_layers": 4,
            "vision_config.hidden_size": 32, "vision_config.depth": 2,
            "quantization_config.quant_method": "gptq", "quantization_config.bits": 4,
        });
        assert_eq!(json!(facts), expected);
    }
}
