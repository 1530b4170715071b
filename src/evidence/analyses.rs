//! The analyses that run on two models: one line each.

use crate::error::Result;

use super::adaptation::Adaptation;
use super::analysis::{Analysis, Found, Setting};
use super::by_content::Nameless;
use super::disguise::Disguises;
use super::formulas::Formulas;
use super::likeness::Likeness;
use super::moved::Moved;
use super::no_weights::ValuesThatAreNoWeights;
use super::noise_floor::Encoding;
use super::partners::Partners;
use super::pca::Pca;
use super::permutation::Permutation;
use super::rescaled::Rescaled;
use super::row_spaces::RowSpaces;
use super::storage::Storage;
use super::tokenizer::Tokenizers;
use super::vocabulary::Vocabulary;
use super::witness::Witnesses;

/// When an analysis runs: one that builds on another comes at a later stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Of the two models alone.
    First,
    /// On what tests in place found.
    Confirming,
    /// Where tests in place found nothing that is confirmed.
    Sought,
    /// What hides a model in which units were found.
    Hidden,
    /// Where neither found anything.
    Elsewhere,
    /// On what all others found.
    Last,
}

const STAGES: [Stage; 6] = [
    Stage::First,
    Stage::Confirming,
    Stage::Sought,
    Stage::Hidden,
    Stage::Elsewhere,
    Stage::Last,
];

type Look = fn(&Setting<'_>, &mut Found) -> Result<Option<Box<dyn Analysis>>>;

/// All analyses, in the order in which they are told.
const ANALYSES: &[(Stage, Look)] = &[
    (Stage::Last, look::<Likeness>),
    (Stage::First, look::<Permutation>),
    (Stage::Confirming, look::<Witnesses>),
    (Stage::Sought, look::<Partners>),
    (Stage::Elsewhere, look::<RowSpaces>),
    (Stage::Elsewhere, look::<Moved>),
    (Stage::Hidden, look::<Disguises>),
    (Stage::First, look::<Rescaled>),
    (Stage::First, look::<Adaptation>),
    (Stage::First, look::<Encoding>),
    (Stage::First, look::<ValuesThatAreNoWeights>),
    (Stage::First, look::<Storage>),
    (Stage::First, look::<Formulas>),
    (Stage::First, look::<Nameless>),
    (Stage::First, look::<Pca>),
    (Stage::First, look::<Tokenizers>),
    (Stage::First, look::<Vocabulary>),
];

fn look<A: Analysis>(
    setting: &Setting<'_>,
    found: &mut Found,
) -> Result<Option<Box<dyn Analysis>>> {
    if setting.has_sketch() && A::needs_all_values() {
        return Ok(None);
    }
    let analysis = A::look(setting, found)?;
    Ok(analysis.map(|analysis| -> Box<dyn Analysis> { Box::new(analysis) }))
}

/// Runs all analyses, stage by stage. Uses the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(crate) fn look_at(setting: &Setting<'_>) -> Result<Found> {
    let mut found = Found::with_room(ANALYSES.len());
    for stage in STAGES {
        for (place, (of_stage, look)) in ANALYSES.iter().enumerate() {
            if *of_stage == stage {
                let analysis = look(setting, &mut found)?;
                found.put(place, analysis);
            }
        }
    }
    Ok(found)
}
