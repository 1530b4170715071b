//! What the way in which a model is stored says of how it was made: masks that prune it, an adapter
//! that was not merged.

use std::collections::BTreeSet;

use crate::align::{Unmatched, Why};
use crate::error::Result;
use crate::measure::record::Record;
use crate::model::name::is_adapter_factor;
use crate::model::sides::{Side, Sides};
use crate::model::warning::{Noted, Warning};
use crate::model::words::Component;
use crate::view::composed::Factor;
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting, is_about};
use super::grounds::{Grounds, SharedAreEqual};
use super::part::Part;
use super::relation::Relation;

/// How far a sum of products may be off.
const ROUNDING: f64 = 1e-6;

/// What is stored beside the weights.
#[derive(Debug, Clone, Default)]
pub(crate) struct Storage {
    /// Components of which a side has weights under masks that the other side has not.
    masked: Vec<Component>,
    /// Components of which tensors differ by more than zeros that the target has.
    changed: BTreeSet<Component>,
    /// Components of which the target has zeros in the place of the base's values.
    zeroed: BTreeSet<Component>,
    /// Components of tensors that are paired, and of those that one side alone has.
    paired: Vec<Component>,
    left: Sides<Vec<Component>>,
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

/// How a pair's values differ.
enum Difference {
    None,
    /// The target's are the base's, some of them zero.
    Zeroed,
    Other,
}

/// Where b is a or 0, Σab = Σb², and no more values differ than are zero.
fn difference(record: &Record) -> Difference {
    let sums = &record.sums;
    let differing = sums.n.saturating_sub(sums.equal);
    let is_readable = record.unreadable.is_none() && sums.nonfinite == Sides::default();
    match () {
        () if record.identical || is_readable && differing == 0 => Difference::None,
        () if is_readable
            && differing <= sums.zeros.target
            && (sums.ab - sums.bb).abs() <= ROUNDING * sums.bb =>
        {
            Difference::Zeroed
        }
        () => Difference::Other,
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
        let (mut changed, mut zeroed) = (BTreeSet::new(), BTreeSet::new());
        for (pair, record) in setting.alignment.pairs.iter().zip(setting.records) {
            let component = pair.target.meaning.component;
            match difference(record) {
                Difference::None => {}
                Difference::Zeroed => drop(zeroed.insert(component)),
                Difference::Other => drop(changed.insert(component)),
            }
        }
        let component = |l: &Logical| l.meaning.component;
        let left = |left: &[Unmatched]| {
            let left = left.iter().filter(|left| left.why != Why::Filtered);
            left.map(|left| component(&left.tensor)).collect()
        };
        let all = setting.alignment.pairs.iter();
        let out = Self {
            changed,
            zeroed,
            paired: all.map(|pair| component(&pair.target)).collect(),
            left: Sides {
                base: left(&setting.alignment.base_left),
                target: left(&setting.alignment.target_left),
            },
            masked: pairs.map(|pair| pair.target.meaning.component).collect(),
            factors: sides
                .filter_map(|(side, model)| Some((side, factors(model)?)))
                .collect(),
        };
        Ok(Some(out))
    }

    fn relations(&self, _: &[Part], about: Option<Component>) -> Vec<Relation> {
        let counts = |of: &Component| is_about(*of, about);
        let only_zeroed = self.zeroed.iter().any(counts) && !self.changed.iter().any(counts);
        let pruned = only_zeroed || self.masked.iter().any(counts);
        let is_adapter = |(_, factors): &(Side, Factors)| is_about(factors.component, about);
        let one_sided = self.factors.len() == 1;
        let adapter = one_sided && self.factors.iter().any(is_adapter);
        let relations = [
            pruned.then_some(Relation::Pruned),
            adapter.then_some(Relation::Adapter),
        ];
        relations.into_iter().flatten().collect()
    }

    fn weigh(&self, about: Option<Component>, grounds: &mut Grounds) {
        let counts = |of: &&Component| is_about(**of, about);
        let count = |all: &[Component]| all.iter().filter(counts).count();
        grounds.unchanged = !self.changed.iter().any(|of| is_about(*of, about));
        let is_equal = grounds.unchanged && !self.zeroed.iter().any(|of| is_about(*of, about));
        let shared = count(&self.paired);
        grounds.shared_are_equal = (is_equal && shared > 0).then(|| SharedAreEqual {
            tensors: shared,
            left: self.left.as_ref().map(|left| count(left)),
        });
    }
}
