//! Analyses: measurements and rows of values to findings. One file an analysis; [`analyses`] lists
//! them, [`analysis`] says what one is.

pub(crate) mod adaptation;
pub(crate) mod analyses;
pub(crate) mod analysis;
mod axes;
mod by_content;
pub(crate) mod cards;
mod disguise;
pub(crate) mod experts;
mod few_levels;
pub(crate) mod figures;
pub(crate) mod finding;
pub(crate) mod formulas;
pub(crate) mod grounds;
pub(crate) mod kept;
pub(crate) mod layer_map;
mod likeness;
mod magnitudes;
pub(crate) mod moved;
pub(crate) mod no_weights;
mod noise_floor;
pub(crate) mod part;
pub(crate) mod partners;
pub(crate) mod parts;
pub(crate) mod pca;
pub(crate) mod permutation;
pub(crate) mod relation;
mod rescaled;
mod row_spaces;
pub(crate) mod several;
mod shared_tokens;
pub(crate) mod storage;
pub(crate) mod tests_of_units;
pub(crate) mod tokenizer;
pub(crate) mod transformation;
pub(crate) mod untested;
mod upcycling;
mod vocabulary;
pub(crate) mod witness;

pub(crate) use crate::stats::levels;
