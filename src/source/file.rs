//! A regular file, read by position.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Source, require_inside, shrank};
use crate::error::{Error, Result};

/// Opens `path` if it is a regular file: a FIFO would block, a device or a socket has no length.
///
/// # Errors
/// Not there, a symbolic link to nothing, not a regular file, or not readable.
pub(super) fn open_regular(path: &Path) -> Result<(File, Metadata)> {
    require_regular(path, &metadata(path)?)?;
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let metadata = file.metadata().map_err(|e| Error::io(path, e))?;
    require_regular(path, &metadata)?;
    Ok((file, metadata))
}

/// What `path` is, links followed; a link to nothing is told apart from nothing.
///
/// # Errors
/// Not there, or the system does not tell.
pub(super) fn metadata(path: &Path) -> Result<Metadata> {
    fs::metadata(path).map_err(|e| match fs::read_link(path) {
        Ok(_) if e.kind() == io::ErrorKind::NotFound => Error::malformed(
            path,
            "a symbolic link to nothing: not downloaded (expected the file it names)",
        ),
        _ => Error::io(path, e),
    })
}

fn require_regular(path: &Path, metadata: &Metadata) -> Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(Error::unsupported(
            path,
            format!("{} (expected a regular file)", kind_in_words(metadata)),
        )),
    }
}

/// What a file that is not regular is.
fn kind_in_words(metadata: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "a named pipe";
        } else if kind.is_socket() {
            return "a socket";
        } else if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    if metadata.is_dir() {
        "a directory"
    } else {
        "not a regular file"
    }
}

/// The first bytes of the regular file at `path`, at most `limit`.
///
/// # Errors
/// As [`open_regular`].
pub(super) fn read_start(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let (file, _) = open_regular(path)?;
    let mut content = Vec::new();
    file.take(limit)
        .read_to_end(&mut content)
        .map_err(|e| Error::io(path, e))?;
    Ok(content)
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open_regular`], and a longer file.
pub(super) fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let start = read_start(path, limit.saturating_add(1))?;
    require_small(path, start, limit)
}

/// That `start`, read one byte past `limit`, is a whole file.
pub(super) fn require_small(path: &Path, start: Vec<u8>, limit: u64) -> Result<Vec<u8>> {
    match start.len() as u64 <= limit {
        true => Ok(start),
        false => Err(Error::malformed(
            path,
            format!("too large (expected at most {limit} bytes)"),
        )),
    }
}

/// A regular file whose bytes are read by position.
pub(super) struct FileSource {
    path: PathBuf,
    file: File,
    len: u64,
    /// Times of the last change when it was opened, where the system tells.
    changed: Changed,
}

impl FileSource {
    /// Opens `path`.
    ///
    /// # Errors
    /// As [`open_regular`].
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (file, metadata) = open_regular(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            len: metadata.len(),
            changed: Changed::of(&metadata),
        })
    }

    /// The open file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl Source for FileSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        require_inside(&self.path, self.len, offset, out.len())?;
        read_exact_at(&self.file, out, offset).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => Error::malformed(&self.path, shrank(self.len)),
            _ => Error::io(&self.path, e),
        })
    }

    fn will_need(&self, offset: u64, len: u64) {
        let len = len.min(self.len.saturating_sub(offset));
        if len > 0 && !is_in_memory(&self.file, offset, len) {
            fetch(&self.file, offset, len);
        }
    }

    /// Length and time of the last change are those of the opened file. A map shows a file that was
    /// cut inside its last page as zeros, so that the bytes alone do not tell.
    fn check_unchanged(&self) -> Result<()> {
        let now = self.file.metadata().map_err(|e| Error::io(&self.path, e))?;
        if now.len() < self.len {
            Err(Error::malformed(&self.path, shrank(self.len)))
        } else if now.len() != self.len || !Changed::of(&now).is_as(&self.changed) {
            Err(Error::malformed(
                &self.path,
                "changed while it was read (expected a file at rest)",
            ))
        } else {
            Ok(())
        }
    }
}

/// When a file was changed last.
struct Changed {
    modified: Option<SystemTime>,
    /// Seconds and nanoseconds at which anything of it changed, its times included: nobody sets
    /// this one back.
    #[cfg(unix)]
    status: (i64, i64),
    /// Names that it has. Another file put in its place takes one away, and with it changes the
    /// time above, and nothing of what was opened.
    #[cfg(unix)]
    links: u64,
}

impl Changed {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Self {
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            status: (metadata.ctime(), metadata.ctime_nsec()),
            #[cfg(unix)]
            links: metadata.nlink(),
        }
    }

    /// Whether the contents are those of `before`, as far as times tell.
    fn is_as(&self, before: &Self) -> bool {
        #[cfg(unix)]
        let status = self.status == before.status || self.links != before.links;
        #[cfg(not(unix))]
        let status = true;
        self.modified == before.modified && status
    }
}

/// Places that are looked at to see whether a range is in memory.
#[cfg(target_os = "linux")]
const LOOKED_AT: u64 = 8;

/// Whether a range seems to be in memory: to ask for what is there already goes over each page of
/// it, which took a twentieth of a pass over cached files.
#[cfg(target_os = "linux")]
fn is_in_memory(file: &File, offset: u64, len: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};

    let is_there = |at: u64| {
        let mut byte = [0];
        let mut target = [io::IoSliceMut::new(&mut byte)];
        preadv2(file, &mut target, at, ReadWriteFlags::NOWAIT) == Ok(1)
    };
    let last = offset + (len - 1);
    let between = (0..LOOKED_AT).map(|part| offset + len / LOOKED_AT * part);
    between.chain([last]).all(is_there)
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_file: &File, _offset: u64, _len: u64) -> bool {
    false
}

/// Has the system read ahead. Advice is a hint: a refusal changes nothing that is read.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn fetch(file: &File, offset: u64, len: u64) {
    if let Some(len) = std::num::NonZeroU64::new(len) {
        let _ = rustix::fs::fadvise(file, offset, Some(len), rustix::fs::Advice::WillNeed);
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn fetch(_file: &File, _offset: u64, _len: u64) {}

#[cfg(unix)]
fn read_exact_at(file: &File, target: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, target, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut target: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !target.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, target, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                target = &mut target[count..];
                offset += count as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
