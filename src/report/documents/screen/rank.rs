//! `wcmp rank` on one screen.

use super::{caveats, foot, label, other_warnings, who};
use crate::evidence::levels::ALIKE_EXCESS;
use crate::report::document::{
    Block, Column, Document, Line, Opening, Section, Table, Value, cells,
};
use crate::report::documents::verdict;
use crate::report::number;
use crate::report::schema::{ControlRow, CriterionRow, FindingRow, Rank, RankingRow};
use crate::report::words::{Language, Pairs, Term};
use crate::verdict::decide::Confidence;
use crate::verdict::ranking::CriterionId;

/// Rows of bases on a screen.
const BASES: usize = 10;

/// The answer over all bases, and a row a base.
pub(in crate::report) fn rank(say: Language, report: &Rank) -> Document {
    let mut document = Document::new(say, Line::default(), false);
    document.opening = Some(opening(say, report));
    let mut blocks = vec![Block::Space, Block::Table(bases(say, &report.ranking))];
    if report.ranking.len() > BASES {
        let more = (report.ranking.len() - BASES) as u64;
        blocks.push(Block::Remark(say.more_bases(more).into()));
    }
    blocks.push(Block::Space);
    blocks.push(Block::Labelled(beside(say, report)));
    blocks.extend(other_warnings(say, &report.warnings));
    blocks.push(Block::Space);
    blocks.push(Block::Table(who([(
        label(say, Term::Target),
        &report.target,
    )])));
    document.grounds = vec![Section::untitled(blocks)];
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

fn bases(say: Language, rows: &[RankingRow]) -> Table {
    let mut table = Table::new([
        Column::numbers(""),
        Column::words(say.term(Term::Base)),
        Column::words(say.term(Term::Verdict)),
        Column::words(say.term(Term::Confidence)),
        Column::numbers(say.term(Term::Reused)),
        Column::numbers(say.term(Term::Cosine)),
        Column::numbers(say.term(Term::Chance)),
        Column::sentences(say.term(Term::SeenBy)),
    ]);
    for (at, row) in (1u64..).zip(rows).take(BASES) {
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
        table.row(cells![
            at.to_string(),
            Line::name(&row.base.name),
            Line::word(row.verdict.label),
            row.verdict
                .confidence
                .map_or(number::ABSENT, Confidence::word),
            number::percent(row.reused),
            number::short_figure(row.similarity.matrix_cosine),
            number::chance(least(&row.evidence)),
            seen,
        ]);
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
    values.extend(relatives(say, report));
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
        let said = say.criteria(holds(true), holds(false));
        values.push(Value::new(say.term(Term::PlainScale), said));
    }
    values
}

/// Which relative is nearest, and what is made of the target.
fn relatives(say: Language, report: &Rank) -> Vec<Value> {
    let mut said = Vec::new();
    if let Some(nearest) = report.nearest() {
        let across = report.across(nearest);
        said.extend((!across.is_empty()).then(|| say.relatives(nearest, &across)));
    }
    said.extend(Pairs::new(&report.between).map(|pairs| say.between(&pairs)));
    let relatives = |said| Value::new(say.term(Term::Relatives), Line::name(said));
    let mut values: Vec<Value> = said.into_iter().map(relatives).collect();
    for row in &report.sums_of_target {
        let said = say.sum_of_target(&row.base, &row.with);
        values.push(Value::new(say.term(Term::Relatives), Line::name(said)));
    }
    values
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
