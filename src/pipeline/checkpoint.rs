//! What every report tells of a checkpoint.

use std::collections::BTreeMap;

use crate::manifest::{Digest, Manifest, ManifestEntry};
use crate::model::architecture::{Architecture, describe};
use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::Dtype;
use crate::results::checkpoint::CheckpointFacts;
use crate::view::model::Model;

/// The manifest of a model, from the digests of its stored tensors in their order.
pub(super) fn manifest(model: &Model, digests: &[Digest]) -> Manifest {
    let tensors = model.checkpoint().tensors.iter().zip(digests);
    let entry = |(tensor, digest): (&TensorInfo, &Digest)| ManifestEntry {
        name: tensor.name.clone(),
        dtype: tensor.dtype.to_string(),
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
    CheckpointFacts {
        path: checkpoint.path.to_string_lossy().into_owned(),
        name: checkpoint.name.clone(),
        format: checkpoint.format,
        files: files.map(|file| (file.name.clone(), file.bytes)).collect(),
        architecture: config.and_then(|c| c.architecture()).map(str::to_owned),
        parameters: model.parameters(),
        bytes: checkpoint.tensors.iter().map(|tensor| tensor.bytes).sum(),
        dtypes,
        quantization: config.and_then(|c| c.quantization()).map(str::to_owned),
        model_digest: digests.map(|digests| manifest(model, digests).model_digest),
    }
}
