//! What every report tells of a checkpoint.

use std::collections::BTreeMap;

use crate::model::dtype::Dtype;
use crate::results::checkpoint::CheckpointFacts;
use crate::view::model::Model;

/// A model in short, without the digest of its manifest.
pub(crate) fn facts(model: &Model) -> CheckpointFacts {
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
        model_digest: None,
    }
}
