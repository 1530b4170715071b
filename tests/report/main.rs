//! The renderers: what each format says, that nothing overflows a terminal, and that no name can
//! break out.
#![allow(clippy::unwrap_used)]

mod csv;
mod markdown;
mod samples;
mod schema;
mod snapshots;
mod text;
