//! The target cut into parts, each with what the pass measured of it (contract.md, section 2).

use std::collections::BTreeMap;

use crate::align::{Alignment, Pair, Unmatched, Why};
use crate::measure::record::Record;
use crate::model::words::{Block, Class, Role};
use crate::view::logical::Logical;

use super::part::{Kind, Part, PartKey, State};

/// The part that a tensor belongs to; `None` for routers, norms and whatever is no matrix.
pub fn part_of(logical: &Logical) -> Option<PartKey> {
    let m = &logical.meaning;
    if m.class != Class::Matrix || matches!(m.role, Role::Router | Role::RouterBias) {
        return None;
    }
    let in_layer = m.layer.is_some() && m.block != Some(Block::Mtp);
    let kind =
        match m.role {
            Role::Q | Role::K | Role::V | Role::O | Role::Qkv if in_layer => Kind::Attention,
            Role::QA | Role::QB | Role::KvA | Role::KvB if in_layer => Kind::Attention,
            Role::Gate | Role::Up | Role::Down | Role::GateUp | Role::Fc1 | Role::Fc2 if in_layer => {
                if m.expert.is_some() { Kind::Experts } else { Kind::Ffn }
            }
            Role::Embed if m.block != Some(Block::Mtp) => Kind::Embedding,
            Role::LmHead if m.block != Some(Block::Mtp) => Kind::Head,
            _ => Kind::Other,
        };
    let whole = matches!(kind, Kind::Attention | Kind::Ffn | Kind::Experts);
    Some(PartKey {
        component: m.component,
        block: m.block,
        layer: m.layer,
        kind,
        expert: m.expert.filter(|_| kind == Kind::Experts),
        name: (!whole).then(|| logical.name.clone()),
    })
}

/// Whether a pair counts as evidence: neither side is a deterministic buffer, an index table or a constant.
pub fn is_informative(pair: &Pair, record: &Record) -> bool {
    let told = |l: &Logical| l.meaning.class == Class::Uninformative;
    !told(&pair.base) && !told(&pair.target) && record.constant == [false, false]
}

/// Class of a pair (contract.md, section 2).
pub fn class_of(pair: &Pair, record: &Record) -> Class {
    if is_informative(pair, record) { pair.target.meaning.class } else { Class::Uninformative }
}

/// Sums over the tensors of one part.
#[derive(Default)]
struct Gathered {
    parameters: u64,
    compared: u64,
    weighted_excess: f64,
    excess_weight: f64,
    paired: usize,
    identical: usize,
    tensors: usize,
    counterparts: usize,
    base_layer: Option<u32>,
}

/// Cuts the target into parts, sorted, not yet tested or graded.
pub fn gather(alignment: &Alignment, records: &[Record]) -> Vec<Part> {
    let mut parts: BTreeMap<PartKey, Gathered> = BTreeMap::new();
    for (pair, record) in alignment.pairs.iter().zip(records) {
        if !is_informative(pair, record) {
            continue;
        }
        let Some(key) = part_of(&pair.target) else { continue };
        let part = parts.entry(key).or_default();
        let elements = pair.target.elements();
        part.parameters += elements;
        part.compared += elements;
        part.tensors += 1;
        part.counterparts += 1;
        part.paired += 1;
        part.identical += usize::from(record.identical);
        part.base_layer = pair.base.meaning.layer;
        if let Some(excess) = record.part_excess() {
            part.weighted_excess += excess * elements as f64;
            part.excess_weight += elements as f64;
        }
    }
    for Unmatched { tensor, why } in &alignment.target_left {
        if *why == Why::Filtered {
            continue;
        }
        let Some(key) = part_of(tensor) else { continue };
        let part = parts.entry(key).or_default();
        part.parameters += tensor.elements();
        part.tensors += 1;
        part.counterparts += usize::from(*why != Why::NoSuchName);
    }
    parts.into_iter().map(|(key, g)| finish(key, &g)).collect()
}

fn finish(key: PartKey, g: &Gathered) -> Part {
    Part {
        base_layer: g.base_layer,
        parameters: g.parameters,
        compared: g.compared,
        identical: g.identical == g.tensors,
        new: g.counterparts == 0,
        found: false,
        excess: (g.excess_weight > 0.0).then(|| g.weighted_excess / g.excess_weight),
        test: None,
        state: State::Unclear,
        key,
    }
}
