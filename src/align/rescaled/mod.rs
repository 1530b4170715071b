//! Channels that one side rescales without any change of function: a norm's gain divided by a
//! factor that the columns of the matrices behind it carry, or the rows of one matrix and the
//! columns of the next (AWQ, SmoothQuant, and disguises).
//!
//! A factor is never fitted to the tensor that it is applied to. It is the quotient of the two
//! sides' gains, or comes from the other one of two matrices that share hidden units, and it is
//! undone only where all tensors that must carry it do: then the base's rows and columns are read
//! in the target's scale.

mod fit;
mod norms;
mod units;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::model::sides::Sides;
use crate::model::words::{Block, Component};
use crate::numeric::decode::values_per_element;
use crate::view::logical::{Scale, Via};
use crate::view::model::Model;
use crate::view::reader::View;

use super::Alignment;
use norms::{NORMS, behind_norm};
use units::{UNITS, between_matrices};

/// Largest part of the factors' square that may stay unexplained by the tensor that must carry
/// them.
const UNEXPLAINED: f64 = 0.25;

/// Largest part of a matrix's square that may stay once its columns are rescaled, for two matrices
/// to be worth reading whole: 2 bits leave less than a quarter.
const REST: f64 = 0.25;

/// Layers of a component that are tried before the others are taken to be as they are: tools
/// rescale all layers alike.
const LAYERS_TRIED: usize = 4;

/// Matrices of which one layer's channels were rescaled.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rescaled {
    /// Layers, by component.
    pub layers: BTreeMap<Component, Vec<u32>>,
    /// Pairs that are read in the other side's scale.
    pub pairs: usize,
    /// The target's names of gains that carry a factor: their change is known to change no
    /// function.
    pub gains: Vec<String>,
    /// Mean cosine of matrices behind norms once the factor of the gains is undone, over the rows
    /// looked at.
    pub check_cosine: Option<f64>,
}

/// One block of a layer: what may share factors.
type LayerBlock = (Component, Option<Block>, Option<u32>);

/// Undoes the rescaling of channels.
///
/// # Errors
/// A read that fails.
pub(crate) fn undo(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    let mut cosines = Vec::new();
    let mut tried: BTreeMap<Component, usize> = BTreeMap::new();
    for ((component, _, layer), members) in layer_blocks(alignment) {
        let tried = tried.entry(component).or_default();
        if *tried >= LAYERS_TRIED && !alignment.rescaled.layers.contains_key(&component) {
            continue;
        }
        *tried += 1;

        let before = alignment.rescaled.pairs;
        for (norm, readers) in NORMS {
            cosines.extend(behind_norm(alignment, models, &members, norm, readers)?);
        }
        for (writer, reader) in UNITS {
            between_matrices(alignment, models, &members, *writer, *reader)?;
        }
        let has_changed = alignment.rescaled.pairs > before;
        if let Some(layer) = layer.filter(|_| has_changed) {
            let layers = &mut alignment.rescaled.layers;
            layers.entry(component).or_default().push(layer);
        }
    }
    let count = cosines.len();
    alignment.rescaled.check_cosine =
        (count > 0).then(|| cosines.iter().sum::<f64>() / count as f64);
    Ok(())
}

/// The pairs of each block of each layer, by their places; complex numbers are not rescaled.
fn layer_blocks(alignment: &Alignment) -> BTreeMap<LayerBlock, Vec<usize>> {
    let mut blocks: BTreeMap<LayerBlock, Vec<usize>> = BTreeMap::new();
    for (at, pair) in alignment.pairs.iter().enumerate() {
        let meaning = &pair.target.meaning;
        let are_real = pair
            .sides()
            .iter()
            .all(|side| values_per_element(side.dtype) == 1);
        if meaning.layer.is_some() && are_real && pair.target.elements() > 0 {
            let block = (meaning.component, meaning.block, meaning.layer);
            blocks.entry(block).or_default().push(at);
        }
    }
    blocks
}

/// What a factor belongs to.
#[derive(Debug, Clone, Copy)]
enum Axis {
    Rows,
    Columns,
}

/// Has the base of a pair read in the target's scale.
fn rescale(alignment: &mut Alignment, at: usize, scale: &Scale, axis: Axis) {
    let pair = &mut alignment.pairs[at];
    let storage = &mut Arc::make_mut(&mut pair.base).stored_as;
    match axis {
        Axis::Rows => storage.row_scale = Some(Arc::new(scale.clone())),
        Axis::Columns => storage.column_scale = Some(Arc::new(scale.clone())),
    }
    pair.via = Via::Mapped;
    pair.by_name = false;
    alignment.rescaled.pairs += 1;
}

/// Both sides' values; `None` where one side's cannot be read.
fn views<'a>(
    models: Sides<&'a Model>,
    alignment: &Alignment,
    at: usize,
) -> Result<Option<Sides<View<'a>>>> {
    let pair = &alignment.pairs[at];
    if !super::likeness::are_readable(models, pair) {
        return Ok(None);
    }
    Ok(Some(Sides {
        base: models.base.view(&pair.base)?,
        target: models.target.view(&pair.target)?,
    }))
}

impl Scale {
    fn inverse(&self) -> Self {
        let factors: Arc<[f32]> = self.factors.iter().map(|factor| 1.0 / factor).collect();
        Self {
            factors,
            uncertainty: self.uncertainty.clone(),
        }
    }
}
