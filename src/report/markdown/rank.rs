//! `wcmp rank` as Markdown.

use super::super::Style;
use super::super::escape::{markdown, markdown_code};
use super::super::number;
use super::super::reproduce;
use super::super::schema::{
    ControlRow, CoordinatesRow, CriterionRow, MixtureRow, Rank, RankingRow, WeightRow,
};
use super::super::sentences;
use super::super::words;
use super::page::Page;

/// Which of the bases the target is made from, or that it is from none.
pub fn rank(report: &Rank, _style: &Style) -> String {
    let mut page = Page::new();
    if let Some(filter) = sentences::filter(&report.settings) {
        page.block(&format!("{}.", markdown(&filter)));
    }
    page.heading(
        2,
        &format!(
            "wcmp rank: what was {} made from?",
            markdown_code(&report.target.name)
        ),
    );
    let conclusion = &report.conclusion;
    let base = conclusion
        .base
        .as_deref()
        .map(|base| format!(" ({})", markdown_code(base)))
        .unwrap_or_default();
    page.block(&format!(
        "**Conclusion: `{}`**{base}. {}",
        conclusion.label,
        markdown(&conclusion.sentence)
    ));
    page.checkpoints(&[("target", &report.target)]);
    ranking(&mut page, &report.ranking);
    criteria(&mut page, &report.criteria);
    if let Some(mixture) = &report.mixture {
        self::mixture(&mut page, mixture);
    }
    if let Some(controls) = &report.controls {
        self::controls(&mut page, controls, &report.ranking);
    }
    if let Some(coordinates) = &report.coordinates {
        self::coordinates(&mut page, coordinates);
    }
    for (at, row) in report.ranking.iter().enumerate() {
        page.details(&format!("Base {}", at + 1), |page| {
            page.checkpoints(&[("base", &row.base)]);
            page.verdict(&row.verdict);
            page.not_testable(&row.verdict.not_testable);
            page.origin_reading(&row.origin_reading);
        });
    }
    page.notes(&report.warnings);
    let bases = report.ranking.iter().map(|row| &row.base);
    let paths: Vec<&str> = std::iter::once(&report.target)
        .chain(bases)
        .map(|c| c.path.as_str())
        .collect();
    page.reproduce(
        report.wcmp,
        &reproduce::command("rank", &paths, &report.settings, usize::MAX),
    );
    page.finish()
}

fn ranking(page: &mut Page, rows: &[RankingRow]) {
    page.heading(3, "Ranking, the best evidence first");
    let row = |(at, row): (usize, &RankingRow)| {
        let similarity = &row.similarity;
        vec![
            (at + 1).to_string(),
            markdown_code(&row.base.name),
            number::figure(similarity.mean_cosine),
            number::figure(similarity.matrix_cosine),
            number::count(similarity.identical_informative),
            number::log10(row.permutation.as_ref().and_then(|p| p.log10_p)),
            row.pca.as_ref().map_or_else(
                || number::ABSENT.to_owned(),
                |pca| words::spaced(pca.summary),
            ),
            format!("`{}`", row.verdict.label),
            row.verdict.confidence.unwrap_or(number::ABSENT).to_owned(),
        ]
    };
    let titles = [
        ">",
        "base",
        ">mean",
        ">matrices",
        ">identical",
        ">log10 p",
        "subspaces",
        "verdict",
        "confidence",
    ];
    page.table(
        &titles,
        &rows.iter().enumerate().map(row).collect::<Vec<_>>(),
    );
}

fn controls(page: &mut Page, rows: &[ControlRow], ranking: &[RankingRow]) {
    if rows.is_empty() {
        return;
    }
    page.heading(3, "Controls: the bases against one another");
    let row = |row: &ControlRow| {
        vec![
            markdown_code(&row.base),
            number::figure(sentences::excess_of(&row.base, ranking)),
            number::figure(row.matrix_excess),
            markdown_code(&row.nearest),
        ]
    };
    let titles = [
        "base",
        ">excess to the target",
        ">highest to a base",
        "which",
    ];
    page.table(&titles, &rows.iter().map(row).collect::<Vec<_>>());
}

fn criteria(page: &mut Page, rows: &[CriterionRow]) {
    if rows.is_empty() {
        return;
    }
    page.heading(3, "The origin document's criteria");
    let row = |row: &CriterionRow| {
        vec![
            markdown(&row.statement),
            words::criterion_side(row.id).to_owned(),
            sentences::holds(row).to_owned(),
            number::value(row.value),
        ]
    };
    page.table(
        &["criterion", "speaks for", "holds", ">number"],
        &rows.iter().map(row).collect::<Vec<_>>(),
    );
}

fn mixture(page: &mut Page, row: &MixtureRow) {
    page.heading(3, "Mixture: the target as a weighted sum of the bases");
    page.block(&markdown(&sentences::mixture(&row.weights, row.residual)));
    let cells = |label: String, weights: &[WeightRow], residual: Option<f64>| {
        vec![label, markdown(&sentences::mixture(weights, residual))]
    };
    let by_role = row
        .by_role
        .iter()
        .map(|r| cells(r.role.to_string(), &r.weights, r.residual));
    let by_layer = row
        .by_layer
        .iter()
        .map(|l| cells(format!("layer {}", l.layer), &l.weights, l.residual));
    let rows: Vec<Vec<String>> = by_role.chain(by_layer).collect();
    if !rows.is_empty() {
        page.details("By role and by layer", |page| {
            page.table(&["", "mixture"], &rows)
        });
    }
}

fn coordinates(page: &mut Page, row: &CoordinatesRow) {
    page.heading(
        3,
        "Principal coordinates: near points are alike in their weights",
    );
    let [first, second] = row.explained.map(number::percent);
    let rows: Vec<Vec<String>> = row
        .models
        .iter()
        .zip(&row.points)
        .map(|(name, [x, y])| vec![markdown_code(name), number::figure(*x), number::figure(*y)])
        .collect();
    let titles = [format!(">first ({first})"), format!(">second ({second})")];
    page.table(&["model", &titles[0], &titles[1]], &rows);
}
