//! Exit codes, and the one line that an error is.

use std::fmt::Display;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::interrupt;
use crate::error::Error;
use crate::report::sink;

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
}

impl Exit {
    /// The code for the system.
    pub const fn code(self) -> u8 {
        match self {
            Self::Answered => 0,
            Self::Unexpected => 1,
            Self::NoAnswer => 2,
            Self::Interrupted => 130,
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

/// Says why there is no answer, and gives the code for it.
pub fn report_error(error: &Error) -> Exit {
    match error {
        Error::Interrupted => interrupt::leave(),
        Error::Usage(what) => {
            let _ = super::usage_error(what).print();
        }
        error => say(&error_line(error)),
    }
    Exit::NoAnswer
}

/// The error line, without its line end.
fn error_line(what: &impl Display) -> String {
    format!("wcmp: error: {}", one_line(&what.to_string()))
}

/// `text` without line ends and control codes. Names in it are escaped already: its backslashes
/// stay.
fn one_line(text: &str) -> String {
    text.split(char::is_control)
        .filter(|piece| !piece.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Writes a line to standard error; where that is closed there is nobody to tell.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A note behind the report.
pub(super) fn say_note(note: &str) {
    say(&format!("wcmp: note: {}", one_line(note)));
}

/// Makes a panic on any thread end the process with one line and code 2.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        static PANICKED: AtomicBool = AtomicBool::new(false);
        if PANICKED.swap(true, Ordering::SeqCst) {
            // Another thread is ending the process.
            loop {
                std::thread::park();
            }
        }
        sink::abandon_if_free();
        say(&panic_line(info));
        leave(Exit::NoAnswer);
    }));
}

fn panic_line(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let literal = payload.downcast_ref::<&str>().copied();
    let what = literal
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info
        .location()
        .map(|at| format!(" at {}:{}", at.file(), at.line()))
        .unwrap_or_default();
    error_line(&format!(
        "internal error{place}: {what} (please report this)"
    ))
}

/// Ends the process at once.
#[allow(clippy::exit)]
pub(super) fn leave(exit: Exit) -> ! {
    std::process::exit(i32::from(exit.code()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_error_is_one_line() {
        let error = Error::malformed(Path::new("a\nb"), "first\n  second \"x\\u001B\"\r\n");
        assert_eq!(
            error_line(&error),
            "wcmp: error: a\\nb: first   second \"x\\u001B\""
        );
    }

    #[test]
    fn codes_are_those_of_the_contract() {
        let codes = [
            Exit::Answered,
            Exit::Unexpected,
            Exit::NoAnswer,
            Exit::Interrupted,
        ]
        .map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 130]);
        assert_eq!(Exit::answered(false), Exit::Unexpected);
    }
}
