//! The data's way through the program: open, align, measure, analyse, decide, report. One file a
//! question.

#[cfg(test)]
mod any_source;
pub mod arch;
pub(crate) mod checkpoint;
pub mod compare;
pub mod filter;
pub mod hash;
pub mod inspect;
pub mod options;
pub mod rank;
