//! A path to an open checkpoint: directory, pipeline of directories, single file, index, hub cache
//! folder.

mod adapter;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::adapter::Adapter;
use super::folder::Folder;
use super::gguf::GgufFile;
use super::index::{self, Index};
use super::merge::{self, Shard};
use super::weights::{self, Choice};
use super::{gguf, hub, reader, sidecar};
use crate::error::{Error, Result, escape_controls, quoted};
use crate::model::checkpoint::{Checkpoint, File, Format, TensorInfo};
use crate::model::config::Config;
use crate::model::warning::Warning;
use crate::source::{self, Io, Region, Source, Strided};

/// A checkpoint with its files open.
pub struct Opened {
    /// What was found.
    pub checkpoint: Checkpoint,
    /// One source for each of [`Checkpoint::files`], in that order.
    pub sources: Vec<Arc<dyn Source>>,
    /// The bytes of those tensors whose elements do not lie one behind the other, by name.
    strided: BTreeMap<String, Strided>,
    /// What a PEFT adapter changes; its indices are those of [`Checkpoint::tensors`].
    pub adapter: Option<Adapter>,
    /// Headers of a GGUF checkpoint: what its converter did to the values.
    pub gguf: Vec<GgufHeader>,
}

/// What the header of a GGUF model says of its files. A vision tower is a model of its own there.
pub struct GgufHeader {
    files: Range<usize>,
    /// Key-value pairs.
    pub metadata: gguf::Metadata,
}

impl Opened {
    /// The bytes of a tensor of the checkpoint, in row-major order.
    ///
    /// # Panics
    /// A tensor of another checkpoint, whose file this one lacks.
    #[allow(clippy::indexing_slicing)]
    pub fn bytes_of(&self, tensor: &TensorInfo) -> Region<'_> {
        match self.strided.get(&tensor.name) {
            Some(view) => Region::whole(view),
            None => Region::new(&*self.sources[tensor.file], tensor.offset, tensor.bytes),
        }
    }

    /// That the files are still those that were opened, to be asked after the last byte was read.
    ///
    /// # Errors
    /// One of them changed.
    pub fn check_unchanged(&self) -> Result<()> {
        self.sources
            .iter()
            .try_for_each(|source| source.check_unchanged())
    }

    /// Metadata that hold for the GGUF file number `file`.
    pub fn gguf_header(&self, file: usize) -> Option<&gguf::Metadata> {
        self.gguf
            .iter()
            .find(|header| header.files.contains(&file))
            .map(|header| &header.metadata)
    }
}

/// Opens the checkpoint at `path` and checks every header; no tensor value is read, except where
/// one name stands in two files, whose bytes must then be equal.
///
/// # Errors
/// No weight file there, or a file that breaks its format.
pub fn open_checkpoint(path: &Path, io: Io) -> Result<Opened> {
    let found = find(path)?;
    let mut warnings = found.facts.warnings;
    let mut stored = Stored::default();
    for set in &found.sets {
        stored.add(set, io, &mut warnings)?;
    }
    let Some(format) = stored.format else {
        return Err(no_weights(path, &found.facts.config));
    };
    stored.require_unique_names()?;
    let config = found.facts.config.or(stored.config);
    let mut declared_base = found.facts.declared_base;
    if let (true, Some(header)) = (declared_base.is_empty(), stored.gguf.first()) {
        declared_base = gguf::declared_base(&header.metadata);
    }
    let named = name(path, config.as_ref().filter(|_| found.adapter.is_none()));
    let adapter = match found.adapter {
        Some((path, config)) => Some(adapter::parse(
            (&path, &config),
            &stored.files,
            &stored.tensors,
        )?),
        None => None,
    };
    if let Some(adapter) = &adapter {
        if let Some(base) = adapter
            .declared_base
            .as_ref()
            .filter(|base| !declared_base.contains(base))
        {
            declared_base.push(base.clone());
        }
        warnings.extend(adapter.warnings.iter().cloned());
    }
    let weight_set: Vec<String> = found.sets.iter().map(Set::describe).collect();
    let checkpoint = Checkpoint {
        path: path.to_path_buf(),
        name: named,
        format: if adapter.is_some() {
            Format::Adapter
        } else {
            format
        },
        files: stored.files,
        tensors: stored.tensors,
        config,
        declared_base,
        weight_set: weight_set.join("; "),
        ignored_files: found.ignored,
        warnings,
    };
    Ok(Opened {
        checkpoint,
        sources: stored.sources,
        strided: stored.strided,
        gguf: stored.gguf,
        adapter,
    })
}

/// Opens what is at `path` for what its header and configuration say: as [`open_checkpoint`], or,
/// where there is a configuration and no weight file, the configuration alone, as [`open_config`]
/// and with no sources.
///
/// # Errors
/// As those two.
pub fn open_described(path: &Path, io: Io) -> Result<Opened> {
    if has_weights(path)? {
        return open_checkpoint(path, io);
    }
    Ok(Opened {
        checkpoint: open_config(path)?,
        sources: Vec::new(),
        strided: BTreeMap::new(),
        gguf: Vec::new(),
        adapter: None,
    })
}

/// Whether `path` is more than a configuration. An index whose shards were not downloaded is no
/// weight.
fn has_weights(path: &Path) -> Result<bool> {
    if !source::metadata(path)?.is_dir() {
        let name = own_name(path);
        return Ok(!name.ends_with(".json") || name.ends_with("index.json"));
    }
    let folder = Folder::open(&hub::snapshot(path)?.unwrap_or_else(|| path.to_path_buf()))?;
    let has = |name: &str| folder.files().any(|file| file == name);
    Ok(folder.files().any(weights::is_weight_file) || has(PIPELINE) || !has(CONFIG))
}

/// Reads the config.json at `path`, a file or a directory or hub cache folder that holds one, as a
/// checkpoint of format `config`, without tensors and whether there are weights or not.
///
/// # Errors
/// No config.json there, or one that is no JSON object.
pub fn open_config(path: &Path) -> Result<Checkpoint> {
    let mut warnings = Vec::new();
    let (file, declared_base) = if source::metadata(path)?.is_dir() {
        let folder = Folder::open(&hub::snapshot(path)?.unwrap_or_else(|| path.to_path_buf()))?;
        let Some(file) = folder.file(CONFIG)? else {
            return Err(Error::unsupported(
                path,
                "no config.json (expected a model's directory)",
            ));
        };
        (file, declared_base(&folder))
    } else {
        (path.to_path_buf(), Vec::new())
    };
    let config = sidecar::read_config(&file, &mut warnings)?;
    Ok(Checkpoint {
        path: path.to_path_buf(),
        name: name(path, Some(&config)),
        format: Format::Config,
        files: Vec::new(),
        tensors: Vec::new(),
        config: Some(config),
        declared_base,
        weight_set: format!("{CONFIG}, no weights"),
        ignored_files: Vec::new(),
        warnings,
    })
}

const CONFIG: &str = "config.json";
const PIPELINE: &str = "model_index.json";
const CARD: &str = "README.md";

/// What lies at a path, before any weight file is opened.
#[derive(Default)]
struct Found {
    sets: Vec<Set>,
    ignored: Vec<String>,
    facts: Facts,
    /// adapter_config.json, where the weights are those of an adapter.
    adapter: Option<(PathBuf, Config)>,
}

/// What the files beside the weights say.
#[derive(Default)]
struct Facts {
    config: Option<Config>,
    declared_base: Vec<String>,
    warnings: Vec<Warning>,
}

/// Files of one directory that are one model, or one part of a pipeline.
struct Set {
    /// What tensor and file names begin with: the sub-folder with `/`, or nothing.
    prefix: String,
    /// Names in the directory, and paths; sorted.
    files: Vec<(String, PathBuf)>,
    index: Option<(PathBuf, Index)>,
}

impl Set {
    /// The set in words, for people.
    fn describe(&self) -> String {
        let count = self.files.len();
        let what = match (&self.index, self.files.as_slice()) {
            (Some((path, _)), _) => {
                format!(
                    "{}, {count} {}",
                    own_name(path),
                    if count == 1 { "shard" } else { "shards" }
                )
            }
            (None, [(name, _)]) => name.clone(),
            _ => format!("{count} files without an index"),
        };
        escape_controls(&format!("{}{what}", self.prefix))
    }

    /// Whether the weights are those of an adapter.
    fn is_adapter(&self) -> bool {
        matches!(self.files.as_slice(), [(name, _)] if weights::is_adapter(name))
    }

    /// Shards that their own numbers promise and that no index would miss.
    fn missing_shards(&self) -> Option<Warning> {
        let files = self.files.iter().map(|(name, _)| name.as_str());
        let expected = weights::expected_shards(files).filter(|_| self.index.is_none())?;
        Some(Warning::ShardsMissing {
            found: self.files.len(),
            expected,
        })
    }
}

/// Looks at a path: what is to be read, and what the files beside it say.
fn find(path: &Path) -> Result<Found> {
    if source::metadata(path)?.is_dir() {
        return find_in_folder(path);
    }
    let folder = Folder::open(directory_of(path));
    let name = own_name(path);
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        if name == CONFIG {
            return Err(Error::unsupported(
                path,
                "a configuration without weights (expected a weight file)",
            ));
        }
        let index = index::read(path)?;
        let folder = folder?;
        let set = indexed_set(&folder, String::new(), path.to_path_buf(), index)?;
        return Ok(Found {
            sets: vec![set],
            facts: facts(&folder, CONFIG)?,
            ..Found::default()
        });
    }
    // A file in a directory that cannot be listed is read all the same.
    let Ok(folder) = folder else {
        let set = Set {
            prefix: String::new(),
            files: vec![(name, path.to_path_buf())],
            index: None,
        };
        return Ok(Found {
            sets: vec![set],
            ..Found::default()
        });
    };
    let place = |part: &str| match part == name {
        true => Ok((name.clone(), path.to_path_buf())),
        false => folder
            .file(part)
            .map(|file| (part.to_string(), file.unwrap_or_default())),
    };
    let parts = weights::parts(&name, folder.files()).into_iter();
    let files = parts.map(place).collect::<Result<Vec<_>>>()?;
    let is_own = weights::has_model_stem(&name)
        || folder
            .files()
            .filter(|name| weights::is_weight_file(name))
            .count()
            == files.len();
    let mut facts = if is_own {
        facts(&folder, CONFIG)?
    } else {
        Facts::default()
    };
    let set = Set {
        prefix: String::new(),
        files,
        index: None,
    };
    if set.files.len() > 1 {
        facts.warnings.extend(set.missing_shards());
    }
    let mut found = Found {
        sets: vec![set],
        facts,
        ..Found::default()
    };
    if weights::is_adapter(&own_name(path)) {
        found.adapter = adapter::configuration(&folder, &mut found.facts.warnings)?;
    }
    Ok(found)
}

/// The directory that holds `path`.
fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn find_in_folder(path: &Path) -> Result<Found> {
    let folder = Folder::open(&hub::snapshot(path)?.unwrap_or_else(|| path.to_path_buf()))?;
    let is_pipeline = folder.file(PIPELINE)?.is_some();
    let mut facts = facts(&folder, if is_pipeline { PIPELINE } else { CONFIG })?;
    let mut ignored = Vec::new();
    let mut sets = Vec::new();
    if is_pipeline {
        for (name, path) in folder.folders() {
            let part = Folder::open(&path)?;
            sets.extend(find_sets(&part, &format!("{name}/"), &mut ignored)?);
        }
        // By prefix, so that tensors and files of all sets come out sorted by their whole names.
        sets.sort_by(|a, b| a.prefix.cmp(&b.prefix));
    }
    if sets.is_empty() {
        sets.extend(find_sets(&folder, "", &mut ignored)?);
    } else {
        ignored.extend(
            folder
                .files()
                .filter(|name| weights::is_weight_file(name))
                .map(str::to_string),
        );
    }
    ignored.sort_unstable();
    facts
        .warnings
        .extend(sets.iter().filter_map(Set::missing_shards));
    let mut found = Found {
        sets,
        ignored,
        facts,
        adapter: None,
    };
    if found.sets.iter().any(Set::is_adapter) {
        found.adapter = adapter::configuration(&folder, &mut found.facts.warnings)?;
        if found.adapter.is_none() || is_pipeline {
            let what =
                "an adapter's weights without adapter_config.json beside them (expected both)";
            return Err(Error::unsupported(folder.path(), what));
        }
    }
    Ok(found)
}

/// Chooses the weight set of a directory, with the vision or audio tower that GGUF keeps in a file
/// of its own, and names what it leaves aside.
fn find_sets(folder: &Folder, prefix: &str, ignored: &mut Vec<String>) -> Result<Vec<Set>> {
    let choice =
        weights::choose(folder.files()).map_err(|what| Error::unsupported(folder.path(), what))?;
    let named = |names: Vec<&str>| {
        let path = |name: &str| {
            folder
                .file(name)
                .map(|path| (name.to_string(), path.unwrap_or_default()))
        };
        let files = names.into_iter().map(path).collect::<Result<_>>()?;
        Ok::<_, Error>(Set {
            prefix: prefix.to_owned(),
            files,
            index: None,
        })
    };
    let mut sets = Vec::new();
    match choice {
        None => return Ok(sets),
        Some(Choice::Adapter(name)) => {
            let path = folder.file(name)?.unwrap_or_default();
            let files = vec![(name.to_string(), path)];
            sets.push(Set {
                prefix: prefix.to_owned(),
                files,
                index: None,
            });
        }
        Some(Choice::Index(name)) => {
            let path = folder.file(name)?.unwrap_or_default();
            let index = index::read(&path)?;
            sets.push(indexed_set(folder, prefix.to_owned(), path, index)?);
        }
        Some(Choice::Files(names)) => {
            let tower = weights::tower(&names, folder.files());
            sets.push(named(names)?);
            sets.extend(tower.map(|name| named(vec![name])).transpose()?);
        }
    }
    let is_used = |name: &str| {
        sets.iter()
            .any(|set| set.files.iter().any(|(used, _)| used == name))
    };
    let aside = folder
        .files()
        .filter(|name| weights::is_weight_file(name) && !is_used(name));
    ignored.extend(aside.map(|name| format!("{prefix}{name}")));
    Ok(sets)
}

/// The set of an index in `folder`.
fn indexed_set(folder: &Folder, prefix: String, path: PathBuf, index: Index) -> Result<Set> {
    let mut files = Vec::new();
    for name in index.files() {
        let Some(file) = folder.file(name)? else {
            return Err(Error::malformed(
                &path,
                format!("names {}, which is not there: not downloaded", quoted(name)),
            ));
        };
        files.push((name.to_string(), file));
    }
    Ok(Set {
        prefix,
        files,
        index: Some((path, index)),
    })
}

fn facts(folder: &Folder, config_name: &str) -> Result<Facts> {
    let mut warnings = Vec::new();
    let config = folder
        .file(config_name)?
        .map(|path| sidecar::read_config(&path, &mut warnings))
        .transpose()?;
    Ok(Facts {
        config,
        declared_base: declared_base(folder),
        warnings,
    })
}

/// A card behind a link that leads nowhere declares nothing.
fn declared_base(folder: &Folder) -> Vec<String> {
    folder
        .file(CARD)
        .ok()
        .flatten()
        .map(|path| sidecar::read_declared_base(&path))
        .unwrap_or_default()
}

/// The weight files that were read so far, of all sets.
#[derive(Default)]
struct Stored {
    format: Option<Format>,
    files: Vec<File>,
    sources: Vec<Arc<dyn Source>>,
    strided: BTreeMap<String, Strided>,
    tensors: Vec<TensorInfo>,
    config: Option<Config>,
    gguf: Vec<GgufHeader>,
}

impl Stored {
    /// Opens the files of `set` and adds what they hold under the set's prefix.
    fn add(&mut self, set: &Set, io: Io, warnings: &mut Vec<Warning>) -> Result<()> {
        let mut shards = Vec::with_capacity(set.files.len());
        for (number, (name, path)) in set.files.iter().enumerate() {
            let source = source::open(path, io)?;
            let (format, mut contents) = reader::read(&source, number)?;
            if *self.format.get_or_insert(format) != format {
                return Err(Error::unsupported(
                    path,
                    format!("a {format} file in a set of another format"),
                ));
            }
            warnings.append(&mut contents.warnings);
            if self.config.is_none() {
                self.config = contents.config.take();
            }
            shards.push(Shard {
                name: name.clone(),
                source,
                contents,
            });
        }
        self.join_gguf(&mut shards)?;
        let tensors = merge::join(&mut shards, set.index.as_ref(), warnings)?;
        let begin = self.files.len();
        for tensor in tensors {
            let name = match set.prefix.as_str() {
                "" => tensor.name.clone(),
                prefix => format!("{prefix}{}", tensor.name),
            };
            let views = shards
                .get_mut(tensor.file)
                .map(|shard| &mut shard.contents.strided);
            if let Some(view) = views.and_then(|views| views.remove(&tensor.name)) {
                self.strided.insert(name.clone(), view);
            }
            self.tensors.push(TensorInfo {
                name,
                file: tensor.file + begin,
                ..tensor
            });
        }
        for Shard { name, source, .. } in shards {
            let (name, path) = (format!("{}{name}", set.prefix), source.path().to_path_buf());
            self.files.push(File {
                name,
                path,
                bytes: source.len(),
            });
            self.sources.push(source);
        }
        Ok(())
    }

    /// Sorts the tensors of all sets by name bytes, of which none may stand in two sets.
    fn require_unique_names(&mut self) -> Result<()> {
        self.tensors
            .sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        let twice = self.tensors.windows(2).find_map(|pair| match pair {
            [a, b] if a.name == b.name => Some(b),
            _ => None,
        });
        let Some(tensor) = twice else { return Ok(()) };
        let path = self
            .sources
            .get(tensor.file)
            .map_or(Path::new(""), |source| source.path());
        let what = format!(
            "tensor {} stands in another file of the model too (expected one)",
            quoted(&tensor.name)
        );
        Err(Error::malformed(path, what))
    }

    /// Checks the parts of a GGUF model against one another and takes over what its first file
    /// says.
    fn join_gguf(&mut self, shards: &mut [Shard]) -> Result<()> {
        let part = |shard: &mut Shard| {
            Some((
                shard.source.path().to_path_buf(),
                shard.contents.gguf.take()?,
            ))
        };
        let parts: Vec<_> = shards.iter_mut().filter_map(part).collect();
        if parts.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = shards.iter().map(|shard| shard.name.as_str()).collect();
        if let (Some((path, GgufFile { split: Some(_), .. })), Some(missing)) =
            (parts.first(), gguf::missing_part(&names))
        {
            let what = format!(
                "its part {} is not there: not downloaded (expected all parts)",
                quoted(&missing)
            );
            return Err(Error::malformed(path, what));
        }
        let whole = gguf::join_splits(parts)?;
        if self.config.is_none() {
            self.config = Some(Config {
                raw: gguf::to_config(&whole),
            });
        }
        if let Some(first) = shards.first_mut() {
            first.contents.tensors = whole.tensors;
        }
        let begin = self.files.len();
        self.gguf.push(GgufHeader {
            files: begin..begin + shards.len(),
            metadata: whole.metadata,
        });
        Ok(())
    }
}

fn no_weights(path: &Path, config: &Option<Config>) -> Error {
    let what = match config {
        Some(_) => "no weight file, only a configuration (expected *.safetensors in the directory)",
        None => "no weight file (expected *.safetensors in the directory)",
    };
    Error::unsupported(path, what)
}

/// Name for people (guide/contract.md, section 5): the last part of `_name_or_path`, else ORG/NAME
/// of a hub folder, else the folder's or file's own name. An index is named after its folder.
fn name(path: &Path, config: Option<&Config>) -> String {
    let declared = config.and_then(Config::name_or_path).and_then(|declared| {
        declared
            .split(['/', '\\'])
            .rfind(|part| !matches!(*part, "" | "." | ".."))
    });
    if let Some(declared) = declared {
        return declared.to_string();
    }
    let resolved = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    // A snapshot's files are links into the store, so the place of the link tells the model.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let repository = [&resolved, &absolute]
        .into_iter()
        .find_map(|path| hub::repository(path)?.name());
    repository.unwrap_or_else(|| {
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        let named = if is_json {
            resolved.parent().unwrap_or(&resolved)
        } else {
            named_path(path, &resolved)
        };
        own_name(named)
    })
}

/// `path` where its last part is a name, else, for `.` and `..`, what it stands for.
fn named_path<'a>(path: &'a Path, resolved: &'a Path) -> &'a Path {
    if path.file_name().is_some() && !path.ends_with("..") {
        path
    } else {
        resolved
    }
}

fn own_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
