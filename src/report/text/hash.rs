//! `wcmp hash` and `wcmp hash --check` in a terminal.

use super::super::Style;
use super::super::escape;
use super::super::number;
use super::super::schema::{Check, Hash};
use super::page::{Page, Paint};
use crate::manifest;

/// The manifest: a file as well as a report, so neither width nor colours change it.
pub fn hash(report: &Hash, _style: &Style) -> String {
    manifest::to_string(report)
}

/// What a copy has in common with the manifest, and what not.
pub fn check(report: &Check, style: &Style) -> String {
    let mut page = Page::new(style);
    let label = 10;
    for row in &report.different {
        page.labelled("differs", label, &escape::name(&row.name));
        page.labelled("expected", label, &escape::sentence(&row.expected));
        page.labelled("found", label, &escape::sentence(&row.found));
    }
    for name in &report.missing {
        page.labelled("missing", label, &escape::name(name));
    }
    for name in &report.new {
        page.labelled("new", label, &escape::name(name));
    }
    let name = escape::name(&report.checkpoint.name);
    let total = report.matching + report.different.len() as u64 + report.new.len() as u64;
    let text = if report.equal {
        format!(
            "{name} is what the manifest says: {} of {} match",
            number::count(report.matching),
            tensors(total)
        )
    } else {
        format!(
            "{name} is not what the manifest says: {} of {} match, {} differ, {} missing, {} new",
            number::count(report.matching),
            tensors(total),
            number::count(report.different.len() as u64),
            number::count(report.missing.len() as u64),
            number::count(report.new.len() as u64),
        )
    };
    page.hanging("", 0, &text, Some(Paint::Strong));
    if let Some(digest) = &report.checkpoint.model_digest {
        page.labelled("model", label, digest);
    }
    page.finish()
}

fn tensors(n: u64) -> String {
    number::plural(n, "tensor")
}
