//! The unit of one side that is most like a unit of the other, streamed in tiles.

use super::features::{Features, Held, normalise, usable};
use crate::error::Result;
use crate::numeric::linalg::products;
use crate::numeric::wide::largest;

/// How near the second cosine may come before the largest counts as tied, for features of `width`
/// values.
///
/// The tests need "the largest" to be a function of the units as a set, and the bits of a product
/// may depend on the place of a unit in its tile. Let f₀ be the answer in exact arithmetic with
/// ties answered by none; it knows no places. The rounding error of an inner product of unit
/// vectors is of the order √width·u, u = ε/2 (Higham and Mary 2019); the margin is eight times
/// that. Hence the answer given is f₀ or none, there are no more hits than f₀ has, and the bound
/// for f₀ holds: whatever the order of the tiles, the machine or the library.
pub(crate) fn tie_margin(width: usize) -> f32 {
    (4.0 * (width as f32).sqrt() * f32::EPSILON).max(1e-6)
}

/// The largest of the cosines offered and the one after it.
#[derive(Clone)]
pub(crate) struct Contest {
    best: f32,
    second: f32,
    holder: usize,
}

impl Contest {
    pub(crate) fn open() -> Self {
        Self {
            best: f32::NEG_INFINITY,
            second: f32::NEG_INFINITY,
            holder: 0,
        }
    }

    pub(crate) fn offer(&mut self, unit: usize, cosine: f32) {
        if cosine > self.best {
            (self.best, self.second, self.holder) = (cosine, self.best, unit);
        } else if cosine > self.second {
            self.second = cosine;
        }
    }

    /// Offers the usable ones of some neighbouring units.
    pub(crate) fn offer_all(&mut self, first: usize, cosines: &[f32], is_usable: &[bool]) {
        if largest(cosines) <= self.second {
            return;
        }
        for (at, (&cosine, usable)) in cosines.iter().zip(is_usable).enumerate() {
            if *usable {
                self.offer(first + at, cosine);
            }
        }
    }

    /// The unit with the largest cosine; none where nothing was offered or the second comes too
    /// near.
    pub(crate) fn winner(&self, width: usize) -> Option<usize> {
        (self.best - self.second > tie_margin(width)).then_some(self.holder)
    }
}

/// For each probe the unit it is most like.
pub(crate) struct Nearest {
    /// None where the probe has no usable feature or the largest cosine is tied.
    pub(crate) matches: Vec<Option<usize>>,
    /// Whether the units searched have at least two distinct features.
    pub(crate) distinct: bool,
    /// The length of each of them.
    pub(crate) lengths: Vec<f64>,
}

/// Searches all of `units` for each of `probes`, holding one tile of them.
///
/// # Panics
/// When the widths differ.
pub(crate) fn nearest(probes: &Held, units: &dyn Features) -> Result<Nearest> {
    let width = units.width();
    assert_eq!(probes.width(), width, "features of different widths");
    let tile = units.tile().clamp(1, units.units().max(1));
    let mut features = vec![0.0; tile * width];
    let mut cosines = vec![0.0; probes.units() * tile];
    let mut contests = vec![Contest::open(); probes.units()];
    let mut first: Option<Vec<f32>> = None;
    let mut distinct = false;
    let mut lengths = Vec::with_capacity(units.units());
    for start in (0..units.units()).step_by(tile) {
        let count = tile.min(units.units() - start);
        let features = &mut features[..count * width];
        units.read(start..start + count, features)?;
        lengths.extend(features.chunks_exact_mut(width).map(normalise));
        let cosines = &mut cosines[..probes.units() * count];
        products(probes.values(), features, width, cosines);
        let usable: Vec<bool> = lengths[start..]
            .iter()
            .map(|&length| length > 0.0)
            .collect();
        for (contest, cosines) in contests.iter_mut().zip(cosines.chunks_exact(count)) {
            contest.offer_all(start, cosines, &usable);
        }
        if !distinct {
            let mut there = features
                .chunks_exact(width)
                .zip(&usable)
                .filter(|(_, usable)| **usable)
                .map(|(f, _)| f);
            if first.is_none() {
                first = there.next().map(<[f32]>::to_vec);
            }
            distinct = first
                .as_ref()
                .is_some_and(|first| there.any(|other| other != first));
        }
    }
    let matches = contests.iter().zip(probes.rows());
    let matches = matches
        .map(|(contest, probe)| contest.winner(width).filter(|_| usable(probe)))
        .collect();
    Ok(Nearest {
        matches,
        distinct,
        lengths,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    fn normal(units: usize, width: usize, draws: &mut Draws) -> Vec<f32> {
        (0..units * width).map(|_| draws.normal() as f32).collect()
    }

    #[test]
    fn the_answer_does_not_depend_on_the_order_of_the_units() {
        let (units, width) = (700, 33);
        let mut draws = Draws::new(1, "orders of units");
        let mut values = normal(units, width, &mut draws);
        // Every third unit has a twin elsewhere, and some have no feature.
        for twin in (0..300).step_by(3) {
            values.copy_within(twin * width..(twin + 1) * width, (twin + 350) * width);
        }
        values[5 * width..6 * width].fill(0.0);
        values[7 * width] = f32::NAN;
        let probes = Held::new(values[..64 * width].to_vec(), width);
        let answer = nearest(&probes, &Held::new(values.clone(), width))
            .unwrap()
            .matches;
        let expected = |i: usize| (!i.is_multiple_of(3) && i != 5 && i != 7).then_some(i);
        assert_eq!(answer, (0..64).map(expected).collect::<Vec<_>>());
        for _ in 0..5 {
            let order = draws.permutation(units);
            let moved: Vec<f32> = order
                .iter()
                .flat_map(|&from| &values[from * width..(from + 1) * width])
                .copied()
                .collect();
            let matches = nearest(&probes, &Held::new(moved, width)).unwrap().matches;
            let back: Vec<Option<usize>> = matches
                .iter()
                .map(|found| found.map(|at| order[at]))
                .collect();
            assert_eq!(back, answer);
        }
    }

    #[test]
    fn units_that_are_all_alike_are_noticed() {
        let probes = Held::new(vec![1.0, 0.0, 0.0, 1.0], 2);
        let alike = nearest(&probes, &Held::new(vec![1.0, 1.0, 0.0, 0.0, 3.0, 3.0], 2)).unwrap();
        assert!(!alike.distinct && alike.matches == [None, None]);
        assert!(
            nearest(&probes, &Held::new(vec![1.0, 1.0, 3.0, 2.0], 2))
                .unwrap()
                .distinct
        );
    }

    #[test]
    fn negative_cosines_compete_and_unusable_units_do_not() {
        let probes = Held::new(vec![1.0, 0.0], 2);
        let units = Held::new(vec![0.0, 0.0, -1.0, 0.1, -1.0, 0.5], 2);
        assert_eq!(nearest(&probes, &units).unwrap().matches, [Some(2)]);
    }
}
