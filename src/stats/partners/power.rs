//! What it means that no partners were found (guide/methods.md, section 8.9).

use std::ops::Range;

use crate::error::Result;
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::stats::power::share_seen_95;

/// The damage by which the chance to find a reused unit is measured: noise until a row's cosine
/// with itself is this.
pub(crate) const DAMAGE_COSINE: f64 = 0.8;

/// The power of one form on one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FormPower {
    /// Probes, M.
    pub(crate) probes: usize,
    /// Partners that would have been needed.
    pub(crate) floor: usize,
    /// Least rate q of probes found with P(Bin(M, q) ≥ floor) ≥ 0.95.
    pub(crate) least_rate: f64,
    /// Chance ρ that a reused unit is found after the stated damage.
    pub(crate) found_share: f64,
    /// s95 = q/ρ: the least share of units reused that would have been seen with probability 0.95.
    pub(crate) share_seen_95: f64,
}

impl FormPower {
    /// From M, the floor, and how many of the base's own probes found themselves in the damaged
    /// base; none where no share of reuse would have been seen.
    pub(crate) fn of(probes: usize, floor: usize, found_itself: (usize, usize)) -> Option<Self> {
        let least_rate = share_seen_95(probes, floor)?;
        let (found, of) = found_itself;
        let found_share = found as f64 / of.max(1) as f64;
        let share_seen_95 = least_rate / found_share;
        (share_seen_95 <= 1.0).then_some(Self {
            probes,
            floor,
            least_rate,
            found_share,
            share_seen_95,
        })
    }
}

/// Adds or takes off `size` from each value, as a coin falls: noise of that deviation. Sums over many
/// values, which is what it is made for, do not tell it from normal noise, that takes ten times as
/// long to draw.
pub(crate) fn add_noise(values: &mut [f32], size: f64, draws: &mut Draws) {
    for values in values.chunks_mut(u64::BITS as usize) {
        let mut coins = draws.bits();
        for x in values {
            let noise = if coins & 1 == 1 { size } else { -size };
            *x = (f64::from(*x) + noise) as f32;
            coins >>= 1;
        }
    }
}

/// A matrix with noise added to each row, such that its cosine with what it was is `cosine` in the
/// mean. The noise of a row hangs on the seed, the purpose and the row alone.
pub(crate) struct Damaged<'a> {
    source: &'a dyn RowSource,
    cosine: f64,
    seed: u64,
    purpose: &'a str,
}

impl<'a> Damaged<'a> {
    /// `purpose` tells the matrices of a block apart.
    pub(crate) fn new(source: &'a dyn RowSource, cosine: f64, seed: u64, purpose: &'a str) -> Self {
        Self {
            source,
            cosine: cosine.clamp(0.01, 1.0),
            seed,
            purpose,
        }
    }
}

impl RowSource for Damaged<'_> {
    fn rows(&self) -> usize {
        self.source.rows()
    }

    fn columns(&self) -> usize {
        self.source.columns()
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.source.read_rows(rows.clone(), out)?;
        let width = self.columns().max(1);
        for (row, values) in rows.zip(out.chunks_exact_mut(width)) {
            let energy: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
            let size = (energy / width as f64 * (self.cosine.powi(-2) - 1.0)).sqrt();
            let mut draws = Draws::new(self.seed, &format!("damage {} {row}", self.purpose));
            add_noise(values, size, &mut draws);
        }
        Ok(())
    }
}
