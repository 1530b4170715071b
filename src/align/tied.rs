//! One matrix on one side that stands for two of the other's: output heads tied to the embedding,
//! and copies of one embedding.

use std::sync::Arc;

use crate::model::sides::{Side, Sides};
use crate::model::words::{Block, Component, Role};
use crate::view::logical::{Logical, Via};
use crate::view::model::Model;

use super::pool::Pool;
use super::vocabulary::common;
use super::{Alignment, Pair, is_comparable};

/// Pairs an output head stored on one side only with the other side's embedding.
pub(super) fn pair_tied_head(left: &mut Sides<Pool>, models: Sides<&Model>, out: &mut Alignment) {
    // An adapter without an output head leaves that of its base as it is.
    let tried: &[Side] = if models.target.opened.adapter.is_some() {
        &[Side::Target]
    } else {
        &Side::BOTH
    };
    for &side in tried {
        pair_head_of(side, left, models, out);
    }
}

/// Pairs the output head of `side` with the other side's embedding.
fn pair_head_of(side: Side, left: &mut Sides<Pool>, models: Sides<&Model>, out: &mut Alignment) {
    let (own, other) = (models.get(side), models.get(side.other()));
    let (Some(head), None) = (only(own, Role::LmHead), only(other, Role::LmHead)) else {
        return;
    };
    let Some(embed) = only(other, Role::Embed) else {
        return;
    };

    let sides = Sides::placed(side, head, embed);
    let tokenizers = models.map(|model| model.tokenizer.as_ref());
    let common = common(sides.map(AsRef::as_ref), tokenizers);
    if common.is_none() && head.shape != embed.shape {
        return;
    }
    if left.get_mut(side).take(&head.name).is_none() {
        return;
    }

    match common {
        // The rows of the embedding have a pair of their own.
        Some(mut common) => {
            *common.rest.get_mut(side.other()) = None;
            out.add_common_rows(common, Via::Tied);
        }
        None => out
            .pairs
            .push(Pair::of_sides(sides.map(Arc::clone), Via::Tied)),
    }
    // The one matrix of that side stands for both of the other's.
    if own.logicals.iter().all(|l| !is_text_weight(l, Role::Embed)) {
        left.get_mut(side.other()).take(&embed.name);
    }
}

/// The one matrix of that role in the text part, if there is one only.
fn only(model: &Model, role: Role) -> Option<&Arc<Logical>> {
    let mut found = model.logicals.iter().filter(|l| is_text_weight(l, role));
    found.next().filter(|_| found.next().is_none())
}

/// Copies of the one embedding that encoder and decoder share, in files that hold them
/// (guide/formats.md, section 2): T5's and BART's `encoder.embed_tokens` and `decoder.embed_tokens`
/// beside `shared`.
pub(super) fn pair_copies(left: &mut Sides<Pool>, models: Sides<&Model>, pairs: &mut Vec<Pair>) {
    for side in Side::BOTH {
        let Some(shared) = only(models.get(side.other()), Role::Embed) else {
            continue;
        };
        for copy in left.get(side).to_vec() {
            let is_shared = |pair: &Pair| pair.sides().get(side.other()).name == shared.name;
            let fits = is_text_weight(&copy, Role::Embed) && is_comparable(&copy, shared);
            if !fits || !pairs.iter().any(is_shared) {
                continue;
            }
            left.get_mut(side).take(&copy.name);
            let sides = Sides::placed(side, copy, Arc::clone(shared));
            pairs.push(Pair::of_sides(sides, Via::Tied));
        }
    }
}

fn is_text_weight(logical: &Logical, role: Role) -> bool {
    logical.meaning.role == role
        && logical.meaning.component == Component::Text
        && logical.meaning.block != Some(Block::Mtp)
        && logical.shape.len() == 2
}
