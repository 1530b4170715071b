//! `wcmp hash`: the manifest of a checkpoint, and a checkpoint held against one.

use super::{checkpoint, sketched};
use crate::error::Result;
use crate::format::open::Opened;
use crate::format::sketch::Sketch;
use crate::manifest::{self, Manifest};
use crate::measure::monitor::Monitor;
use crate::results::hash::{CheckReport, HashReport};
use crate::view::model::Model;

/// The manifest of a checkpoint. Runs on the current rayon pool.
///
/// # Errors
/// Bytes that cannot be read, a file that changed meanwhile, an interrupt.
pub fn hash(opened: Opened, monitor: &dyn Monitor) -> Result<HashReport> {
    let model = &Model::new(opened);
    let digests = sketched::digests_of(model, monitor)?;
    Ok(HashReport {
        checkpoint: checkpoint::facts(model, Some(&digests)),
        manifest: checkpoint::manifest(model, &digests),
        warnings: model.checkpoint().warnings.clone(),
        left_aside: model.checkpoint().left_aside.clone(),
    })
}

/// The manifest that a sketch keeps of its model.
pub(crate) fn kept(sketch: &Sketch) -> Manifest {
    checkpoint::of_sketch(sketch)
}

/// What was hashed, held against a manifest.
pub fn check(hashed: HashReport, expected: &Manifest) -> CheckReport {
    CheckReport {
        differences: manifest::check(expected, &hashed.manifest),
        checkpoint: hashed.checkpoint,
        warnings: hashed.warnings,
    }
}
