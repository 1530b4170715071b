//! Tensors of `wcmp compare`: the identical and the unmatched ones in short, or every row where that
//! is asked for.

use std::cmp::Reverse;

use super::shape;
use crate::report::document::{Block, Column, Fold, Line, Section, Summary, Table, cells};
use crate::report::escape;
use crate::report::number;
use crate::report::schema::{CheckpointRow, Compare, TensorRow, UnmatchedRow};
use crate::report::words::{Heading, Language, Remark, Term, Unmatched};

/// Rows of a list that is shown in short.
const IN_SHORT: usize = 5;

/// Identical tensors: how many, and the first informative ones.
pub(super) fn identical(say: Language, report: &Compare) -> Option<Section> {
    let similarity = &report.similarity;
    if similarity.identical == 0 {
        return None;
    }
    let said = say.identical(
        similarity.identical,
        similarity.aligned,
        similarity.identical_informative,
    );
    let mut table = Table::new([
        Column::names(say.term(Term::NameInTarget)),
        Column::words(say.term(Term::Class)),
        Column::words(say.term(Term::Dtype)),
        Column::numbers(say.term(Term::Shape)),
    ]);
    table.limit = Some(IN_SHORT);
    let informative = |row: &&TensorRow| row.identical && row.informative;
    for row in report.tensors.iter().filter(informative) {
        table.row(cells![
            Line::name(&row.name.target),
            row.class.word(),
            row.dtype.target.to_string(),
            shape(&row.shape.target),
        ]);
    }
    let blocks = [Block::Paragraph(said.into()), Block::Table(table)];
    Some(Section::new(say.heading(Heading::Identical), blocks))
}

/// Every aligned pair.
pub(super) fn every(say: Language, rows: &[TensorRow]) -> Section {
    let mut table = Table::new([
        Column::names(say.term(Term::NameInTarget)),
        Column::words(say.term(Term::Class)),
        Column::numbers(say.term(Term::Cosine)),
        Column::numbers(say.term(Term::Expected)),
        Column::numbers(say.term(Term::Excess)),
        Column::words(say.term(Term::Via)),
        Column::words(""),
    ]);
    for row in rows {
        table.row(cells![
            Line::name(&row.name.target),
            row.class.word(),
            number::figure(row.figures.cosine),
            number::figure(row.figures.expected_cosine),
            number::figure(row.figures.excess),
            row.compared_via.word(),
            if row.identical { "=" } else { "" },
        ]);
    }
    let without = rows.iter().filter_map(|row| no_cosine(say, row)).collect();
    let remark = say.remark(Remark::IdenticalMark);
    let blocks = [
        Block::Table(table),
        Block::Items(without, None),
        Block::Remark(remark.into()),
    ];
    Section::new(say.aligned_tensors(rows.len() as u64), blocks).folded(Fold::Folded)
}

fn no_cosine(say: Language, row: &TensorRow) -> Option<Line> {
    const LONGEST_NAME: usize = 60;
    let reason = match &row.figures.undefined {
        Some(why) => say.undefined(why),
        None => row.figures.reason.clone()?,
    };
    let name = escape::elide(&escape::name(&row.name.target), LONGEST_NAME);
    Some(say.no_cosine(&name, &reason).into())
}

/// What is left over on each side: how much, why, and the largest tensors.
pub(super) fn unmatched(say: Language, report: &Compare, all: bool) -> Option<Section> {
    let unmatched = &report.unmatched;
    if unmatched.target.is_empty() && unmatched.base.is_empty() {
        return None;
    }
    let sides = [
        side(say, true, &report.target, &unmatched.target, all),
        side(say, false, &report.base, &unmatched.base, all),
    ];
    Some(Section::new(say.heading(Heading::Unmatched), sides))
}

fn side(
    say: Language,
    target: bool,
    checkpoint: &CheckpointRow,
    rows: &[UnmatchedRow],
    all: bool,
) -> Block {
    let parameters = rows.iter().map(|row| row.parameters);
    let parameters = parameters.fold(0u64, u64::saturating_add);
    let summary = say.unmatched(&Unmatched {
        target,
        tensors: rows.len() as u64,
        parameters: &number::parameters(parameters),
        share: &number::share(parameters, checkpoint.parameters),
    });
    if rows.is_empty() {
        return Block::Paragraph(summary.into());
    }
    let mut table = Table::new([
        Column::names(say.term(Term::Name)),
        Column::words(say.term(Term::Role)),
        Column::words(say.term(Term::Dtype)),
        Column::numbers(say.term(Term::Shape)),
        Column::words(say.term(Term::Why)),
    ]);
    table.limit = Some(IN_SHORT);
    let mut sorted: Vec<&UnmatchedRow> = rows.iter().collect();
    if !all {
        sorted.sort_by_key(|row| Reverse(row.parameters));
    }
    for row in sorted {
        table.row(cells![
            Line::name(&row.name),
            row.role.word(),
            Line::name(&row.dtype),
            shape(&row.shape),
            say.unmatched_why(row.why),
        ]);
    }
    Block::Fold(Summary::Said(summary.into()), vec![Block::Table(table)])
}
