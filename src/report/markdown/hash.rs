//! `wcmp hash` and `wcmp hash --check` as Markdown.

use super::super::Style;
use super::super::escape::markdown_code;
use super::super::number;
use super::super::schema::{Check, Hash, HashTensor};
use super::page::{Page, optional_code};

/// The manifest as a table. To check against, keep the text or the JSON form.
pub fn hash(report: &Hash, _style: &Style) -> String {
    let mut page = Page::new();
    page.heading(
        2,
        &format!("wcmp hash: {}", markdown_code(&report.checkpoint.name)),
    );
    page.block(&format!("Model digest: `{}`", report.model_digest));
    page.details(&format!("Tensors: {}", report.tensors.len()), |page| {
        let row = |row: &HashTensor| {
            vec![
                markdown_code(&row.name),
                markdown_code(&row.dtype),
                number::shape(&row.shape),
                format!("`{}`", row.sha256),
            ]
        };
        page.table(
            &["name", "dtype", ">shape", "SHA-256"],
            &report.tensors.iter().map(row).collect::<Vec<_>>(),
        );
    });
    page.finish()
}

/// What a copy has in common with the manifest, and what not.
pub fn check(report: &Check, _style: &Style) -> String {
    let mut page = Page::new();
    page.heading(
        2,
        &format!(
            "wcmp hash --check: {}",
            markdown_code(&report.checkpoint.name)
        ),
    );
    let is = if report.equal { "is" } else { "is not" };
    page.block(&format!(
        "**The checkpoint {is} what the manifest says**: {} match, {} differ, {} missing, {} new.",
        number::plural(report.matching, "tensor"),
        number::count(report.different.len() as u64),
        number::count(report.missing.len() as u64),
        number::count(report.new.len() as u64),
    ));
    page.block(&format!(
        "Model digest: {}",
        optional_code(report.checkpoint.model_digest.as_deref())
    ));
    let different = report.different.iter();
    let mut rows: Vec<Vec<String>> = different
        .map(|row| {
            let state = "different".to_owned();
            vec![
                markdown_code(&row.name),
                state,
                markdown_code(&row.expected),
                markdown_code(&row.found),
            ]
        })
        .collect();
    for (state, names) in [("missing", &report.missing), ("new", &report.new)] {
        rows.extend(names.iter().map(|name| {
            vec![
                markdown_code(name),
                state.to_owned(),
                String::new(),
                String::new(),
            ]
        }));
    }
    page.table(&["name", "state", "expected", "found"], &rows);
    page.finish()
}
