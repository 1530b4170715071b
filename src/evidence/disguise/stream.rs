//! Was the residual stream re-ordered or rotated? Recovered from the embeddings over shared tokens,
//! checked on tensors that took no part.

use crate::stats::levels::{ALIKE_EXCESS, REORDERED_EXCESS, ROTATED_GAIN};
use std::ops::Range;

use crate::error::{Error, Result};
use crate::evidence::analysis::Setting;
use crate::evidence::shared_tokens::{embedding, output_head, shared_tokens};
use crate::evidence::transformation::{StreamWitness, TransformationKind};
use crate::model::words::{Block, Component};
use crate::numeric::linalg::round6;
use crate::numeric::rows::RowSource;
use crate::stats::principal::Side;
use crate::stats::recover::Pair;
use crate::stats::recover::order::recover_order;
use crate::stats::recover::rotation::recover_rotation;
use crate::stats::recover::undo::{Change, Gained, Undone, undo};
use crate::view::logical::Logical;
use crate::view::reader::View;

use super::basis::gain;
use super::heads::{feeding_gain, tensor};

/// A recovered change of the residual stream.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) change: TransformationKind,
    /// What it was checked on.
    pub(super) witness: StreamWitness,
    pub(super) as_stored: Option<f64>,
    pub(super) cosine: f64,
    excess: f64,
    /// Layers whose attention is the base's after the change is undone.
    pub(super) attentions: Vec<u32>,
    /// Whether the output head, where there is one apart, is the base's after it is undone.
    pub(super) head: bool,
}

/// Some rows of a matrix in an order of their own.
struct Picked<'a> {
    source: View<'a>,
    rows: Vec<usize>,
}

impl RowSource for Picked<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn columns(&self) -> usize {
        self.source.columns()
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let columns = self.columns();
        for (&row, out) in self.rows[rows]
            .iter()
            .zip(out.chunks_exact_mut(columns.max(1)))
        {
            self.source.read_rows(row..row + 1, out)?;
        }
        Ok(())
    }
}

/// Recovers the change of the stream of `component`, checked on the attention of `layers` and on
/// the output head.
///
/// `None` where neither a re-ordering nor a rotation brings these together, or there are too few
/// shared tokens.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn recover(
    setting: &Setting<'_>,
    component: Component,
    layers: &[u32],
) -> Result<Option<Stream>> {
    let tokens = shared_tokens(setting);
    let mut sides = Vec::new();
    for (side, model) in setting.models.into_iter().enumerate() {
        let table = embedding(model, component).filter(|table| model.unreadable(table).is_none());
        let Some(table) = table else { return Ok(None) };
        sides.push(Picked {
            source: model.view(table)?,
            rows: tokens.iter().map(|token| token[side]).collect(),
        });
    }
    let [base, target] = &sides[..] else {
        return Ok(None);
    };
    let mut re_ordered = None;
    if let Some(order) = recover_order(base, target, setting.sampling.seed)? {
        let undoing = Change::Order(&order.pairs);
        re_ordered = check(
            setting,
            component,
            layers,
            TransformationKind::ResidualPermuted,
            undoing,
            order.pairs.len(),
        )?;
    }
    if re_ordered
        .as_ref()
        .is_some_and(|found| found.excess >= REORDERED_EXCESS)
    {
        return Ok(re_ordered);
    }
    if setting.monitor.interrupted() {
        return Err(Error::Interrupted);
    }
    let Ok(rotation) = recover_rotation(base, target, setting.sampling.seed)? else {
        return Ok(re_ordered);
    };
    let undoing = Change::Rotation(&rotation.matrix);
    let rotated = check(
        setting,
        component,
        layers,
        TransformationKind::ResidualRotated,
        undoing,
        rotation.matrix.rows,
    )?;
    let to_beat = re_ordered
        .as_ref()
        .map_or(f64::NEG_INFINITY, |found| found.excess + ROTATED_GAIN);
    Ok(rotated
        .filter(|found| found.excess > to_beat)
        .or(re_ordered))
}

/// Undoes `undoing` on tensors that took no part; `None` where they stay apart.
fn check(
    setting: &Setting<'_>,
    component: Component,
    layers: &[u32],
    change: TransformationKind,
    undoing: Change<'_>,
    width: usize,
) -> Result<Option<Stream>> {
    let in_place: Vec<Pair> = (0..width)
        .map(|at| Pair {
            base: at,
            target: at,
            negated: false,
        })
        .collect();
    let stored = Change::Order(&in_place);
    let (mut undone, mut as_stored, mut attentions) = (Vec::new(), Vec::new(), Vec::new());
    for &layer in layers {
        let of_layer = attention(setting, component, layer, undoing)?;
        if mean(&of_layer, |u| u.excess).is_some_and(|excess| excess >= ALIKE_EXCESS) {
            attentions.push(layer);
        }
        undone.extend(of_layer);
        as_stored.extend(attention(setting, component, layer, stored)?);
    }
    let head = head(setting, component, undoing)?;
    let head_found = head
        .as_ref()
        .and_then(|u| u.excess)
        .is_some_and(|excess| excess >= ALIKE_EXCESS);
    let found = Stream {
        change,
        witness: StreamWitness::AttentionMatrices,
        as_stored: None,
        cosine: 0.0,
        excess: 0.0,
        attentions,
        head: head_found,
    };
    if let Some(excess) = mean(&undone, |u| u.excess).filter(|excess| *excess >= ALIKE_EXCESS) {
        let cosine = mean(&undone, |u| Some(u.cosine)).unwrap_or(0.0);
        let as_stored = mean(&as_stored, |u| Some(u.cosine));
        return Ok(Some(Stream {
            witness: StreamWitness::AttentionMatrices,
            as_stored,
            cosine,
            excess,
            ..found
        }));
    }
    // Where heads were re-ordered too, rows of the attention do not correspond; those of the output
    // head do.
    let by_head = head
        .filter(|_| head_found)
        .and_then(|u| Some((u.cosine, u.excess?)));
    Ok(by_head.map(|(cosine, excess)| Stream {
        witness: StreamWitness::OutputHead,
        cosine,
        excess,
        ..found
    }))
}

/// q, k and v by columns and o by rows, those that have one shape on both sides.
fn attention(
    setting: &Setting<'_>,
    component: Component,
    layer: u32,
    undoing: Change<'_>,
) -> Result<Vec<Undone>> {
    let mut out = Vec::new();
    for slot in ["q.weight", "k.weight", "v.weight", "o.weight"] {
        let [base, target] = setting
            .models
            .map(|model| tensor(model, component, layer, slot));
        let (Some(base), Some(target)) = (base, target) else {
            continue;
        };
        if base.shape != target.shape {
            continue;
        }
        let views = [
            setting.models[0].view(base)?,
            setting.models[1].view(target)?,
        ];
        if slot == "o.weight" {
            out.extend(undo(
                &views[0],
                &views[1],
                Side::Rows,
                undoing,
                setting.sampling.seed,
            )?);
            continue;
        }
        let [base, target] = setting
            .models
            .map(|model| feeding_gain(model, component, layer));
        out.extend(gained(
            &views,
            [base?, target?],
            undoing,
            setting.sampling.seed,
        )?);
    }
    Ok(out)
}

/// The output heads over shared tokens; `None` where one is tied, since the embedding took part.
fn head(
    setting: &Setting<'_>,
    component: Component,
    undoing: Change<'_>,
) -> Result<Option<Undone>> {
    let heads = setting.models.map(|model| {
        let head = output_head(model, component).filter(|head| model.unreadable(head).is_none());
        head.filter(|head| embedding(model, component).is_none_or(|table| table.name != head.name))
    });
    let [Some(base), Some(target)] = heads else {
        return Ok(None);
    };
    let stored = |row: usize, head: &Logical| (row as u64) < head.shape[0];
    let tokens = shared_tokens(setting);
    let tokens: Vec<&[usize; 2]> = tokens
        .iter()
        .filter(|t| stored(t[0], base) && stored(t[1], target))
        .collect();
    let rows = |side: usize| tokens.iter().map(|token| token[side]).collect();
    let [one, other] = setting.models;
    let sides = [
        Picked {
            source: one.view(base)?,
            rows: rows(0),
        },
        Picked {
            source: other.view(target)?,
            rows: rows(1),
        },
    ];
    let of_final = |model| gain(model, component, Block::Final, &["norm:final.weight"]);
    gained(
        &sides,
        [of_final(one)?, of_final(other)?],
        undoing,
        setting.sampling.seed,
    )
}

/// Undoes `undoing` on the columns of two matrices, each with the gains before it.
fn gained<S: RowSource>(
    sides: &[S; 2],
    gains: [Option<Vec<f32>>; 2],
    undoing: Change<'_>,
    seed: u64,
) -> Result<Option<Undone>> {
    let [base, target] = sides;
    let [of_base, of_target] = gains;
    // A norm without a gain multiplies by 1.
    let of_base = of_base.unwrap_or_else(|| vec![1.0; base.columns()]);
    let of_target = of_target.unwrap_or_else(|| vec![1.0; target.columns()]);
    match (Gained::new(base, &of_base), Gained::new(target, &of_target)) {
        (Some(base), Some(target)) => undo(&base, &target, Side::Columns, undoing, seed),
        _ => undo(base, target, Side::Columns, undoing, seed),
    }
}

fn mean(undone: &[Undone], figure: impl Fn(&Undone) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = undone.iter().filter_map(figure).collect();
    (!values.is_empty()).then(|| round6(values.iter().sum::<f64>() / values.len() as f64))
}
