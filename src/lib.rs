//! Weight forensics: was one model made from the other, or was it trained from scratch?
//!
//! The data goes one way:
//!
//! 1. [`cli`] turns arguments into settings and opens two or more checkpoints.
//! 2. [`source`] knows where bytes come from, [`mod@format`] reads headers: names, dtypes, shapes,
//!    places.
//! 3. [`model`] understands names and configurations; [`view`] makes logical tensors, so that nobody
//!    behind it sees how one was stored, fused or quantised.
//! 4. [`align`] pairs the tensors of the two sides.
//! 5. [`measure`] reads both once, with the arithmetic of [`numeric`]: sums and digests.
//! 6. [`evidence`] asks [`stats`] what likeness is more than chance, and answers with findings.
//! 7. [`verdict`] makes a label of them, as a pure function.
//! 8. [`pipeline`] has this order, one file a command, and answers in the types of [`results`];
//!    [`report`] writes them as JSON, text, Markdown or CSV.
//!
//! [`guide`] is the specification: a tour with every file on the way and what to touch for what
//! ([`guide::architecture`]), the words and exit codes ([`guide::contract`]), every figure and test
//! ([`guide::methods`]), the files that are read ([`guide::formats`]), the JSON ([`guide::schema`]).
//!
//! ```
//! use std::path::Path;
//!
//! use wcmp::format::open::open_checkpoint;
//! use wcmp::measure::monitor::Silent;
//! use wcmp::pipeline::compare::compare;
//! use wcmp::pipeline::options::Options;
//! use wcmp::verdict::decide::Label;
//!
//! # fn main() -> wcmp::error::Result<()> {
//! let options = Options::default();
//! let base = open_checkpoint(Path::new("fixtures/base"), options.io)?;
//! let target = open_checkpoint(Path::new("fixtures/fine-tuned"), options.io)?;
//! let answer = compare(base, target, &options, &Silent)?;
//! assert_eq!(answer.verdict.label, Label::Derived);
//! # Ok(())
//! # }
//! ```

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
