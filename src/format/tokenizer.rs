//! The tokenizer beside the weights, or inside of a GGUF file.

use super::gguf::{self, MetaValue, TextList};
use super::limits;
use super::open::Opened;
use crate::model::checkpoint::Format;
use crate::model::sketch::TOKEN_HASHES;
use crate::model::tokenizer::Tokenizer;
use crate::model::warning::Warning;
use crate::source::{Listing, Source};

/// The tokenizer of a checkpoint: of its GGUF file, else tokenizer.json, else vocab.json with
/// merges.txt, else tokenizer.model. A tokenizer is a witness and never needed: one that cannot be
/// read is a warning of the checkpoint.
pub(crate) fn read(opened: &mut Opened) -> Option<Tokenizer> {
    if let Some(sketch) = &opened.sketch {
        let found = sketch.tokenizer();
        let unreadable = |error: crate::error::Error| unreadable(TOKEN_HASHES, &error.to_string());
        return found
            .map_err(|error| opened.checkpoint.warnings.push(unreadable(error)))
            .ok()
            .flatten();
    }
    let mut warnings = Vec::new();
    let inside = if opened.checkpoint.format == Format::Gguf {
        opened.sources.first()
    } else {
        None
    };
    let found = inside
        .and_then(|source| in_gguf(&**source, &mut warnings))
        .or_else(|| beside(opened.folder.as_deref()?, &mut warnings));
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

/// The first of the files of `folder` that can be read as a tokenizer.
fn beside(folder: &dyn Listing, warnings: &mut Vec<Warning>) -> Option<Tokenizer> {
    let read_small = |name: &str| folder.read_small(name, limits::TOKENIZER_BYTES);
    let mut try_one = |name: &str, parse: &dyn Fn(&[u8]) -> Parsed| {
        let bytes = match read_small(name) {
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

    if let Some(whole) = try_one("tokenizer.json", &Tokenizer::from_json) {
        return Some(whole);
    }
    let merges = read_small("merges.txt").ok().flatten();
    let with_merges = |bytes: &[u8]| Tokenizer::from_vocabulary(bytes, merges.as_deref());
    if let Some(vocabulary) = try_one("vocab.json", &with_merges) {
        return Some(vocabulary);
    }
    try_one("tokenizer.model", &Tokenizer::from_sentencepiece)
}

type Parsed = std::result::Result<Tokenizer, String>;

fn unreadable(name: &str, what: &str) -> Warning {
    Warning::TokenizerUnreadable {
        file: name.to_owned(),
        why: what.to_owned(),
    }
}

#[cfg(test)]
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
