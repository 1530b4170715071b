//! The fixed-point test: units found in their own places.

use super::nearest::nearest;
use super::{Features, Held, Tested, Untestable, comparable, sorted};
use crate::error::Result;
use crate::stats::chance;

/// Outcome of a fixed-point test.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedPoints {
    /// Units of either side.
    pub units: usize,
    /// Probe units of the base.
    pub probes: Vec<usize>,
    /// For each probe the unit of the target most like it; none for a tie or where a feature is
    /// missing.
    pub matches: Vec<Option<usize>>,
    /// Probes most like the unit in their own place.
    pub hits: usize,
    /// log10 of the bound of the chance of as many hits.
    pub log10_p: f64,
}

/// Looks for each of `probes`, units of `base`, among all units of `target` that are known.
///
/// Where some are not known, n is the number of those that are: which places these are does not
/// depend on the units in them, so that among them every order was equally likely too.
///
/// If the target was trained independently, every order of its units was equally likely, and P(hits
/// ≥ h) is at most C(m,h)·(n−h)!/n! whatever the features (`chance::fixed_points`).
///
/// # Errors
/// When features cannot be read.
///
/// # Panics
/// When a probe is out of range.
pub fn fixed_point_test(
    base: &dyn Features,
    target: &dyn Features,
    probes: &[usize],
) -> Result<Tested<FixedPoints>> {
    let units = base.units();
    if units != target.units() {
        return Ok(Err(Untestable::UnequalUnits(units, target.units())));
    }
    if let Err(why) = comparable(base, target) {
        return Ok(Err(why));
    }
    let probed = Held::some(base, probes)?;
    let found = nearest(&probed, target)?;
    if !found.distinct || !probed.distinct() {
        return Ok(Err(Untestable::Alike));
    }
    if let Some(why) = sorted::both_sorted(&found.lengths, base)? {
        return Ok(Err(why));
    }
    let hits = probes
        .iter()
        .zip(&found.matches)
        .filter(|&(&probe, &found)| found == Some(probe))
        .count();
    let known = match target.is_partial() {
        true => found.lengths.iter().filter(|length| **length > 0.0).count(),
        false => units,
    };
    Ok(Ok(FixedPoints {
        units,
        probes: probes.to_vec(),
        matches: found.matches,
        hits,
        log10_p: chance::fixed_points(hits, probes.len().min(known), known),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::Sampling;
    use super::*;
    use crate::numeric::rng::Draws;

    const SAMPLING: Sampling = Sampling {
        seed: 0,
        thorough: false,
    };

    fn normal(units: usize, width: usize, purpose: &str) -> Vec<f32> {
        let mut draws = Draws::new(0, purpose);
        (0..units * width).map(|_| draws.normal() as f32).collect()
    }

    #[test]
    fn a_copy_hits_with_every_probe_and_a_stranger_with_none() {
        let base = Held::new(normal(300, 32, "base"), 32);
        let stranger = Held::new(normal(300, 32, "stranger"), 32);
        let probes = SAMPLING.probes(300);
        let copy = fixed_point_test(&base, &base, &probes).unwrap().unwrap();
        assert_eq!((copy.hits, copy.matches.iter().flatten().count()), (64, 64));
        assert_eq!(copy.log10_p, chance::fixed_points(64, 64, 300));
        let none = fixed_point_test(&base, &stranger, &probes)
            .unwrap()
            .unwrap();
        assert!(none.hits <= 2 && none.log10_p > -1.5, "{none:?}");
    }

    /// Features of which those of some units are known.
    struct Known(Held, Vec<usize>);

    impl Features for Known {
        fn units(&self) -> usize {
            self.0.units()
        }

        fn width(&self) -> usize {
            self.0.width()
        }

        fn read(&self, units: std::ops::Range<usize>, out: &mut [f32]) -> Result<()> {
            self.0.read(units.clone(), out)?;
            for (unit, feature) in units.zip(out.chunks_exact_mut(self.0.width())) {
                if self.1.binary_search(&unit).is_err() {
                    feature.fill(f32::NAN);
                }
            }
            Ok(())
        }

        fn is_partial(&self) -> bool {
            true
        }
    }

    #[test]
    fn of_units_that_are_not_known_the_bound_knows_nothing() {
        let base = Held::new(normal(300, 32, "base"), 32);
        let known: Vec<usize> = (0..300).step_by(3).take(64).collect();
        let copy = Known(base.clone(), (0..300).step_by(3).collect());
        let found = fixed_point_test(&base, &copy, &known).unwrap().unwrap();
        assert_eq!(found.hits, 64);
        assert_eq!(found.log10_p, chance::fixed_points(64, 64, 100));
        // A probe whose unit is not known hits nothing.
        let others: Vec<usize> = (1..300).step_by(3).take(64).collect();
        let none = fixed_point_test(&base, &copy, &others).unwrap().unwrap();
        assert_eq!(none.hits, 0);
    }

    /// Units of one model: a direction that all models share, clusters of their own, and lengths that
    /// differ by orders.
    fn structured(units: usize, width: usize, common: &[f32], purpose: &str) -> Held {
        let mut draws = Draws::new(1, purpose);
        let mut values = Vec::with_capacity(units * width);
        let centres = normal(4, width, purpose);
        for unit in 0..units {
            let length = draws.normal().exp() as f32;
            let centre = &centres[(unit % 4) * width..][..width];
            let all = centre.iter().zip(common);
            values.extend(all.map(|(x, c)| length * (draws.normal() as f32 + x + 2.0 * c)));
        }
        Held::new(values, width)
    }

    #[test]
    fn between_sketches_of_strangers_small_bounds_are_rarer_than_they_say() {
        let (units, width, pairs) = (160, 16, 2000);
        let common = normal(1, width, "common");
        let probes = SAMPLING.probes(units);
        let bounds: Vec<f64> = (0..pairs)
            .map(|pair| {
                let side = |side: &str| {
                    let held = structured(units, width, &common, &format!("{side} {pair}"));
                    Known(held, probes.clone())
                };
                let found = fixed_point_test(&side("base"), &side("target"), &probes);
                found.unwrap().unwrap().log10_p
            })
            .collect();
        for level in [0.5f64, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005] {
            let count = bounds.iter().filter(|p| **p <= level.log10()).count() as f64;
            let expected = level * f64::from(pairs);
            assert!(
                count <= expected + 4.0 * expected.sqrt(),
                "{count} bounds of {pairs} at or below {level}"
            );
        }
        let some = bounds.iter().filter(|p| **p < -0.1).count();
        assert!(some > 20, "chance hits are rare here: {some}");
    }

    #[test]
    fn what_cannot_be_tested_says_why() {
        let of = |units, width| Held::new(normal(units, width, "any"), width);
        let test = |a: &Held, b: &Held| {
            fixed_point_test(a, b, &SAMPLING.probes(a.units()))
                .unwrap()
                .unwrap_err()
        };
        assert_eq!(test(&of(9, 4), &of(10, 4)), Untestable::UnequalUnits(9, 10));
        assert_eq!(test(&of(7, 4), &of(7, 4)), Untestable::TooFewUnits(7));
        assert_eq!(test(&of(9, 4), &of(9, 5)), Untestable::UnequalWidths(4, 5));
        assert_eq!(test(&of(9, 1), &of(9, 1)), Untestable::TooNarrow(1));
        let alike = Held::new([1.0, 2.0].repeat(9), 2);
        assert_eq!(test(&of(9, 2), &alike), Untestable::Alike);
        assert_eq!(test(&alike, &of(9, 2)), Untestable::Alike);
        assert_eq!(
            test(&Held::new(vec![0.0; 18], 2), &of(9, 2)),
            Untestable::Alike
        );
    }
}
