//! The verdict, and beside it the origin document's own reading.

use super::spaced;
use crate::report::document::{
    Answer, Block, Cell, Column, Line, Row, Section, Shape, Table, Tone, Value, Verdict,
};
use crate::report::number;
use crate::report::schema::{NotTestable, OriginReading, VerdictRow};
use crate::report::words::{Apart, Heading, Language, PlainScale, Remark, Term};
use crate::verdict::decide::{Confidence, Label};
use crate::verdict::origin::{Band, Disagreement, DisagreementCause, Pattern};

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
pub(super) fn verdict(say: Language, row: &VerdictRow) -> Answer {
    let label = row.label;
    let relations = row.relations.iter().map(Line::word).collect();
    let sure = |confidence: Confidence| (confidence.word(), say.confidence(label, confidence));
    Answer::Verdict(Verdict {
        title: say.heading(Heading::Verdict),
        word: label.word(),
        tone: tone(label),
        meaning: say.label(label).into(),
        beside: Some((say.term(Term::Relation), relations)),
        confidence: Some(row.confidence.map(sure)),
        reasons: reasons(say, row),
    })
}

/// The reasons in the language at hand, or as they were saved.
pub(super) fn reasons(say: Language, row: &VerdictRow) -> Vec<String> {
    if row.grounds.len() == row.reasons.len() {
        row.grounds
            .iter()
            .map(|reason| say.reason(reason))
            .collect()
    } else {
        row.reasons.clone()
    }
}

/// Why the plain scale and the verdict disagree.
fn disagreement(say: Language, reading: &OriginReading) -> Option<String> {
    let typed = reading.disagreement.as_ref();
    typed
        .map(|why| say.disagreement(why))
        .or_else(|| reading.why.clone())
}

/// The plain mean-cosine scale on one pair, in a line. The pattern is of one of the model's
/// `components` and speaks for the verdict only where there is no other.
pub(super) fn plain_scale(
    say: Language,
    reading: &OriginReading,
    label: Label,
    disguised: bool,
    components: usize,
) -> String {
    let apart = |why: &Disagreement| match why.cause {
        DisagreementCause::AlikeInUnrelated => Apart::AlikeInUnrelated,
        DisagreementCause::PulledDown => Apart::PulledDown,
        DisagreementCause::ByNameAlone if disguised => Apart::AsStored,
        DisagreementCause::ByNameAlone => Apart::MovedFar,
    };
    let mean = reading
        .mean_cosine
        .map(|mean| number::short_figure(Some(mean)));
    say.plain_scale(&PlainScale {
        mean: mean.as_deref(),
        band: reading.band,
        pattern: reading.layer_pattern,
        agrees: reading.agrees,
        why: reading.disagreement.as_ref().map(apart),
        pattern_agrees: pattern_agrees(reading.layer_pattern, label).filter(|_| components <= 1),
    })
}

/// Whether a pattern of layers speaks for the label; none where it speaks for nothing.
fn pattern_agrees(pattern: Pattern, label: Label) -> Option<bool> {
    let whole = matches!(label, Label::Identical | Label::ReEncoded | Label::Derived);
    match pattern {
        _ if label == Label::Inconclusive => None,
        Pattern::UniformlyLow => Some(label == Label::FromScratch),
        Pattern::SomeLayersHigh => Some(label == Label::PartialReuse),
        Pattern::EarlyHighLateLow | Pattern::UniformlyHigh => Some(whole),
        Pattern::Mixed | Pattern::NotApplicable => None,
    }
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
pub(super) fn glossary<'a>(say: Language, rows: impl Iterator<Item = &'a VerdictRow>) -> Table {
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
        Column::words(say.term(Term::Word)),
        Column::sentences(say.term(Term::Meaning)),
    ];
    let mut table = Table::new(columns);
    for (label, sure) in said {
        let (key, meaning) = match sure {
            None => (Line::word(label), say.label(label)),
            Some(sure) => (
                Line::word(label).text(format!(", {sure}")),
                say.confidence(label, sure),
            ),
        };
        table.row([key.into(), Cell::from(meaning)]);
    }
    table
}

/// What could not be tested, and why.
pub(super) fn not_testable(say: Language, rows: &[NotTestable]) -> Option<Section> {
    let items: Vec<Line> = rows.iter().map(|row| one_not_testable(say, row)).collect();
    let title = say.heading(Heading::NotTestable);
    (!items.is_empty()).then(|| Section::new(title, [Block::Items(items, None)]))
}

/// What could not be tested, and why, in a line.
pub(super) fn one_not_testable(say: Language, row: &NotTestable) -> Line {
    let [what, why] = untested(say, row);
    format!("{what}: {why}").into()
}

/// What could not be tested, and why, in the language at hand or as it was saved.
pub(super) fn untested(say: Language, row: &NotTestable) -> [String; 2] {
    match (&row.subject, &row.obstacle) {
        (Some(subject), Some(obstacle)) => [say.subject(subject), say.obstacle(obstacle)],
        _ => [row.what.clone(), row.why.clone()],
    }
}

/// The layer pattern and its meaning.
pub(super) fn pattern(say: Language, reading: &OriginReading) -> String {
    let pattern = spaced(reading.layer_pattern.word());
    format!("{pattern}: {}", say.pattern(reading.layer_pattern))
}

/// Whether the document's reading and the verdict agree.
pub(super) fn agreement(say: Language, reading: &OriginReading) -> String {
    say.agreement(reading.agrees, disagreement(say, reading).as_deref())
}

/// The origin document on one base of a ranking, in a line.
pub(super) fn document(say: Language, reading: &OriginReading) -> String {
    say.document(
        reading.band,
        &pattern(say, reading),
        &agreement(say, reading),
    )
}

/// The origin document's threshold table with the row that applies marked, its pattern, and whether
/// it agrees.
pub(super) fn origin(say: Language, reading: &OriginReading) -> Section {
    let applies = reading.band;
    let mut table = Table::new([
        Column::words(say.term(Term::MeanCosine)),
        Column::sentences(say.term(Term::Reads)),
        Column::numbers(say.term(Term::ThisPair)),
    ]);
    table.shape = Shape::Choice;
    table.rows = Band::ALL
        .iter()
        .map(|band| band_row(say, *band, applies, reading.mean_cosine))
        .collect();
    let mut blocks = vec![Block::Table(table)];
    if applies.is_none() {
        blocks.push(Block::Paragraph(say.remark(Remark::NoBand).into()));
    }
    blocks.push(Block::Labelled(vec![
        Value::new(say.term(Term::Pattern), pattern(say, reading)),
        Value::new(say.term(Term::Agreement), agreement(say, reading)),
    ]));
    Section::new(say.heading(Heading::Origin), blocks)
}

fn band_row(say: Language, band: Band, applies: Option<Band>, mean: Option<f64>) -> Row {
    let pointed = applies == Some(band);
    let figure = if pointed {
        number::figure(mean)
    } else {
        String::new()
    };
    let cells = vec![
        Cell::from(say.band_range(band)),
        Cell::from(say.band(band)),
        Cell::from(figure),
    ];
    Row { cells, pointed }
}
