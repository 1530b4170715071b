//! Disguises: when they are looked for, and what they mean for the verdict.

use crate::error::Result;
use crate::evidence::disguise::{self, Disguises};
use crate::evidence::permutation::{Permutation, Setting};
use crate::evidence::relation::Relation;
use crate::evidence::transformation::{Transformation, TransformationKind};
use crate::evidence::untested::{Obstacle, Subject, Untested};
use crate::model::words::Component;
use crate::verdict::decide::{Disguise, Findings};

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
    let wanted = |c: Component| component.is_none_or(|wanted| wanted == c);
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
    let changes = disguises
        .transformations
        .iter()
        .filter(|t| t.component.is_none_or(wanted));
    findings
        .structure
        .extend(changes.filter_map(|t| relation(t.kind)));
}

fn relation(kind: TransformationKind) -> Option<Relation> {
    match kind {
        TransformationKind::FfnPermuted
        | TransformationKind::HeadsPermuted
        | TransformationKind::ResidualPermuted => Some(Relation::Permuted),
        TransformationKind::ResidualRotated => Some(Relation::Rotated),
        TransformationKind::ExpertsPermuted
        | TransformationKind::Pruned
        | TransformationKind::ExpertsPruned
        | TransformationKind::ChannelsRescaled => None,
    }
}

/// What was recovered.
pub(super) fn transformations(disguises: Option<&Disguises>) -> Vec<Transformation> {
    let found = disguises.iter().flat_map(|d| &d.transformations);
    found.cloned().collect()
}

/// What was not looked for.
pub(super) fn untested(deep: Deep) -> Option<Untested> {
    (deep == Deep::Off).then_some(Untested {
        what: Subject::Disguises,
        why: Obstacle::DeepOff,
    })
}
