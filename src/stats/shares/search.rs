//! Which of the bases are the terms of the sum?

use std::collections::BTreeMap;

use super::Places;
use super::fit::{Fit, fit_in_short};
use super::form::left_by_sphere;
use crate::stats::levels::{MERGE_LEFT, SHARE_ERROR};

/// Terms of a sum at most.
const TERMS: usize = 6;
/// Sets of terms that are followed further.
const KEPT: usize = 6;
/// Places that are enough to choose the terms by.
const PLACES: usize = 1 << 18;
/// Least share of a term.
const LEAST: f64 = 0.02;
/// Standard errors by which a share must differ from 0.
const ERRORS: f64 = 3.0;
/// A further term must leave less than this share of what was left.
const FURTHER: f64 = 0.5;
/// Two bases of which one leaves no more than this beyond what the other leaves, in its place, are
/// not told apart.
const AS_GOOD: f64 = 1.1;

/// What the search found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// Terms of a sum.
    Terms(Vec<usize>),
    /// There are terms, and one of them could as well be another base.
    NotToldApart(usize, usize),
}

/// The terms of a sum of at least two of the `bases` that explains the target, group by group;
/// `None` where there is none. Places of one group have one set of shares.
pub(crate) fn search(places: &[Places], bases: &[usize]) -> Option<Found> {
    let all: usize = places.iter().map(Places::len).sum();
    let step = all.div_ceil(PLACES).max(1);
    let thinned: Vec<Places> = places.iter().map(|places| places.thinned(step)).collect();
    let look = Look::new(&thinned);

    let mut sets: Vec<Candidate> = Vec::new();
    for (i, one) in bases.iter().enumerate() {
        let pairs = bases[i + 1..].iter().map(|other| vec![*one, *other]);
        sets.extend(pairs.filter_map(|terms| look.candidate(terms)));
    }
    let mut best: Option<Candidate> = None;
    loop {
        sets.sort_by(|a, b| a.left.total_cmp(&b.left).then(a.terms.cmp(&b.terms)));
        sets.dedup_by(|a, b| a.terms == b.terms);
        sets.truncate(KEPT);
        let found = sets.iter().find(|set| set.explains());
        match (&best, found) {
            // What is left is rounding, or what no further base explains.
            (Some(known), found) => {
                let is_better = |found: &&Candidate| found.excess() < FURTHER * known.excess();
                match found.filter(is_better) {
                    Some(found) => best = Some(found.clone()),
                    None => break,
                }
            }
            (None, Some(found)) => best = Some(found.clone()),
            // Along the sphere there are two terms, and straight lines take more to follow it.
            (None, None) => {
                if let Some(terms) = look.on_sphere(&sets) {
                    return Some(Found::Terms(terms));
                }
            }
        }
        let size = sets.first().map_or(TERMS, |set| set.terms.len());
        if size >= TERMS || best.as_ref().is_some_and(|best| best.excess() == 0.0) {
            break;
        }
        let more = sets.iter().flat_map(|set| set.with_one_more(bases));
        sets = more.filter_map(|terms| look.candidate(terms)).collect();
        if sets.is_empty() {
            break;
        }
    }
    let best = best?;
    Some(match look.twin(&best, bases) {
        Some((one, other)) => Found::NotToldApart(one, other),
        None => Found::Terms(best.terms),
    })
}

/// A set of terms, fitted group by group.
#[derive(Debug, Clone)]
struct Candidate {
    /// In rising order.
    terms: Vec<usize>,
    /// Squared distance that is left, rounding included.
    residual: f64,
    /// Squared distance that rounding leaves, once a term and once more.
    forgiven: f64,
    /// What is left beyond rounding, over the same of the nearest term.
    left: f64,
    /// Whether every term has a share of its own in some group.
    is_whole: bool,
}

impl Candidate {
    fn explains(&self) -> bool {
        self.is_whole && self.left < MERGE_LEFT
    }

    fn excess(&self) -> f64 {
        (self.residual - self.forgiven).max(0.0)
    }

    fn with_one_more<'a>(&'a self, bases: &'a [usize]) -> impl Iterator<Item = Vec<usize>> + 'a {
        let others = bases.iter().filter(|base| !self.terms.contains(base));
        others.map(|base| {
            let mut terms = self.terms.clone();
            terms.push(*base);
            terms.sort_unstable();
            terms
        })
    }
}

/// The places of each group.
struct Look<'a> {
    groups: BTreeMap<usize, Vec<&'a Places>>,
}

impl<'a> Look<'a> {
    fn new(places: &'a [Places]) -> Self {
        let mut groups: BTreeMap<usize, Vec<&Places>> = BTreeMap::new();
        for places in places {
            groups.entry(places.group).or_default().push(places);
        }
        Self { groups }
    }

    /// `None` where the terms are not told apart in any group.
    fn candidate(&self, terms: Vec<usize>) -> Option<Candidate> {
        let fits = self.groups.values();
        let fits: Vec<Fit> = fits
            .filter_map(|group| fit_in_short(group, &terms))
            .collect();
        if fits.is_empty() {
            return None;
        }
        let sum = |figure: &dyn Fn(&Fit) -> f64| fits.iter().map(figure).sum::<f64>();
        let forgiven = (terms.len() + 1) as f64 * sum(&|fit| fit.rounding);
        let residual = sum(&|fit| fit.residual);
        // One base stands beside the sum in all groups: the nearest of all, not of each.
        let distance = |at: usize| sum(&|fit| fit.distances[at]);
        let distances = (0..terms.len()).map(distance);
        let nearest = distances.fold(f64::INFINITY, f64::min);
        let beyond = nearest - forgiven;
        let has_share = |at: usize| {
            fits.iter().any(|fit| {
                let (weight, error) = (fit.weights[at].abs(), fit.errors[at]);
                weight >= LEAST && weight > ERRORS * error && error < SHARE_ERROR
            })
        };
        Some(Candidate {
            residual,
            forgiven,
            left: if beyond > 0.0 {
                (residual - forgiven).max(0.0) / beyond
            } else {
                1.0
            },
            is_whole: (0..terms.len()).all(has_share),
            terms,
        })
    }

    /// The first of the pairs that explains the target by spherical interpolation.
    fn on_sphere(&self, sets: &[Candidate]) -> Option<Vec<usize>> {
        let places: Vec<&Places> = self.groups.values().flatten().copied().collect();
        let explains = |set: &&Candidate| match set.terms[..] {
            [one, other] => left_by_sphere(&places, [one, other]) < MERGE_LEFT,
            _ => false,
        };
        let found = sets.iter().filter(|set| set.is_whole).find(explains);
        found.map(|set| set.terms.clone())
    }

    /// A term and another base that explains as much in its place.
    fn twin(&self, best: &Candidate, bases: &[usize]) -> Option<(usize, usize)> {
        for term in &best.terms {
            for other in bases.iter().filter(|base| !best.terms.contains(base)) {
                let mut terms = best.terms.clone();
                terms.retain(|kept| kept != term);
                terms.push(*other);
                terms.sort_unstable();
                let Some(swapped) = self.candidate(terms) else {
                    continue;
                };
                if swapped.residual <= AS_GOOD * best.residual && swapped.explains() {
                    return Some((*term, *other));
                }
            }
        }
        None
    }
}
