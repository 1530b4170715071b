//! Tables without rules, laid out so that nothing overflows: numbers keep their width, names are
//! elided in the middle, sentences are wrapped, and what can be done without is left out.

use std::ops::Range;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width, presets};

use crate::report::document::{Column, Fit};
use crate::report::escape::{char_width, elide, width, wrap};

/// Spaces between two columns of a table.
const GAP: usize = 2;
/// Least width that a name or sentence is given.
const LEAST: usize = 8;
/// Most that a number or word is given; more is no number or word.
const LONGEST_WORD: usize = 28;
/// Most that a wrapped column is given, for the eye's sake.
const MOST: usize = 100;
/// Shortest and longest bar.
const BAR: Range<usize> = 4..50;

/// A cell whose text is escaped already.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// Text.
    Text(String),
    /// A bar from 0 to 1.
    Bar(Option<f64>),
}

impl Cell {
    fn width(&self) -> usize {
        match self {
            Self::Text(text) => width(text),
            Self::Bar(_) => BAR.end,
        }
    }

    /// The cell in the columns of its column: elided, wrapped at words, or drawn.
    fn fitted(&self, fit: Fit, columns: usize) -> String {
        match self {
            Self::Bar(value) => bar(*value, columns),
            Self::Text(text) if fit == Fit::Wrap => wrap(text, columns).join("\n"),
            Self::Text(text) => elide(text, columns),
        }
    }
}

/// A bar from 0 to 1, to an eighth of a column.
fn bar(value: Option<f64>, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let Some(value) = value.filter(|v| v.is_finite()) else {
        return String::new();
    };
    // Cut down, not rounded: a full bar is a cosine of 1.
    let eighths = (value.clamp(0.0, 1.0) * (columns * 8) as f64) as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// `line` before and from a column on.
pub(super) fn split(line: &str, column: usize) -> (&str, &str) {
    let mut used = 0;
    let at = line.char_indices().find_map(|(at, c)| {
        let reached = used >= column;
        used += char_width(c);
        reached.then_some(at)
    });
    line.split_at(at.unwrap_or(line.len()))
}

/// A table in its columns.
pub(super) struct Layout {
    /// The lines, the first the column headings where there are any.
    pub(super) lines: Vec<String>,
    /// Columns of the first column.
    pub(super) first: usize,
    /// Where bars stand, if there are any.
    pub(super) bars: Option<Range<usize>>,
}

/// A column of a grid.
struct GridColumn {
    title: String,
    fit: Fit,
    right: bool,
    dropped: u8,
}

/// A table under construction.
pub(super) struct Grid {
    columns: Vec<GridColumn>,
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// A table with these columns.
    pub(super) fn new<'a>(columns: impl Iterator<Item = &'a Column>) -> Self {
        let column = |column: &Column| GridColumn {
            title: super::plain(&column.title),
            fit: column.fit,
            right: column.right,
            dropped: column.dropped,
        };
        Self {
            columns: columns.map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl Iterator<Item = Cell>) {
        self.rows.push(cells.collect());
    }

    /// Puts a column of signs before the others, one a row.
    pub(super) fn point<'a>(&mut self, signs: impl Iterator<Item = &'a str>) {
        let column = GridColumn {
            title: String::new(),
            fit: Fit::Keep,
            right: false,
            dropped: 0,
        };
        self.columns.insert(0, column);
        for (row, sign) in self.rows.iter_mut().zip(signs) {
            row.insert(0, Cell::Text(sign.to_owned()));
        }
    }

    /// The table in at most `columns` columns.
    pub(super) fn lay_out(mut self, columns: usize) -> Layout {
        self.drop_columns(columns);
        let widths = self.widths(columns);
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        // Never asks the terminal: the width is given, or where it is more than a table can have,
        // the most that it can.
        table.set_width(narrowed(columns));
        if self.columns.iter().any(|column| !column.title.is_empty()) {
            let titles = self.columns.iter().map(|c| Cell::Text(c.title.clone()));
            table.add_row(self.fitted(&titles.collect::<Vec<_>>(), &widths));
        }
        for row in &self.rows {
            table.add_row(self.fitted(row, &widths));
        }
        for (at, (room, column)) in widths.iter().zip(&self.columns).enumerate() {
            let Some(laid_out) = table.column_mut(at) else {
                continue;
            };
            let gap = if at + 1 < widths.len() { GAP } else { 0 };
            laid_out.set_padding((0, narrowed(gap)));
            let fixed = Width::Fixed(narrowed(room + gap));
            laid_out.set_constraint(ColumnConstraint::Absolute(fixed));
            laid_out.set_cell_alignment(if column.right {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            });
        }
        Layout {
            lines: table.lines().map(|l| l.trim_end().to_owned()).collect(),
            first: widths.first().copied().unwrap_or(0),
            bars: self.bars(&widths),
        }
    }

    fn fitted(&self, row: &[Cell], widths: &[usize]) -> Vec<String> {
        let cells = row.iter().zip(widths).zip(&self.columns);
        cells
            .map(|((cell, room), column)| cell.fitted(column.fit, *room))
            .collect()
    }

    fn bars(&self, widths: &[usize]) -> Option<Range<usize>> {
        let at = self.columns.iter().position(|c| c.fit == Fit::Bar)?;
        let before = &widths[..at];
        let start = before.iter().sum::<usize>() + GAP * before.len();
        Some(start..start + widths[at])
    }

    /// Columns that the longest cell of a column takes.
    fn natural(&self, at: usize) -> usize {
        let column = &self.columns[at];
        let cells = self.rows.iter().filter_map(|row| row.get(at));
        let widest = cells.map(Cell::width).max().unwrap_or(0);
        let widest = widest.max(width(&column.title)).max(1);
        match column.fit {
            Fit::Keep => widest.min(LONGEST_WORD),
            Fit::Wrap => widest.min(MOST),
            Fit::Shrink | Fit::Bar => widest,
        }
    }

    /// Leaves out what can be done without, as long as the whole does not stand in one line.
    fn drop_columns(&mut self, columns: usize) {
        loop {
            let natural: usize = (0..self.columns.len()).map(|at| self.natural(at)).sum();
            let gaps = GAP * self.columns.len().saturating_sub(1);
            let droppable = |at: &usize| self.columns[*at].dropped > 0;
            let candidates = (0..self.columns.len()).filter(droppable);
            let first = candidates.max_by_key(|at| self.columns[*at].dropped);
            let Some(at) = first.filter(|_| natural + gaps > columns) else {
                return;
            };
            self.columns.remove(at);
            for row in &mut self.rows {
                row.remove(at);
            }
        }
    }

    /// Columns of each column: natural ones first, what is left over for names and sentences.
    fn widths(&self, columns: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.columns.len()).map(|at| self.natural(at)).collect();
        let elastic = |at: &usize| self.columns[*at].fit != Fit::Keep;
        let gaps = GAP * self.columns.len().saturating_sub(1);
        let (mut open, kept): (Vec<usize>, Vec<usize>) = (0..widths.len()).partition(elastic);
        let fixed: usize = kept.iter().map(|at| widths[*at]).sum();
        let mut left = columns.saturating_sub(gaps + fixed);
        // The narrowest first: what one does not need is left for the others.
        open.sort_by_key(|at| widths[*at]);
        for (taken, at) in open.iter().enumerate() {
            let share = left / (open.len() - taken);
            let least = match self.columns[*at].fit {
                Fit::Bar => BAR.start,
                _ => LEAST,
            };
            widths[*at] = widths[*at].min(share.max(least));
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

/// A width as the table crate takes it.
fn narrowed(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid<const N: usize>(columns: [Column; N], rows: &[[&str; N]]) -> Grid {
        let mut grid = Grid::new(columns.iter());
        for row in rows {
            grid.row(row.iter().map(|cell| Cell::Text((*cell).to_owned())));
        }
        grid
    }

    #[test]
    fn numbers_keep_their_width_and_names_give_way() {
        let columns = [
            Column::names("name"),
            Column::numbers("cosine"),
            Column::words("class"),
        ];
        let name = "model.layers.0.self_attn.q_proj.weight";
        let rows = [[name, "0.9981", "matrix"], ["b", "1.0000", "norm"]];
        assert_eq!(
            grid(columns, &rows).lay_out(40).lines,
            [
                "name                      cosine  class",
                "model.layer…_proj.weight  0.9981  matrix",
                "b                         1.0000  norm",
            ]
        );
    }

    #[test]
    fn sentences_are_wrapped_at_words() {
        let columns = [Column::sentences("finding"), Column::numbers("n")];
        let rows = [["every one of the units is in its place", "384"]];
        assert_eq!(
            grid(columns, &rows).lay_out(24).lines,
            [
                "finding                n",
                "every one of the     384",
                "units is in its",
                "place"
            ]
        );
    }

    #[test]
    fn what_can_be_done_without_goes_first() {
        let columns = || {
            [
                Column::names("name"),
                Column::words("first").dropped(2),
                Column::words("second").dropped(1),
            ]
        };
        let lines = |width: usize| {
            grid(columns(), &[["層層層", "a", "b"]])
                .lay_out(width)
                .lines
        };
        assert_eq!(lines(21), ["name    first  second", "層層層  a      b"]);
        assert_eq!(lines(20), ["name    second", "層層層  b"]);
        assert_eq!(lines(13), ["name", "層層層"]);
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let columns = || {
            [
                Column::names("a"),
                Column::names("b"),
                Column::sentences("c"),
                Column::numbers("d"),
                Column::bars(),
            ]
        };
        let (name, wide) = ("x".repeat(90), "層".repeat(50));
        let sentence = "w ".repeat(60);
        for width_asked in 50..120 {
            let mut grid = Grid::new(columns().iter());
            let texts = [&name, &wide, &sentence, "1234567"];
            let cells = texts.map(|text| Cell::Text(text.to_owned()));
            grid.row(cells.into_iter().chain([Cell::Bar(Some(0.7))]));
            let layout = grid.lay_out(width_asked);
            assert!(layout.lines.iter().all(|line| width(line) <= width_asked));
        }
    }

    #[test]
    fn bars_are_cut_down_and_full_only_at_one() {
        assert_eq!(bar(Some(1.0), 4), "████");
        assert_eq!(bar(Some(0.9999), 4), "███▉");
        assert_eq!(bar(Some(0.5), 4), "██");
        assert_eq!(bar(Some(-0.2), 4), "");
        assert_eq!(bar(Some(f64::NAN), 4), "");
        assert_eq!(bar(None, 4), "");
    }

    #[test]
    fn a_line_is_split_at_columns_not_characters() {
        assert_eq!(split("層a層b", 3), ("層a", "層b"));
        assert_eq!(split("ab", 5), ("ab", ""));
    }
}
