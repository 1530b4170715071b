//! Who is compared: the facts of checkpoints side by side.

use super::super::escape;
use super::super::schema::CheckpointRow;
use super::super::sentences;
use super::page::{INDENT, Page};
use super::table::{Fit, Table};

/// Name and facts of one or more checkpoints, a column each.
pub(super) fn checkpoints(page: &mut Page, columns: &[(&str, &CheckpointRow)]) {
    let mut header = vec![("", Fit::Left)];
    header.extend(columns.iter().map(|(title, _)| (*title, Fit::Elide)));
    let mut table = Table::new(&header);
    let mut row = |label: &str, cell: &dyn Fn(&CheckpointRow) -> String| {
        table.row(std::iter::once(label.to_owned()).chain(columns.iter().map(|(_, c)| cell(c))));
    };
    row("name", &|c| escape::name(&c.name));
    row("path", &|c| escape::name(&c.path));
    row("architecture", &|c| {
        sentences::optional(c.architecture.as_deref())
    });
    row("parameters", &sentences::parameters);
    row("dtype", &sentences::dtypes);
    row("size", &sentences::size);
    row("files", &sentences::files);
    if columns.iter().any(|(_, c)| c.quantization.is_some()) {
        row("quantization", &|c| {
            sentences::optional(c.quantization.as_deref())
        });
    }
    page.table(table);
}

/// Model digests in full, so that a quoted report names its files.
pub(super) fn digests(page: &mut Page, columns: &[(&str, &CheckpointRow)]) {
    let label = columns
        .iter()
        .map(|(title, _)| title.len())
        .max()
        .unwrap_or(0)
        + INDENT;
    page.heading("Model digests (SHA-256 of the lines of `wcmp hash`)");
    for (title, checkpoint) in columns {
        page.labelled(
            title,
            label,
            checkpoint.model_digest.as_deref().unwrap_or("not taken"),
        );
    }
}
