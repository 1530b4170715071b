//! Joins the files of one weight set: what its index promises, and names that stand in two files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::contents::Contents;
use super::index::Index;
use super::{limits, series};
use crate::error::{Error, Result, quoted};
use crate::model::checkpoint::TensorInfo;
use crate::model::warning::Warning;
use crate::source::{Region, Source};

/// A file of a set, read.
pub(super) struct Shard {
    /// Its name in the directory.
    pub(super) name: String,
    /// Its bytes.
    pub(super) source: Arc<dyn Source>,
    /// What it holds; the tensors' file number counts in the set.
    pub(super) contents: Contents,
}

impl Shard {
    /// The bytes of one of its tensors, in row-major order.
    fn bytes_of(&self, tensor: &TensorInfo) -> Region<'_> {
        match self.contents.strided.get(&tensor.name) {
            Some(view) => Region::whole(view),
            None => Region::new(&*self.source, tensor.offset, tensor.bytes),
        }
    }
}

/// Joins `shards`; their tensors are taken out and come back sorted by name bytes, each name once.
///
/// # Errors
/// A tensor that the index puts into a file that lacks it; a name in two files with different
/// contents.
pub(super) fn join(
    shards: &mut [Shard],
    index: Option<&(PathBuf, Index)>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<TensorInfo>> {
    let mut tensors: Vec<TensorInfo> = shards
        .iter_mut()
        .flat_map(|shard| shard.contents.tensors.drain(..))
        .collect();
    tensors.sort_unstable_by(|a, b| {
        a.name
            .as_bytes()
            .cmp(b.name.as_bytes())
            .then(a.file.cmp(&b.file))
    });
    if let Some((path, index)) = index {
        check_index(path, index, shards, &tensors, warnings)?;
    }
    drop_copies(tensors, shards, index.map(|(_, index)| index), warnings)
}

/// Every mapped tensor is in its file; tensors that the map does not name are told.
fn check_index(
    path: &std::path::Path,
    index: &Index,
    shards: &[Shard],
    tensors: &[TensorInfo],
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    let number: HashMap<&str, usize> = shards
        .iter()
        .enumerate()
        .map(|(i, shard)| (shard.name.as_str(), i))
        .collect();
    for (tensor, file) in &index.weight_map {
        let place = number
            .get(file.as_str())
            .map(|&file| (tensor.as_bytes(), file));
        let found = place.is_some_and(|place| {
            tensors
                .binary_search_by(|t| (t.name.as_bytes(), t.file).cmp(&place))
                .is_ok()
        });
        if !found {
            let what = format!(
                "tensor {} is mapped to {}, which does not hold it",
                quoted(tensor),
                quoted(file)
            );
            return Err(Error::malformed(path, what));
        }
    }
    let mut unnamed = tensors
        .iter()
        .filter(|tensor| index.file_of(&tensor.name).is_none());
    if let Some(first) = unnamed.next() {
        warnings.push(Warning::NotInIndex {
            first: first.name.clone(),
            tensors: unnamed.count() + 1,
        });
    }
    Ok(())
}

/// Keeps one of the copies of a name, that of the index where it names one, and tells of the
/// others.
fn drop_copies(
    tensors: Vec<TensorInfo>,
    shards: &[Shard],
    index: Option<&Index>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<TensorInfo>> {
    let mut kept: Vec<TensorInfo> = Vec::with_capacity(tensors.len());
    let mut copies = 0usize;
    let mut first_copy = None;
    for tensor in tensors {
        let Some(last) = kept.last_mut().filter(|last| last.name == tensor.name) else {
            kept.push(tensor);
            continue;
        };
        require_equal(last, &tensor, shards)?;
        copies += 1;
        first_copy.get_or_insert_with(|| tensor.name.clone());
        let named = index.and_then(|index| index.file_of(&tensor.name));
        if named.is_some() && shards.get(tensor.file).map(|shard| shard.name.as_str()) == named {
            *last = tensor;
        }
    }
    if let Some(name) = first_copy {
        warnings.push(Warning::TensorTwice {
            first: name,
            tensors: copies,
        });
    }
    Ok(kept)
}

fn require_equal(a: &TensorInfo, b: &TensorInfo, shards: &[Shard]) -> Result<()> {
    let (Some(first), Some(second)) = (shards.get(a.file), shards.get(b.file)) else {
        return Ok(());
    };
    let differ = |how: &str| {
        if let Some(what) = of_several(a, first, second) {
            return Error::unsupported(second.source.path(), what);
        }
        let what = format!(
            "tensor {} stands in {} too, with {how} (expected one)",
            quoted(&a.name),
            quoted(&first.name)
        );
        Error::malformed(second.source.path(), what)
    };
    if a.dtype != b.dtype || a.shape != b.shape || a.bytes != b.bytes {
        return Err(differ("another dtype or shape"));
    }
    match equal_bytes(first.bytes_of(a), second.bytes_of(b))? {
        true => Ok(()),
        false => Err(differ("different bytes")),
    }
}

/// What two files are that hold different tensors of one name and are no shards of an index: slices
/// of one model, or several models.
fn of_several(tensor: &TensorInfo, first: &Shard, second: &Shard) -> Option<String> {
    let patterns = [first, second].map(|shard| series::pattern(&shard.name));
    let (name, one, other) = (
        quoted(&tensor.name),
        quoted(&first.name),
        quoted(&second.name),
    );
    match patterns {
        [Some(one_pattern), Some(other_pattern)] if one_pattern == other_pattern => {
            if series::is_slice(&one_pattern) {
                return Some(format!(
                    "a slice of tensor {name}, as {one} is another: tensor-parallel files are not joined \
                     (expected whole tensors; the tool that wrote them merges them)"
                ));
            }
            (!series::is_part(&one_pattern)).then(|| {
                format!("several models, as {one} and {other} both hold tensor {name} (expected one: name its file)")
            })
        }
        _ => Some(format!(
            "several models, as {one} and {other} both hold tensor {name} (expected one: name its file)"
        )),
    }
}

/// Whether two tensors of one length hold the same bytes.
fn equal_bytes(first: Region<'_>, second: Region<'_>) -> Result<bool> {
    let (mut scratch, mut other_scratch) = (Vec::new(), Vec::new());
    let mut done = 0u64;
    while done < first.len() {
        let left = first.len() - done;
        let len = usize::try_from(left).map_or(limits::COMPARE_BYTES, |left| {
            left.min(limits::COMPARE_BYTES)
        });
        let one = first.bytes(done, len, &mut scratch)?;
        let other = second.bytes(done, len, &mut other_scratch)?;
        if one != other {
            return Ok(false);
        }
        done += len as u64;
    }
    Ok(true)
}
