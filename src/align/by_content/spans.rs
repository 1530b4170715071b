//! Tensors that lie in a long one from their first value to their last, one behind the other: the
//! flat parameters that sharded trainings save, a layer or a whole model in one vector.
//!
//! A few stretches of every tensor that is looked for are told by which of their values rise, and
//! looked for in one reading of the long one; where one is met, some values of the tensor are held
//! against those that lie there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;

use crate::align::likeness::cosine;
use crate::error::Result;
use crate::model::dtype::Kind;
use crate::model::sides::{Side, Sides};
use crate::model::words::Class;
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::view::logical::{Logical, Origin};
use crate::view::model::Model;

use super::Item;
use super::follow::natural;
use super::holds::may_hold;
use super::place::{Found, Place, is_plain};

/// Values of a stretch, whose 64 steps rise or do not.
const STRETCH: usize = 65;

/// Stretches of a tensor, read along its rows and along its columns.
const ALONG_ROWS: usize = 16;
const ALONG_COLUMNS: usize = 8;

/// Most of 64 steps that may differ, and fewest of each kind in a stretch that tells anything.
const MOST_DIFFERENT: u32 = 8;
const FEWEST_STEPS: u32 = 12;

/// Stretches of one word that are looked at.
const MOST_NAMED: usize = 64;

/// Values of the long tensor that are read at a time.
const CHUNK: u64 = 1 << 20;

/// Places of a chunk at which stretches are met, at most.
const MOST_MET: usize = 1 << 16;

/// Groups of neighbouring values by which a tensor is confirmed, and values of each.
const GROUPS: usize = 24;
const GROUP: usize = 16;

/// Least cosine of what lies there, about the mean; of vectors between two that were found.
const ALIKE: f64 = 0.5;
const ALIKE_VECTORS: f64 = 0.8;

/// Longest tensor that is looked for in the gaps between those found.
const SHORT: u64 = 1 << 16;

/// Tensors that are held against a gap, in all.
const MOST_FITTED: usize = 1 << 16;

/// Fewest values of a gap that are read as a matrix.
const LEAST_GAP: u64 = 1 << 10;

/// A stretch of a long tensor that is a tensor of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    start: u64,
    /// Shape of the other side's tensor.
    shape: Vec<u64>,
    /// The same as a matrix.
    matrix: (u64, u64),
    /// Whether its columns lie one behind the other.
    transposed: bool,
}

impl Span {
    /// A matrix stored row by row.
    pub(super) fn new(start: u64, (rows, columns): (u64, u64)) -> Self {
        Self {
            start,
            shape: vec![rows, columns],
            matrix: (rows, columns),
            transposed: false,
        }
    }

    /// A tensor of the other side from a value on; its columns one behind the other where transposed.
    pub(super) fn of_piece(start: u64, piece: &Logical, transposed: bool) -> Self {
        Self {
            start,
            shape: piece.shape.clone(),
            matrix: piece.matrix_shape(),
            transposed,
        }
    }

    /// The same, so many values behind where it is.
    pub(super) fn moved(mut self, by: u64) -> Self {
        self.start += by;
        self
    }

    /// The same, so many values before where it is.
    pub(super) fn moved_back(mut self, by: u64) -> Self {
        self.start -= by;
        self
    }

    /// Its first value.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn end(&self) -> u64 {
        self.start + self.matrix.0 * self.matrix.1
    }

    /// The tensor that is there.
    pub(super) fn cut(&self, whole: &Logical) -> Logical {
        let mut out = stretch(whole, self.start..self.end());
        let (rows, columns) = self.matrix;
        out.shape = self.shape.clone();
        out.stored_as.transposed = self.transposed;
        out.stored_as.stored = match self.transposed {
            true => (columns, rows),
            false => (rows, columns),
        };
        if self.shape.len() > 1 {
            out.meaning.class = Class::Matrix;
        }
        out
    }
}

/// Stretches of a long tensor that are taken, by their first value with their end.
#[derive(Default)]
pub(super) struct Taken(BTreeMap<u64, u64>);

impl Taken {
    pub(super) fn is_free(&self, span: &Span) -> bool {
        let before = self.0.range(..span.end()).next_back();
        before.is_none_or(|(_, end)| *end <= span.start)
    }

    pub(super) fn take(&mut self, span: &Span) {
        self.0.insert(span.start, span.end());
    }

    /// What lies between them in a tensor of so many values.
    pub(super) fn gaps(&self, all: u64) -> Vec<Range<u64>> {
        let ends = [0].into_iter().chain(self.0.values().copied());
        let starts = self.0.keys().copied().chain([all]);
        ends.zip(starts).map(|(end, start)| end..start).collect()
    }
}

/// Values of a tensor that lie one behind the other, as a vector.
fn stretch(whole: &Logical, values: Range<u64>) -> Logical {
    let count = values.end - values.start;
    let mut out = whole.clone();
    let first = whole.stored_as.start + values.start;
    out.name = format!("{}[{first}:{}]", root(&whole.name), first + count);
    out.shape = vec![count];
    out.stored_as.start = first;
    out.stored_as.stored = (1, count);
    out.meaning.class = Class::Vector;
    out
}

/// The name of the tensor of which this is a stretch.
pub(super) fn root(name: &str) -> &str {
    let is_place = |inside: &str| {
        let mut numbers = inside.split(':');
        numbers.all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    let bracket = name
        .strip_suffix(']')
        .and_then(|name| name.rsplit_once('['));
    match bracket {
        Some((root, inside)) if inside.contains(':') && is_place(inside) => root,
        _ => name,
    }
}

/// Whether the values of a tensor lie in the file as those of a vector do, whatever the shape in
/// which they are read now.
pub(super) fn is_line(logical: &Logical) -> bool {
    logical.stored_shape.len() == 1
        && matches!(logical.stored_as.origin, Origin::Tensor(_))
        && is_plain(logical)
        && logical.dtype.kind() != Kind::Block
        && logical.meaning.class != Class::Uninformative
}

/// What the spans leave of a tensor; long gaps as matrices of rows as long as those beside them.
pub(super) fn gaps(whole: &Logical, spans: &[Span]) -> Vec<Logical> {
    let mut spans: Vec<&Span> = spans.iter().collect();
    spans.sort_by_key(|span| span.start);
    let widths = spans.iter().filter(|span| span.shape.len() > 1);
    let widths: BTreeSet<u64> = widths.map(|span| span.matrix.1).collect();
    let gap = |values: Range<u64>| {
        let count = values.end - values.start;
        let mut out = stretch(whole, values);
        let width = widths.iter().find(|width| count.is_multiple_of(**width));
        if let Some(width) = width.filter(|_| count >= LEAST_GAP) {
            out.shape = vec![count / width, *width];
            out.stored_as.stored = (count / width, *width);
            out.meaning.class = Class::Matrix;
        }
        out
    };
    let starts = spans
        .iter()
        .map(|span| span.start)
        .chain([whole.elements()]);
    let ends = [0].into_iter().chain(spans.iter().map(|span| span.end()));
    ends.zip(starts)
        .filter(|(end, start)| end < start)
        .map(|(end, start)| gap(end..start))
        .collect()
}

/// A stretch of a tensor that is looked for.
struct Anchor {
    piece: usize,
    transposed: bool,
    /// Its first value, in the order in which the tensor would lie.
    at: u64,
    rises: u64,
}

/// Which steps of a stretch rise, the first in the highest bit.
fn rises(values: &[f32]) -> u64 {
    let steps = values.windows(2);
    steps.fold(0, |word, step| word << 1 | u64::from(step[1] > step[0]))
}

fn tells(rises: u64) -> bool {
    (FEWEST_STEPS..=64 - FEWEST_STEPS).contains(&rises.count_ones())
}

/// Values `begin..begin + count` of a matrix in the order of its rows, or of its columns.
fn in_order(
    matrix: &dyn RowSource,
    transposed: bool,
    begin: usize,
    count: usize,
) -> Result<Vec<f32>> {
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let length = if transposed { rows } else { columns };
    let (first, last) = (begin / length, (begin + count - 1) / length);
    let needed = match transposed {
        false => first..last + 1,
        true if first == last => begin % length..begin % length + count,
        true => 0..rows,
    };
    let mut values = vec![0.0; needed.len() * columns];
    matrix.read_rows(needed.clone(), &mut values)?;
    let place = |at: usize| match transposed {
        false => at - needed.start * columns,
        true => (at % rows - needed.start) * columns + at / rows,
    };
    Ok((begin..begin + count).map(|at| values[place(at)]).collect())
}

/// The stretches of a tensor along its rows and columns.
fn anchors(model: &Model, piece: usize, logical: &Logical) -> Result<Vec<Anchor>> {
    let matrix = model.view(logical)?;
    let all = matrix.rows() * matrix.columns();
    let mut out = Vec::new();
    if all < STRETCH {
        return Ok(out);
    }
    let ways: &[(bool, usize)] = match logical.shape.len() {
        2 => &[(false, ALONG_ROWS), (true, ALONG_COLUMNS)],
        _ => &[(false, ALONG_ROWS)],
    };
    for &(transposed, count) in ways {
        let length = if transposed {
            matrix.rows()
        } else {
            matrix.columns()
        };
        let mut draws = Draws::new(0, "stretches");
        for at in draws.distinct(count, all - STRETCH + 1) {
            // Inside one row or column where these are long enough.
            let fits = length >= STRETCH;
            let beyond = (at % length + STRETCH).saturating_sub(length);
            let at = if fits { at - beyond } else { at };
            let rises = rises(&in_order(&matrix, transposed, at, STRETCH)?);
            if tells(rises) {
                out.push(Anchor {
                    piece,
                    transposed,
                    at: at as u64,
                    rises,
                });
            }
        }
    }
    Ok(out)
}

/// The stretches by each quarter of their steps: of two that differ in few, one quarter agrees.
struct Book {
    anchors: Vec<Anchor>,
    quarters: [BTreeMap<u16, Vec<usize>>; 4],
}

fn quarter(rises: u64, at: usize) -> u16 {
    (rises >> (16 * at)) as u16
}

impl Book {
    fn new(anchors: Vec<Anchor>) -> Self {
        let mut quarters: [BTreeMap<u16, Vec<usize>>; 4] = Default::default();
        for (id, anchor) in anchors.iter().enumerate() {
            for (at, quarters) in quarters.iter_mut().enumerate() {
                let ids = quarters.entry(quarter(anchor.rises, at)).or_default();
                if ids.len() < MOST_NAMED {
                    ids.push(id);
                }
            }
        }
        Self { anchors, quarters }
    }

    /// Where the tensors would begin whose stretches are met in a chunk of values.
    fn met(&self, table: &[Vec<bool>; 4], begin: u64, values: &[f32]) -> Vec<(usize, bool, u64)> {
        let mut out = BTreeSet::new();
        let mut word = 0;
        for (step, pair) in values.windows(2).enumerate() {
            word = word << 1 | u64::from(pair[1] > pair[0]);
            if step + 2 < STRETCH || out.len() >= MOST_MET {
                continue;
            }
            let first = begin + (step + 2 - STRETCH) as u64;
            for (at, met) in table.iter().enumerate() {
                let quarter = quarter(word, at);
                if !met[usize::from(quarter)] {
                    continue;
                }
                for id in self.quarters[at].get(&quarter).into_iter().flatten() {
                    let anchor = &self.anchors[*id];
                    let differ = (anchor.rises ^ word).count_ones();
                    let start = first.checked_sub(anchor.at);
                    if let Some(start) = start.filter(|_| differ <= MOST_DIFFERENT) {
                        out.insert((anchor.piece, anchor.transposed, start));
                    }
                }
            }
        }
        out.into_iter().collect()
    }
}

/// Values of a long tensor.
pub(super) fn values_at(model: &Model, whole: &Logical, values: Range<u64>) -> Result<Vec<f32>> {
    let mut out = vec![0.0; (values.end - values.start) as usize];
    let cut = stretch(whole, values);
    model.view(&cut)?.read_rows(0..1, &mut out)?;
    Ok(out)
}

fn is_long(logical: &Logical) -> bool {
    is_line(logical) && logical.shape.len() == 1
}

/// Tensors of the other side that lie in long tensors of `side`.
///
/// # Errors
/// A read that fails.
pub(super) fn find(
    side: Side,
    models: Sides<&Model>,
    left: &Sides<Vec<Item>>,
) -> Result<Vec<Found>> {
    let (own, other) = (left.get(side), left.get(side.other()));
    let (model, other_model) = (*models.get(side), *models.get(side.other()));
    let is_matrix = |item: &Item| item.logical.shape.len() > 1 && is_plain(&item.logical);
    let least = other.iter().filter(|item| is_matrix(item));
    let Some(least) = least.map(|item| item.logical.elements()).min() else {
        return Ok(Vec::new());
    };
    let longs: Vec<usize> = (0..own.len())
        .filter(|at| is_long(&own[*at].logical) && own[*at].logical.elements() >= least)
        .collect();
    if longs.is_empty() {
        return Ok(Vec::new());
    }
    let asked = other.iter().enumerate().filter(|(_, item)| {
        is_plain(&item.logical)
            && item.logical.meaning.class != Class::Uninformative
            && item.sketch.is_telling()
    });
    let asked: Vec<(usize, &Item)> = asked.collect();
    let found: Result<Vec<Vec<Anchor>>> = asked
        .par_iter()
        .map(|(piece, item)| anchors(other_model, *piece, &item.logical))
        .collect();
    let book = Book::new(found?.into_iter().flatten().collect());
    let mut search = Search {
        models: Sides::placed(side, model, other_model),
        side,
        other,
        table: std::array::from_fn(|at| {
            let mut table = vec![false; 1 << 16];
            let words = book.quarters[at].keys();
            words.for_each(|word| table[usize::from(*word)] = true);
            table
        }),
        book,
        gone: BTreeSet::new(),
        fitted: 0,
    };
    let mut out = Vec::new();
    for whole in longs {
        let spans = search.spans(&own[whole].logical)?;
        out.extend(spans.into_iter().map(|(piece, span)| Found {
            whole,
            piece,
            place: Place::Span(span),
        }));
    }
    Ok(out)
}

struct Search<'a> {
    models: Sides<&'a Model>,
    side: Side,
    other: &'a [Item],
    book: Book,
    /// Which quarters any stretch has.
    table: [Vec<bool>; 4],
    gone: BTreeSet<usize>,
    fitted: usize,
}

impl Search<'_> {
    fn model(&self) -> &Model {
        self.models.get(self.side)
    }

    fn other_model(&self) -> &Model {
        self.models.get(self.side.other())
    }

    /// What lies in one long tensor.
    fn spans(&mut self, whole: &Logical) -> Result<Vec<(usize, Span)>> {
        let all = whole.elements();
        let chunks: Vec<u64> = (0..all).step_by(CHUNK as usize).collect();
        let met: Result<Vec<Vec<(usize, bool, u64)>>> = chunks
            .par_iter()
            .map(|begin| {
                let end = (begin + CHUNK + STRETCH as u64).min(all);
                let values = values_at(self.model(), whole, *begin..end)?;
                Ok(self.book.met(&self.table, *begin, &values))
            })
            .collect();
        let met: BTreeSet<(usize, bool, u64)> = met?.into_iter().flatten().collect();
        let fits = |piece: usize, start: u64| {
            let logical = &self.other[piece].logical;
            let end = start.checked_add(logical.elements());
            end.is_some_and(|end| end <= all)
                && !self.gone.contains(&piece)
                && may_hold(whole, logical)
        };
        let met: Vec<(usize, bool, u64)> = met
            .into_iter()
            .filter(|(piece, _, start)| fits(*piece, *start))
            .collect();
        let scored: Result<Vec<Option<(f64, usize, Span)>>> = met
            .par_iter()
            .map(|(piece, transposed, start)| self.confirmed(whole, *piece, *transposed, *start))
            .collect();
        let mut scored: Vec<(f64, usize, Span)> = scored?.into_iter().flatten().collect();
        scored.sort_by(|a, b| {
            let places = (a.2.start, a.1).cmp(&(b.2.start, b.1));
            b.0.total_cmp(&a.0).then(places)
        });

        let mut taken = Taken::default();
        let mut out = Vec::new();
        for (_, piece, span) in scored {
            if taken.is_free(&span) && self.gone.insert(piece) {
                taken.take(&span);
                out.push((piece, span));
            }
        }
        if !out.is_empty() {
            self.fill(whole, &taken, &mut out)?;
        }
        Ok(out)
    }

    fn span(&self, piece: usize, transposed: bool, start: u64) -> Span {
        Span::of_piece(start, &self.other[piece].logical, transposed)
    }

    /// A tensor where a stretch of it was met, and how alike what lies there is.
    fn confirmed(
        &self,
        whole: &Logical,
        piece: usize,
        transposed: bool,
        start: u64,
    ) -> Result<Option<(f64, usize, Span)>> {
        let logical = &self.other[piece].logical;
        let matrix = self.other_model().view(logical)?;
        let all = matrix.rows() * matrix.columns();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for at in Draws::new(0, "groups").distinct(GROUPS, all.saturating_sub(GROUP) + 1) {
            let count = GROUP.min(all);
            let begin = start + at as u64;
            a.extend(in_order(&matrix, transposed, at, count)?);
            b.extend(values_at(self.model(), whole, begin..begin + count as u64)?);
        }
        let least = if logical.shape.len() > 1 {
            ALIKE
        } else {
            ALIKE_VECTORS
        };
        let likeness = about_mean(&a, &b);
        let is_it = likeness >= least;
        Ok(is_it.then(|| (likeness, piece, self.span(piece, transposed, start))))
    }

    /// Short tensors that lie between those found, one behind the other from the front of a gap.
    fn fill(&mut self, whole: &Logical, taken: &Taken, out: &mut Vec<(usize, Span)>) -> Result<()> {
        let mut short: Vec<usize> = (0..self.other.len())
            .filter(|piece| {
                let logical = &self.other[*piece].logical;
                let elements = logical.elements();
                is_plain(logical)
                    && (1..=SHORT).contains(&elements)
                    && !self.gone.contains(piece)
                    && may_hold(whole, logical)
            })
            .collect();
        short.sort_by_key(|piece| natural(&self.other[*piece].logical.name));
        for gap in taken.gaps(whole.elements()) {
            let Range { start: mut at, end } = gap;
            while at < end && !short.is_empty() {
                let Some(place) = self.next_short(whole, at..end, &short)? else {
                    break;
                };
                let piece = short.remove(place);
                self.gone.insert(piece);
                out.push((piece, self.span(piece, false, at)));
                at += self.other[piece].logical.elements();
            }
        }
        Ok(())
    }

    /// Which of the short tensors lies at the front of a gap, by its place in the list.
    fn next_short(
        &mut self,
        whole: &Logical,
        gap: Range<u64>,
        short: &[usize],
    ) -> Result<Option<usize>> {
        let room = gap.end - gap.start;
        let mut best: Option<(f64, usize)> = None;
        for (place, piece) in short.iter().enumerate() {
            let logical = &self.other[*piece].logical;
            let elements = logical.elements();
            if elements > room || self.fitted >= MOST_FITTED {
                continue;
            }
            self.fitted += 1;
            let count = (elements as usize).min(GROUPS * GROUP);
            let matrix = self.other_model().view(logical)?;
            let a = in_order(&matrix, false, 0, count)?;
            let b = values_at(self.model(), whole, gap.start..gap.start + count as u64)?;
            let likeness = match a == b {
                true => 2.0,
                false if count >= GROUP => about_mean(&a, &b),
                false => 0.0,
            };
            let is_better = best.is_none_or(|(most, _)| likeness > most);
            if likeness >= ALIKE_VECTORS && is_better {
                best = Some((likeness, place));
            }
        }
        Ok(best.map(|(_, place)| place))
    }
}

/// The cosine about the means.
fn about_mean(a: &[f32], b: &[f32]) -> f64 {
    let centred = |values: &[f32]| -> Vec<f32> {
        let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
        let mean = (sum / values.len().max(1) as f64) as f32;
        values.iter().map(|value| value - mean).collect()
    };
    let likeness = cosine(&centred(a), &centred(b));
    if likeness.is_finite() { likeness } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rows::Matrix;

    #[test]
    fn values_are_read_along_rows_and_columns() {
        let matrix = Matrix {
            rows: 2,
            columns: 3,
            values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        };
        assert_eq!(
            in_order(&matrix, false, 1, 4).unwrap(),
            [1.0, 2.0, 3.0, 4.0]
        );
        assert_eq!(in_order(&matrix, true, 1, 4).unwrap(), [3.0, 1.0, 4.0, 2.0]);
        assert_eq!(in_order(&matrix, true, 2, 2).unwrap(), [1.0, 4.0]);
    }

    #[test]
    fn a_stretch_is_met_where_it_lies_with_some_steps_changed() {
        let mut draws = Draws::new(3, "spans");
        let values: Vec<f32> = (0..5000).map(|_| draws.normal() as f32).collect();
        let mut stretch = values[1234..1234 + STRETCH].to_vec();
        stretch[20] += 3.0;
        let anchor = Anchor {
            piece: 5,
            transposed: true,
            at: 34,
            rises: rises(&stretch),
        };
        let book = Book::new(vec![anchor]);
        let table = [(); 4].map(|()| vec![true; 1 << 16]);
        assert_eq!(book.met(&table, 7, &values), [(5, true, 1207)]);
    }
}
