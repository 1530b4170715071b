//! `wcmp arch`.

use serde_json::Value as Json;

use super::{checkpoint, notes, optional, reproduce, tokenizer};
use crate::report::document::{
    Block, Cell, Column, Document, Fold, Line, Section, Summary, Table, Value, cells,
};
use crate::report::escape;
use crate::report::number;
use crate::report::schema::CheckpointRow;
use crate::report::schema::arch::{Arch, ArchBase, ConflictRow, FieldRow, RoleRow, ShapeRow};
use crate::report::words::{Heading, Language, Question, Remark, Term};

/// Bases whose facts stand side by side where places are few.
const ABREAST: usize = 3;
/// Facts longer than this are cut.
const LONGEST_FACT: usize = 60;

/// Whether the weights of target and bases can be compared, part by part.
pub(in crate::report) fn arch(say: Language, report: &Arch, all: bool) -> Document {
    let title = say.question(&report.wcmp, Question::Arch(&report.target.name));
    let mut document = Document::new(say, title, all);
    let target = [(say.term(Term::Target), &report.target)];
    document.grounds = vec![
        Section::untitled([Block::Table(checkpoint::side_by_side(say, &target))]),
        summary(say, &report.bases),
    ];
    let bases = (1..).zip(&report.bases);
    let bases = bases.map(|(at, row)| base(say, at, row));
    document.grounds.extend(bases);
    document.grounds.extend(fields(say, report));
    document.grounds.extend(conflicts(say, &report.conflicts));
    notes(say, &mut document, &report.warnings);
    let bases = report.bases.iter().map(|base| &base.base);
    let models = std::iter::once(&report.target).chain(bases);
    let paths = models.map(|model: &CheckpointRow| model.path.clone());
    reproduce(&mut document, "arch", paths.collect(), None);
    document
}

fn summary(say: Language, bases: &[ArchBase]) -> Section {
    let mut table = Table::new([
        Column::numbers(""),
        Column::names(say.term(Term::Base)),
        Column::names(say.term(Term::Architecture)),
        Column::words(say.term(Term::Comparable)),
        Column::numbers(say.term(Term::InEqualShapes)),
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
    let remark = say.remark(Remark::Shapes);
    let blocks = [Block::Table(table), Block::Remark(remark.into())];
    Section::new(say.heading(Heading::Comparable), blocks)
}

fn base(say: Language, at: usize, base: &ArchBase) -> Section {
    let mut values = vec![Value::new(
        say.term(Term::Path),
        Line::name(&base.base.path),
    )];
    values.extend(comparable(say, base));
    values.extend(listed(say.term(Term::Why), &reasons(say, base)));
    values.extend(listed(say.term(Term::CouldBe), &changes(say, base)));
    let shared = base.tokenizer.as_ref().map(|row| tokenizer(say, row));
    values.extend(shared.map(|text| Value::new(say.term(Term::Tokenizer), text)));
    let mut blocks = vec![Block::Labelled(values)];
    if !base.roles.is_empty() {
        let summary = Summary::Named(say.heading(Heading::Roles));
        blocks.push(Block::Fold(summary, vec![Block::Table(roles(say, base))]));
    }
    let title = Line::from(format!("{at}. ")).then(Line::name(&base.base.name));
    Section::new(title, blocks)
}

/// The reasons in the language at hand, or as they were saved.
fn reasons(say: Language, base: &ArchBase) -> Vec<String> {
    let tokenizer = usize::from(base.tokenizer.is_some());
    if base.grounds.len() + tokenizer != base.reasons.len() {
        return base.reasons.clone();
    }
    let of_shapes = base.grounds.iter().map(|reason| say.arch_reason(reason));
    let of_tokens = base.tokenizer.iter().map(|row| say.shared_tokens(row));
    of_shapes.chain(of_tokens).collect()
}

/// Changes that together would explain the difference.
pub(super) fn changes(say: Language, base: &ArchBase) -> Vec<String> {
    if base.changes.len() != base.could_be.len() {
        return base.could_be.clone();
    }
    let changes = base.changes.iter();
    changes.map(|change| say.possible_change(change)).collect()
}

/// How far a base can be compared, as a whole and by component.
fn comparable(say: Language, base: &ArchBase) -> Vec<Value> {
    let share = base.share.map(|share| number::percent(Some(share)));
    let whole = say.comparable(base.comparability, share.as_deref());
    let mut values = vec![Value::new(say.term(Term::Comparable), whole)];
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

fn roles(say: Language, base: &ArchBase) -> Table {
    let first = base.roles.first().map(|role| role.component);
    let several = base.roles.iter().any(|role| Some(role.component) != first);
    let mut table = Table::new([
        Column::names(say.term(Term::Role)),
        Column::numbers(say.term(Term::Target)),
        Column::numbers(say.term(Term::Base)),
        Column::words(say.term(Term::EqualShape)),
    ]);
    for row in &base.roles {
        table.row(cells![
            role(row, several),
            copies(row.target.as_ref()),
            copies(row.base.as_ref()),
            say.yes_or_no(Some(row.equal)),
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
fn fields(say: Language, report: &Arch) -> Option<Section> {
    if report.fields.is_empty() {
        return None;
    }
    let bases = (1..=report.bases.len()).map(|at| say.base_number(at));
    let mut columns = vec![Column::names(""), Column::values(say.term(Term::Target))];
    columns.extend(bases.map(|title| Column::values(title).in_series()));
    let mut table = Table::new(columns);
    table.abreast = ABREAST;
    table.mark = Some(say.remark(Remark::EqualFact));
    for row in &report.fields {
        table.row(field(row));
    }
    let title = say.heading(Heading::ArchFacts);
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

fn conflicts(say: Language, rows: &[ConflictRow]) -> Option<Section> {
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new([
        Column::names(say.term(Term::Field)),
        Column::values(say.term(Term::ConfigJson)),
        Column::values(say.term(Term::Tensors)),
    ]);
    for row in rows {
        table.row(cells![
            Line::name(&row.field),
            fact(Some(&row.config)),
            fact(Some(&row.tensors)),
        ]);
    }
    let title = say.heading(Heading::Conflicts);
    Some(Section::new(title, [Block::Table(table)]))
}
