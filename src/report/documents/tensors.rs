//! Tensors of `wcmp compare`: the identical and the unmatched ones in short, or every row where that
//! is asked for.

use std::cmp::Reverse;

use super::{heading, shape, term};
use crate::report::document::{Block, Column, Fold, Line, Section, Summary, Table, cells};
use crate::report::escape;
use crate::report::number;
use crate::report::schema::{CheckpointRow, Compare, TensorRow, UnmatchedRow};
use crate::report::words::{Heading, Remark, Term, Unmatched, WORDS};

/// Rows of a list that is shown in short.
const IN_SHORT: usize = 5;

/// Identical tensors: how many, and the first informative ones.
pub(super) fn identical(report: &Compare) -> Option<Section> {
    let similarity = &report.similarity;
    if similarity.identical == 0 {
        return None;
    }
    let said = WORDS.identical(
        similarity.identical,
        similarity.aligned,
        similarity.identical_informative,
    );
    let mut table = Table::new([
        Column::names(term(Term::NameInTarget)),
        Column::words(term(Term::Class)),
        Column::words(term(Term::Dtype)),
        Column::numbers(term(Term::Shape)),
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
    Some(Section::new(heading(Heading::Identical), blocks))
}

/// Every aligned pair.
pub(super) fn every(rows: &[TensorRow]) -> Section {
    let mut table = Table::new([
        Column::names(term(Term::NameInTarget)),
        Column::words(term(Term::Class)),
        Column::numbers(term(Term::Cosine)),
        Column::numbers(term(Term::Expected)),
        Column::numbers(term(Term::Excess)),
        Column::words(term(Term::Via)),
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
    let without = rows.iter().filter_map(no_cosine).collect();
    let remark = WORDS.remark(Remark::IdenticalMark);
    let blocks = [
        Block::Table(table),
        Block::Items(without, None),
        Block::Remark(remark.into()),
    ];
    Section::new(WORDS.aligned_tensors(rows.len() as u64), blocks).folded(Fold::Folded)
}

fn no_cosine(row: &TensorRow) -> Option<Line> {
    const LONGEST_NAME: usize = 60;
    let reason = row.figures.reason.as_deref()?;
    let name = escape::elide(&escape::name(&row.name.target), LONGEST_NAME);
    Some(WORDS.no_cosine(&name, reason).into())
}

/// What is left over on each side: how much, why, and the largest tensors.
pub(super) fn unmatched(report: &Compare, all: bool) -> Option<Section> {
    let unmatched = &report.unmatched;
    if unmatched.target.is_empty() && unmatched.base.is_empty() {
        return None;
    }
    let sides = [
        side(true, &report.target, &unmatched.target, all),
        side(false, &report.base, &unmatched.base, all),
    ];
    Some(Section::new(heading(Heading::Unmatched), sides))
}

fn side(target: bool, checkpoint: &CheckpointRow, rows: &[UnmatchedRow], all: bool) -> Block {
    let parameters = rows.iter().map(|row| row.parameters);
    let parameters = parameters.fold(0u64, u64::saturating_add);
    let summary = WORDS.unmatched(&Unmatched {
        target,
        tensors: rows.len() as u64,
        parameters: &number::parameters(parameters),
        share: &number::share(parameters, checkpoint.parameters),
    });
    if rows.is_empty() {
        return Block::Paragraph(summary.into());
    }
    let mut table = Table::new([
        Column::names(term(Term::Name)),
        Column::words(term(Term::Role)),
        Column::words(term(Term::Dtype)),
        Column::numbers(term(Term::Shape)),
        Column::words(term(Term::Why)),
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
            WORDS.unmatched_why(row.why),
        ]);
    }
    Block::Fold(Summary::Said(summary.into()), vec![Block::Table(table)])
}
