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
    let tables = setting.models.map(|model| {
        [
            embedding(model, Component::Text),
            output_head(model, Component::Text),
        ]
    });
    let mut pairs = shared(base, target, rows);
    let [of_base, of_target] = tables;
    for (base, target) in of_base.into_iter().zip(of_target) {
        pairs = known(setting, [base, target], pairs);
    }
    pairs
}

/// Those of some pairs of rows that are known on both sides: a sketch keeps few rows of a table.
pub(super) fn known(
    setting: &Setting<'_>,
    tables: [Option<&Logical>; 2],
    pairs: Vec<[usize; 2]>,
) -> Vec<[usize; 2]> {
    let held = [0, 1].map(|side| setting.models[side].held_rows(tables[side]?));
    let is_known = |pair: &[usize; 2]| {
        (0..2).all(|side| {
            let held = held[side].as_ref();
            held.is_none_or(|rows| rows.binary_search(&pair[side]).is_ok())
        })
    };
    pairs.into_iter().filter(is_known).collect()
}
