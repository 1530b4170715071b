//! The order test: units found in the order in which they stand, for sides with different numbers
//! of units or with units inserted or shifted.

use std::collections::BTreeMap;

use super::nearest::nearest;
use super::{Features, Held, Sampling, Tested, Untestable, comparable, sorted};
use crate::error::Result;
use crate::stats::chance;

/// Outcome of an order test.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Units of the base.
    pub base_units: usize,
    /// Units of the target.
    pub target_units: usize,
    /// Probes drawn on the side with fewer units (the base where both have as many).
    pub probes: usize,
    /// Probes most like a unit that no other probe is most like, with that unit, in the probes'
    /// order.
    pub kept: Vec<(usize, usize)>,
    /// How many of these stand in the same order on both sides.
    pub in_order: usize,
    /// log10 of the bound of the chance of as many in order.
    pub log10_p: f64,
}

/// Looks for probes of the side with fewer units among all units of the other, and asks whether
/// they stand there in the same order.
///
/// If the sides were trained independently, the relative order of the units found is a uniformly
/// random permutation; the length of its longest increasing subsequence is bounded by
/// `chance::order`.
///
/// # Errors
/// When features cannot be read.
pub fn order_test(
    base: &dyn Features,
    target: &dyn Features,
    sampling: &Sampling,
) -> Result<Tested<Order>> {
    if let Err(why) = comparable(base, target) {
        return Ok(Err(why));
    }
    let (fewer, more) = if base.units() <= target.units() {
        (base, target)
    } else {
        (target, base)
    };
    let probes = sampling.order_probes(fewer.units());
    let probed = Held::some(fewer, &probes)?;
    let found = nearest(&probed, more)?;
    if !found.distinct || !probed.distinct() {
        return Ok(Err(Untestable::Alike));
    }
    if let Some(why) = sorted::both_sorted(&found.lengths, fewer)? {
        return Ok(Err(why));
    }
    let mut times_found: BTreeMap<usize, usize> = BTreeMap::new();
    for &unit in found.matches.iter().flatten() {
        *times_found.entry(unit).or_default() += 1;
    }
    let matched = probes
        .iter()
        .zip(&found.matches)
        .filter_map(|(&probe, &unit)| Some((probe, unit?)));
    let kept: Vec<(usize, usize)> = matched.filter(|(_, unit)| times_found[unit] == 1).collect();
    let in_order = longest_increasing(kept.iter().map(|&(_, unit)| unit));
    let log10_p = chance::order(kept.len(), in_order);
    Ok(Ok(Order {
        base_units: base.units(),
        target_units: target.units(),
        probes: probes.len(),
        kept,
        in_order,
        log10_p,
    }))
}

/// Length of the longest increasing subsequence of distinct values, by patience sorting.
fn longest_increasing(values: impl Iterator<Item = usize>) -> usize {
    let mut piles: Vec<usize> = Vec::new();
    for value in values {
        let pile = piles.partition_point(|&top| top < value);
        match piles.get_mut(pile) {
            Some(top) => *top = value,
            None => piles.push(value),
        }
    }
    piles.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    const SAMPLING: Sampling = Sampling {
        seed: 0,
        thorough: false,
    };

    fn normal(units: usize, width: usize, draws: &mut Draws) -> Vec<f32> {
        (0..units * width).map(|_| draws.normal() as f32).collect()
    }

    fn chosen(values: &[f32], width: usize, units: &[usize]) -> Held {
        Held::new(
            units
                .iter()
                .flat_map(|u| &values[u * width..(u + 1) * width])
                .copied()
                .collect(),
            width,
        )
    }

    #[test]
    fn units_kept_of_more_stand_in_order_on_either_side() {
        let mut draws = Draws::new(0, "pruned");
        let values = normal(176, 32, &mut draws);
        let whole = chosen(&values, 32, &(0..176).collect::<Vec<_>>());
        let kept = draws.distinct(128, 176);
        let pruned = chosen(&values, 32, &kept);
        let outcome = order_test(&whole, &pruned, &SAMPLING).unwrap().unwrap();
        assert_eq!(
            (outcome.probes, outcome.kept.len(), outcome.in_order),
            (128, 128, 128)
        );
        assert_eq!((outcome.base_units, outcome.target_units), (176, 128));
        assert!(
            outcome
                .kept
                .iter()
                .all(|&(probe, unit)| kept[probe] == unit)
        );
        assert!(outcome.log10_p < -215.0);
        assert_eq!(
            order_test(&pruned, &whole, &SAMPLING)
                .unwrap()
                .unwrap()
                .log10_p,
            outcome.log10_p
        );
    }

    #[test]
    fn strangers_and_hubs_stand_in_no_order() {
        let mut draws = Draws::new(0, "strangers");
        let base = Held::new(normal(100, 16, &mut draws), 16);
        let mut other = normal(120, 16, &mut draws);
        let stranger = order_test(&base, &Held::new(other.clone(), 16), &SAMPLING)
            .unwrap()
            .unwrap();
        assert_eq!(stranger.log10_p, 0.0, "{stranger:?}");
        // One unit to which every probe is nearest: no probe is left.
        let mut shifted: Vec<f32> = base.values().to_vec();
        shifted.iter_mut().for_each(|x| *x += 10.0);
        other.iter_mut().skip(16).for_each(|x| *x -= 10.0);
        other[..16].fill(1.0);
        let hub = order_test(&Held::new(shifted, 16), &Held::new(other, 16), &SAMPLING)
            .unwrap()
            .unwrap();
        assert_eq!((hub.kept.len(), hub.in_order), (0, 0));
        assert_eq!(hub.log10_p.to_bits(), 0f64.to_bits());
    }

    #[test]
    fn longest_increasing_subsequences() {
        for (values, length) in [
            (vec![], 0),
            (vec![3], 1),
            (vec![3, 1, 2, 0, 4], 3),
            (vec![5, 4, 3], 1),
            (vec![1, 2, 9], 3),
        ] {
            assert_eq!(longest_increasing(values.into_iter()), length);
        }
    }
}
