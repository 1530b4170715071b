//! From which layer of which base does each layer of the target come? (guide/methods.md, section
//! 10.2)

use std::collections::BTreeMap;

use crate::evidence::figures::LayerFigures;
use crate::evidence::part::{Part, State};
use crate::model::words::{Block, Component};

/// Where a layer of the target was found.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerOrigin {
    /// Layer of the target.
    pub layer: u32,
    /// Base, by its place among those that were asked, and its layer; `None` where none has it, or
    /// several have it and none is nearest.
    pub from: Option<(usize, u32)>,
    /// Bound on the chance of the find, base 10.
    pub log10_p: Option<f64>,
    /// Where it is a mixture of layers that stand elsewhere in several bases, its terms.
    pub terms: Vec<OriginTerm>,
}

/// A layer of a base in a layer of the target that is a mixture. Figures have 6 significant digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OriginTerm {
    /// Base, by its place among those that were asked.
    pub base: usize,
    /// Its layer.
    pub layer: u32,
    /// Its share.
    pub weight: f64,
    /// Standard error.
    pub error: f64,
}

/// What is asked of each base that shares weights with the target: its place, parts and layers.
pub(crate) type Asked<'a> = (usize, &'a [Part], &'a [LayerFigures]);

/// A layer of a base that a layer of the target was found in.
struct Find {
    base: usize,
    base_layer: u32,
    log10_p: Option<f64>,
    /// Share of the layer's energy that differs: 1 − cosine².
    apart: f64,
}

/// A layer comes from the base that leaves less than this share of what every other leaves.
const NEARER: f64 = 0.5;
/// Least share of a layer's parameters that are reused.
const REUSED: f64 = 0.5;

/// The origin of each layer of the `leading` component, of the parts and layers of each base that
/// shares weights with the target.
pub(crate) fn origins(bases: &[Asked<'_>], leading: Component) -> Vec<LayerOrigin> {
    finds(bases, leading)
        .into_iter()
        .map(|(layer, mut finds)| {
            finds.sort_by(|a, b| a.apart.total_cmp(&b.apart).then(a.base.cmp(&b.base)));
            let nearest = match finds.as_slice() {
                [only] => Some(only),
                [first, second, ..] if first.apart < NEARER * second.apart => Some(first),
                _ => None,
            };
            LayerOrigin {
                layer,
                from: nearest.map(|find| (find.base, find.base_layer)),
                log10_p: nearest.and_then(|find| find.log10_p),
                terms: Vec::new(),
            }
        })
        .collect()
}

/// Each layer of the target with the layers of the bases that it was found in, by their places.
pub(crate) fn found_in(
    bases: &[Asked<'_>],
    leading: Component,
) -> BTreeMap<u32, Vec<(usize, u32)>> {
    let layers = finds(bases, leading).into_iter();
    layers
        .map(|(layer, finds)| {
            let finds = finds.iter().map(|find| (find.base, find.base_layer));
            (layer, finds.collect())
        })
        .collect()
}

fn finds(bases: &[Asked<'_>], leading: Component) -> BTreeMap<u32, Vec<Find>> {
    let mut finds: BTreeMap<u32, Vec<Find>> = BTreeMap::new();
    for (base, parts, figures) in bases {
        for (layer, find) in finds_in(*base, parts, figures, leading) {
            finds.entry(layer).or_default().extend(find);
        }
    }
    finds
}

/// The layers of the target with what one base has of each.
fn finds_in(
    base: usize,
    parts: &[Part],
    figures: &[LayerFigures],
    leading: Component,
) -> BTreeMap<u32, Option<Find>> {
    let mut by_layer: BTreeMap<u32, Vec<&Part>> = BTreeMap::new();
    for part in parts {
        let key = &part.key;
        let is_of_layers = key.component == leading && key.block != Some(Block::Mtp);
        if let Some(layer) = key.layer.filter(|_| is_of_layers) {
            by_layer.entry(layer).or_default().push(part);
        }
    }
    let find = |(layer, parts): (u32, Vec<&Part>)| {
        let size = |parts: &mut dyn Iterator<Item = &&Part>| {
            parts.map(|part| part.parameters as f64).sum::<f64>()
        };
        let reused = || parts.iter().filter(|part| part.state == State::Reused);
        let whole = size(&mut parts.iter());
        if whole <= 0.0 || size(&mut reused()) < REUSED * whole {
            return (layer, None);
        }
        let base_layer = reused().filter_map(|part| part.base_layer).min();
        let base_layer = base_layer.unwrap_or(layer);
        let is_of_find = |figures: &&LayerFigures| {
            let pair = (figures.layer, figures.base_layer);
            figures.component == leading && pair == (layer, base_layer)
        };
        let figures = figures.iter().find(is_of_find);
        let cosine = figures.and_then(|figures| figures.similarity.matrix_cosine);
        let tests = reused().filter_map(|part| part.test.map(|test| test.log10_p));
        let bounds = tests.chain(figures.and_then(|figures| figures.log10_p));
        let found = Find {
            base,
            base_layer,
            log10_p: bounds.reduce(f64::min),
            apart: cosine.map_or(1.0, |cosine| 1.0 - cosine * cosine),
        };
        (layer, Some(found))
    };
    by_layer.into_iter().map(find).collect()
}
