//! Tensors of one name, or of names that differ in a prefix as a whole.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::format::adapter::Adapter;
use crate::model::name::unwrapped;
use crate::model::sides::Sides;
use crate::view::logical::{Logical, RowOrder, Via};
use crate::view::model::Model;

use super::pool::Pool;
use super::prefix::{Mapping, Named, mappings};
use super::{Alignment, Pair, is_comparable};

/// Wrapper words that are told of.
const WORDS_TOLD: usize = 4;

/// Pairs tensors of one shape: `rename` gives the target's name of a tensor of the base.
pub(super) fn pair_by_name(
    left: &mut Sides<Pool>,
    rename: &dyn for<'a> Fn(&'a str) -> Cow<'a, str>,
    pairs: &mut Vec<Pair>,
) {
    for base in left.base.to_vec() {
        let key = left.base.key(&base.name);
        let name = rename(&key);
        let target_key = left.target.key(&name);
        let Some(target) = left.target.of_key(&target_key).cloned() else {
            continue;
        };
        let of_one_shape = is_comparable(&base, &target);
        let (base_read, target) = match of_one_shape {
            true => (Arc::clone(&base), target),
            false => match without_ones(&base, &target) {
                Some(matrices) => matrices,
                None => continue,
            },
        };
        left.base.take_key(&key);
        left.target.take_key(&target_key);
        let base = base_read;

        let via = via(&base, &target);
        pairs.push(Pair {
            base,
            target,
            via,
            by_name: of_one_shape && via != Via::Transposed,
        });
    }
}

/// Two tensors that are one matrix but for axes of length one, as that matrix: a linear layer that
/// one library stores as a convolution of one position, or with an axis for a batch in front.
fn without_ones(base: &Logical, target: &Logical) -> Option<(Arc<Logical>, Arc<Logical>)> {
    let wide = |logical: &Logical| -> Vec<u64> {
        let axes = logical.shape.iter().copied();
        axes.filter(|&axis| axis > 1).collect()
    };
    let as_matrix = |logical: &Logical| {
        let mut matrix = logical.clone();
        matrix.shape = wide(logical);
        let is_plain = logical.stored_as.rows == RowOrder::All && !logical.stored_as.transposed;
        let lies_alike = matrix.matrix_shape() == logical.matrix_shape();
        (is_plain && lies_alike && matrix.shape.len() == 2).then(|| Arc::new(matrix))
    };
    let (base, target) = (as_matrix(base)?, as_matrix(target)?);
    is_comparable(&base, &target).then_some((base, target))
}

/// Pairs tensors that an adapter holds whole with those of the base that they stand for.
pub(super) fn pair_saved(left: &mut Sides<Pool>, target: &Model, out: &mut Alignment) {
    let adapter = target.opened.adapter.as_ref();
    let names = adapter.map(Adapter::names_in_base).unwrap_or_default();
    if names.is_empty() {
        return;
    }
    let tensors = &target.checkpoint().tensors;
    let saved: BTreeMap<&str, &str> = names
        .into_iter()
        .filter_map(|(at, name)| Some((name, tensors.get(at)?.name.as_str())))
        .collect();
    let rename = |name: &str| saved.get(name).copied().unwrap_or_default().to_owned();
    pair_by_name(left, &|name| rename(name).into(), &mut out.pairs);
    out.name_mapping = Some("(no prefix) -> base_model.model.".to_owned());
}

/// Pairs tensors whose names differ in a prefix as a whole; the mappings of these prefixes.
pub(super) fn pair_by_prefix(left: &mut Sides<Pool>, out: &mut Alignment) -> Vec<Mapping> {
    let open = left.as_ref().map(|pool| {
        let named = pool.iter().map(|logical| Named {
            name: pool.key(&logical.name).into_owned(),
            logical: Arc::clone(logical),
        });
        named.collect::<Vec<_>>()
    });
    let mappings = mappings(open.as_ref().map(|named| named.iter().collect()));
    for mapping in &mappings {
        pair_by_name(left, &|name| mapping.apply(name).into(), &mut out.pairs);
    }
    let words = mappings.iter().map(ToString::to_string);
    let words: Vec<String> = wrapper_words(&out.pairs).into_iter().chain(words).collect();
    if !words.is_empty() {
        out.name_mapping = Some(words.join(", "));
    }
    mappings
}

/// Words that wrap modules in the names of one side only, of pairs under one name.
fn wrapper_words(pairs: &[Pair]) -> Option<String> {
    let sides = pairs.iter().filter(|pair| pair.by_name).map(Pair::sides);
    let differing = sides.filter(|sides| sides.base.name != sides.target.name);
    let mut words = BTreeSet::new();
    for Sides { base, target } in differing {
        for (own, other) in [(base, target), (target, base)] {
            if *own.name != *unwrapped(&own.name) {
                let others: BTreeSet<&str> = other.name.split('.').collect();
                words.extend(own.name.split('.').filter(|word| !others.contains(word)));
            }
        }
    }
    let words: Vec<&str> = words.into_iter().take(WORDS_TOLD).collect();
    (!words.is_empty()).then(|| format!("{} left out", words.join(", ")))
}

/// How two tensors are compared, from how they are stored.
pub(super) fn via(base: &Logical, target: &Logical) -> Via {
    let either = |holds: &dyn Fn(&Logical) -> bool| holds(base) || holds(target);
    let is_one_of_a_stack =
        |l: &Logical| l.stored_as.start > 0 || l.stored_shape.len() > 2 && l.shape.len() == 2;
    let is_row_of_a_stack = |l: &Logical| l.stored_shape.len() == 2 && l.shape.len() == 1;
    let is_some_rows = |l: &Logical| matches!(l.stored_as.rows, RowOrder::Runs(_));

    if either(&is_one_of_a_stack) || either(&is_row_of_a_stack) {
        Via::Stacked
    } else if either(&is_some_rows) {
        Via::Split
    } else if either(&Logical::is_quantised) {
        Via::Dequantized
    } else if base.stored_as.transposed != target.stored_as.transposed {
        Via::Transposed
    } else if base.dtype != target.dtype {
        Via::Cast
    } else {
        Via::Stored
    }
}
