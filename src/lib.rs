//! Weight forensics: was one model made from the other, or was it trained from scratch?
//!
//! The data goes one way: command line → checkpoint → alignment → one streaming pass → measurements
//! → analyses → findings → verdict → report.

pub mod align;
pub mod cli;
pub mod error;
pub mod evidence;
pub mod format;
pub mod guide;
pub mod manifest;
pub mod measure;
pub mod model;
pub mod numeric;
pub mod pipeline;
pub mod report;
pub mod results;
pub mod source;
pub mod stats;
pub mod verdict;
pub mod view;
