//! Matrices of one byte an element with scales: FP8 and INT8, by tensor, channel, group or block.

use std::sync::Arc;

use serde_json::Value;

use super::codes::Table;
use super::grid::{Factor, Grid, Groups};
use super::grouped::{Grouped, Parts};
use super::packed::{Axis, Fields, Layout, Packed};
use super::scheme::{Candidate, Registration, Scheme, Settings, Stacks, Tensors, found};
use super::stored::Stored;
use super::{Built, SteppedRows};
use crate::model::dtype::Dtype;
use crate::numeric::small_floats::small_float;

/// Rows and columns that share a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

/// Bytes in rows: a whole matrix of one-byte codes.
const BYTES: Layout = Layout {
    bits: 8,
    fields: Fields::Stream,
    unit: 1,
    packed: Axis::Second,
    along_rows: false,
};

/// W = (weight − zero) · scale, with `weight` of an 8-bit dtype and shape (rows, columns); leading
/// axes count as one.
///
/// `scale` (and `zero`) hold one number, one for each row, one for each row and group of columns,
/// or one for each block. `configured` is the block that the config states; without it the block is
/// found from the shapes. The last blocks may be partial. A scale named "inverse" multiplies all
/// the same.
///
/// # Errors
/// Dtypes or shapes that do not fit one another.
pub(crate) fn scaled<'a>(
    weight: Stored<'a>,
    scale: Stored<'a>,
    zero: Option<Stored<'a>>,
    configured: Option<Block>,
) -> Built<Grouped<'a>> {
    with_factor(weight, scale, zero, configured, Factor::One)
}

/// W = weight · scale · `factor`, as [`scaled`] without zero points.
pub(super) fn scaled_by<'a>(
    weight: Stored<'a>,
    scale: Stored<'a>,
    factor: f32,
) -> Built<Grouped<'a>> {
    with_factor(weight, scale, None, None, Factor::Times(factor))
}

fn with_factor<'a>(
    weight: Stored<'a>,
    scale: Stored<'a>,
    zero: Option<Stored<'a>>,
    configured: Option<Block>,
    factor: Factor,
) -> Built<Grouped<'a>> {
    let table = match weight.dtype() {
        Dtype::I8 => Table::signed(),
        dtype => match small_float(dtype).filter(|float| float.encoding().is_signed_byte()) {
            Some(float) => Table::small_float(float),
            None => return Err(format!("weight is {dtype}, expected 8-bit floats or I8")),
        },
    };
    let Some((&columns, leading)) = weight.shape().split_last() else {
        return Err("weight is a scalar, expected a matrix".to_owned());
    };
    let rows = leading.iter().product();
    let block = block_of(rows, columns, scale.shape(), configured)?;
    if leading.len() > 1
        && block.rows > 1
        && block.rows < rows
        && !leading[leading.len() - 1].is_multiple_of(block.rows)
    {
        return Err("partial blocks in a stack of matrices are not read".to_owned());
    }
    let codes = Packed::new("weight", weight, BYTES, rows, columns)?;
    let scales = Grid::floats("scale", scale, rows, block.rows, factor)?;
    let zeros = zero
        .map(|zero| Grid::floats("zero point", zero, rows, block.rows, Factor::One))
        .transpose()?;
    let groups = Groups::even(block.columns, columns, scales.groups())?;
    Grouped::new(
        rows,
        columns,
        Parts {
            codes,
            table,
            groups,
            scales,
            zeros,
            biases: None,
        },
    )
}

/// The block of a (rows, columns) matrix whose scale has that shape.
fn block_of(
    rows: usize,
    columns: usize,
    scale: &[usize],
    configured: Option<Block>,
) -> Built<Block> {
    let count: usize = scale.iter().product();
    if count == 1 {
        return Ok(Block { rows, columns });
    }
    if count == rows && (scale.len() == 1 || scale.last() == Some(&1)) {
        return Ok(Block { rows: 1, columns });
    }
    let Some((&groups, leading)) = scale.split_last() else {
        return Err("scale has no shape".to_owned());
    };
    let grid_rows = leading.iter().product();
    let fits = |block: &Block| {
        block.rows > 0
            && block.columns > 0
            && rows.div_ceil(block.rows) == grid_rows
            && columns.div_ceil(block.columns) == groups
    };
    if let Some(block) = configured {
        return match fits(&block) {
            true => Ok(block),
            false if grid_rows == rows && fits(&Block { rows: 1, ..block }) => {
                Ok(Block { rows: 1, ..block })
            }
            false => Err(format!(
                "scale has the shape {scale:?}, which does not fit {rows} × {columns} in blocks of {} × {}",
                block.rows, block.columns
            )),
        };
    }
    let side = |length: usize, count: usize| {
        if count == length {
            return Some(1);
        }
        // 128 is what released models use; else the one size that fits.
        let sizes = [128, 16, 32, 64, 256, 512, 1024]
            .into_iter()
            .filter(|&size| length.div_ceil(size) == count);
        let sizes: Vec<usize> = sizes.collect();
        match sizes[..] {
            [128, ..] => Some(128),
            [size] => Some(size),
            _ if count == 1 => Some(length),
            _ => None,
        }
    };
    match (side(rows, grid_rows), side(columns, groups)) {
        (Some(rows), Some(columns)) => Ok(Block { rows, columns }),
        _ => Err(format!(
            "scale has the shape {scale:?}; no block size fits {rows} × {columns}"
        )),
    }
}

/// 8-bit floats with scales.
#[derive(Debug)]
pub(crate) struct Fp8 {
    /// Block of the config.
    pub(crate) block: Option<Block>,
}

/// 8-bit integers with scales (compressed-tensors, torchao, quanto).
#[derive(Debug)]
pub(crate) struct Int8;

const FLOATS: &[Dtype] = &[
    Dtype::F8E4M3,
    Dtype::F8E5M2,
    Dtype::F8E4M3Fnuz,
    Dtype::F8E5M2Fnuz,
];

pub(super) const REGISTRATION: Registration = Registration {
    endings: &[
        (".weight", "weight"),
        (".weight_scale_inv", "weight_scale_inv"),
        (".weight_scale", "weight_scale"),
        (".scale_weight", "weight_scale"),
        (".weight_zero_point", "weight_zero_point"),
        (".scale", "scale"),
        // torchao and quanto: one matrix in two tensors.
        ("._weight_qdata", "weight"),
        ("._weight_scale", "weight_scale"),
        ("._weight_zero_point", "weight_zero_point"),
        (".weight._data", "weight"),
        (".weight._scale", "weight_scale"),
    ],
    stacks: Some(Stacks::Beside {
        dtypes: FLOATS,
        endings: &[
            ("_scale_inv", "weight_scale_inv"),
            ("_weight_scale", "weight_scale"),
            ("_scale", "weight_scale"),
        ],
    }),
    detect,
};

fn detect(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    let weight = candidate.dtype("weight")?;
    candidate.scale()?;
    match weight {
        Dtype::I8 => found(Int8),
        float if FLOATS.contains(&float) => found(Fp8 {
            block: configured_block(candidate.settings),
        }),
        _ => None,
    }
}

/// Rows and columns that share a scale, as the config says.
fn configured_block(settings: Settings<'_>) -> Option<Block> {
    let size = |pair: &Value, at: usize| usize::try_from(pair.get(at)?.as_u64()?).ok();
    let block = |pair: &Value| {
        Some(Block {
            rows: size(pair, 0)?,
            columns: size(pair, 1)?,
        })
    };
    let structures = settings
        .weights()
        .filter_map(|weights| weights.get("block_structure"));
    let stated = settings.value("weight_block_size");
    stated
        .into_iter()
        .chain(structures)
        .find_map(block)
        .filter(|block| block.rows > 0 && block.columns > 0)
}

impl Scheme for Fp8 {
    fn word(&self) -> &'static str {
        "FP8"
    }

    fn codes(&self) -> &'static [&'static str] {
        &["weight"]
    }

    fn open<'a>(&self, tensors: &Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>> {
        let (weight, scale) = (tensors.get("weight")?, tensors.scale()?);
        Ok(Box::new(scaled(weight, scale, None, self.block)?))
    }
}

impl Scheme for Int8 {
    fn word(&self) -> &'static str {
        "INT8"
    }

    fn codes(&self) -> &'static [&'static str] {
        &["weight"]
    }

    fn open<'a>(&self, tensors: &Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>> {
        let (weight, scale) = (tensors.get("weight")?, tensors.scale()?);
        let zero = tensors.find("weight_zero_point")?;
        Ok(Box::new(scaled(weight, scale, zero, None)?))
    }
}
