//! The report: schema types, and one file an output format.
//!
//! Renderers are pure functions from the types of [`schema`] to text. They read no files and no settings, and every
//! number they print stands in the JSON, or is a count or share of what stands there.

pub mod arch;
pub mod csv;
pub mod escape;
pub mod json;
pub mod manifest;
pub mod markdown;
pub mod number;
mod reproduce;
pub mod schema;
mod sentences;
pub mod sink;
pub mod summary;
pub mod text;
mod words;

/// How a report for people is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal; 80 are enough.
    pub width: usize,
    /// Whether to use colours.
    pub color: bool,
    /// Whether to list every tensor instead of a few.
    pub all_tensors: bool,
}
