//! `wcmp compare`.

use super::{checkpoint, detail, filter, heading, notes, reproduce, tensors, term, verdict};
use crate::evidence::finding::Family;
use crate::model::words::Component;
use crate::report::document::{
    Block, Cell, Column, Document, Fold, Line, Section, Table, Value, cells,
};
use crate::report::number;
use crate::report::schema::{Compare, FindingRow, LayerRow, Similarity};
use crate::report::words::{Heading, Question, Remark, Term, WORDS};

/// The report of `wcmp compare`; `all` where every tensor is asked for.
pub(in crate::report) fn compare(report: &Compare, all: bool) -> Document {
    let title = WORDS.question(
        &report.wcmp,
        Question::Compare {
            base: &report.base.name,
            target: &report.target.name,
        },
    );
    let mut document = Document::new(WORDS, title, all);
    document.caveat = filter(&report.settings);
    document.grounds = grounds(report, all);
    document.answer = Some(verdict::verdict(&report.verdict));
    document
        .remarks
        .push(verdict::origin(&report.origin_reading));
    notes(&mut document, &report.warnings);
    let paths = vec![report.base.path.clone(), report.target.path.clone()];
    reproduce(&mut document, "compare", paths, Some(&report.settings));
    document
}

fn grounds(report: &Compare, all: bool) -> Vec<Section> {
    let mut out = who(report);
    out.push(coverage(report));
    out.push(figures(&report.similarity));
    out.push(evidence(&report.evidence));
    out.extend(layers(&report.layers));
    out.extend(detail::sections(report, all));
    if all {
        out.push(tensors::every(&report.tensors));
    } else {
        out.extend(tensors::identical(report));
    }
    out.extend(tensors::unmatched(report, all));
    out.extend(verdict::not_testable(&report.verdict.not_testable));
    out
}

fn who(report: &Compare) -> Vec<Section> {
    let sides = [
        (term(Term::Base), &report.base),
        (term(Term::Target), &report.target),
    ];
    let mut blocks = vec![Block::Table(checkpoint::side_by_side(&sides))];
    if let Some(mapping) = &report.name_mapping {
        let names = Value::new(term(Term::Names), mapping.as_str());
        blocks.push(Block::Labelled(vec![names]));
    }
    vec![
        Section::untitled(blocks),
        checkpoint::digests(sides.map(|(label, model)| (label.to_owned(), model))),
    ]
}

fn coverage(report: &Compare) -> Section {
    let mut table = Table::new([
        Column::words(""),
        Column::numbers(term(Term::OfTheTarget)),
        Column::numbers(term(Term::OfTheBase)),
    ]);
    let coverage = report.coverage;
    let shares = [
        (Term::AllParameters, coverage.parameters),
        (Term::Matrices, coverage.matrices),
    ];
    for (label, shares) in shares {
        let (target, base) = (shares.target, shares.base);
        table.row(cells![
            term(label),
            number::percent(target),
            number::percent(base)
        ]);
    }
    table.row(cells![
        term(Term::UnmatchedTensors),
        number::count(report.unmatched.target.len() as u64),
        number::count(report.unmatched.base.len() as u64),
    ]);
    let mut blocks = vec![Block::Table(table)];
    if report.adapter.is_some() {
        let remark = WORDS.remark(Remark::AdapterCoverage);
        blocks.push(Block::Remark(remark.into()));
    }
    Section::new(heading(Heading::Coverage), blocks)
}

fn figures(similarity: &Similarity) -> Section {
    let columns = [
        Column::words(""),
        Column::numbers(""),
        Column::sentences(""),
    ];
    let mut table = Table::new(columns);
    let mut row = |label: String, value: String, words: &str| {
        table.row(cells![label, value, words]);
    };
    // A figure that qualifies the one above it stands behind an indent.
    let figure = |label| term(label).to_owned();
    let qualifier = |label| format!("  {}", term(label));
    row(
        figure(Term::Mean),
        number::figure(similarity.mean_cosine),
        WORDS.remark(Remark::MeanCosine),
    );
    row(
        figure(Term::Matrices),
        number::figure(similarity.matrix_cosine),
        WORDS.remark(Remark::MatrixCosine),
    );
    row(
        qualifier(Term::Excess),
        number::figure(similarity.matrix_excess),
        WORDS.remark(Remark::Excess),
    );
    row(
        figure(Term::Norms),
        number::figure(similarity.norm_cosine),
        &norm_gains(similarity).unwrap_or_else(|| WORDS.remark(Remark::NormCosine).to_owned()),
    );
    row(
        qualifier(Term::Centred),
        number::figure(similarity.norm_centered_cosine),
        WORDS.remark(Remark::Centred),
    );
    row(
        figure(Term::Identical),
        number::count(similarity.identical),
        &WORDS.of_aligned(similarity.aligned),
    );
    row(
        String::new(),
        number::count(similarity.identical_informative),
        WORDS.remark(Remark::Informative),
    );
    Section::new(heading(Heading::Figures), [Block::Table(table)])
}

/// What the norm gains are worth, where their figures are there.
pub(super) fn norm_gains(similarity: &Similarity) -> Option<String> {
    let (cosine, expected) = (similarity.norm_cosine?, similarity.norm_expected_cosine?);
    let [cosine, expected] = [cosine, expected].map(|figure| number::figure(Some(figure)));
    Some(WORDS.norm_gains(&cosine, &expected))
}

/// The findings, in the order of the JSON: the strongest first.
fn evidence(findings: &[FindingRow]) -> Section {
    let title = heading(Heading::Evidence);
    if findings.is_empty() {
        let none = WORDS.remark(Remark::NoFinding);
        return Section::new(title, [Block::Paragraph(none.into())]);
    }
    let mut table = Table::new([
        Column::sentences(term(Term::Finding)),
        Column::numbers(term(Term::Number)),
        Column::numbers(term(Term::Log10P)),
        Column::words(term(Term::Supports)),
    ]);
    for finding in findings {
        table.row(cells![
            statement(finding),
            finding_value(finding),
            number::log10(finding.log10_p),
            Line::word(finding.supports),
        ]);
    }
    Section::new(title, [Block::Table(table)])
}

/// A finding with its scope, where the statement does not name it.
fn statement(row: &FindingRow) -> String {
    let whole = ["", "model", "text"].contains(&row.scope.as_str());
    if whole || row.statement.contains(&row.scope) {
        row.statement.clone()
    } else {
        format!("{} [{}]", row.statement, row.scope)
    }
}

/// The number of a finding: cosines and their kin as figures, counts as counts.
fn finding_value(row: &FindingRow) -> String {
    match row.kind {
        Family::Cosine | Family::Norms | Family::Pca | Family::Transformation => {
            number::figure(row.value)
        }
        Family::Bytes
        | Family::Permutation
        | Family::LayerMap
        | Family::Experts
        | Family::Tokenizer => number::value(row.value),
    }
}

/// The layers, a line each, a section a component.
fn layers(rows: &[LayerRow]) -> Vec<Section> {
    let mut components: Vec<Component> = Vec::new();
    for row in rows {
        if !components.contains(&row.component) {
            components.push(row.component);
        }
    }
    let section = |(at, component): (usize, &Component)| {
        let rows = rows.iter().filter(|row| row.component == *component);
        let last = at + 1 == components.len();
        component_layers(*component, &rows.collect::<Vec<_>>(), last)
    };
    components.iter().enumerate().map(section).collect()
}

/// One component's layers; what holds for all of them is said behind the last.
fn component_layers(component: Component, rows: &[&LayerRow], last: bool) -> Section {
    let tested = rows.iter().any(|row| row.log10_p.is_some());
    let mut columns = vec![
        Column::numbers(term(Term::Layer)),
        Column::numbers(term(Term::Matrices)),
        Column::bars(),
        Column::numbers(term(Term::Excess)),
        Column::numbers(term(Term::Norms)),
        Column::numbers(term(Term::Equal)),
    ];
    if tested {
        columns.push(Column::numbers(term(Term::Log10P)));
    }
    let mut table = Table::new(columns);
    table.bars = last.then(|| WORDS.remark(Remark::Bars));
    for row in rows {
        let mut cells = vec![
            Cell::from(layer(row)),
            Cell::from(number::figure(row.matrix_cosine)),
            Cell::Bar(row.matrix_cosine),
            Cell::from(number::figure(row.matrix_excess)),
            Cell::from(number::figure(row.norm_cosine)),
            Cell::from(format!("{}/{}", row.identical, row.tensors)),
        ];
        if tested {
            cells.push(Cell::from(number::log10(row.log10_p)));
        }
        table.row(cells);
    }
    let title = WORDS.layers_of(component.word(), rows.len() as u64);
    let mut blocks = vec![Block::Table(table)];
    if last {
        blocks.push(Block::Remark(WORDS.remark(Remark::Layers).into()));
    }
    Section::new(title, blocks).folded(Fold::Folded)
}

/// A layer with the base's layer it was compared with, where that is another: `5 ← 2`.
fn layer(row: &LayerRow) -> String {
    match row.base_layer {
        Some(base) if base == row.layer => row.layer.to_string(),
        Some(base) => format!("{} ← {base}", row.layer),
        None => format!("{} ← {}", row.layer, number::ABSENT),
    }
}
