//! `wcmp compare` as Markdown.

use super::super::Style;
use super::super::escape::{markdown, markdown_code};
use super::super::number;
use super::super::reproduce;
use super::super::schema::{
    AdapterRow, Compare, ComponentRow, LayerRow, PartRow, TensorRow, UnmatchedRow,
};
use super::super::sentences;
use super::page::Page;

/// Unmatched tensors that are listed where not all are asked for.
const IN_SHORT: usize = 20;
/// The reproducing command is not broken: a code block scrolls.
const UNBROKEN: usize = usize::MAX;

/// The report of `wcmp compare`.
pub fn compare(report: &Compare, style: &Style) -> String {
    let mut page = Page::new();
    if let Some(filter) = sentences::filter(&report.settings) {
        page.block(&format!("{}.", markdown(&filter)));
    }
    let [base, target] = [&report.base, &report.target].map(|c| markdown_code(&c.name));
    page.heading(2, &format!("wcmp compare: was {target} made from {base}?"));
    page.verdict(&report.verdict);
    page.checkpoints(&[("base", &report.base), ("target", &report.target)]);
    if let Some(mapping) = &report.name_mapping {
        page.block(&format!("Names: {}.", markdown(mapping)));
    }
    figures(&mut page, report);
    evidence(&mut page, report);
    if let Some(adapter) = &report.adapter {
        self::adapter(&mut page, adapter, style.all_tensors);
    }
    if report.components.len() > 1 {
        components(&mut page, &report.components);
    }
    parts(&mut page, &report.parts);
    findings_in_detail(&mut page, report);
    page.not_testable(&report.verdict.not_testable);
    page.origin_reading(&report.origin_reading);
    layers(&mut page, &report.layers);
    if style.all_tensors {
        tensors(&mut page, &report.tensors);
    }
    unmatched(&mut page, report, style.all_tensors);
    page.notes(&report.warnings);
    let paths = [report.base.path.as_str(), report.target.path.as_str()];
    page.reproduce(
        report.wcmp,
        &reproduce::command("compare", &paths, &report.settings, UNBROKEN),
    );
    page.finish()
}

fn figures(page: &mut Page, report: &Compare) {
    page.heading(3, "Figures");
    let (similarity, coverage) = (&report.similarity, &report.coverage);
    let worth = sentences::norm_gains(similarity.norm_cosine, similarity.norm_expected_cosine);
    let row =
        |label: &str, value: String, words: &str| vec![label.to_owned(), value, words.to_owned()];
    page.table(
        &["figure", ">value", ""],
        &[
            row(
                "matrix parameters covered",
                number::percent(coverage.matrices.target),
                &format!(
                    "of the target's; {} of the base's",
                    number::percent(coverage.matrices.base)
                ),
            ),
            row(
                "mean cosine",
                number::figure(similarity.mean_cosine),
                "every pair counts once: the origin document's figure",
            ),
            row(
                "matrix cosine",
                number::figure(similarity.matrix_cosine),
                "weighted by parameters",
            ),
            row(
                "matrix excess",
                number::figure(similarity.matrix_excess),
                "above what a random order would give; unrelated: near 0",
            ),
            row(
                "norm cosine",
                number::figure(similarity.norm_cosine),
                worth.as_deref().unwrap_or(""),
            ),
            row(
                "norm cosine, centred",
                number::figure(similarity.norm_centered_cosine),
                "with their means taken off",
            ),
            row(
                "identical tensors",
                number::count(similarity.identical),
                &format!(
                    "of {} aligned; {} of them informative",
                    number::count(similarity.aligned),
                    number::count(similarity.identical_informative)
                ),
            ),
        ],
    );
}

fn adapter(page: &mut Page, row: &AdapterRow, all: bool) {
    page.heading(3, "What the adapter changes");
    let rows: Vec<Vec<String>> = sentences::adapter(row, all)
        .into_iter()
        .map(|group| {
            let cells = [
                group.matrices,
                group.rank,
                group.alpha,
                group.scale,
                group.median,
                group.largest,
            ];
            [vec![markdown_code(&group.what)], cells.to_vec()].concat()
        })
        .collect();
    if !rows.is_empty() {
        let first = if all { "matrix" } else { "role" };
        page.table(
            &[
                first,
                ">matrices",
                ">rank",
                ">alpha",
                ">scale",
                ">median change",
                ">largest",
            ],
            &rows,
        );
        page.block("Change: ‖W' − W‖ / ‖W‖, W' being the base's matrix W with the change.");
    }
    page.list(
        sentences::adapter_details(row)
            .iter()
            .map(|line| markdown(line)),
    );
}

fn evidence(page: &mut Page, report: &Compare) {
    page.heading(3, "Evidence, the strongest first");
    if report.evidence.is_empty() {
        page.block("No finding: nothing could be tested.");
        return;
    }
    let rows: Vec<Vec<String>> = sentences::strongest_first(&report.evidence)
        .into_iter()
        .map(|finding| {
            vec![
                markdown(&sentences::finding(finding)),
                sentences::finding_value(finding),
                number::log10(finding.log10_p),
                format!("`{}`", finding.supports),
            ]
        })
        .collect();
    page.table(&["finding", ">number", ">log10 p", "supports"], &rows);
}

fn components(page: &mut Page, rows: &[ComponentRow]) {
    page.heading(3, "Components");
    let row = |row: &ComponentRow| {
        vec![
            markdown_code(&row.component),
            number::percent(row.coverage.matrices.target),
            number::figure(row.similarity.mean_cosine),
            number::figure(row.similarity.matrix_cosine),
            row.layer_pattern.replace('_', " "),
            format!("`{}`", row.verdict.label),
            row.verdict.confidence.unwrap_or(number::ABSENT).to_owned(),
        ]
    };
    let titles = [
        "component",
        ">matrices covered",
        ">mean",
        ">matrices",
        "pattern",
        "verdict",
        "confidence",
    ];
    page.table(&titles, &rows.iter().map(row).collect::<Vec<_>>());
}

fn parts(page: &mut Page, rows: &[PartRow]) {
    if rows.is_empty() {
        return;
    }
    page.heading(3, "Parts of the target, by matrix parameters");
    let row = |part: sentences::PartSummary| {
        vec![
            part.state.to_owned(),
            number::count(part.parts),
            number::parameters(part.parameters),
            number::share(part.parameters, part.of),
            markdown(&part.which),
        ]
    };
    let rows: Vec<Vec<String>> = sentences::parts(rows).into_iter().map(row).collect();
    page.table(&["", ">parts", ">parameters", ">share", "which"], &rows);
}

/// What the analyses say beyond the evidence, a line each.
fn findings_in_detail(page: &mut Page, report: &Compare) {
    let mut items = Vec::new();
    if let Some(permutation) = &report.permutation {
        items.push(format!(
            "permutation test: {}",
            sentences::permutation_summary(permutation)
        ));
        items.extend(permutation.power.iter().map(sentences::power));
        let skipped = permutation.skipped.iter();
        items.extend(
            skipped.map(|row| format!("permutation test not run: {}: {}", row.what, row.why)),
        );
    }
    if let Some(pca) = &report.pca {
        items.push(format!(
            "principal subspaces: {}",
            sentences::pca_summary(pca)
        ));
    }
    if let Some(map) = &report.layer_map {
        items.push(format!(
            "layer map (target ← base): {}",
            sentences::layer_map(map)
        ));
    }
    items.extend(report.transformations.iter().map(sentences::transformation));
    if let Some(experts) = &report.experts {
        items.extend(
            sentences::experts(experts)
                .into_iter()
                .take(IN_SHORT)
                .map(|line| format!("experts, {line}")),
        );
    }
    if let Some(tokenizer) = &report.tokenizer {
        items.push(format!(
            "tokenizer: {}",
            sentences::tokenizer_summary(tokenizer)
        ));
    }
    if !items.is_empty() {
        page.heading(3, "Analyses");
        page.list(items.iter().map(|item| markdown(item)));
    }
}

fn layers(page: &mut Page, rows: &[LayerRow]) {
    if rows.is_empty() {
        return;
    }
    let row = |row: &LayerRow| {
        vec![
            markdown_code(&row.component),
            sentences::layer(row),
            number::figure(row.matrix_cosine),
            number::figure(row.matrix_excess),
            number::figure(row.norm_cosine),
            format!("{} of {}", row.identical, row.tensors),
            number::log10(row.log10_p),
        ]
    };
    page.details(&format!("Layers: {}", rows.len()), |page| {
        let titles = [
            "component",
            ">layer",
            ">matrix cosine",
            ">excess",
            ">norm cosine",
            ">identical",
            ">log10 p",
        ];
        page.table(&titles, &rows.iter().map(row).collect::<Vec<_>>());
    });
}

fn tensors(page: &mut Page, rows: &[TensorRow]) {
    let row = |row: &TensorRow| {
        let figures = &row.figures;
        let cosine = match &figures.reason {
            Some(reason) => markdown(reason),
            None => number::figure(figures.cosine),
        };
        vec![
            markdown_code(&row.name.target),
            row.class.to_owned(),
            cosine,
            number::figure(figures.expected_cosine),
            number::figure(figures.excess),
            row.compared_via.to_owned(),
            if row.identical { "yes" } else { "no" }.to_owned(),
        ]
    };
    page.details(&format!("Aligned tensors: {}", rows.len()), |page| {
        let titles = [
            "name in the target",
            "class",
            ">cosine",
            ">expected",
            ">excess",
            "via",
            "identical",
        ];
        page.table(&titles, &rows.iter().map(row).collect::<Vec<_>>());
    });
}

fn unmatched(page: &mut Page, report: &Compare, all: bool) {
    let sides = [
        ("target", &report.target, &report.unmatched.target),
        ("base", &report.base, &report.unmatched.base),
    ];
    for (side, checkpoint, rows) in sides {
        if rows.is_empty() {
            continue;
        }
        let summary = sentences::unmatched_summary(side, checkpoint, rows);
        let hidden = if all {
            0
        } else {
            rows.len().saturating_sub(IN_SHORT)
        };
        let row = |row: &&UnmatchedRow| {
            vec![
                markdown_code(&row.name),
                row.role.to_string(),
                markdown_code(&row.dtype),
                number::shape(&row.shape),
                sentences::unmatched_reason(row.why).to_owned(),
            ]
        };
        page.details(&markdown(&summary), |page| {
            let cells: Vec<Vec<String>> = sentences::largest(rows)
                .iter()
                .take(rows.len() - hidden)
                .map(row)
                .collect();
            page.table(&["name", "role", "dtype", ">shape", "why"], &cells);
            if hidden > 0 {
                page.block(&format!(
                    "and {} more; `--tensors` lists them all",
                    number::count(hidden as u64)
                ));
            }
        });
    }
}
