//! What several bases tell together: shares of a mixture, origins of layers, the nearest of
//! relatives, coordinates, controls.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::evidence::several::among::Among;
use crate::evidence::several::distances::Distances;
use crate::evidence::several::kinship::{self, Between, Kinship};
use crate::evidence::several::origins::{LayerOrigin, OriginTerm, origins};
use crate::evidence::several::sample::Sample;
use crate::evidence::several::shares::{Mixed, Share, Shares, mixed};
use crate::model::warning::{Noted, Warning};
use crate::results::rank::{BaseControl, Kin, Merge, Run, Taken, Term};
use crate::stats::coordinates::Coordinates;
use crate::stats::levels::{ALIKE_EXCESS, SHARE_ERROR, SHARE_UNEXPLAINED};
use crate::verdict::decide::Label;

use super::compare::leading_component;
use super::mixed_layers::mixed_layers;
use super::rank::{Held, Looked};

/// Least share of the squared distances that two coordinates must hold to be shown.
const SHOWN: f64 = 0.5;

/// What several bases tell together; bases are given by their places in the ranking.
pub(super) struct Together {
    pub(super) family: Vec<usize>,
    pub(super) coordinates: Option<Coordinates>,
    pub(super) controls: Option<Vec<BaseControl>>,
    pub(super) mixed: Mixed,
    pub(super) kinship: Vec<Kin>,
    pub(super) between: Vec<Between>,
    /// Bases whose verdict is that they are relatives, and that no geometry is asked of.
    outside: Vec<usize>,
    pub(super) origins: Option<Vec<LayerOrigin>>,
}

impl Together {
    /// Looks at all bases, which are `held` in the order of the ranking.
    pub(super) fn look(looked: &Looked<'_>, held: &[Held]) -> Result<Self> {
        let numbers: Vec<usize> = (0..held.len()).collect();
        let place_of: BTreeMap<usize, usize> = held
            .iter()
            .enumerate()
            .map(|(place, base)| (base.number, place))
            .collect();
        let places = |sample: &Sample| -> Vec<usize> {
            let places = sample.bases.iter().map(|number| place_of[number]);
            places.collect()
        };

        let sample = looked.sample(&numbers)?;
        let in_sample = places(&sample);
        let mut ranked: Vec<usize> = (0..in_sample.len()).collect();
        ranked.sort_by_key(|at| in_sample[*at]);
        let among = Among::of(&sample);
        let controls = controls(&among, &ranked, &in_sample);
        let mut out = Self {
            family: ranked.iter().map(|at| in_sample[*at]).collect(),
            coordinates: among.coordinates(&ranked).filter(|found| {
                let is_related = held.iter().any(|base| base.standing.label.is_related());
                is_related && found.explained.iter().sum::<f64>() >= SHOWN
            }),
            controls,
            mixed: Mixed::default(),
            kinship: Vec::new(),
            between: Vec::new(),
            outside: Vec::new(),
            origins: layer_origins(looked, held)?,
        };

        let related = |base: &&Held| base.standing.label.is_related();
        let related: Vec<usize> = held
            .iter()
            .filter(related)
            .map(|base| base.number)
            .collect();
        let is_same = held
            .iter()
            .any(|base| matches!(base.standing.label, Label::Identical | Label::ReEncoded));
        if related.len() < 2 || is_same {
            return Ok(out);
        }
        let is_all = related.len() == sample.bases.len()
            && related.iter().all(|number| sample.bases.contains(number));
        let sample = if is_all {
            sample
        } else {
            looked.sample(&related)?
        };
        let in_sample = places(&sample);
        out.relatives(&sample, &in_sample, looked, held);
        Ok(out)
    }

    /// What the values of relatives tell together.
    fn relatives(
        &mut self,
        sample: &Sample,
        in_sample: &[usize],
        looked: &Looked<'_>,
        held: &[Held],
    ) {
        let distances = Distances::of(sample);
        let target = sample.bases.len();
        let mut nearest: Vec<usize> = (0..target).collect();
        nearest.sort_by(|a, b| {
            let [a, b] = [a, b].map(|base| distances.between(*base, target));
            a.total_cmp(&b)
        });
        let leading = leading_component(looked.target);
        let mixed = mixed(sample, &nearest, leading);

        let is_in_place = |at: &usize| {
            let base = &held[in_sample[*at]];
            let is_alike = base
                .standing
                .excess
                .is_some_and(|excess| excess >= ALIKE_EXCESS);
            base.standing.label == Label::Derived && is_alike
        };
        let is_sum = |at: &usize| mixed.sums_of_target.iter().any(|(sum, _)| sum == at);
        let asked: Vec<usize> = (0..target)
            .filter(|at| is_in_place(at) && !is_sum(at))
            .collect();
        let place = |at: usize| in_sample[at];
        if asked.len() > 1 {
            let relatives = kinship::kinship(sample, &distances, &asked);
            let between = relatives.between.into_iter();
            self.between = between
                .map(|between| Between {
                    bases: between.bases.map(place),
                    ..between
                })
                .collect();
            self.kinship = relatives
                .standings
                .into_iter()
                .map(|standing| Kin {
                    base: place(standing.base),
                    kinship: standing.kinship,
                    nearer: standing.nearer.map(|(base, why)| (place(base), why)),
                })
                .collect();
            self.kinship.sort_by_key(|kin| kin.base);
        } else {
            self.outside.extend(asked.iter().map(|at| place(*at)));
        }
        let known: BTreeSet<usize> = (0..target)
            .filter(|at| is_in_place(at) || is_sum(at))
            .map(place)
            .collect();
        let derived = held.iter().enumerate();
        let derived = derived.filter(|(_, base)| base.standing.label == Label::Derived);
        let outside = derived.map(|(place, _)| place);
        self.outside
            .extend(outside.filter(|place| !known.contains(place)));
        self.mixed = mixed.renamed(&place);
        // In a merge every parent is one, and distances tell nothing of descent.
        if self.merge().is_some() {
            self.kinship.clear();
            self.between.clear();
        }
    }

    /// The bases that are nearest to the target, as far as this is told.
    pub(super) fn candidates(&self) -> Vec<usize> {
        let is_near = |kin: &&Kin| matches!(kin.kinship, Kinship::Nearest | Kinship::Candidate);
        let near = self.kinship.iter().filter(is_near).map(|kin| kin.base);
        let mut out: Vec<usize> = near.chain(self.outside.iter().copied()).collect();
        out.sort_unstable();
        out
    }

    /// The target as a merge.
    pub(super) fn merge(&self) -> Option<Merge> {
        let shares = self.mixed.shares.as_ref();
        if let Some(shares) = shares.filter(|shares| shares.is_even) {
            return Some(Merge::Sum {
                terms: terms(shares, &shares.overall),
                unexplained: shares.overall.unexplained,
                rule: shares.rule,
            });
        }
        let stacked = self.stacked();
        stacked
            .or_else(|| shares.and_then(runs))
            .or_else(|| self.mixed.sparse.clone().map(Merge::Sparse))
    }

    /// Layers that come from several bases.
    fn stacked(&self) -> Option<Merge> {
        let mut taken: Vec<Taken> = Vec::new();
        for origin in self.origins.iter().flatten() {
            let most = origin.terms.iter().copied().reduce(|most, term| {
                if term.weight > most.weight {
                    term
                } else {
                    most
                }
            });
            let from = most.map(|most| (most.base, most.layer)).or(origin.from);
            let Some((base, base_layer)) = from else {
                continue;
            };
            let terms: Vec<Term> = origin.terms.iter().map(term_of_layer).collect();
            let follows = taken.last().is_some_and(|last: &Taken| {
                let next = last
                    .layers
                    .last()
                    .map(|layers| (layers.0 + 1, layers.1 + 1));
                let is_next = next == Some((origin.layer, base_layer));
                last.base == base && is_next && is_like(&last.terms, &terms)
            });
            match taken.last_mut().filter(|_| follows) {
                Some(last) => last.layers.push((origin.layer, base_layer)),
                None => taken.push(Taken {
                    base,
                    layers: vec![(origin.layer, base_layer)],
                    terms,
                }),
            }
        }
        let bases: BTreeSet<usize> = taken.iter().flat_map(Taken::bases).collect();
        (bases.len() > 1).then_some(Merge::Layers(taken))
    }

    /// What is odd of several bases together.
    pub(super) fn warnings(&self, held: &[Held]) -> Vec<Noted> {
        let name = |place: usize| held[place].name.clone();
        let mixed = &self.mixed;
        let alike = mixed
            .not_told_apart
            .map(|(one, other)| Warning::MixtureNotUnique {
                bases: [name(one), name(other)],
            });
        let line = mixed.on_a_line.map(|bases| Warning::SumNotTold {
            bases: bases.map(name),
        });
        alike.into_iter().chain(line).map(Noted::from).collect()
    }
}

fn terms(shares: &Shares, share: &Share) -> Vec<Term> {
    let figures = share.weights.iter().zip(&share.errors);
    let terms = shares.terms.iter().zip(figures);
    terms
        .map(|(base, (weight, error))| Term {
            base: *base,
            weight: *weight,
            error: *error,
        })
        .collect()
}

fn term_of_layer(term: &OriginTerm) -> Term {
    Term {
        base: term.base,
        weight: term.weight,
        error: term.error,
    }
}

/// Whether two layers have the same shares within their errors.
fn is_like(one: &[Term], other: &[Term]) -> bool {
    let is_near = |(a, b): (&Term, &Term)| {
        let error = a.error.hypot(b.error);
        a.base == b.base && (a.weight - b.weight).abs() <= 2.0 * error + 0.005
    };
    one.len() == other.len() && one.iter().zip(other).all(is_near)
}

/// Layers that follow one another and have the same shares within their errors, put together;
/// `None` where no layer's shares are told.
fn runs(shares: &Shares) -> Option<Merge> {
    let is_told = |share: &&Share| {
        let is_sure = share.errors.iter().all(|error| *error < SHARE_ERROR);
        is_sure && share.unexplained < SHARE_UNEXPLAINED
    };
    let mut runs: Vec<Run> = Vec::new();
    for (layer, share) in &shares.by_layer {
        let Some(share) = share.as_ref().filter(is_told) else {
            continue;
        };
        let terms = terms(shares, share);
        match runs
            .last_mut()
            .filter(|run| run.last + 1 == *layer && is_like(&run.terms, &terms))
        {
            Some(run) => run.last = *layer,
            None => runs.push(Run {
                first: *layer,
                last: *layer,
                terms,
            }),
        }
    }
    (!runs.is_empty()).then_some(Merge::Runs(runs))
}

/// Each base of the family beside the base it is most like, in the order of the ranking.
fn controls(among: &Among, ranked: &[usize], places: &[usize]) -> Option<Vec<BaseControl>> {
    if ranked.len() < 2 {
        return None;
    }
    let found = among.controls();
    let control = |at: &usize| {
        let control = found[*at].as_ref()?;
        Some(BaseControl {
            base: places[*at],
            nearest: places[control.nearest],
            cosine: control.cosine,
            excess: control.excess,
            lowest: control.lowest,
        })
    };
    let controls: Vec<BaseControl> = ranked.iter().filter_map(control).collect();
    (!controls.is_empty()).then_some(controls)
}

/// Origins of the layers of the leading component, where any base shares weights with the target.
///
/// # Errors
/// A read that fails, or an interrupt.
fn layer_origins(looked: &Looked<'_>, held: &[Held]) -> Result<Option<Vec<LayerOrigin>>> {
    let Some(leading) = leading_component(looked.target) else {
        return Ok(None);
    };
    let related = held.iter().enumerate();
    let related = related.filter(|(_, base)| base.standing.label.is_related());
    let related: Vec<_> = related
        .map(|(place, base)| {
            let comparison = &base.comparison;
            (place, &comparison.parts[..], &comparison.layers[..])
        })
        .collect();
    let mut found = origins(&related, leading);
    if found.is_empty() {
        return Ok(None);
    }
    let mut mixed = mixed_layers(looked, held, &related, leading)?;
    for origin in &mut found {
        origin.terms = mixed.remove(&origin.layer).unwrap_or_default();
    }
    Ok(Some(found))
}
