//! What the analyses of `wcmp compare` say beyond the evidence.

use crate::evidence::part::{PartKind, State};
use crate::evidence::relation::Relation;
use crate::evidence::tests_of_units::{Form, UnitKind};
use crate::evidence::transformation::TransformationKind;
use crate::model::words::Component;
use crate::verdict::decide::Confidence;
use std::collections::{BTreeMap, BTreeSet};

use super::{spaced, tokenizer, verdict};
use crate::report::document::{Block, Cell, Column, Line, Section, Table, cells};
use crate::report::escape;
use crate::report::number;
use crate::report::schema::{
    AdapterChange, AdapterRow, Compare, ComponentRow, ExpertsRow, LayerMapRow, PartRow, PcaRow,
    PermutationRow, PowerRow, TestRow, TransformationRow,
};
use crate::report::words::{self, Heading, Language, Remark, Term};

/// Matrices of the subspaces that are shown where not all are asked for.
const SUBSPACES: usize = 8;
/// The same of lines about experts.
const EXPERTS: usize = 12;

/// A section for each analysis that ran.
pub(super) fn sections(say: Language, report: &Compare, all: bool) -> Vec<Section> {
    let mut out = Vec::new();
    out.extend(report.layer_map.as_deref().map(|row| layer_map(say, row)));
    out.extend(report.adapter.as_ref().map(|row| adapter(say, row, all)));
    out.extend(transformations(say, &report.transformations));
    out.extend(components(say, &report.components));
    out.extend(parts(say, &report.parts));
    out.extend(report.permutation.as_ref().map(|row| permutation(say, row)));
    out.extend(report.pca.as_ref().map(|row| subspaces(say, row)));
    out.extend(report.experts.as_deref().map(|row| experts(say, row)));
    out.extend(report.tokenizer.as_ref().map(|row| {
        let paragraph = Block::Paragraph(tokenizer(say, row).into());
        Section::new(say.heading(Heading::Tokenizer), [paragraph])
    }));
    out
}

/// Which layer of the base each layer of the target comes from.
fn layer_map(say: Language, rows: &[LayerMapRow]) -> Section {
    let mut blocks = vec![Block::Paragraph(mapped(rows).into())];
    let bounds = rows.iter().filter_map(|row| row.log10_p);
    let worst = bounds.fold(f64::NEG_INFINITY, f64::max);
    if worst.is_finite() {
        let remark = say.weakest_layer(&number::log10(Some(worst)));
        blocks.push(Block::Remark(remark.into()));
    }
    Section::new(say.heading(Heading::LayerMap), blocks)
}

/// The map as `0-4 ← 0-4, 5-8 ← 2-5, 9 ← –`.
fn mapped(rows: &[LayerMapRow]) -> String {
    let mut runs: Vec<(u32, u32, Option<u32>)> = Vec::new();
    for row in rows {
        if let Some((first, last, base)) = runs.last_mut() {
            let follows = last.checked_add(1) == Some(row.target);
            let steps = row.target.saturating_sub(*first);
            let expected = base.and_then(|base| base.checked_add(steps));
            if follows && expected == row.base {
                *last = row.target;
                continue;
            }
        }
        runs.push((row.target, row.target, row.base));
    }
    let run = |(first, last, base): &(u32, u32, Option<u32>)| {
        let target = number::range(*first, *last);
        let base = base.map_or_else(
            || number::ABSENT.to_owned(),
            |base| number::range(base, base.saturating_add(last - first)),
        );
        format!("{target} ← {base}")
    };
    let runs: Vec<String> = runs.iter().map(run).collect();
    runs.join(", ")
}

/// What an adapter changes, by role, or matrix by matrix where all are asked for.
fn adapter(say: Language, row: &AdapterRow, all: bool) -> Section {
    let mut groups: BTreeMap<&str, Vec<&AdapterChange>> = BTreeMap::new();
    for change in row.changes.iter().filter(|change| change.reason.is_none()) {
        let key = if all {
            &change.name
        } else {
            change.role.word()
        };
        groups.entry(key).or_default().push(change);
    }
    let first = if all { Term::Matrix } else { Term::Role };
    let numbers = [
        Term::Matrices,
        Term::Rank,
        Term::Alpha,
        Term::Scale,
        Term::MedianChange,
        Term::Largest,
    ];
    let numbers = numbers.map(|label| Column::numbers(say.term(label)));
    let mut table = Table::new([Column::names(say.term(first))].into_iter().chain(numbers));
    for (what, changes) in groups {
        table.row(changed(say, what, &changes));
    }
    let mut blocks = Vec::new();
    if !table.rows.is_empty() {
        blocks.push(Block::Table(table));
        let remark = say.remark(Remark::AdapterChange);
        blocks.push(Block::Remark(remark.into()));
    }
    blocks.push(Block::Items(adapter_details(say, row), None));
    Section::new(say.heading(Heading::Adapter), blocks)
}

/// Changes of one kind: how many, from the least to the greatest setting, and how large.
fn changed(say: Language, what: &str, changes: &[&AdapterChange]) -> [Cell; 7] {
    let span = |figure: fn(&AdapterChange) -> f64| {
        let figures = || changes.iter().map(|change| figure(change));
        let least = number::value(Some(figures().fold(f64::INFINITY, f64::min)));
        let most = number::value(Some(figures().fold(f64::NEG_INFINITY, f64::max)));
        if least == most {
            least
        } else {
            say.span(&least, &most)
        }
    };
    let sizes = changes.iter().filter_map(|change| change.relative_change);
    let mut sizes: Vec<f64> = sizes.collect();
    sizes.sort_by(f64::total_cmp);
    cells![
        Line::name(what),
        number::count(changes.len() as u64),
        span(|change| change.rank as f64),
        span(|change| change.alpha),
        span(|change| change.scale),
        number::value(sizes.get(sizes.len() / 2).copied()),
        number::value(sizes.last().copied()),
    ]
}

/// What else is to be said of an adapter: magnitudes, tensors replaced, changes that fit nothing.
fn adapter_details(say: Language, row: &AdapterRow) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    let dora = row.changes.iter().filter(|change| change.dora).count();
    if dora > 0 {
        out.push(say.dora(dora as u64).into());
    }
    if !row.replaced.is_empty() {
        let names: Vec<String> = row.replaced.iter().map(|name| escape::name(name)).collect();
        out.push(say.replaced(&names).into());
    }
    let unfit = row.changes.iter().filter_map(|change| {
        let why = match &change.unfit {
            Some(why) => say.no_change(why),
            None => change.reason.clone()?,
        };
        Some(format!("{} ({why})", escape::name(&change.name)))
    });
    let unfit: Vec<String> = unfit.collect();
    if !unfit.is_empty() {
        out.push(say.not_measured(&unfit).into());
    }
    out
}

fn transformations(say: Language, rows: &[TransformationRow]) -> Option<Section> {
    let items: Vec<Line> = rows
        .iter()
        .map(|row| transformation(say, row).into())
        .collect();
    let title = say.heading(Heading::Transformations);
    (!items.is_empty()).then(|| Section::new(title, [Block::Items(items, None)]))
}

pub(super) fn transformation(say: Language, row: &TransformationRow) -> String {
    let cosine = row.check_cosine.map(|cosine| number::figure(Some(cosine)));
    say.transformation(&words::Transformation {
        kind: row.kind.word(),
        layers: &number::ranges(row.found_in.iter().copied()),
        n_layers: row.found_in.len(),
        kept: row.units_kept.map(|kept| (kept, row.units_of)),
        pruned: matches!(
            row.kind,
            TransformationKind::Pruned | TransformationKind::ExpertsPruned
        ),
        check: &row
            .checked
            .as_ref()
            .map_or_else(|| row.check.clone(), |check| say.check(check)),
        cosine: cosine.as_deref(),
    })
}

/// The components, where there are several.
fn components(say: Language, rows: &[ComponentRow]) -> Option<Section> {
    if rows.len() < 2 {
        return None;
    }
    let mut table = Table::new([
        Column::words(say.term(Term::Component)),
        Column::numbers(say.term(Term::MatricesCovered)),
        Column::numbers(say.term(Term::Mean)),
        Column::numbers(say.term(Term::Matrices)),
        Column::words(say.term(Term::Verdict)),
        Column::words(say.term(Term::Confidence)),
    ]);
    for row in rows {
        table.row(cells![
            Line::word(row.component),
            number::percent(row.coverage.matrices.target),
            number::figure(row.similarity.mean_cosine),
            number::figure(row.similarity.matrix_cosine),
            Line::word(row.verdict.label),
            row.verdict
                .confidence
                .map_or(number::ABSENT, Confidence::word),
        ]);
    }
    let items = rows.iter().map(|row| component(say, row)).collect();
    let blocks = [Block::Table(table), Block::Items(items, None)];
    Some(Section::new(say.heading(Heading::Components), blocks))
}

fn component(say: Language, row: &ComponentRow) -> Line {
    let said = say.component(&words::Component {
        name: row.component.word(),
        pattern: row.layer_pattern.word(),
        relation: row.verdict.relation.map(Relation::word),
        reason: verdict::reasons(say, &row.verdict)
            .first()
            .map(String::as_str),
    });
    said.into()
}

/// The parts, summed by state.
fn parts(say: Language, rows: &[PartRow]) -> Option<Section> {
    if rows.is_empty() {
        return None;
    }
    let sum = |rows: &[&PartRow]| {
        let parameters = rows.iter().map(|row| row.parameters);
        parameters.fold(0u64, u64::saturating_add)
    };
    let whole = sum(&rows.iter().collect::<Vec<_>>());
    let mut table = Table::new([
        Column::words(""),
        Column::numbers(say.term(Term::Parts)),
        Column::numbers(say.term(Term::Parameters)),
        Column::numbers(say.term(Term::Share)),
        Column::sentences(say.term(Term::Which)),
    ]);
    for state in State::ALL.iter().copied() {
        let parts: Vec<&PartRow> = rows.iter().filter(|row| row.state == state).collect();
        let parameters = sum(&parts);
        table.row(cells![
            say.state(state),
            number::count(parts.len() as u64),
            number::parameters(parameters),
            number::share(parameters, whole),
            part_names(say, &parts),
        ]);
    }
    let title = say.heading(Heading::Parts);
    Some(Section::new(title, [Block::Table(table)]))
}

/// Parts in short: `attention 0-5; ffn 0-3, 5; experts 0-5 (48 parts); embedding`.
pub(super) fn part_names(say: Language, parts: &[&PartRow]) -> String {
    let mut groups: Vec<(String, usize, BTreeSet<u32>)> = Vec::new();
    for part in parts {
        let key = part_key(part);
        match groups.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, parts, layers)) => {
                *parts += 1;
                layers.extend(part.layer);
            }
            None => groups.push((key, 1, part.layer.into_iter().collect())),
        }
    }
    let group = |(key, parts, layers): &(String, usize, BTreeSet<u32>)| {
        let mut out = key.clone();
        if !layers.is_empty() {
            out.push_str(&format!(" {}", number::ranges(layers.iter().copied())));
        }
        if *parts > layers.len().max(1) {
            out.push_str(&format!(" {}", say.parts(*parts)));
        }
        out
    };
    let groups: Vec<String> = groups.iter().map(group).collect();
    groups.join("; ")
}

/// What parts have in common that are told as one.
fn part_key(part: &PartRow) -> String {
    let kind = match (part.layer, part.kind, &part.block) {
        (None, PartKind::Other, Some(block)) => format!("other ({})", escape::name(block)),
        (_, kind, _) => kind.to_string(),
    };
    match part.component {
        Component::Text => kind,
        component => format!("{component} {kind}"),
    }
}

fn permutation(say: Language, row: &PermutationRow) -> Section {
    let said = say.permutation(row.hits, row.probes, row.groups, row.log10_p);
    let mut items: Vec<Line> = row.power.iter().map(|row| power(say, row).into()).collect();
    let skipped = row.skipped.iter();
    items.extend(skipped.map(|row| {
        Line::from({
            let [what, why] = verdict::untested(say, row);
            say.not_run(&what, &why)
        })
    }));
    let blocks = [
        Block::Paragraph(said.into()),
        Block::Table(test_table(say, &row.tests)),
        Block::Items(items, None),
    ];
    Section::new(say.heading(Heading::Permutation), blocks)
}

/// The tests, those of one kind and form in one row.
fn test_table(say: Language, rows: &[TestRow]) -> Table {
    let mut kinds: Vec<(UnitKind, Form)> = Vec::new();
    for test in rows {
        if !kinds.contains(&(test.kind, test.form)) {
            kinds.push((test.kind, test.form));
        }
    }
    let mut table = Table::new([
        Column::words(say.term(Term::Units)),
        Column::words(say.term(Term::Form)),
        Column::numbers(say.term(Term::Tests)),
        Column::numbers(say.term(Term::Hits)),
        Column::numbers(say.term(Term::Probes)),
        Column::numbers(say.term(Term::LeastLog10P)),
        Column::words(say.term(Term::Bound)),
    ]);
    for (kind, form) in kinds {
        let alike = |test: &&TestRow| test.kind == kind && test.form == form;
        let tests: Vec<&TestRow> = rows.iter().filter(alike).collect();
        let bounds = tests.iter().filter_map(|test| test.log10_p);
        let sum = |figure: fn(&TestRow) -> u64| {
            let figures = tests.iter().map(|test| figure(test));
            figures.fold(0, u64::saturating_add)
        };
        let exact = tests.iter().all(|test| test.exact);
        let bound = if exact {
            Term::Exact
        } else {
            Term::Approximate
        };
        table.row(cells![
            spaced(kind.word()),
            form.word(),
            number::count(tests.len() as u64),
            number::count(sum(|test| test.hits)),
            number::count(sum(|test| test.probes)),
            number::log10(bounds.min_by(f64::total_cmp)),
            say.term(bound),
        ]);
    }
    table
}

/// The power of a null result.
fn power(say: Language, row: &PowerRow) -> String {
    let share = row.share_seen_95.map(|share| number::percent(Some(share)));
    say.power(
        row.kind.word(),
        share.as_deref(),
        row.hits_needed,
        row.probes,
    )
}

fn subspaces(say: Language, row: &PcaRow) -> Section {
    let said = say.principal_subspaces(
        say.subspaces(row.summary),
        &number::figure(row.median_excess),
        row.matrices.len() as u64,
        row.mode.word(),
    );
    let mut table = Table::new([
        Column::names(say.term(Term::Matrix)),
        Column::words(say.term(Term::Side)),
        Column::numbers(say.term(Term::Dimension)),
        Column::numbers(say.term(Term::K)),
        Column::numbers(say.term(Term::Overlap)),
        Column::numbers(say.term(Term::Expected)),
        Column::numbers(say.term(Term::Excess)),
    ]);
    table.limit = Some(SUBSPACES);
    for matrix in &row.matrices {
        table.row(cells![
            Line::name(&matrix.name),
            matrix.side.word(),
            matrix.dimension.to_string(),
            matrix.k.to_string(),
            number::figure(matrix.overlap),
            number::figure(matrix.expected),
            number::figure(matrix.excess),
        ]);
    }
    let blocks = [Block::Paragraph(said.into()), Block::Table(table)];
    Section::new(say.heading(Heading::Subspaces), blocks)
}

/// How the experts were matched, layers alike in one line.
fn experts(say: Language, rows: &[ExpertsRow]) -> Section {
    let mut groups: Vec<(&ExpertsRow, Vec<u32>)> = Vec::new();
    for row in rows {
        let alike = |known: &ExpertsRow| {
            known.map == row.map
                && known.base_experts == row.base_experts
                && known.permuted == row.permuted
        };
        match groups.iter_mut().find(|(known, _)| alike(known)) {
            Some((_, layers)) => layers.push(row.layer),
            None => groups.push((row, vec![row.layer])),
        }
    }
    let line = |(row, layers): &(&ExpertsRow, Vec<u32>)| Line::from(matched(say, row, layers));
    let lines = groups.iter().map(line).collect();
    Section::new(
        say.heading(Heading::Experts),
        [Block::Items(lines, Some(EXPERTS))],
    )
}

fn matched(say: Language, row: &ExpertsRow, layers: &[u32]) -> String {
    let places = (0u64..).zip(&row.map);
    let moved = places.filter_map(|(at, base)| base.filter(|base| *base != at).map(|b| (at, b)));
    let moved: Vec<String> = moved.map(|(at, base)| format!("{at} ← {base}")).collect();
    say.experts(&words::Experts {
        layers: &number::ranges(layers.iter().copied()),
        n_layers: layers.len(),
        matched: row.map.iter().flatten().count() as u64,
        target: row.target_experts,
        base: row.base_experts,
        moved: row.permuted.then_some(&moved),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_the_map_are_joined() {
        let row = |(target, base): (u32, Option<u32>)| LayerMapRow {
            target,
            base,
            log10_p: None,
        };
        let map = |bases: &[Option<u32>]| {
            let rows: Vec<LayerMapRow> = (0..).zip(bases.iter().copied()).map(row).collect();
            mapped(&rows)
        };
        assert_eq!(
            map(&[0, 1, 2, 3, 4, 2, 3, 4, 5].map(Some)),
            "0-4 ← 0-4, 5-8 ← 2-5"
        );
        assert_eq!(
            map(&[Some(0), None, None, Some(5)]),
            "0 ← 0, 1-2 ← –, 3 ← 5"
        );
        assert_eq!(map(&[]), "");
    }
}
