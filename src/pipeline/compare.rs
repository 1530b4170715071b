//! `wcmp compare`: was the target made from the base?
//!
//! Align, measure, look with every analysis, grade the parts, decide.

use std::collections::BTreeSet;

use crate::align::{Alignment, Unmatched, Why, align, orient, pair_by_content, rescaled, shifted};
use crate::error::Result;
use crate::evidence::adaptation::Adaptation;
use crate::evidence::analyses::look_at;
use crate::evidence::analysis::{Asked, Extent, Found, Setting, is_about};
use crate::evidence::figures::{self, LayerFigures, Measurement, Similarity};
use crate::evidence::finding::{self, Finding, Supports};
use crate::evidence::formulas::Formulas;
use crate::evidence::grounds::Grounds;
use crate::evidence::moved::Moved;
use crate::evidence::no_weights::ValuesThatAreNoWeights;
use crate::evidence::part::{Part, State};
use crate::evidence::parts;
use crate::evidence::pca::Pca;
use crate::evidence::permutation::Permutation;
use crate::evidence::permutation::blocks::blocks_of_both;
use crate::evidence::relation::Relation;
use crate::evidence::storage::Storage;
use crate::evidence::tests_of_units::Test;
use crate::evidence::tokenizer::Tokenizers;
use crate::evidence::untested::{Obstacle, Subject, Untested};
use crate::format::open::Opened;
use crate::measure::monitor::Monitor;
use crate::measure::record::Digest;
use crate::measure::{Measured, measure};
use crate::model::sides::{Side, Sides};
use crate::model::warning::{NoWeight, Noted, Warning};
use crate::model::words::Component;
use crate::results::checkpoint::CheckpointFacts;
use crate::results::compare::{AdapterChanges, Comparison, ComponentResult, TensorPair, UnitTests};
use crate::stats::units::Sampling;
use crate::verdict::Verdict;
use crate::verdict::decide::{Label, decide};
use crate::verdict::grade::grade;
use crate::verdict::origin::{Pattern, Reading};
use crate::verdict::reasons::{ComponentVerdict, Reason, reasons};
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::options::{Deep, Hashing, Options, PcaMode, Switch};
use super::{checkpoint, incomplete, several, sketched};

/// Compares two checkpoints. Runs on the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub fn compare(
    mut base: Opened,
    mut target: Opened,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Comparison> {
    let options = &several::choose([&mut base, &mut target].into_iter(), options)?;
    let (mut base, mut target) = rayon::join(
        || Model::with_tokenizer(base),
        || Model::with_tokenizer(target),
    );
    rayon::join(
        || incomplete::note_missing_layers(&mut base),
        || incomplete::note_missing_layers(&mut target),
    );
    let options = &sketched::with_its_seed([&base, &target].into_iter(), options)?;
    let alignment = aligned([&base, &target], options)?;
    let pairs = alignment.pairs.iter();
    rayon::join(
        || base.adopt_all(pairs.clone().map(|pair| &pair.base)),
        || target.adopt_all(pairs.clone().map(|pair| &pair.target)),
    );
    let models = [&base, &target];
    let hash = options.hash == Hashing::Sha256;
    let measured = if models.into_iter().any(sketched::is_sketch) {
        let of = |model| match hash {
            true => sketched::digests_of(model, monitor),
            false => Ok(Vec::new()),
        };
        let digests = Sides {
            base: of(models[0])?,
            target: of(models[1])?,
        };
        sketched::measure(models, &alignment, digests, monitor)?
    } else {
        measure(models.into(), &alignment.pairs, hash, monitor)?
    };
    let compared = analyse(models, &alignment, measured, options, monitor);
    rayon::join(|| drop(base), || drop(target));
    compared
}

/// Pairs the tensors of base and target that the filter keeps.
///
/// # Errors
/// A read that fails.
pub(super) fn aligned(models: [&Model; 2], options: &Options) -> Result<Alignment> {
    let keep = |name: &str| options.filter.keeps(name);
    let mut alignment = align(models.into(), &keep);
    // What is looked for in values needs all of them.
    if models.into_iter().any(sketched::is_sketch) {
        return Ok(alignment);
    }
    pair_by_content(&mut alignment, models.into())?;
    orient(&mut alignment, models.into())?;
    shifted::undo(&mut alignment, models.into())?;
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
    measured: Measured,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Comparison> {
    let Measured {
        mut records,
        digests,
    } = measured;
    let formulas = Formulas::set_aside(models, alignment, &mut records, monitor)?;
    let measurements = Measurement::of(&alignment.pairs, &records);
    let [base, target] = models;
    let is_sketched = models.map(sketched::is_sketch);
    let sampling = Sampling {
        seed: options.seed,
        // A sketch keeps what is drawn by default.
        thorough: options.deep == Deep::On && !is_sketched.contains(&true),
    };
    let condensed = [
        sketched::condensed(base, target, &sampling)?,
        match sketched::is_sketch(target) {
            true => sketched::condensed(target, base, &sampling)?,
            false => None,
        },
    ];
    let is_condensed = condensed.iter().any(Option::is_some);
    let condensed = [
        condensed[0].as_ref().unwrap_or(base),
        condensed[1].as_ref().unwrap_or(target),
    ];
    let blocks_of = |models| blocks_of_both(models, alignment, &records, &formulas);
    let blocks = blocks_of(models);
    let condensed_blocks = is_condensed.then(|| blocks_of(condensed));
    let setting = Setting {
        models,
        condensed,
        is_sketched,
        alignment,
        records: &records,
        measurements: &measurements,
        formulas: &formulas,
        blocks: &blocks,
        condensed_blocks: condensed_blocks.as_ref().unwrap_or(&blocks),
        tokenizers: models.map(|model| model.tokenizer.as_ref()),
        sampling,
        asked: asked(options),
        keep: &|name| options.filter.keeps(name),
        monitor,
    };
    let found = look_at(&setting)?;
    for model in models {
        model.opened.check_unchanged()?;
    }
    let analysed = Analysed {
        parts: graded_parts(&setting, &found),
        findings: findings(&found),
        setting: &setting,
        digests: &digests,
        found,
        options,
    };
    let mut comparison = analysed.comparison();
    // The list of all pairs is the largest part: what was only needed to decide goes first.
    drop((blocks, condensed_blocks));
    comparison.tensors = all_tensors(comparison.tensors, measurements, &digests);
    Ok(comparison)
}

/// Aligned pairs, those of layers that moved, and changes of an adapter, by the names of target and
/// base.
fn all_tensors(
    others: Vec<TensorPair>,
    measurements: Vec<Measurement<'_>>,
    digests: &Sides<Vec<Digest>>,
) -> Vec<TensorPair> {
    let mut out = Vec::with_capacity(measurements.len() + others.len());
    let aligned = measurements.into_iter();
    out.extend(aligned.map(|measured| tensor_pair(measured, digests)));
    out.extend(others);
    let names = |one: &TensorPair, other: &TensorPair| {
        let (one, other) = (&one.pair, &other.pair);
        let by_target = one.target.name.cmp(&other.target.name);
        by_target.then_with(|| one.base.name.cmp(&other.base.name))
    };
    // Mostly they are; and a sort takes half as much again.
    if !out.is_sorted_by(|one, other| names(one, other).is_le()) {
        out.sort_by(names);
    }
    out
}

fn tensor_pair(measured: Measurement<'_>, digests: &Sides<Vec<Digest>>) -> TensorPair {
    let pair = measured.pair;
    let digest = |digests: &[Digest], tensor: &Logical| {
        let at = tensor.whole_tensor()?;
        digests.get(at).copied()
    };
    TensorPair {
        pair: pair.clone(),
        class: measured.class,
        figures: measured.figures,
        nonfinite: measured.record.sums.nonfinite,
        digests: Sides {
            base: digest(&digests.base, &pair.base),
            target: digest(&digests.target, &pair.target),
        },
        identical: measured.record.identical,
    }
}

fn asked(options: &Options) -> Asked {
    Asked {
        units: options.permutation == Switch::On,
        deep: options.deep != Deep::Off,
        subspaces: match options.pca {
            PcaMode::Fast => Some(Extent::Sample),
            PcaMode::Full => Some(Extent::All),
            PcaMode::Off => None,
        },
    }
}

/// The target's parts: gathered from the pairs, tested by the analyses, graded.
fn graded_parts(setting: &Setting<'_>, found: &Found) -> Vec<Part> {
    let mut parts = parts::gather(setting.models[1], setting.alignment, setting.records);
    for analysis in found.iter() {
        analysis.place(&mut parts);
    }
    // A test that is taken off as blind was a test all the same: the level pays for it.
    let tested = parts.iter().filter(|part| part.test.is_some()).count();
    for analysis in found.iter() {
        analysis.overrule(&mut parts);
    }
    for part in &mut parts {
        part.state = grade(part, tested, setting.asked.units);
        part.say_how_found(tested);
    }
    for analysis in found.iter() {
        analysis.doubt(&mut parts);
    }
    parts
}

/// What the analyses say, the strongest first.
fn findings(found: &Found) -> Vec<Finding> {
    let mut out: Vec<Finding> = found.iter().flat_map(|a| a.findings()).collect();
    finding::order(&mut out);
    out
}

/// Two models that all analyses looked at.
struct Analysed<'a> {
    setting: &'a Setting<'a>,
    digests: &'a Sides<Vec<Digest>>,
    found: Found,
    parts: Vec<Part>,
    findings: Vec<Finding>,
    options: &'a Options,
}

impl Analysed<'_> {
    /// What was found, without the aligned pairs in the list of tensors.
    fn comparison(self) -> Comparison {
        let Setting {
            models,
            alignment,
            measurements,
            ..
        } = *self.setting;
        let similarity = figures::similarity(measurements);
        let layers = figures::layers(measurements);
        let components: Vec<(ComponentResult, bool)> = components(models[1])
            .into_iter()
            .map(|component| self.component(component, pattern(&layers, component)))
            .collect();
        let verdict = self.verdict_on_model(&similarity, &components);
        let leading = leading_component(models[1]);
        let reading = Reading::new(
            similarity.mean_cosine,
            similarity.matrix_cosine,
            similarity.norm_cosine,
            leading.map_or(Pattern::NotApplicable, |leading| pattern(&layers, leading)),
            verdict.label,
        );
        let moved = self.found.get::<Moved>();
        let told_map = moved.and_then(|moved| moved.told_map(leading));
        Comparison {
            settings: self.options.settings(),
            checkpoints: self.checkpoints(),
            name_mapping: alignment.name_mapping.clone(),
            coverage: figures::coverage(alignment, &|_| true).into(),
            similarity,
            reading,
            layers: self.layers(),
            components: components.into_iter().map(|(result, _)| result).collect(),
            layer_map: told_map.map(<[_]>::to_vec),
            units: self.units(),
            pca: self.found.get::<Pca>().cloned(),
            experts: moved.map_or_else(Vec::new, |moved| moved.expert_layers().to_vec()),
            transformations: self
                .found
                .iter()
                .flat_map(|a| a.transformations())
                .collect(),
            tokenizer: self.found.get::<Tokenizers>().map(|shared| shared.0),
            warnings: self.warnings(verdict.label),
            verdict,
            unmatched: self.unmatched(),
            tensors: self.other_tensors(),
            adapter: self.found.get::<Adaptation>().map(adapter_changes),
            left_aside: self
                .setting
                .models
                .map(|model| model.checkpoint().left_aside.clone())
                .into(),
            parts: self.parts,
            findings: self.findings,
        }
    }

    fn checkpoints(&self) -> Sides<CheckpointFacts> {
        let [base, target] = self.setting.models;
        let hashed = self.options.hash == Hashing::Sha256;
        let facts =
            |model: &Model, digests: &[Digest]| checkpoint::facts(model, hashed.then_some(digests));
        let (base, target) = rayon::join(
            || facts(base, &self.digests.base),
            || facts(target, &self.digests.target),
        );
        Sides { base, target }
    }

    /// The verdict on the model as a whole, with what is concluded on each of its components.
    fn verdict_on_model(
        &self,
        similarity: &Similarity,
        components: &[(ComponentResult, bool)],
    ) -> Verdict {
        let mut verdict = self.verdict(similarity, None);
        if components.len() > 1 {
            let verdicts = components.iter().map(|(result, in_base)| ComponentVerdict {
                component: result.component,
                label: result.verdict.label,
                in_base: *in_base,
            });
            let reason = Reason::Components(verdicts.collect());
            verdict.reasons.insert(0, reason);
        }
        if let Some(adaptation) = self.found.get::<Adaptation>() {
            verdict.reasons.retain(|reason| *reason != Reason::NoMatrix);
            let of_adapter = self.adapter_reasons(adaptation, verdict.label);
            verdict.reasons.splice(0..0, of_adapter);
        }
        verdict
    }

    /// What the adapter changes, and what the verdict on it rests on.
    fn adapter_reasons(&self, adaptation: &Adaptation, label: Label) -> Vec<Reason> {
        let holds_nothing = self.setting.alignment.pairs.is_empty() && !adaptation.has_magnitudes();
        let holds = match label {
            _ if holds_nothing => Reason::FactorsAlone,
            Label::Inconclusive => Reason::HoldsTooLittle,
            Label::Identical
            | Label::ReEncoded
            | Label::Derived
            | Label::PartialReuse
            | Label::FromScratch => Reason::HoldsOfBase,
        };
        let facts = adaptation.facts().into_iter().map(Reason::Adapter);
        facts.chain([holds]).collect()
    }

    /// One component by itself, and whether the base has it.
    fn component(&self, component: Component, pattern: Pattern) -> (ComponentResult, bool) {
        let is_of_component = |l: &Logical| l.meaning.component == component;
        let measurements = self.setting.measurements.iter();
        let similarity =
            figures::similarity(measurements.filter(|m| is_of_component(&m.pair.target)));
        let in_base = self.setting.models[0]
            .logicals
            .iter()
            .any(|l| is_of_component(l));
        let mut verdict = self.verdict(&similarity, Some(component));
        if !in_base {
            verdict.reasons = vec![Reason::NoSuchComponent];
        }
        let result = ComponentResult {
            component,
            coverage: figures::coverage(self.setting.alignment, &is_of_component).into(),
            similarity,
            pattern,
            verdict,
        };
        (result, in_base)
    }

    /// The verdict on the model, or on one component of it.
    fn verdict(&self, similarity: &Similarity, about: Option<Component>) -> Verdict {
        let grounds = self.grounds(similarity, about);
        let decision = decide(&grounds);
        let mut reasons = reasons(&grounds, &decision);
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

    /// What the verdict on the model, or on one component of it, rests on.
    fn grounds(&self, similarity: &Similarity, about: Option<Component>) -> Grounds {
        let counts = |l: &Logical| is_about(l.meaning.component, about);
        let parts = self
            .parts
            .iter()
            .filter(|p| is_about(p.key.component, about));
        let parts: Vec<Part> = parts.cloned().collect();
        let shares_parts = parts.iter().any(|part| part.state == State::Reused);
        let coverage = figures::coverage(self.setting.alignment, &counts);
        let stored = self.setting.models.map(|model| {
            let logicals = model.logicals.iter();
            logicals.filter(|l| counts(l)).count() as u64
        });
        let mut grounds = Grounds {
            tensors: stored[0].min(stored[1]),
            all_identical: self.is_all_identical(&counts),
            matrix_parameters: parts.iter().map(|part| part.parameters).sum(),
            coverage: coverage[1].matrices.share(),
            matrix_excess: similarity.matrix_excess,
            identical_matrices: if shares_parts {
                similarity.identical_matrices
            } else {
                0
            },
            least_log10_p: self.least_log10_p(),
            parts,
            ..Grounds::default()
        };
        for analysis in self.found.iter() {
            analysis.weigh(about, &mut grounds);
            let relations = analysis.relations(&grounds.parts, about);
            grounds.structure.extend(relations);
        }
        let [base, target] = self.setting.models.map(|model| model.checkpoint());
        grounds.lacks_values |= base.is_incomplete() || target.is_incomplete();
        // What is missing, or is zero to the end of a file, was not taken out of a model.
        let is_cut = grounds.no_weights.iter().any(|(side, what)| {
            *side == Side::Target && matches!(what.kind, NoWeight::EndsInZeros { .. })
        });
        grounds.structure.retain(|relation| match relation {
            Relation::DepthPruned => !target.is_incomplete() && !is_cut,
            Relation::Pruned => !is_cut,
            _ => true,
        });
        grounds
    }

    /// Whether every tensor that counts is paired, and equal to its counterpart.
    fn is_all_identical(&self, counts: &dyn Fn(&Logical) -> bool) -> bool {
        let Alignment {
            base_left,
            target_left,
            ..
        } = self.setting.alignment;
        let models = self.setting.models;
        let is_whole = models.iter().all(|model| model.checkpoint().is_whole());
        let mut left = base_left.iter().chain(target_left);
        let is_left = left.any(|left| left.why != Why::Filtered && counts(&left.tensor));
        let pairs = self.setting.measurements.iter();
        let mut pairs = pairs.filter(|m| counts(&m.pair.target)).peekable();
        let has_pairs = pairs.peek().is_some();
        is_whole && !is_left && has_pairs && pairs.all(|m| m.record.identical)
    }

    /// Least exact bound among the findings that speak for a likeness.
    fn least_log10_p(&self) -> Option<f64> {
        let supporting = self.findings.iter();
        supporting
            .filter(|finding| finding.supports == Supports::Derived)
            .filter(|finding| finding.statement.is_exact())
            .filter_map(|finding| finding.log10_p)
            .min_by(f64::total_cmp)
    }

    /// What could not be tested: units, then tensors that could not be read.
    fn untested(&self) -> Vec<Untested> {
        let mut out: Vec<Untested> = self.found.iter().flat_map(|a| a.untested()).collect();
        if !self.setting.asked.units {
            out.push(Untested {
                what: Subject::ReorderedUnits,
                why: Obstacle::PermutationOff,
            });
        }
        if !self.setting.asked.deep {
            out.push(Untested {
                what: Subject::Disguises,
                why: Obstacle::DeepOff,
            });
        }
        if self.setting.has_sketch() {
            out.push(Untested {
                what: Subject::Disguises,
                why: Obstacle::NotInSketch,
            });
        }
        out.extend(self.unreadable());
        out
    }

    fn unreadable(&self) -> Vec<Untested> {
        let unreadable = |tensor: &Logical, why: String| Untested {
            what: Subject::Tensor(tensor.name.clone()),
            why: Obstacle::Unreadable(why),
        };
        let mut out = Vec::new();
        for measured in self.setting.measurements {
            if let Some(why) = &measured.record.unreadable {
                out.push(unreadable(&measured.pair.target, why.clone()));
            }
        }
        let alignment = self.setting.alignment;
        let left = [&alignment.base_left, &alignment.target_left];
        for (model, left) in self.setting.models.into_iter().zip(left) {
            for left in left.iter().filter(|left| left.why == Why::Unsupported) {
                let why = model.unreadable(&left.tensor);
                if let Some(why) = why.filter(|_| left.tensor.is_unsupported()) {
                    out.push(unreadable(&left.tensor, why));
                }
            }
        }
        out
    }

    /// Figures by layer: what is shown, changes of an adapter included.
    fn layers(&self) -> Vec<LayerFigures> {
        let changes = self.changes();
        let all = self.setting.measurements.iter().chain(&changes);
        let mut layers = figures::layers(all);
        let direct = self.found.get::<Permutation>();
        let bounds = direct.map(Permutation::layers_log10_p).unwrap_or_default();
        for layer in &mut layers {
            layer.log10_p = bounds.get(&(layer.component, layer.layer)).copied();
        }
        layers.extend(
            self.found
                .get::<Moved>()
                .iter()
                .flat_map(|moved| moved.layers()),
        );
        layers
    }

    /// Matrices that an adapter changes, with what it makes of them.
    fn changes(&self) -> Vec<Measurement<'_>> {
        let adaptation = self.found.get::<Adaptation>();
        adaptation.map_or_else(Vec::new, Adaptation::measurements)
    }

    fn units(&self) -> Option<UnitTests> {
        let direct = self.found.get::<Permutation>()?;
        let blocks = direct.blocks.unwrap_or_default();
        // Tests elsewhere and through disguises count for themselves.
        let next_group = direct.tests.iter().map(|test| test.group + 1).max();
        let further = self.found.iter().flat_map(|a| a.further_tests());
        let further = (next_group.unwrap_or(0)..)
            .zip(further)
            .map(|(group, test)| Test { group, ..test });
        Some(UnitTests {
            log10_p: direct.log10_p(),
            probes: blocks.probes,
            hits: blocks.hits,
            groups: blocks.groups,
            tests: direct.tests.iter().cloned().chain(further).collect(),
            power: direct.power.clone(),
            skipped: direct.skipped.clone(),
        })
    }

    /// What is left of either side, without what belongs to a change of an adapter.
    fn unmatched(&self) -> Sides<Vec<Unmatched>> {
        let explained = self.found.get::<Adaptation>().map(Adaptation::explained);
        let keep = |left: &[Unmatched], side: Side| {
            let is_explained = |left: &&Unmatched| {
                explained.is_some_and(|names| names.get(side).contains(&left.tensor.name))
            };
            let unexplained = left.iter().filter(|left| !is_explained(left));
            unexplained.cloned().collect()
        };
        Sides {
            base: keep(&self.setting.alignment.base_left, Side::Base),
            target: keep(&self.setting.alignment.target_left, Side::Target),
        }
    }

    /// Pairs of layers that moved, and changes of an adapter.
    fn other_tensors(&self) -> Vec<TensorPair> {
        let moved = self.found.get::<Moved>();
        let moved = moved.map_or_else(Vec::new, Moved::measurements);
        let others = moved.into_iter().chain(self.changes());
        others
            .map(|measured| tensor_pair(measured, self.digests))
            .collect()
    }

    fn warnings(&self, label: Label) -> Vec<Noted> {
        let mut out = Vec::new();
        for (model, side) in self.setting.models.into_iter().zip(Side::BOTH) {
            let own = model.checkpoint().warnings.iter().cloned();
            out.extend(own.map(|warning| warning.on(side)));
        }
        out.extend(self.setting.alignment.warnings.iter().cloned());
        let no_weights = self.found.get::<ValuesThatAreNoWeights>();
        out.extend(no_weights.iter().flat_map(|found| found.warnings()));
        let storage = self.found.get::<Storage>();
        out.extend(storage.iter().flat_map(|found| found.warnings()));
        out.extend(self.held_claim(label).map(Noted::from));
        if self.setting.has_sketch() {
            out.push(Noted::from(Warning::FromSketch));
        }
        // Between relatives an equal table is what is to be expected.
        let formulas = self.setting.formulas.identical();
        out.extend(formulas.filter(|_| !label.is_related()).map(|name| {
            let name = name.to_owned();
            Noted::from(Warning::IdenticalPerhapsFormula { name })
        }));
        out
    }

    /// What the weights say of the base model that the target declares.
    fn held_claim(&self, label: Label) -> Option<Warning> {
        let [base, target] = self.setting.models;
        let claims = &target.checkpoint().declared_base;
        let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
        let declared = claims
            .iter()
            .find(|claim| short(claim) == short(&base.checkpoint().name));
        match declared {
            Some(claim) if label == Label::FromScratch => Some(Warning::DeclaredBaseContradicted {
                claim: claim.clone(),
            }),
            Some(claim) if label.is_related() => Some(Warning::DeclaredBaseConfirmed {
                claim: claim.clone(),
            }),
            None if label.is_related() && !claims.is_empty() => {
                Some(Warning::DeclaredBaseDiffers {
                    claims: claims.clone(),
                })
            }
            _ => None,
        }
    }
}

fn adapter_changes(adaptation: &Adaptation) -> AdapterChanges {
    let adapter = adaptation.adapter();
    AdapterChanges {
        declared_base: adapter.declared_base.clone(),
        declared_revision: adapter.declared_revision.clone(),
        task: adapter.task.clone(),
        changes: adaptation.changes(),
        replaced: adaptation.replaced(),
    }
}

/// Pattern of the layers of one component.
fn pattern(layers: &[LayerFigures], component: Component) -> Pattern {
    let layers = layers.iter().filter(|layer| layer.component == component);
    let cosines: Vec<f64> = layers
        .filter_map(|layer| layer.similarity.matrix_cosine)
        .collect();
    Pattern::of(&cosines)
}

/// Components of a model, in the order of the contract.
fn components(model: &Model) -> Vec<Component> {
    let found: BTreeSet<Component> = model.logicals.iter().map(|l| l.meaning.component).collect();
    found.into_iter().collect()
}

/// Text, else the component with most parameters: the one whose layer pattern is the model's.
pub(super) fn leading_component(model: &Model) -> Option<Component> {
    let size = |component: Component| {
        let logicals = model.logicals.iter();
        let own = logicals.filter(|l| l.meaning.component == component);
        own.map(|l| l.elements()).sum::<u64>()
    };
    let components = components(model);
    let text = components.iter().copied().find(|c| *c == Component::Text);
    text.or_else(|| components.into_iter().max_by_key(|c| size(*c)))
}
