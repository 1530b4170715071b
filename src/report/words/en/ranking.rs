//! The answer over several bases, in sentences.

use super::merges;
use crate::report::schema::{MergeRow, Rank};
use crate::verdict::decide::Label;

/// The conclusion on a ranking.
pub(crate) fn conclusion(report: &Rank) -> String {
    let conclusion = &report.conclusion;
    let name = conclusion.base.as_deref().unwrap_or_default();
    let mut out = match conclusion.label {
        Label::Derived if !conclusion.candidates.is_empty() => format!(
            "The target shares its weights with {}. Which of them is nearest to it, or its parent, \
             cannot be told.",
            conclusion.candidates.join(", ")
        ),
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

/// A share of 1 in percent, with digits enough to be told from 0.
fn percent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "nothing".to_owned(),
        p if p < 0.01 => "less than 0.01 %".to_owned(),
        p => format!("{p:.2} %"),
    }
}
