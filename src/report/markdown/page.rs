//! A Markdown page under construction.

use super::super::escape::{markdown, markdown_code};
use super::super::number;
use super::super::schema::{CheckpointRow, NotTestable, OriginReading, VerdictRow, WarningRow};
use super::super::sentences;
use super::super::words;

/// A Markdown page.
pub(super) struct Page {
    out: String,
}

impl Page {
    /// An empty page.
    pub(super) fn new() -> Self {
        Self { out: String::new() }
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.out
    }

    /// A block of its own; its text is Markdown already.
    pub(super) fn block(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// A heading.
    pub(super) fn heading(&mut self, level: usize, title: &str) {
        self.block(&format!("{} {title}", "#".repeat(level)));
    }

    /// A list; its items are Markdown already.
    pub(super) fn list(&mut self, items: impl IntoIterator<Item = String>) {
        let items: Vec<String> = items.into_iter().map(|item| format!("- {item}")).collect();
        if !items.is_empty() {
            self.block(&items.join("\n"));
        }
    }

    /// A table. Titles that begin with `>` head columns that are set to the right.
    pub(super) fn table(&mut self, titles: &[&str], rows: &[Vec<String>]) {
        if rows.is_empty() {
            return;
        }
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let header: Vec<String> = titles
            .iter()
            .map(|title| title.trim_start_matches('>').to_owned())
            .collect();
        let rule: Vec<&str> = titles
            .iter()
            .map(|title| {
                if title.starts_with('>') {
                    "---:"
                } else {
                    "---"
                }
            })
            .collect();
        let mut lines = vec![line(&header), format!("|{}|", rule.join("|"))];
        lines.extend(rows.iter().map(|row| line(row)));
        self.block(&lines.join("\n"));
    }

    /// What is folded away under a summary, which is plain text.
    pub(super) fn details(&mut self, summary: &str, fill: impl FnOnce(&mut Self)) {
        self.block(&format!("<details><summary>{summary}</summary>"));
        fill(self);
        self.block("</details>");
    }

    /// The facts of checkpoints, a column each.
    pub(super) fn checkpoints(&mut self, columns: &[(&str, &CheckpointRow)]) {
        let mut titles = vec![""];
        titles.extend(columns.iter().map(|(title, _)| *title));
        let row = |label: &str, cell: &dyn Fn(&CheckpointRow) -> String| -> Vec<String> {
            std::iter::once(label.to_owned())
                .chain(columns.iter().map(|(_, c)| cell(c)))
                .collect()
        };
        let mut rows = vec![
            row("name", &|c| markdown_code(&c.name)),
            row("architecture", &|c| {
                optional_code(c.architecture.as_deref())
            }),
            row("parameters", &sentences::parameters),
            row("dtype", &|c| markdown(&sentences::dtypes(c))),
            row("size", &|c| {
                format!("{}, {}", sentences::size(c), sentences::files(c))
            }),
        ];
        if columns.iter().any(|(_, c)| c.quantization.is_some()) {
            rows.push(row("quantization", &|c| {
                optional_code(c.quantization.as_deref())
            }));
        }
        rows.push(row("model digest", &|c| {
            optional_code(c.model_digest.as_deref())
        }));
        self.table(&titles, &rows);
    }

    /// The verdict with its reasons.
    pub(super) fn verdict(&mut self, verdict: &VerdictRow) {
        let relation = match verdict.relation {
            Some(_) => {
                format!(
                    " ({})",
                    verdict
                        .relations
                        .iter()
                        .map(|r| format!("`{r}`"))
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            }
            None => String::new(),
        };
        self.block(&format!(
            "**Verdict: `{}`**{relation}: {}.",
            verdict.label,
            markdown(words::label(verdict.label))
        ));
        if let Some(word) = verdict.confidence {
            let definition = markdown(words::confidence(verdict.label, word));
            self.block(&format!("**Confidence: {word}** ({definition})."));
        }
        self.list(verdict.reasons.iter().map(|reason| markdown(reason)));
    }

    /// What could not be tested, and why.
    pub(super) fn not_testable(&mut self, rows: &[NotTestable]) {
        if !rows.is_empty() {
            self.heading(3, "Not testable");
            self.list(
                rows.iter()
                    .map(|row| format!("{}: {}", markdown(&row.what), markdown(&row.why))),
            );
        }
    }

    /// The origin document's table with the row that applies marked.
    pub(super) fn origin_reading(&mut self, reading: &OriginReading) {
        self.heading(3, "The origin document's reading");
        let row = |band: &words::Band| {
            let here = reading.band == Some(band.word);
            let strong = |text: &str| {
                if here {
                    format!("**{text}**")
                } else {
                    text.to_owned()
                }
            };
            let figure = if here {
                number::figure(reading.mean_cosine)
            } else {
                String::new()
            };
            vec![strong(band.range), strong(band.meaning), figure]
        };
        self.table(
            &["mean cosine", "reads", ">this pair"],
            &words::BANDS.iter().map(row).collect::<Vec<_>>(),
        );
        self.list([
            format!("pattern: {}", markdown(&sentences::pattern(reading))),
            format!("agreement: {}", markdown(&sentences::agreement(reading))),
        ]);
    }

    /// Warnings.
    pub(super) fn notes(&mut self, warnings: &[WarningRow]) {
        if !warnings.is_empty() {
            self.heading(3, "Notes");
            self.list(
                warnings
                    .iter()
                    .map(|warning| markdown(&sentences::note(warning))),
            );
        }
    }

    /// The command that gives the report again, as the last line.
    pub(super) fn reproduce(&mut self, version: &str, command: &str) {
        let longest = command.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest + 1);
        self.block(&format!(
            "To reproduce, with wcmp {version}: {fence}{command}{fence}"
        ));
    }
}

/// An optional name as a code span.
pub(super) fn optional_code(text: Option<&str>) -> String {
    text.map_or_else(|| number::ABSENT.to_owned(), markdown_code)
}
