//! What a run is asked to do.

use crate::model::words::words;
use crate::source::Io;

use super::filter::Filter;

words! {
    /// Digest of the stored bytes.
    Hashing {
        /// SHA-256 of each tensor on each side.
        Sha256 = "sha256",
        /// No digests; identical tensors are told from the bytes.
        None = "none",
    }
}

words! {
    /// Principal subspaces.
    Pca {
        /// A sample of matrices and rows.
        Fast = "fast",
        /// All matrices.
        Full = "full",
        /// Not at all.
        Off = "off",
    }
}

words! {
    /// Whether an analysis runs.
    Switch {
        /// It runs.
        On = "on",
        /// It does not.
        Off = "off",
    }
}

words! {
    /// Tests that see through a disguise.
    Deep {
        /// Where the cheap tests find nothing, on few layers.
        Auto = "auto",
        /// All of them, on all layers.
        On = "on",
        /// None.
        Off = "off",
    }
}

/// What shapes the answer, and how the files are read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Digests.
    pub hash: Hashing,
    /// Principal subspaces.
    pub pca: Pca,
    /// Permutation tests.
    pub permutation: Switch,
    /// Tests that see through a disguise.
    pub deep: Deep,
    /// Seed of every draw.
    pub seed: u64,
    /// Which tensors count.
    pub filter: Filter,
    /// `--include` as typed.
    pub include: Vec<String>,
    /// `--exclude` as typed.
    pub exclude: Vec<String>,
    /// How files are read.
    pub io: Io,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hash: Hashing::Sha256,
            pca: Pca::Fast,
            permutation: Switch::On,
            deep: Deep::Auto,
            seed: 0,
            filter: Filter::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            io: Io::Mmap,
        }
    }
}
