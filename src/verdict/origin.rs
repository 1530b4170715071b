//! The origin document's own reading: its bands on the plain mean, its layer patterns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::levels::{BAND_CERTAIN, BAND_HIGH, BAND_LOW, PATTERN_FALL, PATTERN_SPREAD};
use crate::model::words::words;

use super::decide::Label;

words! {
    /// Band of the plain mean cosine.
    Band {
        /// Above 0.95.
        AlmostCertainlyFineTuned = "almost_certainly_fine_tuned",
        /// Above 0.8, up to 0.95.
        FineTunedOrContinued = "fine_tuned_or_continued",
        /// From 0.5 to 0.8.
        PossiblePartialReuse = "possible_partial_reuse",
        /// Below 0.5.
        LikelyFromScratch = "likely_from_scratch",
    }
}

impl Band {
    /// The band of a plain mean cosine.
    pub fn of(mean: f64) -> Self {
        match mean {
            m if m > BAND_CERTAIN => Self::AlmostCertainlyFineTuned,
            m if m > BAND_HIGH => Self::FineTunedOrContinued,
            m if m >= BAND_LOW => Self::PossiblePartialReuse,
            _ => Self::LikelyFromScratch,
        }
    }
}

words! {
    /// Pattern of the matrix cosines over the layers of a component.
    Pattern {
        /// Fewer than two layers.
        NotApplicable = "not_applicable",
        /// No layer at 0.5.
        UniformlyLow = "uniformly_low",
        /// Some layers low, some far above them.
        SomeLayersHigh = "some_layers_high",
        /// The first third above the last.
        EarlyHighLateLow = "early_high_late_low",
        /// No layer below 0.8.
        UniformlyHigh = "uniformly_high",
        /// None of these.
        Mixed = "mixed",
    }
}

impl Pattern {
    /// The pattern of the layers' matrix cosines, in layer order (guide/contract.md, section 3).
    pub fn of(layers: &[f64]) -> Self {
        if layers.len() < 2 {
            return Self::NotApplicable;
        }
        let third = (layers.len() / 3).max(1);
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let early = mean(&layers[..third]);
        let late = mean(&layers[layers.len() - third..]);
        let low = layers.iter().copied().fold(f64::INFINITY, f64::min);
        let high = layers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match () {
            () if high < BAND_LOW => Self::UniformlyLow,
            () if low < BAND_LOW && high - low >= PATTERN_SPREAD => Self::SomeLayersHigh,
            () if early - late >= PATTERN_FALL => Self::EarlyHighLateLow,
            () if low >= BAND_HIGH => Self::UniformlyHigh,
            () => Self::Mixed,
        }
    }
}

/// Why the band and the label disagree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Disagreement {
    /// What explains it.
    pub cause: DisagreementCause,
    /// The plain mean.
    pub mean: f64,
    /// The matrices' cosine.
    pub matrix: Option<f64>,
    /// The norms' cosine.
    pub norm: Option<f64>,
}

/// What sets the plain mean and the label apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisagreementCause {
    /// The mean counts norms and constants, which are alike in unrelated models.
    AlikeInUnrelated,
    /// Parts that are not shared pull the mean down.
    PulledDown,
    /// The mean compares by equal name and index alone.
    ByNameAlone,
}

impl Disagreement {
    /// Why the band of the plain `mean` and the label disagree; `None` where they agree or nothing
    /// is concluded.
    pub fn between(
        label: Label,
        mean: f64,
        matrix: Option<f64>,
        norm: Option<f64>,
    ) -> Option<Self> {
        let is_high = Band::of(mean) != Band::LikelyFromScratch;
        let cause = match label {
            Label::Inconclusive => return None,
            Label::FromScratch if is_high => DisagreementCause::AlikeInUnrelated,
            Label::FromScratch => return None,
            Label::PartialReuse if !is_high => DisagreementCause::PulledDown,
            Label::Identical | Label::ReEncoded | Label::Derived if !is_high => {
                DisagreementCause::ByNameAlone
            }
            Label::Identical | Label::ReEncoded | Label::Derived | Label::PartialReuse => {
                return None;
            }
        };
        Some(Self {
            cause,
            mean,
            matrix,
            norm,
        })
    }
}

/// The origin document's reading of two models, beside the verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Plain mean of the cosines.
    pub mean_cosine: Option<f64>,
    /// Its band.
    pub band: Option<Band>,
    /// Pattern of the layers of the leading component.
    pub pattern: Pattern,
    /// Whether the band agrees with the label; `None` where one of them is missing.
    pub agrees: Option<bool>,
    /// Why not.
    pub why: Option<Disagreement>,
}

impl Reading {
    /// The reading of the plain mean `mean_cosine`, with the cosines of matrices and norms.
    pub fn new(
        mean_cosine: Option<f64>,
        matrix: Option<f64>,
        norm: Option<f64>,
        pattern: Pattern,
        label: Label,
    ) -> Self {
        let why = mean_cosine.and_then(|mean| Disagreement::between(label, mean, matrix, norm));
        let concluded = label != Label::Inconclusive;
        Self {
            mean_cosine,
            band: mean_cosine.map(Band::of),
            pattern,
            agrees: (mean_cosine.is_some() && concluded).then_some(why.is_none()),
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_close_where_the_contract_closes_them() {
        assert_eq!(Band::of(0.950_001), Band::AlmostCertainlyFineTuned);
        assert_eq!(Band::of(0.95), Band::FineTunedOrContinued);
        assert_eq!(Band::of(0.800_001), Band::FineTunedOrContinued);
        assert_eq!(Band::of(0.8), Band::PossiblePartialReuse);
        assert_eq!(Band::of(0.5), Band::PossiblePartialReuse);
        assert_eq!(Band::of(0.499_999), Band::LikelyFromScratch);
        assert_eq!(Band::of(-1.0), Band::LikelyFromScratch);
    }

    #[test]
    fn the_first_pattern_that_holds_is_taken() {
        assert_eq!(Pattern::of(&[0.9]), Pattern::NotApplicable);
        assert_eq!(Pattern::of(&[0.4, 0.1, 0.499]), Pattern::UniformlyLow);
        assert_eq!(Pattern::of(&[0.9, 0.9, 0.0, 0.0]), Pattern::SomeLayersHigh);
        assert_eq!(Pattern::of(&[0.78, 0.48]), Pattern::SomeLayersHigh);
        assert_eq!(Pattern::of(&[0.75, 0.48]), Pattern::EarlyHighLateLow);
        assert_eq!(Pattern::of(&[0.99, 0.98, 0.97]), Pattern::EarlyHighLateLow);
        assert_eq!(Pattern::of(&[0.99, 0.98, 0.98]), Pattern::UniformlyHigh);
        assert_eq!(Pattern::of(&[0.7, 0.7, 0.75]), Pattern::Mixed);
        assert_eq!(Pattern::of(&[0.5, 0.5]), Pattern::Mixed);
    }
}
