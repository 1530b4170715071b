//! Typed results as the rows of the schema, made once a command.

mod compare;
mod rank;

pub use compare::compare;
pub use rank::rank;

use super::{
    Coverage, NotTestable, OriginReading, SettingsRow, Shares, Sides, Similarity, VerdictRow,
};
use crate::evidence::figures;
use crate::evidence::untested::Untested;
use crate::report::words::en::findings as words;
use crate::results::settings::Settings;
use crate::verdict::Verdict;
use crate::verdict::origin::Reading;

impl From<&figures::Similarity> for Similarity {
    fn from(s: &figures::Similarity) -> Self {
        Self {
            mean_cosine: s.mean_cosine,
            matrix_cosine: s.matrix_cosine,
            matrix_excess: s.matrix_excess,
            norm_cosine: s.norm_cosine,
            norm_expected_cosine: s.norm_expected_cosine,
            norm_centered_cosine: s.norm_centered_cosine,
            aligned: s.aligned,
            identical: s.identical,
            identical_informative: s.identical_informative,
        }
    }
}

impl From<Sides<figures::Coverage>> for Coverage {
    fn from(Sides { base, target }: Sides<figures::Coverage>) -> Self {
        Self {
            parameters: Shares {
                target: target.parameters.share(),
                base: base.parameters.share(),
            },
            matrices: Shares {
                target: target.matrices.share(),
                base: base.matrices.share(),
            },
        }
    }
}

impl From<&Reading> for OriginReading {
    fn from(reading: &Reading) -> Self {
        Self {
            mean_cosine: reading.mean_cosine,
            band: reading.band,
            band_meaning: reading.band.map(|band| words::band(band).to_owned()),
            layer_pattern: reading.pattern,
            pattern_meaning: words::pattern(reading.pattern).to_owned(),
            agrees: reading.agrees,
            why: reading.why.as_ref().map(words::disagreement),
            disagreement: reading.why,
        }
    }
}

impl From<&Verdict> for VerdictRow {
    fn from(verdict: &Verdict) -> Self {
        Self {
            label: verdict.label,
            relation: verdict.relations.first().copied(),
            relations: verdict.relations.clone(),
            confidence: verdict.confidence,
            reasons: verdict.reasons.iter().map(words::reason).collect(),
            not_testable: verdict.untested.iter().map(NotTestable::from).collect(),
            grounds: verdict.reasons.clone(),
        }
    }
}

impl From<&Untested> for NotTestable {
    fn from(untested: &Untested) -> Self {
        Self {
            what: words::subject(&untested.what),
            why: words::obstacle(&untested.why),
            subject: Some(untested.what.clone()),
            obstacle: Some(untested.why.clone()),
        }
    }
}

impl From<Settings> for SettingsRow {
    fn from(settings: Settings) -> Self {
        Self {
            hash: settings.hash,
            pca: settings.pca,
            permutation: settings.permutation,
            deep: settings.deep,
            seed: settings.seed,
            include: settings.include,
            exclude: settings.exclude,
        }
    }
}
