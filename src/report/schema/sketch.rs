//! The JSON of `wcmp sketch`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CheckpointRow, VERSION, WarningRow, version};
use crate::results::sketch::SketchReport;

version! {
    /// Version of the JSON of `wcmp sketch`.
    SketchVersion = "wcmp.sketch/1"
}

/// `wcmp sketch`.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct Sketch {
    /// `wcmp.sketch/1`.
    pub schema: SketchVersion,
    /// Version.
    pub wcmp: String,
    /// The checkpoint.
    pub checkpoint: CheckpointRow,
    /// Where the sketch was written.
    pub file: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Tensors of the model that something is kept of.
    pub tensors: u64,
    /// Share of the parameters whose values stand in it, 0 to 1.
    pub disclosed_share: f64,
    /// What did not fit and was left out.
    pub left_out: Vec<String>,
    /// What is odd about the checkpoint.
    pub warnings: Vec<WarningRow>,
}

impl From<SketchReport> for Sketch {
    fn from(report: SketchReport) -> Self {
        Self {
            schema: SketchVersion,
            wcmp: VERSION.to_owned(),
            checkpoint: report.checkpoint.into(),
            file: report.file,
            bytes: report.bytes,
            tensors: report.tensors,
            disclosed_share: report.disclosed_share,
            left_out: report.left_out,
            warnings: report.warnings.iter().map(WarningRow::from).collect(),
        }
    }
}
