//! `wcmp rank` on one screen.

use super::{caveats, foot, label, other_warnings, who};
use crate::evidence::levels::ALIKE_EXCESS;
use crate::report::document::{
    Block, Cell, Column, Document, Line, Opening, Section, Span, Table, Value, cells,
};
use crate::report::documents::verdict;
use crate::report::escape::width;
use crate::report::number;
use crate::report::schema::{ControlRow, CriterionRow, FindingRow, Rank, RankingRow};
use crate::report::words::{Language, Pairs, Term};
use crate::verdict::decide::Confidence;
use crate::verdict::ranking::CriterionId;

/// Rows of bases on a screen that has nothing else to tell.
const BASES: usize = 10;
/// Rows of bases at least.
const LEAST: usize = 5;
/// Columns of a screen that words fill, about, where they are broken at blanks.
const COLUMNS: usize = 72;
/// Columns of what stands before a sentence, about.
const LABEL: usize = 15;
/// Bases that leave room for a column of what they were seen by, and for a command with all paths.
const FEW: usize = 4;

/// The answer over all bases, and a row a base.
pub(in crate::report) fn rank(say: Language, report: &Rank) -> Document {
    let mut document = Document::new(say, Line::default(), false);
    document.opening = Some(opening(say, report));
    let all = report.ranking.len();
    let shown = shown(say, report);
    let rows = &report.ranking[..shown];
    let mut blocks = vec![Block::Space, Block::Table(bases(say, rows, all <= FEW))];
    if all > shown {
        blocks.push(Block::Remark(say.more_bases((all - shown) as u64).into()));
    }
    blocks.push(Block::Space);
    let mut values = Vec::new();
    values.extend((all > FEW).then(|| seen_by(say, rows)).flatten());
    values.extend(beside(say, report));
    blocks.push(Block::Labelled(values));
    blocks.extend(other_warnings(say, &report.warnings));
    blocks.push(Block::Space);
    blocks.push(Block::Table(who([(
        label(say, Term::Target),
        &report.target,
    )])));
    document.grounds = vec![Section::untitled(blocks)];
    if all > FEW {
        document.foot = Some(say.foot_of_many(&report.wcmp).into());
        return document;
    }
    let bases = report.ranking.iter().map(|row| &row.base);
    let models = std::iter::once(&report.target).chain(bases);
    let paths = models.map(|model| model.path.clone()).collect();
    foot(
        &mut document,
        &report.wcmp,
        "rank",
        paths,
        Some(&report.settings),
    );
    document
}

/// Rows of bases that leave room for what else is to be told.
fn shown(say: Language, report: &Rank) -> usize {
    let opening = opening(say, report);
    let sentence = opening.sentence.0.iter().map(|span| match span {
        Span::Text(text) | Span::Name(text) | Span::Word(text) => width(text),
    });
    let sentence = (LABEL + sentence.sum::<usize>()).div_ceil(COLUMNS);
    let told = relatives(say, report);
    let told = told
        .iter()
        .map(|said| width(said).div_ceil(COLUMNS - LABEL));
    let caveats = 2 * opening.caveats.len().saturating_sub(1);
    let notes = usize::from(other_warnings(say, &report.warnings).is_some());
    let others = sentence.saturating_sub(2) + told.sum::<usize>() + caveats + notes;
    let room = BASES.saturating_sub(others).max(LEAST);
    match report.ranking.len() {
        all if all <= room => all,
        // A row tells how many more there are.
        _ => room.saturating_sub(1).max(LEAST),
    }
}

/// By what each of the rows was seen, in one line.
fn seen_by(say: Language, rows: &[RankingRow]) -> Option<Value> {
    let mut told: Vec<(&str, Vec<u32>)> = Vec::new();
    for (at, row) in (1..).zip(rows) {
        let Some(word) = row.seen_by.first() else {
            continue;
        };
        match told.iter_mut().find(|(known, _)| known == word) {
            Some((_, rows)) => rows.push(at),
            None => told.push((word, vec![at])),
        }
    }
    let each = told.into_iter().map(|(word, rows)| {
        let rows = number::ranges(rows);
        format!("{} ({rows})", say.seen_by_word(word))
    });
    let told = each.collect::<Vec<_>>().join(", ");
    (!told.is_empty()).then(|| Value::new(say.term(Term::SeenBy), told))
}

/// The first lines: the conclusion and what must be quoted with it.
pub(in crate::report) fn opening(say: Language, report: &Rank) -> Opening {
    let conclusion = &report.conclusion;
    let verdicts: Vec<_> = match report.concluded_from() {
        Some(row) => vec![&row.verdict],
        None => {
            let is_of = |row: &&RankingRow| {
                !conclusion.label.is_related() || row.verdict.label == conclusion.label
            };
            let rows = report.ranking.iter().filter(is_of);
            rows.map(|row| &row.verdict).collect()
        }
    };
    Opening {
        word: conclusion.label.word(),
        confidence: report.confidence().map(Confidence::word),
        tone: verdict::tone(conclusion.label),
        sentence: say.concluded(report),
        caveats: caveats(
            say,
            Some(&report.settings),
            &verdicts,
            &report.warnings,
            &report.left_aside,
        ),
    }
}

/// A row a base; `is_seen_by` asks for the column of what each was seen by.
fn bases(say: Language, rows: &[RankingRow], is_seen_by: bool) -> Table {
    let mut columns = vec![
        Column::numbers(""),
        if is_seen_by {
            Column::words(say.term(Term::Base))
        } else {
            Column::names(say.term(Term::Base))
        },
        Column::words(say.term(Term::Verdict)),
        Column::words(say.term(Term::Confidence)),
        Column::numbers(say.term(Term::Reused)),
        Column::numbers(say.term(Term::Cosine)),
        Column::numbers(say.term(Term::Chance)),
    ];
    columns.extend(is_seen_by.then(|| Column::sentences(say.term(Term::SeenBy))));
    let mut table = Table::new(columns);
    for (at, row) in (1u64..).zip(rows) {
        let seen: Vec<String> = row
            .seen_by
            .iter()
            .take(1)
            .map(|word| say.seen_by_word(word))
            .collect();
        let seen = match seen.as_slice() {
            [] => number::ABSENT.to_owned(),
            seen => seen.join(", "),
        };
        let mut cells: Vec<Cell> = cells![
            at.to_string(),
            Line::name(&row.base.name),
            Line::word(row.verdict.label),
            row.verdict
                .confidence
                .map_or(number::ABSENT, Confidence::word),
            number::percent(row.reused),
            number::short_figure(row.similarity.matrix_cosine),
            number::chance(least(&row.evidence)),
        ]
        .into();
        cells.extend(is_seen_by.then(|| seen.into()));
        table.row(cells);
    }
    table
}

/// The least bound among the findings that speak for a likeness.
pub(in crate::report) fn least(findings: &[FindingRow]) -> Option<f64> {
    use crate::evidence::finding::Supports;
    let speaks =
        |row: &&FindingRow| matches!(row.supports, Supports::Derived | Supports::ReEncoded);
    let bounds = findings.iter().filter(speaks).filter_map(|row| row.log10_p);
    bounds.reduce(f64::min).filter(|bound| *bound < 0.0)
}

/// What stands beside the rows: the bases among themselves, the mixture, the criteria.
fn beside(say: Language, report: &Rank) -> Vec<Value> {
    let mut values = Vec::new();
    values.extend(report.library.iter().map(|library| {
        let chance = library.log10_p.map(|bound| number::chance(Some(bound)));
        let said = say.library(library, chance.as_deref());
        Value::new(say.term(Term::Library), said)
    }));
    let relatives = relatives(say, report).into_iter();
    let relatives = relatives.map(|said| Value::new(say.term(Term::Relatives), Line::name(said)));
    values.extend(relatives);
    values.push(Value::new(say.term(Term::Controls), controls(say, report)));
    let holds = |scratch: bool| {
        let is_scratch = |row: &&CriterionRow| {
            let id = row.id;
            scratch
                == matches!(
                    id,
                    CriterionId::AllMeansBelowHalf
                        | CriterionId::NoIdentical
                        | CriterionId::IndependentInPca
                )
        };
        let rows: Vec<&CriterionRow> = report.criteria.iter().filter(is_scratch).collect();
        let held = rows.iter().filter(|row| row.holds == Some(true)).count();
        (held as u64, rows.len() as u64)
    };
    if !report.criteria.is_empty() {
        let said = if report.ranking.len() > FEW {
            say.criteria_in_short(holds(true), holds(false))
        } else {
            say.criteria(holds(true), holds(false))
        };
        values.push(Value::new(say.term(Term::PlainScale), said));
    }
    values
}

/// Which relative is nearest, and what is made of the target.
fn relatives(say: Language, report: &Rank) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(nearest) = report.nearest() {
        let across = report.across(nearest);
        said.extend((!across.is_empty()).then(|| say.relatives(nearest, &across)));
    }
    said.extend(Pairs::new(&report.between).map(|pairs| say.between(&pairs)));
    let sums = report.sums_of_target.iter();
    said.extend(sums.map(|row| say.sum_of_target(&row.base, &row.with)));
    said
}

/// What the bases reach among themselves, and whether that is a control.
fn controls(say: Language, report: &Rank) -> String {
    let rows = report.controls.as_deref().unwrap_or_default();
    let highest = rows.iter().filter_map(|row: &ControlRow| row.matrix_excess);
    let lowest = rows.iter().filter_map(|row| row.lowest_excess);
    match (highest.reduce(f64::max), lowest.reduce(f64::min)) {
        (Some(highest), Some(lowest)) => {
            let is_control = lowest < ALIKE_EXCESS;
            let [highest, lowest] = [highest, lowest].map(|n| number::short_figure(Some(n)));
            say.controls(&highest, &lowest, is_control)
        }
        _ => say.no_control().to_owned(),
    }
}
