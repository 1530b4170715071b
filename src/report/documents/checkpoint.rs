//! Who is compared: the facts of checkpoints side by side.

use std::collections::BTreeMap;

use super::optional;
use crate::model::checkpoint::Format;
use crate::report::document::{Block, Cell, Column, Line, Section, Table, Value};
use crate::report::escape;
use crate::report::number;
use crate::report::schema::CheckpointRow;
use crate::report::words::{Heading, Language, Term};
use crate::results::checkpoint::CheckpointKind;

/// A fact of a checkpoint.
type Fact = fn(Language, &CheckpointRow) -> Line;

const FACTS: [(Term, Fact); 7] = [
    (Term::Name, |_, c| Line::name(&c.name)),
    (Term::Path, |_, c| Line::name(&c.path)),
    (Term::Architecture, |_, c| {
        optional(c.architecture.as_deref())
    }),
    (Term::Parameters, |_, c| parameters(c).into()),
    (Term::Dtype, |_, c| dtypes(&c.dtypes).into()),
    (Term::Size, |_, c| size(c).into()),
    (Term::Files, |say, c| files(say, c).into()),
];
const QUANTIZATION: (Term, Fact) = (Term::Quantization, |_, c| {
    optional(c.quantization.as_deref())
});

/// Facts that some of `checkpoints` have.
fn facts(checkpoints: &[&CheckpointRow]) -> Vec<(Term, Fact)> {
    let quantized = checkpoints.iter().any(|c| c.quantization.is_some());
    let more = quantized.then_some(QUANTIZATION);
    FACTS.into_iter().chain(more).collect()
}

/// Checkpoints side by side, a column each under its title.
pub(super) fn side_by_side(say: Language, columns: &[(&str, &CheckpointRow)]) -> Table {
    let checkpoints: Vec<&CheckpointRow> = columns.iter().map(|(_, c)| *c).collect();
    let names = columns.iter().map(|(title, _)| Column::names(*title));
    let mut table = Table::new(std::iter::once(Column::words("")).chain(names));
    for (label, fact) in facts(&checkpoints) {
        let label = Cell::from(say.term(label));
        let cells = checkpoints.iter().map(|c| Cell::from(fact(say, c)));
        table.row(std::iter::once(label).chain(cells));
    }
    table
}

/// Checkpoints below one another, a row each with its number.
pub(super) fn listed(say: Language, checkpoints: &[&CheckpointRow]) -> Table {
    let facts = facts(checkpoints);
    let columns = facts
        .iter()
        .map(|(label, _)| Column::names(say.term(*label)));
    let mut table = Table::new(std::iter::once(Column::numbers("")).chain(columns));
    for (at, checkpoint) in (1..).zip(checkpoints) {
        let number = Cell::from(u64::to_string(&at));
        let cells = facts
            .iter()
            .map(|(_, fact)| Cell::from(fact(say, checkpoint)));
        table.row(std::iter::once(number).chain(cells));
    }
    table
}

/// Model digests in full, so that a quoted report names its files.
pub(super) fn digests<'a>(
    say: Language,
    models: impl IntoIterator<Item = (String, &'a CheckpointRow)>,
) -> Section {
    let values = models
        .into_iter()
        .map(|(label, model)| Value::new(label, digest(say, model)));
    let values = Block::Labelled(values.collect());
    Section::new(say.heading(Heading::Digests), [values])
}

/// The model digest of a checkpoint.
pub(super) fn digest(say: Language, checkpoint: &CheckpointRow) -> Line {
    match &checkpoint.model_digest {
        Some(digest) => Line::word(digest),
        None => say.term(Term::NotTaken).into(),
    }
}

/// Whether there are weights, and not a config.json alone.
fn has_weights(checkpoint: &CheckpointRow) -> bool {
    checkpoint.format != Format::Config
}

pub(super) fn parameters(checkpoint: &CheckpointRow) -> String {
    if has_weights(checkpoint) {
        number::parameters(checkpoint.parameters)
    } else {
        number::ABSENT.to_owned()
    }
}

pub(super) fn size(checkpoint: &CheckpointRow) -> String {
    if has_weights(checkpoint) {
        number::bytes(checkpoint.bytes)
    } else {
        number::ABSENT.to_owned()
    }
}

fn files(say: Language, checkpoint: &CheckpointRow) -> String {
    if checkpoint.kind == CheckpointKind::Sketch {
        say.sketch_of(checkpoint.format)
    } else if has_weights(checkpoint) {
        say.files(checkpoint.files.len() as u64, checkpoint.format)
    } else {
        say.config_alone().to_owned()
    }
}

/// Dtypes with their share of the parameters, most first.
pub(super) fn dtypes(dtypes: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<(&String, &u64)> = dtypes.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1));
    match sorted[..] {
        [] => number::ABSENT.to_owned(),
        [(dtype, _)] => escape::name(dtype),
        _ => {
            let total = dtypes.values().fold(0u64, |sum, n| sum.saturating_add(*n));
            let one = |(dtype, n): &(&String, &u64)| {
                format!("{} {}", escape::name(dtype), number::share(**n, total))
            };
            let words: Vec<String> = sorted.iter().map(one).collect();
            words.join(", ")
        }
    }
}
