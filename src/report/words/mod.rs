//! What the words of the contract mean, in sentences for people: labels, confidence, bands,
//! patterns (guide/contract.md, sections 3 and 4).

pub(super) mod en;

use super::number;

/// What a verdict label means.
pub(super) fn label(label: &str) -> &'static str {
    match label {
        "identical" => "every tensor is paired and equal in dtype, shape and bytes",
        "re_encoded" => {
            "the same values, stored otherwise; no difference is larger than the number formats make it"
        }
        "derived" => {
            "the target's weights come from the base, or the base's from the target, or both from one ancestor; \
             a likeness has no direction in time"
        }
        "partial_reuse" => {
            "some parts are shared with the base, others are shown to be independent of it"
        }
        "from_scratch" => {
            "no likeness to the base in any test that ran, and the tests that ran would have seen one; \
             training on the base's outputs leaves no trace in weights"
        }
        _ => "none of the other verdicts can be said from what could be compared",
    }
}

/// What a confidence word stands for beside a label: its definition.
pub(super) fn confidence(label: &str, word: &str) -> &'static str {
    match (label, word) {
        ("identical", _) => "equality of bytes leaves no room for chance",
        ("re_encoded", "strong") => {
            "every informative tensor differs as rounding alone would make it differ"
        }
        ("re_encoded", _) => "within what a calibrated quantiser does, which is no exact bound",
        ("derived", "conclusive") => {
            "chance at or below 10^-20, or byte-identical informative matrices, over at least half of the target's matrices"
        }
        ("derived", "strong") => {
            "chance at or below 10^-6; or a stronger figure over less than half of the target's matrices"
        }
        ("derived", "moderate") => {
            "chance at or below 10^-3; or a stronger figure over less than half of the target's matrices"
        }
        ("derived", _) => {
            "no test puts the chance at or below 10^-3 with enough of the target covered"
        }
        ("from_scratch", "conclusive") => {
            "at least 90 % of the target's matrix parameters tested, a reuse of 5 % would have been seen, \
             and disguises were looked for"
        }
        ("from_scratch", "strong") => {
            "at least 75 % of the target's matrix parameters tested, and a reuse of 10 % would have been seen"
        }
        ("from_scratch", "moderate") => {
            "at least 50 % of the target's matrix parameters tested, and a reuse of 25 % would have been seen"
        }
        ("from_scratch", _) => "less was tested, or only a larger reuse would have been seen",
        ("partial_reuse", _) => {
            "the weaker of its two sides: what is reused, and what is independent"
        }
        _ => "",
    }
}

/// One row of the origin document's threshold table.
pub(super) struct Band {
    /// The word of the contract.
    pub(super) word: &'static str,
    /// The range of the mean cosine.
    pub(super) range: &'static str,
    /// The document's reading of it.
    pub(super) meaning: &'static str,
}

/// The origin document's thresholds on the mean cosine, highest first; its open edges closed as the
/// contract does.
pub(super) const BANDS: [Band; 4] = [
    Band {
        word: "almost_certainly_fine_tuned",
        range: "above 0.95",
        meaning: "almost certainly fine-tuned",
    },
    Band {
        word: "fine_tuned_or_continued",
        range: "0.8 to 0.95",
        meaning: "fine-tuned, or pre-training continued",
    },
    Band {
        word: "possible_partial_reuse",
        range: "0.5 to 0.8",
        meaning: "weights possibly reused in part",
    },
    Band {
        word: "likely_from_scratch",
        range: "below 0.5",
        meaning: "likely trained from scratch",
    },
];

/// What one of the origin document's criteria speaks for.
pub(super) fn criterion_side(id: &str) -> &'static str {
    match id {
        "all_means_below_half" | "no_identical" | "independent_in_pca" => "from scratch",
        _ => "fine-tuning",
    }
}

/// A word with its underscores as spaces.
pub(super) fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

/// The bound on chance that a `log10_p` states: `at most 10^-814`, or `at most 0.317`.
pub(super) fn chance(log10_p: f64) -> String {
    if log10_p <= -3.0 {
        // A bound may be stated too high, never too low: the exponent is cut towards zero.
        format!("at most 10^{}", number::fixed(Some(log10_p.trunc()), 0))
    } else {
        format!(
            "at most {}",
            number::fixed(Some((10f64.powf(log10_p) * 1000.0).ceil() / 1000.0), 3)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_never_stated_lower_than_it_is() {
        assert_eq!(chance(-814.9), "at most 10^-814");
        assert_eq!(chance(-3.0), "at most 10^-3");
        assert_eq!(chance(-0.5), "at most 0.317");
        assert_eq!(chance(0.0), "at most 1.000");
    }

    #[test]
    fn every_label_and_confidence_has_words() {
        for label in [
            "identical",
            "re_encoded",
            "derived",
            "partial_reuse",
            "from_scratch",
        ] {
            assert_ne!(self::label(label), self::label("inconclusive"));
            for word in ["conclusive", "strong", "moderate", "weak"] {
                assert!(!confidence(label, word).is_empty());
            }
        }
    }
}
