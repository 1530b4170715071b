//! Looks at one attention whose residual dimensions were not found: are its key/value groups and
//! heads the base's, in another order or in a turned stream?

use crate::error::{Error, Result};
use crate::evidence::analysis::Setting;
use crate::evidence::part::PartKey;
use crate::evidence::parts::part_of;
use crate::model::words::{Block, Component};
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::levels::ALIKE_EXCESS;
use crate::stats::recover::heads::{Check, Content, HeadOrder, Layout, check_units, match_heads};
use crate::view::logical::Logical;
use crate::view::model::Model;
use crate::view::place::Place;
use crate::view::reader::View;

use super::basis::{Basis, Reading, gain};

/// Matrices of an attention.
const SLOTS: [&str; 4] = ["q.weight", "k.weight", "v.weight", "o.weight"];

/// An attention that both models have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attention {
    pub(super) component: Component,
    pub(super) layer: u32,
}

/// The order of the heads of one attention, with what queries and keys say of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heads {
    pub(super) component: Component,
    pub(super) layer: u32,
    /// The part of the target.
    pub(super) part: Option<PartKey>,
    order: HeadOrder,
    queries: Check,
    keys: Check,
    /// Mean cosine of the queries of heads of equal number.
    pub(super) as_stored: Option<f64>,
}

impl Heads {
    /// Whether queries and keys, which took no part in finding the order, agree with it.
    fn is_confirmed(&self) -> bool {
        let confirmed = |check: &Check| {
            // A single unit has nothing to be told from.
            check.units == 1
                || 2 * check.hits >= check.units
                    && check.cosine - check.others >= ALIKE_EXCESS * (1.0 - check.others)
        };
        confirmed(&self.queries) && confirmed(&self.keys)
    }

    /// Whether a head stands in another place.
    pub(super) fn moved(&self) -> bool {
        self.order
            .heads
            .iter()
            .enumerate()
            .any(|(place, &from)| place != from)
    }

    /// Mean cosine of matched queries.
    pub(super) fn cosine(&self) -> f64 {
        self.queries.cosine
    }
}

/// Matches the heads of one attention in the first of `bases` in which at least half of them match
/// by content and queries and keys confirm it; `None` where there is none, the layout is not known,
/// a matrix is missing, or there are fewer than 2 heads or more than 512.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn look(
    setting: &Setting<'_>,
    attention: Attention,
    bases: &[&[Basis; 2]],
) -> Result<Option<Heads>> {
    if setting.monitor.interrupted() {
        return Err(Error::Interrupted);
    }
    let mut views = Vec::new();
    for model in setting.models {
        match open(model, attention)? {
            Some(opened) => views.push(opened),
            None => return Ok(None),
        }
    }
    let Ok([base, target]) = <[Opened<'_>; 2]>::try_from(views) else {
        return Ok(None);
    };
    if base.layout != target.layout {
        return Ok(None);
    }
    for bases in bases {
        let sides = [base.contents(&bases[0])?, target.contents(&bases[1])?];
        let [Some(one), Some(other)] = sides else {
            continue;
        };
        let Some(order) = order_by_content(&one, &other, base.layout) else {
            continue;
        };
        let sides = [base.asked(&bases[0])?, target.asked(&bases[1])?];
        let [Some(one), Some(other)] = sides else {
            continue;
        };
        let heads = checked(attention, order, &one, &other, base.layout);
        if let Some(heads) = heads.filter(Heads::is_confirmed) {
            let of_target = tensor(
                setting.models[1],
                attention.component,
                attention.layer,
                SLOTS[0],
            );
            return Ok(Some(Heads {
                part: of_target.and_then(part_of),
                ..heads
            }));
        }
    }
    Ok(None)
}

/// Heads are held against heads, all of them: four times as many as any model is known to have.
const MOST_HEADS: usize = 512;

/// The matrices of one side.
struct Opened<'a> {
    layout: Layout,
    gain: Option<Vec<f32>>,
    views: [View<'a>; 4],
}

/// What heads are matched by, of one side in one basis: v by rows, o by columns.
struct Contents {
    v: Matrix,
    o: Matrix,
}

/// What an order of heads is held against: rows of q and k.
struct Asked {
    q: Matrix,
    k: Matrix,
}

/// A matrix of an attention.
pub(in crate::evidence) fn tensor<'a>(
    model: &'a Model,
    component: Component,
    layer: u32,
    slot: &str,
) -> Option<&'a Logical> {
    let place = Place {
        component,
        block: Some(Block::Layer(layer)),
        layer: Some(layer),
        expert: None,
        shared_expert: false,
        slot: slot.into(),
    };
    model
        .at(&place)
        .filter(|found| found.shape.len() == 2 && model.unreadable(found).is_none())
}

/// The gain of the norm that feeds an attention.
pub(in crate::evidence) fn feeding_gain(
    model: &Model,
    component: Component,
    layer: u32,
) -> Result<Option<Vec<f32>>> {
    gain(
        model,
        component,
        Block::Layer(layer),
        &["norm:pre_attn.weight"],
    )
}

fn open<'a>(model: &'a Model, attention: Attention) -> Result<Option<Opened<'a>>> {
    let component = attention.component;
    let mut views = Vec::new();
    for slot in SLOTS {
        match tensor(model, component, attention.layer, slot) {
            Some(found) => views.push(model.view(found)?),
            None => return Ok(None),
        }
    }
    let Ok(views) = <[View<'_>; 4]>::try_from(views) else {
        return Ok(None);
    };
    let facts = &model.facts;
    let numbers = [facts.heads, facts.kv_heads, facts.head_dim]
        .map(|n| n.and_then(|n| usize::try_from(n).ok()));
    let [Some(heads), Some(groups), Some(head_dimension)] = numbers else {
        return Ok(None);
    };
    let fits = (2..=MOST_HEADS).contains(&heads)
        && groups >= 1
        && heads.checked_mul(head_dimension) == Some(views[0].rows())
        && groups.checked_mul(head_dimension) == Some(views[1].rows())
        && views[1].rows() == views[2].rows()
        && views[0].rows() == views[3].columns();
    let gain = feeding_gain(model, component, attention.layer)?;
    Ok(fits.then_some(Opened {
        layout: Layout {
            heads,
            groups,
            head_dimension,
        },
        gain,
        views,
    }))
}

impl Opened<'_> {
    fn contents(&self, basis: &Basis) -> Result<Option<Contents>> {
        let reading: Reading<'_> = basis.reading(self.gain.as_deref());
        let columns: Vec<usize> = (0..self.views[3].columns()).collect();
        let v = reading.matrix(&self.views[2])?;
        let o = basis.written(&self.views[3], &columns)?;
        Ok(v.zip(o).map(|(v, o)| Contents { v, o }))
    }

    fn asked(&self, basis: &Basis) -> Result<Option<Asked>> {
        let reading: Reading<'_> = basis.reading(self.gain.as_deref());
        let q = reading.matrix(&self.views[0])?;
        let k = reading.matrix(&self.views[1])?;
        Ok(q.zip(k).map(|(q, k)| Asked { q, k }))
    }
}

/// The order of the heads, where at least half of them match by content.
fn order_by_content(base: &Contents, target: &Contents, layout: Layout) -> Option<HeadOrder> {
    fn content(side: &Contents) -> Content<'_> {
        Content {
            values: &side.v,
            outputs: &side.o,
        }
    }
    let order = match_heads(content(base), content(target), layout)?;
    (2 * order.hits >= order.heads.len()).then_some(order)
}

/// What queries and keys say of an order.
fn checked(
    attention: Attention,
    order: HeadOrder,
    base: &Asked,
    target: &Asked,
    layout: Layout,
) -> Option<Heads> {
    let queries = check_units(&base.q, &target.q, &order.heads, layout.head_dimension)?;
    let keys = check_units(&base.k, &target.k, &order.groups, layout.head_dimension)?;
    let in_place: Vec<usize> = (0..layout.heads).collect();
    let stored = check_units(&base.q, &target.q, &in_place, layout.head_dimension);
    let as_stored = stored.map(|check| check.cosine);
    let Attention { component, layer } = attention;
    Some(Heads {
        component,
        layer,
        part: None,
        order,
        queries,
        keys,
        as_stored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    const LAYOUT: Layout = Layout {
        heads: 4,
        groups: 2,
        head_dimension: 16,
    };
    const FEATURES: usize = 32;
    const ATTENTION: Attention = Attention {
        component: Component::Text,
        layer: 0,
    };

    /// An attention whose rows all load on `common`, one direction a matrix, `loading` times their
    /// own size.
    fn attention(common: &[Vec<f64>; 4], loading: f64, draws: &mut Draws) -> (Contents, Asked) {
        let mut matrix = |heads: usize, of: usize| {
            let rows = heads * LAYOUT.head_dimension;
            let value = |at: usize| (draws.normal() + loading * common[of][at % FEATURES]) as f32;
            Matrix {
                rows,
                columns: FEATURES,
                values: (0..rows * FEATURES).map(value).collect(),
            }
        };
        let (q, k) = (matrix(4, 0), matrix(2, 1));
        let (v, o) = (matrix(2, 2), matrix(4, 3));
        (Contents { v, o }, Asked { q, k })
    }

    fn found(base: &(Contents, Asked), target: &(Contents, Asked)) -> Option<Heads> {
        let order = order_by_content(&base.0, &target.0, LAYOUT)?;
        checked(ATTENTION, order, &base.1, &target.1, LAYOUT).filter(Heads::is_confirmed)
    }

    fn directions(draws: &mut Draws) -> [Vec<f64>; 4] {
        std::array::from_fn(|_| (0..FEATURES).map(|_| draws.normal()).collect())
    }

    /// The heads of `source` in the given order, with noise of `noise` times their size.
    fn moved(
        source: &(Contents, Asked),
        groups: &[usize],
        heads: &[usize],
        noise: f64,
        draws: &mut Draws,
    ) -> (Contents, Asked) {
        let mut moved = |matrix: &Matrix, order: &[usize]| {
            let length = LAYOUT.head_dimension * FEATURES;
            let values = order
                .iter()
                .flat_map(|&unit| &matrix.values[unit * length..(unit + 1) * length]);
            Matrix {
                values: values
                    .map(|x| (f64::from(*x) + noise * draws.normal()) as f32)
                    .collect(),
                ..*matrix
            }
        };
        let (contents, asked) = source;
        let (q, k) = (moved(&asked.q, heads), moved(&asked.k, groups));
        let (v, o) = (moved(&contents.v, groups), moved(&contents.o, heads));
        (Contents { v, o }, Asked { q, k })
    }

    #[test]
    fn re_ordered_heads_are_found_through_noise() {
        let mut draws = Draws::new(0, "heads");
        for noise in [0.0, 0.5, 1.0] {
            let common = directions(&mut draws);
            let base = attention(&common, 0.5, &mut draws);
            let target = moved(&base, &[1, 0], &[3, 2, 0, 1], noise, &mut draws);
            let heads = found(&base, &target).unwrap();
            assert!(heads.moved(), "{noise}: {heads:?}");
            assert!(heads.cosine() > heads.as_stored.unwrap() + 0.3);
            assert!(!found(&base, &base).unwrap().moved());
        }
    }

    #[test]
    fn heads_of_strangers_are_not_found_whatever_they_have_in_common() {
        let mut draws = Draws::new(0, "strange heads");
        for loading in [0.0, 0.5, 2.0] {
            for _ in 0..200 {
                let common = directions(&mut draws);
                let (base, target) = (
                    attention(&common, loading, &mut draws),
                    attention(&common, loading, &mut draws),
                );
                let heads = found(&base, &target);
                assert_eq!(heads, None, "{loading}");
            }
        }
    }
}
