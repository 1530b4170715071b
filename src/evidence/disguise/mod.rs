//! Tests that see through a disguise: units re-ordered, the residual stream turned (methods.md, section 4).
//!
//! They cost more than the direct form, so they run where it finds nothing, first on a few layers; on the others only
//! once a disguise was found. Bounds are per layer and paid for by the number of layers tried.

mod basis;
mod ffn;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::model::words::Component;

use super::chance;
use super::finding::{Family, Finding, Supports};
use super::part::{Part, PartKey};
use super::pca::evenly_spaced;
use super::permutation::blocks::{BlockKey, Matrices, blocks};
use super::permutation::{Form, Kind, Permutation, Setting, Test};
use super::tokens::shared_tokens;
use super::units::block::LOOKS;

use self::basis::Basis;
use self::ffn::{Candidate, Look, look};

/// The direct form found nothing: log10 p above this.
const NOTHING: f64 = -2.0;

/// Layers of a component that are looked at first.
const FEW_LAYERS: usize = 4;

/// log10 p of a layer that is found, before the layers tried are paid for.
const FOUND: f64 = -6.0;

/// A layer that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// Component.
    pub component: Component,
    /// Layer.
    pub layer: u32,
    /// Form that found it, and its log10 p.
    pub found: Option<(Form, f64)>,
}

/// What was recovered, with its check on tensors that took no part.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformation {
    /// What was changed.
    pub change: Change,
    /// Component.
    pub component: Component,
    /// Layers it was found in.
    pub layers: Vec<u32>,
    /// What it was checked on, in words, with the cosine as stored.
    pub check: String,
    /// Cosine after it is undone.
    pub check_cosine: Option<f64>,
}

crate::model::words::words! {
    /// Kind of a recovered transformation.
    Change {
        /// Hidden units of feed-forwards in another order.
        FfnPermuted = "ffn_permuted",
    }
}

/// Layers of one model or component that were tried, together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Layers tried.
    pub tried: usize,
    /// Layers found.
    pub found: usize,
    /// Least log10 p of a layer, the layers tried paid for.
    pub log10_p: f64,
    /// Whether that is an exact bound.
    pub exact: bool,
}

/// Everything that was looked at and found.
#[derive(Debug, Clone, Default)]
pub struct Disguises {
    /// Single tests, in the order of layers.
    pub tests: Vec<Test>,
    /// Layers that were tried first; on them the verdict rests.
    pub tried: Vec<Tried>,
    /// What was recovered.
    pub transformations: Vec<Transformation>,
    /// Parts that were found in the base.
    found_parts: BTreeSet<PartKey>,
}

/// Looks at the layers in which the `direct` form found nothing, a few of each component first, all with `thorough`
/// sampling; the order of units, taken as a further look on a block, is written to `direct`. Uses the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub fn run(setting: &Setting<'_>, direct: &mut Permutation) -> Result<Disguises> {
    let of = setting.models.map(blocks);
    let open = open_blocks(direct, &of);
    let mut out = Disguises::default();
    if open.is_empty() {
        return Ok(out);
    }
    setting.monitor.begin("looking through disguises", 0);
    let tokens = drawn_tokens(setting);
    let components: BTreeSet<Component> = open.iter().map(|c| c.key.component).collect();
    for component in components {
        let open: Vec<Candidate<'_>> = open.iter().copied().filter(|c| c.key.component == component).collect();
        let bases = match token_bases(setting, component, &tokens)? {
            Some(bases) => Some(bases),
            None => residual_bases(setting, &open),
        };
        out.look_at_feed_forwards(setting, direct, &open, bases.as_ref())?;
    }
    setting.monitor.end();
    Ok(out)
}

/// One block a layer in which the direct form found nothing: the dense feed-forward, else the shared expert, else the
/// first expert.
fn open_blocks<'a>(direct: &Permutation, of: &'a [BTreeMap<BlockKey, Matrices<'a>>; 2]) -> Vec<Candidate<'a>> {
    let mut of_layer: BTreeMap<(Component, u32), Candidate<'a>> = BTreeMap::new();
    let found_nothing = |key: &BlockKey| {
        let is_of = |t: &&Test| {
            matches!(t.kind, Kind::Ffn | Kind::Expert)
                && (t.component, t.layer, t.expert) == (key.component, Some(key.layer), key.expert)
        };
        let mut tests = direct.tests.iter().filter(is_of).peekable();
        tests.peek().is_some() && tests.all(|t| t.log10_p > NOTHING)
    };
    for (key, target) in &of[1] {
        let Some(base) = of[0].get(key).filter(|_| found_nothing(key)) else { continue };
        let candidate = Candidate { key, sides: [base, target] };
        let rank = |c: &Candidate<'_>| (c.key.expert, c.key.shared, c.key.stem.clone());
        let kept = of_layer.entry((key.component, key.layer)).or_insert(candidate);
        if rank(&candidate) < rank(kept) {
            *kept = candidate;
        }
    }
    of_layer.into_values().collect()
}

/// Tokens that units are projected on, as rows of both embeddings.
fn drawn_tokens(setting: &Setting<'_>) -> [Vec<usize>; 2] {
    let shared = shared_tokens(setting.models);
    let drawn = setting.sampling.projection_tokens(shared.len());
    [0, 1].map(|side| drawn.iter().map(|&at| shared[at][side]).collect())
}

/// Token bases of both sides; tokens belong to the text part.
fn token_bases(setting: &Setting<'_>, component: Component, tokens: &[Vec<usize>; 2]) -> Result<Option<[Basis; 2]>> {
    if component != Component::Text || tokens[0].is_empty() {
        return Ok(None);
    }
    let base = Basis::tokens(setting.models[0], component, &tokens[0])?;
    let target = Basis::tokens(setting.models[1], component, &tokens[1])?;
    Ok(base.zip(target).map(|(base, target)| [base, target]))
}

/// Residual dimensions, for components without tokens: these see through an order of units alone.
fn residual_bases(setting: &Setting<'_>, open: &[Candidate<'_>]) -> Option<[Basis; 2]> {
    let width = |matrices: &Matrices<'_>| usize::try_from(matrices.by_row.first()?.shape[1]).ok();
    let widths = open.iter().filter_map(|c| Some((width(c.sides[0])?, width(c.sides[1])?)));
    let width = widths.filter(|(base, target)| base == target).map(|(base, _)| base).min()?;
    let coordinates = setting.sampling.coordinates(width);
    Some([coordinates.clone(), coordinates].map(Basis::Residual))
}

/// The layers to be looked at first, and the others.
fn few<T: Copy>(items: &[T], setting: &Setting<'_>) -> (Vec<T>, Vec<T>) {
    if setting.sampling.thorough {
        return (items.to_vec(), Vec::new());
    }
    let places: Vec<usize> = (0..items.len()).collect();
    let first = evenly_spaced(&places, FEW_LAYERS);
    let rest = places.iter().filter(|place| !first.contains(place)).map(|&place| items[place]).collect();
    (first.into_iter().map(|place| items[place]).collect(), rest)
}

impl Disguises {
    /// Looks at feed-forwards of one component: a few, and the others where a disguise is found in half of these.
    fn look_at_feed_forwards(
        &mut self,
        setting: &Setting<'_>,
        direct: &mut Permutation,
        open: &[Candidate<'_>],
        bases: Option<&[Basis; 2]>,
    ) -> Result<()> {
        let (first, rest) = few(open, setting);
        let mut looks = looks_at(setting, &first, bases, level(first.len()))?;
        let tried: Vec<Tried> = looks.iter().map(|look| tried(look, level(first.len()))).collect();
        let found = tried.iter().filter(|t| t.found.is_some()).count();
        if 2 * found >= tried.len() && found > 0 {
            looks.extend(looks_at(setting, &rest, bases, level(open.len()))?);
        }
        looks.sort_by(|a, b| a.key.cmp(&b.key));
        for look in &looks {
            direct.look_again(&look.key, look.order.as_ref().map(|order| order.log10_p));
            self.tests.extend(tests(look));
        }
        let found: Vec<&Look> = looks.iter().filter(|look| tried_form(look, level(looks.len())).is_some()).collect();
        self.found_parts.extend(found.iter().filter_map(|look| look.part.clone()));
        self.transformations.extend(re_ordered(&found));
        self.tried.extend(tried);
        Ok(())
    }

    /// What the layers tried say of one component, or of all; `None` where none was tried.
    pub fn seen(&self, component: Option<Component>) -> Option<Seen> {
        let tried: Vec<&Tried> = self.tried.iter().filter(|t| component.is_none_or(|c| c == t.component)).collect();
        let found: Vec<(Form, f64)> = tried.iter().filter_map(|t| t.found).collect();
        // An exact bound is worth more than a smaller one that is approximate.
        let least = |form: Form| found.iter().filter(|f| f.0 == form).map(|f| f.1).min_by(f64::total_cmp);
        let exact = least(Form::Projected);
        let log10_p = exact.or_else(|| least(Form::Matched)).unwrap_or(0.0);
        (!tried.is_empty()).then(|| Seen {
            tried: tried.len(),
            found: found.len(),
            log10_p: chance::bonferroni(log10_p, tried.len()),
            exact: exact.is_some(),
        })
    }

    /// Marks the parts that were found.
    pub fn mark(&self, parts: &mut [Part]) {
        for part in parts {
            part.found |= self.found_parts.contains(&part.key);
        }
    }

    /// What the looks say together; `None` where nothing was tried.
    pub fn finding(&self) -> Option<Finding> {
        let seen = self.seen(None)?;
        let (statement, supports) = match seen.found {
            0 => (
                format!(
                    "looked through re-ordered and rotated dimensions in {} layers: models trained independently agree \
                     as much",
                    seen.tried
                ),
                Supports::Nothing,
            ),
            found => {
                let bound = if seen.exact { "exact" } else { "approximate" };
                let changes: Vec<&str> = self.transformations.iter().map(|t| words_of(t.change)).collect();
                let changes =
                    if changes.is_empty() { "re-ordered or rotated dimensions".to_owned() } else { changes.join(", ") };
                (
                    format!(
                        "the base's units were found under {changes} in {found} of {} layers tried ({bound} bound)",
                        seen.tried
                    ),
                    Supports::Derived,
                )
            }
        };
        Some(Finding {
            kind: Family::Transformation,
            statement,
            value: Some(seen.found as f64),
            log10_p: Some(seen.log10_p),
            supports,
            scope: "model".to_owned(),
        })
    }
}

fn words_of(change: Change) -> &'static str {
    match change {
        Change::FfnPermuted => "re-ordered feed-forward units",
    }
}

/// log10 p at which one of `layers` is found.
fn level(layers: usize) -> f64 {
    FOUND - (layers.max(1) as f64).log10()
}

fn looks_at(
    setting: &Setting<'_>,
    candidates: &[Candidate<'_>],
    bases: Option<&[Basis; 2]>,
    level: f64,
) -> Result<Vec<Look>> {
    let one = |candidate: &Candidate<'_>| look(setting, *candidate, bases, level);
    // A thorough look holds features of all units over 2,048 tokens: one layer at a time.
    let looks: Vec<Result<Option<Look>>> = match setting.sampling.thorough {
        true => candidates.iter().map(one).collect(),
        false => candidates.par_iter().map(one).collect(),
    };
    looks.into_iter().filter_map(Result::transpose).collect()
}

/// The form by which a layer is found in disguise.
fn tried_form(look: &Look, level: f64) -> Option<(Form, f64)> {
    let projected = look.projected.as_ref().map(|found| found.log10_p).filter(|p| *p <= level);
    let matched = || {
        let matched = look.matched.as_ref().filter(|matched| matched.looks_copied())?;
        look.witness.as_ref().is_some_and(ffn::Witness::agrees).then_some((Form::Matched, matched.log10_p))
    };
    projected.map(|p| (Form::Projected, p)).or_else(matched)
}

fn tried(look: &Look, level: f64) -> Tried {
    Tried { component: look.key.component, layer: look.key.layer, found: tried_form(look, level) }
}

/// The looks on one feed-forward as tests of the report.
fn tests(look: &Look) -> Vec<Test> {
    let test = |form, probes, hits, log10_p, exact| Test {
        kind: if look.key.expert.is_some() { Kind::Expert } else { Kind::Ffn },
        form,
        component: look.key.component,
        layer: Some(look.key.layer),
        base_layer: Some(look.key.layer),
        expert: look.key.expert,
        name: None,
        units: look.units,
        probes,
        hits,
        log10_p,
        exact,
        group: 0,
    };
    let paid = |p| chance::bonferroni(p, LOOKS);
    let order = look.order.iter().map(|o| test(Form::Order, o.kept.len(), o.in_order, paid(o.log10_p), true));
    // Fixed points and order are looks on one block.
    let projected = look.projected.iter().map(|f| test(Form::Projected, f.probes.len(), f.hits, f.log10_p, true));
    let matched = look.matched.iter().map(|m| test(Form::Matched, m.in_both, m.agreeing.len(), m.log10_p, false));
    order.chain(projected).chain(matched).collect()
}

/// Feed-forwards whose units were found in other places.
fn re_ordered(found: &[&Look]) -> Option<Transformation> {
    let moved: Vec<&&Look> = found.iter().filter(|look| has_moved(look)).collect();
    let first = moved.first()?;
    let witnesses: Vec<&ffn::Witness> = moved.iter().filter_map(|look| look.witness.as_ref()).collect();
    let mean = |of: &dyn Fn(&ffn::Witness) -> Option<f64>| {
        let values: Vec<f64> = witnesses.iter().filter_map(|w| of(w)).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let what = witnesses.first().map_or("nothing", |w| w.what);
    let stored = mean(&|w| w.as_stored).map_or(String::new(), |c| format!(" (as stored {c:.4})"));
    Some(Transformation {
        change: Change::FfnPermuted,
        component: first.key.component,
        layers: moved.iter().map(|look| look.key.layer).collect(),
        check: format!("{what} in the order found{stored}"),
        check_cosine: mean(&|w| w.cosine).map(crate::numeric::linalg::round6),
    })
}

/// Whether most of the matched units stand in other places.
fn has_moved(look: &Look) -> bool {
    let agreeing = look.matched.as_ref().map_or(&[][..], |matched| &matched.agreeing);
    2 * agreeing.iter().filter(|(base, target)| base != target).count() > agreeing.len()
}
