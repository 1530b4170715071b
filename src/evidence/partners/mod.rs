//! Partners found twice (guide/methods.md, section 8.2): feed-forwards recognised by their units,
//! whatever their order, basis, width or layer, and confirmed by a witness.
//!
//! It costs more than tests in place, so it runs where these find nothing that is confirmed, first
//! on a few layers, and on all of them once one is found.

pub(in crate::evidence) mod block;
pub(in crate::evidence) mod looks;
mod search;
mod tables;
pub(in crate::evidence) mod token_free;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::words::Component;
use crate::numeric::linalg::round6;
use crate::stats::levels::FOUND_LOG10;
use crate::stats::partners::FormPower;

use super::analysis::{Analysis, Found, Setting, is_about};
use super::finding::{Finding, Hits, Scope, Statement, Supports};
use super::grounds::{Disguise, Grounds};
use super::part::{Part, PartKey, PartKind, PartTest, is_table};
use super::permutation::Permutation;
use super::permutation::blocks::{BlockKey, blocks};
use super::relation::Relation;
use super::tests_of_units::Test;
use super::transformation::{Check, Transformation, TransformationKind};
use super::untested::{Obstacle, Subject, Untested};
use super::witness::{FoundBy, Witnessed, Witnesses};

pub(crate) use self::looks::FeatureKind;

/// A feed-forward of the target that was found in one of the base.
#[derive(Debug, Clone)]
pub(crate) struct Find {
    /// The block of the base.
    pub base: BlockKey,
    /// The block of the target.
    pub target: BlockKey,
    /// The part of the target that it belongs to.
    pub part: Option<PartKey>,
    /// What was counted.
    pub test: Test,
    /// Units that found a partner, of those that were asked.
    pub partners: Hits,
    /// Units of base and target that are partners, rows of the matrices that were looked at.
    pub pairs: Vec<(usize, usize)>,
    /// Whether most partners stand in other places.
    pub moved: bool,
    /// Widths of the residual stream, and numbers of units, of base and target.
    pub widths: [usize; 2],
    /// Units of base and target.
    pub units: [usize; 2],
    /// What the witness says.
    pub witnessed: Witnessed,
}

impl Find {
    /// Whether a witness confirms it.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.witnessed.kind.is_some()
    }
}

/// One stack of layers of one component that was looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stack {
    /// Layers that were tried first, on which the verdict rests, and whether each was found and
    /// confirmed.
    pub tried: Vec<(u32, bool)>,
    /// What was found, in the order of the target's layers.
    pub finds: Vec<Find>,
    /// Parts that were looked for in every layer of the base by a form with power and not found.
    pub sought: BTreeMap<PartKey, PartTest>,
    /// Tests of looks that found nothing, of the layers tried first.
    pub null_tests: Vec<Test>,
    /// Power of the look over tokens.
    pub over_tokens: Option<FormPower>,
    /// Whether the look without tokens ran and would have seen a damaged copy of a layer.
    pub token_free: bool,
}

/// Everything that was looked for by content.
#[derive(Debug, Default)]
pub(crate) struct Partners {
    stacks: BTreeMap<(Component, String), Stack>,
    /// Tables of tokens that were found in another order.
    tables: BTreeMap<PartKey, Witnessed>,
    /// Whether tokens are joined by their strings.
    tokens_by_strings: bool,
    /// Whether both sides know units in the same few places alone, so that one that was moved is
    /// hardly ever among them.
    knows_places_alone: bool,
    /// Whether a sketch knows units of some experts of a layer alone, so that most of them could not be
    /// found in another order.
    knows_some_experts: bool,
    /// Which of the models is a sketch, of which a few units are known: what undoes a disguise, and
    /// tells an order of units with it, does not look at sketches.
    is_sketched: [bool; 2],
}

impl Analysis for Partners {
    fn look(setting: &Setting<'_>, found: &mut Found) -> Result<Option<Self>> {
        let (Some(direct), Some(witnesses)) =
            (found.get::<Permutation>(), found.get::<Witnesses>())
        else {
            return Ok(None);
        };
        if !setting.asked.deep {
            return Ok(None);
        }
        setting.monitor.begin("looking through disguises", 0);
        let stacks = search::stacks(&setting.of_known_units(), direct, witnesses)?;
        let tables = match setting.has_sketch() {
            true => BTreeMap::new(),
            false => tables::in_another_order(setting, direct, witnesses)?,
        };
        setting.monitor.end();
        Ok(Some(Self {
            stacks,
            tables,
            tokens_by_strings: setting.tokenizers.iter().all(Option::is_some),
            knows_places_alone: setting.is_sketched[1] && !setting.knows_largest(),
            knows_some_experts: knows_some_experts(setting),
            is_sketched: setting.is_sketched,
        }))
    }

    fn findings(&self) -> Vec<Finding> {
        self.finding().into_iter().collect()
    }

    fn further_tests(&self) -> Vec<Test> {
        let stacks = self.stacks.values();
        stacks
            .flat_map(|stack| {
                let found = stack.finds.iter().map(|find| &find.test);
                found.chain(&stack.null_tests).cloned()
            })
            .collect()
    }

    fn relations(&self, _: &[Part], about: Option<Component>) -> Vec<Relation> {
        let mut out = BTreeSet::new();
        for find in self
            .confirmed()
            .filter(|find| is_about(find.target.component, about))
        {
            let narrower = find.widths[1] < find.widths[0];
            let wider = find.widths[1] > find.widths[0];
            let fewer = find.units[1] < find.units[0] && find.target.expert.is_none();
            let more = find.units[1] > find.units[0] && find.base.expert.is_none();
            if narrower || fewer && !wider {
                out.insert(Relation::WidthPruned);
            }
            if wider || more && !narrower {
                out.insert(Relation::Widened);
            }
        }
        let told = self.transformations();
        if told
            .iter()
            .any(|told| told.component.is_none_or(|c| is_about(c, about)))
        {
            out.insert(Relation::Permuted);
        }
        out.into_iter().collect()
    }

    fn transformations(&self) -> Vec<Transformation> {
        match self.is_sketched.contains(&true) {
            true => self.re_ordered(),
            false => Vec::new(),
        }
    }

    fn untested(&self) -> Vec<Untested> {
        let is_blind = self.knows_places_alone || self.knows_some_experts;
        let units = is_blind.then_some(Untested {
            what: Subject::ReorderedUnits,
            why: Obstacle::NotInSketch,
        });
        units.into_iter().collect()
    }

    fn place(&self, parts: &mut Vec<Part>) {
        let mut found: BTreeMap<&PartKey, &Find> = BTreeMap::new();
        for find in self.stacks.values().flat_map(|stack| &stack.finds) {
            if let Some(key) = &find.part {
                found.insert(key, find);
            }
        }
        // A null result speaks of parts that no other test looked at, and in a model whose disguise
        // is known of all that were looked for in it.
        let mut sought: BTreeMap<&PartKey, (&PartTest, bool)> = BTreeMap::new();
        for stack in self.stacks.values() {
            let hidden = stack.finds.iter().any(Find::is_confirmed);
            sought.extend(stack.sought.iter().map(|(key, test)| (key, (test, hidden))));
        }
        for part in parts {
            if let Some(find) = found.get(&part.key) {
                part.found = true;
                part.new = false;
                part.base_layer = Some(find.base.layer);
                part.found_by = Some(FoundBy::Content);
                part.witnessed(find.witnessed);
            } else if let Some(witnessed) = self.tables.get(&part.key) {
                part.found = true;
                part.new = false;
                part.found_by = Some(FoundBy::Content);
                part.witnessed(*witnessed);
            } else if let Some((test, hidden)) = sought.get(&part.key).filter(|_| !part.new)
                && (*hidden || part.test.is_none())
                && !(self.knows_some_experts && part.key.kind == PartKind::Experts)
            {
                part.test = Some(**test);
                part.by_place = false;
            }
        }
    }

    /// In a model whose disguise is known no part is independent by its direct test.
    fn overrule(&self, parts: &mut [Part]) {
        let copied: BTreeSet<Component> = parts
            .iter()
            .filter(|part| matches!(part.key.kind, PartKind::Ffn | PartKind::Experts))
            .filter(|part| part.witness.is_some())
            .map(|part| part.key.component)
            .collect();
        for part in parts {
            // Without both tokenizers that equal ids are equal tokens is an assumption, and in a
            // copy it is the likelier to be wrong.
            let is_assumed = !self.tokens_by_strings && is_table(part);
            if is_assumed && copied.contains(&part.key.component) {
                part.test = part.test.filter(|test| test.log10_p <= FOUND_LOG10);
                continue;
            }
            if part.found || !part.by_place || part.witness.is_some() {
                continue;
            }
            let is_disguised = self.stacks.iter().any(|((component, _), stack)| {
                let hides_experts = self.knows_some_experts
                    && part.key.kind == PartKind::Experts
                    && stack
                        .finds
                        .iter()
                        .any(|find| find.is_confirmed() && find.moved);
                *component == part.key.component && (stack.is_hidden() || hides_experts)
            });
            if is_disguised {
                part.test = None;
            }
        }
    }

    fn weigh(&self, about: Option<Component>, grounds: &mut Grounds) {
        grounds.disguise_looked_for = !self.is_sketched[1];
        grounds.tokens_by_strings = self.tokens_by_strings && !self.is_sketched[1];
        let stacks = || {
            self.stacks
                .iter()
                .filter(|((component, _), _)| is_about(*component, about))
                .map(|(_, stack)| stack)
        };
        let mut looked_at = stacks().filter(|stack| !stack.tried.is_empty()).peekable();
        grounds.token_free_has_power =
            looked_at.peek().is_some() && looked_at.all(|stack| stack.token_free);
        let tried: usize = stacks().map(|stack| stack.tried.len()).sum();
        let found: usize = stacks()
            .map(|stack| stack.tried.iter().filter(|(_, found)| *found).count())
            .sum();
        if tried == 0 {
            return;
        }
        let finds = stacks().flat_map(|stack| &stack.finds);
        let confirmed = finds.filter(|find| find.is_confirmed());
        let (log10_p, exact) = bound(confirmed.map(|find| &find.test));
        grounds.disguise = Some(Disguise {
            tried,
            found,
            log10_p,
            exact,
        });
        let told = match exact {
            true => &mut grounds.least_log10_p,
            false => &mut grounds.approximate_log10_p,
        };
        if found > 0 {
            *told = Some(told.map_or(log10_p, |p| p.min(log10_p)));
        }
    }
}

/// Whether one of the models is a sketch that does not know the largest units of all experts.
fn knows_some_experts(setting: &Setting<'_>) -> bool {
    let sides = setting.models.iter().zip(setting.is_sketched);
    sides
        .filter(|(_, is_sketched)| *is_sketched)
        .any(|(model, _)| {
            let blocks = blocks(model);
            let mut experts = blocks.iter().filter(|(key, _)| key.expert.is_some());
            experts.any(|(_, matrices)| {
                let first = matrices.by_row.first();
                first.is_some_and(|first| model.largest_rows(first).is_empty())
            })
        })
}

/// The least bound of some tests, the exact ones before any other, and whether it is exact.
pub(in crate::evidence) fn bound<'a>(tests: impl Iterator<Item = &'a Test>) -> (f64, bool) {
    let (mut exact, mut approximate) = (None, 0.0f64);
    for test in tests {
        match test.exact {
            true => exact = Some(exact.map_or(test.log10_p, |p: f64| p.min(test.log10_p))),
            false => approximate = approximate.min(test.log10_p),
        }
    }
    (exact.unwrap_or(approximate), exact.is_some())
}

impl Stack {
    /// Whether at least half of the layers tried were found in disguise, and one at least.
    fn is_hidden(&self) -> bool {
        let found = self.tried.iter().filter(|(_, found)| *found).count();
        found > 0 && 2 * found >= self.tried.len()
    }
}

impl Partners {
    /// All finds that a witness confirms.
    pub(crate) fn confirmed(&self) -> impl Iterator<Item = &Find> {
        let finds = self.stacks.values().flat_map(|stack| &stack.finds);
        finds.filter(|find| find.is_confirmed())
    }

    /// Feed-forwards whose units were found in other places, by component.
    pub(crate) fn re_ordered(&self) -> Vec<Transformation> {
        let mut moved: BTreeMap<Component, Vec<&Find>> = BTreeMap::new();
        for find in self.confirmed().filter(|find| find.moved) {
            moved.entry(find.target.component).or_default().push(find);
        }
        let told = moved.into_iter().map(|(component, finds)| {
            let mut layers: Vec<u32> = finds.iter().map(|find| find.target.layer).collect();
            layers.dedup();
            let geometries = finds.iter().filter_map(|find| find.witnessed.geometry);
            let correlations: Vec<f64> = geometries.map(|geometry| geometry.correlation).collect();
            let mean = correlations.iter().sum::<f64>() / correlations.len() as f64;
            Transformation {
                kind: TransformationKind::FfnPermuted,
                component: Some(component),
                layers,
                kept: None,
                check: Check::Geometry,
                check_cosine: (!correlations.is_empty()).then(|| round6(mean)),
            }
        });
        told.collect()
    }

    /// What the looks say together; `None` where nothing was tried.
    fn finding(&self) -> Option<Finding> {
        let tried: usize = self.stacks.values().map(|stack| stack.tried.len()).sum();
        if tried == 0 {
            return None;
        }
        let confirmed: Vec<&Find> = self.confirmed().collect();
        let hits = Hits {
            hits: confirmed.iter().map(|find| find.partners.hits).sum(),
            probes: confirmed.iter().map(|find| find.partners.probes).sum(),
        };
        let controls: Vec<f64> = confirmed
            .iter()
            .filter_map(|find| find.test.control)
            .collect();
        let control =
            (!controls.is_empty()).then(|| controls.iter().sum::<f64>() / controls.len() as f64);
        let layers: BTreeSet<(Component, u32)> = confirmed
            .iter()
            .map(|find| (find.target.component, find.target.layer))
            .collect();
        let (log10_p, exact) = bound(confirmed.iter().map(|find| &find.test));
        let without_tokens = |find: &&Find| {
            matches!(
                find.test.features,
                Some(FeatureKind::TokenFree | FeatureKind::Anchored)
            )
        };
        Some(Finding {
            statement: Statement::FoundTwice {
                hits,
                control,
                layers: layers.len(),
                tried,
                without_tokens: !confirmed.is_empty() && confirmed.iter().all(without_tokens),
                exact,
            },
            value: Some(confirmed.len() as f64),
            log10_p: (!confirmed.is_empty()).then_some(log10_p),
            supports: match confirmed.is_empty() {
                true => Supports::Nothing,
                false => Supports::Derived,
            },
            scope: Scope::Model,
        })
    }
}
