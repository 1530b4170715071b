//! Weight forensics: was one model made from the other, or was it trained from scratch?
//!
//! The data goes one way:
//!
//! 1. `cli` turns arguments into settings and opens two or more checkpoints.
//! 2. `source` knows where bytes come from, `format` reads headers: names, dtypes, shapes, places.
//! 3. `model` understands names and configurations; `view` makes logical tensors, so that nobody
//!    behind it sees how one was stored, fused or quantised.
//! 4. `align` pairs the tensors of the two sides.
//! 5. `measure` reads both once, with the arithmetic of `numeric`: sums and digests.
//! 6. `evidence` asks `stats` what likeness is more than chance, and answers with findings.
//! 7. `verdict` makes a label of them, as a pure function.
//! 8. `pipeline` has this order, one file a command, and answers in the types of [`results`];
//!    `report` writes them as JSON, text, Markdown or CSV.
//!
//! From outside there are the functions below, [`results`], the JSON that they become ([`schema`])
//! and the [`manifest`] of a release; the rest is the crate's own.
//!
//! [`guide`] is the specification: a tour with every file on the way and what to touch for what
//! ([`guide::architecture`]), the words and exit codes ([`guide::contract`]), every figure and test
//! ([`guide::methods`]), the files that are read ([`guide::formats`]), the JSON ([`guide::schema`]).
//!
//! ```
//! use std::path::Path;
//!
//! use wcmp::results::terms::Label;
//! use wcmp::{Options, Silent, compare, open_checkpoint};
//!
//! # fn main() -> wcmp::Result<()> {
//! let options = Options::default();
//! let base = open_checkpoint(Path::new("fixtures/base"), options.io)?;
//! let target = open_checkpoint(Path::new("fixtures/fine-tuned"), options.io)?;
//! let answer = compare(base, target, &options, &Silent)?;
//! assert_eq!(answer.verdict.label, Label::Derived);
//! # Ok(())
//! # }
//! ```

mod align;
#[doc(hidden)]
pub mod cli;
mod error;
mod evidence;
mod format;
pub mod guide;
#[doc(hidden)]
pub mod internals;
pub mod manifest;
mod measure;
mod model;
mod numeric;
mod pipeline;
mod report;
pub mod results;
mod source;
mod stats;
mod verdict;
mod view;

pub use error::{Error, Result};
pub use format::open::{Opened, open_checkpoint, open_described};
pub use measure::monitor::{Monitor, Silent};
pub use pipeline::arch::arch;
pub use pipeline::compare::compare;
pub use pipeline::filter::Filter;
pub use pipeline::hash::{check, hash};
pub use pipeline::inspect::inspect;
pub use pipeline::options::Options;
pub use pipeline::rank::rank;
pub use report::schema;
pub use source::Io;
