//! Key-value pairs of a GGUF header.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::error::{Result, quoted};
use crate::format::cursor::Cursor;

/// Pairs of a header, sorted by key.
pub(crate) type Metadata = BTreeMap<String, MetaValue>;

/// Most pairs that are read; files in use hold fewer than 100.
const PAIR_LIMIT: u64 = 1 << 16;

/// Deepest nesting of arrays that is read past.
const NESTING_LIMIT: u32 = 4;

/// A value of the header.
#[derive(Debug, Clone, PartialEq)]
pub enum MetaValue {
    /// Integer of any width and sign.
    Integer(i128),
    /// f32 or f64.
    Float(f64),
    /// Truth value.
    Bool(bool),
    /// Text; what is no UTF-8 was replaced.
    Text(String),
    /// Array of strings.
    Texts(TextList),
    /// Array of numbers or truth values.
    Numbers(NumberList),
    /// Array of arrays, which no key in use holds: read past.
    Nested,
}

impl MetaValue {
    /// The non-negative whole number.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Integer(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Strings of an array, one behind the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextList {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl TextList {
    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no string.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of string `at`; tokens need not be UTF-8.
    pub fn bytes(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)? as usize;
        let start = if at == 0 {
            0
        } else {
            *self.ends.get(at - 1)? as usize
        };
        self.bytes.get(start..end)
    }

    /// String `at`; what is no UTF-8 is replaced.
    pub fn get(&self, at: usize) -> Option<Cow<'_, str>> {
        self.bytes(at).map(String::from_utf8_lossy)
    }

    /// The strings in order; what is no UTF-8 is replaced.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, str>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

/// Numbers of an array, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberList {
    kind: Scalar,
    bytes: Vec<u8>,
}

impl NumberList {
    /// Count of numbers.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.kind.size()
    }

    /// Whether there is no number.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Number `at`.
    pub fn get(&self, at: usize) -> Option<MetaValue> {
        let start = at.checked_mul(self.kind.size())?;
        let bytes = self
            .bytes
            .get(start..start.checked_add(self.kind.size())?)?;
        Some(self.kind.value(bytes))
    }

    /// The numbers in order.
    pub fn iter(&self) -> impl Iterator<Item = MetaValue> + '_ {
        self.bytes
            .chunks_exact(self.kind.size())
            .map(|bytes| self.kind.value(bytes))
    }
}

/// Types of fixed size, with the type numbers of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

const STRING: u32 = 8;
const ARRAY: u32 = 9;

impl Scalar {
    const ALL: [Self; 11] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u32 == number)
    }

    fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Value of `size()` little-endian bytes.
    fn value(self, bytes: &[u8]) -> MetaValue {
        let mut word = [0; 8];
        word.iter_mut()
            .zip(bytes)
            .for_each(|(word, byte)| *word = *byte);
        let unsigned = u64::from_le_bytes(word);
        let idle = 64 - 8 * bytes.len() as u32;
        let signed = (unsigned << idle).cast_signed() >> idle;
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => MetaValue::Integer(unsigned.into()),
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => MetaValue::Integer(signed.into()),
            Self::F32 => MetaValue::Float(f32::from_bits(unsigned as u32).into()),
            Self::F64 => MetaValue::Float(f64::from_bits(unsigned)),
            Self::Bool => MetaValue::Bool(unsigned != 0),
        }
    }
}

/// Reads `count` pairs.
pub(super) fn read_metadata(cursor: &mut Cursor<'_>, count: u64) -> Result<Metadata> {
    if count > PAIR_LIMIT {
        return Err(cursor.malformed(format!(
            "{count} metadata pairs, more than the {PAIR_LIMIT} that are read"
        )));
    }
    let mut metadata = Metadata::new();
    for _ in 0..count {
        let key = cursor.text("a metadata key")?;
        let value = read_value(cursor, &key)?;
        if metadata.contains_key(&key) {
            return Err(cursor.malformed(format!("metadata key {} occurs twice", quoted(&key))));
        }
        metadata.insert(key, value);
    }
    Ok(metadata)
}

fn read_value(cursor: &mut Cursor<'_>, key: &str) -> Result<MetaValue> {
    let of = format!("metadata {}", quoted(key));
    match cursor.u32(&of)? {
        STRING => Ok(MetaValue::Text(
            String::from_utf8_lossy(&cursor.string(&of)?).into_owned(),
        )),
        ARRAY => read_array(cursor, &of),
        number => match Scalar::of(number) {
            Some(kind) => Ok(kind.value(&cursor.bytes(kind.size() as u64, &of)?)),
            None => Err(cursor.malformed(format!("{of} has the unknown type {number}"))),
        },
    }
}

fn read_array(cursor: &mut Cursor<'_>, of: &str) -> Result<MetaValue> {
    let number = cursor.u32(of)?;
    let count = cursor.u64(of)?;
    match number {
        STRING => {
            cursor.expect(count.saturating_mul(8), of)?;
            let mut list = TextList {
                bytes: Vec::new(),
                ends: Vec::with_capacity(count as usize),
            };
            for _ in 0..count {
                list.bytes.extend_from_slice(&cursor.string(of)?);
                // The limit of the header keeps this far below 2^32.
                list.ends.push(list.bytes.len() as u32);
            }
            Ok(MetaValue::Texts(list))
        }
        ARRAY => {
            skip_arrays(cursor, count, of, 2)?;
            Ok(MetaValue::Nested)
        }
        number => match Scalar::of(number) {
            Some(kind) => {
                let bytes = cursor.bytes(count.saturating_mul(kind.size() as u64), of)?;
                Ok(MetaValue::Numbers(NumberList { kind, bytes }))
            }
            None => Err(cursor.malformed(format!("{of} is an array of the unknown type {number}"))),
        },
    }
}

fn skip_arrays(cursor: &mut Cursor<'_>, count: u64, of: &str, depth: u32) -> Result<()> {
    if depth > NESTING_LIMIT {
        return Err(cursor.malformed(format!("{of} nests arrays more than {NESTING_LIMIT} deep")));
    }
    cursor.expect(count.saturating_mul(12), of)?;
    for _ in 0..count {
        let number = cursor.u32(of)?;
        let inner = cursor.u64(of)?;
        match number {
            STRING => {
                cursor.expect(inner.saturating_mul(8), of)?;
                for _ in 0..inner {
                    let len = cursor.u64(of)?;
                    cursor.skip(len, of)?;
                }
            }
            ARRAY => skip_arrays(cursor, inner, of, depth + 1)?,
            number => match Scalar::of(number) {
                Some(kind) => cursor.skip(inner.saturating_mul(kind.size() as u64), of)?,
                None => {
                    return Err(
                        cursor.malformed(format!("{of} is an array of the unknown type {number}"))
                    );
                }
            },
        }
    }
    Ok(())
}
