//! The command line: arguments, what they mean, and one file a command.
//!
//! Only this folder and `report::sink` touch the standard streams, the environment, the clock and
//! the process's exit. A command is a function from settings to an [`Answer`]; nothing is printed
//! before the answer is known.

pub mod args;
pub mod choices;
pub mod exit;
pub mod expect;
pub mod failure;
#[cfg(unix)]
pub mod fault;
pub mod settings;
pub mod terminal;

mod commands;
mod guard;
mod help;
mod hub;
mod input;
mod interrupt;
mod kernels;
mod open_files;
mod packaging;
mod say;
mod tips;
mod version;

use std::borrow::Cow;
use std::ffi::OsString;
use std::time::Instant;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Command, GlobalArgs};
use commands::{arch, compare, hash, inspect, rank, show, sketch, verify};
use exit::Exit;
use settings::{Analyses, Settings, Verbosity};
use terminal::{Environment, Progress};

use crate::measure::monitor::Monitor;
use crate::numeric::kernels as loops;
use crate::report::Report;
use crate::report::schema::ExpectRow;
use crate::report::sink::{self, Destination};

/// What a command found out.
#[derive(Debug)]
pub struct Answer {
    /// The report for every destination, each in its format.
    pub reports: Vec<(Destination, Report)>,
    /// How the run ends.
    pub exit: Exit,
    /// Sentences for standard error, said behind the report unless `--quiet`.
    pub notes: Vec<String>,
    /// A line for standard error that is said in any case.
    pub line: Option<String>,
}

impl Answer {
    /// An answer that nothing was expected of.
    fn plain(reports: Vec<(Destination, Report)>) -> Self {
        Self {
            reports,
            exit: Exit::Answered,
            notes: Vec::new(),
            line: None,
        }
    }

    /// An answer of which something may have been expected.
    fn expected(reports: Vec<(Destination, Report)>, row: Option<&ExpectRow>) -> Self {
        let met = row.is_none_or(|row| row.met);
        Self {
            exit: Exit::answered(met),
            line: row.filter(|row| !row.met).map(expect::not_met),
            ..Self::plain(reports)
        }
    }
}

/// Reads the command line. Help and version are printed here.
///
/// # Errors
/// The code to end with: 0 after help and version, 2 after a usage error, which has been said.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> std::result::Result<Cli, Exit> {
    kernels::from_environment().map_err(|what| {
        say::say(&say::error_line(&what));
        Exit::NoAnswer
    })?;
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = command().try_get_matches_from(&arguments);
    matches
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|mut error| {
            tips::add(&mut error, &arguments);
            let printed = error.print();
            match printed {
                Ok(()) if !error.use_stderr() => Exit::Answered,
                Err(lost)
                    if !error.use_stderr() && lost.kind() == std::io::ErrorKind::BrokenPipe =>
                {
                    Exit::Answered
                }
                _ => Exit::NoAnswer,
            }
        })
}

/// The command line's grammar, with what only a run knows.
fn command() -> clap::Command {
    // clap wants text that lives as long as the process.
    let long = version::long(loops::active(), &loops::digester().to_string());
    Cli::command().long_version(&*long.leak())
}

/// A usage error in clap's form.
fn usage_error(what: &str) -> clap::Error {
    command().error(ErrorKind::ValueValidation, what)
}

/// Runs a command and delivers its report.
///
/// # Errors
/// There is no answer, or the report could not be written: an [`Error`](crate::error::Error) with
/// what it happened in as its context.
pub fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let begin = Instant::now();
    let settings = Settings::from_args(&of_reports(cli), &Environment::read())?;
    open_files::raise_limit();
    let destinations = settings.destinations();
    destinations.iter().try_for_each(Destination::check)?;
    let mut written = destinations;
    if let Command::Sketch(_) = cli.command {
        written.insert(0, Destination::from_path(&cli.global.output)?);
    }
    guard::check(&cli.command, &written)?;
    let progress = Progress::new(settings.progress, settings.threads);
    let line = progress.clone();
    interrupt::install(move || line.clear());
    let answer = answer(cli, &settings, &progress);
    progress.clear();
    let answer = answer?;
    let written = sink::write_all(answer.reports);
    written.context("while writing the report")?;
    answer.line.iter().for_each(|line| say::say(line));
    if settings.verbosity > Verbosity::Quiet {
        answer.notes.iter().for_each(|note| say::say_note(note));
    }
    if settings.verbosity == Verbosity::Verbose {
        let (seconds, threads, kernel) = (
            begin.elapsed().as_secs_f64(),
            settings.threads,
            loops::active(),
        );
        say::say_note(&format!(
            "{seconds:.2} s, threads: {threads}, kernel: {kernel}"
        ));
    }
    Ok(answer.exit)
}

/// Where reports go: a sketch is the output of its command, and the report on it goes to standard
/// output.
fn of_reports(cli: &Cli) -> Cow<'_, GlobalArgs> {
    match cli.command {
        Command::Sketch(_) => Cow::Owned(GlobalArgs {
            output: "-".into(),
            ..cli.global.clone()
        }),
        _ => Cow::Borrowed(&cli.global),
    }
}

fn answer(cli: &Cli, settings: &Settings, monitor: &dyn Monitor) -> anyhow::Result<Answer> {
    match &cli.command {
        Command::Sketch(args) => {
            let file = &cli.global.output;
            sketch::run(settings, &args.checkpoint, file, args.io, monitor)
        }
        Command::Compare(args) => {
            let analyses = Analyses::from_args(&args.analysis)?;
            compare::run(settings, &analyses, &args.base, &args.target, monitor)
        }
        Command::Rank(args) => {
            let analyses = Analyses::from_args(&args.analysis)?;
            match (&args.matrix, &args.target) {
                (Some(library), _) => rank::matrix(settings, &analyses, library, monitor),
                (None, Some(target)) => {
                    rank::run(settings, &analyses, target, &args.bases, monitor)
                }
                (None, None) => anyhow::bail!("no target (expected a checkpoint)"),
            }
        }
        Command::Arch(args) => arch::run(settings, &args.target, &args.bases),
        Command::Inspect(args) => inspect::run(settings, &args.checkpoint),
        Command::Hash(args) => {
            let check = args.check.as_deref();
            hash::run(settings, &args.checkpoint, args.io, check, monitor)
        }
        Command::Show(args) => show::run(settings, &args.report, args.tensors),
        Command::Verify(args) => verify::run(settings, &args.report, &args.paths, args.io, monitor),
        Command::Schema(args) => {
            let schema = packaging::schema(args.command);
            Ok(Answer::plain(settings.plain(schema)))
        }
        Command::Completions(args) => {
            let script = packaging::completions(args.shell);
            Ok(Answer::plain(settings.plain(script)))
        }
        Command::Man => Ok(Answer::plain(settings.plain(packaging::man()))),
    }
}
