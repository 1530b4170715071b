//! A directory of the file system: what is in it, and where its symbolic links may lead.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Io, Listing, Source, file, hub};
use crate::error::{Error, Result, escape_controls};

/// Entries of one directory that are listed.
pub(super) const ENTRIES: usize = 100_000;

/// A listed directory.
pub(super) struct Directory {
    path: PathBuf,
    io: Io,
    /// Directories, links resolved, that hold every file a link may name.
    roots: Vec<PathBuf>,
    files: Names,
    folders: Names,
    /// Name and path of a file that the user named: a link of that name may lead anywhere.
    named: Option<(String, PathBuf)>,
}

/// Names for people, sorted, and what the system calls each.
#[derive(Default)]
struct Names {
    shown: Vec<String>,
    system: Vec<OsString>,
}

impl Names {
    fn new(mut names: Vec<(String, OsString)>) -> Self {
        names.sort_unstable();
        let (shown, system) = names.into_iter().unzip();
        Self { shown, system }
    }

    fn system_name(&self, shown: &str) -> Option<&OsString> {
        let at = self
            .shown
            .binary_search_by(|name| name.as_str().cmp(shown))
            .ok()?;
        self.system.get(at)
    }
}

impl Directory {
    /// Lists `path`; files are opened in the way that `io` names.
    ///
    /// # Errors
    /// Not a readable directory, or more than [`ENTRIES`] entries.
    pub(super) fn open(path: &Path, io: Io) -> Result<Self> {
        let own = fs::canonicalize(path).map_err(|e| Error::io(path, e))?;
        let mut roots = hub::repository(&own)
            .map(|repository| repository.link_roots())
            .unwrap_or_default();
        roots.push(own);

        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(path).map_err(|e| Error::io(path, e))? {
            let entry = entry.map_err(|e| Error::io(path, e))?;
            if files.len() + folders.len() == ENTRIES {
                let what = format!("more than {ENTRIES} entries (expected a model's directory)");
                return Err(Error::malformed(path, what));
            }
            let name = entry.file_name();
            let listed = (name.to_string_lossy().into_owned(), name);
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                folders.push(listed)
            } else {
                files.push(listed)
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            io,
            roots,
            files: Names::new(files),
            folders: Names::new(folders),
            named: None,
        })
    }

    /// The same with the file `path`, called `name`, that the user named in it.
    pub(super) fn with_named(self, name: String, path: PathBuf) -> Self {
        Self {
            named: Some((name, path)),
            ..self
        }
    }

    /// A directory that cannot be listed, of which nothing but the file `path` is known.
    pub(super) fn of_one_file(directory: &Path, name: String, path: PathBuf, io: Io) -> Self {
        Self {
            path: directory.to_path_buf(),
            io,
            roots: Vec::new(),
            files: Names::new(vec![(name.clone(), OsString::from(&name))]),
            folders: Names::default(),
            named: Some((name, path)),
        }
    }

    /// Where the file of that name is read; `None` where there is none.
    fn resolve(&self, name: &str) -> Result<Option<PathBuf>> {
        if let Some(path) = self.path_if_named(name) {
            return Ok(Some(path.clone()));
        }
        let Some(system_name) = self.files.system_name(name) else {
            return Ok(None);
        };
        let path = self.path.join(system_name);
        self.require_inside(&path)?;
        Ok(Some(path))
    }

    fn path_if_named(&self, name: &str) -> Option<&PathBuf> {
        let (named, path) = self.named.as_ref()?;
        (named == name).then_some(path)
    }

    /// That `path` is no symbolic link to nothing, or to somewhere else than the directory and the
    /// stores of its hub cache.
    fn require_inside(&self, path: &Path) -> Result<()> {
        let Ok(target) = fs::read_link(path) else {
            return Ok(());
        };
        let shown = escape_controls(&target.to_string_lossy());
        let resolved = fs::canonicalize(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::malformed(
                path,
                format!("a symbolic link to {shown}, which is not there: not downloaded"),
            ),
            _ => Error::io(path, e),
        })?;
        match self.roots.iter().any(|root| resolved.starts_with(root)) {
            true => Ok(()),
            false => Err(Error::malformed(
                path,
                format!(
                    "a symbolic link that leads out of the checkpoint, to {shown} (expected a file inside)"
                ),
            )),
        }
    }
}

impl Listing for Directory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn files(&self) -> &[String] {
        &self.files.shown
    }

    /// Links to directories are not followed.
    fn folders(&self) -> &[String] {
        &self.folders.shown
    }

    fn path_of(&self, name: &str) -> PathBuf {
        if let Some(path) = self.path_if_named(name) {
            return path.clone();
        }
        match self.files.system_name(name) {
            Some(system_name) => self.path.join(system_name),
            None => self.path.join(name),
        }
    }

    fn has(&self, name: &str) -> Result<bool> {
        Ok(self.resolve(name)?.is_some())
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn Source>>> {
        let path = self.resolve(name)?;
        path.map(|path| super::open(&path, self.io)).transpose()
    }

    fn folder(&self, name: &str) -> Result<Arc<dyn Listing>> {
        let path = match self.folders.system_name(name) {
            Some(system_name) => self.path.join(system_name),
            None => self.path.join(name),
        };
        Ok(Arc::new(Self::open(&path, self.io)?))
    }

    /// Read without a map, which a small file is not worth.
    fn read_start(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = self.resolve(name)?;
        path.map(|path| file::read_start(&path, limit)).transpose()
    }
}
