//! How many partners found twice are more than independent models have.

/// Least a of 64 probes.
pub(crate) const FLOOR: usize = 10;

/// Units from which on a block is read by itself with [`FLOOR`].
const LARGE: usize = 64;

/// Units from which on a block is read by itself at all; smaller ones are pooled.
const SMALL: usize = 24;

/// Least share of the probes, and number, of a small block.
const SMALL_BLOCK: (f64, usize) = (0.3, 8);

/// How far above the greatest control blocks must lie where the two models share a basis.
const OVER_GREATEST: usize = 2;

/// What pairs of blocks gave that have nothing to do with each other: other layers of the same two
/// models.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Controls {
    /// Pairs.
    pub(crate) pairs: usize,
    /// Mean of a/m.
    pub(crate) mean_share: f64,
    /// Greatest a.
    pub(crate) greatest: usize,
}

impl Controls {
    /// From (a, m) of each pair.
    pub(crate) fn of(counts: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut out = Self::default();
        let mut sum = 0.0;
        for (agreeing, probes) in counts {
            out.pairs += 1;
            out.greatest = out.greatest.max(agreeing);
            sum += agreeing as f64 / probes.max(1) as f64;
        }
        out.mean_share = sum / out.pairs.max(1) as f64;
        out
    }
}

/// The least a at which one block of the base is found in one of the target, for `probes` of a
/// block whose smaller side has `units`; none where the block is too small to be read by itself.
///
/// 10 of 64 where there are 64 units and more; 0.3 of the probes and at least 8 for 24 to 63 units.
/// The greatest a between independent models is 3 of 64 in simulation (all kinds of common
/// structure, 2,000 pairs a form) and 7 once among trained ones. Where the two models share their
/// embeddings or basis, so that tokens or coordinates mean the same although the layers do not,
/// at least twice the greatest control as well.
pub(crate) fn least_agreeing(
    probes: usize,
    units: usize,
    controls: Option<&Controls>,
    basis_is_shared: bool,
) -> Option<usize> {
    let own = match units {
        LARGE.. => FLOOR.max((probes as f64 * FLOOR as f64 / 64.0).ceil() as usize),
        SMALL..LARGE => SMALL_BLOCK
            .1
            .max((SMALL_BLOCK.0 * probes as f64).ceil() as usize),
        _ => return None,
    };
    let over_controls = controls
        .filter(|_| basis_is_shared)
        .map_or(0, |controls| OVER_GREATEST * controls.greatest);
    Some(own.max(over_controls)).filter(|&least| least <= probes)
}
