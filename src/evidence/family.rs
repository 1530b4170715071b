//! Several models of one shape: their inner products, and what unrelated ones come to.

use std::collections::BTreeMap;

use crate::measure::record::Record;
use crate::model::sides::Sides;
use crate::model::words::{Block, Component, Role};
use crate::numeric::linalg::Dense;
use crate::stats::coordinates::{Coordinates, principal_coordinates};
use crate::stats::mixture::{Mixture, mixture, sources};
use crate::view::logical::Logical;

/// What the pass measured of one tensor that all models of a family have.
#[derive(Debug, Clone)]
pub(crate) struct FamilyTensor<'a> {
    /// Each base with the target, in the order of the bases.
    pub with_target: Vec<&'a Record>,
    /// Each base with each later one: 0 with 1, 0 with 2, ..., 1 with 2, ...
    pub between: Vec<&'a Record>,
    /// Number of elements.
    pub elements: u64,
}

/// Place of two bases, the first before the second, in [`FamilyTensor::between`] of a family of
/// `bases`.
///
/// # Panics
/// When they are not in this order.
pub(crate) fn place(first: usize, second: usize, bases: usize) -> usize {
    assert!(first < second && second < bases, "two bases in their order");
    first * bases - first * (first + 1) / 2 + second - first - 1
}

impl FamilyTensor<'_> {
    /// Inner products of the bases and of the target, which is last; shape (bases + 1, bases + 1).
    ///
    /// `None` where a value could not be read or is not finite.
    pub(crate) fn products(&self) -> Option<Dense> {
        let bases = self.with_target.len();
        let sound = |r: &&Record| {
            r.unreadable.is_none() && r.sums.nonfinite == Sides::default() && r.sums.n > 0
        };
        if !self.with_target.iter().chain(&self.between).all(sound) {
            return None;
        }
        let mut out = Dense::zeros(bases + 1, bases + 1);
        for (i, record) in self.with_target.iter().enumerate() {
            out.row_mut(i)[i] = record.sums.aa;
            out.row_mut(i)[bases] = record.sums.ab;
            out.row_mut(bases)[i] = record.sums.ab;
            out.row_mut(bases)[bases] = record.sums.bb;
            for j in i + 1..bases {
                let product = self.between[place(i, j, bases)].sums.ab;
                out.row_mut(i)[j] = product;
                out.row_mut(j)[i] = product;
            }
        }
        Some(out)
    }
}

/// The bases that share matrices with a target, and these matrices.
pub(crate) struct Family<'a> {
    /// Numbers of the bases.
    pub bases: Vec<usize>,
    /// The target's tensor, and what was measured of it.
    pub tensors: Vec<(&'a Logical, FamilyTensor<'a>)>,
}

/// The target as a weighted sum of the bases: over all matrices, by layer, by role.
#[derive(Debug, Clone, Default)]
pub struct MixtureTable {
    /// Over all matrices.
    pub overall: Option<Mixture>,
    /// Layer by layer of the leading component.
    pub by_layer: Vec<(u32, Option<Mixture>)>,
    /// Role by role.
    pub by_role: Vec<(Role, Option<Mixture>)>,
    /// Layers and the base, by its place in the family, that each was taken from, where these are
    /// several.
    pub sources: Vec<(u32, usize)>,
}

impl Family<'_> {
    fn size(&self) -> usize {
        self.bases.len() + 1
    }

    /// Inner products over all matrices, the target last.
    fn products(&self) -> Dense {
        let mut sum = Dense::zeros(self.size(), self.size());
        let tensors = self.tensors.iter();
        tensors
            .filter_map(|(_, tensor)| tensor.products())
            .for_each(|products| add(&mut sum, &products));
        sum
    }

    /// The mixtures; by layer for the layers of the `leading` component.
    pub(crate) fn mixtures(&self, leading: Option<Component>) -> MixtureTable {
        let empty = || Dense::zeros(self.size(), self.size());
        let mut by_layer: BTreeMap<u32, Dense> = BTreeMap::new();
        let mut by_role: BTreeMap<Role, Dense> = BTreeMap::new();
        for (logical, tensor) in &self.tensors {
            let Some(products) = tensor.products() else {
                continue;
            };
            let m = &logical.meaning;
            add(by_role.entry(m.role).or_insert_with(empty), &products);
            let is_leading = Some(m.component) == leading && m.block != Some(Block::Mtp);
            if let Some(layer) = m.layer.filter(|_| is_leading) {
                add(by_layer.entry(layer).or_insert_with(empty), &products);
            }
        }
        let layers: Vec<Dense> = by_layer.values().cloned().collect();
        let sources = sources(&layers).unwrap_or_default();
        let sources: Vec<(u32, usize)> = by_layer.keys().copied().zip(sources).collect();
        let by_layer = by_layer.into_iter();
        let by_role = by_role.into_iter();
        MixtureTable {
            overall: mixture(&self.products()),
            sources,
            by_layer: by_layer.map(|(layer, p)| (layer, mixture(&p))).collect(),
            by_role: by_role.map(|(role, p)| (role, mixture(&p))).collect(),
        }
    }

    /// Places in the family of the bases that are in it, in the order of `ranking`, which holds the
    /// numbers of all bases.
    pub(crate) fn ranked(&self, ranking: &[usize]) -> Vec<usize> {
        let places = ranking.iter();
        places
            .filter_map(|number| self.bases.iter().position(|base| base == number))
            .collect()
    }

    /// Principal coordinates of the target, then of the bases in the order of `ranked`, which holds
    /// their places in the family.
    pub(crate) fn coordinates(&self, ranked: &[usize]) -> Option<Coordinates> {
        let products = self.products();
        let target = self.bases.len();
        let order: Vec<usize> = [target].into_iter().chain(ranked.iter().copied()).collect();
        let mut in_order = Dense::zeros(self.size(), self.size());
        for (i, from) in order.iter().enumerate() {
            for (j, to) in order.iter().enumerate() {
                in_order.row_mut(i)[j] = products.row(*from)[*to];
            }
        }
        principal_coordinates(&in_order)
    }

    /// Each base against the others; `None` where there are no others, or no matrices.
    pub(crate) fn controls(&self) -> Option<Vec<Option<Control>>> {
        if self.bases.len() < 2 || self.tensors.is_empty() {
            return None;
        }
        let tensors: Vec<&FamilyTensor<'_>> = self.tensors.iter().map(|(_, t)| t).collect();
        Some(controls(&tensors, self.bases.len()))
    }
}

impl MixtureTable {
    /// The table with the bases in another order, which holds their places in the family.
    pub fn in_order(self, order: &[usize]) -> Self {
        let reorder = |mixture: Option<Mixture>| {
            mixture.map(|mixture| Mixture {
                weights: order.iter().map(|&at| mixture.weights[at]).collect(),
                ..mixture
            })
        };
        let place = |at: usize| order.iter().position(|&place| place == at);
        let sources = self.sources.into_iter();
        Self {
            overall: reorder(self.overall),
            by_layer: self
                .by_layer
                .into_iter()
                .map(|(l, m)| (l, reorder(m)))
                .collect(),
            by_role: self
                .by_role
                .into_iter()
                .map(|(r, m)| (r, reorder(m)))
                .collect(),
            sources: sources
                .filter_map(|(layer, at)| Some((layer, place(at)?)))
                .collect(),
        }
    }
}

fn add(sum: &mut Dense, more: &Dense) {
    let both = sum.values.iter_mut().zip(&more.values);
    both.for_each(|(sum, more)| *sum += more);
}

/// How much a base is like the base that it is most like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Control {
    /// The other base.
    pub nearest: usize,
    /// Mean cosine over the matrices, weighted by parameters.
    pub cosine: Option<f64>,
    /// The same of the excess.
    pub excess: f64,
}

/// Each base against the others. Where bases are known to be unrelated, this is what unrelated
/// models come to.
///
/// `None` for a base without another whose excess is defined.
fn controls(tensors: &[&FamilyTensor<'_>], bases: usize) -> Vec<Option<Control>> {
    let mean = |i: usize, j: usize, figure: &dyn Fn(&Record) -> Option<f64>| {
        let (mut sum, mut weight) = (0.0, 0.0);
        for tensor in tensors {
            if let Some(value) = figure(tensor.between[place(i.min(j), i.max(j), bases)]) {
                sum += value * tensor.elements as f64;
                weight += tensor.elements as f64;
            }
        }
        (weight > 0.0).then(|| sum / weight)
    };
    let control = |base: usize| {
        let others = (0..bases).filter(|&other| other != base);
        let mut best: Option<Control> = None;
        for nearest in others {
            let Some(excess) = mean(base, nearest, &|r| r.figures().excess) else {
                continue;
            };
            if best.as_ref().is_none_or(|b| excess > b.excess) {
                best = Some(Control {
                    nearest,
                    cosine: mean(base, nearest, &|r| r.figures().cosine),
                    excess,
                });
            }
        }
        best
    };
    (0..bases).map(control).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::sums::Sums;

    fn record(a: &[f64], b: &[f64]) -> Record {
        let sum =
            |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(&x, &y)| f(x, y)).sum::<f64>();
        let sums = Sums {
            n: a.len() as u64,
            ab: sum(&|x, y| x * y),
            aa: sum(&|x, _| x * x),
            bb: sum(&|_, y| y * y),
            dd: sum(&|x, y| (x - y) * (x - y)),
            ..Sums::default()
        };
        Record {
            sums,
            columns: a.len() as u64,
            ..Record::default()
        }
    }

    #[test]
    fn places_of_pairs_follow_one_another() {
        let places: Vec<usize> = (0..4)
            .flat_map(|i| (i + 1..4).map(move |j| place(i, j, 4)))
            .collect();
        assert_eq!(places, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn products_stand_in_their_places_and_broken_values_give_none() {
        let (a, b, target) = ([1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [1.0, 1.0, 1.0]);
        let (at, bt, ab) = (record(&a, &target), record(&b, &target), record(&a, &b));
        let tensor = FamilyTensor {
            with_target: vec![&at, &bt],
            between: vec![&ab],
            elements: 3,
        };
        assert_eq!(
            tensor.products().unwrap().values,
            [5.0, 2.0, 3.0, 2.0, 10.0, 4.0, 3.0, 4.0, 3.0]
        );
        let mut broken = record(&a, &b);
        broken.sums.nonfinite.target = 1;
        let tensor = FamilyTensor {
            with_target: vec![&at, &bt],
            between: vec![&broken],
            elements: 3,
        };
        assert!(tensor.products().is_none());
    }

    #[test]
    fn a_control_is_the_nearest_other_base() {
        let models = [
            [1.0, -1.0, 2.0, 0.5],
            [1.1, -1.0, 2.0, 0.4],
            [2.0, 2.0, -1.0, 0.0],
        ];
        let target = [0.0, 1.0, 0.0, 1.0];
        let with: Vec<Record> = models.iter().map(|m| record(m, &target)).collect();
        let pairs = [(0, 1), (0, 2), (1, 2)].map(|(i, j)| record(&models[i], &models[j]));
        let tensor = FamilyTensor {
            with_target: with.iter().collect(),
            between: pairs.iter().collect(),
            elements: 4,
        };
        let found = controls(&[&tensor], 3);
        let nearest: Vec<usize> = found.iter().flatten().map(|c| c.nearest).collect();
        assert_eq!(nearest, [1, 0, 1]);
        assert!(found[0].as_ref().unwrap().excess > 0.9 && found[2].as_ref().unwrap().excess < 0.0);
        assert_eq!(controls(&[], 1), [None]);
    }
}
