//! What the terminals and the environment are like, and the progress line.

use std::env;
use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::interrupt;
use crate::measure::monitor::Monitor;

/// Everything outside the command line that the settings depend on.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// NO_COLOR is set and not empty.
    pub no_color: bool,
    /// CLICOLOR_FORCE is set, not empty and not 0.
    pub force_color: bool,
    /// TERM is `dumb`.
    pub dumb: bool,
    /// COLUMNS, where it is a number.
    pub columns: Option<usize>,
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Columns of that terminal.
    pub stdout_columns: Option<usize>,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// Cores this process may use.
    pub cores: usize,
}

impl Environment {
    /// Looks at the streams and the environment of this process.
    pub fn read() -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let stdout = io::stdout();
        Self {
            no_color: set("NO_COLOR").is_some(),
            force_color: set("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            dumb: set("TERM").is_some_and(|value| value == "dumb"),
            columns: set("COLUMNS").and_then(|value| value.to_str()?.parse().ok()),
            stdout_is_terminal: stdout.is_terminal(),
            stdout_columns: terminal_size::terminal_size_of(stdout)
                .map(|(width, _)| usize::from(width.0)),
            stderr_is_terminal: io::stderr().is_terminal(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// A phase of more bytes says beforehand what it is expected to take.
const LONG: u64 = 20_000_000_000;

/// Bytes that a thread hashes and compares in a second, measured with SHA instructions on files in
/// the page cache.
const HASHED_A_SECOND: f64 = 1.3e9;

/// Bytes that a thread compares in a second without hashing them, measured the same way.
const COMPARED_A_SECOND: f64 = 6e9;

/// What a long phase is expected to take where the disk is no slower than the threads.
fn expected(phase: &str, bytes: u64, threads: usize) -> Option<Duration> {
    let a_second = if phase.contains("hashing") {
        HASHED_A_SECOND
    } else {
        COMPARED_A_SECOND
    };
    (bytes > LONG)
        .then(|| Duration::from_secs_f64(bytes as f64 / (a_second * threads.max(1) as f64)))
}

/// The progress line on standard error: bytes, speed, time left.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    threads: usize,
}

impl Progress {
    /// A line that is drawn, or one that never shows.
    pub fn new(shown: bool, threads: usize) -> Self {
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        Self { bar, threads }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Monitor for Progress {
    fn begin(&self, phase: &str, total_bytes: u64) {
        self.bar.set_length(total_bytes);
        let expected = expected(phase, total_bytes, self.threads);
        let expected = expected.map_or(String::new(), |time| {
            format!(" (expected: {:#} or the disk's time)", HumanDuration(time))
        });
        self.bar.set_message(format!("{phase}{expected}"));
        self.bar.reset();
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn end(&self) {
        self.clear();
    }

    fn interrupted(&self) -> bool {
        interrupt::requested()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_counts_the_bytes_of_the_phase_and_begins_again_with_the_next() {
        let progress = Progress::new(false, 2);
        progress.begin("hashing", 100);
        progress.advance(60);
        assert_eq!(
            (progress.bar.position(), progress.bar.length()),
            (60, Some(100))
        );
        progress.end();
        progress.begin("comparing", 7);
        assert_eq!(
            (progress.bar.position(), progress.bar.length()),
            (0, Some(7))
        );
        assert!(!progress.interrupted());
    }

    #[test]
    fn a_long_phase_says_beforehand_what_it_is_expected_to_take() {
        let progress = Progress::new(false, 2);
        progress.begin("comparing and hashing", 20_000_000_000);
        assert_eq!(progress.bar.message(), "comparing and hashing");
        progress.begin("comparing and hashing", 468_000_000_000);
        assert_eq!(
            progress.bar.message(),
            "comparing and hashing (expected: 3m or the disk's time)"
        );
        progress.begin("comparing", 468_000_000_000);
        assert_eq!(
            progress.bar.message(),
            "comparing (expected: 39s or the disk's time)"
        );
    }
}
