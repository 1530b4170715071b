//! What the figures of the pairs say by themselves.

use crate::error::Result;
use crate::stats::levels::{ALIKE_EXCESS, UNLIKE_EXCESS};

use super::analysis::{Analysis, Found, Setting};
use super::figures::{self, Similarity};
use super::finding::{Finding, NoiseFloor, Scope, Statement, Supports};
use super::noise_floor::Encoding;

/// How much the pairs are alike, as the pass measured it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Likeness {
    similarity: Similarity,
    /// What number formats explain of it.
    noise_floor: Option<NoiseFloor>,
}

impl Analysis for Likeness {
    fn look(setting: &Setting<'_>, found: &mut Found) -> Result<Option<Self>> {
        let encoding = found.get::<Encoding>();
        Ok(Some(Self {
            similarity: figures::similarity(setting.measurements),
            noise_floor: encoding.and_then(|encoding| encoding.noise_floor.clone()),
        }))
    }

    fn findings(&self) -> Vec<Finding> {
        let s = &self.similarity;
        let equal_bytes = (s.identical_informative > 0).then(|| equal_bytes(s));
        let matrices = s
            .matrix_excess
            .map(|excess| alike_matrices(excess, s.matrix_cosine, self.noise_floor.as_ref()));
        let norms = s
            .norm_cosine
            .zip(s.norm_expected_cosine)
            .map(|(cosine, expected)| alike_norms(cosine, expected));
        [equal_bytes, matrices, norms]
            .into_iter()
            .flatten()
            .collect()
    }
}

fn equal_bytes(s: &Similarity) -> Finding {
    Finding {
        statement: Statement::EqualBytes {
            tensors: s.identical_informative,
            matrices: s.identical_matrices,
        },
        value: Some(s.identical_informative as f64),
        log10_p: None,
        supports: if s.identical_matrices > 0 {
            Supports::Derived
        } else {
            Supports::Nothing
        },
        scope: Scope::Model,
    }
}

fn alike_matrices(excess: f64, cosine: Option<f64>, noise_floor: Option<&NoiseFloor>) -> Finding {
    let supports = match excess {
        _ if noise_floor.is_some_and(|floor| floor.passed) => Supports::ReEncoded,
        e if e >= ALIKE_EXCESS => Supports::Derived,
        e if e < UNLIKE_EXCESS => Supports::FromScratch,
        _ => Supports::Nothing,
    };
    Finding {
        statement: Statement::AlikeMatrices {
            excess,
            cosine,
            noise_floor: noise_floor.cloned(),
        },
        value: Some(excess),
        log10_p: None,
        supports,
        scope: Scope::Model,
    }
}

fn alike_norms(cosine: f64, expected: f64) -> Finding {
    Finding {
        statement: Statement::AlikeNorms { cosine, expected },
        value: Some(cosine),
        log10_p: None,
        supports: Supports::Nothing,
        scope: Scope::Model,
    }
}
