//! Where in a tensor another lies: evenly spaced rows or columns of one of its readings, or values
//! from the first to the last.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::words::Class;
use crate::view::logical::{Logical, RowOrder, RowRun};

use super::spans::{Span, gaps, is_line};

/// A matrix found in a tensor of the other side.
pub(super) struct Found {
    /// The tensor, by its place in its side's list.
    pub(super) whole: usize,
    /// The matrix, by its place in the other side's.
    pub(super) piece: usize,
    /// Where in the tensor it is.
    pub(super) place: Place,
}

/// Where in a tensor another is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Rows or columns of it.
    Rows(Spot),
    /// Values from the first to the last.
    Span(Span),
}

impl Place {
    /// Values from the first to the last, where these lie one behind the other.
    pub(super) fn as_span(&self) -> Option<Span> {
        match self {
            Self::Rows(spot) => spot.as_span(),
            Self::Span(span) => Some(span.clone()),
        }
    }

    /// Rows or columns.
    pub(super) fn as_spot(&self) -> Option<Spot> {
        match self {
            Self::Rows(spot) => Some(*spot),
            Self::Span(_) => None,
        }
    }

    /// The tensor that is there.
    pub(super) fn cut(&self, whole: &Logical) -> Logical {
        match self {
            Self::Rows(spot) => spot.cut(whole),
            Self::Span(span) => span.cut(whole),
        }
    }
}

/// What is left of a tensor of which these places were found.
pub(super) fn rest_of(whole: &Logical, places: &[Place]) -> Vec<Logical> {
    let spots = places.iter().filter_map(|place| match place {
        Place::Rows(spot) => Some(*spot),
        Place::Span(_) => None,
    });
    let spans = places.iter().filter_map(|place| match place {
        Place::Span(span) => Some(span.clone()),
        Place::Rows(_) => None,
    });
    let (spots, spans): (Vec<Spot>, Vec<Span>) = (spots.collect(), spans.collect());
    let as_spans: Option<Vec<Span>> = spots.iter().map(Spot::as_span).collect();
    match as_spans.filter(|_| is_line(whole)) {
        Some(of_spots) => gaps(whole, &[spans, of_spots].concat()),
        None => rest(whole, &spots).into_iter().collect(),
    }
}

/// Rows of a tensor in one of its readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) reading: Reading,
    pub(super) run: RowRun,
    pub(super) shape: Shape,
}

/// What rows of a tensor are of what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Rows of a matrix.
    Rows,
    /// Columns of a matrix.
    Columns,
    /// One row is a vector.
    Vector,
}

/// One way to read a tensor as a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reading {
    /// As it is stored.
    pub(super) stored: (u64, u64),
    /// Whether its rows are the stored columns.
    pub(super) transposed: bool,
}

impl Reading {
    /// A matrix as it is stored, or its columns as rows.
    pub(super) fn new(matrix: &Logical, transposed: bool) -> Self {
        Self {
            stored: matrix.matrix_shape(),
            transposed,
        }
    }

    pub(super) fn rows(self) -> u64 {
        let (rows, columns) = self.stored;
        if self.transposed { columns } else { rows }
    }

    pub(super) fn columns(self) -> u64 {
        let (rows, columns) = self.stored;
        if self.transposed { rows } else { columns }
    }

    pub(super) fn of(self, whole: &Logical) -> Logical {
        let mut out = whole.clone();
        out.shape = vec![self.rows(), self.columns()];
        out.stored_as.stored = self.stored;
        out.stored_as.transposed = self.transposed;
        out
    }
}

impl Spot {
    /// Where in a tensor some of its rows lie that were cut from it; `None` for what is no run of
    /// them.
    pub(super) fn of_cut(whole: &Logical, cut: &Logical) -> Option<Self> {
        let storage = &cut.stored_as;
        let (rows, columns) = storage.stored;
        if columns == 0 || storage.columns.is_some() {
            return None;
        }
        let run = match &storage.rows {
            RowOrder::All => RowRun {
                start: storage.start.checked_sub(whole.stored_as.start)? / columns,
                count: rows,
                step: 1,
            },
            RowOrder::Runs(runs) => match runs[..] {
                [run] => run,
                _ => return None,
            },
            RowOrder::HalfSplit { .. } => return None,
        };
        Some(Self {
            reading: Reading {
                stored: (whole.elements() / columns, columns),
                transposed: false,
            },
            run,
            shape: match cut.shape.len() {
                1 => Shape::Vector,
                _ => Shape::Rows,
            },
        })
    }

    /// The matrix that is there.
    pub(super) fn cut(&self, whole: &Logical) -> Logical {
        let (reading, run) = (self.reading, self.run);
        let is_all = run.count == reading.rows();
        let mut out = reading.of(whole);
        if !is_all {
            out.name = format!("{}[{}]", whole.name, named(run));
        }
        let single = RowRun { count: 1, ..run };
        let storage = &mut out.stored_as;
        match (self.shape, reading.transposed) {
            (Shape::Vector, false) => {
                storage.start += run.start * reading.columns();
                storage.stored = (1, reading.columns());
                out.shape = vec![reading.columns()];
                out.meaning.class = Class::Vector;
            }
            (Shape::Vector, true) => {
                // The stored rows hold an element each.
                storage.transposed = false;
                storage.columns = Some(Arc::from([single]));
                storage.rows = RowOrder::Runs(Arc::from([RowRun {
                    start: 0,
                    count: reading.columns(),
                    step: 1,
                }]));
                out.shape = vec![reading.columns()];
                out.meaning.class = Class::Vector;
            }
            (Shape::Columns, _) => {
                out.shape = vec![reading.columns(), run.count];
                out.meaning.class = Class::Matrix;
                storage.transposed = !reading.transposed;
                storage.columns = (!is_all).then(|| Arc::from([run]));
            }
            (Shape::Rows, _) => {
                out.shape = vec![run.count, reading.columns()];
                out.meaning.class = Class::Matrix;
                if !is_all {
                    storage.rows = RowOrder::Runs(Arc::from([run]));
                }
            }
        }
        out
    }

    /// The same as values that lie one behind the other, where they do.
    fn as_span(&self) -> Option<Span> {
        let (reading, run) = (self.reading, self.run);
        let is_stretch = !reading.transposed && (run.step == 1 || run.count == 1);
        let shape = (run.count, reading.columns());
        is_stretch.then(|| Span::new(run.start * reading.columns(), shape))
    }

    /// How the tensor is read.
    pub(super) fn reading(&self) -> Reading {
        self.reading
    }

    /// The places between spots of one size that a tensor is full of: behind one another, or in
    /// turn. None where they are not all alike, or where one row is all that was found.
    pub(super) fn between(spots: &[Self]) -> Vec<Self> {
        let Some(first) = spots.first() else {
            return Vec::new();
        };
        let (rows, RowRun { count, step, .. }) = (first.reading.rows(), first.run);
        let is_alike = |spot: &Self| {
            let is_same = spot.reading == first.reading && spot.shape == first.shape;
            is_same && spot.run.count == count && spot.run.step == step
        };
        // In turn: of each `step` rows one is of this matrix.
        let in_turn = step > 1 && count.checked_mul(step) == Some(rows);
        let starts = match in_turn {
            true => (0..step).step_by(1),
            false => (0..rows).step_by(usize::try_from(count).unwrap_or(usize::MAX).max(1)),
        };
        let is_one_row = first.shape == Shape::Vector && spots.len() < 2;
        let is_full = in_turn || step == 1 && rows.is_multiple_of(count.max(1));
        let is_at = |start: u64| in_turn || start.is_multiple_of(count.max(1));
        let taken: BTreeSet<u64> = spots.iter().map(|spot| spot.run.start).collect();
        if is_one_row
            || !is_full
            || !spots.iter().all(is_alike)
            || !taken.iter().all(|start| is_at(*start))
        {
            return Vec::new();
        }
        let free = starts.filter(|start| !taken.contains(start));
        let spot = |start: u64| Self {
            run: RowRun { start, count, step },
            ..*first
        };
        free.map(spot).collect()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = u64> + use<> {
        let run = self.run;
        (0..run.count).map(move |at| run.start + at * run.step)
    }
}

/// What the spots leave of a tensor, all of one reading.
fn rest(whole: &Logical, spots: &[Spot]) -> Option<Logical> {
    let reading = spots.first()?.reading;
    let taken: BTreeSet<u64> = spots.iter().flat_map(Spot::rows).collect();
    let left = (0..reading.rows()).filter(|row| !taken.contains(row));
    let runs = RowRun::of_rows(left);
    let mut out = reading.of(whole);
    out.name = format!("{}[rest]", whole.name);
    out.shape[0] = runs.iter().map(|run| run.count).sum();
    out.stored_as.rows = RowOrder::Runs(Arc::from(runs));
    (out.shape[0] > 0).then_some(out)
}

/// A run as it stands behind a name: the first row, the end, and the distance where it is not 1.
fn named(run: RowRun) -> String {
    let end = run.start + (run.count - 1) * run.step + 1;
    match run.step {
        1 => format!("{}:{end}", run.start),
        step => format!("{}:{end}:{step}", run.start),
    }
}

/// Whether a tensor can be read in several ways.
pub(super) fn is_plain(logical: &Logical) -> bool {
    let storage = &logical.stored_as;
    logical.is_uncut() && storage.composed.is_none() && !storage.transposed
}

/// A tensor as what is looked for.
pub(super) fn reading_of(logical: &Logical, shape: Shape) -> Reading {
    Reading {
        stored: match shape {
            Shape::Vector => (1, logical.elements()),
            Shape::Rows | Shape::Columns => logical.stored_as.stored,
        },
        transposed: shape == Shape::Columns,
    }
}

/// A matrix by its place in the other side's list, where it is, and how sure it is.
pub(super) type FoundAt = (usize, Spot, f64);

/// `count` rows of a reading from `start` on, `step` apart.
pub(super) fn spot(
    reading: Reading,
    (start, count, step): (usize, usize, usize),
    shape: Shape,
) -> Spot {
    let run = RowRun {
        start: start as u64,
        count: count as u64,
        step: step as u64,
    };
    Spot {
        reading,
        run,
        shape,
    }
}

/// The surest of the spots that have no row in common, and one for each matrix.
pub(super) fn apart(mut found: Vec<FoundAt>, whole: usize) -> Vec<Found> {
    found.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    let (mut rows, mut pieces) = (BTreeSet::new(), BTreeSet::new());
    let mut out = Vec::new();
    for (piece, spot, _) in found {
        if pieces.contains(&piece) || spot.rows().any(|row| rows.contains(&row)) {
            continue;
        }
        pieces.insert(piece);
        rows.extend(spot.rows());
        out.push(Found {
            whole,
            piece,
            place: Place::Rows(spot),
        });
    }
    out
}
