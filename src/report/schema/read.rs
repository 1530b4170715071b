//! Saved reports, read back.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

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
