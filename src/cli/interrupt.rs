//! Ctrl-C: one line, code 130, no partial file, at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::{Exit, leave as end};
use super::say::say;
use crate::report::sink;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C was pressed.
pub(super) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Takes Ctrl-C over; `clear` takes the progress line away before anything is said.
///
/// Where the system refuses a handler, its own stays: the process ends all the same.
pub(super) fn install(clear: impl Fn() + Send + 'static) {
    let _ = ctrlc::set_handler(move || {
        REQUESTED.store(true, Ordering::Relaxed);
        clear();
        leave();
    });
}

/// Ends the process. Of several threads that come here one speaks, the others wait for the end.
pub(super) fn leave() -> ! {
    static LEAVING: Mutex<()> = Mutex::new(());
    let _last = LEAVING.lock();
    sink::abandon();
    say("wcmp: interrupted");
    end(Exit::Interrupted)
}
