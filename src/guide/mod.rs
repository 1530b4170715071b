//! The specification, kept beside the code that it describes.
//!
//! Comments cite these pages by their path and section (`guide/methods.md, section 4`). A rule that
//! changes is changed here in the same commit.

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("contract.md")]
pub mod contract {}

#[doc = include_str!("methods.md")]
pub mod methods {}

#[doc = include_str!("formats.md")]
pub mod formats {}

#[doc = include_str!("schema.md")]
pub mod schema {}

#[doc = include_str!("sketches.md")]
pub mod sketches {}

#[doc = include_str!("speed.md")]
pub mod speed {}
