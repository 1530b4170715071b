//! Which tests on the order of units run on two models, and what they give together
//! (guide/methods.md, section 4).

pub(crate) mod blocks;
mod prepared;
mod pruned;
pub(crate) mod residual;
mod rows;

use crate::stats::levels::{FOUND_LOG10, MODERATE_LOG10};
use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::words::{Component, words};
use crate::stats::chance;
use crate::stats::power::{Power, Probed};
use crate::stats::units::{FixedPoints, Untestable};

use super::analysis::{Analysis, Found, Setting, is_about};
use super::finding::{Finding, Hits, Scope, Statement, Supports};
use super::grounds::{Direct, Grounds};
use super::part::{Part, PartKey, PartKind, PartTest};
use super::relation::Relation;
use super::tests_of_units::{Form, Test, UnitKind};
use super::transformation::Transformation;
use super::untested::{Obstacle, Subject, UnitsOf, Untested};

/// Tests whose blocks have orders of their own, combined over groups of clones.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Combined {
    /// Fisher over groups, base 10.
    pub log10_p: f64,
    /// Probes of the direct form.
    pub probes: usize,
    /// Hits of the direct form.
    pub hits: usize,
    /// Groups.
    pub groups: usize,
    /// Layers with a test.
    pub layers: usize,
    /// Layers with at least 3 hits.
    pub layers_hit: usize,
}

words! {
    /// Tests whose power is told.
    PowerKind {
        /// All independent blocks together.
        Pooled = "pooled",
        /// The best part of the residual form.
        Residual = "residual",
    }
}

/// What a null result of one kind is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerOf {
    /// Kind of test.
    pub kind: PowerKind,
    /// Its power.
    pub power: Power,
}

/// Result of all cheap tests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Permutation {
    /// Single tests.
    pub tests: Vec<Test>,
    /// What could not be tested.
    pub skipped: Vec<Untested>,
    /// Feed-forward blocks, experts and rows together.
    pub blocks: Option<Combined>,
    /// Least bound of the residual form, after Bonferroni over its parts.
    pub residual: Option<f64>,
    /// Power of a null result.
    pub power: Vec<PowerOf>,
    /// The part that each test speaks of.
    pub parts: BTreeMap<PartKey, PartTest>,
    /// The part of each of `tests`, in their order.
    parts_of_tests: Vec<Option<PartKey>>,
    /// Parts found that no witness confirms: their bounds count nowhere.
    set_aside: BTreeSet<PartKey>,
}

impl Analysis for Permutation {
    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        if !setting.asked.units {
            return Ok(None);
        }
        test_all(setting).map(Some)
    }

    fn findings(&self) -> Vec<Finding> {
        self.finding().into_iter().collect()
    }

    fn relations(&self, _: &[Part], about: Option<Component>) -> Vec<Relation> {
        let pruned = pruned::pruned(&self.tests);
        let is_pruned = pruned.iter().any(|test| is_about(test.component, about));
        is_pruned.then_some(Relation::Pruned).into_iter().collect()
    }

    fn transformations(&self) -> Vec<Transformation> {
        pruned::transformations(&self.tests)
    }

    fn untested(&self) -> Vec<Untested> {
        self.skipped.clone()
    }

    fn place(&self, parts: &mut Vec<Part>) {
        for part in parts {
            if let Some(test) = self.parts.get(&part.key) {
                part.test = Some(*test);
            }
            part.has_named_places |= self.is_sorted(part);
        }
    }

    fn doubt(&self, parts: &mut [Part]) {
        rows::doubt_formulas(parts);
    }

    fn weigh(&self, about: Option<Component>, grounds: &mut Grounds) {
        grounds.direct = self.blocks_of(about).map(|blocks| Direct {
            log10_p: blocks.log10_p,
            layers: blocks.layers,
            layers_hit: blocks.layers_hit,
        });
        grounds.share_seen_95 = self.share_seen_95(about);
    }
}

impl Permutation {
    /// Bound of the whole family: the least of its kinds of tests, each paid for.
    pub(crate) fn log10_p(&self) -> Option<f64> {
        let kinds: Vec<f64> = self
            .blocks
            .map(|b| b.log10_p)
            .into_iter()
            .chain(self.residual)
            .collect();
        let least = kinds.iter().copied().min_by(f64::total_cmp)?;
        Some(chance::bonferroni(least, kinds.len()))
    }

    /// Leaves parts that a test found and no witness confirms out of every bound that is combined.
    pub(crate) fn set_aside(&mut self, unconfirmed: BTreeSet<PartKey>) {
        self.set_aside = unconfirmed;
        self.blocks = self.blocks_of(None);
        let residual: Vec<f64> = self
            .parts_of_tests
            .iter()
            .zip(&self.tests)
            .filter(|(_, test)| test.kind == UnitKind::Residual)
            .filter(|(part, _)| self.counts(part.as_ref()))
            .map(|(_, test)| test.log10_p)
            .collect();
        let least = residual.iter().copied().min_by(f64::total_cmp);
        self.residual = least.map(|least| chance::bonferroni(least, residual.len()));
    }

    fn counts(&self, part: Option<&PartKey>) -> bool {
        part.is_none_or(|part| !self.set_aside.contains(part))
    }

    /// Whether the dimensions of an embedding or head are in the order of their size on both sides,
    /// as principal components are.
    fn is_sorted(&self, part: &Part) -> bool {
        let mut skipped = self.skipped.iter();
        skipped.any(|skipped| {
            let is_of_part = matches!(
                &skipped.what,
                Subject::ResidualOf(UnitsOf::Tensor(name)) if part.key.name.as_ref() == Some(name)
            );
            is_of_part && matches!(skipped.why, Obstacle::Units(Untestable::Sorted { .. }))
        })
    }

    /// The block tests of one component, or of all, combined.
    pub(crate) fn blocks_of(&self, component: Option<Component>) -> Option<Combined> {
        let counted = self.counted();
        combine(
            counted.filter(|t| t.kind != UnitKind::Residual && is_about(t.component, component)),
        )
    }

    /// Tests whose bounds count.
    fn counted(&self) -> impl Iterator<Item = &Test> {
        let tests = self.parts_of_tests.iter().zip(&self.tests);
        tests
            .filter(|(part, _)| self.counts(part.as_ref()))
            .map(|(_, test)| test)
    }

    /// Layers of one component, or of all, with at least 3 hits in a block.
    pub(crate) fn layers_hit(&self, component: Option<Component>) -> BTreeSet<(Component, u32)> {
        let units = self
            .counted()
            .filter(|t| t.kind != UnitKind::Residual && seen(t) >= HITS_OF_A_LAYER);
        let told = units.filter(|t| is_about(t.component, component));
        told.filter_map(|t| Some((t.component, t.layer?))).collect()
    }

    /// Bounds of the blocks of each layer that was tested, whose tests may depend on one another.
    pub(crate) fn layers_log10_p(&self) -> BTreeMap<(Component, u32), f64> {
        let blocks = self
            .tests
            .iter()
            .filter(|t| matches!(t.kind, UnitKind::Ffn | UnitKind::Expert));
        let mut bounds: BTreeMap<(Component, u32), Vec<f64>> = BTreeMap::new();
        for test in blocks {
            if let Some(layer) = test.layer {
                let of_layer = bounds.entry((test.component, layer)).or_default();
                of_layer.push(test.log10_p);
            }
        }
        let grouped = bounds.into_iter();
        grouped
            .map(|(layer, bounds)| (layer, chance::group(&bounds)))
            .collect()
    }

    /// Least share of the units of the blocks of one component, or of all, whose reuse would have
    /// been seen.
    pub(crate) fn share_seen_95(&self, component: Option<Component>) -> Option<f64> {
        let counts = |test: &&Test| is_about(test.component, component);
        let power = match self.tests.iter().all(|test| counts(&test)) {
            true => self.pooled_power(),
            false => pooled(self.tests.iter().filter(counts)),
        };
        power?.share_seen_95
    }

    /// Power of all blocks pooled.
    fn pooled_power(&self) -> Option<Power> {
        let mut powers = self.power.iter();
        let pooled = powers.find(|of| of.kind == PowerKind::Pooled);
        pooled.map(|of| of.power)
    }

    /// What the tests say together.
    fn finding(&self) -> Option<Finding> {
        let log10_p = self.log10_p()?;
        let probed = self.blocks.map(|blocks| Hits {
            hits: blocks.hits,
            probes: blocks.probes,
        });
        let supports = if log10_p <= MODERATE_LOG10 {
            Supports::Derived
        } else {
            Supports::FromScratch
        };
        Some(Finding {
            statement: Statement::UnitsInPlace { probed, log10_p },
            value: self.blocks.map(|blocks| blocks.hits as f64),
            log10_p: Some(log10_p),
            supports,
            scope: Scope::Model,
        })
    }
}

/// A test with the part it speaks of.
pub(crate) struct Outcome {
    test: Test,
    part: Option<PartKey>,
}

/// What was tested, in its order; what could not be goes to `skipped`.
fn outcomes(
    tested: Vec<Result<std::result::Result<Outcome, Untested>>>,
    skipped: &mut Vec<Untested>,
) -> Result<Vec<Outcome>> {
    let mut out = Vec::new();
    for result in tested {
        match result? {
            Ok(outcome) => out.push(outcome),
            Err(why) => skipped.push(why),
        }
    }
    Ok(out)
}

/// The direct test of units that belong to no layer, in a group of its own to be given.
fn direct(found: &FixedPoints, kind: UnitKind, component: Component, name: UnitsOf) -> Test {
    Test {
        kind,
        form: Form::Direct,
        component,
        layer: None,
        base_layer: None,
        expert: None,
        name: Some(name),
        units: [found.units; 2],
        probes: found.probes.len(),
        hits: found.hits,
        log10_p: found.log10_p,
        exact: true,
        group: 0,
        control: None,
        features: None,
    }
}

/// Runs the direct form on feed-forward blocks, experts and rows, and the residual form. Uses the
/// current rayon pool.
fn test_all(setting: &Setting<'_>) -> Result<Permutation> {
    setting.monitor.begin("testing units", 0);
    let mut skipped = Vec::new();
    let mut outcomes = blocks::test_all(setting, &mut skipped)?;
    let first_rows_group = outcomes.iter().map(|o| o.test.group + 1).max().unwrap_or(0);
    let of_residual = residual::test_all(setting, &mut skipped)?;
    let alike = outcomes
        .iter()
        .chain(&of_residual)
        .any(|o| o.test.log10_p <= FOUND_LOG10);
    let of_rows = rows::test_all(setting, alike, first_rows_group, &mut skipped)?;
    outcomes.extend(of_rows);
    setting.monitor.end();
    Ok(gather(outcomes, of_residual, skipped))
}

fn gather(blocks: Vec<Outcome>, of_residual: Vec<Outcome>, skipped: Vec<Untested>) -> Permutation {
    let combined = combine(blocks.iter().map(|o| &o.test));
    let residual = of_residual
        .iter()
        .map(|o| o.test.log10_p)
        .min_by(f64::total_cmp);
    let residual = residual.map(|least| chance::bonferroni(least, of_residual.len()));
    let all = blocks.len() + of_residual.len();
    // Thousands of experts are probed alike, and the power of a test depends on how it is probed
    // alone.
    let mut shares: BTreeMap<Probed, Option<f64>> = BTreeMap::new();
    let mut parts = BTreeMap::new();
    for outcome in blocks.iter().chain(&of_residual) {
        let Some(key) = &outcome.part else { continue };
        let probed = probed(&outcome.test);
        let share_seen_95 = *shares
            .entry(probed)
            .or_insert_with(|| Power::part(probed, all).share_seen_95);
        let test = PartTest {
            log10_p: outcome.test.log10_p,
            share_seen_95,
        };
        let kept: &mut PartTest = parts.entry(key.clone()).or_insert(test);
        if test.log10_p < kept.log10_p {
            *kept = test;
        }
    }
    pool_small_experts(&mut parts, &blocks);
    let power = powers(&blocks, &of_residual);
    let (tests, parts_of_tests) = blocks
        .into_iter()
        .chain(of_residual)
        .map(|o| (o.test, o.part))
        .unzip();
    Permutation {
        tests,
        skipped,
        blocks: combined,
        residual,
        power,
        parts,
        parts_of_tests,
        set_aside: BTreeSet::new(),
    }
}

/// Gives experts that are too small to be told alone the power of all experts of their layer
/// together: it tells a reuse of the layer's experts, not of one of them (guide/methods.md, section
/// 8.9).
fn pool_small_experts(parts: &mut BTreeMap<PartKey, PartTest>, blocks: &[Outcome]) {
    let mut of_layers: BTreeMap<(Component, Option<u32>), Vec<Probed>> = BTreeMap::new();
    for outcome in blocks
        .iter()
        .filter(|outcome| outcome.test.expert.is_some())
    {
        let layer = (outcome.test.component, outcome.test.layer);
        of_layers
            .entry(layer)
            .or_default()
            .push(probed(&outcome.test));
    }
    // Layers are mostly alike.
    let mut known: BTreeMap<Vec<Probed>, Option<f64>> = BTreeMap::new();
    let mut shares: BTreeMap<(Component, Option<u32>), Option<f64>> = BTreeMap::new();
    for (layer, mut probed) in of_layers {
        probed.sort_unstable();
        let share = match known.get(&probed) {
            Some(share) => *share,
            None => Power::pooled(&probed).share_seen_95,
        };
        shares.insert(layer, share);
        known.insert(probed, share);
    }
    for (key, test) in parts.iter_mut() {
        if key.kind == PartKind::Experts && !test.has_power() {
            let pooled = shares.get(&(key.component, key.layer)).copied().flatten();
            test.share_seen_95 = pooled.or(test.share_seen_95);
        }
    }
}

/// Hits that make a layer hit.
const HITS_OF_A_LAYER: usize = 3;

/// Units of a test that were found.
fn seen(test: &Test) -> usize {
    if test.form == Form::Order && test.log10_p > FOUND_LOG10 {
        0
    } else {
        test.hits
    }
}

fn probed(test: &Test) -> Probed {
    Probed {
        probes: test.probes,
        units: test.units[0].max(test.units[1]),
    }
}

fn combine<'a>(tests: impl Iterator<Item = &'a Test>) -> Option<Combined> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut layers: BTreeMap<(Component, u32), usize> = BTreeMap::new();
    let mut log10_p = Vec::new();
    let mut out = Combined::default();
    for test in tests {
        groups.entry(test.group).or_default().push(log10_p.len());
        log10_p.push(test.log10_p);
        if test.form == Form::Direct {
            out.probes += test.probes;
            out.hits += test.hits;
        }
        if let Some(layer) = test.layer {
            let most = layers.entry((test.component, layer)).or_default();
            *most = (*most).max(seen(test));
        }
    }
    if log10_p.is_empty() {
        return None;
    }
    let groups: Vec<Vec<usize>> = groups.into_values().collect();
    out.log10_p = chance::combined(&groups, &log10_p);
    out.groups = groups.len();
    out.layers = layers.len();
    out.layers_hit = layers
        .values()
        .filter(|hits| **hits >= HITS_OF_A_LAYER)
        .count();
    Some(out)
}

/// Power of the blocks pooled, one of each group.
fn pooled<'a>(tests: impl Iterator<Item = &'a Test>) -> Option<Power> {
    let mut one_a_group: BTreeMap<usize, Probed> = BTreeMap::new();
    for test in tests.filter(|t| t.form == Form::Direct && t.kind != UnitKind::Residual) {
        one_a_group.entry(test.group).or_insert(probed(test));
    }
    let blocks: Vec<Probed> = one_a_group.into_values().collect();
    (!blocks.is_empty()).then(|| Power::pooled(&blocks))
}

/// Power of the blocks pooled, and of the best part of the residual form.
fn powers(blocks: &[Outcome], of_residual: &[Outcome]) -> Vec<PowerOf> {
    let pooled = pooled(blocks.iter().map(|o| &o.test));
    // Parts are mostly alike.
    let mut known: BTreeMap<Probed, Power> = BTreeMap::new();
    let parts = of_residual.iter().map(|o| {
        let probed = probed(&o.test);
        let part = || Power::part(probed, of_residual.len());
        *known.entry(probed).or_insert_with(part)
    });
    let best = parts.min_by(|a, b| {
        let share = |p: &Power| p.share_seen_95.unwrap_or(f64::INFINITY);
        share(a).total_cmp(&share(b))
    });
    let pooled = pooled.map(|power| PowerOf {
        kind: PowerKind::Pooled,
        power,
    });
    pooled
        .into_iter()
        .chain(best.map(|power| PowerOf {
            kind: PowerKind::Residual,
            power,
        }))
        .collect()
}
