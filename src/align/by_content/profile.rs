//! What of a matrix no order of its rows or columns changes, and what a rotation of one of its sides
//! leaves in place: the multiset of its values, and the norms of the rows or of the columns.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::model::sides::{Side, Sides};
use crate::model::words::Class;
use crate::numeric::linalg::inner_product;
use crate::numeric::rows::RowSource;
use crate::view::model::Model;

use super::alike::{AHEAD, Match, Near, Score, each_others_best, near_pairs};
use super::place::Found;
use super::{Item, may_be_one, norm_runs};

/// Largest matrix that is read for it, in values.
pub(super) const LARGEST: u64 = 1 << 28;

/// Longest row that is read.
pub(super) const LONGEST: u64 = 1 << 22;

/// Values read at a time.
const CHUNK: usize = 1 << 18;

/// Fewest rows or columns whose norms tell a matrix.
const FEWEST: usize = 24;

/// Least correlation of norms that stand in their places, and how many times 1/√n is chance.
pub(super) const ALIKE: f64 = 0.6;
pub(super) const CHANCE: f64 = 5.0;

/// Correlation from which on a small lead is enough: the norms of gate, up and down of one unit go
/// together.
pub(super) const SURELY_ALIKE: f64 = 0.9;

/// Least share of the matrices that are left whose norms must find their own: of a model that is
/// rotated all are, and what is paired in part would be judged without the rest.
pub(super) const MOST: f64 = 0.9;

/// One matrix, read once.
pub(super) struct Profile {
    /// Sum of a hash of each value: the same for the same values in any order.
    pub(super) values: u64,
    /// Logarithms of the norms of rows and of columns, about their mean and at norm 1.
    pub(super) rows: Vec<f32>,
    pub(super) columns: Vec<f32>,
}

/// The profiles of the matrices of a side, by their places.
pub(super) struct Profiles(BTreeMap<usize, Profile>);

impl Profiles {
    /// # Errors
    /// A read that fails.
    pub(super) fn new(model: &Model, items: &[Item]) -> Result<Self> {
        let is_asked = |item: &Item| {
            item.logical.shape.len() == 2
                && item.logical.meaning.class == Class::Matrix
                && item.logical.elements() <= LARGEST
                && item.logical.shape[1] <= LONGEST
                && item.sketch.is_telling()
        };
        let of_item = |(at, item): (usize, &Item)| -> Result<Option<(usize, Profile)>> {
            if !is_asked(item) {
                return Ok(None);
            }
            let view = model.view(&item.logical)?;
            Ok(Some((at, Profile::new(&view)?)))
        };
        let all: Result<Vec<Option<_>>> = items.par_iter().enumerate().map(of_item).collect();
        Ok(Self(all?.into_iter().flatten().collect()))
    }
}

impl Profile {
    /// # Errors
    /// A read that fails.
    pub(super) fn new(matrix: &dyn RowSource) -> Result<Self> {
        let (rows, columns) = (matrix.rows(), matrix.columns());
        let (mut of_rows, mut of_columns) = (Vec::with_capacity(rows), vec![0.0f64; columns]);
        let mut hash = 0u64;
        let step = (CHUNK / columns.max(1)).clamp(1, rows.max(1));
        let mut chunk = vec![0.0; step * columns];
        for begin in (0..rows).step_by(step) {
            let end = (begin + step).min(rows);
            matrix.read_rows(begin..end, &mut chunk)?;
            for row in chunk.chunks_exact(columns).take(end - begin) {
                let (sum, hash_of_row) = add_row(row, &mut of_columns);
                of_rows.push(sum);
                hash = hash.wrapping_add(hash_of_row);
            }
        }
        Ok(Self {
            values: hash,
            rows: about_mean(&of_rows),
            columns: about_mean(&of_columns),
        })
    }
}

impl Profile {
    /// Norms of rows and of columns once the axes are in an order.
    fn in_order(&self, order: &[usize]) -> (&Vec<f32>, &Vec<f32>) {
        match order.is_sorted() {
            true => (&self.rows, &self.columns),
            false => (&self.columns, &self.rows),
        }
    }
}

/// Values that are added side by side.
const LANES: usize = 8;

/// Adds the squares of a row to those of the columns; their sum, and that of a hash of each value.
/// In lanes, for every value of a model passes here.
fn add_row(row: &[f32], of_columns: &mut [f64]) -> (f64, u64) {
    let (mut sums, mut hashes) = ([0.0; LANES], [0u64; LANES]);
    let columns = of_columns.chunks_mut(LANES);
    for (values, of_columns) in row.chunks(LANES).zip(columns) {
        let lanes = sums.iter_mut().zip(&mut hashes);
        for ((value, of_column), (sum, hash)) in values.iter().zip(of_columns).zip(lanes) {
            let square = f64::from(*value) * f64::from(*value);
            *of_column += square;
            *sum += square;
            *hash += u64::from(mixed(*value));
        }
    }
    let hash = hashes
        .iter()
        .fold(0u64, |all, hash| all.wrapping_add(*hash));
    (sums.iter().sum(), hash)
}

/// A value's bits, mixed (the finaliser of MurmurHash3); the two zeros are one value.
pub(super) fn mixed(value: f32) -> u32 {
    let mut z = if value == 0.0 { 0 } else { value.to_bits() };
    z = (z ^ (z >> 16)).wrapping_mul(0x85eb_ca6b);
    z = (z ^ (z >> 13)).wrapping_mul(0xc2b2_ae35);
    z ^ (z >> 16)
}

/// Logarithms of squares about their mean, at norm 1; empty where they are not numbers.
pub(super) fn about_mean(squares: &[f64]) -> Vec<f32> {
    let logs: Vec<f64> = squares.iter().map(|square| (square + 1e-30).ln()).collect();
    let mean = logs.iter().sum::<f64>() / logs.len().max(1) as f64;
    let norm = logs
        .iter()
        .map(|log| (log - mean).powi(2))
        .sum::<f64>()
        .sqrt();
    if !(norm.is_finite() && norm > 0.0) || logs.len() < FEWEST {
        return Vec::new();
    }
    logs.iter()
        .map(|log| ((log - mean) / norm) as f32)
        .collect()
}

/// Correlation of norms in their places, above what chance gives; 0 where they are no numbers.
pub(super) fn likeness(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() || a.is_empty() {
        return 0.0;
    }
    let product = inner_product(a, b);
    if product * (a.len() as f64).sqrt() >= CHANCE {
        product
    } else {
        0.0
    }
}

/// The orders of axes in which two matrices have one shape.
fn orders(shapes: Sides<&[u64]>) -> Vec<Vec<usize>> {
    let (base, target) = (shapes.base, shapes.target);
    let usual = (base == target).then(|| vec![0, 1]);
    let other = (base[0] == target[1] && base[1] == target[0]).then(|| vec![1, 0]);
    usual.into_iter().chain(other).collect()
}

impl Profiles {
    /// That of the matrix at a place.
    pub(super) fn of_place(&self, at: usize) -> Option<&Profile> {
        self.0.get(&at)
    }

    /// Norms of the rows and columns of each matrix, by its place.
    pub(super) fn norms(&self) -> impl Iterator<Item = (usize, &[f32], &[f32])> {
        let all = self.0.iter();
        all.map(|(at, profile)| (*at, &profile.rows[..], &profile.columns[..]))
    }
}

/// Matrices whose norms are those of the other side's.
pub(super) struct ByNorms {
    /// Whole ones.
    pub(super) whole: Vec<Match>,
    /// Inside matrices of a side.
    pub(super) inside: Sides<Vec<Found>>,
}

/// Matrices of equal norms, and those that stand inside larger ones; none where much of what is left
/// finds none.
///
/// # Errors
/// A read that fails.
pub(super) fn by_norms(
    models: Sides<&Model>,
    left: &Sides<Vec<Item>>,
    profiles: &Sides<Profiles>,
    paired: &[Match],
) -> Result<ByNorms> {
    let places = |found: &[Match], side: Side| -> BTreeSet<usize> {
        found.iter().map(|found| *found.places.get(side)).collect()
    };
    let paired = Sides {
        base: places(paired, Side::Base),
        target: places(paired, Side::Target),
    };
    let whole = equal_norms(left, profiles, &paired);
    let mut gone = paired.clone();
    for side in Side::BOTH {
        gone.get_mut(side).extend(places(&whole, side));
    }
    let mut inside: Sides<Vec<Found>> = Sides::default();
    for side in Side::BOTH {
        let found = norm_runs::find(side, models, left, profiles, &gone)?;
        gone.get_mut(side)
            .extend(found.iter().map(|found| found.whole));
        gone.get_mut(side.other())
            .extend(found.iter().map(|found| found.piece));
        *inside.get_mut(side) = found;
    }
    let share_found = |side: Side| {
        let open = profiles.get(side).0.keys();
        let open = open.filter(|at| !paired.get(side).contains(at));
        let (mut found, mut all) = (0u64, 0u64);
        for at in open {
            let elements = left.get(side)[*at].logical.elements();
            all += elements;
            found += if gone.get(side).contains(at) {
                elements
            } else {
                0
            };
        }
        found as f64 / all.max(1) as f64
    };
    let share = Side::BOTH.map(share_found).into_iter().fold(0.0, f64::max);
    Ok(match share >= MOST {
        true => ByNorms { whole, inside },
        false => ByNorms {
            whole: Vec::new(),
            inside: Sides::default(),
        },
    })
}

/// Matrices of equal values in whatever order; of several such on a side each goes with the one at
/// its place in the list.
pub(super) fn equal_values(left: &Sides<Vec<Item>>, profiles: &Sides<Profiles>) -> Vec<Match> {
    let by_values = |side: Side| {
        let mut out: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
        for (at, profile) in &profiles.get(side).0 {
            let elements = left.get(side)[*at].logical.elements();
            out.entry((elements, profile.values)).or_default().push(*at);
        }
        out
    };
    let targets = by_values(Side::Target);
    let mut out = Vec::new();
    for (key, bases) in by_values(Side::Base) {
        for (base, target) in bases
            .into_iter()
            .zip(targets.get(&key).into_iter().flatten())
        {
            let places = Sides {
                base,
                target: *target,
            };
            out.extend(
                ranked(left, profiles, places)
                    .into_iter()
                    .next()
                    .map(|s| s.1),
            );
        }
    }
    out
}

/// The ways to hold two matrices against each other, the likeliest first.
fn ranked(
    left: &Sides<Vec<Item>>,
    profiles: &Sides<Profiles>,
    places: Sides<usize>,
) -> Vec<(f64, Match)> {
    let [base, target] = [&left.base[places.base], &left.target[places.target]];
    if !may_be_one(&base.logical, &target.logical) {
        return Vec::new();
    }
    let shapes = Sides {
        base: &base.logical.shape[..],
        target: &target.logical.shape[..],
    };
    let (Some(a), Some(b)) = (
        profiles.base.0.get(&places.base),
        profiles.target.0.get(&places.target),
    ) else {
        return Vec::new();
    };
    let scored = orders(shapes).into_iter().map(|order| {
        let (rows, columns) = b.in_order(&order);
        let likeness = likeness(&a.rows, rows).max(likeness(&a.columns, columns));
        (likeness, Match { places, order })
    });
    let mut out: Vec<(f64, Match)> = scored.collect();
    out.sort_by(|a, b| b.0.total_cmp(&a.0));
    out
}

/// Matrices whose rows or columns have the same norms in their places: copies of which one side was
/// rotated.
fn equal_norms(
    left: &Sides<Vec<Item>>,
    profiles: &Sides<Profiles>,
    paired: &Sides<BTreeSet<usize>>,
) -> Vec<Match> {
    let by_shape = |side: Side| {
        let mut out: BTreeMap<[u64; 2], Vec<(usize, &Profile)>> = BTreeMap::new();
        let all = profiles.get(side).0.iter();
        for (at, profile) in all.filter(|(at, _)| !paired.get(side).contains(at)) {
            if let [rows, columns] = left.get(side)[*at].logical.shape[..] {
                out.entry([rows, columns]).or_default().push((*at, profile));
            }
        }
        out
    };
    let (bases, targets) = (by_shape(Side::Base), by_shape(Side::Target));
    let mut scores = Vec::new();
    for (shape, of_base) in &bases {
        for order in [[0, 1], [1, 0]] {
            let Some(of_target) = targets.get(&order.map(|axis| shape[axis])) else {
                continue;
            };
            for norms in [Norms::Rows, Norms::Columns] {
                scores.extend(norm_scores(left, of_base, of_target, &order, norms));
            }
        }
    }
    each_others_best(scores)
}

#[derive(Debug, Clone, Copy)]
enum Norms {
    Rows,
    Columns,
}

/// How alike the norms of matrices of one shape are, once the target's axes are in an order.
fn norm_scores(
    left: &Sides<Vec<Item>>,
    of_base: &[(usize, &Profile)],
    of_target: &[(usize, &Profile)],
    order: &[usize],
    norms: Norms,
) -> Vec<Score> {
    let chosen = |(rows, columns): (&'_ Vec<f32>, &'_ Vec<f32>)| match norms {
        Norms::Rows => rows.clone(),
        Norms::Columns => columns.clone(),
    };
    let telling = |(at, norms): (usize, Vec<f32>)| (!norms.is_empty()).then_some((at, norms));
    let of_base = of_base
        .iter()
        .map(|(at, own)| (*at, chosen((&own.rows, &own.columns))));
    let of_target = of_target
        .iter()
        .map(|(at, own)| (*at, chosen(own.in_order(order))));
    let (base_at, base_norms): (Vec<usize>, Vec<Vec<f32>>) = of_base.filter_map(telling).unzip();
    let (target_at, target_norms): (Vec<usize>, Vec<Vec<f32>>) =
        of_target.filter_map(telling).unzip();
    let base_views: Vec<&[f32]> = base_norms.iter().map(Vec::as_slice).collect();
    let target_views: Vec<&[f32]> = target_norms.iter().map(Vec::as_slice).collect();
    let places = |base: usize, target: usize| Sides {
        base: base_at[base],
        target: target_at[target],
    };
    let near = near_pairs(&base_views, &target_views, ALIKE / 2.0, |base, target| {
        let at = places(base, target);
        may_be_one(&left.base[at.base].logical, &left.target[at.target].logical)
    });
    let length = base_views.first().map_or(0, |norms| norms.len()) as f64;
    let is_more = |near: &Near| near.cosine > 0.0 && near.cosine * length.sqrt() >= CHANCE;
    let score = |near: Near| Score {
        places: places(near.base, near.target),
        order: order.to_vec(),
        cosine: near.cosine,
        floor: ALIKE,
        ahead: match near.cosine >= SURELY_ALIKE {
            true => 0.02,
            false => AHEAD,
        },
    };
    near.into_iter().filter(is_more).map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rows::Matrix;

    fn matrix(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f32) -> Matrix {
        let values = (0..rows * columns).map(|at| value(at / columns, at % columns));
        Matrix {
            rows,
            columns,
            values: values.collect(),
        }
    }

    #[test]
    fn an_order_keeps_the_values_and_a_sign_the_norms() {
        let value =
            |row: usize, column: usize| ((row * 37 + column * 11) % 101) as f32 + row as f32;
        let own = Profile::new(&matrix(30, 8, value)).unwrap();
        let moved = Profile::new(&matrix(30, 8, |r, c| value((r + 7) % 30, c))).unwrap();
        assert_eq!(own.values, moved.values);
        assert!(likeness(&own.rows, &moved.rows) < 0.6);
        let signed = Profile::new(&matrix(30, 8, |r, c| -value(r, 7 - c))).unwrap();
        assert_ne!(own.values, signed.values);
        assert!(likeness(&own.rows, &signed.rows) > 0.999);
        assert!(own.columns.is_empty());
    }
}
