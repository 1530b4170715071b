//! `wcmp rank`.

use crate::evidence::finding::{Finding, Statement, Supports};
use crate::evidence::relation::Relation;
use crate::evidence::several::kinship::Nearer;
use crate::evidence::several::origins::LayerOrigin;
use crate::evidence::several::shares::{Rule, Share, Shares};
use crate::report::words::en::findings as words;
use crate::report::words::en::ranking::conclusion as conclusion_in_words;
use crate::results::rank::{BaseControl, Kin, Merge, RankedBase, Ranking, Term};
use crate::stats::coordinates::Coordinates;
use crate::verdict::ranking::Criterion;

use super::super::{
    BetweenRow, ConclusionRow, ControlRow, CoordinatesRow, CriterionRow, KinRow, LayerMixture,
    LayerOriginRow, LeftAsideRow, LibraryRow, MergeRow, MixtureRow, OriginWeightRow, Rank, RankPca,
    RankPermutation, RankVersion, RankingRow, RoleMixture, RunRow, SumOfTargetRow, TakenLayers,
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
            candidates: r.conclusion.candidates.iter().map(|at| name(*at)).collect(),
        },
        criteria: r.criteria.iter().map(criterion).collect(),
        coordinates: r.coordinates.as_ref().map(|found| {
            let models = [&r.target_name].into_iter().chain(&family);
            coordinates(found, models.cloned().collect())
        }),
        mixture: r
            .mixture
            .as_ref()
            .map(|found| mixture(found, &r.family, &family)),
        library: r.library.map(|library| LibraryRow {
            sketches: library.sketches,
            checkpoints: library.checkpoints,
            looked_at_deeply: library.looked_at_deeply,
            log10_p: library.log10_p,
        }),
        controls: r.controls.as_ref().map(|controls| {
            let row = |control: &BaseControl| ControlRow {
                base: name(control.base),
                nearest: name(control.nearest),
                matrix_cosine: control.cosine,
                matrix_excess: Some(control.excess),
                lowest_excess: Some(control.lowest),
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
        layer_origins: r.layer_origins.as_ref().map(|origins| {
            let rows = origins.iter().map(|origin| layer_origin(origin, &name));
            rows.collect()
        }),
        kinship: r.kinship.iter().map(|kin| self::kin(kin, &name)).collect(),
        between: r
            .between
            .iter()
            .map(|between| BetweenRow {
                bases: between.bases.map(name),
                figure: between.figure,
            })
            .collect(),
        sums_of_target: r
            .sums_of_target
            .iter()
            .map(|(base, with)| SumOfTargetRow {
                base: name(*base),
                with: name(*with),
            })
            .collect(),
        settings: r.settings.into(),
        target: r.target.into(),
        ranking: r.bases.into_iter().map(ranked).collect(),
    };
    report.conclusion.sentence = conclusion_in_words(&report);
    report
}

fn layer_origin(origin: &LayerOrigin, name: &dyn Fn(usize) -> String) -> LayerOriginRow {
    LayerOriginRow {
        target: origin.layer,
        base: origin.from.map(|(base, _)| name(base)),
        layer: origin.from.map(|(_, layer)| layer),
        log10_p: origin.log10_p,
        weights: origin
            .terms
            .iter()
            .map(|term| OriginWeightRow {
                base: name(term.base),
                layer: term.layer,
                weight: term.weight,
                standard_error: term.error,
            })
            .collect(),
    }
}

fn kin(kin: &Kin, name: &dyn Fn(usize) -> String) -> KinRow {
    let why = kin.nearer.map(|(_, why)| match why {
        Nearer::SameDirection(cosine) => ("same_direction", cosine),
        Nearer::RightAngle(spread) => ("right_angle", spread),
        Nearer::Kept(share) => ("kept", share),
    });
    KinRow {
        base: name(kin.base),
        kinship: kin.kinship,
        nearer: kin.nearer.map(|(base, _)| name(base)),
        by: why.map(|(word, _)| word.to_owned()),
        figure: why.map(|(_, figure)| figure),
    }
}

fn weights(terms: &[Term], name: &dyn Fn(usize) -> String) -> Vec<WeightRow> {
    let weight = |term: &Term| WeightRow {
        base: name(term.base),
        weight: Some(term.weight),
        standard_error: Some(term.error),
    };
    terms.iter().map(weight).collect()
}

/// The same, the largest share first.
fn largest_first(terms: &[Term], name: &dyn Fn(usize) -> String) -> Vec<WeightRow> {
    let mut terms = terms.to_vec();
    terms.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    weights(&terms, name)
}

fn merge(merge: &Merge, name: impl Fn(usize) -> String) -> MergeRow {
    let name: &dyn Fn(usize) -> String = &name;
    match merge {
        Merge::Sum {
            terms,
            unexplained,
            rule,
        } => MergeRow::Sum {
            weights: weights(terms, name),
            unexplained: *unexplained,
            rule: match rule {
                Rule::Linear => "linear".to_owned(),
                Rule::Spherical(_) => "spherical".to_owned(),
            },
            at: match rule {
                Rule::Linear => None,
                Rule::Spherical(at) => Some(*at),
            },
        },
        Merge::Runs(runs) => {
            let runs = runs.iter().map(|run| RunRow {
                first: run.first,
                last: run.last,
                weights: weights(&run.terms, name),
            });
            MergeRow::Runs(runs.collect())
        }
        Merge::Layers(taken) => {
            let taken = taken.iter().map(|taken| TakenLayers {
                base: name(taken.base),
                layers: taken.layers.iter().map(|layers| layers.0).collect(),
                base_layers: taken.layers.iter().map(|layers| layers.1).collect(),
                weights: largest_first(&taken.terms, name),
            });
            MergeRow::Layers(taken.collect())
        }
        Merge::Sparse(merge) => MergeRow::Sparse {
            base: name(merge.base),
            of: merge.of.iter().map(|base| name(*base)).collect(),
            changed: merge.changed,
            agreement: merge.agreement,
        },
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

/// The shares, with a row for each base of the `family`, of the names `names`.
fn mixture(found: &Shares, family: &[usize], names: &[String]) -> MixtureRow {
    let weights = |share: Option<&Share>| -> Vec<WeightRow> {
        let figure = |base: &usize, figures: &dyn Fn(&Share) -> Vec<f64>| {
            let share = share?;
            let at = found.terms.iter().position(|term| term == base);
            Some(at.map_or(0.0, |at| figures(share)[at]))
        };
        let bases = family.iter().zip(names);
        let row = |(base, name): (&usize, &String)| WeightRow {
            base: name.clone(),
            weight: figure(base, &|share| share.weights.clone()),
            standard_error: figure(base, &|share| share.errors.clone()),
        };
        bases.map(row).collect()
    };
    let residual = |share: Option<&Share>| share.map(|share| share.unexplained);
    let by_layer = found.by_layer.iter().map(|(layer, share)| LayerMixture {
        layer: *layer,
        weights: weights(share.as_ref()),
        residual: residual(share.as_ref()),
    });
    let by_role = found.by_role.iter().map(|(role, share)| RoleMixture {
        role: *role,
        weights: weights(share.as_ref()),
        residual: residual(share.as_ref()),
    });
    MixtureRow {
        weights: weights(Some(&found.overall)),
        residual: residual(Some(&found.overall)),
        by_layer: by_layer.collect(),
        by_role: by_role.collect(),
        collinearity: Some(found.collinearity),
    }
}
