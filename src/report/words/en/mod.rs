//! English.

pub(in crate::report) mod arch;
pub(in crate::report) mod findings;
pub(in crate::report) mod inspect;
mod meanings;
pub(crate) mod merges;
pub(in crate::report) mod ranking;
mod screens;
mod sentences;
mod titles;
mod typed;
pub(in crate::report) mod warnings;

/// English.
pub(crate) struct English;
