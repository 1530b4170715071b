//! What wcmp says of itself: completion scripts, the manual page, the schemas of its reports.

use std::io::Write;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::args::Cli;
use super::help;
use crate::report::json;
use crate::report::schema::{ReportKind, json_schema};

/// The completion script of one shell.
pub(super) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "wcmp", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The JSON Schema of a command's report.
pub(super) fn schema(kind: ReportKind) -> String {
    let mut out = Vec::new();
    // A vector takes every byte.
    let _ = json::write(&json_schema(kind), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The manual page: every command with its options on one page.
pub(super) fn man() -> String {
    let cli = Cli::command();
    // Definitions that every part relies on, once.
    let mut page = Roff::default().render();
    page += &rendered(&cli, |man, out| {
        man.render_title(out)?;
        man.render_name_section(out)?;
        man.render_synopsis_section(out)?;
        man.render_description_section(out)?;
        man.render_options_section(out)
    });
    page.push_str(".SH COMMANDS\n");
    for command in cli.get_subcommands() {
        page.push_str(&about_command(command));
    }
    page.push_str(&sections(help::MAIN));
    page
}

/// A command in the manual page: usage, what it answers, its own options.
fn about_command(command: &Command) -> String {
    let named = command
        .clone()
        .bin_name(format!("wcmp {}", command.get_name()))
        .disable_help_flag(true);
    let text = rendered(&named, |man, out| {
        man.render_synopsis_section(out)?;
        out.write_all(b".PP\n")?;
        man.render_description_section(out)?;
        man.render_options_section(out)
    });
    // The page has one section for all commands, so theirs lose their headings.
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with(".SH "))
        .map(|line| format!("{line}\n"))
        .collect();
    format!(".SS wcmp {}\n{body}", command.get_name())
}

fn rendered(
    command: &Command,
    write: impl Fn(&Man, &mut dyn Write) -> std::io::Result<()>,
) -> String {
    let mut out = Vec::new();
    let man = Man::new(command.clone());
    // A vector takes every byte.
    let _ = write(&man, &mut out);
    let preamble = Roff::default().render();
    String::from_utf8_lossy(&out).replace(&preamble, "")
}

/// The blocks of a long help as sections, kept as they are laid out.
fn sections(help: &str) -> String {
    let mut out = String::new();
    for block in help.split("\n\n") {
        let (heading, body) = block.split_once('\n').unwrap_or((block, ""));
        let mut roff = Roff::new();
        roff.control(
            "SH",
            [heading.trim_end_matches(':').to_uppercase().as_str()],
        );
        roff.control("nf", []);
        for line in body.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
        out.push_str(&roff.to_roff());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_names_every_command_and_option() {
        let page = man();
        for command in Cli::command().get_subcommands() {
            assert!(
                page.contains(&format!(".SS wcmp {}", command.get_name())),
                "{}",
                command.get_name()
            );
            for option in command
                .get_arguments()
                .filter_map(|argument| argument.get_long())
            {
                assert!(page.contains(&option.replace('-', "\\-")), "{option}");
            }
        }
        assert!(page.contains(".SH \"EXIT CODES\""), "{page}");
        assert_eq!(page.matches(".SH OUTPUT").count(), 1);
    }
}
