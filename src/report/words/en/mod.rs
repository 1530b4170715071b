//! English.

pub(in crate::report) mod arch;
pub(in crate::report) mod findings;
pub(in crate::report) mod inspect;
mod meanings;
pub(in crate::report) mod ranking;
mod sentences;
mod titles;
pub(in crate::report) mod warnings;

/// English.
pub(crate) struct English;
