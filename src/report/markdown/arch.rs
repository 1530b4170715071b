//! `wcmp arch` as Markdown.

use super::super::Style;
use super::super::escape::{markdown, markdown_code};
use super::super::number;
use super::super::reproduce;
use super::super::schema::arch::{Arch, ArchBase, RoleRow};
use super::super::sentences;
use super::page::{Page, optional_code};

/// Whether the weights of target and bases can be compared, part by part.
pub fn arch(report: &Arch, _style: &Style) -> String {
    let mut page = Page::new();
    let target = markdown_code(&report.target.name);
    page.heading(
        2,
        &format!("wcmp arch: can the weights of {target} be compared?"),
    );
    page.checkpoints(&[("target", &report.target)]);
    let row = |base: &ArchBase| {
        vec![
            markdown_code(&base.base.name),
            optional_code(base.base.architecture.as_deref()),
            format!("`{}`", base.comparability),
            number::percent(base.share),
        ]
    };
    let titles = ["base", "architecture", "comparable", ">in equal shapes"];
    page.table(&titles, &report.bases.iter().map(row).collect::<Vec<_>>());
    page.block("Unequal shapes are no evidence for training from scratch, equal ones none for a common origin.");
    report
        .bases
        .iter()
        .for_each(|base| self::base(&mut page, base));
    fields(&mut page, report);
    let conflicts = report.conflicts.iter().map(|row| {
        let [config, tensors] =
            [&row.config, &row.tensors].map(|value| markdown(&sentences::fact(Some(value))));
        vec![markdown_code(&row.field), config, tensors]
    });
    let conflicts: Vec<Vec<String>> = conflicts.collect();
    if !conflicts.is_empty() {
        page.heading(3, "config.json of the target contradicts its tensors");
        page.table(&["field", ">config.json", ">tensors"], &conflicts);
    }
    page.notes(&report.warnings);
    let bases = report.bases.iter().map(|base| base.base.path.as_str());
    let paths: Vec<&str> = std::iter::once(report.target.path.as_str())
        .chain(bases)
        .collect();
    page.reproduce(&report.wcmp, &reproduce::plain("arch", &paths, usize::MAX));
    page.finish()
}

fn base(page: &mut Page, base: &ArchBase) {
    page.heading(3, &format!("Against {}", markdown_code(&base.base.name)));
    page.block(&markdown(&sentences::comparability(base)));
    page.list(base.reasons.iter().map(|reason| markdown(reason)));
    if !base.could_be.is_empty() {
        page.block("Could be:");
        page.list(base.could_be.iter().map(|change| markdown(change)));
    }
    if let Some(tokenizer) = &base.tokenizer {
        page.block(&markdown(&sentences::tokenizer_summary(tokenizer)));
    }
    if base.components.len() > 1 {
        let row = base.components.iter().map(|c| {
            vec![
                c.component.to_string(),
                format!("`{}`", c.comparability),
                number::percent(c.share),
            ]
        });
        page.table(
            &["component", "comparable", ">in equal shapes"],
            &row.collect::<Vec<_>>(),
        );
    }
    let several = sentences::has_components(base);
    let row = |row: &RoleRow| {
        vec![
            markdown(&sentences::role(row, several)),
            sentences::copies(row.target.as_ref()),
            sentences::copies(row.base.as_ref()),
            if row.equal { "yes" } else { "no" }.to_owned(),
        ]
    };
    let roles: Vec<Vec<String>> = base.roles.iter().map(row).collect();
    if !roles.is_empty() {
        page.details("Roles", |page| {
            page.table(&["role", ">target", ">base", "equal shape"], &roles)
        });
    }
}

fn fields(page: &mut Page, report: &Arch) {
    let names: Vec<String> = report
        .bases
        .iter()
        .map(|base| format!(">{}", markdown_code(&base.base.name)))
        .collect();
    let mut titles = vec!["field", ">target"];
    titles.extend(names.iter().map(String::as_str));
    let rows = report.fields.iter().map(|field| {
        let bases = field.bases.iter().zip(&field.equal).map(|(value, equal)| {
            let value = markdown(&sentences::fact(value.as_ref()));
            if *equal == Some(true) {
                format!("**{value}**")
            } else {
                value
            }
        });
        let own = [
            markdown_code(&field.field),
            markdown(&sentences::fact(field.target.as_ref())),
        ];
        own.into_iter().chain(bases).collect::<Vec<String>>()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        page.details("Facts (bold: equal to the target's)", |page| {
            page.table(&titles, &rows)
        });
    }
}
