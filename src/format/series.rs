//! Files whose names differ in their numbers: shards, parts, slices of a model.

use super::weights;

/// The pattern of a numbered name: each number of the stem as `#`; none without a number.
pub(super) fn pattern(name: &str) -> Option<String> {
    let (stem, ending) = weights::split_ending(name)?;
    let mut pattern = String::with_capacity(name.len());
    let mut has_number = false;
    for c in stem.chars() {
        match c.is_ascii_digit() {
            true if pattern.ends_with('#') => {}
            true => {
                pattern.push('#');
                has_number = true;
            }
            false => pattern.push(c),
        }
    }
    has_number.then(|| format!("{pattern}.{ending}"))
}

/// Words in the names of files that each hold a slice of every matrix.
const SLICE_WORDS: [&str; 5] = ["rank", "consolidated.", "tp_", "tp-", "slice"];

/// The same, before a number that stands where a variant would.
const RANK_WORDS: [&str; 6] = ["rank", "tp", "tp_rank", "mp_rank", "slice", "shard"];

/// Words in the names of files that each hold some of the tensors.
const PART_WORDS: [&str; 6] = ["hf_model_", "part", "shard", "-of-", "layer", "chunk"];

/// Whether files of that pattern are slices of one model, as tensor-parallel programs write them.
pub(super) fn is_slice(pattern: &str) -> bool {
    let lower = pattern.to_ascii_lowercase();
    SLICE_WORDS.iter().any(|word| lower.contains(word))
}

/// Whether a file of that pattern is one of several that are a model together.
pub(super) fn is_part(pattern: &str) -> bool {
    let lower = pattern.to_ascii_lowercase();
    is_slice(pattern) || PART_WORDS.iter().any(|word| lower.contains(word))
}

/// Whether what stands where a variant would numbers a slice: "model.rank0".
pub(super) fn is_rank(text: &str) -> bool {
    let word = text.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    word.len() < text.len() && RANK_WORDS.contains(&word)
}

/// Splits `STEM-00001-of-00003` into its stem and the number of shards.
pub(super) fn numbered(stem: &str) -> Option<(&str, u32)> {
    let (rest, total) = stem.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match digits(number) && digits(total) {
        true => Some((stem, total.parse().ok()?)),
        false => None,
    }
}
