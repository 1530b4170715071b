//! How long work tells of its progress and hears of an interrupt.

use crate::error::{Error, Result};

/// Watches a pass over bytes. Called from every thread of the pass.
pub trait Monitor: Sync {
    /// A phase of `total_bytes` bytes begins; `phase` is a word or two for people.
    fn begin(&self, phase: &str, total_bytes: u64);

    /// `bytes` more bytes of the phase are done.
    fn advance(&self, bytes: u64);

    /// The phase is over.
    fn end(&self);

    /// Whether the work is to be given up.
    fn interrupted(&self) -> bool;

    /// [`Error::Interrupted`] where the work is to be given up.
    ///
    /// # Errors
    /// The work is to be given up.
    fn check(&self) -> Result<()> {
        if self.interrupted() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn begin(&self, _phase: &str, _total_bytes: u64) {}

    fn advance(&self, _bytes: u64) {}

    fn end(&self) {}

    fn interrupted(&self) -> bool {
        false
    }
}
