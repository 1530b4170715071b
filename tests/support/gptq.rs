//! GPTQ as its paper has it (Frantar et al. 2022): columns rounded one by one, each error passed on
//! to the columns that are still to come, by the inverse Hessian of a layer's inputs.

use super::draws::Draws;
use super::file::Tensor;
use super::weights::Values;

/// Columns that share a scale.
pub(crate) const GROUP: usize = 32;

/// The tensors of one linear layer in 4 bits, symmetric: qweight, qzeros, scales, g_idx.
pub(crate) fn gptq(stem: &str, matrix: &Values) -> Vec<Tensor> {
    let (out, input) = (matrix.shape[0], matrix.shape[1]);
    let groups = input.div_ceil(GROUP);
    let factor = inverse_factor(stem, input);
    let mut weights = matrix.values.clone();
    let (mut codes, mut scales) = (vec![0u32; out * input], vec![0.0; groups * out]);
    for row in 0..out {
        let weights = &mut weights[row * input..][..input];
        for column in 0..input {
            if column % GROUP == 0 {
                let group = &weights[column..(column + GROUP).min(input)];
                let largest = group
                    .iter()
                    .fold(0.0, |most: f64, weight| most.max(weight.abs()));
                scales[column / GROUP * out + row] = half::f16::from_f64(largest / 7.5).to_f64();
            }
            let scale = scales[column / GROUP * out + row];
            let code = (weights[column] / scale + 8.0).round().clamp(0.0, 15.0);
            codes[row * input + column] = code as u32;
            let error = (weights[column] - scale * (code - 8.0)) / factor[column * input + column];
            for later in column + 1..input {
                weights[later] -= error * factor[column * input + later];
            }
        }
    }
    let word = |block: usize, row: usize| {
        (0..8)
            .map(|i| codes[row * input + 8 * block + i] << (4 * i))
            .fold(0, |word, code| word | code)
    };
    let qweight = (0..input / 8).flat_map(|block| (0..out).map(move |row| (block, row)));
    let qweight = qweight
        .flat_map(|(block, row)| word(block, row).to_le_bytes())
        .collect();
    let qzeros = std::iter::repeat_n(0x7777_7777u32.to_le_bytes(), groups * out / 8)
        .flatten()
        .collect();
    let scales = scales
        .iter()
        .flat_map(|scale| half::f16::from_f64(*scale).to_le_bytes())
        .collect();
    let g_idx = (0..input)
        .flat_map(|column| ((column / GROUP) as i32).to_le_bytes())
        .collect();
    let tensor = |name: &str, dtype, shape: [usize; 2], bytes| Tensor {
        name: format!("{stem}.{name}"),
        dtype,
        shape: shape
            .iter()
            .filter(|axis| **axis > 0)
            .map(|axis| *axis as u64)
            .collect(),
        bytes,
    };
    vec![
        tensor("qweight", "I32", [input / 8, out], qweight),
        tensor("qzeros", "I32", [groups, out / 8], qzeros),
        tensor("scales", "F16", [groups, out], scales),
        tensor("g_idx", "I32", [input, 0], g_idx),
    ]
}

/// Upper Cholesky factor of the inverse Hessian of correlated inputs, damped by a hundredth of its
/// mean diagonal.
fn inverse_factor(seed: &str, n: usize) -> Vec<f64> {
    let mut draws = Draws::new(&[seed, "inputs"]);
    let mut hessian = vec![0.0; n * n];
    for _ in 0..2 * n {
        let common = draws.normal();
        let inputs: Vec<f64> = (0..n).map(|_| 0.5 * common + draws.normal()).collect();
        for i in 0..n {
            (0..n).for_each(|j| hessian[i * n + j] += inputs[i] * inputs[j]);
        }
    }
    let mean = (0..n).map(|i| hessian[i * n + i]).sum::<f64>() / n as f64;
    (0..n).for_each(|i| hessian[i * n + i] += 0.01 * mean);
    let lower = cholesky(&inverse(&hessian, n), n);
    (0..n * n).map(|at| lower[at % n * n + at / n]).collect()
}

/// By Gauss and Jordan; positive definite, so that no pivot is looked for.
fn inverse(matrix: &[f64], n: usize) -> Vec<f64> {
    let (mut left, mut right) = (matrix.to_vec(), vec![0.0; n * n]);
    (0..n).for_each(|i| right[i * n + i] = 1.0);
    for pivot in 0..n {
        let by = left[pivot * n + pivot];
        for j in 0..n {
            left[pivot * n + j] /= by;
            right[pivot * n + j] /= by;
        }
        for row in (0..n).filter(|row| *row != pivot) {
            let by = left[row * n + pivot];
            for j in 0..n {
                left[row * n + j] -= by * left[pivot * n + j];
                right[row * n + j] -= by * right[pivot * n + j];
            }
        }
    }
    right
}

fn cholesky(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            lower[i * n + j] = if i == j {
                rest.sqrt()
            } else {
                rest / lower[j * n + j]
            };
        }
    }
    lower
}
