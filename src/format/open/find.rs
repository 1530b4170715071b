//! Which files of a place are read, and what the files beside them say. No weight file is opened
//! here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::foreign;
use super::super::index::{self, Index};
use super::super::series;
use super::super::sidecar;
use super::super::weights::{self, Choice};
use super::parts::{self, Listed};
use super::{absent, adapter};
use crate::error::{Error, Result, quoted};
use crate::model::checkpoint::{WeightFiles, WeightSet, WhyAside};
use crate::model::config::Config;
use crate::model::warning::{NAMES_KEPT, Warning};
use crate::source::{At, Listing, Place};

pub(super) const CONFIG: &str = "config.json";
pub(super) const PIPELINE: &str = "model_index.json";
const CARD: &str = "README.md";

/// What lies at a place, before any weight file is opened.
#[derive(Default)]
pub(super) struct Found {
    pub(super) sets: Vec<Set>,
    /// Weight files that are not read, by name.
    pub(super) aside: Vec<Aside>,
    pub(super) facts: Facts,
    /// adapter_config.json, where the weights are those of an adapter.
    pub(super) adapter: Option<(PathBuf, Config)>,
}

/// A weight file that is not read.
pub(super) struct Aside {
    pub(super) folder: Arc<dyn Listing>,
    /// Its name in that directory.
    pub(super) name: String,
    /// What names of tensors in it would begin with.
    pub(super) prefix: String,
    pub(super) why: WhyAside,
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
        absent::require_whole(&**folder, &names)?;
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
        let files = index.files();
        absent::require_whole(&**folder, &files)?;
        let files: Vec<String> = files.into_iter().map(str::to_owned).collect();
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

    fn index_name(&self) -> Option<&str> {
        let (path, _) = self.index.as_ref()?;
        path.file_name()?.to_str()
    }

    /// A word about files of different names that no index joins.
    fn joined(&self) -> Option<Warning> {
        let stem = |name: &String| {
            let stem = name
                .rsplit_once('.')
                .map_or(name.as_str(), |(stem, _)| stem);
            let numbered = series::numbered(stem).map_or(stem, |(stem, _)| stem);
            series::pattern(numbered).unwrap_or_else(|| numbered.to_owned())
        };
        let stems: BTreeSet<String> = self.files.iter().map(stem).collect();
        (self.index.is_none() && stems.len() > 1).then(|| Warning::FilesJoined {
            files: self.files.iter().take(NAMES_KEPT).cloned().collect(),
            more: self.files.len().saturating_sub(NAMES_KEPT),
        })
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
        } if name.to_ascii_lowercase().ends_with(".json") => {
            find_by_index(&folder, &name, unlisted)
        }
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
    let sets = vec![Set::of_index(folder, "", name)?];
    Ok(Found {
        aside: aside(folder, "", &sets),
        sets,
        facts: facts(&**folder, CONFIG)?,
        adapter: None,
    })
}

/// One file, or all parts of the split model that it is one of.
fn find_by_file(folder: &Arc<dyn Listing>, name: &str) -> Result<Found> {
    absent::require_no_rank(&**folder)?;
    let parts = weights::parts(name, names(&**folder));
    let set = Set::of_files(folder, "", parts)?;

    let weight_files = names(&**folder).filter(|name| weights::is_weight_file(name));
    let owns_the_folder = weights::has_model_stem(name) || weight_files.count() == set.files.len();
    let mut facts = match owns_the_folder {
        true => facts(&**folder, CONFIG)?,
        false => Facts::default(),
    };
    facts.warnings.extend(match set.files.len() {
        1 => alone_of_several(&**folder, name)?,
        _ => set.missing_shards(),
    });
    let adapter = match weights::is_adapter(name) {
        true => adapter::configuration(&**folder, &mut facts.warnings)?,
        false => None,
    };
    Ok(Found {
        sets: vec![set],
        aside: Vec::new(),
        facts,
        adapter,
    })
}

/// What a file lacks that was named alone and is one of several that are a model together.
///
/// # Errors
/// One slice of every matrix.
fn alone_of_several(folder: &dyn Listing, name: &str) -> Result<Option<Warning>> {
    let Some(pattern) = series::pattern(name) else {
        return Ok(None);
    };
    let series = names(folder).filter(|other| series::pattern(other).as_ref() == Some(&pattern));
    let beside = series.count().saturating_sub(1);
    if beside > 0 && series::is_slice(&pattern) {
        let what = format!(
            "one of {} tensor-parallel slices, which are not joined (expected whole tensors; the tool that wrote \
             them merges them)",
            beside + 1
        );
        return Err(Error::unsupported(&folder.path_of(name), what));
    }
    let promised = weights::expected_shards(std::iter::once(name));
    let found_beside = u32::try_from(beside + 1).unwrap_or(u32::MAX);
    let is_part = beside > 0 && series::is_part(&pattern);
    let expected = promised.or(is_part.then_some(found_beside));
    Ok(expected.map(|expected| Warning::ShardsMissing { found: 1, expected }))
}

fn find_in_folder(folder: &Arc<dyn Listing>) -> Result<Found> {
    absent::require_no_rank(&**folder)?;
    let listed = parts::listed(&**folder)?;
    let is_pipeline = matches!(listed, Some(Listed::Pipeline(_)));
    let mut facts = facts(&**folder, if is_pipeline { PIPELINE } else { CONFIG })?;
    let (mut sets, mut left) = (Vec::new(), Vec::new());
    match &listed {
        Some(Listed::Pipeline(named)) => {
            for name in folder.folders() {
                let part = folder.folder(name)?;
                sets.extend(find_sets(&part, &format!("{name}/"), &mut left)?);
            }
            facts.warnings.extend(missing_parts(named, PIPELINE, &sets));
        }
        Some(Listed::Modules(named)) => {
            for name in named.iter().filter(|name| folder.folders().contains(name)) {
                let part = folder.folder(name)?;
                sets.extend(find_sets(&part, &format!("{name}/"), &mut left)?);
            }
            facts
                .warnings
                .extend(missing_parts(named, parts::MODULES, &sets));
        }
        None => {}
    }
    match (sets.is_empty(), &listed) {
        (false, Some(Listed::Pipeline(_))) => {
            let beside = names(&**folder).filter(|name| weights::is_weight_file(name));
            let beside = beside.map(|name| Aside {
                folder: Arc::clone(folder),
                name: name.to_owned(),
                prefix: String::new(),
                why: WhyAside::AnotherCopy,
            });
            left.extend(beside);
        }
        _ => sets.extend(find_sets(folder, "", &mut left)?),
    }
    // By prefix, so that tensors and files of all sets come out sorted by their whole names.
    sets.sort_by(|a, b| a.prefix.cmp(&b.prefix));
    left.sort_by(|a, b| (&a.prefix, &a.name).cmp(&(&b.prefix, &b.name)));

    let missing = sets.iter().filter_map(Set::missing_shards);
    facts.warnings.extend(missing);
    facts.warnings.extend(sets.iter().filter_map(Set::joined));
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
        aside: left,
        facts,
        adapter,
    })
}

/// The parts that a list names and of which no weights were found.
fn missing_parts<'a>(
    named: &'a [String],
    listed_in: &'a str,
    sets: &'a [Set],
) -> impl Iterator<Item = Warning> + 'a {
    let is_there = |folder: &str| {
        let prefix = format!("{folder}/");
        sets.iter().any(|set| set.prefix == prefix)
    };
    let missing = named.iter().filter(move |folder| !is_there(folder));
    missing.map(|folder| Warning::PartMissing {
        folder: folder.clone(),
        listed_in: listed_in.to_owned(),
    })
}

/// Chooses the weight set of a directory, with the vision or audio tower that GGUF keeps in a file
/// of its own, and names what it leaves aside.
fn find_sets(folder: &Arc<dyn Listing>, prefix: &str, left: &mut Vec<Aside>) -> Result<Vec<Set>> {
    absent::require_no_pipeline(&**folder)?;
    let choice = weights::choose(names(&**folder))
        .map_err(|what| Error::unsupported(folder.path(), what))?;
    let mut sets = Vec::new();
    match choice {
        None => return Ok(sets),
        Some(Choice::Adapter(name)) => sets.push(Set::of_files(folder, prefix, vec![name])?),
        Some(Choice::Index(name)) => sets.push(Set::of_index(folder, prefix, name)?),
        Some(Choice::Files(chosen)) => {
            absent::require_no_distributed(&**folder, &chosen)?;
            let tower = weights::tower(&chosen, names(&**folder));
            sets.push(Set::of_files(folder, prefix, chosen)?);
            if let Some(tower) = tower {
                sets.push(Set::of_files(folder, prefix, vec![tower])?);
            }
        }
    }
    left.extend(aside(folder, prefix, &sets));
    Ok(sets)
}

/// The weight files and indices of a directory that `sets`, which are of it, do not read.
fn aside(folder: &Arc<dyn Listing>, prefix: &str, sets: &[Set]) -> Vec<Aside> {
    let used: BTreeSet<&str> = sets
        .iter()
        .flat_map(|set| set.files.iter().map(String::as_str).chain(set.index_name()))
        .collect();
    let ending = |name: &str| {
        name.rsplit_once('.')
            .map_or("", |(_, ending)| ending)
            .to_owned()
    };
    let endings: BTreeSet<String> = used.iter().map(|name| ending(name)).collect();
    let has_index = sets.iter().any(|set| set.index.is_some());
    let why = |name: &str| {
        if weights::is_adapter(name) {
            WhyAside::Adapter
        } else if foreign::named(name).is_some() {
            WhyAside::UnreadFormat
        } else if weights::is_index(name) {
            WhyAside::NotInIndex
        } else if !endings.contains(&ending(name)) {
            WhyAside::AnotherFormat
        } else if has_index {
            WhyAside::NotInIndex
        } else {
            WhyAside::AnotherCopy
        }
    };
    let left = names(&**folder).filter(|name| {
        (weights::is_weight_file(name) || weights::is_index(name)) && !used.contains(name)
    });
    left.map(|name| Aside {
        folder: Arc::clone(folder),
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        why: why(name),
    })
    .collect()
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

pub(super) fn names(folder: &dyn Listing) -> impl Iterator<Item = &str> + Clone {
    folder.files().iter().map(String::as_str)
}

fn own_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
