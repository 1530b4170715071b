//! What can go wrong, and how it is said: one line that names the file, the tensor and what was
//! expected.

use std::io;
use std::path::{Path, PathBuf};

/// Result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A run that ends without an answer. `Display` gives the text of the error line behind `wcmp:
/// error: `.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that do not follow their format, or a directory that contradicts itself.
    #[error("{}: {what}", shown(.path))]
    Malformed {
        /// The file or directory that is wrong.
        path: PathBuf,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// A legal input of a kind that wcmp does not read.
    #[error("{}: {what}", shown(.path))]
    Unsupported {
        /// The file or directory.
        path: PathBuf,
        /// What was found, and what is read.
        what: String,
    },
    /// The system refused a read or a write.
    #[error("{}: {source}{}", shown(.path), hint(.source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused the report.
    #[error("{}: cannot write the report: {source}", shown(.path))]
    Output {
        /// The file, or "standard output".
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Arguments that fit the grammar and make no sense together.
    #[error("{0}")]
    Usage(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// A malformed input.
    pub fn malformed(path: &Path, what: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_path_buf(),
            what: what.into(),
        }
    }

    /// A kind of input that is not read.
    pub fn unsupported(path: &Path, what: impl Into<String>) -> Self {
        Self::Unsupported {
            path: path.to_path_buf(),
            what: what.into(),
        }
    }

    /// An error of the system on `path`.
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_path_buf(),
            source,
        }
    }

    /// An error of the system on the report's destination.
    pub fn output(path: &Path, source: io::Error) -> Self {
        Self::Output {
            path: path.to_path_buf(),
            source,
        }
    }
}

/// A path as an error line shows it: control codes escaped, so that a file name cannot drive the
/// terminal.
fn shown(path: &Path) -> String {
    escape_controls(&path.to_string_lossy())
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => {
            " (expected a checkpoint directory, file, index or hub cache folder)"
        }
        _ => "",
    }
}

/// Longest tensor name in an error line, in characters.
const NAME_IN_ERROR: usize = 120;

/// A tensor name as an error line shows it: escaped, cut at 120 characters.
pub(crate) fn quoted(name: &str) -> String {
    // Escapes only lengthen, and a name may be as long as its file: one character more than is
    // shown is enough.
    let end = name
        .char_indices()
        .nth(NAME_IN_ERROR + 1)
        .map_or(name.len(), |(end, _)| end);
    let mut text = escape_controls(name.get(..end).unwrap_or(name));
    if let Some((cut, _)) = text.char_indices().nth(NAME_IN_ERROR) {
        text.truncate(cut);
        text.push('…');
    }
    format!("\"{text}\"")
}

/// `text` with `\`, control codes and whatever else does not show or re-orders text written as
/// escapes (guide/contract.md, section 6).
pub(crate) fn escape_controls(text: &str) -> String {
    escape(text, is_hidden)
}

/// The same of a line of a manifest, where `\`, control codes and bidirectional controls are
/// escaped and nothing else: digests depend on it.
pub(crate) fn escape_codes(text: &str) -> String {
    escape(text, is_bidirectional)
}

fn escape(text: &str, is_escaped: fn(char) -> bool) -> String {
    if text
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\')
    {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            c if c.is_control() || is_escaped(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// A sentence that may quote names which are escaped already: as [`escape_controls`], but `\` stays
/// as it is.
pub(crate) fn escape_sentence(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' {
            out.push(c)
        } else {
            out.push_str(&escape_controls(c.encode_utf8(&mut [0; 4])))
        }
    }
    out
}

/// Characters that re-order the text around them on a terminal (Unicode UAX 9), and line
/// separators.
pub fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Characters that a reader does not see, in which a name may differ from one that looks the same:
/// of no width, fillers, variation selectors, tags; and those of [`is_bidirectional`].
pub(crate) fn is_hidden(c: char) -> bool {
    is_bidirectional(c)
        || matches!(
            c,
            '\u{00AD}' | '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
                | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{206F}'
                | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_codes_and_bidirectional_controls_are_escaped() {
        assert_eq!(
            escape_controls("a\u{1b}[31m\\\n\u{202e}b"),
            "a\\u001B[31m\\\\\\n\\u202Eb"
        );
        assert_eq!(escape_controls("層.weight"), "層.weight");
        // What does not show is written out, beyond the first plane in two halves as JSON has it.
        assert_eq!(
            escape_controls("a\u{200b}b\u{e0041}"),
            "a\\u200Bb\\uDB40\\uDC41"
        );
        assert_eq!(escape_codes("a\u{200b}\u{202e}"), "a\u{200b}\\u202E");
    }

    #[test]
    fn long_names_are_cut_in_errors() {
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), 120 + 3);
    }
}
