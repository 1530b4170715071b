//! What is missing of a model, so that it is not taken for a change.

use super::checkpoint;
use crate::model::checkpoint::Format;
use crate::model::warning::Warning;
use crate::view::model::Model;

/// Notes layers that config.json counts and no file holds.
pub(super) fn note_missing_layers(model: &mut Model) {
    let config = model.checkpoint().config.as_ref();
    // One set of weights may stand for many layers (ALBERT), and an adapter has but some.
    let is_shared = config.is_some_and(|config| config.raw.contains_key("num_hidden_groups"));
    if config.is_none() || is_shared || model.checkpoint().format == Format::Adapter {
        return;
    }
    let architecture = checkpoint::architecture(model);
    let conflict = architecture
        .conflicts
        .iter()
        .find(|conflict| conflict.field == "num_hidden_layers");
    let counts = conflict.and_then(|c| Some((c.tensors.as_u64()?, c.config.as_u64()?)));
    if let Some((found, declared)) = counts
        && found < declared
    {
        let warning = Warning::LayersMissing { found, declared };
        model.opened.checkpoint.warnings.push(warning);
    }
}
