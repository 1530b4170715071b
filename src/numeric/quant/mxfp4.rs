//! Microscaled codes: groups of 32 with a power of two (OCP Microscaling 1.0), as gpt-oss and
//! compressed-tensors store them.

use std::sync::Arc;

use super::codes::Table;
use super::grid::{Factor, Grid, Groups};
use super::grouped::{Grouped, Parts};
use super::packed::{Axis, Fields, Layout, Packed};
use super::scheme::{Candidate, Registration, Scheme, Stacks, Tensors, found};
use super::stored::Stored;
use super::{Built, SteppedRows};
use crate::model::dtype::Dtype;
use crate::numeric::small_floats::{E2M1, E2M3};

/// Elements that share a scale.
const GROUP: usize = 32;

/// E2M1 codes, low nibble first: `packed` [.., in/2] bytes, `scale` [.., in/32] E8M0; leading axes
/// count as one.
///
/// # Errors
/// Dtypes or shapes that do not fit one another.
pub(crate) fn packed<'a>(packed: Stored<'a>, scale: Stored<'a>) -> Built<Grouped<'a>> {
    microscaled(packed, scale, 4, Table::small_float(&E2M1))
}

/// E2M3 codes, a little-endian stream of 6 bits: `packed` U8 [.., in·6/8], `scale` [.., in/32]
/// E8M0.
///
/// # Errors
/// Dtypes or shapes that do not fit one another.
pub(crate) fn six_bit<'a>(packed: Stored<'a>, scale: Stored<'a>) -> Built<Grouped<'a>> {
    microscaled(packed, scale, 6, Table::small_float(&E2M3))
}

/// gpt-oss: `blocks` U8 [experts, out, in/32, 16] and `scales` U8 [experts, out, in/32] of a stack
/// of matrices (out, in), read as one of experts · out rows. Of `gate_up_proj` the even rows are
/// gate, the odd ones up.
///
/// # Errors
/// Dtypes or shapes that do not fit one another.
pub(crate) fn gpt_oss<'a>(blocks: Stored<'a>, scales: Stored<'a>) -> Built<Grouped<'a>> {
    let [experts, out, groups, 16] = blocks.shape()[..] else {
        return Err(format!(
            "blocks have the shape {:?}, expected [experts, out, in/32, 16]",
            blocks.shape()
        ));
    };
    if scales.shape() != [experts, out, groups] {
        return Err(format!(
            "scales have the shape {:?}, expected {:?}",
            scales.shape(),
            [experts, out, groups]
        ));
    }
    packed(blocks.reshaped(&[experts * out, groups * 16])?, scales)
}

fn microscaled<'a>(
    packed: Stored<'a>,
    scale: Stored<'a>,
    bits: usize,
    table: Box<Table>,
) -> Built<Grouped<'a>> {
    packed.expect("weight", &[Dtype::U8, Dtype::I8, Dtype::F4])?;
    scale.expect("scale", &[Dtype::U8, Dtype::F8E8M0])?;
    let Some((&groups, leading)) = scale.shape().split_last() else {
        return Err("scale is a scalar, expected one for each 32 elements".to_owned());
    };
    let (rows, columns) = (
        leading.iter().product(),
        groups.checked_mul(GROUP).ok_or("scale is too large")?,
    );
    let layout = Layout {
        bits,
        fields: Fields::Stream,
        unit: 1,
        packed: Axis::Second,
        along_rows: false,
    };
    let parts = Parts {
        codes: Packed::new("weight", packed, layout, rows, columns)?,
        table,
        groups: Groups::even(GROUP, columns, groups)?,
        scales: Grid::floats("scale", scale, rows, 1, Factor::One)?,
        zeros: None,
        biases: None,
    };
    Grouped::new(rows, columns, parts)
}

/// The forms in which microscaled codes are stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Microscaled {
    /// MXFP4 in bytes.
    FourBit,
    /// MXFP6 in bytes.
    SixBit,
    /// MXFP4 of gpt-oss: stacks of experts.
    GptOss,
}

pub(super) const REGISTRATION: Registration = Registration {
    endings: &[
        (".weight", "weight"),
        (".weight_scale_inv", "weight_scale_inv"),
        (".weight_scale", "weight_scale"),
        (".scale", "scale"),
        (".weight_packed", "weight_packed"),
        // gpt-oss
        ("_blocks", "blocks"),
        ("_scales", "stack_scales"),
    ],
    stacks: Some(Stacks::With("blocks")),
    detect,
};

fn detect(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    if let Some(packed) = candidate.get("weight_packed") {
        let scale = candidate.get("weight_scale")?;
        if packed.dtype != Dtype::U8 || !matches!(scale.dtype, Dtype::U8 | Dtype::F8E8M0) {
            return None;
        }
        // 32 codes of 6 bits are 24 bytes.
        let groups = scale.last_axis().unwrap_or(0);
        let bytes = packed.last_axis();
        return match bytes.is_some() && groups.checked_mul(24) == bytes {
            true => found(Microscaled::SixBit),
            false => found(Microscaled::FourBit),
        };
    }
    let is_byte = |member: &str| candidate.dtype(member) == Some(Dtype::U8);
    if is_byte("blocks") && is_byte("stack_scales") {
        return found(Microscaled::GptOss);
    }
    let (weight, scale) = (candidate.get("weight")?, candidate.scale()?);
    let per_scale = match weight.dtype {
        Dtype::U8 | Dtype::I8 => 16,
        Dtype::F4 => 32,
        _ => return None,
    };
    let groups = scale.last_axis()?;
    let fits = matches!(scale.dtype, Dtype::U8 | Dtype::F8E8M0)
        && groups.checked_mul(per_scale) == weight.last_axis();
    if fits {
        found(Microscaled::FourBit)
    } else {
        None
    }
}

impl Scheme for Microscaled {
    fn word(&self) -> &'static str {
        match self {
            Self::FourBit | Self::GptOss => "MXFP4",
            Self::SixBit => "MXFP6",
        }
    }

    fn codes(&self) -> &'static [&'static str] {
        &["blocks", "weight_packed", "weight"]
    }

    fn open<'a>(&self, tensors: &Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>> {
        let rows = match self {
            Self::FourBit => {
                let codes = tensors.find("weight_packed")?;
                let codes = codes.map_or_else(|| tensors.get("weight"), Ok)?;
                packed(codes, tensors.scale()?)?
            }
            Self::SixBit => six_bit(tensors.get("weight_packed")?, tensors.scale()?)?,
            Self::GptOss => gpt_oss(tensors.get("blocks")?, tensors.get("stack_scales")?)?,
        };
        Ok(Box::new(rows))
    }
}
