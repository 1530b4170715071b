//! The command line that gives a report again, built from the settings and paths that stand in it.

use super::escape::{shell_pieces, shell_word, width};
use super::schema::SettingsRow;
use crate::results::settings::Settings;

/// `wcmp COMMAND PATHS… OPTIONS` with every option that is not its default, and always the seed;
/// without options where the command has none. Words are quoted for a POSIX shell; longer than
/// `columns`, the line goes on behind a `\` at its end and can still be pasted.
pub(super) fn command(
    subcommand: &str,
    paths: &[String],
    settings: Option<&SettingsRow>,
    columns: usize,
) -> String {
    let mut words = words(subcommand, paths);
    words.extend(settings.into_iter().flat_map(options));
    broken(&words, columns)
}

/// The options that are not their defaults.
pub(super) fn changed(settings: &SettingsRow) -> Vec<String> {
    let mut words = options(settings);
    if settings.seed == Settings::default().seed {
        words.truncate(words.len() - 2);
    }
    words
}

fn options(settings: &SettingsRow) -> Vec<String> {
    let default = Settings::default();
    let chosen = [
        ("--hash", settings.hash.word(), default.hash.word()),
        ("--pca", settings.pca.word(), default.pca.word()),
        (
            "--permutation",
            settings.permutation.word(),
            default.permutation.word(),
        ),
        ("--deep", settings.deep.word(), default.deep.word()),
    ];
    let mut words = Vec::new();
    for (option, value, default) in chosen {
        if value != default {
            words.extend([option.to_owned(), value.to_owned()]);
        }
    }
    let globs = [
        ("--include", &settings.include),
        ("--exclude", &settings.exclude),
    ];
    for (option, globs) in globs {
        for glob in globs {
            words.extend([option.to_owned(), glob.clone()]);
        }
    }
    words.extend(["--seed".to_owned(), settings.seed.to_string()]);
    words
}

/// The words of a command without options.
pub(super) fn words(subcommand: &str, paths: &[String]) -> Vec<String> {
    // A path that begins with a dash would be read as an option.
    let path = |path: &String| {
        if path.starts_with('-') {
            format!("./{path}")
        } else {
            path.clone()
        }
    };
    ["wcmp", subcommand]
        .map(str::to_owned)
        .into_iter()
        .chain(paths.iter().map(path))
        .collect()
}

/// Columns of the pieces in which a quoted word is broken.
const PIECE: usize = 8;

/// A command in lines of at most so many columns.
pub(super) fn broken(words: &[String], columns: usize) -> String {
    let columns = columns.max(2 * PIECE);
    let whole: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    if width(&whole.join(" ")) <= columns {
        return whole.join(" ");
    }
    let room = columns - 2;
    let mut lines = Vec::new();
    let mut line = String::new();
    for (word, quoted) in words.iter().zip(whole) {
        if line.is_empty() {
            line = quoted;
        } else if width(&line) + 1 + width(&quoted) <= room {
            line.push(' ');
            line.push_str(&quoted);
        } else {
            lines.push(format!("{line} \\"));
            line = quoted;
        }
        if width(&line) > room {
            line.clear();
            for piece in shell_pieces(word, PIECE) {
                if !line.is_empty() && width(&line) + width(&piece) > room {
                    // Within a word: no space before the `\`, and none on the next line.
                    lines.push(format!("{line}\\"));
                    line.clear();
                }
                line.push_str(&piece);
            }
        }
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::settings::{Deep, Hashing, PcaMode, Switch};

    fn settings() -> SettingsRow {
        SettingsRow {
            hash: Hashing::Sha256,
            pca: PcaMode::Fast,
            permutation: Switch::On,
            deep: Deep::Auto,
            seed: 7,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn defaults_are_left_out_and_the_seed_is_not() {
        assert_eq!(
            command("compare", &owned(&["a", "b c"]), Some(&settings()), 80),
            "wcmp compare a 'b c' --seed 7"
        );
        let other = SettingsRow {
            hash: Hashing::None,
            deep: Deep::On,
            include: vec!["*.q".to_owned()],
            ..settings()
        };
        assert_eq!(
            command("compare", &owned(&["-a", "b"]), Some(&other), 80),
            "wcmp compare ./-a b --hash none --deep on --include '*.q' --seed 7"
        );
    }

    /// What a shell makes of the line, for the quoting that is used here.
    fn shell_words(line: &str) -> Vec<String> {
        let output = std::process::Command::new("bash")
            .arg("-c")
            .arg(format!("printf '%s\\0' {line}"))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim_end_matches('\0')
            .split('\0')
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn long_lines_are_broken_so_that_a_shell_reads_the_same_words() {
        let paths = [
            "/data/models/organisation/a-model-with-a-rather-long-name-and-a-version-number-1.5/snapshots/0123456789abcdef",
            "it's a path with spaces, 'quotes', $variables, `ticks`, \\ and \u{1b}[31m controls \u{202e} that is long",
        ];
        for columns in [20, 40, 80] {
            let line = command("rank", &owned(&paths), Some(&settings()), columns);
            assert!(line.lines().all(|l| width(l) <= columns), "{line}");
            if cfg!(unix) {
                assert_eq!(
                    shell_words(&line),
                    ["wcmp", "rank", paths[0], paths[1], "--seed", "7"]
                );
            }
        }
    }
}
