//! The JSON of `wcmp verify`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{VERSION, version};

version! {
    /// Version of the JSON of `wcmp verify`.
    VerifyVersion = "wcmp.verify/1"
}

/// `wcmp verify`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Verify {
    /// `wcmp.verify/1`.
    pub schema: VerifyVersion,
    /// Version of the program that verified.
    pub wcmp: String,
    /// The report.
    pub report: String,
    /// Whether it comes out the same.
    pub equal: bool,
    /// Whether the report was made by this version.
    pub same_version: bool,
    /// Where not.
    pub differences: Vec<DifferenceRow>,
    /// Warnings.
    pub warnings: Vec<super::WarningRow>,
}

/// A field that came out otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct DifferenceRow {
    /// Path of the field.
    pub field: String,
    /// What the report says.
    pub expected: Value,
    /// What was found.
    pub found: Value,
}

impl Verify {
    /// `expected` as it was saved held against `found`.
    pub fn new(
        report: String,
        expected: &Value,
        found: &Value,
        between: impl Fn(&Value, &Value, bool) -> Vec<DifferenceRow>,
    ) -> Self {
        let same_version = expected.get("wcmp") == found.get("wcmp");
        let differences = between(expected, found, same_version);
        Self {
            schema: VerifyVersion,
            wcmp: VERSION.to_owned(),
            report,
            equal: differences.is_empty(),
            same_version,
            differences,
            warnings: Vec::new(),
        }
    }
}
