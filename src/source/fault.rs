//! A mapped file that shrinks: the system answers the next touch with SIGBUS, and this tells whoever
//! asked to be told with [`on_fault`].
//!
//! The handler runs in the thread that touched the page. It may not allocate, lock or unwind: it
//! looks the address up in a table that only grows, and hands over a text made beforehand.
#![allow(unsafe_code)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use signal_hook::consts::SIGBUS;
use signal_hook::low_level::emulate_default_handler;

use super::shrank;
use crate::error::Error;

/// Tells of a fault, and ends the process: the bytes that were touched do not exist. What it is
/// given is the error in one line, without a line end.
///
/// It runs inside a signal handler and may do only what such a handler may.
pub(crate) type Tell = fn(&[u8]) -> !;

static TELL: OnceLock<Tell> = OnceLock::new();

/// Has `tell` called when a mapped file shrinks under its map. The first call counts; without one
/// the process ends by the signal.
pub(crate) fn on_fault(tell: Tell) {
    let _ = TELL.set(tell);
}

/// A mapped range and the error for a fault in it. Entries stay in the list for good, a few hundred
/// bytes for each file ever mapped: freeing one could pull it from under a handler.
struct Entry {
    begin: usize,
    /// One past the last byte; 0 once the range is unmapped.
    end: AtomicUsize,
    line: Box<[u8]>,
    next: Slot,
}

type Slot = OnceLock<Box<Entry>>;

/// Head of the list; the handler follows it by atomic loads alone.
static TABLE: Slot = OnceLock::new();

/// Where the next entry goes. Only [`watch`] locks it, never the handler.
static TAIL: Mutex<&'static Slot> = Mutex::new(&TABLE);

/// Keeps a range in the table.
pub(super) struct Watch(&'static Entry);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.end.store(0, Ordering::Release);
    }
}

/// Enters the map of `len` bytes at address `begin`, of the file `path` that had `bytes` bytes when
/// it was mapped.
pub(super) fn watch(begin: usize, len: usize, path: &Path, bytes: u64) -> Watch {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // SAFETY: `handle` does only what a signal handler may: atomic loads, sigaction(2), and
        // what `Tell` is bound to. Where registering fails, a fault ends the process as it does
        // without a handler.
        let _ = unsafe {
            signal_hook_registry::register_sigaction(SIGBUS, |info| handle(info.si_addr() as usize))
        };
    });
    let line = Error::malformed(path, shrank(bytes))
        .to_string()
        .into_bytes()
        .into_boxed_slice();
    let end = AtomicUsize::new(begin.saturating_add(len));
    let mut tail = TAIL.lock().unwrap_or_else(PoisonError::into_inner);
    let entry: &'static Entry = tail.get_or_init(|| {
        Box::new(Entry {
            begin,
            end,
            line,
            next: OnceLock::new(),
        })
    });
    *tail = &entry.next;
    Watch(entry)
}

/// The line for a fault at `address`; `None` where no watched map holds it.
fn line_for(address: usize) -> Option<&'static [u8]> {
    let mut slot = &TABLE;
    while let Some(entry) = slot.get() {
        if (entry.begin..entry.end.load(Ordering::Acquire)).contains(&address) {
            return Some(&entry.line);
        }
        slot = &entry.next;
    }
    None
}

fn handle(address: usize) {
    if let (Some(line), Some(tell)) = (line_for(address), TELL.get()) {
        // Several threads read a file that shrinks: one line is all there is to be.
        static TOLD: AtomicBool = AtomicBool::new(false);
        while TOLD.swap(true, Ordering::AcqRel) {
            std::hint::spin_loop();
        }
        tell(line);
    }
    // Not a map of ours, or nobody to tell: returning would repeat the fault for ever.
    let _ = emulate_default_handler(SIGBUS);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Command;

    use super::*;
    use crate::source::{self, Io};

    #[test]
    fn an_address_is_found_while_its_range_is_watched() {
        // Addresses of the kernel's half: no real map of another test can hold them.
        let base = usize::MAX / 2 + 1;
        let first = watch(base, 100, Path::new("a\u{1b}.safetensors"), 100);
        let second = watch(base + 100, 50, Path::new("b.safetensors"), 50);
        let line =
            |address| line_for(address).map(|line| String::from_utf8(line.to_vec()).unwrap());
        assert_eq!(
            line(base + 99).unwrap(),
            "a\\u001B.safetensors: shrank while it was read (expected 100 bytes; --io read tolerates \
             changing files better)"
        );
        assert!(line(base + 100).unwrap().contains("b.safetensors: "));
        assert_eq!(line(base - 1), None);
        assert_eq!(line(base + 150), None);
        drop(first);
        assert_eq!(line(base + 99), None);
        assert!(line(base + 149).is_some());
        drop(second);
        assert_eq!(line(base + 149), None);
    }

    const CHILD: &str = "WCMP_TEST_SHRINKING_FILE";

    /// The process that [`who_asked_is_told_of_a_map_whose_file_shrinks`] looks at.
    #[test]
    #[ignore = "ends its process: run by another test"]
    fn child_that_reads_a_shrinking_file() {
        on_fault(|line| {
            let _ = std::io::stderr().write_all(&[b"told: ", line, b"\n"].concat());
            signal_hook::low_level::exit(3)
        });
        let path = std::env::var_os(CHILD).unwrap();
        let source = source::open(Path::new(&path), Io::Mmap).unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(0)
            .unwrap();
        // A read that is short enough to be a touch of the map.
        let bytes = source.bytes(0, 16, &mut Vec::new()).unwrap().to_vec();
        unreachable!("read {bytes:?} from a file that is gone");
    }

    #[test]
    fn who_asked_is_told_of_a_map_whose_file_shrinks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, vec![1; 1 << 20]).unwrap();
        let name = "source::fault::tests::child_that_reads_a_shrinking_file";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child
            .args(["--exact", name, "--ignored", "--nocapture"])
            .env(CHILD, &path)
            .output()
            .unwrap();
        let expected = format!(
            "told: {}: shrank while it was read (expected 1048576 bytes;",
            path.display()
        );
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.starts_with(&expected) && stderr.lines().count() == 1,
            "{stderr}"
        );
        assert_eq!(output.status.code(), Some(3));
    }
}
