//! GGUF files: header, metadata, tensor infos, split files (`docs/gguf.md` of ggml;
//! guide/formats.md, section 1.4).

mod config;
mod conversion;
mod metadata;
mod split;
#[cfg(test)]
mod tests;

pub(crate) use config::architecture;
pub use config::{declared_base, to_config, tokens};
pub(crate) use conversion::{Conversion, Undo, conversion, original_shape};
pub use conversion::{norm_offset, row_order, tiled};
pub(crate) use metadata::{MetaValue, Metadata, TextList};
pub use split::join_splits;
pub(crate) use split::missing_part;

use std::collections::BTreeSet;
use std::ops::Bound;

use super::cursor::Cursor;
use super::unique::repeated;
use crate::error::{Result, quoted};
use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::{Dtype, element_count};
use crate::source::Source;

/// First bytes of every file.
pub(crate) const MAGIC: [u8; 4] = *b"GGUF";

/// Longest header that is read, in bytes. That of the largest models with a vocabulary of 260,000
/// takes about 20 MB.
const HEADER_LIMIT: u64 = 256 << 20;

/// Most tensors that are read from one file; a layer-wise mixture of 400 experts in 100 layers
/// holds 120,000.
const TENSOR_LIMIT: u64 = 1 << 20;

/// Place of a file among the parts of a split model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Place of this file, from 0 (`split.no`).
    pub index: u64,
    /// Number of files (`split.count`).
    pub count: u64,
    /// Tensors in all files together (`split.tensors.count`).
    pub tensors: Option<u64>,
}

/// The header of one file.
#[derive(Debug, Clone)]
pub struct GgufFile {
    /// Version of the format, 2 or 3.
    pub version: u32,
    /// Key-value pairs. Of a split model only the first file holds all.
    pub metadata: Metadata,
    /// Tensors in file order; shapes slowest axis first, offsets from the start of the file.
    pub tensors: Vec<TensorInfo>,
    /// Set for a part of a split model.
    pub split: Option<Split>,
}

/// Reads and checks the header of the file `source`; `file` becomes [`TensorInfo::file`].
///
/// # Errors
/// Not GGUF of version 2 or 3 in little-endian order, a header that contradicts itself or the
/// length of the file, or no tensor of a known type.
pub fn parse_gguf(source: &dyn Source, file: usize) -> Result<GgufFile> {
    let bound = if source.len() > HEADER_LIMIT {
        "the longest header that is read"
    } else {
        "the end of the file"
    };
    let mut cursor = Cursor::new(source, 0..HEADER_LIMIT, bound);
    if cursor.array::<4>("the magic number")? != MAGIC {
        return Err(cursor.malformed("no GGUF file: it does not begin with \"GGUF\""));
    }
    let version = cursor.u32("the version")?;
    if version != 0 && version & 0xFFFF == 0 {
        return Err(cursor.unsupported("a big-endian GGUF file; little-endian files are read"));
    }
    if !(2..=3).contains(&version) {
        return Err(
            cursor.unsupported(format!("GGUF version {version}; versions 2 and 3 are read"))
        );
    }
    let tensor_count = cursor.u64("the tensor count")?;
    let pair_count = cursor.u64("the metadata count")?;
    if tensor_count > TENSOR_LIMIT {
        return Err(cursor.malformed(format!(
            "{tensor_count} tensors, more than the {TENSOR_LIMIT} that are read"
        )));
    }
    let metadata = metadata::read_metadata(&mut cursor, pair_count)?;
    require_model(&cursor, &metadata)?;
    let alignment = alignment(&cursor, &metadata)?;
    let mut tensors = Vec::new();
    let mut first_unknown = None;
    for _ in 0..tensor_count {
        let (tensor, number) = read_tensor(&mut cursor, alignment, file)?;
        if tensor.dtype == Dtype::Unknown && first_unknown.is_none() {
            first_unknown = Some((tensor.name.clone(), number));
        }
        tensors.push(tensor);
    }
    if let Some((name, number)) = first_unknown
        && tensors.iter().all(|tensor| tensor.dtype == Dtype::Unknown)
    {
        return Err(cursor.unsupported(format!(
            "tensor {} has the tensor type {number}, which is not known",
            quoted(&name)
        )));
    }
    place_tensors(
        &cursor,
        &mut tensors,
        cursor.position().next_multiple_of(alignment),
        source.len(),
    )?;
    let split = split_of(&cursor, &metadata)?;
    Ok(GgufFile {
        version,
        metadata,
        tensors,
        split,
    })
}

/// That the file is a model, or an adapter of one: llama.cpp keeps other tensors in GGUF too.
fn require_model(cursor: &Cursor<'_>, metadata: &Metadata) -> Result<()> {
    let text = |key: &str| metadata.get(key).and_then(MetaValue::as_text);
    let what = match (text("general.type"), text("general.architecture")) {
        (Some("imatrix"), _) => {
            "an importance matrix (imatrix): statistics of activations, no weights (expected a model)"
        }
        (_, Some("controlvector")) => {
            "a control vector: directions of activations, no weights (expected a model)"
        }
        _ => return Ok(()),
    };
    Err(cursor.unsupported(what))
}

fn alignment(cursor: &Cursor<'_>, metadata: &Metadata) -> Result<u64> {
    let Some(value) = metadata.get("general.alignment") else {
        return Ok(32);
    };
    match value.as_u64() {
        Some(alignment) if alignment.is_power_of_two() && alignment <= 1 << 31 => Ok(alignment),
        _ => Err(cursor.malformed("general.alignment is no power of two")),
    }
}

/// One tensor info, its offset still relative to the data, and the number of its type. How many
/// bytes a tensor of an unknown type has is left open.
fn read_tensor(cursor: &mut Cursor<'_>, alignment: u64, file: usize) -> Result<(TensorInfo, u32)> {
    let name = cursor.text("a tensor name")?;
    let of = format!("tensor {}", quoted(&name));
    let rank = cursor.u32(&of)?;
    if rank > 4 {
        return Err(cursor.malformed(format!("{of} has {rank} axes, expected at most 4")));
    }
    let mut shape = Vec::new();
    for _ in 0..rank {
        shape.push(cursor.u64(&of)?);
    }
    let number = cursor.u32(&of)?;
    let offset = cursor.u64(&of)?;
    let dtype = tensor_type(number).unwrap_or(Dtype::Unknown);
    let (block, _) = dtype.block();
    let row = shape.first().copied().unwrap_or(1);
    if !row.is_multiple_of(block) {
        return Err(cursor.malformed(format!(
            "{of} has rows of {row} elements, expected whole {dtype} blocks of {block}"
        )));
    }
    if !offset.is_multiple_of(alignment) {
        return Err(cursor.malformed(format!(
            "{of} begins at {offset}, expected a multiple of {alignment}"
        )));
    }
    shape.reverse();
    let bytes = element_count(&shape).and_then(|elements| dtype.byte_len(elements));
    let Some(bytes) = bytes else {
        return Err(cursor.malformed(format!(
            "{of} has the shape {shape:?}, more elements than can be counted"
        )));
    };
    let tensor = TensorInfo {
        name,
        dtype,
        shape,
        file,
        offset,
        bytes,
    };
    Ok((tensor, number))
}

/// Makes offsets absolute and checks names and ranges against one another and the file.
fn place_tensors(
    cursor: &Cursor<'_>,
    tensors: &mut [TensorInfo],
    data: u64,
    file_len: u64,
) -> Result<()> {
    let begins: BTreeSet<u64> = tensors.iter().map(|tensor| tensor.offset).collect();
    for tensor in tensors.iter_mut() {
        if tensor.dtype == Dtype::Unknown {
            // How long it is no table tells: as far as the next one.
            let after = (Bound::Excluded(tensor.offset), Bound::Unbounded);
            let end = begins.range(after).next().copied();
            let end = end.unwrap_or_else(|| file_len.saturating_sub(data));
            tensor.bytes = end.saturating_sub(tensor.offset);
        }
        let offset = data.checked_add(tensor.offset);
        let end = offset.and_then(|offset| offset.checked_add(tensor.bytes));
        match (offset, end) {
            // What has no bytes may lie anywhere; readers look for it inside the file.
            (Some(offset), _) if tensor.bytes == 0 => tensor.offset = offset.min(file_len),
            (Some(offset), Some(end)) if end <= file_len => tensor.offset = offset,
            _ => {
                let (name, bytes) = (quoted(&tensor.name), tensor.bytes);
                return Err(cursor.malformed(format!(
                    "tensor {name} of {bytes} bytes runs past the end of the file ({file_len} bytes)"
                )));
            }
        }
    }
    if let Some(name) = repeated(tensors.iter().map(|tensor| tensor.name.as_str())) {
        return Err(cursor.malformed(format!("tensor {} occurs twice", quoted(name))));
    }
    let mut ranges: Vec<&TensorInfo> = tensors.iter().filter(|tensor| tensor.bytes > 0).collect();
    ranges.sort_by_key(|tensor| tensor.offset);
    let overlap = ranges.windows(2).find_map(|pair| match pair {
        [first, second] if first.offset + first.bytes > second.offset => {
            Some((&first.name, &second.name))
        }
        _ => None,
    });
    if let Some((first, second)) = overlap {
        return Err(cursor.malformed(format!(
            "tensors {} and {} overlap",
            quoted(first),
            quoted(second)
        )));
    }
    Ok(())
}

fn split_of(cursor: &Cursor<'_>, metadata: &Metadata) -> Result<Option<Split>> {
    let Some(count) = metadata.get("split.count") else {
        return Ok(None);
    };
    let number = |key: &str| metadata.get(key).and_then(MetaValue::as_u64);
    let (Some(count), Some(index)) = (count.as_u64(), number("split.no")) else {
        return Err(cursor.malformed("split.no and split.count are no counts"));
    };
    // A model in one file may carry a count of 0 or 1.
    if count <= 1 {
        return Ok(None);
    }
    if index >= count {
        return Err(cursor.malformed(format!(
            "split.no is {index}, expected less than split.count, {count}"
        )));
    }
    Ok(Some(Split {
        index,
        count,
        tensors: number("split.tensors.count"),
    }))
}

/// Dtype of a tensor type number (`ggml_type` of ggml.h).
fn tensor_type(number: u32) -> Option<Dtype> {
    Some(match number {
        0 => Dtype::F32,
        1 => Dtype::F16,
        2 => Dtype::Q4_0,
        3 => Dtype::Q4_1,
        6 => Dtype::Q5_0,
        7 => Dtype::Q5_1,
        8 => Dtype::Q8_0,
        10 => Dtype::Q2K,
        11 => Dtype::Q3K,
        12 => Dtype::Q4K,
        13 => Dtype::Q5K,
        14 => Dtype::Q6K,
        16 => Dtype::Iq2Xxs,
        17 => Dtype::Iq2Xs,
        18 => Dtype::Iq3Xxs,
        19 => Dtype::Iq1S,
        20 => Dtype::Iq4Nl,
        21 => Dtype::Iq3S,
        22 => Dtype::Iq2S,
        23 => Dtype::Iq4Xs,
        24 => Dtype::I8,
        25 => Dtype::I16,
        26 => Dtype::I32,
        27 => Dtype::I64,
        28 => Dtype::F64,
        29 => Dtype::Iq1M,
        30 => Dtype::Bf16,
        34 => Dtype::Tq1_0,
        35 => Dtype::Tq2_0,
        39 => Dtype::Mxfp4,
        40 => Dtype::Nvfp4,
        41 => Dtype::Q1_0,
        _ => return None,
    })
}
