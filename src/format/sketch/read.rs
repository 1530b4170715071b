//! A sketch, opened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result, quoted};
use crate::format::open::Opened;
use crate::model::checkpoint::{Checkpoint, File, TensorInfo, WeightFiles, WeightSet};
use crate::model::config::Config;
use crate::model::dtype::{Dtype, element_count};
use crate::model::sketch::{
    FACTS, Facts, Head, LONGEST_AXIS, METADATA, Patch as KeptPatch, SCHEMA, TOKEN_HASHES, TOKEN_IDS,
};
use crate::model::tokenizer::{Tokenizer, first_bytes};
use crate::model::warning::Warning;
use crate::source::{Axis, Holes, Memory, Patch, Patched, Source};

use super::super::contents::Contents;
use super::super::safetensors;

/// Longest JSON of facts: 200 bytes a tensor, and the header of the models behind holds 100 MB.
const FACTS_BYTES: u64 = 256_000_000;

/// Values that a model may have for each byte of its sketch. A model of 7 billion has 140, one of a
/// trillion 4,000; without a bound a few bytes would claim years of reading.
const VALUES_A_BYTE: u64 = 1 << 16;

/// Most patches of one tensor: of stacked experts each has a few.
const MOST_PATCHES: usize = 1 << 16;

/// Parameters and bytes of a model that sums over a few of them cannot overflow.
const MOST_PARAMETERS: u64 = 1 << 56;

/// The sketch behind a checkpoint that was opened from one.
pub(crate) struct Sketch {
    /// Its file.
    pub source: Arc<dyn Source>,
    /// What it says of the model.
    pub facts: Facts,
    /// Seed of what was drawn.
    pub seed: u64,
    /// Digests of the stored tensors that the facts list.
    pub digests: Vec<[u8; 32]>,
    /// What is known of each of the checkpoint's tensors, in their order.
    pub patched: Vec<Patched>,
    /// What is known beside it of the units that contribute most.
    pub largest: Vec<Vec<Patch>>,
    /// Where the hashes and ids of its tokens lie, where it has any.
    tokens: Option<[TensorInfo; 2]>,
}

impl Sketch {
    /// The tensors with all values that are known, those of the largest units too.
    pub(crate) fn with_largest(&self) -> Holes {
        let mut tensors = self.patched.clone();
        for (tensor, largest) in tensors.iter_mut().zip(&self.largest) {
            tensor.patches.extend_from_slice(largest);
        }
        Holes::new(Arc::clone(&self.source), tensors)
    }

    /// First bytes of the hashes and ids of the `count` tokens of least hash; `None` where it knows no
    /// tokens.
    ///
    /// # Errors
    /// Bytes that cannot be read.
    pub(crate) fn first_tokens(&self, count: usize) -> Result<Option<Vec<(u64, u32)>>> {
        let Some([hashes, ids]) = &self.tokens else {
            return Ok(None);
        };
        let count = count.min(usize::try_from(ids.elements()).unwrap_or(0));
        let bytes = |tensor: &TensorInfo, size: usize| -> Result<Vec<u8>> {
            let mut scratch = Vec::new();
            let read = self
                .source
                .bytes(tensor.offset, count * size, &mut scratch)?;
            Ok(read.to_vec())
        };
        let (hashes, ids) = (bytes(hashes, 8)?, bytes(ids, 4)?);
        let hashes = hashes.chunks_exact(8).map(first_bytes);
        Ok(Some(hashes.zip(ids.chunks_exact(4).map(u32_of)).collect()))
    }

    /// Its tokenizer, tokens by their hashes.
    ///
    /// # Errors
    /// Bytes that cannot be read, or that are no tokens.
    pub(crate) fn tokenizer(&self) -> Result<Option<Tokenizer>> {
        let Some([hashes, ids]) = &self.tokens else {
            return Ok(None);
        };
        let bytes = |tensor: &TensorInfo| -> Result<Vec<u8>> {
            let length = usize::try_from(tensor.bytes).unwrap_or(usize::MAX);
            let mut out = Vec::new();
            self.source.bytes(tensor.offset, length, &mut out)?;
            out.truncate(length);
            Ok(out)
        };
        let (hashes, ids) = (bytes(hashes)?, bytes(ids)?);
        let ids = ids.chunks_exact(4).map(u32_of);
        let tokens = hashes.chunks_exact(8).map(Box::from).zip(ids).collect();
        let tokenizer = Tokenizer::of_hashes(tokens);
        tokenizer
            .map(Some)
            .map_err(|what| Error::malformed(self.source.path(), format!("{TOKEN_HASHES}: {what}")))
    }
}

/// Whether the file is a sketch by its metadata; no more than its header is read.
///
/// # Errors
/// A read that fails.
pub(crate) fn is_sketch(source: &dyn Source) -> Result<bool> {
    let mut scratch = Vec::new();
    let length = source.len().min(8);
    let head = source.bytes(0, usize::try_from(length).unwrap_or(0), &mut scratch)?;
    let Some(header) = head.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else {
        return Ok(false);
    };
    // The writer puts the metadata in front.
    let length = header.min(source.len().saturating_sub(8)).min(256);
    let head = source.bytes(8, usize::try_from(length).unwrap_or(0), &mut scratch)?;
    let head = String::from_utf8_lossy(head);
    Ok(head.starts_with("{\"__metadata__\":{\"wcmp.sketch\":"))
}

/// Opens a sketch as the model that it was taken of.
///
/// # Errors
/// Anything that does not fit: what is there and what was expected.
pub(crate) fn opened(path: &Path, source: Arc<dyn Source>) -> Result<Opened> {
    let Read {
        head,
        facts,
        tokens,
        digests,
        tensors,
        patched,
        largest,
        warnings,
    } = read(&*source)?;
    let file = File {
        name: path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned(),
        path: source.path().to_path_buf(),
        bytes: source.len(),
    };
    let checkpoint = Checkpoint {
        path: path.to_path_buf(),
        name: facts.name.clone(),
        format: facts.format,
        tensors,
        config: facts.config.clone().map(|raw| Config { raw }),
        declared_base: facts.declared_base.clone(),
        weight_sets: vec![WeightSet {
            prefix: String::new(),
            files: WeightFiles::One(file.name.clone()),
        }],
        left_aside: Vec::new(),
        warnings,
        files: vec![file],
    };
    let holes = Holes::new(Arc::clone(&source), patched.clone());
    let sketch = Sketch {
        source,
        facts,
        seed: head.seed,
        digests,
        patched,
        largest,
        tokens,
    };
    Ok(Opened::of_sketch(checkpoint, Arc::new(holes), sketch))
}

/// Whether the bytes, to be written at `path`, are a sketch that can be read again.
///
/// # Errors
/// As [`opened`].
pub(crate) fn check(path: &Path, bytes: &[u8]) -> Result<()> {
    read(&Memory::new(path, bytes)).map(|_| ())
}

/// What stands in the file of a sketch.
struct Read {
    head: Head,
    facts: Facts,
    tokens: Option<[TensorInfo; 2]>,
    digests: Vec<[u8; 32]>,
    tensors: Vec<TensorInfo>,
    patched: Vec<Patched>,
    largest: Vec<Vec<Patch>>,
    warnings: Vec<Warning>,
}

fn read(source: &dyn Source) -> Result<Read> {
    let contents = safetensors::read(source, 0)?;
    let tensors = contents.tensors.iter();
    let file = Stored {
        source,
        tensors: tensors.map(|t| (t.name.as_str(), t)).collect(),
    };
    let head = head(&file, &contents)?;
    let facts = facts(&file)?;
    let tokens = tokens(&file)?;
    let digests = digests(&file, &facts)?;
    let Tensors {
        tensors,
        patched,
        largest,
    } = self::tensors(&file, &facts)?;
    Ok(Read {
        head,
        facts,
        tokens,
        digests,
        tensors,
        patched,
        largest,
        warnings: contents.warnings,
    })
}

/// The file's tensors by name.
struct Stored<'a> {
    source: &'a dyn Source,
    tensors: BTreeMap<&'a str, &'a TensorInfo>,
}

impl Stored<'_> {
    fn malformed(&self, what: impl Into<String>) -> Error {
        Error::malformed(self.source.path(), what)
    }

    fn tensor(&self, name: &str) -> Result<&TensorInfo> {
        let tensor = self.tensors.get(name).copied();
        tensor.ok_or_else(|| {
            self.malformed(format!(
                "no tensor {} (expected one: a damaged sketch?)",
                quoted(name)
            ))
        })
    }

    /// The bytes of a tensor of that dtype and number of axes.
    fn bytes(&self, name: &str, dtype: Dtype, axes: usize) -> Result<(Vec<u8>, &TensorInfo)> {
        let tensor = self.tensor(name)?;
        if tensor.dtype != dtype || tensor.shape.len() != axes {
            return Err(self.malformed(format!(
                "tensor {} is {} of {} axes (expected {dtype} of {axes})",
                quoted(name),
                tensor.dtype,
                tensor.shape.len()
            )));
        }
        // The reader of the header saw that all of it lies in the file.
        let length = usize::try_from(tensor.bytes)
            .map_err(|_| self.malformed(format!("tensor {} is too long", quoted(name))))?;
        let mut scratch = Vec::new();
        let bytes = self.source.bytes(tensor.offset, length, &mut scratch)?;
        Ok((bytes.to_vec(), tensor))
    }
}

fn head(file: &Stored<'_>, contents: &Contents) -> Result<Head> {
    let text = contents.metadata.get(METADATA);
    let text = text.ok_or_else(|| {
        file.malformed(format!("no {METADATA} in the metadata (expected a sketch)"))
    })?;
    let head: Head = serde_json::from_str(text)
        .map_err(|error| file.malformed(format!("{METADATA} in the metadata: {error}")))?;
    if head.schema != SCHEMA {
        let what = format!(
            "a sketch of schema {} (expected {SCHEMA}; a newer wcmp may read it)",
            quoted(&head.schema)
        );
        return Err(Error::unsupported(file.source.path(), what));
    }
    Ok(head)
}

fn facts(file: &Stored<'_>) -> Result<Facts> {
    let length = file.tensor(FACTS)?.bytes;
    if length > FACTS_BYTES {
        return Err(file.malformed(format!(
            "{length} bytes of facts (expected at most {FACTS_BYTES})"
        )));
    }
    let (bytes, _) = file.bytes(FACTS, Dtype::U8, 1)?;
    let facts: Facts = serde_json::from_slice(&bytes)
        .map_err(|error| file.malformed(format!("{FACTS}: {error}")))?;
    if !(0.0..=1.0).contains(&facts.disclosed_share) {
        return Err(file.malformed(format!(
            "disclosed_share {} (expected 0 to 1)",
            facts.disclosed_share
        )));
    }
    let counts = [facts.parameters, facts.bytes].into_iter();
    let counts = counts.chain(facts.dtypes.values().copied());
    if let Some(count) = counts.into_iter().find(|count| *count > MOST_PARAMETERS) {
        return Err(file.malformed(format!(
            "{count} parameters or bytes of a model (expected at most {MOST_PARAMETERS})"
        )));
    }
    Ok(facts)
}

fn tokens(file: &Stored<'_>) -> Result<Option<[TensorInfo; 2]>> {
    let Some(hashes) = file.tensors.get(TOKEN_HASHES) else {
        return Ok(None);
    };
    let ids = file.tensor(TOKEN_IDS)?;
    let fits = hashes.dtype == Dtype::U8
        && ids.dtype == Dtype::U32
        && ids.shape.len() == 1
        && hashes.shape == [ids.elements(), 8];
    match fits {
        true => Ok(Some([(*hashes).clone(), ids.clone()])),
        false => Err(file.malformed(format!(
            "hashes {:?} and ids {:?} of tokens do not fit (expected 8 bytes and one id a token)",
            hashes.shape, ids.shape
        ))),
    }
}

fn u32_of(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The digests of the stored tensors.
fn digests(file: &Stored<'_>, facts: &Facts) -> Result<Vec<[u8; 32]>> {
    let mut out = Vec::with_capacity(facts.manifest.len());
    for entry in &facts.manifest {
        let mut sha256 = [0; 32];
        let is_word = !entry.dtype.is_empty()
            && entry
                .dtype
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if hex::decode_to_slice(&entry.sha256, &mut sha256).is_err() || !is_word {
            return Err(file.malformed(format!(
                "manifest entry {}: dtype {} and digest {} (expected a word and 64 hexadecimal digits)",
                quoted(&entry.name),
                quoted(&entry.dtype),
                quoted(&entry.sha256)
            )));
        }
        out.push(sha256);
    }
    let is_sorted = facts
        .manifest
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.name.as_bytes() < b.name.as_bytes()));
    match is_sorted {
        true => Ok(out),
        false => Err(file.malformed("a manifest out of order (expected names sorted, each once)")),
    }
}

/// The model's tensors as they are addressed, and what is known of each.
#[derive(Default)]
struct Tensors {
    tensors: Vec<TensorInfo>,
    patched: Vec<Patched>,
    largest: Vec<Vec<Patch>>,
}

fn tensors(file: &Stored<'_>, facts: &Facts) -> Result<Tensors> {
    let mut axes = Axes {
        file,
        read: BTreeMap::new(),
    };
    let mut taken = BTreeSet::new();
    let most = file.source.len().saturating_mul(VALUES_A_BYTE);
    let mut claimed = 0u64;
    let mut names = BTreeSet::new();
    let mut out = Tensors::default();
    let mut offset = 0u64;
    for kept in &facts.tensors {
        let malformed =
            |what: String| file.malformed(format!("tensor {}: {what}", quoted(&kept.name)));
        let (dtype, nan) = number_format(&kept.dtype).ok_or_else(|| {
            malformed(format!(
                "dtype {} (expected F32, F16 or BF16)",
                quoted(&kept.dtype)
            ))
        })?;
        let elements = element_count(&kept.shape).filter(|_| kept.shape.len() <= 64);
        let bytes = elements.and_then(|elements| dtype.byte_len(elements));
        let end = bytes.and_then(|bytes| offset.checked_add(bytes));
        let (Some(elements), Some(bytes), Some(end)) = (elements, bytes, end) else {
            return Err(malformed("a shape beyond all bounds".to_owned()));
        };
        let rows = match (elements, kept.width) {
            (0, _) => 0,
            (_, width) if width > 0 && elements.is_multiple_of(width) => elements / width,
            (_, width) => {
                return Err(malformed(format!(
                    "rows of {width} values (expected a part of {elements})"
                )));
            }
        };
        claimed = claimed.saturating_add(elements);
        if claimed > most || rows.max(kept.width) > LONGEST_AXIS {
            return Err(malformed(format!(
                "{rows} rows of {} values (expected at most {LONGEST_AXIS} of each, and {most} values \
                 of all tensors for a file of this length)",
                kept.width
            )));
        }
        let is_sorted = names
            .last()
            .is_none_or(|last: &&str| last.as_bytes() < kept.name.as_bytes());
        if !is_sorted || kept.stored.iter().any(|at| *at >= facts.manifest.len()) {
            return Err(malformed(
                "out of order, or of a stored tensor that is none (expected names sorted)"
                    .to_owned(),
            ));
        }
        names.insert(kept.name.as_str());
        let mut read = |list: &[KeptPatch]| {
            let read = patches(file, &mut axes, list, dtype, [rows, kept.width])?;
            let is_again = |patch: &KeptPatch| !taken.insert(patch.values.clone());
            if list.len() > MOST_PATCHES || list.iter().any(is_again) {
                return Err(malformed(format!(
                    "{} patches (expected at most {MOST_PATCHES}, each of values of its own)",
                    list.len()
                )));
            }
            Ok(read)
        };
        let patches = read(&kept.patches)?;
        out.largest.push(read(&kept.largest)?);
        out.tensors.push(TensorInfo {
            name: kept.name.clone(),
            dtype,
            shape: kept.shape.clone(),
            file: 0,
            offset,
            bytes,
        });
        out.patched.push(Patched {
            offset,
            elements,
            width: kept.width,
            nan,
            patches,
        });
        offset = end;
    }
    Ok(out)
}

fn number_format(word: &str) -> Option<(Dtype, &'static [u8])> {
    match word {
        "F32" => Some((Dtype::F32, &[0, 0, 0xC0, 0x7F])),
        "F16" => Some((Dtype::F16, &[0, 0x7E])),
        "BF16" => Some((Dtype::Bf16, &[0xC0, 0x7F])),
        _ => None,
    }
}

/// Lists of indices, each read once.
struct Axes<'a> {
    file: &'a Stored<'a>,
    read: BTreeMap<String, Arc<[u32]>>,
}

impl Axes<'_> {
    /// The list of that name: ascending, all of them below `bound`.
    fn list(&mut self, name: &str, bound: u64) -> Result<Arc<[u32]>> {
        let list = match self.read.get(name) {
            Some(list) => Arc::clone(list),
            None => {
                let (bytes, _) = self.file.bytes(name, Dtype::U32, 1)?;
                let list: Arc<[u32]> = bytes.chunks_exact(4).map(u32_of).collect();
                let ascends = list.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
                if !ascends {
                    return Err(self.file.malformed(format!(
                        "indices {} out of order (expected them ascending, each once)",
                        quoted(name)
                    )));
                }
                self.read.insert(name.to_owned(), Arc::clone(&list));
                list
            }
        };
        match list.last() {
            Some(&last) if u64::from(last) >= bound => Err(self.file.malformed(format!(
                "index {last} in {} (expected less than {bound})",
                quoted(name)
            ))),
            _ => Ok(list),
        }
    }
}

fn patches(
    file: &Stored<'_>,
    axes: &mut Axes<'_>,
    list: &[KeptPatch],
    dtype: Dtype,
    whole: [u64; 2],
) -> Result<Vec<Patch>> {
    let mut out = Vec::with_capacity(list.len());
    for patch in list {
        let mut along = |name: &Option<String>, count: u64| -> Result<(Axis, u64)> {
            let Some(name) = name else {
                return Ok((None, count));
            };
            let list = axes.list(name, count)?;
            if list.is_empty() {
                let what = format!("no index in {} (expected at least one)", quoted(name));
                return Err(file.malformed(what));
            }
            let length = list.len() as u64;
            Ok((Some(list), length))
        };
        let (rows, height) = along(&patch.rows, whole[0])?;
        let (columns, width) = along(&patch.columns, whole[1])?;
        let lengths = [height, width];
        let values = file.tensor(&patch.values)?;
        if values.dtype != dtype || values.shape != lengths {
            return Err(file.malformed(format!(
                "values {}: {} {:?} (expected {dtype} {lengths:?})",
                quoted(&patch.values),
                values.dtype,
                values.shape
            )));
        }
        out.push(Patch {
            rows,
            columns,
            at: values.offset,
        });
    }
    Ok(out)
}
