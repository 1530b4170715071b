//! `wcmp rank`.

use crate::evidence::family::MixtureTable;
use crate::evidence::finding::{Finding, Statement, Supports};
use crate::evidence::relation::Relation;
use crate::report::words::en::findings as words;
use crate::report::words::en::ranking::conclusion as conclusion_in_words;
use crate::results::rank::{BaseControl, Merge, RankedBase, Ranking};
use crate::stats::coordinates::Coordinates;
use crate::stats::mixture::Mixture;
use crate::verdict::ranking::Criterion;

use super::super::{
    ConclusionRow, ControlRow, CoordinatesRow, CriterionRow, LayerMixture, LeftAsideRow, MergeRow,
    MixtureRow, Rank, RankPca, RankPermutation, RankVersion, RankingRow, RoleMixture, TakenLayers,
    VERSION, VerdictRow, WarningRow, WeightRow,
};
use super::compare::finding;

/// The rows of a ranking.
pub fn rank(r: Ranking) -> Rank {
    let name = |place: usize| r.bases[place].name.clone();
    let family: Vec<String> = r.family.iter().map(|&place| name(place)).collect();
    let mut report = Rank {
        schema: RankVersion,
        wcmp: VERSION.to_owned(),
        conclusion: ConclusionRow {
            label: r.conclusion.label,
            base: r.conclusion.base.map(name),
            sentence: String::new(),
            related: r.conclusion.related as u64,
            merge: r
                .conclusion
                .merge
                .as_ref()
                .map(|merge| self::merge(merge, name)),
        },
        criteria: r.criteria.iter().map(criterion).collect(),
        coordinates: r.coordinates.as_ref().map(|found| {
            let models = [&r.target_name].into_iter().chain(&family);
            coordinates(found, models.cloned().collect())
        }),
        mixture: r.mixture.as_ref().map(|found| mixture(found, &family)),
        controls: r.controls.as_ref().map(|controls| {
            let row = |control: &BaseControl| ControlRow {
                base: name(control.base),
                nearest: name(control.nearest),
                matrix_cosine: control.cosine,
                matrix_excess: Some(control.excess),
            };
            controls.iter().map(row).collect()
        }),
        warnings: r.warnings.iter().map(WarningRow::from).collect(),
        expect: None,
        left_aside: r
            .left_aside
            .into_iter()
            .map(|(side, left)| LeftAsideRow::new(&side, left))
            .collect(),
        settings: r.settings.into(),
        target: r.target.into(),
        ranking: r.bases.into_iter().map(ranked).collect(),
    };
    report.conclusion.sentence = conclusion_in_words(&report);
    report
}

fn merge(merge: &Merge, name: impl Fn(usize) -> String) -> MergeRow {
    match merge {
        Merge::Sum { terms, unexplained } => MergeRow::Sum {
            weights: terms
                .iter()
                .map(|(place, weight)| WeightRow {
                    base: name(*place),
                    weight: Some(*weight),
                })
                .collect(),
            unexplained: *unexplained,
        },
        Merge::Layers(taken) => {
            let taken = taken.iter().map(|(place, layers)| TakenLayers {
                base: name(*place),
                layers: layers.clone(),
            });
            MergeRow::Layers(taken.collect())
        }
    }
}

fn ranked(base: RankedBase) -> RankingRow {
    let mut verdict = VerdictRow::from(&base.verdict);
    if base.is_merged {
        let last = Relation::SharedInitializationPossible;
        let before = base.verdict.relations.iter().take_while(|r| **r != last);
        verdict.relations.insert(before.count(), Relation::Merged);
    }
    RankingRow {
        base: base.checkpoint.into(),
        coverage: base.coverage.into(),
        similarity: (&base.similarity).into(),
        origin_reading: (&base.reading).into(),
        permutation: base.units.map(|units| RankPermutation {
            log10_p: units.log10_p,
            probes: units.probes as u64,
            hits: units.hits as u64,
        }),
        pca: base.subspaces.map(|subspaces| RankPca {
            summary: subspaces.summary,
            median_excess: Some(subspaces.median_excess),
        }),
        verdict,
        reused: base.reused,
        seen_by: seen_by(&base.findings),
        evidence: base.findings.iter().map(finding).collect(),
    }
}

/// By what a likeness was seen: kinds of evidence that speak for one, and transformations that were
/// undone to see it.
fn seen_by(findings: &[Finding]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for finding in findings {
        let speaks = matches!(finding.supports, Supports::Derived | Supports::ReEncoded);
        if !speaks {
            continue;
        }
        let words = match &finding.statement {
            Statement::Disguised { changes, .. } if !changes.is_empty() => {
                changes.iter().map(|kind| kind.word()).collect()
            }
            statement => vec![statement.family().word()],
        };
        for word in words {
            if !out.iter().any(|known| known == word) {
                out.push(word.to_owned());
            }
        }
    }
    out
}

fn criterion(criterion: &Criterion) -> CriterionRow {
    CriterionRow {
        id: criterion.id,
        statement: words::criterion(criterion.id).to_owned(),
        holds: criterion.holds,
        value: criterion.value,
    }
}

fn coordinates(found: &Coordinates, models: Vec<String>) -> CoordinatesRow {
    let points = found.points.iter();
    CoordinatesRow {
        models,
        points: points.map(|point| point.map(Some)).collect(),
        explained: found.explained.map(Some),
    }
}

fn mixture(table: &MixtureTable, family: &[String]) -> MixtureRow {
    let weights = |mixture: Option<&Mixture>| -> Vec<WeightRow> {
        let bases = family.iter().enumerate();
        bases
            .map(|(at, base)| WeightRow {
                base: base.clone(),
                weight: mixture.map(|mixture| mixture.weights[at]),
            })
            .collect()
    };
    let residual = |mixture: Option<&Mixture>| mixture.map(|mixture| mixture.unexplained);
    let by_layer = table.by_layer.iter().map(|(layer, mixture)| LayerMixture {
        layer: *layer,
        weights: weights(mixture.as_ref()),
        residual: residual(mixture.as_ref()),
    });
    let by_role = table.by_role.iter().map(|(role, mixture)| RoleMixture {
        role: *role,
        weights: weights(mixture.as_ref()),
        residual: residual(mixture.as_ref()),
    });
    MixtureRow {
        weights: weights(table.overall.as_ref()),
        residual: residual(table.overall.as_ref()),
        by_layer: by_layer.collect(),
        by_role: by_role.collect(),
    }
}
