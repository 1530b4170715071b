//! Both ways of reading a file, and views of it.

use std::fs::{self, File};

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
        let source = open(file.path(), io).unwrap();
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
            source.will_need(offset, len as u64);
        }
        for (offset, len) in [
            (300_000u64, 1usize),
            (u64::MAX, 1),
            (1, usize::MAX),
            (0, 300_001),
        ] {
            let error = source.bytes(offset, len, &mut Vec::new()).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains("are not in the file (expected at most 300000 bytes)"),
                "{error}"
            );
            source.will_need(offset, len as u64);
        }
        source.check_unchanged().unwrap();
    }
}

#[test]
fn a_strided_view_is_a_source_of_its_elements_in_order() {
    let content: Vec<u8> = (0..=255).collect();
    let file = file_of(&content);
    for io in [Io::Mmap, Io::Read] {
        let base = open(file.path(), io).unwrap();
        let transposed = Layout {
            start: 16,
            width: 1,
            shape: vec![3, 2],
            strides: vec![1, 3],
        };
        let expanded = Layout {
            start: 7,
            width: 2,
            shape: vec![2, 1],
            strides: vec![0, 1],
        };
        let strided = |layout| Strided::new(Arc::clone(&base), layout);
        let (transposed, expanded) = (strided(transposed), strided(expanded));
        assert_eq!((transposed.len(), expanded.len()), (6, 4));
        let (transposed, expanded): (&dyn Source, &dyn Source) = (&transposed, &expanded);
        let mut scratch = Vec::new();
        assert_eq!(
            transposed.bytes(0, 6, &mut scratch).unwrap(),
            [16, 19, 17, 20, 18, 21]
        );
        assert_eq!(transposed.bytes(2, 3, &mut scratch).unwrap(), [17, 20, 18]);
        assert_eq!(expanded.bytes(0, 4, &mut scratch).unwrap(), [7, 8, 7, 8]);
        transposed.will_need(0, 6);
        transposed.check_unchanged().unwrap();
        for (offset, len) in [
            (5u64, 2usize),
            (6, 1),
            (0, 7),
            (u64::MAX, 1),
            (1, usize::MAX),
        ] {
            assert!(
                transposed.bytes(offset, len, &mut scratch).is_err(),
                "{offset}, {len}"
            );
        }
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
fn resident_memory_does_not_grow_with_the_bytes_that_are_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let size = 40_000_000u64;
    file.as_file().set_len(size).unwrap();
    for piece in [100, 3_000, 70_000, 1 << 20, 5_000_000] {
        let source = open(file.path(), Io::Mmap).unwrap();
        let (mut offset, mut scratch) = (777, Vec::new());
        while offset < size {
            let len = piece.min(size - offset);
            let bytes = source.bytes(offset, len as usize, &mut scratch).unwrap();
            assert!(bytes.iter().all(|&byte| byte == 0));
            // Short ones far from each other: a touch of the map each.
            offset += len.max(4096);
        }
        assert!(
            resident(file.path()) <= 8192,
            "{} kB after pieces of {piece}",
            resident(file.path())
        );
    }
}

#[test]
fn an_empty_file_is_a_source_of_no_bytes() {
    let file = file_of(b"");
    for io in [Io::Mmap, Io::Read] {
        let source = open(file.path(), io).unwrap();
        assert!(source.is_empty());
        assert_eq!(source.bytes(0, 0, &mut Vec::new()).unwrap(), b"");
    }
}

#[test]
fn scratch_is_reused() {
    let file = file_of(&[7; 5000]);
    let source = open(file.path(), Io::Read).unwrap();
    let mut scratch = vec![9; 5000];
    assert_eq!(source.bytes(10, 20, &mut scratch).unwrap(), [7; 20]);
    assert_eq!(scratch.len(), 5000);
    assert_eq!(scratch.last(), Some(&9));
}

#[test]
fn a_file_that_shrinks_under_reads_is_an_error_that_says_so() {
    let file = file_of(&[1; 9000]);
    let source = open(file.path(), Io::Read).unwrap();
    file.as_file().set_len(100).unwrap();
    let error = source
        .bytes(0, 9000, &mut Vec::new())
        .unwrap_err()
        .to_string();
    assert!(error.ends_with(
        "shrank while it was read (expected 9000 bytes; --io read tolerates changing files better)"
    ));
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
        let source = open(&path, io).unwrap();
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
    let source = open(&path, Io::Mmap).unwrap();
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
        let error = open(path, Io::Mmap).err().unwrap().to_string();
        assert!(
            error.ends_with(&format!(": {kind} (expected a regular file)")),
            "{error}"
        );
    }
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let error = open(&link, Io::Read).err().unwrap().to_string();
    assert!(
        error.contains("a symbolic link to nothing: not downloaded"),
        "{error}"
    );
}
