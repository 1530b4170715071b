//! The tokenizer beside the weights, or inside of a GGUF file.

use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::gguf::{self, MetaValue, TextList};
use super::open::Opened;
use super::{hub, limits, sidecar, weights};
use crate::error::Result;
use crate::model::checkpoint::Format;
use crate::model::tokenizer::Tokenizer;
use crate::model::warning::Warning;
use crate::source::{self, Source};

/// The tokenizer of a checkpoint: of its GGUF file, else tokenizer.json, else vocab.json with
/// merges.txt, else tokenizer.model. A tokenizer is a witness and never needed: one that cannot be
/// read is a warning of the checkpoint.
pub fn read(opened: &mut Opened) -> Option<Tokenizer> {
    let mut warnings = Vec::new();
    let inside = if opened.checkpoint.format == Format::Gguf {
        opened.sources.first()
    } else {
        None
    };
    let found = inside
        .and_then(|source| in_gguf(&**source, &mut warnings))
        .or_else(|| beside(&opened.checkpoint.path, &mut warnings));
    opened.checkpoint.warnings.append(&mut warnings);
    found
}

fn in_gguf(source: &dyn Source, warnings: &mut Vec<Warning>) -> Option<Tokenizer> {
    // The checkpoint is open, so that its header has been read before.
    let file = gguf::parse_gguf(source, 0).ok()?;
    let tokens = gguf::tokens(&file.metadata)?;
    let merges = match file.metadata.get("tokenizer.ggml.merges") {
        Some(MetaValue::Texts(merges)) => Some(strings(merges)),
        _ => None,
    };
    let read = Tokenizer::from_lists(strings(tokens), merges);
    read.map_err(|what| warnings.push(unreadable("tokenizer.ggml.tokens", &what)))
        .ok()
}

fn strings(list: &TextList) -> impl Iterator<Item = &[u8]> {
    (0..list.len()).filter_map(|at| list.bytes(at))
}

fn beside(path: &Path, warnings: &mut Vec<Warning>) -> Option<Tokenizer> {
    let folder = Folder::open(&folder_of(path)?).ok()?;
    let mut try_one =
        |name: &str, parse: &dyn Fn(&[u8]) -> std::result::Result<Tokenizer, String>| {
            let bytes = match file(&folder, name) {
                Ok(bytes) => bytes?,
                Err(error) => {
                    warnings.push(unreadable(name, &error.to_string()));
                    return None;
                }
            };
            parse(&bytes)
                .map_err(|what| warnings.push(unreadable(name, &what)))
                .ok()
        };
    try_one("tokenizer.json", &Tokenizer::from_json)
        .or_else(|| {
            let merges = file(&folder, "merges.txt").ok().flatten();
            try_one("vocab.json", &|bytes| {
                Tokenizer::from_vocabulary(bytes, merges.as_deref())
            })
        })
        .or_else(|| try_one("tokenizer.model", &Tokenizer::from_sentencepiece))
}

/// The directory whose files are the checkpoint's own; none where `path` is one weight file among
/// others.
fn folder_of(path: &Path) -> Option<PathBuf> {
    if source::metadata(path).ok()?.is_dir() {
        return hub::snapshot(path)
            .ok()?
            .or_else(|| Some(path.to_path_buf()));
    }
    let name = path.file_name()?.to_string_lossy();
    let is_own =
        name == "config.json" || name.ends_with("index.json") || weights::has_model_stem(&name);
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    is_own.then(|| parent.unwrap_or(Path::new(".")).to_path_buf())
}

fn file(folder: &Folder, name: &str) -> Result<Option<Vec<u8>>> {
    folder
        .file(name)?
        .map(|path| sidecar::read_small(&path, limits::TOKENIZER_BYTES))
        .transpose()
}

fn unreadable(name: &str, what: &str) -> Warning {
    Warning::TokenizerUnreadable {
        file: name.to_owned(),
        why: what.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::format::open::open_described;
    use crate::source::Io;

    fn tokens_of(files: &[(&str, &[u8])], path: &str) -> (Option<usize>, Vec<&'static str>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        let mut opened = open_described(&folder.path().join(path), Io::Read).unwrap();
        let tokenizer = read(&mut opened);
        (
            tokenizer.map(|t| t.len()),
            opened
                .checkpoint
                .warnings
                .iter()
                .map(Warning::code)
                .collect(),
        )
    }

    #[test]
    fn files_are_tried_in_order_and_a_broken_one_is_a_warning() {
        let whole: (&str, &[u8]) = ("tokenizer.json", br#"{"model":{"vocab":{"a":0,"b":1}}}"#);
        let vocabulary: (&str, &[u8]) = ("vocab.json", br#"{"a":0}"#);
        let broken: (&str, &[u8]) = ("tokenizer.json", b"<html>");
        assert_eq!(tokens_of(&[], ""), (None, vec![]));
        assert_eq!(tokens_of(&[whole, vocabulary], ""), (Some(2), vec![]));
        assert_eq!(tokens_of(&[whole], "config.json"), (Some(2), vec![]));
        assert_eq!(
            tokens_of(&[broken, vocabulary, ("merges.txt", b"a b\n")], ""),
            (Some(1), vec!["tokenizer_unreadable"])
        );
        assert_eq!(
            tokens_of(&[broken, ("tokenizer.model", b"\x0a\x03\x0a\x01a")], ""),
            (Some(1), vec!["tokenizer_unreadable"])
        );
        assert_eq!(
            tokens_of(&[broken], ""),
            (None, vec!["tokenizer_unreadable"])
        );
    }
}
