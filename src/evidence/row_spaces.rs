//! Heads mixed in place (guide/methods.md, section 8.7): queries and keys turned together, values
//! and output multiplied by an inverse pair. No row is what it was; the spaces that the keys and
//! the values of a group span are.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use rayon::prelude::*;

use crate::error::Result;
use crate::model::words::{Block, Component};
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::canonical::{Folded, Norm};
use crate::stats::levels::FOUND_LOG10;
use crate::stats::row_space::{Contrast, MatchedGroups, RowSpace, group_spaces, match_groups};
use crate::stats::units::{Features, Projected};
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting};
use super::disguise::basis::{Basis, gain};
use super::disguise::heads::tensor;
use super::disguise::token_bases_for;
use super::part::{Part, PartKey, PartKind};
use super::partners::Partners;
use super::parts::ENCODER;
use super::permutation::Permutation;
use super::tests_of_units::{Form, Test, UnitKind};
use super::witness::{FoundBy, WitnessKind, Witnesses};

/// Other layers of the base that an attention is held against as a control, at most.
const MOST_CONTROLS: usize = 6;

/// What was found out about one attention.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    /// Whether keys and values of its groups span the spaces of the base's.
    shared: bool,
    /// Groups that were matched.
    groups: usize,
}

/// Attentions of models whose feed-forwards were found, which their own test did not find; none
/// where their layout is not known.
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
        let is_copied = |component: Component| {
            let mut finds = partners.confirmed();
            witnesses.confirms_in(component) || finds.any(|find| find.target.component == component)
        };
        let mut open: BTreeMap<Component, Vec<&PartKey>> = BTreeMap::new();
        for (key, test) in &direct.parts {
            if key.kind == PartKind::Attention && test.log10_p > FOUND_LOG10 {
                open.entry(key.component).or_default().push(key);
            }
        }
        let mut out = Self::default();
        for (component, open) in open
            .into_iter()
            .filter(|(component, _)| is_copied(*component))
        {
            let tokens = match setting.has_sketch() {
                true => None,
                false => token_bases_for(setting, component)?,
            };
            let answers: Vec<Result<(PartKey, Option<Answer>)>> = open
                .par_iter()
                .map(|key| {
                    setting.monitor.check()?;
                    let layer = key.layer.unwrap_or(0);
                    let stack = Stack {
                        component,
                        encoder: key.encoder,
                    };
                    // A sketch keeps too little of a head for the space that it spans.
                    let answer = match setting.has_sketch() {
                        true => None,
                        false => look_at(setting, stack, layer, tokens.as_ref())?,
                    };
                    Ok(((*key).clone(), answer))
                })
                .collect();
            for answer in answers {
                let (key, answer) = answer?;
                out.answers.insert(key, answer);
            }
        }
        Ok(Some(out))
    }

    fn further_tests(&self) -> Vec<Test> {
        let answers = self.answers.iter();
        answers
            .filter_map(|(key, answer)| Some(test(key, answer.as_ref()?)))
            .collect()
    }

    fn overrule(&self, parts: &mut [Part]) {
        let confirmed: BTreeSet<(Component, Option<u32>, bool)> = parts
            .iter()
            .filter(|part| matches!(part.key.kind, PartKind::Ffn | PartKind::Experts))
            .filter(|part| part.witness.is_some())
            .map(|part| (part.key.component, part.key.layer, part.key.encoder))
            .collect();
        for part in parts {
            let Some(answer) = self.answers.get(&part.key) else {
                continue;
            };
            if part.found || part.witness.is_some() {
                continue;
            }
            match answer {
                Some(answer) if answer.shared => {
                    part.found = true;
                    part.found_by = Some(FoundBy::Content);
                    let key = &part.key;
                    let by_layer = confirmed.contains(&(key.component, key.layer, key.encoder));
                    part.witness = by_layer.then_some(WitnessKind::RowSpace);
                }
                Some(_) => {}
                // Its own test looks at rows, which can be mixed: it cannot clear it alone.
                None => part.test = None,
            }
        }
    }
}

fn test(key: &PartKey, answer: &Answer) -> Test {
    Test {
        kind: UnitKind::KvGroup,
        form: Form::RowSpace,
        component: key.component,
        layer: key.layer,
        base_layer: key.layer,
        expert: None,
        name: None,
        units: [answer.groups; 2],
        probes: answer.groups,
        hits: if answer.shared { answer.groups } else { 0 },
        log10_p: 0.0,
        exact: false,
        group: 0,
        control: None,
        features: None,
    }
}

/// The layers among which a layer is looked at.
#[derive(Debug, Clone, Copy)]
struct Stack {
    component: Component,
    encoder: bool,
}

impl Stack {
    /// The slot that its layers have for one of a decoder's.
    fn slot(self, slot: &str) -> String {
        let front = if self.encoder { ENCODER } else { "" };
        format!("{front}{slot}")
    }
}

/// Keys and values of one layer, gains folded in.
struct Groups {
    k: Vec<Option<RowSpace>>,
    v: Vec<Option<RowSpace>>,
}

/// Spaces of the groups of a layer: in residual dimensions, or over tokens.
fn groups(
    model: &Model,
    stack: Stack,
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
    let norm = stack.slot("norm:pre_attn.weight");
    let gain = gain(model, stack.component, Block::Layer(layer), &[&norm])?;
    let spaces = |slot: &str| -> Result<Option<Vec<Option<RowSpace>>>> {
        let Some(matrix) = tensor(model, stack.component, layer, &stack.slot(slot)) else {
            return Ok(None);
        };
        let view = model.view(matrix)?;
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
    stack: Stack,
    layer: u32,
    tokens: Option<&[Basis; 2]>,
) -> Result<Option<Answer>> {
    let [base_model, target_model] = setting.models;
    let mut answer = None;
    // In residual dimensions first, then over tokens where there are any.
    for over in iter::once(None).chain(tokens.map(Some)) {
        let of = |side: usize| over.map(|bases| &bases[side]);
        let Some(target) = groups(target_model, stack, layer, of(1))? else {
            continue;
        };
        let Some(base) = groups(base_model, stack, layer, of(0))? else {
            continue;
        };
        let Some(own) = matched(&base, &target) else {
            continue;
        };
        let mut controls: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        let others = attention_layers(base_model, stack);
        let others = others
            .iter()
            .filter(|other| **other != layer)
            .take(MOST_CONTROLS);
        for other in others {
            let control = groups(base_model, stack, *other, of(0))?;
            let control = control.and_then(|control| matched(&control, &target));
            if let Some(control) = control {
                for (values, mean) in controls.iter_mut().zip(&control.means) {
                    values.push(mean.overlap);
                }
            }
        }
        let shared = own.means.iter().zip(&controls).all(|(mean, controls)| {
            let against_null = over.is_some() || Contrast::with_null(mean).stands_out();
            let against_others = match Contrast::of(mean.overlap, controls) {
                Some(contrast) => contrast.stands_out(),
                None => over.is_none(),
            };
            against_null && against_others
        });
        let groups = own.groups.len();
        answer = Some(Answer { shared, groups });
        if shared {
            break;
        }
    }
    Ok(answer)
}

/// Layers with keys of their own.
fn attention_layers(model: &Model, stack: Stack) -> Vec<u32> {
    let slot = stack.slot("k.weight");
    let mut out: Vec<u32> = model
        .places()
        .filter(|(place, _)| place.component == stack.component && *place.slot == *slot)
        .filter_map(|(place, _)| place.layer)
        .collect();
    out.sort_unstable();
    out.dedup();
    out
}
