//! `wcmp compare`: was the target made from the base?

use std::collections::BTreeSet;

use crate::align::{Alignment, Why, align, orient, rescaled};
use crate::error::Result;
use crate::evidence;
use crate::evidence::disguise::Disguises;
use crate::evidence::figures::{self, Measurement};
use crate::evidence::finding::{self, Finding, NoiseFloor, Supports};
use crate::evidence::noise_floor;
use crate::evidence::part::{Part, PartKind, State};
use crate::evidence::parts;
use crate::evidence::pca;
use crate::evidence::permutation::{self, Setting, Test};
use crate::evidence::relation::Relation;
use crate::evidence::transformation::{Check, Transformation, TransformationKind};
use crate::evidence::untested::{Obstacle, Subject, Untested};
use crate::format::open::Opened;
use crate::measure::monitor::Monitor;
use crate::measure::{Measured, measure};
use crate::model::sides::Side;
use crate::model::tokenizer::Overlap;
use crate::model::warning::{Noted, Warning};
use crate::model::words::Component;
use crate::report::schema::{
    Compare, ComponentRow, LayerRow, SettingsRow, Sides, TensorRow, TokenizerRow, UnmatchedRow,
    WarningRow,
};
use crate::report::summary;
use crate::stats::units::Sampling;
use crate::verdict::Verdict;
use crate::verdict::decide::{Direct, Findings, Label, ReEncoding, decide};
use crate::verdict::grade::grade;
use crate::verdict::origin::Pattern;
use crate::verdict::reasons::{ComponentVerdict, Reason, reasons};
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::adapter::{self, Adaptation};
use super::disguise;
use super::options::{Deep, Hashing, Options, Pca, Switch};
use super::structure::Structure;

/// Compares two checkpoints. Runs on the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub fn compare(
    base: Opened,
    target: Opened,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Compare> {
    let (mut base, mut target) = rayon::join(
        || Model::with_tokenizer(base),
        || Model::with_tokenizer(target),
    );
    let alignment = aligned([&base, &target], options)?;
    for pair in &alignment.pairs {
        base.adopt(&pair.base);
        target.adopt(&pair.target);
    }
    let models = [&base, &target];
    let measured = measure(
        models.into(),
        &alignment.pairs,
        options.hash == Hashing::Sha256,
        monitor,
    )?;
    analyse(models, &alignment, &measured, options, monitor)
}

/// Pairs the tensors of base and target that the filter keeps.
///
/// # Errors
/// A read that fails.
pub(super) fn aligned(models: [&Model; 2], options: &Options) -> Result<Alignment> {
    let keep = |name: &str| options.filter.keeps(name);
    let mut alignment = align(models.into(), &keep);
    orient(&mut alignment, models.into())?;
    rescaled::undo(&mut alignment, models.into())?;
    Ok(alignment)
}

/// All that is said of base and target once they were measured.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn analyse(
    models: [&Model; 2],
    alignment: &Alignment,
    measured: &Measured,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Compare> {
    let setting = Setting {
        models,
        alignment,
        records: &measured.records,
        tokenizers: models.map(|m| m.tokenizer.as_ref()),
        sampling: Sampling {
            seed: options.seed,
            thorough: options.deep == Deep::On,
        },
        monitor,
    };
    let mut permutation = match options.permutation {
        Switch::Off => None,
        Switch::On => Some(permutation::run(&setting)?),
    };
    let disguises = match &mut permutation {
        Some(direct) => disguise::look(&setting, direct, options.deep)?,
        None => None,
    };
    let structure = match &permutation {
        Some(permutation) => Structure::find(models, permutation, options, monitor)?,
        None => Structure::default(),
    };
    let adaptation = Adaptation::find(models, options, monitor)?;
    models
        .iter()
        .try_for_each(|model| model.opened.check_unchanged())?;
    let noise_floor = noise_floor::run(models, alignment, &measured.records, monitor)?;
    let pca = match options.pca {
        Pca::Off => None,
        mode => pca::run(
            models,
            alignment,
            &measured.records,
            mode == Pca::Full,
            options.seed,
            monitor,
        )?,
    };
    let overlap = match models.map(|m| m.tokenizer.as_ref()) {
        [Some(base), Some(target)] => Some(Overlap::of(base, target)),
        _ => None,
    };
    let comparison = Comparison {
        models,
        alignment,
        measured,
        permutation,
        structure,
        disguises,
        noise_floor,
        pca,
        tokenizer: overlap,
        adaptation,
        options,
    };
    Ok(comparison.report())
}

/// Two models that were measured.
struct Comparison<'a> {
    models: [&'a Model; 2],
    alignment: &'a Alignment,
    measured: &'a Measured,
    permutation: Option<permutation::Permutation>,
    structure: Structure,
    disguises: Option<Disguises>,
    noise_floor: Option<NoiseFloor>,
    pca: Option<pca::Pca>,
    tokenizer: Option<Overlap>,
    adaptation: Option<Adaptation<'a>>,
    options: &'a Options,
}

impl Comparison<'_> {
    fn report(&self) -> Compare {
        let measurements = Measurement::of(&self.alignment.pairs, &self.measured.records);
        let similarity = figures::similarity(&measurements);
        let layers = figures::layers(&measurements);
        let parts = self.parts();
        let pattern = |component: Component| {
            let of = layers.iter().filter(|l| l.component == component);
            Pattern::of(
                &of.filter_map(|l| l.similarity.matrix_cosine)
                    .collect::<Vec<_>>(),
            )
        };
        let components = components(self.models[1]);
        let leading = leading_component(self.models[1]);
        let everything = |_: &Logical| true;
        let whole = self.findings(&similarity, &parts, None);
        let decision = decide(&whole);
        let (labels, component_rows): (Vec<_>, Vec<_>) = components
            .iter()
            .map(|&c| self.component(c, &measurements, &parts, pattern(c)))
            .unzip();
        let mut verdict = self.verdict(&whole);
        if labels.len() > 1 {
            verdict.reasons.insert(0, Reason::Components(labels));
        }
        if let Some(adaptation) = &self.adaptation {
            verdict.reasons.retain(|reason| *reason != Reason::NoMatrix);
            let of_adapter = adaptation.reasons(decision.label, self.alignment);
            verdict
                .reasons
                .splice(0..0, of_adapter.into_iter().map(Reason::Adapter));
        }
        let digests = self.measured.digests.as_ref().map(Vec::as_slice);
        let own = |side: usize| {
            let digests =
                (self.options.hash == Hashing::Sha256).then_some(digests.into_array()[side]);
            summary::checkpoint(self.models[side], digests)
        };
        let (base, target) = rayon::join(|| own(0), || own(1));
        Compare {
            schema: "wcmp.compare/1",
            wcmp: summary::VERSION,
            settings: self.settings(),
            base,
            target,
            name_mapping: self.alignment.name_mapping.clone(),
            coverage: summary::coverage(figures::coverage(self.alignment, &everything)),
            similarity: summary::similarity(&similarity),
            origin_reading: summary::origin_reading(
                &similarity,
                leading.map_or(Pattern::NotApplicable, pattern),
                decision.label,
            ),
            layers: adapter::layers(&measurements, self.adaptation.as_ref())
                .iter()
                .map(|l| self.layer_row(l))
                .chain(self.structure.layer_rows())
                .collect(),
            components: component_rows,
            parts: parts.iter().map(summary::part).collect(),
            layer_map: self.structure.layer_map_rows(leading),
            permutation: self
                .permutation
                .as_ref()
                .map(|p| summary::permutation(p, &self.further_tests())),
            pca: self
                .pca
                .as_ref()
                .map(|pca| summary::pca(pca, self.options.pca.word())),
            experts: self.structure.experts_rows(),
            transformations: self
                .transformations()
                .iter()
                .map(summary::transformation)
                .collect(),
            tokenizer: self.tokenizer.as_ref().map(TokenizerRow::from),
            evidence: self
                .evidence(&similarity)
                .iter()
                .map(summary::finding)
                .collect(),
            verdict: summary::verdict(&verdict),
            unmatched: Sides {
                base: self.unmatched(0),
                target: self.unmatched(1),
            },
            tensors: self.tensor_rows(&measurements),
            warnings: self
                .warnings(decision.label)
                .iter()
                .map(WarningRow::from)
                .collect(),
            adapter: self.adaptation.as_ref().map(Adaptation::row),
        }
    }

    /// What is left of a side, without what belongs to a change of an adapter.
    fn unmatched(&self, side: usize) -> Vec<UnmatchedRow> {
        let left = if side == 0 {
            &self.alignment.base_left
        } else {
            &self.alignment.target_left
        };
        let explained = self
            .adaptation
            .as_ref()
            .map(|a| a.explained(self.models[1], side))
            .unwrap_or_default();
        left.iter()
            .filter(|u| !explained.contains(u.tensor.name.as_str()))
            .map(summary::unmatched)
            .collect()
    }

    /// One finding a family, the strongest first.
    fn evidence(&self, similarity: &figures::Similarity) -> Vec<Finding> {
        let mut out = figures::findings(similarity, self.noise_floor.as_ref());
        out.extend(
            self.permutation
                .as_ref()
                .and_then(permutation::Permutation::finding),
        );
        out.extend(self.disguises.as_ref().and_then(Disguises::finding));
        out.extend(self.adaptation.as_ref().and_then(Adaptation::finding));
        out.extend(self.structure.findings());
        out.extend(self.pca.as_ref().map(pca::Pca::finding));
        out.extend(self.tokenizer.as_ref().map(evidence::tokenizer::finding));
        finding::order(&mut out);
        out
    }

    /// Tests beyond the direct ones: of layers that moved, and of disguises.
    fn further_tests(&self) -> Vec<Test> {
        let disguised = self.disguises.iter().flat_map(|d| &d.tests).cloned();
        self.structure
            .tests()
            .into_iter()
            .chain(disguised)
            .collect()
    }

    fn transformations(&self) -> Vec<Transformation> {
        let mut out = self.structure.transformations(self.tests());
        out.extend(disguise::transformations(self.disguises.as_ref()));
        out.extend(self.rescaled());
        out
    }

    /// One transformation a component whose channels were rescaled.
    fn rescaled(&self) -> Vec<Transformation> {
        let rescaled = &self.alignment.rescaled;
        let of_component = |(component, layers): (&Component, &Vec<u32>)| Transformation {
            kind: TransformationKind::ChannelsRescaled,
            component: Some(*component),
            layers: layers.clone(),
            kept: None,
            check: Check::NormReaders,
            check_cosine: rescaled.check_cosine,
        };
        rescaled.layers.iter().map(of_component).collect()
    }

    fn settings(&self) -> SettingsRow {
        let o = self.options;
        SettingsRow {
            hash: o.hash.word(),
            pca: o.pca.word(),
            permutation: o.permutation.word(),
            deep: o.deep.word(),
            seed: o.seed,
            include: o.include.clone(),
            exclude: o.exclude.clone(),
        }
    }

    /// The target's parts, graded.
    fn parts(&self) -> Vec<Part> {
        let mut parts = parts::gather(self.models[1], self.alignment, &self.measured.records);
        for part in &mut parts {
            part.test = self
                .permutation
                .as_ref()
                .and_then(|p| p.parts.get(&part.key))
                .copied();
        }
        self.structure.place(&mut parts);
        if self.permutation.is_some() {
            parts.extend(self.adaptation.iter().flat_map(Adaptation::parts));
        }
        let tested = parts.iter().filter(|p| p.test.is_some()).count();
        self.disguises
            .iter()
            .for_each(|found| found.mark(&mut parts));
        for part in &mut parts {
            part.state = grade(part, tested, self.permutation.is_some());
        }
        if self.permutation.is_some() {
            distrust_formulas(&mut parts);
        }
        self.adaptation
            .iter()
            .for_each(|adaptation| adaptation.doubt(self.models[1], &mut parts));
        parts
    }

    /// What the verdict on the model, or on one component of it, rests on.
    fn findings(
        &self,
        similarity: &figures::Similarity,
        parts: &[Part],
        component: Option<Component>,
    ) -> Findings {
        let of = |l: &Logical| component.is_none_or(|c| l.meaning.component == c);
        let coverage = figures::coverage(self.alignment, &of);
        let pairs = self
            .alignment
            .pairs
            .iter()
            .zip(&self.measured.records)
            .filter(|(p, _)| of(&p.target));
        let mut left = self
            .alignment
            .base_left
            .iter()
            .chain(&self.alignment.target_left);
        let nothing_left = !left.any(|u| u.why != Why::Filtered && of(&u.tensor));
        let mut all_identical = nothing_left && self.is_whole();
        let mut tensors = 0;
        for (_, record) in pairs {
            tensors += 1;
            all_identical &= record.identical;
        }
        let stored = |m: &Model| m.logicals.iter().filter(|l| of(l)).count() as u64;
        let parts: Vec<Part> = parts
            .iter()
            .filter(|p| component.is_none_or(|c| p.key.component == c))
            .cloned()
            .collect();
        let shared = parts.iter().any(|p| p.state == State::Reused);
        let mut structure = self
            .structure
            .relations(self.models, self.tests(), &parts, component);
        structure.extend(self.stored_relation());
        structure.extend(self.adaptation.as_ref().and_then(Adaptation::relation));
        let mut findings = Findings {
            tensors: stored(self.models[0]).min(stored(self.models[1])),
            all_identical: all_identical && tensors > 0,
            re_encoding: self.re_encoding(),
            matrix_parameters: parts.iter().map(|p| p.parameters).sum(),
            parts,
            coverage: coverage[1].matrices.share(),
            matrix_excess: similarity.matrix_excess,
            identical_matrices: if shared {
                similarity.identical_matrices
            } else {
                0
            },
            direct: self.direct(component),
            share_seen_95: self
                .permutation
                .as_ref()
                .and_then(|p| p.share_seen_95(component)),
            least_log10_p: self.least_log10_p(similarity),
            upcycling: self.structure.upcycling(component),
            structure,
            ..Findings::default()
        };
        disguise::add(&mut findings, self.disguises.as_ref(), component);
        findings
    }

    /// Whether every tensor of both sides was read.
    fn is_whole(&self) -> bool {
        self.models
            .iter()
            .all(|model| model.checkpoint().is_whole())
    }

    fn re_encoding(&self) -> Option<ReEncoding> {
        let floor = self
            .noise_floor
            .as_ref()
            .filter(|floor| floor.passed && self.is_whole())?;
        Some(ReEncoding {
            calibrated: floor.calibrated,
        })
    }

    /// The relation that the storage shows.
    fn stored_relation(&self) -> Option<Relation> {
        let beyond = self.noise_floor.as_ref().is_none_or(|floor| !floor.passed);
        let quantised = self.adaptation.is_none()
            && beyond
            && figures::is_quantised_on_one_side(self.alignment, self.models);
        quantised.then_some(Relation::QuantizedFineTune)
    }

    /// The direct form over the blocks of the model, or of one component.
    fn direct(&self, component: Option<Component>) -> Option<Direct> {
        let permutation = self.permutation.as_ref()?;
        let combined = permutation.blocks_of(component);
        let direct = combined.map(|c| Direct {
            log10_p: c.log10_p,
            layers: c.layers,
            layers_hit: c.layers_hit,
        });
        self.structure.direct(direct, component, permutation)
    }

    /// Least bound among the findings that speak for a likeness.
    fn least_log10_p(&self, similarity: &figures::Similarity) -> Option<f64> {
        let evidence = self.evidence(similarity);
        let supporting = evidence
            .iter()
            .filter(|finding| finding.supports == Supports::Derived);
        supporting.filter_map(|f| f.log10_p).min_by(f64::total_cmp)
    }

    /// A layer by its number, with the bound of its blocks.
    fn layer_row(&self, layer: &figures::Layer) -> LayerRow {
        let log10_p = self
            .permutation
            .as_ref()
            .and_then(|p| p.layer_log10_p(layer.component, layer.layer));
        LayerRow {
            log10_p,
            ..summary::layer(layer)
        }
    }

    /// Single tests of units.
    fn tests(&self) -> &[permutation::Test] {
        self.permutation
            .as_ref()
            .map_or(&[], |p| p.tests.as_slice())
    }

    /// Aligned pairs, those of layers that moved, and changes of an adapter, by the names of target
    /// and base.
    fn tensor_rows(&self, measurements: &[Measurement<'_>]) -> Vec<TensorRow> {
        let digests = self.measured.digests.as_ref().map(Vec::as_slice);
        let mapped = Measurement::of(&self.structure.mapped, &self.structure.records);
        let changes = self
            .adaptation
            .as_ref()
            .map(Adaptation::measurements)
            .unwrap_or_default();
        let mut rows: Vec<TensorRow> = measurements
            .iter()
            .chain(&mapped)
            .chain(&changes)
            .map(|m| summary::tensor(m, digests))
            .collect();
        rows.sort_by(|a, b| (&a.name.target, &a.name.base).cmp(&(&b.name.target, &b.name.base)));
        rows
    }

    fn verdict(&self, findings: &Findings) -> Verdict {
        let decision = decide(findings);
        let mut reasons = reasons(findings, &decision);
        if !self.options.filter.is_off() {
            reasons.push(Reason::Filtered);
        }
        Verdict {
            label: decision.label,
            relations: decision.relations,
            confidence: decision.confidence,
            reasons,
            untested: self.untested(),
        }
    }

    fn untested(&self) -> Vec<Untested> {
        let unreadable = |tensor: &Logical, why: String| Untested {
            what: Subject::Tensor(tensor.name.clone()),
            why: Obstacle::Unreadable(why),
        };
        let skipped = self.permutation.iter().flat_map(|p| &p.skipped);
        let mut out: Vec<Untested> = skipped.cloned().collect();
        if self.options.permutation == Switch::Off {
            out.push(Untested {
                what: Subject::ReorderedUnits,
                why: Obstacle::PermutationOff,
            });
        }
        out.extend(disguise::untested(self.options.deep));
        for (pair, record) in self.alignment.pairs.iter().zip(&self.measured.records) {
            if let Some(why) = &record.unreadable {
                out.push(unreadable(&pair.target, why.clone()));
            }
        }
        let left = [&self.alignment.base_left, &self.alignment.target_left];
        for (model, left) in self.models.into_iter().zip(left) {
            let unread = left
                .iter()
                .filter(|u| u.why == Why::Unsupported && u.tensor.is_unsupported());
            out.extend(
                unread.filter_map(|u| Some(unreadable(&u.tensor, model.unreadable(&u.tensor)?))),
            );
        }
        out
    }

    /// One component: what is concluded on it, whether the base has it, and its row.
    fn component(
        &self,
        component: Component,
        measurements: &[Measurement<'_>],
        parts: &[Part],
        pattern: Pattern,
    ) -> (ComponentVerdict, ComponentRow) {
        let similarity = figures::similarity(
            measurements
                .iter()
                .filter(|m| m.pair.target.meaning.component == component),
        );
        let findings = self.findings(&similarity, parts, Some(component));
        let in_base = self.models[0]
            .logicals
            .iter()
            .any(|l| l.meaning.component == component);
        let mut verdict = self.verdict(&findings);
        if !in_base {
            verdict.reasons = vec![Reason::NoSuchComponent];
        }
        let concluded = ComponentVerdict {
            component,
            label: verdict.label,
            in_base,
        };
        let row = ComponentRow {
            component: component.to_string(),
            coverage: summary::coverage(figures::coverage(self.alignment, &|l| {
                l.meaning.component == component
            })),
            similarity: summary::similarity(&similarity),
            layer_pattern: pattern.word(),
            verdict: summary::verdict(&verdict),
        };
        (concluded, row)
    }

    fn warnings(&self, label: Label) -> Vec<Noted> {
        let mut out = Vec::new();
        for (model, side) in self.models.into_iter().zip(Side::BOTH) {
            let own = model.checkpoint().warnings.iter().cloned();
            out.extend(own.map(|warning| warning.on(side)));
        }
        out.extend(self.alignment.warnings.iter().cloned());
        let claims = self.contradicted_claims(label);
        out.extend(claims.into_iter().map(Noted::from));
        let formulas = self.permutation.iter().flat_map(|p| &p.formula);
        out.extend(formulas.map(|name| {
            let name = name.clone();
            Noted::from(Warning::IdenticalPerhapsFormula { name })
        }));
        out
    }

    /// A declared base model that the weights contradict.
    fn contradicted_claims(&self, label: Label) -> Vec<Warning> {
        let [base, target] = self.models;
        let claims = &target.checkpoint().declared_base;
        let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
        let declared = claims
            .iter()
            .find(|c| short(c) == short(&base.checkpoint().name));
        let mut out = Vec::new();
        if let (Some(claim), Label::FromScratch) = (declared, label) {
            out.push(Warning::DeclaredBaseContradicted {
                claim: claim.clone(),
            });
        }
        let found = matches!(
            label,
            Label::Identical | Label::ReEncoded | Label::Derived | Label::PartialReuse
        );
        if declared.is_none() && found && !claims.is_empty() {
            out.push(Warning::DeclaredBaseDiffers {
                claims: claims.clone(),
            });
        }
        out
    }
}

/// Takes back the grade of byte-identical matrices of no known role where nothing else is shared:
/// filter banks, windows and tables of positions are identical in unrelated models, since a formula
/// computes them (guide/methods.md, section 4).
fn distrust_formulas(parts: &mut [Part]) {
    let suspect = |p: &Part| p.key.kind == PartKind::Other && p.identical && p.test.is_none();
    let all_suspect = parts
        .iter()
        .filter(|p| p.state == State::Reused)
        .all(suspect);
    for part in parts
        .iter_mut()
        .filter(|p| all_suspect && p.state == State::Reused)
    {
        part.state = State::Unclear;
    }
}

/// Components of a model, in the order of the contract.
fn components(model: &Model) -> Vec<Component> {
    let found: BTreeSet<Component> = model.logicals.iter().map(|l| l.meaning.component).collect();
    found.into_iter().collect()
}

/// Text, else the component with most parameters: the one whose layer pattern is the model's.
pub(super) fn leading_component(model: &Model) -> Option<Component> {
    let size = |c: Component| {
        let of = model.logicals.iter().filter(|l| l.meaning.component == c);
        of.map(|l| l.elements()).sum::<u64>()
    };
    let components = components(model);
    let text = components.iter().copied().find(|c| *c == Component::Text);
    text.or_else(|| components.into_iter().max_by_key(|c| size(*c)))
}
