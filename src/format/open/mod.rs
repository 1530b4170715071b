//! A place to an open checkpoint: directory, pipeline of directories, single file, index, hub cache
//! folder.

mod absent;
mod adapter;
mod aside;
mod find;
mod library;
mod parts;
mod stored;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::find::{CONFIG, Found, Set, find};
pub(crate) use self::library::{one_level_down, sketches_in};
use self::stored::Stored;
use super::adapter::Adapter;
use super::contents::ModelBeside;
use super::sketch::{self, Sketch};
use super::{gguf, sidecar, weights};
use crate::error::{Error, Result};
use crate::model::checkpoint::{Checkpoint, Format, TensorInfo, WeightFiles, WeightSet};
use crate::model::config::Config;
use crate::model::warning::Warning;
use crate::source::{At, Io, Listing, Place, Region, Source, Strided, locate};

/// A checkpoint with its files open.
pub struct Opened {
    /// What was found.
    pub checkpoint: Checkpoint,
    /// One source for each of [`Checkpoint::files`], in that order.
    pub(crate) sources: Vec<Arc<dyn Source>>,
    /// The bytes of those tensors whose elements do not lie one behind the other, by name.
    strided: BTreeMap<String, Strided>,
    /// What a PEFT adapter changes; its indices are those of [`Checkpoint::tensors`].
    pub(crate) adapter: Option<Adapter>,
    /// Headers of a GGUF checkpoint: what its converter did to the values.
    pub(crate) gguf: Vec<GgufHeader>,
    /// Models beside the one that is read, in the same file.
    others: Vec<ModelBeside>,
    /// The key of the model that is read, where there are others.
    key: Option<String>,
    /// The directory whose files are the checkpoint's own.
    pub(super) folder: Option<Arc<dyn Listing>>,
    /// The sketch that stands for the checkpoint, where its weights are not at hand.
    pub(crate) sketch: Option<Sketch>,
}

/// What the header of a GGUF model says of its files. A vision tower is a model of its own there.
#[derive(Clone)]
pub(crate) struct GgufHeader {
    files: Range<usize>,
    /// Key-value pairs.
    pub metadata: gguf::Metadata,
}

impl Opened {
    /// The model that a sketch was taken of, its one file read through `holes`.
    pub(super) fn of_sketch(
        checkpoint: Checkpoint,
        holes: Arc<dyn Source>,
        sketch: Sketch,
    ) -> Self {
        Self {
            checkpoint,
            sources: vec![holes],
            strided: BTreeMap::new(),
            adapter: None,
            gguf: Vec::new(),
            others: Vec::new(),
            key: None,
            folder: None,
            sketch: Some(sketch),
        }
    }

    /// The same checkpoint once more, over the same files.
    ///
    /// # Errors
    /// A sketch that cannot be read any more.
    pub(crate) fn again(&self) -> Result<Self> {
        if let Some(sketch) = &self.sketch {
            return sketch::opened(&self.checkpoint.path, Arc::clone(&sketch.source));
        }
        Ok(Self {
            checkpoint: self.checkpoint.clone(),
            sources: self.sources.clone(),
            strided: self.strided.clone(),
            adapter: self.adapter.clone(),
            gguf: self.gguf.clone(),
            others: self.others.clone(),
            key: self.key.clone(),
            folder: self.folder.clone(),
            sketch: None,
        })
    }

    /// Of a sketch all values that it keeps, those of the largest units too; what is no sketch, as it
    /// is.
    pub(crate) fn showing_largest(mut self) -> Self {
        if let Some(sketch) = &self.sketch {
            self.sources = vec![Arc::new(sketch.with_largest())];
        }
        self
    }

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

    /// Keys of the models in a file that holds several, the one that is read first.
    pub(crate) fn model_keys(&self) -> impl Iterator<Item = &str> {
        let others = self.others.iter().map(|model| model.key.as_str());
        self.key.as_deref().into_iter().chain(others)
    }

    /// Reads the model under `key` in place of the one that is read, its names without the key.
    pub(crate) fn choose(&mut self, key: &str) {
        let Some(model) = self.others.iter().find(|model| model.key == key) else {
            return;
        };
        let own_name = |name: &str| {
            let inner = name
                .strip_prefix(key)
                .and_then(|name| name.strip_prefix('.'));
            inner.unwrap_or(name).to_owned()
        };
        let names: Vec<String> = model.tensors.iter().map(|t| own_name(&t.name)).collect();
        let mut tensors = model.tensors.clone();
        let mut strided = BTreeMap::new();
        for (tensor, name) in tensors.iter_mut().zip(names) {
            if let Some(view) = self.strided.remove(&tensor.name) {
                strided.insert(name.clone(), view);
            }
            tensor.name = name;
        }
        tensors.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        self.strided = strided;
        self.checkpoint.tensors = tensors;
        self.key = Some(key.to_owned());
        for warning in &mut self.checkpoint.warnings {
            if let Warning::PickleParts { read, keys } = warning
                && let Some(own) = keys.iter_mut().find(|own| *own == key)
            {
                std::mem::swap(read, own);
            }
        }
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
    open_place(locate(path, io)?)
}

/// Every file that opening the checkpoint at `path` may read, where that can be told from names
/// alone: nothing is opened.
///
/// # Errors
/// Nothing there, or a directory that cannot be listed.
pub(crate) fn files_read(path: &Path) -> Result<Vec<PathBuf>> {
    let place = locate(path, Io::Read)?;
    let mut files = vec![path.join("refs").join("main")];
    let mut add = |folder: &dyn Listing| {
        let names = folder
            .files()
            .iter()
            .filter(|name| weights::may_be_read(name));
        files.extend(names.map(|name| folder.path_of(name)));
    };
    match &place.at {
        At::Folder(folder) => {
            add(&**folder);
            let inner = folder
                .folders()
                .iter()
                .filter_map(|name| folder.folder(name).ok());
            inner.for_each(|inner| add(&*inner));
        }
        At::File { name, folder, .. } => {
            add(&**folder);
            files.push(folder.path_of(name));
        }
    }
    Ok(files)
}

/// Opens what is at `path` for what its header and configuration say: as [`open_checkpoint`], or,
/// where there is a configuration and no weight file, the configuration alone: a checkpoint of
/// format `config`, without tensors.
///
/// # Errors
/// As [`open_checkpoint`]; no config.json there, or one that is no JSON object.
pub fn open_described(path: &Path, io: Io) -> Result<Opened> {
    let place = locate(path, io)?;
    if find::has_weights(&place) {
        return open_place(place);
    }
    Ok(Opened {
        checkpoint: config_alone(&place)?,
        sources: Vec::new(),
        strided: BTreeMap::new(),
        adapter: None,
        gguf: Vec::new(),
        others: Vec::new(),
        key: None,
        folder: find::own_folder(&place),
        sketch: None,
    })
}

/// As [`open_checkpoint`], of a place that was looked at, whatever its files are made of.
///
/// # Errors
/// As [`open_checkpoint`].
pub(crate) fn open_place(place: Place) -> Result<Opened> {
    if let Some(source) = sketch_at(&place)? {
        return sketch::opened(&place.path, source);
    }
    let (path, hub_name) = (place.path.clone(), place.name.clone());
    let folder = find::own_folder(&place);
    let others = place.other_snapshots();
    let Found {
        sets,
        aside,
        facts,
        adapter,
    } = find(place)?;

    let mut warnings = facts.warnings;
    let mut stored = Stored::default();
    for set in &sets {
        stored.add(set, &mut warnings)?;
    }
    let Some(format) = stored.format else {
        return Err(match &folder {
            Some(folder) => absent::error(&path, &**folder, &others),
            None => Error::unsupported(&path, "no weight file (expected *.safetensors)"),
        });
    };
    stored.require_unique_names()?;

    let config = facts.config.or(stored.config.take());
    let mut declared_base = facts.declared_base;
    if let (true, Some(header)) = (declared_base.is_empty(), stored.gguf.first()) {
        declared_base = gguf::declared_base(&header.metadata);
    }
    // The configuration of an adapter's folder is that of another model.
    let config_that_names = config.as_ref().filter(|_| adapter.is_none());
    let name = name(hub_name, config_that_names);
    let adapter = match adapter {
        Some((path, config)) => {
            let adapter = adapter::parse((&path, &config), &stored.files, &stored.tensors)?;
            warnings.extend(adapter.warnings.iter().cloned());
            declare(&adapter, &mut declared_base);
            Some(adapter)
        }
        None => {
            let folder = folder.as_deref();
            let adapter = adapter::parse_foreign(&path, folder, &stored, &mut warnings)?;
            adapter
                .iter()
                .for_each(|adapter| declare(adapter, &mut declared_base));
            adapter
        }
    };
    let checkpoint = Checkpoint {
        path,
        name,
        format: if adapter.is_some() {
            Format::Adapter
        } else {
            format
        },
        files: stored.files,
        tensors: stored.tensors,
        config,
        declared_base,
        weight_sets: sets.iter().map(Set::describe).collect(),
        left_aside: Vec::new(),
        warnings,
    };
    let mut opened = Opened {
        checkpoint,
        sources: stored.sources,
        strided: stored.strided,
        adapter,
        gguf: stored.gguf,
        others: stored.others,
        key: stored.key,
        folder,
        sketch: None,
    };
    aside::look(&mut opened, aside);
    Ok(opened)
}

/// The sketch at `path`, where the file there is one.
///
/// # Errors
/// Nothing there, a read that fails, a damaged sketch.
pub(crate) fn sketch_alone(path: &Path) -> Result<Option<Opened>> {
    let place = locate(path, Io::Read)?;
    let source = sketch_at(&place)?;
    source
        .map(|source| sketch::opened(&place.path, source))
        .transpose()
}

/// The sketch at a place, where a file there is one.
fn sketch_at(place: &Place) -> Result<Option<Arc<dyn Source>>> {
    let At::File { name, folder, .. } = &place.at else {
        return Ok(None);
    };
    let Some(source) = folder.open(name)? else {
        return Ok(None);
    };
    Ok(sketch::is_sketch(&*source)?.then_some(source))
}

/// Adds the base that an adapter declares.
fn declare(adapter: &Adapter, declared_base: &mut Vec<String>) {
    if let Some(base) = &adapter.declared_base
        && !declared_base.contains(base)
    {
        declared_base.push(base.clone());
    }
}

fn config_alone(place: &Place) -> Result<Checkpoint> {
    let (name_of_file, folder, declared_base) = match &place.at {
        At::Folder(folder) => (CONFIG, folder, find::declared_base(&**folder)),
        At::File { name, folder, .. } => (name.as_str(), folder, Vec::new()),
    };
    let mut warnings = Vec::new();
    let config = sidecar::read_config(&**folder, name_of_file, &mut warnings)?;
    let Some(config) = config else {
        return Err(Error::unsupported(
            &place.path,
            "no config.json (expected a model's directory)",
        ));
    };
    Ok(Checkpoint {
        path: place.path.clone(),
        name: name(place.name.clone(), Some(&config)),
        format: Format::Config,
        files: Vec::new(),
        tensors: Vec::new(),
        config: Some(config),
        declared_base,
        weight_sets: vec![WeightSet {
            prefix: String::new(),
            files: WeightFiles::ConfigAlone(CONFIG.to_owned()),
        }],
        left_aside: Vec::new(),
        warnings,
    })
}

/// Name for people (guide/contract.md, section 5): the last part of `_name_or_path`, else that of
/// the place.
fn name(of_place: String, config: Option<&Config>) -> String {
    let declared = config.and_then(Config::name_or_path).and_then(|declared| {
        declared
            .split(['/', '\\'])
            .rfind(|part| !matches!(*part, "" | "." | ".."))
    });
    declared.map_or(of_place, str::to_owned)
}

#[cfg(test)]
mod tests;
