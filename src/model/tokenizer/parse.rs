//! Tokenizers from the bytes of their files: tokenizer.json, vocab.json with merges.txt,
//! tokenizer.model.
//!
//! Memory is bounded by the length of the input and the two limits. Errors are words without the
//! file's name.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Tokenizer;

/// Most tokens of a vocabulary; the largest in use have about 262,000.
pub(crate) const TOKEN_LIMIT: usize = 1 << 22;

/// Most merges; the largest lists in use have about 515,000.
pub(crate) const MERGE_LIMIT: usize = 1 << 22;

/// That `count` is no more than `limit`.
pub(super) fn within(count: usize, limit: usize, what: &str) -> Result<(), String> {
    match count <= limit {
        true => Ok(()),
        false => Err(format!("more than {limit} {what} (expected a tokenizer)")),
    }
}

/// tokenizer.json of the tokenizers library.
#[derive(serde::Deserialize)]
struct Document {
    model: ModelPart,
    added_tokens: Option<Vec<Added>>,
}

#[derive(serde::Deserialize)]
struct ModelPart {
    vocab: Vocabulary,
    merges: Option<Merges>,
}

#[derive(serde::Deserialize)]
struct Added {
    id: u32,
    content: String,
}

/// A map from token to id, or a list of `[token, score]` in order of the ids.
struct Vocabulary(Vec<(Box<[u8]>, u32)>);

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VocabularyVisitor)
    }
}

struct VocabularyVisitor;

impl<'de> Visitor<'de> for VocabularyVisitor {
    type Value = Vocabulary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from token to id, or a list of tokens with scores")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
        let mut tokens = Vec::new();
        while let Some((token, id)) = map.next_entry::<String, u32>()? {
            within(tokens.len(), TOKEN_LIMIT, "tokens").map_err(A::Error::custom)?;
            tokens.push((boxed(token), id));
        }
        Ok(Vocabulary(tokens))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vocabulary, A::Error> {
        let mut tokens = Vec::new();
        while let Some(Leading(token)) = list.next_element()? {
            within(tokens.len(), TOKEN_LIMIT, "tokens").map_err(A::Error::custom)?;
            tokens.push((
                boxed(token),
                u32::try_from(tokens.len()).map_err(A::Error::custom)?,
            ));
        }
        Ok(Vocabulary(tokens))
    }
}

/// The first element of a list, a string.
struct Leading(String);

impl<'de> Deserialize<'de> for Leading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(LeadingVisitor)
    }
}

struct LeadingVisitor;

impl<'de> Visitor<'de> for LeadingVisitor {
    type Value = Leading;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token and its score")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Leading, A::Error> {
        let token = list
            .next_element()?
            .ok_or_else(|| A::Error::invalid_length(0, &self))?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Leading(token))
    }
}

/// Merges as `"a b"` or as `["a", "b"]`.
struct Merges(Vec<Box<[u8]>>);

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MergesVisitor)
    }
}

struct MergesVisitor;

impl<'de> Visitor<'de> for MergesVisitor {
    type Value = Merges;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of merges")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merges, A::Error> {
        let mut merges = Vec::new();
        while let Some(Merge(merge)) = list.next_element()? {
            within(merges.len(), MERGE_LIMIT, "merges").map_err(A::Error::custom)?;
            merges.push(boxed(merge));
        }
        Ok(Merges(merges))
    }
}

struct Merge(String);

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MergeVisitor)
    }
}

struct MergeVisitor;

impl<'de> Visitor<'de> for MergeVisitor {
    type Value = Merge;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves of a merge")
    }

    fn visit_str<E>(self, text: &str) -> Result<Merge, E> {
        Ok(Merge(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge, A::Error> {
        let mut half = |at| {
            list.next_element::<String>()?
                .ok_or_else(|| A::Error::invalid_length(at, &self))
        };
        let (left, right) = (half(0)?, half(1)?);
        match list.next_element::<IgnoredAny>()? {
            None => Ok(Merge(format!("{left} {right}"))),
            Some(_) => Err(A::Error::invalid_length(3, &self)),
        }
    }
}

fn boxed(text: String) -> Box<[u8]> {
    text.into_bytes().into_boxed_slice()
}

fn json<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|e| format!("{e} (expected a tokenizer)"))
}

impl Tokenizer {
    /// From tokenizer.json: `model.vocab`, `model.merges` and `added_tokens`.
    ///
    /// # Errors
    /// No JSON, no vocabulary, an id beyond 32 bits, or too many tokens or merges.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let document: Document = json(bytes)?;
        let mut tokens = document.model.vocab.0;
        let added = document.added_tokens.unwrap_or_default();
        tokens.extend(
            added
                .into_iter()
                .map(|token| (boxed(token.content), token.id)),
        );
        Self::new(tokens, document.model.merges.map(|merges| merges.0))
    }

    /// From vocab.json, a map from token to id, and merges.txt, a merge a line behind an optional
    /// `#version`.
    ///
    /// # Errors
    /// As [`Tokenizer::from_json`].
    pub fn from_vocabulary(vocabulary: &[u8], merges: Option<&[u8]>) -> Result<Self, String> {
        let Vocabulary(tokens) = json(vocabulary)?;
        Self::new(tokens, merges.map(merge_lines).transpose()?)
    }

    /// From tokenizer.model of sentencepiece: the pieces in order of their ids.
    ///
    /// # Errors
    /// Not a sentencepiece model, or too many pieces.
    pub fn from_sentencepiece(bytes: &[u8]) -> Result<Self, String> {
        Self::new(pieces(bytes)?, None)
    }

    /// From tokens in order of their ids, and merges as `"a b"`.
    ///
    /// # Errors
    /// No token, or too many tokens or merges.
    pub fn from_lists<'a>(
        tokens: impl Iterator<Item = &'a [u8]>,
        merges: Option<impl Iterator<Item = &'a [u8]>>,
    ) -> Result<Self, String> {
        let tokens = tokens
            .take(TOKEN_LIMIT + 1)
            .zip(0u32..)
            .map(|(token, id)| (token.into(), id))
            .collect();
        Self::new(
            tokens,
            merges.map(|merges| merges.take(MERGE_LIMIT + 1).map(Box::from).collect()),
        )
    }
}

fn merge_lines(text: &[u8]) -> Result<Vec<Box<[u8]>>, String> {
    let mut merges = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || (number == 0 && line.starts_with(b"#version")) {
            continue;
        }
        within(merges.len(), MERGE_LIMIT, "merges")?;
        merges.push(Box::from(line));
    }
    Ok(merges)
}

/// Field numbers of sentencepiece_model.proto: `ModelProto.pieces` and `SentencePiece.piece`.
const PIECES: u64 = 1;
const PIECE: u64 = 1;

/// A token and its id.
type Piece = (Box<[u8]>, u32);

fn pieces(model: &[u8]) -> Result<Vec<Piece>, String> {
    let mut tokens = Vec::new();
    let mut fields = Message(model);
    while let Some((field, value)) = fields.next()? {
        let (PIECES, Some(piece)) = (field, value) else {
            continue;
        };
        within(tokens.len(), TOKEN_LIMIT, "tokens")?;
        let mut text = None;
        let mut inner = Message(piece);
        while let Some((field, value)) = inner.next()? {
            if field == PIECE {
                text = value;
            }
        }
        let text = text.ok_or("a piece without its text (expected a sentencepiece model)")?;
        tokens.push((
            Box::from(text),
            u32::try_from(tokens.len()).map_err(|e| e.to_string())?,
        ));
    }
    Ok(tokens)
}

/// What is left of a protocol buffers message.
struct Message<'a>(&'a [u8]);

/// A field's number, and its bytes where it is of a type that has a length.
type Field<'a> = (u64, Option<&'a [u8]>);

impl<'a> Message<'a> {
    fn next(&mut self) -> Result<Option<Field<'a>>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => {
                self.varint()?;
                None
            }
            1 => self.take(8).map(|_| None)?,
            2 => {
                let len = self.varint()?;
                Some(self.take(len)?)
            }
            5 => self.take(4).map(|_| None)?,
            _ => return Err("an unknown wire type (expected a sentencepiece model)".to_owned()),
        };
        Ok(Some((key >> 3, value)))
    }

    /// Seven bits a byte, the lowest first; the last byte's high bit is clear.
    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = u64::from(self.take(1)?.first().copied().unwrap_or_default());
            number |= (byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number of more than ten bytes (expected a sentencepiece model)".to_owned())
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], String> {
        let taken = usize::try_from(len)
            .ok()
            .and_then(|len| self.0.split_at_checked(len));
        let (taken, rest) = taken.ok_or("ends inside a field (expected a sentencepiece model)")?;
        self.0 = rest;
        Ok(taken)
    }
}
