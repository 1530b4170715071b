//! The renderers: what each format says, that nothing overflows a terminal, and that no name can
//! break out.

mod csv;
mod json_schema;
mod markdown;
mod samples;
mod schema;
mod snapshots;
mod text;
