//! Checkpoints from a source of bytes that is neither a map nor a file, sound and with faults.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compare::compare;
use super::options::Options;
use crate::error::{Error, Result};
use crate::format::open::{Opened, open_checkpoint, open_place};
use crate::measure::monitor::Silent;
use crate::source::{At, Io, Listing, Place, Source};

/// What goes wrong in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// A read of this byte is refused.
    Refused(u64),
    /// The file ends before this byte, and says that it is longer.
    Short(u64),
    /// The file is another one after it was read.
    Changed,
}

/// A file in memory.
#[derive(Clone)]
struct Kept {
    path: PathBuf,
    bytes: Arc<[u8]>,
    fault: Fault,
}

impl Source for Kept {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let range = offset..offset + out.len() as u64;
        match self.fault {
            Fault::Refused(at) if range.contains(&at) => {
                return Err(Error::io(&self.path, io::Error::other("refused")));
            }
            Fault::Short(end) if range.end > end => {
                return Err(Error::malformed(&self.path, "ends too early"));
            }
            _ => {}
        }
        let (begin, end) = (range.start as usize, range.end as usize);
        match self.bytes.get(begin..end) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => return Err(Error::malformed(&self.path, "read past the end")),
        }
        Ok(())
    }

    fn check_unchanged(&self) -> Result<()> {
        match self.fault {
            Fault::Changed => Err(Error::malformed(&self.path, "changed meanwhile")),
            _ => Ok(()),
        }
    }
}

/// A directory in memory.
struct Shelf {
    path: PathBuf,
    names: Vec<String>,
    files: BTreeMap<String, Kept>,
}

impl Shelf {
    /// A copy of a directory without directories, its file `name` with a fault.
    fn copy(path: &Path, name: &str, fault: Fault) -> Self {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let own_name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let file = Kept {
                bytes: std::fs::read(&path).unwrap().into(),
                fault: if own_name == name { fault } else { Fault::None },
                path,
            };
            files.insert(own_name, file);
        }
        Self {
            path: path.to_path_buf(),
            names: files.keys().cloned().collect(),
            files,
        }
    }

    fn place(self) -> Place {
        Place {
            path: self.path.clone(),
            name: self.path.file_name().unwrap().to_str().unwrap().to_owned(),
            at: At::Folder(Arc::new(self)),
        }
    }
}

impl Listing for Shelf {
    fn path(&self) -> &Path {
        &self.path
    }

    fn files(&self) -> &[String] {
        &self.names
    }

    fn folders(&self) -> &[String] {
        &[]
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn Source>>> {
        let file = self.files.get(name).cloned();
        Ok(file.map(|file| Arc::new(file) as Arc<dyn Source>))
    }

    fn folder(&self, name: &str) -> Result<Arc<dyn Listing>> {
        Err(Error::malformed(&self.path.join(name), "no directory"))
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// The whole answer, to be compared with another.
fn answer(base: Opened, target: Opened) -> Result<String> {
    let options = Options::default();
    let result = compare(base, target, &options, &Silent)?;
    Ok(format!("{result:?}"))
}

/// The answer about two fixtures in memory, where one file of the target has a fault.
fn answer_with(base: &str, target: &str, name: &str, fault: Fault) -> Result<String> {
    let sound = Shelf::copy(&fixture(base), "", Fault::None);
    let faulty = Shelf::copy(&fixture(target), name, fault);
    answer(open_place(sound.place())?, open_place(faulty.place())?)
}

#[test]
fn the_answer_is_that_of_the_files() {
    for (base, target) in [
        ("base", "fine-tuned"),
        ("base", "sharded"),
        ("moe-base", "moe-fine-tuned"),
        ("base", "mixed-dtypes"),
    ] {
        let open = |name: &str| open_checkpoint(&fixture(name), Io::Read).unwrap();
        let expected = answer(open(base), open(target)).unwrap();
        let found = answer_with(base, target, "", Fault::None).unwrap();
        assert_eq!(found, expected, "{base} and {target}");
    }
}

#[test]
fn a_fault_anywhere_ends_in_an_error_that_names_the_file() {
    let path = fixture("fine-tuned").join("model.safetensors");
    let len = std::fs::metadata(&path).unwrap().len();
    let mut faults = vec![Fault::Changed];
    for at in [0, 7, 8, 100, len / 3, len / 2, len - 1] {
        faults.extend([Fault::Refused(at), Fault::Short(at)]);
    }
    for fault in faults {
        let found = answer_with("base", "fine-tuned", "model.safetensors", fault);
        let error = found.expect_err("a fault").to_string();
        assert!(
            error.contains("fine-tuned/model.safetensors: "),
            "{fault:?}: {error}"
        );
        let what = match fault {
            Fault::Refused(_) => "refused",
            Fault::Short(_) => "ends too early",
            Fault::Changed | Fault::None => "changed meanwhile",
        };
        assert!(error.ends_with(what), "{fault:?}: {error}");
    }
}

#[test]
fn a_fault_in_a_small_file_is_told_too() {
    let found = answer_with("base", "fine-tuned", "config.json", Fault::Refused(3));
    let error = found.expect_err("a fault").to_string();
    assert!(error.contains("fine-tuned/config.json: refused"), "{error}");
    // A card is a claim that is never needed.
    answer_with("base", "fine-tuned", "README.md", Fault::Refused(0)).unwrap();
}
