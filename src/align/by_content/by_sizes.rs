//! Fused tensors and long vectors of which nothing was found, or a part, cut into tensors of the
//! other side's shapes: as others of their shape were found to be cut, or as what is left of the
//! other side adds up. What the pieces hold is not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::Result;
use crate::model::sides::{Side, Sides};
use crate::view::logical::{Logical, Origin};
use crate::view::model::Model;

use super::follow::template;
use super::made::{Laid, Made};
use super::place::{Place, Spot, is_plain, rest_of};
use super::spans::{Span, is_line, root};
use super::{Item, item};

/// Cuts what `side` has left.
///
/// # Errors
/// A read that fails.
pub(super) fn cut(
    side: Side,
    models: Sides<&Model>,
    made: &mut Made,
    left: &mut Sides<Vec<Item>>,
) -> Result<()> {
    let mut taken = Vec::new();
    let layouts = Layouts::new(made.laid.get(side));
    let other: Vec<Arc<Logical>> = left
        .get(side.other())
        .iter()
        .map(|item| Arc::clone(&item.logical))
        .collect();
    let matrices = other.iter().filter(|piece| piece.shape.len() > 1);
    let least = matrices.map(|piece| piece.elements()).min();
    let least = least.unwrap_or(u64::MAX);
    let mut out = Vec::new();
    for own in std::mem::take(left.get_mut(side)) {
        let is_long = own.logical.elements() >= least;
        let pieces = match is_line(&own.logical) {
            true if is_long => layouts.of_line(&own.logical, &other),
            true => Vec::new(),
            false => layouts.of_matrix(&own.logical),
        };
        if pieces.is_empty() {
            out.push(own);
            continue;
        }
        taken.push(own.logical.name.clone());
        for piece in pieces {
            out.extend(item(models.get(side), &Arc::new(piece))?);
        }
    }
    *left.get_mut(side) = out;
    made.taken.get_mut(side).extend(taken);
    Ok(())
}

/// What was found in the tensors of a side, by their names.
struct Layouts<'a>(BTreeMap<&'a str, Vec<&'a Laid>>);

/// The name of the tensor of which this is a part.
fn whole_name(name: &str) -> &str {
    root(name.strip_suffix("[rest]").unwrap_or(name))
}

/// A matrix as a stretch of the vector that is stored.
fn absolute(laid: &Laid) -> Option<Span> {
    let span = laid.place.as_span()?;
    is_line(&laid.whole).then(|| span.moved(laid.whole.stored_as.start))
}

impl<'a> Layouts<'a> {
    fn new(all: &'a [Laid]) -> Self {
        let mut out: BTreeMap<&str, Vec<&Laid>> = BTreeMap::new();
        for laid in all {
            out.entry(whole_name(&laid.whole.name))
                .or_default()
                .push(laid);
        }
        Self(out)
    }

    /// What was found in the tensor of which `own` is all or a part.
    fn inside(&self, own: &Logical) -> &[&'a Laid] {
        let found = self.0.get(whole_name(&own.name));
        found.map_or(&[], Vec::as_slice)
    }

    /// What was found in the tensor of the same stored shape that was cut furthest, one of the same
    /// words before others.
    fn of_sibling(&self, own: &Logical) -> &[&'a Laid] {
        let name = whole_name(&own.name);
        let words = template(name).0;
        let siblings = self.0.iter().filter(|(other, found)| {
            let shape = found.first().map(|laid| &laid.whole.stored_shape);
            **other != name && shape == Some(&own.stored_shape)
        });
        let covered = |found: &[&Laid]| -> u64 {
            let pieces = found.iter().map(|laid| laid.piece.elements());
            pieces.sum()
        };
        let best = siblings.max_by_key(|(other, found)| {
            let is_named_so = template(other).0 == words;
            (is_named_so, covered(found))
        });
        best.map_or(&[], |(_, found)| found.as_slice())
    }

    /// A long vector, or a stretch of one, in pieces.
    fn of_line(&self, line: &Logical, other: &[Arc<Logical>]) -> Vec<Logical> {
        let begin = line.stored_as.start;
        let end = begin + line.elements();
        let of_sibling = self
            .of_sibling(line)
            .iter()
            .filter_map(|laid| absolute(laid));
        let fits = |span: &Span| span.start() >= begin && span.end() <= end;
        let mut spans: Vec<Span> = of_sibling
            .filter(fits)
            .map(|span| span.moved_back(begin))
            .collect();
        if spans.is_empty() {
            spans = self.in_sequence(line, other);
        }
        let places: Vec<Place> = spans.into_iter().map(Place::Span).collect();
        let cuts = places.iter().map(|place| place.cut(line));
        let mut out: Vec<Logical> = cuts.collect();
        if !out.is_empty() {
            out.extend(rest_of(line, &places));
        }
        out
    }

    /// The tensors that lie in a stretch if they lie in the order in which the other side stores
    /// them, or in which they lie elsewhere in the same vector, and their sizes add up.
    fn in_sequence(&self, line: &Logical, other: &[Arc<Logical>]) -> Vec<Span> {
        let mut found: Vec<(Span, &Logical)> = self
            .inside(line)
            .iter()
            .filter_map(|laid| Some((absolute(laid)?, &*laid.piece)))
            .collect();
        found.sort_by_key(|(span, _)| span.start());
        let pieces: Vec<&Logical> = other
            .iter()
            .map(|piece| &**piece)
            .filter(|piece| is_plain(piece) && piece.elements() <= line.elements())
            .collect();
        let begin = line.stored_as.start;
        let place = |piece: &Logical| match piece.stored_as.origin {
            Origin::Tensor(index) => index,
            _ => usize::MAX,
        };
        let is_in_order = found.is_sorted_by_key(|(_, piece)| place(piece));
        let mut sequence: Vec<&Logical> = match is_in_order {
            true => {
                let mut before = found.iter().filter(|(span, _)| span.end() <= begin);
                let after = found.iter().find(|(span, _)| span.start() >= begin);
                let before = before.next_back().map(|(_, piece)| place(piece));
                let after = after.map_or(usize::MAX, |(_, piece)| place(piece));
                let between = |piece: &&Logical| {
                    before.is_none_or(|before| place(piece) > before) && place(piece) < after
                };
                pieces.into_iter().filter(between).collect()
            }
            false => pieces,
        };
        let ranks = ranks(&found);
        let key = |piece: &Logical| {
            let (words, numbers) = template(&piece.name);
            let rank = ranks.get(&words).copied();
            match is_in_order {
                true => (Vec::new(), place(piece) as u64),
                false => (numbers, rank.unwrap_or(0)),
            }
        };
        sequence.sort_by_key(|piece| key(piece));
        let all: u64 = sequence.iter().map(|piece| piece.elements()).sum();
        if all != line.elements() || sequence.is_empty() {
            return Vec::new();
        }
        let mut at = 0;
        let spans = sequence.into_iter().map(|piece| {
            let span = Span::of_piece(at, piece, false);
            at = span.end();
            span
        });
        spans.collect()
    }

    /// A matrix, or what is left of one, in pieces.
    fn of_matrix(&self, own: &Logical) -> Vec<Logical> {
        let inside = self.inside(own);
        let sibling = self.of_sibling(own);
        let is_rest = own.name.ends_with("[rest]");
        if !is_rest && !is_plain(own) {
            return Vec::new();
        }
        let spots = |found: &[&Laid]| -> Vec<Spot> {
            let spots = found.iter().filter_map(|laid| laid.place.as_spot());
            spots.collect()
        };
        let whole = match inside.first() {
            Some(laid) if is_rest => Logical::clone(&laid.whole),
            _ => own.clone(),
        };
        let known = spots(inside);
        let mut rows: BTreeSet<u64> = known.iter().flat_map(Spot::rows).collect();
        let mut cuts: Vec<Spot> = Vec::new();
        let mut out: Vec<Logical> = Vec::new();
        for laid in sibling {
            let Some(spot) = laid.place.as_spot() else {
                continue;
            };
            let mut read_so = known.iter().chain(&cuts);
            let is_read_so = read_so.all(|other| other.reading() == spot.reading());
            if is_read_so && spot.rows().all(|row| !rows.contains(&row)) {
                rows.extend(spot.rows());
                cuts.push(spot);
                out.push(as_in_sibling(spot.cut(&whole), laid));
            }
        }
        if cuts.is_empty() {
            cuts = Spot::between(&known);
            out = cuts.iter().map(|spot| spot.cut(&whole)).collect();
        }
        if cuts.is_empty() {
            return Vec::new();
        }
        let all: Vec<Place> = known.into_iter().chain(cuts).map(Place::Rows).collect();
        out.extend(rest_of(&whole, &all));
        out
    }
}

/// A piece with the role that the piece at its place in the same tensor of another layer has; one
/// of several layers in one tensor says no more than its tensor.
fn as_in_sibling(mut piece: Logical, laid: &Laid) -> Logical {
    if piece.meaning.layer.is_some() && piece.meaning.layer != laid.whole.meaning.layer {
        piece.meaning.role = laid.piece.meaning.role;
    }
    piece
}

/// Where in a layer the tensors of one name but for its numbers lie, from the first found of it on.
fn ranks(found: &[(Span, &Logical)]) -> BTreeMap<String, u64> {
    let mut first: BTreeMap<Vec<u64>, u64> = BTreeMap::new();
    for (span, piece) in found {
        let of_numbers = first.entry(template(&piece.name).1).or_insert(u64::MAX);
        *of_numbers = span.start().min(*of_numbers);
    }
    let mut out: BTreeMap<String, u64> = BTreeMap::new();
    for (span, piece) in found {
        let (words, numbers) = template(&piece.name);
        let behind = span.start() - first.get(&numbers).copied().unwrap_or(span.start());
        let rank = out.entry(words).or_default();
        *rank = behind.max(*rank);
    }
    out
}
