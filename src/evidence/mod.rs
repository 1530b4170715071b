//! Analyses: measurements and rows of values to findings. One file an analysis; [`analyses`] lists
//! them, [`analysis`] says what one is.

pub mod adaptation;
pub mod analyses;
pub mod analysis;
mod disguise;
pub mod experts;
pub mod family;
pub mod figures;
pub mod finding;
pub mod grounds;
pub mod layer_map;
mod likeness;
mod magnitudes;
pub mod moved;
mod noise_floor;
pub mod part;
pub mod parts;
pub mod pca;
pub mod permutation;
pub mod relation;
mod rescaled;
mod shared_tokens;
pub mod tests_of_units;
pub mod tokenizer;
pub mod transformation;
pub mod untested;
mod upcycling;
mod vocabulary;

pub use crate::stats::levels;
