//! AWQ as AutoAWQ writes it: 4 bits, packed along the output axis in an order of its own (gemm) or
//! along the input axis in plain order (gemv).
//!
//! AWQ folds a scale of each input channel into the matrices and the norm before them, so that a
//! matrix differs from that of the unquantised model by more than rounding.

use super::Built;
use super::codes::Table;
use super::gptq::even_size;
use super::grid::{Factor, Grid, Groups};
use super::grouped::{Grouped, Parts};
use super::packed::{Axis, Fields, Layout, Packed};
use super::stored::Stored;
use crate::model::dtype::Dtype;

/// Version gemm: `qweight` I32 [in, out/8], `qzeros` I32 [groups, out/8], `scales` [groups, out];
/// W\[o, i\] = (q\[i, o\] − z\[g, o\]) · scales\[g, o\].
///
/// # Errors
/// Dtypes or shapes that do not fit one another.
pub fn gemm<'a>(
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
pub fn gemv<'a>(
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
