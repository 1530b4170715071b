//! The data's way through the program: open, align, measure, analyse, decide, report. One file a question.

pub mod compare;
mod disguise;
pub mod filter;
pub mod inspect;
pub mod options;
mod structure;
