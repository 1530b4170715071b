//! `wcmp verify`.

use serde_json::Value as Json;

use crate::report::document::{
    Block, Column, Document, Line, Opening, Section, Shape, Table, Tone, cells,
};
use crate::report::escape;
use crate::report::schema::Verify;
use crate::report::words::{Language, Term};

/// Differences that are shown where not all are asked for.
const IN_SHORT: usize = 12;
/// Values longer than this are cut.
const LONGEST_VALUE: usize = 120;

/// Whether a report comes out the same, and where not.
pub(in crate::report) fn verify(say: Language, report: &Verify, all: bool) -> Document {
    let mut document = Document::new(say, Line::default(), all);
    let differences = report.differences.len() as u64;
    let mut caveats = Vec::new();
    if !report.same_version {
        caveats.push(Line::from(say.other_version(&report.wcmp)));
    }
    document.opening = Some(Opening {
        word: if report.equal { "equal" } else { "different" },
        confidence: None,
        tone: Tone::Said,
        sentence: say.verified(&report.report, differences),
        caveats,
    });
    let mut table = Table::new([
        Column::words(""),
        Column::names(say.term(Term::Field)),
        Column::words(say.term(Term::Expected)),
        Column::words(say.term(Term::Found)),
    ]);
    table.shape = Shape::Records;
    table.limit = Some(IN_SHORT);
    for row in &report.differences {
        table.row(cells![
            say.term(Term::Differs),
            Line::name(&row.field),
            value(&row.expected),
            value(&row.found),
        ]);
    }
    document.grounds = vec![Section::untitled([Block::Table(table)])];
    document
}

fn value(value: &Json) -> Line {
    Line::word(escape::elide(&value.to_string(), LONGEST_VALUE))
}
