//! What a checkpoint is, apart from any file format: dtypes, tensors, the words of the contract,
//! name patterns, config facts.
//!
//! Nothing here does input or output, and nothing here knows an analysis.

pub mod architecture;
pub mod checkpoint;
pub mod config;
pub mod dtype;
pub mod name;
pub mod rotary;
pub mod sides;
pub mod tokenizer;
pub mod warning;
pub mod words;
