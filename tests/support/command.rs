//! Running the binary, away from the terminal and the environment of whoever runs the tests.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

/// The binary, with nothing in the environment that changes a report.
pub(crate) fn wcmp() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wcmp"));
    for variable in ["NO_COLOR", "CLICOLOR_FORCE", "COLUMNS", "WCMP_KERNEL"] {
        command.env_remove(variable);
    }
    command
}

/// Runs `wcmp` with these arguments.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    wcmp().args(arguments).output().expect("run wcmp")
}

/// A folder of fixtures/.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// What was written, as text.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Standard output of a run that ended with `code` and said nothing on standard error.
#[track_caller]
pub(crate) fn answer(output: &Output, code: i32) -> &str {
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(code));
    text(&output.stdout)
}

/// The error line of a run without an answer: code 2, one line, nothing on standard output.
#[track_caller]
pub(crate) fn error_line(output: &Output) -> &str {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert_eq!(text(&output.stdout), "");
    assert!(
        error.starts_with("wcmp: error: ") && error.ends_with('\n') && error.lines().count() == 1,
        "{error}"
    );
    error.trim_end()
}
