//! Analyses and verdict as the types of the schema.

use std::collections::BTreeMap;

use crate::align::{Pair, Unmatched};
use crate::evidence::figures::{self, Covered, Measurement};
use crate::evidence::finding::Finding;
use crate::evidence::part::Part;
use crate::evidence::pca::{Compared, Pca};
use crate::evidence::permutation::{Permutation, PowerOf, Test};
use crate::evidence::transformation::Transformation;
use crate::evidence::untested::Untested;
use crate::measure::record::{self, Digest};
use crate::model::words::Class;
use crate::verdict::Verdict;
use crate::verdict::decide::Label;
use crate::verdict::origin::{Band, Pattern, Reading};
use crate::verdict::ranking::CriterionId;
use crate::verdict::reasons::Reason;
use crate::view::model::Model;

use super::schema::{
    CheckpointRow, Coverage, Figures, FileRow, FindingRow, HashTensor, Hex, LayerRow, NotTestable,
    OriginReading, PartRow, PcaRow, PermutationRow, PowerRow, Shares, Sides, Similarity,
    SubspaceRow, TensorRow, TestRow, TransformationRow, UnmatchedRow, VerdictRow,
};
use super::words::en::findings as words;
use crate::manifest;

pub use super::schema::VERSION;

/// The tensors of a manifest, in the order of the checkpoint.
pub fn hash_tensors(model: &Model, digests: &[Digest]) -> Vec<HashTensor> {
    let tensors = model.checkpoint().tensors.iter().zip(digests);
    let row = tensors.map(|(t, digest)| HashTensor {
        name: t.name.clone(),
        dtype: t.dtype.to_string(),
        shape: t.shape.clone(),
        sha256: hex::encode(digest),
    });
    row.collect()
}

/// `CKPT` of a model; the model digest where digests were taken.
pub fn checkpoint(model: &Model, digests: Option<&[Digest]>) -> CheckpointRow {
    let c = model.checkpoint();
    let mut dtypes: BTreeMap<String, u64> = BTreeMap::new();
    for logical in &model.logicals {
        *dtypes.entry(logical.dtype.to_string()).or_default() += logical.elements();
    }
    CheckpointRow {
        path: c.path.to_string_lossy().into_owned(),
        name: c.name.clone(),
        format: c.format,
        files: c
            .files
            .iter()
            .map(|f| FileRow {
                name: f.name.clone(),
                bytes: f.bytes,
            })
            .collect(),
        architecture: c
            .config
            .as_ref()
            .and_then(|config| config.architecture())
            .map(str::to_owned),
        parameters: model.parameters(),
        bytes: c.tensors.iter().map(|t| t.bytes).sum(),
        dtypes,
        quantization: c
            .config
            .as_ref()
            .and_then(|config| config.quantization())
            .map(str::to_owned),
        model_digest: digests.map(|d| manifest::model_digest(&hash_tensors(model, d))),
    }
}

/// `SUM`.
pub fn similarity(s: &figures::Similarity) -> Similarity {
    Similarity {
        mean_cosine: s.mean_cosine,
        matrix_cosine: s.matrix_cosine,
        matrix_excess: s.matrix_excess,
        norm_cosine: s.norm_cosine,
        norm_expected_cosine: s.norm_expected_cosine,
        norm_centered_cosine: s.norm_centered_cosine,
        aligned: s.aligned,
        identical: s.identical,
        identical_informative: s.identical_informative,
    }
}

/// `COV`, from the coverage of the base and of the target.
pub fn coverage([base, target]: [figures::Coverage; 2]) -> Coverage {
    let shares = |b: Covered, t: Covered| Shares {
        target: t.share(),
        base: b.share(),
    };
    Coverage {
        parameters: shares(base.parameters, target.parameters),
        matrices: shares(base.matrices, target.matrices),
    }
}

/// A layer compared with that of its own number.
pub fn layer(l: &figures::Layer) -> LayerRow {
    LayerRow {
        component: l.component.to_string(),
        layer: l.layer,
        base_layer: Some(l.layer),
        matrix_cosine: l.similarity.matrix_cosine,
        matrix_excess: l.similarity.matrix_excess,
        norm_cosine: l.similarity.norm_cosine,
        tensors: l.similarity.aligned,
        identical: l.similarity.identical,
        log10_p: None,
    }
}

/// `ORIGIN`: the origin document's reading, and whether the label agrees.
pub fn origin_reading(s: &figures::Similarity, pattern: Pattern, label: Label) -> OriginReading {
    let reading = Reading::new(
        s.mean_cosine,
        s.matrix_cosine,
        s.norm_cosine,
        pattern,
        label,
    );
    OriginReading {
        mean_cosine: reading.mean_cosine,
        band: reading.band.map(Band::word),
        band_meaning: reading.band.map(words::band),
        layer_pattern: pattern.word(),
        pattern_meaning: words::pattern(pattern),
        agrees: reading.agrees,
        why: reading.why.as_ref().map(words::disagreement),
    }
}

/// `VERDICT`.
pub fn verdict(verdict: &Verdict) -> VerdictRow {
    let relations: Vec<&'static str> = verdict.relations.iter().map(|r| r.word()).collect();
    VerdictRow {
        label: verdict.label.word(),
        relation: relations.first().copied(),
        relations,
        confidence: verdict.confidence.map(|c| c.word()),
        reasons: verdict.reasons.iter().map(words::reason).collect(),
        not_testable: verdict.untested.iter().map(untested).collect(),
    }
}

/// A ground of a label.
pub fn reason(reason: &Reason) -> String {
    words::reason(reason)
}

/// A criterion in words.
pub fn criterion(id: CriterionId) -> &'static str {
    words::criterion(id)
}

/// Why a cosine is not defined.
pub fn undefined(why: &record::Undefined) -> String {
    words::undefined(why)
}

fn untested(untested: &Untested) -> NotTestable {
    NotTestable {
        what: words::subject(&untested.what),
        why: words::obstacle(&untested.why),
    }
}

/// A recovered transformation.
pub fn transformation(t: &Transformation) -> TransformationRow {
    TransformationRow {
        kind: t.kind.word(),
        found_in: t.layers.clone(),
        units_kept: t.kept.map(|units| units.kept as u64),
        units_of: t.kept.map(|units| units.of as u64),
        check: words::check(&t.check),
        check_cosine: t.check_cosine,
    }
}

/// `PART`.
pub fn part(p: &Part) -> PartRow {
    PartRow {
        block: p.key.block.map(|b| b.to_string()),
        kind: p.key.kind.word(),
        component: p.key.component.to_string(),
        layer: p.key.layer,
        base_layer: p.base_layer,
        expert: p.key.expert,
        parameters: p.parameters,
        state: p.state.word(),
        excess: p.excess,
        log10_p: p.test.map(|t| t.log10_p),
    }
}

/// A finding of `evidence`.
pub fn finding(f: &Finding) -> FindingRow {
    FindingRow {
        kind: f.statement.family().word(),
        statement: words::statement(&f.statement),
        value: f.value,
        log10_p: f.log10_p,
        supports: f.supports.word(),
        scope: words::scope(f.scope),
    }
}

/// `TENSOR`: digests of the pair's stored tensors, where taken.
pub fn tensor(m: &Measurement<'_>, digests: Sides<&[Digest]>) -> TensorRow {
    let Pair {
        base, target, via, ..
    } = m.pair;
    let digest =
        |digests: &[Digest], at: Option<usize>| at.and_then(|at| digests.get(at)).copied().map(Hex);
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
        class: m.class.word(),
        informative: m.class != Class::Uninformative,
        logical_shape: target.shape.clone(),
        shape: Sides {
            base: base.stored_shape.clone(),
            target: target.stored_shape.clone(),
        },
        dtype: Sides {
            base: base.dtype,
            target: target.dtype,
        },
        compared_via: via.word(),
        figures: figures_row(&m.figures),
        nonfinite: m.record.sums.nonfinite,
        sha256: Sides {
            base: digest(digests.base, base.whole_tensor()),
            target: digest(digests.target, target.whole_tensor()),
        },
        identical: m.record.identical,
    }
}

fn figures_row(f: &record::Figures) -> Figures {
    Figures {
        cosine: f.cosine,
        centered_cosine: f.centered_cosine,
        expected_cosine: f.expected_cosine,
        excess: f.excess,
        relative_change: f.relative_change,
        max_abs_diff: f.max_abs_diff,
        reason: f.reason.as_ref().map(words::undefined),
    }
}

/// A tensor without a counterpart.
pub fn unmatched(u: &Unmatched) -> UnmatchedRow {
    UnmatchedRow {
        name: u.tensor.name.clone(),
        role: u.tensor.meaning.role,
        shape: u.tensor.shape.clone(),
        dtype: u.tensor.dtype.to_string(),
        parameters: u.tensor.elements(),
        why: u.why.word(),
    }
}

/// `permutation`; `further` are the tests of layers that moved and of disguises, which count for
/// themselves.
pub fn permutation(p: &Permutation, further: &[Test]) -> PermutationRow {
    let blocks = p.blocks.unwrap_or_default();
    let next_group = p
        .tests
        .iter()
        .map(|t| t.group as u64 + 1)
        .max()
        .unwrap_or(0);
    let further = (next_group..)
        .zip(further)
        .map(|(group, t)| TestRow { group, ..test(t) });
    PermutationRow {
        log10_p: p.log10_p(),
        probes: blocks.probes as u64,
        hits: blocks.hits as u64,
        groups: blocks.groups as u64,
        tests: p.tests.iter().map(test).chain(further).collect(),
        power: p.power.iter().map(power).collect(),
        skipped: p.skipped.iter().map(untested).collect(),
    }
}

fn test(t: &Test) -> TestRow {
    TestRow {
        kind: t.kind.word(),
        form: t.form.word(),
        layer: t.layer,
        base_layer: t.base_layer,
        expert: t.expert,
        name: t.name.as_ref().map(words::units_of),
        units: Sides {
            base: t.units[0] as u64,
            target: t.units[1] as u64,
        },
        probes: t.probes as u64,
        hits: t.hits as u64,
        log10_p: Some(t.log10_p),
        exact: t.exact,
        group: t.group as u64,
    }
}

fn power(p: &PowerOf) -> PowerRow {
    PowerRow {
        kind: p.kind.to_string(),
        probes: p.power.probes as u64,
        // Where not even all probes suffice, one more than there are.
        hits_needed: p.power.hits_needed.unwrap_or(p.power.probes + 1) as u64,
        share_seen_95: p.power.share_seen_95,
    }
}

/// `pca`.
pub fn pca(p: &Pca, mode: &'static str) -> PcaRow {
    let row = |c: &Compared| SubspaceRow {
        name: c.name.clone(),
        side: c.stream.word(),
        dimension: c.subspace.dimension as u64,
        k: c.subspace.k as u64,
        overlap: c.subspace.overlap,
        expected: c.subspace.expected,
        excess: c.subspace.excess,
        error: c.subspace.error,
    };
    PcaRow {
        mode,
        summary: p.summary.word(),
        median_excess: Some(p.median_excess),
        matrices: p.matrices.iter().map(row).collect(),
    }
}
