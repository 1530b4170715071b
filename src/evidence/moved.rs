//! What of the base stands elsewhere in the target: layers, experts, dense feed-forwards in
//! experts.

mod confirm;

use std::collections::{BTreeMap, BTreeSet};

use crate::align::Pair;
use crate::error::Result;
use crate::measure::record::Record;
use crate::measure::{measure, measure_held};
use crate::model::sides::Sides;
use crate::model::words::Component;
use crate::stats::chance;
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting, is_about};
use super::experts::{self, ExpertLayer, Experts};
use super::figures::{self, LayerFigures, Measurement};
use super::finding::Finding;
use super::grounds::{Direct, Grounds};
use super::layer_map::{self, LayerMap, Placed};
use super::part::{Part, PartKey};
use super::partners::Partners;
use super::parts::Elsewhere;
use super::permutation::Permutation;
use super::relation::Relation;
use super::transformation::{Check, Transformation, TransformationKind};
use super::upcycling::{self, Upcycling};

/// Layers, experts and feed-forwards that were looked for outside the places of their names.
#[derive(Default)]
pub(crate) struct Moved {
    /// Maps of the components that have one, not the identity.
    maps: Vec<LayerMap>,
    /// Tensors of layers that moved, with those they come from.
    mapped: Vec<Pair>,
    /// What the pass measured of them.
    records: Vec<Record>,
    /// Experts by content.
    experts: Experts,
    /// Dense feed-forwards in experts.
    upcycling: Upcycling,
    /// Parts outside the places of their names.
    parts: BTreeMap<PartKey, Elsewhere>,
    /// Layers that the direct tests hit in their places.
    hit: BTreeSet<(Component, u32)>,
}

impl Analysis for Moved {
    fn look(setting: &Setting<'_>, found: &mut Found) -> Result<Option<Self>> {
        match found.get::<Permutation>() {
            Some(direct) => Self::search(setting, direct, found.get::<Partners>()).map(Some),
            None => Ok(None),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let maps = self.maps.iter().filter_map(LayerMap::finding);
        maps.chain(self.experts.finding())
            .chain(self.upcycling.finding())
            .collect()
    }

    fn relations(&self, _: &[Part], about: Option<Component>) -> Vec<Relation> {
        let mut out = Vec::new();
        for map in self.maps_about(about) {
            let shape = map.shape();
            out.extend(shape.upscaled.then_some(Relation::DepthUpscaled));
            out.extend(shape.pruned.then_some(Relation::DepthPruned));
            out.extend(shape.reordered.then_some(Relation::LayersReordered));
        }
        if self.experts.about(about).any(ExpertLayer::permuted) {
            out.push(Relation::Permuted);
        }
        if self.upcycling.decides(about) && self.upcycling.has_several(about) {
            out.push(Relation::Upcycled);
        }
        out
    }

    fn transformations(&self) -> Vec<Transformation> {
        let layers = self.experts.layers.iter();
        let permuted: Vec<&ExpertLayer> = layers.filter(|layer| layer.permuted()).collect();
        if permuted.is_empty() {
            return Vec::new();
        }
        let routers: Vec<f64> = permuted.iter().filter_map(|layer| layer.router).collect();
        let mean = routers.iter().sum::<f64>() / routers.len().max(1) as f64;
        vec![Transformation {
            kind: TransformationKind::ExpertsPermuted,
            component: None,
            layers: permuted.iter().map(|layer| layer.layer).collect(),
            kept: None,
            check: Check::Routers,
            check_cosine: (!routers.is_empty()).then_some(mean),
        }]
    }

    fn place(&self, parts: &mut Vec<Part>) {
        for part in parts {
            if let Some(found) = self.parts.get(&part.key) {
                found.apply(part);
            }
        }
    }

    fn weigh(&self, about: Option<Component>, grounds: &mut Grounds) {
        grounds.direct = self.direct(grounds.direct, about);
        grounds.upcycling = self.upcycling.median(about);
    }
}

impl Moved {
    /// Looks for what moved, after the `direct` tests in place.
    fn search(
        setting: &Setting<'_>,
        direct: &Permutation,
        partners: Option<&Partners>,
    ) -> Result<Self> {
        let in_place = |_: Component, layer: u32| Some(layer);
        let mut out = Self {
            hit: direct.layers_hit(None),
            ..Self::default()
        };
        setting.monitor.begin("looking for what moved", 0);
        out.upcycling = upcycling::compare_all(setting, &in_place)?;
        out.experts = experts::match_all(setting, &in_place, &direct.tests)?;
        if let Some(partners) = partners {
            out.map_layers(setting, partners)?;
        }
        // Layers that moved have other counterparts than those of their names.
        if out.maps.iter().any(|map| map.moved().next().is_some()) {
            let counterpart = |component: Component, layer: u32| {
                let map = out.maps.iter().find(|map| map.component == component);
                map.map_or(Some(layer), |map| map.counterpart(layer))
            };
            let upcycling = upcycling::compare_all(setting, &counterpart)?;
            let experts = experts::match_all(setting, &counterpart, &direct.tests)?;
            (out.upcycling, out.experts) = (upcycling, experts);
        }
        setting.monitor.end();

        let pairs = out
            .maps
            .iter()
            .flat_map(|map| map.pairs(setting.models, setting.keep));
        out.mapped = pairs.collect();
        if !out.mapped.is_empty() {
            out.records = out.measured(setting)?;
        }
        out.parts = out.elsewhere(setting.models[1]);
        confirm::confirm(setting, &out.experts, &mut out.parts)?;
        Ok(out)
    }

    /// What the pass measures of the tensors of layers that moved; of a sketch what it keeps, not
    /// whether their bytes are the same.
    fn measured(&self, setting: &Setting<'_>) -> Result<Vec<Record>> {
        let models = setting.models.into();
        if setting.has_sketch() {
            let digests = Sides {
                base: &[][..],
                target: &[][..],
            };
            return measure_held(models, &self.mapped, digests, setting.monitor);
        }
        Ok(measure(models, &self.mapped, false, setting.monitor)?.records)
    }

    /// Maps the layers of each component of which some were found elsewhere.
    fn map_layers(&mut self, setting: &Setting<'_>, partners: &Partners) -> Result<()> {
        let logicals = &setting.models[1].logicals;
        let components: BTreeSet<Component> =
            logicals.iter().map(|l| l.meaning.component).collect();
        for component in components {
            let is_in_place = |layer: u32| self.is_hit(component, layer);
            let map = layer_map::map_layers(setting, component, partners, &is_in_place)?;
            self.maps.extend(map.filter(|map| !map.is_identity()));
        }
        Ok(())
    }

    /// Whether a layer of the target has units of the base's layer of its number.
    fn is_hit(&self, component: Component, layer: u32) -> bool {
        self.hit.contains(&(component, layer))
            || self.experts.hit(component, layer)
            || self.upcycling.hit(component, layer)
    }

    /// What became of the parts of `target`.
    fn elsewhere(&self, target: &Model) -> BTreeMap<PartKey, Elsewhere> {
        let mut out = BTreeMap::new();
        for map in &self.maps {
            out.extend(map.parts(target, (&self.mapped, &self.records)));
        }
        // A test of the part itself goes before what the map says of its layer.
        for (key, found) in self.experts.parts.iter().chain(&self.upcycling.parts) {
            let excess = out.get(key).and_then(|known: &Elsewhere| known.excess);
            out.insert(key.clone(), Elsewhere { excess, ..*found });
        }
        out
    }

    fn maps_about(&self, about: Option<Component>) -> impl Iterator<Item = &LayerMap> {
        self.maps
            .iter()
            .filter(move |map| is_about(map.component, about))
    }

    /// The direct tests with the layers that the maps found in them.
    fn direct(&self, direct: Option<Direct>, about: Option<Component>) -> Option<Direct> {
        let moved: BTreeSet<(Component, u32)> = self
            .maps_about(about)
            .flat_map(|map| map.moved().map(|(_, target)| (map.component, target)))
            .collect();
        if moved.is_empty() {
            return direct;
        }
        let least = self
            .maps_about(about)
            .map(|map| map.bound())
            .filter(|(_, exact)| *exact)
            .map(|(log10_p, _)| log10_p)
            .fold(0.0, f64::min);
        let in_place = direct.map_or(0.0, |direct| direct.log10_p);
        let layers: BTreeSet<(Component, u32)> = self
            .maps_about(about)
            .flat_map(|map| map.layers.iter().map(|layer| (map.component, layer.target)))
            .collect();
        let in_their_places = self
            .hit
            .iter()
            .filter(|(component, _)| is_about(*component, about));
        let hit: BTreeSet<&(Component, u32)> = in_their_places.chain(&moved).collect();
        Some(Direct {
            // Both are bounds; the choice of the smaller is paid for.
            log10_p: chance::bonferroni(least.min(in_place), 2),
            layers: direct.map_or(0, |direct| direct.layers).max(layers.len()),
            layers_hit: hit.len(),
        })
    }

    /// The map that is told: that of the `leading` component, else the first.
    pub(crate) fn told_map(&self, leading: Option<Component>) -> Option<&[Placed]> {
        let of_leading = self.maps.iter().find(|map| Some(map.component) == leading);
        let map = of_leading.or(self.maps.first())?;
        Some(&map.layers)
    }

    /// Pairs of layers that moved, measured.
    pub(crate) fn measurements(&self) -> Vec<Measurement<'_>> {
        Measurement::of(&self.mapped, &self.records)
    }

    /// Figures of layers that moved, beside those of equal number.
    pub(crate) fn layers(&self) -> Vec<LayerFigures> {
        let measurements = self.measurements();
        let mut out = Vec::new();
        for map in &self.maps {
            for placed in &map.layers {
                let Some(base_layer) = placed.base.filter(|base| *base != placed.target) else {
                    continue;
                };
                let is_of_layer = |m: &&Measurement<'_>| {
                    let meaning = &m.pair.target.meaning;
                    (meaning.component, meaning.layer) == (map.component, Some(placed.target))
                };
                out.push(LayerFigures {
                    component: map.component,
                    layer: placed.target,
                    base_layer,
                    similarity: figures::over(measurements.iter().filter(is_of_layer)),
                    log10_p: placed.test.as_ref().map(|test| test.log10_p),
                });
            }
        }
        out
    }

    /// Layers that have experts on both sides.
    pub(crate) fn expert_layers(&self) -> &[ExpertLayer] {
        &self.experts.layers
    }
}
