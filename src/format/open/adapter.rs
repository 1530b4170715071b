//! The configuration of a PEFT adapter, and what it makes of the weights beside it.

use std::path::{Path, PathBuf};

use super::super::adapter::{Adapter, parse_adapter};
use super::super::sidecar;
use crate::error::Result;
use crate::model::checkpoint::{File, TensorInfo};
use crate::model::config::Config;
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
