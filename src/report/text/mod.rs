//! The report in a terminal: plain text of a given width, with colours where they are wanted.
//!
//! Nothing is folded: what a page puts away stands in its place, long lists in short, and the answer
//! comes last, where the cursor is.

mod grid;
mod scatter;

use anstyle::{AnsiColor, Style as Ansi};

use super::document::{
    Answer, BackEnd, Block, Cell, Column, Document, Fold, Line, Opening, Row, Section, Shape, Span,
    Summary, Table, Tone, Value, Verdict, shown,
};
use super::escape::{self, elide, width, wrap};
use super::number;
use super::words::{Heading, Term};
use grid::Grid;

/// Narrower terminals get lines of this width.
const LEAST_WIDTH: usize = 60;
/// Running text is not wider than this, however wide the terminal.
const TEXT_WIDTH: usize = 100;
/// Left margin of what stands under a heading.
const INDENT: usize = 2;
/// Spaces between a label and its value.
const GAP: usize = 2;

/// A terminal, or a file that is read like one.
pub(super) struct Text {
    /// Columns; 80 are enough.
    pub(super) width: usize,
    /// Whether to use colours.
    pub(super) color: bool,
}

impl BackEnd for Text {
    fn render(&self, document: &Document) -> String {
        let mut page = Page {
            width: self.width.max(LEAST_WIDTH),
            color: self.color,
            document,
            labels: 0,
            out: String::new(),
        };
        if let Some(caveat) = &document.caveat {
            page.heading(caveat);
        }
        if let Some(opening) = &document.opening {
            page.opening(opening);
        }
        if !document.title.is_empty() {
            page.heading(&document.title);
        }
        page.sections(&document.grounds);
        if let Some(answer) = &document.answer {
            page.answer(answer);
        }
        page.sections(&document.remarks);
        if let Some(foot) = &document.foot {
            page.running("", 0, foot, Paint::Faint);
            if let Some(command) = &document.command {
                for line in command(page.width - INDENT).lines() {
                    page.line(&format!("{:INDENT$}{line}", ""));
                }
            }
        } else if let Some(command) = &document.command {
            page.heading(&document.words.heading(Heading::Reproduce).into());
            let command = command(page.width);
            page.line(&command);
        }
        page.out
    }
}

/// How a piece of text stands out where colours are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    /// As it is.
    Plain,
    /// Headings and what a reader looks for first.
    Strong,
    /// The answer.
    Answer,
    /// Bars.
    Bar,
    /// Column headings and remarks.
    Faint,
}

/// A page of text under construction; no line of it is wider than the terminal.
struct Page<'a> {
    width: usize,
    color: bool,
    document: &'a Document,
    /// Columns of the last labels.
    labels: usize,
    out: String,
}

/// What a line says, on one line and with nothing in it that drives a terminal.
pub(super) fn plain(line: &Line) -> String {
    let span = |span: &Span| match span {
        Span::Name(name) => escape::name(name),
        Span::Text(text) | Span::Word(text) => escape::sentence(text),
    };
    line.0.iter().map(span).collect()
}

impl Page<'_> {
    fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let ansi = match paint {
            Paint::Plain => return text.to_owned(),
            Paint::Strong => Ansi::new().bold(),
            Paint::Answer => AnsiColor::Cyan.on_default().bold(),
            Paint::Bar => AnsiColor::Cyan.on_default(),
            Paint::Faint => Ansi::new().dimmed(),
        };
        format!("{ansi}{text}{ansi:#}")
    }

    /// A finished line; the caller has seen to its width.
    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// An empty line and a heading; a name in it is cut to what a line holds.
    fn heading(&mut self, title: &Line) {
        const REST: usize = 8;
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let room = self.width - REST;
        let cut = |span: &Span| match span {
            Span::Name(name) => elide(&escape::name(name), room),
            Span::Text(text) | Span::Word(text) => escape::sentence(text),
        };
        let title: String = title.0.iter().map(cut).collect();
        for line in wrap(&title, self.width) {
            let line = self.paint(Paint::Strong, &line);
            self.line(&line);
        }
    }

    /// The answer at the head, and what must be quoted with it.
    fn opening(&mut self, opening: &Opening) {
        let paint = match opening.tone {
            Tone::Said => Paint::Answer,
            Tone::Open => Paint::Strong,
        };
        for line in wrap(&plain(&opening.line()), self.width) {
            let line = self.paint(paint, &line);
            self.line(&line);
        }
        for caveat in &opening.caveats {
            self.running("", 0, caveat, Paint::Plain);
        }
    }

    fn sections(&mut self, sections: &[Section]) {
        for section in sections {
            if section.fold == Fold::Deep && !self.document.all {
                continue;
            }
            if let Some(title) = &section.title {
                self.heading(title);
            }
            self.blocks(&section.blocks);
        }
    }

    fn blocks(&mut self, blocks: &[Block]) {
        // Values stand below one another across the blocks of a section, those of a table included.
        let mut labels = 0;
        for block in blocks {
            match block {
                Block::Paragraph(line) => self.running("", 0, line, Paint::Plain),
                Block::Space => self.line(""),
                Block::Remark(line) => self.running("", 0, line, Paint::Faint),
                Block::Labelled(values) => self.labelled(values, labels),
                Block::Items(items, limit) => self.items(items, *limit),
                Block::Table(table) => labels = self.table(table),
                Block::Fold(summary, blocks) => {
                    if let Summary::Said(line) = summary {
                        self.running("", 0, line, Paint::Plain);
                    }
                    self.blocks(blocks);
                }
                Block::Picture(_) => {}
                Block::Scatter(scatter) => {
                    let lines = scatter::plot(&scatter.points, self.width - INDENT);
                    for line in lines.iter().flatten() {
                        self.line(&format!("{:INDENT$}{line}", ""));
                    }
                    if lines.is_some() {
                        let axes = scatter.axes.as_str().into();
                        self.running("", 0, &axes, Paint::Faint);
                    }
                }
            }
        }
    }

    /// Text behind a label of `columns` columns, its further lines under its first.
    fn running(&mut self, label: &str, columns: usize, text: &Line, paint: Paint) {
        let room = self.width.min(TEXT_WIDTH).saturating_sub(INDENT + columns);
        for (at, line) in wrap(&plain(text), room).iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let gap = " ".repeat(columns.saturating_sub(width(label)));
            let line = self.paint(paint, line);
            self.line(&format!("{:INDENT$}{label}{gap}{line}", ""));
        }
    }

    /// Values behind labels that are at least `least` columns wide.
    fn labelled(&mut self, values: &[Value], least: usize) {
        let labels = values.iter().map(|value| width(&value.label) + GAP);
        let columns = labels.max().unwrap_or(0).max(least);
        self.labels = columns;
        for value in values {
            self.running(&value.label, columns, &value.text, Paint::Plain);
        }
    }

    fn items(&mut self, items: &[Line], limit: Option<usize>) {
        let (items, hidden) = shown(items, limit.filter(|_| !self.document.all));
        for item in items {
            self.running("-", "- ".len(), item, Paint::Plain);
        }
        self.more(hidden);
    }

    /// How many rows were left out.
    fn more(&mut self, hidden: usize) {
        if hidden > 0 {
            let remark = self.document.words.more(hidden as u64);
            self.running("", 0, &remark.into(), Paint::Faint);
        }
    }

    /// A table and what is to be said of it; the columns of its first column with the gap behind it.
    fn table(&mut self, table: &Table) -> usize {
        let (rows, hidden) = shown(&table.rows, table.limit.filter(|_| !self.document.all));
        if rows.is_empty() {
            return 0;
        }
        let mut first = 0;
        if table.shape == Shape::Records {
            self.records(&table.columns, rows);
        } else {
            for columns in abreast(table) {
                first = self.grid(table, rows, &columns);
            }
        }
        if let Some(mark) = table.mark {
            let legend = format!("= {mark}");
            self.running("", 0, &legend.into(), Paint::Faint);
        }
        if let Some(bars) = table.bars {
            self.running("", 0, &bars.into(), Paint::Faint);
        }
        self.more(hidden);
        first
    }

    fn grid(&mut self, table: &Table, rows: &[Row], columns: &[usize]) -> usize {
        let mut grid = Grid::new(columns.iter().map(|at| &table.columns[*at]));
        for row in rows {
            let cells = columns.iter().filter_map(|at| row.cells.get(*at));
            grid.row(cells.map(|cell| match cell {
                Cell::Line(line) => grid::Cell::Text(plain(line)),
                Cell::Marked(line) => grid::Cell::Text(format!("= {}", plain(line))),
                Cell::Bar(value) => grid::Cell::Bar(*value),
            }));
        }
        if table.shape == Shape::Choice {
            let sign = |row: &Row| if row.pointed { "▶" } else { "" };
            grid.point(rows.iter().map(sign));
        }
        let layout = grid.lay_out(self.width - INDENT);
        for (at, line) in layout.lines.iter().enumerate() {
            let line = match &layout.bars {
                _ if at == 0 && table.has_header() => self.paint(Paint::Faint, line),
                Some(bars) => self.with_bar(line, bars.clone()),
                None => line.clone(),
            };
            self.line(&format!("{:INDENT$}{line}", ""));
        }
        layout.first + GAP
    }

    /// A line with what stands in the columns of its bar painted.
    fn with_bar(&self, line: &str, columns: std::ops::Range<usize>) -> String {
        let (before, rest) = grid::split(line, columns.start);
        let (bar, after) = grid::split(rest, columns.len());
        let end = bar.trim_end().len();
        let painted = self.paint(Paint::Bar, &bar[..end]);
        format!("{before}{painted}{}{after}", &bar[end..])
    }

    /// Rows whose cells must be seen whole, a line a cell.
    fn records(&mut self, columns: &[Column], rows: &[Row]) {
        let mut values = Vec::new();
        for row in rows {
            let mut cells = row.cells.iter().map(|cell| match cell {
                Cell::Line(line) | Cell::Marked(line) => line.clone(),
                Cell::Bar(value) => number::figure(*value).into(),
            });
            let label = cells.next().map(|cell| plain(&cell)).unwrap_or_default();
            let titles = columns.iter().skip(2).map(|column| plain(&column.title));
            let labels = std::iter::once(label).chain(titles);
            let cells = labels.zip(cells).filter(|(_, cell)| !cell.is_empty());
            values.extend(cells.map(|(label, text)| Value { label, text }));
        }
        self.labelled(&values, 0);
    }

    fn answer(&mut self, answer: &Answer) {
        match answer {
            Answer::Verdict(verdict) => self.verdict(verdict),
            Answer::Statement(said, beside) => {
                self.running("", 0, said, Paint::Strong);
                self.labelled(beside, self.labels);
            }
        }
    }

    fn verdict(&mut self, verdict: &Verdict) {
        self.heading(&verdict.title.into());
        let words = self.document.words;
        let absent = || Line::from(number::ABSENT);
        let mut values = vec![Value::new("", verdict.meaning.clone())];
        if let Some((label, lines)) = &verdict.beside {
            let beside = if lines.is_empty() {
                absent()
            } else {
                Line::joined(lines.iter().cloned(), ", ")
            };
            values.push(Value::new(*label, beside));
        }
        if let Some(confidence) = verdict.confidence {
            let sure = confidence.map(|(word, meaning)| format!("{word} ({meaning})").into());
            let label = words.term(Term::Confidence);
            values.push(Value::new(label, sure.unwrap_or_else(absent)));
        }
        for (at, reason) in verdict.reasons.iter().enumerate() {
            let label = if at == 0 {
                words.term(Term::Reasons)
            } else {
                ""
            };
            values.push(Value::new(label, reason.as_str()));
        }
        let paint = match verdict.tone {
            Tone::Said => Paint::Answer,
            Tone::Open => Paint::Strong,
        };
        let columns = width(words.term(Term::Confidence)) + GAP;
        let label = words.term(Term::Label);
        self.running(label, columns, &Line::word(verdict.word), paint);
        self.labelled(&values, columns);
    }
}

/// The columns that stand side by side, once for each part of a series that is too long for one
/// table.
fn abreast(table: &Table) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let in_series = |at: &usize| table.columns[*at].series;
    let series: Vec<usize> = all.iter().copied().filter(in_series).collect();
    if series.len() <= table.abreast {
        return vec![all];
    }
    let part = |part: &[usize]| {
        let taken = |at: &usize| !in_series(at) || part.contains(at);
        all.iter().copied().filter(taken).collect()
    };
    series.chunks(table.abreast.max(1)).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::super::document::{Point, Scatter};
    use super::*;
    use crate::error::is_bidirectional;
    use crate::report::words::Lang;

    /// A name that would drive a terminal, and one in wide characters.
    const HOSTILE: &str = "a\u{1b}[2J\u{202e}\nb";
    const WIDE: &str = "模型.層.0.自注意力.權重.模型.層.0.自注意力.權重.模型.層";

    fn document(grounds: Vec<Section>, all: bool) -> Document {
        let mut document = Document::new(Lang::En.words(), "title".into(), all);
        document.grounds = grounds;
        document
    }

    fn text(document: &Document, width: usize, color: bool) -> String {
        Text { width, color }.render(document)
    }

    fn table() -> Table {
        let mut table = Table::new([
            Column::names("name"),
            Column::sentences("what"),
            Column::numbers("value"),
            Column::bars(),
        ]);
        for name in [HOSTILE, WIDE] {
            let sentence = Line::from("words ".repeat(30));
            let cells = [Cell::from(Line::name(name)), Cell::from(sentence)];
            let numbers = [Cell::from("0.5000"), Cell::Bar(Some(0.5))];
            table.row(cells.into_iter().chain(numbers));
        }
        table
    }

    fn every_block() -> Vec<Section> {
        let value =
            |label: &str| Value::new(label, Line::name(WIDE).text("; ").then(Line::name(HOSTILE)));
        let points = [(0.0, 0.0), (1.0, 2.0)].map(|(x, y)| Point {
            label: 'x',
            place: [Some(x), Some(y)],
        });
        let scatter = Scatter {
            points: points.to_vec(),
            axes: "axes ".repeat(40),
        };
        let blocks = vec![
            Block::Paragraph(Line::name(WIDE.repeat(5))),
            Block::Remark(HOSTILE.into()),
            Block::Labelled(vec![value("label"), value("")]),
            Block::Items(vec![Line::name(WIDE.repeat(3)), HOSTILE.into()], None),
            Block::Table(table()),
            Block::Fold(Summary::Said(HOSTILE.into()), vec![Block::Table(table())]),
            Block::Scatter(scatter),
        ];
        vec![Section::new(Line::name(WIDE.repeat(9)), blocks)]
    }

    #[test]
    fn every_block_fits_and_drives_no_terminal() {
        for columns in [60, 80, 133] {
            let mut document = document(every_block(), false);
            document.answer = Some(Answer::Statement(HOSTILE.into(), Vec::new()));
            let text = text(&document, columns, false);
            for line in text.lines() {
                assert!(width(line) <= columns, "{} columns: {line}", width(line));
                let drives = |c: char| c.is_control() || is_bidirectional(c);
                assert!(!line.chars().any(drives), "{line:?}");
            }
            assert!(text.contains("a\\u001B[2J\\u202E\\nb"));
        }
    }

    #[test]
    fn lists_are_cut_unless_all_is_asked_for() {
        let items: Vec<Line> = (0..9).map(|n| Line::from(n.to_string())).collect();
        let deep = || Section::untitled([Block::Paragraph("more".into())]).folded(Fold::Deep);
        let list = || Section::untitled([Block::Items(items.clone(), Some(2))]);
        let sections = || vec![list(), deep()];
        let short = text(&document(sections(), false), 80, false);
        assert_eq!(
            short,
            "title\n  - 0\n  - 1\n  and 7 more; --tensors lists them all\n"
        );
        let all = text(&document(sections(), true), 80, false);
        assert!(all.ends_with("  - 8\n  more\n"));
    }

    #[test]
    fn a_long_series_is_told_in_several_tables_and_a_mark_is_explained() {
        let mut table = Table::new([
            Column::names(""),
            Column::values("a").in_series(),
            Column::values("b").in_series(),
            Column::values("c").in_series(),
        ]);
        table.abreast = 2;
        table.mark = Some("is equal.");
        let marked = Cell::Marked("3".into());
        table.row(
            ["row", "1", "2"]
                .map(Cell::from)
                .into_iter()
                .chain([marked]),
        );
        let text = text(
            &document(vec![Section::untitled([Block::Table(table)])], false),
            80,
            false,
        );
        assert_eq!(
            text,
            "title\n       a  b\n  row  1  2\n         c\n  row  = 3\n  = is equal.\n"
        );
    }

    #[test]
    fn records_are_a_line_a_cell_and_leave_out_what_is_empty() {
        let columns = ["", "name", "expected"].map(Column::words);
        let mut table = Table::new(columns);
        table.shape = Shape::Records;
        table.row(["differs", "a", "1"].map(Cell::from));
        table.row(["missing", "b", ""].map(Cell::from));
        let text = text(
            &document(vec![Section::untitled([Block::Table(table)])], false),
            80,
            false,
        );
        assert_eq!(text, "title\n  differs   a\n  expected  1\n  missing   b\n");
    }

    #[test]
    fn only_the_bar_of_a_row_is_painted() {
        let mut table = Table::new([Column::numbers(""), Column::bars(), Column::numbers("")]);
        table.row([Cell::from("1"), Cell::Bar(Some(1.0)), Cell::from("2")]);
        let text = text(
            &document(vec![Section::untitled([Block::Table(table)])], false),
            60,
            true,
        );
        let bar = "█".repeat(50);
        assert!(
            text.ends_with(&format!("  1  \u{1b}[36m{bar}\u{1b}[0m  2\n")),
            "{text:?}"
        );
    }
}
