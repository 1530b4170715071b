//! MLX: codes in U32 words along the rows, with scales and biases of groups.

use std::sync::Arc;

use serde_json::Value;

use super::codes::Table;
use super::grid::{Factor, Grid, Groups};
use super::grouped::{Grouped, Parts};
use super::packed::{Axis, Fields, Layout, Packed};
use super::scheme::{Candidate, Registration, Scheme, Tensors, found, refused};
use super::stored::Stored;
use super::{Built, SteppedRows};
use crate::model::dtype::Dtype;
use crate::numeric::small_floats::{E2M1, E4M3};

/// How scales are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
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
pub(crate) fn new<'a>(
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

/// MLX.
#[derive(Debug)]
pub(crate) struct Mlx {
    /// How scales are stored.
    pub(crate) mode: Mode,
}

pub(super) const REGISTRATION: Registration = Registration {
    endings: &[
        (".weight", "weight"),
        (".scales", "scales"),
        (".biases", "biases"),
    ],
    stacks: None,
    detect,
};

fn detect(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    let (weight, scales) = (candidate.get("weight")?, candidate.get("scales")?);
    if weight.dtype != Dtype::U32 {
        return None;
    }
    if let Some(mode) = configured_mode(candidate) {
        return found(Mlx { mode });
    }
    if !candidate.has("biases") {
        return refused("MLX without biases and without a mode in config.json");
    }
    // Words and groups leave bits and group size open; the default of MLX is (64, 4).
    let words = weight.last_axis().unwrap_or(0);
    let groups = scales.last_axis().unwrap_or(0);
    let fits = |bits: u64| {
        let all = words.checked_mul(32);
        all.is_some() && all == groups.checked_mul(64 * bits)
    };
    match [4, 8, 2, 3, 5, 6].into_iter().find(|&bits| fits(bits)) {
        Some(bits) => found(Mlx {
            mode: Mode::Affine(bits as usize),
        }),
        None => refused("MLX without bits in config.json, and no groups of 64"),
    }
}

/// How the config says that the module is written: its own entry first.
fn configured_mode(candidate: &Candidate<'_>) -> Option<Mode> {
    let settings = candidate.settings;
    let own = settings.value(candidate.stem);
    let value = |key: &str| {
        let of_module = own.and_then(|module| module.get(key));
        of_module.or_else(|| settings.value(key))
    };
    match value("mode").and_then(Value::as_str) {
        Some("mxfp4") => Some(Mode::Mxfp4),
        Some("mxfp8") => Some(Mode::Mxfp8),
        Some("nvfp4") => Some(Mode::Nvfp4),
        _ => {
            let bits = usize::try_from(value("bits")?.as_u64()?).ok()?;
            Some(Mode::Affine(bits))
        }
    }
}

impl Scheme for Mlx {
    fn word(&self) -> &'static str {
        "MLX"
    }

    fn codes(&self) -> &'static [&'static str] {
        &["weight"]
    }

    fn open<'a>(&self, tensors: &Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>> {
        let (weight, scales) = (tensors.get("weight")?, tensors.get("scales")?);
        let biases = tensors.find("biases")?;
        Ok(Box::new(new(weight, scales, biases, self.mode)?))
    }
}
