//! Facts of config.json. A missing key is absent, never filled in from a class default.

use serde_json::{Map, Value};

/// A config.json that is a JSON object.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The object as it stands in the file.
    pub raw: Map<String, Value>,
}

impl Config {
    /// First entry of `architectures`, else `model_type`.
    pub fn architecture(&self) -> Option<&str> {
        let listed = self
            .raw
            .get("architectures")
            .and_then(|v| v.get(0))
            .and_then(Value::as_str);
        listed.or_else(|| self.raw.get("model_type").and_then(Value::as_str))
    }

    /// `model_type` of the text part: `text_config` first, then the top.
    pub fn model_type(&self) -> Option<&str> {
        self.text_value("model_type").and_then(Value::as_str)
    }

    /// `_name_or_path`.
    pub fn name_or_path(&self) -> Option<&str> {
        self.raw.get("_name_or_path").and_then(Value::as_str)
    }

    /// A key of the text part: looked up in the nested text configuration, then at the top; null
    /// counts as absent.
    pub fn text_value(&self, key: &str) -> Option<&Value> {
        const NESTED: [&str; 3] = ["text_config", "language_config", "llm_config"];
        let thinker = self
            .raw
            .get("thinker_config")
            .and_then(|v| v.get("text_config"));
        let nested = NESTED
            .iter()
            .filter_map(|k| self.raw.get(*k))
            .chain(thinker);
        nested
            .filter_map(|v| v.get(key))
            .chain(self.raw.get(key))
            .find(|v| !v.is_null())
    }

    /// The first of `keys` that is a non-negative whole number.
    pub fn text_integer(&self, keys: &[&str]) -> Option<u64> {
        keys.iter()
            .find_map(|key| self.text_value(key).and_then(Value::as_u64))
    }

    /// Number of layers of the text part.
    pub fn layer_count(&self) -> Option<u32> {
        let count =
            self.text_integer(&["num_hidden_layers", "n_layer", "n_layers", "num_layers"])?;
        u32::try_from(count).ok()
    }

    /// Number of multi-token-prediction layers behind the last.
    pub fn prediction_layers(&self) -> Option<u32> {
        let count = self.text_integer(&[
            "num_nextn_predict_layers",
            "num_mtp_layers",
            "nextn_predict_layers",
        ])?;
        u32::try_from(count).ok()
    }

    /// `quant_method` of a quantisation config, or its presence as "quantized".
    pub fn quantization(&self) -> Option<&str> {
        let config = self
            .raw
            .get("quantization_config")
            .or_else(|| self.raw.get("quantization"))?;
        Some(
            config
                .get("quant_method")
                .and_then(Value::as_str)
                .unwrap_or("quantized"),
        )
    }
}
