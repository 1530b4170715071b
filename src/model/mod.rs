//! What a checkpoint is, apart from any file format: dtypes, tensors, the words of the contract,
//! name patterns, config facts.
//!
//! Nothing here does input or output, and nothing here knows an analysis.

pub(crate) mod architecture;
pub(crate) mod checkpoint;
pub(crate) mod config;
pub(crate) mod dtype;
pub(crate) mod name;
pub(crate) mod rotary;
pub(crate) mod sides;
pub(crate) mod sketch;
pub(crate) mod tokenizer;
pub(crate) mod warning;
pub(crate) mod words;
