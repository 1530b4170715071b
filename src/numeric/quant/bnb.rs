//! bitsandbytes: int8 by row, and nf4 or fp4 in blocks of the flattened matrix.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::codes::Table;
use super::fp8;
use super::grouped::Grouped;
use super::packed::Fields;
use super::scheme::{self, Candidate, Registration, Scheme, found, refused};
use super::stored::{Stored, float, float_bytes};
use super::{Built, SteppedRows};
use crate::error::Result;
use crate::model::dtype::{Dtype, element_count};
use crate::numeric::rows::RowSource;

/// int8: W = weight · SCB / 127, with `weight` I8 (out, in) and `scb` F32 (out).
///
/// # Errors
/// Dtypes or shapes that do not fit one another.
pub(crate) fn int8<'a>(weight: Stored<'a>, scb: Stored<'a>) -> Built<Grouped<'a>> {
    weight.expect("weight", &[Dtype::I8])?;
    fp8::scaled_by(weight, scb, 1.0 / 127.0)
}

/// Tensors of a 4-bit matrix.
pub(crate) struct Tensors<'a> {
    /// out·in/2 bytes under any dtype, high nibble first.
    pub weight: Stored<'a>,
    /// F32 scale of each block, or U8 codes of the nested map.
    pub absmax: Stored<'a>,
    /// F32 \[16\].
    pub quant_map: Stored<'a>,
    /// With double quantisation: F32 \[256\] and F32 scale of each block of codes.
    pub nested: Option<Nested<'a>>,
}

/// Double quantisation: absmax = map\[code\] · scale + offset.
pub(crate) struct Nested<'a> {
    /// F32 \[256\].
    pub quant_map: Stored<'a>,
    /// F32, one for each block of codes.
    pub absmax: Stored<'a>,
    /// Codes in a block.
    pub block: usize,
    /// What is added.
    pub offset: f32,
}

/// Scales of the blocks.
enum Absmax<'a> {
    Floats(Stored<'a>),
    Nested {
        codes: Stored<'a>,
        map: Vec<f32>,
        scales: Stored<'a>,
        block: usize,
        offset: f32,
    },
}

/// A matrix in nf4 or fp4.
pub(crate) struct FourBit<'a> {
    rows: usize,
    columns: usize,
    weight: Stored<'a>,
    table: Box<Table>,
    absmax: Absmax<'a>,
    block: usize,
}

impl<'a> FourBit<'a> {
    /// The matrix of shape `shape`, as its quant_state says, in blocks of `block` elements.
    ///
    /// # Errors
    /// Dtypes or shapes that do not fit one another.
    pub(crate) fn new(tensors: Tensors<'a>, shape: &[u64], block: usize) -> Built<Self> {
        let Tensors {
            weight,
            absmax,
            quant_map,
            nested,
        } = tensors;
        let elements = element_count(shape)
            .and_then(|count| usize::try_from(count).ok())
            .ok_or("shape is too large")?;
        let columns = shape
            .last()
            .and_then(|&axis| usize::try_from(axis).ok())
            .unwrap_or(1);
        if elements == 0 || weight.len() != elements.div_ceil(2) {
            return Err(format!(
                "weight has {} bytes, expected two elements a byte for the shape {shape:?}",
                weight.len()
            ));
        }
        if block == 0 || absmax.elements() != elements.div_ceil(block) {
            return Err(format!(
                "absmax has {} elements, expected one for each {block} of {elements}",
                absmax.elements()
            ));
        }
        let quant_map = quant_map.floats("quant_map", 16)?;
        if quant_map.len() != 16 {
            return Err(format!(
                "quant_map has {} elements, expected 16",
                quant_map.len()
            ));
        }
        let table = Table::listed(&quant_map);
        let absmax = match nested {
            None => {
                absmax.expect("absmax", &[Dtype::F32, Dtype::F16, Dtype::Bf16])?;
                Absmax::Floats(absmax)
            }
            Some(nested) => {
                absmax.expect("absmax", &[Dtype::U8])?;
                let map = nested.quant_map.floats("nested_quant_map", 256)?;
                if map.len() != 256 {
                    return Err(format!(
                        "nested_quant_map has {} elements, expected 256",
                        map.len()
                    ));
                }
                let (scales, block) = (nested.absmax, nested.block);
                if block == 0 || scales.elements() != absmax.elements().div_ceil(block) {
                    return Err(format!(
                        "nested_absmax has {} elements, expected one for each {block}",
                        scales.elements()
                    ));
                }
                scales.expect("nested_absmax", &[Dtype::F32, Dtype::F16, Dtype::Bf16])?;
                Absmax::Nested {
                    codes: absmax,
                    map,
                    scales,
                    block,
                    offset: nested.offset,
                }
            }
        };
        Ok(Self {
            rows: elements / columns,
            columns,
            weight,
            table,
            absmax,
            block,
        })
    }

    /// Writes what `pick` makes of (code, scale) for each element of `rows`.
    fn each(
        &self,
        rows: Range<usize>,
        out: &mut [f32],
        pick: impl Fn(usize, f32) -> f32,
    ) -> Result<()> {
        assert!(rows.end <= self.rows, "rows out of range");
        let elements = rows.start * self.columns..rows.end * self.columns;
        if elements.is_empty() {
            return Ok(());
        }
        let bytes = self
            .weight
            .read(elements.start / 2..elements.end.div_ceil(2))?;
        let mut codes = vec![0; elements.len()];
        let first = elements.start % 2;
        Fields::HighFirst.unpack(4, &bytes, first..first + elements.len(), &mut codes);
        let blocks = elements.start / self.block..elements.end.div_ceil(self.block);
        let scales = self.scales(blocks.clone())?;
        let first_block = blocks.start;
        for block in blocks {
            // The part of the block that lies in the rows.
            let start = (block * self.block).max(elements.start) - elements.start;
            let end = ((block + 1) * self.block).min(elements.end) - elements.start;
            let scale = scales[block - first_block];
            for (&code, out) in codes[start..end].iter().zip(&mut out[start..end]) {
                *out = pick(usize::from(code), scale);
            }
        }
        Ok(())
    }

    /// Scales of the blocks `blocks`.
    fn scales(&self, blocks: Range<usize>) -> Result<Vec<f32>> {
        match &self.absmax {
            Absmax::Floats(stored) => floats(stored, blocks),
            Absmax::Nested {
                codes,
                map,
                scales,
                block,
                offset,
            } => {
                let nested = blocks.start / block..blocks.end.div_ceil(*block);
                let scales = floats(scales, nested.clone())?;
                let codes = codes.read(blocks.clone())?;
                let scale = |(at, &code): (usize, &u8)| {
                    map[usize::from(code)] * scales[at / block - nested.start] + offset
                };
                Ok(blocks.zip(&codes).map(scale).collect())
            }
        }
    }
}

/// Values `range` of a float tensor.
fn floats(stored: &Stored<'_>, range: Range<usize>) -> Result<Vec<f32>> {
    let width = float_bytes(stored.dtype()).unwrap_or(1);
    let bytes = stored.read(range.start * width..range.end * width)?;
    Ok(bytes
        .chunks_exact(width)
        .map(|bytes| float(stored.dtype(), bytes))
        .collect())
}

impl RowSource for FourBit<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.each(rows, out, |code, scale| self.table.values[code] * scale)
    }
}

impl SteppedRows for FourBit<'_> {
    fn read_steps(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.each(rows, out, |code, scale| {
            self.table.steps[code] * scale.abs()
        })
    }
}

/// int8.
#[derive(Debug)]
pub(crate) struct Int8;

/// nf4 or fp4: the quantisation state that is stored beside the codes.
#[derive(Debug)]
pub(crate) struct QuantState {
    /// (out, in).
    pub(crate) shape: Vec<u64>,
    /// Elements that share a scale.
    pub(crate) block: usize,
    /// With double quantisation: scales that share a scale, and what is added to all.
    pub(crate) nested: Option<(usize, f32)>,
}

pub(super) const REGISTRATION: Registration = Registration {
    endings: &[
        (".SCB", "SCB"),
        (".weight_format", "weight_format"),
        (".weight.absmax", "absmax"),
        (".weight.quant_map", "quant_map"),
        (".weight.nested_absmax", "nested_absmax"),
        (".weight.nested_quant_map", "nested_quant_map"),
        (".weight.quant_state.bitsandbytes__nf4", "quant_state"),
        (".weight.quant_state.bitsandbytes__fp4", "quant_state"),
    ],
    stacks: None,
    detect,
};

fn detect(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    if candidate.has("quant_state") {
        let Some(json) = (candidate.read)("quant_state") else {
            return refused("bitsandbytes 4-bit: its quant_state cannot be read");
        };
        return match QuantState::parse(&json) {
            Some(state) => found(state),
            None => refused("bitsandbytes 4-bit: its quant_state lacks shape or blocksize"),
        };
    }
    let is_int8 = candidate.dtype("weight") == Some(Dtype::I8) && candidate.has("SCB");
    if !is_int8 {
        return None;
    }
    // A format other than 0 is a tiling for one kind of processor.
    let in_rows = !candidate.has("weight_format")
        || (candidate.read)("weight_format")
            .is_some_and(|format| format.iter().all(|&byte| byte == 0));
    match in_rows {
        true => found(Int8),
        false => refused("bitsandbytes int8 in a tiled order, which is not read"),
    }
}

impl QuantState {
    /// The state that is stored as JSON in a U8 tensor.
    fn parse(json: &[u8]) -> Option<Self> {
        let state: Value = serde_json::from_slice(json).ok()?;
        let size = |key: &str| usize::try_from(state.get(key)?.as_u64()?).ok();
        let axes = state.get("shape")?.as_array()?;
        let shape = axes.iter().map(Value::as_u64).collect::<Option<Vec<_>>>()?;
        let nested = match state.get("nested_blocksize") {
            None | Some(Value::Null) => None,
            Some(_) => {
                let offset = state.get("nested_offset")?.as_f64()? as f32;
                Some((size("nested_blocksize")?, offset))
            }
        };
        Some(Self {
            shape,
            block: size("blocksize")?,
            nested,
        })
    }
}

impl Scheme for Int8 {
    fn word(&self) -> &'static str {
        "bitsandbytes int8"
    }

    fn codes(&self) -> &'static [&'static str] {
        &["weight"]
    }

    fn open<'a>(&self, tensors: &scheme::Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>> {
        Ok(Box::new(int8(tensors.get("weight")?, tensors.get("SCB")?)?))
    }
}

impl Scheme for QuantState {
    fn word(&self) -> &'static str {
        "bitsandbytes 4-bit"
    }

    fn codes(&self) -> &'static [&'static str] {
        &["weight"]
    }

    fn open<'a>(&self, tensors: &scheme::Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>> {
        let nested = match self.nested {
            None => None,
            Some((block, offset)) => Some(Nested {
                quant_map: tensors.get("nested_quant_map")?,
                absmax: tensors.get("nested_absmax")?,
                block,
                offset,
            }),
        };
        let tensors = Tensors {
            weight: tensors.get("weight")?,
            absmax: tensors.get("absmax")?,
            quant_map: tensors.get("quant_map")?,
            nested,
        };
        Ok(Box::new(FourBit::new(tensors, &self.shape, self.block)?))
    }
}
