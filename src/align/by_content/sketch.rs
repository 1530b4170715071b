//! A few values of a tensor, drawn so that both sides look at the same ones, however its axes lie.

use crate::error::Result;
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::view::logical::Logical;
use crate::view::model::Model;

/// Most values of a sketch.
const VALUES: usize = 4096;

/// Most values that are read for one, in whole rows.
const VALUES_READ: usize = 1 << 23;

/// Axes of a tensor that is looked at.
const MOST_AXES: usize = 5;

/// Fewest values that differ among those of a tensor that can be told by them.
const DISTINCT: usize = 6;

/// Values on a grid of indices. Which indices of an axis are taken depends on its length and on
/// the lengths of all axes alone: a tensor with its axes exchanged has the same values, their axes
/// exchanged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sketch {
    /// Indices on each axis.
    pub(super) grid: Vec<usize>,
    /// The values, the last axis fastest.
    pub(super) values: Vec<f32>,
}

impl Sketch {
    /// The sketch of a tensor; `None` for one that cannot be read, or has too many axes or rows.
    ///
    /// # Errors
    /// A read that fails.
    pub(super) fn new(model: &Model, logical: &Logical) -> Result<Option<Self>> {
        let shape: Option<Vec<usize>> = logical
            .shape
            .iter()
            .map(|length| usize::try_from(*length).ok())
            .collect();
        let shape = shape.filter(|shape| shape.len() <= MOST_AXES && !shape.contains(&0));
        let (Some(shape), None) = (shape, model.unreadable(logical)) else {
            return Ok(None);
        };
        let view = model.view(logical)?;
        let (rows, columns) = (view.rows(), view.columns());
        let all: Option<usize> = shape
            .iter()
            .try_fold(1usize, |n, axis| n.checked_mul(*axis));
        if all != rows.checked_mul(columns) {
            return Ok(None);
        }
        let mut most = VALUES;
        loop {
            let axes = grid(&shape, most);
            let flat = flat_indices(&shape, &axes);
            let mut needed: Vec<usize> = flat.iter().map(|at| at / columns).collect();
            needed.sort_unstable();
            needed.dedup();
            if needed.len().saturating_mul(columns) > VALUES_READ && most > 64 {
                most /= 4;
                continue;
            }
            let values = gathered(&view, &needed, &flat)?;
            let grid = axes.iter().map(Vec::len).collect();
            return Ok(Some(Self { grid, values }));
        }
    }

    /// Whether the values tell the tensor from others.
    pub(super) fn is_telling(&self) -> bool {
        let mut bits: Vec<u32> = self.values.iter().map(|value| value.to_bits()).collect();
        bits.sort_unstable();
        bits.dedup();
        bits.len() >= DISTINCT && self.values.iter().all(|value| value.is_finite())
    }

    /// The sketch of the tensor with its axes in the order `axes`.
    pub(super) fn with_axes(&self, axes: &[usize]) -> Self {
        let grid: Vec<usize> = axes.iter().map(|axis| self.grid[*axis]).collect();
        let mut strides = vec![1; self.grid.len()];
        for axis in (1..self.grid.len()).rev() {
            strides[axis - 1] = strides[axis] * self.grid[axis];
        }
        let values = (0..self.values.len()).map(|at| {
            let (mut rest, mut stored) = (at, 0);
            for (axis, length) in axes.iter().zip(&grid).rev() {
                stored += rest % length * strides[*axis];
                rest /= length;
            }
            self.values[stored]
        });
        let values = values.collect();
        Self { grid, values }
    }

    /// The values about the means of rows and columns, at norm 1: what two tensors that were
    /// trained apart do not share. `None` where nothing is left.
    pub(super) fn direction(&self) -> Option<Vec<f32>> {
        let rows = match self.grid.len() {
            0 | 1 => 1,
            _ => self.grid[0],
        };
        let columns = self.values.len() / rows.max(1);
        let mut values: Vec<f64> = self.values.iter().map(|value| f64::from(*value)).collect();
        for row in values.chunks_exact_mut(columns.max(1)) {
            let mean = row.iter().sum::<f64>() / columns as f64;
            row.iter_mut().for_each(|value| *value -= mean);
        }
        if rows > 1 {
            for column in 0..columns {
                let of_column = || (0..rows).map(|row| row * columns + column);
                let mean = of_column().map(|at| values[at]).sum::<f64>() / rows as f64;
                of_column().for_each(|at| values[at] -= mean);
            }
        }
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let is_something = norm.is_finite() && norm > 0.0;
        is_something.then(|| values.iter().map(|value| (value / norm) as f32).collect())
    }
}

/// Seeded indices on each axis, ascending, at most `most` places in all.
fn grid(shape: &[usize], most: usize) -> Vec<Vec<usize>> {
    let places = |cap: usize| {
        let axes = shape.iter().map(|length| (*length).min(cap));
        axes.fold(1usize, usize::saturating_mul)
    };
    let mut cap = most;
    while cap > 1 && places(cap) > most {
        cap = (cap * 7 / 8).min(cap - 1);
    }
    let axis = |length: &usize| {
        let count = (*length).min(cap);
        let mut chosen = Draws::new(0, &format!("content {length}")).distinct(count, *length);
        chosen.sort_unstable();
        chosen
    };
    shape.iter().map(axis).collect()
}

/// Places of the grid in the flat tensor, ascending.
fn flat_indices(shape: &[usize], axes: &[Vec<usize>]) -> Vec<usize> {
    let mut flat = vec![0];
    for (length, chosen) in shape.iter().zip(axes) {
        let extended = flat
            .iter()
            .flat_map(|at| chosen.iter().map(move |index| at * length + index));
        flat = extended.collect();
    }
    flat
}

fn gathered(view: &dyn RowSource, rows: &[usize], flat: &[usize]) -> Result<Vec<f32>> {
    let columns = view.columns();
    let mut row_values = vec![0.0; columns];
    let mut out = Vec::with_capacity(flat.len());
    let mut at = 0;
    for row in rows {
        view.read_rows(*row..row + 1, &mut row_values)?;
        while let Some(index) = flat.get(at).filter(|index| *index / columns == *row) {
            out.push(row_values[index % columns]);
            at += 1;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_follows_its_axes() {
        let axes = [grid(&[300, 80, 3], 512), grid(&[3, 300, 80], 512)];
        assert_eq!(axes[0][0], axes[1][1]);
        assert_eq!(axes[0][1], axes[1][2]);
        assert!(axes[0].iter().map(Vec::len).product::<usize>() <= 512);
    }

    #[test]
    fn axes_are_exchanged() {
        let sketch = Sketch {
            grid: vec![2, 3],
            values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        };
        let other = sketch.with_axes(&[1, 0]);
        assert_eq!(other.grid, [3, 2]);
        assert_eq!(other.values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }
}
