//! Tokenizers as witnesses: which strings have which ids, and in which order pairs were merged.
//!
//! Two models with one tokenizer need not share a weight, so all that is said here is
//! circumstantial. Rows of embeddings and output heads are paired by what [`shared()`] gives.

mod parse;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::borrow::Cow;
use std::cmp::Ordering;

use sha2::{Digest as _, Sha256};

pub(crate) use parse::{MERGE_LIMIT, TOKEN_LIMIT};

/// A vocabulary with its merges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokenizer {
    /// Bytes and id of every token, sorted by bytes, each string once.
    tokens: Vec<(Box<[u8]>, u32)>,
    /// Merges in their order, the two halves with a space between; `None` for a tokenizer that has
    /// none.
    merges: Option<Vec<Box<[u8]>>>,
    /// Whether the bytes of the tokens are those of their hashes.
    is_hashed: bool,
}

/// Bytes of a token's SHA-256 that stand for it: among a million tokens two are alike once in
/// thirty million vocabularies.
const HASH_BYTES: usize = 8;

impl Tokenizer {
    /// A tokenizer of these tokens; of a string that occurs twice the least id is kept, and of
    /// equal merges the first.
    ///
    /// # Errors
    /// No token, or more than [`TOKEN_LIMIT`] or [`MERGE_LIMIT`].
    pub fn new(
        mut tokens: Vec<(Box<[u8]>, u32)>,
        merges: Option<Vec<Box<[u8]>>>,
    ) -> Result<Self, String> {
        parse::within(tokens.len(), TOKEN_LIMIT, "tokens")?;
        parse::within(merges.as_ref().map_or(0, Vec::len), MERGE_LIMIT, "merges")?;
        if tokens.is_empty() {
            return Err("no token (expected a vocabulary)".to_owned());
        }
        tokens.sort_unstable();
        tokens.dedup_by(|later, first| later.0 == first.0);
        Ok(Self {
            tokens,
            merges,
            is_hashed: false,
        })
    }

    /// A tokenizer of which the hashes of the tokens are known, and their ids.
    ///
    /// # Errors
    /// As [`Tokenizer::new`].
    pub(crate) fn of_hashes(tokens: Vec<(Box<[u8]>, u32)>) -> Result<Self, String> {
        Ok(Self {
            is_hashed: true,
            ..Self::new(tokens, None)?
        })
    }

    /// The same with the hashes of the tokens in their place, by hash.
    pub(crate) fn hashed(&self) -> Cow<'_, Self> {
        if self.is_hashed {
            return Cow::Borrowed(self);
        }
        let hash = |token: &[u8]| -> Box<[u8]> {
            let digest = Sha256::digest(token);
            digest.iter().copied().take(HASH_BYTES).collect()
        };
        let tokens = self.tokens.iter();
        let mut tokens: Vec<(Box<[u8]>, u32)> =
            tokens.map(|(token, id)| (hash(token), *id)).collect();
        tokens.sort_unstable();
        tokens.dedup_by(|later, first| later.0 == first.0);
        Cow::Owned(Self {
            tokens,
            merges: None,
            is_hashed: true,
        })
    }

    /// First bytes of the hashes and ids of the `count` tokens of least hash, by hash.
    pub(crate) fn least_hashes(&self, count: usize) -> Vec<(u64, u32)> {
        let hashed = self.hashed();
        let tokens = hashed.tokens.iter().take(count);
        tokens.map(|(hash, id)| (first_bytes(hash), *id)).collect()
    }

    /// Bytes and id of every token, by bytes.
    pub(crate) fn tokens(&self) -> &[(Box<[u8]>, u32)] {
        &self.tokens
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no token, which [`Tokenizer::new`] refuses.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The id of a token.
    pub fn id(&self, token: &[u8]) -> Option<u32> {
        let at = self
            .tokens
            .binary_search_by(|(bytes, _)| bytes.as_ref().cmp(token))
            .ok()?;
        self.tokens.get(at).map(|(_, id)| *id)
    }

    /// Ids of the tokens that both have, as (own, other's), in the order of the tokens' bytes, or of
    /// their hashes where one side knows no more.
    fn common(&self, other: &Self) -> Vec<(u32, u32)> {
        let (of_self, of_other) = match self.is_hashed == other.is_hashed {
            true => (Cow::Borrowed(self), Cow::Borrowed(other)),
            false => (self.hashed(), other.hashed()),
        };
        let (mut own, mut others) = (
            of_self.tokens.iter().peekable(),
            of_other.tokens.iter().peekable(),
        );
        let common = std::iter::from_fn(|| {
            loop {
                match own.peek()?.0.cmp(&others.peek()?.0) {
                    Ordering::Less => own.next(),
                    Ordering::Greater => others.next(),
                    Ordering::Equal => return Some((own.next()?.1, others.next()?.1)),
                };
            }
        });
        common.collect()
    }
}

/// First bytes of the hash of a token that nothing but its number is known of.
pub(crate) fn hash_of_number(number: usize) -> u64 {
    first_bytes(&Sha256::digest(number.to_string()))
}

/// The first eight bytes of a hash, in their order.
pub(crate) fn first_bytes(hash: &[u8]) -> u64 {
    hash.first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// What two tokenizers have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Overlap {
    /// Tokens of the same bytes.
    pub shared_tokens: u64,
    /// Of these, tokens with the same id.
    pub same_id: u64,
    /// Merges that stand in both lists; `None` where a side has no merges.
    pub merges_common: Option<u64>,
    /// Of these, the most that follow one another in the same order on both sides.
    pub merges_in_order: Option<u64>,
    /// Tokens of base and target.
    pub sizes: [u64; 2],
}

impl Overlap {
    /// The overlap of the tokenizers of base and target.
    pub fn of(base: &Tokenizer, target: &Tokenizer) -> Self {
        let (mut shared_tokens, mut same_id) = (0, 0);
        for (own, other) in base.common(target) {
            shared_tokens += 1;
            same_id += u64::from(own == other);
        }
        let ranks = base
            .merges
            .as_deref()
            .zip(target.merges.as_deref())
            .map(|(b, t)| common_ranks(b, t));
        Self {
            shared_tokens,
            same_id,
            merges_common: ranks.as_ref().map(|ranks| ranks.len() as u64),
            merges_in_order: ranks.as_ref().map(|ranks| longest_ascent(ranks) as u64),
            sizes: [base, target].map(|side| side.len() as u64),
        }
    }
}

/// Ranks in the base's list of the merges that both lists have, in the target's order, each merge
/// once.
fn common_ranks(base: &[Box<[u8]>], target: &[Box<[u8]>]) -> Vec<usize> {
    let mut places: Vec<(&[u8], usize)> = base
        .iter()
        .enumerate()
        .map(|(rank, merge)| (merge.as_ref(), rank))
        .collect();
    places.sort_unstable();
    places.dedup_by(|later, first| later.0 == first.0);
    let mut taken = vec![false; places.len()];
    let mut ranks = Vec::new();
    for merge in target {
        if let Ok(at) = places.binary_search_by(|(bytes, _)| (*bytes).cmp(merge))
            && !std::mem::replace(&mut taken[at], true)
        {
            ranks.push(places[at].1);
        }
    }
    ranks
}

/// Length of the longest ascending subsequence of distinct numbers (patience sorting).
fn longest_ascent(numbers: &[usize]) -> usize {
    let mut tails: Vec<usize> = Vec::new();
    for &number in numbers {
        let at = tails.partition_point(|&tail| tail < number);
        match tails.get_mut(at) {
            Some(tail) => *tail = number,
            None => tails.push(number),
        }
    }
    tails.len()
}

/// Rows of base and target that belong to one token, for embeddings or heads of `rows` rows,
/// ascending by the base's row: tokens of the same bytes, or, where a tokenizer is missing, of the
/// same id. Rows beyond a tokenizer are padding and belong to no token.
pub(crate) fn shared(
    base: Option<&Tokenizer>,
    target: Option<&Tokenizer>,
    rows: [usize; 2],
) -> Vec<[usize; 2]> {
    let (Some(base), Some(target)) = (base, target) else {
        return (0..rows[0].min(rows[1])).map(|id| [id, id]).collect();
    };
    let row = |id: u32, rows: usize| usize::try_from(id).ok().filter(|row| *row < rows);
    let pair = |(own, other)| Some([row(own, rows[0])?, row(other, rows[1])?]);
    let mut pairs: Vec<[usize; 2]> = base.common(target).into_iter().filter_map(pair).collect();
    pairs.sort_unstable();
    pairs
}
