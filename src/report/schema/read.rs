//! Saved reports, read back.

use serde::de::DeserializeOwned;

/// Reads the JSON of a report. A schema version that is not known is refused, and so is a word that
/// the contract does not have; a key that is not known is passed over.
///
/// # Errors
/// What is wrong, in one line.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}
