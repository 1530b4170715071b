//! `wcmp compare` in a terminal.

use super::super::Style;
use super::super::escape;
use super::super::number;
use super::super::reproduce;
use super::super::schema::{
    AdapterRow, Compare, ComponentRow, Coverage, ExpertsRow, FindingRow, PartRow, PcaRow,
    PermutationRow, Similarity, TokenizerRow, TransformationRow,
};
use super::super::sentences;
use super::super::words;
use super::page::Page;
use super::table::{Fit, Table};
use super::{layers, tensors, verdict, who};

/// The report of `wcmp compare`.
pub fn compare(report: &Compare, style: &Style) -> String {
    let mut page = Page::new(style);
    if let Some(filter) = sentences::filter(&report.settings) {
        page.heading(&filter);
    }
    page.heading(&format!(
        "wcmp {} compare: was the target made from the base?",
        report.wcmp
    ));
    let sides = [("base", &report.base), ("target", &report.target)];
    who::checkpoints(&mut page, &sides);
    if let Some(mapping) = &report.name_mapping {
        page.labelled("names", 14, &escape::sentence(mapping));
    }
    who::digests(&mut page, &sides);
    coverage(&mut page, report);
    figures(&mut page, &report.similarity);
    evidence(&mut page, &report.evidence);
    layers::layers(&mut page, &report.layers);
    if let Some(map) = &report.layer_map {
        layers::layer_map(&mut page, map);
    }
    if let Some(adapter) = &report.adapter {
        self::adapter(&mut page, adapter, style.all_tensors);
    }
    transformations(&mut page, &report.transformations);
    if report.components.len() > 1 {
        components(&mut page, &report.components);
    }
    parts(&mut page, &report.parts);
    if let Some(permutation) = &report.permutation {
        self::permutation(&mut page, permutation);
    }
    if let Some(pca) = &report.pca {
        self::pca(&mut page, pca, style.all_tensors);
    }
    if let Some(experts) = &report.experts {
        self::experts(&mut page, experts, style.all_tensors);
    }
    if let Some(tokenizer) = &report.tokenizer {
        self::tokenizer(&mut page, tokenizer);
    }
    if style.all_tensors {
        tensors::every(&mut page, &report.tensors);
    } else {
        tensors::identical(&mut page, report);
    }
    tensors::unmatched(&mut page, report, style.all_tensors);
    verdict::not_testable(&mut page, &report.verdict.not_testable);
    verdict::verdict(&mut page, &report.verdict);
    verdict::origin_reading(&mut page, &report.origin_reading);
    verdict::notes(&mut page, &report.warnings);
    page.heading("To reproduce");
    let paths = [report.base.path.as_str(), report.target.path.as_str()];
    page.line(&reproduce::command(
        "compare",
        &paths,
        &report.settings,
        page.width(),
    ));
    page.finish()
}

fn coverage(page: &mut Page, report: &Compare) {
    page.heading("Coverage: parameters that have a counterpart");
    let mut table = Table::new(&[
        ("", Fit::Left),
        ("of the target", Fit::Right),
        ("of the base", Fit::Right),
    ]);
    let Coverage {
        parameters,
        matrices,
    } = report.coverage;
    for (label, shares) in [("all parameters", parameters), ("matrices", matrices)] {
        table.row([
            label.to_owned(),
            number::percent(shares.target),
            number::percent(shares.base),
        ]);
    }
    table.row([
        "unmatched tensors".to_owned(),
        number::count(report.unmatched.target.len() as u64),
        number::count(report.unmatched.base.len() as u64),
    ]);
    page.table(table);
    if report.adapter.is_some() {
        page.remark(
            "The factors of an adapter, and what they change, are no counterparts: see below.",
        );
    }
}

fn figures(page: &mut Page, similarity: &Similarity) {
    page.heading("Figures (cosines)");
    let mut table = Table::new(&[("", Fit::Left), ("", Fit::Right), ("", Fit::Wrap)]);
    let mut row = |label: &str, value: String, words: &str| {
        table.row([label.to_owned(), value, words.to_owned()])
    };
    row(
        "mean",
        number::figure(similarity.mean_cosine),
        "every pair counts once: the origin document's figure",
    );
    row(
        "matrices",
        number::figure(similarity.matrix_cosine),
        "mean over matrices, weighted by parameters",
    );
    row(
        "  excess",
        number::figure(similarity.matrix_excess),
        "above what a random order would give; unrelated: near 0",
    );
    let worth = sentences::norm_gains(similarity.norm_cosine, similarity.norm_expected_cosine);
    row(
        "norms",
        number::figure(similarity.norm_cosine),
        worth
            .as_deref()
            .unwrap_or("mean over norm gains and biases"),
    );
    row(
        "  centred",
        number::figure(similarity.norm_centered_cosine),
        "with their means taken off",
    );
    let aligned = format!(
        "of {} have the same bytes",
        number::plural(similarity.aligned, "aligned tensor")
    );
    row("identical", number::count(similarity.identical), &aligned);
    row(
        "",
        number::count(similarity.identical_informative),
        "of these are informative: no constants, no buffers",
    );
    page.table(table);
}

fn evidence(page: &mut Page, findings: &[FindingRow]) {
    page.heading("Evidence, the strongest first");
    if findings.is_empty() {
        page.paragraph("No finding: nothing could be tested.");
        return;
    }
    let mut table = Table::new(&[
        ("finding", Fit::Wrap),
        ("number", Fit::Right),
        ("log10 p", Fit::Right),
        ("supports", Fit::Left),
    ]);
    for finding in sentences::strongest_first(findings) {
        table.row([
            sentences::finding(finding),
            sentences::finding_value(finding),
            number::log10(finding.log10_p),
            finding.supports.to_owned(),
        ]);
    }
    page.table(table);
}

fn adapter(page: &mut Page, row: &AdapterRow, all: bool) {
    page.heading("What the adapter changes");
    let first = if all { "matrix" } else { "role" };
    let mut table = Table::new(&[
        (first, Fit::Elide),
        ("matrices", Fit::Right),
        ("rank", Fit::Right),
        ("alpha", Fit::Right),
        ("scale", Fit::Right),
        ("median change", Fit::Right),
        ("largest", Fit::Right),
    ]);
    for group in sentences::adapter(row, all) {
        let cells = [
            group.matrices,
            group.rank,
            group.alpha,
            group.scale,
            group.median,
            group.largest,
        ];
        table.row([vec![escape::name(&group.what)], cells.to_vec()].concat());
    }
    if !table.is_empty() {
        page.table(table);
        page.remark("change: ‖W' − W‖ / ‖W‖, W' being the base's matrix W with the change.");
    }
    for line in sentences::adapter_details(row) {
        page.item(&line);
    }
}

fn transformations(page: &mut Page, rows: &[TransformationRow]) {
    if rows.is_empty() {
        return;
    }
    page.heading("Transformations found");
    for row in rows {
        page.item(&sentences::transformation(row));
    }
}

fn components(page: &mut Page, rows: &[ComponentRow]) {
    page.heading("Components");
    let mut table = Table::new(&[
        ("component", Fit::Left),
        ("matrices covered", Fit::Right),
        ("mean", Fit::Right),
        ("matrices", Fit::Right),
        ("verdict", Fit::Left),
        ("confidence", Fit::Left),
    ]);
    for row in rows {
        table.row([
            escape::name(&row.component),
            number::percent(row.coverage.matrices.target),
            number::figure(row.similarity.mean_cosine),
            number::figure(row.similarity.matrix_cosine),
            row.verdict.label.to_owned(),
            row.verdict.confidence.unwrap_or(number::ABSENT).to_owned(),
        ]);
    }
    page.table(table);
    for row in rows {
        let mut text = format!(
            "{}: pattern {}",
            escape::name(&row.component),
            words::spaced(row.layer_pattern)
        );
        if let Some(relation) = row.verdict.relation {
            text.push_str(&format!("; relation {relation}"));
        }
        if let Some(reason) = row.verdict.reasons.first() {
            text.push_str(&format!("; {}", escape::sentence(reason)));
        }
        page.item(&text);
    }
}

fn parts(page: &mut Page, rows: &[PartRow]) {
    if rows.is_empty() {
        return;
    }
    page.heading("Parts of the target, by matrix parameters");
    let mut table = Table::new(&[
        ("", Fit::Left),
        ("parts", Fit::Right),
        ("parameters", Fit::Right),
        ("share", Fit::Right),
        ("which", Fit::Wrap),
    ]);
    for part in sentences::parts(rows) {
        table.row([
            part.state.to_owned(),
            number::count(part.parts),
            number::parameters(part.parameters),
            number::share(part.parameters, part.of),
            part.which,
        ]);
    }
    page.table(table);
}

fn permutation(page: &mut Page, row: &PermutationRow) {
    page.heading("Permutation test");
    page.paragraph(&sentences::permutation_summary(row));
    let mut kinds: Vec<(&str, &str)> = Vec::new();
    for test in &row.tests {
        if !kinds.contains(&(test.kind, test.form)) {
            kinds.push((test.kind, test.form));
        }
    }
    let mut table = Table::new(&[
        ("units", Fit::Left),
        ("form", Fit::Left),
        ("tests", Fit::Right),
        ("hits", Fit::Right),
        ("probes", Fit::Right),
        ("least log10 p", Fit::Right),
        ("bound", Fit::Left),
    ]);
    for (kind, form) in kinds {
        let tests: Vec<_> = row
            .tests
            .iter()
            .filter(|t| t.kind == kind && t.form == form)
            .collect();
        let least = tests
            .iter()
            .filter_map(|t| t.log10_p)
            .min_by(f64::total_cmp);
        table.row([
            words::spaced(kind),
            form.to_owned(),
            number::count(tests.len() as u64),
            number::count(tests.iter().fold(0, |sum, t| t.hits.saturating_add(sum))),
            number::count(tests.iter().fold(0, |sum, t| t.probes.saturating_add(sum))),
            number::log10(least),
            if tests.iter().all(|t| t.exact) {
                "exact"
            } else {
                "approximate"
            }
            .to_owned(),
        ]);
    }
    if !table.is_empty() {
        page.table(table);
    }
    for power in &row.power {
        page.item(&sentences::power(power));
    }
    for skipped in &row.skipped {
        page.item(&format!(
            "not run: {}: {}",
            escape::sentence(&skipped.what),
            escape::sentence(&skipped.why)
        ));
    }
}

fn pca(page: &mut Page, row: &PcaRow, all: bool) {
    page.heading("Principal subspaces");
    page.paragraph(&sentences::pca_summary(row));
    let mut table = Table::new(&[
        ("matrix", Fit::Elide),
        ("side", Fit::Left),
        ("d", Fit::Right),
        ("k", Fit::Right),
        ("overlap", Fit::Right),
        ("expected", Fit::Right),
        ("excess", Fit::Right),
    ]);
    let shown = if all { row.matrices.len() } else { 8 };
    for matrix in row.matrices.iter().take(shown) {
        table.row([
            escape::name(&matrix.name),
            matrix.side.to_owned(),
            matrix.dimension.to_string(),
            matrix.k.to_string(),
            number::figure(matrix.overlap),
            number::figure(matrix.expected),
            number::figure(matrix.excess),
        ]);
    }
    if !table.is_empty() {
        page.table(table);
    }
    if let Some(rest) = row
        .matrices
        .len()
        .checked_sub(shown)
        .filter(|rest| *rest > 0)
    {
        page.remark(&format!(
            "and {} more; --tensors lists every matrix",
            number::count(rest as u64)
        ));
    }
}

fn experts(page: &mut Page, rows: &[ExpertsRow], all: bool) {
    page.heading("Experts, matched by content (target ← base)");
    let lines = sentences::experts(rows);
    let shown = if all {
        lines.len()
    } else {
        lines.len().min(12)
    };
    for line in &lines[..shown] {
        page.item(line);
    }
    if shown < lines.len() {
        page.remark(&format!(
            "and {} more; --tensors lists them all",
            number::count((lines.len() - shown) as u64)
        ));
    }
}

fn tokenizer(page: &mut Page, row: &TokenizerRow) {
    page.heading("Tokenizer");
    page.paragraph(&sentences::tokenizer_summary(row));
}
