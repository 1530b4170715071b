//! What a PEFT adapter makes of the base's matrices: W' = W + s · B·A, a few rows at a time
//! (guide/formats.md, section 1.6).
//!
//! W' holds W because it is put together from it here: how much the two differ tells the size of
//! the change, and how much they agree tells nothing of where the adapter comes from.

mod find;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::error::{Error, Result};
use crate::model::dtype::Dtype;
use crate::numeric::rows::RowSource;

use super::logical::{Logical, Origin};
use super::model::Model;
use super::reader::View;

pub(crate) use crate::format::adapter::{Adapter, LoraModule};
pub(crate) use find::{Unfit, find};

/// Values of a factor that are held at once, unless one row has more.
const HELD: usize = 1 << 18;

/// A matrix of the base that an adapter changes.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// Index into the adapter's modules.
    pub module: usize,
    /// W.
    pub base: Logical,
    /// Number format of A.
    pub dtype: Dtype,
    /// Whether ΔW is s · (B·A)ᵀ.
    transposed: bool,
    /// Which rows of ΔW are those of W.
    rows: Rows,
}

/// Where the rows of W are in ΔW.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// All experts one after the other, so many rows each; a single matrix is one expert.
    Stacked(usize),
    /// Every `step`-th row of one expert from `first` on.
    OfExpert {
        expert: usize,
        first: usize,
        step: usize,
    },
}

impl Rows {
    /// Expert, and row of its ΔW.
    fn locate(self, row: usize) -> (usize, usize) {
        match self {
            Self::Stacked(each) => (row / each, row % each),
            Self::OfExpert {
                expert,
                first,
                step,
            } => (expert, first + row * step),
        }
    }
}

/// W', the base's matrix with its change.
pub(crate) struct Adapted<'a> {
    base: View<'a>,
    /// ΔW = scale · left · right, for each expert with its own columns of left and rows of right.
    left: View<'a>,
    right: View<'a>,
    transposed: bool,
    rows: Rows,
    experts: usize,
    rank: usize,
    scale: f32,
    magnitude: Option<Magnitude>,
}

/// DoRA: what each row, or where ΔW is transposed each column, is brought to.
enum Magnitude {
    OfRows(Vec<f32>),
    /// The factor of each column.
    OfColumns(Vec<f32>),
}

impl<'a> Adapted<'a> {
    /// The matrix that the adapter `target` makes of one of `base`.
    ///
    /// # Errors
    /// Values that cannot be read.
    pub(crate) fn new(base: &'a Model, target: &'a Model, change: &Change) -> Result<Self> {
        let module = adapter(target).and_then(|adapter| adapter.modules.get(change.module));
        let module = module.ok_or_else(|| Error::Usage("no adapter".into()))?;
        let factor = |at: usize, transposed: bool| match stored(target, at) {
            Some(logical) if transposed => target.view(&other_way_round(logical)),
            Some(logical) => target.view(logical),
            None => Err(Error::unsupported(
                &target.checkpoint().path,
                "a factor that is no tensor",
            )),
        };
        let (left, right) = if change.transposed {
            (module.a, module.b)
        } else {
            (module.b, module.a)
        };
        let mut out = Self {
            base: base.view(&change.base)?,
            left: factor(left, change.transposed)?,
            right: factor(right, change.transposed)?,
            transposed: change.transposed,
            rows: change.rows,
            experts: usize::try_from(module.experts).unwrap_or(usize::MAX),
            rank: usize::try_from(module.rank).unwrap_or(usize::MAX),
            scale: module.scale as f32,
            magnitude: None,
        };
        if let Some(magnitude) = magnitudes(target, module)? {
            out.magnitude = Some(match change.transposed {
                false => Magnitude::OfRows(magnitude),
                true => Magnitude::OfColumns(out.column_factors(&magnitude)?),
            });
        }
        Ok(out)
    }

    /// Adds the change to `values`, rows of ΔW of one expert that stand `step` apart.
    fn add(&self, expert: usize, first: usize, step: usize, values: &mut [f32]) -> Result<()> {
        let columns = self.base.columns();
        let count = values.len() / columns;
        let left = self.coefficients(expert, first, step, count)?;
        let mut delta = vec![0.0; values.len()];
        // Rows of right lie together unless experts alternate.
        let together = if self.experts == 1 || !self.transposed {
            (HELD / columns).clamp(1, self.rank)
        } else {
            1
        };
        let mut right = vec![0.0; together * columns];
        for begin in (0..self.rank).step_by(together) {
            let here = together.min(self.rank - begin);
            let at = self.place(!self.transposed, expert, begin);
            self.right.read_rows(at..at + here, &mut right)?;
            for (row, delta) in delta.chunks_exact_mut(columns).enumerate() {
                let coefficients = &left[row * self.rank + begin..][..here];
                for (coefficient, right) in coefficients.iter().zip(right.chunks_exact(columns)) {
                    delta
                        .iter_mut()
                        .zip(right)
                        .for_each(|(sum, value)| *sum += coefficient * value);
                }
            }
        }
        values
            .iter_mut()
            .zip(&delta)
            .for_each(|(value, delta)| *value += self.scale * delta);
        Ok(())
    }

    /// Rows of left, `rank` values each.
    fn coefficients(
        &self,
        expert: usize,
        first: usize,
        step: usize,
        count: usize,
    ) -> Result<Vec<f32>> {
        let width = self.left.columns();
        let mut out = Vec::with_capacity(count * self.rank);
        let together = if step == 1 {
            (HELD / width.max(1)).clamp(1, count.max(1))
        } else {
            1
        };
        let mut values = vec![0.0; together * width];
        for begin in (0..count).step_by(together) {
            let here = together.min(count - begin);
            let at = first + begin * step;
            self.left.read_rows(at..at + here, &mut values)?;
            for row in values.chunks_exact(width).take(here) {
                out.extend((0..self.rank).map(|k| row[self.place(self.transposed, expert, k)]));
            }
        }
        Ok(out)
    }

    /// Place of component `k` of an expert's change on the long axis of A, which holds expert after
    /// expert, or of B, where they alternate.
    fn place(&self, in_a: bool, expert: usize, k: usize) -> usize {
        if in_a {
            expert * self.rank + k
        } else {
            k * self.experts + expert
        }
    }

    /// W + ΔW.
    fn read_sum(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let columns = self.base.columns();
        self.base.read_rows(rows.clone(), out)?;
        let mut begin = rows.start;
        while begin < rows.end && columns > 0 {
            let (expert, first) = self.rows.locate(begin);
            let (step, end) = match self.rows {
                Rows::Stacked(each) => (1, rows.end.min((expert + 1) * each)),
                Rows::OfExpert { step, .. } => (step, rows.end),
            };
            // A matrix of few columns has many rows in a chunk, and each has `rank` coefficients.
            let end = end.min(begin + (HELD / self.rank).max(1));
            let here = &mut out[(begin - rows.start) * columns..(end - rows.start) * columns];
            self.add(expert, first, step, here)?;
            begin = end;
        }
        Ok(())
    }

    /// m / ‖V‖ by column, V = W + ΔW.
    fn column_factors(&self, magnitude: &[f32]) -> Result<Vec<f32>> {
        let columns = self.base.columns();
        let mut squares = vec![0.0; columns];
        let together = (HELD / columns.max(1)).max(1);
        let mut values = vec![0.0; together * columns];
        for begin in (0..self.base.rows()).step_by(together) {
            let end = (begin + together).min(self.base.rows());
            self.read_sum(begin..end, &mut values)?;
            for row in values.chunks_exact(columns).take(end - begin) {
                squares
                    .iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += f64::from(*value) * f64::from(*value));
            }
        }
        Ok(magnitude
            .iter()
            .zip(squares)
            .map(|(m, square)| (f64::from(*m) / square.sqrt()) as f32)
            .collect())
    }
}

impl RowSource for Adapted<'_> {
    fn rows(&self) -> usize {
        self.base.rows()
    }

    fn columns(&self) -> usize {
        self.base.columns()
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let columns = self.columns();
        let out = &mut out[..rows.len() * columns];
        self.read_sum(rows.clone(), out)?;
        match &self.magnitude {
            None => {}
            Some(Magnitude::OfRows(magnitude)) => {
                for (row, values) in rows.zip(out.chunks_exact_mut(columns)) {
                    let norm = values
                        .iter()
                        .map(|v| f64::from(*v) * f64::from(*v))
                        .sum::<f64>()
                        .sqrt();
                    let factor = (f64::from(magnitude[self.rows.locate(row).1]) / norm) as f32;
                    values.iter_mut().for_each(|value| *value *= factor);
                }
            }
            Some(Magnitude::OfColumns(factors)) => {
                for values in out.chunks_exact_mut(columns) {
                    values
                        .iter_mut()
                        .zip(factors)
                        .for_each(|(value, factor)| *value *= factor);
                }
            }
        }
        Ok(())
    }
}

/// What a model that is an adapter changes.
pub(crate) fn adapter(model: &Model) -> Option<&Adapter> {
    model.opened.adapter.as_ref()
}

/// DoRA's magnitudes of a module, where it has them.
///
/// # Errors
/// Values that cannot be read.
pub(crate) fn magnitudes(target: &Model, module: &LoraModule) -> Result<Option<Vec<f32>>> {
    let Some(logical) = module.magnitude.and_then(|at| stored(target, at)) else {
        return Ok(None);
    };
    let view = target.view(logical)?;
    let mut values = vec![0.0; view.rows() * view.columns()];
    view.read_rows(0..view.rows(), &mut values)?;
    Ok(Some(values))
}

/// The tensor at `at` of a checkpoint, as it is stored.
fn stored(model: &Model, at: usize) -> Option<&Logical> {
    let name = &model.checkpoint().tensors.get(at)?.name;
    model
        .named(name)
        .filter(|logical| logical.stored_as.origin == Origin::Tensor(at))
}

/// A stored matrix read the other way round.
fn other_way_round(logical: &Logical) -> Logical {
    let mut out = logical.clone();
    out.shape.reverse();
    out.stored_as.transposed = !out.stored_as.transposed;
    out
}
