//! The report: schema types, and one file an output format.
//!
//! Renderers are pure functions from the types of [`schema`] to text. They read no files and no settings, and every
//! number they print stands in the JSON, or is a count or share of what stands there.

pub mod escape;
pub mod json;
pub mod manifest;
pub mod number;
pub mod schema;
