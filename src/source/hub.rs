//! The cache of huggingface_hub: `models--ORG--NAME/{blobs,refs,snapshots}`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::directory::ENTRIES;
use super::file::read_small;
use crate::error::{Error, Result};

const PREFIX: &str = "models--";

/// Longest content of refs/main, which holds 40 hexadecimal digits.
const REF_BYTES: u64 = 1_000;

/// The cache folder of one model.
pub(super) struct Repository {
    root: PathBuf,
}

/// The cache folder that `path`, links resolved, is or lies in.
pub(super) fn repository(path: &Path) -> Option<Repository> {
    let is_root = |path: &Path| {
        is_cache_folder(path).then(|| Repository {
            root: path.to_path_buf(),
        })
    };
    is_root(path).or_else(|| {
        let snapshots = path
            .ancestors()
            .find(|folder| folder.file_name() == Some(OsStr::new("snapshots")))?;
        is_root(snapshots.parent()?)
    })
}

fn is_cache_folder(path: &Path) -> bool {
    let named = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    path.join("snapshots").is_dir() && (named || path.join("blobs").is_dir())
}

impl Repository {
    /// `ORG/NAME`, or `NAME` for a model without an organisation; none where the folder was
    /// renamed.
    pub(super) fn name(&self) -> Option<String> {
        let folder = self.root.file_name()?.to_string_lossy().into_owned();
        Some(folder.strip_prefix(PREFIX)?.replacen("--", "/", 1))
    }

    /// Where links of a snapshot may lead: the model's own folder, and the store that a cache
    /// shares between models.
    pub(super) fn link_roots(&self) -> Vec<PathBuf> {
        // The store itself must lie in the cache: a link there could lead anywhere.
        let cache = self.root.parent();
        let shared = cache.and_then(|cache| {
            let store = fs::canonicalize(cache.join("blobs")).ok()?;
            store.starts_with(cache).then_some(store)
        });
        std::iter::once(self.root.clone()).chain(shared).collect()
    }
}

/// The snapshot to read of the cache folder `path`: what refs/main names, else the only one. `None`
/// where `path` is no cache folder.
///
/// # Errors
/// refs/main names no snapshot that is there; or there is no refs/main and not exactly one
/// snapshot.
pub(super) fn snapshot(path: &Path) -> Result<Option<PathBuf>> {
    let resolved = fs::canonicalize(path).map_err(|e| Error::io(path, e))?;
    if !is_cache_folder(&resolved) {
        return Ok(None);
    }
    let snapshots = path.join("snapshots");
    require_inside(&snapshots, &resolved)?;
    let main = path.join("refs").join("main");
    if main.exists() {
        require_inside(&main, &resolved)?;
        let content = read_small(&main, REF_BYTES)?;
        let commit = String::from_utf8_lossy(&content).trim().to_string();
        let plain = !commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain {
            return Err(Error::malformed(
                &main,
                "not the name of a snapshot (expected a commit)",
            ));
        }
        let snapshot = snapshots.join(&commit);
        return match snapshot.is_dir() {
            true => {
                require_inside(&snapshot, &resolved)?;
                Ok(Some(snapshot))
            }
            false => Err(Error::malformed(
                path,
                format!("refs/main names snapshot {commit}, which is not there: not downloaded"),
            )),
        };
    }
    let entries = fs::read_dir(&snapshots)
        .map_err(|e| Error::io(&snapshots, e))?
        .take(ENTRIES);
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    match (found.pop(), found.len()) {
        (Some(only), 0) => {
            require_inside(&only, &resolved)?;
            Ok(Some(only))
        }
        (None, _) => Err(Error::malformed(
            path,
            "a hub cache folder without a snapshot: not downloaded",
        )),
        (Some(_), more) => {
            let what = format!(
                "{} snapshots and no refs/main (expected the path of one)",
                more + 1
            );
            Err(Error::malformed(path, what))
        }
    }
}

/// That `path`, links followed, lies in the hub cache folder `root`.
///
/// # Errors
/// A link that leads out.
fn require_inside(path: &Path, root: &Path) -> Result<()> {
    let target = fs::canonicalize(path).map_err(|e| Error::io(path, e))?;
    match target.starts_with(root) {
        true => Ok(()),
        false => Err(Error::malformed(
            path,
            "a symbolic link that leads out of the hub cache folder (expected a place inside)",
        )),
    }
}

/// Other snapshots listed of the cache folder `path`.
const SNAPSHOTS: usize = 16;

/// The snapshots of the cache folder `path` but for `read`, sorted.
pub(super) fn other_snapshots(path: &Path, read: &Path) -> Vec<PathBuf> {
    let Ok(root) = fs::canonicalize(path) else {
        return Vec::new();
    };
    let snapshots = path.join("snapshots");
    if !is_cache_folder(&root) || read.parent() != Some(&snapshots) {
        return Vec::new();
    }
    let entries = fs::read_dir(&snapshots).into_iter().flatten().take(ENTRIES);
    let paths = entries.flatten().map(|entry| entry.path());
    let mut others: Vec<PathBuf> = paths
        .filter(|path| path != read && path.is_dir() && require_inside(path, &root).is_ok())
        .collect();
    others.sort();
    others.truncate(SNAPSHOTS);
    others
}
