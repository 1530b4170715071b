//! Files to checkpoints: layouts on disk, headers, bytes. Nothing here knows a role or an analysis.
//!
//! [`open`] finds the weight files of a path and joins what they hold; `formats` tells formats
//! apart by their first bytes and hands each file to its reader, which answers with names, dtypes,
//! shapes and places.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub(crate) mod adapter;
mod card;
mod contents;
mod cursor;
mod foreign;
mod formats;
pub(crate) mod gguf;
mod index;
mod json;
mod limits;
mod merge;
pub(crate) mod open;
mod safetensors;
mod series;
mod sidecar;
pub(crate) mod sketch;
pub(crate) mod tokenizer;
pub(crate) mod torch;
mod unique;
mod weights;
mod zip;
