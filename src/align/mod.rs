//! Which tensor of the base goes with which of the target: by name and shape, then by prefix, then
//! by meaning.

mod by_content;
mod by_meaning;
mod by_name;
mod likeness;
mod numbering;
mod orders;
mod pool;
mod prefix;
pub(crate) mod rescaled;
pub(crate) mod shared;
pub(crate) mod shifted;
mod tied;
mod transposed;
mod vocabulary;

use std::sync::Arc;

use crate::model::dtype::Kind;
use crate::model::sides::{Side, Sides};
use crate::model::warning::Noted;
use crate::model::words::words;
use crate::view::logical::{Logical, Via};
use crate::view::model::Model;

pub(crate) use by_content::{ByContent, may_be_one, pair_by_content};

use by_meaning::{pair_by_meaning, pair_transposed, with_fused_cut};
use by_name::{pair_by_name, pair_by_prefix, pair_saved};
use pool::Pool;
use tied::{pair_copies, pair_tied_head};
use vocabulary::pair_common_rows;

pub(crate) use orders::orient;

words! {
    /// Why a tensor has no counterpart.
    Why {
        /// No tensor of that name or meaning on the other side.
        NoSuchName = "no_such_name",
        /// The counterpart has another shape.
        Shape = "shape",
        /// Its storage is not read.
        Unsupported = "unsupported",
        /// Left out by --include or --exclude.
        Filtered = "filtered",
    }
}

/// Two tensors that are compared.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The base's.
    pub base: Arc<Logical>,
    /// The target's.
    pub target: Arc<Logical>,
    /// How they came together.
    pub via: Via,
    /// Equal name (after a whole-prefix mapping) and equal shape as stored: counts for the plain
    /// mean.
    pub by_name: bool,
}

impl Pair {
    /// Two tensors that did not come together by their names.
    fn of_sides(sides: Sides<Arc<Logical>>, via: Via) -> Self {
        Self {
            base: sides.base,
            target: sides.target,
            via,
            by_name: false,
        }
    }

    /// Both tensors.
    pub fn sides(&self) -> Sides<&Logical> {
        Sides {
            base: &self.base,
            target: &self.target,
        }
    }

    /// The same pair with another tensor on one side.
    fn with(self, side: Side, tensor: Logical) -> Self {
        let tensor = Arc::new(tensor);
        match side {
            Side::Base => Self {
                base: tensor,
                ..self
            },
            Side::Target => Self {
                target: tensor,
                ..self
            },
        }
    }
}

/// A tensor without a counterpart.
#[derive(Debug, Clone)]
pub struct Unmatched {
    /// The tensor.
    pub tensor: Arc<Logical>,
    /// Why it has none.
    pub why: Why,
}

/// The two sides put together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alignment {
    /// Pairs, sorted by the target's name bytes.
    pub pairs: Vec<Pair>,
    /// What is left of the base, sorted by name bytes.
    pub base_left: Vec<Unmatched>,
    /// What is left of the target, sorted by name bytes.
    pub target_left: Vec<Unmatched>,
    /// Whole-prefix mapping of names, in words.
    pub name_mapping: Option<String>,
    /// What had to be guessed.
    pub warnings: Vec<Noted>,
    /// What was paired by what it holds.
    pub by_content: ByContent,
    /// Channels whose scale differs between the sides without any change of function.
    pub rescaled: rescaled::Rescaled,
}

impl Alignment {
    fn sort_pairs(&mut self) {
        self.pairs
            .sort_by(|a, b| (&a.target.name, &a.base.name).cmp(&(&b.target.name, &b.base.name)));
    }

    fn add_common_rows(&mut self, common: vocabulary::Common, via: Via) {
        let left = |tensor| Unmatched {
            tensor: Arc::new(tensor),
            why: Why::NoSuchName,
        };
        self.base_left.extend(common.rest.base.map(left));
        self.target_left.extend(common.rest.target.map(left));
        self.pairs
            .push(Pair::of_sides(common.sides.map(Arc::new), via));
    }
}

/// Pairs the tensors of two models. `keep` says which names the filter lets through.
///
/// Each step pairs what the steps before it have left, from the surest on: equal names, names under
/// another prefix, equal meanings, and what takes a part of a tensor or a copy of another.
pub(crate) fn align(models: Sides<&Model>, keep: &(dyn Fn(&str) -> bool + Sync)) -> Alignment {
    let mut out = Alignment::default();
    let (base, target) = rayon::join(
        || Pool::new(&models.base.logicals, keep, &mut out.base_left),
        || Pool::new(&models.target.logicals, keep, &mut out.target_left),
    );
    let mut left = Sides { base, target };

    let shifts = numbering::shifts(&left);
    pair_by_name(
        &mut left,
        &|name| numbering::renamed(&shifts, name),
        &mut out.pairs,
    );
    pair_saved(&mut left, models.target, &mut out);
    let mappings = pair_by_prefix(&mut left, &mut out);

    pair_by_meaning(&mut left, models, &mut out.pairs);
    pair_transposed(&mut left, &mut out.pairs);
    with_fused_cut(&mut left, models, |left| {
        pair_by_meaning(left, models, &mut out.pairs);
    });

    pair_common_rows(&mut left, models, &mut out);
    pair_tied_head(&mut left, models, &mut out);
    pair_copies(&mut left, models, &mut out.pairs);

    let base_name = |name: &str| mappings.iter().map(|m| m.apply(name)).collect();
    let target_name = |name: &str| mappings.iter().map(|m| m.undo(name)).collect();
    let base_reasons = left.base.reasons(&left.target, &base_name);
    let target_reasons = left.target.reasons(&left.base, &target_name);
    out.base_left.extend(base_reasons);
    out.target_left.extend(target_reasons);

    let by_name = |a: &Unmatched, b: &Unmatched| {
        let names = [a, b].map(|unmatched| unmatched.tensor.name.as_bytes());
        names[0].cmp(names[1])
    };
    out.base_left.sort_by(by_name);
    out.target_left.sort_by(by_name);
    out.sort_pairs();
    out
}

/// Equal in shape; a layout that is not read goes with its like alone, by its bytes, and complex
/// numbers with complex ones.
fn is_comparable(base: &Logical, target: &Logical) -> bool {
    base.shape == target.shape
        && base.is_unsupported() == target.is_unsupported()
        && is_complex(base) == is_complex(target)
}

fn is_complex(logical: &Logical) -> bool {
    logical.dtype.kind() == Kind::Complex
}
