//! The look-up of a key: which objects of a config.json speak of a part of the model, nearest
//! first.

use serde_json::{Map, Value};

use super::Config;
use super::keys::{AUDIO_PART, Key, LAYOUT, TEXT, TEXT_PART, TOWER, VISION_PART, ValueKind};
use crate::model::words::Component;

/// The objects of a config.json that speak of one part of the model, nearest first.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    objects: Vec<&'a Map<String, Value>>,
    facts: &'static [Key],
    others: &'static [Key],
}

/// How deep nested configurations are looked for.
const DEPTH: usize = 4;

impl<'a> Scope<'a> {
    /// The text part: its nested configuration first, then the top. Of a model that is nothing but
    /// a tower, the top, where the same keys say the same of it.
    pub(crate) fn text(config: &'a Config) -> Self {
        let mut objects = nested(&config.raw, TEXT_PART);
        objects.push(&config.raw);
        Self {
            objects,
            facts: TEXT,
            others: LAYOUT,
        }
    }

    /// A tower: its nested configuration, or the top of a model that is nothing else.
    pub(crate) fn tower(config: &'a Config, component: Component) -> Option<Self> {
        let names = match component {
            Component::Vision => VISION_PART,
            Component::Audio => AUDIO_PART,
            _ => return None,
        };
        let mut objects = nested(&config.raw, names);
        if objects.is_empty() && component == Component::Vision && is_tower(&config.raw) {
            objects.push(&config.raw);
        }
        (!objects.is_empty()).then_some(Self {
            objects,
            facts: TOWER,
            others: &[],
        })
    }

    /// Whether the config describes a tower and no text.
    pub(crate) fn is_only_tower(config: &Config) -> bool {
        nested(&config.raw, TEXT_PART).is_empty() && is_tower(&config.raw)
    }

    /// The first value of a key, as it is spelled, that is not null.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a Value> {
        let values = self.objects.iter().filter_map(|object| object.get(key));
        values.into_iter().find(|value| !value.is_null())
    }

    /// The value of a key, as it is spelled, in the nearest object that has it, null too.
    pub(crate) fn stated(&self, key: &str) -> Option<&'a Value> {
        self.objects.iter().find_map(|object| object.get(key))
    }

    /// The value of a meaning by its name in the tables: the nearest object wins, then the
    /// preferred spelling.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        let row = self.row(name)?;
        let values = self.objects.iter().flat_map(|object| {
            let spellings = row.spellings.iter();
            spellings.filter_map(|spelling| object.get(*spelling))
        });
        values.into_iter().find(|value| row.kind.accepts(value))
    }

    fn row(&self, name: &str) -> Option<&'static Key> {
        let row = self
            .facts
            .iter()
            .chain(self.others)
            .find(|row| row.name == name);
        debug_assert!(row.is_some(), "{name} is in no table of keys");
        row
    }

    /// A count by its name in the tables.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.value(name)?.as_u64()
    }

    /// A flag by its name in the tables.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.value(name)?.as_bool()
    }

    /// `model_type`, nearest first.
    pub(crate) fn model_type(&self) -> Option<&'a str> {
        self.value("model_type")?.as_str()
    }

    /// The facts that are there, in the order of the table.
    pub(crate) fn facts(&self) -> Vec<(&'static str, Value)> {
        let names = self.facts.iter().map(|row| row.name);
        names
            .filter_map(|name| Some((name, self.value(name)?.clone())))
            .collect()
    }

    /// Number of key and value heads: one for multi-query attention, else the key, else as many as
    /// heads.
    pub(crate) fn key_value_heads(&self) -> Option<u64> {
        // Falcon-7B and GPT-BigCode: the flag, whatever else is written beside it.
        let shared_by_all = self.flag("multi_query") == Some(true)
            && self.flag("new_decoder_architecture") != Some(true);
        if shared_by_all {
            return Some(1);
        }
        // ChatGLM writes a number of groups also where it has none.
        let all_apart = self.flag("multi_query_attention") == Some(false);
        let stated = self.count("num_key_value_heads").filter(|_| !all_apart);
        stated.or_else(|| self.count("num_attention_heads"))
    }

    /// Size of a head: the key, else `width` over heads; without a `width` the config's own.
    pub(crate) fn head_dim(&self, width: Option<u64>) -> Option<u64> {
        let divided = || {
            let width = width.or_else(|| self.count("hidden_size"))?;
            width.checked_div(self.count("num_attention_heads")?)
        };
        self.count("head_dim").or_else(divided)
    }
}

impl ValueKind {
    fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Count => value.is_u64(),
            Self::Number => value.is_number(),
            Self::Word => value.is_string(),
            Self::Flag => value.is_boolean(),
        }
    }
}

/// Whether a top level describes an image model and no text.
fn is_tower(top: &Map<String, Value>) -> bool {
    let has = |key: &str| top.contains_key(key);
    let takes_images = has("patch_size") || has("image_size") || has("num_channels");
    takes_images && !has("vocab_size") && !has("vision_config")
}

/// The object under the first of `names` that is there, at the shallowest depth that has one; none
/// or one.
fn nested<'a>(top: &'a Map<String, Value>, names: &[&str]) -> Vec<&'a Map<String, Value>> {
    let mut level = vec![top];
    for _ in 0..DEPTH {
        let found = names.iter().find_map(|name| {
            let mut objects = level.iter();
            objects.find_map(|object| object.get(*name)?.as_object())
        });
        if let Some(found) = found {
            return vec![found];
        }
        let values = level.iter().flat_map(|object| object.iter());
        level = values
            .filter(|(key, _)| key.ends_with("_config"))
            .filter_map(|(_, value)| value.as_object())
            .collect();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(raw: Value) -> Config {
        Config {
            raw: raw.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn the_nested_part_comes_before_the_top_and_wrong_kinds_do_not_count() {
        let config = config(json!({
            "hidden_size": 1, "num_layers": 7, "n_head": "many",
            "thinker_config": {"text_config": {"n_embd": 64, "num_hidden_layers": null}},
        }));
        let text = Scope::text(&config);
        assert_eq!(text.count("hidden_size"), Some(64));
        assert_eq!(text.count("num_hidden_layers"), Some(7));
        assert_eq!(text.count("num_attention_heads"), None);
    }

    #[test]
    fn key_and_value_heads_by_every_way_of_saying_it() {
        for (raw, expected) in [
            (json!({"n_head": 8}), Some(8)),
            (json!({"n_head": 8, "num_key_value_heads": 2}), Some(2)),
            (json!({"n_head": 8, "multi_query_group_num": 2}), Some(2)),
            (
                json!({"n_head": 8, "multi_query_group_num": 1, "multi_query_attention": false}),
                Some(8),
            ),
            (
                json!({"n_head": 8, "num_kv_heads": 8, "multi_query": true}),
                Some(1),
            ),
            (
                json!({"n_head": 8, "num_kv_heads": 4, "multi_query": true,
                    "new_decoder_architecture": true}),
                Some(4),
            ),
            (json!({}), None),
        ] {
            let config = config(raw.clone());
            assert_eq!(Scope::text(&config).key_value_heads(), expected, "{raw}");
        }
    }

    #[test]
    fn a_head_is_the_key_or_the_width_over_heads() {
        let stated = config(json!({"n_head": 8, "kv_channels": 32, "hidden_size": 64}));
        assert_eq!(Scope::text(&stated).head_dim(Some(128)), Some(32));
        let unstated = config(json!({"n_head": 8, "hidden_size": 64}));
        assert_eq!(Scope::text(&unstated).head_dim(Some(128)), Some(16));
        assert_eq!(Scope::text(&unstated).head_dim(None), Some(8));
    }
}
