//! The command line from outside: exit codes, streams, options of every command.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::command::{answer, error_line, fixture, run, text, wcmp};
use crate::support::file::{Tensor, safetensors};

fn path(name: &str) -> String {
    fixture(name).display().to_string()
}

const COMMANDS: [&str; 5] = ["compare", "rank", "arch", "inspect", "hash"];

#[test]
fn short_help_is_one_screen_of_eighty_columns() {
    let mut pages = vec![run(&["-h"])];
    pages.extend(COMMANDS.map(|command| run(&[command, "-h"])));
    for page in pages {
        let page = answer(&page, 0);
        assert!(page.lines().count() <= 48, "{page}");
        assert!(
            page.lines().all(|line| line.chars().count() <= 80),
            "{page}"
        );
    }
}

#[test]
fn long_help_has_examples_and_exit_codes() {
    for command in COMMANDS {
        let help = run(&[command, "--help"]);
        let help = answer(&help, 0);
        assert!(
            help.contains(&format!("  wcmp {command} ")) && help.contains("Exit codes:"),
            "{help}"
        );
    }
    let help = run(&["--help"]);
    assert!(answer(&help, 0).contains("130  interrupted"));
}

#[test]
fn version_names_kernel_and_formats() {
    let version = run(&["--version"]);
    let lines: Vec<&str> = answer(&version, 0).lines().collect();
    assert_eq!(lines[0], format!("wcmp {}", env!("CARGO_PKG_VERSION")));
    assert!(
        lines[1].starts_with("kernel:  ")
            && lines[2].starts_with("digests: ")
            && lines[3].starts_with("formats: safetensors"),
        "{lines:?}"
    );
    assert_eq!(answer(&run(&["-V"]), 0).lines().count(), 1);
}

#[test]
fn kernels_are_taken_by_name_or_not_at_all() {
    let forced = |names: &str| {
        let mut command = wcmp();
        let command = command.env("WCMP_KERNEL", names).arg("--version");
        command.output().expect("run wcmp")
    };
    let lines = |names: &str| answer(&forced(names), 0).to_owned();
    assert!(lines("portable").contains("kernel:  portable\ndigests: portable\n"));
    assert!(lines("portable, sha2").contains("kernel:  portable\ndigests: sha2\n"));
    let refused = forced("avx1024");
    let line = error_line(&refused);
    assert!(
        line.contains("avx1024") && line.contains("digests sha2, portable"),
        "{line}"
    );
    assert_eq!(lines(""), answer(&run(&["--version"]), 0));
}

#[test]
fn usage_errors_end_with_2_and_say_how() {
    let base = path("base");
    let cases: &[&[&str]] = &[
        &[],
        &["frobnicate"],
        &["compare"],
        &["compare", &base],
        &["compare", &base, &base, &base],
        &["rank", &base],
        &["arch", &base],
        &["inspect"],
        &["inspect", &base, "--expect", "derived"],
        &["inspect", &base, "--format", "xml"],
        &["inspect", &base, "--threads", "-1"],
        &["inspect", &base, "--threads", "many"],
        &["inspect", &base, "-q", "-v"],
        &["inspect", &base, "--output", ""],
        &["inspect", "-"],
        &["compare", &base, &base, "--expect", "genuine"],
        &["compare", &base, &base, "--expect", "derived,"],
        &["compare", &base, &base, "--include", "layers.[0"],
        &["compare", &base, &base, "--seed", "-1"],
        &["compare", &base, &base, "--pca", "slow"],
        &["completions", "tcsh"],
        &["hash", "--check"],
    ];
    for case in cases {
        let output = run(case);
        assert_eq!(output.status.code(), Some(2), "{case:?}");
        assert_eq!(text(&output.stdout), "", "{case:?}");
        let error = text(&output.stderr);
        assert!(
            error.contains("Usage: wcmp") || error.contains("try '--help'"),
            "{case:?}: {error}"
        );
    }
}

#[test]
fn global_options_stand_before_or_behind_the_command() {
    let base = path("base");
    let before = run(&["--format", "json", "inspect", &base]);
    let behind = run(&["inspect", &base, "--format", "json"]);
    assert_eq!(answer(&before, 0), answer(&behind, 0));
}

#[test]
fn a_wrong_path_is_one_line_that_names_it() {
    for command in ["inspect", "hash"] {
        let output = run(&[command, "no/such/model"]);
        assert!(
            error_line(&output).contains("no/such/model"),
            "{}",
            error_line(&output)
        );
    }
    let name = "a\n\u{1b}[31mb";
    assert!(error_line(&run(&["inspect", name])).contains("a\\n\\u001B[31mb"));
}

#[test]
fn a_closed_pipe_is_quiet_and_keeps_the_code() {
    let manifest = run(&["hash", &path("base")]);
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = directory.path().join("manifest");
    fs::write(&file, &manifest.stdout).expect("write the manifest");
    let file = file.display().to_string();
    let (base, other) = (path("base"), path("independent"));
    let cases: [(&[&str], i32); 4] = [
        (&["inspect", &base, "--format", "json"], 0),
        (&["hash", "--check", &file, &other], 1),
        (&["man"], 0),
        (&["--help"], 0),
    ];
    for (arguments, code) in cases {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wcmp"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run wcmp");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("wait for wcmp");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_on_every_stream() {
    let base = path("base");
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("open /dev/full")
    };
    for arguments in [
        &["inspect", &base] as &[&str],
        &["hash", &base],
        &["man"],
        &["completions", "bash"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_wcmp"))
            .args(arguments)
            .stdout(full())
            .output()
            .expect("run wcmp");
        assert!(
            error_line(&output).contains("standard output: "),
            "{arguments:?}"
        );
    }
    let help = Command::new(env!("CARGO_BIN_EXE_wcmp"))
        .arg("--help")
        .stdout(full())
        .output()
        .expect("run wcmp");
    assert_eq!(help.status.code(), Some(2));
    assert!(error_line(&run(&["inspect", &base, "--output", "/dev/full"])).contains("/dev/full: "));
}

#[test]
fn output_holds_what_standard_output_would() {
    let base = path("base");
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = directory.path().join("report.json");
    fs::write(&file, "an older report").expect("write");
    let name = file.display().to_string();
    let printed = run(&["inspect", &base, "--format", "json"]);
    assert_eq!(
        answer(
            &run(&["inspect", &base, "--format", "json", "--output", &name]),
            0
        ),
        ""
    );
    assert_eq!(
        fs::read_to_string(&file).expect("read"),
        answer(&printed, 0)
    );
    assert_eq!(fs::read_dir(&directory).expect("list").count(), 1);
    let dash = run(&["inspect", &base, "--format", "json", "--output", "-"]);
    assert_eq!(answer(&dash, 0), answer(&printed, 0));
    let device = run(&[
        "inspect",
        &base,
        "--format",
        "json",
        "--output",
        "/dev/stdout",
    ]);
    assert_eq!(answer(&device, 0), answer(&printed, 0));
}

#[test]
fn output_is_left_alone_where_there_is_no_answer() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = directory.path().join("report");
    fs::write(&file, "an older report").expect("write");
    error_line(&run(&[
        "inspect",
        "no/such/model",
        "--output",
        &file.display().to_string(),
    ]));
    assert_eq!(fs::read_to_string(&file).expect("read"), "an older report");
    assert_eq!(fs::read_dir(&directory).expect("list").count(), 1);
}

#[test]
fn output_that_cannot_be_written_is_refused() {
    let base = path("base");
    let directory = tempfile::tempdir().expect("temporary directory");
    let missing = directory
        .path()
        .join("missing/report")
        .display()
        .to_string();
    assert!(error_line(&run(&["inspect", &base, "--output", &missing])).contains(&missing));
    let itself = directory.path().display().to_string();
    assert!(error_line(&run(&["inspect", &base, "--output", &itself])).contains("directory"));
}

#[test]
fn output_never_replaces_an_input() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let weights = directory.path().join("model.safetensors");
    fs::copy(fixture("base/model.safetensors"), &weights).expect("copy");
    let name = weights.display().to_string();
    let before = fs::read(&weights).expect("read");
    for input in [&name, &directory.path().display().to_string()] {
        let output = run(&["hash", input, "--output", &name]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            text(&output.stderr).contains("would overwrite an input"),
            "{}",
            text(&output.stderr)
        );
    }
    assert_eq!(fs::read(&weights).expect("read"), before);
}

#[test]
fn color_is_for_terminals_unless_the_environment_or_the_option_says_so() {
    let base = path("base");
    let colored = |options: &[&str], environment: &[(&str, &str)]| {
        let output = wcmp()
            .args(["inspect", &base])
            .args(options)
            .envs(environment.iter().copied())
            .output();
        answer(&output.expect("run wcmp"), 0).contains('\u{1b}')
    };
    assert!(!colored(&[], &[]));
    assert!(colored(&["--color", "always"], &[]));
    assert!(colored(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!colored(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(colored(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!colored(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    assert!(!colored(&["--color", "always", "--format", "json"], &[]));
    assert!(!colored(
        &["--color", "always", "--format", "markdown"],
        &[]
    ));
}

#[test]
fn columns_sets_the_width_and_eighty_is_the_default() {
    let base = path("base");
    let widest = |columns: Option<&str>| {
        let mut command = wcmp();
        let command = command
            .args(["inspect", &base, "--full"])
            .envs(columns.map(|columns| ("COLUMNS", columns)));
        let output = command.output().expect("run wcmp");
        answer(&output, 0)
            .lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0)
    };
    assert!(widest(None) <= 80);
    assert!(widest(Some("160")) > 80);
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        let script = answer(&script, 0);
        assert!(
            script.contains("wcmp") && script.contains("permutation"),
            "{shell}"
        );
    }
}

#[test]
fn the_manual_is_one_page_with_every_command() {
    let page = run(&["man"]);
    let page = answer(&page, 0);
    assert!(page.contains(".TH wcmp 1"), "{page}");
    for command in COMMANDS {
        assert!(page.contains(&format!(".SS wcmp {command}")), "{command}");
    }
}

#[test]
fn quiet_prints_the_report_and_verbose_adds_a_note() {
    let base = path("base");
    let (plain, quiet, verbose) = (
        run(&["hash", &base]),
        run(&["hash", &base, "-q"]),
        run(&["hash", &base, "--verbose"]),
    );
    assert_eq!(answer(&plain, 0), answer(&quiet, 0));
    assert_eq!(plain.stdout, verbose.stdout);
    assert!(
        text(&verbose.stderr).starts_with("wcmp: note: "),
        "{}",
        text(&verbose.stderr)
    );
}

/// A legal safetensors file of `gigabytes` GB that takes no room on disk.
#[cfg(target_os = "linux")]
fn sparse_model(file: &Path, gigabytes: u64) {
    let bytes = gigabytes * 1_000_000_000;
    let header =
        format!(r#"{{"x":{{"dtype":"U8","shape":[{bytes}],"data_offsets":[0,{bytes}]}}}}"#);
    let mut content = (header.len() as u64).to_le_bytes().to_vec();
    content.extend(header.as_bytes());
    fs::write(file, &content).expect("write the header");
    let file = fs::OpenOptions::new().write(true).open(file).expect("open");
    file.set_len(content.len() as u64 + bytes)
        .expect("make it long");
}

/// Whether a process handles SIGINT, as Linux tells.
#[cfg(target_os = "linux")]
fn handles_interrupt(process: u32) -> bool {
    let status =
        fs::read_to_string(format!("/proc/{process}/status")).expect("read the process's status");
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .expect("a mask of handled signals");
    u64::from_str_radix(mask.trim(), 16).expect("a hexadecimal mask") & 2 != 0
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_ends_at_once_with_130_and_leaves_nothing() {
    use std::time::{Duration, Instant};
    let directory = tempfile::tempdir().expect("temporary directory");
    let model = directory.path().join("model.safetensors");
    sparse_model(&model, 100);
    let child = Command::new(env!("CARGO_BIN_EXE_wcmp"))
        .args([
            "hash".as_ref(),
            model.as_os_str(),
            "--output".as_ref(),
            directory.path().join("manifest").as_os_str(),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run wcmp");
    let begin = Instant::now();
    while !handles_interrupt(child.id()) {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "no handler was installed"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    let signalled = Instant::now();
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("run kill");
    assert!(kill.success());
    let output = child.wait_with_output().expect("wait for wcmp");
    // A deadline, no measure of speed: to read on to the end would take minutes.
    assert!(
        signalled.elapsed() < Duration::from_secs(60),
        "the interrupt was not heard"
    );
    assert_eq!(text(&output.stderr), "wcmp: interrupted\n");
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(130), "")
    );
    assert_eq!(fs::read_dir(&directory).expect("list").count(), 1);
}

/// Not a test of its own: the process that the next one runs.
#[test]
#[ignore = "panics on purpose, in a process of its own"]
fn panicking_process() {
    wcmp::cli::failure::install_panic_hook();
    let worker = std::thread::spawn(|| panic!("two\nlines"));
    let _ = worker.join();
    unreachable!("the process lived on");
}

#[test]
fn a_panic_on_any_thread_is_one_line_and_code_2() {
    let this = std::env::current_exe().expect("this program");
    let arguments = [
        "--exact",
        "cli::panicking_process",
        "--ignored",
        "--nocapture",
    ];
    let output = Command::new(this)
        .args(arguments)
        .output()
        .expect("run this program");
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(
        error.starts_with("wcmp: error: internal error at tests/cli.rs:"),
        "{error}"
    );
    assert!(
        error.ends_with("two lines (please report this)\n") && error.lines().count() == 1,
        "{error}"
    );
}

/// A shell grants a few hundred or thousand open files; a model of more shards is read all the
/// same.
#[cfg(unix)]
#[test]
fn more_shards_than_a_shell_lets_be_open_are_read() {
    const SHARDS: usize = 100;
    let directory = tempfile::tempdir().expect("temporary directory");
    for shard in 1..=SHARDS {
        let name = format!("model.layers.{shard}.mlp.up_proj.weight");
        let tensor = Tensor {
            name,
            dtype: "F32",
            shape: vec![1],
            bytes: vec![0; 4],
        };
        fs::write(
            directory
                .path()
                .join(format!("model-{shard:05}-of-{SHARDS:05}.safetensors")),
            safetensors(&[tensor]),
        )
        .expect("a shard");
    }
    let shell = r#"ulimit -Sn 50 && exec "$0" hash -q "$1""#;
    let output = Command::new("sh")
        .args(["-c", shell, env!("CARGO_BIN_EXE_wcmp")])
        .arg(directory.path())
        .output()
        .expect("a shell");
    assert_eq!(answer(&output, 0).lines().count(), SHARDS + 1);
}
