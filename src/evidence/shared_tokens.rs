//! Tokens that two models share, as rows of their embeddings.

use crate::model::tokenizer::shared;
use crate::model::words::{Block, Class, Component, Role};
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::analysis::Setting;

/// The token embedding of a component.
pub(super) fn embedding(model: &Model, component: Component) -> Option<&Logical> {
    table(model, component, Role::Embed)
}

/// What turns the residual stream into tokens: the output head, or the embedding where the two are
/// tied.
pub(super) fn output_head(model: &Model, component: Component) -> Option<&Logical> {
    table(model, component, Role::LmHead).or_else(|| embedding(model, component))
}

fn table(model: &Model, component: Component, role: Role) -> Option<&Logical> {
    let tables = model.places().map(|(_, logical)| logical);
    let mut tables = tables.filter(|l| {
        let m = &l.meaning;
        m.role == role
            && m.component == component
            && m.class == Class::Matrix
            && m.block != Some(Block::Mtp)
    });
    tables.find(|l| l.shape.len() == 2)
}

/// The rows of each shared token in the embeddings of base and target, ascending in the base:
/// tokens of the same bytes, or, where a tokenizer is missing, of the same id.
pub(super) fn shared_tokens(setting: &Setting<'_>) -> Vec<[usize; 2]> {
    let rows = setting.models.map(|model| {
        let rows = embedding(model, Component::Text).map_or(0, |l| l.shape[0]);
        usize::try_from(rows).unwrap_or(0)
    });
    let [base, target] = setting.tokenizers;
    shared(base, target, rows)
}
