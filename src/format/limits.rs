//! Bounds asked before anything is read or allocated. Each says where it comes from.

/// Longest safetensors header: the cap of the reference reader.
pub(super) const HEADER_BYTES: u64 = 100_000_000;

/// Longest index.json. Models of 140,000 tensors have about 10 MB; the header's cap leaves room.
pub(super) const INDEX_BYTES: u64 = 100_000_000;

/// Longest config.json. Released ones stay below 100 kB; long lists of label names or of quantised
/// modules reach a few megabytes.
pub(super) const CONFIG_BYTES: u64 = 16_000_000;

/// Longest tokenizer.json, vocab.json, merges.txt or tokenizer.model. Vocabularies of 262,144
/// tokens with their merges have about 35 MB.
pub(super) const TOKENIZER_BYTES: u64 = 200_000_000;

/// How much of a model card is looked at. Front matter with evaluation results reaches about 1 MB.
pub(super) const CARD_BYTES: u64 = 4_000_000;

/// Axes of one tensor. The format names no bound; frameworks stop at 64, and a shape costs four
/// times its text.
pub(super) const AXES: usize = 1_024;

/// Unknown fields of one header entry; files with one or two are known, and each is compared with
/// the others.
pub(super) const EXTRA_FIELDS: usize = 64;

/// Pieces in which two stored copies of a tensor are compared.
pub(super) const COMPARE_BYTES: usize = 1 << 20;
