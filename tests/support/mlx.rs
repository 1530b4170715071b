//! MLX's affine quantisation: the grid of a group is fitted so that it holds nought and the larger
//! end exactly, and what lies beyond the other end is clipped (`affine_quantize` of mlx).

use super::file::Tensor;
use super::weights::Values;

/// Columns that share a scale.
pub(crate) const GROUP: usize = 32;

/// The tensors of one linear layer in codes of `bits` bits: weight, scales, biases.
pub(crate) fn mlx(stem: &str, matrix: &Values, bits: usize) -> Vec<Tensor> {
    let (out, input) = (matrix.shape[0], matrix.shape[1]);
    let (mut words, mut scales, mut biases) = (Vec::new(), Vec::new(), Vec::new());
    for row in matrix.values.chunks(input) {
        let mut codes = Vec::new();
        for group in row.chunks(GROUP) {
            let (scale, bias) = grid(group, f64::from((1u32 << bits) - 1));
            let code = |value: &f64| {
                ((value - bias) / scale)
                    .round()
                    .clamp(0.0, f64::from((1u32 << bits) - 1)) as u32
            };
            codes.extend(group.iter().map(code));
            scales.extend(half::bf16::from_f64(scale).to_le_bytes());
            biases.extend(half::bf16::from_f64(bias).to_le_bytes());
        }
        words.extend(packed(&codes, bits));
    }
    let tensor = |name: &str, dtype, columns: usize, bytes| Tensor {
        name: format!("{stem}.{name}"),
        dtype,
        shape: vec![out as u64, columns as u64],
        bytes,
    };
    vec![
        tensor("weight", "U32", input * bits / 32, words),
        tensor("scales", "BF16", input / GROUP, scales),
        tensor("biases", "BF16", input / GROUP, biases),
    ]
}

/// Scale and bias of a group, exact in BF16.
fn grid(group: &[f64], most: f64) -> (f64, f64) {
    let bf16 = |value: f64| half::bf16::from_f64(value).to_f64();
    let least = group.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let step = (greatest - least) / most;
    let (edge, step) = if least.abs() > greatest.abs() {
        (least, step)
    } else {
        (greatest, -step)
    };
    let steps = (edge / step).round();
    if steps == 0.0 {
        (bf16(step), 0.0)
    } else {
        (bf16(edge / steps), bf16(edge))
    }
}

/// Codes as a little-endian stream of bits.
fn packed(codes: &[u32], bits: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; codes.len() * bits / 8];
    for (i, code) in codes.iter().enumerate() {
        for bit in (0..bits).filter(|bit| code >> bit & 1 == 1) {
            let at = i * bits + bit;
            bytes[at / 8] |= 1 << (at % 8);
        }
    }
    bytes
}
