//! What of the base stands elsewhere in the target: layers, experts, dense feed-forwards in
//! experts.

use std::collections::{BTreeMap, BTreeSet};

use crate::align::Pair;
use crate::error::Result;
use crate::evidence::experts::{self, Experts};
use crate::evidence::figures::{self, Measurement};
use crate::evidence::finding::Finding;
use crate::evidence::layer_map::{self, LayerMap};
use crate::evidence::part::{Part, PartKey, PartKind, State};
use crate::evidence::parts::Elsewhere;
use crate::evidence::permutation::{Form, Permutation, Test, UnitKind};
use crate::evidence::relation::Relation;
use crate::evidence::transformation::{Check, KeptUnits, Transformation, TransformationKind};
use crate::evidence::upcycling::{self, Upcycling};
use crate::measure::measure;
use crate::measure::monitor::Monitor;
use crate::measure::record::Record;
use crate::model::sides::Side;
use crate::model::words::{Block, Component, Role};
use crate::report::schema::{ExpertsRow, LayerMapRow, LayerRow};
use crate::report::summary;
use crate::stats::units::Sampling;
use crate::verdict::decide::Direct;
use crate::view::model::Model;

use super::options::{Deep, Options};

/// Layers, experts and feed-forwards that were looked for outside the places of their names.
#[derive(Default)]
pub(super) struct Structure {
    /// Maps of the components that have one, not the identity.
    maps: Vec<LayerMap>,
    /// Tensors of layers that moved, with those they come from.
    pub(super) mapped: Vec<Pair>,
    /// What the pass measured of them.
    pub(super) records: Vec<Record>,
    /// Experts by content.
    experts: Experts,
    /// Dense feed-forwards in experts.
    upcycling: Upcycling,
    /// Parts outside the places of their names.
    parts: BTreeMap<PartKey, Elsewhere>,
}

impl Structure {
    /// Looks for what moved, after the tests in place.
    ///
    /// # Errors
    /// A read that fails, or an interrupt.
    pub(super) fn find(
        models: [&Model; 2],
        permutation: &Permutation,
        options: &Options,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let sampling = Sampling {
            seed: options.seed,
            thorough: options.deep == Deep::On,
        };
        let in_place = |_: Component, layer: u32| Some(layer);
        let mut out = Self::default();
        monitor.begin("looking for what moved", 0);
        out.upcycling = upcycling::run(models, &in_place, &sampling, monitor)?;
        out.experts = experts::run(models, &in_place, &permutation.tests, &sampling, monitor)?;
        if options.deep != Deep::Off {
            out.map_layers(models, permutation, &sampling, monitor)?;
        }
        // Layers that moved have other counterparts than those of their names.
        if out.maps.iter().any(|map| map.moved().next().is_some()) {
            let maps = std::mem::take(&mut out.maps);
            let counterpart = |component: Component, layer: u32| {
                let map = maps.iter().find(|map| map.component == component);
                map.map_or(Some(layer), |map| map.counterpart(layer))
            };
            out.upcycling = upcycling::run(models, &counterpart, &sampling, monitor)?;
            out.experts =
                experts::run(models, &counterpart, &permutation.tests, &sampling, monitor)?;
            out.maps = maps;
        }
        monitor.end();
        let keep = |name: &str| options.filter.keeps(name);
        out.mapped = out
            .maps
            .iter()
            .flat_map(|map| map.pairs(models, &keep))
            .collect();
        if !out.mapped.is_empty() {
            out.records = measure(models.into(), &out.mapped, false, monitor)?.records;
        }
        // A test of the part itself goes before what the map says of its layer.
        for map in &out.maps {
            out.parts
                .extend(map.parts(models[1], (&out.mapped, &out.records)));
        }
        for (key, found) in out.experts.parts.iter().chain(&out.upcycling.parts) {
            let excess = out.parts.get(key).and_then(|known| known.excess);
            out.parts
                .insert(key.clone(), Elsewhere { excess, ..*found });
        }
        Ok(out)
    }

    fn map_layers(
        &mut self,
        models: [&Model; 2],
        permutation: &Permutation,
        sampling: &Sampling,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let components: BTreeSet<Component> = models[1]
            .logicals
            .iter()
            .map(|l| l.meaning.component)
            .collect();
        for component in components {
            let [base, target] = models.map(|model| depth(model, component));
            let known = permutation.layers_hit(Some(component));
            let hit = |layer: &&u32| {
                known.contains(&(component, **layer))
                    || self.experts.hit(component, **layer)
                    || self.upcycling.hit(component, **layer)
            };
            let hits = target.iter().filter(hit).count();
            if base == target && 2 * hits >= target.len() {
                continue;
            }
            let map = layer_map::run(models, component, sampling, monitor)?;
            self.maps.extend(map.filter(|map| !map.is_identity()));
        }
        Ok(())
    }

    /// Sets what was found elsewhere on the parts of the target.
    pub(super) fn place(&self, parts: &mut [Part]) {
        for part in parts {
            if let Some(found) = self.parts.get(&part.key) {
                found.apply(part);
            }
        }
    }

    /// The direct tests with the layers that the map found in them.
    pub(super) fn direct(
        &self,
        direct: Option<Direct>,
        component: Option<Component>,
        permutation: &Permutation,
    ) -> Option<Direct> {
        let maps = || {
            self.maps
                .iter()
                .filter(|map| component.is_none_or(|c| c == map.component))
        };
        let moved: BTreeSet<(Component, u32)> = maps()
            .flat_map(|map| map.moved().map(|(_, target)| (map.component, target)))
            .collect();
        if moved.is_empty() {
            return direct;
        }
        let least = maps().map(LayerMap::log10_p).fold(0.0, f64::min);
        let in_place = direct.map_or(0.0, |direct| direct.log10_p);
        let layers: BTreeSet<(Component, u32)> = maps()
            .flat_map(|map| map.layers.iter().map(|layer| (map.component, layer.target)))
            .collect();
        Some(Direct {
            // Both are bounds; the choice of the smaller is paid for.
            log10_p: crate::stats::chance::bonferroni(least.min(in_place), 2),
            layers: direct.map_or(0, |direct| direct.layers).max(layers.len()),
            layers_hit: permutation.layers_hit(component).union(&moved).count(),
        })
    }

    /// Median bound of upcycling over layers.
    pub(super) fn upcycling(&self, component: Option<Component>) -> Option<f64> {
        self.upcycling.median(component)
    }

    /// What was found, in sentences.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let maps = self.maps.iter().filter_map(LayerMap::finding);
        maps.chain(self.experts.finding())
            .chain(self.upcycling.finding())
            .collect()
    }

    /// Relations that the structure of the model, or of one component, shows.
    pub(super) fn relations(
        &self,
        models: [&Model; 2],
        tests: &[Test],
        parts: &[Part],
        component: Option<Component>,
    ) -> Vec<Relation> {
        let of = |c: Component| component.is_none_or(|component| component == c);
        let mut out = Vec::new();
        for map in self.maps.iter().filter(|map| of(map.component)) {
            let shape = map.shape();
            out.extend(shape.upscaled.then_some(Relation::DepthUpscaled));
            out.extend(shape.pruned.then_some(Relation::DepthPruned));
            out.extend(shape.reordered.then_some(Relation::LayersReordered));
        }
        if self.experts.of(component).any(experts::Layer::permuted) {
            out.push(Relation::Permuted);
        }
        if self.upcycling.decides(component) {
            out.push(Relation::Upcycled);
        }
        if pruned(tests).iter().any(|p| of(p.component)) {
            out.push(Relation::Pruned);
        }
        if vocabulary_extended(models, parts) && of(Component::Text) {
            out.push(Relation::VocabularyExtended);
        }
        out.sort();
        out.dedup();
        out
    }

    /// Transformations of the units that were found.
    pub(super) fn transformations(&self, tests: &[Test]) -> Vec<Transformation> {
        let mut out = pruned_units(tests);
        let permuted: Vec<&experts::Layer> = self
            .experts
            .layers
            .iter()
            .filter(|layer| layer.permuted())
            .collect();
        if !permuted.is_empty() {
            let routers: Vec<f64> = permuted.iter().filter_map(|layer| layer.router).collect();
            let mean = routers.iter().sum::<f64>() / routers.len().max(1) as f64;
            out.push(Transformation {
                kind: TransformationKind::ExpertsPermuted,
                component: None,
                layers: permuted.iter().map(|layer| layer.layer).collect(),
                kept: None,
                check: Check::Routers,
                check_cosine: (!routers.is_empty()).then_some(mean),
            });
        }
        out
    }

    /// The layer map of the report: that of `leading`, else the first.
    pub(super) fn layer_map_rows(&self, leading: Option<Component>) -> Option<Vec<LayerMapRow>> {
        let map = self
            .maps
            .iter()
            .find(|map| Some(map.component) == leading)
            .or(self.maps.first())?;
        let row = |layer: &layer_map::Placed| LayerMapRow {
            target: layer.target,
            base: layer.base,
            log10_p: layer.test.as_ref().map(|test| test.log10_p),
        };
        Some(map.layers.iter().map(row).collect())
    }

    /// Rows of layers that moved, beside those of equal number.
    pub(super) fn layer_rows(&self) -> Vec<LayerRow> {
        let measurements = Measurement::of(&self.mapped, &self.records);
        let mut out = Vec::new();
        for map in &self.maps {
            for (layer, base_layer) in map
                .layers
                .iter()
                .filter_map(|l| Some((l, l.base.filter(|b| *b != l.target)?)))
            {
                let of_layer = measurements.iter().filter(|m| {
                    let (component, number) =
                        (m.pair.target.meaning.component, m.pair.target.meaning.layer);
                    (component, number) == (map.component, Some(layer.target))
                });
                let similarity = figures::over(of_layer);
                let row = figures::Layer {
                    component: map.component,
                    layer: layer.target,
                    similarity,
                };
                out.push(LayerRow {
                    base_layer: Some(base_layer),
                    log10_p: layer.test.as_ref().map(|test| test.log10_p),
                    ..summary::layer(&row)
                });
            }
        }
        out
    }

    /// Tests of layers that moved.
    pub(super) fn tests(&self) -> Vec<Test> {
        let moved = self
            .maps
            .iter()
            .flat_map(|map| &map.layers)
            .filter(|layer| layer.base != Some(layer.target));
        moved.filter_map(|layer| layer.test.clone()).collect()
    }

    /// The experts of the report; none where no layer has them on both sides.
    pub(super) fn experts_rows(&self) -> Option<Vec<ExpertsRow>> {
        let row = |layer: &experts::Layer| ExpertsRow {
            layer: layer.layer,
            base_experts: layer.base_experts as u64,
            target_experts: layer.map.len() as u64,
            map: layer
                .map
                .iter()
                .map(|(_, base)| base.map(u64::from))
                .collect(),
            permuted: layer.permuted(),
        };
        let rows: Vec<ExpertsRow> = self.experts.layers.iter().map(row).collect();
        (!rows.is_empty()).then_some(rows)
    }
}

/// Numbers of a component's layers.
fn depth(model: &Model, component: Component) -> BTreeSet<u32> {
    let layers = model
        .logicals
        .iter()
        .filter(|l| l.meaning.component == component);
    layers
        .filter(|l| matches!(l.meaning.block, Some(Block::Layer(_))))
        .filter_map(|l| l.meaning.layer)
        .collect()
}

/// Bound at which units count as kept in order.
const IN_ORDER: f64 = -6.0;

/// Blocks of which one side has more units than the other, in one order.
fn pruned(tests: &[Test]) -> Vec<&Test> {
    let by_order = || {
        let units = tests
            .iter()
            .filter(|test| matches!(test.kind, UnitKind::Ffn | UnitKind::Expert));
        units.filter(|test| test.form == Form::Order && test.units[0] != test.units[1])
    };
    let level = IN_ORDER - (by_order().count().max(1) as f64).log10();
    by_order().filter(|test| test.log10_p <= level).collect()
}

/// One transformation for each pair of numbers of units.
fn pruned_units(tests: &[Test]) -> Vec<Transformation> {
    // Units of a feed-forward, or experts of a layer.
    let mut by_units: BTreeMap<(bool, [usize; 2]), Vec<&Test>> = BTreeMap::new();
    for test in pruned(tests) {
        let are_experts = test.kind == UnitKind::Expert && test.expert.is_none();
        by_units
            .entry((are_experts, test.units))
            .or_default()
            .push(test);
    }
    let row = |((are_experts, units), tests): ((bool, [usize; 2]), Vec<&Test>)| {
        let layers: BTreeSet<u32> = tests.iter().filter_map(|test| test.layer).collect();
        let [base, target] = units;
        Transformation {
            kind: if are_experts {
                TransformationKind::ExpertsPruned
            } else {
                TransformationKind::Pruned
            },
            component: None,
            layers: layers.into_iter().collect(),
            kept: Some(KeptUnits {
                kept: base.min(target),
                of: base.max(target),
            }),
            check: Check::Order {
                fewer: if target < base {
                    Side::Target
                } else {
                    Side::Base
                },
                in_order: tests.iter().map(|test| test.hits).sum(),
                probes: tests.iter().map(|test| test.probes).sum(),
            },
            check_cosine: None,
        }
    };
    by_units.into_iter().map(row).collect()
}

/// Whether the embedding was reused while its number of rows changed.
fn vocabulary_extended(models: [&Model; 2], parts: &[Part]) -> bool {
    let reused = |part: &&Part| {
        (part.key.kind, part.key.component) == (PartKind::Embedding, Component::Text)
    };
    let rows = |model: &Model| {
        let mut embeddings = model.logicals.iter().filter(|l| {
            (l.meaning.role, l.meaning.component, l.meaning.block)
                == (Role::Embed, Component::Text, Some(Block::Embedding))
        });
        embeddings.next().and_then(|l| l.shape.first().copied())
    };
    let [base, target] = models.map(rows);
    base.is_some()
        && target.is_some()
        && base != target
        && parts
            .iter()
            .filter(reused)
            .any(|p| p.state == State::Reused)
}
