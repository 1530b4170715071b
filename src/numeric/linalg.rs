//! Linear algebra: the only file that names the algebra crate.
//!
//! Everything is serial, so no result depends on the number of threads. Kernels are chosen by CPU
//! at run time: between machines figures agree to 6 digits, and [`round6`] takes off what lies
//! behind them.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj,
};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par, Side, Spec};

use super::tridiagonal::Tridiagonal;
use super::wide::widest_for;

/// `out = A · Bᵀ` with A of shape (m, k), B of shape (n, k), out of shape (m, n), all row-major.
/// Serial.
///
/// # Panics
/// When a slice does not have the length that its shape names.
pub(crate) fn products(a: &[f32], b: &[f32], k: usize, out: &mut [f32]) {
    if k == 0 {
        out.fill(0.0);
        return;
    }
    let (m, n) = (a.len() / k, b.len() / k);
    let a = MatRef::from_row_major_slice(a, m, k);
    let b = MatRef::from_row_major_slice(b, n, k);
    matmul(
        MatMut::from_row_major_slice_mut(out, m, n),
        Accum::Replace,
        a,
        b.transpose(),
        1.0,
        Par::Seq,
    );
}

/// `out += Aᵀ · Bᵀ`, with A of shape (k, m), B the columns from `first` on of a matrix of shape (n,
/// `width`), k of them, and out of shape (m, n), all row-major. Serial.
///
/// # Panics
/// When a slice does not have the length that its shape names.
pub(crate) fn add_products_of_columns(
    a: &[f32],
    (b, width, first): (&[f32], usize, usize),
    k: usize,
    out: &mut [f32],
) {
    if k == 0 || a.is_empty() {
        return;
    }
    let (m, n) = (a.len() / k, b.len() / width.max(1));
    let a = MatRef::from_row_major_slice(a, k, m);
    let b = MatRef::from_row_major_slice(b, n, width).subcols(first, k);
    matmul(
        MatMut::from_row_major_slice_mut(out, m, n),
        Accum::Add,
        a.transpose(),
        b.transpose(),
        1.0,
        Par::Seq,
    );
}

/// Σ x² in double precision, in the order of [`inner_product`].
pub(crate) fn squared_length(row: &[f32]) -> f64 {
    inner_product(row, row)
}

/// Σ xy in double precision, as far as both reach, in a fixed order that 32 values are added in at
/// once.
pub(crate) fn inner_product(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 32;
    let count = a.len();
    let (a, rest_of_a) = a[..a.len().min(b.len())].as_chunks::<LANES>();
    let (b, rest_of_b) = b[..a.len() * LANES + rest_of_a.len()].as_chunks::<LANES>();
    widest_for(
        count,
        #[inline(always)]
        || {
            let mut lanes = [0.0f64; LANES];
            for (a, b) in a.iter().zip(b) {
                // By place: an iterator over both is a call where a build inlines little.
                for lane in 0..LANES {
                    lanes[lane] += f64::from(a[lane]) * f64::from(b[lane]);
                }
            }
            let rest = rest_of_a.iter().zip(rest_of_b);
            let rest: f64 = rest.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            lanes.iter().sum::<f64>() + rest
        },
    )
}

/// A matrix of shape (rows, columns) in double precision, row-major, held in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Values, row-major, `rows * columns` of them.
    pub values: Vec<f64>,
}

impl Dense {
    /// All zero.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            values: vec![0.0; rows * columns],
        }
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// Row `i`, to be changed.
    pub fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// Appends the rows of `other`.
    ///
    /// # Panics
    /// When the numbers of columns differ.
    pub fn append(&mut self, other: &Dense) {
        assert_eq!(self.columns, other.columns, "rows of one length");
        self.values.extend_from_slice(&other.values);
        self.rows += other.rows;
    }

    /// Keeps the first `rows` rows.
    pub fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.values.truncate(self.rows * self.columns);
    }

    /// The transpose.
    pub fn transposed(&self) -> Dense {
        let mut out = Dense::zeros(self.columns, self.rows);
        for i in 0..self.rows {
            for (j, &value) in self.row(i).iter().enumerate() {
                out.values[j * self.rows + i] = value;
            }
        }
        out
    }

    /// `self · other`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn times(&self, other: &Dense) -> Dense {
        let mut out = Dense::zeros(self.rows, other.columns);
        matmul(
            out.view_mut(),
            Accum::Replace,
            self.view(),
            other.view(),
            1.0,
            Par::Seq,
        );
        out
    }

    /// `self · otherᵀ`: the inner products of the rows.
    ///
    /// # Panics
    /// When the numbers of columns differ.
    pub fn times_transposed(&self, other: &Dense) -> Dense {
        let mut out = Dense::zeros(self.rows, other.rows);
        matmul(
            out.view_mut(),
            Accum::Replace,
            self.view(),
            other.view().transpose(),
            1.0,
            Par::Seq,
        );
        out
    }

    /// `self += factor · aᵀ · b`, with a of shape (n, rows) and b of shape (n, columns).
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn add_transposed_times(&mut self, a: &Dense, b: &Dense, factor: f64) {
        matmul(
            self.view_mut(),
            Accum::Add,
            a.view().transpose(),
            b.view(),
            factor,
            Par::Seq,
        );
    }

    /// The lower triangle of `self += factor · aᵀ · a`, with a of shape (n, rows): all that
    /// `symmetric_eigen` reads, for half the work.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn add_own_products(&mut self, a: &Dense, factor: f64) {
        let columns = a.view().transpose();
        triangle(self.view_mut(), Accum::Add, columns, factor);
    }

    /// The lower triangle of `self · selfᵀ`, 0 above it.
    pub fn own_products(&self) -> Dense {
        let mut out = Dense::zeros(self.rows, self.rows);
        triangle(out.view_mut(), Accum::Replace, self.view(), 1.0);
        out
    }

    /// Sum of the squares of all values.
    pub fn energy(&self) -> f64 {
        self.values.iter().map(|v| v * v).sum()
    }

    fn view(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.values, self.rows, self.columns)
    }

    fn view_mut(&mut self) -> MatMut<'_, f64> {
        MatMut::from_row_major_slice_mut(&mut self.values, self.rows, self.columns)
    }

    fn from_view(view: MatRef<'_, f64>) -> Self {
        let mut out = Dense::zeros(view.nrows(), view.ncols());
        out.view_mut().copy_from(view);
        out
    }
}

/// The lower triangle of factor · A · Aᵀ.
fn triangle(out: MatMut<'_, f64>, accum: Accum, a: MatRef<'_, f64>, factor: f64) {
    triangular::matmul(
        out,
        BlockStructure::TriangularLower,
        accum,
        a,
        BlockStructure::Rectangular,
        a.transpose(),
        BlockStructure::Rectangular,
        factor,
        Par::Seq,
    );
}

/// Eigenvalues and eigenvectors of a symmetric matrix.
#[derive(Debug, Clone)]
pub(crate) struct Eigen {
    /// Eigenvalues, largest first.
    pub values: Vec<f64>,
    /// Unit eigenvectors in the same order, one a row, signs fixed by [`fix_sign`].
    pub vectors: Dense,
}

/// Eigenvalues and eigenvectors of the symmetric matrix whose lower triangle `matrix` has; `None`
/// where a value is not finite or the iteration does not converge.
///
/// # Panics
/// When the matrix is not square.
pub(crate) fn symmetric_eigen(matrix: &Dense) -> Option<Eigen> {
    assert_eq!(matrix.rows, matrix.columns, "a symmetric matrix is square");
    if !matrix.values.iter().all(|v| v.is_finite()) {
        return None;
    }
    let n = matrix.rows;
    let eigen = matrix.view().self_adjoint_eigen(Side::Lower).ok()?;
    let values: Vec<f64> = (0..n).rev().map(|i| eigen.S()[i]).collect();
    let mut vectors = Dense::from_view(eigen.U().reverse_cols().transpose());
    for i in 0..n {
        fix_sign(vectors.row_mut(i));
    }
    Some(Eigen { values, vectors })
}

/// The `count` largest eigenvalues and their eigenvectors, as [`symmetric_eigen`] finds them, for the
/// work of a tridiagonal form and of those alone.
///
/// # Panics
/// When the matrix is not square.
pub(crate) fn leading_eigen(matrix: &Dense, count: usize) -> Option<Eigen> {
    // Where most are asked for, or so few that there is nothing to save, all of them.
    let found = (4 * count < matrix.rows).then(|| leading_of_tridiagonal(matrix, count));
    found.flatten().or_else(|| {
        let mut eigen = symmetric_eigen(matrix)?;
        eigen.values.truncate(count);
        eigen.vectors.truncate(count);
        Some(eigen)
    })
}

/// `None` also where the vectors do not come out well enough.
fn leading_of_tridiagonal(matrix: &Dense, count: usize) -> Option<Eigen> {
    assert_eq!(matrix.rows, matrix.columns, "a symmetric matrix is square");
    if !matrix.values.iter().all(|v| v.is_finite()) {
        return None;
    }
    let n = matrix.rows;
    let block = recommended_block_size::<f64>(n, n);
    let mut form = Mat::<f64>::zeros(n, n);
    form.as_mut().copy_from_triangular_lower(matrix.view());
    let mut factors = Mat::<f64>::zeros(block, n - 1);
    let scratch = StackReq::any_of(&[
        tridiag_in_place_scratch::<f64>(n, Par::Seq, Spec::default()),
        apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(n - 1, block, count),
    ]);
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    let (whole, reflections) = (form.as_mut(), factors.as_mut());
    tridiag_in_place(whole, reflections, Par::Seq, stack, Spec::default());

    let tridiagonal = Tridiagonal {
        diagonal: (0..n).map(|i| form[(i, i)]).collect(),
        beside: (1..n).map(|i| form[(i, i - 1)]).collect(),
    };
    let values = tridiagonal.largest(count);
    let mut vectors = tridiagonal.vectors(&values)?;
    apply_block_householder_sequence_on_the_left_in_place_with_conj(
        form.as_ref().submatrix(1, 0, n - 1, n - 1),
        factors.as_ref(),
        Conj::No,
        vectors.view_mut().transpose_mut().subrows_mut(1, n - 1),
        Par::Seq,
        stack,
    );
    for i in 0..count {
        fix_sign(vectors.row_mut(i));
    }
    Some(Eigen { values, vectors })
}

/// The orthogonal matrix nearest to the square `matrix` in the Frobenius norm, U·Vᵀ of its singular
/// value decomposition U·S·Vᵀ (Schönemann 1966). Directions whose singular value is below 1e-6 of
/// the largest are left out: there it gives 0. `None` where a value is not finite or the iteration
/// does not converge.
///
/// # Panics
/// When the matrix is not square.
pub(crate) fn polar_factor(matrix: &Dense) -> Option<Dense> {
    assert_eq!(matrix.rows, matrix.columns, "a rotation is square");
    let n = matrix.rows;
    let mut gram = Dense::zeros(n, n);
    gram.add_transposed_times(matrix, matrix, 1.0);
    let eigen = symmetric_eigen(&gram)?;
    let largest = eigen.values.first().copied().unwrap_or(0.0);
    let mut right = eigen.vectors;
    right.truncate(
        eigen
            .values
            .iter()
            .filter(|&&v| v > 1e-12 * largest)
            .count(),
    );
    let mut left = right.times_transposed(matrix);
    for i in 0..left.rows {
        left.row_mut(i)
            .iter_mut()
            .for_each(|v| *v /= eigen.values[i].sqrt());
    }
    let mut out = Dense::zeros(n, n);
    out.add_transposed_times(&left, &right, 1.0);
    // The Gram matrix squares the condition number: where that cost digits, Newton and Schulz's
    // iteration, which takes every singular value between 0 and √3 to 1, gets them back. Several
    // times faster than a decomposition of `matrix`.
    for _ in 0..8 {
        let mut lengths = Dense::zeros(n, n);
        lengths.add_transposed_times(&out, &out, -0.5);
        let correction = out.times(&lengths);
        let change = out
            .values
            .iter()
            .zip(&correction.values)
            .map(|(o, c)| (0.5 * o + c).abs())
            .fold(0.0, f64::max);
        out.values
            .iter_mut()
            .zip(&correction.values)
            .for_each(|(o, c)| *o = 1.5 * *o + c);
        if change < 1e-12 {
            break;
        }
    }
    Some(out)
}

/// An orthonormal basis of the span of the rows, one vector a row, by Householder reflections with
/// pivoting, which leaves rows that depend on the others (less than 1e-10 of their length is
/// outside their span) to the end, cut off.
pub(crate) fn orthonormal_rows(rows: &Dense) -> Dense {
    let mut scaled = rows.clone();
    for i in 0..scaled.rows {
        let length = scaled.row(i).iter().map(|v| v * v).sum::<f64>().sqrt();
        let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
        scaled.row_mut(i).iter_mut().for_each(|v| *v *= factor);
    }
    let qr = scaled.view().transpose().col_piv_qr();
    let q = qr.compute_thin_Q();
    let r = qr.R();
    let mut out = Dense::zeros(0, rows.columns);
    for i in (0..q.ncols()).take_while(|&i| r[(i, i)].abs() > 1e-10) {
        out.values.extend(q.col(i).iter());
        out.rows += 1;
    }
    out
}

/// Turns a vector so that its largest component is positive, the first of those within 1e-6 of the
/// largest: so that the sign does not hang on the last bits.
pub(crate) fn fix_sign(vector: &mut [f64]) {
    let largest = vector.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    let decides = vector.iter().find(|v| v.abs() >= largest * (1.0 - 1e-6));
    if decides.is_some_and(|&v| v < 0.0) {
        vector.iter_mut().for_each(|v| *v = -*v);
    }
}

/// `value` to 6 significant digits; no negative zero.
pub(crate) fn round6(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value + 0.0;
    }
    // Through decimal text, since a product with a power of ten rounds a second time.
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::numeric::rng::Draws;

    fn random(rows: usize, columns: usize, seed: u64) -> Dense {
        let mut draws = Draws::new(seed, "linalg");
        Dense {
            rows,
            columns,
            values: (0..rows * columns).map(|_| draws.normal()).collect(),
        }
    }

    fn distance(a: &Dense, b: &Dense) -> f64 {
        assert_eq!((a.rows, a.columns), (b.rows, b.columns));
        a.values
            .iter()
            .zip(&b.values)
            .map(|(x, y)| (x - y).abs())
            .fold(0.0, f64::max)
    }

    fn identity(n: usize) -> Dense {
        let mut out = Dense::zeros(n, n);
        (0..n).for_each(|i| out.values[i * n + i] = 1.0);
        out
    }

    #[test]
    fn leading_eigenvectors_are_the_first_of_all() {
        for (n, count) in [(9, 1), (40, 3), (100, 20), (256, 33), (256, 64)] {
            for rank in [n, n / 2, count + 1] {
                let a = random(n, rank, 3);
                let gram = a.times_transposed(&a);
                let leading = leading_of_tridiagonal(&gram, count).unwrap();
                let all = symmetric_eigen(&gram).unwrap();
                let largest = all.values[0];
                for (found, expected) in leading.values.iter().zip(&all.values) {
                    assert!((found - expected).abs() < 1e-13 * n as f64 * largest);
                }
                let lengths = leading.vectors.times_transposed(&leading.vectors);
                assert!(distance(&lengths, &identity(count)) < 1e-12, "{n} {count}");
                for i in 0..count {
                    let (found, expected) = (leading.vectors.row(i), all.vectors.row(i));
                    let off = found.iter().zip(expected).map(|(x, y)| (x - y).abs());
                    assert!(off.fold(0.0, f64::max) < 1e-8, "{n} {count} {rank} {i}");
                }
            }
        }
    }

    #[test]
    fn leading_eigenvectors_of_equal_values_span_what_they_should() {
        // Eight values of 3 and four of 2 among ones, in axes that are mixed.
        let n = 64;
        let basis = orthonormal_rows(&random(n, n, 7));
        let mut scaled = basis.clone();
        for i in 0..n {
            let value = [3.0, 3.0, 2.0, 1.0][(i / 4).min(3)];
            scaled.row_mut(i).iter_mut().for_each(|x| *x *= value);
        }
        let mut matrix = Dense::zeros(n, n);
        matrix.add_transposed_times(&basis, &scaled, 1.0);
        let leading = leading_eigen(&matrix, 12).unwrap();
        for (i, value) in leading.values.iter().enumerate() {
            assert!((value - if i < 8 { 3.0 } else { 2.0 }).abs() < 1e-12);
        }
        let mut first = basis;
        first.truncate(12);
        let shared = leading.vectors.times_transposed(&first).energy();
        assert!((shared - 12.0).abs() < 1e-10, "{shared}");
        assert!(leading_eigen(&Dense::zeros(20, 20), 2).is_some());
        let mut diagonal = identity(20);
        diagonal.values[7 * 21] = 5.0;
        let leading = leading_eigen(&diagonal, 2).unwrap();
        assert_eq!(leading.values, [5.0, 1.0]);
        assert_eq!(leading.vectors.row(0)[7], 1.0);
        diagonal.values[0] = f64::NAN;
        assert!(leading_eigen(&diagonal, 2).is_none());
    }

    #[test]
    fn own_products_are_half_of_the_whole() {
        for (rows, columns) in [(1, 3), (7, 20), (70, 33)] {
            let a = random(rows, columns, 5);
            let (whole, half) = (a.times_transposed(&a), a.own_products());
            let mut added = Dense::zeros(rows, rows);
            added.add_own_products(&a.transposed(), 0.5);
            for (i, j) in (0..rows).flat_map(|i| (0..=i).map(move |j| (i, j))) {
                assert!((whole.row(i)[j] - half.row(i)[j]).abs() < 1e-9);
                assert!((whole.row(i)[j] - 2.0 * added.row(i)[j]).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn products_of_columns_are_those_of_the_transposes() {
        let mut draws = Draws::new(1, "products of columns");
        let mut normals =
            |count| -> Vec<f32> { (0..count).map(|_| draws.normal() as f32).collect() };
        let (k, m, n, width, first) = (5, 7, 3, 11, 4);
        let (a, b) = (normals(k * m), normals(n * width));
        let mut out = vec![1.0; m * n];
        add_products_of_columns(&a, (&b, width, first), k, &mut out);
        for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
            let sum: f32 = (0..k)
                .map(|at| a[at * m + i] * b[j * width + first + at])
                .sum();
            assert!((out[i * n + j] - 1.0 - sum).abs() < 1e-5);
        }
    }

    #[test]
    fn products_are_the_inner_products_of_rows() {
        let mut out = [0.0; 6];
        products(
            &[1.0, 2.0, 3.0, 4.0],
            &[1.0, 0.0, 0.0, 1.0, 2.0, 2.0],
            2,
            &mut out,
        );
        assert_eq!(out, [1.0, 2.0, 6.0, 3.0, 4.0, 14.0]);
    }

    #[test]
    fn every_value_counts_once_in_a_squared_length() {
        for length in [0, 1, 7, 8, 9, 31] {
            let row: Vec<f32> = (0..length).map(|at| at as f32).collect();
            let expected: usize = (0..length).map(|at| at * at).sum();
            assert_eq!(squared_length(&row), expected as f64);
        }
    }

    #[test]
    fn products_of_matrices_agree_with_the_definition() {
        let (a, b) = (random(5, 7, 1), random(7, 3, 2));
        let product = a.times(&b);
        let entry: f64 = (0..7).map(|k| a.row(3)[k] * b.row(k)[2]).sum();
        assert!((product.row(3)[2] - entry).abs() < 1e-12);
        assert!(distance(&product, &a.times_transposed(&b.transposed())) < 1e-12);
        let mut sum = Dense::zeros(5, 3);
        sum.add_transposed_times(&a.transposed(), &b, 2.0);
        sum.values.iter_mut().for_each(|v| *v /= 2.0);
        assert!(distance(&product, &sum) < 1e-12);
    }

    #[test]
    fn eigenvectors_rebuild_the_matrix_and_come_largest_first() {
        let a = random(40, 20, 3);
        let mut gram = Dense::zeros(20, 20);
        gram.add_transposed_times(&a, &a, 1.0);
        let eigen = symmetric_eigen(&gram).unwrap();
        assert!(eigen.values.windows(2).all(|w| w[0] >= w[1]));
        let mut scaled = eigen.vectors.clone();
        (0..20).for_each(|i| {
            scaled
                .row_mut(i)
                .iter_mut()
                .for_each(|v| *v *= eigen.values[i])
        });
        assert!(distance(&gram, &eigen.vectors.transposed().times(&scaled)) < 1e-10);
    }

    #[test]
    fn a_matrix_with_a_nan_has_no_eigenvectors_and_no_polar_factor() {
        let mut a = identity(3);
        a.values[4] = f64::NAN;
        assert!(symmetric_eigen(&a).is_none() && polar_factor(&a).is_none());
    }

    #[test]
    fn the_polar_factor_of_a_stretched_rotation_is_the_rotation() {
        let rotation = orthonormal_rows(&random(12, 12, 4));
        let a = random(12, 12, 5);
        let mut stretch = identity(12);
        stretch.add_transposed_times(&a, &a, 1.0);
        assert!(distance(&rotation, &polar_factor(&rotation.times(&stretch)).unwrap()) < 1e-10);
    }

    #[test]
    fn the_polar_factor_of_an_ill_conditioned_matrix_is_orthogonal() {
        let (left, right) = (
            orthonormal_rows(&random(20, 20, 8)),
            orthonormal_rows(&random(20, 20, 9)),
        );
        let mut scaled = right.clone();
        (0..20).for_each(|i| {
            scaled
                .row_mut(i)
                .iter_mut()
                .for_each(|v| *v *= 10f64.powf(-0.25 * i as f64))
        });
        let mut matrix = Dense::zeros(20, 20);
        matrix.add_transposed_times(&left, &scaled, 1e20);
        let mut expected = Dense::zeros(20, 20);
        expected.add_transposed_times(&left, &right, 1.0);
        let found = polar_factor(&matrix).unwrap();
        assert!(distance(&found, &expected) < 1e-6);
        assert!(distance(&found.times_transposed(&found), &identity(20)) < 1e-10);
        assert!(polar_factor(&Dense::zeros(4, 4)).unwrap().energy() == 0.0);
    }

    #[test]
    fn dependent_rows_give_no_vector() {
        let a = random(3, 10, 6);
        let mut rows = Dense::zeros(1, 10);
        rows.append(&a);
        rows.values.extend_from_slice(a.row(0));
        rows.values.extend(random(1, 10, 8).values);
        rows.rows += 2;
        let basis = orthonormal_rows(&rows);
        assert_eq!(basis.rows, 4);
        assert!(distance(&identity(4), &basis.times_transposed(&basis)) < 1e-12);
        let inside = rows.times_transposed(&basis);
        assert!(
            (inside.energy() - rows.energy()).abs() < 1e-10,
            "the basis spans every row"
        );
        assert_eq!(orthonormal_rows(&random(9, 4, 7)).rows, 4);
    }

    #[test]
    fn signs_do_not_hang_on_the_last_bits() {
        let mut vector = [-0.5, 0.5 + 1e-12, 0.1];
        fix_sign(&mut vector);
        assert!(vector[0] > 0.0 && vector[1] < 0.0);
    }

    #[test]
    fn rounding_keeps_six_digits() {
        assert_eq!(round6(0.123_456_789), 0.123_457);
        assert_eq!(round6(-123_456_789.0), -123_457_000.0);
        assert!(round6(-0.0).is_sign_positive() && round6(f64::NAN).is_nan());
    }

    proptest! {
        #[test]
        fn rounding_is_idempotent_and_near(value in -1e300f64..1e300) {
            let rounded = round6(value);
            prop_assert_eq!(round6(rounded), rounded);
            prop_assert!((rounded - value).abs() <= 5.1e-6 * value.abs());
        }
    }
}
