//! Findings to a verdict: pure functions, no file, no array.

pub mod decide;
pub mod grade;
pub mod origin;
pub mod ranking;
pub mod reasons;
