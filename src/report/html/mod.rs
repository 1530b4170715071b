//! The report as one page of HTML that needs nothing else: no script, nothing loaded, style and
//! pictures within. It reads without its style too, in light and dark, on paper and by ear.

mod svg;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::document::{
    Answer, Block, Cell, Document, Fit, Fold, Line, Opening, Picture, Section, Span, Summary,
    Table, Value, shown,
};
use super::escape;
use super::words::Heading;

/// The style of the page.
const STYLE: &str = include_str!("page.css");
/// What the page may do: nothing but show itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// Rows that are shown at least where not all are asked for: a page scrolls.
const LEAST_ROWS: usize = 100;

/// The document as a page.
pub(super) fn page(document: &Document) -> String {
    let title = document.opening.as_ref().map_or_else(
        || super::text::plain(&document.title),
        |opening| super::text::plain(&opening.line()),
    );
    let page = Page { document };
    let markup = html! {
        (DOCTYPE)
        html lang=(document.words.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    @if let Some(caveat) = &document.caveat { p.caveat { (inline(caveat)) } }
                    @match &document.opening {
                        Some(opening) => (page.opening(opening)),
                        None => h1 { (inline(&document.title)) },
                    }
                    @if let Some(answer) = &document.answer { (page.answer(answer)) }
                    @for section in &document.grounds { (page.section(section)) }
                    @for section in &document.remarks { (page.section(section)) }
                    @if let Some(command) = &document.command {
                        section.command {
                            @match &document.foot {
                                Some(foot) => p { (inline(foot)) },
                                None => h2 { (document.words.heading(Heading::Reproduce)) },
                            }
                            pre tabindex="0" { code { (command(usize::MAX)) } }
                        }
                    } @else if let Some(foot) = &document.foot {
                        p.remark { (inline(foot)) }
                    }
                }
            }
        }
    };
    let mut out = markup.into_string();
    out.push('\n');
    out
}

/// A line as HTML.
fn inline(line: &Line) -> Markup {
    html! {
        @for span in &line.0 {
            @match span {
                Span::Text(text) => (escape::sentence(text)),
                Span::Name(name) => span.name { (escape::name(name)) },
                Span::Word(word) => span.word { (escape::sentence(word)) },
            }
        }
    }
}

struct Page<'a> {
    document: &'a Document,
}

impl Page<'_> {
    fn opening(&self, opening: &Opening) -> Markup {
        html! {
            header {
                h1 {
                    span.label { (opening.word) }
                    @if let Some(sure) = opening.confidence { ", " (sure) }
                    ": " (inline(&opening.sentence))
                }
                @for caveat in &opening.caveats { p.caveat { (inline(caveat)) } }
            }
        }
    }

    fn answer(&self, answer: &Answer) -> Markup {
        match answer {
            Answer::Statement(said, beside) => html! {
                p { strong { (inline(said)) } }
                (self.labelled(beside))
            },
            Answer::Verdict(verdict) => html! {
                h2 { (verdict.title) }
                p { span.label { (verdict.word) } ": " (inline(&verdict.meaning)) }
                ul { @for reason in &verdict.reasons { li { (reason) } } }
            },
        }
    }

    fn section(&self, section: &Section) -> Markup {
        match &section.title {
            Some(title) if section.fold != Fold::Open => html! {
                details {
                    summary { h2 { (inline(title)) } }
                    (self.blocks(&section.blocks))
                }
            },
            Some(title) => html! {
                section { h2 { (inline(title)) } (self.blocks(&section.blocks)) }
            },
            None => html! { section { (self.blocks(&section.blocks)) } },
        }
    }

    fn blocks(&self, blocks: &[Block]) -> Markup {
        html! { @for block in blocks { (self.block(block)) } }
    }

    fn block(&self, block: &Block) -> Markup {
        match block {
            Block::Space => html! {},
            Block::Paragraph(line) => html! { p { (inline(line)) } },
            Block::Remark(line) => html! { p.remark { (inline(line)) } },
            Block::Labelled(values) => self.labelled(values),
            Block::Items(items, limit) => {
                let limit = limit.map(|limit| limit.max(LEAST_ROWS));
                let (items, hidden) = shown(items, limit.filter(|_| !self.document.all));
                html! {
                    @if !items.is_empty() { ul { @for item in items { li { (inline(item)) } } } }
                    (self.more(hidden))
                }
            }
            Block::Table(table) => self.table(table),
            Block::Fold(Summary::Said(line), blocks) => html! {
                details { summary { (inline(line)) } (self.blocks(blocks)) }
            },
            Block::Fold(Summary::Named(title), blocks) => html! {
                details { summary { (title) } (self.blocks(blocks)) }
            },
            Block::Scatter(scatter) => html! {
                figure {
                    (svg::scatter(&scatter.points))
                    figcaption { (scatter.axes) }
                }
            },
            Block::Picture(picture) => self.picture(picture),
        }
    }

    fn picture(&self, picture: &Picture) -> Markup {
        html! {
            figure {
                figcaption { (picture.caption) }
                (svg::drawing(&picture.drawing, &picture.caption))
                details { summary { (self.document.words.as_a_table()) } (self.table(&picture.table)) }
            }
        }
    }

    fn labelled(&self, values: &[Value]) -> Markup {
        html! {
            @if !values.is_empty() {
                dl {
                    @for value in values {
                        @if !value.label.is_empty() { dt { (value.label) } }
                        dd { (inline(&value.text)) }
                    }
                }
            }
        }
    }

    fn more(&self, hidden: usize) -> Markup {
        html! {
            @if hidden > 0 { p.remark { (self.document.words.more(hidden as u64)) } }
        }
    }

    fn table(&self, table: &Table) -> Markup {
        let limit = table.limit.map(|limit| limit.max(LEAST_ROWS));
        let (rows, hidden) = shown(&table.rows, limit.filter(|_| !self.document.all));
        let class = |at: usize| {
            let column = &table.columns[at];
            match column.fit {
                Fit::Wrap => "says",
                Fit::Bar => "bar",
                _ if column.right => "n",
                _ => "t",
            }
        };
        html! {
            @if !rows.is_empty() {
                div.scroll tabindex="0" {
                    table {
                        @if table.has_header() {
                            thead { tr {
                                @for (at, column) in table.columns.iter().enumerate() {
                                    th scope="col" class=(class(at)) { (inline(&column.title)) }
                                }
                            } }
                        }
                        tbody {
                            @for row in rows {
                                tr class=[row.pointed.then_some("pointed")] {
                                    @for (at, cell) in row.cells.iter().enumerate() {
                                        td class=(class(at)) {
                                            @match cell {
                                                Cell::Line(line) => (inline(line)),
                                                Cell::Marked(line) => strong { (inline(line)) },
                                                Cell::Bar(value) => (svg::bar(*value)),
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                @if let Some(mark) = table.mark { p.remark { strong { "…" } " " (mark) } }
                @if let Some(bars) = table.bars { p.remark { (bars) } }
                (self.more(hidden))
            }
        }
    }
}
