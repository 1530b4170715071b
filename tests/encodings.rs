//! Values behind encodings: files of other libraries, read and decoded, against what those libraries read.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use wcmp::format::gguf;
use wcmp::model::checkpoint::TensorInfo;
use wcmp::model::dtype::Dtype;
use wcmp::numeric::quant::ggml;

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
        Dtype::F32 => stored.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
        Dtype::F16 => stored.chunks(2).map(|b| half::f16::from_bits(half(b)).to_f32()).collect(),
        Dtype::Bf16 => stored.chunks(2).map(|b| half::bf16::from_bits(half(b)).to_f32()).collect(),
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
    let file = gguf::parse_gguf(Path::new("gguf_file.gguf"), &bytes, 0).unwrap();
    let reference = Reference::load("gguf_file");
    assert_eq!(file.tensors.len(), 5);
    for tensor in &file.tensors {
        assert_eq!(tensor.shape, reference.shape(&tensor.name), "{}", tensor.name);
        assert_eq!(gguf_values(&bytes, tensor), reference.f32(&tensor.name), "{}", tensor.name);
    }
}

#[test]
fn interleaved_rows_of_a_gguf_file_are_found_again() {
    let bytes = std::fs::read(format!("{HERE}/tests/reference/gguf_file.gguf")).unwrap();
    let file = gguf::parse_gguf(Path::new("gguf_file.gguf"), &bytes, 0).unwrap();
    let reference = Reference::load("gguf_file");
    for name in ["blk.0.attn_q.weight", "blk.0.attn_k.weight"] {
        let order = gguf::row_order(&file.metadata, name).unwrap();
        let tensor = file.tensors.iter().find(|tensor| tensor.name == name).unwrap();
        let (stored, original) = (gguf_values(&bytes, tensor), reference.f32(&format!("{name}.original")));
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
