//! Which of several related bases is nearest to the target on the tree of descent, as far as the
//! values tell (guide/methods.md, section 10.3).

use rayon::prelude::*;

use super::distances::{Angle, Distances};
use super::sample::Sample;
use crate::model::words::words;
use crate::numeric::linalg::round6;
use crate::stats::shares::Places;

words! {
    /// How a related base stands to the target beside the other related bases.
    Kinship {
        /// Nearest of those asked: it, or a model near it that was not given, is where the target's
        /// way to the others begins.
        Nearest = "nearest",
        /// Nearest, or as near as others that are not told from it.
        Candidate = "candidate",
        /// Another base lies between it and the target: a sibling or a farther relative.
        Beside = "beside",
        /// The target lies between it and the nearest base.
        Beyond = "beyond",
        /// A sum of the target and another base.
        SumOfTarget = "sum_of_target",
    }
}

/// Why another base is nearer than one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Nearer {
    /// Seen from it, the other and the target lie in one direction, to this cosine.
    SameDirection(f64),
    /// The differences of both to the other are at right angles in every tensor: root mean square
    /// of the cosines.
    RightAngle(f64),
    /// The target holds values of the other and none of its own: share of the places in which the
    /// two differ.
    Kept(f64),
}

/// How one base stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    /// Place in the sample.
    pub base: usize,
    /// How it stands.
    pub kinship: Kinship,
    /// The base that is nearer, by its place in the sample, and why.
    pub nearer: Option<(usize, Nearer)>,
}

/// Two bases that the target, or a model near it, stands between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between {
    /// The bases; by their places in the sample, later by those in the ranking.
    pub bases: [usize; 2],
    /// Root mean square of the cosines of the tensors' angles at the target.
    pub figure: f64,
}

/// How relatives stand to the target.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Relatives {
    /// Each of them.
    pub standings: Vec<Standing>,
    /// Pairs of them that the target stands between.
    pub between: Vec<Between>,
}

/// Cosine from which on two models lie in one direction from a third: two trainings of one model
/// hardly go the same way to a fiftieth.
const SAME: f64 = 0.98;
/// Largest cosine, and root mean square of the tensors' cosines, at a right angle.
const RIGHT: f64 = 0.035;
/// Least cosine of the other two angles, so that they are no right angles.
const ACUTE: f64 = 0.15;
/// Share of places of a tensor that hold the values of a base, from which on it was kept.
const KEPT: f64 = 0.99;
/// Least share of all places that kept tensors hold.
const KEPT_SHARE: f64 = 0.02;
/// Units of rounding by which two bases differ in a place.
const DIFFER: f64 = 2.0;
/// Least number of places that two bases differ in, of a tensor that counts as kept.
const PLACES: u64 = 100;

/// How each of `bases`, places in the sample, stands to the target.
pub(crate) fn kinship(sample: &Sample, distances: &Distances, bases: &[usize]) -> Relatives {
    let target = sample.bases.len();
    let places = sample.places();
    let nearer_than = |base: usize| {
        let others = bases.iter().filter(|other| **other != base);
        let mut found = others.filter_map(|other| {
            nearer(&places, distances, [*other, base], target).map(|why| (*other, why))
        });
        found.next()
    };
    let mut standings: Vec<Standing> = bases
        .iter()
        .map(|base| {
            let nearer = nearer_than(*base);
            Standing {
                base: *base,
                kinship: if nearer.is_some() {
                    Kinship::Beside
                } else {
                    Kinship::Candidate
                },
                nearer,
            }
        })
        .collect();
    let is_candidate = |standing: &&Standing| standing.kinship == Kinship::Candidate;
    let candidates: Vec<usize> = standings
        .iter()
        .filter(is_candidate)
        .map(|standing| standing.base)
        .collect();
    if let &[only] = candidates.as_slice() {
        for standing in &mut standings {
            if standing.base == only {
                standing.kinship = Kinship::Nearest;
            } else if is_right(distances, target, [only, standing.base]).is_some() {
                standing.kinship = Kinship::Beyond;
            }
        }
    }
    let pairs = bases.iter().enumerate().flat_map(|(at, one)| {
        let later = bases[at + 1..].iter();
        later.map(move |other| [*one, *other])
    });
    let between = pairs.filter_map(|bases| {
        let figure = round6(is_right(distances, target, bases)?);
        Some(Between { bases, figure })
    });
    Relatives {
        between: between.collect(),
        standings,
    }
}

/// Why the first of two bases is nearer to the target than the second.
fn nearer(
    places: &[&Places],
    distances: &Distances,
    [one, other]: [usize; 2],
    target: usize,
) -> Option<Nearer> {
    // Bases that coincide are not told apart.
    let apart = distances.between(one, other);
    if apart <= 0.0 {
        return None;
    }
    if let Some(kept) = kept(places, [one, other]) {
        return Some(Nearer::Kept(round6(kept)));
    }
    let Angle { cosine, .. } = distances.angle(other, one, target)?;
    if cosine >= SAME && distances.between(one, target) < 0.25 * apart {
        return Some(Nearer::SameDirection(round6(cosine)));
    }
    is_right(distances, one, [target, other]).map(|spread| Nearer::RightAngle(round6(spread)))
}

/// Whether the differences of `ends` to `corner` are at right angles in every tensor and the other
/// two angles are not; their root mean square.
fn is_right(distances: &Distances, corner: usize, ends: [usize; 2]) -> Option<f64> {
    let [one, other] = ends;
    let at_corner = distances.angle(corner, one, other)?;
    let at_ends = [
        distances.angle(one, corner, other)?,
        distances.angle(other, corner, one)?,
    ];
    let is_right = at_corner.cosine.abs() <= RIGHT && at_corner.spread <= RIGHT;
    let is_acute = at_ends.iter().all(|angle| angle.cosine >= ACUTE);
    (is_right && is_acute).then_some(at_corner.spread)
}

/// Share of the places in which the two bases differ that lie in tensors which the target keeps as
/// the first has them; `None` where that is little, or where the second is kept anywhere.
fn kept(places: &[&Places], bases: [usize; 2]) -> Option<f64> {
    let count = |places: &&Places| {
        let [one, other] = bases.map(|base| &places.values[base]);
        let (mut differ, mut equal) = (0u64, [0u64; 2]);
        for ((one, other), target) in one.iter().zip(other).zip(places.target()) {
            let apart = (f64::from(*one) - f64::from(*other)).abs();
            if apart > 0.0 && apart >= DIFFER * places.grid.unit(*one) {
                differ += 1;
                equal[0] += u64::from(one == target);
                equal[1] += u64::from(other == target);
            }
        }
        (differ, equal)
    };
    let counts: Vec<(u64, [u64; 2])> = places.par_iter().map(count).collect();
    let mut all = 0;
    let mut kept = [0; 2];
    for (differ, equal) in counts {
        all += differ;
        for (kept, equal) in kept.iter_mut().zip(equal) {
            if differ >= PLACES && equal as f64 >= KEPT * differ as f64 {
                *kept += differ;
            }
        }
    }
    let share = kept[0] as f64 / all.max(1) as f64;
    (kept[1] == 0 && share >= KEPT_SHARE).then_some(share)
}
