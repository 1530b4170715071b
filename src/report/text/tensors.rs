//! Tensors: the identical and the unmatched ones in short, or every row where that is asked for.

use super::super::escape;
use super::super::number;
use super::super::schema::{CheckpointRow, Compare, TensorRow, UnmatchedRow};
use super::super::sentences;
use super::page::Page;
use super::table::{Fit, Table};

/// Rows of a list that is shown in short.
const IN_SHORT: usize = 5;

/// Identical tensors: how many, and the first informative ones.
pub(super) fn identical(page: &mut Page, compare: &Compare) {
    let similarity = &compare.similarity;
    if similarity.identical == 0 {
        return;
    }
    page.heading("Identical tensors");
    page.paragraph(&format!(
        "{} of {} aligned tensors have the same bytes; {} of these are informative.",
        number::count(similarity.identical),
        number::count(similarity.aligned),
        number::count(similarity.identical_informative),
    ));
    let informative: Vec<&TensorRow> = compare
        .tensors
        .iter()
        .filter(|t| t.identical && t.informative)
        .collect();
    let mut table = Table::new(&[
        ("name in the target", Fit::Elide),
        ("class", Fit::Left),
        ("dtype", Fit::Left),
        ("shape", Fit::Right),
    ]);
    for tensor in informative.iter().take(IN_SHORT) {
        table.row([
            escape::name(&tensor.name.target),
            tensor.class.to_owned(),
            tensor.dtype.target.to_string(),
            number::shape(&tensor.shape.target),
        ]);
    }
    if !table.is_empty() {
        page.table(table);
        more(page, informative.len());
    }
}

/// What is left over on each side: how much, why, and the largest tensors.
pub(super) fn unmatched(page: &mut Page, compare: &Compare, all: bool) {
    let sides = [
        ("target", &compare.target, &compare.unmatched.target),
        ("base", &compare.base, &compare.unmatched.base),
    ];
    if sides.iter().all(|(.., rows)| rows.is_empty()) {
        return;
    }
    page.heading("Unmatched tensors");
    for (side, checkpoint, rows) in sides {
        unmatched_side(page, side, checkpoint, rows, all);
    }
}

fn unmatched_side(
    page: &mut Page,
    side: &str,
    checkpoint: &CheckpointRow,
    rows: &[UnmatchedRow],
    all: bool,
) {
    page.paragraph(&sentences::unmatched_summary(side, checkpoint, rows));
    let shown: Vec<&UnmatchedRow> = if all {
        rows.iter().collect()
    } else {
        sentences::largest(rows)
            .into_iter()
            .take(IN_SHORT)
            .collect()
    };
    let mut table = Table::new(&[
        ("name", Fit::Elide),
        ("role", Fit::Left),
        ("dtype", Fit::Left),
        ("shape", Fit::Right),
        ("why", Fit::Left),
    ]);
    for row in &shown {
        table.row([
            escape::name(&row.name),
            row.role.to_string(),
            escape::name(&row.dtype),
            number::shape(&row.shape),
            sentences::unmatched_reason(row.why).to_owned(),
        ]);
    }
    if !table.is_empty() {
        page.table(table);
        if !all {
            more(page, rows.len());
        }
    }
}

fn more(page: &mut Page, total: usize) {
    if let Some(rest) = total.checked_sub(IN_SHORT).filter(|rest| *rest > 0) {
        page.remark(&format!(
            "and {} more; --tensors lists every tensor",
            number::count(rest as u64)
        ));
    }
}

/// Every aligned pair.
pub(super) fn every(page: &mut Page, rows: &[TensorRow]) {
    page.heading(&format!(
        "Aligned tensors: {}",
        number::count(rows.len() as u64)
    ));
    let mut table = Table::new(&[
        ("name in the target", Fit::Elide),
        ("class", Fit::Left),
        ("cosine", Fit::Right),
        ("expected", Fit::Right),
        ("excess", Fit::Right),
        ("via", Fit::Left),
        ("", Fit::Left),
    ]);
    for row in rows {
        table.row([
            escape::name(&row.name.target),
            row.class.to_owned(),
            number::figure(row.figures.cosine),
            number::figure(row.figures.expected_cosine),
            number::figure(row.figures.excess),
            row.compared_via.to_owned(),
            if row.identical {
                "=".to_owned()
            } else {
                String::new()
            },
        ]);
    }
    if !table.is_empty() {
        page.table(table);
    }
    for row in rows {
        if let Some(reason) = &row.figures.reason {
            let name = escape::elide(&escape::name(&row.name.target), 60);
            page.item(&format!("{name}: no cosine, {}", escape::sentence(reason)));
        }
    }
    page.remark("= marks tensors with the same dtype, shape and bytes.");
}
