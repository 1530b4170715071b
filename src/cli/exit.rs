//! Exit codes.

use std::process::ExitCode;

/// How a run ends (guide/contract.md, section 1). A closed pipe changes none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The answer was given, and it is what `--expect`, if any, names.
    Answered,
    /// The answer was given and `--expect` does not name it; `hash --check` found a difference.
    Unexpected,
    /// No answer: wrong usage, unreadable or malformed input, an error of the system, a panic.
    NoAnswer,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// SIGHUP.
    HungUp,
}

impl Exit {
    /// The code for the system.
    pub const fn code(self) -> u8 {
        match self {
            Self::Answered => 0,
            Self::Unexpected => 1,
            Self::NoAnswer => 2,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::HungUp => 129,
        }
    }

    /// The code of an answer that is, or is not, the expected one.
    pub const fn answered(as_expected: bool) -> Self {
        if as_expected {
            Self::Answered
        } else {
            Self::Unexpected
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Ends the process at once.
#[allow(clippy::exit)]
pub(super) fn leave(exit: Exit) -> ! {
    std::process::exit(i32::from(exit.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_contract() {
        let codes = [
            Exit::Answered,
            Exit::Unexpected,
            Exit::NoAnswer,
            Exit::Interrupted,
            Exit::Terminated,
            Exit::HungUp,
        ]
        .map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 130, 143, 129]);
        assert_eq!(Exit::answered(false), Exit::Unexpected);
    }
}
