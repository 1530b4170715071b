//! `wcmp compare` on one screen.

use std::collections::BTreeSet;

use super::runs::{Run, runs};
use super::{caveats, foot, label, opened, other_warnings, share, who};
use crate::evidence::finding::Statement;
use crate::evidence::part::State;
use crate::evidence::tests_of_units::{Form, UnitKind};
use crate::model::words::Component;
use crate::report::document::{
    Block, Cell, Column, Document, Line, Opening, Section, Table, Value, cells,
};
use crate::report::documents::{detail, verdict};
use crate::report::number;
use crate::report::schema::{Compare, FindingRow, PartRow, TensorRow, TestRow};
use crate::report::words::{Chance, InPlace, Language, Sure, Term};
use crate::verdict::decide::{Confidence, Label};
use crate::verdict::reasons::Reason;

/// Rows of layers on a screen.
const RUNS: usize = 4;
/// Lines of reasons, transformations and the like.
const LINES: usize = 3;
/// Groups of roles that are named as changed.
const GROUPS: usize = 4;

/// The answer and what it rests on, in short.
pub(in crate::report) fn compare(say: Language, report: &Compare) -> Document {
    let mut document = Document::new(say, Line::default(), false);
    document.opening = Some(opening(say, report));
    let disguised = !report.transformations.is_empty() || report.layer_map.is_some();
    let mut blocks = parts(say, report);
    blocks.extend(changed(say, report));
    blocks.push(Block::Space);
    blocks.extend(layers(say, report));
    blocks.extend(sure(say, report));
    blocks.push(Block::Paragraph(
        verdict::plain_scale(
            say,
            &report.origin_reading,
            report.verdict.label,
            disguised,
            report.components.len(),
        )
        .into(),
    ));
    blocks.extend(other_warnings(say, &report.warnings));
    blocks.push(Block::Space);
    blocks.push(Block::Table(who([
        (label(say, Term::Base), &report.base),
        (label(say, Term::Target), &report.target),
    ])));
    document.grounds = vec![Section::untitled(blocks)];
    let paths = vec![report.base.path.clone(), report.target.path.clone()];
    foot(
        &mut document,
        &report.wcmp,
        "compare",
        paths,
        Some(&report.settings),
    );
    document
}

/// The first lines: the answer and what must be quoted with it.
pub(in crate::report) fn opening(say: Language, report: &Compare) -> Opening {
    let (base, target) = (&report.base.name, &report.target.name);
    let sentence = say.compared(report.verdict.label, base, target);
    let caveats = caveats(
        say,
        Some(&report.settings),
        &[&report.verdict],
        &report.warnings,
        &report.left_aside,
    );
    opened(&report.verdict, sentence, caveats)
}

/// What became of the target's parts.
fn parts(say: Language, report: &Compare) -> Vec<Block> {
    let sum = |parts: &[&PartRow]| {
        let parameters = parts.iter().map(|part| part.parameters);
        parameters.fold(0u64, u64::saturating_add)
    };
    let whole = sum(&report.parts.iter().collect::<Vec<_>>());
    if whole == 0 {
        return Vec::new();
    }
    let mut table = Table::new([
        Column::words(""),
        Column::numbers(""),
        Column::sentences(""),
    ]);
    for state in State::ALL.iter().copied() {
        let parts: Vec<&PartRow> = report
            .parts
            .iter()
            .filter(|part| part.state == state)
            .collect();
        if !parts.is_empty() {
            table.row(cells![
                say.state(state),
                share(sum(&parts), whole),
                detail::part_names(say, &parts),
            ]);
        }
    }
    let head = say.of_matrix_parameters(&number::parameters(whole));
    vec![
        Block::Space,
        Block::Paragraph(head.into()),
        Block::Table(table),
    ]
}

/// Which tensors changed, where most did not.
fn changed(say: Language, report: &Compare) -> Option<Block> {
    let similarity = &report.similarity;
    // Where more than that changed, the parts and layers tell it.
    let most_stayed = 4 * similarity.identical >= similarity.aligned;
    let all_stayed = similarity.identical == similarity.aligned;
    let derived = report.verdict.label == Label::Derived && report.transformations.is_empty();
    if !derived || !most_stayed || all_stayed {
        return None;
    }
    let changed: Vec<&TensorRow> = report.tensors.iter().filter(|row| !row.identical).collect();
    let mut roles: Vec<(&str, BTreeSet<u32>)> = Vec::new();
    for row in &changed {
        let word = row.role.word();
        match roles.iter_mut().find(|(role, _)| *role == word) {
            Some((_, layers)) => layers.extend(row.layer),
            None => roles.push((word, row.layer.into_iter().collect())),
        }
    }
    // Roles that changed in the same layers are told together.
    let mut groups: Vec<(Vec<&str>, BTreeSet<u32>)> = Vec::new();
    for (role, layers) in roles {
        match groups.iter_mut().find(|(_, known)| *known == layers) {
            Some((roles, _)) => roles.push(role),
            None => groups.push((vec![role], layers)),
        }
    }
    let named: Vec<String> = groups
        .iter()
        .take(GROUPS)
        .map(|(roles, layers)| {
            say.roles_in(
                &roles.join(", "),
                &number::ranges(layers.iter().copied()),
                layers.len(),
            )
        })
        .collect();
    let sizes = changed.iter().filter_map(|row| row.figures.relative_change);
    let mut sizes: Vec<f64> = sizes.collect();
    sizes.sort_by(f64::total_cmp);
    let median = sizes.get(sizes.len() / 2).copied();
    let said = say.changed(
        &named.join("; "),
        groups.len() > GROUPS,
        median
            .map(|median| number::percent(Some(median)))
            .as_deref(),
        similarity.identical,
        similarity.aligned,
    );
    Some(Block::Paragraph(said.into()))
}

/// The layers in runs, or the components where there are several.
fn layers(say: Language, report: &Compare) -> Vec<Block> {
    let mut components: Vec<Component> = report.layers.iter().map(|row| row.component).collect();
    components.dedup();
    if report.components.len() > 1 {
        return vec![Block::Table(component_table(say, report))];
    }
    let Some(component) = components.first() else {
        return Vec::new();
    };
    let runs = runs(report, *component, RUNS);
    let (told, more) =
        runs.split_at(
            runs.len()
                .min(if runs.len() > RUNS { RUNS - 1 } else { RUNS }),
        );
    let mut blocks = vec![Block::Table(run_table(say, told))];
    if !more.is_empty() {
        blocks.push(Block::Remark(say.more_runs(more.len() as u64).into()));
    }
    blocks
}

fn run_table(say: Language, runs: &[Run]) -> Table {
    let units = runs.iter().any(|run| run.units.is_some());
    let changes = runs.iter().any(|run| run.change.is_some());
    let mut columns = vec![
        Column::words(say.term(Term::Layers)),
        Column::numbers(say.term(Term::Cosine)),
        Column::bars(),
    ];
    if changes {
        columns.push(Column::numbers(say.term(Term::Change)));
    }
    if units {
        columns.push(Column::numbers(say.term(Term::UnitsInPlace)));
    }
    let mut table = Table::new(columns);
    for run in runs {
        let (first, last) = run.layers;
        let mut name = number::range(first, last);
        if let Some(base) = run.base {
            let base = base.map_or_else(
                || number::ABSENT.to_owned(),
                |base| number::range(base, base.saturating_add(last - first)),
            );
            name = format!("{name} ← {base}");
        }
        let mut cells =
            vec![
                Cell::from(name),
                Cell::from(say.cosines_from_to(run.cosine.map(|(low, high)| {
                    [low, high].map(|cosine| number::short_figure(Some(cosine)))
                }))),
                Cell::Bar(run.mean),
            ];
        if changes {
            cells.push(Cell::from(number::change(run.change)));
        }
        if units {
            let units = run
                .units
                .map(|(hits, probes)| say.so_many_of(hits, probes))
                .unwrap_or_default();
            cells.push(Cell::from(units));
        }
        table.row(cells);
    }
    table
}

fn component_table(say: Language, report: &Compare) -> Table {
    let mut table = Table::new([
        Column::words(say.term(Term::Component)),
        Column::words(say.term(Term::Verdict)),
        Column::words(say.term(Term::Confidence)),
        Column::numbers(say.term(Term::MatricesCovered)),
        Column::numbers(say.term(Term::Cosine)),
        Column::bars(),
    ]);
    for row in &report.components {
        table.row(cells![
            Line::word(row.component),
            Line::word(row.verdict.label),
            row.verdict
                .confidence
                .map_or(number::ABSENT, Confidence::word),
            number::percent(row.coverage.matrices.target),
            number::short_figure(row.similarity.matrix_cosine),
            Cell::Bar(row.similarity.matrix_cosine),
        ]);
    }
    table
}

/// What the confidence rests on: the test that gave the bound, or what a null result is worth.
fn sure(say: Language, report: &Compare) -> Vec<Block> {
    let mut out = Vec::new();
    let undone: Vec<_> = report
        .transformations
        .iter()
        .take(LINES)
        .map(|row| {
            let layers = number::ranges(row.found_in.iter().copied());
            let cosine = row
                .check_cosine
                .map(|cosine| number::short_figure(Some(cosine)));
            (row.kind.word(), layers, cosine)
        })
        .collect();
    if !undone.is_empty() {
        out.push(Block::Paragraph(say.undone(&undone).into()));
    }
    match report.verdict.label {
        Label::Identical => {}
        Label::ReEncoded => out.extend(within(say, report)),
        Label::Derived | Label::PartialReuse => {
            out.push(Block::Paragraph(chance(say, report).into()));
        }
        Label::FromScratch => {
            let power = report.permutation.iter().flat_map(|tests| &tests.power);
            let seen = power
                .filter_map(|power| power.share_seen_95)
                .reduce(f64::min);
            let said = say.null_result(&Sure {
                seen: seen.map(|seen| number::percent(Some(seen))).as_deref(),
                covered: &number::percent(report.coverage.matrices.target),
            });
            out.push(Block::Paragraph(said.into()));
        }
        Label::Inconclusive => {
            // The parts stand above.
            let told = |at: &usize| {
                let ground = report.verdict.grounds.get(*at);
                matches!(ground, Some(Reason::Parts { .. } | Reason::NewParts(_)))
            };
            let reasons = verdict::reasons(say, &report.verdict);
            let reasons = reasons.into_iter().enumerate();
            let reasons = reasons
                .filter(|(at, _)| !told(at))
                .map(|(_, reason)| reason)
                .take(LINES);
            let values = reasons
                .enumerate()
                .map(|(at, reason)| {
                    let label = if at == 0 { say.term(Term::Why) } else { "" };
                    Value::new(label, reason)
                })
                .collect();
            out.push(Block::Labelled(values));
        }
    }
    out
}

/// What number formats explain of the difference.
fn within(say: Language, report: &Compare) -> Option<Block> {
    let floor = report.evidence.iter().find(|row| {
        matches!(
            row.says,
            Some(Statement::AlikeMatrices {
                noise_floor: Some(_),
                ..
            })
        )
    })?;
    let said = match &floor.says {
        Some(Statement::AlikeMatrices {
            noise_floor: Some(floor),
            ..
        }) => say.within_formats(floor),
        _ => return None,
    };
    Some(Block::Paragraph(said.into()))
}

/// The bound on chance with the test that gave it.
pub(in crate::report) fn chance(say: Language, report: &Compare) -> String {
    let found = strongest(&report.evidence);
    say.chance(&Chance {
        log10_p: found.and_then(|row| row.log10_p),
        test: found.map(|row| match &row.says {
            Some(Statement::UnitsInPlace { .. }) => match in_place(report) {
                Some(units) => say.in_place(&units),
                None => row.statement.clone(),
            },
            Some(statement) => say.seen_by(statement),
            None => row.statement.clone(),
        }),
        identical: report.similarity.identical_informative,
        excess: report
            .similarity
            .matrix_excess
            .map(|excess| number::short_figure(Some(excess))),
    })
}

/// The units in place that gave the bound: those of feed-forwards and experts together, or where
/// they gave none, the one test that did.
fn in_place(report: &Compare) -> Option<InPlace<'_>> {
    let direct = |test: &&TestRow| test.form == Form::Direct;
    let tests: Vec<&TestRow> = report
        .permutation
        .iter()
        .flat_map(|row| &row.tests)
        .filter(direct)
        .collect();
    let bound = |test: &&&TestRow| test.log10_p.unwrap_or(0.0);
    let best = tests.iter().min_by(|a, b| bound(a).total_cmp(&bound(b)))?;
    let blocks = |kind: UnitKind| matches!(kind, UnitKind::Ffn | UnitKind::Expert);
    if blocks(best.kind) {
        let alike = tests.iter().filter(|test| test.kind == best.kind);
        let sum = alike.fold((0u64, 0u64), |(hits, probes), test| {
            (
                hits.saturating_add(test.hits),
                probes.saturating_add(test.probes),
            )
        });
        return Some(InPlace {
            kind: best.kind,
            name: None,
            hits: sum.0,
            probes: sum.1,
        });
    }
    Some(InPlace {
        kind: best.kind,
        name: best.name.as_deref(),
        hits: best.hits,
        probes: best.probes,
    })
}

/// The finding with the least bound among those that speak for a likeness.
fn strongest(findings: &[FindingRow]) -> Option<&FindingRow> {
    use crate::evidence::finding::Supports;
    let speaks = |row: &&FindingRow| {
        let for_likeness = !matches!(row.supports, Supports::FromScratch | Supports::Nothing);
        for_likeness && row.log10_p.is_some_and(|log10_p| log10_p < 0.0)
    };
    findings.iter().filter(speaks).min_by(|a, b| {
        a.log10_p
            .partial_cmp(&b.log10_p)
            .unwrap_or(std::cmp::Ordering::Equal)
    })
}
