//! The report as Markdown, for a pull request or a model card: the answer first, long tables folded
//! away.
//!
//! Names stand in code spans and sentences are escaped, so that nothing that a file holds becomes
//! markup, HTML, a link or a mention.

use super::document::{
    Answer, BackEnd, Block, Cell, Column, Document, Fit, Fold, Line, Opening, Row, Section, Span,
    Summary, Table, Value, Verdict, shown,
};
use super::escape::{html, markdown, markdown_code, markdown_verbatim};
use super::words::{Heading, Term};

/// Rows that are shown at least where not all are asked for: a page scrolls.
const LEAST_ROWS: usize = 20;
/// The same of what is folded away.
const LEAST_FOLDED_ROWS: usize = 100;
/// Commands are not broken: they stand in a code span, which wraps.
const UNBROKEN: usize = usize::MAX;

/// GitHub's Markdown.
pub(super) struct Markdown;

impl BackEnd for Markdown {
    fn render(&self, document: &Document) -> String {
        let mut page = Page {
            document,
            least_rows: LEAST_ROWS,
            out: String::new(),
        };
        if let Some(caveat) = &document.caveat {
            page.block(&inline(caveat));
        }
        if let Some(opening) = &document.opening {
            page.opening(opening);
        }
        if !document.title.is_empty() {
            page.block(&format!("## {}", inline(&document.title)));
        }
        if let Some(answer) = &document.answer {
            page.answer(answer);
        }
        page.sections(&document.grounds);
        page.sections(&document.remarks);
        if let Some(foot) = &document.foot {
            let command = document.command.as_ref();
            let command = command.map(|command| markdown_verbatim(&command(UNBROKEN)));
            let command = command.map(|command| format!(" {command}"));
            page.block(&format!("{}{}", inline(foot), command.unwrap_or_default()));
        } else if let Some(command) = &document.command {
            let title = document.words.heading(Heading::Reproduce);
            let command = markdown_verbatim(&command(UNBROKEN));
            page.block(&format!("{}: {command}", markdown(title)));
        }
        page.out
    }
}

/// A page under construction.
struct Page<'a> {
    document: &'a Document,
    least_rows: usize,
    out: String,
}

/// A line as Markdown.
fn inline(line: &Line) -> String {
    let span = |span: &Span| match span {
        Span::Text(text) => markdown(text),
        Span::Name(name) => markdown_code(name),
        Span::Word(word) => markdown_verbatim(word),
    };
    line.0.iter().map(span).collect()
}

/// A line inside HTML, where Markdown is not read.
fn in_html(line: &Line) -> String {
    let span = |span: &Span| match span {
        Span::Text(text) | Span::Word(text) => html(text),
        Span::Name(name) => html(&super::escape::name(name)),
    };
    line.0.iter().map(span).collect()
}

fn strong(text: String) -> String {
    if text.is_empty() {
        text
    } else {
        format!("**{text}**")
    }
}

impl Page<'_> {
    /// A block of its own; its text is Markdown already.
    fn block(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// The answer at the head, and what must be quoted with it.
    fn opening(&mut self, opening: &Opening) {
        self.block(&strong(inline(&opening.line())));
        for caveat in &opening.caveats {
            self.block(&inline(caveat));
        }
    }

    fn sections(&mut self, sections: &[Section]) {
        for section in sections {
            match &section.title {
                Some(title) if section.fold != Fold::Open => {
                    self.folded(&in_html(title), &section.blocks);
                }
                Some(title) => {
                    self.block(&format!("### {}", inline(title)));
                    self.blocks(&section.blocks);
                }
                None => self.blocks(&section.blocks),
            }
        }
    }

    /// What is folded away under a summary, which is HTML.
    fn folded(&mut self, summary: &str, blocks: &[Block]) {
        self.block(&format!("<details><summary>{summary}</summary>"));
        let least_rows = std::mem::replace(&mut self.least_rows, LEAST_FOLDED_ROWS);
        self.blocks(blocks);
        self.least_rows = least_rows;
        self.block("</details>");
    }

    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            match block {
                Block::Space => {}
                Block::Paragraph(line) | Block::Remark(line) => self.block(&inline(line)),
                Block::Labelled(values) => self.labelled(values),
                Block::Items(items, limit) => {
                    let (items, hidden) = shown(items, self.limit(*limit));
                    let items = items.iter().map(|item| format!("- {}", inline(item)));
                    self.lines(items.collect());
                    self.more(hidden);
                }
                Block::Table(table) => self.table(table),
                Block::Fold(Summary::Said(line), blocks) => self.folded(&in_html(line), blocks),
                Block::Fold(Summary::Named(title), blocks) => self.folded(&html(title), blocks),
                // The table beside the plot has every point.
                Block::Scatter(_) | Block::Picture(_) => {}
            }
        }
    }

    fn lines(&mut self, lines: Vec<String>) {
        if !lines.is_empty() {
            self.block(&lines.join("\n"));
        }
    }

    fn labelled(&mut self, values: &[Value]) {
        let line = |value: &Value| match value.label.as_str() {
            "" => format!("  - {}", inline(&value.text)),
            label => format!("- {}: {}", markdown(label), inline(&value.text)),
        };
        self.lines(values.iter().map(line).collect());
    }

    fn limit(&self, limit: Option<usize>) -> Option<usize> {
        limit
            .filter(|_| !self.document.all)
            .map(|limit| limit.max(self.least_rows))
    }

    /// How many rows were left out.
    fn more(&mut self, hidden: usize) {
        if hidden > 0 {
            let remark = self.document.words.more(hidden as u64);
            self.block(&markdown(&remark));
        }
    }

    fn table(&mut self, table: &Table) {
        let (rows, hidden) = shown(&table.rows, self.limit(table.limit));
        if rows.is_empty() {
            return;
        }
        let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        let columns = || table.columns.iter().filter(|column| column.fit != Fit::Bar);
        let rule = |column: &Column| if column.right { "---:" } else { "---" };
        let titles = columns().map(|column| inline(&column.title));
        let rules: Vec<&str> = columns().map(rule).collect();
        let mut lines = vec![line(titles.collect()), format!("|{}|", rules.join("|"))];
        lines.extend(rows.iter().map(|row| line(cells(row, &table.columns))));
        self.lines(lines);
        if let Some(mark) = table.mark {
            self.block(&format!("**…** {}", markdown(mark)));
        }
        self.more(hidden);
    }

    fn answer(&mut self, answer: &Answer) {
        match answer {
            Answer::Verdict(verdict) => self.verdict(verdict),
            Answer::Statement(said, beside) => {
                self.block(&strong(inline(said)));
                self.labelled(beside);
            }
        }
    }

    fn verdict(&mut self, verdict: &Verdict) {
        let beside = match &verdict.beside {
            Some((_, lines)) if !lines.is_empty() => {
                let lines = Line::joined(lines.iter().cloned(), ", ");
                format!(" ({})", inline(&lines))
            }
            _ => String::new(),
        };
        let word = markdown_verbatim(verdict.word);
        let label = strong(format!("{}: {word}", verdict.title));
        let meaning = inline(&verdict.meaning);
        self.block(&format!(
            "{label}{beside}: {}.",
            meaning.trim_end_matches('.')
        ));
        if let Some(Some((word, definition))) = verdict.confidence {
            let title = self.document.words.term(Term::Confidence);
            let sure = strong(format!("{}: {word}", capitalised(title)));
            self.block(&format!("{sure} ({}).", markdown(definition)));
        }
        let reasons = verdict.reasons.iter();
        self.lines(
            reasons
                .map(|reason| format!("- {}", markdown(reason)))
                .collect(),
        );
    }
}

/// The cells of a row, but for bars: they draw a figure that stands beside them.
fn cells(row: &Row, columns: &[Column]) -> Vec<String> {
    let text = |(cell, column): (&Cell, &Column)| match cell {
        Cell::Line(line) if row.pointed && !column.right => Some(strong(inline(line))),
        Cell::Line(line) => Some(inline(line)),
        Cell::Marked(line) => Some(strong(inline(line))),
        Cell::Bar(_) => None,
    };
    row.cells.iter().zip(columns).filter_map(text).collect()
}

/// A word at the head of a sentence.
fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    let first: String = first.collect();
    first + chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::super::document::{Point, Scatter, Shape, Tone};
    use super::*;
    use crate::report::words::Lang;

    /// A name that would be markup, leave its cell and drive a terminal.
    const HOSTILE: &str = "a|b`c`<script>\u{1b}[2J@me";

    fn page(blocks: Vec<Block>) -> String {
        let mut document = Document::new(Lang::En.words(), "title".into(), false);
        document.grounds = vec![Section::untitled(blocks)];
        Markdown.render(&document)
    }

    #[test]
    fn names_stay_in_their_cells_and_sentences_are_no_markup() {
        let mut table = Table::new([Column::names("name"), Column::sentences(HOSTILE)]);
        table.row([Cell::from(Line::name(HOSTILE)), Cell::from(HOSTILE)]);
        assert_eq!(
            page(vec![Block::Table(table)]),
            "## title\n\n\
             | name | a\\|b\\`c\\`&lt;script&gt;\\\\u001B\\[2J&#64;me |\n\
             |---|---|\n\
             | ``a\\|b`c`<script>\\u001B[2J@me`` | a\\|b\\`c\\`&lt;script&gt;\\\\u001B\\[2J&#64;me |\n"
        );
    }

    #[test]
    fn a_summary_is_html_and_not_markdown() {
        let summary = Summary::Said(Line::name(HOSTILE).text(" & *more*"));
        let page = page(vec![Block::Fold(summary, Vec::new())]);
        assert_eq!(
            page,
            "## title\n\n\
             <details><summary>a|b`c`&lt;script&gt;\\u001B[2J&#64;me &amp; *more*</summary>\n\n\
             </details>\n"
        );
    }

    #[test]
    fn bars_and_plots_are_left_to_the_figures_beside_them() {
        let mut table = Table::new([Column::bars(), Column::numbers("n").dropped(1)]);
        table.row([Cell::Bar(Some(0.5)), Cell::from("0.5")]);
        table.bars = Some("what the bars show");
        let point = Point {
            label: 'T',
            place: [Some(0.0); 2],
        };
        let scatter = Scatter {
            points: vec![point; 2],
            axes: "axes".to_owned(),
        };
        assert_eq!(
            page(vec![Block::Scatter(scatter), Block::Table(table)]),
            "## title\n\n| n |\n|---:|\n| 0.5 |\n"
        );
    }

    #[test]
    fn the_row_that_applies_and_marked_cells_are_bold() {
        let mut table = Table::new([Column::words("a"), Column::numbers("b")]);
        table.shape = Shape::Choice;
        table.mark = Some("is equal.");
        table.row([Cell::from("x"), Cell::Marked("1".into())]);
        table.row([Cell::from("y"), Cell::from("2")]);
        table.rows[1].pointed = true;
        assert_eq!(
            page(vec![Block::Table(table)]),
            "## title\n\n| a | b |\n|---|---:|\n| x | **1** |\n| **y** | 2 |\n\n\
             **…** is equal.\n"
        );
    }

    #[test]
    fn the_answer_comes_first_and_its_reasons_are_a_list() {
        let mut document = Document::new(Lang::En.words(), "title".into(), false);
        document.grounds = vec![Section::new("ground", [Block::Paragraph("text".into())])];
        document.answer = Some(Answer::Verdict(Verdict {
            title: "Verdict",
            word: "derived",
            tone: Tone::Said,
            meaning: "a meaning".into(),
            beside: Some(("relation", vec![Line::word("x"), Line::name("y|z")])),
            confidence: Some(Some(("strong", "a definition"))),
            reasons: vec!["1. a reason".to_owned()],
        }));
        document.command = Some(Box::new(|_| "wcmp `a`".to_owned()));
        assert_eq!(
            Markdown.render(&document),
            "## title\n\n\
             **Verdict: `derived`** (`x`, `y\\|z`): a meaning.\n\n\
             **Confidence: strong** (a definition).\n\n\
             - 1\\. a reason\n\n\
             ### ground\n\ntext\n\n\
             To reproduce: `` wcmp `a` ``\n"
        );
    }

    #[test]
    fn values_that_go_on_stand_under_their_label() {
        let values = vec![Value::new("why", "one"), Value::new("", "two")];
        assert_eq!(
            page(vec![Block::Labelled(values)]),
            "## title\n\n- why: one\n  - two\n"
        );
    }
}
