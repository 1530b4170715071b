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
use crate::numeric::linalg::{inner_product, products};
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::numeric::wide::{largest, widest};
use crate::stats::units::nearest::{Contest, tie_margin};
use crate::stats::units::{Concat, Features, Held, RowFeatures, TILE};

pub(crate) use floors::{Controls, FLOOR, least_agreeing};
pub(crate) use power::{DAMAGE_COSINE, Damaged, FormPower, add_noise};
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
    let named = nearest(&asked, 0, &halves[0])?;
    let agrees = are_nearest(&asked, 1, &halves[1], &named)?;
    let mut at = 0;
    let partners = blocks.iter().map(|block| {
        fits(block).then(|| {
            let own = at..at + block.units.len();
            at = own.end;
            agreeing(block, &named[own.clone()], &agrees[own], target.units())
        })
    });
    Ok(partners.collect())
}

/// What one block found, from the units that the first half names and whether the second names the
/// same.
fn agreeing(block: &Probes, named: &[Option<usize>], agrees: &[bool], units: usize) -> Partners {
    let mut taken = std::collections::BTreeSet::new();
    let mut agreeing = Vec::new();
    let mut by_first = Vec::new();
    for ((&probe, named), agrees) in block.units.iter().zip(named).zip(agrees) {
        let Some(partner) = *named else { continue };
        by_first.push((probe, partner));
        if *agrees && taken.insert(partner) {
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
    let probes = Asked::new(blocks, half, target);
    let mut contests = vec![Contest::open(); probes.count];
    let mut scores = Scores::default();
    for start in (0..target.units()).step_by(TILE) {
        let tile = Tile::read(target, start)?;
        for from in (0..probes.count).step_by(TOGETHER) {
            let asked = from..probes.count.min(from + TOGETHER);
            let rows = [0, 1].map(|at| {
                let width = probes.widths[at];
                &probes.values[at][asked.start * width..asked.end * width]
            });
            let scores = scores.add_up(rows, &tile, target.weight);
            let contests = contests[asked].iter_mut();
            for (contest, scores) in contests.zip(scores.chunks_exact(tile.units())) {
                contest.offer_all(start, scores, &tile.is_usable);
            }
        }
    }
    let answers = contests.iter().enumerate().map(|(probe, contest)| {
        let winner = contest.winner(probes.width());
        winner.filter(|_| probes.is_usable(probe))
    });
    Ok(answers.collect())
}

/// For each probe of all blocks whether the unit of `target` that is named for it is the one nearest
/// to it by one half.
///
/// A probe is asked no further once any other unit is as near as the named one: of strangers hardly
/// one outlives the first tiles.
fn are_nearest(
    blocks: &[&Probes],
    half: usize,
    target: &Half<'_>,
    named: &[Option<usize>],
) -> Result<Vec<bool>> {
    let probes = Asked::new(blocks, half, target);
    let margin = tie_margin(probes.width());
    let mut out = vec![false; probes.count];
    let of_named = Tile::of_units(target, named)?;
    // Each probe that is still asked: its number, the unit named, and what any other must stay below.
    let mut open: Vec<(usize, usize, f32)> = Vec::new();
    for (probe, &unit) in named.iter().enumerate() {
        let Some((unit, at)) = unit.and_then(|unit| Some((unit, of_named.place(unit)?))) else {
            continue;
        };
        if !of_named.is_usable[at] || !probes.is_usable(probe) {
            continue;
        }
        let score: f64 = (0..2)
            .filter_map(|part| {
                let cosine = inner_product(probes.row(part, probe), of_named.row(part, at)?);
                Some(match part {
                    0 => cosine,
                    _ => f64::from(target.weight) * cosine.abs(),
                })
            })
            .sum();
        open.push((probe, unit, score as f32 - margin));
    }
    let mut scores = Scores::default();
    for start in (0..target.units()).step_by(TILE) {
        if open.is_empty() {
            break;
        }
        let tile = Tile::read(target, start)?;
        let mut still = Vec::with_capacity(open.len());
        for asked in open.chunks(TOGETHER) {
            let rows = [0, 1].map(|part| -> Vec<f32> {
                let rows = asked
                    .iter()
                    .flat_map(|(probe, ..)| probes.row(part, *probe));
                rows.copied().collect()
            });
            let scores = scores.add_up([&rows[0], &rows[1]], &tile, target.weight);
            for (one, scores) in asked.iter().zip(scores.chunks_exact(tile.units())) {
                let &(_, unit, limit) = one;
                let as_near = |(at, (score, usable)): (usize, (&f32, &bool))| {
                    *usable && *score >= limit && start + at != unit
                };
                let is_beaten = largest(scores) >= limit
                    && scores.iter().zip(&tile.is_usable).enumerate().any(as_near);
                if !is_beaten {
                    still.push(*one);
                }
            }
        }
        open = still;
    }
    open.iter().for_each(|(probe, ..)| out[*probe] = true);
    Ok(out)
}

fn usable(values: &[f32]) -> bool {
    values.iter().any(|&x| x != 0.0)
}

/// One half of the probes of all blocks, one after another.
struct Asked {
    count: usize,
    widths: [usize; 2],
    values: [Vec<f32>; 2],
}

impl Asked {
    fn new(blocks: &[&Probes], half: usize, target: &Half<'_>) -> Self {
        Self {
            count: blocks.iter().map(|block| block.units.len()).sum(),
            widths: target.widths(),
            values: [0, 1].map(|at| {
                let held = blocks
                    .iter()
                    .filter_map(|block| block.halves[half][at].as_ref());
                held.flat_map(|held| held.values()).copied().collect()
            }),
        }
    }

    fn width(&self) -> usize {
        self.widths[0].max(self.widths[1])
    }

    fn row(&self, part: usize, probe: usize) -> &[f32] {
        let own = probe * self.widths[part]..(probe + 1) * self.widths[part];
        self.values[part].get(own).unwrap_or_default()
    }

    fn is_usable(&self, probe: usize) -> bool {
        (0..2).any(|part| usable(self.row(part, probe)))
    }
}

/// Some units of one half.
struct Tile {
    parts: [Option<Held>; 2],
    is_usable: Vec<bool>,
    /// Which units, where they were asked for one by one.
    units: Vec<usize>,
}

impl Tile {
    /// A tile of neighbouring units.
    fn read(target: &Half<'_>, start: usize) -> Result<Self> {
        let units = TILE.min(target.units() - start);
        Self::new(target, units, |features, values| {
            features.read(start..start + units, values)
        })
    }

    /// The units that are named.
    fn of_units(target: &Half<'_>, named: &[Option<usize>]) -> Result<Self> {
        let mut units: Vec<usize> = named.iter().flatten().copied().collect();
        units.sort_unstable();
        units.dedup();
        let tile = Self::new(target, units.len(), |features, values| {
            features.read_each(&units, values)
        })?;
        Ok(Self { units, ..tile })
    }

    fn new(
        target: &Half<'_>,
        units: usize,
        read: impl Fn(&dyn Features, &mut [f32]) -> Result<()>,
    ) -> Result<Self> {
        let mut parts: [Option<Held>; 2] = [None, None];
        for (part, features) in parts.iter_mut().zip(target.features()) {
            if let Some(features) = features.filter(|features| features.width() > 0) {
                let mut values = vec![0.0f32; units * features.width()];
                read(features, &mut values)?;
                *part = Some(Held::new(values, features.width()));
            }
        }
        let is_usable = |unit: usize| {
            let mut parts = parts.iter().flatten();
            parts.any(|held| usable(&held.values()[unit * held.width()..][..held.width()]))
        };
        Ok(Self {
            is_usable: (0..units).map(is_usable).collect(),
            parts,
            units: Vec::new(),
        })
    }

    fn units(&self) -> usize {
        self.is_usable.len()
    }

    fn place(&self, unit: usize) -> Option<usize> {
        self.units.binary_search(&unit).ok()
    }

    fn row(&self, part: usize, at: usize) -> Option<&[f32]> {
        let held = self.parts[part].as_ref()?;
        Some(&held.values()[at * held.width()..(at + 1) * held.width()])
    }
}

/// Room for how near probes are to the units of a tile.
#[derive(Default)]
struct Scores {
    sums: Vec<f32>,
    cosines: Vec<f32>,
}

impl Scores {
    /// Shape (probes, units): the cosine of the plain parts, and `weight` times the size of that of
    /// the signed ones.
    fn add_up(&mut self, rows: [&[f32]; 2], tile: &Tile, weight: f32) -> &[f32] {
        let mut is_first = true;
        let mut length = 0;
        for (at, (held, rows)) in tile.parts.iter().zip(rows).enumerate() {
            let Some(held) = held else { continue };
            length = rows.len() / held.width() * tile.units();
            let of_part = if is_first {
                &mut self.sums
            } else {
                &mut self.cosines
            };
            of_part.resize(length.max(of_part.len()), 0.0);
            products(rows, held.values(), held.width(), &mut of_part[..length]);
            let (sums, cosines) = (&mut self.sums[..length], &self.cosines);
            widest(
                #[inline(always)]
                || match (at, is_first) {
                    (0, _) => {}
                    (_, true) => sums.iter_mut().for_each(|sum| *sum = weight * sum.abs()),
                    (_, false) => {
                        let both = sums.iter_mut().zip(cosines);
                        both.for_each(|(sum, cosine)| *sum += weight * cosine.abs());
                    }
                },
            );
            is_first = false;
        }
        &self.sums[..length]
    }
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
