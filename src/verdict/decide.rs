//! The label: the rules of guide/contract.md, section 4, in their order.

use crate::evidence::grounds::{Disguise, Grounds};
use crate::evidence::levels::*;
use crate::evidence::part::{Part, State, is_table};
use crate::evidence::relation::Relation;
use crate::model::words::words;

words! {
    /// What wcmp concludes.
    Label {
        /// Every tensor is paired and equal.
        Identical = "identical",
        /// The same values in other number formats.
        ReEncoded = "re_encoded",
        /// One comes from the other, or both from one ancestor.
        Derived = "derived",
        /// Some parts shared, others shown to be independent.
        PartialReuse = "partial_reuse",
        /// No likeness in any test that ran, and they would have seen one.
        FromScratch = "from_scratch",
        /// None of these can be said.
        Inconclusive = "inconclusive",
    }
}

impl Label {
    /// Whether it says that weights are shared.
    pub const fn is_related(self) -> bool {
        match self {
            Self::Identical | Self::ReEncoded | Self::Derived | Self::PartialReuse => true,
            Self::FromScratch | Self::Inconclusive => false,
        }
    }
}

words! {
    /// How sure the label is; the definitions are in guide/contract.md, section 4.
    Confidence {
        /// Least.
        Weak = "weak",
        /// Less than strong.
        Moderate = "moderate",
        /// Less than conclusive.
        Strong = "strong",
        /// Most.
        Conclusive = "conclusive",
    }
}

impl Confidence {
    const fn lower(self) -> Self {
        match self {
            Self::Conclusive => Self::Strong,
            Self::Strong => Self::Moderate,
            Self::Moderate | Self::Weak => Self::Weak,
        }
    }
}

/// A label with its grounds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    /// The label.
    pub label: Label,
    /// The rule of guide/contract.md, section 4, that held, 1 to 8.
    pub rule: u8,
    /// Relations, in the order of the contract.
    pub relations: Vec<Relation>,
    /// Confidence; `None` where nothing is concluded.
    pub confidence: Option<Confidence>,
}

/// Parameters of the parts in one state.
pub(crate) fn parameters_in(parts: &[Part], state: State) -> u64 {
    parts
        .iter()
        .filter(|p| p.state == state)
        .map(|p| p.parameters)
        .sum()
}

/// Independent parameters that a partial reuse may rest on: of parts whose own test has power, or,
/// where no test was run at all, of all parts graded independent.
fn shown_independent(parts: &[Part]) -> u64 {
    let untested = parts.iter().all(|p| p.test.is_none());
    let sure = |p: &&Part| {
        p.state == State::Independent
            && (untested
                || p.test
                    .and_then(|t| t.share_seen_95)
                    .is_some_and(|s| s <= PART_SHARE_SEEN))
    };
    parts.iter().filter(sure).map(|p| p.parameters).sum()
}

/// Decides: the first rule that holds.
pub(crate) fn decide(grounds: &Grounds) -> Decision {
    let (label, rule) = label(grounds);
    Decision {
        label,
        rule,
        relations: relations(grounds, label),
        confidence: confidence(grounds, label, rule).map(|word| capped(word, label, grounds)),
    }
}

/// At most moderate beside matrices that hold no weights or were not read, and where more than a
/// little was left without a counterpart that may be there; weak where that is most of the target.
/// That bytes are equal is as sure there as anywhere.
fn capped(word: Confidence, label: Label, grounds: &Grounds) -> Confidence {
    let share = grounds.unpaired as f64 / grounds.matrix_parameters.max(1) as f64;
    let most = match () {
        () if label == Label::Identical => Confidence::Conclusive,
        () if share > COVERED_SHARE => Confidence::Weak,
        () if grounds.lacks_values || share > UNPAIRED_SHARE => Confidence::Moderate,
        () => Confidence::Conclusive,
    };
    word.min(most)
}

fn label(f: &Grounds) -> (Label, u8) {
    let reused = parameters_in(&f.parts, State::Reused) as f64;
    let independent = parameters_in(&f.parts, State::Independent) as f64;
    let unclear = parameters_in(&f.parts, State::Unclear) as f64;
    let comparable = reused + independent + unclear;
    let total = f.matrix_parameters as f64;
    match () {
        () if f.tensors == 0 => (Label::Inconclusive, 8),
        () if f.all_identical => (Label::Identical, 1),
        () if f.re_encoding.is_some() => (Label::ReEncoded, 2),
        () if is_hidden(f) && independent <= PARTIAL_SHARE * comparable => (Label::Derived, 3),
        () if reused == 0.0
            && total > 0.0
            && independent >= INDEPENDENT_SHARE * total
            && unclear <= UNCLEAR_SHARE * total =>
        {
            (Label::FromScratch, 4)
        }
        () if reused == 0.0 => (Label::Inconclusive, 4),
        () if shown_independent(&f.parts) as f64 > PARTIAL_SHARE * comparable => {
            (Label::PartialReuse, 5)
        }
        () if reused >= REUSED_SHARE * comparable => (Label::Derived, 6),
        () if f
            .direct
            .is_some_and(|d| d.log10_p <= FOUND_LOG10 && 2 * d.layers_hit > d.layers) =>
        {
            (Label::Derived, 7)
        }
        () => (Label::Inconclusive, 8),
    }
}

/// Whether a disguise was found in enough layers, or feed-forwards in experts.
fn is_hidden(f: &Grounds) -> bool {
    let disguised = f.disguise.as_ref().is_some_and(Disguise::decides);
    let upcycled = f.upcycling.is_some_and(|p| p <= FOUND_LOG10);
    let confirmed = f.parts.iter().any(|part| part.state == State::Reused);
    disguised || upcycled && confirmed
}

fn relations(f: &Grounds, label: Label) -> Vec<Relation> {
    if !matches!(
        label,
        Label::Derived | Label::PartialReuse | Label::ReEncoded
    ) {
        // That an adapter fits the base shows without any likeness.
        return f
            .structure
            .iter()
            .copied()
            .filter(|r| (*r, label) == (Relation::Adapter, Label::Inconclusive))
            .collect();
    }
    let mut out = f.structure.clone();
    let moved = |r: &Relation| {
        matches!(
            r,
            Relation::Permuted
                | Relation::Rotated
                | Relation::DepthUpscaled
                | Relation::DepthPruned
                | Relation::LayersReordered
                | Relation::WidthPruned
                | Relation::Widened
                | Relation::Adapter
        )
    };
    if label == Label::Derived && !out.iter().any(moved) {
        match f.matrix_excess {
            _ if f.unchanged => {}
            Some(excess) if excess >= FINE_TUNED_EXCESS => out.push(Relation::FineTuned),
            // In a basis that was not recovered nothing is said of how far it was trained on.
            Some(excess) if excess < SHARED_START_EXCESS && is_hidden(f) => {}
            Some(_) => out.push(Relation::ContinuedPretraining),
            None => {}
        }
    }
    // Gains and biases start as constants, so that theirs is no likeness of a start.
    let alike = f.matrix_excess.is_some_and(|e| e >= SHARED_START_EXCESS);
    let copied = alike || f.identical_matrices > 0 || f.gains_agree;
    if matches!(label, Label::Derived | Label::PartialReuse) && !copied {
        out.push(Relation::SharedInitializationPossible);
    }
    out.sort();
    out.dedup();
    out
}

fn confidence(f: &Grounds, label: Label, rule: u8) -> Option<Confidence> {
    match label {
        Label::Identical => Some(Confidence::Conclusive),
        Label::ReEncoded => {
            let calibrated = f.re_encoding.is_some_and(|r| r.calibrated);
            Some(if calibrated {
                Confidence::Moderate
            } else {
                Confidence::Strong
            })
        }
        Label::Derived => Some(derived_confidence(f, rule)),
        Label::FromScratch => Some(independent_confidence(f)),
        Label::PartialReuse => {
            Some(derived_confidence(f, rule).min(independent_side_confidence(f)))
        }
        Label::Inconclusive => None,
    }
}

/// Whether all that is reused are tables of tokens, or parts found by their excess alone: both have
/// other explanations than a copy.
fn rests_on_little(f: &Grounds, rule: u8) -> bool {
    let mut reused = f.parts.iter().filter(|p| p.state == State::Reused);
    matches!(rule, 5 | 6)
        && reused.all(|part| !part.identical && (is_table(part) || part.rests_on_excess()))
}

fn derived_confidence(f: &Grounds, rule: u8) -> Confidence {
    if rests_on_little(f, rule) {
        return Confidence::Weak;
    }
    let by_bytes = f.identical_matrices > 0 && rule != 3;
    let least = match rule {
        7 => f.direct.map(|d| d.log10_p),
        _ => f.least_log10_p,
    };
    let word_of = |bound: Option<f64>| match bound {
        Some(p) if p <= CONCLUSIVE_LOG10 => Confidence::Conclusive,
        Some(p) if p <= FOUND_LOG10 => Confidence::Strong,
        Some(p) if p <= MODERATE_LOG10 => Confidence::Moderate,
        _ => Confidence::Weak,
    };
    let by_approximation = word_of(f.approximate_log10_p).min(Confidence::Strong);
    let word = match by_bytes {
        true => Confidence::Conclusive,
        false => word_of(least).max(by_approximation),
    };
    if f.coverage.is_some_and(|c| c >= COVERED_SHARE) {
        word
    } else {
        word.lower()
    }
}

/// Share of the target's matrix parameters in parts whose own test could have seen a reuse.
fn tested_share(f: &Grounds) -> f64 {
    let tested = f
        .parts
        .iter()
        .filter(|p| p.test.is_some_and(|t| t.has_power()))
        .map(|p| p.parameters)
        .sum::<u64>();
    tested as f64 / f.matrix_parameters.max(1) as f64
}

fn independent_confidence(f: &Grounds) -> Confidence {
    let least_part = || {
        let shares = f
            .parts
            .iter()
            .filter_map(|p| p.test.and_then(|t| t.share_seen_95));
        shares.min_by(f64::total_cmp)
    };
    let Some(share) = f.share_seen_95.or_else(least_part) else {
        return Confidence::Weak;
    };
    match (tested_share(f), share) {
        (tested, s)
            if tested >= CONCLUSIVE_TESTED
                && s <= CONCLUSIVE_SHARE_SEEN
                && f.disguise_looked_for
                && f.token_free_has_power =>
        {
            Confidence::Conclusive
        }
        (tested, s)
            if tested >= STRONG_TESTED
                && s <= STRONG_SHARE_SEEN
                && (f.tokens_by_strings || f.token_free_has_power) =>
        {
            Confidence::Strong
        }
        (tested, s) if tested >= MODERATE_TESTED && s <= MODERATE_SHARE_SEEN => {
            Confidence::Moderate
        }
        _ => Confidence::Weak,
    }
}

/// How sure it is that the independent parts of a partial reuse are independent: the share tested
/// is that of these parts alone.
fn independent_side_confidence(f: &Grounds) -> Confidence {
    let parts: Vec<Part> = f
        .parts
        .iter()
        .filter(|p| p.state == State::Independent)
        .cloned()
        .collect();
    let matrix_parameters = parts.iter().map(|p| p.parameters).sum();
    independent_confidence(&Grounds {
        parts,
        matrix_parameters,
        ..f.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::grounds::{Direct, ReEncoding};
    use crate::evidence::part::{PartKey, PartKind, PartTest};
    use crate::model::words::Component;

    fn part(state: State, parameters: u64, share: Option<f64>) -> Part {
        Part {
            key: PartKey {
                component: Component::Text,
                block: None,
                layer: None,
                kind: PartKind::Other,
                expert: None,
                name: None,
                encoder: false,
            },
            base_layer: None,
            parameters,
            compared: parameters,
            identical: false,
            new: false,
            found: false,
            has_named_places: false,
            lacks_a_matrix: false,
            excess: None,
            test: share.map(|s| PartTest {
                log10_p: 0.0,
                share_seen_95: Some(s),
            }),
            by_place: false,
            found_by: None,
            witness: None,
            geometry: None,
            state,
        }
    }

    fn findings(reused: u64, independent: u64, unclear: u64, new: u64) -> Grounds {
        let found = PartTest {
            log10_p: -30.0,
            share_seen_95: Some(0.2),
        };
        let reused = Part {
            test: Some(found),
            ..part(State::Reused, reused, None)
        };
        let parts = [
            reused.clone(),
            part(State::Independent, independent, Some(0.2)),
            part(State::Unclear, unclear, Some(0.2)),
            part(State::New, new, None),
        ];
        Grounds {
            tensors: 10,
            parts: parts.into_iter().filter(|p| p.parameters > 0).collect(),
            matrix_parameters: reused.parameters + independent + unclear + new,
            coverage: Some(1.0),
            ..Grounds::default()
        }
    }

    fn label_of(f: &Grounds) -> (Label, u8) {
        let d = decide(f);
        (d.label, d.rule)
    }

    #[test]
    fn the_rules_hold_in_their_order() {
        let f = findings(0, 100, 0, 0);
        assert_eq!(label_of(&f), (Label::FromScratch, 4));
        let hidden = Disguise {
            tried: 4,
            found: 2,
            log10_p: -30.0,
            exact: true,
        };
        let f = Grounds {
            disguise: Some(hidden),
            ..f
        };
        assert_eq!(label_of(&f), (Label::FromScratch, 4));
        let f = Grounds {
            parts: findings(0, 2, 98, 0).parts,
            ..f
        };
        assert_eq!(label_of(&f), (Label::Derived, 3));
        let f = Grounds {
            re_encoding: Some(ReEncoding { calibrated: false }),
            ..f
        };
        assert_eq!(label_of(&f), (Label::ReEncoded, 2));
        let f = Grounds {
            all_identical: true,
            ..f
        };
        assert_eq!(label_of(&f), (Label::Identical, 1));
        assert_eq!(
            label_of(&Grounds { tensors: 0, ..f }),
            (Label::Inconclusive, 8)
        );
    }

    #[test]
    fn from_scratch_needs_half_independent_and_little_unclear() {
        assert_eq!(label_of(&findings(0, 50, 20, 30)), (Label::FromScratch, 4));
        assert_eq!(label_of(&findings(0, 49, 20, 31)), (Label::Inconclusive, 4));
        assert_eq!(label_of(&findings(0, 79, 21, 0)), (Label::Inconclusive, 4));
    }

    #[test]
    fn partial_reuse_needs_more_than_two_percent_independent_with_power() {
        assert_eq!(label_of(&findings(98, 2, 0, 0)), (Label::Derived, 6));
        assert_eq!(label_of(&findings(97, 3, 0, 0)), (Label::PartialReuse, 5));
        let mut f = findings(97, 3, 0, 0);
        f.parts[1].test = Some(PartTest {
            log10_p: 0.0,
            share_seen_95: Some(0.36),
        });
        assert_eq!(label_of(&f), (Label::Derived, 6));
    }

    #[test]
    fn derived_needs_two_thirds_or_hits_in_most_layers() {
        assert_eq!(label_of(&findings(2, 0, 1, 0)), (Label::Derived, 6));
        let f = findings(199, 0, 101, 0);
        assert_eq!(label_of(&f), (Label::Inconclusive, 8));
        let direct = |log10_p, layers_hit| {
            Some(Direct {
                log10_p,
                layers: 6,
                layers_hit,
            })
        };
        assert_eq!(
            label_of(&Grounds {
                direct: direct(-6.0, 4),
                ..f.clone()
            }),
            (Label::Derived, 7)
        );
        assert_eq!(
            label_of(&Grounds {
                direct: direct(-6.0, 3),
                ..f.clone()
            }),
            (Label::Inconclusive, 8)
        );
        assert_eq!(
            label_of(&Grounds {
                direct: direct(-5.9, 4),
                ..f
            }),
            (Label::Inconclusive, 8)
        );
    }

    #[test]
    fn new_parts_are_no_evidence_of_a_reuse() {
        assert_eq!(label_of(&findings(100, 0, 0, 1000)), (Label::Derived, 6));
    }

    #[test]
    fn a_disguise_needs_half_of_the_layers_and_two_or_all() {
        let d = |tried, found| {
            Disguise {
                tried,
                found,
                log10_p: -10.0,
                exact: true,
            }
            .decides()
        };
        assert!(d(4, 2) && d(1, 1) && d(2, 2) && !d(2, 1) && !d(4, 1) && !d(0, 0));
    }

    #[test]
    fn derived_confidence_follows_the_bound_and_the_coverage() {
        let with = |p, coverage| {
            let f = Grounds {
                least_log10_p: Some(p),
                coverage: Some(coverage),
                ..findings(100, 0, 0, 0)
            };
            decide(&f).confidence
        };
        assert_eq!(with(-20.0, 0.5), Some(Confidence::Conclusive));
        assert_eq!(with(-19.9, 0.5), Some(Confidence::Strong));
        assert_eq!(with(-6.0, 0.5), Some(Confidence::Strong));
        assert_eq!(with(-5.9, 0.5), Some(Confidence::Moderate));
        assert_eq!(with(-2.9, 0.5), Some(Confidence::Weak));
        assert_eq!(with(-20.0, 0.49), Some(Confidence::Strong));
        assert_eq!(with(-2.9, 0.49), Some(Confidence::Weak));
    }

    #[test]
    fn from_scratch_confidence_follows_share_tested_and_power() {
        let with = |s, token_free, by_strings| {
            let f = Grounds {
                share_seen_95: Some(s),
                disguise_looked_for: true,
                token_free_has_power: token_free,
                tokens_by_strings: by_strings,
                ..findings(0, 100, 0, 0)
            };
            decide(&f).confidence
        };
        assert_eq!(with(0.05, true, false), Some(Confidence::Conclusive));
        assert_eq!(with(0.05, false, true), Some(Confidence::Strong));
        assert_eq!(with(0.05, false, false), Some(Confidence::Moderate));
        assert_eq!(with(0.10, true, false), Some(Confidence::Strong));
        assert_eq!(with(0.25, true, true), Some(Confidence::Moderate));
        assert_eq!(with(0.26, true, true), Some(Confidence::Weak));
        let half = Grounds {
            share_seen_95: Some(0.05),
            disguise_looked_for: true,
            ..findings(0, 60, 0, 40)
        };
        assert_eq!(decide(&half).confidence, Some(Confidence::Moderate));
    }

    #[test]
    fn a_low_excess_with_hits_mentions_a_shared_initialisation() {
        let f = Grounds {
            matrix_excess: Some(0.39),
            ..findings(100, 0, 0, 0)
        };
        assert!(
            decide(&f)
                .relations
                .contains(&Relation::SharedInitializationPossible)
        );
        let f = Grounds {
            identical_matrices: 1,
            ..f
        };
        assert!(
            !decide(&f)
                .relations
                .contains(&Relation::SharedInitializationPossible)
        );
        let f = Grounds {
            matrix_excess: Some(0.8),
            ..f
        };
        assert_eq!(decide(&f).relations, [Relation::FineTuned]);
        let f = Grounds {
            identical_matrices: 0,
            gains_agree: true,
            ..f
        };
        assert_eq!(decide(&f).relations, [Relation::FineTuned]);
    }
}
