//! One test on the order of units.

use crate::model::words::{Component, words};

use super::partners::FeatureKind;
use super::untested::UnitsOf;

words! {
    /// What the units of a test are.
    UnitKind {
        /// Hidden units of a dense feed-forward.
        Ffn = "ffn",
        /// Hidden units of one expert, or the experts of a layer.
        Expert = "expert",
        /// Dimensions of the residual stream.
        Residual = "residual",
        /// Groups of key and value heads.
        KvGroup = "kv_group",
        /// Rows of any other matrix.
        Rows = "rows",
    }
}

words! {
    /// How units are compared.
    Form {
        /// Fixed points of the stored features.
        Direct = "direct",
        /// Fixed points of features projected on shared tokens.
        Projected = "projected",
        /// Order of the matches.
        Order = "order",
        /// Units found twice, by two parts of what they are.
        FoundTwice = "found_twice",
        /// Spaces that the rows of heads span.
        RowSpace = "row_space",
    }
}

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What its units are.
    pub kind: UnitKind,
    /// How they are compared.
    pub form: Form,
    /// Component.
    pub component: Component,
    /// Layer of the target.
    pub layer: Option<u32>,
    /// Layer of the base.
    pub base_layer: Option<u32>,
    /// Routed expert.
    pub expert: Option<u32>,
    /// What the units belong to, where it is no block.
    pub name: Option<UnitsOf>,
    /// Units of base and target.
    pub units: [usize; 2],
    /// Probes drawn.
    pub probes: usize,
    /// Probes that hit; longest run in order for the order form.
    pub hits: usize,
    /// Bound on the probability of as many, base 10.
    pub log10_p: f64,
    /// Whether the bound is exact.
    pub exact: bool,
    /// Blocks of one group are clones and count once.
    pub group: usize,
    /// Mean number of partners that unrelated layers of the same two models gave; `None` where the
    /// form has no such control.
    pub control: Option<f64>,
    /// By which features partners were found twice.
    pub features: Option<FeatureKind>,
}
