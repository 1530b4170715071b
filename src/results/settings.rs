//! Settings that shape an answer.

use crate::model::words::words;

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
    PcaMode {
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

/// Settings as the answer carries them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Digests.
    pub hash: Hashing,
    /// Principal subspaces.
    pub pca: PcaMode,
    /// Permutation tests.
    pub permutation: Switch,
    /// Tests that see through a disguise.
    pub deep: Deep,
    /// Seed of every draw.
    pub seed: u64,
    /// Globs as typed.
    pub include: Vec<String>,
    /// Globs as typed.
    pub exclude: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hash: Hashing::Sha256,
            pca: PcaMode::Fast,
            permutation: Switch::On,
            deep: Deep::Auto,
            seed: 0,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}
