//! A comparison in this process, as the rows of its report.

use std::fs;
use std::path::{Path, PathBuf};

use wcmp::Monitor;
use wcmp::Opened;
use wcmp::Options;
use wcmp::Result;
use wcmp::Silent;
use wcmp::open_checkpoint;
use wcmp::schema::{Compare, convert};

use super::file::safetensors;
use super::weights::Model;

/// Compares two checkpoints as the command does.
pub(crate) fn compare(
    base: Opened,
    target: Opened,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Compare> {
    wcmp::compare(base, target, options, monitor).map(convert::compare)
}

/// Writes two models where a test of an area alone looks, and compares them as they are by default.
pub(crate) fn compared_models(area: &str, test: &str, base: &Model, target: &Model) -> Compare {
    let options = Options::default();
    let open = |name, model| {
        let path = written_model(area, test, name, model);
        open_checkpoint(&path, options.io).expect("a checkpoint")
    };
    let (base, target) = (open("base", base), open("target", target));
    compare(base, target, &options, &Silent).expect("a report")
}

/// Writes a model where a test of an area alone looks, without a configuration; its folder.
pub(crate) fn written_model(area: &str, test: &str, name: &str, model: &Model) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(area)
        .join(test)
        .join(name);
    fs::create_dir_all(&folder).expect("a folder for the model");
    let file = safetensors(&model.stored(|_| "BF16"));
    fs::write(folder.join("model.safetensors"), file).expect("the model's file");
    folder
}
