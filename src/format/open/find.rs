//! Which files of a place are read, and what the files beside them say. No weight file is opened
//! here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::index::{self, Index};
use super::super::sidecar;
use super::super::weights::{self, Choice};
use super::adapter;
use crate::error::{Error, Result, quoted};
use crate::model::checkpoint::{WeightFiles, WeightSet};
use crate::model::config::Config;
use crate::model::warning::Warning;
use crate::source::{At, Listing, Place};

pub(super) const CONFIG: &str = "config.json";
const PIPELINE: &str = "model_index.json";
const CARD: &str = "README.md";

/// What lies at a place, before any weight file is opened.
#[derive(Default)]
pub(super) struct Found {
    pub(super) sets: Vec<Set>,
    /// Weight files that are left aside, sorted.
    pub(super) ignored: Vec<String>,
    pub(super) facts: Facts,
    /// adapter_config.json, where the weights are those of an adapter.
    pub(super) adapter: Option<(PathBuf, Config)>,
}

/// What the files beside the weights say.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) config: Option<Config>,
    pub(super) declared_base: Vec<String>,
    pub(super) warnings: Vec<Warning>,
}

/// Files of one directory that are one model, or one part of a pipeline.
pub(super) struct Set {
    /// What tensor and file names begin with: the sub-folder with `/`, or nothing.
    pub(super) prefix: String,
    /// The directory.
    pub(super) folder: Arc<dyn Listing>,
    /// Names in the directory, sorted.
    pub(super) files: Vec<String>,
    pub(super) index: Option<(PathBuf, Index)>,
}

impl Set {
    /// The set of `names`, each of which must be in the folder.
    fn of_files(folder: &Arc<dyn Listing>, prefix: &str, names: Vec<&str>) -> Result<Self> {
        for name in &names {
            folder.has(name)?;
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            folder: Arc::clone(folder),
            files: names.into_iter().map(str::to_owned).collect(),
            index: None,
        })
    }

    /// The set of the index of that name.
    fn of_index(folder: &Arc<dyn Listing>, prefix: &str, name: &str) -> Result<Self> {
        let path = folder.path_of(name);
        let index = index::read(&**folder, name)?.unwrap_or_default();
        let files: Vec<String> = index.files().into_iter().map(str::to_owned).collect();
        for file in &files {
            if !folder.has(file)? {
                let what = format!("names {}, which is not there: not downloaded", quoted(file));
                return Err(Error::malformed(&path, what));
            }
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            folder: Arc::clone(folder),
            files,
            index: Some((path, index)),
        })
    }

    /// What the set is made of, for people.
    pub(super) fn describe(&self) -> WeightSet {
        let files = match (&self.index, self.files.as_slice()) {
            (Some((path, _)), files) => WeightFiles::Indexed {
                index: own_name(path),
                shards: files.len(),
            },
            (None, [name]) => WeightFiles::One(name.clone()),
            (None, files) => WeightFiles::Several(files.len()),
        };
        let prefix = self.prefix.clone();
        WeightSet { prefix, files }
    }

    /// Whether the weights are those of an adapter.
    fn is_adapter(&self) -> bool {
        matches!(self.files.as_slice(), [name] if weights::is_adapter(name))
    }

    /// Shards that their own numbers promise and that no index would miss.
    fn missing_shards(&self) -> Option<Warning> {
        if self.index.is_some() {
            return None;
        }
        let names = self.files.iter().map(String::as_str);
        let expected = weights::expected_shards(names)?;
        Some(Warning::ShardsMissing {
            found: self.files.len(),
            expected,
        })
    }
}

/// Whether a place is more than a configuration. An index whose shards were not downloaded is no
/// weight.
pub(super) fn has_weights(place: &Place) -> bool {
    match &place.at {
        At::File { name, .. } => !name.ends_with(".json") || name.ends_with("index.json"),
        At::Folder(folder) => {
            let mut names = names(&**folder);
            let has = |wanted: &str| names.clone().any(|name| name == wanted);
            has(PIPELINE) || !has(CONFIG) || names.any(weights::is_weight_file)
        }
    }
}

/// The directory whose files are the checkpoint's own; none where the place is one weight file among
/// others, or its directory cannot be listed.
pub(super) fn own_folder(place: &Place) -> Option<Arc<dyn Listing>> {
    match &place.at {
        At::Folder(folder) => Some(Arc::clone(folder)),
        At::File {
            name,
            folder,
            unlisted: None,
        } => {
            let is_own =
                name == CONFIG || name.ends_with("index.json") || weights::has_model_stem(name);
            is_own.then(|| Arc::clone(folder))
        }
        At::File { .. } => None,
    }
}

/// Looks at a place: what is to be read, and what the files beside it say.
///
/// # Errors
/// Several models, a configuration alone, files that are named and not there, a configuration that
/// cannot be read.
pub(super) fn find(place: Place) -> Result<Found> {
    match place.at {
        At::Folder(folder) => find_in_folder(&folder),
        At::File {
            name,
            folder,
            unlisted,
        } if has_extension(&place.path, "json") => find_by_index(&folder, &name, unlisted),
        At::File { name, folder, .. } => find_by_file(&folder, &name),
    }
}

fn find_by_index(folder: &Arc<dyn Listing>, name: &str, unlisted: Option<Error>) -> Result<Found> {
    if name == CONFIG {
        return Err(Error::unsupported(
            &folder.path_of(name),
            "a configuration without weights (expected a weight file)",
        ));
    }
    if let Some(error) = unlisted {
        // What is wrong with the index itself comes first.
        index::read(&**folder, name)?;
        return Err(error);
    }
    Ok(Found {
        sets: vec![Set::of_index(folder, "", name)?],
        facts: facts(&**folder, CONFIG)?,
        ..Found::default()
    })
}

/// One file, or all parts of the split model that it is one of.
fn find_by_file(folder: &Arc<dyn Listing>, name: &str) -> Result<Found> {
    let parts = weights::parts(name, names(&**folder));
    let set = Set::of_files(folder, "", parts)?;

    let weight_files = names(&**folder).filter(|name| weights::is_weight_file(name));
    let owns_the_folder = weights::has_model_stem(name) || weight_files.count() == set.files.len();
    let mut facts = match owns_the_folder {
        true => facts(&**folder, CONFIG)?,
        false => Facts::default(),
    };
    if set.files.len() > 1 {
        facts.warnings.extend(set.missing_shards());
    }
    let adapter = match weights::is_adapter(name) {
        true => adapter::configuration(&**folder, &mut facts.warnings)?,
        false => None,
    };
    Ok(Found {
        sets: vec![set],
        ignored: Vec::new(),
        facts,
        adapter,
    })
}

fn find_in_folder(folder: &Arc<dyn Listing>) -> Result<Found> {
    let is_pipeline = folder.has(PIPELINE)?;
    let mut facts = facts(&**folder, if is_pipeline { PIPELINE } else { CONFIG })?;
    let (mut sets, mut ignored) = (Vec::new(), Vec::new());
    if is_pipeline {
        for name in folder.folders() {
            let part = folder.folder(name)?;
            sets.extend(find_sets(&part, &format!("{name}/"), &mut ignored)?);
        }
        // By prefix, so that tensors and files of all sets come out sorted by their whole names.
        sets.sort_by(|a, b| a.prefix.cmp(&b.prefix));
    }
    if sets.is_empty() {
        sets.extend(find_sets(folder, "", &mut ignored)?);
    } else {
        let beside_the_parts = names(&**folder).filter(|name| weights::is_weight_file(name));
        ignored.extend(beside_the_parts.map(str::to_owned));
    }
    ignored.sort_unstable();

    let missing = sets.iter().filter_map(Set::missing_shards);
    facts.warnings.extend(missing);
    let mut adapter = None;
    if sets.iter().any(Set::is_adapter) {
        adapter = adapter::configuration(&**folder, &mut facts.warnings)?;
        if adapter.is_none() || is_pipeline {
            let what =
                "an adapter's weights without adapter_config.json beside them (expected both)";
            return Err(Error::unsupported(folder.path(), what));
        }
    }
    Ok(Found {
        sets,
        ignored,
        facts,
        adapter,
    })
}

/// Chooses the weight set of a directory, with the vision or audio tower that GGUF keeps in a file
/// of its own, and names what it leaves aside.
fn find_sets(
    folder: &Arc<dyn Listing>,
    prefix: &str,
    ignored: &mut Vec<String>,
) -> Result<Vec<Set>> {
    let choice = weights::choose(names(&**folder))
        .map_err(|what| Error::unsupported(folder.path(), what))?;
    let mut sets = Vec::new();
    match choice {
        None => return Ok(sets),
        Some(Choice::Adapter(name)) => sets.push(Set::of_files(folder, prefix, vec![name])?),
        Some(Choice::Index(name)) => sets.push(Set::of_index(folder, prefix, name)?),
        Some(Choice::Files(chosen)) => {
            let tower = weights::tower(&chosen, names(&**folder));
            sets.push(Set::of_files(folder, prefix, chosen)?);
            if let Some(tower) = tower {
                sets.push(Set::of_files(folder, prefix, vec![tower])?);
            }
        }
    }
    let used: Vec<&String> = sets.iter().flat_map(|set| &set.files).collect();
    let is_left_aside = |name: &&String| weights::is_weight_file(name) && !used.contains(name);
    let aside = folder.files().iter().filter(is_left_aside);
    ignored.extend(aside.map(|name| format!("{prefix}{name}")));
    Ok(sets)
}

fn facts(folder: &dyn Listing, config_name: &str) -> Result<Facts> {
    let mut warnings = Vec::new();
    let config = sidecar::read_config(folder, config_name, &mut warnings)?;
    Ok(Facts {
        config,
        declared_base: declared_base(folder),
        warnings,
    })
}

/// What the model card of the folder declares.
pub(super) fn declared_base(folder: &dyn Listing) -> Vec<String> {
    sidecar::read_declared_base(folder, CARD)
}

fn names(folder: &dyn Listing) -> impl Iterator<Item = &str> + Clone {
    folder.files().iter().map(String::as_str)
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension()
        .is_some_and(|extension| extension == wanted)
}

fn own_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
