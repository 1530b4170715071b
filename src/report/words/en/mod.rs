//! English.

pub(in crate::report) mod arch;
pub(in crate::report) mod findings;
pub(in crate::report) mod inspect;
pub(in crate::report) mod warnings;
