//! The verdict, and beside it the origin document's own reading.

use super::{heading, spaced, term};
use crate::report::document::{
    Answer, Block, Cell, Column, Line, Row, Section, Shape, Table, Tone, Value, Verdict,
};
use crate::report::number;
use crate::report::schema::{NotTestable, OriginReading, VerdictRow};
use crate::report::words::{Heading, Remark, Term, WORDS};
use crate::verdict::decide::{Confidence, Label};
use crate::verdict::origin::Band;

/// How loud a label is told.
pub(super) fn tone(label: Label) -> Tone {
    match label {
        Label::Inconclusive => Tone::Open,
        Label::Identical
        | Label::ReEncoded
        | Label::Derived
        | Label::PartialReuse
        | Label::FromScratch => Tone::Said,
    }
}

/// Label, relations, confidence and reasons.
pub(super) fn verdict(row: &VerdictRow) -> Answer {
    let label = row.label;
    let relations = row.relations.iter().map(Line::word).collect();
    let sure = |confidence: Confidence| (confidence.word(), WORDS.confidence(label, confidence));
    Answer::Verdict(Verdict {
        title: heading(Heading::Verdict),
        word: label.word(),
        tone: tone(label),
        meaning: WORDS.label(label).into(),
        beside: Some((term(Term::Relation), relations)),
        confidence: Some(row.confidence.map(sure)),
        reasons: row.reasons.clone(),
    })
}

/// A verdict as `derived (fine_tuned, vocabulary_extended), conclusive`.
pub(super) fn in_short(row: &VerdictRow) -> Line {
    let mut out = Line::word(row.label);
    if !row.relations.is_empty() {
        let relations = row.relations.iter().map(Line::word);
        out = out.text(" (").then(Line::joined(relations, ", ")).text(")");
    }
    match row.confidence {
        Some(confidence) => out.text(format!(", {confidence}")),
        None => out,
    }
}

/// What the labels and confidence words of `rows` mean, each once.
pub(super) fn glossary<'a>(rows: impl Iterator<Item = &'a VerdictRow>) -> Table {
    let mut said: Vec<(Label, Option<Confidence>)> = Vec::new();
    for row in rows {
        for key in [(row.label, None), (row.label, row.confidence)] {
            if !said.contains(&key) {
                said.push(key);
            }
        }
    }
    // A label stands before the confidence words that go with it.
    said.sort_by_key(|(label, _)| *label);
    let columns = [
        Column::words(term(Term::Word)),
        Column::sentences(term(Term::Meaning)),
    ];
    let mut table = Table::new(columns);
    for (label, sure) in said {
        let (key, meaning) = match sure {
            None => (Line::word(label), WORDS.label(label)),
            Some(sure) => (
                Line::word(label).text(format!(", {sure}")),
                WORDS.confidence(label, sure),
            ),
        };
        table.row([key.into(), Cell::from(meaning)]);
    }
    table
}

/// What could not be tested, and why.
pub(super) fn not_testable(rows: &[NotTestable]) -> Option<Section> {
    let items: Vec<Line> = rows.iter().map(one_not_testable).collect();
    let title = heading(Heading::NotTestable);
    (!items.is_empty()).then(|| Section::new(title, [Block::Items(items, None)]))
}

/// What could not be tested, and why, in a line.
pub(super) fn one_not_testable(row: &NotTestable) -> Line {
    format!("{}: {}", row.what, row.why).into()
}

/// The layer pattern and its meaning.
pub(super) fn pattern(reading: &OriginReading) -> String {
    let pattern = spaced(reading.layer_pattern.word());
    format!("{pattern}: {}", reading.pattern_meaning)
}

/// Whether the document's reading and the verdict agree.
pub(super) fn agreement(reading: &OriginReading) -> String {
    WORDS.agreement(reading.agrees, reading.why.as_deref())
}

/// The origin document on one base of a ranking, in a line.
pub(super) fn document(reading: &OriginReading) -> String {
    WORDS.document(reading.band, &pattern(reading), &agreement(reading))
}

/// The origin document's threshold table with the row that applies marked, its pattern, and whether
/// it agrees.
pub(super) fn origin(reading: &OriginReading) -> Section {
    let applies = reading.band;
    let mut table = Table::new([
        Column::words(term(Term::MeanCosine)),
        Column::sentences(term(Term::Reads)),
        Column::numbers(term(Term::ThisPair)),
    ]);
    table.shape = Shape::Choice;
    table.rows = Band::ALL
        .iter()
        .map(|band| band_row(*band, applies, reading.mean_cosine))
        .collect();
    let mut blocks = vec![Block::Table(table)];
    if applies.is_none() {
        blocks.push(Block::Paragraph(WORDS.remark(Remark::NoBand).into()));
    }
    blocks.push(Block::Labelled(vec![
        Value::new(term(Term::Pattern), pattern(reading)),
        Value::new(term(Term::Agreement), agreement(reading)),
    ]));
    Section::new(heading(Heading::Origin), blocks)
}

fn band_row(band: Band, applies: Option<Band>, mean: Option<f64>) -> Row {
    let pointed = applies == Some(band);
    let figure = if pointed {
        number::figure(mean)
    } else {
        String::new()
    };
    let cells = vec![
        Cell::from(WORDS.band_range(band)),
        Cell::from(WORDS.band(band)),
        Cell::from(figure),
    ];
    Row { cells, pointed }
}
