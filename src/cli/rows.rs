//! What every report says of a checkpoint.

use std::collections::BTreeMap;

use crate::model::checkpoint::{Checkpoint, Warning};
use crate::report::schema::{CheckpointRow, FileRow, WarningRow};

/// The row of a checkpoint; `model_digest` where the pass made one.
pub(super) fn checkpoint(checkpoint: &Checkpoint, model_digest: Option<String>) -> CheckpointRow {
    let mut dtypes = BTreeMap::new();
    for tensor in &checkpoint.tensors {
        let parameters: &mut u64 = dtypes.entry(tensor.dtype.to_string()).or_default();
        *parameters = parameters.saturating_add(tensor.elements());
    }
    let config = checkpoint.config.as_ref();
    CheckpointRow {
        path: checkpoint.path.display().to_string(),
        name: checkpoint.name.clone(),
        format: checkpoint.format.word(),
        files: checkpoint.files.iter().map(|file| FileRow { name: file.name.clone(), bytes: file.bytes }).collect(),
        architecture: config.and_then(|config| config.architecture()).map(str::to_owned),
        parameters: dtypes.values().fold(0, |sum: u64, parameters| sum.saturating_add(*parameters)),
        bytes: checkpoint.tensors.iter().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.bytes)),
        dtypes,
        quantization: config.and_then(|config| config.quantization()).map(str::to_owned),
        model_digest,
    }
}

/// The rows of warnings.
pub(super) fn warnings(warnings: &[Warning]) -> Vec<WarningRow> {
    let row = |warning: &Warning| WarningRow {
        code: warning.code.to_owned(),
        message: warning.message.clone(),
        name: warning.name.clone(),
    };
    warnings.iter().map(row).collect()
}
