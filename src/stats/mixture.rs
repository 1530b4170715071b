//! Is a model a weighted sum of others? Least squares from inner products alone, so that no second
//! pass over the weights is needed.
//!
//! Sums should run over class `matrix`: gains lie near 1 in every model and would pass for a common
//! ingredient.

use crate::numeric::linalg::{Dense, round6, symmetric_eigen};

/// Bases whose correlation matrix has an eigenvalue below this share of 1 cannot be told apart: the
/// sums are exact to about 1e-14, and a weight to a hundredth is what is wanted.
const RESOLVED: f64 = 1e-11;

/// A target as a weighted sum of bases. Figures have 6 significant digits.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// Least-squares weight of each base. Where they are not unique, the shortest solution for
    /// bases of norm 1; 0 for a base that is all zero.
    pub weights: Vec<f64>,
    /// ‖target − Σ weight · base‖² / ‖target‖², 0 to 1.
    pub unexplained: f64,
    /// 1 − (squared distance to the mixture) / (squared distance to the best multiple of one base):
    /// how much the other bases add. 1 for a merge of the bases; about 0 for a relative of one base
    /// alone, and for unrelated models; about 1/2 for the common origin of two.
    /// `None` where one base explains the target wholly.
    pub gain_over_single: Option<f64>,
    /// Whether the weights are unique; false where bases coincide or are mixtures of one another.
    pub identifiable: bool,
}

/// Least weight of an ingredient.
const INGREDIENT: f64 = 0.05;

impl Mixture {
    /// The bases that the target is a merge of: two or more whose weights are clearly above 0 and
    /// which explain together what none of them does alone. Empty where it is no merge of the
    /// bases.
    ///
    /// The common origin of n relatives is their average too, but leaves 1/n of the distance to any
    /// of them; a merge has to leave less than half of that.
    pub fn ingredients(&self) -> Vec<usize> {
        let found: Vec<usize> = (0..self.weights.len())
            .filter(|&i| self.weights[i] >= INGREDIENT)
            .collect();
        let left = self.gain_over_single.map_or(1.0, |gain| 1.0 - gain);
        if found.len() >= 2 && left < 0.5 / found.len() as f64 {
            found
        } else {
            Vec::new()
        }
    }
}

/// Weights of the last model of `products` on the others; shape (bases + 1, bases + 1).
///
/// `None` without a base, with a sum that is not finite, and where the target or all bases are
/// zero.
///
/// # Panics
/// When `products` is not square.
pub(crate) fn mixture(products: &Dense) -> Option<Mixture> {
    assert_eq!(
        products.rows, products.columns,
        "inner products of every pair"
    );
    let bases = products.rows.checked_sub(1)?;
    let target = products.row(bases);
    let energy = target[bases];
    let norms: Vec<f64> = (0..bases)
        .map(|i| products.row(i)[i].max(0.0).sqrt())
        .collect();
    if products.values.iter().any(|v| !v.is_finite())
        || energy <= 0.0
        || norms.iter().all(|&n| n == 0.0)
    {
        return None;
    }
    let inverse = |i: usize| if norms[i] > 0.0 { 1.0 / norms[i] } else { 0.0 };
    let mut correlations = Dense::zeros(bases, bases);
    for i in 0..bases {
        for j in 0..bases {
            correlations.row_mut(i)[j] = products.row(i)[j] * inverse(i) * inverse(j);
        }
    }
    let eigen = symmetric_eigen(&correlations)?;
    let towards: Vec<f64> = (0..bases).map(|i| target[i] * inverse(i)).collect();
    let mut weights = vec![0.0; bases];
    let mut explained = 0.0;
    let mut rank = 0;
    for (i, &value) in eigen
        .values
        .iter()
        .enumerate()
        .filter(|(_, v)| **v > RESOLVED)
    {
        let along: f64 = eigen
            .vectors
            .row(i)
            .iter()
            .zip(&towards)
            .map(|(v, t)| v * t)
            .sum();
        weights
            .iter_mut()
            .zip(eigen.vectors.row(i))
            .for_each(|(w, v)| *w += v * along / value);
        explained += along * along / value;
        rank += 1;
    }
    // Here a weight is the norm of its base's contribution: below 1e-9 of the target it is
    // rounding.
    for (i, weight) in weights.iter_mut().enumerate() {
        *weight = if weight.abs() > 1e-9 * energy.sqrt() {
            round6(*weight * inverse(i))
        } else {
            0.0
        };
    }

    let residual = floored(energy - explained, energy);
    let most = towards.iter().map(|t| t * t).fold(0.0, f64::max);
    let single = floored(energy - most, energy);
    Some(Mixture {
        weights,
        unexplained: round6((residual / energy).min(1.0)),
        gain_over_single: (single > 0.0).then(|| round6((1.0 - residual / single).clamp(0.0, 1.0))),
        identifiable: rank == bases,
    })
}

/// A difference of sums of size `scale`, 0 where it is no larger than their rounding error.
fn floored(difference: f64, scale: f64) -> f64 {
    if difference > 1e-12 * scale {
        difference
    } else {
        0.0
    }
}

/// The base that each group of tensors (layers) was taken from, where different groups were taken
/// from different bases: each group held against its own best base leaves less than half of what
/// the best base for all leaves. The last model of each group's `products` is the target. `None`
/// where one base, or none, stands behind all groups.
///
/// # Panics
/// When the groups do not all have inner products of the same number of models.
pub(crate) fn sources(groups: &[Dense]) -> Option<Vec<usize>> {
    let bases = groups
        .first()?
        .rows
        .checked_sub(1)
        .filter(|bases| *bases > 1)?;
    let mut taken = Vec::new();
    let mut apart = 0.0;
    let mut together = vec![0.0; bases];
    for products in groups {
        assert_eq!(products.rows, bases + 1, "the same models in every group");
        let energy = products.row(bases)[bases];
        let left = |base: usize| {
            let (inner, norm) = (products.row(bases)[base], products.row(base)[base]);
            if norm > 0.0 {
                floored(energy - inner * inner / norm, energy)
            } else {
                energy
            }
        };
        let all: Vec<f64> = (0..bases).map(left).collect();
        let best = (0..bases).min_by(|&a, &b| all[a].total_cmp(&all[b]))?;
        taken.push(best);
        apart += all[best];
        together
            .iter_mut()
            .zip(&all)
            .for_each(|(sum, left)| *sum += left);
    }
    let one = together.into_iter().fold(f64::INFINITY, f64::min);
    let differ = taken.iter().any(|base| *base != taken[0]);
    (differ && apart < 0.5 * one).then_some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::numeric::rng::Draws;

    const LENGTH: usize = 4000;

    fn random(seed: u64) -> Vec<f64> {
        let mut draws = Draws::new(seed, "models");
        (0..LENGTH).map(|_| draws.normal()).collect()
    }

    fn sum(terms: &[(f64, &[f64])]) -> Vec<f64> {
        (0..LENGTH)
            .map(|i| terms.iter().map(|(w, v)| w * v[i]).sum())
            .collect()
    }

    /// Inner products of models, the target last.
    fn products(models: &[&[f64]]) -> Dense {
        let rows = Dense {
            rows: models.len(),
            columns: LENGTH,
            values: models.concat(),
        };
        rows.times_transposed(&rows)
    }

    #[test]
    fn a_merge_gives_its_weights_back() {
        let origin = random(1);
        let a = sum(&[(1.0, &origin), (0.1, &random(2))]);
        let b = sum(&[(1.0, &origin), (0.1, &random(3))]);
        let target = sum(&[(0.3, &a), (0.7, &b), (0.001, &random(4))]);
        let found = mixture(&products(&[&a, &b, &random(5), &target])).unwrap();
        for (weight, truth) in found.weights.iter().zip([0.3, 0.7, 0.0]) {
            assert!((weight - truth).abs() < 0.01, "{found:?}");
        }
        assert!(
            found.unexplained < 2e-6
                && found.gain_over_single.unwrap() > 0.99
                && found.identifiable
        );
    }

    #[test]
    fn unrelated_bases_explain_next_to_nothing() {
        let found = mixture(&products(&[&random(1), &random(2), &random(3)])).unwrap();
        assert!(
            found.unexplained > 0.99 && found.weights.iter().all(|w| w.abs() < 0.06),
            "{found:?}"
        );
        assert!(found.gain_over_single.unwrap() < 0.01, "{found:?}");
    }

    #[test]
    fn a_relative_of_one_base_gains_nothing_and_an_ancestor_of_two_gains_half() {
        let origin = random(1);
        let tuned = |seed: u64| sum(&[(1.0, &origin), (0.1, &random(seed))]);
        let (a, b, c) = (tuned(2), tuned(3), tuned(4));
        let relative = mixture(&products(&[&origin, &a, &b])).unwrap();
        assert!(
            relative.gain_over_single.unwrap() < 0.02 && relative.weights[0] > 0.95,
            "{relative:?}"
        );
        let ancestor = mixture(&products(&[&a, &b, &origin])).unwrap();
        assert!(
            (ancestor.gain_over_single.unwrap() - 0.5).abs() < 0.05,
            "{ancestor:?}"
        );
        let of_three = sum(&[(1.0 / 3.0, &a), (1.0 / 3.0, &b), (1.0 / 3.0, &c)]);
        assert!(
            (mixture(&products(&[&a, &b, &of_three]))
                .unwrap()
                .gain_over_single
                .unwrap()
                - 0.75)
                .abs()
                < 0.05
        );
    }

    #[test]
    fn ingredients_are_named_of_a_merge_and_of_nothing_else() {
        let origin = random(1);
        let tuned = |seed: u64| sum(&[(1.0, &origin), (0.1, &random(seed))]);
        let (a, b, c) = (tuned(2), tuned(3), tuned(4));
        let of = |models: &[&[f64]]| mixture(&products(models)).unwrap().ingredients();
        let merge = sum(&[(0.3, &a), (0.7, &b), (0.001, &random(5))]);
        assert_eq!(of(&[&c, &a, &b, &merge]), [1, 2]);
        assert_eq!(
            of(&[&a, &b, &c, &sum(&[(0.4, &a), (0.3, &b), (0.3, &c)])]),
            [0, 1, 2]
        );
        for target in [&origin, &c, &random(9), &a] {
            assert!(of(&[&a, &b, target]).is_empty());
        }
        assert!(of(&[&a, &b, &c, &origin]).is_empty());
        assert!(of(&[&a, &merge]).is_empty());
    }

    #[test]
    fn equal_bases_are_said_to_be_indistinguishable() {
        let (a, b) = (random(1), random(2));
        let target = sum(&[(0.5, &a), (0.5, &b)]);
        let found = mixture(&products(&[&a, &a, &b, &target])).unwrap();
        assert!(!found.identifiable && found.unexplained == 0.0);
        assert_eq!(found.weights, [0.25, 0.25, 0.5]);
        let zero = vec![0.0; LENGTH];
        let found = mixture(&products(&[&a, &zero, &target])).unwrap();
        assert!(!found.identifiable && found.weights[1] == 0.0);
    }

    #[test]
    fn a_copy_has_weight_one_and_no_gain() {
        let a = random(1);
        let found = mixture(&products(&[&a, &random(2), &a])).unwrap();
        assert_eq!(
            (found.weights, found.unexplained, found.gain_over_single),
            (vec![1.0, 0.0], 0.0, None)
        );
    }

    #[test]
    fn no_base_no_target_and_broken_sums_have_no_mixture() {
        let (a, zero) = (random(1), vec![0.0; LENGTH]);
        assert!(mixture(&products(&[&a])).is_none());
        assert!(mixture(&products(&[&a, &zero])).is_none());
        assert!(mixture(&products(&[&zero, &a])).is_none());
        let mut broken = products(&[&a, &random(2)]);
        broken.values[0] = f64::INFINITY;
        assert!(mixture(&broken).is_none());
    }

    #[test]
    fn layers_of_several_bases_are_told_from_every_other_kinship() {
        let origin: Vec<Vec<f64>> = (10..14).map(random).collect();
        let tuned = |seed: u64| -> Vec<Vec<f64>> {
            (0..4)
                .map(|layer| {
                    sum(&[
                        (1.0, &origin[layer]),
                        (0.1, &random(20 * seed + layer as u64)),
                    ])
                })
                .collect()
        };
        let (a, b, c) = (tuned(2), tuned(3), tuned(4));
        let of = |target: &[Vec<f64>]| {
            let layers: Vec<Dense> = (0..4)
                .map(|l| products(&[&a[l], &b[l], &target[l]]))
                .collect();
            sources(&layers)
        };
        assert_eq!(
            of(&[a[0].clone(), b[1].clone(), b[2].clone(), a[3].clone()]),
            Some(vec![0, 1, 1, 0])
        );
        let half: Vec<Vec<f64>> = (0..4).map(|l| sum(&[(0.5, &a[l]), (0.5, &b[l])])).collect();
        let unrelated: Vec<Vec<f64>> = (90..94).map(random).collect();
        for target in [&a, &c, &origin, &half, &unrelated] {
            assert_eq!(of(target), None);
        }
        assert_eq!(sources(&[products(&[&a[0], &b[0]])]), None, "one base");
        assert_eq!(sources(&[]), None);
    }

    proptest! {
        #[test]
        fn planted_weights_come_back_whatever_the_scale(
            first in -2.0f64..2.0, second in -2.0f64..2.0, exponent in -30i32..30
        ) {
            prop_assume!(first.abs() + second.abs() > 0.1);
            let scale = 10f64.powi(exponent);
            let (a, b) = (sum(&[(scale, &random(1))]), random(2));
            let target = sum(&[(first, &a), (second * scale, &b)]);
            let found = mixture(&products(&[&a, &b, &target])).unwrap();
            prop_assert!((found.weights[0] - first).abs() < 2e-5);
            prop_assert!((found.weights[1] / scale - second).abs() < 2e-5);
            prop_assert!(found.unexplained < 1e-9);
        }
    }
}
