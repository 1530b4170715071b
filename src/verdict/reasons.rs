//! The grounds of a label, in sentences that can be quoted.

use std::collections::BTreeMap;

use crate::evidence::part::{Kind, Part, State};
use crate::model::words::Component;

use super::decide::{Decision, Findings, Label, Relation, parameters_in};

/// What no likeness tells.
pub const NO_DIRECTION: &str =
    "a likeness has no direction in time: one comes from the other, or both from a third model";

/// What no pair of matrices tells.
pub const NO_MATRIX: &str = "no matrix of the target can be compared with one of the base";

/// The grounds of `decision`, the strongest first.
pub fn reasons(findings: &Findings, decision: &Decision) -> Vec<String> {
    let mut out = Vec::new();
    match decision.label {
        Label::Identical => {
            out.push("every tensor is paired and equal in dtype, shape and bytes".to_owned());
        }
        Label::ReEncoded => out.push(re_encoded(findings)),
        Label::Derived | Label::PartialReuse => {
            out.extend(hidden(findings));
            out.extend(states(findings));
            if decision.rule == 7 {
                out.push(
                    "the units of more than half of the layers sit in the base's places".to_owned(),
                );
            }
            if decision
                .relations
                .contains(&Relation::SharedInitializationPossible)
            {
                out.push(
                    "matrices are little alike while many units sit in their places: two trainings from one \
                     initialisation would explain this as well as descent"
                        .to_owned(),
                );
            }
            out.push(NO_DIRECTION.to_owned());
        }
        Label::FromScratch => {
            out.extend(states(findings));
            out.push(power(findings));
            out.push(
                "a model trained on another model's outputs has independent weights: wcmp cannot see distillation"
                    .to_owned(),
            );
        }
        Label::Inconclusive => out.extend(missing(findings)),
    }
    out
}

/// What is concluded on each component, in one sentence; `None` where there is only one. The flag
/// says whether the base has such a component.
pub fn by_component(components: &[(Component, Label, bool)]) -> Option<String> {
    let one = |&(component, label, in_base): &(Component, Label, bool)| {
        let name = match component {
            Component::Text => "text decoder",
            Component::Vision => "vision encoder",
            Component::Audio => "audio encoder",
            Component::Projector => "projector",
            Component::Other => "other tensors",
        };
        let what = match label {
            _ if !in_base => "new, without a counterpart in the base",
            Label::Identical => "reused byte for byte",
            Label::ReEncoded => "reused, stored otherwise",
            Label::Derived => "reused",
            Label::PartialReuse => "reused in part",
            Label::FromScratch => "independent",
            Label::Inconclusive => "undecided",
        };
        format!("{name} {what}")
    };
    let sentences: Vec<String> = components.iter().map(one).collect();
    (components.len() > 1).then(|| format!("component by component: {}", sentences.join("; ")))
}

fn re_encoded(findings: &Findings) -> String {
    let calibrated = findings.re_encoding.is_some_and(|r| r.calibrated);
    let within = if calibrated {
        "what calibrated quantisation does"
    } else {
        "rounding to the two number formats"
    };
    format!("every informative tensor is paired, and all differences are within {within}")
}

fn hidden(findings: &Findings) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(d) = findings.disguise.as_ref().filter(|d| d.decides()) {
        let bound = if d.exact {
            "exact bound"
        } else {
            "approximate bound"
        };
        out.push(format!(
            "{} of {} layers tried were found under re-ordered or rotated dimensions (least log10 p {:.0}, {bound})",
            d.found, d.tried, d.log10_p
        ));
    }
    if let Some(p) = findings.upcycling.filter(|p| *p <= -6.0) {
        out.push(format!(
            "experts and dense feed-forward share their units (median log10 p {p:.0} a layer)"
        ));
    }
    out
}

/// One sentence for each state that occurs.
fn states(findings: &Findings) -> Vec<String> {
    let comparable: u64 = [State::Reused, State::Independent, State::Unclear]
        .iter()
        .map(|s| parameters_in(&findings.parts, *s))
        .sum();
    let mut out = Vec::new();
    for (state, word) in [
        (State::Reused, "shared with the base"),
        (State::Independent, "shown to be independent"),
        (
            State::Unclear,
            "neither shown to be shared nor to be independent",
        ),
    ] {
        let parameters = parameters_in(&findings.parts, state);
        if parameters > 0 {
            let share = 100.0 * parameters as f64 / comparable.max(1) as f64;
            out.push(format!(
                "{word}: {share:.1} % of the comparable matrix parameters ({})",
                named(findings.parts.iter().filter(|p| p.state == state))
            ));
        }
    }
    let new = parameters_in(&findings.parts, State::New);
    if new > 0 {
        out.push(format!(
            "without a counterpart in the base, and no evidence: {}",
            named(findings.parts.iter().filter(|p| p.state == State::New))
        ));
    }
    out
}

fn power(findings: &Findings) -> String {
    match findings.share_seen_95 {
        Some(share) => format!(
            "a reuse of {:.1} % of the units, in their places, would have been seen with 95 % probability",
            100.0 * share
        ),
        None if findings.parts.iter().any(|p| p.test.is_some()) => {
            "only tests of single parts ran; each would have seen a reuse of its units".to_owned()
        }
        None => "this rests on cosines alone: re-ordered units were not looked for".to_owned(),
    }
}

fn missing(findings: &Findings) -> Vec<String> {
    if findings.tensors == 0 {
        return vec!["no tensors".to_owned()];
    }
    if findings
        .parts
        .iter()
        .all(|p| p.compared == 0 && p.test.is_none())
    {
        return vec![NO_MATRIX.to_owned()];
    }
    let mut out = states(findings);
    let reused = parameters_in(&findings.parts, State::Reused);
    out.push(if reused == 0 {
        "from scratch needs at least half of the target's matrix parameters shown to be independent, and at most a \
         fifth unclear"
            .to_owned()
    } else {
        "derived needs two thirds of the comparable matrix parameters shared".to_owned()
    });
    out
}

/// Parts in words, in short: "text attention of layers 0-5, embedding".
fn named<'a>(parts: impl Iterator<Item = &'a Part>) -> String {
    let mut groups: BTreeMap<(Component, Kind), Vec<&Part>> = BTreeMap::new();
    for part in parts {
        groups
            .entry((part.key.component, part.key.kind))
            .or_default()
            .push(part);
    }
    let words = groups.into_iter().map(|((component, kind), parts)| {
        let count = parts.len();
        let name = parts.iter().find_map(|p| p.key.name.as_deref());
        let mut layers: Vec<u32> = parts.iter().filter_map(|p| p.key.layer).collect();
        let component = if component == Component::Text {
            String::new()
        } else {
            format!("{component} ")
        };
        layers.sort_unstable();
        layers.dedup();
        match kind {
            Kind::Embedding | Kind::Head => format!("{component}{kind}"),
            Kind::Other if count == 1 => crate::error::escape_controls(name.unwrap_or("matrix")),
            Kind::Other => format!("{count} other {component}matrices"),
            Kind::Experts => format!("{component}{count} experts of layers {}", ranges(&layers)),
            Kind::Attention | Kind::Ffn if layers.len() == 1 => {
                format!("{component}{kind} of layer {}", layers[0])
            }
            Kind::Attention | Kind::Ffn => {
                format!("{component}{kind} of layers {}", ranges(&layers))
            }
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Ascending numbers as ranges: "0-5, 7".
pub fn ranges(sorted: &[u32]) -> String {
    let mut out: Vec<(u32, u32)> = Vec::new();
    for &n in sorted {
        match out.last_mut() {
            Some((_, last)) if n == *last + 1 => *last = n,
            _ => out.push((n, n)),
        }
    }
    let words = out.iter().map(|(a, b)| {
        if a == b {
            a.to_string()
        } else {
            format!("{a}-{b}")
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Why the origin document's band and the label disagree, in a sentence; `None` where they agree or
/// nothing is concluded.
pub fn disagreement(
    label: Label,
    high_band: bool,
    mean: f64,
    matrix: Option<f64>,
    norm: Option<f64>,
) -> Option<String> {
    let matrix = matrix.map_or("undefined".to_owned(), |m| format!("{m:.4}"));
    let norms = norm
        .map(|n| format!(" and norms {n:.4}"))
        .unwrap_or_default();
    match (label, high_band) {
        (Label::Inconclusive, _) => None,
        (Label::FromScratch, true) => Some(format!(
            "the plain mean {mean:.4} counts every tensor alike, norms and constants included, which are alike in \
             unrelated models; matrices have {matrix}{norms}"
        )),
        (Label::FromScratch, false) | (_, true) => None,
        (Label::PartialReuse, false) => Some(format!(
            "the plain mean {mean:.4} lies below 0.5 although some parts are shared: the others pull it down (matrices \
             {matrix}{norms})"
        )),
        (_, false) => Some(format!(
            "the plain mean {mean:.4} lies below 0.5 because it compares tensors by equal name and index (matrices \
             {matrix}{norms}); the tests find the base's weights all the same"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_named_with_what_became_of_them() {
        let text = (Component::Text, Label::FromScratch, true);
        let all = [
            text,
            (Component::Vision, Label::Identical, true),
            (Component::Projector, Label::Inconclusive, false),
        ];
        assert_eq!(
            by_component(&all).as_deref(),
            Some(
                "component by component: text decoder independent; vision encoder reused byte for byte; projector \
                 new, without a counterpart in the base"
            )
        );
        assert_eq!(by_component(&[text]), None);
    }

    #[test]
    fn numbers_are_given_as_ranges() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2, 5, 7-8");
        assert_eq!(ranges(&[]), "");
    }
}
