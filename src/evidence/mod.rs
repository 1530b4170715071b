//! Analyses: measurements and rows of values to findings. One file a test.

pub mod disguise;
pub mod experts;
pub mod family;
pub mod figures;
pub mod finding;
pub mod layer_map;
pub mod magnitudes;
pub mod noise_floor;
pub mod part;
pub mod parts;
pub mod pca;
pub mod permutation;
pub mod relation;
pub mod tokenizer;
pub mod tokens;
pub mod transformation;
pub mod untested;
pub mod upcycling;
