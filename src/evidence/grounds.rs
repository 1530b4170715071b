//! What a verdict rests on, in the numbers that analyses give.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::sides::{Side, Sides};
use crate::model::warning::NoWeights;

use super::formulas::Computed;
use super::part::Part;
use super::relation::Relation;

/// The same values up to the precision of the coarser side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReEncoding {
    /// Whether a calibrated quantiser is involved.
    pub calibrated: bool,
}

/// The direct fixed-point tests of blocks, taken together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Direct {
    /// Combined over groups, base 10.
    pub log10_p: f64,
    /// Layers tested.
    pub layers: usize,
    /// Layers with at least 3 hits.
    pub layers_hit: usize,
}

/// Layers found in disguise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Disguise {
    /// Layers tried.
    pub tried: usize,
    /// Layers found.
    pub found: usize,
    /// Least bound among the forms that found them, the layers tried paid for.
    pub log10_p: f64,
    /// Whether that bound is exact.
    pub exact: bool,
}

impl Disguise {
    /// Whether enough layers were found to decide (guide/contract.md, section 4, rule 3).
    pub fn decides(&self) -> bool {
        2 * self.found >= self.tried && self.found >= self.tried.min(2) && self.found > 0
    }
}

/// All that two models share is equal, and something else is not shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct SharedAreEqual {
    /// Tensors that are paired.
    pub tensors: usize,
    /// Tensors that one side alone has.
    pub left: Sides<usize>,
}

/// Pairs that values made, not names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct PairedByContent {
    /// With equal values where looked at.
    pub equal: usize,
    /// As the most alike of their shape.
    pub alike: usize,
    /// Because they stand beside what was paired.
    pub followed: usize,
    /// As what both sides had left of a shape.
    pub left: usize,
    /// All pairs of the comparison.
    pub pairs: usize,
}

/// All that the verdict rests on, for the whole model or one component.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grounds {
    /// Number of tensors on both sides.
    pub tensors: u64,
    /// Every tensor is paired and equal in dtype, shape and bytes.
    pub all_identical: bool,
    /// Set where every informative tensor passed the noise floor.
    pub re_encoding: Option<ReEncoding>,
    /// Parts of the target, graded.
    pub parts: Vec<Part>,
    /// Matrix parameters of the target, routers left out.
    pub matrix_parameters: u64,
    /// Share of the target's matrix parameters that is aligned.
    pub coverage: Option<f64>,
    /// Parameter-weighted mean excess over matrices.
    pub matrix_excess: Option<f64>,
    /// Informative matrices with equal bytes.
    pub identical_matrices: u64,
    /// The direct tests, where they ran.
    pub direct: Option<Direct>,
    /// Forms that see through a disguise, where they ran.
    pub disguise: Option<Disguise>,
    /// Median log10 p over layers of a dense feed-forward found in experts, or the other way round.
    pub upcycling: Option<f64>,
    /// Least exact bound of the findings that show a likeness, base 10.
    pub least_log10_p: Option<f64>,
    /// The same by forms whose bound is approximate: they carry no more than strong.
    pub approximate_log10_p: Option<f64>,
    /// Pooled share of units whose reuse would have been seen.
    pub share_seen_95: Option<f64>,
    /// Whether the forms that see through a disguise were run where they could.
    pub disguise_looked_for: bool,
    /// Values of either side that are no weights, and no part of what can be compared.
    pub no_weights: Vec<(Side, NoWeights)>,
    /// Matrices that a formula explains, and no part of what can be compared.
    pub computed: Vec<Computed>,
    /// Whether matrices hold no weights or were not read: no word beside them is more than moderate.
    pub lacks_values: bool,
    /// Whether gains and biases, which start as constants, agree in several layers.
    pub gains_agree: bool,
    /// Whether tokens of both sides are joined by their strings.
    pub tokens_by_strings: bool,
    /// Whether a look that needs no tokens ran and would have seen a damaged copy.
    pub token_free_has_power: bool,
    /// Whether nothing that is paired differs, but for zeros.
    pub unchanged: bool,
    /// Set where all that is paired is equal, value by value.
    pub shared_are_equal: Option<SharedAreEqual>,
    /// What was paired by what it holds, where names did not do.
    pub by_content: Option<PairedByContent>,
    /// Matrix parameters of the target without a counterpart while matrices of their shape, which
    /// no name tells from them, are left in the base.
    pub unpaired: u64,
    /// Structural relations that the evidence shows.
    pub structure: Vec<Relation>,
}
