//! Files to checkpoints: layouts on disk, headers, bytes. Nothing here knows a role or an analysis.

pub mod bytes;
pub mod gguf;
pub mod open;
pub mod read_at;
