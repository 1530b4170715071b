//! How fast the binary is as a whole, against the tools that do no more than it has to: `cargo
//! bench --bench throughput`.
//!
//! Writes pairs of checkpoints, reads them once so that they lie in the page cache, then runs all
//! commands in turn, round after round, and prints the kernels in use and medians, with the ratios
//! to the peers of the same round: their median, the least and the most. Options after `--`:
//!
//! - `--dir DIR`: where the checkpoints are written and kept (target/tmp/throughput); 8.2 GiB for
//!   the two ordinary cases
//! - `--rounds N`: rounds (5)
//! - `derived`, `independent`: the pair of 2 x 2.05 GiB, against the peers (both by default)
//! - `cold`: the derived pair, taken out of the page cache before every run (by GNU `dd`)
//! - `re-encoded`: F32 and its own BF16, against an independent model in BF16 (0.5 GB a pair)
//! - `sizes`: pairs of 0.8 to 8 GiB; `threads`: 1, 2, 4, … threads; `experts`: 100,000 small
//!   tensors
#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr)]

mod checkpoints;
mod stopwatch;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use checkpoints::{Decoder, Kind, write_pair};
use stopwatch::{Run, median, time};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Sums alone.
const BARE: &[&str] = &["--hash", "none", "--pca", "off", "--permutation", "off"];

/// Sums and digests.
const HASHED: &[&str] = &["--pca", "off", "--permutation", "off"];

/// The script that a careful user writes.
const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/benches/throughput/peer_stream.py"
);

fn main() -> ExitCode {
    match Plan::from_args(std::env::args().skip(1)).and_then(|plan| plan.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throughput: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Plan {
    dir: PathBuf,
    rounds: usize,
    cases: Vec<String>,
}

/// A line of a table: processes that run together, and the lines that its time is divided by.
struct Line {
    name: String,
    commands: Vec<Command>,
    against: Option<usize>,
    runs: Vec<Run>,
}

impl Line {
    fn new(name: impl Into<String>, commands: Vec<Command>, against: Option<usize>) -> Self {
        Self {
            name: name.into(),
            commands,
            against,
            runs: Vec::new(),
        }
    }
}

impl Plan {
    fn from_args(args: impl Iterator<Item = String>) -> Result<Self> {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("throughput");
        let mut plan = Self {
            dir,
            rounds: 5,
            cases: Vec::new(),
        };
        let mut args = args.filter(|arg| arg != "--bench");
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--dir" => plan.dir = value()?.into(),
                "--rounds" => plan.rounds = value()?.parse()?,
                "derived" | "independent" | "cold" | "re-encoded" | "sizes" | "threads"
                | "experts" => plan.cases.push(arg),
                _ => {
                    return Err(format!(
                        "{arg}: expected --dir, --rounds, derived, independent, cold, re-encoded, sizes, threads or experts"
                    )
                    .into());
                }
            }
        }
        if plan.cases.is_empty() {
            plan.cases = vec!["derived".to_owned(), "independent".to_owned()];
        }
        Ok(plan)
    }

    fn run(&self) -> Result<()> {
        println!(
            "{} cores; medians of {} rounds",
            std::thread::available_parallelism()?,
            self.rounds
        );
        let version = Command::new(env!("CARGO_BIN_EXE_wcmp"))
            .arg("--version")
            .output()?;
        print!("{}", String::from_utf8_lossy(&version.stdout));
        for case in &self.cases {
            match case.as_str() {
                "derived" => self.against_peers(case, Kind::Derived)?,
                "independent" => self.against_peers(case, Kind::Independent)?,
                "cold" => self.cold()?,
                "re-encoded" => self.re_encoded()?,
                "sizes" => self.sizes()?,
                "threads" => self.threads()?,
                _ => self.experts()?,
            }
        }
        Ok(())
    }

    fn pair(&self, case: &str, decoder: Decoder, kind: Kind) -> Result<[PathBuf; 2]> {
        let sides = write_pair(&self.dir.join(case), decoder, kind)?;
        // A first reading, so that no round finds the files on disk alone.
        for file in sides.iter().flat_map(|side| weights(side)) {
            std::io::copy(&mut fs::File::open(file)?, &mut std::io::sink())?;
        }
        Ok(sides)
    }

    fn against_peers(&self, case: &str, kind: Kind) -> Result<()> {
        let sides = self.pair(case, Decoder::dense(22), kind)?;
        let mut lines = vec![Line::new(
            "cat base/* target/*",
            vec![over("cat", &[], &sides)],
            None,
        )];
        let openssl = installed("openssl", &["version"]).then(|| {
            let digest =
                |side: &PathBuf| over("openssl", &["dgst", "-sha256"], std::slice::from_ref(side));
            lines.push(Line::new(
                "two openssl dgst -sha256",
                sides.iter().map(digest).collect(),
                None,
            ));
            lines.len() - 1
        });
        lines.push(Line::new(
            "wcmp, sums alone",
            vec![wcmp(&sides, BARE)],
            Some(0),
        ));
        lines.push(Line::new(
            "wcmp, sums alone, --io read",
            vec![wcmp(&sides, &[BARE, &["--io", "read"]].concat())],
            Some(0),
        ));
        lines.push(Line::new(
            "wcmp, sums and digests",
            vec![wcmp(&sides, HASHED)],
            openssl,
        ));
        lines.push(Line::new(
            "wcmp, sums and digests, --io read",
            vec![wcmp(&sides, &[HASHED, &["--io", "read"]].concat())],
            openssl,
        ));
        lines.push(Line::new(
            "wcmp, everything",
            vec![wcmp(&sides, &[])],
            openssl,
        ));
        let everything = lines.len() - 1;
        if installed("python3", &["-c", "import torch, safetensors"]) {
            lines.push(Line::new(
                "Python script over torch",
                vec![script(&sides, &[])],
                Some(everything),
            ));
            lines.push(Line::new(
                "the same without digests",
                vec![script(&sides, &["--no-hash"])],
                Some(everything - 4),
            ));
        }
        self.measure(case, bytes(&sides), &mut lines)?;
        self.hashes(case, &sides[..1])
    }

    /// Digests of one model.
    fn hashes(&self, case: &str, base: &[PathBuf]) -> Result<()> {
        let mut lines = Vec::new();
        if installed("openssl", &["version"]) {
            let digest = over("openssl", &["dgst", "-sha256"], base);
            lines.push(Line::new("openssl dgst -sha256", vec![digest], None));
        }
        let openssl = (!lines.is_empty()).then_some(0);
        if installed("b3sum", &["--version"]) {
            lines.push(Line::new("b3sum", vec![over("b3sum", &[], base)], openssl));
        }
        for (name, io) in [("wcmp hash", "mmap"), ("wcmp hash, --io read", "read")] {
            let mut hash = Command::new(env!("CARGO_BIN_EXE_wcmp"));
            hash.arg("hash").args(base).args(["--io", io]);
            lines.push(Line::new(name, vec![hash], openssl));
        }
        self.measure(&format!("{case}, base alone"), bytes(base), &mut lines)
    }

    fn cold(&self) -> Result<()> {
        let sides = self.pair("derived", Decoder::dense(22), Kind::Derived)?;
        let mut lines = vec![Line::new(
            "cat base/* target/*",
            vec![over("cat", &[], &sides)],
            None,
        )];
        for line in wcmp_alone(&sides, &[]) {
            lines.push(Line {
                against: Some(0),
                ..line
            });
        }
        let files: Vec<PathBuf> = sides.iter().flat_map(|side| weights(side)).collect();
        self.measure_after("cold cache", bytes(&sides), &mut lines, &|| forget(&files))
    }

    /// What a mere re-encoding costs beside the plain pass over an independent model.
    fn re_encoded(&self) -> Result<()> {
        let mut lines = Vec::new();
        let mut size = 0;
        for (name, kind) in [
            ("F32 and another BF16", Kind::IndependentOfF32),
            ("F32 and its own BF16", Kind::ReEncoded),
        ] {
            let sides = self.pair(name, Decoder::small(), kind)?;
            let options = [HASHED, &["--deep", "off"]].concat();
            let against = (!lines.is_empty()).then_some(0);
            lines.push(Line::new(name, vec![wcmp(&sides, &options)], against));
            size = bytes(&sides);
        }
        self.measure("re-encoded", size, &mut lines)
    }

    fn sizes(&self) -> Result<()> {
        for layers in [2, 6, 11, 25, 44] {
            let sides = self.pair(
                &format!("{layers} layers"),
                Decoder::dense(layers),
                Kind::Derived,
            )?;
            self.measure(
                &format!("{layers} layers"),
                bytes(&sides),
                &mut wcmp_alone(&sides, &[]),
            )?;
        }
        Ok(())
    }

    fn threads(&self) -> Result<()> {
        let sides = self.pair("derived", Decoder::dense(22), Kind::Derived)?;
        let cores = std::thread::available_parallelism()?.get();
        let mut threads = 1;
        while threads <= cores {
            let title = format!("--threads {threads}");
            self.measure(
                &title,
                bytes(&sides),
                &mut wcmp_alone(&sides, &["--threads", &threads.to_string()]),
            )?;
            threads *= 2;
        }
        Ok(())
    }

    fn experts(&self) -> Result<()> {
        let sides = self.pair("experts", Decoder::many_experts(), Kind::Derived)?;
        let mut lines = vec![Line::new(
            "cat base/* target/*",
            vec![over("cat", &[], &sides)],
            None,
        )];
        lines.extend(wcmp_alone(&sides, &[]));
        self.measure("98,752 tensors", bytes(&sides), &mut lines)
    }

    fn measure(&self, title: &str, bytes: u64, lines: &mut [Line]) -> Result<()> {
        self.measure_after(title, bytes, lines, &|| Ok(()))
    }

    /// Runs `prepare` before every command.
    fn measure_after(
        &self,
        title: &str,
        bytes: u64,
        lines: &mut [Line],
        prepare: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        for _ in 0..self.rounds {
            for line in &mut *lines {
                prepare()?;
                line.runs.push(time(&mut line.commands)?);
            }
        }
        println!("\n{title}, {:.2} GB", bytes as f64 / 1e9);
        println!(
            "{:<36} {:>7} {:>7} {:>6} {:>9}  ratio of times",
            "", "wall s", "cpu s", "GB/s", "peak MiB"
        );
        for line in &*lines {
            let wall = median(line.runs.iter().map(|run| run.wall).collect());
            let cpu = line
                .runs
                .iter()
                .map(|run| run.cpu)
                .collect::<Option<Vec<_>>>()
                .map_or(f64::NAN, median);
            let peak = line
                .runs
                .iter()
                .filter_map(|run| run.peak)
                .max()
                .map_or(f64::NAN, |peak| peak as f64 / (1 << 20) as f64);
            let ratio = line.against.map(|other| {
                let rounds = line.runs.iter().zip(&lines[other].runs);
                let ratios: Vec<f64> = rounds.map(|(own, other)| own.wall / other.wall).collect();
                let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
                let most = ratios.iter().copied().fold(0.0, f64::max);
                let name = &lines[other].name;
                format!("{:.2} x {name} ({least:.2} to {most:.2})", median(ratios))
            });
            let rate = bytes as f64 / 1e9 / wall;
            println!(
                "{:<36} {wall:>7.2} {cpu:>7.2} {rate:>6.2} {peak:>9.1}  {}",
                line.name,
                ratio.unwrap_or_default()
            );
        }
        Ok(())
    }
}

fn wcmp_alone(sides: &[PathBuf; 2], options: &[&str]) -> Vec<Line> {
    let line =
        |name, own: &[&str]| Line::new(name, vec![wcmp(sides, &[own, options].concat())], None);
    vec![
        line("wcmp, sums alone", BARE),
        line("wcmp, sums and digests", HASHED),
        line("wcmp, everything", &[]),
    ]
}

fn wcmp(sides: &[PathBuf; 2], options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wcmp"));
    command
        .arg("compare")
        .args(sides)
        .args(["--format", "json"])
        .args(options);
    command
}

fn script(sides: &[PathBuf; 2], options: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(SCRIPT).args(sides).args(options);
    command
}

/// `program` over the weight files of `sides`.
fn over(program: &str, options: &[&str], sides: &[PathBuf]) -> Command {
    let mut command = Command::new(program);
    command
        .args(options)
        .args(sides.iter().flat_map(|side| weights(side)));
    command
}

fn weights(side: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(side)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    files.sort();
    files
}

/// Takes files out of the page cache.
fn forget(files: &[PathBuf]) -> Result<()> {
    for file in files {
        let mut dd = Command::new("dd");
        dd.arg(format!("if={}", file.display()))
            .args(["iflag=nocache", "count=0", "status=none"]);
        if !dd.status()?.success() {
            return Err("dd could not take a file out of the page cache".into());
        }
    }
    Ok(())
}

fn bytes(sides: &[PathBuf]) -> u64 {
    let files = sides.iter().flat_map(|side| weights(side));
    files
        .filter_map(|file| fs::metadata(file).ok())
        .map(|file| file.len())
        .sum()
}

fn installed(program: &str, options: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
