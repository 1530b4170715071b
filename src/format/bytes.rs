//! Bytes of one weight file, by a map or by positioned reads.
//!
//! The only file that maps memory. A reader cannot tell which way the bytes came.
#![allow(unsafe_code)]

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(unix)]
use memmap2::Advice;
use memmap2::Mmap;

#[cfg(unix)]
use super::fault;
use super::scattered::{Paged, Scattered};
use crate::error::{Error, Result};
use crate::model::words::words;

words! {
    /// How weight files are read.
    Io {
        /// Memory map.
        Mmap = "mmap",
        /// Positioned reads: for network file systems and files that may change.
        Read = "read",
    }
}

/// What a file that got shorter while it was open is told.
pub(super) fn shrank(expected: u64) -> String {
    format!(
        "shrank while it was read (expected {expected} bytes; --io read tolerates changing files better)"
    )
}

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
            format!("{} (expected a regular file)", kind_of(metadata)),
        )),
    }
}

/// What a file that is not regular is, in words.
fn kind_of(metadata: &Metadata) -> &'static str {
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

/// The bytes of one regular file. Shared between threads; nothing in it changes.
pub struct ByteSource {
    path: PathBuf,
    len: u64,
    opened: Metadata,
    backing: Backing,
    /// Views whose elements are scattered over the file, each with the offset that stands for its
    /// first byte: one behind the other, behind the end of the file.
    scattered: Vec<(u64, Scattered)>,
}

enum Backing {
    Map(Mapped),
    File(File),
}

/// Field order is drop order: the range leaves the table of faults before it is unmapped.
struct Mapped {
    #[cfg(unix)]
    _watch: fault::Watch,
    map: Mmap,
    /// The same file, for scattered reads: a touch of a page maps its neighbours too, so that
    /// scattered touches would keep most of the file in memory.
    file: File,
    /// Scattered reads that were too short for a system call each, since the pages were last given
    /// back.
    short_reads: AtomicU64,
    /// The window that was last done with and is still mapped, by number; [`NO_WINDOW`] at first.
    #[cfg(unix)]
    last_done: AtomicU64,
}

/// Pages are given back by windows of addresses. One fault may map as much as one page table holds
/// (2 MiB on common systems) where the page cache has large folios, so that whatever is read near a
/// range would map all of it again.
#[cfg(unix)]
const WINDOW: u64 = 1 << 21;

/// A scattered read below this many bytes costs less as a touch of the map than as a system call.
const SHORT: usize = 1 << 10;

/// After so many short reads all pages are given back: 64 MiB where a touch maps 16 pages, as Linux
/// does by default.
const SHORT_READS: u64 = 1 << 10;

/// No window has this number: the last address is never mapped.
#[cfg(unix)]
const NO_WINDOW: u64 = u64::MAX;

impl ByteSource {
    /// Opens a regular file. A file system without maps is read with positioned reads.
    ///
    /// # Errors
    /// Not a regular file, or not readable.
    pub fn open(path: &Path, io: Io) -> Result<Self> {
        let (file, metadata) = open_regular(path)?;
        let len = metadata.len();
        let backing = match io {
            Io::Mmap => Mapped::new(path, file, len).map_or_else(Backing::File, Backing::Map),
            Io::Read => Backing::File(file),
        };
        Ok(Self {
            path: path.to_path_buf(),
            len,
            opened: metadata,
            backing,
            scattered: Vec::new(),
        })
    }

    /// Makes the bytes of `view`, in row-major order, readable at the offset that is returned;
    /// `None` where there is no such offset.
    pub(super) fn add_scattered(&mut self, view: Scattered) -> Option<u64> {
        let offset = match self.scattered.last() {
            Some((offset, last)) => offset.checked_add(last.len())?,
            None => self.len,
        };
        offset.checked_add(view.len())?;
        self.scattered.push((offset, view));
        Some(offset)
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes when it was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True for a file of no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `len` bytes from `offset`, wherever the last ones were. No page stays mapped for long.
    ///
    /// `scratch` grows to the longest range asked for and is not cleared between calls.
    ///
    /// # Errors
    /// The range is not in the file (any more), or the system refuses the read.
    #[inline]
    pub fn bytes<'a>(
        &'a self,
        offset: u64,
        len: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Result<&'a [u8]> {
        match &self.backing {
            _ if self.is_scattered(offset) => self.gather(offset, len, scratch),
            Backing::Map(mapped) if len < SHORT => {
                mapped.count_short_read();
                slice(&mapped.map, offset, len).ok_or_else(|| self.outside(offset, len))
            }
            Backing::Map(Mapped { file, .. }) | Backing::File(file) => {
                self.read(file, offset, len, scratch)
            }
        }
    }

    #[inline]
    fn is_scattered(&self, offset: u64) -> bool {
        offset >= self.len && !self.scattered.is_empty()
    }

    /// Bytes of scattered views, for both ways.
    fn gather<'a>(&self, offset: u64, len: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let at = self
            .scattered
            .partition_point(|(begin, _)| *begin <= offset);
        let view = at.checked_sub(1).and_then(|at| self.scattered.get(at));
        let range = view.and_then(|(begin, view)| {
            let range = offset - begin..(offset - begin).checked_add(len as u64)?;
            (range.end <= view.len()).then_some((view, range))
        });
        let Some((view, range)) = range else {
            return Err(self.outside(offset, len));
        };
        if scratch.len() < len {
            scratch.resize(len, 0);
        }
        let target = scratch.get_mut(..len).unwrap_or_default();
        view.read(&Paged::new(self), range, target)?;
        Ok(target)
    }

    /// `len` bytes from `offset` in a run that is read once and in order: a slice of the map, or
    /// `scratch` filled by positioned reads. Pages stay mapped until [`ByteSource::done`].
    ///
    /// `scratch` grows to the longest range asked for and is not cleared between calls.
    ///
    /// # Errors
    /// The range is not in the file (any more), or the system refuses the read.
    #[inline]
    pub fn run_of_bytes<'a>(
        &'a self,
        offset: u64,
        len: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Result<&'a [u8]> {
        match &self.backing {
            _ if self.is_scattered(offset) => self.gather(offset, len, scratch),
            Backing::Map(mapped) => {
                slice(&mapped.map, offset, len).ok_or_else(|| self.outside(offset, len))
            }
            Backing::File(file) => self.read(file, offset, len, scratch),
        }
    }

    fn read<'a>(
        &self,
        file: &File,
        offset: u64,
        len: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Result<&'a [u8]> {
        if offset
            .checked_add(len as u64)
            .is_none_or(|end| end > self.len)
        {
            return Err(self.outside(offset, len));
        }
        if scratch.len() < len {
            scratch.resize(len, 0);
        }
        let target = scratch.get_mut(..len).unwrap_or_default();
        read_exact_at(file, target, offset).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => Error::malformed(&self.path, shrank(self.len)),
            _ => Error::io(&self.path, e),
        })?;
        Ok(target)
    }

    #[cold]
    fn outside(&self, offset: u64, len: usize) -> Error {
        let what = format!(
            "{len} bytes at {offset} are not in the file (expected at most {} bytes)",
            self.len
        );
        Error::malformed(&self.path, what)
    }

    /// Announces that the range will be read soon.
    pub fn will_need(&self, offset: u64, len: u64) {
        if let Backing::Map(mapped) = &self.backing {
            mapped.will_need(offset, len.min(self.len.saturating_sub(offset)));
        }
    }

    /// Gives the pages of the range back: they are not needed again soon. Bytes of it that are read
    /// again are read again from the file.
    #[inline]
    pub fn done(&self, offset: u64, len: u64) {
        if let Backing::Map(mapped) = &self.backing {
            mapped.done(offset, len);
        }
    }

    /// That the file is still the one that was opened, to be asked after the last byte was read: a
    /// map shows a file that was cut inside its last page as zeros.
    ///
    /// # Errors
    /// The length or the time of the last change differs.
    pub fn check_unchanged(&self) -> Result<()> {
        let (Backing::Map(Mapped { file, .. }) | Backing::File(file)) = &self.backing;
        let now = file.metadata().map_err(|e| Error::io(&self.path, e))?;
        if now.len() < self.len {
            Err(Error::malformed(&self.path, shrank(self.len)))
        } else if now.len() != self.len || now.modified().ok() != self.opened.modified().ok() {
            Err(Error::malformed(
                &self.path,
                "changed while it was read (expected a file at rest)",
            ))
        } else {
            Ok(())
        }
    }
}

impl Mapped {
    /// Gives the file back where it cannot be mapped: a file system without maps, an address space
    /// that is too small.
    fn new(path: &Path, file: File, len: u64) -> std::result::Result<Self, File> {
        let Ok(mapped_len) = usize::try_from(len) else {
            return Err(file);
        };
        // SAFETY: the map is read only and private to this value; bytes are handed out as shared
        // slices that live no longer than it. That nobody writes to the file meanwhile cannot be
        // ensured: values may then be any bytes, which every reader must bear anyway, and a file
        // that shrinks ends in the fault handler.
        let Ok(map) = (unsafe { memmap2::MmapOptions::new().len(mapped_len).map(&file) }) else {
            return Err(file);
        };
        #[cfg(unix)]
        let _watch = fault::watch(map.as_ptr() as usize, mapped_len, path, len);
        #[cfg(not(unix))]
        let _ = path;
        #[cfg(unix)]
        let _ = map.advise(Advice::Sequential);
        Ok(Self {
            #[cfg(unix)]
            _watch,
            map,
            file,
            short_reads: AtomicU64::new(0),
            #[cfg(unix)]
            last_done: AtomicU64::new(NO_WINDOW),
        })
    }

    fn count_short_read(&self) {
        if self.short_reads.fetch_add(1, Ordering::Relaxed) % SHORT_READS == SHORT_READS - 1 {
            self.give_back(0, self.map.len() as u64);
        }
    }

    #[cfg(unix)]
    fn will_need(&self, offset: u64, len: u64) {
        if let (Ok(offset), Ok(len)) = (usize::try_from(offset), usize::try_from(len)) {
            // Advice is a hint: a refusal changes nothing that is read.
            let _ = self.map.advise_range(Advice::WillNeed, offset, len);
        }
    }

    /// Gives back the windows of the range but the last, and the last of the range before:
    /// neighbouring ranges share a window, which is given back once. At most one window a file
    /// stays behind. Whoever still reads in a window gets it back with a fault.
    #[cfg(unix)]
    fn done(&self, offset: u64, len: u64) {
        let size = self.map.len() as u64;
        if len == 0 || offset >= size {
            return;
        }
        let base = self.map.as_ptr() as u64;
        let first = (base + offset) / WINDOW;
        let last = (base + offset + (len - 1).min(size - 1 - offset)) / WINDOW;
        let before = self.last_done.swap(last, Ordering::AcqRel);
        let give_back = |first: u64, end: u64| {
            let begin = (first * WINDOW).max(base) - base;
            self.give_back(begin, (end * WINDOW - base).min(size) - begin);
        };
        if before != NO_WINDOW && !(first..=last).contains(&before) {
            give_back(before, before + 1);
        }
        if first < last {
            give_back(first, last);
        }
    }

    #[cfg(unix)]
    fn give_back(&self, offset: u64, len: u64) {
        if let (Ok(offset), Ok(len)) = (usize::try_from(offset), usize::try_from(len)) {
            // SAFETY: the map is a read-only file map, never written through: pages that are
            // dropped come back from the file with the same bytes, so slices of them stay valid.
            let _ = unsafe {
                self.map
                    .unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, len)
            };
        }
    }

    #[cfg(not(unix))]
    fn give_back(&self, _offset: u64, _len: u64) {}

    #[cfg(not(unix))]
    fn will_need(&self, _offset: u64, _len: u64) {}

    #[cfg(not(unix))]
    fn done(&self, _offset: u64, _len: u64) {}
}

#[inline]
fn slice(map: &[u8], offset: u64, len: usize) -> Option<&[u8]> {
    let begin = usize::try_from(offset).ok()?;
    map.get(begin..begin.checked_add(len)?)
}

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn file_of(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn both_ways_give_the_same_bytes_in_range_and_refuse_the_rest() {
        let content: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
        let file = file_of(&content);
        for io in [Io::Mmap, Io::Read] {
            let source = ByteSource::open(file.path(), io).unwrap();
            assert_eq!(source.len(), 300_000);
            let mut scratch = Vec::new();
            for (offset, len) in [
                (0u64, 300_000usize),
                (299_999, 1),
                (300_000, 0),
                (4097, 70_000),
                (1, 3),
            ] {
                let begin = offset as usize;
                assert_eq!(
                    source.bytes(offset, len, &mut scratch).unwrap(),
                    &content[begin..begin + len]
                );
                assert_eq!(
                    source.run_of_bytes(offset, len, &mut scratch).unwrap(),
                    &content[begin..begin + len]
                );
                source.will_need(offset, len as u64);
                source.done(offset, len as u64);
            }
            for (offset, len) in [
                (300_000u64, 1usize),
                (u64::MAX, 1),
                (1, usize::MAX),
                (0, 300_001),
            ] {
                for read in [ByteSource::bytes, ByteSource::run_of_bytes] {
                    let error = read(&source, offset, len, &mut scratch)
                        .unwrap_err()
                        .to_string();
                    assert!(
                        error.contains("are not in the file (expected at most 300000 bytes)"),
                        "{error}"
                    );
                }
            }
            source.check_unchanged().unwrap();
        }
    }

    #[test]
    fn scattered_views_are_read_behind_the_end_of_the_file() {
        let content: Vec<u8> = (0..=255).collect();
        let file = file_of(&content);
        for io in [Io::Mmap, Io::Read] {
            let mut source = ByteSource::open(file.path(), io).unwrap();
            let turned = Scattered {
                start: 16,
                width: 1,
                shape: vec![3, 2],
                strides: vec![1, 3],
            };
            let expanded = Scattered {
                start: 7,
                width: 2,
                shape: vec![2, 1],
                strides: vec![0, 1],
            };
            assert_eq!(
                [turned, expanded].map(|view| source.add_scattered(view)),
                [Some(256), Some(262)]
            );
            let mut scratch = Vec::new();
            assert_eq!(
                source.bytes(256, 6, &mut scratch).unwrap(),
                [16, 19, 17, 20, 18, 21]
            );
            assert_eq!(
                source.run_of_bytes(258, 3, &mut scratch).unwrap(),
                [17, 20, 18]
            );
            assert_eq!(source.bytes(262, 4, &mut scratch).unwrap(), [7, 8, 7, 8]);
            assert_eq!(source.bytes(255, 1, &mut scratch).unwrap(), [255]);
            source.will_need(256, 10);
            source.done(256, 10);
            for (offset, len) in [
                (261u64, 2usize),
                (262, 5),
                (266, 1),
                (255, 2),
                (u64::MAX, 1),
            ] {
                assert!(
                    source.bytes(offset, len, &mut scratch).is_err(),
                    "{offset}, {len}"
                );
            }
        }
    }

    #[test]
    fn bytes_given_back_are_read_again_from_the_file() {
        let content: Vec<u8> = (0..5_000_000u32).map(|i| (i % 253) as u8).collect();
        let file = file_of(&content);
        let source = ByteSource::open(file.path(), Io::Mmap).unwrap();
        for (offset, len) in [
            (0, 0),
            (0, 17),
            (4_999_999, 1),
            (123, 3_000_000),
            (0, u64::MAX),
            (u64::MAX, u64::MAX),
        ] {
            source.done(offset, len);
            assert_eq!(
                source.run_of_bytes(0, 5_000_000, &mut Vec::new()).unwrap(),
                content
            );
        }
    }

    /// Resident kilobytes of the maps of `path` in this process.
    #[cfg(target_os = "linux")]
    fn resident(path: &Path) -> u64 {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = maps
            .lines()
            .skip_while(|line| !line.ends_with(path.to_str().unwrap()));
        let rss = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        rss.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn resident_memory_does_not_grow_with_the_bytes_that_are_done() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let size = 40_000_000u64;
        file.as_file().set_len(size).unwrap();
        for piece in [3_000, 70_000, 1 << 20, 5_000_000] {
            let source = ByteSource::open(file.path(), Io::Mmap).unwrap();
            let (mut offset, mut scratch) = (777, Vec::new());
            while offset < size {
                let len = piece.min(size - offset);
                let bytes = source
                    .run_of_bytes(offset, len as usize, &mut scratch)
                    .unwrap();
                assert!(bytes.iter().all(|&byte| byte == 0));
                source.done(offset, len);
                offset += len;
            }
            assert!(
                resident(file.path()) <= 2048,
                "{} kB after pieces of {piece}",
                resident(file.path())
            );
        }
    }

    #[test]
    fn an_empty_file_is_a_source_of_no_bytes() {
        let file = file_of(b"");
        for io in [Io::Mmap, Io::Read] {
            let source = ByteSource::open(file.path(), io).unwrap();
            assert!(source.is_empty());
            assert_eq!(source.bytes(0, 0, &mut Vec::new()).unwrap(), b"");
        }
    }

    #[test]
    fn scratch_is_reused() {
        let file = file_of(&[7; 5000]);
        let source = ByteSource::open(file.path(), Io::Read).unwrap();
        let mut scratch = vec![9; 5000];
        assert_eq!(source.bytes(10, 20, &mut scratch).unwrap(), [7; 20]);
        assert_eq!(scratch.len(), 5000);
        assert_eq!(scratch.last(), Some(&9));
    }

    #[test]
    fn a_file_that_shrinks_under_reads_is_an_error_that_says_so() {
        let file = file_of(&[1; 9000]);
        let source = ByteSource::open(file.path(), Io::Read).unwrap();
        file.as_file().set_len(100).unwrap();
        let error = source
            .bytes(0, 9000, &mut Vec::new())
            .unwrap_err()
            .to_string();
        assert!(
            error
                .ends_with("shrank while it was read (expected 9000 bytes; --io read tolerates changing files better)")
        );
        assert!(
            source
                .check_unchanged()
                .unwrap_err()
                .to_string()
                .contains("shrank while it was read")
        );
    }

    #[test]
    fn a_file_that_changed_is_found_out_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w");
        for io in [Io::Mmap, Io::Read] {
            fs::write(&path, [1; 9000]).unwrap();
            let source = ByteSource::open(&path, io).unwrap();
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH)
                .unwrap();
            assert!(
                source
                    .check_unchanged()
                    .unwrap_err()
                    .to_string()
                    .contains("changed while it was read")
            );
        }
        let source = ByteSource::open(&path, Io::Mmap).unwrap();
        let other = folder.path().join("other");
        fs::write(&other, [2; 100]).unwrap();
        fs::rename(&other, &path).unwrap();
        source.check_unchanged().unwrap();
        assert_eq!(source.bytes(8999, 1, &mut Vec::new()).unwrap(), [1]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_a_regular_file_is_refused_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap();
        assert!(made.success());
        for (path, kind) in [
            (socket.as_path(), "a socket"),
            (fifo.as_path(), "a named pipe"),
            (Path::new("/dev/null"), "a device"),
            (folder.path(), "a directory"),
        ] {
            let error = ByteSource::open(path, Io::Mmap).err().unwrap().to_string();
            assert!(
                error.ends_with(&format!(": {kind} (expected a regular file)")),
                "{error}"
            );
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        let error = ByteSource::open(&link, Io::Read).err().unwrap().to_string();
        assert!(
            error.contains("a symbolic link to nothing: not downloaded"),
            "{error}"
        );
    }
}
