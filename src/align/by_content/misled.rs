//! Pairs of one name that mean other tensors: where the modules of a sequence are numbered and some
//! of them went (normalisations folded into the convolutions before them, a first layer that has a
//! name of its own), the same number stands before another layer.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::align::likeness::cosine;
use crate::align::{Alignment, Pair, Unmatched, Why};
use crate::error::Result;
use crate::model::sides::Sides;
use crate::model::words::{Class, Role};
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::alike::{ALIKE, LEAST_VALUES};
use super::follow::template;
use super::is_known;
use super::sketch::Sketch;

/// Matrices that are looked at to see whether names mislead.
const LOOKED_AT: usize = 256;

/// Whether names alone made a pair, and say nothing of what its tensors are.
fn is_open(pair: &Pair) -> bool {
    let is_told = |logical: &Logical| {
        let is_table = matches!(logical.meaning.role, Role::Embed | Role::LmHead);
        is_known(logical) && (is_table || logical.meaning.layer.is_some())
            || logical.meaning.class == Class::Uninformative
    };
    pair.by_name && !pair.sides().iter().any(|logical| is_told(logical))
}

/// The name of a tensor's module but for its numbers: those of one are modules of one kind.
fn kind_of_module(pair: &Pair) -> String {
    let name = &pair.base.name;
    let module = name.rsplit_once('.').map_or("", |(module, _)| module);
    template(module).0
}

/// Takes apart the pairs that stand by names alone, where most of their matrices are not alike; and
/// otherwise those of the kinds of modules of which most are not.
///
/// # Errors
/// A read that fails.
pub(super) fn release(alignment: &mut Alignment, models: Sides<&Model>) -> Result<Vec<Pair>> {
    let open: Vec<&Pair> = alignment
        .pairs
        .iter()
        .filter(|pair| is_open(pair))
        .collect();
    let matrices: Vec<&Pair> = open
        .iter()
        .copied()
        .filter(|pair| pair.target.meaning.class == Class::Matrix)
        .collect();
    let step = matrices.len().div_ceil(LOOKED_AT).max(1);
    let looked_at: Vec<&Pair> = matrices.into_iter().step_by(step).collect();
    let alike: Result<Vec<Option<bool>>> = looked_at
        .par_iter()
        .map(|pair| is_alike(models, pair))
        .collect();
    let mut kinds: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (pair, alike) in looked_at.iter().zip(alike?) {
        let Some(is_alike) = alike else { continue };
        let [alike, unlike] = kinds.entry(kind_of_module(pair)).or_default();
        *alike += usize::from(is_alike);
        *unlike += usize::from(!is_alike);
    }
    let are_misled = |[alike, unlike]: [usize; 2]| unlike > 0 && unlike >= alike;
    let sum = |which: usize| kinds.values().map(|counts| counts[which]).sum::<usize>();
    let all_are = are_misled([sum(0), sum(1)]);
    let of_kind = |pair: &Pair| {
        let counts = kinds.get(&kind_of_module(pair)).copied();
        counts.is_some_and(are_misled)
    };
    let (released, kept): (Vec<Pair>, Vec<Pair>) = std::mem::take(&mut alignment.pairs)
        .into_iter()
        .partition(|pair| is_open(pair) && (all_are || of_kind(pair)));
    alignment.pairs = kept;
    for pair in &released {
        let left = |tensor| Unmatched {
            tensor,
            why: Why::NoSuchName,
        };
        alignment.base_left.push(left(pair.base.clone()));
        alignment.target_left.push(left(pair.target.clone()));
    }
    Ok(released)
}

/// Puts those together again of which neither side found another.
pub(super) fn restore(alignment: &mut Alignment, released: Vec<Pair>) {
    if released.is_empty() {
        return;
    }
    let names = |left: &[Unmatched]| -> BTreeSet<String> {
        left.iter().map(|left| left.tensor.name.clone()).collect()
    };
    let left = Sides {
        base: names(&alignment.base_left),
        target: names(&alignment.target_left),
    };
    let is_left = |pair: &Pair| {
        left.base.contains(&pair.base.name) && left.target.contains(&pair.target.name)
    };
    let again: Vec<Pair> = released.into_iter().filter(is_left).collect();
    let base: BTreeSet<&str> = again.iter().map(|pair| pair.base.name.as_str()).collect();
    let target: BTreeSet<&str> = again.iter().map(|pair| pair.target.name.as_str()).collect();
    alignment
        .base_left
        .retain(|left| !base.contains(left.tensor.name.as_str()));
    alignment
        .target_left
        .retain(|left| !target.contains(left.tensor.name.as_str()));
    alignment.pairs.extend(again);
    let by_name = |a: &Unmatched, b: &Unmatched| {
        let names = [a, b].map(|left| left.tensor.name.as_bytes());
        names[0].cmp(names[1])
    };
    alignment.base_left.sort_by(by_name);
    alignment.target_left.sort_by(by_name);
    alignment.sort_pairs();
}

/// Whether two tensors resemble each other at all; `None` where their values do not tell.
fn is_alike(models: Sides<&Model>, pair: &Pair) -> Result<Option<bool>> {
    let base = Sketch::new(models.base, &pair.base)?;
    let target = Sketch::new(models.target, &pair.target)?;
    let (Some(base), Some(target)) = (base, target) else {
        return Ok(None);
    };
    if base.grid != target.grid || base.values.len() < LEAST_VALUES {
        return Ok(None);
    }
    let directions = base.direction().zip(target.direction());
    Ok(directions.map(|(base, target)| cosine(&base, &target).abs() >= ALIKE))
}
