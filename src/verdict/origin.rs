//! The origin document's own reading: its bands on the plain mean, its layer patterns.

use crate::model::words::words;

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
            m if m > 0.95 => Self::AlmostCertainlyFineTuned,
            m if m > 0.8 => Self::FineTunedOrContinued,
            m if m >= 0.5 => Self::PossiblePartialReuse,
            _ => Self::LikelyFromScratch,
        }
    }

    /// What the document says of it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::AlmostCertainlyFineTuned => "almost certainly fine-tuned",
            Self::FineTunedOrContinued => "fine-tuned, or continued pre-training",
            Self::PossiblePartialReuse => "weights possibly reused in part",
            Self::LikelyFromScratch => "likely trained from scratch",
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
    /// The pattern of the layers' matrix cosines, in layer order (contract.md, section 3).
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
            () if high < 0.5 => Self::UniformlyLow,
            () if low < 0.5 && high - low >= 0.3 => Self::SomeLayersHigh,
            () if early - late >= 0.02 => Self::EarlyHighLateLow,
            () if low >= 0.8 => Self::UniformlyHigh,
            () => Self::Mixed,
        }
    }

    /// What the document says of it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NotApplicable => "fewer than two layers to compare",
            Self::UniformlyLow => "evidence for training from scratch",
            Self::SomeLayersHigh => "partial initialisation",
            Self::EarlyHighLateLow => "typical of fine-tuning",
            Self::UniformlyHigh => "alike at every depth",
            Self::Mixed => "no pattern that the document names",
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
