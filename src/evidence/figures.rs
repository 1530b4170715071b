//! Means, counts and coverage over pairs, and what they say in words.

use std::collections::BTreeMap;

use crate::align::{Alignment, Pair, Why};
use crate::measure::record::{Figures, Record};
use crate::model::words::{Block, Class, Component, Role};
use crate::view::logical::{Logical, Via};

use super::parts::class_of;

/// A pair with what follows from its measurements.
#[derive(Debug, Clone)]
pub(crate) struct Measurement<'a> {
    /// The pair.
    pub pair: &'a Pair,
    /// The sums.
    pub record: &'a Record,
    /// The figures.
    pub figures: Figures,
    /// Class of the pair.
    pub class: Class,
}

impl<'a> Measurement<'a> {
    /// Figures and classes of all pairs, in their order.
    pub(crate) fn of(pairs: &'a [Pair], records: &'a [Record]) -> Vec<Self> {
        let joined = pairs.iter().zip(records);
        joined
            .map(|(pair, record)| Self {
                pair,
                record,
                figures: record.figures(),
                class: class_of(pair, record),
            })
            .collect()
    }

    /// Whether base and target are of one layer number.
    pub(crate) fn in_place(&self) -> bool {
        self.pair.base.meaning.layer == self.pair.target.meaning.layer
    }
}

/// Means and counts of guide/contract.md, section 3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Similarity {
    /// Plain mean of the cosines of all pairs of equal name and shape.
    pub mean_cosine: Option<f64>,
    /// Mean over matrices, weighted by parameters.
    pub matrix_cosine: Option<f64>,
    /// Mean excess over matrices, weighted by parameters.
    pub matrix_excess: Option<f64>,
    /// Plain mean over norms.
    pub norm_cosine: Option<f64>,
    /// Plain mean of the expected cosine over norms.
    pub norm_expected_cosine: Option<f64>,
    /// Plain mean of the centred cosine over norms.
    pub norm_centered_cosine: Option<f64>,
    /// Pairs.
    pub aligned: u64,
    /// Pairs with equal bytes.
    pub identical: u64,
    /// The same among informative ones.
    pub identical_informative: u64,
    /// Matrices among these.
    pub identical_matrices: u64,
}

/// A weighted mean; `None` without weight.
#[derive(Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, value: Option<f64>, weight: f64) {
        if let Some(value) = value {
            self.sum += value * weight;
            self.weight += weight;
        }
    }

    fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// Means and counts over some pairs, those of mapped layers left out.
pub(crate) fn similarity<'a>(
    measurements: impl IntoIterator<Item = &'a Measurement<'a>>,
) -> Similarity {
    over(measurements.into_iter().filter(|m| m.in_place()))
}

/// Means and counts over some pairs, whatever their layers.
pub(crate) fn over<'a>(measurements: impl IntoIterator<Item = &'a Measurement<'a>>) -> Similarity {
    let mut out = Similarity::default();
    let [
        mut all,
        mut matrix,
        mut excess,
        mut norm,
        mut norm_expected,
        mut norm_centered,
    ]: [Mean; 6] = Default::default();
    for m in measurements {
        out.aligned += 1;
        let informative = m.class != Class::Uninformative;
        out.identical += u64::from(m.record.identical);
        out.identical_informative += u64::from(m.record.identical && informative);
        out.identical_matrices += u64::from(m.record.identical && m.class == Class::Matrix);
        if m.pair.by_name {
            all.add(m.figures.cosine, 1.0);
        }
        match m.class {
            Class::Matrix => {
                let weight = m.pair.target.elements() as f64;
                matrix.add(m.figures.cosine, weight);
                excess.add(m.figures.excess, weight);
            }
            Class::Norm => {
                norm.add(m.figures.cosine, 1.0);
                norm_expected.add(m.figures.expected_cosine, 1.0);
                norm_centered.add(m.figures.centered_cosine, 1.0);
            }
            _ => {}
        }
    }
    out.mean_cosine = all.value();
    out.matrix_cosine = matrix.value();
    out.matrix_excess = excess.value();
    out.norm_cosine = norm.value();
    out.norm_expected_cosine = norm_expected.value();
    out.norm_centered_cosine = norm_centered.value();
    out
}

/// Aligned parameters and all parameters of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Covered {
    /// Parameters of aligned tensors.
    pub aligned: u64,
    /// All parameters.
    pub total: u64,
}

impl Covered {
    /// The share, 0 to 1; `None` of nothing.
    pub fn share(self) -> Option<f64> {
        (self.total > 0).then(|| self.aligned as f64 / self.total as f64)
    }
}

/// Coverage of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Over all tensors.
    pub parameters: Covered,
    /// Over matrices.
    pub matrices: Covered,
}

impl Coverage {
    fn add(&mut self, logical: &Logical, aligned: bool) {
        let elements = logical.elements();
        let is_matrix = logical.meaning.class == Class::Matrix;
        for covered in [
            Some(&mut self.parameters),
            is_matrix.then_some(&mut self.matrices),
        ]
        .into_iter()
        .flatten()
        {
            covered.total += elements;
            covered.aligned += if aligned { elements } else { 0 };
        }
    }
}

/// Coverage of the base and of the target, of the tensors that `keep` lets through; filtered tensors
/// are absent.
pub(crate) fn coverage(alignment: &Alignment, keep: &dyn Fn(&Logical) -> bool) -> [Coverage; 2] {
    let mut sides = [Coverage::default(); 2];
    for pair in &alignment.pairs {
        for (side, logical) in [&pair.base, &pair.target].into_iter().enumerate() {
            // A tied matrix counts on the side that stores the head; the other side's embedding has
            // its own pair.
            let counts = pair.via != Via::Tied || logical.meaning.role == Role::LmHead;
            if counts && keep(logical) {
                sides[side].add(logical, true);
            }
        }
    }
    for (side, left) in [&alignment.base_left, &alignment.target_left]
        .into_iter()
        .enumerate()
    {
        for unmatched in left
            .iter()
            .filter(|u| u.why != Why::Filtered && keep(&u.tensor))
        {
            sides[side].add(&unmatched.tensor, false);
        }
    }
    sides
}

/// Figures of one layer of a component.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerFigures {
    /// Component.
    pub component: Component,
    /// Layer of the target.
    pub layer: u32,
    /// Layer of the base.
    pub base_layer: u32,
    /// Figures over the pairs of these two.
    pub similarity: Similarity,
    /// Bound of its blocks, base 10.
    pub log10_p: Option<f64>,
}

/// Figures by component and layer, in order, of pairs of equal layer number.
pub(crate) fn layers<'a>(
    measurements: impl IntoIterator<Item = &'a Measurement<'a>>,
) -> Vec<LayerFigures> {
    let mut by_layer: BTreeMap<(Component, u32), Vec<&Measurement<'_>>> = BTreeMap::new();
    for m in measurements.into_iter().filter(|m| m.in_place()) {
        if let (Some(layer), true) = (
            m.pair.target.meaning.layer,
            m.pair.target.meaning.block != Some(Block::Mtp),
        ) {
            by_layer
                .entry((m.pair.target.meaning.component, layer))
                .or_default()
                .push(m);
        }
    }
    let layers = by_layer.into_iter();
    layers
        .map(|((component, layer), measurements)| LayerFigures {
            component,
            layer,
            base_layer: layer,
            similarity: similarity(measurements),
            log10_p: None,
        })
        .collect()
}
