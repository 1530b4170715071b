//! Which pairs are read together: those of one tensor, where they are cut alike.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use crate::align::Pair;
use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::Dtype;
use crate::model::sides::Sides;
use crate::view::model::Model;

use super::as_stored::{as_stored, geometry, sides, unreadable};
use super::segment::{Geometry, byte_range};

/// A pair of tensors of two of the models of a pass.
#[derive(Debug, Clone)]
pub(crate) struct Duo<'a> {
    /// Places in the list of models.
    pub models: Sides<usize>,
    /// The tensors.
    pub pair: Cow<'a, Pair>,
}

impl Duo<'_> {
    /// Its two models.
    pub(super) fn among<'m>(&self, models: &[&'m Model]) -> Sides<&'m Model> {
        self.models.map(|model| models[model])
    }
}

/// A stored tensor of one of the models of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredAt {
    /// Place in the list of models.
    pub(super) model: usize,
    /// Place in its checkpoint.
    pub(super) tensor: usize,
}

impl StoredAt {
    /// The tensor.
    pub(super) fn info<'a>(self, models: &[&'a Model]) -> &'a TensorInfo {
        &models[self.model].checkpoint().tensors[self.tensor]
    }
}

/// Duos of one group that are read together.
pub(super) struct Reading {
    /// Place of the group.
    pub(super) group: usize,
    /// How the values are cut.
    pub(super) geometry: Geometry,
    /// What is read.
    pub(super) what: Read,
}

/// What is read at a time.
pub(super) enum Read {
    /// Stored tensors, whose bytes are summed as they lie.
    Stored {
        /// Each once, however many duos it belongs to.
        members: Vec<StoredAt>,
        /// What is summed.
        duos: Vec<Summed>,
    },
    /// Values of one duo, through views.
    Views {
        /// Its place in the group.
        duo: usize,
        /// Number formats, for the count of bytes.
        dtypes: Sides<Dtype>,
    },
}

/// A duo whose stored bytes are summed.
pub(super) struct Summed {
    /// Its place in the group.
    pub(super) duo: usize,
    /// Places of its sides among the members of the reading.
    pub(super) members: Sides<usize>,
}

/// The readings that `groups` come to; duos whose values cannot be read have none. Uses the current
/// rayon pool.
pub(super) fn readings(models: &[&Model], groups: &[Vec<Duo<'_>>]) -> Vec<Reading> {
    let of_groups = groups.par_iter().enumerate();
    of_groups
        .flat_map_iter(|(group, duos)| of_group(models, group, duos))
        .collect()
}

fn of_group(models: &[&Model], group: usize, duos: &[Duo<'_>]) -> Vec<Reading> {
    let mut out = Vec::with_capacity(1);
    for (place, duo) in duos.iter().enumerate() {
        let geometry = geometry(&duo.pair);
        if let Some(tensors) = as_stored(&duo.pair) {
            let reading = stored_reading(&mut out, group, geometry);
            let stored = duo.models.zip(tensors);
            reading.add(
                place,
                stored.map(|(model, tensor)| StoredAt { model, tensor }),
            );
        } else if unreadable(duo.among(models), &duo.pair).is_none() {
            let what = Read::Views {
                duo: place,
                dtypes: sides(&duo.pair).map(|side| side.dtype),
            };
            out.push(Reading {
                group,
                geometry,
                what,
            });
        }
    }
    out
}

/// The reading of stored tensors of this geometry among those of the group; a new one where there
/// is none.
fn stored_reading(readings: &mut Vec<Reading>, group: usize, geometry: Geometry) -> &mut Reading {
    let known = readings.iter().position(|reading| {
        matches!(reading.what, Read::Stored { .. }) && reading.geometry == geometry
    });
    let at = match known {
        Some(known) => known,
        None => {
            // Mostly of one duo.
            let what = Read::Stored {
                members: Vec::with_capacity(2),
                duos: Vec::with_capacity(1),
            };
            readings.push(Reading {
                group,
                geometry,
                what,
            });
            readings.len() - 1
        }
    };
    &mut readings[at]
}

impl Reading {
    /// Adds a duo of stored tensors.
    fn add(&mut self, duo: usize, tensors: Sides<StoredAt>) {
        let Read::Stored { members, duos } = &mut self.what else {
            return;
        };
        let place = |tensor: StoredAt| {
            let known = members.iter().position(|member| *member == tensor);
            known.unwrap_or_else(|| {
                members.push(tensor);
                members.len() - 1
            })
        };
        let members = tensors.map(place);
        duos.push(Summed { duo, members });
    }

    /// All its values.
    pub(super) fn values(&self) -> Range<u64> {
        0..self.geometry.values()
    }

    /// The stored tensors whose bytes are read as they lie.
    pub(super) fn members(&self) -> &[StoredAt] {
        match &self.what {
            Read::Stored { members, .. } => members,
            Read::Views { .. } => &[],
        }
    }

    /// How many duos are summed.
    pub(super) fn duo_count(&self) -> usize {
        match &self.what {
            Read::Stored { duos, .. } => duos.len(),
            Read::Views { .. } => 1,
        }
    }

    /// Stored bytes behind `values`.
    pub(super) fn bytes(&self, models: &[&Model], values: &Range<u64>) -> u64 {
        let width = |dtype: Dtype| {
            let bytes = byte_range(dtype, values);
            bytes.end - bytes.start
        };
        match &self.what {
            Read::Stored { members, .. } => {
                members.iter().map(|at| width(at.info(models).dtype)).sum()
            }
            Read::Views { dtypes, .. } => dtypes.iter().map(|dtype| width(*dtype)).sum(),
        }
    }
}
