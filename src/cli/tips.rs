//! What was probably meant by a command line that does not fit the grammar.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::results::terms::Relation;

/// Adds a tip to a usage error where one fits.
pub(super) fn add(error: &mut clap::Error, arguments: &[OsString]) {
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => two_paths(arguments),
        ErrorKind::InvalidValue => relation(error),
        _ => None,
    };
    if let Some(tip) = tip {
        let tips = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, tips);
    }
}

/// `wcmp a b`: two words and no command between them.
fn two_paths(arguments: &[OsString]) -> Option<String> {
    let words: Vec<String> = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let is_path = |word: &String| !word.starts_with('-');
    let commands = [
        "compare", "rank", "arch", "inspect", "hash", "show", "verify",
    ];
    match words.as_slice() {
        [first, second, ..] if is_path(first) && is_path(second) => {
            // A word that is nearly a command was one.
            let near = commands
                .iter()
                .any(|command| command.starts_with(first.as_str()) || first.starts_with(command));
            let exists = std::path::Path::new(first).exists();
            (exists || !near).then(|| format!("did you mean 'wcmp compare {}'?", words.join(" ")))
        }
        [only] if std::path::Path::new(only).exists() => {
            Some(format!("did you mean 'wcmp inspect {only}'?"))
        }
        _ => None,
    }
}

/// A relation where a verdict is asked for.
fn relation(error: &clap::Error) -> Option<String> {
    let value = match error.get(ContextKind::InvalidValue)? {
        ContextValue::String(value) => value,
        _ => return None,
    };
    let argument = error.get(ContextKind::InvalidArg)?.to_string();
    let is_relation = Relation::ALL.iter().any(|known| known.word() == value);
    (argument.starts_with("--expect") && is_relation)
        .then(|| format!("{value} is a relation; its verdict is derived"))
}
