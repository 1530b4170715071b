//! Saved reports, read back, and the schema that tells others how to read them.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::arch::Arch;
use super::{Check, Compare, Hash, Inspect, Matrix, Rank, Sketch, Verify};
use crate::model::words::words;

/// Reads the JSON of a report. A schema version that is not known is refused, and so is a word that
/// the contract does not have; a key that is not known is passed over.
///
/// # Errors
/// What is wrong, in one line.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

/// Reads what stands typed beside a sentence. A word that is not known (a report of another version)
/// leaves nothing: the sentence beside it is still there.
pub(crate) fn lenient<'de, D, T>(reader: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let found = Value::deserialize(reader)?;
    Ok(T::deserialize(found).unwrap_or_default())
}

words! {
    /// The report that a JSON Schema is of.
    ReportKind {
        /// `wcmp compare`.
        Compare = "compare",
        /// `wcmp rank`.
        Rank = "rank",
        /// `wcmp arch`.
        Arch = "arch",
        /// `wcmp inspect`.
        Inspect = "inspect",
        /// `wcmp hash`.
        Hash = "hash",
        /// `wcmp hash --check`.
        Check = "check",
        /// `wcmp rank --matrix`.
        Matrix = "matrix",
        /// `wcmp sketch`.
        Sketch = "sketch",
        /// `wcmp verify`.
        Verify = "verify",
    }
}

/// The JSON Schema (2020-12) of a report, made from its type. Every key that is always there is
/// required; others may be added within one version.
pub fn json_schema(kind: ReportKind) -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let generator = settings.into_generator();
    let mut schema = match kind {
        ReportKind::Compare => generator.into_root_schema_for::<Compare>(),
        ReportKind::Rank => generator.into_root_schema_for::<Rank>(),
        ReportKind::Arch => generator.into_root_schema_for::<Arch>(),
        ReportKind::Inspect => generator.into_root_schema_for::<Inspect>(),
        ReportKind::Hash => generator.into_root_schema_for::<Hash>(),
        ReportKind::Check => generator.into_root_schema_for::<Check>(),
        ReportKind::Matrix => generator.into_root_schema_for::<Matrix>(),
        ReportKind::Sketch => generator.into_root_schema_for::<Sketch>(),
        ReportKind::Verify => generator.into_root_schema_for::<Verify>(),
    };
    schema.insert("title".to_owned(), format!("wcmp {kind}").into());
    schema
}

/// A saved report of any command.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Saved {
    Compare(Box<Compare>),
    Rank(Box<Rank>),
    Arch(Box<Arch>),
    Inspect(Box<Inspect>),
    Hash(Box<Hash>),
    Check(Box<Check>),
    Matrix(Box<Matrix>),
    Sketch(Box<Sketch>),
    Verify(Box<Verify>),
}

/// Reads the JSON of a report of any command.
///
/// # Errors
/// What is wrong, in one line.
pub fn saved(json: &[u8]) -> Result<Saved, String> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Head = read(json).map_err(|error| format!("no report of wcmp: {error}"))?;
    let command = head.schema.split('/').next().unwrap_or_default();
    Ok(match command {
        "wcmp.compare" => Saved::Compare(read(json)?),
        "wcmp.rank" => Saved::Rank(read(json)?),
        "wcmp.arch" => Saved::Arch(read(json)?),
        "wcmp.inspect" => Saved::Inspect(read(json)?),
        "wcmp.hash" => Saved::Hash(read(json)?),
        "wcmp.check" => Saved::Check(read(json)?),
        "wcmp.matrix" => Saved::Matrix(read(json)?),
        "wcmp.sketch" => Saved::Sketch(read(json)?),
        "wcmp.verify" => Saved::Verify(read(json)?),
        _ => {
            let shown = crate::error::quoted(&head.schema);
            return Err(format!("schema {shown}, which is not read"));
        }
    })
}
