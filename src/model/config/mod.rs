//! Facts of config.json. A missing key is absent, never filled in from a class default.
//!
//! `keys` is the one table of keys and their synonyms, `scope` the one look-up in the nested
//! objects of a model of several parts; what reads a config goes through these.

pub(crate) mod keys;
mod listed;
mod scope;
mod senses;

use serde_json::{Map, Value};

pub(crate) use self::scope::Scope;

/// A config.json that is a JSON object.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The object as it stands in the file.
    pub raw: Map<String, Value>,
}

impl Config {
    /// The text part, or the top of a model that is nothing but a tower.
    pub(crate) fn text(&self) -> Scope<'_> {
        Scope::text(self)
    }

    /// The text part, where the model is more than a tower.
    pub(crate) fn text_if_any(&self) -> Option<Scope<'_>> {
        (!Scope::is_only_tower(self)).then(|| self.text())
    }

    /// First entry of `architectures`, else `model_type`.
    pub fn architecture(&self) -> Option<&str> {
        let listed = self.raw.get("architectures").and_then(|list| list.get(0));
        let class = listed.and_then(Value::as_str);
        class.or_else(|| self.raw.get("model_type")?.as_str())
    }

    /// `model_type` of the text part: the nested configuration first, then the top.
    pub fn model_type(&self) -> Option<&str> {
        self.text().model_type()
    }

    /// `_name_or_path`.
    pub fn name_or_path(&self) -> Option<&str> {
        self.raw.get("_name_or_path").and_then(Value::as_str)
    }

    /// Number of layers of the text part.
    pub fn layer_count(&self) -> Option<u32> {
        self.text().count("num_hidden_layers")?.try_into().ok()
    }

    /// Number of multi-token-prediction layers behind the last.
    pub fn prediction_layers(&self) -> Option<u32> {
        self.text()
            .count("num_nextn_predict_layers")?
            .try_into()
            .ok()
    }

    /// How the checkpoint is quantised, in its maker's words.
    pub(crate) fn quantisation(&self) -> Option<&Map<String, Value>> {
        let text = self.text();
        keys::QUANTISATION
            .iter()
            .find_map(|key| text.raw(key)?.as_object())
    }

    /// `quant_method` of a quantisation config, or its presence as "quantized".
    pub fn quantization(&self) -> Option<&str> {
        let method = self.quantisation()?.get("quant_method");
        Some(method.and_then(Value::as_str).unwrap_or("quantized"))
    }
}
