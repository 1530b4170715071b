//! What the way in which a model is stored says of how it was made: masks that prune it, an adapter
//! that was not merged, codes whose scales are not there, values that were codes before.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::align::{Pair, Unmatched, Why};
use crate::error::Result;
use crate::measure::record::Record;
use crate::model::dtype::{Dtype, Kind};
use crate::model::name::is_adapter_factor;
use crate::model::sides::{Side, Sides};
use crate::model::warning::{Among, Noted, Warning};
use crate::model::words::{Class, Component};
use crate::numeric::rows::RowSource;
use crate::view::composed::Factor;
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting, is_about};
use super::few_levels::{Grid, LEAST_VALUES, Looked};
use super::grounds::{Grounds, SharedAreEqual};
use super::part::Part;
use super::relation::Relation;

/// How far a sum of products may be off.
const ROUNDING: f64 = 1e-6;

/// Root mean square from which on floats of 8 bits are codes: quantisers spread a matrix over all of
/// E4M3's 448 or E5M2's 57,344, and no trained weights come near.
const CODES: f64 = 16.0;

/// Rows of a matrix, and values at most, whose levels are counted.
const ROWS: usize = 16;
const MOST_VALUES: usize = 1 << 22;

/// Cosine from which on codes are the other side's values but for their scale: rounding to 8 bits
/// leaves 0.999.
const SCALED_COSINE: f64 = 0.99;

/// What is stored beside the weights.
#[derive(Debug, Clone, Default)]
pub(crate) struct Storage {
    /// Components of which a side has weights under masks that the other side has not.
    masked: Vec<Component>,
    /// Components of which tensors differ by more than zeros that the target has.
    changed: BTreeSet<Component>,
    /// Components of which the target has zeros in the place of the base's values.
    zeroed: BTreeSet<Component>,
    /// Components of tensors that are paired, and of those that one side alone has.
    paired: Vec<Component>,
    left: Sides<Vec<Component>>,
    /// Factors of an adapter inside a whole model, by side.
    factors: Vec<(Side, Factors)>,
    /// Codes of 8 bits whose scale is not stored, by side.
    unscaled: Sides<Vec<String>>,
    /// Components of which tensors differ by such a scale.
    scaled: BTreeSet<Component>,
    /// Matrices whose values lie on a grid of few levels, by side.
    on_grid: Sides<OnGrid>,
}

/// Factors of changes that are stored beside what they change.
#[derive(Debug, Clone)]
struct Factors {
    component: Component,
    first: String,
    count: usize,
}

impl Storage {
    /// Adapters that were not merged, and codes without their scales.
    pub(crate) fn warnings(&self) -> Vec<Noted> {
        let unscaled = Side::BOTH.into_iter().filter_map(|side| {
            let names = self.unscaled.get(side);
            let warning = Warning::ScaleMissing {
                first: names.first()?.clone(),
                tensors: names.len(),
            };
            Some(warning.on(side))
        });
        let told = self.factors.iter().map(|(side, factors)| {
            let warning = Warning::UnmergedAdapter {
                first: factors.first.clone(),
                tensors: factors.count,
            };
            warning.on(*side)
        });
        let on_grid = Side::BOTH.into_iter();
        let on_grid = on_grid.filter_map(|side| self.on_grid.get(side).warning(side));
        told.chain(unscaled).chain(on_grid).collect()
    }
}

/// The grid of few levels on which the values of a matrix of wide floats lie, if they do. The first
/// row ends the look at nearly every matrix.
///
/// # Errors
/// A read that fails.
fn grid(model: &Model, logical: &Logical) -> Result<Option<Grid>> {
    let is_wide_float = logical.dtype.kind() == Kind::Float && logical.dtype.block().1 >= 2;
    let is_long_enough = |columns: u64| {
        let values = usize::try_from(columns)
            .unwrap_or(usize::MAX)
            .saturating_mul(ROWS);
        (LEAST_VALUES..=MOST_VALUES).contains(&values)
    };
    let is_asked = logical.meaning.class == Class::Matrix
        && is_long_enough(logical.matrix_shape().1)
        && is_wide_float
        && !logical.is_quantised()
        && model.opened.sketch.is_none()
        && model.unreadable(logical).is_none();
    if !is_asked {
        return Ok(None);
    }
    let view = model.view(logical)?;
    let (rows, columns) = (view.rows(), view.columns());
    let mut values = vec![0.0f32; columns];
    let mut looked = Looked::default();
    for row in (0..rows).step_by(rows.div_ceil(ROWS).max(1)) {
        view.read_rows(row..row + 1, &mut values)?;
        if !looked.add(&values) {
            return Ok(None);
        }
    }
    Ok(looked.grid())
}

/// The matrices of a model whose values lie on a grid.
#[derive(Debug, Clone, Default)]
struct OnGrid {
    first: Option<String>,
    tensors: usize,
    /// Matrices of floats that were looked at, with these.
    matrices: usize,
    levels: usize,
    among: Option<Among>,
}

impl OnGrid {
    fn add(&mut self, name: &str, grid: Option<Grid>) {
        self.matrices += 1;
        if let Some(grid) = grid {
            self.first.get_or_insert_with(|| name.to_owned());
            self.tensors += 1;
            self.levels = self.levels.max(grid.levels);
            let among = self.among.get_or_insert(grid.among);
            *among = grid.among.min(*among);
        }
    }

    fn warning(&self, side: Side) -> Option<Noted> {
        let warning = Warning::FewLevels {
            first: self.first.clone()?,
            tensors: self.tensors,
            matrices: self.matrices,
            levels: self.levels,
            among: self.among?,
        };
        Some(warning.on(side))
    }
}

/// Whether a matrix of floats of 8 bits holds codes: values of a size that only a scale makes
/// weights of, and no scale beside them. `square` is the sum of their squares.
fn lacks_scale(logical: &Logical, square: f64) -> bool {
    let is_fp8 = matches!(
        logical.dtype,
        Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::F8E4M3Fnuz | Dtype::F8E5M2Fnuz
    );
    let is_plain = !logical.is_quantised() && logical.stored_as.composed.is_none();
    let count = logical.elements() as f64;
    is_fp8 && is_plain && logical.meaning.class == Class::Matrix && square > CODES * CODES * count
}

/// How a pair's values differ.
enum Difference {
    None,
    /// The target's are the base's, some of them zero.
    Zeroed,
    Other,
}

/// Where b is a or 0, Σab = Σb², and no more values differ than are zero.
fn difference(record: &Record) -> Difference {
    let sums = &record.sums;
    let differing = sums.n.saturating_sub(sums.equal);
    let is_readable = record.unreadable.is_none() && sums.nonfinite == Sides::default();
    match () {
        () if record.identical || is_readable && differing == 0 => Difference::None,
        () if is_readable
            && differing <= sums.zeros.target
            && (sums.ab - sums.bb).abs() <= ROUNDING * sums.bb =>
        {
            Difference::Zeroed
        }
        () => Difference::Other,
    }
}

fn factors(model: &Model) -> Option<Factors> {
    if model.opened.adapter.is_some() {
        return None;
    }
    let mut found = model
        .logicals
        .iter()
        .filter(|logical| is_adapter_factor(&logical.name));
    let first = found.next()?;
    Some(Factors {
        component: first.meaning.component,
        first: first.name.clone(),
        count: found.count() + 1,
    })
}

impl Analysis for Storage {
    fn needs_all_values() -> bool {
        true
    }

    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        let is_masked = |parts: Option<&Factor>| matches!(parts, Some(Factor::Mask(_)));
        let pairs = setting.alignment.pairs.iter().filter(|pair| {
            let masked = pair
                .sides()
                .map(|l| is_masked(l.stored_as.composed.as_ref().map(|parts| &parts.factor)));
            masked.base != masked.target
        });
        let sides = Side::BOTH.into_iter().zip(setting.models);
        let (mut changed, mut zeroed) = (BTreeSet::new(), BTreeSet::new());
        let (mut scaled, mut unscaled) = (BTreeSet::new(), Sides::<Vec<String>>::default());
        for (pair, record) in setting.alignment.pairs.iter().zip(setting.records) {
            let component = pair.target.meaning.component;
            let lacking = [
                lacks_scale(&pair.base, record.sums.aa),
                lacks_scale(&pair.target, record.sums.bb),
            ];
            for (side, logical) in [(Side::Base, &pair.base), (Side::Target, &pair.target)] {
                if lacking[usize::from(side == Side::Target)] {
                    unscaled.get_mut(side).push(logical.name.clone());
                }
            }
            let cosine = record.figures().cosine;
            if lacking[0] != lacking[1] && cosine.is_some_and(|cosine| cosine >= SCALED_COSINE) {
                scaled.insert(component);
                continue;
            }
            match difference(record) {
                Difference::None => {}
                Difference::Zeroed => drop(zeroed.insert(component)),
                Difference::Other => drop(changed.insert(component)),
            }
        }
        let grids = setting.alignment.pairs.par_iter().map(|pair| {
            setting.monitor.check()?;
            let [base, target] = setting.models;
            Ok(Sides {
                base: grid(base, &pair.base)?,
                target: grid(target, &pair.target)?,
            })
        });
        let grids: Vec<Sides<Option<Grid>>> = grids.collect::<Result<_>>()?;
        let mut on_grid = Sides::<OnGrid>::default();
        let looked = setting.alignment.pairs.iter().zip(grids);
        let is_matrix = |pair: &Pair| pair.target.meaning.class == Class::Matrix;
        for (pair, grids) in looked.filter(|(pair, _)| is_matrix(pair)) {
            on_grid.base.add(&pair.base.name, grids.base);
            on_grid.target.add(&pair.target.name, grids.target);
        }
        let component = |l: &Logical| l.meaning.component;
        let left = |left: &[Unmatched]| {
            let left = left.iter().filter(|left| left.why != Why::Filtered);
            left.map(|left| component(&left.tensor)).collect()
        };
        let all = setting.alignment.pairs.iter();
        let out = Self {
            changed,
            zeroed,
            scaled,
            unscaled,
            on_grid,
            paired: all.map(|pair| component(&pair.target)).collect(),
            left: Sides {
                base: left(&setting.alignment.base_left),
                target: left(&setting.alignment.target_left),
            },
            masked: pairs.map(|pair| pair.target.meaning.component).collect(),
            factors: sides
                .filter_map(|(side, model)| Some((side, factors(model)?)))
                .collect(),
        };
        Ok(Some(out))
    }

    fn relations(&self, _: &[Part], about: Option<Component>) -> Vec<Relation> {
        let counts = |of: &Component| is_about(*of, about);
        let only_zeroed = self.zeroed.iter().any(counts) && !self.changed.iter().any(counts);
        let pruned = only_zeroed || self.masked.iter().any(counts);
        let is_adapter = |(_, factors): &(Side, Factors)| is_about(factors.component, about);
        let one_sided = self.factors.len() == 1;
        let adapter = one_sided && self.factors.iter().any(is_adapter);
        let relations = [
            pruned.then_some(Relation::Pruned),
            adapter.then_some(Relation::Adapter),
        ];
        relations.into_iter().flatten().collect()
    }

    fn weigh(&self, about: Option<Component>, grounds: &mut Grounds) {
        let counts = |of: &&Component| is_about(**of, about);
        let count = |all: &[Component]| all.iter().filter(counts).count();
        grounds.unchanged = !self.changed.iter().any(|of| is_about(*of, about));
        let mut otherwise = self.zeroed.iter().chain(&self.scaled);
        let is_equal = grounds.unchanged && !otherwise.any(|of| is_about(*of, about));
        let shared = count(&self.paired);
        grounds.shared_are_equal = (is_equal && shared > 0).then(|| SharedAreEqual {
            tensors: shared,
            left: self.left.as_ref().map(|left| count(left)),
        });
    }
}
