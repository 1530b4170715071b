//! In which order a tensor holds query, key and value, or gate and up: no file says it, and
//! libraries that use one name differ.

use std::sync::Arc;

use crate::align::likeness::{Best, Places, head_sizes, mean_likeness};
use crate::align::{Alignment, Pair};
use crate::error::Result;
use crate::model::sides::{Side, Sides};
use crate::model::warning::{Fused, Warning};
use crate::model::words::Component;
use crate::view::logical::{Logical, Via};
use crate::view::model::Model;
use crate::view::pieces::{GateUp, other_half};
use crate::view::qkv::{QkvOrder, cut, is_fused, reordered, usual_sizes};

const COMPONENTS: [Component; 3] = [Component::Text, Component::Vision, Component::Audio];

/// All orders of query, key and value that are possible.
fn orders(models: Sides<&Model>) -> Vec<QkvOrder> {
    let groups = head_sizes(models)
        .into_iter()
        .map(|head| QkvOrder::Groups { head });
    std::iter::once(QkvOrder::Blocks).chain(groups).collect()
}

/// A way to cut a fused tensor.
#[derive(Debug, Clone, Copy)]
enum Way {
    Qkv(QkvOrder),
    GateUp(GateUp),
}

impl Way {
    /// The same piece, cut in this way; none for a piece of something else.
    fn cut(self, piece: &Logical) -> Option<Logical> {
        match self {
            Self::Qkv(order) => reordered(piece, order),
            Self::GateUp(order) => other_half(piece, order),
        }
    }
}

/// Pieces of fused tensors that are held against tensors of their own, cut in the order that fits.
///
/// # Errors
/// A read that fails.
pub(super) fn orient_pieces(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    let qkv: Vec<Way> = orders(models).into_iter().map(Way::Qkv).collect();
    let gate_up = [GateUp::Halves, GateUp::Swapped, GateUp::Interleaved].map(Way::GateUp);
    orient_cut(alignment, models, &qkv, Fused::QueryKeyValue)?;
    orient_cut(alignment, models, &gate_up, Fused::GateUp)
}

fn orient_cut(
    alignment: &mut Alignment,
    models: Sides<&Model>,
    ways: &[Way],
    what: Fused,
) -> Result<()> {
    for side in Side::BOTH {
        for component in COMPONENTS {
            if orient_cut_of(side, component, alignment, models, ways)? {
                alignment.warnings.push(Warning::FusedOrder(what).on(side));
            }
        }
    }
    Ok(())
}

/// Cuts the fused tensors of one side and component in the way that fits; whether it is another
/// than the usual one.
fn orient_cut_of(
    side: Side,
    component: Component,
    alignment: &mut Alignment,
    models: Sides<&Model>,
    ways: &[Way],
) -> Result<bool> {
    let in_way = |pair: &Pair, way: Way| {
        let own = way.cut(pair.sides().get(side))?;
        Some(pair.clone().with(side, own))
    };
    let is_piece = |pair: &Pair| {
        pair.target.meaning.component == component
            && ways.iter().any(|way| in_way(pair, *way).is_some())
    };
    let places = Places::new(alignment, is_piece);
    let looked_at: Vec<Pair> = places
        .looked_at
        .iter()
        .map(|&at| alignment.pairs[at].clone())
        .collect();
    let Some(usual) = mean_likeness(models, &looked_at)? else {
        return Ok(false);
    };

    let mut best = Best::than_usual(usual);
    for &way in ways {
        let pairs = looked_at.iter().map(|pair| in_way(pair, way));
        if let Some(pairs) = pairs.collect::<Option<Vec<_>>>() {
            best.offer(way, mean_likeness(models, &pairs)?);
        }
    }
    let Some(way) = best.way() else {
        return Ok(false);
    };

    for at in places.all {
        if let Some(pair) = in_way(&alignment.pairs[at], way) {
            alignment.pairs[at] = pair;
        }
    }
    Ok(true)
}

/// Fused tensors of one shape that hold their rows in two orders: cut on both sides, and paired
/// piece by piece.
///
/// # Errors
/// A read that fails.
pub(super) fn orient_wholes(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    for component in COMPONENTS {
        orient_wholes_of(component, alignment, models)?;
    }
    Ok(())
}

fn orient_wholes_of(
    component: Component,
    alignment: &mut Alignment,
    models: Sides<&Model>,
) -> Result<()> {
    let is_whole = |pair: &Pair| {
        pair.target.meaning.component == component && is_fused(&pair.base) && is_fused(&pair.target)
    };
    let places = Places::new(alignment, is_whole);
    let looked_at: Vec<Pair> = places
        .looked_at
        .iter()
        .map(|&at| alignment.pairs[at].clone())
        .collect();
    let cut_in = |orders: Sides<QkvOrder>| -> Vec<Pair> {
        let cut = looked_at.iter().map(|pair| pieces(pair, models, orders));
        cut.flatten().collect()
    };
    let in_blocks = Sides {
        base: QkvOrder::Blocks,
        target: QkvOrder::Blocks,
    };
    let Some(usual) = mean_likeness(models, &cut_in(in_blocks))? else {
        return Ok(());
    };

    // One side is in the order that its name stands for, or nothing tells which orders they are.
    let others = orders(models)
        .into_iter()
        .filter(|o| *o != QkvOrder::Blocks);
    let mut best = Best::than_usual(usual);
    for other in others {
        for side in [Side::Target, Side::Base] {
            let orders = Sides::placed(side, other, QkvOrder::Blocks);
            let cut = cut_in(orders);
            let is_complete = cut.len() == 3 * looked_at.len();
            let likeness = mean_likeness(models, &cut)?;
            best.offer((side, orders), likeness.filter(|_| is_complete));
        }
    }
    let Some((side, orders)) = best.way() else {
        return Ok(());
    };

    let mut kept = Vec::new();
    let mut cut = Vec::new();
    for (at, pair) in std::mem::take(&mut alignment.pairs).into_iter().enumerate() {
        let pieces = if places.all.binary_search(&at).is_ok() {
            pieces(&pair, models, orders)
        } else {
            Vec::new()
        };
        if pieces.is_empty() {
            kept.push(pair);
        } else {
            cut.extend(pieces);
        }
    }
    kept.extend(cut);
    alignment.pairs = kept;
    alignment.sort_pairs();
    alignment
        .warnings
        .push(Warning::FusedOrder(Fused::QueryKeyValue).on(side));
    Ok(())
}

/// Query, key and value of both sides, held against each other; none where the orders do not fit.
fn pieces(pair: &Pair, models: Sides<&Model>, orders: Sides<QkvOrder>) -> Vec<Pair> {
    let sizes = usual_sizes(&pair.base, &models.base.facts)
        .or_else(|| usual_sizes(&pair.target, &models.target.facts))
        .unwrap_or_default();
    let base = cut(&pair.base, sizes, orders.base);
    let target = cut(&pair.target, sizes, orders.target);
    let joined = base.into_iter().zip(target);
    joined
        .map(|(base, target)| {
            let sides = Sides { base, target };
            Pair::of_sides(sides.map(Arc::new), Via::Split)
        })
        .collect()
}
