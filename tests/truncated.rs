//! A file that is cut while it is read ends in one line and exit code 2, however it is read.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::command::error_line;

/// Seconds of work in any build; the file is sparse and takes no room.
const BYTES: u64 = 8 << 30;

/// A safetensors file with one tensor of zeros.
fn write_large(path: &Path) {
    let mut header = format!(
        r#"{{"w":{{"dtype":"BF16","shape":[{},4096],"data_offsets":[0,{BYTES}]}}}}"#,
        BYTES >> 13
    );
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let mut file = File::create(path).expect("create");
    file.write_all(&(header.len() as u64).to_le_bytes())
        .expect("write");
    file.write_all(header.as_bytes()).expect("write");
    file.set_len(8 + header.len() as u64 + BYTES)
        .expect("make it long");
}

/// Whether a process has the file open, or mapped.
fn holds(process: u32, path: &Path, mapped: bool) -> bool {
    if mapped {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
        return maps
            .lines()
            .any(|line| line.ends_with(path.to_str().expect("UTF-8")));
    }
    let open = fs::read_dir(format!("/proc/{process}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    open.into_iter()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|file| file == path))
}

/// Cuts the file that a command names `files` times, while it is read.
fn cut_while_read(arguments: &[&str], files: usize, mapped: bool) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder
        .path()
        .canonicalize()
        .expect("a folder")
        .join("large.safetensors");
    write_large(&path);
    let mut command = Command::new(env!("CARGO_BIN_EXE_wcmp"));
    command.args(arguments).args(vec![&path; files]);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start");
    while !holds(child.id(), &path, mapped) {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(50));
    File::options()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_len(1 << 20))
        .expect("cut");
    let output = child.wait_with_output().expect("wait");
    let line = error_line(&output);
    assert!(
        line.contains("large.safetensors: shrank while it was read"),
        "{line}"
    );
}

#[test]
fn a_mapped_file() {
    cut_while_read(&["compare", "--io", "mmap"], 2, true);
    cut_while_read(&["hash"], 1, true);
}

#[test]
fn a_file_read_by_position() {
    cut_while_read(&["compare", "--io", "read"], 2, false);
}
