//! The same runs through every kernel: one set of bits, that of the documented order of additions.

use proptest::prelude::*;

use super::Kernel;
use crate::model::dtype::Dtype;
use crate::model::sides::{Side, Sides};
use crate::numeric::decode::decode_f32;
use crate::numeric::rng::Draws;
use crate::numeric::sums::{Span, Sums, rows_on, span_on};

/// Lengths around every vector, step and block edge.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=70)
        .chain(120..=136)
        .chain(240..=275)
        .chain(505..=530)
        .chain([767, 768, 769, 1023, 1024, 1041, 2048, 4099])
}

/// How wild the codes are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// As weights are: normal, some zeros, the second side near the first.
    Weights,
    /// Weights, and here and there a value of tiny or huge magnitude.
    Extreme,
    /// Any bits at all.
    AnyBits,
}

const KINDS: [Kind; 3] = [Kind::Weights, Kind::Extreme, Kind::AnyBits];

fn values(n: usize, kind: Kind, draws: &mut Draws) -> [Vec<f32>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    for _ in 0..n {
        let a = (draws.normal() * 0.02) as f32;
        let b = if draws.below(4) == 0 {
            a
        } else {
            a + (draws.normal() * 0.001) as f32
        };
        for (side, value) in sides.iter_mut().zip([a, b]) {
            side.push(match (kind, draws.below(64)) {
                (Kind::AnyBits, _) => f32::from_bits(draws.below(1 << 32) as u32),
                (_, 0) => 0.0,
                (_, 1) => -0.0,
                (Kind::Extreme, 2) => value * 1e-30,
                (Kind::Extreme, 3) => value * 1e35,
                (Kind::Extreme, 4) if draws.below(8) == 0 => f32::NAN,
                (Kind::Extreme, 5) if draws.below(8) == 0 => f32::NEG_INFINITY,
                (Kind::Extreme, 6) => 1e-40,
                _ => value,
            });
        }
    }
    sides
}

fn narrow(format: Dtype, values: &[f32]) -> Vec<u8> {
    let code = |value: f32| match format {
        Dtype::Bf16 => half::bf16::from_f32(value).to_le_bytes(),
        _ => half::f16::from_f32(value).to_le_bytes(),
    };
    values.iter().flat_map(|&value| code(value)).collect()
}

fn any_codes(n: usize, draws: &mut Draws) -> Vec<u8> {
    (0..2 * n).map(|_| draws.below(256) as u8).collect()
}

fn codes(format: Dtype, n: usize, kind: Kind, draws: &mut Draws) -> [Vec<u8>; 2] {
    match kind {
        Kind::AnyBits => [any_codes(n, draws), any_codes(n, draws)],
        _ => values(n, kind, draws).map(|side| narrow(format, &side)),
    }
}

fn bits(sums: &Sums) -> [u64; 13] {
    let floats = [
        sums.ab,
        sums.aa,
        sums.bb,
        sums.a,
        sums.b,
        sums.dd,
        sums.max_abs_diff,
    ]
    .map(f64::to_bits);
    let [f0, f1, f2, f3, f4, f5, f6] = floats;
    [
        f0,
        f1,
        f2,
        f3,
        f4,
        f5,
        f6,
        sums.equal,
        sums.zeros.base,
        sums.zeros.target,
        sums.nonfinite.base,
        sums.nonfinite.target,
        sums.n,
    ]
}

/// The order of additions as the module's documentation gives it, one element at a time; equality
/// is the caller's.
fn by_the_book(a: &[f32], b: &[f32], format: Option<Dtype>) -> Sums {
    let mut lanes = [[0f64; 8]; 6];
    let mut sums = Sums {
        n: a.len() as u64,
        ..Sums::default()
    };
    let finite = |a: f32, b: f32| a.is_finite() && b.is_finite();
    for (&a, &b) in a.iter().zip(b) {
        for (side, value) in Side::BOTH.into_iter().zip([a, b]) {
            *sums.zeros.get_mut(side) += u64::from(value == 0.0);
            *sums.nonfinite.get_mut(side) += u64::from(!value.is_finite());
        }
    }
    let whole = a.len() / 16 * 16;
    let blocks = a[..whole].chunks(256).chain(a[whole..].chunks(16));
    for (a, b) in blocks.zip(b[..whole].chunks(256).chain(b[whole..].chunks(16))) {
        let exact = |x: &f32| match format {
            Some(Dtype::Bf16) => *x == 0.0 || (2f32.powi(-55)..2f32.powi(60)).contains(&x.abs()),
            Some(_) => x.is_finite(),
            None => false,
        };
        let small = a.iter().chain(b).all(exact);
        let mut block = [[0f32; 16]; 6];
        for (k, (&a, &b)) in a.iter().zip(b).enumerate() {
            let (a, b) = if finite(a, b) { (a, b) } else { (0.0, 0.0) };
            if small {
                let d = a - b;
                let terms = [a * b, a * a, b * b, a, b, d * d];
                for (sum, term) in block.iter_mut().zip(terms) {
                    sum[k % 16] += term;
                }
                sums.max_abs_diff = sums.max_abs_diff.max(f64::from(d.abs()));
            } else {
                let (a, b) = (f64::from(a), f64::from(b));
                let d = a - b;
                let terms = [a * b, a * a, b * b, a, b, d * d];
                for (lane, term) in lanes.iter_mut().zip(terms) {
                    lane[k % 8] += term;
                }
                sums.max_abs_diff = sums.max_abs_diff.max(d.abs());
            }
        }
        for (lane, block) in lanes.iter_mut().zip(block) {
            for j in 0..8 {
                lane[j] += f64::from(block[j]) + f64::from(block[j + 8]);
            }
        }
    }
    let total = lanes.map(|x| ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7])));
    let [ab, aa, bb, a, b, dd] = total;
    Sums {
        ab,
        aa,
        bb,
        a,
        b,
        dd,
        ..sums
    }
}

fn equal_pairs<T: PartialEq>(
    a: impl IntoIterator<Item = T>,
    b: impl IntoIterator<Item = T>,
) -> u64 {
    a.into_iter().zip(b).filter(|(a, b)| a == b).count() as u64
}

/// [`by_the_book`] for codes.
fn narrow_by_the_book(format: Dtype, a: &[u8], b: &[u8]) -> Sums {
    let sums = by_the_book(&decoded(format, a), &decoded(format, b), Some(format));
    Sums {
        equal: equal_pairs(a.chunks(2), b.chunks(2)),
        ..sums
    }
}

/// [`by_the_book`] for values.
fn wide_by_the_book(a: &[f32], b: &[f32]) -> Sums {
    let bits = |side: &[f32]| side.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    Sums {
        equal: equal_pairs(bits(a), bits(b)),
        ..by_the_book(a, b, None)
    }
}

fn decoded(format: Dtype, bytes: &[u8]) -> Vec<f32> {
    let mut out = vec![0.0; bytes.len() / 2];
    decode_f32(format, bytes, &mut out);
    out
}

fn narrow_span<'a>(format: Dtype, a: &'a [u8], b: &'a [u8]) -> Span<'a> {
    if format == Dtype::Bf16 {
        Span::Bf16(a, b)
    } else {
        Span::F16(a, b)
    }
}

#[test]
fn every_kernel_adds_16_bit_floats_in_the_documented_order() {
    let mut draws = Draws::new(1, "narrow kernels");
    for format in [Dtype::Bf16, Dtype::F16] {
        for kind in KINDS {
            for n in lengths() {
                let [a, b] = codes(format, n, kind, &mut draws);
                let want = narrow_by_the_book(format, &a, &b);
                for kernel in Kernel::available() {
                    let got = span_on(kernel, narrow_span(format, &a, &b));
                    assert_eq!(
                        bits(&got),
                        bits(&want),
                        "{kernel:?} {format} {kind:?} {n}: {got:?} {want:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_kernel_adds_f32_in_the_documented_order() {
    let mut draws = Draws::new(2, "wide kernels");
    for kind in KINDS {
        for n in lengths() {
            let [a, b] = values(n, kind, &mut draws);
            let want = wide_by_the_book(&a, &b);
            let wide = [&a, &b].map(|side| side.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
            for kernel in Kernel::available() {
                let got = span_on(kernel, Span::F32(&a, &b));
                assert_eq!(
                    bits(&got),
                    bits(&want),
                    "{kernel:?} {kind:?} {n}: {got:?} {want:?}"
                );
                let got = span_on(kernel, Span::F64(&wide[0], &wide[1]));
                let has_nan = got.nonfinite != Sides::default();
                assert!(
                    has_nan || bits(&got) == bits(&want),
                    "{kernel:?} F64 {kind:?} {n}: {got:?} {want:?}"
                );
            }
        }
    }
}

#[test]
fn a_run_may_begin_at_any_byte() {
    let mut draws = Draws::new(3, "alignment");
    for format in [Dtype::Bf16, Dtype::F16] {
        let [a, b] = codes(format, 600, Kind::Weights, &mut draws);
        let want = span_on(Kernel::PORTABLE, narrow_span(format, &a, &b));
        for kernel in Kernel::available() {
            for shift in 0..65 {
                let shifted = |bytes: &[u8], by: usize| [vec![0xaa; by], bytes.to_vec()].concat();
                let (a, b) = (shifted(&a, shift), shifted(&b, 64 - shift));
                let got = span_on(kernel, narrow_span(format, &a[shift..], &b[64 - shift..]));
                assert_eq!(
                    bits(&got),
                    bits(&want),
                    "{kernel:?} {format} shifted by {shift}"
                );
            }
        }
    }
}

/// Sums in f64, one element after the other, products of f32 exact.
fn naive(a: &[f32], b: &[f32]) -> Sums {
    let mut sums = Sums::default();
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a), f64::from(b));
        sums.ab += a * b;
        sums.aa += a * a;
        sums.bb += b * b;
        sums.a += a;
        sums.b += b;
        sums.dd += (a - b) * (a - b);
        sums.max_abs_diff = sums.max_abs_diff.max((a - b).abs());
    }
    sums
}

fn cosine(sums: &Sums) -> f64 {
    sums.ab / (sums.aa.sqrt() * sums.bb.sqrt())
}

#[test]
fn figures_agree_with_plain_f64_sums() {
    let mut draws = Draws::new(4, "accuracy");
    for n in [1, 3, 17, 255, 2048, 100_003] {
        // Weights, norm gains near 1, magnitudes from 1e-12 to 1e12, and a nearly equal pair.
        for shape in 0..4 {
            let side: Vec<f32> = (0..n)
                .map(|_| match shape {
                    0 => draws.normal() as f32 * 0.02,
                    1 => 1.0 + draws.normal() as f32 * 0.05,
                    _ => (draws.normal() * 10f64.powf(24.0 * draws.unit() - 12.0)) as f32,
                })
                .collect();
            let other: Vec<f32> = side
                .iter()
                .map(|&a| match shape {
                    0 | 1 => a * 0.5 + draws.normal() as f32 * 0.02,
                    _ => a * (1.0 + draws.normal() as f32 * 0.004),
                })
                .collect();
            for format in [Dtype::Bf16, Dtype::F16, Dtype::F32] {
                let (got, want) = if format == Dtype::F32 {
                    (
                        span_on(Kernel::active(), Span::F32(&side, &other)),
                        naive(&side, &other),
                    )
                } else if format == Dtype::F16 && shape == 2 {
                    continue; // beyond the range of F16
                } else {
                    let scale = if shape == 3 && format == Dtype::F16 {
                        1e-8
                    } else {
                        1.0
                    };
                    let [a, b] = [&side, &other].map(|side| {
                        narrow(format, &side.iter().map(|x| x * scale).collect::<Vec<_>>())
                    });
                    let sums = span_on(Kernel::active(), narrow_span(format, &a, &b));
                    (sums, naive(&decoded(format, &a), &decoded(format, &b)))
                };
                if want.aa == 0.0 || want.bb == 0.0 {
                    continue;
                }
                assert!(
                    (cosine(&got) - cosine(&want)).abs() < 1e-7,
                    "{format} {shape} {n}: {got:?} {want:?}"
                );
                let change = |sums: &Sums| (sums.dd / sums.aa).sqrt();
                assert!(
                    (change(&got) / change(&want) - 1.0).abs() < 1e-7 || want.dd == 0.0,
                    "{format} {shape} {n}"
                );
                assert!((got.max_abs_diff - want.max_abs_diff).abs() <= 1e-7 * want.max_abs_diff);
                let scale = (n as f64 * want.aa).sqrt();
                assert!(
                    (got.a - want.a).abs() < 1e-7 * scale,
                    "{format} {shape} {n}: {} {}",
                    got.a,
                    want.a
                );
            }
        }
    }
}

#[test]
fn the_edges_of_the_exact_range_are_where_the_book_has_them() {
    let mut draws = Draws::new(6, "edges");
    for exponent in (-64..=-53).chain(57..=63) {
        // A power of two or the number below it, and the next ones: one in a block of weights, and
        // blocks of nothing else.
        for (below, alone) in [(0, false), (1, false), (0, true), (1, true)] {
            let [mut a, mut b] = codes(Dtype::Bf16, 512, Kind::Weights, &mut draws);
            for (k, (a, b)) in a
                .as_chunks_mut()
                .0
                .iter_mut()
                .zip(b.as_chunks_mut().0)
                .enumerate()
            {
                if k == 300 || alone {
                    let code = half::bf16::from_f32(2f32.powi(exponent)).to_bits() - below;
                    let next = code + draws.below(3) as u16;
                    (*a, *b) = (code.to_le_bytes(), next.to_le_bytes());
                }
            }
            let want = narrow_by_the_book(Dtype::Bf16, &a, &b);
            for kernel in Kernel::available() {
                let got = span_on(kernel, Span::Bf16(&a, &b));
                assert_eq!(
                    bits(&got),
                    bits(&want),
                    "{kernel:?} 2^{exponent}, alone: {alone}"
                );
            }
            let exact = naive(&decoded(Dtype::Bf16, &a), &decoded(Dtype::Bf16, &b));
            for (got, exact) in [
                (want.aa, exact.aa),
                (want.ab, exact.ab),
                (want.dd, exact.dd),
            ] {
                assert!(
                    (got - exact).abs() <= 1e-6 * exact.abs(),
                    "2^{exponent}, alone: {alone}: {got} {exact}"
                );
            }
        }
    }
}

#[test]
fn rows_give_the_same_bits_on_every_kernel() {
    let mut draws = Draws::new(5, "rows");
    for columns in [1, 2, 3, 9, 16, 63, 64, 65, 100, 256, 300] {
        for kind in KINDS {
            let [a, b] = codes(Dtype::Bf16, columns * 23, kind, &mut draws);
            let run = |kernel| {
                let (mut total, mut products) = (Sums::default(), 0.0);
                rows_on(
                    kernel,
                    Span::Bf16(&a, &b),
                    columns,
                    &mut total,
                    &mut products,
                );
                (bits(&total), products.to_bits())
            };
            for kernel in Kernel::available() {
                assert_eq!(
                    run(kernel),
                    run(Kernel::PORTABLE),
                    "{kernel:?} {columns} {kind:?}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn any_codes_give_the_same_bits_on_every_kernel(
        a in prop::collection::vec(any::<u16>(), 0..900),
        seed in any::<u64>(),
        f16 in any::<bool>(),
        mask in prop::sample::select(vec![0u16, 0x4000, 0x6000]),
    ) {
        let format = if f16 { Dtype::F16 } else { Dtype::Bf16 };
        let mut draws = Draws::new(seed, "other side");
        // Clearing the top exponent bits keeps most blocks within the narrow range.
        let bytes = |codes: &[u16]| codes.iter().flat_map(|code| (code & !mask).to_le_bytes()).collect::<Vec<u8>>();
        let b: Vec<u16> = a.iter().map(|&code| if draws.below(2) == 0 { code } else { draws.below(1 << 16) as u16 }).collect();
        let (a, b) = (bytes(&a), bytes(&b));
        let want = narrow_by_the_book(format, &a, &b);
        for kernel in Kernel::available() {
            prop_assert_eq!(bits(&span_on(kernel, narrow_span(format, &a, &b))), bits(&want));
        }
    }
}
