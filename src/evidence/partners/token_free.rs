//! The look that needs no tokens, no basis and no order (guide/methods.md, section 8.4): the units
//! that contribute most, first by their sorted angles with one another, then by their angles with
//! the partners found so far.

use crate::error::Result;
use crate::evidence::witness::Witnessed;
use crate::numeric::rng::Draws;
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::anchors::{Angles, mutual, refine};
use crate::stats::geometry::mutual_geometry;
use crate::stats::partners::DAMAGE_COSINE;
use crate::stats::units::Held;

use super::block::Whole;

/// Units of a block that are looked at: those that contribute most, which no order and no basis
/// changes.
const MOST_UNITS: usize = 512;

/// Pairs whose angles are compared in the end.
const MOST_COMPARED: usize = 128;

/// Rounds in which partners find partners.
const ROUNDS: usize = 8;

/// The units of a block that contribute most.
pub(in crate::evidence) struct Top {
    /// Places in the canonical form, those that contribute most first.
    pub(in crate::evidence) places: Vec<usize>,
    /// Gate, up where there is one, and what each unit writes: shape (units, d).
    matrices: Vec<Matrix>,
    is_gated: bool,
    units: usize,
}

/// What the look gave.
pub(in crate::evidence) struct Seen {
    /// Pairs of partners, places in the canonical forms.
    pub(in crate::evidence) pairs: Vec<(usize, usize)>,
    /// What their geometry says.
    pub(in crate::evidence) witnessed: Witnessed,
}

impl Top {
    /// Reads the units of a block that contribute most.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn read(whole: &Whole<'_, '_>) -> Result<Option<Self>> {
        let live = whole.live();
        let mut places: Vec<usize> = (0..live.len()).collect();
        places.sort_by(|&a, &b| {
            let contribution = |at: usize| live[at].contribution;
            contribution(b).total_cmp(&contribution(a)).then(a.cmp(&b))
        });
        places.truncate(MOST_UNITS);
        let (Some(gate), Some(down)) = (whole.gate(), whole.down()) else {
            return Ok(None);
        };
        let read = |source: &dyn RowSource| Matrix::from_rows(source, &places);
        let mut matrices = vec![read(&gate)?];
        if let Some(up) = whole.up() {
            matrices.push(read(&up)?);
        }
        // What a replaced unit writes is known in the drawn dimensions alone.
        let as_stored = places.iter().all(|&at| live[at].replaced.is_none());
        matrices.push(match as_stored {
            true => {
                let stored: Vec<usize> = places.iter().map(|&at| live[at].stored).collect();
                whole.block().written_whole(&stored)?
            }
            false => read(&down)?,
        });
        Ok(Some(Self {
            places,
            matrices,
            is_gated: whole.block().is_gated(),
            units: whole.block().units(),
        }))
    }

    fn held(&self) -> Vec<Held> {
        let held = |matrix: &Matrix| Held::new(matrix.values.clone(), matrix.columns);
        self.matrices.iter().map(held).collect()
    }

    fn free_signs(&self) -> &'static [usize] {
        if self.is_gated { &[1, 2] } else { &[] }
    }

    /// The same units with noise until each row has the stated cosine with what it was.
    fn damaged(&self, seed: u64) -> Self {
        let mut draws = Draws::new(seed, "a damaged copy");
        let noised = |matrix: &Matrix, draws: &mut Draws| {
            let mut values = matrix.values.clone();
            let width = matrix.columns.max(1);
            for row in values.chunks_exact_mut(width) {
                let energy: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
                let size = ((DAMAGE_COSINE.powi(-2) - 1.0) * energy / width as f64).sqrt();
                row.iter_mut()
                    .for_each(|x| *x = (f64::from(*x) + size * draws.normal()) as f32);
            }
            Matrix {
                rows: matrix.rows,
                columns: matrix.columns,
                values,
            }
        };
        Self {
            places: self.places.clone(),
            matrices: self
                .matrices
                .iter()
                .map(|matrix| noised(matrix, &mut draws))
                .collect(),
            is_gated: self.is_gated,
            units: self.units,
        }
    }

    /// Whether the look would find these units in a copy damaged to a cosine of 0.8.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn has_power(&self, seed: u64) -> Result<bool> {
        let seen = look(self, &self.damaged(seed), None)?;
        Ok(seen.witnessed.kind.is_some())
    }
}

/// Looks for partners among the units that contribute most, from pairs that are known (places in
/// the canonical forms), else from sorted angles.
///
/// # Errors
/// A read that fails.
pub(in crate::evidence) fn look(
    base: &Top,
    target: &Top,
    known: Option<&[(usize, usize)]>,
) -> Result<Seen> {
    let nothing = Seen {
        pairs: Vec::new(),
        witnessed: Witnessed::default(),
    };
    if base.is_gated != target.is_gated {
        return Ok(nothing);
    }
    let (of_base, of_target) = (base.held(), target.held());
    let (angles_of_base, angles_of_target) = rayon::join(
        || Angles::new(&of_base, base.free_signs()),
        || Angles::new(&of_target, target.free_signs()),
    );
    let start = match known {
        Some(known) => {
            let at = |top: &Top, place: usize| top.places.iter().position(|&at| at == place);
            let there = known.iter();
            there
                .filter_map(|&(one, other)| Some((at(base, one)?, at(target, other)?)))
                .collect()
        }
        None => mutual(&angles_of_base.sorted(), &angles_of_target.sorted()),
    };
    let pairs = refine(&angles_of_base, &angles_of_target, start, ROUNDS);
    // Spread over the units, so that what is compared does not hang on the limit's number.
    let step = pairs.len().div_ceil(MOST_COMPARED).max(1);
    let (one, other): (Vec<usize>, Vec<usize>) = pairs.iter().step_by(step).copied().unzip();
    let take = |held: &[Held], units: &[usize]| -> Result<Vec<Held>> {
        held.iter().map(|held| Held::some(held, units)).collect()
    };
    let units = base.units.max(target.units);
    let geometry = mutual_geometry(
        &take(&of_base, &one)?,
        &take(&of_target, &other)?,
        base.free_signs(),
        units,
    );
    Ok(Seen {
        pairs: pairs
            .iter()
            .map(|&(one, other)| (base.places[one], target.places[other]))
            .collect(),
        witnessed: Witnessed::by(geometry),
    })
}
