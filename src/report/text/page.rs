//! A page of text under construction: headings, paragraphs, labelled lines and tables, none wider
//! than the terminal.

use anstyle::{AnsiColor, Style as Ansi};

use super::super::Style;
use super::super::escape::{width, wrap};
use super::table::Table;

/// Narrower terminals get lines of this width.
const LEAST_WIDTH: usize = 60;
/// Running text is not wider than this, however wide the terminal.
const TEXT_WIDTH: usize = 100;
/// Left margin of what stands under a heading.
pub(super) const INDENT: usize = 2;

/// How a piece of text stands out where colours are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// Headings and what a reader looks for first.
    Strong,
    /// The verdict's label.
    Label,
    /// Column headings and remarks.
    Faint,
    /// Bars.
    Bar,
}

/// A page of text.
pub(super) struct Page<'a> {
    style: &'a Style,
    out: String,
}

impl<'a> Page<'a> {
    /// An empty page.
    pub(super) fn new(style: &'a Style) -> Self {
        Self {
            style,
            out: String::new(),
        }
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.out
    }

    /// Columns of the page.
    pub(super) fn width(&self) -> usize {
        self.style.width.max(LEAST_WIDTH)
    }

    /// `text` in the colours of `paint`, or as it is where there are none.
    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.style.color || text.is_empty() {
            return text.to_owned();
        }
        let ansi = match paint {
            Paint::Strong => Ansi::new().bold(),
            Paint::Label => AnsiColor::Cyan.on_default().bold(),
            Paint::Faint => Ansi::new().dimmed(),
            Paint::Bar => AnsiColor::Cyan.on_default(),
        };
        format!("{ansi}{text}{ansi:#}")
    }

    /// A finished line; the caller has seen to its width.
    pub(super) fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// An empty line and a heading.
    pub(super) fn heading(&mut self, title: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        for line in wrap(title, self.width()) {
            let line = self.paint(Paint::Strong, &line);
            self.line(&line);
        }
    }

    /// Running text under a heading.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.hanging("", 0, text, None);
    }

    /// Running text that only remarks on something.
    pub(super) fn remark(&mut self, text: &str) {
        self.hanging("", 0, text, Some(Paint::Faint));
    }

    /// An item of a list.
    pub(super) fn item(&mut self, text: &str) {
        self.hanging("-", 2, text, None);
    }

    /// `text` behind a label of `columns` columns, its further lines under its first.
    pub(super) fn labelled(&mut self, label: &str, columns: usize, text: &str) {
        self.hanging(label, columns, text, None);
    }

    /// As [`Page::labelled`], with the text painted.
    pub(super) fn hanging(
        &mut self,
        label: &str,
        columns: usize,
        text: &str,
        paint: Option<Paint>,
    ) {
        let room = self
            .width()
            .min(TEXT_WIDTH)
            .saturating_sub(INDENT + columns);
        for (at, line) in wrap(text, room).iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let gap = " ".repeat(columns.saturating_sub(width(label)));
            let line = paint.map_or_else(|| line.clone(), |paint| self.paint(paint, line));
            self.line(&format!("{:INDENT$}{label}{gap}{line}", ""));
        }
    }

    /// A table under a heading; its column headings are faint.
    pub(super) fn table(&mut self, table: Table) {
        let header = table.has_header();
        let lines = table.lines(self.width() - INDENT);
        for (at, line) in lines.iter().enumerate() {
            let line = if at == 0 && header {
                self.paint(Paint::Faint, line)
            } else {
                line.clone()
            };
            self.line(&format!("{:INDENT$}{line}", ""));
        }
    }
}
