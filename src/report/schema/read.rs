//! Saved reports, read back.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::arch::Arch;
use super::{Check, Compare, Hash, Inspect, Rank, Verify};

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
        "wcmp.verify" => Saved::Verify(read(json)?),
        _ => {
            let shown = crate::error::quoted(&head.schema);
            return Err(format!("schema {shown}, which is not read"));
        }
    })
}
