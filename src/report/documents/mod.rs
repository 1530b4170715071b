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
mod matrix;
pub(super) mod page;
mod rank;
pub(super) mod screen;
mod sketch;
mod tensors;
mod verdict;
mod verify;

use super::document::{Block, Document, Line, Section};
use super::escape;
use super::number;
use super::reproduce;
use crate::model::warning::About;

use super::schema::{LeftAsideRow, SettingsRow, TokenizerRow, WarningRow};
use super::words::{Heading, Language, Term, Tokenizer};

pub(super) use arch::arch;
pub(super) use check::check;
pub(super) use compare::compare;
pub(super) use hash::hash;
pub(super) use inspect::inspect;
pub(super) use matrix::matrix;
pub(super) use rank::rank;
pub(super) use sketch::sketch;
pub(super) use verify::verify;

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
fn filter(say: Language, settings: &SettingsRow) -> Option<Line> {
    let globs = |option: &str, globs: &[String]| -> Vec<String> {
        let glob = |glob: &String| format!("{option} {}", escape::shell_word(glob));
        globs.iter().map(glob).collect()
    };
    let options = [
        globs("--include", &settings.include),
        globs("--exclude", &settings.exclude),
    ]
    .concat();
    (!options.is_empty()).then(|| say.filtered(&options.join(" ")).into())
}

/// Adds the weight files that were not read.
fn left_aside(say: Language, document: &mut Document, files: &[LeftAsideRow]) {
    let item = |row: &LeftAsideRow| {
        let (file, why) = (escape::name(&row.file), say.why_aside(row.why));
        Line::from(format!("{}: {file} ({why})", escape::name(&row.side)))
    };
    if !files.is_empty() {
        let items = Block::Items(files.iter().map(item).collect(), None);
        let section = Section::new(say.term(Term::LeftAside), [items]);
        document.remarks.push(section);
    }
}

/// Adds the warnings.
fn notes(say: Language, document: &mut Document, warnings: &[WarningRow]) {
    if !warnings.is_empty() {
        let items = warnings.iter().map(|row| note(say, row)).collect();
        let notes = Section::new(say.heading(Heading::Notes), [Block::Items(items, None)]);
        document.remarks.push(notes);
    }
}

/// A warning in the language at hand, or as it was saved.
fn warning(say: Language, row: &WarningRow) -> String {
    match &row.says {
        Some(warning) => say.warning(row.about.as_ref().unwrap_or(&About::Comparison), warning),
        None => row.message.clone(),
    }
}

fn note(say: Language, warning: &WarningRow) -> Line {
    const LONGEST_NAME: usize = 60;
    let name = warning.name.as_deref().map(escape::name);
    let message = self::warning(say, warning);
    match name {
        // A message often names what it is about already.
        Some(name) if !message.contains(&name) => {
            let name = escape::elide(&name, LONGEST_NAME);
            format!("{name}: {message}").into()
        }
        _ => message.into(),
    }
}

fn tokenizer(say: Language, row: &TokenizerRow) -> String {
    say.tokenizer(&Tokenizer {
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
