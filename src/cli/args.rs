//! The command line as it is typed: clap types. What it means is `settings`' business.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::choices::When;
use super::expect::WORDS;
use super::help;
use crate::pipeline::filter::checked_glob;
use crate::pipeline::options::{Deep, Hashing, Options, PcaMode, Switch};
use crate::report::schema::ReportKind;
use crate::report::{Lang, OutputFormat};
use crate::results::settings::Settings;
use crate::source::Io;
use crate::verdict::decide::Confidence;

/// Weight forensics: was one model made from the other, or trained from scratch?
///
/// wcmp reads two or more released checkpoints from disk, compares every tensor, tests whether the
/// likeness can be chance, and gives a verdict whose figures can be checked. Nothing leaves the
/// machine.
///
/// A CHECKPOINT is a directory in the Hugging Face layout, a single file, an index.json, or a hub
/// cache folder models--ORG--NAME; or a sketch of one, which stands for it.
#[derive(Debug, Parser)]
#[command(name = "wcmp", version, arg_required_else_help = true)]
#[command(after_long_help = help::MAIN)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Was TARGET made from BASE? Figures, evidence, verdict
    #[command(after_long_help = help::COMPARE)]
    Compare(CompareArgs),
    /// Which of these bases is TARGET made from, or from none?
    #[command(after_long_help = help::RANK)]
    Rank(RankArgs),
    /// Can the weights be compared at all, part by part?
    ///
    /// config.json alone is enough; where weights are there, their shapes are used and a config
    /// that contradicts them is named.
    #[command(after_long_help = help::ARCH)]
    Arch(ArchArgs),
    /// What does wcmp see in it? Tensors, parts, roles, storage
    #[command(after_long_help = help::INSPECT)]
    Inspect(InspectArgs),
    /// Print a release's manifest, or check a copy against it
    ///
    /// One line a tensor, DIGEST  DTYPE  SHAPE  NAME, sorted by name, then the model digest: the
    /// same however the files are sharded.
    #[command(after_long_help = help::HASH)]
    Hash(HashArgs),
    /// What to keep of a model, to compare with it without its weights?
    ///
    /// Writes a file of a few megabytes that compare and rank take in place of the checkpoint; the
    /// report says what it holds. Nothing can be rebuilt from it beyond the share that it names.
    #[command(after_long_help = help::SKETCH)]
    Sketch(SketchArgs),
    /// A saved JSON report, in another format or language
    ///
    /// With the options of the original run it gives the same bytes.
    Show(ShowArgs),
    /// Does a saved report come out the same from these files?
    ///
    /// Opens the checkpoints again, runs with the report's settings and says what differs. Paths
    /// and names aside.
    #[command(after_long_help = help::VERIFY)]
    Verify(VerifyArgs),
    /// Print the JSON Schema of a command's report
    Schema(SchemaArgs),
    /// Print a completion script (for packagers)
    Completions(CompletionsArgs),
    /// Print the manual page (for packagers)
    Man,
}

/// Options of every command; they may stand before or after it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct GlobalArgs {
    /// text, json, csv, markdown or html [default: text]
    #[arg(short, long, global = true, overrides_with = "format", value_name = "FORMAT", value_enum, default_value_t = OutputFormat::Text)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub format: OutputFormat,
    /// Write to FILE, whole or not at all [default: -]
    ///
    /// The report is written beside FILE and renamed over it when it is complete; - is standard
    /// output.
    #[arg(
        short,
        long,
        global = true,
        overrides_with = "output",
        value_name = "FILE",
        default_value = "-",
        hide_default_value = true
    )]
    pub output: PathBuf,
    /// Once more, in the format of FILE's ending (repeatable)
    ///
    /// .txt, .json, .csv, .md or .html; the checkpoints are read once for all.
    #[arg(long, global = true, value_name = "FILE")]
    pub export: Vec<PathBuf>,
    /// Every test and table, not the answer on one screen
    #[arg(long, global = true)]
    pub full: bool,
    /// Language of reports: en or ko [default: en]
    ///
    /// Text, Markdown and HTML; JSON, CSV, labels and exit codes are the same in both.
    #[arg(long, global = true, value_name = "LANG", value_enum, default_value_t = Lang::En)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub lang: Lang,
    /// Colours: auto, always or never [default: auto]
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = When::Auto)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub color: When,
    /// Threads of the pass [default: all cores]
    ///
    /// Nothing in the report depends on it.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1024))]
    pub threads: Option<u16>,
    /// No progress, no notes; of text the first line alone
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More notes on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// Options of `compare` and `rank`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Analyses")]
pub struct AnalysisArgs {
    /// Digests: sha256 or none [default: sha256]
    #[arg(long, value_name = "HASH", value_enum, default_value_t = Settings::default().hash)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub hash: Hashing,
    /// PCA: fast, full or off [default: fast]
    ///
    /// Overlap of principal subspaces; fast takes a sample of matrices and rows, full takes all.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Settings::default().pca)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub pca: PcaMode,
    /// Permutation test: on or off [default: on]
    #[arg(long, value_name = "SWITCH", value_enum, default_value_t = Settings::default().permutation)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub permutation: Switch,
    /// Disguise tests: auto, on or off [default: auto]
    ///
    /// They see through re-ordered units, moved layers and rotated weights. auto runs them where
    /// the plain tests find nothing, on few layers; on runs them all, on all layers.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Settings::default().deep)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub deep: Deep,
    /// Seed of every random draw [default: 0]
    #[arg(long, value_name = "N", default_value_t = Settings::default().seed, hide_default_value = true)]
    pub seed: u64,
    /// Only tensors whose name matches (repeatable)
    #[arg(long, value_name = "GLOB", value_parser = checked_glob)]
    pub include: Vec<String>,
    /// Not the tensors whose name matches (repeatable)
    #[arg(long, value_name = "GLOB", value_parser = checked_glob)]
    pub exclude: Vec<String>,
    /// Every tensor in text and markdown; implies --full
    #[arg(long)]
    pub tensors: bool,
    /// How files are read: mmap or read [default: mmap]
    ///
    /// read is for network file systems and for files that may change meanwhile.
    #[arg(long, value_name = "IO", value_enum, default_value_t = Options::default().io)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub io: Io,
    /// Exit with 1 unless the verdict is one of these
    ///
    /// identical, re_encoded, derived, partial_reuse, from_scratch, inconclusive, or a group:
    /// independent (from_scratch), related (identical, re_encoded, derived or partial_reuse).
    #[arg(long, value_name = "WORD[,WORD]", value_delimiter = ',', value_parser = WORDS)]
    #[arg(hide_possible_values = true)]
    pub expect: Vec<String>,
    /// With --expect: how sure it must be at least
    ///
    /// weak, moderate, strong or conclusive.
    #[arg(long, value_name = "WORD", value_enum, hide_possible_values = true)]
    pub min_confidence: Option<Confidence>,
}

/// `wcmp compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Checkpoint that may be the origin, or a sketch of it
    #[arg(value_name = "BASE")]
    pub base: PathBuf,
    /// Checkpoint in question, or a sketch of it
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,
    /// What runs.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
}

/// `wcmp rank`.
#[derive(Debug, Args)]
pub struct RankArgs {
    /// Checkpoint in question
    #[arg(value_name = "TARGET", required_unless_present = "matrix")]
    pub target: Option<PathBuf>,
    /// Checkpoints or sketches it may be made from, or directories of them
    #[arg(value_name = "BASE", required_unless_present = "matrix")]
    pub bases: Vec<PathBuf>,
    /// All sketches of a directory against one another
    ///
    /// A table of all pairs, and the families among them as trees. Units are looked for in their
    /// places alone.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["target", "bases"])]
    pub matrix: Option<PathBuf>,
    /// What runs.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
}

/// `wcmp arch`.
#[derive(Debug, Args)]
pub struct ArchArgs {
    /// Checkpoint or config.json in question
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,
    /// Checkpoints or config.json files to hold it against
    #[arg(value_name = "BASE", required = true)]
    pub bases: Vec<PathBuf>,
}

/// `wcmp inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Checkpoint to look at
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
}

/// `wcmp hash`.
#[derive(Debug, Args)]
pub struct HashArgs {
    /// Checkpoint whose tensors are digested
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
    /// Check against this manifest; - is standard input
    ///
    /// Text or JSON, as wcmp hash prints them, or a sketch.
    #[arg(long, value_name = "MANIFEST")]
    pub check: Option<PathBuf>,
    /// How files are read: mmap or read [default: mmap]
    ///
    /// read is for network file systems and for files that may change meanwhile.
    #[arg(long, value_name = "IO", value_enum, default_value_t = Options::default().io)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub io: Io,
}

/// `wcmp sketch`.
#[derive(Debug, Args)]
pub struct SketchArgs {
    /// Checkpoint that the sketch is taken of
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
    /// How files are read: mmap or read [default: mmap]
    ///
    /// read is for network file systems and for files that may change meanwhile.
    #[arg(long, value_name = "IO", value_enum, default_value_t = Options::default().io)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub io: Io,
}

/// `wcmp show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Report that --format json gave; - is standard input
    #[arg(value_name = "REPORT")]
    pub report: PathBuf,
    /// Every tensor in text and markdown; implies --full
    #[arg(long)]
    pub tensors: bool,
}

/// `wcmp verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Report that --format json gave; - is standard input
    #[arg(value_name = "REPORT")]
    pub report: PathBuf,
    /// Checkpoints in place of those the report names, in the order of its command
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How files are read: mmap or read [default: mmap]
    ///
    /// read is for network file systems and for files that may change meanwhile.
    #[arg(long, value_name = "IO", value_enum, default_value_t = Options::default().io)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub io: Io,
}

/// `wcmp schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// compare, rank, arch, inspect, hash, check (of hash --check), sketch or verify
    #[arg(value_name = "COMMAND", value_enum, hide_possible_values = true)]
    pub command: ReportKind,
}

/// `wcmp completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    pub shell: Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_names_the_defaults_that_hold() {
        let command = Cli::command();
        let mut held = Vec::new();
        for command in std::iter::once(&command).chain(command.get_subcommands()) {
            for option in command.get_arguments() {
                let help = option
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let Some((_, said)) = help.split_once("[default: ") else {
                    continue;
                };
                let name = option.get_id().as_str();
                match option.get_default_values() {
                    [default] => assert_eq!(said.strip_suffix(']'), default.to_str(), "{name}"),
                    // The number of cores is the machine's.
                    _ => assert_eq!(name, "threads"),
                }
                held.push(name.to_owned());
            }
        }
        held.sort_unstable();
        held.dedup();
        assert_eq!(
            held,
            [
                "color",
                "deep",
                "format",
                "hash",
                "io",
                "lang",
                "output",
                "pca",
                "permutation",
                "seed",
                "threads"
            ]
        );
    }
}
