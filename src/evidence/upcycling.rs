//! Dense feed-forwards copied to experts, and experts made dense (guide/methods.md, section 4):
//! unit order survives copying.

use crate::stats::levels::{FOUND_LOG10, MODERATE_LOG10};
use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::Result;
use crate::model::words::Component;

use super::analysis::Setting;
use super::finding::{Finding, Scope, Statement, Supports};
use super::part::{PartKey, PartTest};
use super::parts::{Elsewhere, Fate};
use super::permutation::blocks::{BlockKey, Looked, Matrices, look};
use super::untested::Obstacle;
use super::witness::{FoundBy, Witnessed};
use crate::stats::chance;
use crate::stats::power::{Power, Probed};

/// A layer that is dense on one side and has experts on the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct UpcycledLayer {
    /// Component.
    pub component: Component,
    /// Layer of the target.
    pub layer: u32,
    /// Layer of the base.
    pub base_layer: u32,
    /// Experts compared with the dense feed-forward.
    pub experts: usize,
    /// Those that share its units.
    pub found: usize,
    /// log10 of the bound: experts copied from one feed-forward are clones, so a layer is one test.
    pub log10_p: f64,
}

/// All layers that are dense on one side only.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Upcycling {
    /// Layers, ascending.
    pub layers: Vec<UpcycledLayer>,
    /// What became of the target's parts.
    pub parts: BTreeMap<PartKey, Elsewhere>,
}

type Blocks<'a, 'b> = BTreeMap<(Component, u32), Vec<(&'b BlockKey, &'b Matrices<'a>)>>;

/// The blocks of each layer.
fn by_layer<'a, 'b>(blocks: &'b BTreeMap<BlockKey, Matrices<'a>>) -> Blocks<'a, 'b> {
    let mut out: Blocks<'a, 'b> = BTreeMap::new();
    for (key, matrices) in blocks {
        out.entry((key.component, key.layer))
            .or_default()
            .push((key, matrices));
    }
    out
}

/// The one dense feed-forward of a layer without experts.
fn dense<'a, 'b>(layer: &[(&'b BlockKey, &'b Matrices<'a>)]) -> Option<&'b Matrices<'a>> {
    match layer {
        [(key, matrices)] if key.expert.is_none() && !key.shared => Some(*matrices),
        _ => None,
    }
}

/// The experts of a layer, routed and shared, where it has routed ones.
fn experts<'a, 'b>(layer: &[(&'b BlockKey, &'b Matrices<'a>)]) -> Vec<&'b Matrices<'a>> {
    if layer.iter().all(|(key, _)| key.expert.is_none()) {
        return Vec::new();
    }
    let experts = layer
        .iter()
        .filter(|(key, _)| key.expert.is_some() || key.shared);
    experts.map(|(_, matrices)| *matrices).collect()
}

/// A layer to be tested.
struct Task<'a, 'b> {
    component: Component,
    /// Of base and target.
    layers: [u32; 2],
    /// Base and target of each test.
    sides: Vec<[&'b Matrices<'a>; 2]>,
}

/// Compares the dense feed-forward of one side with each expert of the other, layer by layer.
/// `counterpart` gives the layer of the base that a layer of the target goes with.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn compare_all(
    setting: &Setting<'_>,
    counterpart: &dyn Fn(Component, u32) -> Option<u32>,
) -> Result<Upcycling> {
    let models = setting.models;
    let blocks = setting.blocks;
    let [bases, targets] = blocks.each_ref().map(by_layer);
    let mut tasks: Vec<Task<'_, '_>> = Vec::new();
    for (&(component, layer), target) in &targets {
        let Some(base_layer) = counterpart(component, layer) else {
            continue;
        };
        let Some(base) = bases.get(&(component, base_layer)) else {
            continue;
        };
        let sides: Vec<[&Matrices<'_>; 2]> = match (dense(base), dense(target)) {
            (Some(base), None) => experts(target)
                .into_iter()
                .map(|target| [base, target])
                .collect(),
            (None, Some(target)) => experts(base)
                .into_iter()
                .map(|base| [base, target])
                .collect(),
            _ => Vec::new(),
        };
        tasks.push(Task {
            component,
            layers: [base_layer, layer],
            sides,
        });
    }
    tasks.retain(|task| !task.sides.is_empty());
    let tests: usize = tasks.iter().map(|task| task.sides.len()).sum();
    let mut out = Upcycling::default();
    for task in &tasks {
        setting.monitor.check()?;
        let looked: Vec<Result<std::result::Result<Looked, Obstacle>>> = task
            .sides
            .par_iter()
            .map(|sides| look(models, *sides, &setting.sampling))
            .collect();
        let looked: Result<Vec<_>> = looked.into_iter().collect();
        let looked: Vec<Looked> = looked?.into_iter().flatten().collect();
        if looked.is_empty() {
            continue;
        }
        out.add(task, &looked, tests);
    }
    Ok(out)
}

impl Upcycling {
    fn add(&mut self, task: &Task<'_, '_>, looked: &[Looked], tests: usize) {
        let bounds: Vec<f64> = looked.iter().map(|looked| looked.block.log10_p).collect();
        let found = bounds
            .iter()
            .filter(|p| chance::bonferroni(**p, tests) <= FOUND_LOG10)
            .count();
        self.layers.push(UpcycledLayer {
            component: task.component,
            layer: task.layers[1],
            base_layer: task.layers[0],
            experts: looked.len(),
            found,
            log10_p: chance::group(&bounds),
        });
        for looked in looked {
            let Some(key) = &looked.part else { continue };
            let log10_p = chance::bonferroni(looked.block.log10_p, tests);
            let power = looked.block.direct.as_ref().and_then(|direct| {
                Power::part(
                    Probed {
                        probes: direct.probes.len(),
                        units: direct.units,
                    },
                    tests,
                )
                .share_seen_95
            });
            let fate = if log10_p <= FOUND_LOG10 {
                Fate::Found
            } else {
                Fate::Sought
            };
            let sought = Elsewhere {
                base_layer: Some(task.layers[0]),
                test: Some(PartTest {
                    log10_p,
                    share_seen_95: power,
                }),
                excess: None,
                fate,
                found_by: FoundBy::Experts,
                witnessed: Witnessed::default(),
            };
            let kept = self.parts.entry(key.clone()).or_insert(sought);
            if kept.test.is_none_or(|test| log10_p < test.log10_p) {
                *kept = sought;
            }
        }
    }

    /// Layers of a component, or of all.
    fn about(&self, component: Option<Component>) -> impl Iterator<Item = &UpcycledLayer> {
        self.layers
            .iter()
            .filter(move |layer| component.is_none_or(|c| c == layer.component))
    }

    /// Median log10 p over the layers of one component, or of all.
    pub(super) fn median(&self, component: Option<Component>) -> Option<f64> {
        let mut bounds: Vec<f64> = self.about(component).map(|layer| layer.log10_p).collect();
        bounds.sort_by(f64::total_cmp);
        // Of an even number the upper one: the weaker bound.
        bounds.get(bounds.len() / 2).copied()
    }

    /// Whether the median says that experts and feed-forwards share their units.
    pub(super) fn decides(&self, component: Option<Component>) -> bool {
        self.median(component).is_some_and(|p| p <= FOUND_LOG10)
    }

    /// Whether any layer has more than one expert: a stack of one is a feed-forward with one more
    /// axis.
    pub(super) fn has_several(&self, component: Option<Component>) -> bool {
        self.about(component).any(|layer| layer.experts > 1)
    }

    /// Whether a layer of the target was found.
    pub(super) fn hit(&self, component: Component, layer: u32) -> bool {
        self.about(Some(component))
            .any(|l| l.layer == layer && l.found > 0)
    }

    /// What the comparison says.
    pub(super) fn finding(&self) -> Option<Finding> {
        let least = self
            .layers
            .iter()
            .map(|layer| layer.log10_p)
            .min_by(f64::total_cmp)?;
        let log10_p = chance::bonferroni(least, self.layers.len());
        let layers_found = self.layers.iter().filter(|layer| layer.found > 0).count();
        let [found, experts] = [|l: &UpcycledLayer| l.found, |l: &UpcycledLayer| l.experts]
            .map(|count| self.layers.iter().map(count).sum::<usize>());
        let supports = if log10_p <= MODERATE_LOG10 {
            Supports::Derived
        } else {
            Supports::FromScratch
        };
        Some(Finding {
            statement: Statement::DenseAndExperts {
                found,
                experts,
                layers_found,
                layers: self.layers.len(),
            },
            value: Some(found as f64),
            log10_p: Some(log10_p),
            supports,
            scope: Scope::Model,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_layers_or_more_must_agree() {
        let layer = |(layer, log10_p): (u32, f64)| UpcycledLayer {
            component: Component::Text,
            layer,
            base_layer: layer,
            experts: 4,
            found: 0,
            log10_p,
        };
        let upcycling = |bounds: &[f64]| Upcycling {
            layers: (0..).zip(bounds.iter().copied()).map(layer).collect(),
            parts: BTreeMap::new(),
        };
        assert_eq!(upcycling(&[]).median(None), None);
        assert_eq!(upcycling(&[-100.0, 0.0, -50.0]).median(None), Some(-50.0));
        assert!(
            !upcycling(&[-100.0, 0.0]).decides(None)
                && upcycling(&[-100.0, 0.0, -7.0]).decides(None)
        );
        assert_eq!(upcycling(&[-100.0]).median(Some(Component::Vision)), None);
    }
}
