//! Every layout against values that its written-down formula gives
//! (tests/reference/quant_layouts.py).

use super::bnb::{FourBit, Nested};
use super::fp8::Block;
use super::gptq::Format;
use super::grouped::Grouped;
use super::mlx::Mode;
use super::nvfp4::Global;
use super::reference::Reference;
use super::*;
use crate::model::dtype::Dtype;

/// One case of the reference.
struct Case<'a> {
    reference: &'a Reference,
    name: &'a str,
}

impl Case<'_> {
    fn find(&self, member: &str) -> Option<Stored<'static>> {
        let prefix = format!("{}/{member}", self.name);
        let names = self.reference.names();
        let name = names
            .iter()
            .find(|name| **name == prefix || name.starts_with(&format!("{prefix}:")))?;
        let mut shape = self.reference.shape(name);
        let dtype = match name.split_once(':') {
            Some((_, word)) => Dtype::parse(word).unwrap(),
            None => Dtype::parse(&self.reference.dtype(name)).unwrap(),
        };
        if name.contains(':') {
            // Bytes under the name of another dtype: the last axis counts bytes.
            let width = dtype.block().1;
            let last = shape.pop().unwrap();
            shape.extend(
                [last / width]
                    .into_iter()
                    .filter(|&last| last != 1 || width == 1),
            );
        }
        Some(Stored::new(dtype, &shape, Box::new(self.reference.bytes(name).to_vec())).unwrap())
    }

    fn get(&self, member: &str) -> Stored<'static> {
        self.find(member)
            .unwrap_or_else(|| panic!("{}/{member}", self.name))
    }

    /// Compares all values, read in one go and in other pieces.
    fn agrees(&self, matrix: &dyn SteppedRows) {
        let expected = self.reference.f32(&format!("{}/expected", self.name));
        let (rows, columns) = (matrix.rows(), matrix.columns());
        assert_eq!(
            rows * columns,
            expected.len(),
            "{}: {rows} × {columns}",
            self.name
        );
        for chunk in [rows, 1, 3] {
            let mut values = vec![f32::NAN; expected.len()];
            for start in (0..rows).step_by(chunk) {
                let range = start..(start + chunk).min(rows);
                matrix
                    .read_rows(range.clone(), &mut values[range.start * columns..])
                    .unwrap();
            }
            for (at, (value, expected)) in values.iter().zip(&expected).enumerate() {
                let tolerance = expected.abs() * 2.0 * f32::EPSILON;
                assert!(
                    (value - expected).abs() <= tolerance,
                    "{}: element {at} is {value}, expected {expected}",
                    self.name
                );
            }
        }
        let mut steps = vec![f32::NAN; expected.len()];
        matrix.read_steps(0..rows, &mut steps).unwrap();
        assert!(
            steps.iter().all(|step| step.is_finite() && *step != 0.0),
            "{}: steps",
            self.name
        );
    }
}

/// Builds the matrix of a case and compares it.
fn check<'a, M: SteppedRows + 'a>(name: &str, build: impl FnOnce(&Case<'_>) -> Built<M>) {
    let reference = Reference::load("quant_layouts");
    let case = Case {
        reference: &reference,
        name,
    };
    let matrix = build(&case).unwrap_or_else(|error| panic!("{name}: {error}"));
    case.agrees(&matrix);
}

#[test]
fn fp8_and_int8_scale_by_tensor_channel_group_and_block() {
    let scaled = |case: &Case<'_>, block| {
        fp8::scaled(
            case.get("weight"),
            case.get("scale"),
            case.find("zero"),
            block,
        )
    };
    check("fp8_block", |case| {
        scaled(
            case,
            Some(Block {
                rows: 32,
                columns: 32,
            }),
        )
    });
    check("fp8_channel", |case| scaled(case, None));
    check("fp8_tensor", |case| scaled(case, None));
    check("int8_group", |case| scaled(case, None));
    for name in ["mx_f8_e4m3fnuz", "mx_f8_e5m2fnuz", "mx_f8_e5m2"] {
        check(name, |case| scaled(case, None));
    }
}

#[test]
fn gptq_unpacks_every_width_and_form() {
    for (name, format) in [
        ("gptq_v1_2", Format::V1),
        ("gptq_v1_3", Format::V1),
        ("gptq_v1_4", Format::V1),
        ("gptq_v1_8", Format::V1),
        ("gptq_v2_4", Format::V2),
        ("gptq_p_5", Format::Planar),
        ("gptq_p_7", Format::Planar),
    ] {
        check(name, |case| {
            let (qweight, qzeros, scales) =
                (case.get("qweight"), case.get("qzeros"), case.get("scales"));
            gptq::new(
                gptq::Tensors {
                    qweight,
                    qzeros,
                    scales,
                    g_idx: case.find("g_idx"),
                },
                format,
                None,
            )
        });
    }
}

#[test]
fn awq_unpacks_both_versions() {
    check("awq_gemm", |case| {
        awq::gemm(
            case.get("qweight"),
            case.get("qzeros"),
            case.get("scales"),
            None,
        )
    });
    check("awq_gemv", |case| {
        awq::gemv(
            case.get("qweight"),
            case.get("qzeros"),
            case.get("scales"),
            Some(8),
        )
    });
}

#[test]
fn bitsandbytes_blocks_run_over_row_ends() {
    check("bnb_int8", |case| {
        bnb::int8(case.get("weight"), case.get("scb"))
    });
    let four_bit = |case: &Case<'_>, nested| {
        let (weight, absmax, quant_map) = (
            case.get("weight"),
            case.get("absmax"),
            case.get("quant_map"),
        );
        FourBit::new(
            bnb::Tensors {
                weight,
                absmax,
                quant_map,
                nested,
            },
            &[10, 50],
            64,
        )
    };
    check("bnb_4bit", |case| four_bit(case, None));
    check("bnb_nested", |case| {
        let (quant_map, absmax) = (case.get("nested_quant_map"), case.get("nested_absmax"));
        four_bit(
            case,
            Some(Nested {
                quant_map,
                absmax,
                block: 3,
                offset: 0.25,
            }),
        )
    });
}

#[test]
fn compressed_tensors_packs_densely_or_by_words() {
    for (name, columns, bits) in [
        ("packed_4", 64, 4),
        ("packed_3_dense", 70, 3),
        ("packed_3_spaced", 70, 3),
        ("packed_8", 12, 8),
        ("packed_5_spaced", 64, 5),
    ] {
        check(name, |case| {
            let (packed, scale) = (case.get("packed"), case.get("scale"));
            let tensors = compressed::Tensors {
                packed,
                scale,
                zero: case.find("zero"),
                g_idx: None,
            };
            compressed::pack_quantized(tensors, 20, columns, bits, None)
        });
    }
}

#[test]
fn microscaled_codes_take_the_scale_of_their_group() {
    check("mxfp4_gpt_oss", |case| {
        mxfp4::gpt_oss(case.get("blocks"), case.get("scales"))
    });
    check("mxfp4_packed", |case| {
        mxfp4::packed(case.get("packed"), case.get("scale"))
    });
    check("mxfp6_packed", |case| {
        mxfp4::six_bit(case.get("packed"), case.get("scale"))
    });
    check("nvfp4_over", |case| {
        nvfp4::new(
            case.get("packed"),
            case.get("scale"),
            Global::Over(case.get("over")),
        )
    });
    check("nvfp4_times", |case| {
        nvfp4::new(
            case.get("packed"),
            case.get("scale"),
            Global::Times(case.get("times")),
        )
    });
}

#[test]
fn mlx_reads_affine_codes_and_microscaled_ones() {
    for (name, bits) in [("mlx_2", 2), ("mlx_3", 3), ("mlx_4", 4), ("mlx_6", 6)] {
        check(name, |case| {
            mlx::new(
                case.get("weight"),
                case.get("scales"),
                case.find("biases"),
                Mode::Affine(bits),
            )
        });
    }
    check("mlx_nvfp4", |case| {
        mlx::new(case.get("weight"), case.get("scales"), None, Mode::Nvfp4)
    });
}

#[test]
fn zero_points_that_wrap_are_counted() {
    let reference = Reference::load("quant_layouts");
    let case = Case {
        reference: &reference,
        name: "gptq_v1_2",
    };
    let (qweight, qzeros, scales) = (case.get("qweight"), case.get("qzeros"), case.get("scales"));
    let words = reference.bytes("gptq_v1_2/qzeros").to_vec();
    let full = words
        .iter()
        .map(|byte| (0..4).filter(|i| byte >> (2 * i) & 3 == 3).count() as u64)
        .sum::<u64>();
    let tensors = gptq::Tensors {
        qweight,
        qzeros,
        scales,
        g_idx: case.find("g_idx"),
    };
    assert!(full > 0);
    assert_eq!(
        gptq::new(tensors, Format::V1, None)
            .unwrap()
            .wrapped_zeros()
            .unwrap(),
        full
    );
}

/// Rows that hold each value of a layout once: the step is the distance of values that stand next
/// to one another.
#[test]
fn steps_of_tables_are_distances() {
    let weight = Stored::new(
        Dtype::F8E4M3,
        &[1, 127],
        Box::new((0..127u8).collect::<Vec<_>>()),
    )
    .unwrap();
    let scale = Stored::new(Dtype::F32, &[1], Box::new(0.5f32.to_le_bytes().to_vec())).unwrap();
    let matrix = fp8::scaled(weight, scale, None, None).unwrap();
    let (mut values, mut steps) = ([0.0; 127], [0.0; 127]);
    matrix.read_rows(0..1, &mut values).unwrap();
    matrix.read_steps(0..1, &mut steps).unwrap();
    for at in 0..126 {
        assert_eq!(values[at + 1] - values[at], steps[at]);
    }
}

#[test]
fn members_that_do_not_fit_are_refused_in_words() {
    let stored = |dtype: Dtype, shape: &[u64]| {
        let len = dtype.byte_len(shape.iter().product()).unwrap();
        Stored::new(dtype, shape, Box::new(vec![0u8; len as usize])).unwrap()
    };
    let error = |built: Built<Grouped<'_>>| built.err().unwrap();
    let block = Some(Block {
        rows: 128,
        columns: 128,
    });
    let fp8 = |scale: &[u64]| {
        fp8::scaled(
            stored(Dtype::F8E4M3, &[576, 256]),
            stored(Dtype::F32, scale),
            None,
            block,
        )
    };
    assert!(fp8(&[5, 2]).is_ok());
    assert!(error(fp8(&[4, 2])).contains("does not fit 576 × 256 in blocks of 128 × 128"));
    let gptq = |qweight: &[u64], qzeros: &[u64], g_idx: Option<Vec<i32>>| {
        let g_idx = g_idx.map(|list| {
            let bytes = list
                .iter()
                .flat_map(|index| index.to_le_bytes())
                .collect::<Vec<u8>>();
            Stored::new(Dtype::I32, &[list.len() as u64], Box::new(bytes)).unwrap()
        });
        let (qweight, qzeros) = (stored(Dtype::I32, qweight), stored(Dtype::I32, qzeros));
        gptq::new(
            gptq::Tensors {
                qweight,
                qzeros,
                scales: stored(Dtype::F16, &[2, 16]),
                g_idx,
            },
            Format::V1,
            None,
        )
    };
    assert!(gptq(&[8, 16], &[2, 2], None).is_ok());
    assert!(
        error(gptq(&[8, 15], &[2, 2], None))
            .contains("qweight has the shape [8, 15], expected [8, 16]")
    );
    assert!(error(gptq(&[8, 16], &[3, 2], None)).contains("fits no width"));
    assert!(error(gptq(&[8, 16], &[2, 9], None)).contains("fits no width"));
    assert!(
        error(gptq(&[8, 16], &[2, 2], Some(vec![2; 64])))
            .contains("names a group that does not exist")
    );
    assert!(
        error(gptq(&[8, 16], &[2, 2], Some(vec![-1; 64])))
            .contains("names a group that does not exist")
    );
    assert!(
        error(mlx::new(
            stored(Dtype::U32, &[4, 8]),
            stored(Dtype::F16, &[4, 3]),
            Some(stored(Dtype::F16, &[4, 3])),
            Mode::Affine(4)
        ))
        .contains("do not divide")
    );
    let four_bit = |len: u64, absmax: u64, map: u64| {
        let (weight, absmax) = (stored(Dtype::U8, &[len, 1]), stored(Dtype::F32, &[absmax]));
        FourBit::new(
            bnb::Tensors {
                weight,
                absmax,
                quant_map: stored(Dtype::F32, &[map]),
                nested: None,
            },
            &[8, 16],
            64,
        )
        .err()
    };
    assert_eq!(four_bit(64, 2, 16), None);
    assert!(four_bit(63, 2, 16).unwrap().contains("two elements a byte"));
    assert!(four_bit(64, 3, 16).unwrap().contains("one for each 64"));
    assert!(
        four_bit(64, 2, 3)
            .unwrap()
            .contains("3 elements, expected 16")
    );
}
