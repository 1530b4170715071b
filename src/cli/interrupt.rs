//! Ctrl-C, SIGTERM and SIGHUP: one line, code 130, 143 or 129, no partial file, at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::exit::{Exit, leave as end};
use super::say::say;
use crate::report::sink;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// The code that was asked for.
static CODE: AtomicU8 = AtomicU8::new(Exit::Interrupted.code());

/// Whether the process was asked to end.
pub(super) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Takes the signals over; `clear` takes the progress line away before anything is said.
///
/// Where the system refuses a handler, its own stays: the process ends all the same. A signal that
/// whoever started the process has it ignore (nohup) stays ignored.
pub(super) fn install(clear: impl Fn() + Send + 'static) {
    platform::install(move |exit: Exit| {
        CODE.store(exit.code(), Ordering::Relaxed);
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
    let code = CODE.load(Ordering::Relaxed);
    let exits = [Exit::Terminated, Exit::HungUp];
    let exit = exits.into_iter().find(|exit| exit.code() == code);
    let exit = exit.unwrap_or(Exit::Interrupted);
    say(match exit {
        Exit::Terminated => "wcmp: terminated",
        Exit::HungUp => "wcmp: hung up",
        _ => "wcmp: interrupted",
    });
    end(exit)
}

#[cfg(unix)]
mod platform {
    use std::ffi::c_int;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;

    use super::Exit;

    /// Has a thread of its own call `stop` for the first signal.
    pub(super) fn install(stop: impl Fn(Exit) + Send + 'static) {
        // Too large a file is then an error of the write, which removes what was written.
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
        let wanted = [SIGINT, SIGTERM, SIGHUP]
            .into_iter()
            .filter(|signal| !is_ignored(*signal));
        let Ok(mut signals) = Signals::new(wanted.collect::<Vec<c_int>>()) else {
            return;
        };
        let wait = move || {
            for signal in signals.forever() {
                stop(match signal {
                    SIGTERM => Exit::Terminated,
                    SIGHUP => Exit::HungUp,
                    _ => Exit::Interrupted,
                });
            }
        };
        let _ = std::thread::Builder::new()
            .name("wcmp-signals".to_owned())
            .spawn(wait);
    }

    /// Whether the process was started with this signal ignored, where the system tells.
    fn is_ignored(signal: c_int) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    }
}

#[cfg(not(unix))]
mod platform {
    use super::Exit;

    /// Has `stop` called for Ctrl-C.
    pub(super) fn install(stop: impl Fn(Exit) + Send + 'static) {
        let _ = ctrlc::set_handler(move || stop(Exit::Interrupted));
    }
}
