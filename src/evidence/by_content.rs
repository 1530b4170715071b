//! What was paired by what it holds, and what could be and was not.

use crate::align::{ByContent, Unmatched, Why, may_be_one};
use crate::error::Result;
use crate::model::words::{Class, Component};

use super::analysis::{Analysis, Found, Setting, is_about};
use super::grounds::{Grounds, PairedByContent};
use super::part::Part;
use super::relation::Relation;

/// Tensors that names left over.
#[derive(Debug, Clone, Default)]
pub(super) struct Nameless {
    paired: ByContent,
    pairs: usize,
    /// Parameters of matrices of the target without a counterpart, while one of that shape is left
    /// in the base and no name speaks against it.
    unpaired: Vec<(Component, u64)>,
}

impl Analysis for Nameless {
    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        let alignment = setting.alignment;
        if setting
            .models
            .iter()
            .any(|model| model.opened.adapter.is_some())
        {
            return Ok(None);
        }
        let is_open = |left: &&Unmatched| {
            matches!(left.why, Why::NoSuchName | Why::Shape)
                && left.tensor.meaning.class == Class::Matrix
                && !left.tensor.is_cut_by_token()
        };
        let sorted = |left: &Unmatched| {
            let mut shape = left.tensor.shape.clone();
            shape.sort_unstable();
            shape
        };
        let bases: Vec<(&Unmatched, Vec<u64>)> = alignment
            .base_left
            .iter()
            .filter(is_open)
            .map(|left| (left, sorted(left)))
            .collect();
        let unpaired = alignment.target_left.iter().filter(is_open).filter(|left| {
            let shape = sorted(left);
            bases
                .iter()
                .any(|(base, other)| *other == shape && may_be_one(&base.tensor, &left.tensor))
        });
        Ok(Some(Self {
            paired: alignment.by_content,
            pairs: alignment.pairs.len(),
            unpaired: unpaired
                .map(|left| (left.tensor.meaning.component, left.tensor.elements()))
                .collect(),
        }))
    }

    fn relations(&self, _: &[Part], _: Option<Component>) -> Vec<Relation> {
        let renamed = self.paired != ByContent::default();
        renamed.then_some(Relation::Renamed).into_iter().collect()
    }

    fn weigh(&self, about: Option<Component>, grounds: &mut Grounds) {
        grounds.by_content = (self.paired != ByContent::default()).then_some(PairedByContent {
            equal: self.paired.equal,
            alike: self.paired.alike,
            followed: self.paired.followed,
            pairs: self.pairs,
        });
        let open = self.unpaired.iter();
        let open = open.filter(|(component, _)| is_about(*component, about));
        grounds.unpaired = open.map(|(_, parameters)| parameters).sum();
    }
}
