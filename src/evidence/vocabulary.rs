//! An embedding that was taken over with another number of rows.

use crate::error::Result;
use crate::model::sides::Sides;
use crate::model::words::{Block, Component, Role};
use crate::view::logical::Logical;
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
        let [base, target] = setting.models.map(embedding);
        let both = base.zip(target);
        Ok(both.map(|(base, target)| Self {
            rows: rows(Sides {
                base: &base.shape,
                target: &target.shape,
            }),
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

fn embedding(model: &Model) -> Option<&Logical> {
    let mut all = model.logicals.iter().map(|logical| &**logical);
    all.find(|l| {
        (l.meaning.role, l.meaning.component, l.meaning.block)
            == (Role::Embed, Component::Text, Some(Block::Embedding))
    })
}

/// Numbers of tokens of two tables. The other axis is that which both have; a side may store it
/// first, or an axis of one beside the two.
fn rows(shapes: Sides<&[u64]>) -> Sides<u64> {
    let wide = |shape: &[u64]| -> Vec<u64> {
        let axes = shape.iter().copied();
        axes.filter(|&axis| axis > 1).collect()
    };
    let first = |shape: &[u64]| shape.first().copied().unwrap_or(0);
    let wide = shapes.map(wide);
    let (base, target) = match (&wide.base[..], &wide.target[..]) {
        (&[a, b], &[c, d]) if b == d => (a, c),
        (&[a, b], &[c, d]) if b == c => (a, d),
        (&[a, b], &[c, d]) if a == d => (b, c),
        (&[a, b], &[c, d]) if a == c => (b, d),
        _ => (first(shapes.base), first(shapes.target)),
    };
    Sides { base, target }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_however_a_table_lies() {
        let rows = |base: &[u64], target: &[u64]| {
            let Sides { base, target } = rows(Sides { base, target });
            [base, target]
        };
        assert_eq!(rows(&[300, 64], &[310, 64]), [300, 310]);
        assert_eq!(rows(&[300, 64], &[64, 300]), [300, 300]);
        assert_eq!(rows(&[64, 300], &[310, 64]), [300, 310]);
        assert_eq!(rows(&[64, 300], &[64, 310]), [300, 310]);
        assert_eq!(rows(&[300, 64], &[1, 300, 64]), [300, 300]);
    }
}
