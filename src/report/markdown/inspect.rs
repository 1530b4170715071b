//! `wcmp inspect` as Markdown.

use super::super::Style;
use super::super::escape::{elide, markdown, markdown_code, sentence};
use super::super::number;
use super::super::schema::{Inspect, InspectTensor};
use super::super::sentences;
use super::page::Page;

/// Facts of config.json that are longer than this are cut.
const LONGEST_FACT: usize = 200;

/// What wcmp sees in a checkpoint.
pub fn inspect(report: &Inspect, _style: &Style) -> String {
    let mut page = Page::new();
    page.heading(
        2,
        &format!("wcmp inspect: {}", markdown_code(&report.checkpoint.name)),
    );
    page.checkpoints(&[("checkpoint", &report.checkpoint)]);
    page.list([format!("weights: {}", markdown(&report.weight_set))]);
    if !report.ignored_files.is_empty() {
        let names: Vec<String> = report
            .ignored_files
            .iter()
            .map(|name| markdown_code(name))
            .collect();
        page.list([format!("left aside: {}", names.join(", "))]);
    }
    let config = report.config.iter().map(|(key, value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        vec![
            markdown_code(key),
            markdown_code(&elide(&sentence(&value), LONGEST_FACT)),
        ]
    });
    let config: Vec<Vec<String>> = config.collect();
    if !config.is_empty() {
        page.details("config.json", |page| {
            page.table(&["field", "value"], &config)
        });
    }
    let components = report.components.iter().map(|row| {
        vec![
            markdown_code(&row.component),
            number::parameters(row.parameters),
            number::share(row.parameters, report.checkpoint.parameters),
            row.layers.to_string(),
        ]
    });
    page.table(
        &["component", ">parameters", ">share", ">layers"],
        &components.collect::<Vec<_>>(),
    );
    let blocks = sentences::blocks(&report.blocks).into_iter().map(|block| {
        let of_each = if block.count > 1 {
            number::parameters(block.each)
        } else {
            String::new()
        };
        vec![
            markdown(&block.name),
            number::parameters(block.each.saturating_mul(block.count)),
            of_each,
        ]
    });
    page.table(
        &["block", ">parameters", ">of each"],
        &blocks.collect::<Vec<_>>(),
    );
    page.details(&format!("Tensors: {}", report.tensors.len()), |page| {
        let titles = [
            "name",
            "component",
            "block",
            "role",
            "class",
            "dtype",
            "storage",
            ">shape",
            ">bytes",
        ];
        page.table(
            &titles,
            &report.tensors.iter().map(tensor).collect::<Vec<_>>(),
        );
    });
    page.notes(&report.warnings);
    page.finish()
}

fn tensor(row: &InspectTensor) -> Vec<String> {
    vec![
        markdown_code(&row.name),
        markdown(&row.component),
        row.block.as_deref().map(markdown).unwrap_or_default(),
        row.role.to_string(),
        row.class.to_string(),
        markdown(&row.dtype),
        markdown(&row.storage),
        number::shape(&row.shape),
        number::bytes(row.bytes),
    ]
}
