//! `wcmp inspect` in a terminal.

use super::super::Style;
use super::super::escape;
use super::super::number;
use super::super::schema::{Inspect, InspectBlock};
use super::page::Page;
use super::table::{Fit, Table};
use super::{verdict, who};

/// Facts of config.json that are longer than this are cut.
const LONGEST_FACT: usize = 200;

/// What wcmp sees in a checkpoint.
pub fn inspect(report: &Inspect, style: &Style) -> String {
    let mut page = Page::new(style);
    page.heading(&format!("wcmp {} inspect: what is in this checkpoint?", report.wcmp));
    who::checkpoints(&mut page, &[("", &report.checkpoint)]);
    page.labelled("weights", 14, &escape::sentence(&report.weight_set));
    if !report.ignored_files.is_empty() {
        let names: Vec<String> = report.ignored_files.iter().map(|name| escape::name(name)).collect();
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
    let label = report.config.keys().map(|key| escape::width(&escape::name(key))).max().unwrap_or(0).min(32) + 2;
    for (key, value) in &report.config {
        let value = match value {
            serde_json::Value::String(text) => escape::name(text),
            other => escape::sentence(&other.to_string()),
        };
        page.labelled(&escape::elide(&escape::name(key), 32), label, &escape::elide(&value, LONGEST_FACT));
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
    let mut table = Table::new(&[("block", Fit::Elide), ("parameters", Fit::Right), ("of each", Fit::Right)]);
    for (name, count, each) in joined(rows) {
        let total = number::parameters(each.saturating_mul(count));
        let of_each = if count > 1 { number::parameters(each) } else { String::new() };
        table.row([name, total, of_each]);
    }
    page.table(table);
}

/// Runs of layers of equal size as one row: name, number of layers, parameters of each.
fn joined(rows: &[InspectBlock]) -> Vec<(String, u64, u64)> {
    let layer = |block: &str| block.strip_prefix("layer ").and_then(|index| index.parse::<u32>().ok());
    let mut runs: Vec<(String, Vec<u32>, u64)> = Vec::new();
    for row in rows {
        match (layer(&row.block), runs.last_mut()) {
            (Some(index), Some((_, layers, parameters)))
                if *parameters == row.parameters
                    && layers.last().is_some_and(|last| last.checked_add(1) == Some(index)) =>
            {
                layers.push(index);
            }
            (index, _) => runs.push((escape::name(&row.block), index.into_iter().collect(), row.parameters)),
        }
    }
    let run = |(name, layers, parameters): (String, Vec<u32>, u64)| {
        if layers.len() < 2 {
            return (name, 1, parameters);
        }
        (format!("layers {}", number::ranges(layers.iter().copied())), layers.len() as u64, parameters)
    };
    runs.into_iter().map(run).collect()
}

fn tensors(page: &mut Page, report: &Inspect) {
    page.heading(&format!("Tensors: {}", number::count(report.tensors.len() as u64)));
    let mut table = Table::new(&[
        ("name", Fit::Elide),
        ("role", Fit::Left),
        ("class", Fit::Left),
        ("dtype", Fit::Left),
        ("shape", Fit::Right),
        ("bytes", Fit::Right),
    ]);
    for row in &report.tensors {
        let mut role = row.role.to_string();
        if let Some(expert) = row.expert {
            role.push_str(&format!(" e{expert}"));
        }
        table.row([
            escape::name(&row.name),
            role,
            row.class.to_owned(),
            escape::name(&row.dtype),
            number::shape(&row.shape),
            number::bytes(row.bytes),
        ]);
    }
    if !table.is_empty() {
        page.table(table);
    }
}
