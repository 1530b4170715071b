//! English.

pub(in crate::report) mod findings;
pub(in crate::report) mod warnings;
