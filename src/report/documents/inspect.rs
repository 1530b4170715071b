//! `wcmp inspect`.

use serde_json::Value as Json;

use super::{checkpoint, notes, shape};
use crate::report::document::{
    Block, Cell, Column, Document, Fold, Line, Section, Table, Value, cells,
};
use crate::report::escape;
use crate::report::number;
use crate::report::schema::{Inspect, InspectBlock, InspectTensor};
use crate::report::words::{Heading, Language, Question, Term};

/// Values of config.json that are longer than this are cut.
const LONGEST_VALUE: usize = 200;

/// What wcmp sees in a checkpoint.
pub(in crate::report) fn inspect(say: Language, report: &Inspect, all: bool) -> Document {
    let title = say.question(&report.wcmp, Question::Inspect(&report.checkpoint.name));
    let mut document = Document::new(say, title, all);
    document.grounds.push(who(say, report));
    document.grounds.extend(config(say, report));
    document.grounds.extend(components(say, report));
    document.grounds.extend(blocks(say, &report.blocks));
    document.grounds.push(tensors(say, &report.tensors));
    notes(say, &mut document, &report.warnings);
    document
}

fn who(say: Language, report: &Inspect) -> Section {
    let facts = checkpoint::side_by_side(say, &[("", &report.checkpoint)]);
    let weights = Value::new(say.term(Term::Weights), weights(say, report));
    let mut values = vec![weights];
    if !report.ignored_files.is_empty() {
        let names = report.ignored_files.iter().map(Line::name);
        let names = Line::joined(names, ", ");
        values.push(Value::new(say.term(Term::LeftAside), names));
    }
    Section::untitled([Block::Table(facts), Block::Labelled(values)])
}

/// Which files were taken.
pub(super) fn weights(say: Language, report: &Inspect) -> String {
    match report.weight_sets.as_slice() {
        [] => report.weight_set.clone(),
        sets => say.weight_sets(sets),
    }
}

fn config(say: Language, report: &Inspect) -> Option<Section> {
    if report.config.is_empty() {
        return None;
    }
    let mut table = Table::new([Column::names(""), Column::sentences("")]);
    for (key, value) in &report.config {
        let value = match value {
            Json::String(text) => Line::name(escape::elide(text, LONGEST_VALUE)),
            other => Line::word(escape::elide(&other.to_string(), LONGEST_VALUE)),
        };
        table.row(cells![Line::name(key), value]);
    }
    let title = say.heading(Heading::Config);
    Some(Section::new(title, [Block::Table(table)]).folded(Fold::Folded))
}

fn components(say: Language, report: &Inspect) -> Option<Section> {
    if report.components.is_empty() {
        return None;
    }
    let mut table = Table::new([
        Column::words(say.term(Term::Component)),
        Column::numbers(say.term(Term::Parameters)),
        Column::numbers(say.term(Term::Share)),
        Column::numbers(say.term(Term::Layers)),
    ]);
    for row in &report.components {
        table.row(cells![
            Line::name(&row.component),
            number::parameters(row.parameters),
            number::share(row.parameters, report.checkpoint.parameters),
            row.layers.to_string(),
        ]);
    }
    let title = say.heading(Heading::Components);
    Some(Section::new(title, [Block::Table(table)]))
}

/// The blocks, runs of layers of equal size in one row.
fn blocks(say: Language, rows: &[InspectBlock]) -> Option<Section> {
    if rows.is_empty() {
        return None;
    }
    let table = block_table(say, rows);
    let title = say.heading(Heading::Blocks);
    Some(Section::new(title, [Block::Table(table)]))
}

/// A row a run of blocks.
pub(super) fn block_table(say: Language, rows: &[InspectBlock]) -> Table {
    let mut table = Table::new([
        Column::names(say.term(Term::Block)),
        Column::numbers(say.term(Term::Parameters)),
        Column::numbers(say.term(Term::OfEach)),
    ]);
    for (first, layers) in runs(rows) {
        let count = layers.len().max(1) as u64;
        let (name, each) = if count > 1 {
            let name = say.layers(&number::ranges(layers));
            (name, number::parameters(first.parameters))
        } else {
            (escape::name(&first.block), String::new())
        };
        let total = first.parameters.saturating_mul(count);
        table.row(cells![name, number::parameters(total), each]);
    }
    table
}

/// The first of each run of blocks of equal size, with the run's layers.
fn runs(rows: &[InspectBlock]) -> Vec<(&InspectBlock, Vec<u32>)> {
    let layer = |block: &str| -> Option<u32> { block.strip_prefix("layer ")?.parse().ok() };
    let mut runs: Vec<(&InspectBlock, Vec<u32>)> = Vec::new();
    for row in rows {
        let index = layer(&row.block);
        let goes_on = |(first, layers): &(&InspectBlock, Vec<u32>)| {
            let next = layers.last().and_then(|last| last.checked_add(1));
            index.is_some() && next == index && first.parameters == row.parameters
        };
        match runs.last_mut() {
            Some(run) if goes_on(run) => run.1.extend(index),
            _ => runs.push((row, index.into_iter().collect())),
        }
    }
    runs
}

fn tensors(say: Language, rows: &[InspectTensor]) -> Section {
    let stored_alike = rows.iter().all(|row| row.storage == "stored");
    let mut columns = vec![
        Column::names(say.term(Term::Name)),
        Column::words(say.term(Term::Component)).dropped(2),
        Column::words(say.term(Term::Block)).dropped(1),
        Column::words(say.term(Term::Role)),
        Column::words(say.term(Term::Class)),
        Column::words(say.term(Term::Dtype)),
    ];
    if !stored_alike {
        columns.push(Column::words(say.term(Term::Storage)));
    }
    columns.push(Column::numbers(say.term(Term::Shape)));
    columns.push(Column::numbers(say.term(Term::Bytes)));
    let mut table = Table::new(columns);
    for row in rows {
        table.row(tensor(row, stored_alike));
    }
    let title = say.tensors(rows.len() as u64);
    Section::new(title, [Block::Table(table)]).folded(Fold::Folded)
}

fn tensor(row: &InspectTensor, stored_alike: bool) -> Vec<Cell> {
    let mut role = row.role.word().to_owned();
    if let Some(expert) = row.expert {
        role.push_str(&format!(" e{expert}"));
    }
    let block = row.block.as_deref().unwrap_or_default();
    let mut cells = cells![
        Line::name(&row.name),
        row.component.as_str(),
        block,
        role,
        row.class.word(),
        row.dtype.as_str(),
    ]
    .to_vec();
    if !stored_alike {
        cells.push(Cell::from(row.storage.as_str()));
    }
    cells.push(Cell::from(shape(&row.shape)));
    cells.push(Cell::from(number::bytes(row.bytes)));
    cells
}
