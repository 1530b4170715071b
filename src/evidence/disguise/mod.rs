//! Tests that see through a disguise: units re-ordered, the residual stream turned
//! (guide/methods.md, section 4).
//!
//! They cost more than the direct form, so they run where it finds nothing, first on a few layers;
//! on the others only once a disguise was found. Bounds are per layer and paid for by the number of
//! layers tried.

mod basis;
mod ffn;
mod heads;
mod stream;

use crate::stats::levels::{NOTHING_LOG10, found_among};
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::model::words::{Component, Role};
use crate::numeric::linalg::round6;
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting, is_about};
use super::finding::{DisguisedLayers, Finding, Scope, Statement, Supports};
use super::grounds::{Disguise, Grounds};
use super::part::{Part, PartKey, PartKind};
use super::pca::evenly_spaced;
use super::permutation::Permutation;
use super::permutation::blocks::{BlockKey, Matrices, blocks_of_both};
use super::relation::Relation;
use super::shared_tokens::{embedding, shared_tokens};
use super::tests_of_units::{Form, Test, UnitKind};
use super::transformation::{Check, Transformation, TransformationKind, Witness};
use super::untested::{Obstacle, Subject, Untested};
use crate::stats::chance;

use self::basis::Basis;
use self::ffn::{Candidate, Look, look};
use self::heads::{Attention, Heads};

/// Layers of a component that are looked at first.
const FEW_LAYERS: usize = 4;

/// A layer that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tried {
    /// Component.
    pub component: Component,
    /// Layer.
    pub layer: u32,
    /// Form that found it, and its log10 p.
    pub found: Option<(Form, f64)>,
}

/// Everything that was looked at and found.
#[derive(Debug, Clone, Default)]
pub(super) struct Disguises {
    /// Single tests, in the order of layers.
    pub tests: Vec<Test>,
    /// Layers that were tried first; on them the verdict rests.
    pub tried: Vec<Tried>,
    /// What was recovered.
    pub transformations: Vec<Transformation>,
    /// Parts that were found in the base.
    found_parts: BTreeSet<PartKey>,
    /// Parts whose direct test cannot see anything in such a disguise.
    powerless: BTreeSet<PartKey>,
}

impl Analysis for Disguises {
    fn look(setting: &Setting<'_>, found: &mut Found) -> Result<Option<Self>> {
        match found.get_mut::<Permutation>() {
            Some(direct) if setting.asked.deep => look_through(setting, direct).map(Some),
            _ => Ok(None),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        self.finding().into_iter().collect()
    }

    fn further_tests(&self) -> Vec<Test> {
        self.tests.clone()
    }

    fn relations(&self, _: &[Part], about: Option<Component>) -> Vec<Relation> {
        let told = self.transformations.iter();
        told.filter(|t| t.component.is_none_or(|c| is_about(c, about)))
            .filter_map(|t| relation(t.kind))
            .collect()
    }

    fn transformations(&self) -> Vec<Transformation> {
        self.transformations.clone()
    }

    /// Marks the parts that were found, and takes the tests without power off others.
    fn overrule(&self, parts: &mut [Part]) {
        for part in parts {
            part.found |= self.found_parts.contains(&part.key);
            if !part.found && self.powerless.contains(&part.key) {
                part.test = None;
            }
        }
    }

    fn weigh(&self, about: Option<Component>, grounds: &mut Grounds) {
        grounds.disguise_looked_for = true;
        let Some(seen) = self.seen(about) else { return };
        grounds.disguise = Some(seen);
        if seen.found > 0 {
            let least = grounds.least_log10_p;
            grounds.least_log10_p = Some(least.map_or(seen.log10_p, |p| p.min(seen.log10_p)));
        }
    }
}

fn relation(kind: TransformationKind) -> Option<Relation> {
    match kind {
        TransformationKind::FfnPermuted
        | TransformationKind::HeadsPermuted
        | TransformationKind::ResidualPermuted => Some(Relation::Permuted),
        TransformationKind::ResidualRotated => Some(Relation::Rotated),
        TransformationKind::ExpertsPermuted
        | TransformationKind::Pruned
        | TransformationKind::ExpertsPruned
        | TransformationKind::ChannelsRescaled => None,
    }
}

/// Looks at the layers in which the `direct` form found nothing, a few of each component first, all
/// with `thorough` sampling; the order of units, taken as a further look on a block, is written to
/// `direct`. Uses the current rayon pool.
fn look_through(setting: &Setting<'_>, direct: &mut Permutation) -> Result<Disguises> {
    let of_sides = blocks_of_both(setting.models);
    let (open, attentions) = (open_blocks(direct, &of_sides), open_attentions(direct));
    let mut out = Disguises::default();
    if open.is_empty() && attentions.is_empty() {
        return Ok(out);
    }
    setting.monitor.begin("looking through disguises", 0);
    let tokens = drawn_tokens(setting, direct);
    let mut components: BTreeSet<Component> = open.iter().map(|c| c.key.component).collect();
    components.extend(attentions.iter().map(|a| a.component));
    for component in components {
        let mut search = Search {
            setting,
            component,
            residual: residual_bases(setting, component),
            tokens: token_bases(setting, component, &tokens)?,
            out: &mut out,
        };
        let open: Vec<Candidate<'_>> = open
            .iter()
            .copied()
            .filter(|c| c.key.component == component)
            .collect();
        let attentions: Vec<Attention> = attentions
            .iter()
            .copied()
            .filter(|a| a.component == component)
            .collect();
        let layers = search.feed_forwards(direct, &open)?;
        search.heads(direct, &attentions)?;
        search.stream(direct, &layers)?;
    }
    setting.monitor.end();
    Ok(out)
}

/// Attentions that the residual form did not find; where some heads are in their places it may find
/// a little.
fn open_attentions(direct: &Permutation) -> Vec<Attention> {
    let open = open_attention_parts(direct);
    open.filter_map(|key| {
        Some(Attention {
            component: key.component,
            layer: key.layer?,
        })
    })
    .collect()
}

fn open_attention_parts(direct: &Permutation) -> impl Iterator<Item = &PartKey> {
    let level = found_among(direct.parts.len());
    let open = direct
        .parts
        .iter()
        .filter(move |(key, test)| key.kind == PartKind::Attention && test.log10_p > level);
    open.map(|(key, _)| key)
}

/// One block a layer in which the direct form found nothing: the dense feed-forward, else the
/// shared expert, else the first expert.
fn open_blocks<'a>(
    direct: &Permutation,
    of_sides: &'a [BTreeMap<BlockKey, Matrices<'a>>; 2],
) -> Vec<Candidate<'a>> {
    let mut of_layer: BTreeMap<(Component, u32), Candidate<'a>> = BTreeMap::new();
    let mut least: BTreeMap<(Component, Option<u32>, Option<u32>), f64> = BTreeMap::new();
    for test in direct
        .tests
        .iter()
        .filter(|t| matches!(t.kind, UnitKind::Ffn | UnitKind::Expert))
    {
        let log10_p = least
            .entry((test.component, test.layer, test.expert))
            .or_default();
        *log10_p = log10_p.min(test.log10_p);
    }
    let found_nothing = |key: &BlockKey| {
        least
            .get(&(key.component, Some(key.layer), key.expert))
            .is_some_and(|&log10_p| log10_p > NOTHING_LOG10)
    };
    for (key, target) in &of_sides[1] {
        let Some(base) = of_sides[0].get(key).filter(|_| found_nothing(key)) else {
            continue;
        };
        let candidate = Candidate {
            key,
            sides: [base, target],
        };
        let rank = |c: &Candidate<'_>| (c.key.expert, c.key.shared, c.key.stem.clone());
        let kept = of_layer
            .entry((key.component, key.layer))
            .or_insert(candidate);
        if rank(&candidate) < rank(kept) {
            *kept = candidate;
        }
    }
    of_layer.into_values().collect()
}

/// Fewest shared tokens that units are projected on: as many as a change of the stream is recovered
/// from.
const LEAST_TOKENS: usize = 16;

/// Tokens that units are projected on, as rows of both embeddings; none where there are too few,
/// which is written to `direct`.
fn drawn_tokens(setting: &Setting<'_>, direct: &mut Permutation) -> [Vec<usize>; 2] {
    let shared = shared_tokens(setting);
    if shared.len() < LEAST_TOKENS {
        if setting
            .models
            .iter()
            .all(|model| embedding(model, Component::Text).is_some())
        {
            direct.skipped.push(Untested {
                what: Subject::TokenDisguises,
                why: Obstacle::FewCommonTokens {
                    shared: shared.len(),
                    needed: LEAST_TOKENS,
                },
            });
        }
        return [Vec::new(), Vec::new()];
    }
    let drawn = setting.sampling.projection_tokens(shared.len());
    [0, 1].map(|side| drawn.iter().map(|&at| shared[at][side]).collect())
}

/// Token bases of both sides; tokens belong to the text part.
fn token_bases(
    setting: &Setting<'_>,
    component: Component,
    tokens: &[Vec<usize>; 2],
) -> Result<Option<[Basis; 2]>> {
    if component != Component::Text || tokens[0].is_empty() {
        return Ok(None);
    }
    let base = Basis::tokens(setting.models[0], component, &tokens[0])?;
    let target = Basis::tokens(setting.models[1], component, &tokens[1])?;
    Ok(base.zip(target).map(|(base, target)| [base, target]))
}

/// Residual dimensions of the width of both sides, by the first matrix that reads the stream: in
/// them an order of units alone is seen.
fn residual_bases(setting: &Setting<'_>, component: Component) -> Option<[Basis; 2]> {
    let width = |model: &Model| {
        let mut reads_stream = model.places().map(|(_, logical)| logical).filter(|l| {
            l.meaning.component == component
                && l.meaning.layer.is_some()
                && l.shape.len() == 2
                && matches!(l.meaning.role, Role::Q | Role::Up | Role::Fc1)
        });
        usize::try_from(reads_stream.next()?.shape[1]).ok()
    };
    let [base, target] = setting.models.map(width);
    let coordinates = setting
        .sampling
        .coordinates(base.filter(|_| base == target)?);
    Some([coordinates.clone(), coordinates].map(Basis::Residual))
}

/// The layers to be looked at first, and the others.
fn few<T: Copy>(items: &[T], setting: &Setting<'_>) -> (Vec<T>, Vec<T>) {
    if setting.sampling.thorough {
        return (items.to_vec(), Vec::new());
    }
    let places: Vec<usize> = (0..items.len()).collect();
    let first = evenly_spaced(&places, FEW_LAYERS);
    let rest = places
        .iter()
        .filter(|place| !first.contains(place))
        .map(|&place| items[place])
        .collect();
    (first.into_iter().map(|place| items[place]).collect(), rest)
}

/// One component under way.
struct Search<'a, 'b> {
    setting: &'a Setting<'a>,
    component: Component,
    /// Residual dimensions, where both streams are of one width.
    residual: Option<[Basis; 2]>,
    /// Shared tokens, where both sides have them.
    tokens: Option<[Basis; 2]>,
    out: &'b mut Disguises,
}

impl Search<'_, '_> {
    /// Looks at feed-forwards: a few, and the others where a disguise is found in half of these.
    /// The layers found.
    fn feed_forwards(
        &mut self,
        direct: &mut Permutation,
        open: &[Candidate<'_>],
    ) -> Result<Vec<u32>> {
        let (first, rest) = few(open, self.setting);
        let mut looks = self.looks_at(&first, found_among(first.len()))?;
        let tried = looks.iter().map(|look| Tried {
            component: self.component,
            layer: look.key.layer,
            found: look.found(found_among(first.len())),
        });
        let tried: Vec<Tried> = tried.collect();
        if in_half(tried.iter().map(|t| t.found.is_some())) {
            looks.extend(self.looks_at(&rest, found_among(open.len()))?);
        }
        looks.sort_by(|a, b| a.key.cmp(&b.key));
        for look in &looks {
            direct.look_again(&look.key, look.order.as_ref().map(|order| order.log10_p));
            self.out.tests.extend(look.tests());
        }
        let level = found_among(looks.len());
        let found: Vec<&Look> = looks
            .iter()
            .filter(|look| look.found(level).is_some())
            .collect();
        self.out
            .found_parts
            .extend(found.iter().filter_map(|look| look.part.clone()));
        self.out.transformations.extend(re_ordered(&found));
        self.out.tried.extend(tried);
        Ok(found.iter().map(|look| look.key.layer).collect())
    }

    fn looks_at(&self, candidates: &[Candidate<'_>], level: f64) -> Result<Vec<Look>> {
        let bases = self.tokens.as_ref().or(self.residual.as_ref());
        let one = |candidate: &Candidate<'_>| look(self.setting, *candidate, bases, level);
        // A thorough look holds features of all units over 2,048 tokens: one layer at a time.
        let looks: Vec<Result<Option<Look>>> = match self.setting.sampling.thorough {
            true => candidates.iter().map(one).collect(),
            false => candidates.par_iter().map(one).collect(),
        };
        let mut looks: Vec<Look> = looks
            .into_iter()
            .filter_map(Result::transpose)
            .collect::<Result<_>>()?;
        for look in looks.iter_mut().filter(|look| look.lacks_witness()) {
            let attention = Attention {
                component: self.component,
                layer: look.key.layer,
            };
            look.heads_agree = self.heads_of(attention)?.is_some_and(|heads| heads.found());
        }
        Ok(looks)
    }

    fn heads_of(&self, attention: Attention) -> Result<Option<Heads>> {
        // Heads and their sizes are known of the text part.
        if self.component != Component::Text {
            return Ok(None);
        }
        let bases: Vec<&[Basis; 2]> = self.residual.iter().chain(&self.tokens).collect();
        heads::look(self.setting, attention, &bases)
    }

    /// Looks at the heads of attentions: a few, and the others where half of these are found.
    fn heads(&mut self, direct: &Permutation, open: &[Attention]) -> Result<()> {
        let (first, rest) = few(open, self.setting);
        let look_at = |some: &[Attention]| -> Result<Vec<Option<Heads>>> {
            some.par_iter()
                .map(|&attention| self.heads_of(attention))
                .collect()
        };
        let mut looks = look_at(&first)?;
        let is_found = |heads: &Option<Heads>| heads.as_ref().is_some_and(Heads::found);
        if !in_half(looks.iter().map(is_found)) {
            return Ok(());
        }
        looks.extend(look_at(&rest)?);
        let mut found: Vec<Heads> = looks.into_iter().flatten().filter(Heads::found).collect();
        found.sort_by_key(|heads| heads.layer);
        self.out
            .found_parts
            .extend(found.iter().filter_map(|heads| heads.part.clone()));
        // The residual form sees nothing in an attention whose heads may have been moved.
        let unseen = open_attention_parts(direct).filter(|key| key.component == self.component);
        self.out.powerless.extend(unseen.cloned());
        let moved: Vec<&Heads> = found.iter().filter(|heads| heads.moved()).collect();
        if !moved.is_empty() {
            let stored = mean(moved.iter().filter_map(|heads| heads.as_stored));
            self.out.transformations.push(Transformation {
                kind: TransformationKind::HeadsPermuted,
                component: Some(self.component),
                layers: moved.iter().map(|heads| heads.layer).collect(),
                kept: None,
                check: Check::Queries { as_stored: stored },
                check_cosine: mean(moved.iter().map(|heads| heads.cosine())),
            });
        }
        Ok(())
    }

    /// Recovers a change of the residual stream where feed-forwards were found in `layers` and the
    /// embedding was not.
    fn stream(&mut self, direct: &Permutation, layers: &[u32]) -> Result<()> {
        let of_stream = |key: &PartKey| {
            key.component == self.component
                && matches!(
                    key.kind,
                    PartKind::Embedding | PartKind::Head | PartKind::Attention
                )
        };
        let unseen: Vec<&PartKey> = direct
            .parts
            .iter()
            .filter(|(key, test)| of_stream(key) && test.log10_p > NOTHING_LOG10)
            .map(|p| p.0)
            .collect();
        let embedding = unseen.iter().find(|key| key.kind == PartKind::Embedding);
        let (Some(embedding), false) = (embedding, layers.is_empty()) else {
            return Ok(());
        };
        let recovered = stream::recover(
            self.setting,
            self.component,
            &evenly_spaced(layers, FEW_LAYERS),
        )?;
        let Some(recovered) = recovered else {
            self.out.powerless.extend(unseen.into_iter().cloned());
            return Ok(());
        };
        let is_found = |key: &PartKey| match key.kind {
            PartKind::Head => recovered.head,
            PartKind::Attention => key
                .layer
                .is_some_and(|layer| recovered.attentions.contains(&layer)),
            _ => key == *embedding,
        };
        self.out
            .found_parts
            .extend(unseen.iter().copied().filter(|key| is_found(key)).cloned());
        self.out.powerless.extend(unseen.into_iter().cloned());
        self.out.transformations.push(Transformation {
            kind: recovered.change,
            component: Some(self.component),
            layers: layers.to_vec(),
            kept: None,
            check: Check::Stream {
                witness: recovered.witness,
                as_stored: recovered.as_stored,
            },
            check_cosine: Some(recovered.cosine),
        });
        Ok(())
    }
}

impl Disguises {
    /// What the layers tried say of one component, or of all; `None` where none was tried.
    fn seen(&self, component: Option<Component>) -> Option<Disguise> {
        let tried: Vec<&Tried> = self
            .tried
            .iter()
            .filter(|t| component.is_none_or(|c| c == t.component))
            .collect();
        let found: Vec<(Form, f64)> = tried.iter().filter_map(|t| t.found).collect();
        // An exact bound is worth more than a smaller one that is approximate.
        let least = |form: Form| {
            found
                .iter()
                .filter(|f| f.0 == form)
                .map(|f| f.1)
                .min_by(f64::total_cmp)
        };
        let exact = least(Form::Projected);
        let log10_p = exact.or_else(|| least(Form::Matched)).unwrap_or(0.0);
        (!tried.is_empty()).then(|| Disguise {
            tried: tried.len(),
            found: found.len(),
            log10_p: chance::bonferroni(log10_p, tried.len()),
            exact: exact.is_some(),
        })
    }

    /// What the looks say together; `None` where nothing was tried.
    fn finding(&self) -> Option<Finding> {
        let seen = self.seen(None);
        let first = self.transformations.first();
        if seen.is_none() && first.is_none() {
            return None;
        }
        let mut changes: Vec<TransformationKind> =
            self.transformations.iter().map(|t| t.kind).collect();
        changes.dedup();
        let nothing_found = first.is_none() && seen.is_some_and(|seen| seen.found == 0);
        Some(Finding {
            statement: Statement::Disguised {
                changes,
                layers: seen.map(|seen| DisguisedLayers {
                    tried: seen.tried,
                    found: seen.found,
                    exact: seen.exact,
                }),
            },
            value: first.and_then(|t| t.check_cosine),
            log10_p: seen.map(|seen| seen.log10_p),
            supports: if nothing_found {
                Supports::Nothing
            } else {
                Supports::Derived
            },
            scope: Scope::Model,
        })
    }
}

/// Whether at least half of the looks found something, and at least one did.
fn in_half(found: impl Iterator<Item = bool>) -> bool {
    let (mut all, mut hits) = (0, 0);
    for one in found {
        all += 1;
        hits += usize::from(one);
    }
    hits > 0 && 2 * hits >= all
}

/// Mean, to 6 digits.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| round6(values.iter().sum::<f64>() / values.len() as f64))
}

/// Feed-forwards whose units were found in other places.
fn re_ordered(found: &[&Look]) -> Option<Transformation> {
    let moved: Vec<&&Look> = found.iter().filter(|look| look.moved()).collect();
    let first = moved.first()?;
    let witnesses: Vec<&ffn::Witness> = moved
        .iter()
        .filter_map(|look| look.witness.as_ref())
        .collect();
    let witness = witnesses
        .first()
        .map_or(Witness::HeadsOnly, |witness| witness.what);
    Some(Transformation {
        kind: TransformationKind::FfnPermuted,
        component: Some(first.key.component),
        layers: moved.iter().map(|look| look.key.layer).collect(),
        kept: None,
        check: Check::Units {
            witness,
            as_stored: mean(witnesses.iter().filter_map(|w| w.as_stored)),
        },
        check_cosine: mean(witnesses.iter().filter_map(|w| w.cosine)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(layer: u32, found: Option<(Form, f64)>) -> Tried {
        Tried {
            component: Component::Text,
            layer,
            found,
        }
    }

    #[test]
    fn a_disguise_is_looked_for_further_where_half_of_the_looks_find_it() {
        assert!(in_half([true, false].into_iter()) && in_half([true].into_iter()));
        assert!(!in_half([true, false, false].into_iter()) && !in_half(std::iter::empty()));
        assert!(!in_half([false; 4].into_iter()));
    }

    #[test]
    fn an_exact_bound_counts_before_a_smaller_one_that_is_approximate() {
        let matched = tried(0, Some((Form::Matched, -300.0)));
        let mut disguises = Disguises {
            tried: vec![matched.clone(), tried(1, None)],
            ..Disguises::default()
        };
        let seen = disguises.seen(None);
        assert_eq!(
            seen.map(|s| (s.tried, s.found, s.exact)),
            Some((2, 1, false))
        );
        disguises.tried[1] = tried(1, Some((Form::Projected, -100.0)));
        let seen = disguises.seen(Some(Component::Text));
        assert_eq!(seen.map(|s| (s.found, s.exact)), Some((2, true)));
        assert!(seen.is_some_and(|s| (s.log10_p - (-100.0 + 2f64.log10())).abs() < 1e-9));
        assert_eq!(disguises.seen(Some(Component::Vision)), None);
        assert_eq!(Disguises::default().finding(), None);
    }

    #[test]
    fn parts_found_are_marked_and_blind_tests_taken_off_others() {
        let key = |layer| PartKey {
            component: Component::Text,
            block: None,
            layer: Some(layer),
            kind: PartKind::Attention,
            expert: None,
            name: None,
        };
        let part = |layer| Part {
            key: key(layer),
            base_layer: None,
            parameters: 1,
            compared: 1,
            identical: false,
            new: false,
            found: false,
            has_named_places: false,
            excess: None,
            test: Some(crate::evidence::part::PartTest {
                log10_p: 0.0,
                share_seen_95: Some(0.1),
            }),
            state: crate::evidence::part::State::Unclear,
        };
        let disguises = Disguises {
            found_parts: [key(0)].into(),
            powerless: [key(0), key(1)].into(),
            ..Disguises::default()
        };
        let mut parts = [part(0), part(1), part(2)];
        disguises.overrule(&mut parts);
        assert_eq!(
            parts.each_ref().map(|p| (p.found, p.test.is_some())),
            [(true, true), (false, false), (false, true)]
        );
    }
}
