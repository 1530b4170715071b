//! `wcmp rank`: which of these bases is the target made from, or from none?

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::align::shared::{Shared, shared};
use crate::align::{Alignment, Pair};
use crate::error::Result;
use crate::evidence::family::{FamilyTensor, controls};
use crate::evidence::parts::class_of;
use crate::evidence::relation::Relation;
use crate::format::open::Opened;
use crate::measure::monitor::Monitor;
use crate::measure::record::Record;
use crate::measure::{Duo, Measured, MeasuredGroups, measure_groups};
use crate::model::sides::Sides;
use crate::model::warning::Warning;
use crate::model::words::{Class, Component};
use crate::report::schema::{
    Compare, ConclusionRow, ControlRow, CriterionRow, Rank, RankPca, RankPermutation, RankingRow,
    TensorRow, WarningRow,
};
use crate::report::summary;
use crate::verdict::decide::Label;
use crate::verdict::ranking::{Criterion, Standing, conclusion, criteria};
use crate::verdict::reasons::Reason;
use crate::view::logical::{Logical, Via};
use crate::view::model::Model;

use super::compare::{aligned, analyse, leading_component};
use super::family::Family;
use super::merge::Merge;
use super::options::{Hashing, Options};

/// Holds every base against the target. Runs on the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub fn rank(
    target: Opened,
    bases: Vec<Opened>,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Rank> {
    let mut target = Model::with_tokenizer(target);
    let mut bases: Vec<Model> = bases.into_iter().map(Model::with_tokenizer).collect();
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
    let names = names(&models);
    let mut rows = Vec::new();
    for (index, base) in bases.iter().enumerate() {
        let of_pair = plan.of_pair(&measured, index);
        let compared = analyse(
            [base, &target],
            &alignments[index],
            &of_pair,
            options,
            monitor,
        )?;
        rows.push(Row {
            index,
            standing: standing(&compared, &target),
            compared,
        });
    }
    rows.sort_by(|a, b| {
        let name = |row: &Row| &names[row.index];
        a.standing
            .order(&b.standing)
            .then_with(|| name(a).cmp(name(b)))
            .then(a.index.cmp(&b.index))
    });
    Ok(report(rows, &family, &names, leading_component(&target)))
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

/// One base and what was said of it.
struct Row {
    index: usize,
    standing: Standing,
    compared: Compare,
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

fn standing(compared: &Compare, target: &Model) -> Standing {
    let leading = leading_component(target).map(|component| component.word());
    let layers = compared
        .layers
        .iter()
        .filter(|l| Some(l.component.as_str()) == leading);
    let label = Label::ALL
        .iter()
        .copied()
        .find(|label| label.word() == compared.verdict.label);
    // Matrices that an adapter changes are made of the base itself, and so are the figures of their
    // layers.
    let changed: BTreeSet<&str> = compared
        .adapter
        .iter()
        .flat_map(|a| &a.changes)
        .map(|change| change.name.as_str())
        .collect();
    let is_own = |t: &&TensorRow| t.informative && !changed.contains(t.name.base.as_str());
    let informative = compared.tensors.iter().filter(is_own).count();
    let left = target
        .logicals
        .iter()
        .filter(|l| l.meaning.class != Class::Uninformative);
    let unmatched: BTreeSet<&str> = compared
        .unmatched
        .target
        .iter()
        .filter(|u| u.why != "filtered")
        .map(|u| u.name.as_str())
        .collect();
    let alone = left.filter(|l| unmatched.contains(l.name.as_str())).count();
    Standing {
        label: label.unwrap_or(Label::Inconclusive),
        log10_p: compared.permutation.as_ref().and_then(|p| p.log10_p),
        excess: compared.similarity.matrix_excess,
        mean_cosine: compared.similarity.mean_cosine,
        identical: compared.similarity.identical_informative,
        informative: (informative + alone) as u64,
        subspaces: compared
            .pca
            .as_ref()
            .and_then(|p| Some((p.summary == "orthogonal", p.median_excess?))),
        layers: if changed.is_empty() {
            layers.filter_map(|l| l.matrix_cosine).collect()
        } else {
            Vec::new()
        },
    }
}

fn report(
    mut rows: Vec<Row>,
    family: &Family<'_>,
    names: &[String],
    leading: Option<Component>,
) -> Rank {
    let mixtures = family.mixtures(leading);
    let order: Vec<usize> = rows.iter().map(|row| row.index).collect();
    let related = |base: usize| {
        rows.iter()
            .any(|row| row.index == base && is_related(row.standing.label))
    };
    let merge = Merge::of(&mixtures, family, &order, &related);
    for row in &mut rows {
        row.compared
            .verdict
            .reasons
            .retain(|reason| *reason != summary::reason(&Reason::NoDirection));
        if merge.bases().contains(&row.index) {
            let relations = &mut row.compared.verdict.relations;
            let before = |word: &&str| *word != Relation::SharedInitializationPossible.word();
            relations.insert(
                relations.iter().take_while(|w| before(w)).count(),
                Relation::Merged.word(),
            );
        }
    }
    let standings: Vec<Standing> = rows.iter().map(|row| row.standing.clone()).collect();
    let label = conclusion(&standings.iter().map(|s| s.label).collect::<Vec<_>>());
    let conclusion = conclude(label, &rows, names, &merge);
    let mut warnings = warnings(&rows, names, label);
    if mixtures.overall.as_ref().is_some_and(|m| !m.identifiable) {
        warnings.push(WarningRow::from(&Warning::MixtureNotUnique));
    }
    let first = &rows[0].compared;
    Rank {
        schema: "wcmp.rank/1",
        wcmp: first.wcmp,
        settings: first.settings.clone(),
        target: first.target.clone(),
        criteria: criteria(&standings).iter().map(criterion).collect(),
        conclusion,
        coordinates: family.coordinates(&order, names),
        mixture: mixtures.row(family, &order, names),
        warnings,
        controls: control_rows(family, &order, names),
        ranking: rows.into_iter().map(ranking_row).collect(),
    }
}

const fn is_related(label: Label) -> bool {
    matches!(
        label,
        Label::Identical | Label::ReEncoded | Label::Derived | Label::PartialReuse
    )
}

fn criterion(c: &Criterion) -> CriterionRow {
    CriterionRow {
        id: c.id.word(),
        statement: summary::criterion(c.id).to_owned(),
        holds: c.holds,
        value: c.value,
    }
}

fn ranking_row(row: Row) -> RankingRow {
    let c = row.compared;
    RankingRow {
        base: c.base,
        coverage: c.coverage,
        similarity: c.similarity,
        origin_reading: c.origin_reading,
        permutation: c.permutation.map(|p| RankPermutation {
            log10_p: p.log10_p,
            probes: p.probes,
            hits: p.hits,
        }),
        pca: c.pca.map(|p| RankPca {
            summary: p.summary,
            median_excess: p.median_excess,
        }),
        verdict: c.verdict,
    }
}

fn conclude(label: Label, rows: &[Row], names: &[String], merge: &Merge) -> ConclusionRow {
    let related: Vec<&Row> = rows
        .iter()
        .filter(|row| is_related(row.standing.label))
        .collect();
    let best = rows
        .iter()
        .find(|row| is_related(label) && row.standing.label == label);
    let name = best
        .map(|row| names[row.index].as_str())
        .unwrap_or_default();
    let mut sentence = match label {
        Label::Identical => format!("The target is {name}: every tensor is equal, byte for byte."),
        Label::ReEncoded => format!("The target holds the values of {name}, stored otherwise."),
        Label::Derived => format!("The target shares its weights with {name}."),
        Label::PartialReuse => {
            format!("The target shares a part of its weights with {name}, and not the rest.")
        }
        Label::FromScratch => match rows {
            [_] => format!(
                "The target shares no weights with {}, the one base given.",
                names[rows[0].index]
            ),
            _ => format!(
                "The target shares no weights with any of the {} bases given.",
                rows.len()
            ),
        },
        Label::Inconclusive => {
            "No base is shown to share weights with the target, and not every base is shown to \
                                share none."
                .to_owned()
        }
    };
    if let Some(words) = merge.sentence(names) {
        sentence.push_str(&words);
    } else if related.len() > 1 {
        let others = related.len() - 1;
        let bases = if others == 1 { "base is" } else { "bases are" };
        sentence.push_str(&format!(" {others} more {bases} related to it."));
    }
    if matches!(label, Label::Derived | Label::PartialReuse) {
        sentence.push_str(
            " A likeness has no direction in time: it does not tell which model came first.",
        );
    }
    ConclusionRow {
        label: label.word(),
        base: best.map(|_| name.to_owned()),
        sentence,
    }
}

/// What is odd about the target once, about each base by its name, and claims about the origin
/// where they matter.
fn warnings(rows: &[Row], names: &[String], label: Label) -> Vec<WarningRow> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    let mut in_order: Vec<&Row> = rows.iter().collect();
    in_order.sort_by_key(|row| row.index);
    for row in in_order {
        for warning in &row.compared.warnings {
            let mut warning = warning.clone();
            if let Some(rest) = warning.message.strip_prefix("base: ") {
                warning.message = format!("{}: {rest}", names[row.index]);
            }
            // A declared base that is the best of those given is no contradiction by its siblings.
            let about_best = row.index == rows[0].index && is_related(label);
            if warning.code == "declared_base_differs" && !about_best {
                continue;
            }
            if seen.insert((
                warning.code.clone(),
                warning.message.clone(),
                warning.name.clone(),
            )) {
                out.push(warning);
            }
        }
    }
    out
}

fn control_rows(family: &Family<'_>, order: &[usize], names: &[String]) -> Option<Vec<ControlRow>> {
    if family.bases.len() < 2 || family.tensors.is_empty() {
        return None;
    }
    let tensors: Vec<FamilyTensor<'_>> = family
        .tensors
        .iter()
        .map(|(_, tensor)| tensor.clone())
        .collect();
    let found = controls(&tensors, family.bases.len());
    let row = |base: &usize| {
        let at = family.bases.iter().position(|b| b == base)?;
        let control = found[at].as_ref()?;
        Some(ControlRow {
            base: names[*base].clone(),
            nearest: names[family.bases[control.nearest]].clone(),
            matrix_cosine: control.cosine,
            matrix_excess: Some(control.excess),
        })
    };
    Some(order.iter().filter_map(row).collect())
}
