//! The data's way through the program: open, align, measure, analyse, decide, report. One file a
//! question.

#[cfg(test)]
mod any_source;
pub(crate) mod arch;
pub(crate) mod checkpoint;
pub(crate) mod compare;
pub(crate) mod filter;
pub(crate) mod hash;
mod incomplete;
pub(crate) mod inspect;
pub(crate) mod library;
pub(crate) mod matrix;
mod mixed_layers;
pub(crate) mod options;
pub(crate) mod rank;
mod several;
pub(crate) mod sketch;
mod sketched;
mod together;
