//! The values of several models in the same places.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::align::Pair;
use crate::error::Result;
use crate::measure::monitor::Monitor;
use crate::model::words::{Block, Component, Role};
use crate::numeric::grid::Grid;
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::stats::shares::Places;
use crate::view::logical::{Logical, Origin, Undo};
use crate::view::model::Model;
use crate::view::reader::View;

/// Places of a sample at most, of all tensors together.
const PLACES: usize = 1 << 21;
/// Values of a sample at most, of all models together.
const VALUES: usize = 1 << 24;
/// Tensors of a sample at most; of more, some are drawn.
const TENSORS: usize = 2048;

/// One tensor of the target and its counterparts.
#[derive(Debug)]
pub(crate) struct Sampled {
    /// Component of the target's tensor.
    pub component: Component,
    /// Its layer; `None` outside of the layers, and for layers behind the last.
    pub layer: Option<u32>,
    /// Its role.
    pub role: Role,
    /// Number of its elements.
    pub elements: u64,
    /// Values in a row of the places.
    pub columns: usize,
    /// The values.
    pub places: Places,
}

/// What several bases and the target have in the same places of the tensors that all of them share.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// Numbers of the bases.
    pub bases: Vec<usize>,
    /// Tensors, in the order of the target's names.
    pub tensors: Vec<Sampled>,
}

/// One tensor of the target with its counterpart in each base.
pub(crate) struct Counterparts<'a> {
    /// The target's tensor.
    pub target: &'a Logical,
    /// Those of the bases.
    pub bases: Vec<&'a Pair>,
}

impl Sample {
    /// Reads evenly spaced rows of each of `tensors`; `bases` and `target` are the models. Memory
    /// and reading are bounded, whatever the size of the models.
    ///
    /// # Errors
    /// A read that fails, or an interrupt.
    pub(crate) fn read(
        numbers: &[usize],
        bases: &[&Model],
        target: &Model,
        tensors: &[Counterparts<'_>],
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let drawn: BTreeSet<usize> = if tensors.len() > TENSORS {
            let mut draws = Draws::new(0, "tensors held side by side");
            draws.distinct(TENSORS, tensors.len()).into_iter().collect()
        } else {
            (0..tensors.len()).collect()
        };
        let chosen: Vec<&Counterparts<'_>> = drawn.iter().map(|at| &tensors[*at]).collect();
        let elements: u64 = chosen.iter().map(|tensor| tensor.target.elements()).sum();
        let places = PLACES.min(VALUES / (bases.len() + 1));
        let share = (places as f64 / elements.max(1) as f64).min(1.0);

        monitor.begin("holding the values side by side", 0);
        let groups = groups(&chosen);
        let read = chosen.par_iter().zip(groups).map(|(tensor, group)| {
            monitor.check()?;
            sampled(tensor, group, bases, target, share)
        });
        let read: Vec<Option<Sampled>> = read.collect::<Result<_>>()?;
        monitor.end();
        Ok(Self {
            bases: numbers.to_vec(),
            tensors: read.into_iter().flatten().collect(),
        })
    }

    /// Numbers of the models of a sample: those of the bases, then the target's.
    pub(crate) fn models(&self) -> usize {
        self.bases.len() + 1
    }

    /// The places of all tensors.
    pub(crate) fn places(&self) -> Vec<&Places> {
        self.tensors.iter().map(|tensor| &tensor.places).collect()
    }
}

/// A number for each layer of each component, and one for all else.
fn groups(tensors: &[&Counterparts<'_>]) -> Vec<usize> {
    let mut known: BTreeMap<(Component, Option<u32>), usize> = BTreeMap::new();
    let number = |tensor: &&Counterparts<'_>| {
        let key = (tensor.target.meaning.component, layer(tensor.target));
        let next = known.len();
        *known.entry(key).or_insert(next)
    };
    tensors.iter().map(number).collect()
}

fn layer(target: &Logical) -> Option<u32> {
    let meaning = &target.meaning;
    meaning.layer.filter(|_| meaning.block != Some(Block::Mtp))
}

/// `None` where a side cannot be read as rows.
fn sampled(
    tensor: &Counterparts<'_>,
    group: usize,
    bases: &[&Model],
    target: &Model,
    share: f64,
) -> Result<Option<Sampled>> {
    let own = tensor.target;
    let sides = tensor.bases.iter().zip(bases);
    let sides = sides.map(|(pair, model)| (*model, &*pair.base, &*pair.target));
    let mut views = Vec::with_capacity(bases.len() + 1);
    for (model, base, as_target) in sides {
        // All are held against the target as it is read for the first of them.
        let is_read_alike = as_target.stored_as == own.stored_as;
        if model.unreadable(base).is_some() || !is_read_alike {
            return Ok(None);
        }
        views.push(model.view(base)?);
    }
    if target.unreadable(own).is_some() {
        return Ok(None);
    }
    views.push(target.view(own)?);

    let (rows, columns) = (views[0].rows(), views[0].columns());
    let is_alike = |view: &View<'_>| (view.rows(), view.columns()) == (rows, columns);
    if !views.iter().all(is_alike) || rows == 0 || columns == 0 {
        return Ok(None);
    }
    let wanted = ((own.elements() as f64 * share).ceil() as usize).max(1);
    let taken = wanted.div_ceil(columns).min(rows);
    // Where one row alone is more than what is wanted, evenly spaced values of it.
    let step = if taken == 1 {
        (columns / wanted).max(1)
    } else {
        1
    };
    let mut row = vec![0.0; columns];
    let mut values = Vec::with_capacity(views.len());
    for view in &views {
        let mut of_model = Vec::with_capacity(taken * columns.div_ceil(step));
        for at in 0..taken {
            let first = at * rows / taken;
            view.read_rows(first..first + 1, &mut row)?;
            of_model.extend(row.iter().step_by(step).copied());
        }
        values.push(of_model);
    }
    let is_plain = matches!(own.stored_as.origin, Origin::Tensor(_))
        && own.stored_as.composed.is_none()
        && own.stored_as.row_scale.is_none()
        && own.stored_as.column_scale.is_none()
        && own.stored_as.undo == Undo::Nothing;
    Ok(Some(Sampled {
        component: own.meaning.component,
        layer: layer(own),
        role: own.meaning.role,
        elements: own.elements(),
        columns: columns.div_ceil(step),
        places: Places {
            values,
            grid: if is_plain {
                Grid::of(own.dtype)
            } else {
                Grid::NONE
            },
            group,
        },
    }))
}
