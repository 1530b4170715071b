//! AWQ as AutoAWQ writes it: 4 bits, packed along the output axis in an order of its own (gemm) or
//! along the input axis in plain order (gemv).
//!
//! AWQ folds a scale of each input channel into the matrices and the norm before them, so that a
//! matrix differs from that of the unquantised model by more than rounding.

use std::sync::Arc;

use super::codes::Table;
use super::gptq::even_size;
use super::grid::{Factor, Grid, Groups};
use super::grouped::{Grouped, Parts};
use super::packed::{Axis, Fields, Layout, Packed};
use super::scheme::{Candidate, Registration, Scheme, Tensors, found, refused};
use super::stored::Stored;
use super::{Built, SteppedRows};
use crate::model::dtype::Dtype;

/// Version gemm: `qweight` I32 [in, out/8], `qzeros` I32 [groups, out/8], `scales` [groups, out];
/// W\[o, i\] = (q\[i, o\] − z\[g, o\]) · scales\[g, o\].
///
/// # Errors
/// Dtypes or shapes that do not fit one another.
pub(crate) fn gemm<'a>(
    qweight: Stored<'a>,
    qzeros: Stored<'a>,
    scales: Stored<'a>,
    group_size: Option<usize>,
) -> Built<Grouped<'a>> {
    qweight.expect("qweight", &[Dtype::I32, Dtype::U32])?;
    qzeros.expect("qzeros", &[Dtype::I32, Dtype::U32])?;
    let (input, _) = qweight.matrix("qweight")?;
    let (group_count, out) = scales.matrix("scales")?;
    let layout = Layout {
        bits: 4,
        fields: Fields::Awq,
        unit: 4,
        packed: Axis::Second,
        along_rows: true,
    };
    let parts = Parts {
        codes: Packed::new("qweight", qweight, layout, out, input)?,
        table: Table::unsigned(4, 0),
        groups: Groups::even(
            even_size(input, group_count, group_size)?,
            input,
            group_count,
        )?,
        scales: Grid::transposed("scales", scales, out)?,
        zeros: Some(Grid::codes(
            Packed::new("qzeros", qzeros, layout, out, group_count)?,
            out,
            group_count,
            4,
            0,
        )),
        biases: None,
    };
    Grouped::new(out, input, parts)
}

/// Version gemv: `qweight` I32 [out, in/8], `qzeros` I32 [out, w], `scales` [out, 8·w], the groups
/// padded.
///
/// # Errors
/// Dtypes or shapes that do not fit one another, or no group size.
pub(crate) fn gemv<'a>(
    qweight: Stored<'a>,
    qzeros: Stored<'a>,
    scales: Stored<'a>,
    group_size: Option<usize>,
) -> Built<Grouped<'a>> {
    qweight.expect("qweight", &[Dtype::I32, Dtype::U32])?;
    qzeros.expect("qzeros", &[Dtype::I32, Dtype::U32])?;
    let (out, words) = qweight.matrix("qweight")?;
    let input = words.checked_mul(8).ok_or("qweight is too large")?;
    let (_, padded) = scales.matrix("scales")?;
    let size = match group_size {
        Some(size) if size > 0 => size,
        _ => return Err("the config states no group size".to_owned()),
    };
    let layout = Layout {
        bits: 4,
        fields: Fields::Stream,
        unit: 4,
        packed: Axis::Second,
        along_rows: false,
    };
    let parts = Parts {
        codes: Packed::new("qweight", qweight, layout, out, input)?,
        table: Table::unsigned(4, 0),
        groups: Groups::Even(size),
        scales: Grid::floats("scales", scales, out, 1, Factor::One)?,
        zeros: Some(Grid::codes(
            Packed::new("qzeros", qzeros, layout, out, padded)?,
            out,
            padded,
            4,
            0,
        )),
        biases: None,
    };
    Grouped::new(out, input, parts)
}

/// The two packings of AWQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Codes packed along the outputs.
    Gemm,
    /// Codes packed along the inputs.
    Gemv,
}

/// AWQ.
#[derive(Debug)]
pub(crate) struct Awq {
    /// Which packing.
    pub(crate) version: Version,
    /// Group size of the config.
    pub(crate) group_size: Option<usize>,
}

pub(super) const REGISTRATION: Registration = Registration {
    endings: &[
        (".qweight", "qweight"),
        (".qzeros", "qzeros"),
        (".scales", "scales"),
    ],
    stacks: None,
    detect,
};

/// Of the tensors that GPTQ leaves, the packed axis tells the version.
fn detect(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    let (qweight, scales) = (candidate.get("qweight")?, candidate.get("scales")?);
    let version = match (qweight.shape, scales.shape) {
        (&[_, columns], &[_, out]) if columns.checked_mul(8) == Some(out) => Version::Gemm,
        (&[rows, _], &[out, _]) if rows == out => Version::Gemv,
        (a, b) => {
            return refused(format!(
                "qweight of shape {a:?} and scales of shape {b:?} are neither GPTQ nor AWQ"
            ));
        }
    };
    found(Awq {
        version,
        group_size: candidate.settings.group_size(candidate.stem),
    })
}

impl Scheme for Awq {
    fn word(&self) -> &'static str {
        "AWQ"
    }

    fn codes(&self) -> &'static [&'static str] {
        &["qweight"]
    }

    fn is_calibrated(&self) -> bool {
        true
    }

    fn rescales_inputs(&self) -> bool {
        true
    }

    fn open<'a>(&self, tensors: &Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>> {
        let qweight = tensors.get("qweight")?;
        let qzeros = tensors.get("qzeros")?;
        let scales = tensors.get("scales")?;
        let put_together = match self.version {
            Version::Gemm => gemm,
            Version::Gemv => gemv,
        };
        Ok(Box::new(put_together(
            qweight,
            qzeros,
            scales,
            self.group_size,
        )?))
    }
}
