//! MLX: codes in U32 words along the rows, with scales and biases of groups.

use super::Built;
use super::codes::Table;
use super::grid::{Factor, Grid, Groups};
use super::grouped::{Grouped, Parts};
use super::packed::{Axis, Fields, Layout, Packed};
use super::stored::Stored;
use crate::model::dtype::Dtype;
use crate::numeric::small_floats::{E2M1, E4M3};

/// How scales are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// W = code · scale + bias, codes of that many bits.
    Affine(usize),
    /// E2M1 codes, E8M0 scales of 32.
    Mxfp4,
    /// E4M3 codes, E8M0 scales of 32.
    Mxfp8,
    /// E2M1 codes, E4M3 scales of 16.
    Nvfp4,
}

/// `weight` U32 [.., in·bits/32], `scales` and (affine only) `biases` [.., groups]; leading axes
/// count as one.
///
/// # Errors
/// Dtypes or shapes that do not fit one another.
pub fn new<'a>(
    weight: Stored<'a>,
    scales: Stored<'a>,
    biases: Option<Stored<'a>>,
    mode: Mode,
) -> Built<Grouped<'a>> {
    weight.expect("weight", &[Dtype::U32])?;
    let (bits, table, scales) = match mode {
        Mode::Affine(bits @ 1..=8) => (bits, Table::unsigned(bits, 0), scales),
        Mode::Affine(bits) => return Err(format!("codes of {bits} bits, expected at most 8")),
        Mode::Mxfp4 => (4, Table::small_float(&E2M1), scales),
        Mode::Mxfp8 => (8, Table::small_float(&E4M3), scales),
        Mode::Nvfp4 => (4, Table::small_float(&E2M1), scales.read_as(Dtype::F8E4M3)?),
    };
    if biases.is_some() != matches!(mode, Mode::Affine(_)) {
        return Err("biases belong to the affine mode and to no other".to_owned());
    }
    let (Some((&words, leading)), Some(&groups)) =
        (weight.shape().split_last(), scales.shape().last())
    else {
        return Err("weight or scales are scalars, expected matrices".to_owned());
    };
    let rows = leading.iter().product();
    let columns = words.checked_mul(32).ok_or("weight is too large")? / bits;
    if !columns.is_multiple_of(groups) {
        return Err(format!(
            "scales of {groups} groups do not divide {columns} columns"
        ));
    }
    let layout = Layout {
        bits,
        fields: Fields::Stream,
        unit: 4,
        packed: Axis::Second,
        along_rows: false,
    };
    let parts = Parts {
        codes: Packed::new("weight", weight, layout, rows, columns)?,
        table,
        groups: Groups::even(columns / groups, columns, groups)?,
        scales: Grid::floats("scales", scales, rows, 1, Factor::One)?,
        zeros: None,
        biases: biases
            .map(|biases| Grid::floats("biases", biases, rows, 1, Factor::One))
            .transpose()?,
    };
    Grouped::new(rows, columns, parts)
}
