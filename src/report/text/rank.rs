//! `wcmp rank` in a terminal.

use super::super::Style;
use super::super::escape;
use super::super::number;
use super::super::reproduce;
use super::super::schema::{
    ControlRow, CoordinatesRow, CriterionRow, MixtureRow, Rank, RankingRow,
};
use super::super::sentences;
use super::super::words;
use super::page::{Page, Paint};
use super::scatter;
use super::table::{Fit, Table};
use super::{verdict, who};

const LABEL: usize = 12;
/// Bases whose mixture by layer and role is shown as columns.
const MIXTURE_COLUMNS: usize = 5;

/// Which of the bases the target is made from, or that it is from none.
pub fn rank(report: &Rank, style: &Style) -> String {
    let mut page = Page::new(style);
    if let Some(filter) = sentences::filter(&report.settings) {
        page.heading(&filter);
    }
    page.heading(&format!(
        "wcmp {} rank: which of these is the target made from, or is it from none?",
        report.wcmp
    ));
    who::checkpoints(&mut page, &[("target", &report.target)]);
    let titles: Vec<String> = (1..=report.ranking.len())
        .map(|rank| format!("base {rank}"))
        .collect();
    let bases = titles
        .iter()
        .map(String::as_str)
        .zip(report.ranking.iter().map(|row| &row.base));
    who::digests(
        &mut page,
        &std::iter::once(("target", &report.target))
            .chain(bases)
            .collect::<Vec<_>>(),
    );
    ranking(&mut page, &report.ranking);
    self::bases(&mut page, report);
    if let Some(coordinates) = &report.coordinates {
        self::coordinates(&mut page, coordinates);
    }
    if let Some(mixture) = &report.mixture {
        self::mixture(&mut page, mixture, style.all_tensors);
    }
    if let Some(controls) = &report.controls {
        self::controls(&mut page, controls, &report.ranking);
    }
    criteria(&mut page, &report.criteria);
    conclusion(&mut page, report);
    verdict::notes(&mut page, &report.warnings);
    page.heading("To reproduce");
    let paths: Vec<&str> = std::iter::once(&report.target)
        .chain(report.ranking.iter().map(|row| &row.base))
        .map(|c| c.path.as_str())
        .collect();
    page.line(&reproduce::command(
        "rank",
        &paths,
        &report.settings,
        page.width(),
    ));
    page.finish()
}

fn ranking(page: &mut Page, rows: &[RankingRow]) {
    page.heading("Ranking, the best evidence first");
    let mut table = Table::new(&[
        ("", Fit::Right),
        ("base", Fit::Elide),
        ("mean", Fit::Right),
        ("matrices", Fit::Right),
        ("log10 p", Fit::Right),
        ("verdict", Fit::Left),
        ("confidence", Fit::Left),
    ]);
    for (at, row) in rows.iter().enumerate() {
        table.row([
            (at + 1).to_string(),
            escape::name(&row.base.name),
            number::figure(row.similarity.mean_cosine),
            number::figure(row.similarity.matrix_cosine),
            number::log10(row.permutation.as_ref().and_then(|p| p.log10_p)),
            row.verdict.label.to_owned(),
            row.verdict.confidence.unwrap_or(number::ABSENT).to_owned(),
        ]);
    }
    page.table(table);
}

/// What stands behind each row of the ranking.
fn bases(page: &mut Page, report: &Rank) {
    for (at, row) in report.ranking.iter().enumerate() {
        let name = escape::elide(
            &escape::name(&row.base.name),
            page.width().saturating_sub(8),
        );
        page.heading(&format!("{}. {name}", at + 1));
        page.labelled("path", LABEL, &escape::name(&row.base.path));
        page.labelled("covered", LABEL, &covered(row));
        page.labelled("cosines", LABEL, &cosines(row));
        if let Some(permutation) = &row.permutation {
            let hits = format!(
                "{} of {} probes hit",
                number::count(permutation.hits),
                number::count(permutation.probes)
            );
            let chance = permutation
                .log10_p
                .map(|log10_p| format!("; chance {}", words::chance(log10_p)));
            page.labelled("permutation", LABEL, &(hits + &chance.unwrap_or_default()));
        }
        if let Some(pca) = &row.pca {
            let words = format!(
                "{}, median excess {}",
                words::spaced(pca.summary),
                number::figure(pca.median_excess)
            );
            page.labelled("subspaces", LABEL, &words);
        }
        page.labelled("verdict", LABEL, &sentences::verdict_in_short(&row.verdict));
        for reason in &row.verdict.reasons {
            page.labelled("", LABEL, &escape::sentence(reason));
        }
        page.labelled("document", LABEL, &document(row));
        for missing in &row.verdict.not_testable {
            let text = format!(
                "{}: {}",
                escape::sentence(&missing.what),
                escape::sentence(&missing.why)
            );
            page.labelled("not tested", LABEL, &text);
        }
    }
}

fn covered(row: &RankingRow) -> String {
    format!(
        "{} of the target's matrices, {} of the base's",
        number::percent(row.coverage.matrices.target),
        number::percent(row.coverage.matrices.base),
    )
}

fn cosines(row: &RankingRow) -> String {
    let similarity = &row.similarity;
    let mut out = format!(
        "mean {}, matrices {} (excess {})",
        number::figure(similarity.mean_cosine),
        number::figure(similarity.matrix_cosine),
        number::figure(similarity.matrix_excess),
    );
    if let Some(norms) =
        sentences::norm_gains(similarity.norm_cosine, similarity.norm_expected_cosine)
    {
        out.push_str(&format!("; {norms}"));
    }
    out.push_str(&format!(
        "; {} of {} identical, {} informative",
        number::count(similarity.identical),
        number::plural(similarity.aligned, "tensor"),
        number::count(similarity.identical_informative),
    ));
    out
}

fn document(row: &RankingRow) -> String {
    let reading = &row.origin_reading;
    let band = reading.band_meaning.unwrap_or("no mean cosine");
    format!(
        "{band}; {}; {}",
        sentences::pattern(reading),
        sentences::agreement(reading)
    )
}

fn coordinates(page: &mut Page, row: &CoordinatesRow) {
    let Some(lines) = scatter::plot(&row.points, page.width() - 2) else {
        return;
    };
    page.heading("Principal coordinates: near points are alike in their weights");
    for line in lines {
        page.line(&format!("  {line}"));
    }
    let [first, second] = row.explained.map(number::percent);
    page.remark(&format!(
        "Across: first coordinate, {first} of the squared distances. Up: second, {second}. One scale."
    ));
    let mut table = Table::new(&[
        ("", Fit::Left),
        ("model", Fit::Elide),
        ("first", Fit::Right),
        ("second", Fit::Right),
    ]);
    for (index, (name, [x, y])) in row.models.iter().zip(&row.points).enumerate() {
        table.row([
            scatter::label(index).to_string(),
            escape::name(name),
            number::figure(*x),
            number::figure(*y),
        ]);
    }
    page.table(table);
}

fn mixture(page: &mut Page, row: &MixtureRow, all: bool) {
    page.heading("Mixture: the target as a weighted sum of the bases");
    page.paragraph(&sentences::mixture(&row.weights, row.residual));
    let columns: Vec<String> = row
        .weights
        .iter()
        .take(MIXTURE_COLUMNS)
        .map(|w| escape::name(&w.base))
        .collect();
    let mut header = vec![("", Fit::Left)];
    header.extend(columns.iter().map(|name| (name.as_str(), Fit::ElideRight)));
    header.push(("unexplained", Fit::Right));
    let mut table = Table::new(&header);
    let by_layer = row
        .by_layer
        .iter()
        .map(|l| (format!("layer {}", l.layer), &l.weights, l.residual));
    let by_role = row
        .by_role
        .iter()
        .map(|r| (r.role.to_string(), &r.weights, r.residual));
    let rows: Vec<_> = by_role.chain(by_layer).collect();
    let shown = if all { rows.len() } else { rows.len().min(16) };
    for (label, weights, residual) in &rows[..shown] {
        let cells = weights
            .iter()
            .take(columns.len())
            .map(|w| number::figure(w.weight));
        table.row(
            std::iter::once(label.clone())
                .chain(cells)
                .chain([number::percent(*residual)]),
        );
    }
    if !table.is_empty() {
        page.table(table);
    }
    if shown < rows.len() {
        page.remark(&format!(
            "and {} more; --tensors lists them all",
            number::count((rows.len() - shown) as u64)
        ));
    }
}

/// Each base against the target, and beside it against the base that it is most like.
fn controls(page: &mut Page, rows: &[ControlRow], ranking: &[RankingRow]) {
    if rows.is_empty() {
        return;
    }
    page.heading("Controls: the bases against one another");
    let mut table = Table::new(&[
        ("base", Fit::Elide),
        ("excess to the target", Fit::Right),
        ("highest to a base", Fit::Right),
        ("which", Fit::Elide),
    ]);
    for row in rows {
        table.row([
            escape::name(&row.base),
            number::figure(sentences::excess_of(&row.base, ranking)),
            number::figure(row.matrix_excess),
            escape::name(&row.nearest),
        ]);
    }
    page.table(table);
    page.remark(
        "Bases that are known to be unrelated show what unrelated models of this shape come to.",
    );
}

fn criteria(page: &mut Page, rows: &[CriterionRow]) {
    if rows.is_empty() {
        return;
    }
    page.heading("The origin document's criteria");
    let mut table = Table::new(&[
        ("holds", Fit::Left),
        ("number", Fit::Right),
        ("criterion", Fit::Wrap),
        ("speaks for", Fit::Left),
    ]);
    for row in rows {
        table.row([
            sentences::holds(row).to_owned(),
            number::value(row.value),
            escape::sentence(&row.statement),
            words::criterion_side(row.id).to_owned(),
        ]);
    }
    page.table(table);
}

fn conclusion(page: &mut Page, report: &Rank) {
    let conclusion = &report.conclusion;
    page.heading("Conclusion");
    page.hanging("label", LABEL, conclusion.label, Some(Paint::Label));
    if let Some(base) = &conclusion.base {
        page.labelled("base", LABEL, &escape::name(base));
    }
    page.labelled("", LABEL, &escape::sentence(&conclusion.sentence));
}
