//! `wcmp sketch`.

use super::{checkpoint, notes};
use crate::report::document::{Block, Document, Line, Section, Value};
use crate::report::number;
use crate::report::schema::Sketch;
use crate::report::words::{Language, Question, Term};

/// What was kept of a model.
pub(in crate::report) fn sketch(say: Language, report: &Sketch, all: bool) -> Document {
    let title = say.question(&report.wcmp, Question::Sketch(&report.checkpoint.name));
    let mut document = Document::new(say, title, all);
    let share = number::percent(Some(report.disclosed_share));
    let mut values = vec![
        Value::new(say.term(Term::Files), Line::name(&report.file)),
        Value::new(say.term(Term::Size), number::bytes(report.bytes)),
        Value::new(say.term(Term::Tensors), number::count(report.tensors)),
        Value::new(say.term(Term::Disclosed), share),
    ];
    let left_out = report.left_out.iter();
    values.extend(left_out.map(|what| Value::new(say.term(Term::LeftOut), Line::word(what))));
    let digest = checkpoint::digest(say, &report.checkpoint);
    values.push(Value::new(say.term(Term::ModelDigest), digest));
    document.grounds = vec![Section::untitled([Block::Labelled(values)])];
    notes(say, &mut document, &report.warnings);
    document
}
