//! Korean, in the terms of the origin document: 가중치, 유사도, 재사용, 판정.

mod arch;
mod findings;
mod meanings;
mod merges;
mod screens;
mod sentences;
mod titles;
mod typed;
mod warnings;

/// Korean.
pub(crate) struct Korean;
