//! Lines on standard error.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes a line to standard error; where that is closed there is nobody to tell.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A note behind the report, or behind an error.
pub(super) fn say_note(note: &str) {
    say(&format!("wcmp: note: {}", one_line(note)));
}

/// The error line, without its line end.
pub(super) fn error_line(what: &impl Display) -> String {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::Error;

    #[test]
    fn an_error_is_one_line() {
        let error = Error::malformed(Path::new("a\nb"), "first\n  second \"x\\u001B\"\r\n");
        assert_eq!(
            error_line(&error),
            "wcmp: error: a\\nb: first   second \"x\\u001B\""
        );
    }
}
