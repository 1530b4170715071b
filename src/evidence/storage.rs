//! What the way in which a model is stored says of how it was made: masks that prune it, an adapter
//! that was not merged.

use crate::error::Result;
use crate::model::name::is_adapter_factor;
use crate::model::sides::Side;
use crate::model::warning::{Noted, Warning};
use crate::model::words::Component;
use crate::view::composed::Factor;
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting, is_about};
use super::part::Part;
use super::relation::Relation;

/// What is stored beside the weights.
#[derive(Debug, Clone, Default)]
pub(crate) struct Storage {
    /// Components of which a side has weights under masks that the other side has not.
    masked: Vec<Component>,
    /// Factors of an adapter inside a whole model, by side.
    factors: Vec<(Side, Factors)>,
}

/// Factors of changes that are stored beside what they change.
#[derive(Debug, Clone)]
struct Factors {
    component: Component,
    first: String,
    count: usize,
}

impl Storage {
    /// Adapters that were not merged.
    pub(crate) fn warnings(&self) -> Vec<Noted> {
        let told = self.factors.iter().map(|(side, factors)| {
            let warning = Warning::UnmergedAdapter {
                first: factors.first.clone(),
                tensors: factors.count,
            };
            warning.on(*side)
        });
        told.collect()
    }
}

fn factors(model: &Model) -> Option<Factors> {
    if model.opened.adapter.is_some() {
        return None;
    }
    let mut found = model
        .logicals
        .iter()
        .filter(|logical| is_adapter_factor(&logical.name));
    let first = found.next()?;
    Some(Factors {
        component: first.meaning.component,
        first: first.name.clone(),
        count: found.count() + 1,
    })
}

impl Analysis for Storage {
    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        let is_masked = |parts: Option<&Factor>| matches!(parts, Some(Factor::Mask(_)));
        let pairs = setting.alignment.pairs.iter().filter(|pair| {
            let masked = pair
                .sides()
                .map(|l| is_masked(l.stored_as.composed.as_ref().map(|parts| &parts.factor)));
            masked.base != masked.target
        });
        let sides = Side::BOTH.into_iter().zip(setting.models);
        let out = Self {
            masked: pairs.map(|pair| pair.target.meaning.component).collect(),
            factors: sides
                .filter_map(|(side, model)| Some((side, factors(model)?)))
                .collect(),
        };
        Ok(Some(out))
    }

    fn relations(&self, _: &[Part], about: Option<Component>) -> Vec<Relation> {
        let pruned = self.masked.iter().any(|of| is_about(*of, about));
        let is_adapter = |(_, factors): &(Side, Factors)| is_about(factors.component, about);
        let one_sided = self.factors.len() == 1;
        let adapter = one_sided && self.factors.iter().any(is_adapter);
        let relations = [
            pruned.then_some(Relation::Pruned),
            adapter.then_some(Relation::Adapter),
        ];
        relations.into_iter().flatten().collect()
    }
}
