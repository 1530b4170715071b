//! The `wcmp` binary: parse, run, map the result to an exit code.

use std::env;
use std::process::ExitCode;

use wcmp::cli::failure;
#[cfg(unix)]
use wcmp::cli::fault;
use wcmp::cli::{parse, run};

fn main() -> ExitCode {
    failure::install_panic_hook();
    #[cfg(unix)]
    fault::install();
    let exit = match parse(env::args_os()) {
        Ok(cli) => {
            run(&cli).unwrap_or_else(|error| failure::report_error(&error, cli.global.verbose))
        }
        Err(exit) => exit,
    };
    ExitCode::from(exit)
}
