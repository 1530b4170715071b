//! What the reference reader, the crate `safetensors`, says of a header that is accepted here: other
//! programs load a file through it or not at all.

use ::safetensors::{SafeTensorError, SafeTensors};

use super::{Entry, Header, Oddities};
use crate::model::dtype::Dtype;

/// Longest reason that is kept, in characters: one may hold a name as long as the header.
const REASON: usize = 200;

/// Whether a header that is accepted here leaves the reference reader nothing to refuse: fields of
/// the format alone, no axis of 0 (whose other axes may overflow), and number formats that every
/// version of it knows. Most headers are such, and reading one twice is much of the time that
/// opening a model of many tensors takes.
pub(super) fn must_accept(header: &Header) -> bool {
    let is_known = |dtype: Dtype| {
        matches!(
            dtype,
            Dtype::Bf16
                | Dtype::F16
                | Dtype::F32
                | Dtype::F64
                | Dtype::I8
                | Dtype::I16
                | Dtype::I32
                | Dtype::I64
                | Dtype::U8
                | Dtype::Bool
        )
    };
    let is_plain = |entry: &Entry| is_known(entry.dtype) && !entry.shape.contains(&0);
    header.oddities == Oddities::default() && header.entries.iter().all(is_plain)
}

/// Why the reference reader refuses the file that begins with `start`, its length and its header;
/// `None` where it does not.
///
/// The header is all that is looked at. That its tensors end with the file was checked before, and
/// is the last thing that the crate checks: its error about that means that it found no other.
pub(super) fn refusal(start: &[u8]) -> Option<String> {
    match SafeTensors::read_metadata(start) {
        Ok(_) | Err(SafeTensorError::MetadataIncompleteBuffer) => None,
        Err(error) => Some(error.to_string().chars().take(REASON).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    fn refusal_of(header: &str) -> Option<String> {
        let length = (header.len() as u64).to_le_bytes();
        refusal(&[&length, header.as_bytes()].concat())
    }

    #[test]
    fn a_plain_header_is_accepted_without_its_tensors() {
        assert_eq!(refusal_of("{}"), None);
        let one = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        assert_eq!(refusal_of(one), None);
    }

    #[test]
    fn a_reason_is_given_and_cut() {
        let huge =
            r#"{"a":{"dtype":"F32","shape":[9223372036854775807,4,0],"data_offsets":[0,0]}}"#;
        let reason = refusal_of(huge).unwrap_or_default();
        assert!(
            reason.starts_with("overflow computing buffer size"),
            "{reason}"
        );

        let name = "x".repeat(5000);
        let hole = format!(r#"{{"{name}":{{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}}}"#);
        let reason = refusal_of(&hole).unwrap_or_default();
        assert_eq!(reason.chars().count(), 200);
    }
}
