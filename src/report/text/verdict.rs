//! The verdict, and beside it the origin document's own reading.

use super::super::escape;
use super::super::number;
use super::super::schema::{NotTestable, OriginReading, VerdictRow, WarningRow};
use super::super::sentences;
use super::super::words;
use super::page::{Page, Paint};
use super::table::{Fit, Table};

const LABEL: usize = 12;

/// What could not be tested, and why.
pub(super) fn not_testable(page: &mut Page, rows: &[NotTestable]) {
    if rows.is_empty() {
        return;
    }
    page.heading("Not testable");
    for row in rows {
        page.item(&format!(
            "{}: {}",
            escape::sentence(&row.what),
            escape::sentence(&row.why)
        ));
    }
}

/// Label, relation, confidence and reasons.
pub(super) fn verdict(page: &mut Page, verdict: &VerdictRow) {
    page.heading("Verdict");
    page.hanging("label", LABEL, verdict.label, Some(Paint::Label));
    page.labelled("", LABEL, words::label(verdict.label));
    page.labelled("relation", LABEL, &sentences::relations(verdict));
    page.labelled("confidence", LABEL, &sentences::confidence(verdict));
    for (at, reason) in verdict.reasons.iter().enumerate() {
        let label = if at == 0 { "reasons" } else { "" };
        page.labelled(label, LABEL, &escape::sentence(reason));
    }
}

/// The origin document's threshold table with the row that applies marked, its pattern, and whether
/// it agrees.
pub(super) fn origin_reading(page: &mut Page, reading: &OriginReading) {
    page.heading("The origin document's reading");
    let mut table = Table::new(&[
        ("", Fit::Left),
        ("mean cosine", Fit::Left),
        ("reads", Fit::Wrap),
        ("this pair", Fit::Right),
    ]);
    for band in &words::BANDS {
        let here = reading.band == Some(band.word);
        table.row([
            if here {
                "▶".to_owned()
            } else {
                String::new()
            },
            band.range.to_owned(),
            band.meaning.to_owned(),
            if here {
                number::figure(reading.mean_cosine)
            } else {
                String::new()
            },
        ]);
    }
    page.table(table);
    if reading.band.is_none() {
        page.paragraph("No row applies: there is no mean cosine.");
    }
    page.labelled("pattern", LABEL, &sentences::pattern(reading));
    page.labelled("agreement", LABEL, &sentences::agreement(reading));
}

/// Warnings.
pub(super) fn notes(page: &mut Page, warnings: &[WarningRow]) {
    if warnings.is_empty() {
        return;
    }
    page.heading("Notes");
    for warning in warnings {
        page.item(&sentences::note(warning));
    }
}
