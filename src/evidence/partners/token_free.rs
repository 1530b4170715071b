//! The look that needs no tokens, no basis and no order (guide/methods.md, section 8.4): the units
//! that contribute most, first by their sorted angles with one another, then by their angles with
//! the partners found so far.

use crate::error::Result;
use crate::evidence::witness::Witnessed;
use crate::numeric::rng::Draws;
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::anchors::{Angles, mutual, refine};
use crate::stats::geometry::mutual_geometry;
use crate::stats::partners::{DAMAGE_COSINE, add_noise};
use crate::stats::units::{Features, Held};

use super::block::Whole;

/// Units of a block that are looked at: those that contribute most, which no order and no basis
/// changes.
const MOST_UNITS: usize = 384;

/// Pairs whose angles are compared in the end.
const MOST_COMPARED: usize = 128;

/// Rounds in which partners find partners.
const ROUNDS: usize = 8;

/// The units of a block that contribute most.
pub(in crate::evidence) struct Top {
    /// Places in the canonical form, those that contribute most first.
    pub(in crate::evidence) places: Vec<usize>,
    /// The stored unit of each.
    pub(in crate::evidence) stored: Vec<usize>,
    /// Gate, up where there is one, and what each unit writes: rows of shape (units, d).
    rows: Vec<Held>,
    angles: Angles,
    is_gated: bool,
    /// Units of the block.
    units: usize,
}

/// What the look gave.
pub(in crate::evidence) struct Seen {
    /// Pairs of partners, as numbers in the two lists of units.
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
        let read = |source: &dyn RowSource| -> Result<Held> {
            Ok(held(Matrix::from_rows(source, &places)?))
        };
        let stored: Vec<usize> = places.iter().map(|&at| live[at].stored).collect();
        let block = whole.block();
        let mut rows = vec![read(&gate)?];
        if let Some(up) = whole.up() {
            rows.push(read(&up)?);
        }
        // What a replaced unit writes is known in the drawn dimensions alone.
        let as_stored = places.iter().all(|&at| live[at].replaced.is_none());
        rows.push(match as_stored {
            true => held(whole.block().written_whole(&stored)?),
            false => read(&down)?,
        });
        let angles = Angles::new(&rows, free_signs(block.is_gated()));
        Ok(Some(Self {
            places,
            stored,
            rows,
            angles,
            is_gated: block.is_gated(),
            units: block.among(),
        }))
    }

    /// The same units with noise until each row has the stated cosine with what it was.
    fn damaged(&self, seed: u64) -> Self {
        let mut draws = Draws::new(seed, "a damaged copy");
        let mut noised = |rows: &Held| {
            let mut values = rows.values().to_vec();
            let width = rows.width().max(1);
            let size = ((DAMAGE_COSINE.powi(-2) - 1.0) / width as f64).sqrt();
            add_noise(&mut values, size, &mut draws);
            Held::new(values, width)
        };
        let rows: Vec<Held> = self.rows.iter().map(&mut noised).collect();
        Self {
            places: self.places.clone(),
            stored: self.stored.clone(),
            angles: Angles::new(&rows, free_signs(self.is_gated)),
            rows,
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

fn held(matrix: Matrix) -> Held {
    Held::new(matrix.values, matrix.columns)
}

/// Matrices of which a unit's row may be negated.
fn free_signs(is_gated: bool) -> &'static [usize] {
    if is_gated { &[1, 2] } else { &[] }
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
    let start = match known {
        Some(known) => {
            let at = |top: &Top, place: usize| top.places.iter().position(|&at| at == place);
            let there = known.iter();
            there
                .filter_map(|&(one, other)| Some((at(base, one)?, at(target, other)?)))
                .collect()
        }
        None => {
            let (base, target) = rayon::join(|| base.angles.sorted(), || target.angles.sorted());
            mutual(&base, &target)
        }
    };
    let pairs = refine(&base.angles, &target.angles, start, ROUNDS);
    // Spread over the units, so that what is compared does not hang on the limit's number.
    let step = pairs.len().div_ceil(MOST_COMPARED).max(1);
    let (one, other): (Vec<usize>, Vec<usize>) = pairs.iter().step_by(step).copied().unzip();
    let take = |held: &[Held], units: &[usize]| -> Result<Vec<Held>> {
        held.iter().map(|held| Held::some(held, units)).collect()
    };
    let units = base.units.max(target.units);
    let geometry = mutual_geometry(
        &take(&base.rows, &one)?,
        &take(&target.rows, &other)?,
        free_signs(base.is_gated),
        units,
    );
    Ok(Seen {
        pairs,
        witnessed: Witnessed::by(geometry),
    })
}
