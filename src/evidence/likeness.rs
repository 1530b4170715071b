//! What the figures of the pairs say by themselves.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::words::{Class, Component, Role};
use crate::stats::levels::{ALIKE_EXCESS, GAINS_AGREE, UNLIKE_EXCESS};

use super::analysis::{Analysis, Found, Setting, is_about};
use super::figures::{self, Measurement, Similarity};
use super::finding::{Finding, NoiseFloor, Scope, Statement, Supports};
use super::grounds::Grounds;
use super::noise_floor::Encoding;

/// How much the pairs are alike, as the pass measured it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Likeness {
    similarity: Similarity,
    /// What number formats explain of it.
    noise_floor: Option<NoiseFloor>,
    /// Layers in which gains or biases agree.
    agreeing: BTreeSet<(Component, u32)>,
}

impl Analysis for Likeness {
    fn look(setting: &Setting<'_>, found: &mut Found) -> Result<Option<Self>> {
        let encoding = found.get::<Encoding>();
        Ok(Some(Self {
            similarity: figures::similarity(setting.measurements),
            noise_floor: encoding.and_then(|encoding| encoding.noise_floor.clone()),
            agreeing: agreeing(setting.measurements),
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

    fn weigh(&self, about: Option<Component>, grounds: &mut Grounds) {
        let layers = self.agreeing.iter();
        let layers = layers.filter(|(component, _)| is_about(*component, about));
        grounds.gains_agree = layers.count() >= SEVERAL_LAYERS;
    }
}

/// Layers in which gains must agree.
const SEVERAL_LAYERS: usize = 3;

/// Layers in which a gain or a bias agrees once its mean is taken off. Those of queries and keys
/// agree at 0.7 to 0.9 between models trained independently, and say nothing.
fn agreeing(measurements: &[Measurement<'_>]) -> BTreeSet<(Component, u32)> {
    let vectors = measurements.iter().filter(|measurement| {
        let role = measurement.pair.target.meaning.role;
        matches!(role, Role::Norm | Role::Bias)
            && measurement.class != Class::Uninformative
            && measurement.in_place()
    });
    let alike = vectors.filter(|measurement| {
        let centred = measurement.figures.centered_cosine;
        centred.is_some_and(|cosine| cosine >= GAINS_AGREE)
    });
    alike
        .filter_map(|measurement| {
            let meaning = &measurement.pair.target.meaning;
            Some((meaning.component, meaning.layer?))
        })
        .collect()
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
