//! One test a block: the looks that are taken on it, and the probability after they are paid for.

use super::{Features, FixedPoints, Order, Sampling, Tested, fixed_point_test, order_test};
use crate::error::Result;
use crate::stats::chance;
use crate::stats::levels::NOTHING_LOG10;

/// Looks possible on one block: its default feature, all its features, the order of its units. All
/// share one order of units, so they are one test; paying for three always keeps the choice of
/// further looks free.
pub const LOOKS: usize = 3;

/// Where the default feature leaves log10 p between these, all features are looked at too.
const IN_DOUBT: std::ops::Range<f64> = -6.0..-2.0;

/// The same units on both sides.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// Features of the base.
    pub base: &'a dyn Features,
    /// Features of the target.
    pub target: &'a dyn Features,
}

/// Outcome of all looks on one block.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// By the default feature; none where the numbers of units differ.
    pub direct: Option<FixedPoints>,
    /// By all features.
    pub all_features: Option<FixedPoints>,
    /// By the order of the units.
    pub order: Option<Order>,
    /// log10 of min(1, 3·the least p).
    pub log10_p: f64,
}

/// Tests a block by the features in `default`; by `all` of them where the first look leaves doubt
/// or the sampling is thorough; by the order of units where their numbers differ or, with
/// `order_if_nothing`, where no hit is found.
///
/// # Errors
/// When features cannot be read.
pub fn block_test(
    default: Pair<'_>,
    all: Option<Pair<'_>>,
    sampling: &Sampling,
    order_if_nothing: bool,
) -> Result<Tested<Block>> {
    let units = default.base.units();
    if units != default.target.units() {
        return Ok(order_test(default.base, default.target, sampling)?
            .map(|order| Block::of(None, None, Some(order))));
    }
    let probes = sampling.probes(units);
    let direct = match fixed_point_test(default.base, default.target, &probes)? {
        Ok(direct) => direct,
        Err(why) => return Ok(Err(why)),
    };
    let mut least = direct.log10_p;
    let all_features = match all {
        Some(all) if sampling.thorough || IN_DOUBT.contains(&least) => {
            fixed_point_test(all.base, all.target, &probes)?.ok()
        }
        _ => None,
    };
    least = all_features
        .iter()
        .fold(least, |least, look| least.min(look.log10_p));
    let order = match order_if_nothing && least > NOTHING_LOG10 {
        true => order_test(default.base, default.target, sampling)?.ok(),
        false => None,
    };
    Ok(Ok(Block::of(Some(direct), all_features, order)))
}

impl Block {
    fn of(
        direct: Option<FixedPoints>,
        all_features: Option<FixedPoints>,
        order: Option<Order>,
    ) -> Self {
        let looks = direct
            .iter()
            .chain(&all_features)
            .map(|look| look.log10_p)
            .chain(order.iter().map(|look| look.log10_p));
        let log10_p = chance::bonferroni(looks.fold(0.0, f64::min), LOOKS);
        Self {
            direct,
            all_features,
            order,
            log10_p,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Held;
    use super::*;
    use crate::numeric::rng::Draws;

    const SAMPLING: Sampling = Sampling {
        seed: 0,
        thorough: false,
    };

    fn pair(units: (usize, usize), likeness: f64, shift: usize, purpose: &str) -> (Held, Held) {
        let width = 24;
        let mut draws = Draws::new(0, purpose);
        let base: Vec<f32> = (0..units.0 * width)
            .map(|_| draws.normal() as f32)
            .collect();
        let rest = (1.0 - likeness * likeness).sqrt();
        let target = (0..units.1 * width).map(|at| {
            let of_base = base[(at + shift * width) % base.len()];
            (likeness * f64::from(of_base) + rest * draws.normal()) as f32
        });
        let target = target.collect();
        (Held::new(base, width), Held::new(target, width))
    }

    fn test(default: &(Held, Held), all: Option<&(Held, Held)>, sampling: &Sampling) -> Block {
        let as_pair = |pair: &(Held, Held)| (pair.0.clone(), pair.1.clone());
        let (base, target) = as_pair(default);
        let all = all.map(as_pair);
        let all = all.as_ref().map(|(base, target)| Pair { base, target });
        block_test(
            Pair {
                base: &base,
                target: &target,
            },
            all,
            sampling,
            true,
        )
        .unwrap()
        .unwrap()
    }

    #[test]
    fn a_clear_result_needs_one_look_and_pays_for_three() {
        let near = pair((100, 100), 0.9, 0, "near");
        let block = test(&near, Some(&near), &SAMPLING);
        let direct = block.direct.unwrap();
        assert!(direct.hits > 60 && block.all_features.is_none() && block.order.is_none());
        assert_eq!(block.log10_p, direct.log10_p + 3f64.log10());
        assert!(
            test(
                &near,
                Some(&near),
                &Sampling {
                    seed: 0,
                    thorough: true
                }
            )
            .all_features
            .is_some()
        );
    }

    #[test]
    fn doubt_calls_for_all_features_and_nothing_for_the_order() {
        let faint = pair((100, 100), 0.18, 0, "faint");
        let block = test(&faint, Some(&pair((100, 100), 0.8, 0, "clear")), &SAMPLING);
        let first = block.direct.unwrap().log10_p;
        assert!(IN_DOUBT.contains(&first), "{first}");
        assert!(block.log10_p < -20.0 && block.all_features.is_some() && block.order.is_none());

        let shifted = test(&pair((100, 100), 0.95, 7, "shifted"), None, &SAMPLING);
        assert!(
            shifted.direct.unwrap().hits < 4
                && shifted.order.unwrap().in_order > 85
                && shifted.log10_p < -100.0
        );

        let stranger = test(&pair((100, 100), 0.0, 0, "stranger"), None, &SAMPLING);
        assert_eq!(stranger.log10_p.to_bits(), 0f64.to_bits());
    }

    #[test]
    fn different_numbers_of_units_are_compared_by_order() {
        let block = test(&pair((100, 80), 0.9, 0, "fewer"), None, &SAMPLING);
        assert!(
            block.direct.is_none() && block.order.unwrap().in_order > 75 && block.log10_p < -80.0
        );
    }
}
