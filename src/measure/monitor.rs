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

/// Tells of work on one of several models, so that its phases are told from those of the others.
pub(crate) struct OneOf<'a> {
    /// Who watches all of the work.
    pub watch: &'a dyn Monitor,
    /// Which model, from 1 on.
    pub number: usize,
    /// How many there are.
    pub count: usize,
}

impl Monitor for OneOf<'_> {
    fn begin(&self, phase: &str, total_bytes: u64) {
        let Self { number, count, .. } = self;
        if *count > 1 {
            let phase = format!("base {number} of {count}: {phase}");
            self.watch.begin(&phase, total_bytes);
        } else {
            self.watch.begin(phase, total_bytes);
        }
    }

    fn advance(&self, bytes: u64) {
        self.watch.advance(bytes);
    }

    fn end(&self) {
        self.watch.end();
    }

    fn interrupted(&self) -> bool {
        self.watch.interrupted()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Monitor for Heard {
        fn begin(&self, phase: &str, total_bytes: u64) {
            let mut heard = self.0.lock().unwrap();
            heard.push(format!("{phase} ({total_bytes})"));
        }

        fn advance(&self, bytes: u64) {
            self.0.lock().unwrap().push(bytes.to_string());
        }

        fn end(&self) {
            self.0.lock().unwrap().push("end".to_owned());
        }

        fn interrupted(&self) -> bool {
            true
        }
    }

    #[test]
    fn the_work_on_one_of_several_models_says_which() {
        for (count, phase) in [
            (1, "testing units (7)"),
            (3, "base 2 of 3: testing units (7)"),
        ] {
            let heard = Heard::default();
            let one = OneOf {
                watch: &heard,
                number: 2,
                count,
            };
            one.begin("testing units", 7);
            one.advance(5);
            one.end();
            assert!(one.check().is_err());
            assert_eq!(*heard.0.lock().unwrap(), [phase, "5", "end"]);
        }
    }
}
