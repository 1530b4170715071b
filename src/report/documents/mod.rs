//! One file a command: its answer as a [`Document`].
//!
//! Here is decided what is said and in which order; the words are those of [`super::words`], the
//! layout is the back ends'.

mod arch;
mod check;
mod checkpoint;
mod compare;
mod detail;
mod hash;
mod inspect;
mod rank;
mod tensors;
mod verdict;

use super::document::{Block, Document, Line, Section};
use super::escape;
use super::number;
use super::reproduce;
use super::schema::{SettingsRow, TokenizerRow, WarningRow};
use super::words::{Heading, Term, Tokenizer, WORDS};

pub(super) use arch::arch;
pub(super) use check::check;
pub(super) use compare::compare;
pub(super) use hash::hash;
pub(super) use inspect::inspect;
pub(super) use rank::rank;

fn heading(heading: Heading) -> &'static str {
    WORDS.heading(heading)
}

fn term(term: Term) -> &'static str {
    WORDS.term(term)
}

/// An optional name.
fn optional(name: Option<&str>) -> Line {
    name.map_or_else(|| number::ABSENT.into(), Line::name)
}

/// A shape, to be copied as it stands.
fn shape(axes: &[u64]) -> Line {
    Line::word(number::shape(axes))
}

/// A word with its underscores as spaces.
fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

/// The filter that was used, if one was; it is the first line of a report.
fn filter(settings: &SettingsRow) -> Option<Line> {
    let globs = |option: &str, globs: &[String]| -> Vec<String> {
        let glob = |glob: &String| format!("{option} {}", escape::shell_word(glob));
        globs.iter().map(glob).collect()
    };
    let options = [
        globs("--include", &settings.include),
        globs("--exclude", &settings.exclude),
    ]
    .concat();
    (!options.is_empty()).then(|| WORDS.filtered(&options.join(" ")).into())
}

/// Adds the warnings.
fn notes(document: &mut Document, warnings: &[WarningRow]) {
    if !warnings.is_empty() {
        let items = warnings.iter().map(note).collect();
        let notes = Section::new(heading(Heading::Notes), [Block::Items(items, None)]);
        document.remarks.push(notes);
    }
}

fn note(warning: &WarningRow) -> Line {
    const LONGEST_NAME: usize = 60;
    let name = warning.name.as_deref().map(escape::name);
    match name {
        // A message often names what it is about already.
        Some(name) if !warning.message.contains(&name) => {
            let name = escape::elide(&name, LONGEST_NAME);
            format!("{name}: {}", warning.message).into()
        }
        _ => warning.message.as_str().into(),
    }
}

fn tokenizer(row: &TokenizerRow) -> String {
    WORDS.tokenizer(&Tokenizer {
        shared: row.shared_tokens,
        same_id: row.same_id,
        base: row.vocab.base,
        target: row.vocab.target,
        merges: row.merges_common,
    })
}

/// Adds the command line that gives the report again.
fn reproduce(
    document: &mut Document,
    command: &'static str,
    paths: Vec<String>,
    settings: Option<&SettingsRow>,
) {
    let settings = settings.cloned();
    document.command = Some(Box::new(move |columns| {
        reproduce::command(command, &paths, settings.as_ref(), columns)
    }));
}
