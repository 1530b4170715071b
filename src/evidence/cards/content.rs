//! What a card knows of a model wherever its units stand: the units of one feed-forward that
//! contribute most, and a few tokens.

use crate::error::Result;
use crate::evidence::partners::block::Block;
use crate::evidence::permutation::blocks::{BlockKey, Matrices};
use crate::evidence::shared_tokens::embedding;
use crate::model::words::Component;
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::geometry::{Constellation, Geometry};
use crate::stats::partners::least_agreeing;
use crate::stats::units::{Features, Held, Projected, Sampling, TokenRows};
use crate::view::model::Model;

use super::WIDTH;

/// Units that contribute most.
const UNITS: usize = 64;

/// Tokens of a card, and the least number of common ones at which they tell something.
const TOKENS: usize = 64;
const LEAST_TOKENS: usize = 16;

/// Units of one feed-forward that contribute most, ascending as stored.
pub(super) struct Largest {
    /// Units of the whole feed-forward.
    all: usize,
    /// Gate, or half of the first matrix, at drawn coordinates.
    first: Held,
    /// Up, or the other half.
    second: Held,
    /// Whether a unit's second feature may be negated: up is, together with down.
    is_gated: bool,
    /// The gates over the tokens of the card, shape (units, tokens).
    over_tokens: Option<Matrix>,
}

/// A few tokens of a model, those of least hash.
pub(super) struct Tokens {
    /// First bytes of the hashes, ascending.
    hashes: Vec<u64>,
    /// Rows of the embedding at drawn coordinates.
    rows: Held,
}

/// Units of two models that are each other's nearest by two features each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Agreeing {
    /// Pairs.
    pub(crate) pairs: usize,
    /// Units that were asked.
    pub(crate) asked: usize,
    /// Mean cosine of their first features.
    pub(crate) cosine: Option<f64>,
    /// How they stand to one another, where there are enough.
    pub(crate) geometry: Option<Geometry>,
}

impl Agreeing {
    /// Whether they are more than independent models have, and stand to one another on one side as
    /// on the other.
    pub(crate) fn is_confirmed(&self) -> bool {
        let floor = least_agreeing(self.asked, self.asked, None, false);
        floor.is_some_and(|floor| self.pairs >= floor)
            && self.geometry.is_some_and(|geometry| geometry.confirms())
    }
}

impl Tokens {
    /// Those of a model, with the rows of their embedding; none without one.
    pub(super) fn of(model: &Model, sampling: &Sampling) -> Result<Option<(Self, TokenRows)>> {
        let table = embedding(model, Component::Text);
        let Some(table) = table.filter(|table| model.unreadable(table).is_none()) else {
            return Ok(None);
        };
        let view = model.view(table)?;
        let tokens = model.least_tokens(view.rows(), TOKENS, table)?;
        let coordinates = coordinates(view.columns(), sampling);
        if tokens.len() < LEAST_TOKENS || coordinates.is_empty() {
            return Ok(None);
        }
        let rows: Vec<usize> = tokens.iter().map(|(_, row)| *row).collect();
        let read = Matrix::from_rows(&view, &rows)?;
        let all: Vec<usize> = (0..rows.len()).collect();
        let whole = TokenRows::read(&read, &all)?.at_unit_length();
        let of_rows = at(&read, &coordinates);
        let tokens = Self {
            hashes: tokens.into_iter().map(|(hash, _)| hash).collect(),
            rows: Held::new(of_rows, coordinates.len()),
        };
        Ok(Some((tokens, whole)))
    }

    /// Places of the tokens that both have, in the two lists.
    fn common(&self, other: &Self) -> Vec<(usize, usize)> {
        let own = self.hashes.iter().enumerate();
        let common =
            own.filter_map(|(at, hash)| Some((at, other.hashes.binary_search(hash).ok()?)));
        common.collect()
    }

    /// Mean cosine of the rows of common tokens.
    pub(super) fn cosine(&self, other: &Self) -> Option<f64> {
        let common = self.common(other);
        if common.len() < LEAST_TOKENS || self.rows.width() != other.rows.width() {
            return None;
        }
        let row = |held: &Held, at: usize| held.rows().nth(at).map(<[f32]>::to_vec);
        let cosines: Vec<f64> = common
            .iter()
            .filter_map(|&(one, another)| {
                Some(product(&row(&self.rows, one)?, &row(&other.rows, another)?))
            })
            .collect();
        super::mean(&cosines)
    }
}

impl Largest {
    /// Those of one feed-forward; none where they cannot be read, or are not kept.
    pub(super) fn of(
        model: &Model,
        key: &BlockKey,
        matrices: &Matrices<'_>,
        tokens: Option<&TokenRows>,
        sampling: &Sampling,
    ) -> Result<Option<Self>> {
        let Some(block) = Block::open(model, key, matrices)? else {
            return Ok(None);
        };
        let units = match (&model.opened.sketch, matrices.by_row.first()) {
            (None, _) => {
                let mut units = block.largest(UNITS, sampling)?;
                units.sort_unstable();
                units
            }
            (Some(_), Some(first)) => model.largest_rows(first),
            (Some(_), None) => Vec::new(),
        };
        let coordinates = coordinates(block.width(), sampling);
        if units.is_empty() || coordinates.len() < 2 {
            return Ok(None);
        }
        let (gate, up) = block.readers(&units)?;
        let half = coordinates.len() / 2;
        let (first, second) = match &up {
            Some(up) => (
                Held::new(at(&gate, &coordinates), coordinates.len()),
                Held::new(at(up, &coordinates), coordinates.len()),
            ),
            None => (
                Held::new(at(&gate, &coordinates[..half]), half),
                Held::new(at(&gate, &coordinates[half..]), coordinates.len() - half),
            ),
        };
        let over_tokens = match tokens.and_then(|tokens| Projected::new(&gate, tokens)) {
            Some(projected) => {
                let mut values = vec![0.0; units.len() * projected.width()];
                projected.read(0..units.len(), &mut values)?;
                Some(Matrix {
                    rows: units.len(),
                    columns: projected.width(),
                    values,
                })
            }
            None => None,
        };
        Ok(Some(Self {
            all: block.units(),
            first,
            second,
            is_gated: up.is_some(),
            over_tokens,
        }))
    }

    /// Units that are each other's nearest by either feature; none where the two cannot be held
    /// against each other.
    pub(super) fn agreeing(&self, other: &Self) -> Option<Agreeing> {
        let fits = self.is_gated == other.is_gated
            && self.first.width() == other.first.width()
            && self.second.width() == other.second.width();
        if !fits {
            return None;
        }
        let first = mutual(&self.first, &other.first, |cosine| cosine);
        let pairs: Vec<(usize, usize)> = match first.is_empty() {
            true => first,
            false => {
                let second = match self.is_gated {
                    true => mutual(&self.second, &other.second, f64::abs),
                    false => mutual(&self.second, &other.second, |cosine| cosine),
                };
                let agree = first.into_iter().filter(|pair| second.contains(pair));
                agree.collect()
            }
        };
        let (own, others): (Vec<&[f32]>, Vec<&[f32]>) =
            (self.first.rows().collect(), other.first.rows().collect());
        let cosines = pairs
            .iter()
            .map(|&(at, beside)| product(own[at], others[beside]));
        Some(Agreeing {
            cosine: super::mean(&cosines.collect::<Vec<f64>>()),
            pairs: pairs.len(),
            asked: self.first.units().min(other.first.units()),
            geometry: self.geometry(other, &pairs),
        })
    }

    fn geometry(&self, other: &Self, pairs: &[(usize, usize)]) -> Option<Geometry> {
        let (own, others): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
        let side = |largest: &Self, units: &[usize]| {
            let held = [&largest.first, &largest.second];
            let held = held.map(|held| Held::some(held, units).ok());
            let held: Option<Vec<Held>> = held.into_iter().collect();
            Constellation::of(&held?)
        };
        let (one, another) = (side(self, &own)?, side(other, &others)?);
        one.geometry(&another, self.all.max(other.all))
    }

    /// Share of the units that are each other's nearest over the tokens that both cards have, in any
    /// basis.
    pub(super) fn over_tokens(&self, other: &Self, own: &Tokens, others: &Tokens) -> Option<f64> {
        let common = own.common(others);
        if common.len() < LEAST_TOKENS {
            return None;
        }
        let (of_own, of_others): (Vec<usize>, Vec<usize>) = common.into_iter().unzip();
        let held = |largest: &Self, places: &[usize]| {
            let values = at(largest.over_tokens.as_ref()?, places);
            Some(Held::new(values, places.len()))
        };
        let (one, another) = (held(self, &of_own)?, held(other, &of_others)?);
        let asked = one.units().min(another.units());
        let found = mutual(&one, &another, |cosine| cosine);
        Some(found.len() as f64 / asked.max(1) as f64)
    }
}

fn coordinates(width: usize, sampling: &Sampling) -> Vec<usize> {
    let mut coordinates = sampling.coordinates(width);
    coordinates.truncate(WIDTH);
    coordinates
}

/// Some columns of a matrix, row-major.
fn at(matrix: &Matrix, columns: &[usize]) -> Vec<f32> {
    let rows = matrix.values.chunks_exact(matrix.columns.max(1));
    rows.flat_map(|row| columns.iter().map(|&at| row[at]))
        .collect()
}

fn product(one: &[f32], other: &[f32]) -> f64 {
    let products = one.iter().zip(other).map(|(x, y)| x * y);
    f64::from(products.sum::<f32>()).clamp(-1.0, 1.0)
}

/// Cosine, so measured, from which on two units may be one: the greatest of 64 × 64 strangers over
/// 64 coordinates is half.
const LEAST_COSINE: f64 = 0.6;

/// Pairs of units that are each other's nearest and near.
fn mutual(one: &Held, other: &Held, measure: impl Fn(f64) -> f64) -> Vec<(usize, usize)> {
    let others: Vec<&[f32]> = other.rows().collect();
    let mut best_of_others = vec![(f64::NEG_INFINITY, 0); others.len()];
    let mut best = Vec::with_capacity(one.units());
    for (at, row) in one.rows().enumerate() {
        let mut nearest = (f64::NEG_INFINITY, 0);
        for (beside, another) in others.iter().enumerate() {
            let likeness = measure(product(row, another));
            if likeness > nearest.0 {
                nearest = (likeness, beside);
            }
            if likeness > best_of_others[beside].0 {
                best_of_others[beside] = (likeness, at);
            }
        }
        best.push(nearest);
    }
    let pairs = best.into_iter().enumerate();
    pairs
        .filter(|(at, (likeness, beside))| {
            *likeness >= LEAST_COSINE
                && best_of_others
                    .get(*beside)
                    .is_some_and(|nearest| nearest.1 == *at)
        })
        .map(|(at, (_, beside))| (at, beside))
        .collect()
}
