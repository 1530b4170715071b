//! `wcmp arch` on one screen.

use super::{foot, other_warnings};
use crate::model::architecture::{ArchReason, Comparability};
use crate::model::words::Component;
use crate::report::document::{
    Block, Cell, Column, Document, Line, Opening, Section, Table, Tone, cells,
};
use crate::report::documents::arch as full;
use crate::report::number;
use crate::report::schema::CheckpointRow;
use crate::report::schema::arch::{Arch, ArchBase};
use crate::report::words::{Language, Term};

/// Rows of bases on a screen.
const BASES: usize = 8;
/// Reasons told of each of a few bases.
const REASONS: usize = 2;

/// Which bases can be compared at all, and why not.
pub(in crate::report) fn arch(say: Language, report: &Arch) -> Document {
    let mut document = Document::new(say, Line::default(), false);
    document.opening = Some(opening(say, report));
    let mut blocks = vec![Block::Space, Block::Table(bases(say, report))];
    let few = report.bases.len() <= 4;
    for (at, base) in (1u64..).zip(&report.bases).take(BASES) {
        blocks.extend(decides(say, at, base, if few { REASONS } else { 1 }));
    }
    blocks.push(Block::Space);
    blocks.push(Block::Remark(
        say.remark(crate::report::words::Remark::Shapes).into(),
    ));
    blocks.extend(other_warnings(say, &report.warnings));
    document.grounds = vec![Section::untitled(blocks)];
    let bases = report.bases.iter().map(|base| &base.base);
    let models = std::iter::once(&report.target).chain(bases);
    let paths = models.map(|model: &CheckpointRow| model.path.clone());
    foot(&mut document, &report.wcmp, "arch", paths.collect(), None);
    document
}

fn opening(say: Language, report: &Arch) -> Opening {
    let best = report.bases.iter().max_by(|a, b| {
        a.share
            .partial_cmp(&b.share)
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let comparability = report
        .bases
        .iter()
        .map(|base| base.comparability)
        .max_by_key(|c| match c {
            Comparability::None => 0,
            Comparability::Partial => 1,
            Comparability::Full => 2,
        })
        .unwrap_or(Comparability::None);
    Opening {
        word: comparability.word(),
        confidence: None,
        tone: Tone::Said,
        sentence: say.comparable_with(
            comparability,
            &report.target.name,
            best.map_or("", |base| base.base.name.as_str()),
            report.bases.len() as u64,
            best.and_then(|base| base.share)
                .map(|share| number::percent(Some(share)))
                .as_deref(),
        ),
        caveats: Vec::new(),
    }
}

fn bases(say: Language, report: &Arch) -> Table {
    let mut components: Vec<Component> = Vec::new();
    for row in report.bases.iter().flat_map(|base| &base.components) {
        if !components.contains(&row.component) {
            components.push(row.component);
        }
    }
    let several = components.len() > 1;
    let mut columns = vec![
        Column::numbers(""),
        Column::names(say.term(Term::Base)),
        Column::words(say.term(Term::Comparable)),
        Column::numbers(say.term(Term::InEqualShapes)),
    ];
    if several {
        columns.extend(components.iter().map(|c| Column::numbers(c.word())));
    }
    let mut table = Table::new(columns);
    for (at, base) in (1u64..).zip(&report.bases) {
        let mut cells = cells![
            at.to_string(),
            Line::name(&base.base.name),
            Line::word(base.comparability),
            number::percent(base.share),
        ]
        .to_vec();
        if several {
            for component in &components {
                let row = base
                    .components
                    .iter()
                    .find(|row| row.component == *component);
                cells.push(Cell::from(number::percent(row.and_then(|row| row.share))));
            }
        }
        table.row(cells);
    }
    table
}

/// The reasons that decide, and what would have had to change.
fn decides(say: Language, at: u64, base: &ArchBase, most: usize) -> Vec<Block> {
    let mut lines: Vec<String> = Vec::new();
    let deciding = |reason: &&ArchReason| {
        !matches!(
            reason,
            ArchReason::SaysNothingAboutOrigin | ArchReason::Assumed { .. }
        )
    };
    if base.grounds.is_empty() {
        lines.extend(base.reasons.iter().take(most).cloned());
    } else {
        let reasons = base.grounds.iter().filter(deciding).take(most);
        lines.extend(reasons.map(|reason| say.arch_reason(reason)));
    }
    let changes = full::changes(say, base);
    if !changes.is_empty() {
        lines.push(say.would_have_had_to_change(&changes.join("; ")));
    }
    lines
        .into_iter()
        .enumerate()
        .map(|(n, line)| {
            let number = if n == 0 {
                at.to_string()
            } else {
                String::new()
            };
            Block::Labelled(vec![crate::report::document::Value::new(number, line)])
        })
        .collect()
}
