//! Comparisons of which a side is a sketch: what is measured of it, and how it is looked at.

use crate::align::Alignment;
use crate::error::{Error, Result};
use crate::evidence::kept::condense;
use crate::format::open::Opened;
use crate::measure::monitor::Monitor;
use crate::measure::record::Digest;
use crate::measure::{Measured, digests, measure_held};
use crate::model::sides::Sides;
use crate::stats::units::Sampling;
use crate::view::model::Model;

use super::options::Options;

/// Whether a sketch stands for the model.
pub(super) fn is_sketch(model: &Model) -> bool {
    model.opened.sketch.is_some()
}

/// A model as a card is made of it: of a sketch all that it keeps, but not its tokenizer.
pub(super) fn for_a_card(opened: Opened) -> Model {
    match opened.sketch.is_some() {
        true => Model::new(opened.showing_largest()),
        false => Model::with_tokenizer(opened),
    }
}

/// The options with the seed that sketches among the models were taken with: it tells what they keep.
///
/// # Errors
/// Sketches of several seeds.
pub(super) fn with_its_seed<'a>(
    models: impl Iterator<Item = &'a Model>,
    options: &Options,
) -> Result<Options> {
    let mut out = options.clone();
    let mut known: Option<u64> = None;
    for model in models {
        let Some(sketch) = &model.opened.sketch else {
            continue;
        };
        if known.is_some_and(|seed| seed != sketch.seed) {
            let what = format!(
                "a sketch of seed {} (expected {}, that of the others)",
                sketch.seed, out.seed
            );
            return Err(Error::unsupported(&model.checkpoint().path, what));
        }
        known = Some(sketch.seed);
        out.seed = sketch.seed;
    }
    Ok(out)
}

/// Digests of the stored tensors of a model, in the order of its list: taken, or those of the
/// manifest of a sketch.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn digests_of(model: &Model, monitor: &dyn Monitor) -> Result<Vec<Digest>> {
    match &model.opened.sketch {
        Some(sketch) => Ok(sketch.digests.clone()),
        None => digests(model, monitor),
    }
}

/// Measures two models of which at least one is a sketch.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn measure(
    models: [&Model; 2],
    alignment: &Alignment,
    digests: Sides<Vec<Digest>>,
    monitor: &dyn Monitor,
) -> Result<Measured> {
    let taken = Sides {
        base: &digests.base[..],
        target: &digests.target[..],
    };
    let records = measure_held(models.into(), &alignment.pairs, taken, monitor)?;
    Ok(Measured { records, digests })
}

/// A model with the units alone that a sketch keeps of its feed-forwards: where it is a sketch
/// itself, or else those that `other` keeps in the same places. `None` for two whole models.
///
/// # Errors
/// A sketch that cannot be read again.
pub(super) fn condensed(
    model: &Model,
    other: &Model,
    sampling: &Sampling,
) -> Result<Option<Model>> {
    let keeps = match (is_sketch(model), is_sketch(other)) {
        (true, _) => model,
        (false, true) => other,
        (false, false) => return Ok(None),
    };
    let mut out = Model::new(Opened::again(&model.opened)?.showing_largest());
    out.tokenizer.clone_from(&model.tokenizer);
    condense(&mut out, keeps, sampling)?;
    Ok(Some(out))
}
