//! Tensor lists as the writers of each layout make them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::dtype::Dtype;
use crate::numeric::quant::awq::{Awq, Version};
use crate::numeric::quant::bnb;
use crate::numeric::quant::fp8::{self, Block, Fp8};
use crate::numeric::quant::gptq::{Format, Gptq};
use crate::numeric::quant::mlx::{Mlx, Mode};
use crate::numeric::quant::mxfp4::Microscaled;
use crate::numeric::quant::nvfp4::Nvfp4;
use crate::numeric::quant::scheme::Blank;

fn tensor(name: &str, dtype: Dtype, shape: &[u64]) -> TensorInfo {
    let bytes = crate::model::dtype::element_count(shape)
        .and_then(|count| dtype.byte_len(count))
        .unwrap();
    TensorInfo {
        name: name.to_owned(),
        dtype,
        shape: shape.to_vec(),
        file: 0,
        offset: 0,
        bytes,
    }
}

/// Finds matrices with a config whose quantisation part is `settings`; small tensors read as
/// `contents`.
fn find_with(tensors: &[TensorInfo], settings: Value, contents: &[u8]) -> Quantised {
    let config = json!({ "quantization_config": settings });
    let config = Config {
        raw: config.as_object().unwrap().clone(),
    };
    quantised(tensors, Some(&config), &|_| Some(contents.to_vec()))
}

fn find(tensors: &[TensorInfo], settings: Value) -> Quantised {
    find_with(tensors, settings, &[])
}

/// The only matrix: (name, shape, scheme).
fn only(found: &Quantised) -> (&str, &[u64], &dyn Scheme) {
    assert_eq!(found.unsupported, [], "unsupported");
    assert_eq!(found.matrices.len(), 1);
    let matrix = &found.matrices[0];
    (&matrix.name, &matrix.shape, &*matrix.scheme)
}

/// Why the only matrix is not read.
fn reason(found: &Quantised) -> &str {
    assert_eq!(
        (found.matrices.len(), found.unsupported.len()),
        (0, 1),
        "{found:?}"
    );
    &found.unsupported[0].reason
}

#[test]
fn fp8_takes_its_block_from_the_config_and_partial_blocks_count() {
    let tensors = [
        tensor("a.kv_a_proj_with_mqa.weight", Dtype::F8E4M3, &[576, 7168]),
        tensor(
            "a.kv_a_proj_with_mqa.weight_scale_inv",
            Dtype::F32,
            &[5, 56],
        ),
        tensor("a.norm.weight", Dtype::Bf16, &[7168]),
    ];
    let settings = json!({ "quant_method": "fp8", "weight_block_size": [128, 128] });
    let block = Some(Block {
        rows: 128,
        columns: 128,
    });
    let expected = (
        "a.kv_a_proj_with_mqa.weight",
        &[576, 7168][..],
        &Fp8 { block } as &dyn Scheme,
    );
    assert_eq!(only(&find(&tensors, settings)), expected);
    assert_eq!(only(&quantised(&tensors, None, &|_| None)).1, [576, 7168]);
    assert!(
        reason(&find(&tensors, json!({ "weight_block_size": [64, 64] })))
            .starts_with("FP8: scale has the shape [5, 56]")
    );
}

#[test]
fn stacks_of_experts_keep_their_name() {
    let tensors = [
        tensor("e.gate_up_proj", Dtype::F8E4M3, &[4, 256, 128]),
        tensor("e.gate_up_proj_scale_inv", Dtype::F32, &[4, 2, 1]),
    ];
    assert_eq!(only(&find(&tensors, json!({}))).0, "e.gate_up_proj");
    assert_eq!(only(&find(&tensors, json!({}))).1, [4, 256, 128]);
    let tensors = [
        tensor("e.gate_up_proj_blocks", Dtype::U8, &[4, 64, 3, 16]),
        tensor("e.gate_up_proj_scales", Dtype::U8, &[4, 64, 3]),
        tensor("e.gate_up_proj_bias", Dtype::Bf16, &[4, 64]),
    ];
    assert_eq!(
        only(&find(&tensors, json!({}))),
        (
            "e.gate_up_proj",
            &[4, 64, 96][..],
            &Microscaled::GptOss as &dyn Scheme
        )
    );
}

#[test]
fn gptq_and_awq_are_told_apart_by_the_packed_axis() {
    let list = |qweight: &[u64], qzeros: &[u64], scales: &[u64]| {
        vec![
            tensor("l.qweight", Dtype::I32, qweight),
            tensor("l.qzeros", Dtype::I32, qzeros),
            tensor("l.scales", Dtype::F16, scales),
        ]
    };
    let gptq = list(&[16, 64], &[4, 8], &[4, 64]);
    let found = find(&gptq, json!({ "bits": 4, "group_size": 32 }));
    assert_eq!(
        only(&found),
        (
            "l.weight",
            &[64, 128][..],
            &Gptq {
                format: Format::V1,
                group_size: Some(32)
            } as &dyn Scheme
        )
    );
    let found = find(
        &gptq,
        json!({ "group_size": -1, "checkpoint_format": "gptq_v2" }),
    );
    assert_eq!(
        only(&found).2,
        &Gptq {
            format: Format::V2,
            group_size: None
        } as &dyn Scheme
    );
    assert!(reason(&find(&gptq, json!({ "checkpoint_format": "marlin" }))).contains("\"marlin\""));
    let found = find(
        &list(&[128, 8], &[4, 8], &[4, 64]),
        json!({ "group_size": 32 }),
    );
    assert_eq!(
        only(&found),
        (
            "l.weight",
            &[64, 128][..],
            &Awq {
                version: Version::Gemm,
                group_size: Some(32)
            } as &dyn Scheme
        )
    );
    let found = find(
        &list(&[64, 16], &[64, 1], &[64, 8]),
        json!({ "group_size": 32, "version": "gemv" }),
    );
    assert_eq!(
        only(&found),
        (
            "l.weight",
            &[64, 128][..],
            &Awq {
                version: Version::Gemv,
                group_size: Some(32)
            } as &dyn Scheme
        )
    );
    assert!(reason(&find(&gptq[..2], json!({}))).contains("without scales"));
}

#[test]
fn bitsandbytes_takes_the_shape_from_its_state() {
    let tensors = [
        tensor("l.weight", Dtype::U8, &[4096, 1]),
        tensor("l.weight.absmax", Dtype::F32, &[128]),
        tensor("l.weight.quant_map", Dtype::F32, &[16]),
        tensor("l.weight.quant_state.bitsandbytes__nf4", Dtype::U8, &[60]),
    ];
    let state = br#"{"quant_type": "nf4", "blocksize": 64, "shape": [64, 128]}"#;
    assert_eq!(only(&find_with(&tensors, json!({}), state)).1, [64, 128]);
    let wrong = br#"{"quant_type": "nf4", "blocksize": 64, "shape": [64, 129]}"#;
    assert!(reason(&find_with(&tensors, json!({}), wrong)).contains("two elements a byte"));
    assert!(reason(&find_with(&tensors, json!({}), b"{")).contains("lacks shape"));
    let tensors = [
        tensor("l.weight", Dtype::I8, &[4, 8]),
        tensor("l.SCB", Dtype::F32, &[4]),
        tensor("l.weight_format", Dtype::U8, &[]),
    ];
    assert_eq!(
        only(&find_with(&tensors, json!({}), &[0])).2,
        &bnb::Int8 as &dyn Scheme
    );
    assert!(reason(&find_with(&tensors, json!({}), &[1])).contains("tiled"));
}

#[test]
fn compressed_tensors_are_told_by_their_dtypes() {
    let packed = [
        tensor("l.weight_packed", Dtype::I32, &[32, 8]),
        tensor("l.weight_scale", Dtype::Bf16, &[32, 2]),
        tensor("l.weight_shape", Dtype::I64, &[2]),
        tensor("l.input_scale", Dtype::F32, &[1]),
        tensor("l.bias", Dtype::Bf16, &[32]),
    ];
    let shape = [32u64.to_le_bytes(), 64u64.to_le_bytes()].concat();
    let found = find_with(
        &packed,
        json!({ "config_groups": { "group_0": { "weights": { "num_bits": 4 } } } }),
        &shape,
    );
    assert_eq!(only(&found).1, [32, 64]);
    assert_eq!(found.matrices[0].members.len(), 4);
    // Without a config the stated shape leaves one width.
    assert_eq!(only(&find_with(&packed, json!({}), &shape)).1, [32, 64]);
    let two = [
        tensor("l.weight_packed", Dtype::U8, &[32, 64]),
        tensor("l.weight_scale", Dtype::F8E4M3, &[32, 8]),
        tensor("l.weight_global_scale", Dtype::F32, &[1]),
    ];
    assert_eq!(
        only(&find(&two, json!({}))),
        ("l.weight", &[32, 128][..], &Nvfp4 as &dyn Scheme)
    );
    for (bytes, scheme) in [(64, Microscaled::FourBit), (96, Microscaled::SixBit)] {
        let list = [
            tensor("l.weight_packed", Dtype::U8, &[32, bytes]),
            tensor("l.weight_scale", Dtype::U8, &[32, 4]),
        ];
        assert_eq!(
            only(&find(&list, json!({}))),
            ("l.weight", &[32, 128][..], &scheme as &dyn Scheme)
        );
    }
    let int8 = [
        tensor("l.weight", Dtype::I8, &[32, 8]),
        tensor("l.weight_scale", Dtype::Bf16, &[32, 1]),
    ];
    assert_eq!(
        only(&find(&int8, json!({}))),
        ("l.weight", &[32, 8][..], &fp8::Int8 as &dyn Scheme)
    );
}

#[test]
fn modelopt_and_mlx_are_found() {
    let nvfp4 = [
        tensor("l.weight", Dtype::U8, &[32, 64]),
        tensor("l.weight_scale", Dtype::F8E4M3, &[32, 8]),
        tensor("l.weight_scale_2", Dtype::F32, &[]),
        tensor("l.input_scale", Dtype::F32, &[]),
        tensor("attn.k_proj.k_scale", Dtype::F32, &[]),
    ];
    let found = find(&nvfp4, json!({}));
    assert_eq!(
        only(&found),
        ("l.weight", &[32, 128][..], &Nvfp4 as &dyn Scheme)
    );
    assert_eq!(found.aside, [4]);
    let mlx = [
        tensor("l.weight", Dtype::U32, &[32, 16]),
        tensor("l.scales", Dtype::Bf16, &[32, 2]),
        tensor("l.biases", Dtype::Bf16, &[32, 2]),
        tensor("l.bias", Dtype::Bf16, &[32]),
    ];
    let config = json!({ "quantization": { "bits": 8, "group_size": 32, "l": { "bits": 4, "group_size": 64 } } });
    let config = Config {
        raw: config.as_object().unwrap().clone(),
    };
    let found = quantised(&mlx, Some(&config), &|_| None);
    assert_eq!(
        only(&found),
        (
            "l.weight",
            &[32, 128][..],
            &Mlx {
                mode: Mode::Affine(4)
            } as &dyn Scheme
        )
    );
    assert_eq!(
        only(&quantised(&mlx, None, &|_| None)).2,
        &Mlx {
            mode: Mode::Affine(4)
        } as &dyn Scheme
    );
}

#[test]
fn layouts_that_are_not_read_are_named_with_their_tensors() {
    for (members, word) in [
        (
            &[
                ("codes", Dtype::I16),
                ("codebooks", Dtype::F16),
                ("scales", Dtype::F16),
            ][..],
            "AQLM",
        ),
        (&[("q_weight", Dtype::I32), ("q_scale", Dtype::I32)], "EXL2"),
        (&[("trellis", Dtype::I16), ("suh", Dtype::F16)], "EXL3"),
        (&[("W_q", Dtype::U8), ("scale", Dtype::F16)], "HQQ"),
        (&[("B", Dtype::I32), ("s", Dtype::F16)], "Marlin"),
        (
            &[("weight", Dtype::I8), ("weight_scales", Dtype::F16)],
            "EETQ",
        ),
        (
            &[("bitmask", Dtype::U8), ("compressed", Dtype::Bf16)],
            "sparse-bitmask",
        ),
        (
            &[("weight_packed", Dtype::I32), ("meta", Dtype::I16)],
            "marlin-24",
        ),
        (
            &[
                ("weight._data._data", Dtype::U8),
                ("weight._scale", Dtype::F16),
            ],
            "quanto",
        ),
    ] {
        let tensors: Vec<_> = members
            .iter()
            .map(|(member, dtype)| tensor(&format!("l.{member}"), *dtype, &[8, 8]))
            .collect();
        let found = find(&tensors, json!({}));
        assert!(reason(&found).contains(word), "{word}: {}", reason(&found));
        assert_eq!(found.unsupported[0].members.len(), members.len(), "{word}");
        assert_eq!(found.unsupported[0].name, "l.weight");
    }
}

#[test]
fn ordinary_tensors_are_left_alone() {
    let tensors = [
        tensor("l.weight", Dtype::Bf16, &[8, 8]),
        tensor("l.bias", Dtype::Bf16, &[8]),
        tensor("l.scale", Dtype::Bf16, &[8]),
        tensor("f.weight", Dtype::F8E4M3, &[8, 8]),
        tensor("x.k_scale", Dtype::F32, &[1]),
        tensor("s4.B", Dtype::F32, &[8]),
        tensor("s4.s", Dtype::F32, &[8]),
    ];
    assert_eq!(quantised(&tensors, None, &|_| None), Quantised::default());
}

proptest! {
    /// Lists that no writer makes, from ones that writers do: no panic, and what is found opens.
    #[test]
    fn any_list_of_tensors_is_sorted_out(
        which in 0usize..7, changes in prop::collection::vec((0usize..4, 0usize..3, 0u64..70, 0usize..66), 0..4),
        bits in 0u64..10,
    ) {
        let mut tensors = sound_list(which);
        for (at, axis, length, dtype) in changes {
            let count = tensors.len();
            let tensor = &mut tensors[at % count];
            if let Some(axis) = tensor.shape.get_mut(axis) {
                *axis = length;
            }
            tensor.dtype = Dtype::SAFETENSORS.get(dtype).copied().unwrap_or(tensor.dtype);
            let count = crate::model::dtype::element_count(&tensor.shape);
            tensor.bytes = count.and_then(|count| tensor.dtype.byte_len(count)).unwrap_or(0);
        }
        let settings = json!({ "group_size": bits, "config_groups": { "g": { "weights": { "num_bits": bits } } } });
        let found = find_with(&tensors, settings, br#"{"blocksize": 64, "shape": [8, 32]}"#);
        for matrix in &found.matrices {
            let blank = |at: usize| -> Box<dyn StoredBytes> { Box::new(Blank(tensors[at].bytes)) };
            let rows = matrix.open(&tensors, &blank).unwrap();
            let mut values = vec![0.0; rows.columns()];
            rows.read_rows(rows.rows() - 1..rows.rows(), &mut values).unwrap();
            rows.read_steps(0..1, &mut values).unwrap();
        }
    }
}

/// The tensors of one small matrix.
fn sound_list(which: usize) -> Vec<TensorInfo> {
    let members: &[(&str, Dtype, &[u64])] = match which {
        0 => &[
            ("weight", Dtype::F8E4M3, &[40, 24]),
            ("weight_scale_inv", Dtype::F32, &[3, 2]),
        ],
        1 => &[
            ("qweight", Dtype::I32, &[4, 16]),
            ("qzeros", Dtype::I32, &[2, 2]),
            ("scales", Dtype::F16, &[2, 16]),
            ("g_idx", Dtype::I32, &[32]),
        ],
        2 => &[
            ("qweight", Dtype::I32, &[32, 2]),
            ("qzeros", Dtype::I32, &[2, 2]),
            ("scales", Dtype::F16, &[2, 16]),
        ],
        3 => &[
            ("weight", Dtype::U8, &[128, 1]),
            ("weight.absmax", Dtype::F32, &[4]),
            ("weight.quant_map", Dtype::F32, &[16]),
            ("weight.quant_state.bitsandbytes__nf4", Dtype::U8, &[35]),
        ],
        4 => &[
            ("weight_packed", Dtype::I32, &[8, 4]),
            ("weight_scale", Dtype::F32, &[8, 2]),
            ("weight_zero_point", Dtype::I32, &[1, 2]),
        ],
        5 => &[
            ("weight", Dtype::U8, &[8, 16]),
            ("weight_scale", Dtype::F8E4M3, &[8, 2]),
            ("weight_scale_2", Dtype::F32, &[]),
        ],
        _ => &[
            ("weight", Dtype::U32, &[8, 4]),
            ("scales", Dtype::F16, &[8, 2]),
            ("biases", Dtype::F16, &[8, 2]),
        ],
    };
    members
        .iter()
        .map(|(member, dtype, shape)| tensor(&format!("l.{member}"), *dtype, shape))
        .collect()
}
