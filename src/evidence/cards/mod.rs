//! A cheap look at many models (guide/sketches.md): a card of each, and what two cards have in
//! common.
//!
//! It only chooses whom to look at in every form; nothing is concluded from it.

mod content;

use std::collections::BTreeMap;

use crate::error::Result;
use crate::model::words::{Block, Component, Role};
use crate::numeric::linalg::inner_product;
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::chance;
use crate::stats::geometry::Constellation;
use crate::stats::levels::FOUND_LOG10;
use crate::stats::units::{
    ColumnFeatures, Features, FixedPoints, Held, Sampling, fixed_point_test,
};
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::pca::evenly_spaced;
use super::permutation::blocks::{BlockKey, Matrices, blocks};

pub(crate) use self::content::Agreeing;
use self::content::{Largest, Tokens};

/// Layers of a card.
const LAYERS: usize = 3;

/// Coordinates of a unit.
const WIDTH: usize = 128;

/// Gains of a card.
const GAINS: usize = 3;

/// What tells a model from others at a glance.
pub(crate) struct Card {
    layers: Vec<Layer>,
    gains: BTreeMap<(Component, u32), Vec<f32>>,
    tokens: Option<Tokens>,
    /// Of the feed-forward in the middle.
    largest: Option<Largest>,
}

/// Probe units of one feed-forward, in the order of their numbers.
struct Layer {
    key: BlockKey,
    units: usize,
    width: usize,
    probes: Held,
    /// How the probes stand to one another, over all matrices of the feed-forward.
    angles: Option<Constellation>,
}

/// What two cards have in common.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Likeness {
    /// Bound of the chance of as many probes in their places, base 10; of one feed-forward, since
    /// layers may be clones.
    pub log10_p: f64,
    /// Layers that could be held against each other.
    pub layers: usize,
    /// Of these, layers in which probes are in their places beyond chance, and stand to one another
    /// on one side as on the other.
    pub confirmed: usize,
    /// Mean cosine of probes in their places.
    pub cosine: Option<f64>,
}

/// What may call for a closer look at two models whose units stand in other places; it proves
/// nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Resemblance {
    /// Mean cosine of gains about their means.
    pub gains: Option<f64>,
    /// Mean cosine of embedding rows of common tokens.
    pub embedding: Option<f64>,
    /// Share of the units that contribute most that found each other over common tokens.
    pub over_tokens: Option<f64>,
}

impl Card {
    /// Of evenly spaced layers of a model, or of a sketch.
    ///
    /// # Errors
    /// A read that fails.
    pub(crate) fn of(model: &Model, sampling: &Sampling) -> Result<Self> {
        let blocks = blocks(model);
        let mut first_of_layers: BTreeMap<(Component, u32), (&BlockKey, _)> = BTreeMap::new();
        for (key, matrices) in &blocks {
            first_of_layers
                .entry((key.component, key.layer))
                .or_insert((key, matrices));
        }
        let all: Vec<_> = first_of_layers.into_values().collect();
        let places: Vec<usize> = (0..all.len()).collect();
        let mut layers = Vec::new();
        for at in evenly_spaced(&places, LAYERS) {
            let (key, matrices) = all[at];
            let Some(first) = matrices.by_row.first() else {
                continue;
            };
            if model.unreadable(first).is_some() {
                continue;
            }
            let Some(probes) = at_coordinates(model, first, sampling)? else {
                continue;
            };
            let (units, width) = (size(first.matrix_shape().0), size(first.matrix_shape().1));
            layers.push(Layer {
                key: key.clone(),
                units,
                width,
                angles: angles(model, matrices, &probes, sampling)?,
                probes,
            });
        }
        let (tokens, rows) = Tokens::of(model, sampling)?.unzip();
        let largest = match all.get(all.len() / 2) {
            Some((key, matrices)) => Largest::of(model, key, matrices, rows.as_ref(), sampling)?,
            None => None,
        };
        Ok(Self {
            layers,
            gains: gains(model)?,
            tokens,
            largest,
        })
    }

    /// Units that contribute most and found each other, wherever they stand; none where the cards
    /// have no such units, or of other widths.
    pub(crate) fn agreeing(&self, other: &Self) -> Option<Agreeing> {
        self.largest.as_ref()?.agreeing(other.largest.as_ref()?)
    }

    /// What may call for a closer look.
    pub(crate) fn resemblance(&self, other: &Self) -> Resemblance {
        let gains: Vec<f64> = self
            .gains
            .iter()
            .filter_map(|(place, gain)| centred_cosine(gain, other.gains.get(place)?))
            .collect();
        let tokens = self.tokens.as_ref().zip(other.tokens.as_ref());
        let largest = self.largest.as_ref().zip(other.largest.as_ref());
        Resemblance {
            gains: mean(&gains),
            embedding: tokens.and_then(|(own, others)| own.cosine(others)),
            over_tokens: tokens
                .zip(largest)
                .and_then(|((own, others), (one, another))| one.over_tokens(another, own, others)),
        }
    }

    /// What it has in common with another.
    ///
    /// # Errors
    /// None of its own: features are held in memory.
    pub(crate) fn likeness(&self, other: &Self) -> Result<Likeness> {
        let mut out = Likeness::default();
        let mut cosines = Vec::new();
        let mut bounds = Vec::new();
        for (one, another) in self.common(other) {
            let probes: Vec<usize> = (0..one.probes.values().len() / one.probes_width()).collect();
            cosines.extend(mean_cosine(
                &one.probes,
                &another.probes,
                one.probes_width(),
            ));
            let tested: std::result::Result<FixedPoints, _> =
                fixed_point_test(&one.probes, &another.probes, &probes)?;
            if let Ok(found) = tested {
                let both = one.angles.as_ref().zip(another.angles.as_ref());
                let geometry = both.and_then(|(a, b)| a.geometry(b, one.units));
                let is_confirmed = geometry.is_some_and(|geometry| geometry.confirms());
                out.confirmed += usize::from(found.log10_p <= FOUND_LOG10 && is_confirmed);
                bounds.push(found.log10_p);
            }
        }
        out.layers = bounds.len();
        out.log10_p = chance::bonferroni(
            bounds.iter().copied().fold(0.0, f64::min),
            bounds.len().max(1),
        );
        out.cosine = mean(&cosines);
        Ok(out)
    }

    fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a Layer, &'a Layer)> {
        self.layers.iter().filter_map(|one| {
            let mut others = other.layers.iter();
            let another = others.find(|another| {
                another.key == one.key && (another.units, another.width) == (one.units, one.width)
            })?;
            Some((one, another))
        })
    }
}

impl Layer {
    fn probes_width(&self) -> usize {
        self.probes.width().max(1)
    }
}

fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Probe rows of a matrix at a few coordinates; none where it has too few.
fn at_coordinates(model: &Model, logical: &Logical, sampling: &Sampling) -> Result<Option<Held>> {
    let view = model.view(logical)?;
    let mut coordinates = sampling.coordinates(view.columns());
    coordinates.truncate(WIDTH);
    if coordinates.len() < 2 || view.rows() == 0 {
        return Ok(None);
    }
    let rows = Matrix::from_rows(&view, &sampling.probes(view.rows()))?;
    let values = rows.values.chunks_exact(rows.columns);
    let values = values.flat_map(|row| coordinates.iter().map(|&at| row[at]));
    Ok(Some(Held::new(values.collect(), coordinates.len())))
}

/// How the probes of a feed-forward, of whose first matrix they are given, stand to one another over
/// a few coordinates.
fn angles(
    model: &Model,
    matrices: &Matrices<'_>,
    probes: &Held,
    sampling: &Sampling,
) -> Result<Option<Constellation>> {
    let mut all = vec![probes.clone()];
    for logical in matrices.by_row.iter().skip(1) {
        if model.unreadable(logical).is_some() {
            return Ok(None);
        }
        match at_coordinates(model, logical, sampling)? {
            Some(held) => all.push(held),
            None => return Ok(None),
        }
    }
    if let Some(down) = matrices
        .by_column
        .filter(|down| model.unreadable(down).is_none())
    {
        let view = model.view(down)?;
        let mut coordinates = sampling.coordinates(view.rows());
        coordinates.truncate(WIDTH);
        let probes = sampling.probes(view.columns());
        let features = ColumnFeatures::new(&view, coordinates);
        if features.width() > 0 {
            all.push(Held::some(&features, &probes)?);
        }
    }
    let rows = all.first().map(Features::units);
    let fits = all.iter().all(|held| Some(held.units()) == rows);
    Ok(if fits { Constellation::of(&all) } else { None })
}

/// Gains before the feed-forwards of evenly spaced layers.
fn gains(model: &Model) -> Result<BTreeMap<(Component, u32), Vec<f32>>> {
    let mut all: BTreeMap<(Component, u32), _> = BTreeMap::new();
    for (place, logical) in model.places() {
        let Some(Block::Layer(layer)) = place.block else {
            continue;
        };
        if logical.meaning.role == Role::Norm && logical.shape.len() == 1 {
            all.entry((place.component, layer)).or_insert(logical);
        }
    }
    let keys: Vec<(Component, u32)> = all.keys().copied().collect();
    let places: Vec<usize> = (0..keys.len()).collect();
    let mut out = BTreeMap::new();
    for at in evenly_spaced(&places, GAINS) {
        let logical = all[&keys[at]];
        if model.unreadable(logical).is_none() {
            let view = model.view(logical)?;
            let mut values = vec![0.0; view.columns()];
            view.read_rows(0..1, &mut values)?;
            out.insert(keys[at], values);
        }
    }
    Ok(out)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean cosine of features in the same places, which have length 1 or 0.
fn mean_cosine(one: &Held, other: &Held, width: usize) -> Option<f64> {
    let rows = one.values().chunks_exact(width);
    let rows = rows.zip(other.values().chunks_exact(width));
    let cosines = rows.map(|(a, b)| inner_product(a, b).clamp(-1.0, 1.0));
    mean(&cosines.collect::<Vec<_>>())
}

fn centred_cosine(one: &[f32], other: &[f32]) -> Option<f64> {
    if one.len() != other.len() || one.len() < 8 {
        return None;
    }
    let count = one.len() as f64;
    let mean = |values: &[f32]| values.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let (of_one, of_other) = (mean(one), mean(other));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in one.iter().zip(other) {
        let (a, b) = (f64::from(*a) - of_one, f64::from(*b) - of_other);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    let norms = (aa * bb).sqrt();
    (norms > 0.0 && norms.is_finite()).then(|| ab / norms)
}
