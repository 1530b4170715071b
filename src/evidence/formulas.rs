//! Matrices whose likeness is that of a formula (guide/methods.md, section 8.6): identity, sine
//! tables, bands, Hadamard matrices, filter banks. Two models that never met compute them alike.
//!
//! They are set aside before anything is tested: no evidence, and no share of what is graded.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::align::{Alignment, Pair};
use crate::error::{Error, Result};
use crate::measure::monitor::Monitor;
use crate::measure::record::Record;
use crate::model::sides::{Side, Sides};
use crate::model::words::{Class, Component};
use crate::stats::formula::{self, Formula};
use crate::stats::levels::LIKE_AT_ALL;
use crate::stats::zeros::{self, Zeros};
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting, is_about};
use super::grounds::Grounds;
use super::parts::is_informative;
use super::untested::{Obstacle, Subject, Untested};

/// A pair that a formula explains.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Computed {
    /// Its names.
    pub names: Sides<String>,
    /// Component of the target.
    pub component: Component,
    /// Matrix parameters of the target.
    pub parameters: u64,
    /// The formula.
    pub formula: Formula,
    /// Whether its bytes are equal.
    pub identical: bool,
}

/// Pairs whose likeness a formula explains.
#[derive(Debug, Clone, Default)]
pub(crate) struct Formulas {
    computed: Vec<Computed>,
    names: Sides<BTreeSet<String>>,
    /// Matrices whose zeros are where those of their counterparts are.
    zero_patterns: Sides<BTreeSet<String>>,
}

impl Formulas {
    /// Looks at every pair of matrices that is alike at all, and marks in `records` those that a
    /// formula explains. Uses the current rayon pool.
    ///
    /// # Errors
    /// A read that fails, or an interrupt.
    pub(crate) fn set_aside(
        models: [&Model; 2],
        alignment: &Alignment,
        records: &mut [Record],
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let looked = alignment.pairs.par_iter().zip(&mut *records);
        let looked = looked.map(|(pair, record)| {
            if monitor.interrupted() {
                return Err(Error::Interrupted);
            }
            let formula = if is_alike(pair, record) {
                explaining(models, pair)?
            } else {
                None
            };
            let has_zero_pattern =
                formula.is_none() && has_zeros(pair, record) && share_zeros(models, pair)?;
            record.is_by_formula = formula.is_some();
            Ok((formula, has_zero_pattern))
        });
        let looked: Vec<(Option<Formula>, bool)> = looked.collect::<Result<_>>()?;
        let mut out = Self::default();
        let pairs = alignment.pairs.iter().zip(&*records);
        for ((pair, record), (formula, has_zero_pattern)) in pairs.zip(looked) {
            if let Some(formula) = formula {
                out.add(pair, record, formula);
            }
            if has_zero_pattern {
                out.zero_patterns.base.insert(pair.base.name.clone());
                out.zero_patterns.target.insert(pair.target.name.clone());
            }
        }
        Ok(out)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.computed.is_empty()
    }

    /// Whether the matrix of that side is one of them.
    pub(crate) fn holds(&self, side: Side, logical: &Logical) -> bool {
        self.names.get(side).contains(&logical.name)
    }

    /// Whether the zeros of the matrix of that side are where its counterpart has them.
    pub(crate) fn has_zero_pattern(&self, side: Side, logical: &Logical) -> bool {
        self.zero_patterns.get(side).contains(&logical.name)
    }

    fn add(&mut self, pair: &Pair, record: &Record, formula: Formula) {
        let names = Sides {
            base: pair.base.name.clone(),
            target: pair.target.name.clone(),
        };
        self.names.base.insert(names.base.clone());
        self.names.target.insert(names.target.clone());
        self.computed.push(Computed {
            names,
            component: pair.target.meaning.component,
            parameters: pair.target.elements(),
            formula,
            identical: record.identical,
        });
    }

    /// Names of the byte-identical ones, which look like a copied part and are none.
    pub(crate) fn identical(&self) -> impl Iterator<Item = &str> {
        let identical = self.computed.iter().filter(|computed| computed.identical);
        identical.map(|computed| computed.names.target.as_str())
    }
}

impl Analysis for Formulas {
    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        let found = setting.formulas;
        Ok((!found.computed.is_empty()).then(|| found.clone()))
    }

    fn untested(&self) -> Vec<Untested> {
        let computed = self.computed.iter();
        computed
            .map(|computed| Untested {
                what: Subject::Tensor(computed.names.target.clone()),
                why: Obstacle::Formula(computed.formula),
            })
            .collect()
    }

    fn weigh(&self, about: Option<Component>, grounds: &mut Grounds) {
        let counts = |computed: &&Computed| is_about(computed.component, about);
        grounds.computed = self.computed.iter().filter(counts).cloned().collect();
    }
}

/// Whether a pair of matrices has any likeness that a formula could explain.
fn is_alike(pair: &Pair, record: &Record) -> bool {
    if pair.target.meaning.class != Class::Matrix || !is_informative(pair, record) {
        return false;
    }
    // What rows have in common as a whole, places of a kernel for one, is no excess.
    let seen = [record.figures().excess, record.part_excess()];
    seen.into_iter()
        .flatten()
        .any(|likeness| likeness.abs() >= LIKE_AT_ALL)
}

/// Whether both sides have so many zeros that their places could say something.
fn has_zeros(pair: &Pair, record: &Record) -> bool {
    let many = |zeros: u64| zeros as f64 > zeros::LEAST_SHARE * record.sums.n as f64;
    let zeros = record.sums.zeros;
    pair.target.meaning.class == Class::Matrix && many(zeros.base) && many(zeros.target)
}

/// Whether both sides have their zeros in the same places.
fn share_zeros(models: [&Model; 2], pair: &Pair) -> Result<bool> {
    let sides = [&pair.base, &pair.target];
    // A sketch shows too few rows to tell two patterns apart: places say nothing then.
    if models.iter().any(|model| model.opened.sketch.is_some()) {
        return Ok(true);
    }
    let is_unreadable = |at: usize| models[at].unreadable(sides[at]).is_some();
    if is_unreadable(0) || is_unreadable(1) {
        return Ok(false);
    }
    let (base, target) = (models[0].view(sides[0])?, models[1].view(sides[1])?);
    let zeros = Zeros::of(&base, &target)?;
    Ok(zeros.is_some_and(|zeros| zeros.are_one_pattern()))
}

/// The same of models of which one is a sketch, which says whether a formula explains its first rows
/// and columns: that is enough where it does.
fn explaining_by_marks(models: [&Model; 2], pair: &Pair) -> Result<Option<Formula>> {
    let sides = [&pair.base, &pair.target];
    let mut nearest = None;
    for (model, logical) in models.into_iter().zip(sides) {
        if model.opened.sketch.is_some() {
            if !model.kept_marks(logical).by_formula {
                return Ok(None);
            }
        } else if model.unreadable(logical).is_none() {
            let window = formula::window(&model.view(logical)?)?;
            nearest = formula::nearest_formula(&window).map(|found| found.formula);
            if nearest.is_none() {
                return Ok(None);
            }
        }
    }
    Ok(Some(nearest.unwrap_or(Formula::Identity)))
}

fn explaining(models: [&Model; 2], pair: &Pair) -> Result<Option<Formula>> {
    let sides = [&pair.base, &pair.target];
    if models.iter().any(|model| model.opened.sketch.is_some()) {
        return explaining_by_marks(models, pair);
    }
    let mut windows = Vec::with_capacity(2);
    for (model, logical) in models.into_iter().zip(sides) {
        if model.unreadable(logical).is_some() {
            return Ok(None);
        }
        windows.push(formula::window(&model.view(logical)?)?);
    }
    let remaining = formula::remaining(&windows[0], &windows[1]);
    let explained = remaining.filter(formula::Remaining::is_explained);
    Ok(explained.map(|remaining| remaining.formula.formula))
}
