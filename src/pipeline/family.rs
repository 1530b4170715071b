//! The models that share a shape: where they lie to each other, and the target as a mixture of the bases.

use std::collections::BTreeMap;

use crate::evidence::coordinates::principal_coordinates;
use crate::evidence::family::FamilyTensor;
use crate::evidence::mixture::{Mixture, mixture};
use crate::model::words::{Block, Component, Role};
use crate::numeric::linalg::Dense;
use crate::report::schema::{CoordinatesRow, LayerMixture, MixtureRow, RoleMixture, WeightRow};
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
    by_layer: BTreeMap<u32, Option<Mixture>>,
    by_role: BTreeMap<Role, Option<Mixture>>,
}

fn add(sum: &mut Dense, more: &Dense) {
    sum.values.iter_mut().zip(&more.values).for_each(|(s, m)| *s += m);
}

impl Family<'_> {
    fn size(&self) -> usize {
        self.bases.len() + 1
    }

    /// Inner products over all matrices, the target last.
    fn products(&self) -> Dense {
        let mut sum = Dense::zeros(self.size(), self.size());
        self.tensors.iter().filter_map(|(_, t)| t.products()).for_each(|p| add(&mut sum, &p));
        sum
    }

    /// The mixtures; by layer for the layers of the `leading` component.
    pub(super) fn mixtures(&self, leading: Option<Component>) -> Mixtures {
        let empty = || Dense::zeros(self.size(), self.size());
        let mut by_layer: BTreeMap<u32, Dense> = BTreeMap::new();
        let mut by_role: BTreeMap<Role, Dense> = BTreeMap::new();
        for (logical, tensor) in &self.tensors {
            let Some(products) = tensor.products() else { continue };
            let m = &logical.meaning;
            add(by_role.entry(m.role).or_insert_with(empty), &products);
            let layer = m.layer.filter(|_| Some(m.component) == leading && m.block != Some(Block::Mtp));
            if let Some(layer) = layer {
                add(by_layer.entry(layer).or_insert_with(empty), &products);
            }
        }
        Mixtures {
            overall: mixture(&self.products()),
            by_layer: by_layer.into_iter().map(|(layer, p)| (layer, mixture(&p))).collect(),
            by_role: by_role.into_iter().map(|(role, p)| (role, mixture(&p))).collect(),
        }
    }

    /// Principal coordinates of the target, then of the bases; `names` are those of all bases, then the target's.
    pub(super) fn coordinates(&self, names: &[String]) -> Option<CoordinatesRow> {
        let products = self.products();
        let target = self.bases.len();
        let order: Vec<usize> = std::iter::once(target).chain(0..target).collect();
        let mut turned = Dense::zeros(self.size(), self.size());
        for (i, from) in order.iter().enumerate() {
            for (j, to) in order.iter().enumerate() {
                turned.row_mut(i)[j] = products.row(*from)[*to];
            }
        }
        let found = principal_coordinates(&turned)?;
        let models = names.last().into_iter().chain(self.bases.iter().map(|&base| &names[base]));
        Some(CoordinatesRow {
            models: models.cloned().collect(),
            points: found.points.into_iter().map(|point| point.map(Some)).collect(),
            explained: found.explained.map(Some),
        })
    }
}

/// The mixtures as they are reported; `names` are those of all bases.
pub(super) fn mixture_row(mixtures: &Mixtures, bases: &[usize], names: &[String]) -> Option<MixtureRow> {
    let weights = |m: &Option<Mixture>| -> Vec<WeightRow> {
        let weight = |at: usize| m.as_ref().map(|m| m.weights[at]);
        bases
            .iter()
            .enumerate()
            .map(|(at, &base)| WeightRow { base: names[base].clone(), weight: weight(at) })
            .collect()
    };
    let residual = |m: &Option<Mixture>| m.as_ref().map(|m| m.unexplained);
    mixtures.overall.as_ref()?;
    let layer =
        |(&layer, m): (&u32, &Option<Mixture>)| LayerMixture { layer, weights: weights(m), residual: residual(m) };
    let role = |(&role, m): (&Role, &Option<Mixture>)| RoleMixture { role, weights: weights(m), residual: residual(m) };
    Some(MixtureRow {
        weights: weights(&mixtures.overall),
        residual: residual(&mixtures.overall),
        by_layer: mixtures.by_layer.iter().map(layer).collect(),
        by_role: mixtures.by_role.iter().map(role).collect(),
    })
}
