//! The JSON of every command as types, keys in the order in which they are printed; one file a
//! command.
//!
//! One object a command; what did not run is `None` (object) or empty (list). Renderers read these
//! types and nothing else. This file holds what several commands share. Within one `schema` version
//! keys are only added.

pub mod arch;

pub use crate::model::sides::Sides;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::words::en::warnings;
use crate::evidence::relation::Relation;
use crate::evidence::untested::{Obstacle, Subject};
use crate::model::checkpoint::{Format, LeftAside, WhyAside};
use crate::model::tokenizer::Overlap;
use crate::model::warning::{About, Noted, Warning};
use crate::results::checkpoint::{CheckpointFacts, CheckpointKind};
use crate::results::settings::{Deep, Hashing, PcaMode, Switch};
use crate::verdict::decide::{Confidence, Label};
use crate::verdict::origin::{Band, Disagreement, Pattern};
use crate::verdict::reasons::Reason;

mod compare;
pub mod convert;
pub(crate) mod differences;
mod hash;
mod inspect;
mod matrix;
mod rank;
mod read;
mod sketch;
mod verify;

pub use compare::*;
pub use hash::*;
pub use inspect::*;
pub use matrix::*;
pub use rank::*;
pub(crate) use read::lenient;
pub use read::{ReportKind, Saved, json_schema, read, saved};
pub use sketch::*;
pub use verify::*;

/// Declares the type of a `schema` key: it is written as the word of its version, and only that
/// word is read.
macro_rules! version {
    ($(#[$doc:meta])* $name:ident = $word:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name;

        impl $name {
            /// The word.
            pub const WORD: &'static str = $word;
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(Self::WORD)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "const": Self::WORD })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
                let found = String::deserialize(reader)?;
                if found == Self::WORD {
                    return Ok(Self);
                }
                Err(serde::de::Error::custom(format_args!(
                    "schema {} (expected \"{}\")",
                    crate::error::quoted(&found),
                    Self::WORD
                )))
            }
        }
    };
}
use version;

/// Version of the program, as every report carries it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A digest, written in lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex(pub [u8; 32]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(reader)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(&digits, &mut digest).map_err(|_| {
            let shown = crate::error::quoted(&digits);
            serde::de::Error::custom(format_args!("{shown} is no SHA-256 (expected 64 digits)"))
        })?;
        Ok(Self(digest))
    }
}

impl JsonSchema for Hex {
    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The same pair, target first (contract: shares of the target come first).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Shares {
    /// Share of the target, 0 to 1.
    pub target: Option<f64>,
    /// Share of the base, 0 to 1.
    pub base: Option<f64>,
}

/// One weight file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct FileRow {
    /// Name within the checkpoint.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// `CKPT`: a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct CheckpointRow {
    /// checkpoint, or sketch where what is kept of one stands for it.
    #[serde(default = "whole")]
    pub kind: CheckpointKind,
    /// Path as given.
    pub path: String,
    /// Name for people.
    pub name: String,
    /// safetensors, gguf, torch, adapter or config.
    pub format: Format,
    /// Weight files.
    pub files: Vec<FileRow>,
    /// Architecture as config.json names it.
    pub architecture: Option<String>,
    /// Logical elements.
    pub parameters: u64,
    /// Stored bytes of all tensors.
    pub bytes: u64,
    /// Parameters by dtype.
    pub dtypes: BTreeMap<String, u64>,
    /// Quantisation scheme.
    pub quantization: Option<String>,
    /// SHA-256 of the hash manifest's lines.
    pub model_digest: Option<String>,
}

/// `SUM`: means and counts.
#[derive(Debug, Clone, Default, Serialize, JsonSchema, Deserialize)]
pub struct Similarity {
    /// The origin document's figure.
    pub mean_cosine: Option<f64>,
    /// Mean over matrices, weighted by parameters.
    pub matrix_cosine: Option<f64>,
    /// Mean excess over matrices, weighted by parameters.
    pub matrix_excess: Option<f64>,
    /// Plain mean over norms.
    pub norm_cosine: Option<f64>,
    /// Plain mean of the expected cosine over norms.
    pub norm_expected_cosine: Option<f64>,
    /// Plain mean of the centred cosine over norms.
    pub norm_centered_cosine: Option<f64>,
    /// Aligned tensors.
    pub aligned: u64,
    /// Aligned tensors with equal bytes.
    pub identical: u64,
    /// The same among informative ones.
    pub identical_informative: u64,
}

/// `COV`: how much of each side is aligned.
#[derive(Debug, Clone, Copy, Default, Serialize, JsonSchema, Deserialize)]
pub struct Coverage {
    /// Of all parameters.
    pub parameters: Shares,
    /// Of the parameters of matrices.
    pub matrices: Shares,
}

/// What could not be tested, and why.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct NotTestable {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// What, typed.
    #[serde(default, deserialize_with = "lenient")]
    pub subject: Option<Subject>,
    /// Why, typed.
    #[serde(default, deserialize_with = "lenient")]
    pub obstacle: Option<Obstacle>,
}

/// `VERDICT`.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct VerdictRow {
    /// identical, re_encoded, derived, partial_reuse, from_scratch or inconclusive.
    pub label: Label,
    /// First of `relations`.
    pub relation: Option<Relation>,
    /// All that the evidence shows.
    pub relations: Vec<Relation>,
    /// conclusive, strong, moderate, weak.
    pub confidence: Option<Confidence>,
    /// Sentences.
    pub reasons: Vec<String>,
    /// What could not be tested.
    pub not_testable: Vec<NotTestable>,
    /// The reasons, typed, in the same order.
    #[serde(default, deserialize_with = "lenient")]
    pub grounds: Vec<Reason>,
}

/// `ORIGIN`: the origin document's own reading.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct OriginReading {
    /// Mean cosine.
    pub mean_cosine: Option<f64>,
    /// Band.
    pub band: Option<Band>,
    /// Its meaning.
    pub band_meaning: Option<String>,
    /// Layer pattern.
    pub layer_pattern: Pattern,
    /// Its meaning.
    pub pattern_meaning: String,
    /// Whether it agrees with the verdict.
    pub agrees: Option<bool>,
    /// Why not.
    pub why: Option<String>,
    /// Why not, typed.
    #[serde(default, deserialize_with = "lenient")]
    pub disagreement: Option<Disagreement>,
}

/// Settings that shape the answer.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct SettingsRow {
    /// sha256 or none.
    pub hash: Hashing,
    /// fast, full or off.
    pub pca: PcaMode,
    /// on or off.
    pub permutation: Switch,
    /// auto, on or off.
    pub deep: Deep,
    /// Seed of every draw.
    pub seed: u64,
    /// Globs.
    pub include: Vec<String>,
    /// Globs.
    pub exclude: Vec<String>,
}

/// What was expected of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct ExpectRow {
    /// The words of `--expect`.
    pub words: Vec<String>,
    /// The word of `--min-confidence`.
    pub min_confidence: Option<Confidence>,
    /// Whether the answer is one of these, and so sure.
    pub met: bool,
    /// The answer and how sure it is.
    pub got: String,
}

/// Tokenizers compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct TokenizerRow {
    /// Tokens in both.
    pub shared_tokens: u64,
    /// Of these, with the same id.
    pub same_id: u64,
    /// Merges in common.
    pub merges_common: Option<u64>,
    /// Sizes.
    pub vocab: Sides<u64>,
    /// Of the merges in common, the most that follow one another in the same order on both sides.
    #[serde(default)]
    pub merges_in_order: Option<u64>,
}

/// A weight file that was not read.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct LeftAsideRow {
    /// `base` or `target`; of a ranking the name of the base.
    pub side: String,
    /// The file, relative to its checkpoint.
    pub file: String,
    /// Why it was not read.
    pub why: WhyAside,
}

impl LeftAsideRow {
    /// The row of a file that lies beside the checkpoint of a side.
    pub(crate) fn new(side: &str, left: LeftAside) -> Self {
        Self {
            side: side.to_owned(),
            file: left.file,
            why: left.why,
        }
    }
}

/// A warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct WarningRow {
    /// Stable word.
    pub code: String,
    /// Sentence.
    pub message: String,
    /// Tensor or file.
    pub name: Option<String>,
    /// Whose it is, where several models were read.
    #[serde(default, deserialize_with = "lenient")]
    pub about: Option<About>,
    /// What is odd, typed.
    #[serde(default, deserialize_with = "lenient")]
    pub says: Option<Warning>,
}

/// What a report says that knows of weights alone.
fn whole() -> CheckpointKind {
    CheckpointKind::Checkpoint
}

impl From<CheckpointFacts> for CheckpointRow {
    fn from(facts: CheckpointFacts) -> Self {
        let files = facts.files.into_iter();
        let dtypes = facts.dtypes.into_iter();
        Self {
            kind: facts.kind,
            path: facts.path,
            name: facts.name,
            format: facts.format,
            files: files.map(|(name, bytes)| FileRow { name, bytes }).collect(),
            architecture: facts.architecture,
            parameters: facts.parameters,
            bytes: facts.bytes,
            dtypes: dtypes
                .map(|(dtype, parameters)| (dtype.to_string(), parameters))
                .collect(),
            quantization: facts.quantization,
            model_digest: facts.model_digest.map(|digest| Hex(digest).to_string()),
        }
    }
}

impl From<&Overlap> for TokenizerRow {
    fn from(overlap: &Overlap) -> Self {
        Self {
            shared_tokens: overlap.shared_tokens,
            same_id: overlap.same_id,
            merges_common: overlap.merges_common,
            vocab: Sides::from(overlap.sizes),
            merges_in_order: overlap.merges_in_order,
        }
    }
}

impl From<&Warning> for WarningRow {
    fn from(warning: &Warning) -> Self {
        Self {
            code: warning.code().to_owned(),
            message: warnings::warning(warning),
            name: warning.name(),
            about: None,
            says: Some(warning.clone()),
        }
    }
}

impl From<&Noted> for WarningRow {
    fn from(noted: &Noted) -> Self {
        Self {
            message: warnings::noted(noted),
            about: Some(noted.about.clone()),
            ..Self::from(&noted.warning)
        }
    }
}
