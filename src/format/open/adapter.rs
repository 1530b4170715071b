//! The configuration of an adapter, and what it makes of the weights beside it.

use std::path::{Path, PathBuf};

use super::super::adapter::{Adapter, foreign, parse_adapter};
use super::super::sidecar;
use super::stored::Stored;
use crate::error::{Error, Result};
use crate::format::gguf::{MetaValue, Metadata};
use crate::model::checkpoint::{File, TensorInfo};
use crate::model::config::Config;
use crate::model::dtype::Dtype;
use crate::model::warning::Warning;
use crate::source::Listing;

/// The file that makes weights an adapter.
const CONFIG: &str = "adapter_config.json";

/// Reads the adapter's configuration, where the folder has one.
///
/// # Errors
/// One that is no JSON object.
pub(super) fn configuration(
    folder: &dyn Listing,
    warnings: &mut Vec<Warning>,
) -> Result<Option<(PathBuf, Config)>> {
    let config = sidecar::read_config(folder, CONFIG, warnings)?;
    Ok(config.map(|config| (folder.path_of(CONFIG), config)))
}

/// What the adapter of this configuration changes.
///
/// # Errors
/// As [`parse_adapter`].
pub(super) fn parse(
    (path, config): (&Path, &Config),
    files: &[File],
    tensors: &[TensorInfo],
) -> Result<Adapter> {
    let weights = files.first().map_or(path, |file| &file.path);
    parse_adapter((path, &config.raw), (weights, tensors))
}

/// The adapter that the stored tensors are, in another form than PEFT's; none where they are none.
///
/// # Errors
/// An adapter of a kind that is not read, or of factors that do not fit one another.
pub(super) fn parse_foreign(
    path: &Path,
    folder: Option<&dyn Listing>,
    stored: &Stored,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Adapter>> {
    let header = stored.gguf.first().map(|header| &header.metadata);
    let is_adapter = |metadata: &Metadata| {
        let kind = metadata.get("general.type").and_then(MetaValue::as_text);
        kind == Some("adapter")
    };
    if header.is_some_and(|metadata| !is_adapter(metadata)) {
        return Ok(None);
    }
    let alpha = header.map(|metadata| {
        let alpha = metadata
            .get("adapter.lora.alpha")
            .and_then(MetaValue::as_f64);
        alpha.filter(|alpha| *alpha != 0.0)
    });
    let config = match folder {
        Some(folder) => sidecar::read_config(folder, CONFIG, warnings)?,
        None => None,
    };
    let scalar = |at: usize| {
        let tensor = stored.tensors.get(at)?;
        let source = stored.sources.get(tensor.file)?;
        let mut scratch = Vec::new();
        let length = usize::try_from(tensor.bytes)
            .ok()
            .filter(|bytes| *bytes <= 8)?;
        number(
            tensor.dtype,
            source.bytes(tensor.offset, length, &mut scratch).ok()?,
        )
    };
    let beside = foreign::Beside {
        config: config.as_ref().map(|config| &config.raw),
        metadata: &stored.metadata,
        gguf_alpha: alpha,
        scalar: &scalar,
    };
    foreign::parse(&stored.tensors, &beside).map_err(|what| {
        let file = stored.files.first().map_or(path, |file| &file.path);
        Error::unsupported(file, what)
    })
}

/// A number of a format that scales come in.
fn number(dtype: Dtype, bytes: &[u8]) -> Option<f64> {
    Some(match (dtype, bytes) {
        (Dtype::F32, &[a, b, c, d]) => f64::from(f32::from_le_bytes([a, b, c, d])),
        (Dtype::F64, bytes) => f64::from_le_bytes(bytes.try_into().ok()?),
        (Dtype::F16, &[a, b]) => f64::from(half::f16::from_le_bytes([a, b])),
        (Dtype::Bf16, &[a, b]) => f64::from(half::bf16::from_le_bytes([a, b])),
        (Dtype::I64, bytes) => i64::from_le_bytes(bytes.try_into().ok()?) as f64,
        _ => return None,
    })
}
