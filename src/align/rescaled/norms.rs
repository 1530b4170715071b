//! A norm's gain divided by a factor that the columns of the matrices behind it carry.

use crate::align::Alignment;
use crate::error::Result;
use crate::model::sides::Sides;
use crate::model::words::Role;
use crate::numeric::rows::RowSource;
use crate::view::logical::Scale;
use crate::view::model::Model;
use crate::view::reader::View;

use super::fit::{Fit, ROWS_LOOKED_AT};
use super::{Axis, REST, UNEXPLAINED, rescale, views};

/// Rows that are looked at where the first ones may carry factors: rounding to 4 bits leaves a
/// column's factor uncertain by a hundredth on 64 rows.
const MORE_ROWS: usize = 1024;

/// Norms, and what reads the stream through them.
pub(super) const NORMS: &[(&str, &[Role])] = &[
    (
        "norm:pre_attn.",
        &[Role::Q, Role::K, Role::V, Role::Qkv, Role::QA, Role::KvA],
    ),
    (
        "norm:pre_mlp.",
        &[Role::Gate, Role::Up, Role::GateUp, Role::Fc1, Role::Router],
    ),
];

/// Undoes a rescaling of the matrices behind a norm; the cosine of each once it is undone, none
/// where nothing was.
pub(super) fn behind_norm(
    alignment: &mut Alignment,
    models: Sides<&Model>,
    members: &[usize],
    norm: &str,
    readers: &[Role],
) -> Result<Vec<f64>> {
    let find = |slot: String| {
        members
            .iter()
            .copied()
            .find(|at| *alignment.pairs[*at].target.meaning.slot == *slot)
    };
    let Some(gain) = find(format!("{norm}weight")) else {
        return Ok(Vec::new());
    };
    let bias = find(format!("{norm}bias"));
    let Some(gains) = views(models, alignment, gain)? else {
        return Ok(Vec::new());
    };
    let Some(scale) = quotient(models, &gains)? else {
        return Ok(Vec::new());
    };

    let width = scale.factors.len() as u64;
    let reads_it = |at: &usize| {
        let target = &alignment.pairs[*at].target;
        readers.contains(&target.meaning.role)
            && target.shape.len() >= 2
            && target.matrix_shape().1 == width
    };
    let behind: Vec<usize> = members.iter().copied().filter(reads_it).collect();
    if behind.is_empty() {
        return Ok(Vec::new());
    }
    // All that read through the norm carry the factors, or the gain has merely changed.
    let mut cosines = Vec::new();
    for &at in &behind {
        let Some(fit) = fit_of_reader(alignment, models, at, &scale)? else {
            return Ok(Vec::new());
        };
        cosines.extend(fit.cosine());
    }

    for at in behind {
        rescale(alignment, at, &scale, Axis::Columns);
    }
    let name = alignment.pairs[gain].target.name.clone();
    alignment.rescaled.gains.push(name);
    if let Some(bias) = bias {
        rescale(alignment, bias, &scale.inverse(), Axis::Columns);
    }
    Ok(cosines)
}

/// How a matrix behind the norm carries its factors; `None` where it does not or cannot be read.
fn fit_of_reader(
    alignment: &Alignment,
    models: Sides<&Model>,
    at: usize,
    scale: &Scale,
) -> Result<Option<Fit>> {
    let Some(read) = views(models, alignment, at)? else {
        return Ok(None);
    };
    let factors = &scale.factors;
    let mut fit = Fit::of_columns(&read, ROWS_LOOKED_AT, Some(factors))?;
    if fit.unexplained(factors) <= 1.0 {
        fit = Fit::of_columns(&read, MORE_ROWS, Some(factors))?;
    }
    let carries = fit.unexplained(factors) <= UNEXPLAINED && fit.rest() <= REST && fit.is_alike();
    Ok(carries.then_some(fit))
}

/// Factors base/target of two gains, and how well their number formats let them be known; `None`
/// where the gains are equal or one of them is 0 or not finite.
fn quotient(models: Sides<&Model>, gains: &Sides<View<'_>>) -> Result<Option<Scale>> {
    let base = Gain::read(models.base, &gains.base)?;
    let target = Gain::read(models.target, &gains.target)?;
    let is_told = |gain: &Gain| gain.values.iter().all(|v| v.is_finite() && *v != 0.0);
    if base.values == target.values
        || !is_told(&base)
        || !is_told(&target)
        || base.values.len() != target.values.len()
    {
        return Ok(None);
    }
    let uncertainty = (0..base.values.len())
        .map(|at| base.rounding(at) + target.rounding(at))
        .collect();
    let quotients = base.values.iter().zip(&target.values);
    Ok(Some(Scale {
        factors: quotients.map(|(base, target)| base / target).collect(),
        uncertainty,
    }))
}

/// The gain of a norm as it is applied.
struct Gain {
    values: Vec<f32>,
    /// Distances to the next number of the format.
    steps: Vec<f32>,
}

impl Gain {
    fn read(model: &Model, view: &View<'_>) -> Result<Self> {
        let mut values = vec![0.0; view.columns()];
        let mut steps = vec![0.0; view.columns()];
        let row = 0..view.rows().min(1);
        view.read_rows(row.clone(), &mut values)?;
        view.read_steps(row, &mut steps)?;
        let offset = if model.facts.zero_centred_gains {
            1.0
        } else {
            0.0
        };
        values.iter_mut().for_each(|value| *value += offset);
        Ok(Self { values, steps })
    }

    /// How far a value may be from what was rounded to it, relative to itself.
    fn rounding(&self, at: usize) -> f32 {
        0.5 * self.steps[at].abs() / self.values[at].abs()
    }
}
