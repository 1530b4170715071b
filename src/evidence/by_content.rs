//! What was paired by what it holds, and what could be and was not.

use std::collections::BTreeMap;

use crate::align::{ByContent, Unmatched, Why, may_be_one};
use crate::error::Result;
use crate::model::dtype::Kind;
use crate::model::words::{Class, Component};

use super::analysis::{Analysis, Found, Setting, is_about};
use super::grounds::{Grounds, PairedByContent};
use super::part::{Part, PartKey};
use super::parts::part_of;
use super::relation::Relation;

/// Tensors that names left over.
#[derive(Debug, Clone, Default)]
pub(super) struct Nameless {
    paired: ByContent,
    pairs: usize,
    /// Parameters of matrices of the target without a counterpart, while one of that shape is left
    /// in the base and no name speaks against it.
    unpaired: Vec<Unpaired>,
}

/// A matrix of the target without a counterpart.
#[derive(Debug, Clone)]
struct Unpaired {
    component: Component,
    part: Option<PartKey>,
    parameters: u64,
}

impl Unpaired {
    /// Whether its part was found elsewhere, or looked for by a test that would have found it.
    fn is_told(&self, parts: &[Part]) -> bool {
        let own = parts
            .iter()
            .find(|part| Some(&part.key) == self.part.as_ref());
        own.is_some_and(|part| part.found || part.test.is_some_and(|test| test.has_power()))
    }
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
        // One tensor stands for all of a shape whose names say the same.
        let said = |left: &Unmatched| {
            let meaning = &left.tensor.meaning;
            let place = (meaning.component, meaning.layer, meaning.expert);
            (
                meaning.role,
                place,
                left.tensor.dtype.kind() == Kind::Complex,
            )
        };
        let mut bases: BTreeMap<Vec<u64>, BTreeMap<_, &Unmatched>> = BTreeMap::new();
        for left in alignment.base_left.iter().filter(is_open) {
            let of_shape = bases.entry(sorted(left)).or_default();
            of_shape.insert(said(left), left);
        }
        // What lies in a long vector has no shape of its own: anything as large may.
        let is_long = |left: &&Unmatched| left.tensor.shape.len() == 1;
        let base_longs: Vec<&Unmatched> = alignment
            .base_left
            .iter()
            .filter(|left| is_open(left) && is_long(left))
            .collect();
        let may_lie_in = |long: &Unmatched, matrix: &Unmatched| {
            long.tensor.elements() >= matrix.tensor.elements()
                && may_be_one(&long.tensor, &matrix.tensor)
        };
        let mut answers = BTreeMap::new();
        let mut is_left_beside = |left: &&Unmatched| {
            let beside_long = base_longs.iter().any(|long| may_lie_in(long, left));
            let mut matrices = bases.values().flatten();
            let holds = is_long(left) && matrices.any(|(_, base)| may_lie_in(left, base));
            if beside_long || holds {
                return true;
            }
            let shape = sorted(left);
            let answer = answers
                .entry((shape.clone(), said(left)))
                .or_insert_with(|| {
                    let mut of_shape = bases.get(&shape).into_iter().flatten();
                    of_shape.any(|(_, base)| may_be_one(&base.tensor, &left.tensor))
                });
            *answer
        };
        let open = alignment.target_left.iter().filter(is_open);
        let unpaired = open.filter(|left| is_left_beside(left));
        Ok(Some(Self {
            paired: alignment.by_content,
            pairs: alignment.pairs.len(),
            unpaired: unpaired
                .map(|left| Unpaired {
                    component: left.tensor.meaning.component,
                    part: part_of(&left.tensor),
                    parameters: left.tensor.elements(),
                })
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
            left: self.paired.left,
            pairs: self.pairs,
        });
        let parts = &grounds.parts;
        let open = self
            .unpaired
            .iter()
            .filter(|open| is_about(open.component, about) && !open.is_told(parts));
        grounds.unpaired = open.map(|open| open.parameters).sum();
    }
}
