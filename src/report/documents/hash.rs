//! `wcmp hash`, for a page; in a terminal the manifest is a file of its own form.

use super::shape;
use crate::report::document::{Block, Column, Document, Fold, Line, Section, Table, Value, cells};
use crate::report::schema::Hash;
use crate::report::words::{Language, Question, Term};

/// The manifest as a table. To check against, keep the text or the JSON form.
pub(in crate::report) fn hash(say: Language, report: &Hash, all: bool) -> Document {
    let title = say.question(&report.wcmp, Question::Hash(&report.checkpoint.name));
    let mut document = Document::new(say, title, all);
    let digest = Line::word(report.model_digest);
    let digest = Value::new(say.term(Term::ModelDigest), digest);
    let mut table = Table::new([
        Column::names(say.term(Term::Name)),
        Column::words(say.term(Term::Dtype)),
        Column::numbers(say.term(Term::Shape)),
        Column::words(say.term(Term::Sha256)),
    ]);
    for row in &report.tensors {
        table.row(cells![
            Line::name(&row.name),
            Line::name(&row.dtype),
            shape(&row.shape),
            Line::word(row.sha256),
        ]);
    }
    let tensors = say.tensors(report.tensors.len() as u64);
    document.grounds = vec![
        Section::untitled([Block::Labelled(vec![digest])]),
        Section::new(tensors, [Block::Table(table)]).folded(Fold::Folded),
    ];
    document
}
