//! PyTorch files: zip archives since 1.6, and the form before (guide/formats.md, section 1.5).
//!
//! The pickle inside is read as data; nothing it names is imported or run.

mod globals;
mod keys;
mod pickle;
mod refused;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod training_files;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use self::globals::{Element, Meaning};
use self::pickle::{Node, Pickle, Storage, Tensor, Value};
use self::state::Entry;
use super::contents::{Contents, ModelBeside};
use super::cursor::Cursor;
use super::foreign;
use super::unique::repeated;
use super::zip;
use crate::error::{Error, Result, escape_controls, quoted};
use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::element_count;
use crate::model::warning::{NAMES_KEPT, NotRead, Warning};
use crate::source::{Layout, Source, Strided};

/// Whether a file that begins with `head` may be one: a zip archive or a bare pickle.
pub(super) fn is_torch(head: &[u8]) -> bool {
    head.starts_with(&zip::MAGIC) || matches!(head, [0x80, 2..=5, ..])
}

/// Reads the PyTorch file `source`, number `file` of its checkpoint. A tied tensor is taken once,
/// under its first name; views whose elements do not lie one behind the other are sources of their
/// own.
///
/// # Errors
/// As [`parse_torch`].
pub(super) fn read(source: &Arc<dyn Source>, file: usize) -> Result<Contents> {
    let file = parse_torch(&**source, file)?;
    let mut contents = Contents {
        warnings: file.warnings,
        key: file.key,
        ..Contents::default()
    };
    contents.tensors = untied(file.tensors, source, &mut contents);
    for (key, tensors) in file.others {
        let tensors = untied(tensors, source, &mut contents);
        contents.others.push(ModelBeside { key, tensors });
    }
    Ok(contents)
}

/// The tensors of a model, each storage once; the views among them and a word about the tied ones
/// go to `contents`.
fn untied(
    tensors: Vec<TorchTensor>,
    source: &Arc<dyn Source>,
    contents: &mut Contents,
) -> Vec<TensorInfo> {
    let aliases: BTreeSet<String> = tied(&tensors)
        .into_iter()
        .map(|(alias, _)| alias.to_owned())
        .collect();
    let mut kept = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let name = tensor.info.name.clone();
        if aliases.contains(&name) {
            contents.warnings.push(Warning::TiedTensor { name });
            continue;
        }
        if let Some(layout) = tensor.layout() {
            let view = Strided::new(Arc::clone(source), layout);
            contents.strided.insert(name, view);
        }
        kept.push(tensor.info);
    }
    kept
}

/// Longest pickle that is read, in bytes. A model of 140,000 tensors takes about 30 MB.
const PICKLE_LIMIT: u64 = 128 << 20;

/// Most bytes of all expanded views together, which may be much longer than what they are views of.
/// Masks and position tables of a few megabytes are saved so.
const EXPANDED_LIMIT: u64 = 1 << 28;

/// How often the bytes of a file are read at most, as views of one storage that overlap.
const OVERLAP_LIMIT: u64 = 4;

/// First pickle of the form before 1.6, without its protocol: the integer 0x1950A86A20F9469CFC6C.
const LEGACY_MAGIC: [u8; 13] = *b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Where [`LEGACY_MAGIC`] begins: behind a protocol, and from protocol 4 on a frame.
const LEGACY_STARTS: [usize; 2] = [2, 11];

/// A tensor of a PyTorch file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorchTensor {
    /// Name, dtype, shape; `offset` is that of the first element, `bytes` what the elements take
    /// one behind the other.
    pub info: TensorInfo,
    /// Distances of elements along each axis, in elements, where they are not one behind the other
    /// in row-major order.
    pub strides: Option<Vec<u64>>,
}

impl TorchTensor {
    /// Where the elements are, where they are not one behind the other.
    pub fn layout(&self) -> Option<Layout> {
        let TensorInfo {
            dtype,
            shape,
            offset,
            ..
        } = &self.info;
        let strides = self.strides.clone()?;
        Some(Layout {
            start: *offset,
            width: dtype.block().1,
            shape: shape.clone(),
            strides,
        })
    }
}

/// What a PyTorch file holds.
#[derive(Debug, Clone, Default)]
pub struct TorchFile {
    /// Tensors of the state dictionary, in its order. Tied tensors have the same place under
    /// several names.
    pub tensors: Vec<TorchTensor>,
    /// The key of its dictionary, where there are other models.
    pub key: Option<String>,
    /// Models beside it, by key; their tensors' names begin with it.
    pub others: Vec<(String, Vec<TorchTensor>)>,
    /// Every name that the pickle would have had imported, sorted.
    pub globals: Vec<String>,
    /// Odd but usable things.
    pub warnings: Vec<Warning>,
}

impl TorchFile {
    /// Names whose tensor is that of an earlier name, with that name: tied weights.
    pub fn tied(&self) -> Vec<(&str, &str)> {
        tied(&self.tensors)
    }
}

fn tied(tensors: &[TorchTensor]) -> Vec<(&str, &str)> {
    let mut first = BTreeMap::new();
    let mut tied = Vec::new();
    for TorchTensor { info, strides } in tensors {
        let place = (info.offset, info.bytes, &info.shape, info.dtype, strides);
        match first.get(&place) {
            Some(&name) => tied.push((info.name.as_str(), name)),
            None if info.bytes > 0 => drop(first.insert(place, info.name.as_str())),
            None => {}
        }
    }
    tied
}

/// Reads the PyTorch file `source`; `file` becomes [`TensorInfo::file`].
///
/// # Errors
/// Neither form, compressed or big-endian members, a pickle that names what is not on the list of
/// allowed names, or tensors that do not lie in their storages.
pub fn parse_torch(source: &dyn Source, file: usize) -> Result<TorchFile> {
    let path = source.path();
    let longest = LEGACY_STARTS
        .iter()
        .max()
        .map_or(0, |start| start + LEGACY_MAGIC.len());
    let mut head = vec![0; source.len().min(longest as u64) as usize];
    source.read_at(0, &mut head)?;
    if head.starts_with(&zip::MAGIC) {
        return parse_zip(source, file);
    }
    let has_magic = |start: &usize| {
        head.get(*start..)
            .is_some_and(|at| at.starts_with(&LEGACY_MAGIC))
    };
    if let (true, Some(start)) = (is_torch(&head), LEGACY_STARTS.into_iter().find(has_magic)) {
        return parse_legacy(source, (start + LEGACY_MAGIC.len()) as u64, file);
    }
    if let (true, Some(library)) = (is_torch(&head), foreign::pickled_by(path)) {
        let what = format!("a pickle of {library} (expected a file of torch.save)");
        return Err(Error::unsupported(path, what));
    }
    Err(Error::unsupported(
        path,
        match is_torch(&head) {
            true => "a pickle that torch.save did not write (expected a file of torch.save)",
            false => {
                "no PyTorch file: neither a zip archive nor the pickles of the form before 1.6"
            }
        },
    ))
}

/// Storages by key: where the bytes are.
type Places = BTreeMap<String, Range<u64>>;

fn parse_zip(source: &dyn Source, file: usize) -> Result<TorchFile> {
    let path = source.path();
    let members = zip::members(source)?;
    if let Some(what) = refused::archive(members.keys()) {
        return Err(Error::unsupported(path, what));
    }
    let mut roots = members
        .iter()
        .filter_map(|(name, place)| Some((name.strip_suffix("data.pkl")?, place)));
    let roots: Vec<_> = roots
        .by_ref()
        .filter(|(folder, _)| folder.matches('/').count() == 1 && folder.ends_with('/'))
        .collect();
    let [(folder, data)] = roots[..] else {
        let count = roots.len();
        return Err(Error::unsupported(
            path,
            format!("a zip archive with {count} members FOLDER/data.pkl (expected one)"),
        ));
    };
    if let Some(order) = members.get(&format!("{folder}byteorder")) {
        let mut word = [0; 6];
        if order.end - order.start == 6 {
            source.read_at(order.start, &mut word)?;
        }
        if &word != b"little" {
            return Err(Error::unsupported(
                path,
                "a big-endian PyTorch file; little-endian files are read",
            ));
        }
    }
    if data.end - data.start > PICKLE_LIMIT {
        let what = format!(
            "data.pkl of {} bytes, longer than the {PICKLE_LIMIT} that are read",
            data.end - data.start
        );
        return Err(Error::malformed(path, what));
    }
    let pickle = run(&mut Cursor::new(
        source,
        data.clone(),
        "the end of data.pkl",
    ))?;
    let prefix = format!("{folder}data/");
    let storages = members
        .iter()
        .filter_map(|(name, place)| Some((name.strip_prefix(&prefix)?.to_owned(), place.clone())));
    assemble(source, &pickle, &storages.collect(), file)
}

/// Magic number, protocol, system, object, keys, and then for each key the number of elements and
/// their bytes.
fn parse_legacy(source: &dyn Source, start: u64, file: usize) -> Result<TorchFile> {
    let path = source.path();
    let mut cursor = Cursor::new(
        source,
        start..source.len().min(start + PICKLE_LIMIT),
        "the end of the pickles",
    );
    let protocol = pickle::run(&mut cursor)?;
    if protocol.root != Some(Value::Integer(1001)) {
        return Err(Error::unsupported(
            path,
            "a PyTorch file of an unknown protocol (expected 1001)",
        ));
    }
    let system = pickle::run(&mut cursor)?;
    let little = system
        .root
        .and_then(|root| system.node(root))
        .is_some_and(|root| match root {
            Node::Dictionary(pairs) => pairs.iter().any(|&(key, value)| {
                system.text(key) == Some("little_endian") && value == Value::Bool(true)
            }),
            _ => false,
        });
    if !little {
        return Err(Error::unsupported(
            path,
            "a big-endian PyTorch file; little-endian files are read",
        ));
    }
    let object = run(&mut cursor)?;
    let keys = pickle::run(&mut cursor)?;
    let Some(keys_in_order) = keys.root.and_then(|root| keys.items(root)) else {
        return Err(Error::malformed(
            path,
            "the keys of the storages are no list",
        ));
    };
    let widths: BTreeMap<&str, u64> = object
        .storages()
        .filter_map(|storage| {
            Some((
                object.text(Value::Text(storage.key.0, storage.key.1))?,
                width(storage.element),
            ))
        })
        .collect();
    let mut places = Places::new();
    let mut at = cursor.position();
    for &key in keys_in_order {
        let key = keys
            .text(key)
            .ok_or_else(|| Error::malformed(path, "a key of a storage is no text"))?;
        let width = widths.get(key).ok_or_else(|| {
            Error::malformed(path, format!("storage {} is not used", quoted(key)))
        })?;
        let mut count = [0; 8];
        let missing = || {
            Error::malformed(
                path,
                format!("storage {} runs past the end of the file", quoted(key)),
            )
        };
        if source.len().saturating_sub(at) < 8 {
            return Err(missing());
        }
        source.read_at(at, &mut count)?;
        let begin = at + 8;
        let bytes = u64::try_from(i64::from_le_bytes(count))
            .ok()
            .and_then(|count| count.checked_mul(*width));
        let end = bytes
            .and_then(|bytes| begin.checked_add(bytes))
            .filter(|&end| end <= source.len());
        at = end.ok_or_else(missing)?;
        if places.insert(key.to_owned(), begin..at).is_some() {
            return Err(Error::malformed(
                path,
                format!("storage {} occurs twice", quoted(key)),
            ));
        }
    }
    assemble(source, &object, &places, file)
}

/// Runs the pickle that holds the state dictionary and refuses names that are not allowed.
fn run(cursor: &mut Cursor<'_>) -> Result<Pickle> {
    let pickle = pickle::run(cursor)?;
    let forbidden = pickle
        .globals()
        .filter(|(_, meaning)| *meaning == Meaning::Forbidden)
        .map(|(name, _)| name);
    let forbidden = in_words(forbidden);
    if forbidden.is_empty() {
        return Ok(pickle);
    }
    Err(cursor.unsupported(format!(
        "the pickle names {forbidden}, which weights do not need; nothing was run"
    )))
}

/// A few names for people.
fn in_words<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(escape_controls).collect();
    let shown = names
        .iter()
        .take(NAMES_KEPT)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().checked_sub(NAMES_KEPT) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// Keys of models left aside that a warning names.
const PARTS_NAMED: usize = 8;

/// Tensors of the weights, each checked against its storage.
fn assemble(
    source: &dyn Source,
    pickle: &Pickle,
    places: &Places,
    file: usize,
) -> Result<TorchFile> {
    let path = source.path();
    let state = state::find(pickle);
    if state.is_cut {
        let what = "a pickle with more names than its text holds (expected a model's tensors)";
        return Err(Error::malformed(path, what));
    }
    if state.entries.is_empty() {
        return Err(Error::unsupported(path, refused::pickle(pickle, &state)));
    }
    let mut found = TorchFile {
        globals: pickle.globals().map(|(name, _)| name.to_owned()).collect(),
        warnings: notes(pickle, &state),
        key: state.chosen.clone(),
        ..TorchFile::default()
    };
    let mut placing = Placing {
        source,
        pickle,
        places,
        file,
        expanded: 0,
        bytes: 0,
    };
    found.tensors = placing.all(&state.entries, &mut found.warnings)?;
    for (key, entries) in &state.others {
        let tensors = placing.all(entries, &mut found.warnings)?;
        found.others.push((key.clone(), tensors));
    }
    Ok(found)
}

/// What is odd about a pickle: names that are not known, models that are not read.
fn notes(pickle: &Pickle, state: &state::State<'_>) -> Vec<Warning> {
    let mut notes = Vec::new();
    let unknown = pickle
        .globals()
        .filter(|(_, meaning)| *meaning == Meaning::Unknown);
    let unknown: Vec<&str> = unknown.map(|(name, _)| name).collect();
    if !unknown.is_empty() {
        notes.push(Warning::PickleGlobals {
            names: unknown
                .iter()
                .take(NAMES_KEPT)
                .map(|&name| name.to_owned())
                .collect(),
            more: unknown.len().saturating_sub(NAMES_KEPT),
        });
    }
    if let Some(chosen) = &state.chosen {
        let keys = state.others.iter().map(|(key, _)| key);
        notes.push(Warning::PickleParts {
            read: chosen.clone(),
            keys: keys.take(PARTS_NAMED).cloned().collect(),
        });
    }
    notes
}

/// Finds the place of tensors, and keeps count of what reading them costs.
struct Placing<'a> {
    source: &'a dyn Source,
    pickle: &'a Pickle,
    places: &'a Places,
    file: usize,
    /// Bytes of views that are longer than what they are views of.
    expanded: u64,
    /// Bytes of all tensors, each place once.
    bytes: u64,
}

impl Placing<'_> {
    /// The tensors of a model; of those that are not read, a warning.
    fn all(
        &mut self,
        entries: &[(String, Entry<'_>)],
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<TorchTensor>> {
        let path = self.source.path();
        if let Some(name) = repeated(entries.iter().map(|(name, _)| name.as_str())) {
            let what = format!("tensor {} occurs twice", quoted(name));
            return Err(Error::malformed(path, what));
        }
        let mut tensors = Vec::with_capacity(entries.len());
        for (name, entry) in entries {
            match place(self.pickle, name, entry, self.places, self.file) {
                Ok(placed) => {
                    self.count_expanded(&placed)?;
                    tensors.push(placed.tensor);
                }
                Err(Trouble::Unread(what)) => {
                    let name = name.clone();
                    warnings.push(Warning::TensorNotRead { name, what });
                }
                Err(Trouble::Broken(what)) => {
                    let what = format!("tensor {} {what}", quoted(name));
                    return Err(Error::malformed(path, what));
                }
            }
        }
        self.count_overlapping(&tensors)?;
        Ok(tensors)
    }

    fn count_expanded(&mut self, placed: &Placed) -> Result<()> {
        self.expanded = self.expanded.saturating_add(placed.expanded);
        if self.expanded <= EXPANDED_LIMIT {
            return Ok(());
        }
        let (bytes, name) = (placed.expanded, quoted(&placed.tensor.info.name));
        let what = format!(
            "tensor {name} is an expanded view of {bytes} bytes, more than its storage holds (expected at \
             most {EXPANDED_LIMIT} bytes of expanded views)"
        );
        Err(Error::malformed(self.source.path(), what))
    }

    /// Views that overlap are read each: all together must not be many times the file.
    fn count_overlapping(&mut self, tensors: &[TorchTensor]) -> Result<()> {
        let aliases: BTreeSet<&str> = tied(tensors).into_iter().map(|(alias, _)| alias).collect();
        let own = tensors
            .iter()
            .filter(|tensor| !aliases.contains(&*tensor.info.name));
        let bytes = own.fold(0u64, |sum, tensor| sum.saturating_add(tensor.info.bytes));
        self.bytes = self.bytes.saturating_add(bytes);
        let len = self.source.len();
        let most = len
            .saturating_mul(OVERLAP_LIMIT)
            .saturating_add(EXPANDED_LIMIT);
        if self.bytes <= most {
            return Ok(());
        }
        let what = format!(
            "tensors of {} bytes that overlap in a file of {len} bytes (expected at most {OVERLAP_LIMIT} \
             times its length)",
            self.bytes
        );
        Err(Error::malformed(self.source.path(), what))
    }
}

/// A tensor that has its place.
struct Placed {
    tensor: TorchTensor,
    /// Its bytes where they are more than those of its storage, else 0.
    expanded: u64,
}

/// Why a tensor has no place.
enum Trouble {
    /// Legal, and not decoded.
    Unread(NotRead),
    /// It contradicts its storage.
    Broken(String),
}

fn place(
    pickle: &Pickle,
    name: &str,
    entry: &Entry<'_>,
    places: &Places,
    file: usize,
) -> std::result::Result<Placed, Trouble> {
    let tensor = match entry {
        Entry::Tensor(tensor) => tensor,
        Entry::Unread(what) => return Err(Trouble::Unread(*what)),
    };
    let Some(Node::Storage(storage)) = pickle.node(Value::Node(tensor.storage)) else {
        return Err(Trouble::Broken("has no storage".to_owned()));
    };
    let dtype = match tensor.element.unwrap_or(storage.element) {
        Element::Of(dtype) => dtype,
        Element::Untyped => {
            return Err(Trouble::Broken(
                "is a view of bytes without a dtype".to_owned(),
            ));
        }
        Element::Foreign(_) => {
            return Err(Trouble::Unread(NotRead::ForeignDtype));
        }
    };
    if tensor.is_lazy {
        return Err(Trouble::Unread(NotRead::LazyView));
    }
    let bytes = storage_bytes(pickle, storage, places).map_err(Trouble::Broken)?;
    let width = dtype.block().1;
    let shape = tensor.shape.to_vec();
    let count = element_count(&shape).and_then(|count| dtype.byte_len(count));
    let span = span(tensor).and_then(|span| tensor.offset.checked_add(span)?.checked_mul(width));
    let (Some(byte_count), Some(span)) = (count, span) else {
        return Err(Trouble::Broken(format!(
            "has the shape {shape:?}, more elements than can be counted"
        )));
    };
    if span > bytes.end - bytes.start {
        let len = bytes.end - bytes.start;
        return Err(Trouble::Broken(format!(
            "reaches {span} bytes into a storage of {len} bytes"
        )));
    }
    let expanded = if byte_count > bytes.end - bytes.start {
        byte_count
    } else {
        0
    };
    // Nothing is read of an empty tensor, wherever it claims to begin.
    let offset = if byte_count == 0 {
        bytes.start
    } else {
        bytes.start + tensor.offset * width
    };
    let info = TensorInfo {
        name: name.to_owned(),
        dtype,
        shape,
        file,
        offset,
        bytes: byte_count,
    };
    let strides = (!is_row_major(tensor)).then(|| tensor.strides.to_vec());
    Ok(Placed {
        tensor: TorchTensor { info, strides },
        expanded,
    })
}

/// Bytes of one element.
fn width(element: Element) -> u64 {
    match element {
        Element::Of(dtype) => dtype.block().1,
        Element::Untyped => 1,
        Element::Foreign(bytes) => bytes,
    }
}

/// Where the storage is, which must be as long as the pickle says.
fn storage_bytes(
    pickle: &Pickle,
    storage: &Storage,
    places: &Places,
) -> std::result::Result<Range<u64>, String> {
    let key = pickle
        .text(Value::Text(storage.key.0, storage.key.1))
        .unwrap_or_default();
    let place = places
        .get(key)
        .ok_or_else(|| format!("lies in storage {}, which is not in the file", quoted(key)))?;
    let expected = storage.count.checked_mul(width(storage.element));
    let found = place.end - place.start;
    match expected {
        Some(expected) if expected == found => Ok(place.clone()),
        _ => Err(format!(
            "lies in storage {} of {found} bytes, expected {} elements",
            quoted(key),
            storage.count
        )),
    }
}

/// Elements from the first to behind the last one that the tensor reaches.
fn span(tensor: &Tensor) -> Option<u64> {
    if tensor.shape.contains(&0) {
        return Some(0);
    }
    let mut reach = tensor.shape.iter().zip(&tensor.strides);
    reach.try_fold(1u64, |span, (&axis, &stride)| {
        span.checked_add((axis - 1).checked_mul(stride)?)
    })
}

/// Whether elements are one behind the other in row-major order.
fn is_row_major(tensor: &Tensor) -> bool {
    let mut expected = 1u64;
    for (&axis, &stride) in tensor.shape.iter().zip(&tensor.strides).rev() {
        if axis != 1 && stride != expected {
            return tensor.shape.contains(&0);
        }
        expected = expected.saturating_mul(axis);
    }
    true
}
