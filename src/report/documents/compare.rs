//! `wcmp compare`.

use super::{checkpoint, detail, filter, left_aside, notes, page, reproduce, tensors, verdict};
use crate::evidence::finding::Family;
use crate::model::words::Component;
use crate::report::document::{
    Block, Cell, Column, Document, Fold, Line, Section, Table, Value, cells,
};
use crate::report::number;
use crate::report::schema::{Compare, FindingRow, LayerRow, Similarity};
use crate::report::words::{Heading, Language, Question, Remark, Term};

/// The report of `wcmp compare`; `all` where every tensor is asked for.
pub(in crate::report) fn compare(say: Language, report: &Compare, all: bool) -> Document {
    let title = say.question(
        &report.wcmp,
        Question::Compare {
            base: &report.base.name,
            target: &report.target.name,
        },
    );
    let mut document = Document::new(say, title, all);
    document.caveat = filter(say, &report.settings);
    document.grounds = grounds(say, report, all);
    document.answer = Some(verdict::verdict(say, &report.verdict));
    document
        .remarks
        .push(verdict::origin(say, &report.origin_reading));
    left_aside(say, &mut document, &report.left_aside);
    notes(say, &mut document, &report.warnings);
    document.remarks.push(page::glossary(say));
    let paths = vec![report.base.path.clone(), report.target.path.clone()];
    reproduce(&mut document, "compare", paths, Some(&report.settings));
    document
}

fn grounds(say: Language, report: &Compare, all: bool) -> Vec<Section> {
    let mut out = who(say, report);
    out.push(coverage(say, report));
    out.push(figures(say, &report.similarity));
    out.push(evidence(say, &report.evidence));
    out.extend(layers(say, &report.layers));
    out.extend(detail::sections(say, report, all));
    if all {
        out.push(tensors::every(say, &report.tensors));
    } else {
        out.extend(tensors::identical(say, report));
    }
    out.extend(tensors::unmatched(say, report, all));
    out.extend(verdict::not_testable(say, &report.verdict.not_testable));
    out
}

fn who(say: Language, report: &Compare) -> Vec<Section> {
    let sides = [
        (say.term(Term::Base), &report.base),
        (say.term(Term::Target), &report.target),
    ];
    let mut blocks = vec![Block::Table(checkpoint::side_by_side(say, &sides))];
    if let Some(mapping) = &report.name_mapping {
        let names = Value::new(say.term(Term::Names), mapping.as_str());
        blocks.push(Block::Labelled(vec![names]));
    }
    vec![
        Section::untitled(blocks),
        checkpoint::digests(say, sides.map(|(label, model)| (label.to_owned(), model))),
    ]
}

fn coverage(say: Language, report: &Compare) -> Section {
    let mut table = Table::new([
        Column::words(""),
        Column::numbers(say.term(Term::OfTheTarget)),
        Column::numbers(say.term(Term::OfTheBase)),
    ]);
    let coverage = report.coverage;
    let shares = [
        (Term::AllParameters, coverage.parameters),
        (Term::Matrices, coverage.matrices),
    ];
    for (label, shares) in shares {
        let (target, base) = (shares.target, shares.base);
        table.row(cells![
            say.term(label),
            number::percent(target),
            number::percent(base)
        ]);
    }
    table.row(cells![
        say.term(Term::UnmatchedTensors),
        number::count(report.unmatched.target.len() as u64),
        number::count(report.unmatched.base.len() as u64),
    ]);
    let mut blocks = vec![Block::Table(table)];
    if report.adapter.is_some() {
        let remark = say.remark(Remark::AdapterCoverage);
        blocks.push(Block::Remark(remark.into()));
    }
    Section::new(say.heading(Heading::Coverage), blocks)
}

fn figures(say: Language, similarity: &Similarity) -> Section {
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
    let figure = |label| say.term(label).to_owned();
    let qualifier = |label| format!("  {}", say.term(label));
    row(
        figure(Term::Mean),
        number::figure(similarity.mean_cosine),
        say.remark(Remark::MeanCosine),
    );
    row(
        figure(Term::Matrices),
        number::figure(similarity.matrix_cosine),
        say.remark(Remark::MatrixCosine),
    );
    row(
        qualifier(Term::Excess),
        number::figure(similarity.matrix_excess),
        say.remark(Remark::Excess),
    );
    row(
        figure(Term::Norms),
        number::figure(similarity.norm_cosine),
        &norm_gains(say, similarity).unwrap_or_else(|| say.remark(Remark::NormCosine).to_owned()),
    );
    row(
        qualifier(Term::Centred),
        number::figure(similarity.norm_centered_cosine),
        say.remark(Remark::Centred),
    );
    row(
        figure(Term::Identical),
        number::count(similarity.identical),
        &say.of_aligned(similarity.aligned),
    );
    row(
        String::new(),
        number::count(similarity.identical_informative),
        say.remark(Remark::Informative),
    );
    Section::new(say.heading(Heading::Figures), [Block::Table(table)])
}

/// What the norm gains are worth, where their figures are there.
pub(super) fn norm_gains(say: Language, similarity: &Similarity) -> Option<String> {
    let (cosine, expected) = (similarity.norm_cosine?, similarity.norm_expected_cosine?);
    let [cosine, expected] = [cosine, expected].map(|figure| number::figure(Some(figure)));
    Some(say.norm_gains(&cosine, &expected))
}

/// The findings, in the order of the JSON: the strongest first.
fn evidence(say: Language, findings: &[FindingRow]) -> Section {
    let title = say.heading(Heading::Evidence);
    if findings.is_empty() {
        let none = say.remark(Remark::NoFinding);
        return Section::new(title, [Block::Paragraph(none.into())]);
    }
    let mut table = Table::new([
        Column::sentences(say.term(Term::Finding)),
        Column::numbers(say.term(Term::Number)),
        Column::numbers(say.term(Term::Log10P)),
        Column::words(say.term(Term::Supports)),
    ]);
    for finding in findings {
        table.row(cells![
            statement(say, finding),
            finding_value(finding),
            number::log10(finding.log10_p),
            Line::word(finding.supports),
        ]);
    }
    Section::new(title, [Block::Table(table)])
}

/// A finding with its scope, where the statement does not name it.
fn statement(say: Language, row: &FindingRow) -> String {
    let said = match &row.says {
        Some(statement) => say.statement(statement),
        None => row.statement.clone(),
    };
    let whole = ["", "model", "text"].contains(&row.scope.as_str());
    if whole || said.contains(&row.scope) {
        said
    } else {
        format!("{said} [{}]", row.scope)
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
fn layers(say: Language, rows: &[LayerRow]) -> Vec<Section> {
    let mut components: Vec<Component> = Vec::new();
    for row in rows {
        if !components.contains(&row.component) {
            components.push(row.component);
        }
    }
    let section = |(at, component): (usize, &Component)| {
        let rows = rows.iter().filter(|row| row.component == *component);
        let last = at + 1 == components.len();
        component_layers(say, *component, &rows.collect::<Vec<_>>(), last)
    };
    components.iter().enumerate().map(section).collect()
}

/// One component's layers; what holds for all of them is said behind the last.
fn component_layers(
    say: Language,
    component: Component,
    rows: &[&LayerRow],
    last: bool,
) -> Section {
    let tested = rows.iter().any(|row| row.log10_p.is_some());
    let mut columns = vec![
        Column::numbers(say.term(Term::Layer)),
        Column::numbers(say.term(Term::Matrices)),
        Column::bars(),
        Column::numbers(say.term(Term::Excess)),
        Column::numbers(say.term(Term::Norms)),
        Column::numbers(say.term(Term::Equal)),
    ];
    if tested {
        columns.push(Column::numbers(say.term(Term::Log10P)));
    }
    let mut table = Table::new(columns);
    table.bars = last.then(|| say.remark(Remark::Bars));
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
    let title = say.layers_of(component.word(), rows.len() as u64);
    let mut blocks = vec![Block::Table(table)];
    if last {
        blocks.push(Block::Remark(say.remark(Remark::Layers).into()));
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
