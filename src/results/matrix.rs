//! What `rank --matrix` answers.

use super::checkpoint::CheckpointFacts;
use super::settings::Settings;
use crate::model::warning::Warning;
use crate::model::words::words;
use crate::verdict::decide::Label;

words! {
    /// By what a likeness of two models was seen.
    SeenBy {
        /// Every tensor has the same bytes.
        Digests = "digests",
        /// Probe units in their places.
        UnitsInPlace = "units_in_place",
        /// Units that contribute most, wherever they stand, by two features each.
        Partners = "partners",
        /// How these stand to one another.
        Geometry = "geometry",
    }
}

/// All models of a library, each against each.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// Settings that shape the answer.
    pub settings: Settings,
    /// The models, by path.
    pub models: Vec<CheckpointFacts>,
    /// Their names, told from one another.
    pub names: Vec<String>,
    /// Every pair, by the places of its models.
    pub pairs: Vec<MatrixPair>,
    /// Models that are related to one another, directly or through others; by their places, the
    /// largest group first.
    pub groups: Vec<Vec<usize>>,
    /// What is odd.
    pub warnings: Vec<Warning>,
}

/// Two models and what the cheap look at both says.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixPair {
    /// The first.
    pub a: usize,
    /// The second.
    pub b: usize,
    /// What the cheap look says: `inconclusive` where nothing was found, since it is too little to call
    /// two models independent.
    pub label: Label,
    /// Mean cosine of probe units in their places, or of partners where these were found elsewhere;
    /// `None` where no feed-forward could be compared.
    pub excess: Option<f64>,
    /// Bound of the chance of as many units in their places over all pairs, base 10; null of partners
    /// elsewhere.
    pub log10_p: Option<f64>,
    /// By what a likeness was seen.
    pub seen_by: Vec<SeenBy>,
}
