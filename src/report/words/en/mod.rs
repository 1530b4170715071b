//! English.

pub(in crate::report) mod findings;
