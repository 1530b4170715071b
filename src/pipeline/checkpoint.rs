//! What every report tells of a checkpoint.

use std::collections::BTreeMap;

use crate::format::sketch::Sketch;
use crate::manifest::{Digest, Line, Manifest, ManifestEntry, digest_of_lines};
use crate::model::architecture::{Architecture, describe};
use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::Dtype;
use crate::model::sketch::Entry;
use crate::results::checkpoint::{CheckpointFacts, CheckpointKind};
use crate::view::model::Model;

/// The manifest of a model, from the digests of its stored tensors in their order.
pub(super) fn manifest(model: &Model, digests: &[Digest]) -> Manifest {
    if let Some(sketch) = &model.opened.sketch {
        return of_sketch(sketch);
    }
    let tensors = model.checkpoint().tensors.iter().zip(digests);
    let entry = |(tensor, digest): (&TensorInfo, &Digest)| ManifestEntry {
        name: tensor.name.clone(),
        dtype: tensor.dtype.to_string(),
        shape: tensor.shape.clone(),
        sha256: *digest,
    };
    Manifest::new(tensors.map(entry).collect())
}

/// The digest of that manifest.
fn model_digest(model: &Model, digests: &[Digest]) -> Digest {
    let tensors = model.checkpoint().tensors.iter().zip(digests);
    digest_of_lines(tensors.map(|(tensor, digest)| Line {
        name: &tensor.name,
        dtype: tensor.dtype.word(),
        shape: &tensor.shape,
        sha256: digest,
    }))
}

/// The manifest that a sketch keeps.
pub(super) fn of_sketch(sketch: &Sketch) -> Manifest {
    let tensors = sketch.facts.manifest.iter().zip(&sketch.digests);
    let entry = |(tensor, digest): (&Entry, &Digest)| ManifestEntry {
        name: tensor.name.clone(),
        dtype: tensor.dtype.clone(),
        shape: tensor.shape.clone(),
        sha256: *digest,
    };
    Manifest::new(tensors.map(entry).collect())
}

/// What a model is, from its configuration and its tensors.
pub(super) fn architecture(model: &Model) -> Architecture {
    let tensors: Vec<_> = model
        .logicals
        .iter()
        .map(|l| (l.meaning.clone(), l.shape.clone()))
        .collect();
    describe(model.checkpoint().config.as_ref(), &tensors)
}

/// A model in short; with the digest of its manifest where digests were taken.
pub(super) fn facts(model: &Model, digests: Option<&[Digest]>) -> CheckpointFacts {
    let checkpoint = model.checkpoint();
    let config = checkpoint.config.as_ref();
    let mut dtypes: BTreeMap<Dtype, u64> = BTreeMap::new();
    for logical in &model.logicals {
        *dtypes.entry(logical.dtype).or_default() += logical.elements();
    }
    let files = checkpoint.files.iter();
    if let Some(sketch) = &model.opened.sketch {
        let known = &sketch.facts;
        let dtypes = known.dtypes.iter();
        let dtype = |word: &str| Dtype::ALL.iter().copied().find(|one| one.word() == word);
        return CheckpointFacts {
            kind: CheckpointKind::Sketch,
            path: checkpoint.path.to_string_lossy().into_owned(),
            name: checkpoint.name.clone(),
            format: checkpoint.format,
            files: files.map(|file| (file.name.clone(), file.bytes)).collect(),
            architecture: config.and_then(|c| c.architecture()).map(str::to_owned),
            parameters: known.parameters,
            bytes: known.bytes,
            dtypes: dtypes
                .map(|(word, count)| (dtype(word).unwrap_or(Dtype::Unknown), *count))
                .collect(),
            quantization: config.and_then(|c| c.quantization()).map(str::to_owned),
            model_digest: Some(of_sketch(sketch).model_digest),
        };
    }
    CheckpointFacts {
        kind: CheckpointKind::Checkpoint,
        path: checkpoint.path.to_string_lossy().into_owned(),
        name: checkpoint.name.clone(),
        format: checkpoint.format,
        files: files.map(|file| (file.name.clone(), file.bytes)).collect(),
        architecture: config.and_then(|c| c.architecture()).map(str::to_owned),
        parameters: model.parameters(),
        bytes: checkpoint.tensors.iter().map(|tensor| tensor.bytes).sum(),
        dtypes,
        quantization: config.and_then(|c| c.quantization()).map(str::to_owned),
        model_digest: digests.map(|digests| model_digest(model, digests)),
    }
}
