//! `wcmp rank`: which of these bases is the target made from, or from none?

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::align::shared::{Shared, shared};
use crate::align::{Alignment, Pair, Why};
use crate::error::Result;
use crate::evidence::family::{Family, FamilyTensor, MixtureTable};
use crate::evidence::finding::PcaSummary;
use crate::evidence::part::{Part, State};
use crate::evidence::parts::class_of;
use crate::format::open::Opened;
use crate::measure::monitor::Monitor;
use crate::measure::record::Record;
use crate::measure::{Duo, Measured, MeasuredGroups, measure_groups};
use crate::model::sides::{Side, Sides};
use crate::model::warning::{About, Noted, Warning};
use crate::model::words::{Class, Component};
use crate::results::compare::Comparison;
use crate::results::rank::{
    BaseControl, Conclusion, Merge, RankedBase, Ranking, SubspaceSummary, UnitSummary,
};
use crate::stats::mixture::Mixture;
use crate::verdict::decide::Label;
use crate::verdict::ranking::{Standing, conclusion, criteria};
use crate::verdict::reasons::Reason;
use crate::view::logical::{Logical, Via};
use crate::view::model::Model;

use super::compare::{aligned, analyse, leading_component};
use super::options::{Hashing, Options};
use super::{incomplete, several};

/// Holds every base against the target. Runs on the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub fn rank(
    mut target: Opened,
    mut bases: Vec<Opened>,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Ranking> {
    let all = bases.iter_mut().chain([&mut target]);
    let options = &several::choose(all, options)?;
    let mut target = Model::with_tokenizer(target);
    let mut bases: Vec<Model> = bases.into_iter().map(Model::with_tokenizer).collect();
    bases
        .iter_mut()
        .chain([&mut target])
        .for_each(incomplete::note_missing_layers);
    let alignments: Vec<Alignment> = bases
        .iter()
        .map(|base| aligned([base, &target], options))
        .collect::<Result<_>>()?;
    for (base, alignment) in bases.iter_mut().zip(&alignments) {
        alignment
            .pairs
            .iter()
            .for_each(|pair| base.adopt(&pair.base));
    }
    adopt_layout(&mut target, &alignments);
    let plan = Plan::new(&alignments);
    let models: Vec<&Model> = bases.iter().chain([&target]).collect();
    let measured = measure_groups(
        &models,
        &plan.groups,
        options.hash == Hashing::Sha256,
        monitor,
    )?;
    let family = plan.family(&alignments, &measured);
    let mut names = names(&models);
    let target_name = names.pop().unwrap_or_default();

    let mut held = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let models = [&bases[number], &target];
        let measured = plan.of_pair(&measured, number);
        let comparison = analyse(models, &alignments[number], &measured, options, monitor)?;
        held.push(Held {
            number,
            name,
            standing: standing(&comparison, &target),
            comparison,
        });
    }
    held.sort_by(Held::order);
    Ok(ranking(
        held,
        target_name,
        &family,
        leading_component(&target),
    ))
}

/// Takes over how the target is read: from the first base that shows an order of its own, for that
/// is a base it is like, and from the others what it does not tell.
fn adopt_layout(target: &mut Model, alignments: &[Alignment]) {
    let shows = alignments
        .iter()
        .find(|alignment| !alignment.warnings.is_empty());
    shows
        .iter()
        .flat_map(|alignment| &alignment.pairs)
        .for_each(|pair| target.adopt(&pair.target));
    for pair in alignments.iter().flat_map(|alignment| &alignment.pairs) {
        if target.at(&pair.target.place()).is_none() {
            target.adopt(&pair.target);
        }
    }
}

/// What is measured, and where it is found again.
struct Plan<'a> {
    /// Duos of one tensor of the target each; model numbers are those of the bases, then the
    /// target.
    groups: Vec<Vec<Duo<'a>>>,
    /// Group and place in it of each pair of each base.
    pairs: Vec<Vec<(usize, usize)>>,
    /// Which bases share matrices with the target.
    shared: Shared,
    /// Group of each shared matrix, and place of its first duo of two bases.
    between: Vec<(usize, usize)>,
}

impl<'a> Plan<'a> {
    fn new(alignments: &'a [Alignment]) -> Self {
        let target = alignments.len();
        let mut groups: Vec<Vec<Duo<'a>>> = Vec::new();
        let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
        let mut pairs = Vec::new();
        for (base, alignment) in alignments.iter().enumerate() {
            let mut places = Vec::new();
            for pair in &alignment.pairs {
                let group = *by_name.entry(pair.target.name.as_str()).or_insert_with(|| {
                    groups.push(Vec::new());
                    groups.len() - 1
                });
                places.push((group, groups[group].len()));
                groups[group].push(Duo {
                    models: Sides { base, target },
                    pair: Cow::Borrowed(pair),
                });
            }
            pairs.push(places);
        }
        let shared = shared(alignments);
        let mut between = Vec::new();
        for tensor in &shared.tensors {
            let sides: Vec<(usize, &Arc<Logical>)> = shared
                .bases
                .iter()
                .zip(tensor)
                .map(|(&base, &at)| (base, &alignments[base].pairs[at].base))
                .collect();
            let group = pairs[shared.bases[0]][tensor[0]].0;
            between.push((group, groups[group].len()));
            for (i, (first, base)) in sides.iter().enumerate() {
                for (second, other) in &sides[i + 1..] {
                    let pair = Pair {
                        base: Arc::clone(base),
                        target: Arc::clone(other),
                        via: Via::Stored,
                        by_name: false,
                    };
                    groups[group].push(Duo {
                        models: Sides {
                            base: *first,
                            target: *second,
                        },
                        pair: Cow::Owned(pair),
                    });
                }
            }
        }
        Self {
            groups,
            pairs,
            shared,
            between,
        }
    }

    /// What was measured of one base and the target.
    fn of_pair(&self, measured: &MeasuredGroups, base: usize) -> Measured {
        let records = self.pairs[base]
            .iter()
            .map(|&(group, at)| measured.records[group][at].clone());
        let models = Sides {
            base,
            target: self.pairs.len(),
        };
        let digests = models.map(|model| measured.digests[model].clone());
        Measured {
            records: records.collect(),
            digests,
        }
    }

    /// The matrices that count as evidence for every base that shares them.
    fn family(&self, alignments: &'a [Alignment], measured: &'a MeasuredGroups) -> Family<'a> {
        let bases = &self.shared.bases;
        let mut tensors = Vec::new();
        for (tensor, &(group, first)) in self.shared.tensors.iter().zip(&self.between) {
            let pairs: Vec<&Pair> = bases
                .iter()
                .zip(tensor)
                .map(|(&base, &at)| &alignments[base].pairs[at])
                .collect();
            let places = bases
                .iter()
                .zip(tensor)
                .map(|(&base, &at)| self.pairs[base][at]);
            let with_target: Vec<&Record> = places
                .map(|(group, at)| &measured.records[group][at])
                .collect();
            if pairs
                .iter()
                .zip(&with_target)
                .any(|(pair, record)| class_of(pair, record) != Class::Matrix)
            {
                continue;
            }
            let count = bases.len() * bases.len().saturating_sub(1) / 2;
            let between: Vec<&Record> = measured.records[group][first..first + count]
                .iter()
                .collect();
            let target: &Logical = &pairs[0].target;
            tensors.push((
                target,
                FamilyTensor {
                    with_target,
                    between,
                    elements: target.elements(),
                },
            ));
        }
        Family {
            bases: bases.clone(),
            tensors,
        }
    }
}

/// One base held against the target.
struct Held {
    /// Number among the bases as given.
    number: usize,
    /// Name, told from those of the others.
    name: String,
    standing: Standing,
    comparison: Comparison,
}

impl Held {
    /// The better evidence first, then by name and number.
    fn order(&self, other: &Self) -> Ordering {
        let by_evidence = self.standing.order(&other.standing);
        by_evidence
            .then_with(|| self.name.cmp(&other.name))
            .then(self.number.cmp(&other.number))
    }
}

/// Names for people, the bases' and then the target's; where two models have one, their paths.
fn names(models: &[&Model]) -> Vec<String> {
    let all: Vec<&str> = models
        .iter()
        .map(|m| m.checkpoint().name.as_str())
        .collect();
    let name = |model: &&Model| {
        let checkpoint = model.checkpoint();
        let alone = all.iter().filter(|name| **name == checkpoint.name).count() == 1;
        if alone {
            checkpoint.name.clone()
        } else {
            checkpoint.path.to_string_lossy().into_owned()
        }
    };
    models.iter().map(name).collect()
}

/// How a base stands to the target, from what was said of the two.
fn standing(comparison: &Comparison, target: &Model) -> Standing {
    let similarity = &comparison.similarity;
    let subspaces = comparison.pca.as_ref();
    Standing {
        label: comparison.verdict.label,
        log10_p: comparison.units.as_ref().and_then(|units| units.log10_p),
        excess: similarity.matrix_excess,
        mean_cosine: similarity.mean_cosine,
        identical: similarity.identical_informative,
        informative: informative(comparison, target),
        subspaces: subspaces.map(|pca| (pca.summary == PcaSummary::Orthogonal, pca.median_excess)),
        layers: leading_layers(comparison, target),
    }
}

/// Informative tensors of the target, compared or left over. Matrices that an adapter changes are
/// made of the base itself and do not count.
fn informative(comparison: &Comparison, target: &Model) -> u64 {
    let adapter = comparison.adapter.as_ref();
    let changes = adapter.map_or(&[][..], |adapter| &adapter.changes);
    let changed: BTreeSet<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    let compared = comparison.tensors.iter().filter(|tensor| {
        tensor.class != Class::Uninformative && !changed.contains(tensor.pair.base.name.as_str())
    });

    let left = comparison.unmatched.target.iter();
    let left: BTreeSet<&str> = left
        .filter(|left| left.why != Why::Filtered)
        .map(|left| left.tensor.name.as_str())
        .collect();
    let alone = target.logicals.iter().filter(|logical| {
        logical.meaning.class != Class::Uninformative && left.contains(logical.name.as_str())
    });
    (compared.count() + alone.count()) as u64
}

/// Matrix cosines of the layers of the leading component, in layer order; none of an adapter, whose
/// layers are made of the base itself.
fn leading_layers(comparison: &Comparison, target: &Model) -> Vec<f64> {
    let adapter = comparison.adapter.as_ref();
    if adapter.is_some_and(|adapter| !adapter.changes.is_empty()) {
        return Vec::new();
    }
    let leading = leading_component(target);
    let layers = comparison.layers.iter();
    layers
        .filter(|layer| Some(layer.component) == leading)
        .filter_map(|layer| layer.similarity.matrix_cosine)
        .collect()
}

/// The answer over all bases, which are in the order of the ranking.
fn ranking(
    held: Vec<Held>,
    target_name: String,
    family: &Family<'_>,
    leading: Option<Component>,
) -> Ranking {
    let order: Vec<usize> = held.iter().map(|base| base.number).collect();
    let ranked = family.ranked(&order);
    let mixtures = family.mixtures(leading).in_order(&ranked);
    // Places in the ranking of the bases of the family, in their order.
    let places: Vec<usize> = (0..order.len())
        .filter(|place| family.bases.contains(&order[*place]))
        .collect();
    let standings: Vec<Standing> = held.iter().map(|base| base.standing.clone()).collect();
    let labels: Vec<Label> = standings.iter().map(|standing| standing.label).collect();
    let label = conclusion(&labels);
    let merge = merge(&mixtures, &places, &labels);

    let mut warnings = warnings(&held, label);
    if mixtures.overall.as_ref().is_some_and(|m| !m.identifiable) {
        warnings.push(Noted::from(Warning::MixtureNotUnique));
    }
    let merged = merge.as_ref().map(Merge::bases).unwrap_or_default();
    let of_bases = held.iter().flat_map(|held| {
        let left = held.comparison.left_aside.base.iter();
        left.map(|left| (held.name.clone(), left.clone()))
    });
    let of_target = held
        .iter()
        .take(1)
        .flat_map(|held| &held.comparison.left_aside.target);
    let of_target = of_target.map(|left| ("target".to_owned(), left.clone()));
    let left_aside = of_target.chain(of_bases).collect();
    Ranking {
        settings: held[0].comparison.settings.clone(),
        target: held[0].comparison.checkpoints.target.clone(),
        target_name,
        criteria: criteria(&standings),
        conclusion: Conclusion {
            label,
            base: labels
                .iter()
                .position(|of_base| label.is_related() && *of_base == label),
            related: labels.iter().filter(|label| label.is_related()).count(),
            merge,
        },
        coordinates: family.coordinates(&ranked),
        controls: controls(family, &ranked, &places),
        mixture: mixtures.overall.is_some().then_some(mixtures),
        family: places,
        left_aside,
        warnings,
        bases: held
            .into_iter()
            .enumerate()
            .map(|(place, base)| ranked_base(base, merged.contains(&place)))
            .collect(),
    }
}

fn ranked_base(held: Held, is_merged: bool) -> RankedBase {
    let Comparison {
        checkpoints,
        coverage,
        similarity,
        reading,
        units,
        pca,
        mut verdict,
        findings,
        parts,
        ..
    } = held.comparison;
    // Said once, of the conclusion.
    verdict
        .reasons
        .retain(|reason| *reason != Reason::NoDirection);
    RankedBase {
        name: held.name,
        checkpoint: checkpoints.base,
        coverage,
        similarity,
        reading,
        units: units.map(|units| UnitSummary {
            log10_p: units.log10_p,
            probes: units.probes,
            hits: units.hits,
        }),
        subspaces: pca.map(|pca| SubspaceSummary {
            summary: pca.summary,
            median_excess: pca.median_excess,
        }),
        verdict,
        reused: reused(&parts),
        findings,
        is_merged,
    }
}

/// Share of the matrix parameters in parts that are the base's; none where there is no part.
fn reused(parts: &[Part]) -> Option<f64> {
    let sum = |parts: &mut dyn Iterator<Item = &Part>| {
        parts.fold(0u64, |sum, part| sum.saturating_add(part.parameters))
    };
    let whole = sum(&mut parts.iter());
    let reused = sum(&mut parts.iter().filter(|part| part.state == State::Reused));
    (whole > 0).then(|| reused as f64 / whole as f64)
}

/// The target as a merge of several bases; claimed of such bases alone whose verdict is that they
/// share weights. `places` are those of the family's bases in the ranking, whose labels are given.
fn merge(mixtures: &MixtureTable, places: &[usize], labels: &[Label]) -> Option<Merge> {
    let is_related = |at: &usize| labels[places[*at]].is_related();
    let ingredients = mixtures.overall.as_ref().map(Mixture::ingredients);
    let ingredients = ingredients.unwrap_or_default();
    if let Some(mixture) = mixtures
        .overall
        .as_ref()
        .filter(|_| !ingredients.is_empty())
    {
        let terms = ingredients
            .iter()
            .map(|&at| (places[at], mixture.weights[at]));
        return ingredients.iter().all(is_related).then(|| Merge::Sum {
            terms: terms.collect(),
            unexplained: mixture.unexplained,
        });
    }
    let sources = &mixtures.sources;
    if sources.is_empty() || !sources.iter().all(|(_, at)| is_related(at)) {
        return None;
    }
    let layers_of = |at: usize| -> Vec<u32> {
        let own = sources.iter().filter(|(_, source)| *source == at);
        own.map(|(layer, _)| *layer).collect()
    };
    let taken = places.iter().enumerate();
    let taken = taken.map(|(at, place)| (*place, layers_of(at)));
    Some(Merge::Layers(
        taken.filter(|(_, layers)| !layers.is_empty()).collect(),
    ))
}

/// What is odd about the target once, about each base by its name, and claims about the origin
/// where they matter.
fn warnings(held: &[Held], label: Label) -> Vec<Noted> {
    let mut as_given: Vec<(usize, &Held)> = held.iter().enumerate().collect();
    as_given.sort_by_key(|(_, base)| base.number);
    let mut out: Vec<Noted> = Vec::new();
    for (place, base) in as_given {
        for noted in &base.comparison.warnings {
            // A declared base that is the best of those given is no contradiction by its siblings.
            let is_about_best = place == 0 && label.is_related();
            let differs = matches!(noted.warning, Warning::DeclaredBaseDiffers { .. });
            if differs && !is_about_best {
                continue;
            }
            let named = match noted.about {
                About::Side(Side::Base) => noted.warning.clone().of_model(&base.name),
                About::Side(Side::Target) | About::Comparison | About::Model(_) => noted.clone(),
            };
            if !out.contains(&named) {
                out.push(named);
            }
        }
    }
    out
}

/// Each base of the family beside the base it is most like, in the order of the ranking.
fn controls(family: &Family<'_>, ranked: &[usize], places: &[usize]) -> Option<Vec<BaseControl>> {
    let found = family.controls()?;
    let place_of = |at: usize| {
        let ranked = ranked.iter().position(|ranked| *ranked == at)?;
        places.get(ranked).copied()
    };
    let control = |&at: &usize| {
        let control = found[at].as_ref()?;
        Some(BaseControl {
            base: place_of(at)?,
            nearest: place_of(control.nearest)?,
            cosine: control.cosine,
            excess: control.excess,
        })
    };
    Some(ranked.iter().filter_map(control).collect())
}
