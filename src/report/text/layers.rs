//! The layers: one line a layer, readable at a hundred of them; and the map of layers where depths
//! differ.

use super::super::escape::{self, width};
use super::super::number;
use super::super::schema::{LayerMapRow, LayerRow};
use super::super::sentences;
use super::page::{INDENT, Page, Paint};

/// Longest bar, however wide the terminal.
const LONGEST_BAR: usize = 50;

/// One line a layer: matrices as bar and numbers, norms apart, identical tensors, log10 p where
/// there is any.
pub(super) fn layers(page: &mut Page, rows: &[LayerRow]) {
    let mut components: Vec<&str> = Vec::new();
    for row in rows {
        if !components.contains(&row.component.as_str()) {
            components.push(&row.component);
        }
    }
    for component in &components {
        let rows: Vec<&LayerRow> = rows
            .iter()
            .filter(|row| row.component == *component)
            .collect();
        page.heading(&format!("Layers: {}", escape::name(component)));
        component_layers(page, &rows);
    }
    if !components.is_empty() {
        page.remark(
            "Bar: matrix cosine, empty at 0, full at 1. Norm gains lie near 1 in unrelated models too and are no evidence \
             by themselves. equal: tensors with the same bytes.",
        );
    }
}

fn component_layers(page: &mut Page, rows: &[&LayerRow]) {
    let tested = rows.iter().any(|row| row.log10_p.is_some());
    let titles = ["layer", "matrices", "excess", "norms", "equal", "log10 p"];
    let cells: Vec<[String; 6]> = rows.iter().map(|row| cells(row)).collect();
    let widths: Vec<usize> = titles
        .iter()
        .enumerate()
        .map(|(at, title)| {
            cells
                .iter()
                .map(|row| width(&row[at]))
                .chain([title.len()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let columns = if tested { 6 } else { 5 };
    let used: usize = INDENT + widths[..columns].iter().sum::<usize>() + 2 * columns;
    let bar_width = page.width().saturating_sub(used).clamp(4, LONGEST_BAR);

    let bar_gap = " ".repeat(bar_width);
    let titles = titles.map(str::to_owned);
    let header = line(&titles, &widths, &bar_gap, columns);
    let header = page.paint(Paint::Faint, header.trim_end());
    page.line(&header);
    for (row, cells) in rows.iter().zip(&cells) {
        let bar = bar(row.matrix_cosine, bar_width);
        let gap = " ".repeat(bar_width - width(&bar));
        let bar = format!("{}{gap}", page.paint(Paint::Bar, &bar));
        page.line(&line(cells, &widths, &bar, columns));
    }
}

/// Cells right-aligned, the bar behind the matrix cosine.
fn line(cells: &[String; 6], widths: &[usize], bar: &str, columns: usize) -> String {
    let mut out = " ".repeat(INDENT);
    for (at, (cell, room)) in cells.iter().zip(widths).take(columns).enumerate() {
        let gap = " ".repeat(room.saturating_sub(width(cell)));
        out.push_str(&format!("{}{gap}{cell}", if at == 0 { "" } else { "  " }));
        if at == 1 {
            out.push_str(&format!("  {bar}"));
        }
    }
    out
}

fn cells(row: &LayerRow) -> [String; 6] {
    [
        sentences::layer(row),
        number::figure(row.matrix_cosine),
        number::figure(row.matrix_excess),
        number::figure(row.norm_cosine),
        format!("{}/{}", row.identical, row.tensors),
        number::log10(row.log10_p),
    ]
}

/// A bar from 0 to 1, to an eighth of a column.
fn bar(value: Option<f64>, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let Some(value) = value.filter(|v| v.is_finite()) else {
        return String::new();
    };
    // Cut down, not rounded: a full bar is a cosine of 1.
    let eighths = (value.clamp(0.0, 1.0) * (columns * 8) as f64) as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// Which layer of the base each layer of the target comes from, runs joined.
pub(super) fn layer_map(page: &mut Page, rows: &[LayerMapRow]) {
    page.heading("Layer map (target ← base)");
    page.paragraph(&sentences::layer_map(rows));
    let worst = rows
        .iter()
        .filter_map(|row| row.log10_p)
        .fold(f64::NEG_INFINITY, f64::max);
    if worst.is_finite() {
        page.remark(&format!(
            "Weakest of the mapped layers: log10 p {}.",
            number::log10(Some(worst))
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_cut_down_and_full_only_at_one() {
        assert_eq!(bar(Some(1.0), 4), "████");
        assert_eq!(bar(Some(0.9999), 4), "███▉");
        assert_eq!(bar(Some(0.5), 4), "██");
        assert_eq!(bar(Some(-0.2), 4), "");
        assert_eq!(bar(Some(f64::NAN), 4), "");
        assert_eq!(bar(None, 4), "");
    }
}
