//! Micro-benchmarks of what the streaming pass does to a chunk that lies in the core's L2 cache
//! (decode, sums, digest), of one comparison of principal subspaces and of one test on the order of
//! units. `cargo bench --bench kernels [FILTER]`; throughput counts the stored bytes of all inputs.
#![allow(missing_docs)]

use std::hint::black_box;

use divan::counter::BytesCount;
use divan::{Bencher, main as run};
use sha2::{Digest, Sha256};
use wcmp::internals::numeric::Kernel;
use wcmp::internals::numeric::Matrix;
use wcmp::internals::numeric::{Span, Sums, add_columns, rows_on};
use wcmp::internals::numeric::{decode_f32, decode_f64, decodes, values_per_element};
use wcmp::internals::stats::subspace::{SAMPLED_ROWS, Side, overlap, sampled_overlap};
use wcmp::internals::stats::units::{RowFeatures, Sampling, fixed_point_test};
use wcmp::results::terms::Dtype;

fn main() {
    run();
}

/// Bytes of one side of a chunk.
const CHUNK: usize = 256 << 10;

/// Columns of an ordinary matrix.
const COLUMNS: usize = 2048;

/// Codes of small values of either sign, no two sides alike.
fn codes(dtype: Dtype, side: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ side;
    let mut next = || {
        // xorshift64 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let width = dtype.block().1 as usize;
    let code = |value: f32| match dtype {
        Dtype::Bf16 => half::bf16::from_f32(value).to_le_bytes().to_vec(),
        Dtype::F16 => half::f16::from_f32(value).to_le_bytes().to_vec(),
        Dtype::F32 => value.to_le_bytes().to_vec(),
        Dtype::C64 => [value.to_le_bytes(), (-value).to_le_bytes()].concat(),
        Dtype::F64 => f64::from(value).to_le_bytes().to_vec(),
        // Small integers; bit 6 clear, so that no 8-bit float is a NaN.
        _ => (((value * 100.0) as i64) & !0x40).to_le_bytes()[..width].to_vec(),
    };
    (0..CHUNK / width).flat_map(|_| code(next())).collect()
}

fn plain_dtypes() -> impl Iterator<Item = Dtype> {
    Dtype::SAFETENSORS
        .iter()
        .copied()
        .filter(|&dtype| decodes(dtype))
}

#[divan::bench(args = plain_dtypes())]
fn decode_to_f32(bencher: Bencher<'_, '_>, dtype: Dtype) {
    let bytes = codes(dtype, 0);
    let elements = bytes.len() * dtype.block().0 as usize / dtype.block().1 as usize;
    let mut out = vec![0.0; elements * values_per_element(dtype)];
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| decode_f32(dtype, black_box(&bytes), &mut out));
}

#[divan::bench(args = [Dtype::F64, Dtype::I64, Dtype::I32])]
fn decode_to_f64(bencher: Bencher<'_, '_>, dtype: Dtype) {
    let bytes = codes(dtype, 0);
    let mut out = vec![0.0; bytes.len() / dtype.block().1 as usize];
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| decode_f64(dtype, black_box(&bytes), &mut out));
}

/// A dtype's way to the sums, decoding included.
fn sum_rows(bencher: Bencher<'_, '_>, kernel: Kernel, dtype: Dtype, columns: usize) {
    let (a, b) = (codes(dtype, 0), codes(dtype, 1));
    let values = |bytes: &[u8]| bytes.len() * dtype.block().0 as usize / dtype.block().1 as usize;
    let n = values(&a) * values_per_element(dtype);
    let whole = n - n % columns;
    let (mut a32, mut b32) = (vec![0.0; n], vec![0.0; n]);
    let (mut a64, mut b64) = (vec![0.0; n], vec![0.0; n]);
    bencher
        .counter(BytesCount::new(2 * a.len()))
        .bench_local(|| {
            let (mut total, mut products) = (Sums::default(), 0.0);
            let (a, b) = (black_box(&a[..]), black_box(&b[..]));
            let span = match dtype {
                Dtype::Bf16 => Span::Bf16(&a[..2 * whole], &b[..2 * whole]),
                Dtype::F16 => Span::F16(&a[..2 * whole], &b[..2 * whole]),
                Dtype::F64 => {
                    decode_f64(dtype, a, &mut a64);
                    decode_f64(dtype, b, &mut b64);
                    Span::F64(&a64[..whole], &b64[..whole])
                }
                _ => {
                    decode_f32(dtype, a, &mut a32);
                    decode_f32(dtype, b, &mut b32);
                    Span::F32(&a32[..whole], &b32[..whole])
                }
            };
            rows_on(kernel, span, columns, &mut total, &mut products);
            (total, products)
        });
}

#[divan::bench(args = Kernel::available())]
fn rows_bf16(bencher: Bencher<'_, '_>, kernel: Kernel) {
    sum_rows(bencher, kernel, Dtype::Bf16, COLUMNS);
}

#[divan::bench(args = Kernel::available())]
fn rows_f16(bencher: Bencher<'_, '_>, kernel: Kernel) {
    sum_rows(bencher, kernel, Dtype::F16, COLUMNS);
}

#[divan::bench(args = Kernel::available())]
fn rows_f32(bencher: Bencher<'_, '_>, kernel: Kernel) {
    sum_rows(bencher, kernel, Dtype::F32, COLUMNS);
}

#[divan::bench(args = plain_dtypes())]
fn rows_of_each_dtype(bencher: Bencher<'_, '_>, dtype: Dtype) {
    sum_rows(bencher, Kernel::active(), dtype, COLUMNS);
}

#[divan::bench(args = [1, 3, 9, 16, 64, 100, 128, 1000, 131072])]
fn rows_bf16_by_columns(bencher: Bencher<'_, '_>, columns: usize) {
    sum_rows(bencher, Kernel::active(), Dtype::Bf16, columns);
}

/// Blocks of values whose squares f32 cannot hold.
#[divan::bench(args = Kernel::available())]
fn rows_bf16_tiny(bencher: Bencher<'_, '_>, kernel: Kernel) {
    let tiny: Vec<u8> = half::bf16::from_f32(1e-25).to_le_bytes().repeat(CHUNK / 2);
    bencher
        .counter(BytesCount::new(2 * tiny.len()))
        .bench_local(|| {
            let (mut total, mut products) = (Sums::default(), 0.0);
            rows_on(
                kernel,
                Span::Bf16(black_box(&tiny), black_box(&tiny)),
                COLUMNS,
                &mut total,
                &mut products,
            );
            total
        });
}

#[divan::bench]
fn column_sums(bencher: Bencher<'_, '_>) {
    let values = vec![0.5f32; CHUNK / 4];
    let mut sums = vec![0.0; COLUMNS];
    bencher
        .counter(BytesCount::new(CHUNK))
        .bench_local(|| add_columns(black_box(&values), COLUMNS, &mut sums));
}

#[divan::bench]
fn sha256(bencher: Bencher<'_, '_>) {
    let bytes = codes(Dtype::Bf16, 0);
    let mut digest = Sha256::new();
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| digest.update(black_box(&bytes)));
}

/// A matrix of the usual size, decoded.
fn matrix(rows: usize, columns: usize, side: u64) -> Matrix {
    let bytes = codes(Dtype::Bf16, side).repeat((2 * rows * columns).div_ceil(CHUNK));
    let mut values = vec![0.0; rows * columns];
    decode_f32(Dtype::Bf16, &bytes[..2 * rows * columns], &mut values);
    // Repeated codes would make rows alike.
    values
        .iter_mut()
        .enumerate()
        .for_each(|(at, value)| *value += (at % 8191) as f32 * 1e-5);
    Matrix {
        rows,
        columns,
        values,
    }
}

/// Principal subspaces of one pair as `--pca fast` compares them; throughput counts the rows that
/// are drawn.
#[divan::bench(args = [1024, 2048, 4096])]
fn pca_sample(bencher: Bencher<'_, '_>, columns: usize) {
    let sides = [
        matrix(SAMPLED_ROWS, columns, 0),
        matrix(SAMPLED_ROWS, columns, 1),
    ];
    let bytes = 2 * 4 * SAMPLED_ROWS * columns;
    bencher
        .counter(BytesCount::new(bytes))
        .bench_local(|| sampled_overlap(black_box(&sides[0]), black_box(&sides[1]), false, 0));
}

/// The same of whole matrices as `--pca full` sketches them.
#[divan::bench(args = [1536, 2048], sample_count = 5)]
fn pca_sketch(bencher: Bencher<'_, '_>, columns: usize) {
    let sides = [matrix(2048, columns, 0), matrix(2048, columns, 1)];
    let bytes = 2 * 4 * 2048 * columns;
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        overlap(
            black_box(&sides[0]),
            black_box(&sides[1]),
            Side::Columns,
            false,
        )
    });
}

/// The fixed-point test of one feed-forward block; throughput counts the values of both sides.
#[divan::bench(args = [512, 5632, 14336], sample_count = 20)]
fn permutation_probe(bencher: Bencher<'_, '_>, units: usize) {
    let sides = [matrix(units, COLUMNS, 0), matrix(units, COLUMNS, 1)];
    let sampling = Sampling {
        seed: 0,
        thorough: false,
    };
    let (coordinates, probes) = (sampling.coordinates(COLUMNS), sampling.probes(units));
    bencher
        .counter(BytesCount::new(2 * 4 * units * COLUMNS))
        .bench_local(|| {
            let features = sides
                .each_ref()
                .map(|side| RowFeatures::new(black_box(side)).cut(&coordinates));
            fixed_point_test(&features[0], &features[1], &probes)
        });
}
