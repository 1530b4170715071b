//! Matrices that lie in a long vector, but not value by value: of a copy whose units stand in
//! another order, or whose residual stream is rotated.
//!
//! An order of rows or columns leaves the multiset of values, a rotation the norms of the rows or of
//! the columns. Both are looked up in sums over short blocks of the vector, added up from its
//! first value on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;

use crate::error::Result;
use crate::model::sides::{Side, Sides};
use crate::model::words::Class;
use crate::numeric::rows::RowSource;
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::Item;
use super::alike::AHEAD;
use super::holds::may_hold;
use super::norm_runs::correlation;
use super::place::{Found, Place, is_plain};
use super::profile::{ALIKE, CHANCE, LARGEST, LONGEST, MOST, Profile, SURELY_ALIKE};
use super::profile::{likeness, mixed};
use super::runs::greatest_common_divisor;
use super::spans::{Span, Taken, is_line, values_at};

/// Shortest block, and most blocks of a vector.
const SHORTEST: u64 = 4;
const MOST_BLOCKS: u64 = 1 << 24;

/// Values read at a time.
const CHUNK: u64 = 1 << 20;

/// Norms that are looked at first, and their least correlation.
const FIRST: usize = 32;
const FIRST_ALIKE: f64 = 0.5;

/// Correlation of norms in the best of very many places: this many times 1/√n.
const AMONG_MANY: f64 = 6.5;

/// How much the best place must be ahead of the second where the norms are surely alike.
const SURELY_AHEAD: f64 = 0.02;

/// Products, and values read again, that are spent on a side.
const MOST_PRODUCTS: usize = 1 << 34;
const MOST_READ: u64 = 1 << 31;

/// Places at either end of a gap at which a matrix is tried, and those of a gap in which there is
/// room for others beside it.
const ENDS: u64 = 12;
const ENDS_OF_MORE: u64 = 2;

/// A matrix that is looked for.
struct Piece<'a> {
    at: usize,
    logical: &'a Logical,
    profile: Profile,
    squares: f64,
}

/// Sums over the blocks of a vector up to each of them.
struct Sums {
    block: u64,
    squares: Vec<f64>,
    hashes: Vec<u64>,
}

impl Sums {
    fn new(model: &Model, line: &Logical, block: u64) -> Result<Self> {
        let blocks = line.elements() / block;
        let chunk = (CHUNK / block).max(1);
        let starts: Vec<u64> = (0..blocks).step_by(chunk as usize).collect();
        let of_chunk = |start: &u64| -> Result<Vec<(f64, u64)>> {
            let end = (start + chunk).min(blocks);
            let values = values_at(model, line, start * block..end * block)?;
            Ok(values
                .chunks_exact(block as usize)
                .map(sums_of_block)
                .collect())
        };
        let all: Result<Vec<Vec<(f64, u64)>>> = starts.par_iter().map(of_chunk).collect();
        let mut out = Self {
            block,
            squares: vec![0.0],
            hashes: vec![0],
        };
        let (mut squares, mut hashes) = (0.0, 0u64);
        for (square, hash) in all?.into_iter().flatten() {
            squares += square;
            hashes = hashes.wrapping_add(hash);
            out.squares.push(squares);
            out.hashes.push(hashes);
        }
        Ok(out)
    }

    fn blocks(&self) -> usize {
        self.squares.len() - 1
    }

    /// Logarithms of the sums of squares of `length` blocks from each block on.
    fn logarithms(&self, length: usize) -> Vec<f32> {
        let ends = self.squares.iter().skip(length);
        let sums = self.squares.iter().zip(ends);
        sums.map(|(before, after)| ((after - before).max(0.0) + 1e-30).ln() as f32)
            .collect()
    }
}

fn sums_of_block(values: &[f32]) -> (f64, u64) {
    let squares = values.iter().map(|value| f64::from(*value).powi(2)).sum();
    let hashes = values.iter().map(|value| u64::from(mixed(*value)));
    (squares, hashes.fold(0, u64::wrapping_add))
}

/// A place for a matrix, and how sure it is.
struct Candidate {
    piece: usize,
    span: Span,
    likeness: f64,
    by: By,
}

/// What tells a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Values,
    Norms,
}

/// Matrices of the other side that lie in long vectors of `side` in another order or rotated.
///
/// # Errors
/// A read that fails.
pub(super) fn find(
    side: Side,
    models: Sides<&Model>,
    left: &Sides<Vec<Item>>,
) -> Result<Vec<Found>> {
    let (own, other) = (left.get(side), left.get(side.other()));
    let is_wanted = |item: &&Item| {
        let logical = &item.logical;
        item.logical.shape.len() > 1
            && is_plain(logical)
            && !is_line(logical)
            && logical.meaning.class == Class::Matrix
            && logical.elements() <= LARGEST
            && logical.matrix_shape().1 <= LONGEST
            && item.sketch.is_telling()
    };
    let least = other.iter().filter(is_wanted);
    let Some(least) = least.map(|item| item.logical.elements()).min() else {
        return Ok(Vec::new());
    };
    let is_long = |item: &Item| is_line(&item.logical) && item.logical.elements() >= least;
    let lines: Vec<usize> = (0..own.len()).filter(|at| is_long(&own[*at])).collect();
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let other_model = *models.get(side.other());
    let wanted: Vec<(usize, &Item)> = other
        .iter()
        .enumerate()
        .filter(|(_, item)| is_wanted(item))
        .collect();
    let pieces: Result<Vec<Piece<'_>>> = wanted
        .par_iter()
        .map(|(at, item)| Piece::new(other_model, *at, &item.logical))
        .collect();
    let mut search = Search {
        model: models.get(side),
        pieces: pieces?,
        vectors: other
            .iter()
            .filter(|item| item.logical.shape.len() == 1)
            .map(|item| item.logical.elements())
            .filter(|length| *length < least)
            .fold(0, greatest_common_divisor),
        gone: BTreeSet::new(),
        products: 0,
        read: 0,
    };
    let mut found = Vec::new();
    for whole in lines {
        let laid = search.laid(&own[whole].logical)?;
        found.extend(laid.into_iter().map(|laid| (whole, laid)));
    }
    let elements = |piece: &Piece<'_>| piece.logical.elements() as f64;
    let all: f64 = search.pieces.iter().map(elements).sum();
    let of_found: f64 = found
        .iter()
        .map(|(_, laid)| elements(&search.pieces[laid.piece]))
        .sum();
    let are_most = of_found >= MOST * all;
    let kept = found
        .into_iter()
        .filter(|(_, laid)| are_most || laid.by == By::Values);
    Ok(kept
        .map(|(whole, laid)| Found {
            whole,
            piece: search.pieces[laid.piece].at,
            place: Place::Span(laid.span),
        })
        .collect())
}

impl<'a> Piece<'a> {
    fn new(model: &Model, at: usize, logical: &'a Logical) -> Result<Self> {
        let view = model.view(logical)?;
        let (rows, columns) = (view.rows(), view.columns());
        let step = (CHUNK as usize / columns.max(1)).clamp(1, rows.max(1));
        let mut squares = 0.0;
        let mut values = vec![0.0; step * columns];
        for begin in (0..rows).step_by(step) {
            let end = (begin + step).min(rows);
            let values = &mut values[..(end - begin) * columns];
            view.read_rows(begin..end, values)?;
            squares += sums_of_block(values).0;
        }
        Ok(Self {
            at,
            logical,
            profile: Profile::new(&view)?,
            squares,
        })
    }

    /// Norms of what lies one behind the other, and how long each of them is.
    fn norms(&self, transposed: bool) -> (&[f32], u64) {
        let (rows, columns) = self.logical.matrix_shape();
        match transposed {
            false => (&self.profile.rows, columns),
            true => (&self.profile.columns, rows),
        }
    }

    /// The orders in which its values may lie.
    fn ways(&self) -> &'static [bool] {
        match self.logical.shape.len() {
            2 => &[false, true],
            _ => &[false],
        }
    }
}

struct Search<'a> {
    model: &'a Model,
    pieces: Vec<Piece<'a>>,
    /// Greatest common divisor of the lengths of the other side's vectors.
    vectors: u64,
    gone: BTreeSet<usize>,
    products: usize,
    read: u64,
}

impl Search<'_> {
    /// What lies in one vector.
    fn laid(&mut self, line: &Logical) -> Result<Vec<Candidate>> {
        let open = self.open(line);
        let lengths = open.iter().flat_map(|piece| {
            let (rows, columns) = self.pieces[*piece].logical.matrix_shape();
            [rows, columns]
        });
        let block = lengths.fold(0, greatest_common_divisor);
        if block < SHORTEST || line.elements() / block > MOST_BLOCKS {
            return Ok(Vec::new());
        }
        let sums = Sums::new(self.model, line, block)?;
        let mut candidates = self.of_equal_values(line, &open, &sums)?;
        candidates.extend(self.of_equal_norms(&open, &sums));
        candidates.sort_by(|a, b| {
            let places = (a.span.start(), a.piece).cmp(&(b.span.start(), b.piece));
            b.likeness.total_cmp(&a.likeness).then(places)
        });

        let mut taken = Taken::default();
        let mut out = Vec::new();
        for candidate in candidates {
            self.take(candidate, &mut taken, &mut out);
        }
        while let Some(candidate) = self.at_an_end(line, block, &taken)? {
            self.take(candidate, &mut taken, &mut out);
        }
        Ok(out)
    }

    fn take(&mut self, candidate: Candidate, taken: &mut Taken, out: &mut Vec<Candidate>) {
        if taken.is_free(&candidate.span) && self.gone.insert(candidate.piece) {
            taken.take(&candidate.span);
            out.push(candidate);
        }
    }

    /// The matrices that may lie in a vector: those of its layer, where there are such.
    fn open(&self, line: &Logical) -> Vec<usize> {
        let all: Vec<usize> = (0..self.pieces.len())
            .filter(|at| {
                let logical = self.pieces[*at].logical;
                logical.elements() <= line.elements()
                    && !self.gone.contains(at)
                    && may_hold(line, logical)
            })
            .collect();
        let is_of_layer = |piece: &usize| {
            let layer = self.pieces[*piece].logical.meaning.layer;
            layer.is_some() && layer == line.meaning.layer
        };
        let of_layer: Vec<usize> = all.iter().copied().filter(is_of_layer).collect();
        if of_layer.is_empty() { all } else { of_layer }
    }

    /// Where stretches hold the values of a matrix in whatever order.
    fn of_equal_values(
        &self,
        line: &Logical,
        open: &[usize],
        sums: &Sums,
    ) -> Result<Vec<Candidate>> {
        let of_piece = |piece: &usize| -> Result<Vec<Candidate>> {
            let Piece {
                logical,
                profile,
                squares,
                ..
            } = &self.pieces[*piece];
            let length = (logical.elements() / sums.block) as usize;
            let is_equal = |at: &usize| {
                let hash = sums.hashes[at + length].wrapping_sub(sums.hashes[*at]);
                let square = sums.squares[at + length] - sums.squares[*at];
                hash == profile.values && (square - squares).abs() <= 1e-6 * squares
            };
            let places = 0..(sums.blocks() + 1).saturating_sub(length);
            let mut out = Vec::new();
            for at in places.filter(is_equal) {
                let start = at as u64 * sums.block;
                if let Some(span) = self.in_its_order(line, *piece, start)? {
                    out.push(Candidate {
                        piece: *piece,
                        span,
                        likeness: 2.0,
                        by: By::Values,
                    });
                }
            }
            Ok(out)
        };
        let found: Result<Vec<Vec<Candidate>>> = open.par_iter().map(of_piece).collect();
        Ok(found?.into_iter().flatten().collect())
    }

    /// The values of a matrix along its rows or its columns, whichever has its norms in some order.
    fn in_its_order(&self, line: &Logical, piece: usize, start: u64) -> Result<Option<Span>> {
        let piece = &self.pieces[piece];
        let sorted = |norms: &[f32]| {
            let mut norms = norms.to_vec();
            norms.sort_by(f32::total_cmp);
            norms
        };
        let distance = |a: &[f32], b: &[f32]| -> f64 {
            let (a, b) = (sorted(a), sorted(b));
            let squares = a.iter().zip(&b).map(|(a, b)| f64::from(a - b).powi(2));
            squares.sum()
        };
        let mut best: Option<(f64, Span)> = None;
        for transposed in piece.ways() {
            let span = Span::of_piece(start, piece.logical, *transposed);
            let profile = Profile::new(&self.model.view(&span.cut(line))?)?;
            let own = &piece.profile;
            let apart =
                distance(&own.rows, &profile.rows) + distance(&own.columns, &profile.columns);
            if best.as_ref().is_none_or(|(least, _)| apart < *least) {
                best = Some((apart, span));
            }
        }
        Ok(best.map(|(_, span)| span))
    }

    /// Where the norms of a matrix stand one behind the other.
    fn of_equal_norms(&mut self, open: &[usize], sums: &Sums) -> Vec<Candidate> {
        let mut logarithms: BTreeMap<u64, Vec<f32>> = BTreeMap::new();
        let mut wanted = Vec::new();
        for piece in open {
            for transposed in self.pieces[*piece].ways() {
                let (norms, length) = self.pieces[*piece].norms(*transposed);
                let products = sums.blocks().saturating_mul(FIRST);
                if norms.is_empty() || self.products.saturating_add(products) > MOST_PRODUCTS {
                    continue;
                }
                self.products += products;
                wanted.push((*piece, *transposed));
                logarithms
                    .entry(length)
                    .or_insert_with(|| sums.logarithms((length / sums.block) as usize));
            }
        }
        let found = wanted.par_iter().filter_map(|&(piece, transposed)| {
            let (norms, length) = self.pieces[piece].norms(transposed);
            let step = (length / sums.block) as usize;
            let (at, likeness) = best_place(logarithms.get(&length)?, norms, step)?;
            let start = at as u64 * sums.block;
            Some(Candidate {
                piece,
                span: Span::of_piece(start, self.pieces[piece].logical, transposed),
                likeness,
                by: By::Norms,
            })
        });
        found.collect()
    }

    /// A matrix at an end of a gap whose norms are its own: those across what lies one behind the
    /// other, or those of few rows, which are not told among all places of the vector.
    fn at_an_end(
        &mut self,
        line: &Logical,
        block: u64,
        taken: &Taken,
    ) -> Result<Option<Candidate>> {
        let open = self.open(line);
        // Beside it may lie what is as long as the other side's vectors.
        let unit = self.vectors.max(block);
        let mut best: Option<Candidate> = None;
        for Range { start, end } in taken.gaps(line.elements()) {
            for &piece in &open {
                let logical = self.pieces[piece].logical;
                let room = (end - start).checked_sub(logical.elements());
                let Some(room) = room else {
                    continue;
                };
                let most = match room <= 2 * ENDS * unit {
                    true => ENDS,
                    false => ENDS_OF_MORE,
                };
                let offsets = (0..=most).map(|at| at * unit).filter(|at| *at <= room);
                let places: BTreeSet<u64> = offsets
                    .flat_map(|offset| [start + offset, start + room - offset])
                    .collect();
                for (place, transposed) in places
                    .iter()
                    .flat_map(|place| self.pieces[piece].ways().iter().map(|way| (*place, *way)))
                {
                    if self.read.saturating_add(logical.elements()) > MOST_READ {
                        return Ok(None);
                    }
                    self.read += logical.elements();
                    let span = Span::of_piece(place, logical, transposed);
                    let there = Profile::new(&self.model.view(&span.cut(line))?)?;
                    let own = &self.pieces[piece].profile;
                    let alike = likeness(&own.columns, &there.columns)
                        .max(likeness(&own.rows, &there.rows));
                    let is_best = best.as_ref().is_none_or(|best| alike > best.likeness);
                    if alike >= ALIKE && is_best {
                        best = Some(Candidate {
                            piece,
                            span,
                            likeness: alike,
                            by: By::Norms,
                        });
                    }
                }
            }
        }
        Ok(best)
    }
}

/// Where norms stand, `step` apart, so that no other place comes near; and their correlation.
fn best_place(among: &[f32], norms: &[f32], step: usize) -> Option<(usize, f64)> {
    let extent = (norms.len() - 1) * step + 1;
    let first = &norms[..norms.len().min(FIRST)];
    let stand = |at: usize, count: usize| among[at..].iter().step_by(step).take(count).copied();
    let mut found: Vec<(usize, f64)> = Vec::new();
    for at in 0..(among.len() + 1).saturating_sub(extent) {
        if correlation(stand(at, first.len()), first) >= FIRST_ALIKE {
            found.push((at, correlation(stand(at, norms.len()), norms)));
        }
    }
    let (best, likeness) = found.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))?;
    // Places within a row hold most of the same values.
    let rivals = found.iter().filter(|(at, _)| at.abs_diff(best) >= step);
    let second = rivals.map(|(_, likeness)| *likeness).fold(0.0, f64::max);
    let ahead = match likeness >= SURELY_ALIKE {
        true => SURELY_AHEAD,
        false => AHEAD,
    };
    let by_chance = AMONG_MANY.max(CHANCE) / (norms.len() as f64).sqrt();
    let is_it = likeness >= ALIKE.max(by_chance) && likeness >= second + ahead;
    is_it.then_some((best, likeness))
}

#[cfg(test)]
mod tests {
    use super::super::profile::about_mean;
    use super::*;
    use crate::numeric::rng::Draws;

    #[test]
    fn norms_stand_where_the_rows_lie() {
        let mut draws = Draws::new(5, "laid");
        // 400 blocks, four to a row: a matrix of 60 rows begins at block 30.
        let squares: Vec<f64> = (0..400).map(|_| draws.normal().exp()).collect();
        let mut sums = Sums {
            block: 8,
            squares: vec![0.0],
            hashes: vec![0],
        };
        for square in &squares {
            sums.squares.push(sums.squares.last().unwrap() + square);
            sums.hashes.push(0);
        }
        let row = |at: usize| squares[30 + 4 * at..34 + 4 * at].iter().sum::<f64>();
        let rows: Vec<f64> = (0..60)
            .map(|at| row(at) * (0.1 * draws.normal()).exp())
            .collect();
        let strange: Vec<f64> = (0..60).map(|_| draws.normal().exp()).collect();
        let logarithms = sums.logarithms(4);
        let place = |rows: &[f64]| best_place(&logarithms, &about_mean(rows), 4);
        assert_eq!(place(&rows).map(|(at, _)| at), Some(30));
        assert_eq!(place(&strange), None);
    }
}
