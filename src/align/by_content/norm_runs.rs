//! Matrices of a rotated copy that lie inside larger ones: the norms of their rows or columns stand
//! there in a row, though no value is what it was.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::model::sides::{Side, Sides};
use crate::model::words::Class;
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::Item;
use super::alike::AHEAD;
use super::holds::may_hold;
use super::place::{Found, FoundAt, Reading, Shape, apart, is_plain, spot};
use super::profile::{ALIKE, CHANCE, LARGEST, LONGEST, Profile, Profiles, SURELY_ALIKE, likeness};

/// Distances between the rows of a matrix inside another: on top of one another, and taken in turn
/// with one or two others.
const STEPS: std::ops::RangeInclusive<usize> = 1..=3;

/// Norms that are looked at first.
const FIRST: usize = 48;

/// Least correlation of the first ones.
const FIRST_ALIKE: f64 = 0.5;

/// Products that are spent on two models.
const MOST_PRODUCTS: usize = 1 << 34;

/// Norms of what is looked for.
struct Probe<'a> {
    piece: usize,
    shape: Shape,
    /// Those of its rows, or of its columns.
    norms: &'a [f32],
    /// Those of its columns, or of its rows.
    across: &'a [f32],
    /// How long what has these norms is.
    length: u64,
}

/// Matrices of the other side whose norms stand in a row in a matrix or a stack of `side`, or are
/// those of a block of its rows or columns.
///
/// # Errors
/// A read that fails.
pub(super) fn find(
    side: Side,
    models: Sides<&Model>,
    left: &Sides<Vec<Item>>,
    profiles: &Sides<Profiles>,
    gone: &Sides<BTreeSet<usize>>,
) -> Result<Vec<Found>> {
    let other = left.get(side.other());
    let is_open = |side: Side, at: usize| {
        is_plain(&left.get(side)[at].logical) && !gone.get(side).contains(&at)
    };
    let mut probes = Vec::new();
    for (piece, rows, columns) in profiles.get(side.other()).norms() {
        let [count, length] = other[piece].logical.shape[..] else {
            continue;
        };
        if !is_open(side.other(), piece) {
            continue;
        }
        let ways = [
            (Shape::Rows, rows, columns, length),
            (Shape::Columns, columns, rows, count),
        ];
        for (shape, norms, across, length) in ways {
            probes.push(Probe {
                piece,
                shape,
                norms,
                across,
                length,
            });
        }
    }
    let mut search = Search {
        model: models.get(side),
        other,
        probes,
        spent: 0,
        taken: BTreeSet::new(),
    };
    let mut out: Vec<Found> = Vec::new();
    for whole in (0..left.get(side).len()).filter(|at| is_open(side, *at)) {
        let logical = &*left.get(side)[whole].logical;
        let known = profiles.get(side).of_place(whole);
        let best = search.inside(logical, whole, known)?;
        search.taken.extend(best.iter().map(|found| found.piece));
        out.extend(best);
    }
    Ok(out)
}

struct Search<'a> {
    model: &'a Model,
    other: &'a [Item],
    probes: Vec<Probe<'a>>,
    spent: usize,
    /// Matrices that were found.
    taken: BTreeSet<usize>,
}

impl Search<'_> {
    /// What is found in the reading of a tensor that holds most.
    fn inside(
        &mut self,
        whole: &Logical,
        at: usize,
        known: Option<&Profile>,
    ) -> Result<Vec<Found>> {
        let mut best: Vec<Found> = Vec::new();
        for fold in folds(whole) {
            let logical = fold.as_matrix(whole);
            let lengths = [logical.shape[1], logical.shape[0]];
            let is_asked = |length: u64| {
                let mut probes = self.probes.iter();
                probes.any(|probe| probe.length == length && self.may_lie_in(probe, whole))
            };
            if !lengths.into_iter().any(is_asked) {
                continue;
            }
            let read;
            let profile = match known.filter(|_| whole.shape.len() == 2) {
                Some(known) => known,
                None if logical.elements() > LARGEST || logical.shape[1] > LONGEST => continue,
                None => {
                    read = Profile::new(&self.model.view(&logical)?)?;
                    &read
                }
            };
            for transposed in [false, true] {
                let reading = Reading::new(&logical, transposed);
                let norms = match transposed {
                    false => &profile.rows,
                    true => &profile.columns,
                };
                let mut found = self.in_a_row(whole, reading, norms, fold.step);
                found.extend(self.in_blocks(whole, reading)?);
                let found = apart(found, at);
                if elements(self.other, &found) > elements(self.other, &best) {
                    best = found;
                }
            }
        }
        Ok(best)
    }

    fn may_lie_in(&self, probe: &Probe<'_>, whole: &Logical) -> bool {
        !self.taken.contains(&probe.piece) && may_hold(whole, &self.other[probe.piece].logical)
    }

    /// Matrices whose norms stand in a row.
    fn in_a_row(
        &mut self,
        whole: &Logical,
        reading: Reading,
        norms: &[f32],
        step: usize,
    ) -> Vec<FoundAt> {
        let is_wanted = |probe: &&Probe<'_>| {
            probe.length == reading.columns()
                && !probe.norms.is_empty()
                && probe.norms.len() < norms.len()
                && self.may_lie_in(probe, whole)
        };
        let wanted: Vec<&Probe<'_>> = self.probes.iter().filter(is_wanted).collect();
        let products = wanted.len().saturating_mul(norms.len() * FIRST);
        self.spent = self.spent.saturating_add(products);
        if wanted.is_empty() || self.spent > MOST_PRODUCTS {
            return Vec::new();
        }
        let found = wanted.par_iter().filter_map(|probe| {
            let (start, step, likeness) = most_alike(norms, probe.norms, step)?;
            let run = (start, probe.norms.len(), step);
            Some((probe.piece, spot(reading, run, probe.shape), likeness))
        });
        found.collect()
    }

    /// Matrices of which a block of rows, behind one another or in turn, has the norms across:
    /// those of its columns where it is stored row by row.
    fn in_blocks(&mut self, whole: &Logical, reading: Reading) -> Result<Vec<FoundAt>> {
        let rows = reading.rows() as usize;
        let mut by_height: BTreeMap<usize, Vec<&Probe<'_>>> = BTreeMap::new();
        for probe in &self.probes {
            let piece = &self.other[probe.piece].logical;
            let height = (piece.elements() / probe.length.max(1)) as usize;
            let fits = probe.length == reading.columns()
                && !probe.across.is_empty()
                && height < rows
                && rows.is_multiple_of(height.max(1));
            if fits && self.may_lie_in(probe, whole) {
                by_height.entry(height).or_default().push(probe);
            }
        }
        let mut out = Vec::new();
        for (height, wanted) in by_height {
            let count = rows / height;
            let behind = (0..count).map(|at| (at * height, height, 1));
            let in_turn = (0..count).map(|at| (at, height, count));
            let places: Vec<(usize, usize, usize)> = behind.chain(in_turn).collect();
            let columns = reading.columns() as usize;
            let products = wanted.len().saturating_mul(places.len() * columns);
            let read = rows.saturating_mul(2 * columns);
            self.spent = self.spent.saturating_add(products.max(read));
            if self.spent > MOST_PRODUCTS {
                break;
            }
            let across = |run: &(usize, usize, usize)| -> Result<Vec<f32>> {
                let block = spot(reading, *run, Shape::Rows).cut(whole);
                Ok(Profile::new(&self.model.view(&block)?)?.columns)
            };
            let blocks: Result<Vec<Vec<f32>>> = places.par_iter().map(across).collect();
            let blocks = blocks?;
            for probe in wanted {
                let alike = blocks.iter().map(|block| likeness(block, probe.across));
                let mut alike: Vec<(f64, usize)> = alike.zip(0..).collect();
                alike.sort_by(|a, b| b.0.total_cmp(&a.0));
                let second = alike.get(1).map_or(0.0, |(alike, _)| *alike);
                let is_sure = |best: &&(f64, usize)| {
                    let ahead = if best.0 >= SURELY_ALIKE { 0.02 } else { AHEAD };
                    best.0 >= ALIKE && best.0 >= second + ahead
                };
                let best = alike.first().filter(is_sure);
                out.extend(best.map(|(alike, at)| {
                    let spot = spot(reading, places[*at], probe.shape);
                    (probe.piece, spot, *alike)
                }));
            }
        }
        Ok(out)
    }
}

/// A tensor folded to a matrix behind one of its axes, and how far apart in it the rows of one
/// matrix of a stack may stand.
struct Fold {
    stored: (u64, u64),
    step: usize,
}

impl Fold {
    fn as_matrix(&self, whole: &Logical) -> Logical {
        let mut out = whole.clone();
        out.shape = vec![self.stored.0, self.stored.1];
        out.stored_as.stored = self.stored;
        out
    }
}

fn folds(whole: &Logical) -> Vec<Fold> {
    let fold = |stored: (u64, u64), step: u64| Fold {
        stored,
        step: usize::try_from(step).unwrap_or(usize::MAX),
    };
    match whole.shape[..] {
        _ if whole.meaning.class != Class::Matrix => Vec::new(),
        [rows, columns] => vec![fold((rows, columns), 1)],
        [a, b, c] => {
            let folded = |x: u64, y: u64| x.checked_mul(y);
            let first = folded(a, b).map(|rows| fold((rows, c), b));
            let second = folded(b, c).map(|columns| fold((a, columns), c));
            first.into_iter().chain(second).collect()
        }
        _ => Vec::new(),
    }
}

/// Elements of what was found.
pub(super) fn elements(other: &[Item], found: &[Found]) -> u64 {
    let pieces = found.iter().map(|found| &other[found.piece].logical);
    pieces
        .map(|piece: &std::sync::Arc<Logical>| piece.elements())
        .sum()
}

/// Where the norms of a matrix stand among those of a larger one: the first, the distance, and the
/// correlation. `further` is a distance that is tried beside the usual ones.
fn most_alike(among: &[f32], norms: &[f32], further: usize) -> Option<(usize, usize, f64)> {
    let mut best: Option<(usize, usize, f64)> = None;
    let first = &norms[..norms.len().min(FIRST)];
    for step in STEPS.chain([further].into_iter().filter(|step| !STEPS.contains(step))) {
        let extent = (norms.len() - 1).saturating_mul(step).saturating_add(1);
        for start in 0..(among.len() + 1).saturating_sub(extent) {
            let stand = |count: usize| among[start..].iter().step_by(step).take(count).copied();
            let is_near = correlation(stand(first.len()), first) >= FIRST_ALIKE;
            let likeness = match is_near {
                true => correlation(stand(norms.len()), norms),
                false => continue,
            };
            if best.is_none_or(|(_, _, most)| likeness > most) {
                best = Some((start, step, likeness));
            }
        }
    }
    let is_sure = |likeness: f64| {
        likeness >= SURELY_ALIKE && likeness * (norms.len() as f64).sqrt() >= CHANCE
    };
    best.filter(|(_, _, likeness)| is_sure(*likeness))
}

pub(super) fn correlation(a: impl Iterator<Item = f32>, b: &[f32]) -> f64 {
    let mut sums = [0.0f64; 5];
    for (a, b) in a.zip(b) {
        let (a, b) = (f64::from(a), f64::from(*b));
        let terms = [a, b, a * a, b * b, a * b];
        sums.iter_mut()
            .zip(terms)
            .for_each(|(sum, term)| *sum += term);
    }
    let n = b.len() as f64;
    let [a, b, aa, bb, ab] = sums;
    let spread = ((aa - a * a / n) * (bb - b * b / n)).sqrt();
    if spread > 0.0 {
        (ab - a * b / n) / spread
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    #[test]
    fn norms_are_found_on_top_and_in_turn() {
        let mut draws = Draws::new(1, "norms");
        let all: Vec<f32> = (0..400).map(|_| draws.normal() as f32).collect();
        let scaled =
            |at: usize, draws: &mut Draws| 3.0 * all[at] + 1.0 + 0.1 * draws.normal() as f32;
        let on_top: Vec<f32> = (0..64).map(|at| scaled(100 + at, &mut draws)).collect();
        let in_turn: Vec<f32> = (0..64).map(|at| scaled(31 + 2 * at, &mut draws)).collect();
        let strange: Vec<f32> = (0..64).map(|_| draws.normal() as f32).collect();
        let place =
            |norms: &[f32]| most_alike(&all, norms, 1).map(|(start, step, _)| (start, step));
        assert_eq!(place(&on_top), Some((100, 1)));
        assert_eq!(place(&in_turn), Some((31, 2)));
        assert_eq!(place(&strange), None);
    }
}
