//! Matrices that one side stores turned, (in, out), under the same name.

use crate::error::Result;
use crate::model::checkpoint::Warning;
use crate::model::words::{Component, Role};
use crate::numeric::rows::RowSource;
use crate::view::logical::{Logical, RowOrder, Via};
use crate::view::model::Model;

use super::{Alignment, Pair};

/// Rows of a square matrix that are looked at to tell its orientation.
const ROWS_LOOKED_AT: usize = 64;

/// The same matrix read the other way round.
pub fn turned(logical: &Logical) -> Option<Logical> {
    let &[rows, columns] = logical.shape.as_slice() else { return None };
    let is_plain = logical.source.rows == RowOrder::All
        && logical.source.columns.is_none()
        && logical.source.transposed == logical.is_turned();
    if !is_plain || matches!(logical.meaning.role, Role::Embed | Role::LmHead) {
        return None;
    }
    let mut out = logical.clone();
    out.shape = vec![columns, rows];
    out.source.transposed = !logical.source.transposed;
    Some(out)
}

/// Reads what the layout leaves open in the way that makes the two sides more alike: square matrices where others had to
/// be turned, and the rotary order of q and k in GGUF files. Of the latter a warning tells where it was not the usual
/// one.
///
/// # Errors
/// A read that fails.
pub fn orient(alignment: &mut Alignment, models: [&Model; 2]) -> Result<()> {
    orient_squares(alignment, models)?;
    orient_heads(alignment, models)
}

/// Pairs of q or k that are looked at to tell their order.
const HEADS_LOOKED_AT: usize = 8;

/// How much larger the mean cosine must be for an order that is not the usual one; independent models stay far below.
const CLEARLY_MORE: f64 = 0.05;

/// Converters re-order the rows of q and k for some architectures, and no file says whether it was done: both orders
/// are tried on a few matrices (formats.md, section 1.4).
fn orient_heads(alignment: &mut Alignment, models: [&Model; 2]) -> Result<()> {
    let side = match models.map(|m| !m.opened.gguf.is_empty()) {
        [true, false] => 0,
        [false, true] => 1,
        _ => return Ok(()),
    };
    let own = |pair: &Pair| if side == 0 { pair.base.clone() } else { pair.target.clone() };
    let with = |pair: &Pair, own: Logical| match side {
        0 => Pair { base: own, ..pair.clone() },
        _ => Pair { target: own, ..pair.clone() },
    };
    let other_order = |pair: &Pair| other_rotary_order(&own(pair), models[side]).map(|own| with(pair, own));
    let open: Vec<(usize, Pair)> =
        alignment.pairs.iter().enumerate().filter_map(|(at, pair)| Some((at, other_order(pair)?))).collect();
    let (mut usual, mut other) = (0.0, 0.0);
    let looked_at: Vec<_> = open.iter().step_by(open.len().div_ceil(HEADS_LOOKED_AT).max(1)).collect();
    for (at, pair) in &looked_at {
        let now = &alignment.pairs[*at];
        if models[0].unreadable(&now.base).is_some() || models[1].unreadable(&now.target).is_some() {
            return Ok(());
        }
        usual += likeness(models, &now.base, &now.target)?;
        other += likeness(models, &pair.base, &pair.target)?;
    }
    if other <= usual + CLEARLY_MORE * looked_at.len() as f64 {
        return Ok(());
    }
    for (at, pair) in open {
        alignment.pairs[at] = pair;
    }
    alignment.warnings.push(Warning::new(
        "rotary_order",
        format!(
            "the rows of q and k in the GGUF file ({}) are not in the order that its architecture is usually written in; \
             both orders were tried, and the one that fits was taken",
            ["base", "target"][side]
        ),
    ));
    Ok(())
}

/// A query or key matrix of the text part with its rows read in the other rotary order.
fn other_rotary_order(logical: &Logical, model: &Model) -> Option<Logical> {
    let heads = match logical.meaning.role {
        _ if logical.shape.len() != 2 || logical.meaning.component != Component::Text => return None,
        Role::Q => model.facts.heads?,
        Role::K => model.facts.kv_heads?,
        _ => return None,
    };
    let rows = match logical.source.rows {
        RowOrder::HalfSplit { .. } => RowOrder::All,
        RowOrder::All if heads.checked_mul(2).is_some_and(|pair| pair > 0 && logical.shape[0].is_multiple_of(pair)) => {
            RowOrder::HalfSplit { heads }
        }
        _ => return None,
    };
    let mut out = logical.clone();
    out.source.rows = rows;
    Some(out)
}

/// Where other matrices had to be turned, turns the square ones that are then more alike.
///
/// # Errors
/// A read that fails.
fn orient_squares(alignment: &mut Alignment, models: [&Model; 2]) -> Result<()> {
    if !alignment.pairs.iter().any(|p| p.via == Via::Transposed) {
        return Ok(());
    }
    for pair in &mut alignment.pairs {
        let square = matches!(pair.target.shape.as_slice(), [a, b] if a == b && *a > 1);
        let Some(other) = turned(&pair.target).filter(|_| square && pair.by_name) else { continue };
        let readable = models[0].unreadable(&pair.base).is_none() && models[1].unreadable(&pair.target).is_none();
        if readable && likeness(models, &pair.base, &other)? > likeness(models, &pair.base, &pair.target)? {
            *pair = Pair { target: other, via: Via::Transposed, by_name: false, ..pair.clone() };
        }
    }
    Ok(())
}

/// Size of the cosine over the first rows.
fn likeness(models: [&Model; 2], base: &Logical, target: &Logical) -> Result<f64> {
    let views = [models[0].view(base)?, models[1].view(target)?];
    let rows = views[0].rows().min(ROWS_LOOKED_AT);
    let mut values = [vec![0.0; rows * views[0].columns()], vec![0.0; rows * views[1].columns()]];
    for (view, values) in views.iter().zip(&mut values) {
        view.read_rows(0..rows, values)?;
    }
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let [a, b] = &values;
    let norms = dot(a, a).sqrt() * dot(b, b).sqrt();
    Ok(if norms > 0.0 { (dot(a, b) / norms).abs() } else { 0.0 })
}
