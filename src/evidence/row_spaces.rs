//! Heads mixed in place (guide/methods.md, section 8.7): queries and keys turned together, values
//! and output multiplied by an inverse pair. No row is what it was; the spaces that the keys and
//! the values of a group span are.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::Result;
use crate::model::words::{Block, Component};
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::canonical::{Folded, Norm};
use crate::stats::levels::FOUND_LOG10;
use crate::stats::row_space::{Contrast, MatchedGroups, RowSpace, group_spaces, match_groups};
use crate::stats::units::{Features, Projected};
use crate::view::model::Model;
use crate::view::place::Place;
use crate::view::reader::View;

use super::analysis::{Analysis, Found, Setting};
use super::disguise::basis::{Basis, gain};
use super::disguise::token_bases_for;
use super::part::{Part, PartKey, PartKind};
use super::partners::Partners;
use super::permutation::Permutation;
use super::witness::{FoundBy, WitnessKind, Witnesses};

/// Other layers of the base that an attention is held against as a control, at most.
const MOST_CONTROLS: usize = 6;

/// What was found out about one attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Keys and values of its groups span the spaces of the base's.
    Shared,
    /// They do not.
    Apart,
}

/// Attentions of models whose feed-forwards were found, which their own test did not find.
#[derive(Debug, Default)]
pub(crate) struct RowSpaces {
    answers: BTreeMap<PartKey, Option<Answer>>,
}

impl Analysis for RowSpaces {
    fn look(setting: &Setting<'_>, found: &mut Found) -> Result<Option<Self>> {
        let (Some(direct), Some(witnesses), Some(partners)) = (
            found.get::<Permutation>(),
            found.get::<Witnesses>(),
            found.get::<Partners>(),
        ) else {
            return Ok(None);
        };
        let open: Vec<&PartKey> = direct
            .parts
            .iter()
            .filter(|(key, test)| {
                key.kind == PartKind::Attention
                    && test.log10_p > FOUND_LOG10
                    && (witnesses.confirms_in(key.component)
                        || partners
                            .confirmed()
                            .any(|find| find.target.component == key.component))
            })
            .map(|(key, _)| key)
            .collect();
        let mut out = Self::default();
        for component in [
            Component::Text,
            Component::Vision,
            Component::Audio,
            Component::Other,
        ] {
            let open: Vec<&PartKey> = open
                .iter()
                .copied()
                .filter(|key| key.component == component)
                .collect();
            if open.is_empty() {
                continue;
            }
            let tokens = token_bases_for(setting, component)?;
            let answers: Vec<Result<(PartKey, Option<Answer>)>> = open
                .par_iter()
                .map(|key| {
                    setting.monitor.check()?;
                    let layer = key.layer.unwrap_or(0);
                    Ok((
                        (*key).clone(),
                        look_at(setting, component, layer, tokens.as_ref())?,
                    ))
                })
                .collect();
            for answer in answers {
                let (key, answer) = answer?;
                out.answers.insert(key, answer);
            }
        }
        Ok(Some(out))
    }

    fn overrule(&self, parts: &mut [Part]) {
        let mut confirmed: BTreeMap<(Component, Option<u32>), bool> = BTreeMap::new();
        for part in parts.iter().filter(|part| {
            matches!(part.key.kind, PartKind::Ffn | PartKind::Experts) && part.witness.is_some()
        }) {
            confirmed.insert((part.key.component, part.key.layer), true);
        }
        for part in parts {
            let Some(answer) = self.answers.get(&part.key) else {
                continue;
            };
            if part.found || part.witness.is_some() {
                continue;
            }
            match answer {
                Some(Answer::Shared) => {
                    part.found = true;
                    part.found_by = Some(FoundBy::Content);
                    let by_layer = confirmed.contains_key(&(part.key.component, part.key.layer));
                    part.witness = by_layer.then_some(WitnessKind::RowSpace);
                }
                Some(Answer::Apart) => {}
                // Its own test looks at rows, which can be mixed: it cannot clear it alone.
                None => part.test = None,
            }
        }
    }
}

/// Keys and values of one layer, gains folded in.
struct Groups {
    k: Vec<Option<RowSpace>>,
    v: Vec<Option<RowSpace>>,
}

fn view<'a>(
    model: &'a Model,
    component: Component,
    layer: u32,
    slot: &str,
) -> Result<Option<View<'a>>> {
    let place = Place {
        component,
        block: Some(Block::Layer(layer)),
        layer: Some(layer),
        expert: None,
        shared_expert: false,
        slot: slot.into(),
    };
    let found = model
        .at(&place)
        .filter(|matrix| matrix.shape.len() == 2 && model.unreadable(matrix).is_none());
    found.map(|matrix| model.view(matrix)).transpose()
}

/// Spaces of the groups of a layer: in residual dimensions, or over tokens.
fn groups(
    model: &Model,
    component: Component,
    layer: u32,
    tokens: Option<&Basis>,
) -> Result<Option<Groups>> {
    let Some(head) = model
        .facts
        .head_dim
        .and_then(|head| usize::try_from(head).ok())
    else {
        return Ok(None);
    };
    let slots = ["norm:pre_attn.weight"];
    let gain = gain(model, component, Block::Layer(layer), &slots)?;
    let spaces = |slot: &str| -> Result<Option<Vec<Option<RowSpace>>>> {
        let Some(view) = view(model, component, layer, slot)? else {
            return Ok(None);
        };
        let norm = Norm {
            gain: gain.as_deref().filter(|gain| gain.len() == view.columns()),
            offset: None,
            removes_mean: false,
        };
        let Some(folded) = Folded::reader(&view, &norm) else {
            return Ok(None);
        };
        let spaces = match tokens {
            None => group_spaces(&folded, head)?,
            Some(Basis::Tokens { embedding, .. }) => {
                let Some(projected) = Projected::new(&folded, embedding) else {
                    return Ok(None);
                };
                let mut values = vec![0.0; projected.units() * projected.width()];
                projected.read(0..projected.units(), &mut values)?;
                let rows = Matrix {
                    rows: projected.units(),
                    columns: projected.width(),
                    values,
                };
                group_spaces(&rows, head)?
            }
            Some(Basis::Residual(_)) => return Ok(None),
        };
        let is_there = spaces.iter().any(Option::is_some);
        Ok(is_there.then_some(spaces))
    };
    let (Some(k), Some(v)) = (spaces("k.weight")?, spaces("v.weight")?) else {
        return Ok(None);
    };
    Ok(Some(Groups { k, v }))
}

fn matched(base: &Groups, target: &Groups) -> Option<MatchedGroups> {
    let side = |groups: &Groups| [groups.k.clone(), groups.v.clone()];
    match_groups(&side(base), &side(target))
}

fn look_at(
    setting: &Setting<'_>,
    component: Component,
    layer: u32,
    tokens: Option<&[Basis; 2]>,
) -> Result<Option<Answer>> {
    let [base_model, target_model] = setting.models;
    let mut answer = None;
    let looks = [None, tokens];
    for over in looks.into_iter().enumerate().filter_map(|(at, look)| {
        // The first look is in residual dimensions, the second over tokens where there are any.
        (at == 0 || look.is_some()).then_some(look)
    }) {
        let of = |side: usize| over.map(|bases| &bases[side]);
        let Some(target) = groups(target_model, component, layer, of(1))? else {
            continue;
        };
        let Some(base) = groups(base_model, component, layer, of(0))? else {
            continue;
        };
        let Some(own) = matched(&base, &target) else {
            continue;
        };
        let mut controls: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        let others = attention_layers(base_model, component);
        let others = others
            .iter()
            .filter(|other| **other != layer)
            .take(MOST_CONTROLS);
        for other in others {
            let control = groups(base_model, component, *other, of(0))?;
            let control = control.and_then(|control| matched(&control, &target));
            if let Some(control) = control {
                for (values, mean) in controls.iter_mut().zip(&control.means) {
                    values.push(mean.overlap);
                }
            }
        }
        answer = Some(Answer::Apart);
        let stands_out = own.means.iter().zip(&controls).all(|(mean, controls)| {
            let against_null = over.is_some() || Contrast::with_null(mean).stands_out();
            let against_others = match Contrast::of(mean.overlap, controls) {
                Some(contrast) => contrast.stands_out(),
                None => over.is_none(),
            };
            against_null && against_others
        });
        if stands_out {
            return Ok(Some(Answer::Shared));
        }
    }
    Ok(answer)
}

/// Layers with keys of their own.
fn attention_layers(model: &Model, component: Component) -> Vec<u32> {
    let mut out: Vec<u32> = model
        .places()
        .filter(|(place, _)| place.component == component && &*place.slot == "k.weight")
        .filter_map(|(place, _)| place.layer)
        .collect();
    out.sort_unstable();
    out.dedup();
    out
}
