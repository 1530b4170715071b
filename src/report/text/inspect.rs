//! `wcmp inspect` in a terminal.

use super::super::Style;
use super::super::escape;
use super::super::number;
use super::super::schema::{Inspect, InspectBlock};
use super::super::sentences;
use super::page::Page;
use super::table::{Fit, Table};
use super::{verdict, who};

/// Facts of config.json that are longer than this are cut.
const LONGEST_FACT: usize = 200;

/// What wcmp sees in a checkpoint.
pub fn inspect(report: &Inspect, style: &Style) -> String {
    let mut page = Page::new(style);
    page.heading(&format!(
        "wcmp {} inspect: what is in this checkpoint?",
        report.wcmp
    ));
    who::checkpoints(&mut page, &[("", &report.checkpoint)]);
    page.labelled("weights", 14, &escape::sentence(&report.weight_set));
    if !report.ignored_files.is_empty() {
        let names: Vec<String> = report
            .ignored_files
            .iter()
            .map(|name| escape::name(name))
            .collect();
        page.labelled("left aside", 14, &names.join(", "));
    }
    config(&mut page, report);
    components(&mut page, report);
    blocks(&mut page, &report.blocks);
    tensors(&mut page, report);
    verdict::notes(&mut page, &report.warnings);
    page.finish()
}

fn config(page: &mut Page, report: &Inspect) {
    if report.config.is_empty() {
        return;
    }
    page.heading("config.json");
    let label = report
        .config
        .keys()
        .map(|key| escape::width(&escape::name(key)))
        .max()
        .unwrap_or(0)
        .min(32)
        + 2;
    for (key, value) in &report.config {
        let value = match value {
            serde_json::Value::String(text) => escape::name(text),
            other => escape::sentence(&other.to_string()),
        };
        page.labelled(
            &escape::elide(&escape::name(key), 32),
            label,
            &escape::elide(&value, LONGEST_FACT),
        );
    }
}

fn components(page: &mut Page, report: &Inspect) {
    if report.components.is_empty() {
        return;
    }
    page.heading("Components");
    let mut table = Table::new(&[
        ("component", Fit::Left),
        ("parameters", Fit::Right),
        ("share", Fit::Right),
        ("layers", Fit::Right),
    ]);
    for row in &report.components {
        table.row([
            escape::name(&row.component),
            number::parameters(row.parameters),
            number::share(row.parameters, report.checkpoint.parameters),
            row.layers.to_string(),
        ]);
    }
    page.table(table);
}

fn blocks(page: &mut Page, rows: &[InspectBlock]) {
    if rows.is_empty() {
        return;
    }
    page.heading("Blocks");
    let mut table = Table::new(&[
        ("block", Fit::Elide),
        ("parameters", Fit::Right),
        ("of each", Fit::Right),
    ]);
    for block in sentences::blocks(rows) {
        let total = number::parameters(block.each.saturating_mul(block.count));
        let of_each = if block.count > 1 {
            number::parameters(block.each)
        } else {
            String::new()
        };
        table.row([block.name, total, of_each]);
    }
    page.table(table);
}

fn tensors(page: &mut Page, report: &Inspect) {
    page.heading(&format!(
        "Tensors: {}",
        number::count(report.tensors.len() as u64)
    ));
    let storage = report.tensors.iter().any(|row| row.storage != "stored");
    let mut columns = vec![
        ("name", Fit::Elide),
        ("role", Fit::Left),
        ("class", Fit::Left),
        ("dtype", Fit::Left),
    ];
    if storage {
        columns.push(("storage", Fit::Left));
    }
    columns.extend([("shape", Fit::Right), ("bytes", Fit::Right)]);
    let mut table = Table::new(&columns);
    for row in &report.tensors {
        let mut role = row.role.to_string();
        if let Some(expert) = row.expert {
            role.push_str(&format!(" e{expert}"));
        }
        let mut cells = vec![
            escape::name(&row.name),
            role,
            row.class.to_string(),
            escape::name(&row.dtype),
        ];
        if storage {
            cells.push(escape::name(&row.storage));
        }
        cells.extend([number::shape(&row.shape), number::bytes(row.bytes)]);
        table.row(cells);
    }
    if !table.is_empty() {
        page.table(table);
    }
}
