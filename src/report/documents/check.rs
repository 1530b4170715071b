//! `wcmp hash --check`.

use super::checkpoint;
use crate::report::document::{
    Answer, Block, Column, Document, Line, Section, Shape, Table, Value, cells,
};
use crate::report::schema::Check;
use crate::report::words::{Checked, Language, Question, Term};

/// What a copy has in common with the manifest, and what not.
pub(in crate::report) fn check(say: Language, report: &Check, all: bool) -> Document {
    let title = say.question(&report.wcmp, Question::Check(&report.checkpoint.name));
    let mut document = Document::new(say, title, all);
    let differences = differences(say, report);
    if !differences.rows.is_empty() {
        let differences = Section::untitled([Block::Table(differences)]);
        document.grounds.push(differences);
    }
    let said = say.checked(&Checked {
        name: &report.checkpoint.name,
        equal: report.equal,
        matching: report.matching,
        tensors: report.matching + report.different.len() as u64 + report.new.len() as u64,
        different: report.different.len() as u64,
        missing: report.missing.len() as u64,
        new: report.new.len() as u64,
    });
    let digest = checkpoint::digest(say, &report.checkpoint);
    let digest = Value::new(say.term(Term::Model), digest);
    document.answer = Some(Answer::Statement(said, vec![digest]));
    document
}

fn differences(say: Language, report: &Check) -> Table {
    let mut table = Table::new([
        Column::words(""),
        Column::names(say.term(Term::Name)),
        Column::words(say.term(Term::Expected)),
        Column::words(say.term(Term::Found)),
    ]);
    table.shape = Shape::Records;
    for row in &report.different {
        table.row(cells![
            say.term(Term::Differs),
            Line::name(&row.name),
            Line::word(&row.expected),
            Line::word(&row.found),
        ]);
    }
    let absent = [(Term::Missing, &report.missing), (Term::New, &report.new)];
    for (state, names) in absent {
        for name in names {
            table.row(cells![say.term(state), Line::name(name), "", ""]);
        }
    }
    table
}
