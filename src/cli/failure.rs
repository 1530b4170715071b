//! What is said where there is no answer: an error, or a panic.

use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::{Exit, leave};
use super::interrupt;
use super::say::{error_line, say, say_note};
use crate::error::Error;
use crate::report::sink;

/// Says why there is no answer, and gives the code for it.
///
/// One line names the file, what is there and what was expected. With `chain` a line follows for
/// whatever the error happened in, from the outside in, and for whatever caused it.
pub fn report_error(error: &anyhow::Error, chain: bool) -> Exit {
    match error.downcast_ref::<Error>() {
        Some(Error::Interrupted) => interrupt::leave(),
        Some(Error::Usage(what)) => {
            let _ = super::usage_error(what).print();
        }
        Some(error) => say(&error_line(error)),
        None => say(&error_line(&error.root_cause())),
    }
    if chain {
        notes(error).iter().for_each(|note| say_note(note));
    }
    Exit::NoAnswer
}

/// The chain of an error but for the line that is said anyway.
fn notes(error: &anyhow::Error) -> Vec<String> {
    let mut is_cause = false;
    let mut notes = Vec::new();
    for link in error.chain() {
        match (link.downcast_ref::<Error>(), is_cause) {
            (Some(_), _) => is_cause = true,
            (None, false) => notes.push(format!("in: {link}")),
            (None, true) => notes.push(format!("cause: {link}")),
        }
    }
    notes
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use anyhow::Context;

    use super::*;

    #[test]
    fn the_chain_names_where_it_happened_and_what_caused_it() {
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = Err::<(), _>(Error::io(Path::new("m/a"), refused))
            .context("base")
            .context("while comparing")
            .unwrap_err();
        assert_eq!(
            notes(&error),
            [
                "in: while comparing",
                "in: base",
                "cause: permission denied"
            ]
        );
        assert!(matches!(
            error.downcast_ref::<Error>(),
            Some(Error::Io { .. })
        ));
    }
}
