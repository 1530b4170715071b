//! The lists by which a directory names its parts: model_index.json of diffusers, modules.json of
//! sentence-transformers.

use serde_json::Value;

use super::super::sidecar;
use super::find::PIPELINE;
use crate::error::{Error, Result};
use crate::source::Listing;

/// The list of sentence-transformers.
pub(super) const MODULES: &str = "modules.json";

/// Longest list; real ones have a few hundred bytes.
const LIST_BYTES: u64 = 1_000_000;

/// Parts that are looked for; real models have up to ten.
const MOST_PARTS: usize = 64;

/// Parts of a pipeline without weights, by words in the names of their classes.
const WITHOUT_WEIGHTS: [&str; 5] = [
    "Scheduler",
    "Tokenizer",
    "FeatureExtractor",
    "Processor",
    "Guider",
];

/// Modules of sentence-transformers that hold weights, by the names of their classes; the model
/// itself lies beside the list.
const WITH_WEIGHTS: [&str; 7] = [
    "Dense",
    "LayerNorm",
    "CNN",
    "LSTM",
    "WeightedLayerPooling",
    "WordEmbeddings",
    "Transformer",
];

/// The sub-folders that should hold weights.
pub(super) enum Listed {
    /// Of a pipeline, which has nothing else.
    Pipeline(Vec<String>),
    /// Of a model that may stand beside them.
    Modules(Vec<String>),
}

/// What the directory's own list names; none where it has none.
///
/// # Errors
/// A list that cannot be read.
pub(super) fn listed(folder: &dyn Listing) -> Result<Option<Listed>> {
    if folder.has(PIPELINE)? {
        let config = sidecar::read_config(folder, PIPELINE, &mut Vec::new())?;
        let parts = config.iter().flat_map(|config| config.raw.iter());
        let parts = parts.filter(|(name, class)| is_plain(name) && has_weights(class));
        let names = parts.take(MOST_PARTS).map(|(name, _)| name.clone());
        return Ok(Some(Listed::Pipeline(names.collect())));
    }
    let Some(text) = sidecar::read_json_text(folder, MODULES, LIST_BYTES)? else {
        return Ok(None);
    };
    let parsed: Value = serde_json::from_str(&text).map_err(|error| {
        let what = format!("not JSON: {error} (expected the list of a model's modules)");
        Error::malformed(&folder.path_of(MODULES), what)
    })?;
    let modules = parsed.as_array().into_iter().flatten().filter_map(module);
    Ok(Some(Listed::Modules(modules.take(MOST_PARTS).collect())))
}

/// Whether an entry `[LIBRARY, CLASS]` of a pipeline has weights.
fn has_weights(entry: &Value) -> bool {
    let class = entry.as_array().and_then(|entry| entry.get(1)?.as_str());
    class.is_some_and(|class| !WITHOUT_WEIGHTS.iter().any(|word| class.contains(word)))
}

/// The sub-folder of a module with weights.
fn module(entry: &Value) -> Option<String> {
    let path = entry.get("path")?.as_str()?.trim_end_matches('/');
    let class = entry.get("type")?.as_str()?.rsplit('.').next()?;
    (is_plain(path) && WITH_WEIGHTS.contains(&class)).then(|| path.to_owned())
}

/// Whether a name stands for a folder in the directory itself.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.starts_with('_')
        && !name.contains(['/', '\\', '\0', ':'])
}
