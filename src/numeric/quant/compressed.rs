//! Integer codes in words, as compressed-tensors packs them (`pack-quantized`). Its other formats
//! are those of [`fp8`](super::fp8), [`mxfp4`](super::mxfp4) and [`nvfp4`](super::nvfp4).

use super::Built;
use super::codes::Table;
use super::gptq::{even_size, indexes, listed};
use super::grid::{Factor, Grid, Groups};
use super::grouped::{Grouped, Parts};
use super::packed::{Axis, Fields, Layout, Packed};
use super::stored::Stored;
use crate::model::dtype::Dtype;

/// Tensors of one linear layer.
pub struct Tensors<'a> {
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
pub fn pack_quantized(
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
