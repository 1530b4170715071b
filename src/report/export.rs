//! The formats of the reports: the one place that knows them all.

use serde::Serialize;

use super::document::{BackEnd, Document};
use super::markdown::Markdown;
use super::schema::arch::Arch;
use super::schema::{Check, Compare, Hash, Inspect, Rank};
use super::text::Text;
use super::{Report, Style, csv, documents, json};
use crate::manifest::{self, Manifest};
use crate::model::words::words;

words! {
    /// Format of the report.
    OutputFormat {
        /// For people, in a terminal.
        Text = "text",
        /// For scripts: one object.
        Json = "json",
        /// For spreadsheets: RFC 4180.
        Csv = "csv",
        /// For a pull request or a model card.
        Markdown = "markdown",
    }
}

/// What a command answers, fit to be printed in every format.
pub trait Printable: Serialize + 'static {
    /// For people; `all` where every row of every list is asked for.
    #[doc(hidden)]
    fn document(&self, all: bool) -> Document;

    /// For spreadsheets.
    fn csv(&self) -> String;

    /// For a terminal, where that is a file format and no report.
    fn verbatim(&self) -> Option<String> {
        None
    }

    /// Leaves out what is said beside the answer, for people who asked for that.
    fn quieten(&mut self) {}
}

/// `answer` in one of the formats; `quiet` leaves the notes out of what people read.
pub(crate) fn render<A: Printable>(
    mut answer: A,
    format: OutputFormat,
    style: &Style,
    quiet: bool,
) -> Report {
    let for_people = matches!(format, OutputFormat::Text | OutputFormat::Markdown);
    if for_people && quiet {
        answer.quieten();
    }
    match format {
        OutputFormat::Text => text(&answer, style).into(),
        OutputFormat::Json => json::report(answer),
        OutputFormat::Csv => answer.csv().into(),
        OutputFormat::Markdown => markdown(&answer, style).into(),
    }
}

/// `answer` as text.
pub fn text(answer: &impl Printable, style: &Style) -> String {
    let text = Text {
        width: style.width,
        color: style.color,
    };
    answer
        .verbatim()
        .unwrap_or_else(|| laid_out(answer, &text, style))
}

/// `answer` as Markdown.
pub fn markdown(answer: &impl Printable, style: &Style) -> String {
    laid_out(answer, &Markdown, style)
}

fn laid_out(answer: &impl Printable, back_end: &dyn BackEnd, style: &Style) -> String {
    back_end.render(&answer.document(style.all_tensors))
}

impl Printable for Compare {
    fn document(&self, all: bool) -> Document {
        documents::compare(self, all)
    }

    fn csv(&self) -> String {
        csv::compare(self)
    }

    fn quieten(&mut self) {
        self.warnings.clear();
    }
}

impl Printable for Rank {
    fn document(&self, all: bool) -> Document {
        documents::rank(self, all)
    }

    fn csv(&self) -> String {
        csv::rank(self)
    }

    fn quieten(&mut self) {
        self.warnings.clear();
    }
}

impl Printable for Arch {
    fn document(&self, all: bool) -> Document {
        documents::arch(self, all)
    }

    fn csv(&self) -> String {
        csv::arch(self)
    }

    fn quieten(&mut self) {
        self.warnings.clear();
    }
}

impl Printable for Inspect {
    fn document(&self, all: bool) -> Document {
        documents::inspect(self, all)
    }

    fn csv(&self) -> String {
        csv::inspect(self)
    }
}

impl Printable for Hash {
    fn document(&self, all: bool) -> Document {
        documents::hash(self, all)
    }

    fn csv(&self) -> String {
        csv::hash(self)
    }

    fn verbatim(&self) -> Option<String> {
        Some(manifest::to_string(&Manifest::from(self)))
    }
}

impl Printable for Check {
    fn document(&self, all: bool) -> Document {
        documents::check(self, all)
    }

    fn csv(&self) -> String {
        csv::check(self)
    }
}
