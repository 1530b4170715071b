//! The target cut into parts, each with what the pass measured of it (guide/contract.md, section
//! 2).

use crate::stats::levels::FOUND_LOG10;
use std::collections::{BTreeMap, BTreeSet};

use crate::align::{Alignment, Pair, Unmatched, Why};
use crate::measure::record::Record;
use crate::model::sides::Sides;
use crate::model::words::{Block, Class, Role};
use crate::view::logical::{Logical, Via};
use crate::view::model::Model;
use crate::view::pieces::pieces;

use super::axes::{has_named_places, is_alone};
use super::no_weights::holds_no_weights;
use super::part::{Part, PartKey, PartKind, PartTest, State};
use super::witness::{FoundBy, Witnessed};

/// What slots of an encoder begin with, in a component that has a decoder too.
pub(crate) const ENCODER: &str = "encoder.";

/// The part that a tensor belongs to; `None` for routers, norms and whatever is no matrix.
pub(crate) fn part_of(logical: &Logical) -> Option<PartKey> {
    let m = &logical.meaning;
    if m.class != Class::Matrix || matches!(m.role, Role::Router | Role::RouterBias) {
        return None;
    }
    let in_layer = m.layer.is_some() && m.block != Some(Block::Mtp);
    let kind = match m.role {
        Role::Q | Role::K | Role::V | Role::O | Role::Qkv if in_layer => PartKind::Attention,
        Role::QA | Role::QB | Role::KvA | Role::KvB if in_layer => PartKind::Attention,
        Role::Gate | Role::Up | Role::Down | Role::GateUp | Role::Fc1 | Role::Fc2 if in_layer => {
            if m.expert.is_some() {
                PartKind::Experts
            } else {
                PartKind::Ffn
            }
        }
        Role::Embed if m.block != Some(Block::Mtp) => PartKind::Embedding,
        Role::LmHead if m.block != Some(Block::Mtp) => PartKind::Head,
        _ => PartKind::Other,
    };
    let whole = matches!(
        kind,
        PartKind::Attention | PartKind::Ffn | PartKind::Experts
    );
    Some(PartKey {
        component: m.component,
        block: m.block,
        layer: m.layer,
        kind,
        expert: m.expert.filter(|_| kind == PartKind::Experts),
        name: (!whole).then(|| logical.name.clone()),
        encoder: m.slot.starts_with(ENCODER),
    })
}

/// The parts that a tensor belongs to, each with its elements: one, the experts of a stack, or
/// none.
pub(crate) fn parts_in(
    logical: &Logical,
    model: &Model,
) -> impl Iterator<Item = (PartKey, u64)> + use<> {
    let mut experts = BTreeMap::new();
    let is_stack = logical.shape.len() == 3 && logical.meaning.expert.is_none();
    let pieces = is_stack.then(|| pieces(logical, &model.facts));
    let pieces = pieces.into_iter().flatten();
    for piece in pieces.filter(|piece| piece.meaning.expert.is_some()) {
        if let Some(key) = part_of(&piece) {
            *experts.entry(key).or_default() += piece.elements();
        }
    }
    let whole = match experts.is_empty() {
        true => part_of(logical).map(|key| (key, logical.elements())),
        false => None,
    };
    experts.into_iter().chain(whole)
}

/// Whether a pair counts as evidence: neither side is a deterministic buffer, an index table or a
/// constant, and no formula explains their likeness.
pub(crate) fn is_informative(pair: &Pair, record: &Record) -> bool {
    let told = |l: &Logical| l.meaning.class == Class::Uninformative;
    let is_constant = record.constant != Sides::default();
    !told(&pair.base) && !told(&pair.target) && !is_constant && !record.is_by_formula
}

/// Class of a pair (guide/contract.md, section 2).
pub(crate) fn class_of(pair: &Pair, record: &Record) -> Class {
    if is_informative(pair, record) {
        pair.target.meaning.class
    } else {
        Class::Uninformative
    }
}

/// Excess of a pair as a part; none for the decay rates of state-space layers, which start as
/// log(1..n) in every model and hardly move (guide/formats.md, section 1.7): their likeness is that
/// of the formula.
fn excess_of(pair: &Pair, record: &Record) -> Option<f64> {
    let by_formula = pair
        .target
        .meaning
        .slot
        .split('.')
        .any(|word| word == "A_log");
    record.part_excess().filter(|_| !by_formula)
}

/// Sums over the tensors of one part.
#[derive(Default)]
struct Gathered {
    parameters: u64,
    compared: u64,
    weighted_excess: f64,
    excess_weight: f64,
    identical: usize,
    tensors: usize,
    counterparts: usize,
    has_named_places: bool,
    lacks_a_matrix: bool,
    base_layer: Option<u32>,
}

/// Cuts `target` into parts, sorted, not yet tested or graded. Of a stack of experts that is
/// compared as a whole, each expert has the figures of the whole.
pub(crate) fn gather(target: &Model, alignment: &Alignment, records: &[Record]) -> Vec<Part> {
    let mut parts: BTreeMap<PartKey, Gathered> = BTreeMap::new();
    for (pair, record) in alignment.pairs.iter().zip(records) {
        // Of the target's embedding that a head or a copy of the base is held against, its own pair
        // tells.
        let told_elsewhere = pair.via == Via::Tied && pair.target.meaning.role != Role::LmHead;
        if told_elsewhere || !is_informative(pair, record) || holds_no_weights(pair, record) {
            continue;
        }
        for (key, elements) in parts_in(&pair.target, target) {
            let is_alone = key.kind == PartKind::Other && is_alone(target, &pair.target);
            let part = parts.entry(key).or_default();
            part.parameters += elements;
            part.compared += elements;
            part.tensors += 1;
            part.counterparts += 1;
            part.identical += usize::from(record.identical);
            part.has_named_places |= has_named_places(&pair.target) || is_alone;
            part.base_layer = pair.base.meaning.layer;
            if let Some(excess) = excess_of(pair, record) {
                part.weighted_excess += excess * elements as f64;
                part.excess_weight += elements as f64;
            }
        }
    }
    for Unmatched { tensor, why } in &alignment.target_left {
        if *why == Why::Filtered {
            continue;
        }
        for (key, elements) in parts_in(tensor, target) {
            let part = parts.entry(key).or_default();
            part.parameters += elements;
            part.tensors += 1;
            part.counterparts += usize::from(*why != Why::NoSuchName);
        }
    }
    for key in with_open_matrix(alignment) {
        if let Some(part) = parts.get_mut(&key) {
            part.lacks_a_matrix |= part.compared > 0;
        }
    }
    parts.into_iter().map(|(key, g)| finish(key, &g)).collect()
}

/// The feed-forwards of which the base has a matrix left, while the target has one left of the same
/// role or of none, at least half as large.
fn with_open_matrix(alignment: &Alignment) -> BTreeSet<PartKey> {
    let is_open = |left: &&Unmatched| matches!(left.why, Why::NoSuchName | Why::Shape);
    let mut largest: BTreeMap<Option<Role>, u64> = BTreeMap::new();
    for left in alignment.target_left.iter().filter(is_open) {
        let role = part_of(&left.tensor).map(|part| match part.kind {
            PartKind::Other => None,
            _ => Some(left.tensor.meaning.role),
        });
        if let Some(role) = role {
            let most = largest.entry(role).or_default();
            *most = left.tensor.elements().max(*most);
        }
    }
    let may_be_left = |tensor: &Logical| {
        let roles = [None, Some(tensor.meaning.role)];
        let mut of_roles = roles.iter().filter_map(|role| largest.get(role));
        of_roles.any(|most| most.saturating_mul(2) >= tensor.elements())
    };
    let open = alignment.base_left.iter().filter(is_open);
    let lacking = open.filter_map(|left| {
        let part = part_of(&left.tensor)?;
        let is_block = matches!(part.kind, PartKind::Ffn | PartKind::Experts);
        (is_block && may_be_left(&left.tensor)).then_some(part)
    });
    lacking.collect()
}

fn finish(key: PartKey, g: &Gathered) -> Part {
    Part {
        base_layer: g.base_layer,
        parameters: g.parameters,
        compared: g.compared,
        identical: g.identical == g.tensors,
        new: g.counterparts == 0,
        found: false,
        has_named_places: g.has_named_places,
        lacks_a_matrix: g.lacks_a_matrix,
        excess: (g.excess_weight > 0.0).then(|| g.weighted_excess / g.excess_weight),
        test: None,
        by_place: false,
        found_by: None,
        witness: None,
        geometry: None,
        state: State::Unclear,
        key,
    }
}

/// What became of a part that was looked for outside the place of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was found.
    Found,
    /// It was looked for, with this test and no other.
    Sought,
    /// What stands in its place in the base went elsewhere: the two were never a pair.
    NeverAPair,
}

/// A part outside the place of its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Elsewhere {
    /// Layer of the base it was looked for in.
    pub base_layer: Option<u32>,
    /// The test that looked for it, paid for all it was tried on.
    pub test: Option<PartTest>,
    /// Excess over the matrices compared there, weighted by parameters.
    pub excess: Option<f64>,
    /// What became of it.
    pub fate: Fate,
    /// How it was found.
    pub found_by: FoundBy,
    /// What a witness says of it.
    pub witnessed: Witnessed,
}

impl Elsewhere {
    /// Sets it on the part.
    pub(crate) fn apply(&self, part: &mut Part) {
        match self.fate {
            Fate::Found => {
                part.found = true;
                part.new = false;
                part.base_layer = self.base_layer;
                part.test = self.test;
                part.excess = self.excess;
                part.found_by = Some(self.found_by);
                part.witnessed(self.witnessed);
                part.by_place = false;
            }
            // A test without power leaves a part as new as it was.
            Fate::Sought
                if part.test.is_none() && self.test.is_some_and(|test| test.has_power()) =>
            {
                part.new = false;
                part.base_layer = self.base_layer;
                part.test = self.test;
            }
            Fate::Sought => {}
            Fate::NeverAPair => {
                let in_place =
                    part.identical || part.test.is_some_and(|test| test.log10_p <= FOUND_LOG10);
                part.new = !in_place;
                part.base_layer = part.base_layer.filter(|_| in_place);
            }
        }
    }
}

/// Mean excess of each part of `target` over its pairs, weighted by parameters.
pub(crate) fn excess(target: &Model, pairs: &[Pair], records: &[Record]) -> BTreeMap<PartKey, f64> {
    let mut sums: BTreeMap<PartKey, (f64, f64)> = BTreeMap::new();
    for (pair, record) in pairs
        .iter()
        .zip(records)
        .filter(|(pair, record)| is_informative(pair, record))
    {
        let Some(excess) = excess_of(pair, record) else {
            continue;
        };
        for (key, elements) in parts_in(&pair.target, target) {
            let (sum, weight) = sums.entry(key).or_default();
            *sum += excess * elements as f64;
            *weight += elements as f64;
        }
    }
    sums.into_iter()
        .filter(|(_, (_, weight))| *weight > 0.0)
        .map(|(key, (sum, weight))| (key, sum / weight))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::words::Component;

    fn part(log10_p: Option<f64>) -> Part {
        let key = PartKey {
            component: Component::Text,
            block: Some(Block::Layer(3)),
            layer: Some(3),
            kind: PartKind::Ffn,
            expert: None,
            name: None,
            encoder: false,
        };
        let test = log10_p.map(|log10_p| PartTest {
            log10_p,
            share_seen_95: Some(0.1),
        });
        Part {
            test,
            ..finish(
                key,
                &Gathered {
                    tensors: 3,
                    base_layer: Some(3),
                    ..Gathered::default()
                },
            )
        }
    }

    fn after(mut part: Part, fate: Fate, share_seen_95: Option<f64>) -> Part {
        let test = Some(PartTest {
            log10_p: 0.0,
            share_seen_95,
        });
        Elsewhere {
            base_layer: Some(1),
            test,
            excess: Some(0.9),
            fate,
            found_by: FoundBy::Experts,
            witnessed: Witnessed::default(),
        }
        .apply(&mut part);
        part
    }

    #[test]
    fn a_part_found_elsewhere_is_compared_there() {
        let found = after(part(Some(-0.5)), Fate::Found, None);
        assert!(found.found && !found.new);
        assert_eq!((found.base_layer, found.excess), (Some(1), Some(0.9)));
    }

    #[test]
    fn a_part_sought_in_vain_stays_new_unless_the_search_had_power() {
        assert!(part(None).new);
        assert!(!after(part(None), Fate::Sought, Some(0.1)).new);
        assert!(after(part(None), Fate::Sought, Some(0.5)).new);
        assert!(after(part(None), Fate::Sought, None).new);
        let tested = part(Some(-0.5));
        assert_eq!(after(tested.clone(), Fate::Sought, Some(0.1)), tested);
    }

    #[test]
    fn what_was_never_a_pair_is_new_unless_its_own_test_found_it() {
        let strange = after(part(Some(-0.5)), Fate::NeverAPair, None);
        assert_eq!((strange.new, strange.base_layer), (true, None));
        let kept = after(part(Some(-9.0)), Fate::NeverAPair, None);
        assert_eq!((kept.new, kept.base_layer), (false, Some(3)));
    }
}
