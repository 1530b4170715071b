//! What hides a model in which units were found: heads in another order, the residual stream
//! re-ordered or rotated (guide/methods.md, section 4).

pub(in crate::evidence) mod basis;
pub(in crate::evidence) mod heads;
mod stream;

use crate::stats::levels::{NOTHING_LOG10, found_among};
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::model::words::{Component, Role};
use crate::numeric::linalg::round6;
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting, is_about};
use super::finding::{Finding, Scope, Statement, Supports};
use super::part::{Part, PartKey, PartKind};
use super::partners::Partners;
use super::pca::evenly_spaced;
use super::permutation::Permutation;
use super::relation::Relation;
use super::shared_tokens::{embedding, shared_tokens};
use super::transformation::{Check, Transformation, TransformationKind};
use super::untested::{Obstacle, Subject, Untested};

use self::basis::Basis;
use self::heads::{Attention, Heads};

/// Layers of a component that are looked at first.
const FEW_LAYERS: usize = 4;

/// Everything that was looked at and found.
#[derive(Debug, Clone, Default)]
pub(super) struct Disguises {
    /// What could not be looked for.
    untested: Vec<Untested>,
    /// What was recovered.
    pub transformations: Vec<Transformation>,
    /// Parts that were found in the base.
    found_parts: BTreeSet<PartKey>,
    /// Parts whose direct test cannot see anything in such a disguise.
    powerless: BTreeSet<PartKey>,
}

impl Analysis for Disguises {
    fn needs_all_values() -> bool {
        true
    }

    fn look(setting: &Setting<'_>, found: &mut Found) -> Result<Option<Self>> {
        if !setting.asked.deep {
            return Ok(None);
        }
        let (Some(direct), Some(partners)) = (found.get::<Permutation>(), found.get::<Partners>())
        else {
            return Ok(None);
        };
        look_through(setting, direct, partners).map(Some)
    }

    fn findings(&self) -> Vec<Finding> {
        self.finding().into_iter().collect()
    }

    fn untested(&self) -> Vec<Untested> {
        self.untested.clone()
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

/// Looks at the attentions in which tests in place found nothing, and recovers a change of the
/// residual stream where `partners` found feed-forwards behind it. Uses the current rayon pool.
fn look_through(
    setting: &Setting<'_>,
    direct: &Permutation,
    partners: &Partners,
) -> Result<Disguises> {
    let attentions = open_attentions(direct);
    let mut out = Disguises {
        transformations: partners.re_ordered(),
        ..Disguises::default()
    };
    let mut layers: BTreeMap<Component, BTreeSet<u32>> = BTreeMap::new();
    for find in partners
        .confirmed()
        .filter(|find| find.base.layer == find.target.layer)
    {
        layers
            .entry(find.target.component)
            .or_default()
            .insert(find.target.layer);
    }
    if layers.is_empty() && attentions.is_empty() {
        return Ok(out);
    }
    setting.monitor.begin("undoing disguises", 0);
    let tokens = drawn_tokens(setting, Some(&mut out.untested));
    let mut components: BTreeSet<Component> = layers.keys().copied().collect();
    components.extend(attentions.iter().map(|a| a.component));
    for component in components {
        let mut search = Search {
            setting,
            component,
            residual: residual_bases(setting, component),
            tokens: token_bases(setting, component, &tokens)?,
            out: &mut out,
        };
        let attentions: Vec<Attention> = attentions
            .iter()
            .copied()
            .filter(|a| a.component == component)
            .collect();
        let found = layers.get(&component).into_iter().flatten();
        let found: Vec<u32> = found.copied().collect();
        search.heads(direct, &attentions)?;
        search.stream(direct, &found)?;
    }
    setting.monitor.end();
    Ok(out)
}

/// Tokens of both sides as bases, for units of `component`.
///
/// # Errors
/// A read that fails.
pub(super) fn token_bases_for(
    setting: &Setting<'_>,
    component: Component,
) -> Result<Option<[Basis; 2]>> {
    token_bases(setting, component, &drawn_tokens(setting, None))
}

/// Whether the embedding of a component was found in its place.
pub(super) fn embedding_is_found(direct: &Permutation, component: Component) -> bool {
    let level = found_among(direct.parts.len());
    direct.parts.iter().any(|(key, test)| {
        key.component == component && key.kind == PartKind::Embedding && test.log10_p <= level
    })
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

/// Fewest shared tokens that units are projected on: as many as a change of the stream is recovered
/// from.
const LEAST_TOKENS: usize = 16;

/// Tokens that units are projected on, as rows of both embeddings; none where there are too few,
/// which is told to `untested`.
fn drawn_tokens(setting: &Setting<'_>, untested: Option<&mut Vec<Untested>>) -> [Vec<usize>; 2] {
    let shared = shared_tokens(setting);
    if shared.len() < LEAST_TOKENS {
        let has_tables = setting
            .models
            .iter()
            .all(|model| embedding(model, Component::Text).is_some());
        if let Some(untested) = untested.filter(|_| has_tables) {
            untested.push(Untested {
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
        if !in_half(looks.iter().map(Option::is_some)) {
            return Ok(());
        }
        looks.extend(look_at(&rest)?);
        let mut found: Vec<Heads> = looks.into_iter().flatten().collect();
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
    /// What was undone; `None` where nothing was.
    fn finding(&self) -> Option<Finding> {
        let first = self.transformations.first()?;
        let mut changes: Vec<TransformationKind> =
            self.transformations.iter().map(|t| t.kind).collect();
        changes.dedup();
        Some(Finding {
            statement: Statement::Disguised { changes },
            value: first.check_cosine,
            log10_p: None,
            supports: Supports::Derived,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disguise_is_looked_for_further_where_half_of_the_looks_find_it() {
        assert!(in_half([true, false].into_iter()) && in_half([true].into_iter()));
        assert!(!in_half([true, false, false].into_iter()) && !in_half(std::iter::empty()));
        assert!(!in_half([false; 4].into_iter()));
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
            encoder: false,
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
            lacks_a_matrix: false,
            excess: None,
            test: Some(crate::evidence::part::PartTest {
                log10_p: 0.0,
                share_seen_95: Some(0.1),
            }),
            by_place: false,
            found_by: None,
            witness: None,
            geometry: None,
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
