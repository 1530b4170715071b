//! Tables without rules, laid out so that nothing overflows: numbers keep their width, names are
//! elided in the middle, sentences are wrapped.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width, presets};

use super::super::escape::{elide, width, wrap};

/// Spaces between two columns of a table.
const GAP: usize = 2;
/// Least width that a name or sentence is given.
const LEAST: usize = 8;
/// Most that a number or word is given; more is no number or word.
const LONGEST_WORD: usize = 28;
/// Most that a wrapped column is given, for the eye's sake.
const MOST: usize = 100;

/// How a column takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// A number: as wide as its longest cell, to the right.
    Right,
    /// A word: as wide as its longest cell, to the left.
    Left,
    /// A name: shares what is left over, elided in the middle.
    Elide,
    /// Numbers under a name: as [`Fit::Elide`], to the right.
    ElideRight,
    /// A sentence: shares what is left over, wrapped.
    Wrap,
}

impl Fit {
    fn is_elastic(self) -> bool {
        matches!(self, Self::Elide | Self::ElideRight | Self::Wrap)
    }

    fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::ElideRight)
    }

    /// A cell whose text fits its column: elided, or wrapped at words.
    fn cell(self, text: &str, width: usize) -> String {
        match self {
            Self::Wrap => wrap(text, width).join("\n"),
            _ => elide(text, width),
        }
    }
}

/// A width as the table crate takes it.
fn narrowed(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

/// A table under construction.
pub(super) struct Table {
    fits: Vec<Fit>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(super) fn new(columns: &[(&str, Fit)]) -> Self {
        Self {
            fits: columns.iter().map(|(_, fit)| *fit).collect(),
            header: columns
                .iter()
                .map(|(title, _)| (*title).to_owned())
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells are escaped already.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether no row was added.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether the columns have headings.
    pub(super) fn has_header(&self) -> bool {
        self.header.iter().any(|title| !title.is_empty())
    }

    /// The lines of the table, the first the column headings where there are any, none wider than
    /// `columns`.
    pub(super) fn lines(self, columns: usize) -> Vec<String> {
        let widths = self.widths(columns);
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        // Never asks the terminal: the width is given, or where it is more than a table can have,
        // the most that it can.
        table.set_width(narrowed(columns));
        let header = self.has_header().then_some(&self.header);
        for row in header.into_iter().chain(&self.rows) {
            table.add_row(
                row.iter()
                    .zip(&widths)
                    .zip(&self.fits)
                    .map(|((cell, width), fit)| fit.cell(cell, *width)),
            );
        }
        for (at, (room, fit)) in widths.iter().zip(&self.fits).enumerate() {
            let Some(column) = table.column_mut(at) else {
                continue;
            };
            let gap = if at + 1 < widths.len() { GAP } else { 0 };
            column.set_padding((0, narrowed(gap)));
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(narrowed(
                room + gap,
            ))));
            column.set_cell_alignment(if fit.is_right() {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            });
        }
        table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// Columns of each column: natural ones first, what is left over for names and sentences.
    fn widths(&self, columns: usize) -> Vec<usize> {
        let natural = |at: usize| {
            let cells = self
                .rows
                .iter()
                .filter_map(|row| row.get(at))
                .chain(self.header.get(at));
            let widest = cells.map(|cell| width(cell)).max().unwrap_or(0).max(1);
            if self.fits[at].is_elastic() {
                widest
            } else {
                widest.min(LONGEST_WORD)
            }
        };
        let mut widths: Vec<usize> = (0..self.fits.len()).map(natural).collect();
        let elastic = |at: &usize| self.fits[*at].is_elastic();
        let gaps = GAP * self.fits.len().saturating_sub(1);
        let fixed: usize = (0..widths.len())
            .filter(|at| !elastic(at))
            .map(|at| widths[at])
            .sum();
        let mut left = columns.saturating_sub(gaps + fixed);
        let mut open: Vec<usize> = (0..widths.len()).filter(elastic).collect();
        // The narrowest first: what one does not need is left for the others.
        open.sort_by_key(|at| widths[*at]);
        for (taken, at) in open.iter().enumerate() {
            let share = left / (open.len() - taken);
            let most = if self.fits[*at] == Fit::Wrap {
                MOST
            } else {
                usize::MAX
            };
            widths[*at] = widths[*at].min(share.max(LEAST)).min(most);
            left = left.saturating_sub(widths[*at]);
        }
        // Where even the words are too many, the widest column gives way.
        while gaps + widths.iter().sum::<usize>() > columns {
            let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > 1) else {
                break;
            };
            *widest -= 1;
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_width_and_names_give_way() {
        let mut table = Table::new(&[
            ("name", Fit::Elide),
            ("cosine", Fit::Right),
            ("class", Fit::Left),
        ]);
        table.row([
            "model.layers.0.self_attn.q_proj.weight".into(),
            "0.9981".into(),
            "matrix".into(),
        ]);
        table.row(["b".into(), "1.0000".into(), "norm".into()]);
        assert_eq!(
            table.lines(40),
            [
                "name                      cosine  class",
                "model.layer…_proj.weight  0.9981  matrix",
                "b                         1.0000  norm",
            ]
        );
    }

    #[test]
    fn sentences_are_wrapped_at_words() {
        let mut table = Table::new(&[("finding", Fit::Wrap), ("n", Fit::Right)]);
        table.row([
            "every one of the units is in its place".into(),
            "384".into(),
        ]);
        assert_eq!(
            table.lines(24),
            [
                "finding                n",
                "every one of the     384",
                "units is in its",
                "place"
            ]
        );
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let mut table = Table::new(&[
            ("a", Fit::Elide),
            ("b", Fit::Elide),
            ("c", Fit::Wrap),
            ("d", Fit::Right),
        ]);
        table.row([
            "x".repeat(90),
            "層".repeat(50),
            "w ".repeat(60),
            "1234567".into(),
        ]);
        for columns in 50..120 {
            let mut copy = Table::new(&[
                ("a", Fit::Elide),
                ("b", Fit::Elide),
                ("c", Fit::Wrap),
                ("d", Fit::Right),
            ]);
            copy.rows.clone_from(&table.rows);
            assert!(
                copy.lines(columns)
                    .iter()
                    .all(|line| width(line) <= columns)
            );
        }
    }
}
