//! What a run is asked to do.

use crate::source::Io;

pub(crate) use crate::results::settings::{Deep, Hashing, PcaMode, Switch};

use crate::results::settings::Settings;

use super::filter::Filter;

/// What shapes the answer, and how the files are read.
#[derive(Debug, Clone)]
pub struct Options {
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
        let settings = Settings::default();
        Self {
            hash: settings.hash,
            pca: settings.pca,
            permutation: settings.permutation,
            deep: settings.deep,
            seed: settings.seed,
            filter: Filter::default(),
            include: settings.include,
            exclude: settings.exclude,
            io: Io::Mmap,
        }
    }
}

impl Options {
    /// The settings that shape the answer.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            hash: self.hash,
            pca: self.pca,
            permutation: self.permutation,
            deep: self.deep,
            seed: self.seed,
            include: self.include.clone(),
            exclude: self.exclude.clone(),
        }
    }
}
