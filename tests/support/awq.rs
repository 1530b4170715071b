//! AWQ (Lin et al. 2023) as AutoAWQ writes it: channels rescaled, then rounded in groups with zero
//! points.

use super::draws::Draws;
use super::file::Tensor;
use super::weights::{Model, Values};

/// Columns that share a scale.
pub(crate) const GROUP: usize = 32;

/// Column of a word's eight that each nibble holds.
const ORDER: [usize; 8] = [0, 2, 4, 6, 1, 3, 5, 7];

/// The same function with other scales: gains divided by factors that the columns behind them take
/// up, rows of up divided by factors of the columns of down. `spread` is the standard deviation of
/// a factor's logarithm.
pub(crate) fn rescaled(model: &Model, layers: usize, seed: &str, spread: f64) -> Model {
    let mut model = model.clone();
    for layer in 0..layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}.weight");
        for (writer, readers) in [
            (
                "input_layernorm",
                &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"][..],
            ),
            (
                "post_attention_layernorm",
                &["mlp.gate_proj", "mlp.up_proj"],
            ),
            ("mlp.up_proj", &["mlp.down_proj"]),
        ] {
            let written = model.0.get_mut(&name(writer)).unwrap();
            let units = written.shape[0];
            let per_unit = written.values.len() / units;
            let factors = Draws::new(&[seed, &name(writer)])
                .many(units, |draws| (spread * draws.normal()).exp());
            for (row, factor) in written.values.chunks_mut(per_unit).zip(&factors) {
                row.iter_mut().for_each(|value| *value /= factor);
            }
            for reader in readers {
                let columns = model
                    .0
                    .get_mut(&name(reader))
                    .unwrap()
                    .values
                    .chunks_mut(units);
                columns.for_each(|row| {
                    row.iter_mut()
                        .zip(&factors)
                        .for_each(|(value, factor)| *value *= factor)
                });
            }
        }
    }
    model
}

/// The tensors of one linear layer in 4 bits: qweight, qzeros, scales.
pub(crate) fn awq(stem: &str, matrix: &Values) -> Vec<Tensor> {
    let (out, input) = (matrix.shape[0], matrix.shape[1]);
    let groups = input / GROUP;
    let (mut codes, mut zeros, mut scales) = (
        vec![0u32; input * out],
        vec![0u32; groups * out],
        Vec::new(),
    );
    for group in 0..groups {
        for row in 0..out {
            let columns = group * GROUP..(group + 1) * GROUP;
            let values = &matrix.values[row * input..][columns.clone()];
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let scale = half::f16::from_f64((greatest - least) / 15.0);
            let zero = (-least / scale.to_f64()).round().clamp(0.0, 15.0);
            zeros[group * out + row] = zero as u32;
            for (column, value) in columns.zip(values) {
                codes[column * out + row] =
                    ((value / scale.to_f64()).round() + zero).clamp(0.0, 15.0) as u32;
            }
            scales.extend(scale.to_le_bytes());
        }
    }
    let words = |codes: &[u32]| -> Vec<u8> {
        let word = |eight: &[u32]| (0..8).fold(0u32, |word, i| word | eight[ORDER[i]] << (4 * i));
        codes
            .chunks(8)
            .flat_map(|eight| word(eight).to_le_bytes())
            .collect()
    };
    let tensor = |name: &str, dtype, shape: [usize; 2], bytes| Tensor {
        name: format!("{stem}.{name}"),
        dtype,
        shape: shape.iter().map(|axis| *axis as u64).collect(),
        bytes,
    };
    vec![
        tensor("qweight", "I32", [input, out / 8], words(&codes)),
        tensor("qzeros", "I32", [groups, out / 8], words(&zeros)),
        tensor("scales", "F16", [groups, out], scales),
    ]
}
