//! Changes read a few rows at a time.

use std::path::Path;

use super::*;
use crate::format::open::open_checkpoint;
use crate::source::Io;

/// A safetensors file of F32 tensors.
fn file(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let mut at = 0;
    let entry = |(name, shape, values): &(&str, &[usize], &[f32])| {
        let begin = at;
        at += 4 * values.len();
        format!(r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{begin},{at}]}}"#)
    };
    let header = format!(
        "{{{}}}",
        tensors.iter().map(entry).collect::<Vec<_>>().join(",")
    );
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    tensors
        .iter()
        .flat_map(|t| t.2)
        .for_each(|value| out.extend(value.to_le_bytes()));
    out
}

fn model(folder: &Path, name: &str, weights: Vec<u8>, config: Option<&str>) -> Model {
    let folder = folder.join(name);
    std::fs::create_dir(&folder).unwrap();
    let stem = if config.is_some() {
        "adapter_model"
    } else {
        "model"
    };
    std::fs::write(folder.join(format!("{stem}.safetensors")), weights).unwrap();
    config
        .iter()
        .for_each(|config| std::fs::write(folder.join("adapter_config.json"), config).unwrap());
    Model::new(open_checkpoint(&folder, Io::Read).unwrap())
}

fn numbers(seed: u32, count: usize) -> Vec<f32> {
    (0..count as u32)
        .map(|i| ((i * 37 + seed * 11) % 19) as f32 / 7.0 - 1.0)
        .collect()
}

const CONFIG: &str = r#"{"peft_type":"LORA","r":2,"lora_alpha":6}"#;

/// Rows of the only change, read `step` at a time.
fn rows(base: &Model, target: &Model, step: usize) -> Vec<f32> {
    let (changes, unfit) = find(base, target);
    assert_eq!((changes.len(), unfit), (1, vec![]));
    let adapted = Adapted::new(base, target, &changes[0]).unwrap();
    let mut out = vec![0.0; adapted.rows() * adapted.columns()];
    for first in (0..adapted.rows()).step_by(step) {
        let here = first..(first + step).min(adapted.rows());
        adapted
            .read_rows(here, &mut out[first * adapted.columns()..])
            .unwrap();
    }
    out
}

fn close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let far = |(found, expected): (&f32, &f64)| {
        (f64::from(*found) - expected).abs() > 1e-5 * (1.0 + expected.abs())
    };
    assert!(
        !found.iter().zip(expected).any(far),
        "{found:?}, not {expected:?}"
    );
}

#[test]
fn magnitudes_of_an_embedding_are_those_of_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let (w, a, b, m) = (
        numbers(1, 15),
        numbers(2, 10),
        numbers(3, 6),
        [0.5, 2.0, 3.0],
    );
    let base = model(
        folder.path(),
        "base",
        file(&[("model.embed_tokens.weight", &[5, 3], &w)]),
        None,
    );
    let module = |end: &str| format!("base_model.model.model.embed_tokens.{end}");
    let names = [
        "lora_embedding_A",
        "lora_embedding_B",
        "lora_magnitude_vector",
    ]
    .map(module);
    let tensors: [(&str, &[usize], &[f32]); 3] = [
        (&names[0], &[2, 5], &a),
        (&names[1], &[3, 2], &b),
        (&names[2], &[3], &m),
    ];
    let target = model(folder.path(), "adapter", file(&tensors), Some(CONFIG));
    let v = |i: usize, j: usize| {
        let sum: f64 = (0..2)
            .map(|k| f64::from(b[j * 2 + k]) * f64::from(a[k * 5 + i]))
            .sum();
        f64::from(w[i * 3 + j]) + 3.0 * sum
    };
    let norm = |j: usize| (0..5).map(|i| v(i, j) * v(i, j)).sum::<f64>().sqrt();
    let expected: Vec<f64> = (0..15)
        .map(|at| f64::from(m[at % 3]) * v(at / 3, at % 3) / norm(at % 3))
        .collect();
    [1, 2, 5]
        .iter()
        .for_each(|&step| close(&rows(&base, &target, step), &expected));
}

#[test]
fn a_square_matrix_of_a_conv1d_is_changed_as_it_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (w, a, b) = (numbers(1, 16), numbers(2, 8), numbers(3, 8));
    let name = "h.0.attn.c_proj";
    let base = model(
        folder.path(),
        "base",
        file(&[(&format!("{name}.weight"), &[4, 4], &w)]),
        None,
    );
    let names = ["A", "B"].map(|factor| format!("base_model.model.{name}.lora_{factor}.weight"));
    let weights = file(&[(&names[0], &[2, 4], &a), (&names[1], &[4, 2], &b)]);
    for (flag, at) in [("true", "transposed"), ("false", "plain")] {
        let config = CONFIG.replace('}', &format!(r#","fan_in_fan_out":{flag}}}"#));
        let target = model(folder.path(), at, weights.clone(), Some(&config));
        let delta = |i: usize, j: usize| {
            (0..2)
                .map(|k| f64::from(b[i * 2 + k]) * f64::from(a[k * 4 + j]))
                .sum::<f64>()
        };
        let expected: Vec<f64> = (0..16)
            .map(|n| {
                f64::from(w[n])
                    + 3.0
                        * if flag == "true" {
                            delta(n % 4, n / 4)
                        } else {
                            delta(n / 4, n % 4)
                        }
            })
            .collect();
        [1, 3, 4]
            .iter()
            .for_each(|&step| close(&rows(&base, &target, step), &expected));
    }
}
