//! What the typed options mean: defaults resolved, conflicts refused. No later code sees an option.

use std::rc::Rc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::args::{AnalysisArgs, GlobalArgs};
use super::choices::When;
use super::expect::Expect;
use super::terminal::Environment;
use crate::error::{Error, Result};
use crate::pipeline::filter::Filter;
use crate::pipeline::options::Options;
use crate::report::schema::ExpectRow;
use crate::report::sink::Destination;
use crate::report::{self, OutputFormat, Printable, Report, Style};
use crate::verdict::decide::{Confidence, Label};

/// Columns of a text report where there is no terminal.
const DEFAULT_COLUMNS: usize = 80;

/// How much is said on standard error beside an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing.
    Quiet,
    /// Notes.
    Normal,
    /// Notes, and how the run went.
    Verbose,
}

/// What holds for every command.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the report goes, and then where it goes once more, each in its format.
    pub outputs: Vec<(Destination, OutputFormat)>,
    /// Layout of the text report.
    pub style: Style,
    /// Threads of the pass, at least 1.
    pub threads: usize,
    /// What is said beside the report.
    pub verbosity: Verbosity,
    /// Whether the progress line is drawn.
    pub progress: bool,
}

impl Settings {
    /// Resolves the options of every command.
    ///
    /// # Errors
    /// Options that make no sense.
    pub fn from_args(args: &GlobalArgs, environment: &Environment) -> Result<Self> {
        let output = Destination::from_path(&args.output)?;
        let for_terminal = args.format == OutputFormat::Text && output == Destination::Stdout;
        let verbosity = match (args.quiet, args.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        let style = Style {
            width: columns(for_terminal, environment),
            color: for_terminal && colored(args.color, environment),
            full: args.full,
            all_tensors: false,
            lang: args.lang,
        };
        let threads = match args.threads {
            None | Some(0) => environment.cores.max(1),
            Some(threads) => usize::from(threads),
        };
        let progress =
            environment.stderr_is_terminal && !environment.dumb && verbosity > Verbosity::Quiet;
        let mut outputs = vec![(output, args.format)];
        for path in &args.export {
            let format = OutputFormat::of_ending(path).ok_or_else(|| {
                let shown = path.display();
                Error::Usage(format!(
                    "--export {shown}: no ending that stands for a format (expected .txt, .json, \
                     .csv, .md or .html)"
                ))
            })?;
            let destination = Destination::File(path.clone());
            if outputs.iter().any(|(known, _)| known.is_same(&destination)) {
                let shown = path.display();
                return Err(Error::Usage(format!("{shown} is named twice as an output")));
            }
            outputs.push((destination, format));
        }
        Ok(Self {
            outputs,
            style,
            threads,
            verbosity,
            progress,
        })
    }

    /// `answer` for every destination, in its format.
    pub(super) fn render(
        &self,
        answer: impl Printable,
        style: &Style,
    ) -> Vec<(Destination, Report)> {
        let answer = Rc::new(answer);
        let one = |(destination, format): &(Destination, OutputFormat)| {
            // A file is no terminal: its text has no colours and no terminal's width.
            let is_main = self
                .outputs
                .first()
                .is_some_and(|(main, _)| main == destination);
            let for_file = Style {
                width: DEFAULT_COLUMNS,
                color: false,
                ..*style
            };
            let (style, brief) = match is_main {
                true => (style, self.verbosity == Verbosity::Quiet),
                false => (&for_file, false),
            };
            let report = report::render(&answer, *format, style, brief);
            (destination.clone(), report)
        };
        self.outputs.iter().map(one).collect()
    }

    /// `report`, which has one form, for the first destination.
    pub(super) fn plain(&self, report: impl Into<Report>) -> Vec<(Destination, Report)> {
        let main = self.outputs.first().map(|(main, _)| main.clone());
        vec![(main.unwrap_or(Destination::Stdout), report.into())]
    }

    /// Where reports go.
    pub(super) fn destinations(&self) -> Vec<Destination> {
        self.outputs.iter().map(|(to, _)| to.clone()).collect()
    }

    /// The thread pool of the pass.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn pool(&self) -> Result<ThreadPool> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .thread_name(|n| format!("wcmp-{n}"))
            .build();
        pool.map_err(|error| Error::Usage(format!("--threads {}: {error}", self.threads)))
    }
}

/// Whether a report for people has colours.
fn colored(when: When, environment: &Environment) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if environment.no_color => false,
        When::Auto if environment.force_color => true,
        When::Auto => environment.stdout_is_terminal && !environment.dumb,
    }
}

/// Columns of a text report: COLUMNS, else the terminal's, else 80.
fn columns(for_terminal: bool, environment: &Environment) -> usize {
    let terminal = environment.stdout_columns.filter(|_| for_terminal);
    environment
        .columns
        .or(terminal)
        .filter(|columns| *columns > 0)
        .unwrap_or(DEFAULT_COLUMNS)
}

/// What holds for `compare` and `rank`.
#[derive(Debug, Clone)]
pub struct Analyses {
    /// What shapes the answer.
    pub options: Options,
    /// Whether a report for people lists every tensor.
    pub all_tensors: bool,
    /// The verdicts that `--expect` names; `None` where it was not given.
    pub expect: Option<Expect>,
}

impl Analyses {
    /// Resolves the options of `compare` and `rank`.
    ///
    /// # Errors
    /// Globs that cannot be used together.
    pub fn from_args(args: &AnalysisArgs) -> Result<Self> {
        Ok(Self {
            options: Options {
                hash: args.hash,
                pca: args.pca,
                permutation: args.permutation,
                deep: args.deep,
                seed: args.seed,
                filter: Filter::new(&args.include, &args.exclude)?,
                include: args.include.clone(),
                exclude: args.exclude.clone(),
                io: args.io,
            },
            all_tensors: args.tensors,
            expect: Expect::new(&args.expect, args.min_confidence)?,
        })
    }

    /// What was expected, and whether this verdict or conclusion meets it.
    pub fn expected(&self, label: Label, sure: Option<Confidence>) -> Option<ExpectRow> {
        self.expect.as_ref().map(|expect| expect.held(label, sure))
    }

    /// Layout of the text and markdown reports.
    pub fn style(&self, settings: &Settings) -> Style {
        Style {
            all_tensors: self.all_tensors,
            full: settings.style.full || self.all_tensors,
            ..settings.style
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::pipeline::options::{Deep, Hashing, PcaMode, Switch};
    use crate::source::Io;
    use clap::Parser;

    fn settings(options: &[&str], environment: &Environment) -> Settings {
        let cli = Cli::try_parse_from(["wcmp", "inspect", "x"].iter().chain(options)).unwrap();
        Settings::from_args(&cli.global, environment).unwrap()
    }

    fn terminal() -> Environment {
        Environment {
            stdout_is_terminal: true,
            stdout_columns: Some(132),
            stderr_is_terminal: true,
            cores: 8,
            ..Environment::default()
        }
    }

    #[test]
    fn color_follows_terminal_and_environment() {
        let color = |options: &[&str], environment: &Environment| {
            settings(options, environment).style.color
        };
        let (terminal, pipe) = (terminal(), Environment::default());
        let no_color = Environment {
            no_color: true,
            force_color: true,
            ..terminal.clone()
        };
        let forced = Environment {
            force_color: true,
            ..pipe.clone()
        };
        let dumb = Environment {
            dumb: true,
            ..terminal.clone()
        };
        assert!(color(&[], &terminal));
        assert!(!color(&[], &pipe));
        assert!(!color(&[], &no_color));
        assert!(color(&[], &forced));
        assert!(!color(&[], &dumb));
        assert!(color(&["--color", "always"], &no_color));
        assert!(!color(&["--color", "never"], &terminal));
    }

    #[test]
    fn color_never_reaches_a_file_or_another_format() {
        for options in [
            ["--format", "json"],
            ["--format", "markdown"],
            ["--output", "x"],
        ] {
            let options = [options[0], options[1], "--color", "always"];
            assert!(!settings(&options, &terminal()).style.color);
        }
    }

    #[test]
    fn width_is_columns_then_the_terminal_then_eighty() {
        let width = |options: &[&str], environment: &Environment| {
            settings(options, environment).style.width
        };
        assert_eq!(width(&[], &terminal()), 132);
        assert_eq!(width(&["--output", "x"], &terminal()), 80);
        assert_eq!(width(&[], &Environment::default()), 80);
        assert_eq!(
            width(
                &[],
                &Environment {
                    columns: Some(100),
                    ..terminal()
                }
            ),
            100
        );
        assert_eq!(
            width(
                &[],
                &Environment {
                    columns: Some(0),
                    ..terminal()
                }
            ),
            80
        );
    }

    #[test]
    fn threads_default_to_all_cores() {
        assert_eq!(settings(&[], &terminal()).threads, 8);
        assert_eq!(settings(&["--threads", "0"], &terminal()).threads, 8);
        assert_eq!(settings(&["--threads", "3"], &terminal()).threads, 3);
        assert_eq!(
            settings(&["--threads", "3"], &terminal())
                .pool()
                .unwrap()
                .current_num_threads(),
            3
        );
    }

    #[test]
    fn progress_needs_a_terminal_and_no_quiet() {
        assert!(settings(&[], &terminal()).progress);
        assert!(!settings(&["-q"], &terminal()).progress);
        assert!(!settings(&[], &Environment::default()).progress);
        assert!(
            !settings(
                &[],
                &Environment {
                    dumb: true,
                    ..terminal()
                }
            )
            .progress
        );
    }

    fn analyses(options: &[&str]) -> Analyses {
        let cli = Cli::try_parse_from(["wcmp", "compare", "a", "b"].iter().chain(options)).unwrap();
        let Command::Compare(args) = cli.command else {
            panic!("not compare")
        };
        Analyses::from_args(&args.analysis).unwrap()
    }

    #[test]
    fn expect_is_met_by_label_and_confidence_and_without_it_nothing_is_expected() {
        assert!(analyses(&[]).expected(Label::Inconclusive, None).is_none());
        let met =
            |options: &[&str], label, sure| analyses(options).expected(label, sure).unwrap().met;
        let related = ["--expect", "related,from_scratch"];
        assert!(met(&related, Label::Derived, Some(Confidence::Weak)));
        assert!(!met(&related, Label::Inconclusive, None));
        let strong = ["--expect", "derived", "--min-confidence", "strong"];
        assert!(met(&strong, Label::Derived, Some(Confidence::Strong)));
        assert!(met(&strong, Label::Derived, Some(Confidence::Conclusive)));
        assert!(!met(&strong, Label::Derived, Some(Confidence::Moderate)));
    }

    #[test]
    fn tensors_asks_for_every_row() {
        let settings = settings(&[], &terminal());
        assert!(!analyses(&[]).style(&settings).all_tensors);
        assert!(analyses(&["--tensors"]).style(&settings).all_tensors);
    }

    #[test]
    fn every_analysis_is_on_by_default() {
        let analyses = analyses(&[]);
        let options = analyses.options;
        assert_eq!(
            (options.hash, options.pca, options.permutation),
            (Hashing::Sha256, PcaMode::Fast, Switch::On)
        );
        assert_eq!(
            (options.deep, options.seed, options.io),
            (Deep::Auto, 0, Io::Mmap)
        );
        assert!(analyses.expect.is_none() && options.filter.is_off());
    }
}
