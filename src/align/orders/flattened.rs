//! Layers that read a flattened map: libraries put its channels, rows and columns behind one
//! another in different orders, and a layer's columns follow.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::align::likeness::{Best, are_readable, likeness};
use crate::align::{Alignment, Pair};
use crate::error::Result;
use crate::model::sides::Sides;
use crate::model::words::Class;
use crate::view::logical::{Logical, RowRun, Via};
use crate::view::model::Model;

/// Cosine from which on a matrix is read as it stands.
const ALIKE: f64 = 0.8;

/// Elements of a matrix that another order could fit by chance.
const FEWEST_ELEMENTS: u64 = 1 << 10;

/// Longest side of a map.
const LONGEST_SIDE: u64 = 64;

/// Channels that are tried for one matrix.
const MOST_CHANNELS: usize = 12;

/// A flattened map: the lengths of its three axes, the first the slowest, and the order in which
/// they are read instead.
#[derive(Debug, Clone, Copy)]
struct Way {
    axes: [u64; 3],
    order: [usize; 3],
}

impl Way {
    /// Columns of the flattened map in the other order.
    fn columns(&self) -> Arc<[RowRun]> {
        let stride = |axis: usize| self.axes[axis + 1..].iter().product::<u64>();
        let [outer, middle, inner] = self.order;
        let starts = (0..self.axes[outer]).flat_map(|i| {
            (0..self.axes[middle]).map(move |j| i * stride(outer) + j * stride(middle))
        });
        let run = |start: u64| RowRun {
            start,
            count: self.axes[inner],
            step: stride(inner),
        };
        starts.map(run).collect()
    }
}

/// The ways to read `columns` that were flattened from a map of one of these numbers of channels:
/// channels first or last, rows and columns either way.
fn ways(columns: u64, channels: &BTreeSet<u64>) -> Vec<Way> {
    const FIRST: [[usize; 3]; 3] = [[0, 2, 1], [1, 2, 0], [2, 1, 0]];
    const LAST: [[usize; 3]; 3] = [[2, 0, 1], [2, 1, 0], [1, 0, 2]];
    let fits = |channels: &&u64| **channels > 1 && columns.is_multiple_of(**channels);
    let mut out = Vec::new();
    for &channels in channels.iter().rev().filter(fits).take(MOST_CHANNELS) {
        let positions = columns / channels;
        let side = positions.isqrt();
        // A square map where it can be one.
        let heights: Vec<u64> = match side * side == positions {
            true => vec![side],
            false => (1..=positions.min(LONGEST_SIDE))
                .filter(|height| positions.is_multiple_of(*height))
                .collect(),
        };
        for height in heights {
            let width = positions / height;
            if positions < 2 || width > LONGEST_SIDE {
                continue;
            }
            let first = FIRST.map(|order| Way {
                axes: [channels, height, width],
                order,
            });
            let last = LAST.map(|order| Way {
                axes: [height, width, channels],
                order,
            });
            out.extend(first.into_iter().chain(last));
        }
    }
    out
}

/// Numbers of channels that convolutions of a model put out.
fn channels_of(model: &Model) -> BTreeSet<u64> {
    let kernels = model.logicals.iter().filter(|l| l.shape.len() >= 3);
    kernels
        .flat_map(|kernel| [kernel.shape.first(), kernel.shape.last()])
        .flatten()
        .copied()
        .collect()
}

/// Reads the columns of the target's layers behind a flattened map in the base's order, where that
/// makes them clearly more alike.
///
/// # Errors
/// A read that fails.
pub(super) fn orient_flattened(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    let channels: BTreeSet<u64> = &channels_of(models.base) & &channels_of(models.target);
    if channels.is_empty() {
        return Ok(());
    }
    for pair in &mut alignment.pairs {
        if !may_be_flattened(pair) || !are_readable(models, pair) {
            continue;
        }
        let ways = ways(pair.target.shape[1], &channels);
        if ways.is_empty() {
            continue;
        }
        let as_stored = likeness(models, pair.sides())?;
        if as_stored >= ALIKE {
            continue;
        }
        let mut best = Best::than_usual(as_stored);
        for way in ways {
            let mut other = Logical::clone(&pair.target);
            other.stored_as.columns = Some(way.columns());
            let sides = Sides {
                base: &*pair.base,
                target: &other,
            };
            let found = likeness(models, sides)?;
            best.offer(other, Some(found));
        }
        if let Some(target) = best.way() {
            *pair = Pair {
                target: Arc::new(target),
                via: Via::Transposed,
                by_name: false,
                ..pair.clone()
            };
        }
    }
    Ok(())
}

fn may_be_flattened(pair: &Pair) -> bool {
    pair.target.meaning.class == Class::Matrix
        && pair.target.shape.len() == 2
        && pair.base.shape == pair.target.shape
        && pair.target.elements() >= FEWEST_ELEMENTS
        && pair.sides().iter().all(|side| side.is_uncut())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_in_the_other_order() {
        let way = Way {
            axes: [2, 2, 3],
            order: [1, 2, 0],
        };
        let columns: Vec<u64> = way
            .columns()
            .iter()
            .flat_map(|run| (0..run.count).map(move |at| run.start + at * run.step))
            .collect();
        assert_eq!(columns, [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]);
    }

    #[test]
    fn maps_are_tried_by_the_channels_of_the_convolutions() {
        let channels = BTreeSet::from([10, 64]);
        assert_eq!(ways(576, &channels).len(), 6);
        assert!(
            ways(576, &channels)
                .iter()
                .all(|way| way.axes.contains(&64))
        );
        assert!(ways(577, &channels).is_empty());
        assert!(ways(64, &channels).is_empty());
    }
}
