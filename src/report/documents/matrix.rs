//! `wcmp rank --matrix`: the families of a library, each as a tree.

use std::collections::BTreeMap;

use crate::report::document::{Block, Column, Document, Line, Section, Table, cells};
use crate::report::number;
use crate::report::schema::{Matrix, PairRow};
use crate::report::words::{Language, Question, Term};
use crate::verdict::decide::Label;

/// A tree a group, nearest relatives joined first; the others in a line.
pub(in crate::report) fn matrix(say: Language, report: &Matrix, all: bool) -> Document {
    let title = say.question(&report.wcmp, Question::Matrix);
    let mut document = Document::new(say, title, all);
    let models = report.models.len() as u64;
    let alone = report.models.len() - report.groups.iter().map(Vec::len).sum::<usize>();
    let said = say.families(models, report.groups.len() as u64, alone as u64);
    document.grounds = vec![Section::untitled([Block::Remark(said.into())])];
    for group in &report.groups {
        document.grounds.push(family(say, report, group));
    }
    document
}

fn family(say: Language, report: &Matrix, group: &[u64]) -> Section {
    let mut table = Table::new([
        Column::names(say.term(Term::Model)),
        Column::words(say.term(Term::Verdict)),
        Column::numbers(say.term(Term::Cosine)),
        Column::numbers(say.term(Term::Chance)),
    ]);
    for (model, branch, joined) in tree(report, group) {
        let name = &report.names[model as usize];
        let shown = format!("{branch}{name}");
        match joined {
            None => table.row(cells![Line::name(shown), "", "", ""]),
            Some(pair) => table.row(cells![
                Line::name(shown),
                Line::word(pair.label),
                number::short_figure(pair.excess),
                number::chance(pair.log10_p),
            ]),
        };
    }
    let title = say.family(group.len() as u64);
    Section::new(title, [Block::Table(table)])
}

/// The models of a group, each under the one that it was joined to: a spanning tree of the nearest
/// pairs (Prim), from the model that is nearest to all others together.
///
/// Each with the branch that leads to it, as `tree` draws one.
fn tree<'a>(report: &'a Matrix, group: &[u64]) -> Vec<(u64, String, Option<&'a PairRow>)> {
    let within = report
        .pairs
        .iter()
        .filter(|pair| pair.label.is_related() && group.binary_search(&pair.a).is_ok());
    let mut of_models: BTreeMap<u64, Vec<&PairRow>> = BTreeMap::new();
    for pair in within {
        of_models.entry(pair.a).or_default().push(pair);
        of_models.entry(pair.b).or_default().push(pair);
    }
    // What was found in place is nearer than what was found elsewhere.
    let nearness = |pair: &PairRow| {
        let by_label = match pair.label {
            Label::Identical => 8.0,
            Label::Derived => 4.0,
            _ => 0.0,
        };
        by_label + pair.excess.unwrap_or(0.0)
    };
    let sum = |model: &u64| -> f64 {
        let pairs = of_models.get(model).into_iter().flatten();
        pairs.map(|pair| nearness(pair)).sum()
    };
    let mut by_sum: Vec<u64> = group.to_vec();
    by_sum.sort_by(|a, b| sum(b).total_cmp(&sum(a)).then(a.cmp(b)));
    let Some(&first) = by_sum.first() else {
        return Vec::new();
    };
    // For each model that is not joined yet, its nearest pair with one that is.
    let mut nearest: BTreeMap<u64, (&PairRow, u64)> = BTreeMap::new();
    let mut children: BTreeMap<u64, Vec<(u64, &PairRow)>> = BTreeMap::new();
    let mut joined: Vec<u64> = vec![first];
    let mut last = first;
    while joined.len() < group.len() {
        for pair in of_models.get(&last).into_iter().flatten() {
            let other = if pair.a == last { pair.b } else { pair.a };
            if joined.contains(&other) {
                continue;
            }
            let known = nearest.get(&other).map(|(known, _)| nearness(known));
            if known.is_none_or(|known| nearness(pair) > known) {
                nearest.insert(other, (pair, last));
            }
        }
        let next = nearest.iter().max_by(|(a, (one, _)), (b, (other, _))| {
            nearness(one).total_cmp(&nearness(other)).then(b.cmp(a))
        });
        let Some((&model, &(pair, parent))) = next else {
            break;
        };
        nearest.remove(&model);
        children.entry(parent).or_default().push((model, pair));
        joined.push(model);
        last = model;
    }
    let mut out = Vec::new();
    let mut open = vec![(first, String::new(), String::new(), None)];
    while let Some((model, branch, below, pair)) = open.pop() {
        out.push((model, branch, pair));
        let children = children.remove(&model).unwrap_or_default();
        for (at, (child, pair)) in children.into_iter().rev().enumerate() {
            let (end, line) = match at {
                0 => ("└─ ", "   "),
                _ => ("├─ ", "│  "),
            };
            let (branch, below) = (format!("{below}{end}"), format!("{below}{line}"));
            open.push((child, branch, below, Some(pair)));
        }
    }
    out
}
