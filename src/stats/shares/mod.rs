//! Of which models is a model a weighted sum, by which shares, and how sure are these?
//!
//! Everything here looks at the values of all models in the same places (guide/methods.md, section
//! 10.1). Differences are taken value by value, so that nothing cancels; sums run over places in
//! their order, so that the bits do not depend on the number of threads.

mod fit;
mod form;
mod search;
mod solve;

pub(crate) use fit::{Fit, fit, unexplained};
pub(crate) use form::{Form, Sparse, form, sparse};
pub(crate) use search::{Found, search};

use crate::numeric::grid::Grid;

/// Values of several models in the same places of one tensor.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// One list a model, all of one length; the target's is the last.
    pub values: Vec<Vec<f32>>,
    /// The numbers that the target's format holds; none where that hangs on scales.
    pub grid: Grid,
    /// Tensors of one layer have one number; what stands outside of layers has numbers too.
    pub group: usize,
}

impl Places {
    /// Number of places.
    pub(crate) fn len(&self) -> usize {
        self.values.last().map_or(0, Vec::len)
    }

    /// Number of bases.
    pub(crate) fn bases(&self) -> usize {
        self.values.len().saturating_sub(1)
    }

    /// The target's values.
    pub(crate) fn target(&self) -> &[f32] {
        &self.values[self.bases()]
    }

    /// Every `step`-th place.
    pub(crate) fn thinned(&self, step: usize) -> Self {
        let thin = |values: &Vec<f32>| values.iter().step_by(step).copied().collect();
        Self {
            values: self.values.iter().map(thin).collect(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests;
