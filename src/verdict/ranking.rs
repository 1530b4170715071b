//! Several bases held against one target: their order, the origin document's criteria, the
//! conclusion.

use crate::evidence::levels::{BAND_LOW, MANY_IDENTICAL, NEAR_COSINE};
use std::cmp::Ordering;

use crate::model::words::words;

use super::decide::Label;
use super::origin::Pattern;

words! {
    /// A criterion of the origin document: three for from scratch, then three for fine-tuning.
    CriterionId {
        /// Every mean below 0.5.
        AllMeansBelowHalf = "all_means_below_half",
        /// No informative tensor is a base's.
        NoIdentical = "no_identical",
        /// Principal subspaces apart from every base's.
        IndependentInPca = "independent_in_pca",
        /// A mean of 0.9 or more.
        ABaseAt09 = "a_base_at_0.9",
        /// A quarter of the informative tensors are one base's.
        ManyIdentical = "many_identical",
        /// Early layers near a base's.
        EarlyLayersHigh = "early_layers_high",
    }
}

/// How one base stands to the target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    /// Verdict on the pair.
    pub label: Label,
    /// Share of the target's matrix parameters in parts that are the base's, 0 to 1.
    pub reused: Option<f64>,
    /// Matrix excess.
    pub excess: Option<f64>,
    /// Plain mean of the cosines.
    pub mean_cosine: Option<f64>,
    /// Informative tensors that are equal to the base's.
    pub identical: u64,
    /// Informative tensors of the target.
    pub informative: u64,
    /// Whether principal subspaces are orthogonal, and their median excess.
    pub subspaces: Option<(bool, f64)>,
    /// Matrix cosines of the layers of the leading component, in layer order.
    pub layers: Vec<f64>,
}

impl Standing {
    /// The nearer base first: by label, by share reused, by excess. Chances decide nothing: those
    /// of relatives are all far below what anybody doubts.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let reused = |s: &Self| s.reused.unwrap_or(0.0);
        let excess = |s: &Self| s.excess.unwrap_or(f64::NEG_INFINITY);
        rank(self.label)
            .cmp(&rank(other.label))
            .then(reused(other).total_cmp(&reused(self)))
            .then(excess(other).total_cmp(&excess(self)))
    }

    fn early(&self) -> Option<f64> {
        let third = (self.layers.len() / 3).max(1);
        (self.layers.len() >= 2).then(|| self.layers[..third].iter().sum::<f64>() / third as f64)
    }
}

/// A base not shown to be unrelated stands before one that is.
const fn rank(label: Label) -> u8 {
    match label {
        Label::Identical => 0,
        Label::ReEncoded => 1,
        Label::Derived => 2,
        Label::PartialReuse => 3,
        Label::Inconclusive => 4,
        Label::FromScratch => 5,
    }
}

/// A criterion and whether it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    /// Which.
    pub id: CriterionId,
    /// Whether it holds; `None` where a base without the figure could change the answer.
    pub holds: Option<bool>,
    /// The number it was decided by: the greatest over the bases.
    pub value: Option<f64>,
}

/// The criteria over all bases.
pub(crate) fn criteria(standings: &[Standing]) -> Vec<Criterion> {
    let one = |id: &CriterionId| {
        let figures: Vec<(Option<bool>, Option<f64>)> =
            standings.iter().map(|s| figure(*id, s)).collect();
        let held = figures.iter().map(|f| f.0);
        let holds = match id {
            CriterionId::AllMeansBelowHalf
            | CriterionId::NoIdentical
            | CriterionId::IndependentInPca => every(held),
            _ => every(held.map(|h| h.map(|h| !h))).map(|none| !none),
        };
        let value = figures.iter().filter_map(|f| f.1).reduce(f64::max);
        Criterion {
            id: *id,
            holds,
            value,
        }
    };
    CriterionId::ALL.iter().map(one).collect()
}

/// Whether a criterion holds of one base, and by which number.
fn figure(id: CriterionId, s: &Standing) -> (Option<bool>, Option<f64>) {
    let test = |value: Option<f64>, holds: &dyn Fn(f64) -> bool| (value.map(holds), value);
    match id {
        CriterionId::AllMeansBelowHalf => test(s.mean_cosine, &|m| m < BAND_LOW),
        CriterionId::NoIdentical => test(Some(s.identical as f64), &|n| n == 0.0),
        CriterionId::IndependentInPca => (s.subspaces.map(|p| p.0), s.subspaces.map(|p| p.1)),
        CriterionId::ABaseAt09 => test(s.mean_cosine, &|m| m >= NEAR_COSINE),
        CriterionId::ManyIdentical => {
            let share = (s.informative > 0).then(|| s.identical as f64 / s.informative as f64);
            test(share, &|share| share >= MANY_IDENTICAL)
        }
        CriterionId::EarlyLayersHigh => {
            let falling = Pattern::of(&s.layers) == Pattern::EarlyHighLateLow;
            test(s.early(), &|early| falling || early >= NEAR_COSINE)
        }
    }
}

/// Whether all hold; `None` where none fails and one is not known.
fn every(held: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for holds in held {
        match holds {
            Some(false) => return Some(false),
            Some(true) => {}
            None => all = None,
        }
    }
    all
}

/// The label over all bases (guide/contract.md, section 4): the first relation that any base has;
/// from scratch where all are.
pub(crate) fn conclusion(labels: &[Label]) -> Label {
    let related = [
        Label::Identical,
        Label::ReEncoded,
        Label::Derived,
        Label::PartialReuse,
    ];
    let found = related.into_iter().find(|label| labels.contains(label));
    let scratch = !labels.is_empty() && labels.iter().all(|label| *label == Label::FromScratch);
    found.unwrap_or(if scratch {
        Label::FromScratch
    } else {
        Label::Inconclusive
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(label: Label) -> Standing {
        Standing {
            label,
            reused: Some(0.0),
            excess: Some(0.0),
            mean_cosine: Some(0.2),
            identical: 0,
            informative: 40,
            subspaces: Some((true, 0.01)),
            layers: vec![0.01; 6],
        }
    }

    fn held(standings: &[Standing]) -> Vec<Option<bool>> {
        criteria(standings).into_iter().map(|c| c.holds).collect()
    }

    #[test]
    fn the_conclusion_is_the_first_relation_that_any_base_has() {
        use Label::{Derived, FromScratch, Identical, Inconclusive, PartialReuse, ReEncoded};
        assert_eq!(conclusion(&[FromScratch, PartialReuse, Derived]), Derived);
        assert_eq!(conclusion(&[Derived, ReEncoded, Identical]), Identical);
        assert_eq!(conclusion(&[ReEncoded, Derived]), ReEncoded);
        assert_eq!(conclusion(&[Inconclusive, PartialReuse]), PartialReuse);
        assert_eq!(conclusion(&[FromScratch, FromScratch]), FromScratch);
        assert_eq!(conclusion(&[FromScratch, Inconclusive]), Inconclusive);
        assert_eq!(conclusion(&[]), Inconclusive);
    }

    #[test]
    fn the_order_is_label_then_share_reused_then_excess() {
        let with = |label, reused, excess| Standing {
            reused,
            excess,
            ..standing(label)
        };
        let order = [
            with(Label::Identical, None, None),
            with(Label::Derived, Some(1.0), Some(0.2)),
            with(Label::Derived, Some(0.9), Some(0.9)),
            with(Label::Derived, Some(0.9), Some(0.8)),
            with(Label::Derived, None, None),
            with(Label::PartialReuse, Some(1.0), Some(0.9)),
            with(Label::Inconclusive, None, None),
            with(Label::FromScratch, Some(0.1), Some(0.1)),
        ];
        assert!(order.is_sorted_by(|a, b| a.order(b) == Ordering::Less));
    }

    #[test]
    fn unrelated_bases_meet_the_criteria_for_from_scratch() {
        let bases = [standing(Label::FromScratch), standing(Label::FromScratch)];
        assert_eq!(
            held(&bases),
            [true, true, true, false, false, false].map(Some)
        );
    }

    #[test]
    fn one_near_base_meets_the_criteria_for_fine_tuning() {
        let near = Standing {
            mean_cosine: Some(0.9),
            identical: 10,
            subspaces: Some((false, 0.8)),
            layers: vec![0.9, 0.89, 0.89, 0.89],
            ..standing(Label::Derived)
        };
        assert_eq!(
            held(&[standing(Label::FromScratch), near]),
            [false, false, false, true, true, true].map(Some)
        );
    }

    #[test]
    fn edges_are_those_of_the_document() {
        let with = |mean, identical, layers: &[f64]| {
            let s = Standing {
                mean_cosine: Some(mean),
                identical,
                layers: layers.to_vec(),
                ..standing(Label::Derived)
            };
            held(&[s])
        };
        let holds = with(0.5, 9, &[0.5, 0.49]);
        assert_eq!(
            (holds[0], holds[3], holds[4], holds[5]),
            (Some(false), Some(false), Some(false), Some(false))
        );
        let holds = with(0.499, 10, &[0.7, 0.67]);
        assert_eq!(
            (holds[0], holds[4], holds[5]),
            (Some(true), Some(true), Some(true))
        );
        assert_eq!(with(0.1, 0, &[0.95, 0.95])[5], Some(true));
    }

    #[test]
    fn a_base_without_the_figure_leaves_it_open_unless_another_decides() {
        let unknown = Standing {
            mean_cosine: None,
            subspaces: None,
            layers: vec![],
            ..standing(Label::Inconclusive)
        };
        let low = standing(Label::FromScratch);
        assert_eq!(
            held(&[unknown.clone(), low])[..4],
            [None, Some(true), None, None]
        );
        let near = Standing {
            mean_cosine: Some(0.95),
            ..standing(Label::Derived)
        };
        let holds = held(&[unknown, near]);
        assert_eq!((holds[0], holds[3]), (Some(false), Some(true)));
    }
}
