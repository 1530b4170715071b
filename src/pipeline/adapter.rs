//! A target that is a PEFT adapter: what it changes, and what of it can be held against the base.
//!
//! W' = W + s · B·A is made of the base at hand, so nothing of it is evidence. Evidence is what the
//! adapter holds of the base it was trained on: tensors saved along, trained copies of whole
//! tensors, DoRA's magnitudes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::align::{Alignment, Pair};
use crate::error::Result;
use crate::evidence::figures::{self, Measurement};
use crate::evidence::finding::Finding;
use crate::evidence::magnitudes::{self, Magnitudes};
use crate::evidence::part::{Part, PartKey, PartKind, State};
use crate::evidence::relation::Relation;
use crate::format::adapter::Adapter;
use crate::measure::measure_views;
use crate::measure::monitor::Monitor;
use crate::measure::record::Record;
use crate::model::dtype::Dtype;
use crate::model::words::Role;
use crate::numeric::rows::RowSource;
use crate::report::schema::{AdapterChange, AdapterRow};
use crate::report::summary;
use crate::verdict::decide::Label;
use crate::verdict::reasons::AdapterReason;
use crate::view::adapted::{self, Adapted, Unfit};
use crate::view::logical::{Logical, Origin, StoredAs, Via};
use crate::view::model::Model;

use super::options::Options;

/// What an adapter changes in a base.
pub(super) struct Adaptation<'a> {
    base: &'a Model,
    adapter: &'a Adapter,
    /// W and W', of the changes that fit and that the filter keeps.
    pub(super) pairs: Vec<Pair>,
    /// What was measured of them.
    pub(super) records: Vec<Record>,
    /// Module of each pair.
    modules: Vec<usize>,
    unfit: Vec<Unfit>,
    magnitudes: Vec<Magnitudes>,
}

impl<'a> Adaptation<'a> {
    /// Measures the changes; `None` where the target is no adapter.
    ///
    /// # Errors
    /// A read that fails, or an interrupt.
    pub(super) fn find(
        models: [&'a Model; 2],
        options: &Options,
        monitor: &dyn Monitor,
    ) -> Result<Option<Self>> {
        let [base, target] = models;
        let Some(adapter) = adapted::adapter(target) else {
            return Ok(None);
        };
        let (mut changes, unfit) = adapted::find(base, target);
        changes.retain(|change| options.filter.keeps(&change.base.name));
        let pairs: Vec<Pair> = changes
            .iter()
            .map(|change| pair(&change.base, change.dtype))
            .collect();
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
        let records = measure_views(&pairs, &views, "measuring the changes", monitor)?;
        let magnitudes = magnitudes::run(models, &changes, monitor)?;
        let modules = changes.iter().map(|change| change.module).collect();
        Ok(Some(Self {
            base,
            adapter,
            pairs,
            records,
            modules,
            unfit,
            magnitudes,
        }))
    }

    /// The changes with their figures.
    pub(super) fn measurements(&self) -> Vec<Measurement<'_>> {
        Measurement::of(&self.pairs, &self.records)
    }

    /// DoRA's magnitudes as parts of their own.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        self.magnitudes.iter().map(|tested| {
            let meaning = &tested.matrix.meaning;
            let key = PartKey {
                component: meaning.component,
                block: meaning.block,
                layer: meaning.layer,
                kind: PartKind::Other,
                expert: None,
                name: Some(tested.name.clone()),
            };
            Part {
                key,
                base_layer: meaning.layer,
                parameters: tested.rows as u64,
                compared: tested.rows as u64,
                identical: false,
                new: false,
                found: false,
                excess: None,
                test: Some(tested.test),
                state: State::Unclear,
            }
        })
    }

    /// Takes back the grade of independent parts that the adapter was free to begin anew, such as
    /// an output head, where nothing is shared: only copies of what it did not train, and
    /// magnitudes, speak against the base.
    pub(super) fn doubt(&self, target: &Model, parts: &mut [Part]) {
        if parts.iter().any(|part| part.state == State::Reused) {
            return;
        }
        let copies = self
            .adapter
            .base_layers
            .iter()
            .filter_map(|(_, at)| target.checkpoint().tensors.get(*at));
        let mut kept: BTreeSet<&str> = copies.map(|tensor| tensor.name.as_str()).collect();
        kept.extend(self.magnitudes.iter().map(|tested| tested.name.as_str()));
        let may_be_new = |part: &&mut Part| {
            part.key
                .name
                .as_deref()
                .is_none_or(|name| !kept.contains(name))
        };
        let independent = parts
            .iter_mut()
            .filter(|part| part.state == State::Independent);
        independent
            .filter(may_be_new)
            .for_each(|part| part.state = State::Unclear);
    }

    /// What the magnitudes say.
    pub(super) fn finding(&self) -> Option<Finding> {
        magnitudes::finding(&self.magnitudes)
    }

    /// The relation, where all changes have their matrix in the base.
    pub(super) fn relation(&self) -> Option<Relation> {
        (self.unfit.is_empty() && !self.pairs.is_empty()).then_some(Relation::Adapter)
    }

    /// Names of what belongs to a change: matrices of the base (side 0), stored tensors of the
    /// adapter (side 1).
    pub(super) fn explained<'b>(&'b self, target: &'b Model, side: usize) -> BTreeSet<&'b str> {
        if side == 0 {
            return self
                .pairs
                .iter()
                .map(|pair| pair.base.name.as_str())
                .collect();
        }
        let modules = self
            .modules
            .iter()
            .filter_map(|&at| self.adapter.modules.get(at));
        let tensors = modules
            .flat_map(|m| [Some(m.a), Some(m.b), m.magnitude, m.bias])
            .flatten();
        tensors
            .filter_map(|at| target.checkpoint().tensors.get(at))
            .map(|tensor| tensor.name.as_str())
            .collect()
    }

    /// What the adapter changes, how it fits, and what its claim is worth.
    pub(super) fn reasons(&self, label: Label, alignment: &Alignment) -> Vec<AdapterReason> {
        let holds_nothing = alignment.pairs.is_empty() && self.magnitudes.is_empty();
        let holds = match label {
            _ if holds_nothing => AdapterReason::FactorsAlone,
            Label::Inconclusive => AdapterReason::HoldsTooLittle,
            Label::Identical
            | Label::ReEncoded
            | Label::Derived
            | Label::PartialReuse
            | Label::FromScratch => AdapterReason::Holds,
        };
        let mut out = vec![self.changed()];
        out.extend(self.sizes());
        out.push(self.fit());
        out.extend(self.claim());
        out.push(holds);
        out
    }

    fn changed(&self) -> AdapterReason {
        let modules = &self.adapter.modules;
        let ranks: BTreeSet<u64> = modules.iter().map(|module| module.rank).collect();
        let mut scales: Vec<f64> = modules.iter().map(|module| module.scale).collect();
        scales.sort_by(f64::total_cmp);
        scales.dedup();
        AdapterReason::Changes {
            matrices: modules.len(),
            ranks: ranks.into_iter().collect(),
            scales,
            replaced: self.adapter.replaced.len(),
        }
    }

    /// How large the changes are.
    fn sizes(&self) -> Option<AdapterReason> {
        let changes = self.pairs.iter().zip(&self.records);
        let mut sizes: Vec<(f64, &str)> = changes
            .filter_map(|(pair, record)| {
                Some((record.figures().relative_change?, pair.base.name.as_str()))
            })
            .collect();
        sizes.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
        let (largest, name) = *sizes.last()?;
        Some(AdapterReason::Sizes {
            median: sizes[sizes.len() / 2].0,
            largest,
            name: name.to_owned(),
        })
    }

    fn fit(&self) -> AdapterReason {
        let changes = self.adapter.modules.len();
        match self.unfit.first() {
            None if changes == 0 => AdapterReason::NothingToFit,
            None => AdapterReason::Fits,
            Some(first) => AdapterReason::Unfit {
                unfit: self.unfit.len(),
                of: changes,
                first: self.name_of(first.module).to_owned(),
                why: first.why.to_string(),
            },
        }
    }

    fn claim(&self) -> Option<AdapterReason> {
        let declared = self.adapter.declared_base.as_deref()?;
        let short = |name: &str| {
            let last = name.trim_end_matches('/').rsplit('/').next();
            last.unwrap_or(name).to_lowercase()
        };
        Some(AdapterReason::Claim {
            declared: declared.to_owned(),
            revision: self.adapter.declared_revision.clone(),
            is_base: short(declared) == short(&self.base.checkpoint().name),
        })
    }

    /// `adapter` of the report.
    pub(super) fn row(&self) -> AdapterRow {
        let change = |(at, measured): (&usize, Measurement<'_>)| {
            let module = self.adapter.modules.get(*at)?;
            Some(AdapterChange {
                name: measured.pair.base.name.clone(),
                layer: measured.pair.base.meaning.layer,
                role: measured.pair.base.meaning.role,
                rank: module.rank,
                alpha: module.alpha,
                scale: module.scale,
                dora: module.magnitude.is_some(),
                relative_change: measured.figures.relative_change,
                reason: measured.figures.reason.as_ref().map(summary::undefined),
            })
        };
        let unfit = |unfit: &Unfit| {
            let module = self.adapter.modules.get(unfit.module)?;
            Some(AdapterChange {
                name: self.name_of(unfit.module).to_owned(),
                layer: None,
                role: Role::Other,
                rank: module.rank,
                alpha: module.alpha,
                scale: module.scale,
                dora: module.magnitude.is_some(),
                relative_change: None,
                reason: Some(unfit.why.clone()),
            })
        };
        let changes = self
            .modules
            .iter()
            .zip(self.measurements())
            .filter_map(change);
        let mut changes: Vec<AdapterChange> =
            changes.chain(self.unfit.iter().filter_map(unfit)).collect();
        changes.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        let mut replaced: Vec<String> = self
            .adapter
            .replaced
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        replaced.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        AdapterRow {
            declared_base: self.adapter.declared_base.clone(),
            declared_revision: self.adapter.declared_revision.clone(),
            task: self.adapter.task.clone(),
            changes,
            replaced,
        }
    }

    fn name_of(&self, module: usize) -> &str {
        let module = self.adapter.modules.get(module);
        module
            .and_then(|module| module.parameters.first())
            .map_or("", String::as_str)
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

/// Figures by layer, of pairs that are compared and of changes: what is shown, not what a pattern
/// is read from.
pub(super) fn layers<'a>(
    measurements: &[Measurement<'a>],
    adaptation: Option<&'a Adaptation<'_>>,
) -> Vec<figures::Layer> {
    let changes = adaptation.map(Adaptation::measurements).unwrap_or_default();
    let all: Vec<Measurement<'_>> = measurements.iter().cloned().chain(changes).collect();
    figures::layers(&all)
}
