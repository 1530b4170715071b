//! The weight files of a checkpoint, opened and joined.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::super::contents::ModelBeside;
use super::super::formats;
use super::super::gguf::{self, GgufFile};
use super::super::merge::{self, Shard};
use super::GgufHeader;
use super::find::Set;
use crate::error::{Error, Result, quoted};
use crate::model::checkpoint::{File, Format, TensorInfo};
use crate::model::config::Config;
use crate::model::warning::Warning;
use crate::source::{Source, Strided};

/// What was read so far, of all sets.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) format: Option<Format>,
    pub(super) files: Vec<File>,
    pub(super) sources: Vec<Arc<dyn Source>>,
    pub(super) strided: BTreeMap<String, Strided>,
    pub(super) tensors: Vec<TensorInfo>,
    /// Models beside the one that is read, in the same file.
    pub(super) others: Vec<ModelBeside>,
    /// The key of the model that is read, where there are others.
    pub(super) key: Option<String>,
    pub(super) config: Option<Config>,
    /// What `__metadata__` of safetensors files tells of an adapter.
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) gguf: Vec<GgufHeader>,
}

impl Stored {
    /// Opens the files of `set` and adds what they hold under the set's prefix.
    ///
    /// # Errors
    /// A file that breaks its format or is of another one; files that contradict one another or
    /// their index.
    pub(super) fn add(&mut self, set: &Set, warnings: &mut Vec<Warning>) -> Result<()> {
        let mut shards = Vec::with_capacity(set.files.len());
        let mut format = None;
        for (number, name) in set.files.iter().enumerate() {
            let (own, shard) = self.read_shard(set, number, name, warnings)?;
            if *format.get_or_insert(own) != own {
                let what = format!("a {own} file in a set of another format (expected one format)");
                return Err(Error::unsupported(shard.source.path(), what));
            }
            shards.push(shard);
        }
        // Folders of one model may each have another format; that of the first is its word.
        self.format = self.format.or(format);
        self.join_gguf(&mut shards)?;
        let tensors = merge::join(&mut shards, set.index.as_ref(), warnings)?;
        self.take_others(set, &mut shards);
        self.take_tensors(set, tensors, &mut shards);
        self.take_files(set, shards);
        Ok(())
    }

    /// Opens file number `number` of a set and reads its header.
    fn read_shard(
        &mut self,
        set: &Set,
        number: usize,
        name: &str,
        warnings: &mut Vec<Warning>,
    ) -> Result<(Format, Shard)> {
        let Some(source) = set.folder.open(name)? else {
            let what = "is not there any more (expected a directory at rest)";
            return Err(Error::malformed(&set.folder.path_of(name), what));
        };
        let (format, mut contents) = formats::read(&source, number)?;
        warnings.append(&mut contents.warnings);
        self.metadata.append(&mut contents.metadata);
        if self.config.is_none() {
            self.config = contents.config.take();
        }
        let name = name.to_owned();
        let shard = Shard {
            name,
            source,
            contents,
        };
        Ok((format, shard))
    }

    /// Takes the joined tensors of a set over, under its prefix.
    fn take_tensors(&mut self, set: &Set, tensors: Vec<TensorInfo>, shards: &mut [Shard]) {
        let first_file = self.files.len();
        self.tensors.reserve_exact(tensors.len());
        for tensor in tensors {
            let view = shards
                .get_mut(tensor.file)
                .and_then(|shard| shard.contents.strided.remove(&tensor.name));
            let name = match set.prefix.as_str() {
                "" => tensor.name,
                prefix => format!("{prefix}{}", tensor.name),
            };
            if let Some(view) = view {
                self.strided.insert(name.clone(), view);
            }
            self.tensors.push(TensorInfo {
                name,
                file: tensor.file + first_file,
                ..tensor
            });
        }
    }

    /// Takes over what stands beside the model in the file of a set that is one file.
    fn take_others(&mut self, set: &Set, shards: &mut [Shard]) {
        let ([shard], "") = (shards, set.prefix.as_str()) else {
            return;
        };
        self.key = shard.contents.key.take();
        for mut other in shard.contents.others.drain(..) {
            for tensor in &mut other.tensors {
                tensor.file = self.files.len();
                if let Some(view) = shard.contents.strided.remove(&tensor.name) {
                    self.strided.insert(tensor.name.clone(), view);
                }
            }
            self.others.push(other);
        }
    }

    fn take_files(&mut self, set: &Set, shards: Vec<Shard>) {
        for Shard { name, source, .. } in shards {
            self.files.push(File {
                name: format!("{}{name}", set.prefix),
                path: source.path().to_path_buf(),
                bytes: source.len(),
            });
            self.sources.push(source);
        }
    }

    /// Sorts the tensors of all sets by name bytes, of which none may stand in two sets.
    ///
    /// # Errors
    /// A name in two sets.
    pub(super) fn require_unique_names(&mut self) -> Result<()> {
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
        let mut parts = Vec::new();
        for shard in shards.iter_mut() {
            if let Some(part) = shard.contents.gguf.take() {
                parts.push((shard.source.path().to_path_buf(), part));
            }
        }
        let Some((path, first)) = parts.first() else {
            return Ok(());
        };
        if first.split.is_some() {
            let names: Vec<&str> = shards.iter().map(|shard| shard.name.as_str()).collect();
            require_all_parts(path, &names)?;
        }

        let whole = gguf::join_splits(parts)?;
        if self.config.is_none() {
            self.config = Some(Config {
                raw: gguf::to_config(&whole),
            });
        }
        let GgufFile {
            metadata, tensors, ..
        } = whole;
        if let Some(first) = shards.first_mut() {
            first.contents.tensors = tensors;
        }
        let begin = self.files.len();
        self.gguf.push(GgufHeader {
            files: begin..begin + shards.len(),
            metadata,
        });
        Ok(())
    }
}

/// That none of the parts that the sorted `names` of a split model count to is missing.
fn require_all_parts(first: &Path, names: &[&str]) -> Result<()> {
    let Some(missing) = gguf::missing_part(names) else {
        return Ok(());
    };
    let what = format!(
        "its part {} is not there: not downloaded (expected all parts)",
        quoted(&missing)
    );
    Err(Error::malformed(first, what))
}
