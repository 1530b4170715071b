//! In which order a tensor holds query, key and value, or gate and up: no file says it, and
//! libraries that use one name differ.

use std::sync::Arc;

use crate::error::Result;
use crate::model::sides::Side;
use crate::model::warning::{Fused, Warning};
use crate::model::words::Component;
use crate::view::logical::{Logical, Via};
use crate::view::model::Model;
use crate::view::pieces::{GateUp, other_half};
use crate::view::qkv::{Order, cut, is_fused, reordered, usual_sizes};

use super::orient::{CLEARLY_MORE, head_sizes, mean_likeness, sample};
use super::{Alignment, Pair};

const COMPONENTS: [Component; 3] = [Component::Text, Component::Vision, Component::Audio];

/// All orders of query, key and value that are possible.
fn orders(models: [&Model; 2]) -> Vec<Order> {
    let groups = head_sizes(models)
        .into_iter()
        .map(|head| Order::Groups { head });
    std::iter::once(Order::Blocks).chain(groups).collect()
}

/// A way to cut a fused tensor.
#[derive(Debug, Clone, Copy)]
enum Way {
    Qkv(Order),
    GateUp(GateUp),
}

impl Way {
    /// The same piece, cut in this way; none for a piece of something else.
    fn of(self, piece: &Logical) -> Option<Logical> {
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
pub(super) fn orient_pieces(alignment: &mut Alignment, models: [&Model; 2]) -> Result<()> {
    let qkv: Vec<Way> = orders(models).into_iter().map(Way::Qkv).collect();
    let gate_up = [GateUp::Halves, GateUp::Swapped, GateUp::Interleaved].map(Way::GateUp);
    orient_cut(alignment, models, &qkv, Fused::QueryKeyValue)?;
    orient_cut(alignment, models, &gate_up, Fused::GateUp)
}

fn orient_cut(
    alignment: &mut Alignment,
    models: [&Model; 2],
    ways: &[Way],
    what: Fused,
) -> Result<()> {
    for (side, component) in [0, 1]
        .into_iter()
        .flat_map(|side| COMPONENTS.map(|component| (side, component)))
    {
        let in_order = |pair: &Pair, way: Way| {
            let own = way.of(if side == 0 { &pair.base } else { &pair.target })?;
            Some(match side {
                0 => Pair {
                    base: Arc::new(own),
                    ..pair.clone()
                },
                _ => Pair {
                    target: Arc::new(own),
                    ..pair.clone()
                },
            })
        };
        let is_piece = |pair: &Pair| {
            let of_component = pair.target.meaning.component == component;
            of_component && ways.iter().any(|way| in_order(pair, *way).is_some())
        };
        let places: Vec<usize> = (0..alignment.pairs.len())
            .filter(|&at| is_piece(&alignment.pairs[at]))
            .collect();
        let matrices: Vec<usize> = places
            .iter()
            .copied()
            .filter(|&at| alignment.pairs[at].target.shape.len() == 2)
            .collect();
        let looked_at: Vec<Pair> = sample(&matrices)
            .into_iter()
            .map(|at| alignment.pairs[at].clone())
            .collect();
        let Some(usual) = mean_likeness(models, &looked_at)? else {
            continue;
        };
        let mut best = (usual + CLEARLY_MORE, None);
        for &way in ways {
            let Some(pairs) = looked_at
                .iter()
                .map(|pair| in_order(pair, way))
                .collect::<Option<Vec<_>>>()
            else {
                continue;
            };
            match mean_likeness(models, &pairs)? {
                Some(likeness) if likeness > best.0 => best = (likeness, Some(way)),
                _ => {}
            }
        }
        let Some(way) = best.1 else { continue };
        for at in places {
            if let Some(pair) = in_order(&alignment.pairs[at], way) {
                alignment.pairs[at] = pair;
            }
        }
        alignment
            .warnings
            .push(Warning::FusedOrder(what).on(Side::BOTH[side]));
    }
    Ok(())
}

/// Fused tensors of one shape that hold their rows in two orders: cut on both sides, and paired
/// piece by piece.
///
/// # Errors
/// A read that fails.
pub(super) fn orient_wholes(alignment: &mut Alignment, models: [&Model; 2]) -> Result<()> {
    let orders = orders(models);
    for component in COMPONENTS {
        let is_whole = |pair: &Pair| {
            pair.target.meaning.component == component
                && is_fused(&pair.base)
                && is_fused(&pair.target)
        };
        let places: Vec<usize> = (0..alignment.pairs.len())
            .filter(|&at| is_whole(&alignment.pairs[at]))
            .collect();
        let matrices: Vec<usize> = places
            .iter()
            .copied()
            .filter(|&at| alignment.pairs[at].target.shape.len() == 2)
            .collect();
        let looked_at = sample(&matrices);
        let in_orders = |pair: &Pair, orders: [Order; 2]| pieces(pair, models, orders);
        let all = |orders: [Order; 2]| -> Vec<Pair> {
            looked_at
                .iter()
                .flat_map(|&at| in_orders(&alignment.pairs[at], orders))
                .collect()
        };
        let Some(usual) = mean_likeness(models, &all([Order::Blocks; 2]))? else {
            continue;
        };
        let mut best = (usual + CLEARLY_MORE, None);
        for &one in &orders[1..] {
            for pair in [[Order::Blocks, one], [one, Order::Blocks]] {
                let cut = all(pair);
                let complete = cut.len() == 3 * looked_at.len();
                match mean_likeness(models, &cut)?.filter(|_| complete) {
                    Some(likeness) if likeness > best.0 => best = (likeness, Some(pair)),
                    _ => {}
                }
            }
        }
        let Some(found) = best.1 else { continue };
        let (mut kept, mut cut) = (Vec::new(), Vec::new());
        for (at, pair) in std::mem::take(&mut alignment.pairs).into_iter().enumerate() {
            let pieces = if places.contains(&at) {
                in_orders(&pair, found)
            } else {
                Vec::new()
            };
            match pieces.is_empty() {
                true => kept.push(pair),
                false => cut.extend(pieces),
            }
        }
        kept.extend(cut);
        alignment.pairs = kept;
        alignment.sort_pairs();
        let side = match found[0] {
            Order::Blocks => Side::Target,
            _ => Side::Base,
        };
        alignment
            .warnings
            .push(Warning::FusedOrder(Fused::QueryKeyValue).on(side));
    }
    Ok(())
}

/// Query, key and value of both sides, held against each other; none where the orders do not fit.
fn pieces(pair: &Pair, models: [&Model; 2], orders: [Order; 2]) -> Vec<Pair> {
    let sizes = usual_sizes(&pair.base, &models[0].facts)
        .or_else(|| usual_sizes(&pair.target, &models[1].facts))
        .unwrap_or_default();
    let [base, target]: [Vec<Logical>; 2] = [
        cut(&pair.base, sizes, orders[0]),
        cut(&pair.target, sizes, orders[1]),
    ];
    let joined = base.into_iter().zip(target);
    let pair = |(base, target)| Pair {
        base: Arc::new(base),
        target: Arc::new(target),
        via: Via::Split,
        by_name: false,
    };
    joined.map(pair).collect()
}
