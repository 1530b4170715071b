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
    /// Whether at least half of the heads match by content, and queries and keys, which took no
    /// part, agree.
    pub(super) fn found(&self) -> bool {
        let confirmed = |check: &Check| {
            // A single unit has nothing to be told from.
            check.units == 1
                || 2 * check.hits >= check.units
                    && check.cosine - check.others >= ALIKE_EXCESS * (1.0 - check.others)
        };
        2 * self.order.hits >= self.order.heads.len()
            && confirmed(&self.queries)
            && confirmed(&self.keys)
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

/// Matches the heads of one attention in the first of `bases` in which queries and keys confirm it,
/// else in the last; `None` where the layout is not known, a matrix is missing, or there are fewer
/// than 2 heads or more than 512.
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
    let mut out = None;
    for bases in bases {
        let sides = [base.contents(&bases[0])?, target.contents(&bases[1])?];
        let [Some(one), Some(other)] = sides else {
            continue;
        };
        out = matched(attention, &one, &other, base.layout).or(out);
        if out.as_ref().is_some_and(Heads::found) {
            break;
        }
    }
    let of_target = tensor(
        setting.models[1],
        attention.component,
        attention.layer,
        SLOTS[0],
    );
    Ok(out.map(|heads| Heads {
        part: of_target.and_then(part_of),
        ..heads
    }))
}

/// Heads are held against heads, all of them: four times as many as any model is known to have.
const MOST_HEADS: usize = 512;

/// The matrices of one side.
struct Opened<'a> {
    layout: Layout,
    gain: Option<Vec<f32>>,
    views: [View<'a>; 4],
}

/// The matrices of one side in one basis: q, k and v by rows, o by columns.
struct Contents {
    q: Matrix,
    k: Matrix,
    v: Matrix,
    o: Matrix,
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
        let read = [
            reading.matrix(&self.views[0])?,
            reading.matrix(&self.views[1])?,
            reading.matrix(&self.views[2])?,
        ];
        let o = basis.written(&self.views[3], &columns)?;
        let ([Some(q), Some(k), Some(v)], Some(o)) = (read, o) else {
            return Ok(None);
        };
        Ok(Some(Contents { q, k, v, o }))
    }
}

fn matched(
    attention: Attention,
    base: &Contents,
    target: &Contents,
    layout: Layout,
) -> Option<Heads> {
    fn content(side: &Contents) -> Content<'_> {
        Content {
            values: &side.v,
            outputs: &side.o,
        }
    }
    let order = match_heads(content(base), content(target), layout)?;
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
    fn attention(common: &[Vec<f64>; 4], loading: f64, draws: &mut Draws) -> Contents {
        let mut matrix = |heads: usize, of: usize| {
            let rows = heads * LAYOUT.head_dimension;
            let value = |at: usize| (draws.normal() + loading * common[of][at % FEATURES]) as f32;
            Matrix {
                rows,
                columns: FEATURES,
                values: (0..rows * FEATURES).map(value).collect(),
            }
        };
        Contents {
            q: matrix(4, 0),
            k: matrix(2, 1),
            v: matrix(2, 2),
            o: matrix(4, 3),
        }
    }

    fn directions(draws: &mut Draws) -> [Vec<f64>; 4] {
        std::array::from_fn(|_| (0..FEATURES).map(|_| draws.normal()).collect())
    }

    /// The heads of `source` in the given order, with noise of `noise` times their size.
    fn moved(
        source: &Contents,
        groups: &[usize],
        heads: &[usize],
        noise: f64,
        draws: &mut Draws,
    ) -> Contents {
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
        Contents {
            q: moved(&source.q, heads),
            k: moved(&source.k, groups),
            v: moved(&source.v, groups),
            o: moved(&source.o, heads),
        }
    }

    #[test]
    fn re_ordered_heads_are_found_through_noise() {
        let mut draws = Draws::new(0, "heads");
        for noise in [0.0, 0.5, 1.0] {
            let common = directions(&mut draws);
            let base = attention(&common, 0.5, &mut draws);
            let target = moved(&base, &[1, 0], &[3, 2, 0, 1], noise, &mut draws);
            let heads = matched(ATTENTION, &base, &target, LAYOUT).unwrap();
            assert!(heads.found() && heads.moved(), "{noise}: {heads:?}");
            assert!(heads.cosine() > heads.as_stored.unwrap() + 0.3);
            let same = matched(ATTENTION, &base, &base, LAYOUT).unwrap();
            assert!(same.found() && !same.moved());
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
                let heads = matched(ATTENTION, &base, &target, LAYOUT).unwrap();
                assert!(!heads.found(), "{loading}: {heads:?}");
            }
        }
    }
}
