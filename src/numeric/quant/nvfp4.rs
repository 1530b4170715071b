//! NVFP4: E2M1 codes in groups of 16 with an E4M3 scale, and one scale for the whole matrix.

use std::sync::Arc;

use super::codes::Table;
use super::grid::{Factor, Grid, Groups};
use super::grouped::{Grouped, Parts};
use super::packed::{Axis, Fields, Layout, Packed};
use super::scheme::{Candidate, Registration, Scheme, Tensors, found};
use super::stored::Stored;
use super::{Built, SteppedRows};
use crate::model::dtype::Dtype;
use crate::numeric::small_floats::E2M1;

/// Elements that share a scale.
const GROUP: usize = 16;

/// Scale of the whole matrix.
pub(crate) enum Global<'a> {
    /// `weight_scale_2` of modelopt, which multiplies.
    Times(Stored<'a>),
    /// `weight_global_scale` of compressed-tensors, which divides.
    Over(Stored<'a>),
}

/// Codes low nibble first: `packed` [.., in/2] bytes, `scale` F8_E4M3 [.., in/16]; leading axes
/// count as one.
///
/// # Errors
/// Dtypes or shapes that do not fit one another, or a stack with a global scale for each matrix.
pub(crate) fn new<'a>(
    packed: Stored<'a>,
    scale: Stored<'a>,
    global: Global<'a>,
) -> Built<Grouped<'a>> {
    packed.expect("weight", &[Dtype::U8, Dtype::F4])?;
    scale.expect("scale", &[Dtype::F8E4M3])?;
    let Some((&groups, leading)) = scale.shape().split_last() else {
        return Err("scale is a scalar, expected one for each 16 elements".to_owned());
    };
    let (rows, columns) = (
        leading.iter().product(),
        groups.checked_mul(GROUP).ok_or("scale is too large")?,
    );
    let factor = match global {
        Global::Times(scale) => Factor::Times(scale.scalar("the global scale")?),
        Global::Over(scale) => Factor::Over(scale.scalar("the global scale")?),
    };
    let layout = Layout {
        bits: 4,
        fields: Fields::Stream,
        unit: 1,
        packed: Axis::Second,
        along_rows: false,
    };
    let parts = Parts {
        codes: Packed::new("weight", packed, layout, rows, columns)?,
        table: Table::small_float(&E2M1),
        groups: Groups::even(GROUP, columns, groups)?,
        scales: Grid::floats("scale", scale, rows, 1, factor)?,
        zeros: None,
        biases: None,
    };
    Grouped::new(rows, columns, parts)
}

/// NVFP4.
#[derive(Debug)]
pub(crate) struct Nvfp4;

pub(super) const REGISTRATION: Registration = Registration {
    endings: &[
        (".weight", "weight"),
        (".weight_scale_inv", "weight_scale_inv"),
        (".weight_scale", "weight_scale"),
        (".scale", "scale"),
        (".weight_scale_2", "weight_scale_2"),
        (".weight_packed", "weight_packed"),
        (".weight_global_scale", "weight_global_scale"),
    ],
    stacks: None,
    detect,
};

fn detect(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    let is_nvfp4 = match candidate.get("weight_packed") {
        // compressed-tensors
        Some(packed) => {
            packed.dtype == Dtype::U8
                && candidate.dtype("weight_scale") == Some(Dtype::F8E4M3)
                && candidate.has("weight_global_scale")
        }
        // modelopt
        None => {
            matches!(candidate.dtype("weight"), Some(Dtype::U8 | Dtype::F4))
                && candidate.scale().is_some()
                && candidate.has("weight_scale_2")
        }
    };
    if is_nvfp4 { found(Nvfp4) } else { None }
}

impl Scheme for Nvfp4 {
    fn word(&self) -> &'static str {
        "NVFP4"
    }

    fn codes(&self) -> &'static [&'static str] {
        &["weight_packed", "weight"]
    }

    fn open<'a>(&self, tensors: &Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>> {
        let (codes, scale, global) = match tensors.find("weight_packed")? {
            Some(packed) => {
                let scale = tensors.scale()?;
                (
                    packed,
                    scale,
                    Global::Over(tensors.get("weight_global_scale")?),
                )
            }
            None => {
                let (weight, scale) = (tensors.get("weight")?, tensors.scale()?);
                (weight, scale, Global::Times(tensors.get("weight_scale_2")?))
            }
        };
        Ok(Box::new(new(codes, scale, global)?))
    }
}
