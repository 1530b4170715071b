//! The answer for a browser: the screen, its pictures, and everything it rests on folded below.

use std::collections::{BTreeMap, BTreeSet};

use super::screen;
use crate::evidence::tests_of_units::{Form, UnitKind};
use crate::model::words::Class;
use crate::report::document::{
    Answer, Block, Cell, Column, Document, Drawing, Fold, Line, Picture, Section, Table, cells,
};
use crate::report::number;
use crate::report::schema::arch::Arch;
use crate::report::schema::{Compare, Inspect, Rank};
use crate::report::words::{Caption, Heading, Language, Term};

/// Most roles that are columns of the heat map.
const ROLES: usize = 14;

/// The page of `wcmp compare`.
pub(in crate::report) fn compare(say: Language, report: &Compare, all: bool) -> Document {
    let mut pictures = Vec::new();
    pictures.extend(heat(say, report));
    pictures.extend(depth(say, report));
    pictures.extend(layer_map(say, report));
    pictures.extend(units(say, report));
    let full = super::compare(say, report, all);
    joined(screen::compare(say, report), pictures, full)
}

/// The page of `wcmp rank`.
pub(in crate::report) fn rank(say: Language, report: &Rank, all: bool) -> Document {
    let mut pictures = Vec::new();
    pictures.extend(bases(say, report));
    pictures.extend(mixture(say, report));
    let full = super::rank(say, report, all);
    joined(screen::rank(say, report), pictures, full)
}

/// The page of `wcmp arch`.
pub(in crate::report) fn arch(say: Language, report: &Arch, all: bool) -> Document {
    let full = super::arch(say, report, all);
    joined(screen::arch(say, report), Vec::new(), full)
}

/// The page of `wcmp inspect`.
pub(in crate::report) fn inspect(say: Language, report: &Inspect, all: bool) -> Document {
    let full = super::inspect(say, report, all);
    joined(screen::inspect(say, report), Vec::new(), full)
}

fn joined(mut page: Document, pictures: Vec<Block>, full: Document) -> Document {
    let say = page.words;
    page.all = full.all;
    if !pictures.is_empty() {
        let title = say.heading(Heading::Pictures);
        page.grounds.push(Section::new(title, pictures));
    }
    if let Some(Answer::Verdict(verdict)) = full.answer {
        let reasons: Vec<Line> = verdict.reasons.into_iter().map(Line::from).collect();
        let blocks = [
            Block::Paragraph(verdict.meaning),
            Block::Items(reasons, None),
        ];
        let title = say.heading(Heading::Verdict);
        page.grounds
            .push(Section::new(title, blocks).folded(Fold::Folded));
    }
    let sections = full.grounds.into_iter().chain(full.remarks);
    // What stands under the title of a full report is who was compared.
    page.grounds.extend(sections.map(|section| {
        let title = section.title.clone();
        let title = title.unwrap_or_else(|| say.term(Term::Model).into());
        Section {
            title: Some(title),
            fold: Fold::Folded,
            ..section
        }
    }));
    if full.command.is_some() {
        (page.command, page.foot) = (full.command, None);
    }
    page
}

/// The words that are not everybody's.
pub(super) fn glossary(say: Language) -> Section {
    let mut table = Table::new([
        Column::words(say.term(Term::Word)),
        Column::sentences(say.term(Term::Meaning)),
    ]);
    for (word, meaning) in say.glossary() {
        table.row(cells![*word, *meaning]);
    }
    Section::new(say.heading(Heading::Words), [Block::Table(table)]).folded(Fold::Folded)
}

fn picture(say: Language, caption: Caption, drawing: Drawing, table: Table) -> Block {
    Block::Picture(Picture {
        caption: say.caption(caption).to_owned(),
        drawing,
        table,
    })
}

/// Cosines by layer and role, of matrices.
fn heat(say: Language, report: &Compare) -> Option<Block> {
    let mut sums: BTreeMap<(u32, &str), (f64, f64)> = BTreeMap::new();
    let mut roles: Vec<&str> = Vec::new();
    let mut layers: BTreeSet<u32> = BTreeSet::new();
    for row in report
        .tensors
        .iter()
        .filter(|row| row.class == Class::Matrix)
    {
        let Some(layer) = row.layer else { continue };
        let role = row.role.word();
        if !roles.contains(&role) {
            roles.push(role);
        }
        layers.insert(layer);
        if let Some(cosine) = row.figures.cosine {
            let sum = sums.entry((layer, role)).or_default();
            *sum = (sum.0 + cosine, sum.1 + 1.0);
        }
    }
    roles.truncate(ROLES);
    if layers.is_empty() {
        return None;
    }
    let figure = |layer: u32, role: &&str| sums.get(&(layer, *role)).map(|(sum, n)| sum / n);
    let figures: Vec<Vec<Option<f64>>> = layers
        .iter()
        .map(|layer| roles.iter().map(|role| figure(*layer, role)).collect())
        .collect();
    let columns = roles.iter().map(|role| Column::numbers(*role));
    let mut table =
        Table::new(std::iter::once(Column::numbers(say.term(Term::Layer))).chain(columns));
    for (layer, row) in layers.iter().zip(&figures) {
        let label = Cell::from(layer.to_string());
        let cells = row
            .iter()
            .map(|value| Cell::from(number::short_figure(*value)));
        table.row(std::iter::once(label).chain(cells));
    }
    let drawing = Drawing::Heat {
        rows: layers.iter().map(u32::to_string).collect(),
        columns: roles.iter().map(|role| (*role).to_owned()).collect(),
        figures,
    };
    Some(picture(say, Caption::Heat, drawing, table))
}

/// Every cosine along the depth.
fn depth(say: Language, report: &Compare) -> Option<Block> {
    let mut by_layer: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    let mut points = Vec::new();
    for row in &report.tensors {
        if let (Some(layer), Some(cosine)) = (row.layer, row.figures.cosine) {
            by_layer.entry(layer).or_default().push(cosine);
            points.push((f64::from(layer), cosine));
        }
    }
    if points.is_empty() {
        return None;
    }
    let mut table = Table::new([
        Column::numbers(say.term(Term::Layer)),
        Column::numbers(say.term(Term::Tensors)),
        Column::numbers(say.term(Term::Least)),
        Column::numbers(say.term(Term::Median)),
        Column::numbers(say.term(Term::Largest)),
    ]);
    for (layer, cosines) in &mut by_layer {
        cosines.sort_by(f64::total_cmp);
        table.row(cells![
            layer.to_string(),
            cosines.len().to_string(),
            number::short_figure(cosines.first().copied()),
            number::short_figure(cosines.get(cosines.len() / 2).copied()),
            number::short_figure(cosines.last().copied()),
        ]);
    }
    Some(picture(say, Caption::Depth, Drawing::Depth(points), table))
}

/// Which layer of the base each layer of the target comes from.
fn layer_map(say: Language, report: &Compare) -> Option<Block> {
    let rows = report.layer_map.as_deref()?;
    let pairs: Vec<(u32, u32)> = rows
        .iter()
        .filter_map(|row| Some((row.target, row.base?)))
        .collect();
    let target = rows.iter().map(|row| row.target).max()?.saturating_add(1);
    let base = pairs.iter().map(|(_, base)| *base).max()?.saturating_add(1);
    let mut table = Table::new([
        Column::numbers(say.term(Term::Target)),
        Column::numbers(say.term(Term::Base)),
        Column::numbers(say.term(Term::Log10P)),
    ]);
    for row in rows {
        table.row(cells![
            row.target.to_string(),
            row.base
                .map_or_else(|| number::ABSENT.to_owned(), |base| base.to_string()),
            number::log10(row.log10_p),
        ]);
    }
    let drawing = Drawing::Ribbons {
        target,
        base,
        pairs,
    };
    Some(picture(say, Caption::LayerMap, drawing, table))
}

/// Units in their places, by layer.
fn units(say: Language, report: &Compare) -> Option<Block> {
    let mut by_layer: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for test in &report.permutation.as_ref()?.tests {
        let direct = test.form == Form::Direct && test.kind == UnitKind::Ffn;
        if let (true, Some(layer)) = (direct, test.layer) {
            let sum = by_layer.entry(layer).or_default();
            *sum = (
                sum.0.saturating_add(test.hits),
                sum.1.saturating_add(test.probes),
            );
        }
    }
    if by_layer.is_empty() {
        return None;
    }
    let mut table = Table::new([
        Column::numbers(say.term(Term::Layer)),
        Column::numbers(say.term(Term::UnitsInPlace)),
    ]);
    let mut bars = Vec::new();
    for (layer, (hits, probes)) in &by_layer {
        let units = say.so_many_of(*hits, *probes);
        table.row(cells![layer.to_string(), units]);
        let share = (*probes > 0).then(|| *hits as f64 / *probes as f64);
        bars.push((layer.to_string(), share));
    }
    Some(picture(
        say,
        Caption::UnitsInPlace,
        Drawing::Bars(bars),
        table,
    ))
}

/// The excess of each base.
fn bases(say: Language, report: &Rank) -> Option<Block> {
    if report.ranking.is_empty() {
        return None;
    }
    let mut table = Table::new([
        Column::names(say.term(Term::Base)),
        Column::numbers(say.term(Term::Excess)),
    ]);
    let mut bars = Vec::new();
    for row in &report.ranking {
        let excess = row.similarity.matrix_excess;
        table.row(cells![
            Line::name(&row.base.name),
            number::short_figure(excess)
        ]);
        bars.push((row.base.name.clone(), excess));
    }
    Some(picture(say, Caption::Bases, Drawing::Bars(bars), table))
}

/// What each parent of a merge gave, by layer.
fn mixture(say: Language, report: &Rank) -> Option<Block> {
    report.conclusion.merge.as_ref()?;
    let mixture = report.mixture.as_ref()?;
    if mixture.by_layer.is_empty() {
        return None;
    }
    let series: Vec<String> = mixture.weights.iter().map(|row| row.base.clone()).collect();
    let columns = series.iter().map(|base| Column::numbers(Line::name(base)));
    let mut table =
        Table::new(std::iter::once(Column::numbers(say.term(Term::Layer))).chain(columns));
    let mut shares = Vec::new();
    for layer in &mixture.by_layer {
        let label = Cell::from(layer.layer.to_string());
        let weights = layer.weights.iter();
        table.row(
            std::iter::once(label)
                .chain(weights.map(|row| Cell::from(number::short_figure(row.weight)))),
        );
        shares.push(
            layer
                .weights
                .iter()
                .map(|row| row.weight.unwrap_or(0.0).max(0.0))
                .collect(),
        );
    }
    let drawing = Drawing::Stacked {
        rows: mixture
            .by_layer
            .iter()
            .map(|row| row.layer.to_string())
            .collect(),
        series,
        shares,
    };
    Some(picture(say, Caption::Mixture, drawing, table))
}
