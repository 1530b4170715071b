//! A target that is a PEFT adapter: what it changes, and what of it can be held against the base.
//!
//! W' = W + s · B·A is made of the base at hand, so nothing of it is evidence. Evidence is what the
//! adapter holds of the base it was trained on: tensors saved along, trained copies of whole
//! tensors, DoRA's magnitudes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::align::Pair;
use crate::error::Result;
use crate::measure::measure_views;
use crate::measure::record::{Record, Undefined};
use crate::model::dtype::Dtype;
use crate::model::sides::Sides;
use crate::model::words::{Component, Role};
use crate::numeric::rows::RowSource;
use crate::view::adapted::{self, Adapted, Adapter, Change, LoraModule, Unfit};
use crate::view::logical::{Logical, Origin, StoredAs, Via};

use super::analysis::{Analysis, Found, Setting};
use super::figures::Measurement;
use super::finding::Finding;
use super::magnitudes::{self, Magnitudes};
use super::part::{Part, PartKey, PartKind, State};
use super::parts::ENCODER;
use super::relation::Relation;

/// What an adapter changes in a base.
pub(crate) struct Adaptation {
    adapter: Adapter,
    /// Name of the base at hand.
    base_name: String,
    /// W and W', of the changes that fit and that the filter keeps.
    pairs: Vec<Pair>,
    /// What was measured of them.
    records: Vec<Record>,
    /// Module of each pair.
    modules: Vec<usize>,
    unfit: Vec<Unfit>,
    magnitudes: Vec<Magnitudes>,
    /// Whether the magnitudes are parts by themselves: where tests were asked for.
    magnitudes_are_parts: bool,
    /// Names of copies of the base that were not trained.
    copies: BTreeSet<String>,
    /// Names of what belongs to a change: matrices of the base, stored tensors of the adapter.
    explained: Sides<BTreeSet<String>>,
}

/// What is said of a target that is an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterFact {
    /// What it changes.
    Changes {
        /// Matrices changed by low rank.
        matrices: usize,
        /// Their ranks, ascending, each once.
        ranks: Vec<u64>,
        /// Their scales, each once.
        scales: Vec<f64>,
        /// Tensors replaced whole.
        replaced: usize,
    },
    /// Sizes of the changes, relative to the matrices.
    Sizes {
        /// Median.
        median: f64,
        /// Largest.
        largest: f64,
        /// Matrix of the largest.
        name: String,
    },
    /// There is no change whose shape could be held against the base.
    NothingToFit,
    /// Every change has its matrix in the base.
    Fits,
    /// Some changes have no matrix in the base.
    Unfit {
        /// How many.
        unfit: usize,
        /// Of how many.
        of: usize,
        /// Name of the first.
        first: String,
        /// Why it does not fit, in one line.
        why: String,
    },
    /// The base that its configuration names.
    Claim {
        /// Name.
        declared: String,
        /// Revision.
        revision: Option<String>,
        /// Whether the base at hand is called so.
        is_base: bool,
    },
}

/// A change of one matrix by low rank.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixChange {
    /// Name in the base.
    pub name: String,
    /// Layer.
    pub layer: Option<u32>,
    /// Role.
    pub role: Role,
    /// Rank.
    pub rank: u64,
    /// `lora_alpha`.
    pub alpha: f64,
    /// What B·A is multiplied with.
    pub scale: f64,
    /// Whether rows are brought to stored magnitudes.
    pub dora: bool,
    /// ‖W' − W‖ / ‖W‖.
    pub relative_change: Option<f64>,
    /// Why there is no such figure.
    pub why: Option<NoChange>,
}

/// Why the size of a change is not known.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoChange {
    /// It is not defined.
    Undefined(Undefined),
    /// The base has no matrix for it; why, in one line.
    Unfit(String),
}

impl Analysis for Adaptation {
    fn needs_all_values() -> bool {
        true
    }

    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        match adapted::adapter(setting.models[1]) {
            Some(adapter) => Self::measure(setting, adapter).map(Some),
            None => Ok(None),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        magnitudes::finding(&self.magnitudes).into_iter().collect()
    }

    /// That it is an adapter of this base, where all changes have their matrix there.
    fn relations(&self, _: &[Part], _: Option<Component>) -> Vec<Relation> {
        let fits = self.unfit.is_empty() && !self.pairs.is_empty();
        fits.then_some(Relation::Adapter).into_iter().collect()
    }

    /// DoRA's magnitudes as parts of their own.
    fn place(&self, parts: &mut Vec<Part>) {
        if self.magnitudes_are_parts {
            parts.extend(self.magnitudes.iter().map(part_of_magnitudes));
        }
    }

    /// Takes back the grade of independent parts that the adapter was free to begin anew, such as
    /// an output head, where nothing is shared: only copies of what it did not train, and
    /// magnitudes, speak against the base.
    fn doubt(&self, parts: &mut [Part]) {
        if parts.iter().any(|part| part.state == State::Reused) {
            return;
        }
        let independent = parts
            .iter_mut()
            .filter(|part| part.state == State::Independent);
        for part in independent {
            let name = part.key.name.as_deref();
            if !name.is_some_and(|name| self.holds_untrained(name)) {
                part.state = State::Unclear;
            }
        }
    }
}

impl Adaptation {
    /// Measures the changes.
    fn measure(setting: &Setting<'_>, adapter: &Adapter) -> Result<Self> {
        let [base, target] = setting.models;
        let (mut changes, unfit) = adapted::find(base, target);
        changes.retain(|change| (setting.keep)(&change.base.name));
        let pairs: Vec<Pair> = changes
            .iter()
            .map(|change| pair(&change.base, change.dtype))
            .collect();
        let records = measure_changes(setting, &changes, &pairs)?;
        let modules: Vec<usize> = changes.iter().map(|change| change.module).collect();

        let name_of = |at: usize| target.checkpoint().tensors.get(at).map(|t| t.name.clone());
        let copies = adapter.base_layers.iter();
        let stored = modules.iter().filter_map(|&at| adapter.modules.get(at));
        let stored = stored.flat_map(tensors_of).filter_map(name_of);
        Ok(Self {
            base_name: base.checkpoint().name.clone(),
            magnitudes: magnitudes::test_all(setting, &changes)?,
            magnitudes_are_parts: setting.asked.units,
            copies: copies.filter_map(|(_, at)| name_of(*at)).collect(),
            explained: Sides {
                base: pairs.iter().map(|pair| pair.base.name.clone()).collect(),
                target: stored.collect(),
            },
            adapter: adapter.clone(),
            pairs,
            records,
            modules,
            unfit,
        })
    }

    /// The changes with their figures.
    pub(crate) fn measurements(&self) -> Vec<Measurement<'_>> {
        Measurement::of(&self.pairs, &self.records)
    }

    /// Names of what belongs to a change: matrices of the base, stored tensors of the adapter.
    pub(crate) const fn explained(&self) -> &Sides<BTreeSet<String>> {
        &self.explained
    }

    /// Whether magnitudes could be held against the base.
    pub(crate) fn has_magnitudes(&self) -> bool {
        !self.magnitudes.is_empty()
    }

    /// What its configuration says.
    pub(crate) const fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Whether a tensor of that name says something of the base that training did not touch.
    fn holds_untrained(&self, name: &str) -> bool {
        let mut magnitudes = self.magnitudes.iter();
        self.copies.contains(name) || magnitudes.any(|tested| tested.name == name)
    }

    /// What it changes, how it fits, and what its claim is worth.
    pub(crate) fn facts(&self) -> Vec<AdapterFact> {
        let mut out = vec![self.changed()];
        out.extend(self.sizes());
        out.push(self.fit());
        out.extend(self.claim());
        out
    }

    fn changed(&self) -> AdapterFact {
        let modules = &self.adapter.modules;
        let ranks: BTreeSet<u64> = modules.iter().map(|module| module.rank).collect();
        let mut scales: Vec<f64> = modules.iter().map(|module| module.scale).collect();
        scales.sort_by(f64::total_cmp);
        scales.dedup();
        AdapterFact::Changes {
            matrices: modules.len(),
            ranks: ranks.into_iter().collect(),
            scales,
            replaced: self.adapter.replaced.len(),
        }
    }

    /// How large the changes are.
    fn sizes(&self) -> Option<AdapterFact> {
        let changes = self.pairs.iter().zip(&self.records);
        let mut sizes: Vec<(f64, &str)> = changes
            .filter_map(|(pair, record)| {
                Some((record.figures().relative_change?, pair.base.name.as_str()))
            })
            .collect();
        sizes.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
        let (largest, name) = *sizes.last()?;
        Some(AdapterFact::Sizes {
            median: sizes[sizes.len() / 2].0,
            largest,
            name: name.to_owned(),
        })
    }

    fn fit(&self) -> AdapterFact {
        let changes = self.adapter.modules.len();
        match self.unfit.first() {
            None if changes == 0 => AdapterFact::NothingToFit,
            None => AdapterFact::Fits,
            Some(first) => AdapterFact::Unfit {
                unfit: self.unfit.len(),
                of: changes,
                first: self.name_of(first.module).to_owned(),
                why: first.why.to_string(),
            },
        }
    }

    fn claim(&self) -> Option<AdapterFact> {
        let declared = self.adapter.declared_base.as_deref()?;
        let short = |name: &str| {
            let last = name.trim_end_matches('/').rsplit('/').next();
            last.unwrap_or(name).to_lowercase()
        };
        Some(AdapterFact::Claim {
            declared: declared.to_owned(),
            revision: self.adapter.declared_revision.clone(),
            is_base: short(declared) == short(&self.base_name),
        })
    }

    /// The changes by low rank, sorted by name; those that do not fit among them.
    pub(crate) fn changes(&self) -> Vec<MatrixChange> {
        let measured = self.modules.iter().zip(self.measurements());
        let measured = measured.filter_map(|(at, measured)| {
            let module = self.adapter.modules.get(*at)?;
            let base = &measured.pair.base;
            Some(MatrixChange {
                layer: base.meaning.layer,
                role: base.meaning.role,
                relative_change: measured.figures.relative_change,
                why: measured.figures.reason.map(NoChange::Undefined),
                ..change_of(module, base.name.clone())
            })
        });
        let unfit = self.unfit.iter().filter_map(|unfit| {
            let module = self.adapter.modules.get(unfit.module)?;
            Some(MatrixChange {
                why: Some(NoChange::Unfit(unfit.why.clone())),
                ..change_of(module, self.name_of(unfit.module).to_owned())
            })
        });
        let mut out: Vec<MatrixChange> = measured.chain(unfit).collect();
        out.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        out
    }

    /// Tensors of the base that it replaces whole, sorted by name.
    pub(crate) fn replaced(&self) -> Vec<String> {
        let replaced = self.adapter.replaced.iter();
        let mut out: Vec<String> = replaced.map(|(name, _)| name.clone()).collect();
        out.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        out
    }

    fn name_of(&self, module: usize) -> &str {
        let module = self.adapter.modules.get(module);
        module
            .and_then(|module| module.parameters.first())
            .map_or("", String::as_str)
    }
}

/// W and W' of each change, held against each other.
fn measure_changes(
    setting: &Setting<'_>,
    changes: &[Change],
    pairs: &[Pair],
) -> Result<Vec<Record>> {
    let [base, target] = setting.models;
    let views = changes.iter().map(|change| {
        let sides: [Box<dyn RowSource + '_>; 2] = [
            Box::new(base.view(&change.base)?),
            Box::new(Adapted::new(base, target, change)?),
        ];
        Ok(sides)
    });
    let views: Vec<_> = views.collect::<Result<_>>()?;
    let views: Vec<_> = views
        .iter()
        .map(|sides| sides.each_ref().map(AsRef::as_ref).into())
        .collect();
    measure_views(pairs, &views, "measuring the changes", setting.monitor)
}

/// Stored tensors of one module.
fn tensors_of(module: &LoraModule) -> impl Iterator<Item = usize> {
    let own = [
        Some(module.a),
        Some(module.b),
        module.magnitude,
        module.bias,
        module.alpha_tensor,
    ];
    own.into_iter().flatten()
}

/// What a module says of its change by itself.
fn change_of(module: &LoraModule, name: String) -> MatrixChange {
    MatrixChange {
        name,
        layer: None,
        role: Role::Other,
        rank: module.rank,
        alpha: module.alpha,
        scale: module.scale,
        dora: module.magnitude.is_some(),
        relative_change: None,
        why: None,
    }
}

fn part_of_magnitudes(tested: &Magnitudes) -> Part {
    let meaning = &tested.matrix.meaning;
    Part {
        key: PartKey {
            component: meaning.component,
            block: meaning.block,
            layer: meaning.layer,
            kind: PartKind::Other,
            expert: None,
            name: Some(tested.name.clone()),
            encoder: meaning.slot.starts_with(ENCODER),
        },
        base_layer: meaning.layer,
        parameters: tested.rows as u64,
        compared: tested.rows as u64,
        identical: false,
        new: false,
        found: false,
        has_named_places: false,
        lacks_a_matrix: false,
        excess: None,
        test: Some(tested.test),
        // Norms have no angles: no witness can be asked, and none is.
        by_place: false,
        found_by: None,
        witness: None,
        geometry: None,
        state: State::Unclear,
    }
}

/// W with W'.
fn pair(base: &Logical, dtype: Dtype) -> Pair {
    let stored_as = StoredAs {
        origin: Origin::Adapted,
        ..base.stored_as.clone()
    };
    let target = Logical {
        dtype,
        stored_shape: base.shape.clone(),
        stored_as,
        ..base.clone()
    };
    Pair {
        base: Arc::new(base.clone()),
        target: Arc::new(target),
        via: Via::Mapped,
        by_name: false,
    }
}
