//! The JSON of `wcmp rank --matrix`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CheckpointRow, SettingsRow, VERSION, WarningRow, version};
use crate::results::matrix::{self, SeenBy};
use crate::verdict::decide::Label;

version! {
    /// Version of the JSON of `wcmp rank --matrix`.
    MatrixVersion = "wcmp.matrix/1"
}

/// `wcmp rank --matrix`.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct Matrix {
    /// `wcmp.matrix/1`.
    pub schema: MatrixVersion,
    /// Version.
    pub wcmp: String,
    /// Settings.
    pub settings: SettingsRow,
    /// The models, by path.
    pub models: Vec<CheckpointRow>,
    /// Every pair.
    pub pairs: Vec<PairRow>,
    /// Models that are related to one another, directly or through others, by their places in
    /// `models`; the largest group first.
    pub groups: Vec<Vec<u64>>,
    /// What is odd.
    pub warnings: Vec<WarningRow>,
    /// Names of the models, told from one another.
    #[serde(default)]
    pub names: Vec<String>,
}

/// Two models and what the cheap look at both says.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct PairRow {
    /// Place of the first in `models`.
    pub a: u64,
    /// Place of the second.
    pub b: u64,
    /// identical, derived, partial_reuse, or inconclusive where nothing was found in place.
    pub label: Label,
    /// Mean cosine of probe units in their places, or of partners where these were found elsewhere.
    pub excess: Option<f64>,
    /// Bound of the chance of as many units in their places over all pairs, base 10; null of partners
    /// elsewhere.
    pub log10_p: Option<f64>,
    /// digests, units_in_place, partners, geometry.
    pub seen_by: Vec<SeenBy>,
}

impl From<matrix::Matrix> for Matrix {
    fn from(found: matrix::Matrix) -> Self {
        let place = |at: usize| at as u64;
        Self {
            schema: MatrixVersion,
            wcmp: VERSION.to_owned(),
            settings: found.settings.into(),
            models: found.models.into_iter().map(CheckpointRow::from).collect(),
            pairs: found
                .pairs
                .into_iter()
                .map(|pair| PairRow {
                    a: place(pair.a),
                    b: place(pair.b),
                    label: pair.label,
                    excess: pair.excess,
                    log10_p: pair.log10_p,
                    seen_by: pair.seen_by,
                })
                .collect(),
            groups: found
                .groups
                .into_iter()
                .map(|group| group.into_iter().map(place).collect())
                .collect(),
            warnings: found.warnings.iter().map(WarningRow::from).collect(),
            names: found.names,
        }
    }
}
