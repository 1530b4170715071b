//! A report for people, before it is laid out: what is said, in which order and with what weight.
//!
//! A document is built once a command ([`super::documents`]) and rendered by any back end
//! ([`BackEnd`]). It holds names and sentences as they are: escaping, folding, widths and colours
//! belong to the back ends.

use super::words::Words;

/// Lays out documents in one form.
pub(crate) trait BackEnd {
    /// The document in full.
    fn render(&self, document: &Document) -> String;
}

/// A piece of running text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Span {
    /// Words for people; a name that is quoted in it stands there as the contract escapes it.
    Text(String),
    /// A name as a file or the user gave it: nothing in it is to be trusted.
    Name(String),
    /// A word of the contract, a digest or a value, to be copied as it stands.
    Word(String),
}

/// Running text without line ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(pub(crate) Vec<Span>);

impl Line {
    /// A name alone.
    pub(crate) fn name(name: impl Into<String>) -> Self {
        Self(vec![Span::Name(name.into())])
    }

    /// A word alone.
    pub(crate) fn word(word: impl ToString) -> Self {
        Self(vec![Span::Word(word.to_string())])
    }

    /// Several lines with `between` two of them.
    pub(crate) fn joined(lines: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let mut out = Self::default();
        for line in lines {
            if !out.0.is_empty() {
                out = out.text(between);
            }
            out = out.then(line);
        }
        out
    }

    /// The line with text behind it.
    pub(crate) fn text(self, text: impl Into<String>) -> Self {
        self.then(Self::from(text.into()))
    }

    /// The line with `next` behind it.
    pub(crate) fn then(mut self, next: Self) -> Self {
        self.0.extend(next.0);
        self
    }

    /// Whether nothing stands in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|span| match span {
            Span::Text(text) => text.is_empty(),
            Span::Name(_) | Span::Word(_) => false,
        })
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self(vec![Span::Text(text)])
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// The first lines of a report: what anybody quotes.
pub(crate) struct Opening {
    /// The label, a word of the contract.
    pub(crate) word: &'static str,
    /// How sure it is, where that can be said.
    pub(crate) confidence: Option<&'static str>,
    /// How loud it is told.
    pub(crate) tone: Tone,
    /// What it says, with the names of those it is about.
    pub(crate) sentence: Line,
    /// What must be quoted with it.
    pub(crate) caveats: Vec<Line>,
}

impl Opening {
    /// The first line.
    pub(crate) fn line(&self) -> Line {
        let word = match self.confidence {
            Some(sure) => format!("{}, {sure}", self.word),
            None => self.word.to_owned(),
        };
        Line::word(word).text(": ").then(self.sentence.clone())
    }
}

/// A report for people.
pub struct Document {
    /// The language of what a back end adds itself.
    pub(crate) words: &'static dyn Words,
    /// Whether every row of every list is asked for.
    pub(crate) all: bool,
    /// What must be known before anything else is read.
    pub(crate) caveat: Option<Line>,
    /// The answer at the head, where the report opens with it.
    pub(crate) opening: Option<Opening>,
    /// The question; nothing where the report opens with the answer.
    pub(crate) title: Line,
    /// What the answer rests on.
    pub(crate) grounds: Vec<Section>,
    /// The answer: a page begins with it, a terminal ends with it.
    pub(crate) answer: Option<Answer>,
    /// What is to be said beside the answer.
    pub(crate) remarks: Vec<Section>,
    /// The command line that gives the report again, and its columns where it must be broken.
    pub(crate) command: Option<Command>,
    /// What stands before that command, where it is not headed.
    pub(crate) foot: Option<Line>,
}

/// Makes a command line that is broken into lines of at most so many columns.
pub(crate) type Command = Box<dyn Fn(usize) -> String>;

impl Document {
    /// A document of a title alone.
    pub(crate) fn new(words: &'static dyn Words, title: Line, all: bool) -> Self {
        Self {
            words,
            all,
            caveat: None,
            opening: None,
            title,
            grounds: Vec::new(),
            answer: None,
            remarks: Vec::new(),
            command: None,
            foot: None,
        }
    }
}

/// What stands under one heading.
pub(crate) struct Section {
    /// The heading; none for what stands under the title.
    pub(crate) title: Option<Line>,
    /// Whether it may be put away behind its heading.
    pub(crate) fold: Fold,
    /// What it says.
    pub(crate) blocks: Vec<Block>,
}

/// Whether something may be put away behind a summary, to be opened by who wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    /// It is always shown.
    Open,
    /// A page folds it; a terminal, which cannot, shows it.
    Folded,
    /// A page folds it; a terminal shows it where every row is asked for.
    Deep,
}

impl Section {
    /// What stands under the title.
    pub(crate) fn untitled(blocks: impl IntoIterator<Item = Block>) -> Self {
        Self {
            title: None,
            fold: Fold::Open,
            blocks: blocks.into_iter().collect(),
        }
    }

    /// What stands under a heading.
    pub(crate) fn new(title: impl Into<Line>, blocks: impl IntoIterator<Item = Block>) -> Self {
        Self {
            title: Some(title.into()),
            ..Self::untitled(blocks)
        }
    }

    /// The same, to be folded.
    pub(crate) fn folded(self, fold: Fold) -> Self {
        Self { fold, ..self }
    }
}

/// One thing in a section.
pub(crate) enum Block {
    /// Running text.
    Paragraph(Line),
    /// An empty line, where lines are counted.
    Space,
    /// Running text that only remarks on something.
    Remark(Line),
    /// Values behind labels.
    Labelled(Vec<Value>),
    /// A list, of which the first so many are shown where not all are asked for.
    Items(Vec<Line>, Option<usize>),
    /// A table.
    Table(Table),
    /// A table and the like behind a summary.
    Fold(Summary, Vec<Block>),
    /// Points on a plane.
    Scatter(Scatter),
    /// A picture of what a table beside it says.
    Picture(Picture),
}

/// A picture, and the table that says the same.
pub(crate) struct Picture {
    /// What it shows, in a sentence.
    pub(crate) caption: String,
    /// How.
    pub(crate) drawing: Drawing,
    /// The same for whom a picture is nothing.
    pub(crate) table: Table,
}

/// What a page can draw.
pub(crate) enum Drawing {
    /// Figures from -1 to 1 in rows and columns.
    Heat {
        /// Labels of the rows.
        rows: Vec<String>,
        /// Labels of the columns.
        columns: Vec<String>,
        /// A row of figures a row; none where nothing was compared.
        figures: Vec<Vec<Option<f64>>>,
    },
    /// Figures from -1 to 1 along the depth: a place and a figure.
    Depth(Vec<(f64, f64)>),
    /// Layers of the target above, of the base below, and which comes from which.
    Ribbons {
        /// Layers of the target.
        target: u32,
        /// Layers of the base.
        base: u32,
        /// From which to which.
        pairs: Vec<(u32, u32)>,
    },
    /// Shares from 0 to 1, a bar a row.
    Bars(Vec<(String, Option<f64>)>),
    /// Shares of several in each row.
    Stacked {
        /// Labels of the rows.
        rows: Vec<String>,
        /// What the shares are of.
        series: Vec<String>,
        /// Shares a row, 0 to 1.
        shares: Vec<Vec<f64>>,
    },
}

/// What stands before blocks that are folded away.
pub(crate) enum Summary {
    /// A sentence that is worth reading by itself.
    Said(Line),
    /// What they are, where they cannot be seen.
    Named(&'static str),
}

/// A value behind its label; without a label it continues the value before it.
pub(crate) struct Value {
    /// What it is.
    pub(crate) label: String,
    /// The value.
    pub(crate) text: Line,
}

impl Value {
    /// A value behind its label.
    pub(crate) fn new(label: impl Into<String>, text: impl Into<Line>) -> Self {
        Self {
            label: label.into(),
            text: text.into(),
        }
    }
}

/// How loud an answer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Something was concluded.
    Said,
    /// Nothing was.
    Open,
}

/// The answer of a document.
pub(crate) enum Answer {
    /// A label with what it means and rests on.
    Verdict(Verdict),
    /// A sentence, and values beside it.
    Statement(Line, Vec<Value>),
}

/// A label with what it means and rests on.
pub(crate) struct Verdict {
    /// The heading.
    pub(crate) title: &'static str,
    /// The label, a word of the contract.
    pub(crate) word: &'static str,
    /// How loud it is told.
    pub(crate) tone: Tone,
    /// What it says, in a sentence.
    pub(crate) meaning: Line,
    /// What it is about or goes with: a label and words or names.
    pub(crate) beside: Option<(&'static str, Vec<Line>)>,
    /// How sure it is: a word and its definition.
    pub(crate) confidence: Option<Option<(&'static str, &'static str)>>,
    /// Sentences.
    pub(crate) reasons: Vec<String>,
}

/// How a column takes its place where places are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// A number or word: it is kept whole.
    Keep,
    /// A name: it may be elided in the middle.
    Shrink,
    /// A sentence: it may be wrapped.
    Wrap,
    /// A bar: it takes what is left.
    Bar,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Its heading.
    pub(crate) title: Line,
    /// How it takes its place.
    pub(crate) fit: Fit,
    /// Whether it is set to the right.
    pub(crate) right: bool,
    /// When it is left out of a table that is too wide: the highest goes first, 0 never does.
    pub(crate) dropped: u8,
    /// Whether it is one of a series of which only so many stand side by side.
    pub(crate) series: bool,
}

impl Column {
    fn new(title: impl Into<Line>, fit: Fit, right: bool) -> Self {
        Self {
            title: title.into(),
            fit,
            right,
            dropped: 0,
            series: false,
        }
    }

    /// A column of words.
    pub(crate) fn words(title: impl Into<Line>) -> Self {
        Self::new(title, Fit::Keep, false)
    }

    /// A column of numbers.
    pub(crate) fn numbers(title: impl Into<Line>) -> Self {
        Self::new(title, Fit::Keep, true)
    }

    /// A column of names.
    pub(crate) fn names(title: impl Into<Line>) -> Self {
        Self::new(title, Fit::Shrink, false)
    }

    /// A column of sentences.
    pub(crate) fn sentences(title: impl Into<Line>) -> Self {
        Self::new(title, Fit::Wrap, false)
    }

    /// A column of bars, from 0 to 1.
    pub(crate) fn bars() -> Self {
        Self::new("", Fit::Bar, false)
    }

    /// Numbers under a long heading, or values of any length: set to the right, and may be elided.
    pub(crate) fn values(title: impl Into<Line>) -> Self {
        Self::new(title, Fit::Shrink, true)
    }

    /// The column, to be left out where the table is too wide; the highest goes first.
    pub(crate) fn dropped(self, order: u8) -> Self {
        Self {
            dropped: order,
            ..self
        }
    }

    /// The column as one of a series.
    pub(crate) fn in_series(self) -> Self {
        Self {
            series: true,
            ..self
        }
    }
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    /// Text.
    Line(Line),
    /// Text that is marked; [`Table::mark`] says what a mark means.
    Marked(Line),
    /// A bar from 0 to 1.
    Bar(Option<f64>),
}

impl<T: Into<Line>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::Line(text.into())
    }
}

/// A row of a table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// A cell a column.
    pub(crate) cells: Vec<Cell>,
    /// Whether it is the one that applies.
    pub(crate) pointed: bool,
}

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Rows and columns.
    Grid,
    /// As `Grid`, and one row may be the one that applies.
    Choice,
    /// Rows whose cells must be seen whole: where that needs it, a line a cell. The first cell is
    /// the label of the second.
    Records,
}

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Its columns.
    pub(crate) columns: Vec<Column>,
    /// Its rows.
    pub(crate) rows: Vec<Row>,
    /// What it is.
    pub(crate) shape: Shape,
    /// Rows shown where not all are asked for.
    pub(crate) limit: Option<usize>,
    /// Columns of the series that stand side by side where places are few.
    pub(crate) abreast: usize,
    /// What the mark of a marked cell means.
    pub(crate) mark: Option<&'static str>,
    /// What its bars show; said where they are drawn.
    pub(crate) bars: Option<&'static str>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
            shape: Shape::Grid,
            limit: None,
            abreast: usize::MAX,
            mark: None,
            bars: None,
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells = cells.into_iter().collect();
        self.rows.push(Row {
            cells,
            pointed: false,
        });
    }

    /// Whether the columns have headings.
    pub(crate) fn has_header(&self) -> bool {
        self.columns.iter().any(|column| !column.title.is_empty())
    }
}

/// The list's first `limit` rows, or all, and how many are left out.
pub(crate) fn shown<T>(rows: &[T], limit: Option<usize>) -> (&[T], usize) {
    let shown = limit.map_or(rows.len(), |limit| limit.min(rows.len()));
    (&rows[..shown], rows.len() - shown)
}

/// Points on a plane, both axes in one unit.
pub(crate) struct Scatter {
    /// The points.
    pub(crate) points: Vec<Point>,
    /// What the axes are; said where the points are drawn.
    pub(crate) axes: String,
}

/// One point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Its label, which a table beside the plot explains.
    pub(crate) label: char,
    /// Its place, where it has one.
    pub(crate) place: [Option<f64>; 2],
}

/// Labels of points in their order: `T` for the first (the target), then `1` to `9`, `a` to `z`,
/// then `+`.
pub(crate) fn point_label(index: usize) -> char {
    match index {
        0 => 'T',
        1..=35 => char::from_digit(index as u32, 36).unwrap_or('+'),
        _ => '+',
    }
}

/// The cells of a row, each from what a cell can be made of.
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { [$($crate::report::document::Cell::from($cell)),*] };
}
pub(crate) use cells;
