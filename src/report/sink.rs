//! Where a report goes: standard output, or a file that is there whole or not at all.
//!
//! A regular file is written beside its place, flushed to the disk and renamed into it, so that
//! nobody ever sees half a report. What is no regular file (a pipe, /dev/null) is written directly.
//! A reader that has gone away is no error: the answer was given.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::NamedTempFile;

use super::Report;
use crate::error::{Error, Result};

/// Files that are being written beside their places.
static PENDING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl Destination {
    /// `-` is standard output, and so are the names that the system has for it: opened anew they
    /// would be written from the front, over what a shell has put there.
    ///
    /// # Errors
    /// An empty path.
    pub fn from_path(path: &Path) -> Result<Self> {
        match path.as_os_str() {
            name if name == "-" => Ok(Self::Stdout),
            name if name.is_empty() => Err(Error::Usage(
                "--output needs a file name (or - for standard output)".into(),
            )),
            _ if is_stdout(path) => Ok(Self::Stdout),
            _ => Ok(Self::File(path.to_path_buf())),
        }
    }

    /// Tells before the work begins whether a report could be written there; nothing is changed.
    ///
    /// # Errors
    /// A directory, a file that may not be written, a directory that is missing or may not be
    /// written.
    pub fn check(&self) -> Result<()> {
        let Self::File(path) = self else {
            return Ok(());
        };
        place(path).map_err(|source| Error::output(path, source))?;
        Ok(())
    }

    /// Whether this is the file at `input`, under whatever name: also that of another link.
    pub fn is_file(&self, input: &Path) -> bool {
        let Self::File(path) = self else { return false };
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let identity = |path: &Path| fs::metadata(path).ok().map(|of| (of.dev(), of.ino()));
            if identity(path).is_some_and(|own| identity(input) == Some(own)) {
                return true;
            }
        }
        match (fs::canonicalize(path), fs::canonicalize(input)) {
            (Ok(path), Ok(input)) => path == input,
            _ => false,
        }
    }

    /// Whether both would be written at one place, under whatever names.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(own), Self::File(path)) => {
                self.is_file(path) || where_written(own) == where_written(path)
            }
            (own, other) => own == other,
        }
    }

    /// Writes the whole report.
    ///
    /// # Errors
    /// As [`write_all`].
    pub fn write(&self, report: Report) -> Result<()> {
        write_all(vec![(self.clone(), report)])
    }
}

/// Writes reports, the files first: all of them or none.
///
/// # Errors
/// The system refuses one; files then keep what they held before. A closed pipe is no error.
pub(crate) fn write_all(reports: Vec<(Destination, Report)>) -> Result<()> {
    let mut ready = Vec::new();
    let mut streams = Vec::new();
    for (destination, report) in reports {
        let Destination::File(path) = &destination else {
            streams.push((destination, report));
            continue;
        };
        let refused = |source| Error::output(path, source);
        match place(path).map_err(refused)? {
            Place::Special => streams.push((destination, report)),
            Place::Regular(place) => {
                let beside = beside(&place, report).map_err(refused)?;
                ready.push((path.clone(), place, beside));
            }
        }
    }
    let mut pending = pending();
    for (path, place, beside) in ready {
        let persisted = beside.persist(&place).map(drop);
        persisted.map_err(|error| Error::output(&path, error.error))?;
    }
    pending.clear();
    drop(pending);
    streams
        .into_iter()
        .try_for_each(|(destination, report)| stream(&destination, report))
}

/// Writes to standard output, a device or a pipe.
fn stream(destination: &Destination, report: Report) -> Result<()> {
    let (path, written) = match destination {
        Destination::Stdout => (
            Path::new("standard output"),
            deliver(&mut io::stdout().lock(), report),
        ),
        Destination::File(path) => {
            let opened = OpenOptions::new().append(true).open(path);
            let written = opened.and_then(|mut file| deliver(&mut file, report));
            (path.as_path(), written)
        }
    };
    match written {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => Err(Error::output(path, source)),
        _ => Ok(()),
    }
}

fn deliver(out: &mut dyn Write, report: Report) -> io::Result<()> {
    report.write(out)?;
    out.flush()
}

/// How a path is written, links followed.
enum Place {
    /// A regular file or nothing: this path is renamed over.
    Regular(PathBuf),
    /// A device or a pipe.
    Special,
}

fn place(path: &Path) -> io::Result<Place> {
    match fs::metadata(path) {
        // A descriptor of this process, whatever is behind it: never renamed over.
        Ok(_) if is_of_the_system(path) => Ok(Place::Special),
        Ok(found) if found.is_dir() => Err(io::Error::new(
            ErrorKind::IsADirectory,
            "a directory (expected a file)",
        )),
        Ok(found) if !found.is_file() => Ok(Place::Special),
        Ok(_) => {
            // A rename needs no right to write the file it replaces; whoever took that right away
            // meant it.
            OpenOptions::new().append(true).open(path)?;
            let path = fs::canonicalize(path)?;
            try_directory(&path)?;
            Ok(Place::Regular(path))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let path = dangling_target(path);
            try_directory(&path)?;
            Ok(Place::Regular(path))
        }
        Err(error) => Err(error),
    }
}

/// As many links as Linux follows.
const LONGEST_CHAIN: usize = 40;

/// The names that the system has for the descriptors of a process; /dev/shm holds files.
const DESCRIPTORS: [&str; 5] = [
    "/dev/fd",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/stderr",
    "/proc",
];

fn is_of_the_system(path: &Path) -> bool {
    let mut links = links(path);
    links.any(|link| DESCRIPTORS.iter().any(|folder| link.starts_with(folder)))
}

/// Whether a path is, or leads to, one of the system's names for standard output.
fn is_stdout(path: &Path) -> bool {
    let names = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].map(Path::new);
    links(path).any(|link| names.contains(&&*link))
}

/// A path and where its last links lead, one by one.
fn links(path: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |path: &PathBuf| {
        let target = fs::read_link(path).ok()?;
        Some(directory(path).join(target))
    };
    std::iter::successors(Some(path.to_path_buf()), next).take(LONGEST_CHAIN)
}

/// Where a path that leads nowhere would lead, its last links followed.
fn dangling_target(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..LONGEST_CHAIN {
        match fs::read_link(&path) {
            Ok(next) => path = directory(&path).join(next),
            Err(_) => break,
        }
    }
    path
}

/// The directory, links followed, and the name of what would be written.
fn where_written(path: &Path) -> PathBuf {
    let path = dangling_target(path);
    let place = fs::canonicalize(directory(&path)).unwrap_or_else(|_| directory(&path).into());
    path.file_name()
        .map(|name| place.join(name))
        .unwrap_or(path)
}

fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Whether a file can be created beside `path`, tried with one that has no name.
fn try_directory(path: &Path) -> io::Result<()> {
    let parent = directory(path);
    if path.file_name().is_none() || !fs::metadata(parent).is_ok_and(|found| found.is_dir()) {
        return Err(io::Error::new(
            ErrorKind::NotFound,
            format!("no directory \"{}\"", parent.display()),
        ));
    }
    tempfile::tempfile_in(parent).map(drop)
}

/// The report in a file beside its place, complete and on the disk.
fn beside(path: &Path, report: Report) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wcmp-").suffix(".partial");
    #[cfg(unix)]
    {
        // What any new file gets: the umask takes its share.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut pending = pending();
    let mut beside = builder.tempfile_in(directory(path))?;
    pending.push(beside.path().to_path_buf());
    drop(pending);
    // By the file itself: an error of the other way names the file beside.
    deliver(beside.as_file_mut(), report)?;
    finish(beside.as_file(), path)?;
    Ok(beside)
}

/// Permissions of the file that is replaced, and everything on the disk.
fn finish(file: &File, path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(old) => file.set_permissions(old.permissions())?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    file.sync_all()
}

fn pending() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    PENDING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Removes the file that is being written; from here on no report appears. For a process that is
/// about to end.
pub(crate) fn abandon() {
    let mut pending = pending();
    remove(&mut pending);
    // Held for ever: a writer that is ready to rename waits for the end.
    std::mem::forget(pending);
}

/// As [`abandon`], on a thread that may itself be writing: it does nothing where that would wait.
pub(crate) fn abandon_if_free() {
    if let Ok(mut pending) = PENDING.try_lock() {
        remove(&mut pending);
        std::mem::forget(pending);
    }
}

fn remove(pending: &mut Vec<PathBuf>) {
    for path in pending.drain(..) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(directory: &Path, name: &str, report: &str) -> Result<()> {
        let destination = Destination::from_path(&directory.join(name)).unwrap();
        destination.check()?;
        destination.write(report.to_owned().into())
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_created_and_replaced_with_nothing_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path(), "report", "first, and longer\n").unwrap();
        written(directory.path(), "report", "second\n").unwrap();
        assert_eq!(
            fs::read_to_string(directory.path().join("report")).unwrap(),
            "second\n"
        );
        assert_eq!(names(directory.path()), ["report"]);
    }

    #[test]
    fn a_check_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report");
        Destination::File(path.clone()).check().unwrap();
        assert!(names(directory.path()).is_empty());
        fs::write(&path, "kept").unwrap();
        Destination::File(path.clone()).check().unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "kept");
    }

    #[test]
    fn directories_and_missing_directories_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let inside = Destination::File(directory.path().join("missing/report"));
        let message = inside.check().unwrap_err().to_string();
        assert!(
            message.contains("missing/report") && message.contains("no directory"),
            "{message}"
        );
        let itself = Destination::File(directory.path().to_path_buf());
        assert!(
            itself
                .check()
                .unwrap_err()
                .to_string()
                .contains("a directory (expected a file)")
        );
        assert!(Destination::from_path(Path::new("")).is_err());
        assert_eq!(
            Destination::from_path(Path::new("-")).unwrap(),
            Destination::Stdout
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_are_written_directly() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("report", &link).unwrap();
        written(directory.path(), "link", "through a link to nothing").unwrap();
        written(directory.path(), "link", "through a link to a file").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(
            fs::read_to_string(directory.path().join("report")).unwrap(),
            "through a link to a file"
        );
        written(Path::new("/dev"), "null", "gone").unwrap();
        assert!(Destination::File(link).is_file(&directory.path().join("report")));
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_the_file_that_is_replaced_or_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            fs::metadata(directory.path().join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        fs::write(directory.path().join("plain"), "").unwrap();
        written(directory.path(), "report", "x").unwrap();
        assert_eq!(mode("report"), mode("plain"));
        fs::set_permissions(
            directory.path().join("report"),
            fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        written(directory.path(), "report", "y").unwrap();
        assert_eq!(mode("report"), 0o640);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let message = Destination::File("/dev/full".into())
            .write("x".to_owned().into())
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("/dev/full: ") && message.contains("No space left"),
            "{message}"
        );
    }
}
