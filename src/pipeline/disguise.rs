//! Disguises: when they are looked for, and what they mean for the verdict.

use crate::error::Result;
use crate::evidence::disguise::{self, Change, Disguises};
use crate::evidence::permutation::{Permutation, Setting};
use crate::model::words::Component;
use crate::report::schema::{NotTestable, TransformationRow};
use crate::verdict::decide::{Disguise, Findings, Relation};

use super::options::Deep;

/// Looks for disguises, unless that is switched off.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn look(
    setting: &Setting<'_>,
    direct: &mut Permutation,
    deep: Deep,
) -> Result<Option<Disguises>> {
    match deep {
        Deep::Off => Ok(None),
        Deep::Auto | Deep::On => disguise::run(setting, direct).map(Some),
    }
}

/// Adds what was found to what the verdict on the model, or on one component of it, rests on.
pub(super) fn add(
    findings: &mut Findings,
    disguises: Option<&Disguises>,
    component: Option<Component>,
) {
    findings.disguise_looked_for = disguises.is_some();
    let Some(disguises) = disguises else { return };
    let of = |c: Component| component.is_none_or(|wanted| wanted == c);
    if let Some(seen) = disguises.seen(component) {
        findings.disguise = Some(Disguise {
            tried: seen.tried,
            found: seen.found,
            log10_p: seen.log10_p,
            exact: seen.exact,
        });
        if seen.found > 0 {
            findings.least_log10_p = Some(
                findings
                    .least_log10_p
                    .map_or(seen.log10_p, |p| p.min(seen.log10_p)),
            );
        }
    }
    let changes = disguises.transformations.iter().filter(|t| of(t.component));
    findings
        .structure
        .extend(changes.map(|t| relation(t.change)));
}

fn relation(change: Change) -> Relation {
    match change {
        Change::FfnPermuted | Change::HeadsPermuted | Change::ResidualPermuted => {
            Relation::Permuted
        }
        Change::ResidualRotated => Relation::Rotated,
    }
}

/// `transformations` of the report.
pub(super) fn rows(disguises: Option<&Disguises>) -> Vec<TransformationRow> {
    let found = disguises.iter().flat_map(|d| &d.transformations);
    found
        .map(|t| TransformationRow {
            kind: t.change.word(),
            found_in: t.layers.clone(),
            units_kept: None,
            units_of: None,
            check: t.check.clone(),
            check_cosine: t.check_cosine,
        })
        .collect()
}

/// What was not looked for.
pub(super) fn not_testable(deep: Deep) -> Option<NotTestable> {
    (deep == Deep::Off).then(|| NotTestable {
        what: "re-ordered or rotated dimensions".to_owned(),
        why: "a disguise was not looked for (--deep off)".to_owned(),
    })
}
