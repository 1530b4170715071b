//! The matched form: units that were re-ordered, recognised by two projections that agree
//! (guide/methods.md, section 4).

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use super::features::{normalise, usable};
use super::nearest::Contest;
use super::{Features, Held, LEAST_UNITS, Pair, TILE, Tested, Untestable, comparable};
use crate::error::Result;
use crate::numeric::linalg::products;
use crate::stats::chance;

/// Least share of agreeing matches in a copy.
const LEAST_SHARE: f64 = 0.5;

/// Least number of agreeing matches in a copy, and the least share of the units of the smaller
/// side: a few "universal" units match by everything between independent models too.
const LEAST_AGREEING: (usize, f64) = (8, 0.05);

/// Outcome of the matched form.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// Units of the smaller side.
    pub units: usize,
    /// Pairs of units that are each other's best match by the first projection, and by the second.
    pub mutual: (usize, usize),
    /// Units of the base that are in a pair of both.
    pub in_both: usize,
    /// Pairs (base unit, target unit) that both name, by base unit.
    pub agreeing: Vec<(usize, usize)>,
    /// log10 of the approximate chance of as many agreements. It has no exact null: a hub can be
    /// the best match by both projections.
    pub log10_p: f64,
}

impl Matched {
    /// Whether so many agree that the block is a re-ordered copy, if a second witness says so too.
    pub fn looks_copied(&self) -> bool {
        let agreeing = self.agreeing.len() as f64;
        agreeing >= LEAST_SHARE * self.in_both as f64
            && agreeing >= (LEAST_AGREEING.0 as f64).max(LEAST_AGREEING.1 * self.units as f64)
    }
}

/// Matches the units of two sides by each of two projections, gate and up, and counts where they
/// agree. Where that fails because a side holds its units several times over, as a widened model
/// does (Net2Net, Chen and others 2016), the copies of a unit count once.
///
/// # Errors
/// When features cannot be read.
pub fn matched_form(first: Pair<'_>, second: Pair<'_>) -> Result<Tested<Matched>> {
    for pair in [first, second] {
        if let Err(why) = comparable(pair.base, pair.target) {
            return Ok(Err(why));
        }
    }
    for (one, other) in [(first.base, second.base), (first.target, second.target)] {
        if one.units() != other.units() {
            return Ok(Err(Untestable::UnequalUnits(one.units(), other.units())));
        }
    }
    let (found, tied) = matched(first, second)?;
    if (tied as f64) < LEAST_SHARE * found.units as f64 {
        return Ok(Ok(found));
    }
    let base = distinct(first.base, second.base)?;
    let target = distinct(first.target, second.target)?;
    let is_shorter = base.len() < first.base.units() || target.len() < first.target.units();
    if !is_shorter || base.len().min(target.len()) < LEAST_UNITS {
        return Ok(Ok(found));
    }
    let some = |features, units| Chosen { features, units };
    let (first_base, first_target) = (some(first.base, &base), some(first.target, &target));
    let (second_base, second_target) = (some(second.base, &base), some(second.target, &target));
    let first = Pair {
        base: &first_base,
        target: &first_target,
    };
    let (mut found, _) = matched(
        first,
        Pair {
            base: &second_base,
            target: &second_target,
        },
    )?;
    for (unit, other) in &mut found.agreeing {
        (*unit, *other) = (base[*unit], target[*other]);
    }
    Ok(Ok(found))
}

/// What the two projections agree on, and how many units have no best match because several are as
/// good.
fn matched(first: Pair<'_>, second: Pair<'_>) -> Result<(Matched, usize)> {
    let (by_first, tied_by_first) = mutual_best(first)?;
    let (by_second, tied_by_second) = mutual_best(second)?;
    let by_second: BTreeMap<usize, usize> = by_second.into_iter().collect();
    let both: Vec<(usize, usize, usize)> = by_first
        .iter()
        .filter_map(|&(unit, found)| Some((unit, found, *by_second.get(&unit)?)))
        .collect();
    let agreeing: Vec<(usize, usize)> = both
        .iter()
        .filter(|(_, one, other)| one == other)
        .map(|&(unit, found, _)| (unit, found))
        .collect();
    let log10_p = chance::fixed_points(
        agreeing.len(),
        both.len(),
        by_first.len().min(by_second.len()),
    );
    let found = Matched {
        units: first.base.units().min(first.target.units()),
        mutual: (by_first.len(), by_second.len()),
        in_both: both.len(),
        agreeing,
        log10_p,
    };
    Ok((found, tied_by_first.min(tied_by_second)))
}

/// Some of the units that `features` has.
struct Chosen<'a> {
    features: &'a dyn Features,
    units: &'a [usize],
}

impl Features for Chosen<'_> {
    fn units(&self) -> usize {
        self.units.len()
    }

    fn width(&self) -> usize {
        self.features.width()
    }

    fn read(&self, units: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.features.read_each(&self.units[units], out)
    }
}

/// The units of one side that differ from every unit before them in one of two projections,
/// ascending; by the hashes of their directions.
fn distinct(first: &dyn Features, second: &dyn Features) -> Result<Vec<usize>> {
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for (unit, both) in hashes(first)?.into_iter().zip(hashes(second)?).enumerate() {
        if seen.insert(both) {
            out.push(unit);
        }
    }
    Ok(out)
}

/// A hash of the direction of each unit.
fn hashes(features: &dyn Features) -> Result<Vec<u64>> {
    let width = features.width();
    let mut values = vec![0.0; TILE * width];
    let mut out = Vec::with_capacity(features.units());
    for start in (0..features.units()).step_by(TILE) {
        let values = &mut values[..TILE.min(features.units() - start) * width];
        features.read(start..start + values.len() / width, values)?;
        for feature in values.chunks_exact_mut(width) {
            normalise(feature);
            let mut hasher = DefaultHasher::new();
            feature
                .iter()
                .for_each(|value| value.to_bits().hash(&mut hasher));
            out.push(hasher.finish());
        }
    }
    Ok(out)
}

/// Pairs (base unit, target unit), by base unit, each of which is the other's best match without a
/// tie, and how many units of the two sides have a tie.
///
/// The smaller side is held whole, the other is read in tiles of 256.
fn mutual_best(pair: Pair<'_>) -> Result<(Vec<(usize, usize)>, usize)> {
    let base_is_held = pair.base.units() <= pair.target.units();
    let (held, streamed) = if base_is_held {
        (pair.base, pair.target)
    } else {
        (pair.target, pair.base)
    };
    let held = Held::all(held)?;
    let width = held.width();
    let held_usable: Vec<bool> = held.rows().map(usable).collect();
    let mut of_held = vec![Contest::open(); held.units()];
    let mut of_streamed = vec![Contest::open(); streamed.units()];
    let mut features = vec![0.0; TILE * width];
    let mut cosines = vec![0.0; TILE * TILE];
    for start in (0..streamed.units()).step_by(TILE) {
        let count = TILE.min(streamed.units() - start);
        let features = &mut features[..count * width];
        streamed.read(start..start + count, features)?;
        let tile_usable: Vec<bool> = features
            .chunks_exact_mut(width)
            .map(|feature| normalise(feature) > 0.0)
            .collect();
        for (tile, values) in held.values().chunks(TILE * width).enumerate() {
            let held_count = values.len() / width;
            let cosines = &mut cosines[..count * held_count];
            products(features, values, width, cosines);
            for (row, cosines) in cosines
                .chunks_exact(held_count)
                .enumerate()
                .filter(|(row, _)| tile_usable[*row])
            {
                let contest = &mut of_streamed[start + row];
                for (column, &cosine) in cosines.iter().enumerate() {
                    let unit = tile * TILE + column;
                    if held_usable[unit] {
                        contest.offer(unit, cosine);
                        of_held[unit].offer(start + row, cosine);
                    }
                }
            }
        }
    }
    let mutual = of_held.iter().enumerate().filter_map(|(unit, contest)| {
        let best = contest.winner(width)?;
        (of_streamed[best].winner(width)? == unit).then_some(if base_is_held {
            (unit, best)
        } else {
            (best, unit)
        })
    });
    let mut mutual: Vec<(usize, usize)> = mutual.collect();
    mutual.sort_unstable();
    let tied = of_held
        .iter()
        .chain(&of_streamed)
        .filter(|contest| contest.is_tied(width))
        .count();
    Ok((mutual, tied))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    /// Features of `units` units of the given order, `noise` added.
    fn features(
        units: usize,
        order: &[usize],
        noise: f64,
        purpose: &str,
        draws: &mut Draws,
    ) -> Held {
        let width = 40;
        let mut own = Draws::new(0, purpose);
        let values: Vec<f64> = (0..units * width).map(|_| own.normal()).collect();
        let row = |unit: &usize| values[unit * width..(unit + 1) * width].to_vec();
        Held::new(
            order
                .iter()
                .flat_map(row)
                .map(|x| (x + noise * draws.normal()) as f32)
                .collect(),
            width,
        )
    }

    #[test]
    fn a_re_ordered_copy_is_recovered_also_where_units_were_dropped() {
        let mut draws = Draws::new(0, "matched");
        let straight: Vec<usize> = (0..600).collect();
        let mut order = draws.permutation(600);
        order.truncate(500);
        let gate = (
            features(600, &straight, 0.0, "gate", &mut draws),
            features(600, &order, 0.3, "gate", &mut draws),
        );
        let up = (
            features(600, &straight, 0.0, "up", &mut draws),
            features(600, &order, 0.3, "up", &mut draws),
        );
        let pair = |sides: &(Held, Held)| (sides.0.clone(), sides.1.clone());
        let ((gate_base, gate_target), (up_base, up_target)) = (pair(&gate), pair(&up));
        let matched = matched_form(
            Pair {
                base: &gate_base,
                target: &gate_target,
            },
            Pair {
                base: &up_base,
                target: &up_target,
            },
        );
        let matched = matched.unwrap().unwrap();
        assert_eq!(
            (matched.units, matched.in_both, matched.agreeing.len()),
            (500, 500, 500)
        );
        assert!(
            matched
                .agreeing
                .iter()
                .all(|&(base, target)| order[target] == base)
        );
        assert!(matched.looks_copied() && matched.log10_p < -1000.0);
        let turned = matched_form(
            Pair {
                base: &gate_target,
                target: &gate_base,
            },
            Pair {
                base: &up_target,
                target: &up_base,
            },
        );
        let mut turned: Vec<_> = turned
            .unwrap()
            .unwrap()
            .agreeing
            .into_iter()
            .map(|(a, b)| (b, a))
            .collect();
        turned.sort_unstable();
        assert_eq!(turned, matched.agreeing);
    }

    #[test]
    fn copies_of_a_unit_on_one_side_count_once() {
        let mut draws = Draws::new(0, "widened");
        let straight: Vec<usize> = (0..300).collect();
        let twice: Vec<usize> = (0..600).map(|at| at % 300).collect();
        let [gate, gate_twice] =
            [&straight, &twice].map(|order| features(300, order, 0.0, "gate", &mut draws));
        let [up, up_twice] =
            [&straight, &twice].map(|order| features(300, order, 0.0, "up", &mut draws));
        let sides = [[&gate, &up], [&gate_twice, &up_twice]];
        for [[gate, up], [other_gate, other_up]] in
            [sides, [sides[1], sides[0]], [sides[1], sides[1]]]
        {
            let found = matched_form(
                Pair {
                    base: gate,
                    target: other_gate,
                },
                Pair {
                    base: up,
                    target: other_up,
                },
            );
            let found = found.unwrap().unwrap();
            assert_eq!(
                (found.units, found.agreeing),
                (300, (0..300).map(|at| (at, at)).collect())
            );
        }
        // Units of strangers that are held twice are strangers all the same.
        let [other_gate, other_up] =
            ["a", "b"].map(|purpose| features(300, &twice, 0.0, purpose, &mut draws));
        let found = matched_form(
            Pair {
                base: &gate,
                target: &other_gate,
            },
            Pair {
                base: &up,
                target: &other_up,
            },
        );
        assert!(!found.unwrap().unwrap().looks_copied());
    }

    #[test]
    fn strangers_do_not_look_copied() {
        let mut draws = Draws::new(0, "strangers");
        let order: Vec<usize> = (0..200).collect();
        let mut side = |purpose: &str| features(200, &order, 0.0, purpose, &mut draws);
        let (gate_base, gate_target, up_base, up_target) =
            (side("a"), side("b"), side("c"), side("d"));
        let matched = matched_form(
            Pair {
                base: &gate_base,
                target: &gate_target,
            },
            Pair {
                base: &up_base,
                target: &up_target,
            },
        );
        let matched = matched.unwrap().unwrap();
        assert!(
            matched.mutual.0 > 5 && matched.agreeing.len() <= 2 && !matched.looks_copied(),
            "{matched:?}"
        );
        let refused = matched_form(
            Pair {
                base: &gate_base,
                target: &gate_target,
            },
            Pair {
                base: &up_base,
                target: &features(200, &order[..9], 0.0, "d", &mut draws),
            },
        );
        assert_eq!(refused.unwrap(), Err(Untestable::UnequalUnits(200, 9)));
    }
}
