//! What the words of the contract mean (guide/contract.md, sections 3 and 4).

use super::super::Meanings;
use super::{English, findings};
use crate::evidence::finding::PcaSummary;
use crate::results::compare::Why;
use crate::verdict::decide::{Confidence, Label};
use crate::verdict::origin::Band;
use crate::verdict::ranking::CriterionId;

impl Meanings for English {
    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Identical => "every tensor is paired and equal in dtype, shape and bytes",
            Label::ReEncoded => {
                "the same values, stored otherwise; no difference is larger than the number \
                 formats make it"
            }
            Label::Derived => {
                "the target's weights come from the base, or the base's from the target, or both \
                 from one ancestor; a likeness has no direction in time"
            }
            Label::PartialReuse => {
                "some parts are shared with the base, others are shown to be independent of it"
            }
            Label::FromScratch => {
                "no likeness to the base in any test that ran, and the tests that ran would have \
                 seen one; training on the base's outputs leaves no trace in weights"
            }
            Label::Inconclusive => {
                "none of the other verdicts can be said from what could be compared"
            }
        }
    }

    fn confidence(&self, label: Label, confidence: Confidence) -> &'static str {
        match (label, confidence) {
            (Label::Identical, _) => "equality of bytes leaves no room for chance",
            (Label::ReEncoded, Confidence::Strong) => {
                "every informative tensor differs as rounding alone would make it differ"
            }
            (Label::ReEncoded, _) => {
                "within what a calibrated quantiser does, which is no exact bound"
            }
            (Label::Derived, Confidence::Conclusive) => {
                "chance at or below 10^-20, or byte-identical informative matrices, over at least \
                 half of the target's matrices"
            }
            (Label::Derived, Confidence::Strong) => {
                "chance at or below 10^-6; or a stronger figure over less than half of the \
                 target's matrices"
            }
            (Label::Derived, Confidence::Moderate) => {
                "chance at or below 10^-3; or a stronger figure over less than half of the \
                 target's matrices"
            }
            (Label::Derived, Confidence::Weak) => {
                "no test puts the chance at or below 10^-3 with enough of the target covered"
            }
            (Label::FromScratch, Confidence::Conclusive) => {
                "at least 90 % of the target's matrix parameters tested, a reuse of 5 % would \
                 have been seen, and disguises were looked for"
            }
            (Label::FromScratch, Confidence::Strong) => {
                "at least 75 % of the target's matrix parameters tested, and a reuse of 10 % \
                 would have been seen"
            }
            (Label::FromScratch, Confidence::Moderate) => {
                "at least 50 % of the target's matrix parameters tested, and a reuse of 25 % \
                 would have been seen"
            }
            (Label::FromScratch, Confidence::Weak) => {
                "less was tested, or only a larger reuse would have been seen"
            }
            (Label::PartialReuse, _) => {
                "the weaker of its two sides: what is reused, and what is independent"
            }
            (Label::Inconclusive, _) => "",
        }
    }

    fn band(&self, band: Band) -> &'static str {
        findings::band(band)
    }

    fn band_range(&self, band: Band) -> &'static str {
        match band {
            Band::AlmostCertainlyFineTuned => "above 0.95",
            Band::FineTunedOrContinued => "0.8 to 0.95",
            Band::PossiblePartialReuse => "0.5 to 0.8",
            Band::LikelyFromScratch => "below 0.5",
        }
    }

    fn unmatched_why(&self, why: Why) -> &'static str {
        match why {
            Why::NoSuchName => "no such name",
            Why::Shape => "other shape",
            Why::Unsupported => "not readable",
            Why::Filtered => "filtered",
        }
    }

    fn subspaces(&self, summary: PcaSummary) -> &'static str {
        match summary {
            PcaSummary::ClusteredWithBase => "clustered with the base",
            PcaSummary::Orthogonal => {
                "orthogonal to the base's, as those of independent models are"
            }
            PcaSummary::Between => "between orthogonal and clustered",
        }
    }

    fn criterion_side(&self, id: CriterionId) -> &'static str {
        match id {
            CriterionId::AllMeansBelowHalf
            | CriterionId::NoIdentical
            | CriterionId::IndependentInPca => "from scratch",
            CriterionId::ABaseAt09 | CriterionId::ManyIdentical | CriterionId::EarlyLayersHigh => {
                "fine-tuning"
            }
        }
    }

    fn yes_or_no(&self, holds: Option<bool>) -> &'static str {
        match holds {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        }
    }
}
