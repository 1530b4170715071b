//! A finding: what an analysis says, with its numbers; what it supports.
//!
//! The sentences are made in `report::words`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::tokenizer::Overlap;
use crate::model::words::{Component, words};
use crate::stats::chance;
use crate::stats::levels::MODERATE_LOG10;

use super::transformation::TransformationKind;

words! {
    /// Family of a finding.
    Family {
        /// Equal bytes.
        Bytes = "bytes",
        /// Cosines of matrices.
        Cosine = "cosine",
        /// Permutation tests.
        Permutation = "permutation",
        /// Principal subspaces.
        Pca = "pca",
        /// Norm gains.
        Norms = "norms",
        /// Layers found at another depth.
        LayerMap = "layer_map",
        /// Experts.
        Experts = "experts",
        /// A recovered transformation.
        Transformation = "transformation",
        /// Tokenizers.
        Tokenizer = "tokenizer",
    }
}

words! {
    /// What a finding speaks for.
    Supports {
        /// Descent.
        Derived = "derived",
        /// Independence.
        FromScratch = "from_scratch",
        /// The same values in another format.
        ReEncoded = "re_encoded",
        /// Nothing by itself.
        Nothing = "nothing",
    }
}

words! {
    /// What the principal subspaces of all matrices say together.
    PcaSummary {
        /// Median excess at 0.5 or more.
        ClusteredWithBase = "clustered_with_base",
        /// Between the two.
        Between = "between",
        /// Median excess at 0.1 or less.
        Orthogonal = "orthogonal",
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The model as a whole.
    Model,
    /// One component of it.
    Component(Component),
}

/// What an analysis says, in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "values")]
pub enum Statement {
    /// Informative tensors with equal bytes.
    EqualBytes {
        /// All of them.
        tensors: u64,
        /// Matrices among them.
        matrices: u64,
    },
    /// How much matrices are alike.
    AlikeMatrices {
        /// Mean excess, weighted by parameters.
        excess: f64,
        /// The mean cosine behind it.
        cosine: Option<f64>,
        /// What number formats explain of the difference, where that was judged.
        noise_floor: Option<NoiseFloor>,
    },
    /// How much norm gains are alike.
    AlikeNorms {
        /// Mean cosine.
        cosine: f64,
        /// The same of unrelated models.
        expected: f64,
    },
    /// Units in their own places.
    UnitsInPlace {
        /// Blocks, where any was tested.
        probed: Option<Hits>,
        /// Bound of the whole family, base 10, before it is paid for beside other families.
        log10_p: f64,
    },
    /// Units found twice, wherever they stand.
    FoundTwice {
        /// Partners found, of the probes of the layers found.
        hits: Hits,
        /// The same in unrelated layers, on the mean.
        control: Option<f64>,
        /// Layers found and confirmed.
        layers: usize,
        /// Layers tried first.
        tried: usize,
        /// Whether they were found by how they stand to one another alone, without tokens.
        without_tokens: bool,
        /// Whether the bound is exact.
        exact: bool,
    },
    /// What was found under re-ordered or rotated dimensions.
    Disguised {
        /// What was undone.
        changes: Vec<TransformationKind>,
    },
    /// DoRA's magnitudes that share the larger half of the base's row norms.
    SharedMagnitudes {
        /// Share of the larger half, 0 to 1; 0.5 by chance.
        share: f64,
        /// Matrices.
        matrices: usize,
    },
    /// Layers found at another depth.
    PlacedLayers {
        /// Component.
        component: Component,
        /// Layers found in the base.
        placed: usize,
        /// All layers.
        layers: usize,
        /// Layers found under another number.
        moved: usize,
        /// Whether the bound is exact.
        exact: bool,
    },
    /// Routed experts matched by content.
    RoutedExperts {
        /// Experts found in the base.
        found: usize,
        /// All experts.
        all: usize,
        /// Experts found under another number.
        moved: usize,
    },
    /// Dense feed-forwards and experts that share units.
    DenseAndExperts {
        /// Experts found.
        found: usize,
        /// Experts compared.
        experts: usize,
        /// Layers with an expert found.
        layers_found: usize,
        /// Layers compared.
        layers: usize,
    },
    /// Principal subspaces.
    Subspaces {
        /// What they say together.
        summary: PcaSummary,
        /// Median excess.
        median_excess: f64,
        /// Matrices compared.
        matrices: usize,
    },
    /// What two tokenizers have in common.
    Tokenizers(Overlap),
}

/// Probe units, and those that hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Hits {
    /// Probes that hit.
    pub hits: usize,
    /// Probes drawn.
    pub probes: usize,
}

/// What the search for a mere re-encoding found (guide/methods.md, section 6).
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct NoiseFloor {
    /// Whether every informative tensor is within what its two number formats do.
    pub passed: bool,
    /// Whether a calibrated quantiser is involved.
    pub calibrated: bool,
    /// Tensors that were judged.
    pub tensors: usize,
    /// Least share of a tensor's elements within s, the mean of the two steps; of the tensors that
    /// were read.
    pub least_within: f64,
    /// Largest change of a tensor, relative to its size, that would have passed as well.
    pub hidden_change: f64,
    /// Tensors read in the other side's scale.
    pub rescaled: usize,
    /// Tables of tokens of which one side has more rows, and these are padding.
    pub padded: usize,
    /// The target's name of the first tensor that is not within.
    pub beyond: Option<String>,
}

/// One line of the forensic summary.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is said.
    pub statement: Statement,
    /// The number in it.
    pub value: Option<f64>,
    /// Bound on the probability of the like by chance, base 10, after Bonferroni over the families
    /// that ran.
    pub log10_p: Option<f64>,
    /// What it speaks for.
    pub supports: Supports,
    /// What it is about.
    pub scope: Scope,
}

impl Statement {
    /// Whether its bound, where it has one, is exact.
    pub(crate) const fn is_exact(&self) -> bool {
        match self {
            Self::FoundTwice { exact, .. } | Self::PlacedLayers { exact, .. } => *exact,
            _ => true,
        }
    }

    /// The family it belongs to.
    pub const fn family(&self) -> Family {
        match self {
            Self::EqualBytes { .. } => Family::Bytes,
            Self::AlikeMatrices { .. } => Family::Cosine,
            Self::AlikeNorms { .. } => Family::Norms,
            Self::UnitsInPlace { .. } | Self::FoundTwice { .. } => Family::Permutation,
            Self::Disguised { .. } | Self::SharedMagnitudes { .. } => Family::Transformation,
            Self::PlacedLayers { .. } => Family::LayerMap,
            Self::RoutedExperts { .. } | Self::DenseAndExperts { .. } => Family::Experts,
            Self::Subspaces { .. } => Family::Pca,
            Self::Tokenizers(_) => Family::Tokenizer,
        }
    }
}

/// Pays for the families that gave a bound (Bonferroni) and puts the strongest first: bounds by
/// size, then equal bytes, then what supports something, then the rest.
pub(crate) fn order(findings: &mut [Finding]) {
    let families = findings.iter().filter(|f| f.log10_p.is_some()).count();
    for finding in findings.iter_mut() {
        finding.log10_p = finding.log10_p.map(|p| chance::bonferroni(p, families));
    }
    let rank = |f: &Finding| match (f.log10_p, f.statement.family(), f.supports) {
        (Some(p), ..) if p <= MODERATE_LOG10 => 0,
        (_, Family::Bytes, _) => 1,
        (_, _, Supports::Nothing) => 3,
        _ => 2,
    };
    findings.sort_by(|a, b| {
        let bound = |f: &Finding| f.log10_p.unwrap_or(0.0);
        rank(a).cmp(&rank(b)).then(bound(a).total_cmp(&bound(b)))
    });
}
