//! Partners found twice (guide/methods.md, section 8.2): units of two models that recognise each other by
//! two separate parts of what a unit is.
//!
//! For a probe of the base, f₁ is the target's unit most like it by one half of its weights, f₂ by
//! the other. a counts the distinct units j with f₁ = f₂ = j. No order, scale, sign or number of
//! units enters, so it finds copies wherever they stand: over pairs of layers it is the layer map,
//! over experts the expert map.
//!
//! There is no exact null: two trained models may share a few units that work alike. The floors of
//! [`least_agreeing`] come from simulation, and every run has its own control in the pairs of layers
//! that have nothing to do with each other.

mod floors;
mod power;
mod whitened;

use crate::error::Result;
use crate::numeric::linalg::products;
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::stats::units::nearest::Contest;
use crate::stats::units::{Concat, Features, Held, RowFeatures, TILE};

pub(crate) use floors::{Controls, FLOOR, least_agreeing};
pub(crate) use power::{DAMAGE_COSINE, Damaged, FormPower};
pub(crate) use whitened::{Whitened, second_moment, whitening};

/// Probe units of a block.
pub(crate) const PROBES: usize = 64;

/// Coordinates in one seeded half of a matrix, at most.
const HALF: usize = 256;

/// Probe rows that one product takes, so that memory stays bounded however many blocks are asked.
const TOGETHER: usize = 1024;

/// One half of what a unit is.
#[derive(Clone, Copy)]
pub(crate) struct Half<'a> {
    /// Features whose sign means something: gates, rows of a layer without gates.
    pub(crate) plain: Option<&'a dyn Features>,
    /// Features that may be negated unit by unit (up and down of a gated feed-forward together):
    /// compared by |cosine|.
    pub(crate) signed: Option<&'a dyn Features>,
    /// What the |cosine| of `signed` weighs beside the cosine of `plain`.
    pub(crate) weight: f32,
}

impl<'a> Half<'a> {
    /// Features whose sign means something.
    pub(crate) fn plain(features: &'a dyn Features) -> Self {
        Self {
            plain: Some(features),
            signed: None,
            weight: 1.0,
        }
    }

    /// Features whose sign does not.
    pub(crate) fn signed(features: &'a dyn Features) -> Self {
        Self {
            plain: None,
            signed: Some(features),
            weight: 1.0,
        }
    }

    fn features(&self) -> [Option<&'a dyn Features>; 2] {
        [self.plain, self.signed]
    }

    fn units(&self) -> usize {
        let [plain, signed] = self.features();
        plain.or(signed).map_or(0, |features| features.units())
    }

    fn widths(&self) -> [usize; 2] {
        self.features()
            .map(|features| features.map_or(0, |features| features.width()))
    }
}

/// The two halves of the units of a block.
#[derive(Clone, Copy)]
pub(crate) struct Halves<'a> {
    /// By which f₁ is found.
    pub(crate) first: Half<'a>,
    /// By which f₂ is found.
    pub(crate) second: Half<'a>,
}

impl Halves<'_> {
    /// Number of units.
    pub(crate) fn units(&self) -> usize {
        self.first.units()
    }
}

/// Probes of one block, held.
#[derive(Debug, Clone)]
pub(crate) struct Probes {
    /// The units that they are.
    pub(crate) units: Vec<usize>,
    /// Units of the block.
    pub(crate) of: usize,
    halves: [[Option<Held>; 2]; 2],
}

impl Probes {
    /// The features of `units` of a block.
    ///
    /// # Errors
    /// When they cannot be read.
    ///
    /// # Panics
    /// When a unit is out of range.
    pub(crate) fn read(halves: &Halves<'_>, units: &[usize]) -> Result<Self> {
        let held = |half: &Half<'_>| -> Result<[Option<Held>; 2]> {
            let [plain, signed] = half.features().map(|features| {
                features
                    .filter(|features| features.width() > 0)
                    .map(|features| Held::some(features, units))
                    .transpose()
            });
            Ok([plain?, signed?])
        };
        Ok(Self {
            units: units.to_vec(),
            of: halves.units(),
            halves: [held(&halves.first)?, held(&halves.second)?],
        })
    }

    fn widths(&self, half: usize) -> [usize; 2] {
        [0, 1].map(|at| self.halves[half][at].as_ref().map_or(0, Features::width))
    }
}

/// What one block of the base found in one of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partners {
    /// Probes asked, m.
    pub(crate) probes: usize,
    /// Units of the block of the base, and of the target's.
    pub(crate) units: (usize, usize),
    /// Pairs (unit of the base, unit of the target) that both halves name, one for each distinct
    /// unit of the target, by unit of the base. Their number is a.
    pub(crate) agreeing: Vec<(usize, usize)>,
    /// Pairs that the first half names, where there is a nearest one at all.
    pub(crate) by_first: Vec<(usize, usize)>,
}

impl Partners {
    /// a, the number of distinct units found twice.
    pub(crate) fn count(&self) -> usize {
        self.agreeing.len()
    }
}

/// For each block of probes the partners among the units of `target`, which is read once.
/// None for a block whose features have other widths.
///
/// Memory: a tile of units, and its cosines with 1,024 probes.
///
/// # Errors
/// When features cannot be read.
///
/// # Panics
/// When the halves have different numbers of units.
pub(crate) fn found_twice(
    blocks: &[&Probes],
    target: &Halves<'_>,
) -> Result<Vec<Option<Partners>>> {
    let halves = [target.first, target.second];
    assert_eq!(
        halves[0].units(),
        halves[1].units(),
        "two halves of the same units"
    );
    let fits = |block: &Probes| {
        (0..2).all(|half| {
            let widths = block.widths(half);
            widths == halves[half].widths() && widths != [0, 0]
        })
    };
    let asked: Vec<&Probes> = blocks.iter().copied().filter(|block| fits(block)).collect();
    let [first, second] = [
        nearest(&asked, 0, &halves[0])?,
        nearest(&asked, 1, &halves[1])?,
    ];
    let mut at = 0;
    let partners = blocks.iter().map(|block| {
        fits(block).then(|| {
            let named = |answers: &[Option<usize>]| answers[at..at + block.units.len()].to_vec();
            let (first, second) = (named(&first), named(&second));
            at += block.units.len();
            agreeing(block, &first, &second, target.units())
        })
    });
    Ok(partners.collect())
}

fn agreeing(
    block: &Probes,
    first: &[Option<usize>],
    second: &[Option<usize>],
    units: usize,
) -> Partners {
    let mut taken = std::collections::BTreeSet::new();
    let mut agreeing = Vec::new();
    let mut by_first = Vec::new();
    for ((&probe, one), other) in block.units.iter().zip(first).zip(second) {
        let Some(partner) = *one else { continue };
        by_first.push((probe, partner));
        if *other == Some(partner) && taken.insert(partner) {
            agreeing.push((probe, partner));
        }
    }
    Partners {
        probes: block.units.len(),
        units: (block.of, units),
        agreeing,
        by_first,
    }
}

/// The unit of `target` nearest to each probe of all blocks by one half; none where a probe has no
/// usable feature or two units are as near.
fn nearest(blocks: &[&Probes], half: usize, target: &Half<'_>) -> Result<Vec<Option<usize>>> {
    let count: usize = blocks.iter().map(|block| block.units.len()).sum();
    let widths = target.widths();
    let weights = [1.0, target.weight];
    // Rows of all blocks, one after another.
    let probes = [0, 1].map(|at| -> Vec<f32> {
        let held = blocks
            .iter()
            .filter_map(|block| block.halves[half][at].as_ref());
        held.flat_map(|held| held.values()).copied().collect()
    });
    let usable = |values: &[f32]| values.iter().any(|&x| x != 0.0);
    let mut contests = vec![Contest::open(); count];
    let mut scores = vec![0.0f32; TOGETHER.min(count) * TILE];
    let mut cosines = scores.clone();
    for start in (0..target.units()).step_by(TILE) {
        let tile = TILE.min(target.units() - start);
        let mut read: [Option<Held>; 2] = [None, None];
        for (at, features) in target.features().into_iter().enumerate() {
            if let Some(features) = features.filter(|_| widths[at] > 0) {
                let mut values = vec![0.0f32; tile * widths[at]];
                features.read(start..start + tile, &mut values)?;
                read[at] = Some(Held::new(values, widths[at]));
            }
        }
        let is_usable: Vec<bool> = (0..tile)
            .map(|unit| {
                read.iter().flatten().any(|held| {
                    let width = held.width();
                    usable(&held.values()[unit * width..(unit + 1) * width])
                })
            })
            .collect();
        for from in (0..count).step_by(TOGETHER) {
            let asked = TOGETHER.min(count - from);
            let scores = &mut scores[..asked * tile];
            scores.fill(0.0);
            for (at, held) in read.iter().enumerate() {
                let Some(held) = held else { continue };
                let rows = &probes[at][from * widths[at]..(from + asked) * widths[at]];
                let cosines = &mut cosines[..asked * tile];
                products(rows, held.values(), widths[at], cosines);
                let sums = scores.iter_mut().zip(cosines.iter());
                match at {
                    0 => sums.for_each(|(score, cosine)| *score += cosine),
                    _ => sums.for_each(|(score, cosine)| *score += weights[1] * cosine.abs()),
                }
            }
            for (contest, scores) in contests[from..].iter_mut().zip(scores.chunks_exact(tile)) {
                for (unit, (&score, usable)) in scores.iter().zip(&is_usable).enumerate() {
                    if *usable {
                        contest.offer(start + unit, score);
                    }
                }
            }
        }
    }
    let width = widths[0].max(widths[1]);
    let answers = contests.iter().enumerate().map(|(probe, contest)| {
        let is_there = (0..2).any(|at| {
            let values = &probes[at];
            let own = probe * widths[at]..(probe + 1) * widths[at];
            values.get(own).is_some_and(usable)
        });
        contest.winner(width).filter(|_| is_there)
    });
    Ok(answers.collect())
}

/// Seeded halves of the stored coordinates of a matrix, the same for every matrix of its width, at
/// most 256 each, ascending.
fn half_coordinates(width: usize, seed: u64) -> [Vec<usize>; 2] {
    let mut draws = Draws::new(seed, "halves of coordinates");
    let order = draws.permutation(width);
    let half = (width / 2).min(HALF);
    [&order[..half], &order[half..2 * half]].map(|half| {
        let mut half = half.to_vec();
        half.sort_unstable();
        half
    })
}

/// The two seeded halves of several matrices in one basis, as features: `plain` ones and `signed`
/// ones, each matrix with a unit a row.
///
/// A rotation or order of the stream changes them, and one that is chosen can forge them: they find
/// and do not confirm. Models whose units share a few directions agree by them without having met
/// (28 to 53 of 64): whiten, or do not run them there.
pub(crate) struct StoredHalves<'a> {
    plain: [Option<Concat<'a>>; 2],
    signed: [Option<Concat<'a>>; 2],
    signed_parts: usize,
}

impl<'a> StoredHalves<'a> {
    /// None where no matrix has two columns, or their numbers of units differ.
    pub(crate) fn new(
        plain: &[&'a dyn RowSource],
        signed: &[&'a dyn RowSource],
        seed: u64,
    ) -> Option<Self> {
        let both = || plain.iter().chain(signed);
        let units = both().next()?.rows();
        if both().any(|matrix| matrix.rows() != units || matrix.columns() < 2) {
            return None;
        }
        let half = |matrices: &[&'a dyn RowSource], half: usize| {
            let parts = matrices.iter().map(|matrix| {
                let coordinates = &half_coordinates(matrix.columns(), seed)[half];
                Box::new(RowFeatures::new(*matrix).cut(coordinates)) as Box<dyn Features + 'a>
            });
            Concat::new(parts.collect())
        };
        Some(Self {
            plain: [half(plain, 0), half(plain, 1)],
            signed: [half(signed, 0), half(signed, 1)],
            signed_parts: signed.len(),
        })
    }

    /// What [`found_twice`] takes.
    pub(crate) fn halves(&self) -> Halves<'_> {
        let half = |at: usize| Half {
            plain: self.plain[at].as_ref().map(|part| part as &dyn Features),
            signed: self.signed[at].as_ref().map(|part| part as &dyn Features),
            weight: self.signed_parts.max(1) as f32,
        };
        Halves {
            first: half(0),
            second: half(1),
        }
    }
}

#[cfg(test)]
mod tests;
