//! Values behind encodings: files of other libraries, read and decoded, against what those
//! libraries read.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;

use wcmp::internals::format::gguf;
use wcmp::internals::model::Config;
use wcmp::internals::numeric::{StoredBytes, ggml};
use wcmp::internals::source::Memory;
use wcmp::internals::view::{QuantisedMatrix, quantised};
use wcmp::results::terms::Dtype;
use wcmp::results::terms::TensorInfo;
use wcmp::{Error, Result};

use crate::support::zoo::zoo;

#[path = "../src/numeric/quant/reference.rs"]
#[allow(dead_code, unreachable_pub)]
mod reference;

use reference::Reference;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Values of a tensor of a GGUF file.
fn gguf_values(file: &[u8], tensor: &TensorInfo) -> Vec<f32> {
    let stored = &file[tensor.offset as usize..][..tensor.bytes as usize];
    let half = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    match tensor.dtype {
        Dtype::F32 => stored
            .chunks(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect(),
        Dtype::F16 => stored
            .chunks(2)
            .map(|b| half::f16::from_bits(half(b)).to_f32())
            .collect(),
        Dtype::Bf16 => stored
            .chunks(2)
            .map(|b| half::bf16::from_bits(half(b)).to_f32())
            .collect(),
        dtype => {
            let mut values = vec![0.0; tensor.elements() as usize];
            ggml::decode_blocks(dtype, stored, &mut values);
            values
        }
    }
}

#[test]
fn a_gguf_file_holds_the_values_that_the_gguf_package_reads() {
    let bytes = std::fs::read(format!("{HERE}/tests/reference/gguf_file.gguf")).unwrap();
    let file = gguf::parse_gguf(&Memory::new(Path::new("gguf_file.gguf"), &bytes), 0).unwrap();
    let reference = Reference::load("gguf_file");
    assert_eq!(file.tensors.len(), 5);
    for tensor in &file.tensors {
        assert_eq!(
            tensor.shape,
            reference.shape(&tensor.name),
            "{}",
            tensor.name
        );
        assert_eq!(
            gguf_values(&bytes, tensor),
            reference.f32(&tensor.name),
            "{}",
            tensor.name
        );
    }
}

#[test]
fn interleaved_rows_of_a_gguf_file_are_found_again() {
    let bytes = std::fs::read(format!("{HERE}/tests/reference/gguf_file.gguf")).unwrap();
    let file = gguf::parse_gguf(&Memory::new(Path::new("gguf_file.gguf"), &bytes), 0).unwrap();
    let reference = Reference::load("gguf_file");
    for name in ["blk.0.attn_q.weight", "blk.0.attn_k.weight"] {
        let order = gguf::row_order(&file.metadata, name).unwrap();
        let tensor = file
            .tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .unwrap();
        let (stored, original) = (
            gguf_values(&bytes, tensor),
            reference.f32(&format!("{name}.original")),
        );
        let (rows, columns) = (tensor.shape[0], tensor.shape[1] as usize);
        for row in 0..rows {
            let at = order.stored_row(row, rows).unwrap() as usize;
            assert_eq!(
                stored[columns * at..][..columns],
                original[columns * row as usize..][..columns],
                "{name}, row {row}"
            );
        }
    }
}

/// A safetensors file with its config.json beside it.
struct Model {
    bytes: Vec<u8>,
    tensors: Vec<TensorInfo>,
    config: Option<Config>,
}

impl Model {
    fn open(folder: &Path) -> Self {
        let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
        let parsed = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let start = bytes.as_ptr() as usize;
        let info = |(name, view): (String, safetensors::tensor::TensorView<'_>)| TensorInfo {
            name,
            dtype: Dtype::parse(&view.dtype().to_string()).unwrap(),
            shape: view.shape().iter().map(|&axis| axis as u64).collect(),
            file: 0,
            offset: (view.data().as_ptr() as usize - start) as u64,
            bytes: view.data().len() as u64,
        };
        let tensors = parsed.tensors().into_iter().map(info).collect();
        let config = std::fs::read(folder.join("config.json")).ok();
        let config = config.map(|json| Config {
            raw: serde_json::from_slice(&json).unwrap(),
        });
        Self {
            tensors,
            config,
            bytes,
        }
    }

    fn stored(&self, at: usize) -> &[u8] {
        let tensor = &self.tensors[at];
        &self.bytes[tensor.offset as usize..][..tensor.bytes as usize]
    }

    /// Values of a BF16 tensor.
    fn values(&self, name: &str) -> Vec<f32> {
        let at = self
            .tensors
            .iter()
            .position(|tensor| tensor.name == name)
            .unwrap_or_else(|| panic!("{name}"));
        assert_eq!(self.tensors[at].dtype, Dtype::Bf16, "{name}");
        let bf16 = |b: &[u8]| half::bf16::from_bits(u16::from_le_bytes([b[0], b[1]])).to_f32();
        self.stored(at).chunks(2).map(bf16).collect()
    }

    /// Values and steps of a quantised matrix.
    fn decoded(&self, matrix: &QuantisedMatrix) -> (Vec<f32>, Vec<f32>) {
        let rows = matrix
            .open(&self.tensors, &|at| Box::new(Slice(self.stored(at))))
            .unwrap();
        let elements = rows.rows() * rows.columns();
        assert_eq!(
            matrix.shape.iter().product::<u64>(),
            elements as u64,
            "{}",
            matrix.name
        );
        let (mut values, mut steps) = (vec![f32::NAN; elements], vec![f32::NAN; elements]);
        rows.read_rows(0..rows.rows(), &mut values).unwrap();
        rows.read_steps(0..rows.rows(), &mut steps).unwrap();
        (values, steps)
    }
}

struct Slice<'a>(&'a [u8]);

impl StoredBytes for Slice<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        match self.0.get(offset as usize..offset as usize + out.len()) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => return Err(Error::Usage("read past the end".into())),
        }
        Ok(())
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Distance of neighbouring BF16 values.
fn bf16_step(value: f32) -> f32 {
    let exponent = value.abs().max(f32::MIN_POSITIVE).log2().floor();
    2f32.powf(exponent - 7.0)
}

/// Share of elements whose difference is within the mean of the two steps; at an end of a grid,
/// where the step is negative, within two steps, as values beyond were clipped to it.
fn within_steps(a: &[f32], steps: &[f32], b: &[f32]) -> f64 {
    let room = |step: f32| if step < 0.0 { -2.0 * step } else { 0.5 * step };
    let is_within =
        |((a, step), b): ((f32, f32), f32)| (a - b).abs() <= room(step) + 0.5 * bf16_step(b);
    let elements = a
        .iter()
        .copied()
        .zip(steps.iter().copied())
        .zip(b.iter().copied());
    let within = elements.filter(|&element| is_within(element));
    within.count() as f64 / a.len() as f64
}

#[test]
#[ignore = "needs a zoo of trained models beside the project"]
fn re_encodings_of_the_zoo_decode_to_their_base() {
    let zoo = zoo();
    let base = Model::open(&zoo.join("base"));
    for (variant, word) in [
        ("fp8-tensor", "FP8"),
        ("fp8-block", "FP8"),
        ("int8-channel", "INT8"),
        ("gptq4", "GPTQ"),
        ("awq4", "AWQ"),
        ("bnb-nf4", "bitsandbytes 4-bit"),
    ] {
        let model = Model::open(&zoo.join("variants").join(variant));
        let found = quantised(&model.tensors, model.config.as_ref(), &|at| {
            Some(model.stored(at).to_vec())
        });
        assert_eq!(
            (
                found.matrices.len(),
                found.unsupported.len(),
                found.aside.len()
            ),
            (42, 0, 0),
            "{variant}"
        );
        let mut least = (1.0, 1.0);
        for matrix in &found.matrices {
            assert_eq!(matrix.scheme.word(), word, "{variant}");
            let (values, steps) = model.decoded(matrix);
            let expected = base.values(&matrix.name);
            let cosine = cosine(&values, &expected);
            let within = within_steps(&values, &steps, &expected);
            assert!(
                cosine > 0.99,
                "{variant}: {} has cosine {cosine}",
                matrix.name
            );
            least = (cosine.min(least.0), within.min(least.1));
        }
        println!(
            "{variant}: cosine at least {:.5}, within steps at least {:.4}",
            least.0, least.1
        );
        assert!(
            least.1 > 0.98,
            "{variant}: only {} of a matrix is within the steps",
            least.1
        );
    }
}

#[test]
#[ignore = "needs a zoo of trained models beside the project"]
fn quantised_matrices_of_the_zoo_have_the_shapes_of_the_base() {
    let zoo = zoo();
    let base = Model::open(&zoo.join("base"));
    let shapes: BTreeMap<&str, &[u64]> = base
        .tensors
        .iter()
        .map(|t| (t.name.as_str(), &t.shape[..]))
        .collect();
    let model = Model::open(&zoo.join("variants/bnb-nf4"));
    let found = quantised(&model.tensors, model.config.as_ref(), &|at| {
        Some(model.stored(at).to_vec())
    });
    for matrix in &found.matrices {
        assert_eq!(
            matrix.shape,
            shapes[matrix.name.as_str()],
            "{}",
            matrix.name
        );
    }
}
