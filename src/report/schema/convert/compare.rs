//! `wcmp compare`.

use crate::align::Unmatched;
use crate::evidence::adaptation::MatrixChange;
use crate::evidence::experts::ExpertLayer;
use crate::evidence::figures::LayerFigures;
use crate::evidence::finding::Finding;
use crate::evidence::layer_map::Placed;
use crate::evidence::part::Part;
use crate::evidence::pca::Pca;
use crate::evidence::permutation::PowerOf;
use crate::evidence::tests_of_units::Test;
use crate::evidence::transformation::Transformation;
use crate::measure::record;
use crate::model::words::Class;
use crate::report::words::en::findings as words;
use crate::results::compare::{AdapterChanges, Comparison, ComponentResult, TensorPair, UnitTests};

use crate::results::settings::PcaMode;

use super::super::{
    AdapterChange, AdapterRow, Compare, CompareVersion, ComponentRow, ExpertsRow, Figures,
    FindingRow, Hex, LayerMapRow, LayerRow, LeftAsideRow, NotTestable, PartRow, PcaRow,
    PermutationRow, PowerRow, Sides, SubspaceRow, TensorRow, TestRow, TokenizerRow,
    TransformationRow, UnmatchedRow, VERSION, WarningRow,
};

/// The rows of a comparison.
pub fn compare(c: Comparison) -> Compare {
    let mode = c.settings.pca;
    let experts: Vec<ExpertsRow> = c.experts.iter().map(experts).collect();
    Compare {
        schema: CompareVersion,
        wcmp: VERSION.to_owned(),
        settings: c.settings.into(),
        base: c.checkpoints.base.into(),
        target: c.checkpoints.target.into(),
        name_mapping: c.name_mapping,
        coverage: c.coverage.into(),
        similarity: (&c.similarity).into(),
        origin_reading: (&c.reading).into(),
        layers: c.layers.iter().map(layer).collect(),
        components: c.components.into_iter().map(component).collect(),
        parts: c.parts.iter().map(part).collect(),
        layer_map: c.layer_map.map(|map| map.iter().map(placed).collect()),
        permutation: c.units.as_ref().map(permutation),
        pca: c.pca.map(|pca| self::pca(pca, mode)),
        experts: (!experts.is_empty()).then_some(experts),
        transformations: c.transformations.iter().map(transformation).collect(),
        tokenizer: c.tokenizer.as_ref().map(TokenizerRow::from),
        evidence: c.findings.iter().map(finding).collect(),
        verdict: (&c.verdict).into(),
        unmatched: c.unmatched.map(|left| left.iter().map(unmatched).collect()),
        tensors: tensors(c.tensors),
        warnings: c.warnings.iter().map(WarningRow::from).collect(),
        adapter: c.adapter.map(adapter),
        expect: None,
        left_aside: [("base", c.left_aside.base), ("target", c.left_aside.target)]
            .into_iter()
            .flat_map(|(side, left)| {
                left.into_iter()
                    .map(move |left| LeftAsideRow::new(side, left))
            })
            .collect(),
    }
}

fn layer(layer: &LayerFigures) -> LayerRow {
    LayerRow {
        component: layer.component,
        layer: layer.layer,
        base_layer: Some(layer.base_layer),
        matrix_cosine: layer.similarity.matrix_cosine,
        matrix_excess: layer.similarity.matrix_excess,
        norm_cosine: layer.similarity.norm_cosine,
        tensors: layer.similarity.aligned,
        identical: layer.similarity.identical,
        log10_p: layer.log10_p,
    }
}

fn component(result: ComponentResult) -> ComponentRow {
    ComponentRow {
        component: result.component,
        coverage: result.coverage.into(),
        similarity: (&result.similarity).into(),
        layer_pattern: result.pattern,
        verdict: (&result.verdict).into(),
    }
}

fn part(part: &Part) -> PartRow {
    PartRow {
        block: part.key.block.map(|block| block.to_string()),
        kind: part.key.kind,
        component: part.key.component,
        layer: part.key.layer,
        base_layer: part.base_layer,
        expert: part.key.expert,
        parameters: part.parameters,
        state: part.state,
        excess: part.excess,
        log10_p: part.test.map(|test| test.log10_p),
        found_by: part.found_by,
        witness: part.witness,
        geometry: part.geometry,
    }
}

fn placed(placed: &Placed) -> LayerMapRow {
    LayerMapRow {
        target: placed.target,
        base: placed.base,
        log10_p: placed.test.as_ref().map(|test| test.log10_p),
    }
}

fn permutation(units: &UnitTests) -> PermutationRow {
    PermutationRow {
        log10_p: units.log10_p,
        probes: units.probes as u64,
        hits: units.hits as u64,
        groups: units.groups as u64,
        tests: units.tests.iter().map(test).collect(),
        power: units.power.iter().map(power).collect(),
        skipped: units.skipped.iter().map(NotTestable::from).collect(),
    }
}

fn test(test: &Test) -> TestRow {
    TestRow {
        kind: test.kind,
        form: test.form,
        layer: test.layer,
        base_layer: test.base_layer,
        expert: test.expert,
        name: test.name.as_ref().map(words::units_of),
        units: Sides::from(test.units).map(|units| units as u64),
        probes: test.probes as u64,
        hits: test.hits as u64,
        // A look without a bound says nothing about chance.
        log10_p: (test.exact || test.log10_p < 0.0).then_some(test.log10_p),
        exact: test.exact,
        group: test.group as u64,
        control: test.control,
        features: test.features,
    }
}

fn power(power: &PowerOf) -> PowerRow {
    let PowerOf { kind, power } = power;
    PowerRow {
        kind: *kind,
        probes: power.probes as u64,
        // Where not even all probes suffice, one more than there are.
        hits_needed: power.hits_needed.unwrap_or(power.probes + 1) as u64,
        share_seen_95: power.share_seen_95,
    }
}

fn pca(pca: Pca, mode: PcaMode) -> PcaRow {
    let matrices = pca.matrices.into_iter();
    PcaRow {
        mode,
        summary: pca.summary,
        median_excess: Some(pca.median_excess),
        matrices: matrices
            .map(|compared| SubspaceRow {
                name: compared.name,
                side: compared.stream,
                dimension: compared.subspace.dimension as u64,
                k: compared.subspace.k as u64,
                overlap: compared.subspace.overlap,
                expected: compared.subspace.expected,
                excess: compared.subspace.excess,
                error: compared.subspace.error,
            })
            .collect(),
    }
}

fn experts(layer: &ExpertLayer) -> ExpertsRow {
    let origins = layer.map.iter();
    ExpertsRow {
        layer: layer.layer,
        base_experts: layer.base_experts as u64,
        target_experts: layer.map.len() as u64,
        map: origins.map(|(_, base)| base.map(u64::from)).collect(),
        permuted: layer.permuted(),
    }
}

fn transformation(t: &Transformation) -> TransformationRow {
    TransformationRow {
        kind: t.kind,
        found_in: t.layers.clone(),
        units_kept: t.kept.map(|units| units.kept as u64),
        units_of: t.kept.map(|units| units.of as u64),
        check: words::check(&t.check),
        check_cosine: t.check_cosine,
        checked: Some(t.check),
    }
}

pub(super) fn finding(finding: &Finding) -> FindingRow {
    FindingRow {
        kind: finding.statement.family(),
        statement: words::statement(&finding.statement),
        value: finding.value,
        log10_p: finding.log10_p,
        supports: finding.supports,
        scope: words::scope(finding.scope),
        says: Some(finding.statement.clone()),
    }
}

fn unmatched(left: &Unmatched) -> UnmatchedRow {
    let tensor = &left.tensor;
    UnmatchedRow {
        name: tensor.name.clone(),
        role: tensor.meaning.role,
        shape: tensor.shape.clone(),
        dtype: tensor.dtype.to_string(),
        parameters: tensor.elements(),
        why: left.why,
    }
}

/// Pairs that are made rows at a time.
const TOGETHER: usize = 1 << 14;

/// Rows are made from the last on, so that the room of the pairs is given back meanwhile.
fn tensors(mut pairs: Vec<TensorPair>) -> Vec<TensorRow> {
    let mut out = Vec::with_capacity(pairs.len());
    while !pairs.is_empty() {
        let left = pairs.len().saturating_sub(TOGETHER);
        out.extend(pairs.drain(left..).rev().map(tensor));
        pairs.shrink_to_fit();
    }
    out.reverse();
    out
}

fn tensor(tensor: TensorPair) -> TensorRow {
    let (base, target) = (&tensor.pair.base, &tensor.pair.target);
    TensorRow {
        name: Sides {
            base: base.name.clone(),
            target: target.name.clone(),
        },
        component: target.meaning.component,
        layer: target.meaning.layer,
        block: target.meaning.block,
        role: target.meaning.role,
        expert: target.meaning.expert,
        shared_expert: target.meaning.shared_expert,
        class: tensor.class,
        informative: tensor.class != Class::Uninformative,
        logical_shape: target.shape.clone(),
        shape: Sides {
            base: base.stored_shape.clone(),
            target: target.stored_shape.clone(),
        },
        dtype: Sides {
            base: base.dtype,
            target: target.dtype,
        },
        compared_via: tensor.pair.via,
        figures: figures(&tensor.figures),
        nonfinite: tensor.nonfinite,
        sha256: tensor.digests.map(|digest| digest.map(Hex)),
        identical: tensor.identical,
    }
}

fn figures(figures: &record::Figures) -> Figures {
    Figures {
        cosine: figures.cosine,
        centered_cosine: figures.centered_cosine,
        expected_cosine: figures.expected_cosine,
        excess: figures.excess,
        relative_change: figures.relative_change,
        max_abs_diff: figures.max_abs_diff,
        standard_error: figures.estimated.and_then(|of| of.standard_error),
        estimated_from: figures.estimated.map(|of| of.values),
        reason: figures.reason.as_ref().map(words::undefined),
        undefined: figures.reason.clone(),
    }
}

fn adapter(adapter: AdapterChanges) -> AdapterRow {
    AdapterRow {
        declared_base: adapter.declared_base,
        declared_revision: adapter.declared_revision,
        task: adapter.task,
        changes: adapter.changes.into_iter().map(change).collect(),
        replaced: adapter.replaced,
    }
}

fn change(change: MatrixChange) -> AdapterChange {
    AdapterChange {
        name: change.name,
        layer: change.layer,
        role: change.role,
        rank: change.rank,
        alpha: change.alpha,
        scale: change.scale,
        dora: change.dora,
        relative_change: change.relative_change,
        reason: change.why.as_ref().map(words::no_change),
        unfit: change.why,
    }
}
