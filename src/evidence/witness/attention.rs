//! The witness of an attention: the angles among rows of its queries and keys, in their places.
//!
//! Values and output may be mixed head by head without a trace in the function, so they say
//! nothing here.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::evidence::analysis::Setting;
use crate::evidence::parts::ENCODER;
use crate::model::words::{Block, Class, Component, Role};
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::stats::geometry::{Geometry, MOST_PAIRS, mutual_geometry, rows_of};
use crate::stats::units::Held;
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::FIRST_PAIRS;

/// Queries and keys of a layer: the matrices of each that read the stream, or the stream's
/// low-rank forms.
fn readers(
    model: &Model,
    component: Component,
    layer: u32,
    encoder: bool,
) -> BTreeMap<Role, &Logical> {
    let mut out: BTreeMap<Role, &Logical> = BTreeMap::new();
    for logical in model.of_layer(component, layer) {
        let m = &logical.meaning;
        let is_reader = matches!(
            m.role,
            Role::Q | Role::K | Role::QA | Role::QB | Role::KvA | Role::KvB
        );
        let here = m.block == Some(Block::Layer(layer))
            && m.class == Class::Matrix
            && logical.shape.len() == 2
            && m.slot.starts_with(ENCODER) == encoder
            && !m.slot.contains("cross.");
        if is_reader && here && model.unreadable(logical).is_none() {
            out.entry(m.role).or_insert(logical);
        }
    }
    if out.is_empty() {
        for logical in model.of_layer(component, layer) {
            let m = &logical.meaning;
            if m.role == Role::Qkv
                && m.slot.starts_with(ENCODER) == encoder
                && logical.shape.len() == 2
                && model.unreadable(logical).is_none()
            {
                out.entry(m.role).or_insert(logical);
            }
        }
    }
    out
}

/// Mutual geometry of the attentions of two layers, [base, target]; none where they have no rows in
/// common.
///
/// # Errors
/// A read that fails.
pub(crate) fn geometry(
    setting: &Setting<'_>,
    component: Component,
    layers: [u32; 2],
    encoder: bool,
) -> Result<Option<Geometry>> {
    let [base_model, target_model] = setting.models;
    let base = readers(base_model, component, layers[0], encoder);
    let target = readers(target_model, component, layers[1], encoder);
    let common: Vec<[&Logical; 2]> = target
        .iter()
        .filter_map(|(role, target)| Some([*base.get(role)?, *target]))
        .filter(|[base, target]| base.shape == target.shape)
        .collect();
    let Some(fewest) = common.iter().map(|pair| pair[0].shape[0]).min() else {
        return Ok(None);
    };
    let Ok(fewest) = usize::try_from(fewest) else {
        return Ok(None);
    };
    let mut best: Option<Geometry> = None;
    for most in [FIRST_PAIRS, MOST_PAIRS] {
        let drawn = Draws::new(setting.sampling.seed, "rows of heads").distinct(most, fewest);
        let found = of_rows(setting, &common, &drawn, fewest)?;
        let better = |best: Geometry| {
            found.is_some_and(|found| {
                found.correlation / found.limit > best.correlation / best.limit
            })
        };
        if best.is_none_or(better) {
            best = found;
        }
        if drawn.len() == fewest || best.is_some_and(|best| best.confirms()) {
            break;
        }
    }
    Ok(best)
}

/// Geometry of the rows `drawn` of each pair of matrices, of which the smallest has `fewest` rows.
///
/// With several query heads to a key head, row r of the keys goes with a row of a query head of its
/// group: r's share of the matrix is the same.
fn of_rows(
    setting: &Setting<'_>,
    common: &[[&Logical; 2]],
    drawn: &[usize],
    fewest: usize,
) -> Result<Option<Geometry>> {
    let [base_model, target_model] = setting.models;
    let mut sides: [Vec<Held>; 2] = [Vec::new(), Vec::new()];
    for pair in common {
        let views = [base_model.view(pair[0])?, target_model.view(pair[1])?];
        let times = views[0].rows() / fewest;
        let rows: Vec<usize> = drawn.iter().map(|&row| row * times).collect();
        for (side, view) in sides.iter_mut().zip(&views) {
            side.push(rows_of(view, &rows)?);
        }
    }
    let [base, target] = sides;
    Ok(mutual_geometry(&base, &target, &[], fewest))
}
