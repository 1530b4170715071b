//! GPTQ as AutoGPTQ and GPTQModel write it: codes packed down the input axis, zero points along the
//! output axis.

use std::sync::Arc;

use serde_json::Value;

use super::codes::Table;
use super::grid::{Grid, Groups};
use super::grouped::{Grouped, Parts};
use super::packed::{Axis, Fields, Layout, Packed};
use super::scheme::{self, Candidate, Registration, Scheme, Settings, found, refused};
use super::stored::Stored;
use super::{Built, SteppedRows};
use crate::model::dtype::Dtype;

/// Tensors of one linear layer of shape (out, in).
pub(crate) struct Tensors<'a> {
    /// I32 [in·bits/32, out].
    pub qweight: Stored<'a>,
    /// I32 [groups, out·bits/32].
    pub qzeros: Stored<'a>,
    /// Floats [groups, out].
    pub scales: Stored<'a>,
    /// I32 (in): group of each input.
    pub g_idx: Option<Stored<'a>>,
}

/// How zero points and codes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `gptq`, also where the key is missing: zero points are stored less 1.
    V1,
    /// `gptq_v2`: zero points as they are.
    V2,
    /// `gptq_p`: zero points as they are; 5, 6 and 7 bits in planes.
    Planar,
}

/// Longest input axis whose `g_idx` is held.
const INPUT_LIMIT: usize = 1 << 24;

/// W\[o, i\] = scales\[g(i), o\] · (q\[i, o\] − z\[g(i), o\]).
///
/// The bits follow from the shapes; `group_size` (of the config) is needed where there is no
/// `g_idx` and the groups are not even.
///
/// # Errors
/// Dtypes or shapes that do not fit one another, a width other than 2 to 8 bits, a group that does
/// not exist.
pub(crate) fn new(
    tensors: Tensors<'_>,
    format: Format,
    group_size: Option<usize>,
) -> Built<Grouped<'_>> {
    let Tensors {
        qweight,
        qzeros,
        scales,
        g_idx,
    } = tensors;
    qweight.expect("qweight", &[Dtype::I32, Dtype::U32])?;
    qzeros.expect("qzeros", &[Dtype::I32, Dtype::U32])?;
    let (group_count, out) = scales.matrix("scales")?;
    let bits = bits_of(&qzeros, group_count, out)?;
    let input = match &g_idx {
        Some(g_idx) => g_idx.elements(),
        None => {
            qweight
                .matrix("qweight")?
                .0
                .checked_mul(32)
                .ok_or("qweight is too large")?
                / bits
        }
    };
    let groups = match g_idx {
        Some(g_idx) => listed(&indexes(&g_idx)?, group_count)?,
        None => Groups::even(
            even_size(input, group_count, group_size)?,
            input,
            group_count,
        )?,
    };
    let fields = match format {
        Format::Planar if bits == 3 => {
            return Err("3 bits of the planar form are not read".to_owned());
        }
        Format::Planar if !matches!(bits, 2 | 4 | 8) => Fields::Planar,
        _ => Fields::Stream,
    };
    let weight = Layout {
        bits,
        fields,
        unit: 4,
        packed: Axis::First,
        along_rows: false,
    };
    let zero = Layout {
        bits,
        fields,
        unit: 4,
        packed: Axis::Second,
        along_rows: true,
    };
    let add = u8::from(format == Format::V1);
    let zeros = Grid::codes(
        Packed::new("qzeros", qzeros, zero, out, group_count)?,
        out,
        group_count,
        bits,
        add,
    );
    let parts = Parts {
        codes: Packed::new("qweight", qweight, weight, out, input)?,
        table: Table::unsigned(bits, 0),
        groups,
        scales: Grid::transposed("scales", scales, out)?,
        zeros: Some(zeros),
        biases: None,
    };
    Grouped::new(out, input, parts)
}

/// Bits of a code, from the width of the zero points.
fn bits_of(qzeros: &Stored<'_>, group_count: usize, out: usize) -> Built<usize> {
    let (rows, words) = qzeros.matrix("qzeros")?;
    let bits = words.checked_mul(32).ok_or("qzeros is too large")? / out;
    // Planes and streams alike fill whole words of 32 codes; an odd rest of the last word is
    // allowed for.
    let fits =
        |bits: &usize| (out * bits).div_ceil(32) == words || out.div_ceil(32) * bits == words;
    match [bits, bits.saturating_sub(1)]
        .into_iter()
        .filter(|bits| (2..=8).contains(bits))
        .find(fits)
    {
        Some(bits) if rows == group_count => Ok(bits),
        _ => Err(format!(
            "qzeros has the shape [{rows}, {words}], which fits no width for scales of [{group_count}, {out}]"
        )),
    }
}

/// Size of even groups: what the config says, else the whole-number quotient.
pub(super) fn even_size(columns: usize, groups: usize, configured: Option<usize>) -> Built<usize> {
    match configured {
        _ if groups == 1 => Ok(columns),
        Some(size) if size > 0 && columns.div_ceil(size) == groups => Ok(size),
        None if columns.is_multiple_of(groups) => Ok(columns / groups),
        Some(size) => Err(format!(
            "{groups} groups do not fit {columns} columns in groups of {size}"
        )),
        None => Err(format!(
            "{groups} groups of {columns} columns are uneven and the config states no group size"
        )),
    }
}

/// Values of an index tensor.
pub(super) fn indexes(g_idx: &Stored<'_>) -> Built<Vec<i32>> {
    g_idx.expect("g_idx", &[Dtype::I32])?;
    if g_idx.elements() > INPUT_LIMIT {
        return Err(format!(
            "g_idx has {} elements, expected at most {INPUT_LIMIT}",
            g_idx.elements()
        ));
    }
    let bytes = g_idx
        .read(0..g_idx.len())
        .map_err(|error| error.to_string())?;
    Ok(bytes
        .chunks_exact(4)
        .map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect())
}

/// The group of each column, from an index tensor.
pub(super) fn listed(indexes: &[i32], group_count: usize) -> Built<Groups> {
    let group = |&index: &i32| {
        u32::try_from(index)
            .ok()
            .filter(|&index| (index as usize) < group_count)
    };
    let groups = indexes.iter().map(group).collect::<Option<Vec<_>>>();
    groups
        .map(Groups::Listed)
        .ok_or_else(|| format!("g_idx names a group that does not exist; there are {group_count}"))
}

/// GPTQ.
#[derive(Debug)]
pub(crate) struct Gptq {
    /// How zero points and codes are written.
    pub(crate) format: Format,
    /// Group size of the config.
    pub(crate) group_size: Option<usize>,
}

pub(super) const REGISTRATION: Registration = Registration {
    endings: &[
        (".qweight", "qweight"),
        (".qzeros", "qzeros"),
        (".scales", "scales"),
        (".g_idx", "g_idx"),
    ],
    stacks: None,
    detect,
};

/// GPTQ and AWQ name their tensors alike; the packed axis tells them apart.
fn detect(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    let qweight = candidate.get("qweight")?;
    let Some(scales) = candidate.get("scales") else {
        return refused("qweight without scales, a layout that is not known");
    };
    if !candidate.has("qzeros") {
        return refused("qweight without qzeros, a layout that is not known");
    }
    let (&[_, columns], &[_, out]) = (qweight.shape, scales.shape) else {
        return None;
    };
    if columns != out {
        return None;
    }
    match format_of(candidate.settings) {
        Ok(format) => found(Gptq {
            format,
            group_size: candidate.settings.group_size(candidate.stem),
        }),
        Err(reason) => refused(reason),
    }
}

/// How the config says that zero points and codes are written.
fn format_of(settings: Settings<'_>) -> Built<Format> {
    match settings.value("checkpoint_format").and_then(Value::as_str) {
        None | Some("gptq") => Ok(Format::V1),
        Some("gptq_v2") => Ok(Format::V2),
        Some("gptq_p") => Ok(Format::Planar),
        Some(other) => Err(format!("GPTQ in the form {other:?}, which is not read")),
    }
}

impl Gptq {
    fn grouped<'a>(&self, tensors: &scheme::Tensors<'_, 'a>) -> Built<Grouped<'a>> {
        let tensors = Tensors {
            qweight: tensors.get("qweight")?,
            qzeros: tensors.get("qzeros")?,
            scales: tensors.get("scales")?,
            g_idx: tensors.find("g_idx")?,
        };
        new(tensors, self.format, self.group_size)
    }
}

impl Scheme for Gptq {
    fn word(&self) -> &'static str {
        "GPTQ"
    }

    fn codes(&self) -> &'static [&'static str] {
        &["qweight"]
    }

    fn is_calibrated(&self) -> bool {
        true
    }

    fn open<'a>(&self, tensors: &scheme::Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>> {
        Ok(Box::new(self.grouped(tensors)?))
    }

    /// Of the form v1, zero points that are stored as the largest code: they count as 0 here and
    /// where AutoGPTQ reads them; a program that adds 1 to whole words carries into their
    /// neighbours (guide/formats.md, section 1.3).
    fn wrapped_zeros(&self, tensors: &scheme::Tensors<'_, '_>) -> Option<u64> {
        if self.format != Format::V1 {
            return None;
        }
        self.grouped(tensors).ok()?.wrapped_zeros().ok()
    }
}
