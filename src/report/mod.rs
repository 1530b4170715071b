//! The report: schema types, and what is made of them.
//!
//! JSON and CSV are written from the types of [`schema`]. For people a report is a document, built
//! once a command (`documents`) from words of one language (`words`) and laid out by a back end
//! (`text`, `markdown`). All of these are pure functions: they read no files and no settings, and
//! every number they print stands in the JSON, or is a count or share of what stands there.

pub mod csv;
pub mod escape;
pub mod json;
pub(crate) mod number;
pub mod schema;
pub(crate) mod sink;

mod document;
mod documents;
mod export;
mod html;
mod markdown;
mod reproduce;
mod text;
mod words;

pub(crate) use export::{OutputFormat, Printable, render};
pub use export::{html, markdown, text};
pub use words::Lang;

use std::fmt;
use std::io::{self, Write};

use self::schema::LeftAsideRow;
use self::words::Caveat;

/// Writes a report.
type Writing = dyn FnOnce(&mut dyn Write) -> io::Result<()>;

/// A report that is ready to be delivered.
pub struct Report(Box<Writing>);

impl Report {
    /// A report that `write` writes; it fails only where the writer does.
    fn new(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + 'static) -> Self {
        Self(Box::new(write))
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(self, out: &mut dyn Write) -> io::Result<()> {
        (self.0)(out)
    }
}

impl From<Vec<u8>> for Report {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(move |out| out.write_all(&bytes))
    }
}

impl From<String> for Report {
    fn from(text: String) -> Self {
        Self::new(move |out| out.write_all(text.as_bytes()))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}

/// How a report for people is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal; 80 are enough.
    pub width: usize,
    /// Whether to use colours.
    pub color: bool,
    /// Whether to give every test and table instead of the answer on one screen.
    pub full: bool,
    /// Whether to list every tensor instead of a few; with `full`.
    pub all_tensors: bool,
    /// The language.
    pub lang: Lang,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            width: 80,
            color: false,
            full: false,
            all_tensors: false,
            lang: Lang::En,
        }
    }
}

/// A sentence on the weight files that a command did not read.
pub(crate) fn not_read(style: &Style, files: &[LeftAsideRow]) -> Option<String> {
    let say = style.lang.words();
    (!files.is_empty()).then(|| say.caveat(&Caveat::LeftAside(files)))
}
