//! The sums of one pair of tensors: everything that cosine, expected cosine, relative change and
//! equality need, in one pass over the values.
//!
//! Same bits on every machine and kernel: which terms an addition takes is fixed by the element's
//! place in the run alone (see `kernels`). Accuracy, against exact sums: 16-bit inputs are summed
//! in f32 over 16 terms at most and in f64 from there, which leaves each sum within 1e-6 of the sum
//! of its terms' magnitudes (1e-8 is usual, and BF16 values of like size sum exactly); f32 inputs
//! are summed in f64 throughout.

use super::decode::decode_f32;
use super::kernels::{BLOCK, Kernel, Lanes, Narrow, STEP};
use crate::model::dtype::Dtype;
use crate::model::sides::Sides;
use crate::numeric::wide::widest;

/// Sums over n pairs of values (a, b). A pair in which either value is not finite is counted in
/// `n`, and left out of every sum and of `max_abs_diff`.
#[derive(Default, Clone, Copy, Debug, PartialEq)]
pub struct Sums {
    /// Number of pairs.
    pub n: u64,
    /// Σ a·b.
    pub ab: f64,
    /// Σ a².
    pub aa: f64,
    /// Σ b².
    pub bb: f64,
    /// Σ a.
    pub a: f64,
    /// Σ b.
    pub b: f64,
    /// Σ (a−b)².
    pub dd: f64,
    /// max |a−b|.
    pub max_abs_diff: f64,
    /// Pairs whose two codes or values have the same bits, so that 0 and −0 differ and a NaN equals
    /// itself.
    pub equal: u64,
    /// Zeros on each side, −0 among them.
    pub zeros: Sides<u64>,
    /// NaN and infinite values on each side.
    pub nonfinite: Sides<u64>,
}

impl Sums {
    /// Adds the sums of the run that follows this one.
    pub fn add(&mut self, later: &Self) {
        self.n += later.n;
        self.ab += later.ab;
        self.aa += later.aa;
        self.bb += later.bb;
        self.a += later.a;
        self.b += later.b;
        self.dd += later.dd;
        self.max_abs_diff = self.max_abs_diff.max(later.max_abs_diff);
        self.equal += later.equal;
        self.zeros.base += later.zeros.base;
        self.zeros.target += later.zeros.target;
        self.nonfinite.base += later.nonfinite.base;
        self.nonfinite.target += later.nonfinite.target;
    }
}

/// Two runs of equally many values: little-endian codes at any alignment, or numbers already
/// decoded.
#[derive(Debug, Clone, Copy)]
pub enum Span<'a> {
    /// BF16 codes.
    Bf16(&'a [u8], &'a [u8]),
    /// F16 codes.
    F16(&'a [u8], &'a [u8]),
    /// Decoded values.
    F32(&'a [f32], &'a [f32]),
    /// Decoded values. Squares are taken in f64: magnitudes beyond 1e154 overflow to infinite sums.
    F64(&'a [f64], &'a [f64]),
}

impl<'a> Span<'a> {
    /// Number of pairs.
    ///
    /// # Panics
    /// When the sides differ in length, or codes are cut in half.
    pub fn len(&self) -> usize {
        let (a, b, width) = match self {
            Span::Bf16(a, b) | Span::F16(a, b) => (a.len(), b.len(), 2),
            Span::F32(a, b) => (a.len(), b.len(), 1),
            Span::F64(a, b) => (a.len(), b.len(), 1),
        };
        assert!(
            a == b && a.is_multiple_of(width),
            "runs of unequal length: {a} and {b}"
        );
        a / width
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pairs from `start` to before `end`.
    fn part(&self, start: usize, end: usize) -> Span<'a> {
        match self {
            Span::Bf16(a, b) => Span::Bf16(&a[2 * start..2 * end], &b[2 * start..2 * end]),
            Span::F16(a, b) => Span::F16(&a[2 * start..2 * end], &b[2 * start..2 * end]),
            Span::F32(a, b) => Span::F32(&a[start..end], &b[start..end]),
            Span::F64(a, b) => Span::F64(&a[start..end], &b[start..end]),
        }
    }

    /// The pairs as f64, at most a block of them.
    fn decode(&self, out: &mut [[f64; BLOCK]; 2]) {
        let widen = |run: &[f32], out: &mut [f64]| {
            run.iter()
                .zip(out)
                .for_each(|(&value, out)| *out = f64::from(value))
        };
        let n = self.len();
        let [out_a, out_b] = out;
        let mut values = [[0.0; BLOCK]; 2];
        match self {
            Span::F64(a, b) => {
                out_a[..n].copy_from_slice(a);
                out_b[..n].copy_from_slice(b);
            }
            Span::F32(a, b) => {
                widen(a, out_a);
                widen(b, out_b);
            }
            Span::Bf16(a, b) | Span::F16(a, b) => {
                let dtype = if matches!(self, Span::F16(..)) {
                    Dtype::F16
                } else {
                    Dtype::Bf16
                };
                for (side, run) in [a, b].into_iter().enumerate() {
                    decode_f32(dtype, run, &mut values[side][..n]);
                }
                widen(&values[0][..n], out_a);
                widen(&values[1][..n], out_b);
            }
        }
    }
}

/// Sums of one contiguous run, a row or a piece.
///
/// # Panics
/// When the sides of the run differ in length.
pub(crate) fn span(s: Span<'_>) -> Sums {
    span_on(Kernel::active(), s)
}

/// [`span`] on a kernel of the caller's choice; all give the same bits.
///
/// # Panics
/// As [`span`].
pub(crate) fn span_on(kernel: Kernel, s: Span<'_>) -> Sums {
    let n = s.len();
    let whole = n - n % STEP;
    let mut run = Summation {
        kernel,
        lanes: Lanes::default(),
        nonfinite: [0; 2],
    };
    match s {
        Span::Bf16(a, b) => run.narrow(Narrow::Bf16, a, b, whole),
        Span::F16(a, b) => run.narrow(Narrow::F16, a, b, whole),
        Span::F32(a, b) => run.wide(a, b, whole, Kernel::wide),
        Span::F64(a, b) => run.wide(a, b, whole, Kernel::double),
    }
    let Summation {
        lanes, nonfinite, ..
    } = run;
    // The zeros that filled the last step are equal pairs of zeros.
    let padding = if whole == n {
        0
    } else {
        (whole + STEP - n) as u64
    };
    Sums {
        n: n as u64,
        ab: reduce(lanes.ab),
        aa: reduce(lanes.aa),
        bb: reduce(lanes.bb),
        a: reduce(lanes.a),
        b: reduce(lanes.b),
        dd: reduce(lanes.dd),
        max_abs_diff: lanes.max_abs_diff,
        equal: lanes.equal - padding,
        zeros: lanes.zeros.map(|zeros| zeros - padding).into(),
        nonfinite: nonfinite.into(),
    }
}

/// The sum of all lanes, halving.
fn reduce(x: [f64; 8]) -> f64 {
    ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
}

/// A run in progress.
struct Summation {
    kernel: Kernel,
    lanes: Lanes,
    nonfinite: [u64; 2],
}

impl Summation {
    /// Runs of 16-bit codes, `whole` of them in whole steps, the rest padded to one step.
    fn narrow(&mut self, format: Narrow, a: &[u8], b: &[u8], whole: usize) {
        self.narrow_steps(format, &a[..2 * whole], &b[..2 * whole]);
        if 2 * whole < a.len() {
            let [mut last_a, mut last_b] = [[0; 2 * STEP]; 2];
            last_a[..a.len() - 2 * whole].copy_from_slice(&a[2 * whole..]);
            last_b[..b.len() - 2 * whole].copy_from_slice(&b[2 * whole..]);
            self.narrow_steps(format, &last_a, &last_b);
        }
    }

    fn narrow_steps(&mut self, format: Narrow, mut a: &[u8], mut b: &[u8]) {
        loop {
            let done = 2 * self.kernel.narrow(format, a, b, &mut self.lanes);
            (a, b) = (&a[done..], &b[done..]);
            if a.is_empty() {
                return;
            }
            let block = a.len().min(2 * BLOCK);
            self.narrow_block_by_f64(format, &a[..block], &b[..block]);
            (a, b) = (&a[block..], &b[block..]);
        }
    }

    /// A block with a value whose square f32 cannot hold.
    fn narrow_block_by_f64(&mut self, format: Narrow, a: &[u8], b: &[u8]) {
        let n = a.len() / 2;
        let dtype = match format {
            Narrow::Bf16 => Dtype::Bf16,
            Narrow::F16 => Dtype::F16,
        };
        let [mut values_a, mut values_b] = [[0.0; BLOCK]; 2];
        decode_f32(dtype, a, &mut values_a[..n]);
        decode_f32(dtype, b, &mut values_b[..n]);
        // Conversion may give two NaNs the same bits: equality is that of the codes.
        let same = |(a, b): &(&[u8; 2], &[u8; 2])| a == b;
        let equal = self.lanes.equal
            + a.as_chunks()
                .0
                .iter()
                .zip(b.as_chunks().0)
                .filter(same)
                .count() as u64;
        self.wide_steps(&values_a[..n], &values_b[..n], Kernel::wide);
        self.lanes.equal = equal;
    }

    /// Runs of decoded values, `whole` of them in whole steps, the rest padded to one step.
    fn wide<T: Real>(&mut self, a: &[T], b: &[T], whole: usize, kernel: WideKernel<T>) {
        self.wide_steps(&a[..whole], &b[..whole], kernel);
        if whole < a.len() {
            let [mut last_a, mut last_b] = [[T::default(); STEP]; 2];
            last_a[..a.len() - whole].copy_from_slice(&a[whole..]);
            last_b[..b.len() - whole].copy_from_slice(&b[whole..]);
            self.wide_steps(&last_a, &last_b, kernel);
        }
    }

    fn wide_steps<T: Real>(&mut self, mut a: &[T], mut b: &[T], kernel: WideKernel<T>) {
        loop {
            let done = kernel(self.kernel, a, b, &mut self.lanes);
            (a, b) = (&a[done..], &b[done..]);
            if a.is_empty() {
                return;
            }
            let block = a.len().min(BLOCK);
            self.finite_block(&a[..block], &b[..block], kernel);
            (a, b) = (&a[block..], &b[block..]);
        }
    }

    /// A block with non-finite values: counted, and summed with zeros in the place of their pairs.
    fn finite_block<T: Real>(&mut self, a: &[T], b: &[T], kernel: WideKernel<T>) {
        let (mut equal, mut zeros) = (self.lanes.equal, self.lanes.zeros);
        let [mut finite_a, mut finite_b] = [[T::default(); BLOCK]; 2];
        for (k, (&a, &b)) in a.iter().zip(b).enumerate() {
            equal += u64::from(a.same_bits(b));
            let (wide_a, wide_b): (f64, f64) = (a.into(), b.into());
            for (side, value) in [wide_a, wide_b].into_iter().enumerate() {
                zeros[side] += u64::from(value == 0.0);
                self.nonfinite[side] += u64::from(!value.is_finite());
            }
            if wide_a.is_finite() && wide_b.is_finite() {
                (finite_a[k], finite_b[k]) = (a, b);
            }
        }
        kernel(
            self.kernel,
            &finite_a[..a.len()],
            &finite_b[..b.len()],
            &mut self.lanes,
        );
        (self.lanes.equal, self.lanes.zeros) = (equal, zeros);
    }
}

/// [`Kernel::wide`] or [`Kernel::double`].
type WideKernel<T> = fn(Kernel, &[T], &[T], &mut Lanes) -> usize;

/// A decoded value.
trait Real: Copy + Default + Into<f64> {
    fn same_bits(self, other: Self) -> bool;
}

impl Real for f32 {
    fn same_bits(self, other: Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}

impl Real for f64 {
    fn same_bits(self, other: Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}

/// Rows of fewer elements are not summed one by one: the cost of starting a run would exceed that
/// of its terms.
pub(crate) const SHORT_ROW: usize = 64;

/// Rows of `columns` elements each, row-major: adds their sums to `total` in order, and to
/// `row_products` Σ over rows of (row sum of a)·(row sum of b), which is the expected cosine's
/// numerator times `columns` (guide/methods.md, section 3).
///
/// Rows of at least 64 elements are added one by one, so that the result does not depend on how a
/// tensor is cut between rows; shorter ones are one run for every sum but `row_products`.
///
/// # Panics
/// When the sides differ in length or are no whole number of rows.
pub(crate) fn rows(s: Span<'_>, columns: usize, total: &mut Sums, row_products: &mut f64) {
    rows_on(Kernel::active(), s, columns, total, row_products);
}

/// `rows` on a kernel of the caller's choice; all give the same bits.
///
/// # Panics
/// As `rows`.
pub fn rows_on(
    kernel: Kernel,
    s: Span<'_>,
    columns: usize,
    total: &mut Sums,
    row_products: &mut f64,
) {
    let n = s.len();
    if n == 0 {
        return;
    }
    assert!(
        columns > 0 && n.is_multiple_of(columns),
        "{n} elements in rows of {columns}"
    );
    if columns < SHORT_ROW {
        let run = span_on(kernel, s);
        total.add(&run);
        short_row_products(s, columns, run.nonfinite != Sides::default(), row_products);
        return;
    }
    for start in (0..n).step_by(columns) {
        let row = span_on(kernel, s.part(start, start + columns));
        total.add(&row);
        *row_products += row.a * row.b;
    }
}

/// Row sums of rows that fit in a block, each added from its first element to its last; with
/// `holes` the non-finite values and their partners are left out.
fn short_row_products(s: Span<'_>, columns: usize, holes: bool, row_products: &mut f64) {
    let n = s.len();
    let run = BLOCK - BLOCK % columns;
    let mut values = [[0.0; BLOCK]; 2];
    for start in (0..n).step_by(run) {
        let end = n.min(start + run);
        s.part(start, end).decode(&mut values);
        let [a, b] = &mut values;
        let (a, b) = (&mut a[..end - start], &mut b[..end - start]);
        for (a, b) in a.iter_mut().zip(b.iter_mut()).filter(|_| holes) {
            if !(a.is_finite() && b.is_finite()) {
                (*a, *b) = (0.0, 0.0);
            }
        }
        for (a, b) in a.chunks_exact(columns).zip(b.chunks_exact(columns)) {
            *row_products += a.iter().sum::<f64>() * b.iter().sum::<f64>();
        }
    }
}

/// Adds each row's values (row-major, rows of `columns`) to the f64 sums of their columns.
///
/// # Panics
/// When `sums` has not `columns` elements or the values are no whole number of rows.
pub fn add_columns(values: &[f32], columns: usize, sums: &mut [f64]) {
    assert!(
        sums.len() == columns,
        "{} column sums for {columns} columns",
        sums.len()
    );
    if values.is_empty() {
        return;
    }
    assert!(
        columns > 0 && values.len().is_multiple_of(columns),
        "{} values in rows of {columns}",
        values.len()
    );
    // Four rows at a time, added to a sum one after the other as any number of them would be.
    let mut fours = values.chunks_exact(4 * columns);
    widest(
        #[inline(always)]
        || {
            for four in &mut fours {
                let (first, later) = four.split_at(columns);
                let (second, later) = later.split_at(columns);
                let (third, last) = later.split_at(columns);
                let rows = first.iter().zip(second).zip(third).zip(last);
                for (sum, (((&x, &y), &z), &w)) in sums.iter_mut().zip(rows) {
                    *sum = *sum + f64::from(x) + f64::from(y) + f64::from(z) + f64::from(w);
                }
            }
        },
    );
    for row in fours.remainder().chunks_exact(columns) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bf16(values: &[f32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|&value| half::bf16::from_f32(value).to_le_bytes())
            .collect()
    }

    #[test]
    fn sums_of_a_pair_that_can_be_added_by_hand() {
        let (a, b) = ([1.0f32, -2.0, 0.0, 4.0, -0.0], [1.0f32, 2.0, 0.0, 3.0, 0.0]);
        let want = Sums {
            n: 5,
            ab: 9.0,
            aa: 21.0,
            bb: 14.0,
            a: 3.0,
            b: 6.0,
            dd: 17.0,
            max_abs_diff: 4.0,
            equal: 2,
            zeros: Sides { base: 2, target: 2 },
            nonfinite: Sides::default(),
        };
        assert_eq!(span(Span::F32(&a, &b)), want);
        assert_eq!(span(Span::Bf16(&bf16(&a), &bf16(&b))), want);
        assert_eq!(span(Span::F64(&a.map(f64::from), &b.map(f64::from))), want);
        assert_eq!(span(Span::F32(&[], &[])), Sums::default());
    }

    #[test]
    fn non_finite_values_are_counted_and_left_out_with_their_partner() {
        let (a, b) = (
            [1.0f32, f32::NAN, 3.0, 5.0],
            [2.0f32, 9.0, f32::INFINITY, 7.0],
        );
        for sums in [
            span(Span::F32(&a, &b)),
            span(Span::Bf16(&bf16(&a), &bf16(&b))),
        ] {
            assert_eq!(
                (sums.n, sums.nonfinite, sums.ab, sums.a, sums.b),
                (4, [1, 1].into(), 37.0, 6.0, 9.0)
            );
            assert_eq!(
                (sums.dd, sums.max_abs_diff, sums.equal, sums.zeros),
                (5.0, 2.0, 0, Sides::default())
            );
        }
        let nan = [f32::NAN; 3];
        assert_eq!(span(Span::F32(&nan, &nan)).equal, 3);
        // A signalling NaN and the quiet one that conversion makes of it.
        let (a, b) = (0x7c01u16.to_le_bytes(), 0x7e01u16.to_le_bytes());
        assert_eq!(
            (span(Span::F16(&a, &b)).equal, span(Span::F16(&a, &a)).equal),
            (0, 1)
        );
    }

    #[test]
    fn bf16_values_beyond_the_range_of_f32_squares_are_summed_exactly() {
        let (a, b) = (bf16(&[1e-25, 1e20, 3e38]), bf16(&[1e-25, 1e20, -3e38]));
        let sums = span(Span::Bf16(&a[..2], &b[..2]));
        let tiny = half::bf16::from_f32(1e-25).to_f64();
        assert_eq!((sums.ab, sums.aa), (tiny * tiny, tiny * tiny));
        let sums = span(Span::Bf16(&a, &b));
        let large = half::bf16::from_f32(3e38).to_f64();
        assert_eq!(sums.dd, 4.0 * large * large);
        assert_eq!(sums.max_abs_diff, 2.0 * large);
    }

    #[test]
    fn bf16_values_of_like_size_are_summed_exactly() {
        let a: Vec<f32> = (0..4096).map(|k| 0.75 + (k % 97) as f32 / 256.0).collect();
        let exact: f64 = a
            .iter()
            .map(|&x| f64::from(half::bf16::from_f32(x).to_f32()).powi(2))
            .sum();
        assert_eq!(span(Span::Bf16(&bf16(&a), &bf16(&a))).aa, exact);
    }

    #[test]
    fn row_products_are_the_products_of_row_sums() {
        for columns in [1, 2, 5, 31, 63, 64, 65, 300] {
            let a: Vec<f32> = (0..columns * 7).map(|k| (k % 11) as f32 - 4.0).collect();
            let b: Vec<f32> = (0..columns * 7).map(|k| (k % 13) as f32 - 7.0).collect();
            let sum = |row: &[f32]| row.iter().map(|&x| f64::from(x)).sum::<f64>();
            let want: f64 = a
                .chunks(columns)
                .zip(b.chunks(columns))
                .map(|(a, b)| sum(a) * sum(b))
                .sum();
            for s in [Span::F32(&a, &b), Span::Bf16(&bf16(&a), &bf16(&b))] {
                let (mut total, mut products) = (Sums::default(), 0.0);
                rows(s, columns, &mut total, &mut products);
                assert_eq!(products, want, "{columns} columns");
                assert_eq!(total, span(s), "small integers are exact in any order");
            }
        }
    }

    #[test]
    fn long_rows_do_not_depend_on_the_cut_between_rows() {
        let a: Vec<f32> = (0..100 * 12).map(|k| (k as f32 * 0.37).sin()).collect();
        let b: Vec<f32> = (0..100 * 12).map(|k| (k as f32 * 0.11).cos()).collect();
        let at_once = {
            let (mut total, mut products) = (Sums::default(), 0.0);
            rows(Span::F32(&a, &b), 100, &mut total, &mut products);
            (total, products)
        };
        let (mut total, mut products) = (Sums::default(), 0.0);
        for (a, b) in a.chunks(500).zip(b.chunks(500)) {
            rows(Span::F32(a, b), 100, &mut total, &mut products);
        }
        assert_eq!((total, products), at_once);
    }

    #[test]
    fn a_short_row_with_a_nan_loses_that_element_only() {
        let (a, b) = ([1.0f32, f32::NAN, 2.0, 3.0], [1.0f32, 5.0, 4.0, 1.0]);
        let (mut total, mut products) = (Sums::default(), 0.0);
        rows(Span::F32(&a, &b), 2, &mut total, &mut products);
        assert_eq!((products, total.nonfinite), (1.0 + 25.0, [1, 0].into()));
    }

    #[test]
    fn column_sums() {
        let mut sums = [1.0, 0.0, 0.0];
        add_columns(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, &mut sums);
        assert_eq!(sums, [6.0, 7.0, 9.0]);

        let values: Vec<f32> = (0..11 * 5).map(|i| 1.0 / (i + 1) as f32).collect();
        let (mut together, mut one_by_one) = ([0.1; 5], [0.1; 5]);
        add_columns(&values, 5, &mut together);
        values
            .chunks_exact(5)
            .for_each(|row| add_columns(row, 5, &mut one_by_one));
        assert_eq!(together, one_by_one);
    }
}
