//! The models that share a shape: where they lie to each other, and the target as a mixture of the
//! bases.

use std::collections::BTreeMap;

use crate::evidence::family::FamilyTensor;
use crate::model::words::{Block, Component, Role};
use crate::numeric::linalg::Dense;
use crate::report::schema::{CoordinatesRow, LayerMixture, MixtureRow, RoleMixture, WeightRow};
use crate::stats::coordinates::principal_coordinates;
use crate::stats::mixture::{Mixture, mixture, sources};
use crate::view::logical::Logical;

/// The bases that share matrices with the target, and these matrices.
pub(super) struct Family<'a> {
    /// Numbers of the bases.
    pub(super) bases: Vec<usize>,
    /// The target's tensor, and what was measured of it.
    pub(super) tensors: Vec<(&'a Logical, FamilyTensor<'a>)>,
}

/// The target as a weighted sum of the bases: over all matrices, by layer, by role.
#[derive(Default)]
pub(super) struct Mixtures {
    /// Over all matrices.
    pub(super) overall: Option<Mixture>,
    /// Layers and the base, by its place in the family, that each was taken from, where these are
    /// several.
    pub(super) sources: Vec<(u32, usize)>,
    by_layer: BTreeMap<u32, Option<Mixture>>,
    by_role: BTreeMap<Role, Option<Mixture>>,
}

fn add(sum: &mut Dense, more: &Dense) {
    sum.values
        .iter_mut()
        .zip(&more.values)
        .for_each(|(s, m)| *s += m);
}

impl Family<'_> {
    fn size(&self) -> usize {
        self.bases.len() + 1
    }

    /// Inner products over all matrices, the target last.
    fn products(&self) -> Dense {
        let mut sum = Dense::zeros(self.size(), self.size());
        self.tensors
            .iter()
            .filter_map(|(_, t)| t.products())
            .for_each(|p| add(&mut sum, &p));
        sum
    }

    /// The mixtures; by layer for the layers of the `leading` component.
    pub(super) fn mixtures(&self, leading: Option<Component>) -> Mixtures {
        let empty = || Dense::zeros(self.size(), self.size());
        let mut by_layer: BTreeMap<u32, Dense> = BTreeMap::new();
        let mut by_role: BTreeMap<Role, Dense> = BTreeMap::new();
        for (logical, tensor) in &self.tensors {
            let Some(products) = tensor.products() else {
                continue;
            };
            let m = &logical.meaning;
            add(by_role.entry(m.role).or_insert_with(empty), &products);
            let layer = m
                .layer
                .filter(|_| Some(m.component) == leading && m.block != Some(Block::Mtp));
            if let Some(layer) = layer {
                add(by_layer.entry(layer).or_insert_with(empty), &products);
            }
        }
        let layers: Vec<Dense> = by_layer.values().cloned().collect();
        let sources = sources(&layers).unwrap_or_default();
        Mixtures {
            sources: by_layer.keys().copied().zip(sources).collect(),
            overall: mixture(&self.products()),
            by_layer: by_layer
                .into_iter()
                .map(|(layer, p)| (layer, mixture(&p)))
                .collect(),
            by_role: by_role
                .into_iter()
                .map(|(role, p)| (role, mixture(&p)))
                .collect(),
        }
    }

    /// Places of the bases that take part, in the order of `ranking`, which holds the numbers of
    /// all bases.
    pub(super) fn ranked(&self, ranking: &[usize]) -> Vec<usize> {
        ranking
            .iter()
            .filter_map(|base| self.bases.iter().position(|b| b == base))
            .collect()
    }

    /// Principal coordinates of the target, then of the bases in the order of `ranking`; `names`
    /// are those of all bases, then the target's.
    pub(super) fn coordinates(
        &self,
        ranking: &[usize],
        names: &[String],
    ) -> Option<CoordinatesRow> {
        let products = self.products();
        let ranked = self.ranked(ranking);
        let order: Vec<usize> = std::iter::once(self.bases.len())
            .chain(ranked.iter().copied())
            .collect();
        let mut turned = Dense::zeros(self.size(), self.size());
        for (i, from) in order.iter().enumerate() {
            for (j, to) in order.iter().enumerate() {
                turned.row_mut(i)[j] = products.row(*from)[*to];
            }
        }
        let found = principal_coordinates(&turned)?;
        let models = names
            .last()
            .into_iter()
            .chain(ranked.iter().map(|&at| &names[self.bases[at]]));
        Some(CoordinatesRow {
            models: models.cloned().collect(),
            points: found
                .points
                .into_iter()
                .map(|point| point.map(Some))
                .collect(),
            explained: found.explained.map(Some),
        })
    }
}

impl Mixtures {
    /// The mixtures as they are reported: the bases of `family` in the order of `ranking`, by the
    /// names of all bases.
    pub(super) fn row(
        &self,
        family: &Family<'_>,
        ranking: &[usize],
        names: &[String],
    ) -> Option<MixtureRow> {
        self.overall.as_ref()?;
        let ranked = family.ranked(ranking);
        let weights = |m: &Option<Mixture>| -> Vec<WeightRow> {
            let weight = |&at: &usize| WeightRow {
                base: names[family.bases[at]].clone(),
                weight: m.as_ref().map(|m| m.weights[at]),
            };
            ranked.iter().map(weight).collect()
        };
        let residual = |m: &Option<Mixture>| m.as_ref().map(|m| m.unexplained);
        let layer = |(&layer, m): (&u32, &Option<Mixture>)| LayerMixture {
            layer,
            weights: weights(m),
            residual: residual(m),
        };
        let role = |(&role, m): (&Role, &Option<Mixture>)| RoleMixture {
            role,
            weights: weights(m),
            residual: residual(m),
        };
        Some(MixtureRow {
            weights: weights(&self.overall),
            residual: residual(&self.overall),
            by_layer: self.by_layer.iter().map(layer).collect(),
            by_role: self.by_role.iter().map(role).collect(),
        })
    }
}
