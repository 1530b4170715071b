//! Integer codes in words, as compressed-tensors packs them (`pack-quantized`). Its other formats
//! are those of [`fp8`](super::fp8), [`mxfp4`](super::mxfp4) and [`nvfp4`](super::nvfp4).

use std::sync::Arc;

use super::codes::Table;
use super::gptq::{even_size, indexes, listed};
use super::grid::{Factor, Grid, Groups};
use super::grouped::{Grouped, Parts};
use super::packed::{Axis, Fields, Layout, Packed};
use super::scheme::{self, Candidate, Member, Registration, Scheme, Settings, refused};
use super::stored::Stored;
use super::{Built, SteppedRows};
use crate::model::dtype::Dtype;

/// Tensors of one linear layer.
pub(crate) struct Tensors<'a> {
    /// `weight_packed`, I32 [out, ⌈in·bits/32⌉].
    pub packed: Stored<'a>,
    /// `weight_scale`, floats [out, groups] or fewer.
    pub scale: Stored<'a>,
    /// `weight_zero_point`, I32 [⌈out·bits/32⌉, groups]: packed down the rows.
    pub zero: Option<Stored<'a>>,
    /// `weight_g_idx`, I32 \[in\].
    pub g_idx: Option<Stored<'a>>,
}

/// Rows in which idle bits are looked for.
const PROBED_ROWS: usize = 64;

/// W = (code − 2^(bits−1) − z) · scale, z = zero code − 2^(bits−1), or 0 where the layer is
/// symmetric; shape (out, in).
///
/// # Errors
/// Dtypes or shapes that do not fit one another.
pub(crate) fn pack_quantized(
    tensors: Tensors<'_>,
    out: usize,
    input: usize,
    bits: usize,
    group_size: Option<usize>,
) -> Built<Grouped<'_>> {
    let Tensors {
        packed,
        scale,
        zero,
        g_idx,
    } = tensors;
    packed.expect("weight_packed", &[Dtype::I32])?;
    if !(1..=8).contains(&bits) {
        return Err(format!("codes of {bits} bits, expected 1 to 8"));
    }
    let fields = fields_of(&packed, input, bits)?;
    let whole = scale.elements() == 1;
    let scales = Grid::floats(
        "weight_scale",
        scale,
        out,
        if whole { out } else { 1 },
        Factor::One,
    )?;
    // Without activation order an index holds −1 throughout.
    let listed_groups = g_idx
        .map(|g_idx| indexes(&g_idx))
        .transpose()?
        .filter(|list| list.iter().any(|&group| group != -1));
    let groups = match listed_groups {
        Some(list) => listed(&list, scales.groups())?,
        None => Groups::even(
            even_size(input, scales.groups(), group_size)?,
            input,
            scales.groups(),
        )?,
    };
    let zeros = zero
        .map(|zero| {
            zero.expect("weight_zero_point", &[Dtype::I32])?;
            let count = scales.groups();
            let layout = Layout {
                bits,
                fields,
                unit: 4,
                packed: Axis::First,
                along_rows: true,
            };
            Ok::<_, String>(Grid::codes(
                Packed::new("weight_zero_point", zero, layout, out, count)?,
                out,
                count,
                bits,
                0,
            ))
        })
        .transpose()?;
    let offset = if zeros.is_some() { 0 } else { 1 << (bits - 1) };
    let layout = Layout {
        bits,
        fields,
        unit: 4,
        packed: Axis::Second,
        along_rows: false,
    };
    let codes = Packed::new("weight_packed", packed, layout, out, input)?;
    let table = Table::unsigned(bits, offset);
    Grouped::new(
        out,
        input,
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

/// Whether codes run on over word borders (0.10 and later) or leave the rest of each word idle.
/// Where both take as many words, idle bits that are used somewhere decide.
fn fields_of(packed: &Stored<'_>, input: usize, bits: usize) -> Built<Fields> {
    let per_word = 32 / bits;
    let (rows, words) = packed.matrix("weight_packed")?;
    let dense = input
        .checked_mul(bits)
        .ok_or("the matrix is too large")?
        .div_ceil(32)
        == words;
    let spaced = input.div_ceil(per_word) == words;
    match (dense, spaced) {
        (true, _) if 32 % bits == 0 => Ok(Fields::Stream),
        (true, false) => Ok(Fields::Stream),
        (false, true) => Ok(Fields::PerWord),
        (true, true) => {
            let bytes = packed
                .read(0..rows.min(PROBED_ROWS) * words * 4)
                .map_err(|error| error.to_string())?;
            let word = |word: &[u8]| u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            let used = bytes
                .chunks_exact(4)
                .any(|bytes| word(bytes) >> (per_word * bits) != 0);
            Ok(if used {
                Fields::Stream
            } else {
                Fields::PerWord
            })
        }
        (false, false) => Err(format!(
            "weight_packed has {words} words a row, which fits no {input} codes of {bits} bits"
        )),
    }
}

/// pack-quantized.
#[derive(Debug)]
pub(crate) struct PackQuantized {
    /// Rows.
    out: usize,
    /// Columns.
    input: usize,
    /// Bits of a code.
    bits: usize,
    /// Group size of the config.
    group_size: Option<usize>,
}

pub(super) const REGISTRATION: Registration = Registration {
    endings: &[
        (".weight_packed", "weight_packed"),
        (".weight_scale", "weight_scale"),
        (".weight_zero_point", "weight_zero_point"),
        (".weight_shape", "weight_shape"),
        (".weight_g_idx", "weight_g_idx"),
    ],
    stacks: None,
    detect,
};

/// What is no block of small floats: those have files of their own.
fn detect(candidate: &Candidate<'_>) -> Option<Built<Arc<dyn Scheme>>> {
    let packed = candidate.get("weight_packed")?;
    let scale = candidate.dtype("weight_scale");
    match (packed.dtype, scale) {
        (Dtype::I32, Some(_)) => Some(width_that_fits(candidate, packed)),
        (dtype, scale) => {
            let scale = scale.map_or("no scale", Dtype::word);
            refused(format!(
                "compressed-tensors: {dtype} codes with {scale}, a layout that is not known"
            ))
        }
    }
}

/// The first width that the config names, or else any, at which all shapes fit one another.
fn width_that_fits(candidate: &Candidate<'_>, packed: Member<'_>) -> Built<Arc<dyn Scheme>> {
    let &[rows, words] = packed.shape else {
        return Err(format!(
            "compressed-tensors: weight_packed has the shape {:?}, expected two axes",
            packed.shape
        ));
    };
    let stated = (candidate.read)("weight_shape")
        .and_then(|bytes| integers(&bytes, candidate.dtype("weight_shape")?));
    let group_size = candidate.settings.group_size(candidate.stem);
    let mut error = "compressed-tensors: no width fits".to_owned();
    for bits in widths(candidate.settings) {
        let input = match stated.as_deref() {
            Some(&[out, input]) if out == rows => Some(input),
            Some(shape) => {
                return Err(format!(
                    "compressed-tensors: weight_shape {shape:?} contradicts {rows} rows"
                ));
            }
            None => words.checked_mul(32).map(|all| all / bits as u64),
        };
        let (Ok(out), Some(Ok(input))) = (usize::try_from(rows), input.map(usize::try_from)) else {
            return Err("compressed-tensors: the matrix is too large".to_owned());
        };
        let scheme = PackQuantized {
            out,
            input,
            bits,
            group_size,
        };
        match candidate.check(&scheme) {
            Ok(_) => return Ok(Arc::new(scheme)),
            Err(reason) => error = reason,
        }
    }
    Err(error)
}

/// Widths that the config names, or else all, the usual ones first.
fn widths(settings: Settings<'_>) -> Vec<usize> {
    let bits = settings
        .weights()
        .filter_map(|weights| usize::try_from(weights.get("num_bits")?.as_u64()?).ok());
    let mut named: Vec<usize> = bits.filter(|bits| (1..=8).contains(bits)).collect();
    named.dedup();
    if named.is_empty() {
        return vec![4, 8, 2, 3, 5, 6, 7, 1];
    }
    named
}

/// Non-negative whole numbers of a tensor.
fn integers(bytes: &[u8], dtype: Dtype) -> Option<Vec<u64>> {
    match dtype {
        Dtype::I64 => bytes
            .chunks_exact(8)
            .map(|b| u64::try_from(i64::from_le_bytes(b.try_into().ok()?)).ok())
            .collect(),
        Dtype::I32 => bytes
            .chunks_exact(4)
            .map(|b| u64::try_from(i32::from_le_bytes(b.try_into().ok()?)).ok())
            .collect(),
        _ => None,
    }
}

impl Scheme for PackQuantized {
    fn word(&self) -> &'static str {
        "compressed-tensors"
    }

    fn codes(&self) -> &'static [&'static str] {
        &["weight_packed"]
    }

    /// Packed integers come from GPTQ, AWQ or plain rounding; nothing in the file tells.
    fn is_calibrated(&self) -> bool {
        true
    }

    fn open<'a>(&self, tensors: &scheme::Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>> {
        let tensors = Tensors {
            packed: tensors.get("weight_packed")?,
            scale: tensors.get("weight_scale")?,
            zero: tensors.find("weight_zero_point")?,
            g_idx: tensors.find("weight_g_idx")?,
        };
        let (out, input, bits) = (self.out, self.input, self.bits);
        let rows = pack_quantized(tensors, out, input, bits, self.group_size)?;
        Ok(Box::new(rows))
    }
}
