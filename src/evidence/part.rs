//! Parts, the units of the verdict, and what is known of each (guide/contract.md, section 2).

use crate::model::words::{Block, Component, words};
use crate::numeric::linalg::round6;
use crate::stats::levels::{FOUND_LOG10, PART_SHARE_SEEN, found_among};

use super::witness::{FoundBy, WitnessKind, Witnessed};

words! {
    /// Kind of a part.
    PartKind {
        /// Attention matrices of a layer.
        Attention = "attention",
        /// Dense feed-forward of a layer, and the shared expert.
        Ffn = "ffn",
        /// One routed expert of a layer.
        Experts = "experts",
        /// Token embedding.
        Embedding = "embedding",
        /// Output head.
        Head = "head",
        /// Any other matrix.
        Other = "other",
    }
}

words! {
    /// Grade of a part.
    State {
        /// Its weights are the base's, perhaps changed.
        Reused = "reused",
        /// A test that would have seen a reuse saw none.
        Independent = "independent",
        /// Neither can be said.
        Unclear = "unclear",
        /// The base has no counterpart.
        New = "new",
    }
}

/// Which part of a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartKey {
    /// Component.
    pub component: Component,
    /// Block.
    pub block: Option<Block>,
    /// Layer of the target.
    pub layer: Option<u32>,
    /// Kind.
    pub kind: PartKind,
    /// Routed expert.
    pub expert: Option<u32>,
    /// Name of the matrix where it is a part by itself.
    pub name: Option<String>,
    /// Whether it is of the encoder, in a component that has a decoder too.
    pub encoder: bool,
}

/// A part's own test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartTest {
    /// Bound on the probability, base 10.
    pub log10_p: f64,
    /// Least share of its units whose reuse the test sees with 95 % probability; `None` where no
    /// share is seen.
    pub share_seen_95: Option<f64>,
}

impl PartTest {
    /// Whether a null result of it says something.
    pub fn has_power(&self) -> bool {
        self.share_seen_95.is_some_and(|s| s <= PART_SHARE_SEEN)
    }
}

/// What is known of a part.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which part.
    pub key: PartKey,
    /// Layer of the base it was compared with.
    pub base_layer: Option<u32>,
    /// Matrix parameters of the target.
    pub parameters: u64,
    /// Elements that could be compared.
    pub compared: u64,
    /// Whether all its matrices are paired and byte-identical.
    pub identical: bool,
    /// Whether the base has no counterpart at all.
    pub new: bool,
    /// Whether the layer map or another exact form found it in the base.
    pub found: bool,
    /// Whether places along an axis of a matrix of it have a meaning of their own: positions,
    /// tokens by classes, frequencies.
    pub has_named_places: bool,
    /// Whether a matrix of the base's feed-forward has no counterpart while the target has one left
    /// that may be it: another order of the units, or another basis, cannot be looked for then.
    pub lacks_a_matrix: bool,
    /// Excess over its matrices, weighted by parameters.
    pub excess: Option<f64>,
    /// Its own test, where one ran.
    pub test: Option<PartTest>,
    /// Whether that test looked at units in their places.
    pub by_place: bool,
    /// How it was found.
    pub found_by: Option<FoundBy>,
    /// What confirms that it was taken over.
    pub witness: Option<WitnessKind>,
    /// Mutual geometry of its partners, −1 to 1 (guide/methods.md, section 8.1).
    pub geometry: Option<f64>,
    /// Grade.
    pub state: State,
}

impl Part {
    /// Whether it is reused by its excess alone: no bytes, no place elsewhere, no test says so.
    pub fn rests_on_excess(&self) -> bool {
        let by_test = self.test.is_some_and(|test| test.log10_p <= FOUND_LOG10);
        self.state == State::Reused && !self.identical && !self.found && !by_test
    }
    /// Says how it was found, once it is graded among `parts_tested` parts with tests.
    pub(crate) fn say_how_found(&mut self, parts_tested: usize) {
        let by_test = self
            .test
            .is_some_and(|test| test.log10_p <= found_among(parts_tested));
        self.found_by = match self.found_by {
            _ if self.identical => Some(FoundBy::Bytes),
            Some(found_by) if self.found => Some(found_by),
            _ if self.found => Some(FoundBy::Disguise),
            _ if by_test => Some(FoundBy::Place),
            _ => (self.state == State::Reused).then_some(FoundBy::Excess),
        };
        if self.identical {
            self.witness = Some(WitnessKind::Bytes);
        }
        if self.state != State::Reused {
            self.witness = None;
        }
    }

    /// Takes what a witness says.
    pub(crate) fn witnessed(&mut self, said: Witnessed) {
        self.witness = said.kind;
        self.geometry = said.geometry.map(|geometry| round6(geometry.correlation));
    }
}

/// Whether a part is a table of tokens: its angles are those of meaning, which models share, so it
/// has no witness; what rests on it alone is weak.
pub(crate) fn is_table(part: &Part) -> bool {
    matches!(part.key.kind, PartKind::Embedding | PartKind::Head)
}
