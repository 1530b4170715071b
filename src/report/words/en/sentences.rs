//! What is said with numbers and names in it.

use super::super::{
    Checked, Component, Cosines, Experts, Question, Sentences, Tokenizer, Transformation, Unmatched,
};
use super::{English, merges};
use crate::model::architecture::Comparability;
use crate::model::checkpoint::Format;
use crate::report::document::Line;
use crate::report::escape;
use crate::report::number::{count, fixed, log10};
use crate::report::schema::WeightRow;
use crate::verdict::origin::Band;

/// Items of a list in a sentence.
const LISTED: usize = 8;

/// `n` and its noun, `1 tensor` or `2 tensors`.
fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `layer 3` or `layers 3-5`.
fn layers(n: usize, ranges: &str) -> String {
    format!("{} {ranges}", if n == 1 { "layer" } else { "layers" })
}

/// The bound on chance that a `log10_p` states: `at most 10^-814`, or `at most 0.317`.
fn chance(log10_p: f64) -> String {
    if log10_p <= -3.0 {
        // A bound may be stated too high, never too low: the exponent is cut towards zero.
        return format!("at most 10^{}", fixed(Some(log10_p.trunc()), 0));
    }
    let thousandths = (10f64.powf(log10_p) * 1000.0).ceil();
    format!("at most {}", fixed(Some(thousandths / 1000.0), 3))
}

/// The first few of some names, and how many there are more.
fn listed(names: &[String]) -> String {
    let shown = &names[..names.len().min(LISTED)];
    let list = shown.join(", ");
    match names.len() - shown.len() {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

/// A word with its underscores as spaces.
fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

impl Sentences for English {
    fn question(&self, version: &str, question: Question) -> Line {
        let command = |command: &str| Line::from(format!("wcmp {version} {command}: "));
        match question {
            Question::Compare { base, target } => command("compare")
                .text("was ")
                .then(Line::name(target))
                .text(" made from ")
                .then(Line::name(base))
                .text("?"),
            Question::Rank(target) => command("rank")
                .text("which of these was ")
                .then(Line::name(target))
                .text(" made from, or was it from none?"),
            Question::Arch(target) => command("arch")
                .text("can the weights of ")
                .then(Line::name(target))
                .text(" be compared at all, part by part?"),
            Question::Inspect(checkpoint) => command("inspect")
                .text("what is in ")
                .then(Line::name(checkpoint))
                .text("?"),
            Question::Hash(checkpoint) => command("hash")
                .text("the manifest of ")
                .then(Line::name(checkpoint)),
            Question::Check(checkpoint) => command("hash --check")
                .text("is ")
                .then(Line::name(checkpoint))
                .text(" what the manifest says?"),
            Question::Matrix => {
                command("rank --matrix").text("which of these models are related to one another?")
            }
            Question::Sketch(checkpoint) => command("sketch")
                .text("what is kept of ")
                .then(Line::name(checkpoint)),
        }
    }

    fn base_number(&self, at: usize) -> String {
        format!("base {at}")
    }

    fn layer(&self, layer: u32) -> String {
        format!("layer {layer}")
    }

    fn layers(&self, ranges: &str) -> String {
        format!("layers {ranges}")
    }

    fn layers_of(&self, component: &str, layers: u64) -> String {
        format!("Layers: {component}, {}", count(layers))
    }

    fn tensors(&self, n: u64) -> String {
        format!("Tensors: {}", count(n))
    }

    fn aligned_tensors(&self, n: u64) -> String {
        format!("Aligned tensors: {}", count(n))
    }

    fn coordinate(&self, axis: usize, explained: &str) -> String {
        let axis = if axis == 0 { "first" } else { "second" };
        format!("{axis} ({explained})")
    }

    fn axes(&self, [first, second]: [&str; 2]) -> String {
        format!(
            "Across: first coordinate, {first} of the squared distances. Up: second, {second}. \
             One scale."
        )
    }

    fn more(&self, n: u64) -> String {
        format!("and {} more; --tensors lists them all", count(n))
    }

    fn files(&self, n: u64, format: Format) -> String {
        format!("{}, {format}", plural(n, "file"))
    }

    fn sketch_of(&self, format: Format) -> String {
        format!("a sketch of {format}")
    }

    fn config_alone(&self) -> &'static str {
        "config.json alone"
    }

    fn filtered(&self, options: &str) -> String {
        format!("Filtered by {options}: every other tensor counts as absent on both sides")
    }

    fn norm_gains(&self, cosine: &str, expected: &str) -> String {
        format!("norm gains {cosine}; unrelated models of this shape: {expected}")
    }

    fn of_aligned(&self, aligned: u64) -> String {
        format!(
            "of {} have the same bytes",
            plural(aligned, "aligned tensor")
        )
    }

    fn identical(&self, identical: u64, aligned: u64, informative: u64) -> String {
        format!(
            "{} of {} aligned tensors have the same bytes; {} of these are informative.",
            count(identical),
            count(aligned),
            count(informative),
        )
    }

    fn cosines(&self, figures: &Cosines<'_>) -> String {
        let norms = figures
            .norms
            .map(|norms| format!("; {norms}"))
            .unwrap_or_default();
        format!(
            "mean {}, matrices {} (excess {}){norms}; {} of {} identical, {} informative",
            figures.mean,
            figures.matrices,
            figures.excess,
            count(figures.identical),
            plural(figures.aligned, "tensor"),
            count(figures.informative),
        )
    }

    fn covered(&self, target: &str, base: &str) -> String {
        format!("{target} of the target's matrices, {base} of the base's")
    }

    fn hits(&self, hits: u64, probes: u64, log10_p: Option<f64>) -> String {
        let bound = log10_p
            .map(|log10_p| format!("; chance {}", chance(log10_p)))
            .unwrap_or_default();
        format!("{} of {} probes hit{bound}", count(hits), count(probes))
    }

    fn subspaces_in_short(&self, summary: &str, excess: &str) -> String {
        format!("{}, median excess {excess}", spaced(summary))
    }

    fn power(&self, units: &str, share: Option<&str>, needed: u64, probes: u64) -> String {
        let (units, needed, probes) = (spaced(units), count(needed), count(probes));
        match share {
            Some(share) => format!(
                "a reuse of {share} of the {units} units, in their places, would have been seen \
                 with 95 % probability ({needed} of {probes} probes needed)"
            ),
            None => format!("{units}: too few probes ({probes}) for any reuse to be seen"),
        }
    }

    fn not_run(&self, what: &str, why: &str) -> String {
        format!("not run: {what}: {why}")
    }

    fn permutation(&self, hits: u64, probes: u64, groups: u64, log10_p: Option<f64>) -> String {
        let hits = format!(
            "{} of {} probed units are in their own place, in {}.",
            count(hits),
            count(probes),
            plural(groups, "group"),
        );
        let Some(log10_p) = log10_p else {
            return format!("{hits} No bound on chance could be given.");
        };
        let (bound, figure) = (chance(log10_p), log10(Some(log10_p)));
        if log10_p > -2.0 {
            format!(
                "{hits} Independently trained models agree like this by chance (probability \
                 {bound}, log10 p {figure})."
            )
        } else {
            format!(
                "{hits} The chance that models initialised and trained independently agree like \
                 this is {bound} (log10 p {figure})."
            )
        }
    }

    fn principal_subspaces(&self, summary: &str, excess: &str, n: u64, mode: &str) -> String {
        let subspaces = plural(n, "subspace");
        format!("{summary}: median excess {excess} over {subspaces} ({mode}).")
    }

    fn weakest_layer(&self, log10_p: &str) -> String {
        format!("Weakest of the mapped layers: log10 p {log10_p}.")
    }

    fn transformation(&self, found: &Transformation<'_>) -> String {
        let place = if found.n_layers == 0 {
            String::new()
        } else {
            format!(" in {}", layers(found.n_layers, found.layers))
        };
        let done = if found.pruned { "kept" } else { "found again" };
        let units = match found.kept {
            Some((kept, Some(whole))) => {
                format!(", {} of {} units {done}", count(kept), count(whole))
            }
            Some((kept, None)) => format!(", {} units {done}", count(kept)),
            None => String::new(),
        };
        let cosine = found
            .cosine
            .map(|cosine| format!(": cosine {cosine}"))
            .unwrap_or_default();
        format!(
            "{}{place}{units}; checked on {}{cosine}",
            found.kind, found.check
        )
    }

    fn component(&self, component: &Component<'_>) -> String {
        let mut out = format!("{}: pattern {}", component.name, spaced(component.pattern));
        if let Some(relation) = component.relation {
            out.push_str(&format!("; relation {relation}"));
        }
        if let Some(reason) = component.reason {
            out.push_str(&format!("; {reason}"));
        }
        out
    }

    fn parts(&self, n: usize) -> String {
        format!("({n} parts)")
    }

    fn experts(&self, experts: &Experts<'_>) -> String {
        let matched = format!(
            "{}: {} of {} experts matched with the base's {}",
            layers(experts.n_layers, experts.layers),
            count(experts.matched),
            count(experts.target),
            count(experts.base),
        );
        match experts.moved {
            Some(moved) => format!("{matched}; re-ordered: {}", listed(moved)),
            None if experts.matched > 0 => format!("{matched}, in their own places"),
            None => matched,
        }
    }

    fn tokenizer(&self, tokenizer: &Tokenizer) -> String {
        let merges = tokenizer
            .merges
            .map(|n| format!("; {} merges in common", count(n)))
            .unwrap_or_default();
        format!(
            "{} tokens in common, {} of them with the same id (vocabulary of the base {}, of the \
             target {}){merges}. Circumstantial: a shared tokenizer does not show that weights \
             were shared.",
            count(tokenizer.shared),
            count(tokenizer.same_id),
            count(tokenizer.base),
            count(tokenizer.target),
        )
    }

    fn dora(&self, n: u64) -> String {
        format!(
            "{} of them by direction and stored magnitudes (DoRA)",
            count(n)
        )
    }

    fn replaced(&self, names: &[String]) -> String {
        format!("replaced whole: {}", listed(names))
    }

    fn not_measured(&self, names: &[String]) -> String {
        format!("not measured: {}", listed(names))
    }

    fn span(&self, least: &str, most: &str) -> String {
        format!("{least} to {most}")
    }

    fn unmatched(&self, unmatched: &Unmatched<'_>) -> String {
        let side = if unmatched.target { "target" } else { "base" };
        match unmatched.tensors {
            0 => format!("{side}: every tensor has a counterpart"),
            n => format!(
                "{side}: {} without a counterpart, {} parameters, {} of the {side}",
                plural(n, "tensor"),
                unmatched.parameters,
                unmatched.share,
            ),
        }
    }

    fn no_cosine(&self, name: &str, reason: &str) -> String {
        format!("{name}: no cosine, {reason}")
    }

    fn agreement(&self, agrees: Option<bool>, why: Option<&str>) -> String {
        let disagree = "the document's reading and the verdict disagree";
        match (agrees, why) {
            (Some(true), _) => "the document's reading and the verdict agree".to_owned(),
            (Some(false), Some(why)) => format!("{disagree}: {why}"),
            (Some(false), None) => disagree.to_owned(),
            (None, Some(why)) => why.to_owned(),
            (None, None) => "not judged".to_owned(),
        }
    }

    fn document(&self, band: Option<Band>, pattern: &str, agreement: &str) -> String {
        use super::super::Meanings;
        let band = band.map_or("no mean cosine", |band| self.band(band));
        format!("{band}; {pattern}; {agreement}")
    }

    fn comparable(&self, comparability: Comparability, share: Option<&str>) -> String {
        match share {
            Some(share) => {
                format!("{comparability}: {share} of the target's values lie in equal shapes")
            }
            None => comparability.to_string(),
        }
    }

    fn mixture(&self, terms: &[WeightRow], residual: &str) -> String {
        let sum = escape::name(&merges::sum(terms, "×"));
        format!("{sum}, {residual} unexplained")
    }

    fn checked(&self, check: &Checked<'_>) -> Line {
        let (matching, tensors) = (count(check.matching), plural(check.tensors, "tensor"));
        let answer = if check.equal {
            format!(" is what the manifest says: {matching} of {tensors} match")
        } else {
            format!(
                " is not what the manifest says: {matching} of {tensors} match, {} differ, {} \
                 missing, {} new",
                count(check.different),
                count(check.missing),
                count(check.new),
            )
        };
        Line::name(check.name).text(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_never_stated_lower_than_it_is() {
        assert_eq!(chance(-814.9), "at most 10^-814");
        assert_eq!(chance(-3.0), "at most 10^-3");
        assert_eq!(chance(-0.5), "at most 0.317");
        assert_eq!(chance(0.0), "at most 1.000");
    }

    #[test]
    fn lists_are_cut_and_say_so() {
        let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(listed(&names), "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
        assert_eq!(listed(&names[..1]), "0");
    }
}
