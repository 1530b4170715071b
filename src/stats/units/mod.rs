//! Tests on the order of units that carry no order (guide/methods.md, section 4): is unit i of one
//! model most like unit i of the other, more often than chance allows?
//!
//! Units are the hidden units of an FFN, experts, groups of heads, residual dimensions or the rows
//! of any other layer. In come their [`Features`], out come hits and an exact bound of the
//! probability of as many between models trained independently. Nothing here knows a file, a
//! tensor's name or a verdict.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::numeric::rng::Draws;

pub mod block;
pub mod clones;
pub mod columns;
pub mod features;
pub mod fixed_points;
pub mod joined;
pub(crate) mod nearest;
pub mod order;
pub mod projected;
mod sorted;

pub use block::{Block, Pair, block_test};
pub use columns::ColumnFeatures;
pub use features::{Features, Held, Layout, RowFeatures};
pub use fixed_points::{FixedPoints, fixed_point_test};
pub use joined::{Concat, Stacked};
pub use order::{Order, order_test};
pub use projected::{Projected, TokenRows};

/// Least number of units that a test is run on.
pub const LEAST_UNITS: usize = 8;

/// Units whose features are held at one time, unless reading them is cheaper in larger portions.
pub const TILE: usize = 256;

/// Probe units of a fixed-point test.
const PROBES: usize = 64;

/// Probe units of an order test.
const ORDER_PROBES: usize = 256;

/// Longest feature that is taken whole.
const COORDINATES: usize = 512;

/// Most shared tokens that features of residual dimensions run over.
const SHARED_TOKENS: usize = 2048;

/// Shared tokens that hidden units are projected on.
const PROJECTION_TOKENS: usize = 128;

/// What is drawn from the seed, and how much of it. The draws depend on the seed and on counts
/// alone, never on values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// The printed seed.
    pub seed: u64,
    /// Take whole features and more tokens (`--deep on`).
    pub thorough: bool,
}

impl Sampling {
    /// Probe units among `units`, ascending: the same for every block with as many units.
    pub fn probes(&self, units: usize) -> Vec<usize> {
        self.draw("probe units", PROBES, units)
    }

    /// Probe units of an order test on the side with `units` units, ascending.
    pub fn order_probes(&self, units: usize) -> Vec<usize> {
        self.draw("order probe units", ORDER_PROBES, units)
    }

    /// Coordinates of a feature of `width` values, ascending.
    pub fn coordinates(&self, width: usize) -> Vec<usize> {
        self.draw(
            "feature coordinates",
            if self.thorough { width } else { COORDINATES },
            width,
        )
    }

    /// Coordinates of one of four matrices that make up a feature together, ascending.
    pub fn part_coordinates(&self, width: usize) -> Vec<usize> {
        self.draw(
            "part coordinates",
            if self.thorough {
                width
            } else {
                COORDINATES / 4
            },
            width,
        )
    }

    /// Tokens, of `shared` ones, that the features of residual dimensions run over, ascending.
    pub fn shared_tokens(&self, shared: usize) -> Vec<usize> {
        self.draw(
            "shared tokens",
            if self.thorough { shared } else { SHARED_TOKENS },
            shared,
        )
    }

    /// Tokens, of `shared` ones, that hidden units are projected on, ascending.
    pub fn projection_tokens(&self, shared: usize) -> Vec<usize> {
        self.draw(
            "projection tokens",
            if self.thorough {
                SHARED_TOKENS
            } else {
                PROJECTION_TOKENS
            },
            shared,
        )
    }

    fn draw(&self, purpose: &str, count: usize, bound: usize) -> Vec<usize> {
        // A generator costs more than a short list, and most lists of small blocks are whole.
        match count >= bound {
            true => (0..bound).collect(),
            false => Draws::new(self.seed, purpose).distinct(count, bound),
        }
    }
}

/// Why a test gives no number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untestable {
    /// Fewer than [`LEAST_UNITS`].
    TooFewUnits(usize),
    /// Units do not correspond by index, of base and target.
    UnequalUnits(usize, usize),
    /// Features do not correspond by coordinate, of base and target.
    UnequalWidths(usize, usize),
    /// Features of fewer than 2 values.
    TooNarrow(usize),
    /// Fewer than 2 distinct features on a side.
    Alike,
    /// Units in order of their length on both sides.
    Sorted {
        /// Rank correlation of length and index on the side that was probed, and on the other.
        rho: [f64; 2],
    },
}

/// The outcome of a test, or why there is none.
pub type Tested<T> = std::result::Result<T, Untestable>;

/// What all tests on two sides need.
fn comparable(base: &dyn Features, target: &dyn Features) -> Tested<()> {
    let fewer = base.units().min(target.units());
    if fewer < LEAST_UNITS {
        Err(Untestable::TooFewUnits(fewer))
    } else if base.width() != target.width() {
        Err(Untestable::UnequalWidths(base.width(), target.width()))
    } else if base.width() < 2 {
        Err(Untestable::TooNarrow(base.width()))
    } else {
        Ok(())
    }
}
