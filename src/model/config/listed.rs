//! The keys of a config.json that say what shape a model has, under the names its maker gave them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Config;
use super::keys::{Key, TEXT, TOWER};

/// Keys of the text part beside the spellings of its facts.
const OTHERS: &[&str] = &[
    "multi_query",
    "moe_layer_freq",
    "decoder_sparse_step",
    "sliding_window_pattern",
    "attention_bias",
    "mlp_bias",
    "use_qk_norm",
    "qk_layernorm",
    "rope_scaling",
    "rope_parameters",
];

/// Facts that say nothing of a shape.
const LEFT_OUT: &[&str] = &["rope_theta_global", "rope_local_base_freq"];

/// Keys at the top.
const TOP: &[&str] = &["architectures", "_name_or_path"];

/// Objects of the towers, whose keys are shown as `object.key`.
const TOWERS: &[&str] = &["vision_config", "audio_config"];

/// Keys of a tower beside the spellings of its facts.
const OTHERS_OF_TOWER: &[&str] = &["mlp_ratio"];

/// Facts of a tower that say nothing of the shape of its layers.
const LEFT_OUT_OF_TOWER: &[&str] = &["hidden_act", "in_channels", "num_mel_bins", "window_size"];

/// Keys of the quantisation, shown as `quantization_config.key`.
const QUANTISATION: &[&str] = &[
    "quant_method",
    "bits",
    "group_size",
    "fmt",
    "weight_block_size",
    "load_in_4bit",
];

impl Config {
    /// The keys that say what shape the model has, by name. Null counts as absent, and nothing is
    /// filled in from a default.
    pub fn listed(&self) -> BTreeMap<String, Value> {
        let mut out = BTreeMap::new();
        let mut put = |name: String, value: Option<&Value>| {
            if let Some(value) = value.filter(|value| !value.is_null()) {
                out.insert(name, value.clone());
            }
        };
        for key in TOP {
            put((*key).to_owned(), self.raw.get(*key));
        }
        let text = self.text();
        for key in spellings(TEXT, LEFT_OUT, OTHERS) {
            put(key.to_owned(), text.raw(key));
        }
        for object in TOWERS {
            let Some(tower) = self.raw.get(*object) else {
                continue;
            };
            for key in spellings(TOWER, LEFT_OUT_OF_TOWER, OTHERS_OF_TOWER) {
                put(format!("{object}.{key}"), tower.get(key));
            }
        }
        if let Some(quantisation) = self.raw.get("quantization_config") {
            for key in QUANTISATION {
                put(format!("quantization_config.{key}"), quantisation.get(*key));
            }
        }
        out
    }
}

/// Every spelling of the facts of a table but those left out, and some more keys.
fn spellings(
    table: &'static [Key],
    left_out: &'static [&'static str],
    others: &'static [&'static str],
) -> impl Iterator<Item = &'static str> {
    let facts = table.iter().filter(|row| !left_out.contains(&row.name));
    facts.flat_map(|row| row.spellings).chain(others).copied()
}

#[cfg(test)]
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
        let listed = Config {
            raw: raw.as_object().unwrap().clone(),
        }
        .listed();
        let expected = json!({
            "architectures": ["X"], "hidden_size": 64, "num_hidden_layers": 4,
            "vision_config.hidden_size": 32, "vision_config.depth": 2,
            "quantization_config.quant_method": "gptq", "quantization_config.bits": 4,
        });
        assert_eq!(json!(listed), expected);
    }
}
