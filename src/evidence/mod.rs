//! Analyses: measurements and rows of values to findings. One file a test.

pub mod chance;
pub mod coordinates;
pub mod disguise;
pub mod experts;
pub mod family;
pub mod figures;
pub mod finding;
pub mod layer_map;
pub mod magnitudes;
pub mod mixture;
pub mod noise_floor;
pub mod part;
pub mod parts;
pub mod pca;
pub mod permutation;
pub mod power;
pub mod recover;
pub mod subspace;
pub mod tokenizer;
pub mod tokens;
pub mod units;
pub mod upcycling;
