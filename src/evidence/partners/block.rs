//! One feed-forward of one model, opened for a look at its units.

use crate::error::Result;
use crate::evidence::disguise::basis::{Basis, gain};
use crate::evidence::permutation::blocks::{BlockKey, Matrices};
use crate::model::words::{Block as Place, Role};
use crate::numeric::linalg::squared_length;
use crate::numeric::rng::Draws;
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::canonical::{
    self, Activation, Canonical, CanonicalRows, FeedForward, Folded, Norm, Unit, canonical,
};
use crate::stats::units::projected::project_columns;
use crate::stats::units::{ColumnFeatures, Features, Held, Sampling, TILE};
use crate::view::kept::Chosen;
use crate::view::logical::Logical;
use crate::view::model::Model;
use crate::view::place;
use crate::view::reader::View;

/// Residual dimensions, at most, that what a unit writes is read in.
const WRITTEN: usize = 512;

/// A feed-forward whose matrices can be read.
pub(in crate::evidence) struct Block<'a> {
    /// Which block.
    pub key: &'a BlockKey,
    /// Rows are units: gate, or the first matrix of a block without a gate.
    gate: View<'a>,
    /// Rows are units; none in a block without a gate.
    up: Option<View<'a>>,
    /// Columns are units.
    down: View<'a>,
    norm: NormValues,
    bias: Option<Vec<f32>>,
    /// Units that the rows are, where they are not all of them.
    chosen: Option<&'a Chosen>,
}

/// The normalisation before a feed-forward.
#[derive(Default)]
struct NormValues {
    gain: Option<Vec<f32>>,
    offset: Option<Vec<f32>>,
    removes_mean: bool,
}

/// All units of a block in canonical form (guide/methods.md, section 8.3).
pub(in crate::evidence) struct Whole<'a, 'b> {
    block: &'b Block<'a>,
    /// What every unit writes, in drawn residual dimensions: shape (units, dimensions).
    down: Matrix,
    /// Its units as they count.
    pub form: Canonical,
}

/// A few units of a block as stored, gains folded in.
pub(in crate::evidence) struct Few {
    /// Which units.
    pub units: Vec<usize>,
    /// Shape (units, d).
    pub gate: Matrix,
    /// Shape (units, d).
    pub up: Option<Matrix>,
    /// Shape (units, drawn dimensions).
    pub down: Matrix,
}

impl<'a> Block<'a> {
    /// None where a matrix is missing, cannot be read or does not fit the others.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn open(
        model: &'a Model,
        key: &'a BlockKey,
        matrices: &Matrices<'a>,
    ) -> Result<Option<Self>> {
        let of_role = |role: Role| {
            let mut rows = matrices.by_row.iter();
            rows.find(|logical| logical.meaning.role == role).copied()
        };
        let (first, up) = match (of_role(Role::Gate), of_role(Role::Up), of_role(Role::Fc1)) {
            (Some(gate), Some(up), _) => (gate, Some(up)),
            (None, Some(first), _) | (_, None, Some(first)) | (Some(first), None, None) => {
                (first, None)
            }
            (None, None, None) => return Ok(None),
        };
        let Some(down) = matrices.by_column else {
            return Ok(None);
        };
        let readable = |logical: &Logical| model.unreadable(logical).is_none();
        if !readable(first) || !readable(down) || up.is_some_and(|up| !readable(up)) {
            return Ok(None);
        }
        let gate = model.view(first)?;
        let up = up.map(|up| model.view(up)).transpose()?;
        let down = model.view(down)?;
        let (units, width) = (gate.rows(), gate.columns());
        let ups_fit = up
            .as_ref()
            .is_none_or(|up| up.rows() == units && up.columns() == width);
        if units == 0 || width < 2 || !ups_fit || down.columns() != units || down.rows() == 0 {
            return Ok(None);
        }
        let norm = NormValues::before(model, key, width)?;
        let bias = vector(model, key, &first.meaning.slot.replace(".weight", ".bias"))?;
        Ok(Some(Self {
            key,
            gate,
            up,
            down,
            norm,
            chosen: model.chosen(&first.place()),
            bias: bias.filter(|bias| bias.len() == units),
        }))
    }

    /// Number of units that can be looked at.
    pub(in crate::evidence) fn units(&self) -> usize {
        self.gate.rows()
    }

    /// Units that the model has: where a sketch stands for it, these were chosen among them.
    pub(in crate::evidence) fn among(&self) -> usize {
        self.chosen.map_or(self.units(), |chosen| chosen.all)
    }

    /// Which of the model's units a unit is.
    pub(in crate::evidence) fn number(&self, unit: usize) -> usize {
        let chosen = self.chosen.and_then(|chosen| chosen.units.get(unit));
        chosen.copied().unwrap_or(unit)
    }

    /// How many units, the first ones, stand in places that owe nothing to their values.
    pub(in crate::evidence) fn placed(&self) -> usize {
        self.chosen.map_or(self.units(), |chosen| chosen.placed)
    }

    /// Whether that unit of the model is one of them.
    pub(in crate::evidence) fn has_placed(&self, number: usize) -> bool {
        match self.chosen {
            None => number < self.units(),
            Some(chosen) => {
                let placed = chosen.units.get(..chosen.placed);
                placed.is_some_and(|placed| placed.binary_search(&number).is_ok())
            }
        }
    }

    /// The units that contribute most by a rough measure, ‖gate‖·‖up‖·‖down‖, which no order of the
    /// units and no basis changes; those that do first, at most `count`.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn largest(
        &self,
        count: usize,
        sampling: &Sampling,
    ) -> Result<Vec<usize>> {
        let gates = self.lengths_of_rows(&self.gate)?;
        let ups = self.up.as_ref().map(|up| self.lengths_of_rows(up));
        let ups = ups.transpose()?;
        let downs = self.lengths_written(sampling)?;
        let of_unit = |unit: usize| {
            let up = ups.as_ref().map_or(1.0, |ups| ups[unit]);
            let weight = gates[unit] * downs[unit] * up;
            (if weight.is_finite() { weight } else { 0.0 }, unit)
        };
        let mut weights: Vec<(f64, usize)> = (0..self.units()).map(of_unit).collect();
        weights.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let there = weights.into_iter().filter(|(weight, _)| *weight > 0.0);
        Ok(there.take(count).map(|(_, unit)| unit).collect())
    }

    /// Length of each row of a matrix that reads the stream, gains folded in.
    fn lengths_of_rows(&self, view: &View<'a>) -> Result<Vec<f64>> {
        let norm = self.norm();
        let folded = Folded::reader(view, &norm);
        let source: &dyn RowSource = match &folded {
            Some(folded) => folded,
            None => view,
        };
        let mut row = vec![0.0; source.columns()];
        let mut out = Vec::with_capacity(source.rows());
        for at in 0..source.rows() {
            source.read_rows(at..at + 1, &mut row)?;
            out.push(squared_length(&row).sqrt());
        }
        Ok(out)
    }

    /// Length of what each unit writes, in drawn residual dimensions.
    fn lengths_written(&self, sampling: &Sampling) -> Result<Vec<f64>> {
        let written = ColumnFeatures::new(&self.down, self.dimensions(sampling));
        let written = match self.norm.removes_mean {
            true => written.centred(),
            false => written,
        };
        let (units, width) = (self.units(), written.width());
        let mut values = vec![0.0; TILE * width];
        let mut out = Vec::with_capacity(units);
        for start in (0..units).step_by(TILE) {
            let end = units.min(start + TILE);
            let values = &mut values[..(end - start) * width];
            written.read(start..end, values)?;
            let rows = values.chunks_exact(width.max(1));
            out.extend(rows.map(|row| squared_length(row).sqrt()));
        }
        Ok(out)
    }

    /// Width of the residual stream.
    pub(in crate::evidence) fn width(&self) -> usize {
        self.gate.columns()
    }

    /// Whether it has a gate beside up.
    pub(in crate::evidence) fn is_gated(&self) -> bool {
        self.up.is_some()
    }

    fn norm(&self) -> Norm<'_> {
        Norm {
            gain: self.norm.gain.as_deref(),
            offset: self.norm.offset.as_deref(),
            removes_mean: self.norm.removes_mean,
        }
    }

    /// Residual dimensions in which what units write is read, the same for every block of this
    /// width.
    fn dimensions(&self, sampling: &Sampling) -> Vec<usize> {
        written_dimensions(self.down.rows(), sampling)
    }

    /// A few units, as stored.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn some(&self, units: &[usize], sampling: &Sampling) -> Result<Few> {
        let down = self.written(self.dimensions(sampling), units)?;
        let (gate, up) = self.readers(units)?;
        Ok(Few {
            gate,
            up,
            down,
            units: units.to_vec(),
        })
    }

    /// What a few units read: rows of the gate, and of up where there is one, gains folded in.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn readers(&self, units: &[usize]) -> Result<(Matrix, Option<Matrix>)> {
        let norm = self.norm();
        let rows_of = |view: &View<'a>| -> Result<Matrix> {
            match Folded::reader(view, &norm) {
                Some(folded) => Matrix::from_rows(&folded, units),
                None => Matrix::from_rows(view, units),
            }
        };
        let up = self.up.as_ref().map(rows_of).transpose()?;
        Ok((rows_of(&self.gate)?, up))
    }

    /// What the given stored units write, over the output head; none where the widths differ.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn over_head(
        &self,
        units: &[usize],
        tokens: &Basis,
    ) -> Result<Option<Held>> {
        let Basis::Tokens { head, .. } = tokens else {
            return Ok(None);
        };
        let written = project_columns(&self.down, units, head)?;
        Ok(written.map(|values| Held::new(values, head.tokens())))
    }

    /// What the given stored units write, in all residual dimensions: shape (units, d).
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn written_whole(&self, units: &[usize]) -> Result<Matrix> {
        self.written((0..self.down.rows()).collect(), units)
    }

    fn written(&self, dimensions: Vec<usize>, units: &[usize]) -> Result<Matrix> {
        let written = ColumnFeatures::new(&self.down, dimensions);
        let written = match self.norm.removes_mean {
            true => written.centred(),
            false => written,
        };
        let mut values = vec![0.0; units.len() * written.width()];
        written.read_each(units, &mut values)?;
        Ok(Matrix {
            rows: units.len(),
            columns: written.width(),
            values,
        })
    }

    /// All units in canonical form; none where the matrices do not make a feed-forward.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn whole(&self, sampling: &Sampling) -> Result<Option<Whole<'a, '_>>> {
        let written = ColumnFeatures::new(&self.down, self.dimensions(sampling));
        let (units, width) = (self.units(), written.width());
        let mut values = vec![0.0; units * width];
        let tile = written.tile().max(TILE);
        for start in (0..units).step_by(tile) {
            let end = units.min(start + tile);
            written.read(start..end, &mut values[start * width..end * width])?;
        }
        let down = Matrix {
            rows: units,
            columns: width,
            values,
        };
        let form = canonical(&self.feed_forward(&down), sampling.seed)?;
        Ok(form.map(|form| Whole {
            block: self,
            down,
            form,
        }))
    }

    fn feed_forward<'b>(&'b self, down: &'b Matrix) -> FeedForward<'b> {
        FeedForward {
            gate: &self.gate,
            gate_bias: self.bias.as_deref(),
            up: self.up.as_ref().map(|up| up as &dyn RowSource),
            down,
            activation: match self.up {
                Some(_) => Activation::Silu,
                None => Activation::Gelu,
            },
            norm: self.norm(),
        }
    }
}

/// Of so many residual dimensions those in which what units write is read.
pub(in crate::evidence) fn written_dimensions(all: usize, sampling: &Sampling) -> Vec<usize> {
    match all {
        few if few <= WRITTEN => (0..few).collect(),
        many => Draws::new(sampling.seed, "written dimensions").distinct(WRITTEN, many),
    }
}

impl Few {
    /// Places in the list of the units that count: those of at least 2 % of the mean of the top
    /// eighth, by a rough measure of what they contribute.
    pub(in crate::evidence) fn strong(&self) -> Vec<usize> {
        let weights = self.weights();
        let floor = canonical::live_floor(&weights);
        let is_strong = |at: &usize| weights[*at] > 0.0 && weights[*at] >= floor;
        (0..weights.len()).filter(is_strong).collect()
    }

    /// ‖up‖·‖down‖·‖gate‖ of each unit.
    fn weights(&self) -> Vec<f64> {
        let lengths = |matrix: &Matrix| -> Vec<f64> {
            let rows = matrix.values.chunks_exact(matrix.columns.max(1));
            rows.map(|row| squared_length(row).sqrt()).collect()
        };
        let (gate, down) = (lengths(&self.gate), lengths(&self.down));
        let up = self.up.as_ref().map(lengths);
        let all = (0..self.units.len()).map(|at| {
            let up = up.as_ref().map_or(1.0, |up| up[at]);
            gate[at] * down[at] * up
        });
        all.map(|weight| if weight.is_finite() { weight } else { 0.0 })
            .collect()
    }

    /// The units at these places of the list.
    pub(in crate::evidence) fn at(&self, places: &[usize]) -> Self {
        let take = |matrix: &Matrix| Matrix {
            rows: places.len(),
            columns: matrix.columns,
            values: places
                .iter()
                .map(|&at| &matrix.values[at * matrix.columns..(at + 1) * matrix.columns])
                .collect::<Vec<_>>()
                .concat(),
        };
        Self {
            units: places.iter().map(|&at| self.units[at]).collect(),
            gate: take(&self.gate),
            up: self.up.as_ref().map(take),
            down: take(&self.down),
        }
    }
}

impl<'a> Whole<'a, '_> {
    /// The block that it is of.
    pub(in crate::evidence) fn block(&self) -> &Block<'a> {
        self.block
    }

    /// Units that count.
    pub(in crate::evidence) fn live(&self) -> &[Unit] {
        &self.form.live
    }

    fn role(&self, role: canonical::Role) -> Option<CanonicalRows<'_>> {
        let layer = self.block.feed_forward(&self.down);
        CanonicalRows::new(&layer, &self.form, role)
    }

    /// Gate rows of the units that count.
    pub(in crate::evidence) fn gate(&self) -> Option<CanonicalRows<'_>> {
        self.role(canonical::Role::Gate)
    }

    /// Up rows of the units that count.
    pub(in crate::evidence) fn up(&self) -> Option<CanonicalRows<'_>> {
        self.block.up.as_ref()?;
        self.role(canonical::Role::Up)
    }

    /// What the units that count write, in drawn dimensions.
    pub(in crate::evidence) fn down(&self) -> Option<CanonicalRows<'_>> {
        self.role(canonical::Role::Down)
    }
}

impl NormValues {
    /// The normalisation that feeds a feed-forward, that of the attention where one feeds both.
    fn before(model: &Model, key: &BlockKey, width: usize) -> Result<Self> {
        let stack = stack(key);
        let prefix = match stack {
            "" => String::new(),
            stack => format!("{stack}."),
        };
        for norm in [
            format!("{prefix}norm:pre_mlp"),
            "norm:pre_mlp".to_owned(),
            format!("{prefix}norm:pre_attn"),
            "norm:pre_attn".to_owned(),
        ] {
            let slot = format!("{norm}.weight");
            let found = gain(
                model,
                key.component,
                Place::Layer(key.layer),
                &[slot.as_str()],
            )?;
            if let Some(gain) = found.filter(|gain| gain.len() == width) {
                let offset = vector(model, key, &format!("{norm}.bias"))?;
                let offset = offset.filter(|offset| offset.len() == width);
                return Ok(Self {
                    gain: Some(gain),
                    removes_mean: offset.is_some(),
                    offset,
                });
            }
        }
        Ok(Self::default())
    }
}

/// The stack that a block belongs to ("encoder"), empty where a model has one only.
pub(in crate::evidence) fn stack(key: &BlockKey) -> &str {
    key.stem.split_once("..").map_or("", |(stack, _)| stack)
}

/// A vector of a layer, by its slot.
fn vector(model: &Model, key: &BlockKey, slot: &str) -> Result<Option<Vec<f32>>> {
    let place = place::Place {
        component: key.component,
        block: Some(Place::Layer(key.layer)),
        layer: Some(key.layer),
        expert: key.expert,
        shared_expert: key.shared,
        slot: slot.into(),
    };
    let found = model
        .at(&place)
        .filter(|vector| vector.shape.len() == 1 && model.unreadable(vector).is_none());
    let Some(found) = found else { return Ok(None) };
    let view = model.view(found)?;
    let mut values = vec![0.0; view.columns()];
    view.read_rows(0..1, &mut values)?;
    Ok(Some(values))
}
