//! Rows of the schema as one sentence or one cell, for the formats that people read.
//!
//! Names in them are escaped; what is special in Markdown is left to the Markdown renderer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::escape;
use super::number;
use super::schema::arch::{ArchBase, RoleRow, ShapeRow};
use super::schema::{
    AdapterChange, AdapterRow, CheckpointRow, CriterionRow, ExpertsRow, FindingRow, InspectBlock,
    LayerMapRow, LayerRow, OriginReading, PartRow, PcaRow, PermutationRow, PowerRow, RankingRow,
    SettingsRow, TokenizerRow, TransformationRow, UnmatchedRow, VerdictRow, WarningRow, WeightRow,
};
use super::words::{self, spaced};
use crate::model::checkpoint::Format;

/// Facts longer than this are cut.
const LONGEST_FACT: usize = 60;

/// What the norm gains are worth, where their figures are there.
pub(super) fn norm_gains(cosine: Option<f64>, expected: Option<f64>) -> Option<String> {
    expected?;
    cosine.map(|_| {
        format!(
            "norm gains {}; unrelated models of this shape: {}",
            number::figure(cosine),
            number::figure(expected)
        )
    })
}

/// The power of a null result, as a sentence.
pub(super) fn power(row: &PowerRow) -> String {
    match row.share_seen_95 {
        Some(share) => format!(
            "a reuse of {} of the {} units, in their places, would have been seen with 95 % probability ({} of {} probes needed)",
            number::percent(Some(share)),
            spaced(&row.kind),
            number::count(row.hits_needed),
            number::count(row.probes),
        ),
        None => {
            format!(
                "{}: too few probes ({}) for any reuse to be seen",
                spaced(&row.kind),
                number::count(row.probes)
            )
        }
    }
}

/// The line that says that a filter was used; it is the first of a report.
pub(super) fn filter(settings: &SettingsRow) -> Option<String> {
    if settings.include.is_empty() && settings.exclude.is_empty() {
        return None;
    }
    let globs = |option: &str, globs: &[String]| -> String {
        globs
            .iter()
            .map(|glob| format!(" {option} {}", escape::shell_word(glob)))
            .collect()
    };
    let (include, exclude) = (
        globs("--include", &settings.include),
        globs("--exclude", &settings.exclude),
    );
    Some(format!(
        "Filtered by{include}{exclude}: every other tensor counts as absent on both sides"
    ))
}

/// A finding with its scope, where the statement does not name it.
pub(super) fn finding(row: &FindingRow) -> String {
    let (statement, scope) = (
        escape::sentence(&row.statement),
        escape::sentence(&row.scope),
    );
    if ["", "model", "text"].contains(&scope.as_str()) || statement.contains(&scope) {
        statement
    } else {
        format!("{statement} [{scope}]")
    }
}

/// The number of a finding: cosines and their kin as figures, counts as counts.
pub(super) fn finding_value(row: &FindingRow) -> String {
    match row.kind {
        "cosine" | "norms" | "pca" | "transformation" => number::figure(row.value),
        _ => number::value(row.value),
    }
}

/// Findings with the strongest first: byte identity, then the least chance, then the rest as they
/// stand; what supports nothing comes last.
pub(super) fn strongest_first(evidence: &[FindingRow]) -> Vec<&FindingRow> {
    let strength = |finding: &FindingRow| match (finding.supports, finding.log10_p) {
        ("nothing", _) => 1.0,
        (_, Some(log10_p)) if log10_p.is_finite() && log10_p < 0.0 => log10_p,
        _ if finding.kind == "bytes" => f64::NEG_INFINITY,
        _ => 0.0,
    };
    let mut sorted: Vec<&FindingRow> = evidence.iter().collect();
    sorted.sort_by(|a, b| strength(a).total_cmp(&strength(b)));
    sorted
}

/// One transformation as a sentence.
pub(super) fn transformation(row: &TransformationRow) -> String {
    let mut out = row.kind.to_owned();
    if !row.found_in.is_empty() {
        let noun = if row.found_in.len() == 1 {
            "layer"
        } else {
            "layers"
        };
        out.push_str(&format!(
            " in {noun} {}",
            number::ranges(row.found_in.iter().copied())
        ));
    }
    let done = if row.kind.ends_with("pruned") {
        "kept"
    } else {
        "found again"
    };
    if let Some(kept) = row.units_kept {
        let of = row
            .units_of
            .map(|of| format!(" of {}", number::count(of)))
            .unwrap_or_default();
        out.push_str(&format!(", {}{of} units {done}", number::count(kept)));
    }
    let cosine = row
        .check_cosine
        .map(|cosine| format!(": cosine {}", number::figure(Some(cosine))))
        .unwrap_or_default();
    out.push_str(&format!(
        "; checked on {}{cosine}",
        escape::sentence(&row.check)
    ));
    out
}

/// Changes of an adapter of one kind.
pub(super) struct ChangeGroup {
    /// A role, or the name of a matrix.
    pub(super) what: String,
    /// Number of matrices.
    pub(super) matrices: String,
    /// Least and greatest rank.
    pub(super) rank: String,
    /// Least and greatest alpha.
    pub(super) alpha: String,
    /// Least and greatest scale.
    pub(super) scale: String,
    /// Median relative change.
    pub(super) median: String,
    /// Largest relative change.
    pub(super) largest: String,
}

/// What an adapter changes, by role or matrix by matrix.
pub(super) fn adapter(row: &AdapterRow, all: bool) -> Vec<ChangeGroup> {
    let mut groups: BTreeMap<&str, Vec<&AdapterChange>> = BTreeMap::new();
    for change in row.changes.iter().filter(|change| change.reason.is_none()) {
        groups
            .entry(if all {
                &change.name
            } else {
                change.role.word()
            })
            .or_default()
            .push(change);
    }
    let group = |(what, changes): (&str, Vec<&AdapterChange>)| {
        let span = |of: &dyn Fn(&AdapterChange) -> f64| {
            let least = changes
                .iter()
                .map(|change| of(change))
                .fold(f64::INFINITY, f64::min);
            let greatest = changes
                .iter()
                .map(|change| of(change))
                .fold(f64::NEG_INFINITY, f64::max);
            let [least, greatest] = [least, greatest].map(|value| number::value(Some(value)));
            if least == greatest {
                least
            } else {
                format!("{least} to {greatest}")
            }
        };
        let mut sizes: Vec<f64> = changes
            .iter()
            .filter_map(|change| change.relative_change)
            .collect();
        sizes.sort_by(f64::total_cmp);
        ChangeGroup {
            what: what.to_owned(),
            matrices: number::count(changes.len() as u64),
            rank: span(&|change| change.rank as f64),
            alpha: span(&|change| change.alpha),
            scale: span(&|change| change.scale),
            median: number::value(sizes.get(sizes.len() / 2).copied()),
            largest: number::value(sizes.last().copied()),
        }
    };
    groups.into_iter().map(group).collect()
}

/// What else is to be said of an adapter: magnitudes, tensors replaced, changes that fit nothing.
pub(super) fn adapter_details(row: &AdapterRow) -> Vec<String> {
    const SHOWN: usize = 8;
    let mut out = Vec::new();
    let dora = row.changes.iter().filter(|change| change.dora).count() as u64;
    if dora > 0 {
        out.push(format!(
            "{} of them by direction and stored magnitudes (DoRA)",
            number::count(dora)
        ));
    }
    let listed = |names: Vec<String>| {
        let more = names.len().saturating_sub(SHOWN);
        let rest = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!(
            "{}{rest}",
            names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ")
        )
    };
    if !row.replaced.is_empty() {
        out.push(format!(
            "replaced whole: {}",
            listed(row.replaced.iter().map(|name| escape::name(name)).collect())
        ));
    }
    let unfit = row
        .changes
        .iter()
        .filter_map(|change| Some((change, change.reason.as_ref()?)));
    let unfit: Vec<String> = unfit
        .map(|(change, why)| format!("{} ({})", escape::name(&change.name), escape::sentence(why)))
        .collect();
    if !unfit.is_empty() {
        out.push(format!("not measured: {}", listed(unfit)));
    }
    out
}

/// The parts of one state, summed.
pub(super) struct PartSummary {
    /// reused, independent, unclear or new.
    pub(super) state: &'static str,
    /// Number of parts.
    pub(super) parts: u64,
    /// Their matrix parameters.
    pub(super) parameters: u64,
    /// Matrix parameters of all parts.
    pub(super) of: u64,
    /// Which they are.
    pub(super) which: String,
}

/// The parts by state.
pub(super) fn parts(rows: &[PartRow]) -> [PartSummary; 4] {
    let sum = |rows: &[&PartRow]| {
        rows.iter()
            .fold(0u64, |sum, row| sum.saturating_add(row.parameters))
    };
    let total = sum(&rows.iter().collect::<Vec<_>>());
    ["reused", "independent", "unclear", "new"].map(|state| {
        let of: Vec<&PartRow> = rows.iter().filter(|row| row.state == state).collect();
        PartSummary {
            state,
            parts: of.len() as u64,
            parameters: sum(&of),
            of: total,
            which: part_names(&of),
        }
    })
}

/// Parts in short: `attention 0-5; ffn 0-3, 5; experts 0-5 (48 parts); embedding`.
fn part_names(parts: &[&PartRow]) -> String {
    let mut groups: Vec<(String, usize, BTreeSet<u32>)> = Vec::new();
    for part in parts {
        let mut key = part.kind.to_owned();
        if part.component != "text" {
            key = format!("{} {key}", escape::name(&part.component));
        }
        if let (None, "other", Some(block)) = (part.layer, part.kind, &part.block) {
            key = format!("{key} ({})", escape::name(block));
        }
        match groups.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, parts, layers)) => {
                *parts += 1;
                layers.extend(part.layer);
            }
            None => groups.push((key, 1, part.layer.into_iter().collect())),
        }
    }
    let group = |(key, parts, layers): &(String, usize, BTreeSet<u32>)| {
        let mut out = key.clone();
        if !layers.is_empty() {
            out.push_str(&format!(" {}", number::ranges(layers.iter().copied())));
        }
        if *parts > layers.len().max(1) {
            out.push_str(&format!(" ({parts} parts)"));
        }
        out
    };
    groups.iter().map(group).collect::<Vec<_>>().join("; ")
}

/// Hits, probes and what they say about chance.
pub(super) fn permutation_summary(row: &PermutationRow) -> String {
    let hits = format!(
        "{} of {} probed units are in their own place, in {}.",
        number::count(row.hits),
        number::count(row.probes),
        number::plural(row.groups, "group"),
    );
    match row.log10_p {
        Some(log10_p) if log10_p > -2.0 => format!(
            "{hits} Independently trained models agree like this by chance (probability {}, log10 p {}).",
            words::chance(log10_p),
            number::log10(Some(log10_p)),
        ),
        Some(log10_p) => format!(
            "{hits} The chance that models initialised and trained independently agree like this is {} (log10 p {}).",
            words::chance(log10_p),
            number::log10(Some(log10_p)),
        ),
        None => format!("{hits} No bound on chance could be given."),
    }
}

/// The summary of principal subspaces as a sentence.
pub(super) fn pca_summary(row: &PcaRow) -> String {
    let words = match row.summary {
        "clustered_with_base" => "clustered with the base",
        "orthogonal" => "orthogonal to the base's, as those of independent models are",
        _ => "between orthogonal and clustered",
    };
    format!(
        "{words}: median excess {} over {} ({}).",
        number::figure(row.median_excess),
        number::plural(row.matrices.len() as u64, "subspace"),
        row.mode,
    )
}

/// How the experts were matched, layers alike in one line.
pub(super) fn experts(rows: &[ExpertsRow]) -> Vec<String> {
    let mut groups: Vec<(&ExpertsRow, Vec<u32>)> = Vec::new();
    for row in rows {
        let alike = |known: &ExpertsRow| {
            known.map == row.map
                && known.base_experts == row.base_experts
                && known.permuted == row.permuted
        };
        match groups.iter_mut().find(|(known, _)| alike(known)) {
            Some((_, layers)) => layers.push(row.layer),
            None => groups.push((row, vec![row.layer])),
        }
    }
    groups
        .iter()
        .map(|(row, layers)| experts_line(row, layers))
        .collect()
}

fn experts_line(row: &ExpertsRow, layers: &[u32]) -> String {
    const MOVED_SHOWN: usize = 8;
    let matched = row.map.iter().flatten().count() as u64;
    let mut out = format!(
        "{} {}: {} of {} experts matched with the base's {}",
        if layers.len() == 1 { "layer" } else { "layers" },
        number::ranges(layers.iter().copied()),
        number::count(matched),
        number::count(row.target_experts),
        number::count(row.base_experts),
    );
    if row.permuted {
        let moved = (0u64..)
            .zip(&row.map)
            .filter_map(|(at, base)| base.filter(|base| *base != at).map(|base| (at, base)));
        let moved: Vec<String> = moved.map(|(at, base)| format!("{at} ← {base}")).collect();
        out.push_str(&format!(
            "; re-ordered: {}",
            moved[..moved.len().min(MOVED_SHOWN)].join(", ")
        ));
        if moved.len() > MOVED_SHOWN {
            out.push_str(&format!(" and {} more", moved.len() - MOVED_SHOWN));
        }
    } else if matched > 0 {
        out.push_str(", in their own places");
    }
    out
}

/// The tokenizers as a sentence; a circumstance, no evidence.
pub(super) fn tokenizer_summary(row: &TokenizerRow) -> String {
    let merges = row
        .merges_common
        .map(|n| format!("; {} merges in common", number::count(n)))
        .unwrap_or_default();
    format!(
        "{} tokens in common, {} of them with the same id (vocabulary of the base {}, of the target {}){merges}. \
         Circumstantial: a shared tokenizer does not show that weights were shared.",
        number::count(row.shared_tokens),
        number::count(row.same_id),
        number::count(row.vocab.base),
        number::count(row.vocab.target),
    )
}

/// A layer with the base's layer it was compared with, where that is another: `5 ← 2`.
pub(super) fn layer(row: &LayerRow) -> String {
    match row.base_layer {
        Some(base) if base == row.layer => row.layer.to_string(),
        Some(base) => format!("{} ← {base}", row.layer),
        None => format!("{} ← {}", row.layer, number::ABSENT),
    }
}

/// The map as `0-4 ← 0-4, 5-8 ← 2-5, 9 ← –`.
pub(super) fn layer_map(rows: &[LayerMapRow]) -> String {
    let mut runs: Vec<(u32, u32, Option<u32>)> = Vec::new();
    for row in rows {
        if let Some((first, last, base)) = runs.last_mut() {
            let follows = last.checked_add(1) == Some(row.target);
            let expected =
                base.and_then(|base| base.checked_add(row.target.saturating_sub(*first)));
            if follows && expected == row.base {
                *last = row.target;
                continue;
            }
        }
        runs.push((row.target, row.target, row.base));
    }
    let span = |first: u32, last: u32| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    let run = |(first, last, base): &(u32, u32, Option<u32>)| match base {
        Some(base) => format!(
            "{} ← {}",
            span(*first, *last),
            span(*base, base.saturating_add(last - first))
        ),
        None => format!("{} ← {}", span(*first, *last), number::ABSENT),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

/// `target: 3 tensors, 1.10M parameters (0.4 %) have no counterpart`.
pub(super) fn unmatched_summary(
    side: &str,
    checkpoint: &CheckpointRow,
    rows: &[UnmatchedRow],
) -> String {
    let parameters = rows
        .iter()
        .fold(0u64, |sum, row| sum.saturating_add(row.parameters));
    match rows.len() as u64 {
        0 => format!("{side}: every tensor has a counterpart"),
        n => format!(
            "{side}: {} without a counterpart, {} parameters, {} of the {side}",
            number::plural(n, "tensor"),
            number::parameters(parameters),
            number::share(parameters, checkpoint.parameters),
        ),
    }
}

/// Unmatched tensors, the largest first.
pub(super) fn largest(rows: &[UnmatchedRow]) -> Vec<&UnmatchedRow> {
    let mut sorted: Vec<&UnmatchedRow> = rows.iter().collect();
    sorted.sort_by_key(|row| Reverse(row.parameters));
    sorted
}

/// Why a tensor is unmatched, in words.
pub(super) fn unmatched_reason(why: &str) -> &str {
    match why {
        "no_such_name" => "no such name",
        "shape" => "other shape",
        "unsupported" => "not readable",
        other => other,
    }
}

/// The relation and what else the evidence shows.
pub(super) fn relations(verdict: &VerdictRow) -> String {
    let Some(relation) = verdict.relation else {
        return number::ABSENT.to_owned();
    };
    let others: Vec<&str> = verdict
        .relations
        .iter()
        .copied()
        .filter(|other| *other != relation)
        .collect();
    if others.is_empty() {
        relation.to_owned()
    } else {
        format!("{relation}; also {}", others.join(", "))
    }
}

/// A verdict as `derived (fine_tuned, vocabulary_extended), conclusive`.
pub(super) fn verdict_in_short(verdict: &VerdictRow) -> String {
    let mut out = verdict.label.to_owned();
    if !verdict.relations.is_empty() {
        out.push_str(&format!(" ({})", verdict.relations.join(", ")));
    }
    if let Some(confidence) = verdict.confidence {
        out.push_str(&format!(", {confidence}"));
    }
    out
}

/// The confidence and its definition.
pub(super) fn confidence(verdict: &VerdictRow) -> String {
    match verdict.confidence {
        Some(word) => format!("{word} ({})", words::confidence(verdict.label, word)),
        None => number::ABSENT.to_owned(),
    }
}

/// The layer pattern and its meaning.
pub(super) fn pattern(reading: &OriginReading) -> String {
    format!(
        "{}: {}",
        words::spaced(reading.layer_pattern),
        escape::sentence(reading.pattern_meaning)
    )
}

/// Whether the document's reading and the verdict agree, and why not.
pub(super) fn agreement(reading: &OriginReading) -> String {
    let why = reading.why.as_deref().map(escape::sentence);
    match (reading.agrees, why) {
        (Some(true), _) => "the document's reading and the verdict agree".to_owned(),
        (Some(false), Some(why)) => {
            format!("the document's reading and the verdict disagree: {why}")
        }
        (Some(false), None) => "the document's reading and the verdict disagree".to_owned(),
        (None, Some(why)) => why,
        (None, None) => "not judged".to_owned(),
    }
}

/// One warning as a sentence.
pub(super) fn note(warning: &WarningRow) -> String {
    let message = escape::sentence(&warning.message);
    match &warning.name {
        // A message often names what it is about already.
        Some(name) if !message.contains(&escape::name(name)) => {
            format!("{}: {message}", escape::elide(&escape::name(name), 60))
        }
        _ => message,
    }
}

/// An optional name, escaped.
pub(super) fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| number::ABSENT.to_owned(), escape::name)
}

/// Dtypes with their share of the parameters, most first.
pub(super) fn dtypes(checkpoint: &CheckpointRow) -> String {
    let mut sorted: Vec<(&String, &u64)> = checkpoint.dtypes.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1));
    match sorted[..] {
        [] => number::ABSENT.to_owned(),
        [(dtype, _)] => escape::name(dtype),
        _ => {
            let total = sorted
                .iter()
                .fold(0u64, |sum, (_, n)| sum.saturating_add(**n));
            let one = |(dtype, n): &(&String, &u64)| {
                format!("{} {}", escape::name(dtype), number::share(**n, total))
            };
            sorted.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Number of parameters; none is known of a config.json alone.
pub(super) fn parameters(checkpoint: &CheckpointRow) -> String {
    if has_weights(checkpoint) {
        number::parameters(checkpoint.parameters)
    } else {
        number::ABSENT.to_owned()
    }
}

/// Bytes of the tensors.
pub(super) fn size(checkpoint: &CheckpointRow) -> String {
    if has_weights(checkpoint) {
        number::bytes(checkpoint.bytes)
    } else {
        number::ABSENT.to_owned()
    }
}

fn has_weights(checkpoint: &CheckpointRow) -> bool {
    checkpoint.format != Format::Config
}

/// Number of files and their format.
pub(super) fn files(checkpoint: &CheckpointRow) -> String {
    if !has_weights(checkpoint) {
        return "config.json alone".to_owned();
    }
    format!(
        "{}, {}",
        number::plural(checkpoint.files.len() as u64, "file"),
        checkpoint.format
    )
}

/// A run of blocks of equal size.
pub(super) struct BlockRun {
    /// `layers 3-47`, or the block's own name; escaped.
    pub(super) name: String,
    /// Number of blocks.
    pub(super) count: u64,
    /// Parameters of each.
    pub(super) each: u64,
}

/// Blocks, runs of layers of equal size as one.
pub(super) fn blocks(rows: &[InspectBlock]) -> Vec<BlockRun> {
    let layer = |block: &str| {
        block
            .strip_prefix("layer ")
            .and_then(|index| index.parse::<u32>().ok())
    };
    let mut runs: Vec<(&InspectBlock, Vec<u32>)> = Vec::new();
    for row in rows {
        let index = layer(&row.block);
        match runs.last_mut() {
            Some((first, layers))
                if first.parameters == row.parameters
                    && index.is_some()
                    && layers.last().and_then(|l| l.checked_add(1)) == index =>
            {
                layers.extend(index);
            }
            _ => runs.push((row, index.into_iter().collect())),
        }
    }
    let run = |(first, layers): (&InspectBlock, Vec<u32>)| {
        let count = layers.len().max(1) as u64;
        let name = if count > 1 {
            format!("layers {}", number::ranges(layers))
        } else {
            escape::name(&first.block)
        };
        BlockRun {
            name,
            count,
            each: first.parameters,
        }
    };
    runs.into_iter().map(run).collect()
}

/// Whether a criterion holds.
pub(super) fn holds(row: &CriterionRow) -> &'static str {
    match row.holds {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
}

/// A fact of an architecture in short, escaped.
pub(super) fn fact(value: Option<&Value>) -> String {
    let text = match value {
        None => return number::ABSENT.to_owned(),
        Some(Value::String(text)) => escape::name(text),
        Some(other) => escape::sentence(&other.to_string()),
    };
    escape::elide(&text, LONGEST_FACT)
}

/// A shape and how many tensors have it: `[64,128] x 4`.
pub(super) fn copies(row: Option<&ShapeRow>) -> String {
    row.map_or_else(
        || number::ABSENT.to_owned(),
        |row| match row.copies {
            1 => number::shape(&row.shape),
            copies => format!("{} x {}", number::shape(&row.shape), number::count(copies)),
        },
    )
}

/// A role by its name, behind the component where a report has several.
pub(super) fn role(row: &RoleRow, several: bool) -> String {
    let name = row
        .name
        .as_deref()
        .map_or_else(|| row.role.to_string(), escape::name);
    if several {
        format!("{} {name}", row.component)
    } else {
        name
    }
}

/// Whether the roles of a base are of several components.
pub(super) fn has_components(base: &ArchBase) -> bool {
    base.roles
        .iter()
        .any(|role| role.component != base.roles[0].component)
}

/// How far a base can be compared, in words.
pub(super) fn comparability(base: &ArchBase) -> String {
    match base.share {
        Some(share) => {
            format!(
                "{}: {} of the target's values lie in equal shapes",
                base.comparability,
                number::percent(Some(share))
            )
        }
        None => base.comparability.to_string(),
    }
}

/// Matrix excess of a base of the ranking, which is named by its name or its path.
pub(super) fn excess_of(base: &str, ranking: &[RankingRow]) -> Option<f64> {
    ranking
        .iter()
        .find(|row| row.base.name == base || row.base.path == base)?
        .similarity
        .matrix_excess
}

/// A mixture as `0.50 × A + 0.50 × B, 0.3 % unexplained`.
pub(super) fn mixture(weights: &[WeightRow], residual: Option<f64>) -> String {
    let one = |row: &WeightRow| {
        format!(
            "{} × {}",
            number::fixed(row.weight, 2),
            escape::name(&row.base)
        )
    };
    let sum = weights.iter().map(one).collect::<Vec<_>>().join(" + ");
    let sum = if sum.is_empty() {
        "no weights".to_owned()
    } else {
        sum
    };
    format!("{sum}, {} unexplained", number::percent(residual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_the_map_are_joined() {
        let row = |(target, base): (u32, Option<u32>)| LayerMapRow {
            target,
            base,
            log10_p: None,
        };
        let map = |bases: &[Option<u32>]| {
            layer_map(
                &(0..)
                    .zip(bases.iter().copied())
                    .map(row)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            map(&[0, 1, 2, 3, 4, 2, 3, 4, 5].map(Some)),
            "0-4 ← 0-4, 5-8 ← 2-5"
        );
        assert_eq!(
            map(&[Some(0), None, None, Some(5)]),
            "0 ← 0, 1-2 ← –, 3 ← 5"
        );
        assert_eq!(map(&[]), "");
    }
}
