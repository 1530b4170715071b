//! `wcmp inspect`: what is in a checkpoint, from its headers alone.

use std::collections::{BTreeMap, BTreeSet};

use super::checkpoint;
use crate::format::open::Opened;
use crate::model::config::Config;
use crate::model::words::{Block, Class, Component};
use crate::results::inspect::{ComponentSize, InspectedTensor, Inspection};
use crate::view::logical::Logical;
use crate::view::model::Model;

/// Components, blocks and tensors of a checkpoint.
pub fn inspect(opened: Opened) -> Inspection {
    let model = &Model::new(opened);
    let c = model.checkpoint();
    Inspection {
        checkpoint: checkpoint::facts(model, None),
        weight_sets: c.weight_sets.clone(),
        ignored_files: c.left_aside.iter().map(|left| left.file.clone()).collect(),
        config: c.config.as_ref().map(Config::listed).unwrap_or_default(),
        components: components(model),
        blocks: blocks(model),
        tensors: model
            .logicals
            .iter()
            .map(|logical| tensor(model, logical))
            .collect(),
        warnings: c.warnings.clone(),
    }
}

fn components(model: &Model) -> Vec<ComponentSize> {
    let mut found: BTreeMap<Component, (u64, BTreeSet<u32>)> = BTreeMap::new();
    for logical in &model.logicals {
        let (parameters, layers) = found.entry(logical.meaning.component).or_default();
        *parameters = parameters.saturating_add(logical.elements());
        if logical.meaning.block != Some(Block::Mtp) {
            layers.extend(logical.meaning.layer);
        }
    }
    found
        .into_iter()
        .map(|(component, (parameters, layers))| ComponentSize {
            component,
            parameters,
            layers: layers.len() as u64,
        })
        .collect()
}

fn blocks(model: &Model) -> Vec<(Block, u64)> {
    let mut found: BTreeMap<Block, u64> = BTreeMap::new();
    for logical in &model.logicals {
        if let Some(block) = logical.meaning.block {
            let parameters = found.entry(block).or_default();
            *parameters = parameters.saturating_add(logical.elements());
        }
    }
    found.into_iter().collect()
}

fn tensor(model: &Model, logical: &Logical) -> InspectedTensor {
    let c = model.checkpoint();
    let tensors: Vec<_> = model
        .stored_tensors(logical)
        .unwrap_or_default()
        .iter()
        .map(|&at| &c.tensors[at])
        .collect();
    let stored = tensors.iter().max_by_key(|t| t.bytes);
    let m = &logical.meaning;
    InspectedTensor {
        name: logical.name.clone(),
        component: m.component,
        layer: m.layer,
        block: m.block,
        role: m.role,
        expert: m.expert,
        shared_expert: m.shared_expert,
        class: m.class,
        // Whether a float tensor is constant shows only in its values.
        informative: (m.class == Class::Uninformative || logical.elements() == 0).then_some(false),
        shape: logical.stored_shape.clone(),
        logical_shape: logical.shape.clone(),
        dtype: logical.dtype,
        storage: model.storage(logical),
        file: stored
            .map(|t| c.files[t.file].name.clone())
            .unwrap_or_default(),
        offset: stored.map_or(0, |t| t.offset),
        bytes: tensors.iter().map(|t| t.bytes).sum(),
    }
}
