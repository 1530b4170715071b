//! `wcmp arch`.

use serde_json::Value as Json;

use super::{checkpoint, heading, notes, optional, reproduce, term, tokenizer};
use crate::report::document::{
    Block, Cell, Column, Document, Fold, Line, Section, Summary, Table, Value, cells,
};
use crate::report::escape;
use crate::report::number;
use crate::report::schema::CheckpointRow;
use crate::report::schema::arch::{Arch, ArchBase, ConflictRow, FieldRow, RoleRow, ShapeRow};
use crate::report::words::{Heading, Question, Remark, Term, WORDS};

/// Bases whose facts stand side by side where places are few.
const ABREAST: usize = 3;
/// Facts longer than this are cut.
const LONGEST_FACT: usize = 60;

/// Whether the weights of target and bases can be compared, part by part.
pub(in crate::report) fn arch(report: &Arch, all: bool) -> Document {
    let title = WORDS.question(&report.wcmp, Question::Arch(&report.target.name));
    let mut document = Document::new(WORDS, title, all);
    let target = [(term(Term::Target), &report.target)];
    document.grounds = vec![
        Section::untitled([Block::Table(checkpoint::side_by_side(&target))]),
        summary(&report.bases),
    ];
    let bases = (1..).zip(&report.bases);
    let bases = bases.map(|(at, row)| base(at, row));
    document.grounds.extend(bases);
    document.grounds.extend(fields(report));
    document.grounds.extend(conflicts(&report.conflicts));
    notes(&mut document, &report.warnings);
    let bases = report.bases.iter().map(|base| &base.base);
    let models = std::iter::once(&report.target).chain(bases);
    let paths = models.map(|model: &CheckpointRow| model.path.clone());
    reproduce(&mut document, "arch", paths.collect(), None);
    document
}

fn summary(bases: &[ArchBase]) -> Section {
    let mut table = Table::new([
        Column::numbers(""),
        Column::names(term(Term::Base)),
        Column::names(term(Term::Architecture)),
        Column::words(term(Term::Comparable)),
        Column::numbers(term(Term::InEqualShapes)),
    ]);
    for (at, base) in (1u64..).zip(bases) {
        table.row(cells![
            at.to_string(),
            Line::name(&base.base.name),
            optional(base.base.architecture.as_deref()),
            Line::word(base.comparability),
            number::percent(base.share),
        ]);
    }
    let remark = WORDS.remark(Remark::Shapes);
    let blocks = [Block::Table(table), Block::Remark(remark.into())];
    Section::new(heading(Heading::Comparable), blocks)
}

fn base(at: usize, base: &ArchBase) -> Section {
    let mut values = vec![Value::new(term(Term::Path), Line::name(&base.base.path))];
    values.extend(comparable(base));
    values.extend(listed(term(Term::Why), &base.reasons));
    values.extend(listed(term(Term::CouldBe), &base.could_be));
    let shared = base.tokenizer.as_ref().map(tokenizer);
    values.extend(shared.map(|text| Value::new(term(Term::Tokenizer), text)));
    let mut blocks = vec![Block::Labelled(values)];
    if !base.roles.is_empty() {
        let summary = Summary::Named(heading(Heading::Roles));
        blocks.push(Block::Fold(summary, vec![Block::Table(roles(base))]));
    }
    let title = Line::from(format!("{at}. ")).then(Line::name(&base.base.name));
    Section::new(title, blocks)
}

/// How far a base can be compared, as a whole and by component.
fn comparable(base: &ArchBase) -> Vec<Value> {
    let share = base.share.map(|share| number::percent(Some(share)));
    let whole = WORDS.comparable(base.comparability, share.as_deref());
    let mut values = vec![Value::new(term(Term::Comparable), whole)];
    if base.components.len() > 1 {
        values.extend(base.components.iter().map(|row| {
            let share = number::percent(row.share);
            let text = format!("{}: {}, {share}", row.component, row.comparability);
            Value::new("", text)
        }));
    }
    values
}

/// Sentences behind one label.
fn listed<'a>(label: &'a str, sentences: &'a [String]) -> impl Iterator<Item = Value> + 'a {
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    let sentences = sentences.iter().map(String::as_str);
    labels
        .zip(sentences)
        .map(|(label, text)| Value::new(label, text))
}

fn roles(base: &ArchBase) -> Table {
    let first = base.roles.first().map(|role| role.component);
    let several = base.roles.iter().any(|role| Some(role.component) != first);
    let mut table = Table::new([
        Column::names(term(Term::Role)),
        Column::numbers(term(Term::Target)),
        Column::numbers(term(Term::Base)),
        Column::words(term(Term::EqualShape)),
    ]);
    for row in &base.roles {
        table.row(cells![
            role(row, several),
            copies(row.target.as_ref()),
            copies(row.base.as_ref()),
            WORDS.yes_or_no(Some(row.equal)),
        ]);
    }
    table
}

/// A role by its name, behind the component where a report has several.
fn role(row: &RoleRow, several: bool) -> String {
    let name = row.name.as_deref().unwrap_or(row.role.word());
    let name = escape::name(name);
    if several {
        format!("{} {name}", row.component)
    } else {
        name
    }
}

/// A shape and how many tensors have it: `[64,128] x 4`.
fn copies(row: Option<&ShapeRow>) -> Line {
    let Some(row) = row else {
        return number::ABSENT.into();
    };
    let shape = number::shape(&row.shape);
    match row.copies {
        1 => Line::word(shape),
        copies => Line::word(format!("{shape} x {}", number::count(copies))),
    }
}

/// The facts side by side; a base's that equals the target's is marked.
fn fields(report: &Arch) -> Option<Section> {
    if report.fields.is_empty() {
        return None;
    }
    let bases = (1..=report.bases.len()).map(|at| WORDS.base_number(at));
    let mut columns = vec![Column::names(""), Column::values(term(Term::Target))];
    columns.extend(bases.map(|title| Column::values(title).in_series()));
    let mut table = Table::new(columns);
    table.abreast = ABREAST;
    table.mark = Some(WORDS.remark(Remark::EqualFact));
    for row in &report.fields {
        table.row(field(row));
    }
    let title = heading(Heading::ArchFacts);
    Some(Section::new(title, [Block::Table(table)]).folded(Fold::Folded))
}

fn field(row: &FieldRow) -> Vec<Cell> {
    let mut cells = vec![
        Cell::from(Line::name(&row.field)),
        Cell::from(fact(row.target.as_ref())),
    ];
    let bases = row.bases.iter().zip(&row.equal);
    cells.extend(bases.map(|(value, equal)| {
        let value = fact(value.as_ref());
        match equal {
            Some(true) => Cell::Marked(value),
            _ => Cell::Line(value),
        }
    }));
    cells
}

/// A fact of an architecture in short.
fn fact(value: Option<&Json>) -> Line {
    let text = match value {
        None => return number::ABSENT.into(),
        Some(Json::String(text)) => escape::name(text),
        Some(other) => other.to_string(),
    };
    escape::elide(&text, LONGEST_FACT).into()
}

fn conflicts(rows: &[ConflictRow]) -> Option<Section> {
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new([
        Column::names(term(Term::Field)),
        Column::values(term(Term::ConfigJson)),
        Column::values(term(Term::Tensors)),
    ]);
    for row in rows {
        table.row(cells![
            Line::name(&row.field),
            fact(Some(&row.config)),
            fact(Some(&row.tensors)),
        ]);
    }
    let title = heading(Heading::Conflicts);
    Some(Section::new(title, [Block::Table(table)]))
}
