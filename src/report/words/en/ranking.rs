//! The answer over several bases, in sentences.

use super::super::Pairs;
use super::merges;
use crate::report::schema::{MergeRow, Rank};
use crate::verdict::decide::Label;

/// The conclusion on a ranking.
pub(crate) fn conclusion(report: &Rank) -> String {
    let conclusion = &report.conclusion;
    let name = conclusion.base.as_deref().unwrap_or_default();
    let mut out = match conclusion.label {
        Label::Derived | Label::PartialReuse if !conclusion.candidates.is_empty() => {
            relative_of(report)
        }
        Label::Identical => format!("The target is {name}: every tensor is equal, byte for byte."),
        Label::ReEncoded => format!("The target holds the values of {name}, stored otherwise."),
        Label::Derived => format!("The target shares its weights with {name}."),
        Label::PartialReuse => {
            format!("The target shares a part of its weights with {name}, and not the rest.")
        }
        Label::FromScratch => match report.ranking.as_slice() {
            [only] => format!(
                "The target shares no weights with {}, the one base given.",
                only.base.name
            ),
            bases => format!(
                "The target shares no weights with any of the {} bases given.",
                bases.len()
            ),
        },
        Label::Inconclusive => {
            "No base is shown to share weights with the target, and not every base is shown to \
             share none."
                .to_owned()
        }
    };
    if let Some(merge) = &conclusion.merge {
        out.push_str(&format!(
            " It is a merge of several bases: {}",
            merges::merge(merge)
        ));
        if let MergeRow::Sum { unexplained, .. } = merge {
            out.push_str(&format!(", with {} unexplained", percent(*unexplained)));
        }
        out.push('.');
    } else if conclusion.related as usize > conclusion.candidates.len().max(1) {
        let others = conclusion.related - conclusion.candidates.len().max(1) as u64;
        let bases = if others == 1 { "base is" } else { "bases are" };
        out.push_str(&format!(" {others} more {bases} related to it."));
    }
    if let Some(pairs) = Pairs::new(&report.between) {
        out.push_str(&format!(
            " The target, or a model near it that is not given, stands between {}.",
            between(&pairs)
        ));
    }
    for sum in &report.sums_of_target {
        let (base, with) = (&sum.base, &sum.with);
        out.push_str(&format!(
            " {base} is a mean of the target and {with}: its values are their rounded sum, so {base} \
             was made from the target."
        ));
    }
    if matches!(conclusion.label, Label::Derived | Label::PartialReuse) {
        out.push_str(
            " A likeness has no direction in time: it does not tell which model came first.",
        );
    }
    out
}

/// Relatives of the target, of which none is told to be its parent.
fn relative_of(report: &Rank) -> String {
    let candidates = &report.conclusion.candidates;
    let all = candidates.join(", ");
    if let Some(nearest) = report.nearest() {
        let across = report.across(nearest);
        let stands = match across.as_slice() {
            [] => String::new(),
            across => format!(
                ": {nearest}, or a model near it that is not given, stands between the target and {}",
                across.join(", ")
            ),
        };
        return format!(
            "The target shares its weights with {nearest}, the nearest of the bases given{stands}. \
             Whether that is its parent cannot be told."
        );
    }
    match (report.conclusion.label, candidates.as_slice()) {
        (_, [_]) => format!("The target shares its weights with {all}."),
        (Label::PartialReuse, _) => format!(
            "The target shares a part of its weights with each of {all}, and not the rest. Which of \
             them is nearest to it cannot be told."
        ),
        _ => format!(
            "The target shares its weights with {all}. Which of them is nearest to it, or its \
             parent, cannot be told."
        ),
    }
}

/// Between which relatives the target stands.
pub(super) fn between(pairs: &Pairs<'_>) -> String {
    match pairs {
        Pairs::All(names) => format!("every two of {}", names.join(", ")),
        Pairs::Some(pairs, more) => {
            let each = pairs
                .iter()
                .map(|[one, other]| format!("{one} and {other}"));
            let each: Vec<String> = each.collect();
            let more = match more {
                0 => String::new(),
                1 => ", and one more pair".to_owned(),
                n => format!(", and {n} more pairs"),
            };
            format!("{}{more}", each.join(", between "))
        }
    }
}

/// A share of 1 in percent, with digits enough to be told from 0.
fn percent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "nothing".to_owned(),
        p if p < 0.01 => "less than 0.01 %".to_owned(),
        p => format!("{p:.2} %"),
    }
}
