//! Channels that one side rescales without any change of function: a norm's gain divided by a
//! factor that the columns of the matrices behind it carry, or the rows of one matrix and the
//! columns of the next (AWQ, SmoothQuant, and disguises).
//!
//! A factor is never fitted to the tensor that it is applied to. It is the quotient of the two
//! sides' gains, or comes from the other one of two matrices that share hidden units, and it is
//! undone only where all tensors that must carry it do: then the base's rows and columns are read
//! in the target's scale.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::model::words::{Block, Component, Role};
use crate::numeric::decode::values_per_element;
use crate::numeric::rows::RowSource;
use crate::view::logical::{Logical, Scale, Via};
use crate::view::model::Model;
use crate::view::reader::View;

use super::Alignment;

/// Rows of a matrix that are looked at for the factors of its columns.
const ROWS_LOOKED_AT: usize = 64;

/// Rows that are looked at where the first ones may carry factors: rounding to 4 bits leaves a
/// column's factor uncertain by a hundredth on 64 rows.
const MORE_ROWS: usize = 1024;

/// Largest part of the factors' square that may stay unexplained by the tensor that must carry
/// them.
const UNEXPLAINED: f64 = 0.25;

/// Largest part of a matrix's square that may stay once its columns are rescaled, for two matrices
/// to be worth reading whole: 2 bits leave less than a quarter.
const REST: f64 = 0.25;

/// Values of a matrix that are read at a time.
const VALUES_READ: usize = 1 << 22;

/// Units of a layer that are tried before the others are taken to be as they are: tools rescale all
/// experts alike.
const UNITS_TRIED: usize = 8;

/// Layers of a component that are tried before the others are taken to be as they are: tools
/// rescale all layers alike.
const LAYERS_TRIED: usize = 4;

/// Least correlation of a column with its counterpart that counts as likeness. Independent columns
/// reach 0.5 by chance on 64 rows once in 10⁵.
const LIKE: f64 = 0.5;

/// Quotients of factors below this, negative ones among them, count as this.
const LEAST_QUOTIENT: f64 = 0.1;

/// What a change of sign counts beside the square of a factor's logarithm.
const TURNED: f64 = 4.0;

/// Matrices of which one layer's channels were rescaled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rescaled {
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

/// One block of layers: what may share factors.
type Place = (Component, Option<Block>, Option<u32>);

/// Undoes the rescaling of channels.
///
/// # Errors
/// A read that fails.
pub fn undo(alignment: &mut Alignment, models: [&Model; 2]) -> Result<()> {
    let mut places: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for (at, pair) in alignment.pairs.iter().enumerate() {
        let meaning = &pair.target.meaning;
        let real = [&pair.base, &pair.target]
            .iter()
            .all(|side| values_per_element(side.dtype) == 1);
        if meaning.layer.is_some() && real && pair.target.elements() > 0 {
            places
                .entry((meaning.component, meaning.block, meaning.layer))
                .or_default()
                .push(at);
        }
    }
    let mut cosines = Vec::new();
    let mut tried: BTreeMap<Component, usize> = BTreeMap::new();
    for ((component, _, layer), members) in places {
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
        if let (true, Some(layer)) = (alignment.rescaled.pairs > before, layer) {
            alignment
                .rescaled
                .layers
                .entry(component)
                .or_default()
                .push(layer);
        }
    }
    let count = cosines.len();
    alignment.rescaled.check_cosine =
        (count > 0).then(|| cosines.iter().sum::<f64>() / count as f64);
    Ok(())
}

/// Norms, and what reads the stream through them.
const NORMS: &[(&str, &[Role])] = &[
    (
        "norm:pre_attn.",
        &[Role::Q, Role::K, Role::V, Role::Qkv, Role::QA, Role::KvA],
    ),
    (
        "norm:pre_mlp.",
        &[Role::Gate, Role::Up, Role::GateUp, Role::Fc1, Role::Router],
    ),
];

/// Matrices whose rows are hidden units without a non-linearity of their own, and those whose
/// columns they are.
const UNITS: &[(Role, Role)] = &[(Role::V, Role::O), (Role::Up, Role::Down)];

/// Undoes a rescaling of the matrices behind a norm; the cosine of each once it is undone.
fn behind_norm(
    alignment: &mut Alignment,
    models: [&Model; 2],
    members: &[usize],
    norm: &str,
    readers: &[Role],
) -> Result<Vec<f64>> {
    let find = |slot: String| {
        members
            .iter()
            .copied()
            .find(|at| *alignment.pairs[*at].target.meaning.slot == *slot)
    };
    let Some(gain) = find(format!("{norm}weight")) else {
        return Ok(Vec::new());
    };
    let bias = find(format!("{norm}bias"));
    let Some(gains) = views(models, alignment, gain)? else {
        return Ok(Vec::new());
    };
    let Some(scale) = quotient(models, &gains)? else {
        return Ok(Vec::new());
    };
    let width = scale.factors.len() as u64;
    let reads = |at: &usize| {
        let target = &alignment.pairs[*at].target;
        readers.contains(&target.meaning.role)
            && target.shape.len() >= 2
            && target.matrix_shape().1 == width
    };
    let behind: Vec<usize> = members.iter().copied().filter(|at| reads(at)).collect();
    let mut cosines = Vec::new();
    for &at in &behind {
        let Some(read) = views(models, alignment, at)? else {
            return Ok(Vec::new());
        };
        let mut fit = Fit::of_columns(&read, ROWS_LOOKED_AT, Some(&scale.factors))?;
        if fit.unexplained(&scale.factors) <= 1.0 {
            fit = Fit::of_columns(&read, MORE_ROWS, Some(&scale.factors))?;
        }
        if fit.unexplained(&scale.factors) > UNEXPLAINED || fit.rest() > REST || !fit.is_alike() {
            return Ok(Vec::new());
        }
        cosines.extend(fit.cosine());
    }
    if behind.is_empty() {
        return Ok(Vec::new());
    }
    behind
        .iter()
        .for_each(|&at| rescale(alignment, at, &scale, Side::Columns));
    alignment
        .rescaled
        .gains
        .push(alignment.pairs[gain].target.name.clone());
    if let Some(bias) = bias {
        rescale(alignment, bias, &scale.inverse(), Side::Columns);
    }
    Ok(cosines)
}

/// Undoes a rescaling of units between the matrix that writes them and the one that reads them.
fn between_matrices(
    alignment: &mut Alignment,
    models: [&Model; 2],
    members: &[usize],
    writer: Role,
    reader: Role,
) -> Result<()> {
    let key = |l: &Logical| (l.meaning.expert, l.meaning.shared_expert);
    let of = |role: Role| -> Vec<usize> {
        let is = |at: &&usize| {
            let target = &alignment.pairs[**at].target;
            target.meaning.role == role && target.shape.len() == 2
        };
        members.iter().filter(is).copied().collect()
    };
    let unit_of = |at: usize| key(&alignment.pairs[at].target);
    let readers: BTreeMap<_, usize> = of(reader).into_iter().map(|at| (unit_of(at), at)).collect();
    let units: Vec<_> = of(writer)
        .into_iter()
        .filter_map(|up| Some((up, *readers.get(&unit_of(up))?)))
        .collect();
    let before = alignment.rescaled.pairs;
    for (tried, (up, down)) in units.into_iter().enumerate() {
        if tried >= UNITS_TRIED && alignment.rescaled.pairs == before {
            break;
        }
        let [rows, columns] = [
            alignment.pairs[up].target.shape[0],
            alignment.pairs[down].target.shape[1],
        ];
        if rows != columns {
            continue;
        }
        let Some(read) = views(models, alignment, down)? else {
            continue;
        };
        // A few rows first: of unrelated or merely retrained matrices nothing more is read.
        let few = Fit::of_columns(&read, ROWS_LOOKED_AT, None)?;
        if few.rest() > REST || few.rest() >= UNEXPLAINED.sqrt() * few.change() || !few.is_alike() {
            continue;
        }
        let Some(written) = views(models, alignment, up)? else {
            continue;
        };
        let by_reader = Fit::of_columns(&read, usize::MAX, None)?.factors();
        let writes = Fit::of_rows(&written)?;
        let by_writer = writes.factors();
        let by_reader_inverse: Vec<f32> = by_reader.iter().map(|factor| 1.0 / factor).collect();
        if writes.unexplained(&by_reader_inverse) > UNEXPLAINED {
            continue;
        }
        // Both factors are measured: what they differ by is how well they are known.
        let uncertain = by_reader
            .iter()
            .zip(&by_writer)
            .map(|(r, w)| (r * w - 1.0).abs())
            .collect::<Vec<_>>();
        let known = |factors: Vec<f32>| Scale {
            factors: factors.into(),
            uncertainty: uncertain.clone().into(),
        };
        let rows = known(by_reader_inverse);
        rescale(alignment, up, &rows, Side::Rows);
        rescale(alignment, down, &known(by_writer).inverse(), Side::Columns);
        let meaning = alignment.pairs[up].target.meaning.clone();
        let unit = key(&alignment.pairs[up].target);
        let bias = meaning.slot.replace(".weight", ".bias");
        let is_bias = |at: &&usize| {
            let target = &alignment.pairs[**at].target;
            *target.meaning.slot == *bias && key(target) == unit && target.shape == [columns]
        };
        if let Some(&bias) = members
            .iter()
            .find(is_bias)
            .filter(|_| *bias != *meaning.slot)
        {
            rescale(alignment, bias, &rows, Side::Columns);
        }
    }
    Ok(())
}

/// What a factor belongs to.
#[derive(Debug, Clone, Copy)]
enum Side {
    Rows,
    Columns,
}

/// Has the base of a pair read in the target's scale.
fn rescale(alignment: &mut Alignment, at: usize, scale: &Scale, side: Side) {
    let pair = &mut alignment.pairs[at];
    match side {
        Side::Rows => Arc::make_mut(&mut pair.base).source.row_scale = Some(scale.clone()),
        Side::Columns => Arc::make_mut(&mut pair.base).source.column_scale = Some(scale.clone()),
    }
    (pair.via, pair.by_name) = (Via::Mapped, false);
    alignment.rescaled.pairs += 1;
}

/// Both sides' values; `None` where one side's cannot be read.
fn views<'a>(
    models: [&'a Model; 2],
    alignment: &Alignment,
    at: usize,
) -> Result<Option<[View<'a>; 2]>> {
    let pair = &alignment.pairs[at];
    if models[0].unreadable(&pair.base).is_some() || models[1].unreadable(&pair.target).is_some() {
        return Ok(None);
    }
    Ok(Some([
        models[0].view(&pair.base)?,
        models[1].view(&pair.target)?,
    ]))
}

/// Factors base/target of two gains, and how well their number formats let them be known; `None`
/// where the gains are equal or one of them is 0 or not finite.
fn quotient(models: [&Model; 2], gains: &[View<'_>; 2]) -> Result<Option<Scale>> {
    let read = |model: &Model, view: &View<'_>| -> Result<[Vec<f32>; 2]> {
        let (mut values, mut steps) = (vec![0.0; view.columns()], vec![0.0; view.columns()]);
        view.read_rows(0..view.rows().min(1), &mut values)?;
        view.read_steps(0..view.rows().min(1), &mut steps)?;
        let offset = if model.facts.zero_centred_gains {
            1.0
        } else {
            0.0
        };
        values.iter_mut().for_each(|value| *value += offset);
        Ok([values, steps])
    };
    let ([a, step_a], [b, step_b]) = (read(models[0], &gains[0])?, read(models[1], &gains[1])?);
    let told = a
        .iter()
        .chain(&b)
        .all(|gain| gain.is_finite() && *gain != 0.0);
    if a == b || !told || a.len() != b.len() {
        return Ok(None);
    }
    let half = |step: f32, gain: f32| 0.5 * step.abs() / gain.abs();
    let uncertainty = (0..a.len())
        .map(|i| half(step_a[i], a[i]) + half(step_b[i], b[i]))
        .collect();
    Ok(Some(Scale {
        factors: a.iter().zip(&b).map(|(a, b)| a / b).collect(),
        uncertainty,
    }))
}

/// Sums of each row or column of a pair: its least-squares factor, target over base, is Σab/Σa².
struct Fit {
    products: Vec<f64>,
    base: Vec<f64>,
    target: Vec<f64>,
    /// Whether the base was multiplied by the expected factors first, so that a factor of 1 is
    /// left.
    taken_off: bool,
}

impl Fit {
    /// Sums over the first `rows` rows for each of `count` units; `unit` gives that of an element.
    /// With the factors that columns are expected to carry, the base is multiplied by them and rows
    /// count alike on both sides: they may be rescaled too.
    fn of(
        pair: &[View<'_>; 2],
        rows: usize,
        expected: Option<&[f32]>,
        count: usize,
        unit: impl Fn(usize, usize) -> usize,
    ) -> Result<Self> {
        let columns = pair[0].columns();
        let zeros = || vec![0.0; count];
        let mut out = Self {
            products: zeros(),
            base: zeros(),
            target: zeros(),
            taken_off: expected.is_some(),
        };
        let height = ROWS_LOOKED_AT
            .min(VALUES_READ / columns.max(1))
            .clamp(1, rows.max(1));
        let mut tiles = [
            vec![0.0f32; height * columns],
            vec![0.0f32; height * columns],
        ];
        for start in (0..rows).step_by(height) {
            let tile = start..(start + height).min(rows);
            for (view, values) in pair.iter().zip(&mut tiles) {
                view.read_rows(tile.clone(), values)?;
            }
            let [a, b] = &mut tiles;
            for (row, (a, b)) in
                tile.zip(a.chunks_exact_mut(columns).zip(b.chunks_exact_mut(columns)))
            {
                if let Some(factors) = expected {
                    a.iter_mut()
                        .zip(factors)
                        .for_each(|(a, factor)| *a *= factor);
                    [&mut *a, &mut *b].into_iter().for_each(to_unit_length);
                }
                for (column, (a, b)) in a.iter().zip(b.iter()).enumerate() {
                    let (a, b, unit) = (f64::from(*a), f64::from(*b), unit(row, column));
                    out.products[unit] += a * b;
                    out.base[unit] += a * a;
                    out.target[unit] += b * b;
                }
            }
        }
        Ok(out)
    }

    fn of_columns(pair: &[View<'_>; 2], rows: usize, expected: Option<&[f32]>) -> Result<Self> {
        Self::of(
            pair,
            rows.min(pair[0].rows()),
            expected,
            pair[0].columns(),
            |_, column| column,
        )
    }

    fn of_rows(pair: &[View<'_>; 2]) -> Result<Self> {
        Self::of(pair, pair[0].rows(), None, pair[0].rows(), |row, _| row)
    }

    /// The factor of each unit; 1 where there is none.
    fn factors(&self) -> Vec<f32> {
        let factor = |(ab, aa): (&f64, &f64)| {
            if *ab != 0.0 && *aa > 0.0 {
                (ab / aa) as f32
            } else {
                1.0
            }
        };
        self.products.iter().zip(&self.base).map(factor).collect()
    }

    /// Which part of these factors the units do not carry: the square of ln(own/factor) beside that
    /// of ln(factor), each unit weighed by its own square. Rounding of the base makes Σab/Σa² too
    /// small and leaves Σb²/Σab alone, that of the target the other way round, so the smaller of
    /// the two counts. Infinite where the factors are all 1.
    fn unexplained(&self, factors: &[f32]) -> f64 {
        let (mut left, mut size) = ([0.0; 2], 0.0);
        for (i, factor) in factors.iter().enumerate() {
            let (weight, factor) = (self.base[i], f64::from(*factor));
            let (expected, least) = (if self.taken_off { 1.0 } else { factor }, f64::MIN_POSITIVE);
            let own = [
                self.products[i] / self.base[i].max(least),
                self.target[i] / self.products[i].abs().max(least),
            ];
            for (left, own) in left
                .iter_mut()
                .zip([own[0], own[1].copysign(self.products[i])])
            {
                // A unit that is unlike its counterpart carries nothing.
                *left += weight * (own / expected).max(LEAST_QUOTIENT).ln().powi(2);
            }
            size += weight * (factor.abs().ln().powi(2) + if factor < 0.0 { TURNED } else { 0.0 });
        }
        let share = left[0].min(left[1]) / size;
        if size > 0.0 && share.is_finite() {
            share
        } else {
            f64::INFINITY
        }
    }

    /// Whether at least half of the units are like their counterparts, each counted once: a few
    /// large ones prove nothing.
    fn is_alike(&self) -> bool {
        let product = |at: usize| {
            if self.taken_off {
                self.products[at]
            } else {
                self.products[at].abs()
            }
        };
        let like = |at: &usize| product(*at) >= LIKE * (self.base[*at] * self.target[*at]).sqrt();
        let told = |at: &usize| self.base[*at] > 0.0 && self.target[*at] > 0.0;
        let told: Vec<usize> = (0..self.base.len()).filter(told).collect();
        !told.is_empty() && 2 * told.iter().copied().filter(like).count() >= told.len()
    }

    /// Cosine of the two sides.
    fn cosine(&self) -> Option<f64> {
        let [ab, aa, bb] =
            [&self.products, &self.base, &self.target].map(|sums| sums.iter().sum::<f64>());
        let norms = (aa * bb).sqrt();
        (norms > 0.0).then(|| (ab / norms).clamp(-1.0, 1.0))
    }

    /// Share of the target's square that is left once each unit has its best factor, as a length.
    fn rest(&self) -> f64 {
        let all: f64 = self.target.iter().sum();
        let explained: f64 = self
            .products
            .iter()
            .zip(&self.base)
            .filter(|(_, aa)| **aa > 0.0)
            .map(|(ab, aa)| ab * ab / aa)
            .sum();
        if all > 0.0 {
            ((all - explained).max(0.0) / all).sqrt()
        } else {
            1.0
        }
    }

    /// How far the two sides are apart as they are stored, relative to the target.
    fn change(&self) -> f64 {
        let [ab, aa, bb] =
            [&self.products, &self.base, &self.target].map(|sums| sums.iter().sum::<f64>());
        if bb > 0.0 {
            ((aa - 2.0 * ab + bb).max(0.0) / bb).sqrt()
        } else {
            0.0
        }
    }
}

fn to_unit_length(row: &mut [f32]) {
    let length = row
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    if length > 0.0 {
        row.iter_mut()
            .for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
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
