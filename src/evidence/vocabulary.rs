//! An embedding that was taken over with another number of rows.

use crate::error::Result;
use crate::model::sides::Sides;
use crate::model::words::{Block, Component, Role};
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting, is_about};
use super::part::{Part, PartKind, State};
use super::relation::Relation;

/// Rows of the token embeddings of two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vocabulary {
    rows: Sides<u64>,
}

impl Analysis for Vocabulary {
    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        let [base, target] = setting.models.map(rows_of_embedding);
        let both = base.zip(target);
        Ok(both.map(|(base, target)| Self {
            rows: Sides { base, target },
        }))
    }

    fn relations(&self, parts: &[Part], about: Option<Component>) -> Vec<Relation> {
        let is_reused = |part: &Part| {
            (part.key.kind, part.key.component) == (PartKind::Embedding, Component::Text)
                && part.state == State::Reused
        };
        let is_extended = is_about(Component::Text, about)
            && self.rows.base != self.rows.target
            && parts.iter().any(is_reused);
        let relation = is_extended.then_some(Relation::VocabularyExtended);
        relation.into_iter().collect()
    }
}

fn rows_of_embedding(model: &Model) -> Option<u64> {
    let mut embeddings = model.logicals.iter().filter(|l| {
        (l.meaning.role, l.meaning.component, l.meaning.block)
            == (Role::Embed, Component::Text, Some(Block::Embedding))
    });
    embeddings.next().and_then(|l| l.shape.first().copied())
}
