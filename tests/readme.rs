//! What the READMEs show is what the commands print.

use std::fs;
use std::path::Path;

use crate::support::command::{answer, wcmp};

/// The two commands that set everything up are there, and the second is what is checked before a
/// change is merged.
#[test]
fn the_readme_builds_runs_and_tests_in_two_commands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let readme = read("README.md");
    let blocks: Vec<&str> = readme
        .split("```")
        .skip(1)
        .step_by(2)
        .map(str::trim)
        .collect();
    let run = "cargo run --release -- compare fixtures/base fixtures/fine-tuned";
    let test = "cargo test";
    let at = |command: &str| blocks.iter().position(|block| *block == command);
    assert!(at(run).unwrap() < at(test).unwrap());
    let checks = read(".ci/run");
    assert!(checks.lines().any(|line| line == test), "{checks}");
}

/// Every block that begins with `$ wcmp` stands above what the command prints. `UPDATE_SNAPSHOTS=1`
/// writes them anew.
#[test]
fn commands_in_the_readmes_print_what_stands_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, least) in [("README.md", 3), ("src/guide/README.ko.md", 2)] {
        let path = root.join(name);
        let readme = fs::read_to_string(&path).unwrap();
        let mut written = String::new();
        let mut commands = 0;
        for (at, block) in readme.split("```").enumerate() {
            if at > 0 {
                written.push_str("```");
            }
            let Some(rest) = block.strip_prefix("\n$ wcmp ") else {
                written.push_str(block);
                continue;
            };
            let (arguments, _) = rest.split_once('\n').unwrap();
            let output = wcmp()
                .current_dir(root)
                .args(arguments.split(' '))
                .output()
                .unwrap();
            written.push_str(&format!("\n$ wcmp {arguments}\n{}", answer(&output, 0)));
            commands += 1;
        }
        assert!(commands >= least, "{name}: {commands} commands");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, &written).unwrap();
        } else {
            assert!(
                written == readme,
                "{name} is not what is printed:\n{written}"
            );
        }
    }
}
