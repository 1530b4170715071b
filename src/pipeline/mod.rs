//! The data's way through the program: open, align, measure, analyse, decide, report. One file a
//! question.

mod adapter;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod any_source;
pub mod arch;
mod checkpoint;
pub mod compare;
mod disguise;
mod family;
pub mod filter;
pub mod inspect;
mod merge;
pub mod options;
pub mod rank;
mod structure;
