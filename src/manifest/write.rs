//! The manifest as text.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{Digest, Manifest, ManifestEntry};
use crate::error::escape_codes;

/// The manifest line of one tensor, without its line end. A name that needs escapes makes the line
/// begin with `\`.
pub fn line(entry: &ManifestEntry) -> String {
    let mut out = String::new();
    write_line(&Line::from(entry), &mut out);
    out
}

/// What a line tells of a tensor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Name as stored.
    pub name: &'a str,
    /// Number format.
    pub dtype: &'a str,
    /// Axes, slowest first.
    pub shape: &'a [u64],
    /// SHA-256 of the stored bytes.
    pub sha256: &'a Digest,
}

impl<'a> From<&'a ManifestEntry> for Line<'a> {
    fn from(entry: &'a ManifestEntry) -> Self {
        Self {
            name: &entry.name,
            dtype: &entry.dtype,
            shape: &entry.shape,
            sha256: &entry.sha256,
        }
    }
}

fn write_line(line: &Line<'_>, out: &mut String) {
    let name = escape_codes(line.name);
    out.push_str(if name == line.name { "" } else { "\\" });
    let mut digest = [0; 2 * size_of::<Digest>()];
    // Two digits a byte fit, and are text.
    let _ = hex::encode_to_slice(line.sha256, &mut digest);
    out.push_str(std::str::from_utf8(&digest).unwrap_or_default());
    // Writing to a string cannot fail.
    let _ = write!(out, "  {}  [", line.dtype);
    for (at, axis) in line.shape.iter().enumerate() {
        let _ = write!(out, "{}{axis}", if at > 0 { "," } else { "" });
    }
    let _ = write!(out, "]  {name}");
}

/// SHA-256 over the lines of `entries`, which are sorted by name bytes, each with its LF.
pub fn model_digest(entries: &[ManifestEntry]) -> Digest {
    digest_of_lines(entries.iter().map(Line::from))
}

/// The same of lines, sorted by name bytes.
pub(crate) fn digest_of_lines<'a>(lines: impl Iterator<Item = Line<'a>>) -> Digest {
    let mut digest = Sha256::new();
    let mut text = String::new();
    for line in lines {
        text.clear();
        write_line(&line, &mut text);
        text.push('\n');
        digest.update(text.as_bytes());
    }
    digest.finalize().into()
}

/// The manifest's lines, and the model digest as the last.
pub fn to_string(manifest: &Manifest) -> String {
    let mut out = String::new();
    for entry in &manifest.entries {
        out.push_str(&line(entry));
        out.push('\n');
    }
    let digest = hex::encode(manifest.model_digest);
    out.push_str(&format!("{digest}  -  -  model\n"));
    out
}
