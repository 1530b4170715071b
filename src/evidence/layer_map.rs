//! Which layer of the base each layer of the target comes from, and what moved with it
//! (guide/methods.md, section 4).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::align::Pair;
use crate::error::Result;
use crate::measure::record::Record;
use crate::model::words::{Block as Place, Component, Role};
use crate::view::logical::{Logical, Via};
use crate::view::model::Model;
use crate::view::pieces::pieces;
use crate::view::place;

use super::analysis::Setting;
use super::finding::{Finding, Scope, Statement, Supports};
use super::part::{PartKey, PartKind};
use super::partners::{self, Find, Partners};
use super::parts::{self, Elsewhere, Fate};
use super::permutation::blocks::{BlockKey, Matrices, default_features};
use super::tests_of_units::Test;
use super::witness::{FoundBy, Witnessed};
use crate::stats::units::{Features, Held, Sampling, clones};

/// One layer of the target, with the layer of the base that it comes from, if one was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// Layer of the target.
    pub target: u32,
    /// Layer of the base.
    pub base: Option<u32>,
    /// The test that placed it; its bound is paid for the choice among all pairs of layers.
    pub test: Option<Test>,
}

/// The layer map of one component.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LayerMap {
    /// Component.
    pub component: Component,
    /// Layers of the target, ascending.
    pub layers: Vec<Placed>,
    /// Layers of the base, ascending.
    pub base_layers: Vec<u32>,
    /// Layers of the base that are clones of one another, itself included.
    twins: BTreeMap<u32, Vec<u32>>,
}

/// What the map says about the layers as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// A layer of the base is used more than once, or the target, of whose layers half come from
    /// the base, has more.
    pub upscaled: bool,
    /// Layers of the base are left out of a target of whose layers half come from the base.
    pub pruned: bool,
    /// Layers, each used at most once, stand in another order.
    pub reordered: bool,
}

/// The block by which each layer of a component is told: its dense feed-forward, else its first
/// routed expert, else the shared one. Empty where layers have several dense feed-forwards, as
/// those of an encoder and a decoder under one number: the number does not name a layer then.
pub(crate) fn representatives<'a, 'b>(
    blocks: &'b BTreeMap<BlockKey, Matrices<'a>>,
    component: Component,
) -> BTreeMap<u32, (&'b BlockKey, &'b Matrices<'a>)> {
    let mut out: BTreeMap<u32, (&BlockKey, &Matrices<'_>)> = BTreeMap::new();
    let rank = |key: &BlockKey| (key.shared, key.expert);
    for (key, matrices) in blocks.iter().filter(|(key, _)| key.component == component) {
        match out.get(&key.layer) {
            Some((known, _)) if rank(known) == rank(key) => return BTreeMap::new(),
            Some((known, _)) if rank(known) < rank(key) => {}
            _ => {
                out.insert(key.layer, (key, matrices));
            }
        }
    }
    out
}

/// The tensors of layers of a component of the target, paired with those of the layers of the base
/// that `from` gives for them; `keep` says which names count.
pub(crate) fn pairs_of_layers(
    [base, target]: [&Model; 2],
    component: Component,
    from: &BTreeMap<u32, u32>,
    keep: &dyn Fn(&str) -> bool,
) -> Vec<Pair> {
    let counterpart = |logical: &Arc<Logical>| {
        let layer = logical
            .meaning
            .layer
            .filter(|_| logical.meaning.component == component)?;
        let Some(Place::Layer(_)) = logical.meaning.block else {
            return None;
        };
        let from = *from.get(&layer)?;
        let place = place::Place {
            block: Some(Place::Layer(from)),
            layer: Some(from),
            ..logical.place()
        };
        let found = base
            .at(&place)
            .filter(|found| found.shape == logical.shape && keep(&found.name))?;
        Some(Pair {
            base: Arc::new(found.clone()),
            target: Arc::clone(logical),
            via: Via::Mapped,
            by_name: false,
        })
    };
    let mut out = Vec::new();
    for logical in target.logicals.iter().filter(|logical| keep(&logical.name)) {
        match counterpart(logical) {
            Some(pair) => out.push(pair),
            None => {
                let pieces = pieces(logical, &target.facts).into_iter().map(Arc::new);
                out.extend(pieces.filter_map(|piece| counterpart(&piece)));
            }
        }
    }
    out
}

/// Layers that can be compared with one another: role, units and width of their default feature.
type Like = (Role, Vec<u64>);

struct Layer {
    number: u32,
    probes: Held,
}

fn layers(
    model: &Model,
    of: &BTreeMap<u32, (&BlockKey, &Matrices<'_>)>,
    sampling: &Sampling,
) -> Result<BTreeMap<Like, Vec<Layer>>> {
    let read = of.par_iter().map(|(&number, &(_, matrices))| {
        let first = matrices.by_row[0];
        if model.unreadable(first).is_some() {
            return Ok(None);
        }
        let view = model.view(first)?;
        let features = default_features(&view, sampling);
        if features.units() == 0 || features.width() == 0 {
            return Ok(None);
        }
        let probes = Held::some(&features, &sampling.probes(features.units()))?;
        Ok(Some((
            (first.meaning.role, first.shape.clone()),
            Layer { number, probes },
        )))
    });
    let read: Vec<Result<Option<(Like, Layer)>>> = read.collect();
    let mut out: BTreeMap<Like, Vec<Layer>> = BTreeMap::new();
    for layer in read {
        if let Some((like, layer)) = layer? {
            out.entry(like).or_default().push(layer);
        }
    }
    Ok(out)
}

/// Maps the layers of one component by what `partners` found and what was found in its place; none
/// where a side has no layer with hidden units, or nothing was found.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn map_layers(
    setting: &Setting<'_>,
    component: Component,
    partners: &Partners,
    is_in_place: &dyn Fn(u32) -> bool,
) -> Result<Option<LayerMap>> {
    let finds: Vec<&Find> = partners
        .confirmed()
        .filter(|find| find.target.component == component)
        .collect();
    if finds.is_empty() {
        return Ok(None);
    }
    let blocks = setting.blocks;
    let [base, target] = blocks
        .each_ref()
        .map(|blocks| representatives(blocks, component));
    if base.is_empty() || target.is_empty() {
        return Ok(None);
    }
    let bases = layers(setting.models[0], &base, &setting.sampling)?;
    let placed = target.keys().map(|&target| {
        let found = finds.iter().find(|find| find.target.layer == target);
        Placed {
            target,
            base: match found {
                Some(find) => Some(find.base.layer),
                None => Some(target).filter(|target| is_in_place(*target)),
            },
            test: found.map(|find| find.test.clone()),
        }
    });
    Ok(Some(LayerMap {
        component,
        layers: placed.collect(),
        base_layers: base.into_keys().collect(),
        twins: bases.values().flat_map(|layers| twins(layers)).collect(),
    }))
}

/// Clones among layers of one model, itself included.
fn twins(layers: &[Layer]) -> BTreeMap<u32, Vec<u32>> {
    let pairs = clones::layer_pairs(layers.len());
    let alike = pairs
        .into_par_iter()
        .filter(|&(a, b)| clones::are_clones(&layers[a].probes, &layers[b].probes));
    let groups = clones::groups(layers.len(), &alike.collect::<Vec<_>>());
    let mut out = BTreeMap::new();
    for group in groups {
        let numbers: Vec<u32> = group.iter().map(|&at| layers[at].number).collect();
        out.extend(numbers.iter().map(|&number| (number, numbers.clone())));
    }
    out
}

impl LayerMap {
    /// Whether every layer was found under its own number, and there are no others.
    pub(crate) fn is_identity(&self) -> bool {
        self.layers
            .iter()
            .all(|layer| layer.base == Some(layer.target))
            && self.layers.len() == self.base_layers.len()
    }

    /// Layers found under another number: (base, target).
    pub(crate) fn moved(&self) -> impl Iterator<Item = (u32, u32)> {
        self.layers
            .iter()
            .filter_map(|layer| Some((layer.base?, layer.target)))
            .filter(|(base, target)| base != target)
    }

    /// The layer of the base that a layer of the target is compared with: the one it comes from,
    /// else that of its number, unless another layer comes from that one.
    pub(crate) fn counterpart(&self, target: u32) -> Option<u32> {
        match self
            .layers
            .iter()
            .find(|layer| layer.target == target)
            .and_then(|layer| layer.base)
        {
            Some(base) => Some(base),
            None => Some(target).filter(|number| !self.given_away(*number)),
        }
    }

    /// Whether a layer of the base became a layer of another number.
    fn given_away(&self, base: u32) -> bool {
        self.moved().any(|(from, _)| from == base)
    }

    /// What the map says about the layers as a whole.
    pub(crate) fn shape(&self) -> Shape {
        let origins: Vec<u32> = self.layers.iter().filter_map(|layer| layer.base).collect();
        if origins.is_empty() {
            return Shape::default();
        }
        let used: BTreeSet<u32> = origins.iter().copied().collect();
        let repeated = used.len() < origins.len();
        // A few layers of a base make no larger or smaller version of it.
        let most = 2 * origins.len() >= self.layers.len();
        Shape {
            upscaled: repeated || most && self.layers.len() > self.base_layers.len(),
            pruned: most && self.layers.len() < self.base_layers.len(),
            reordered: !repeated && !self.can_ascend(&origins),
        }
    }

    /// Whether the origins, or clones of them, stand in ascending order.
    fn can_ascend(&self, origins: &[u32]) -> bool {
        let mut last = None;
        origins.iter().all(|origin| {
            let twins = self
                .twins
                .get(origin)
                .map_or(std::slice::from_ref(origin), Vec::as_slice);
            last = twins
                .iter()
                .copied()
                .filter(|twin| last.is_none_or(|last| *twin > last))
                .min();
            last.is_some()
        })
    }

    /// Bound of the chance that any layer is placed, the exact ones first, each paid for all pairs;
    /// and whether it is exact.
    pub(crate) fn bound(&self) -> (f64, bool) {
        partners::bound(self.layers.iter().filter_map(|layer| layer.test.as_ref()))
    }

    /// What the map says, if it places layers elsewhere.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let placed = self
            .layers
            .iter()
            .filter(|layer| layer.base.is_some())
            .count();
        if placed == 0 || self.is_identity() {
            return None;
        }
        let moved = self.moved().count();
        let (log10_p, exact) = self.bound();
        Some(Finding {
            statement: Statement::PlacedLayers {
                component: self.component,
                placed,
                layers: self.layers.len(),
                moved,
                exact,
            },
            value: Some(placed as f64),
            log10_p: Some(log10_p),
            supports: Supports::Derived,
            scope: match self.component {
                Component::Text => Scope::Model,
                other => Scope::Component(other),
            },
        })
    }

    /// The tensors of layers that moved, paired with those they come from; `keep` says which names
    /// count.
    pub(crate) fn pairs(&self, models: [&Model; 2], keep: &dyn Fn(&str) -> bool) -> Vec<Pair> {
        let moved: BTreeMap<u32, u32> = self.moved().map(|(base, target)| (target, base)).collect();
        pairs_of_layers(models, self.component, &moved, keep)
    }

    /// What the map says of the target's parts. `mapped` are the [pairs](Self::pairs) with what the
    /// pass measured.
    pub(crate) fn parts(
        &self,
        target: &Model,
        mapped: (&[Pair], &[Record]),
    ) -> BTreeMap<PartKey, Elsewhere> {
        let excess: BTreeMap<PartKey, f64> = parts::excess(target, mapped.0, mapped.1);
        let mut out = BTreeMap::new();
        let of_layer: BTreeMap<u32, &Placed> = self
            .layers
            .iter()
            .map(|layer| (layer.target, layer))
            .collect();
        let keys = target
            .logicals
            .iter()
            .flat_map(|logical| parts::parts_in(logical, target).map(|(key, _)| key));
        for key in keys.filter(|key| key.component == self.component) {
            let whole = matches!(
                key.kind,
                PartKind::Attention | PartKind::Ffn | PartKind::Experts
            );
            let Some(placed) = key
                .layer
                .and_then(|layer| of_layer.get(&layer))
                .filter(|_| whole)
            else {
                continue;
            };
            let own_block = placed
                .test
                .as_ref()
                .is_none_or(|test| test.expert == key.expert);
            let elsewhere = match (placed.base, &placed.test) {
                // An expert that did not place the layer has a test of its own.
                (Some(base), Some(_))
                    if base != placed.target && (own_block || key.kind != PartKind::Experts) =>
                {
                    Elsewhere {
                        base_layer: Some(base),
                        test: None,
                        fate: Fate::Found,
                        found_by: FoundBy::LayerMap,
                        witnessed: Witnessed::default(),
                        excess: None,
                    }
                }
                (None, _) if self.given_away(placed.target) => Elsewhere {
                    base_layer: None,
                    test: None,
                    fate: Fate::NeverAPair,
                    found_by: FoundBy::LayerMap,
                    witnessed: Witnessed::default(),
                    excess: None,
                },
                _ => continue,
            };
            let excess = excess.get(&key).copied();
            out.insert(
                key,
                Elsewhere {
                    excess,
                    ..elsewhere
                },
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(origins: &[Option<u32>], base: u32, twins: &[&[u32]]) -> LayerMap {
        let placed = |(target, base): (u32, &Option<u32>)| Placed {
            target,
            base: *base,
            test: None,
        };
        let mut all: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for group in twins {
            all.extend(group.iter().map(|twin| (*twin, group.to_vec())));
        }
        LayerMap {
            component: Component::Text,
            layers: (0..).zip(origins).map(placed).collect(),
            base_layers: (0..base).collect(),
            twins: all,
        }
    }

    fn words(map: &LayerMap) -> Vec<&'static str> {
        let shape = map.shape();
        let all = [
            ("upscaled", shape.upscaled),
            ("pruned", shape.pruned),
            ("reordered", shape.reordered),
        ];
        all.iter()
            .filter(|(_, holds)| *holds)
            .map(|(word, _)| *word)
            .collect()
    }

    #[test]
    fn the_map_names_what_was_done_to_the_layers() {
        let named = |origins: &[u32], base| {
            words(&map(
                &origins.iter().copied().map(Some).collect::<Vec<_>>(),
                base,
                &[],
            ))
        };
        assert_eq!(named(&[0, 1, 2, 3, 4, 2, 3, 4, 5], 6), ["upscaled"]);
        assert_eq!(named(&[0, 1, 3, 5], 6), ["pruned"]);
        assert_eq!(named(&[3, 2, 1, 0], 4), ["reordered"]);
        assert_eq!(named(&[3, 2, 0], 4), ["pruned", "reordered"]);
        assert_eq!(named(&[0, 0, 1, 1], 4), ["upscaled"]);
        assert_eq!(named(&[0, 1, 2, 3], 4), [""; 0]);
        assert_eq!(words(&map(&[None; 4], 6, &[])), [""; 0]);
        assert_eq!(words(&map(&[Some(0), None, Some(1)], 2, &[])), ["upscaled"]);
        assert_eq!(words(&map(&[Some(1), None, None], 2, &[])), [""; 0]);
    }

    #[test]
    fn a_layer_taken_from_either_of_two_clones_is_in_order() {
        let twins: [&[u32]; 3] = [&[2, 5], &[3, 6], &[4, 7]];
        let either = [0, 1, 5, 3, 7, 8].map(Some);
        assert_eq!(words(&map(&either, 9, &twins)), ["pruned"]);
        assert_eq!(words(&map(&either, 9, &[])), ["pruned", "reordered"]);
    }

    #[test]
    fn a_layer_is_compared_with_its_origin_or_with_its_number_where_that_is_free() {
        let map = map(&[Some(0), Some(2), None, None], 4, &[]);
        let counterpart = |target| map.counterpart(target);
        assert_eq!(
            [0, 1, 2, 3].map(counterpart),
            [Some(0), Some(2), None, Some(3)]
        );
        assert_eq!(map.moved().collect::<Vec<_>>(), [(2, 1)]);
        assert!(!map.is_identity());
    }
}
