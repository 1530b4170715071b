//! The formats of the reports: the one place that knows them all.

use std::path::Path;
use std::rc::Rc;

use serde::Serialize;

use super::document::{BackEnd, Document};
use super::markdown::Markdown;
use super::schema::arch::Arch;
use super::schema::{Check, Compare, Hash, Inspect, Matrix, Rank, Sketch, Verify};

use super::text::{self as layout, Text};
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
        /// For a browser: one file that needs nothing else.
        Html = "html",
    }
}

/// What a command answers, fit to be printed in every format.
pub trait Printable: Serialize + 'static {
    /// For people; `all` where every row of every list is asked for.
    #[doc(hidden)]
    fn document(&self, style: &Style) -> Document;

    /// For spreadsheets.
    fn csv(&self) -> String;

    /// For a terminal, where that is a file format and no report.
    fn verbatim(&self) -> Option<String> {
        None
    }

    /// For a browser: the answer, its pictures and everything it rests on.
    #[doc(hidden)]
    fn page(&self, style: &Style) -> Document {
        self.document(style)
    }
}

impl OutputFormat {
    /// The format that the ending of a file's name stands for.
    pub(crate) fn of_ending(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Text),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" => Some(Self::Html),
            _ => None,
        }
    }
}

/// `answer` in one of the formats; `brief` leaves the first line alone of a text report that opens
/// with the answer.
pub(crate) fn render<A: Printable>(
    answer: &Rc<A>,
    format: OutputFormat,
    style: &Style,
    brief: bool,
) -> Report {
    match format {
        OutputFormat::Text if brief => first_line(&**answer, style).into(),
        OutputFormat::Text => text(&**answer, style).into(),
        OutputFormat::Json => {
            let answer = Rc::clone(answer);
            Report::new(move |out| json::write(&*answer, out))
        }
        OutputFormat::Csv => answer.csv().into(),
        OutputFormat::Markdown => markdown(&**answer, style).into(),
        OutputFormat::Html => html(&**answer, style).into(),
    }
}

/// The first line of a text report, or all of it where it does not open with the answer.
fn first_line(answer: &impl Printable, style: &Style) -> String {
    let brief = Style {
        full: false,
        all_tensors: false,
        ..*style
    };
    match answer.verbatim() {
        Some(whole) => whole,
        None => match answer.document(&brief).opening {
            Some(opening) => format!("{}\n", layout::plain(&opening.line())),
            None => text(answer, style),
        },
    }
}

/// `answer` as a page of HTML.
pub fn html(answer: &impl Printable, style: &Style) -> String {
    super::html::page(&answer.page(style))
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
    back_end.render(&answer.document(style))
}

impl Printable for Compare {
    fn document(&self, style: &Style) -> Document {
        match style.full || style.all_tensors {
            true => documents::compare(style.lang.words(), self, style.all_tensors),
            false => documents::screen::compare(style.lang.words(), self),
        }
    }

    fn page(&self, style: &Style) -> Document {
        documents::page::compare(style.lang.words(), self, style.all_tensors)
    }

    fn csv(&self) -> String {
        csv::compare(self)
    }
}

impl Printable for Rank {
    fn document(&self, style: &Style) -> Document {
        match style.full || style.all_tensors {
            true => documents::rank(style.lang.words(), self, style.all_tensors),
            false => documents::screen::rank(style.lang.words(), self),
        }
    }

    fn page(&self, style: &Style) -> Document {
        documents::page::rank(style.lang.words(), self, style.all_tensors)
    }

    fn csv(&self) -> String {
        csv::rank(self)
    }
}

impl Printable for Arch {
    fn document(&self, style: &Style) -> Document {
        match style.full || style.all_tensors {
            true => documents::arch(style.lang.words(), self, style.all_tensors),
            false => documents::screen::arch(style.lang.words(), self),
        }
    }

    fn page(&self, style: &Style) -> Document {
        documents::page::arch(style.lang.words(), self, style.all_tensors)
    }

    fn csv(&self) -> String {
        csv::arch(self)
    }
}

impl Printable for Inspect {
    fn document(&self, style: &Style) -> Document {
        match style.full || style.all_tensors {
            true => documents::inspect(style.lang.words(), self, style.all_tensors),
            false => documents::screen::inspect(style.lang.words(), self),
        }
    }

    fn page(&self, style: &Style) -> Document {
        documents::page::inspect(style.lang.words(), self, style.all_tensors)
    }

    fn csv(&self) -> String {
        csv::inspect(self)
    }
}

impl Printable for Hash {
    fn document(&self, style: &Style) -> Document {
        documents::hash(style.lang.words(), self, style.all_tensors)
    }

    fn csv(&self) -> String {
        csv::hash(self)
    }

    fn verbatim(&self) -> Option<String> {
        Some(manifest::to_string(&Manifest::from(self)))
    }
}

impl Printable for Check {
    fn document(&self, style: &Style) -> Document {
        documents::check(style.lang.words(), self, style.all_tensors)
    }

    fn csv(&self) -> String {
        csv::check(self)
    }
}

impl Printable for Matrix {
    fn document(&self, style: &Style) -> Document {
        documents::matrix(style.lang.words(), self, style.full || style.all_tensors)
    }

    fn csv(&self) -> String {
        csv::matrix(self)
    }
}

impl Printable for Sketch {
    fn document(&self, style: &Style) -> Document {
        documents::sketch(style.lang.words(), self, style.all_tensors)
    }

    fn csv(&self) -> String {
        csv::sketch(self)
    }
}

impl Printable for Verify {
    fn document(&self, style: &Style) -> Document {
        documents::verify(style.lang.words(), self, style.full || style.all_tensors)
    }

    fn csv(&self) -> String {
        csv::verify(self)
    }
}
