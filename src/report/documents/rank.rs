//! `wcmp rank`.

use super::{
    checkpoint, compare, filter, left_aside, notes, page, reproduce, screen, spaced, verdict,
};
use crate::report::document::{
    Answer, Block, Cell, Column, Document, Fold, Line, Point, Scatter, Section, Summary, Table,
    Value, Verdict, cells, point_label,
};
use crate::report::number;
use crate::report::schema::{
    CheckpointRow, ControlRow, CoordinatesRow, CriterionRow, KinRow, LayerOriginRow, MixtureRow,
    Rank, RankingRow, WeightRow,
};
use crate::report::words::{Cosines, Heading, Language, Pairs, Question, Remark, Term};
use crate::verdict::decide::Confidence;

/// Bases whose weights stand side by side where places are few.
const ABREAST: usize = 5;
/// Rows of the mixture that are shown where not all are asked for.
const MIXTURES: usize = 16;

/// Which of the bases the target is made from, or that it is from none.
pub(in crate::report) fn rank(say: Language, report: &Rank, all: bool) -> Document {
    let title = say.question(&report.wcmp, Question::Rank(&report.target.name));
    let mut document = Document::new(say, title, all);
    document.caveat = filter(say, &report.settings);
    document.grounds = grounds(say, report);
    document.answer = Some(conclusion(say, report));
    left_aside(say, &mut document, &report.left_aside);
    notes(say, &mut document, &report.warnings);
    document.remarks.push(page::glossary(say));
    let bases = report.ranking.iter().map(|row| &row.base);
    let models = std::iter::once(&report.target).chain(bases);
    let paths = models.map(|model| model.path.clone()).collect();
    reproduce(&mut document, "rank", paths, Some(&report.settings));
    document
}

fn grounds(say: Language, report: &Rank) -> Vec<Section> {
    let target = (say.term(Term::Target), &report.target);
    let mut out = vec![
        Section::untitled([Block::Table(checkpoint::side_by_side(say, &[target]))]),
        digests(say, report),
        ranking(say, &report.ranking),
    ];
    let bases = (1..).zip(&report.ranking);
    out.extend(bases.map(|(at, row)| base(say, at, row)));
    out.extend(explained(say, &report.ranking));
    out.extend(report.coordinates.as_ref().map(|row| coordinates(say, row)));
    out.extend(report.mixture.as_ref().map(|row| mixture(say, row)));
    out.extend(
        report
            .layer_origins
            .as_deref()
            .map(|rows| layer_origins(say, rows)),
    );
    out.extend(relatives(say, report));
    let controls = report.controls.as_deref().unwrap_or_default();
    out.extend(self::controls(say, controls, &report.ranking));
    out.extend(criteria(say, &report.criteria));
    out
}

fn digests(say: Language, report: &Rank) -> Section {
    let target = (say.term(Term::Target).to_owned(), &report.target);
    let bases = (1..).zip(&report.ranking);
    let bases = bases.map(|(at, row)| (say.base_number(at), &row.base));
    checkpoint::digests(say, std::iter::once(target).chain(bases))
}

fn ranking(say: Language, rows: &[RankingRow]) -> Section {
    let mut table = Table::new([
        Column::numbers(""),
        Column::names(say.term(Term::Base)),
        Column::numbers(say.term(Term::Mean)),
        Column::numbers(say.term(Term::Matrices)),
        Column::numbers(say.term(Term::Identical)).dropped(1),
        Column::numbers(say.term(Term::Log10P)),
        Column::words(say.term(Term::Subspaces)).dropped(2),
        Column::words(say.term(Term::Verdict)),
        Column::words(say.term(Term::Confidence)),
    ]);
    for (at, row) in (1u64..).zip(rows) {
        let subspaces = row.pca.as_ref().map(|pca| spaced(pca.summary.word()));
        // The bound that carried the verdict, by whichever form.
        let in_place = row.permutation.as_ref().and_then(|test| test.log10_p);
        let bound = screen::least(&row.evidence).into_iter().chain(in_place);
        table.row(cells![
            at.to_string(),
            Line::name(&row.base.name),
            number::figure(row.similarity.mean_cosine),
            number::figure(row.similarity.matrix_cosine),
            number::count(row.similarity.identical_informative),
            number::log10(bound.reduce(f64::min)),
            subspaces.unwrap_or_else(|| number::ABSENT.to_owned()),
            Line::word(row.verdict.label),
            row.verdict
                .confidence
                .map_or(number::ABSENT, Confidence::word),
        ]);
    }
    Section::new(say.heading(Heading::Ranking), [Block::Table(table)])
}

/// What stands behind a row of the ranking.
fn base(say: Language, at: usize, row: &RankingRow) -> Section {
    let mut values = vec![
        Value::new(say.term(Term::Path), Line::name(&row.base.path)),
        Value::new(say.term(Term::Covered), covered(say, row)),
        Value::new(say.term(Term::Cosines), cosines(say, row)),
    ];
    if let Some(test) = &row.permutation {
        let hits = say.hits(test.hits, test.probes, test.log10_p);
        values.push(Value::new(say.term(Term::Permutation), hits));
    }
    if let Some(pca) = &row.pca {
        let excess = number::figure(pca.median_excess);
        let lie = say.subspaces_in_short(pca.summary.word(), &excess);
        values.push(Value::new(say.term(Term::Subspaces), lie));
    }
    let label = verdict::in_short(&row.verdict);
    values.push(Value::new(say.term(Term::Verdict), label));
    let reasons = verdict::reasons(say, &row.verdict).into_iter();
    values.extend(reasons.map(|reason| Value::new("", reason)));
    let document = verdict::document(say, &row.origin_reading);
    values.push(Value::new(say.term(Term::Document), document));
    let missing = row.verdict.not_testable.iter();
    let missing = missing.map(|row| verdict::one_not_testable(say, row));
    values.extend(missing.map(|line| Value::new(say.term(Term::NotTested), line)));
    let title = Line::from(format!("{at}. ")).then(Line::name(&row.base.name));
    Section::new(title, [Block::Labelled(values)]).folded(Fold::Folded)
}

fn covered(say: Language, row: &RankingRow) -> String {
    let matrices = row.coverage.matrices;
    say.covered(
        &number::percent(matrices.target),
        &number::percent(matrices.base),
    )
}

fn cosines(say: Language, row: &RankingRow) -> String {
    let similarity = &row.similarity;
    say.cosines(&Cosines {
        mean: &number::figure(similarity.mean_cosine),
        matrices: &number::figure(similarity.matrix_cosine),
        excess: &number::figure(similarity.matrix_excess),
        norms: compare::norm_gains(say, similarity).as_deref(),
        identical: similarity.identical,
        aligned: similarity.aligned,
        informative: similarity.identical_informative,
    })
}

/// What a page has room to explain: the facts of the bases, and what their verdicts say.
fn explained(say: Language, rows: &[RankingRow]) -> [Section; 2] {
    let bases: Vec<&CheckpointRow> = rows.iter().map(|row| &row.base).collect();
    let bases = Block::Table(checkpoint::listed(say, &bases));
    let verdicts = verdict::glossary(say, rows.iter().map(|row| &row.verdict));
    [
        Section::new(say.heading(Heading::Bases), [bases]).folded(Fold::Deep),
        Section::new(say.heading(Heading::Glossary), [Block::Table(verdicts)]).folded(Fold::Deep),
    ]
}

fn coordinates(say: Language, row: &CoordinatesRow) -> Section {
    let points = row.points.iter().enumerate();
    let points = points.map(|(index, place)| Point {
        label: point_label(index),
        place: *place,
    });
    let points: Vec<Point> = points.collect();
    let [first, second] = row.explained.map(number::percent);
    let mut table = Table::new([
        Column::words(""),
        Column::names(say.term(Term::Model)),
        Column::numbers(say.coordinate(0, &first)),
        Column::numbers(say.coordinate(1, &second)),
    ]);
    for (name, point) in row.models.iter().zip(&points) {
        let [x, y] = point.place;
        table.row(cells![
            point.label.to_string(),
            Line::name(name),
            number::figure(x),
            number::figure(y),
        ]);
    }
    let axes = say.axes([&first, &second]);
    let blocks = [
        Block::Scatter(Scatter { points, axes }),
        Block::Table(table),
    ];
    Section::new(say.heading(Heading::Coordinates), blocks)
}

fn mixture(say: Language, row: &MixtureRow) -> Section {
    let is_term = |weight: &&WeightRow| weight.weight.is_some_and(|weight| weight != 0.0);
    let terms: Vec<WeightRow> = row.weights.iter().filter(is_term).cloned().collect();
    let said = say.mixture(&terms, &number::percent(row.residual));
    let bases = row.weights.iter();
    let bases = bases.map(|weight| Column::values(Line::name(&weight.base)).in_series());
    let mut columns = vec![Column::words("")];
    columns.extend(bases);
    columns.push(Column::numbers(say.term(Term::Unexplained)));
    let mut table = Table::new(columns);
    table.abreast = ABREAST;
    table.limit = Some(MIXTURES);
    for role in &row.by_role {
        table.row(shares(role.role.word(), &role.weights, role.residual));
    }
    for layer in &row.by_layer {
        let label = say.layer(layer.layer);
        table.row(shares(&label, &layer.weights, layer.residual));
    }
    let summary = Summary::Named(say.heading(Heading::MixtureParts));
    let mut blocks = vec![Block::Paragraph(said.into())];
    if !table.rows.is_empty() {
        blocks.push(Block::Fold(summary, vec![Block::Table(table)]));
    }
    Section::new(say.heading(Heading::Mixture), blocks)
}

fn shares(label: &str, weights: &[WeightRow], residual: Option<f64>) -> Vec<Cell> {
    let weights = weights.iter().map(|row| number::figure(row.weight));
    let mut cells = vec![Cell::from(label)];
    cells.extend(weights.map(Cell::from));
    cells.push(Cell::from(number::percent(residual)));
    cells
}

/// From which base each layer comes.
fn layer_origins(say: Language, rows: &[LayerOriginRow]) -> Section {
    let mut table = Table::new([
        Column::numbers(say.term(Term::Layer)),
        Column::names(say.term(Term::Base)),
        Column::numbers(say.term(Term::BaseLayer)),
        Column::numbers(say.term(Term::Chance)),
    ]);
    for row in rows {
        let mixed = row.weights.iter();
        let mixed = mixed.map(|row| format!("{} x {}", number::weight(Some(row.weight)), row.base));
        let mixed = mixed.collect::<Vec<_>>().join(" + ").replace("+ -", "- ");
        let base = match row.weights.as_slice() {
            [] => row.base.as_deref(),
            _ => Some(mixed.as_str()),
        };
        let of_mixed = row.weights.first().map(|row| row.layer);
        let layer = of_mixed.or(row.layer).map(|layer| layer.to_string());
        table.row(cells![
            row.target.to_string(),
            base.map_or(Line::from(number::ABSENT), Line::name),
            layer.unwrap_or_else(|| number::ABSENT.to_owned()),
            number::chance(row.log10_p),
        ]);
    }
    Section::new(say.heading(Heading::LayerOrigins), [Block::Table(table)])
}

/// How each of several relatives stands to the target beside the others.
fn relatives(say: Language, report: &Rank) -> Option<Section> {
    let rows: &[KinRow] = &report.kinship;
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new([
        Column::names(say.term(Term::Base)),
        Column::words(say.term(Term::Kinship)),
        Column::names(say.term(Term::Nearer)),
        Column::words(""),
        Column::numbers(""),
    ]);
    for row in rows {
        let absent = || Line::from(number::ABSENT);
        table.row(cells![
            Line::name(&row.base),
            spaced(row.kinship.word()),
            row.nearer.as_deref().map_or_else(absent, Line::name),
            row.by.as_deref().map_or(String::new(), spaced),
            row.figure
                .map_or(String::new(), |figure| number::figure(Some(figure))),
        ]);
    }
    let mut blocks = vec![Block::Table(table)];
    let between = Pairs::new(&report.between).map(|pairs| say.between(&pairs));
    blocks.extend(between.map(|said| Block::Paragraph(said.into())));
    blocks.push(Block::Remark(say.remark(Remark::Relatives).into()));
    Some(Section::new(say.heading(Heading::Relatives), blocks))
}

/// Each base against the target, and beside it against the base that it is most like.
fn controls(say: Language, rows: &[ControlRow], ranking: &[RankingRow]) -> Option<Section> {
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new([
        Column::names(say.term(Term::Base)),
        Column::numbers(say.term(Term::ExcessToTarget)),
        Column::numbers(say.term(Term::HighestToBase)),
        Column::names(say.term(Term::Which)),
    ]);
    for row in rows {
        // A base is named by its name, or where several have it, by its path.
        let named = |one: &&RankingRow| one.base.name == row.base || one.base.path == row.base;
        let base = ranking.iter().find(named);
        table.row(cells![
            Line::name(&row.base),
            number::figure(base.and_then(|base| base.similarity.matrix_excess)),
            number::figure(row.matrix_excess),
            Line::name(&row.nearest),
        ]);
    }
    let remark = say.remark(Remark::Controls);
    let blocks = [Block::Table(table), Block::Remark(remark.into())];
    Some(Section::new(say.heading(Heading::Controls), blocks))
}

fn criteria(say: Language, rows: &[CriterionRow]) -> Option<Section> {
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new([
        Column::words(say.term(Term::Holds)),
        Column::numbers(say.term(Term::Number)),
        Column::sentences(say.term(Term::Criterion)),
        Column::words(say.term(Term::SpeaksFor)),
    ]);
    for row in rows {
        table.row(cells![
            say.yes_or_no(row.holds),
            number::value(row.value),
            say.criterion(row.id),
            say.criterion_side(row.id),
        ]);
    }
    let title = say.heading(Heading::Criteria);
    Some(Section::new(title, [Block::Table(table)]))
}

fn conclusion(say: Language, report: &Rank) -> Answer {
    let row = &report.conclusion;
    let said = match row.related {
        // Saved by a version that kept the sentence alone.
        0 if row.label.is_related() => row.sentence.clone(),
        _ => say.conclusion(report),
    };
    let base = row.base.as_deref().map(Line::name);
    Answer::Verdict(Verdict {
        title: say.heading(Heading::Conclusion),
        word: row.label.word(),
        tone: verdict::tone(row.label),
        meaning: said.into(),
        beside: base.map(|base| (say.term(Term::Base), vec![base])),
        confidence: None,
        reasons: Vec::new(),
    })
}
