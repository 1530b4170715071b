//! The `wcmp` binary: parse, run, map the result to an exit code.

use std::env;
use std::process::ExitCode;

use wcmp::cli::exit;
#[cfg(unix)]
use wcmp::cli::fault;
use wcmp::cli::{parse, run};

fn main() -> ExitCode {
    exit::install_panic_hook();
    #[cfg(unix)]
    fault::install();
    let exit = match parse(env::args_os()) {
        Ok(cli) => run(&cli).unwrap_or_else(|error| exit::report_error(&error)),
        Err(exit) => exit,
    };
    ExitCode::from(exit)
}
