//! The report: schema types, and one file an output format.

pub mod schema;
