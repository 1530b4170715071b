//! Gains of norms that one side stores with 1 added: w and 1 + w are the same norm in two
//! conventions (MLX, llama.cpp; guide/formats.md, section 2).
//!
//! Only gains that differ by 1 and the rounding of their formats are read so: a gain that was
//! changed besides is a changed gain.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::Result;
use crate::model::dtype::Kind;
use crate::model::sides::{Side, Sides};
use crate::model::warning::Warning;
use crate::model::words::{Class, Component};
use crate::numeric::rows::RowSource;
use crate::view::logical::{Logical, Undo, Via};
use crate::view::model::Model;

use super::{Alignment, Pair};

/// Longest gain that is read.
const LONGEST: u64 = 1 << 20;
/// Programs add in formats of their own.
const SLACK: f64 = 1e-3;

/// What two gains are to one another.
enum Gains {
    /// That side's is the other's plus 1.
    Shifted(Side),
    /// The same, of values that are all equal: perhaps gains that never moved.
    ShiftedConstant(Side),
    Other,
}

/// Reads gains that one side stores with 1 added without it. Those that never moved follow the
/// others of their component.
///
/// # Errors
/// A read that fails.
pub(crate) fn undo(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    let mut shifted: Vec<(usize, Side)> = Vec::new();
    let mut constant: Vec<(usize, Side)> = Vec::new();
    for (at, pair) in alignment.pairs.iter().enumerate() {
        match gains(models, pair)? {
            Gains::Shifted(side) => shifted.push((at, side)),
            Gains::ShiftedConstant(side) => constant.push((at, side)),
            Gains::Other => {}
        }
    }
    let component = |alignment: &Alignment, at: usize| -> Component {
        alignment.pairs[at].target.meaning.component
    };
    let known: BTreeSet<(Component, Side)> = shifted
        .iter()
        .map(|&(at, side)| (component(alignment, at), side))
        .collect();
    constant.retain(|&(at, side)| known.contains(&(component(alignment, at), side)));
    shifted.extend(constant);
    shifted.sort_unstable();
    for side in Side::BOTH {
        let mut of_side = shifted.iter().filter(|(_, on)| *on == side).peekable();
        let Some(&&(first, _)) = of_side.peek() else {
            continue;
        };
        let first = alignment.pairs[first].sides().get(side).name.clone();
        let mut tensors = 0;
        for &(at, _) in of_side {
            without_one(&mut alignment.pairs[at], side);
            tensors += 1;
        }
        let warning = Warning::NormsPlusOne { first, tensors };
        alignment.warnings.push(warning.on(side));
    }
    Ok(())
}

/// Has that side's gain read with 1 taken off.
fn without_one(pair: &mut Pair, side: Side) {
    let logical = match side {
        Side::Base => &mut pair.base,
        Side::Target => &mut pair.target,
    };
    Arc::make_mut(logical).stored_as.undo = Undo::AddedOne;
    pair.via = Via::Mapped;
    // Of a pair by name only the names agree now.
    pair.by_name = false;
}

fn gains(models: Sides<&Model>, pair: &Pair) -> Result<Gains> {
    let is_gain = |logical: &Logical| {
        logical.meaning.class == Class::Norm
            && logical.shape.len() == 1
            && logical.dtype.kind() == Kind::Float
            && logical.is_as_stored()
            && (1..=LONGEST).contains(&logical.elements())
    };
    if !pair.sides().iter().all(|side| is_gain(side))
        || !super::likeness::are_readable(models, pair)
    {
        return Ok(Gains::Other);
    }
    let Some(base) = gain(models.base, &pair.base)? else {
        return Ok(Gains::Other);
    };
    let Some(target) = gain(models.target, &pair.target)? else {
        return Ok(Gains::Other);
    };
    let is_shifted = |side: Side| {
        let (plain, plus) = match side {
            Side::Base => (&target, &base),
            Side::Target => (&base, &target),
        };
        let mut elements = plain.iter().zip(plus);
        elements.all(|(plain, plus)| {
            let limit = (plain.1 + plus.1) / 2.0 * (1.0 + SLACK);
            (plus.0 - plain.0 - 1.0).abs() <= limit
        })
    };
    let Some(side) = Side::BOTH.into_iter().find(|&side| is_shifted(side)) else {
        return Ok(Gains::Other);
    };
    let is_constant = |gain: &[(f64, f64)]| gain.windows(2).all(|pair| pair[0].0 == pair[1].0);
    Ok(match is_constant(&base) || is_constant(&target) {
        true => Gains::ShiftedConstant(side),
        false => Gains::Shifted(side),
    })
}

/// The values of a gain, each with the step of its format there.
fn gain(model: &Model, logical: &Logical) -> Result<Option<Vec<(f64, f64)>>> {
    let view = model.view(logical)?;
    let Some(steps) = view.float_steps() else {
        return Ok(None);
    };
    let mut values = vec![0.0f32; view.rows() * view.columns()];
    view.read_rows(0..view.rows(), &mut values)?;
    let with_step = |value: f32| (f64::from(value), steps.step(value));
    Ok(Some(values.into_iter().map(with_step).collect()))
}
