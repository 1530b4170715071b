//! The manifest as text.

use sha2::{Digest as _, Sha256};

use super::{Digest, Manifest, ManifestEntry};
use crate::error::escape_codes;

/// The manifest line of one tensor, without its line end. A name that needs escapes makes the line
/// begin with `\`.
pub fn line(entry: &ManifestEntry) -> String {
    let name = escape_codes(&entry.name);
    let mark = if name == entry.name { "" } else { "\\" };
    let digest = hex::encode(entry.sha256);
    let shape = shape(&entry.shape);
    format!("{mark}{digest}  {}  {shape}  {name}", entry.dtype)
}

/// Axes as `[2,3]`.
fn shape(axes: &[u64]) -> String {
    let axes: Vec<String> = axes.iter().map(u64::to_string).collect();
    format!("[{}]", axes.join(","))
}

/// SHA-256 over the lines of `entries`, which are sorted by name bytes, each with its LF.
pub fn model_digest(entries: &[ManifestEntry]) -> Digest {
    let mut digest = Sha256::new();
    for entry in entries {
        digest.update(line(entry).as_bytes());
        digest.update(b"\n");
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
