//! `wcmp rank`: which of these bases is the target made from, or from none?

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::align::shared::shared;
use crate::align::{Alignment, Pair, Why};
use crate::error::Result;
use crate::evidence::finding::PcaSummary;
use crate::evidence::layer_map::pairs_of_layers;
use crate::evidence::part::{Part, State};
use crate::evidence::parts::class_of;
use crate::evidence::several::sample::{Counterparts, Sample};
use crate::format::open::Opened;
use crate::measure::monitor::{Monitor, OneOf};
use crate::measure::{Duo, Measured, MeasuredGroups, measure_groups};
use crate::model::sides::{Side, Sides};
use crate::model::warning::{About, Noted, Warning};
use crate::model::words::{Class, Component};
use crate::results::compare::Comparison;
use crate::results::rank::{Conclusion, Merge, RankedBase, Ranking, SubspaceSummary, UnitSummary};
use crate::verdict::decide::Label;
use crate::verdict::ranking::{Standing, conclusion, criteria};
use crate::verdict::reasons::Reason;
use crate::view::model::Model;

use super::compare::{aligned, analyse, leading_component};
use super::options::{Hashing, Options};
use super::sketched::{self, digests_of, is_sketch};
use super::together::Together;
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
    let options = &sketched::with_its_seed(bases.iter().chain([&target]), options)?;
    let alignments: Vec<Alignment> = bases
        .iter()
        .map(|base| aligned([base, &target], options))
        .collect::<Result<_>>()?;
    for (base, alignment) in bases.iter_mut().zip(&alignments) {
        base.adopt_all(alignment.pairs.iter().map(|pair| &pair.base));
    }
    adopt_layout(&mut target, &alignments);
    let alignments: Vec<&Alignment> = alignments.iter().collect();
    let models: Vec<&Model> = bases.iter().chain([&target]).collect();
    let hash = options.hash == Hashing::Sha256;
    let measured = measure_all(&bases, &target, &alignments, hash, monitor)?;
    let mut names = names(&models);
    let target_name = names.pop().unwrap_or_default();

    let mut held = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let models = [&bases[number], &target];
        let monitor = OneOf {
            watch: monitor,
            number: number + 1,
            count: bases.len(),
        };
        // All bases together are looked at again afterwards.
        let measured = Measured {
            records: measured[number].records.clone(),
            digests: measured[number].digests.clone(),
        };
        let alignment = alignments[number];
        let comparison = analyse(models, alignment, measured, options, &monitor)?;
        held.push(Held {
            number,
            name,
            standing: standing(&comparison, &target),
            comparison,
        });
    }
    held.sort_by(Held::order);
    let looked = Looked {
        bases: &bases,
        target: &target,
        alignments,
        measured: &measured,
        options,
        monitor,
    };
    let together = Together::look(&looked, &held)?;
    Ok(ranking(held, target_name, together))
}

/// What was measured of every base and the target: of whole models in one pass over all of them, of
/// sketches at the places that they keep.
fn measure_all(
    bases: &[Model],
    target: &Model,
    alignments: &[&Alignment],
    hash: bool,
    monitor: &dyn Monitor,
) -> Result<Vec<Measured>> {
    let is_whole = |at: &usize| !is_sketch(&bases[*at]) && !is_sketch(target);
    let whole: Vec<usize> = (0..bases.len()).filter(is_whole).collect();
    let of_whole: Vec<&Alignment> = whole.iter().map(|at| alignments[*at]).collect();
    let (groups, places) = groups(&of_whole);
    let models: Vec<&Model> = match is_sketch(target) {
        true => Vec::new(),
        false => whole.iter().map(|at| &bases[*at]).chain([target]).collect(),
    };
    let mut measured = measure_groups(&models, &groups, hash, monitor)?;
    let of_target = match is_sketch(target) {
        true if hash => digests_of(target, monitor)?,
        true => Vec::new(),
        false => measured.digests.last().cloned().unwrap_or_default(),
    };
    let mut out: Vec<Measured> = Vec::with_capacity(bases.len());
    for (number, base) in bases.iter().enumerate() {
        if let Some(at) = whole.iter().position(|whole| *whole == number) {
            out.push(of_pair(&mut measured, &places, at));
            continue;
        }
        let digests = Sides {
            base: if hash {
                digests_of(base, monitor)?
            } else {
                Vec::new()
            },
            target: of_target.clone(),
        };
        let alignment = alignments[number];
        out.push(sketched::measure(
            [base, target],
            alignment,
            digests,
            monitor,
        )?);
    }
    Ok(out)
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

/// For each pair of a base its group, and its place in it.
type Places = Vec<(usize, usize)>;

/// The pairs of all bases, those of one tensor of the target together; and where the pairs of each
/// base stand. Model numbers are those of the bases, then the target.
fn groups<'a>(alignments: &[&'a Alignment]) -> (Vec<Vec<Duo<'a>>>, Vec<Places>) {
    let target = alignments.len();
    let mut groups: Vec<Vec<Duo<'a>>> = Vec::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places = Vec::new();
    for (base, alignment) in alignments.iter().enumerate() {
        let mut of_base = Vec::new();
        for pair in &alignment.pairs {
            let group = *by_name.entry(pair.target.name.as_str()).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            of_base.push((group, groups[group].len()));
            groups[group].push(Duo {
                models: Sides { base, target },
                pair: Cow::Borrowed(pair),
            });
        }
        places.push(of_base);
    }
    (groups, places)
}

/// What was measured of one base and the target.
fn of_pair(measured: &mut MeasuredGroups, places: &[Vec<(usize, usize)>], base: usize) -> Measured {
    let records = places[base]
        .iter()
        .map(|&(group, at)| std::mem::take(&mut measured.records[group][at]));
    let records = records.collect();
    let digests = &measured.digests;
    let models = Sides {
        base,
        target: places.len(),
    };
    let digests = models.map(|model| digests.get(model).cloned().unwrap_or_default());
    Measured { records, digests }
}

/// All models, as they were aligned and measured.
pub(super) struct Looked<'a> {
    bases: &'a [Model],
    pub(super) target: &'a Model,
    alignments: Vec<&'a Alignment>,
    measured: &'a [Measured],
    options: &'a Options,
    monitor: &'a dyn Monitor,
}

impl Looked<'_> {
    /// Values of those of the bases `numbers` that share matrices with the target, in the same
    /// places, of the matrices that count as evidence for every one of them.
    pub(super) fn sample(&self, numbers: &[usize]) -> Result<Sample> {
        // Of a sketch other values are known than of a whole model.
        let is_whole = |number: &&usize| !is_sketch(&self.bases[**number]);
        let numbers: Vec<usize> = match is_sketch(self.target) {
            true => Vec::new(),
            false => numbers.iter().filter(is_whole).copied().collect(),
        };
        let alignments: Vec<&Alignment> = numbers.iter().map(|at| self.alignments[*at]).collect();
        let shared = shared(&alignments);
        let numbers: Vec<usize> = shared.bases.iter().map(|at| numbers[*at]).collect();
        let counts = |pairs: &[usize]| {
            let mut sides = numbers.iter().zip(pairs);
            sides.all(|(number, at)| {
                let record = &self.measured[*number].records[*at];
                class_of(&self.alignments[*number].pairs[*at], record) == Class::Matrix
            })
        };
        let tensors = shared.tensors.iter().filter(|pairs| counts(pairs));
        let tensors = tensors.map(|pairs| {
            let sides = numbers.iter().zip(pairs);
            let bases: Vec<&Pair> = sides
                .map(|(number, at)| &self.alignments[*number].pairs[*at])
                .collect();
            Counterparts {
                target: &bases[0].target,
                bases,
            }
        });
        let tensors: Vec<Counterparts<'_>> = tensors.collect();
        self.read(&numbers, &tensors)
    }

    /// Values of layers of a `component` of the target, beside those of the layers of the bases
    /// `numbers` that each of them was found in.
    pub(super) fn sample_of_layers(
        &self,
        numbers: &[usize],
        component: Component,
        layers: &BTreeMap<u32, Vec<u32>>,
    ) -> Result<Sample> {
        let keep = |name: &str| self.options.filter.keeps(name);
        let mut by_name: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
        for (at, number) in numbers.iter().enumerate() {
            let from = layers.iter().map(|(layer, from)| (*layer, from[at]));
            let models = [&self.bases[*number], self.target];
            for pair in pairs_of_layers(models, component, &from.collect(), &keep) {
                let of_tensor = by_name.entry(pair.target.name.clone()).or_default();
                if pair.target.meaning.class == Class::Matrix && of_tensor.len() == at {
                    of_tensor.push(pair);
                }
            }
        }
        let held = by_name
            .values()
            .filter(|pairs| pairs.len() == numbers.len());
        let tensors = held.map(|pairs| Counterparts {
            target: &pairs[0].target,
            bases: pairs.iter().collect(),
        });
        self.read(numbers, &tensors.collect::<Vec<_>>())
    }

    fn read(&self, numbers: &[usize], tensors: &[Counterparts<'_>]) -> Result<Sample> {
        let bases: Vec<&Model> = numbers.iter().map(|number| &self.bases[*number]).collect();
        Sample::read(numbers, &bases, self.target, tensors, self.monitor)
    }
}

/// One base held against the target.
pub(super) struct Held {
    /// Number among the bases as given.
    pub(super) number: usize,
    /// Name, told from those of the others.
    pub(super) name: String,
    pub(super) standing: Standing,
    pub(super) comparison: Comparison,
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
        reused: reused(&comparison.parts),
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

/// Share of the most that is reused of any base, from which on another base counts beside it.
const COMPARABLE: f64 = 0.5;

/// The answer over all bases, which are in the order of the ranking.
fn ranking(held: Vec<Held>, target_name: String, together: Together) -> Ranking {
    let standings: Vec<Standing> = held.iter().map(|base| base.standing.clone()).collect();
    let labels: Vec<Label> = standings.iter().map(|standing| standing.label).collect();
    let label = conclusion(&labels);
    let merge = together.merge();

    let mut warnings = warnings(&held, label);
    warnings.extend(together.warnings(&held));
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
    let (base, candidates) = match &merge {
        Some(merge) => (merge.leading(), Vec::new()),
        None => rests_on(&standings, label, together.candidates()),
    };
    Ranking {
        settings: held[0].comparison.settings.clone(),
        target: held[0].comparison.checkpoints.target.clone(),
        target_name,
        criteria: criteria(&standings),
        conclusion: Conclusion {
            label,
            base,
            related: labels.iter().filter(|label| label.is_related()).count(),
            merge,
            candidates,
        },
        coordinates: together.coordinates,
        controls: together.controls,
        mixture: together.mixed.shares,
        sums_of_target: together.mixed.sums_of_target,
        kinship: together.kinship,
        between: together.between,
        layer_origins: together.origins,
        library: None,
        family: together.family,
        left_aside,
        warnings,
        bases: held
            .into_iter()
            .enumerate()
            .map(|(place, base)| ranked_base(base, merged.contains(&place)))
            .collect(),
    }
}

/// The base that the conclusion rests on, or several of them: no geometry tells the parent from a
/// near relative of it, so that of several relatives none is named. `nearest` are those of the
/// derived ones than which none is nearer.
fn rests_on(
    standings: &[Standing],
    label: Label,
    nearest: Vec<usize>,
) -> (Option<usize>, Vec<usize>) {
    let with_label: Vec<usize> = (0..standings.len())
        .filter(|place| label.is_related() && standings[*place].label == label)
        .collect();
    let first = with_label.first().copied();
    let candidates = match label {
        Label::Derived if nearest.is_empty() => with_label.clone(),
        Label::Derived => nearest,
        Label::PartialReuse => {
            let reused = |place: usize| standings[place].reused.unwrap_or(0.0);
            let most = with_label.iter().map(|place| reused(*place));
            let most = most.fold(0.0, f64::max);
            let is_much = |place: &usize| reused(*place) >= COMPARABLE * most;
            with_label.iter().copied().filter(is_much).collect()
        }
        _ => return (first, Vec::new()),
    };
    let is_alone = match label {
        Label::Derived => with_label.len() == 1,
        _ => candidates.len() == 1,
    };
    if is_alone {
        (first, Vec::new())
    } else {
        (None, candidates)
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
