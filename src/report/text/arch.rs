//! `wcmp arch` in a terminal.

use super::super::Style;
use super::super::escape;
use super::super::number;
use super::super::reproduce;
use super::super::schema::CheckpointRow;
use super::super::schema::arch::{Arch, ArchBase, ConflictRow, FieldRow};
use super::super::sentences;
use super::page::Page;
use super::table::{Fit, Table};
use super::{verdict, who};

const LABEL: usize = 12;
/// Bases whose facts stand side by side in one table.
const COLUMNS: usize = 3;

/// Whether the weights of target and bases can be compared, part by part.
pub fn arch(report: &Arch, style: &Style) -> String {
    let mut page = Page::new(style);
    page.heading(&format!(
        "wcmp {} arch: can the weights be compared at all, part by part?",
        report.wcmp
    ));
    who::checkpoints(&mut page, &[("target", &report.target)]);
    summary(&mut page, &report.bases);
    for (at, base) in report.bases.iter().enumerate() {
        self::base(&mut page, at + 1, base);
    }
    fields(&mut page, report);
    conflicts(&mut page, &report.conflicts);
    verdict::notes(&mut page, &report.warnings);
    page.heading("To reproduce");
    let bases = report.bases.iter().map(|base| &base.base);
    let paths: Vec<&str> = std::iter::once(&report.target)
        .chain(bases)
        .map(|c: &CheckpointRow| c.path.as_str())
        .collect();
    page.line(&reproduce::plain("arch", &paths, page.width()));
    page.finish()
}

fn summary(page: &mut Page, bases: &[ArchBase]) {
    page.heading("Can the weights be compared?");
    let mut table = Table::new(&[
        ("", Fit::Right),
        ("base", Fit::Elide),
        ("architecture", Fit::Elide),
        ("comparable", Fit::Left),
        ("in equal shapes", Fit::Right),
    ]);
    for (at, base) in bases.iter().enumerate() {
        table.row([
            (at + 1).to_string(),
            escape::name(&base.base.name),
            sentences::optional(base.base.architecture.as_deref()),
            base.comparability.to_string(),
            number::percent(base.share),
        ]);
    }
    page.table(table);
    page.remark("Unequal shapes are no evidence for training from scratch, equal ones none for a common origin.");
}

fn base(page: &mut Page, at: usize, base: &ArchBase) {
    let name = escape::elide(
        &escape::name(&base.base.name),
        page.width().saturating_sub(8),
    );
    page.heading(&format!("{at}. {name}"));
    page.labelled("path", LABEL, &escape::name(&base.base.path));
    page.labelled("comparable", LABEL, &sentences::comparability(base));
    if base.components.len() > 1 {
        for row in &base.components {
            let words = format!(
                "{}: {}, {}",
                row.component,
                row.comparability,
                number::percent(row.share)
            );
            page.labelled("", LABEL, &words);
        }
    }
    for (at, reason) in base.reasons.iter().enumerate() {
        page.labelled(
            if at == 0 { "why" } else { "" },
            LABEL,
            &escape::sentence(reason),
        );
    }
    for (at, change) in base.could_be.iter().enumerate() {
        page.labelled(
            if at == 0 { "could be" } else { "" },
            LABEL,
            &escape::sentence(change),
        );
    }
    if let Some(tokenizer) = &base.tokenizer {
        page.labelled("tokenizer", LABEL, &sentences::tokenizer_summary(tokenizer));
    }
    let mut table = Table::new(&[
        ("role", Fit::Elide),
        ("target", Fit::Right),
        ("base", Fit::Right),
        ("equal shape", Fit::Left),
    ]);
    let several = sentences::has_components(base);
    for row in &base.roles {
        table.row([
            sentences::role(row, several),
            sentences::copies(row.target.as_ref()),
            sentences::copies(row.base.as_ref()),
            yes_or_no(row.equal).to_owned(),
        ]);
    }
    if !table.is_empty() {
        page.table(table);
    }
}

const fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// The facts side by side, a few bases a table; `=` marks a base's that equals the target's.
fn fields(page: &mut Page, report: &Arch) {
    if report.fields.is_empty() {
        return;
    }
    page.heading("Facts");
    let bases: Vec<usize> = (0..report.bases.len()).collect();
    for columns in bases.chunks(COLUMNS) {
        let titles: Vec<String> = columns
            .iter()
            .map(|at| format!("base {}", at + 1))
            .collect();
        let mut header = vec![("", Fit::Elide), ("target", Fit::ElideRight)];
        header.extend(titles.iter().map(|title| (title.as_str(), Fit::ElideRight)));
        let mut table = Table::new(&header);
        for field in &report.fields {
            let cells = columns.iter().map(|at| fact(field, *at));
            let own = [
                escape::name(&field.field),
                sentences::fact(field.target.as_ref()),
            ];
            table.row(own.into_iter().chain(cells));
        }
        page.table(table);
    }
    page.remark("= equals the target's.");
}

fn fact(field: &FieldRow, base: usize) -> String {
    let value = sentences::fact(field.bases.get(base).and_then(Option::as_ref));
    match field.equal.get(base) {
        Some(Some(true)) => format!("= {value}"),
        _ => value,
    }
}

fn conflicts(page: &mut Page, rows: &[ConflictRow]) {
    if rows.is_empty() {
        return;
    }
    page.heading("config.json of the target contradicts its tensors");
    let mut table = Table::new(&[
        ("field", Fit::Elide),
        ("config.json", Fit::ElideRight),
        ("tensors", Fit::ElideRight),
    ]);
    for row in rows {
        table.row([
            escape::name(&row.field),
            sentences::fact(Some(&row.config)),
            sentences::fact(Some(&row.tensors)),
        ]);
    }
    page.table(table);
}
