//! The target as several bases in one, and how that is said.

use crate::report::number;
use crate::stats::mixture::Mixture;

use super::family::{Family, Mixtures};

/// The target as a merge of several related bases.
pub(super) enum Merge {
    /// It is none.
    No,
    /// A weighted sum: bases in the order of the ranking with their weights, and what is
    /// unexplained.
    Sum(Vec<(usize, f64)>, f64),
    /// Layers taken from several bases: bases in the order of the ranking with their layers.
    Layers(Vec<(usize, Vec<u32>)>),
}

impl Merge {
    /// What the mixtures come to. `ranking` holds the numbers of all bases; `is_related` tells
    /// whether the verdict on a base is that it shares weights: a merge is claimed of such bases
    /// alone.
    pub(super) fn of(
        mixtures: &Mixtures,
        family: &Family<'_>,
        ranking: &[usize],
        is_related: &dyn Fn(usize) -> bool,
    ) -> Self {
        let ranked = family.ranked(ranking);
        let related = |at: &usize| is_related(family.bases[*at]);
        let ingredients = mixtures
            .overall
            .as_ref()
            .map(Mixture::ingredients)
            .unwrap_or_default();
        if let Some(mixture) = mixtures
            .overall
            .as_ref()
            .filter(|_| !ingredients.is_empty())
        {
            if !ingredients.iter().all(related) {
                return Self::No;
            }
            let weights = ranked.iter().filter(|at| ingredients.contains(at));
            let weights = weights.map(|&at| (family.bases[at], mixture.weights[at]));
            return Self::Sum(weights.collect(), mixture.unexplained);
        }
        if mixtures.sources.is_empty() || !mixtures.sources.iter().all(|(_, at)| related(at)) {
            return Self::No;
        }
        let layers = |at: &usize| -> Vec<u32> {
            mixtures
                .sources
                .iter()
                .filter(|(_, source)| source == at)
                .map(|(layer, _)| *layer)
                .collect()
        };
        let taken = ranked.iter().map(|at| (family.bases[*at], layers(at)));
        Self::Layers(taken.filter(|(_, layers)| !layers.is_empty()).collect())
    }

    /// Numbers of the bases.
    pub(super) fn bases(&self) -> Vec<usize> {
        match self {
            Self::No => Vec::new(),
            Self::Sum(weights, _) => weights.iter().map(|w| w.0).collect(),
            Self::Layers(taken) => taken.iter().map(|t| t.0).collect(),
        }
    }

    /// The merge in words, by the names of all bases, with a space before.
    pub(super) fn sentence(&self, names: &[String]) -> Option<String> {
        match self {
            Self::No => None,
            Self::Sum(weights, unexplained) => {
                let terms = weights
                    .iter()
                    .map(|(base, weight)| format!("{weight:.2} x {}", names[*base]));
                let sum = terms.collect::<Vec<_>>().join(" + ");
                Some(format!(
                    " It is a weighted sum of bases: {sum}, with {} unexplained.",
                    percent(*unexplained)
                ))
            }
            Self::Layers(taken) => {
                let one = |(base, layers): &(usize, Vec<u32>)| {
                    format!(
                        "{} of {}",
                        number::ranges(layers.iter().copied()),
                        names[*base]
                    )
                };
                let words = taken.iter().map(one).collect::<Vec<_>>().join(", ");
                Some(format!(" Its layers are those of several bases: {words}."))
            }
        }
    }
}

/// A share of 1 in percent, with digits enough to be told from 0.
fn percent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "nothing".to_owned(),
        p if p < 0.01 => "less than 0.01 %".to_owned(),
        p => format!("{p:.2} %"),
    }
}
