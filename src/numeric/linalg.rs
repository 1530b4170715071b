//! Linear algebra: the only file that names the algebra crate.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// `out = A · Bᵀ` with A of shape (m, k), B of shape (n, k), out of shape (m, n), all row-major. Serial.
///
/// # Panics
/// When a slice does not have the length that its shape names.
pub fn products(a: &[f32], b: &[f32], k: usize, out: &mut [f32]) {
    if k == 0 {
        out.fill(0.0);
        return;
    }
    let (m, n) = (a.len() / k, b.len() / k);
    let a = MatRef::from_row_major_slice(a, m, k);
    let b = MatRef::from_row_major_slice(b, n, k);
    matmul(MatMut::from_row_major_slice_mut(out, m, n), Accum::Replace, a, b.transpose(), 1.0, Par::Seq);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_the_inner_products_of_rows() {
        let mut out = [0.0; 6];
        products(&[1.0, 2.0, 3.0, 4.0], &[1.0, 0.0, 0.0, 1.0, 2.0, 2.0], 2, &mut out);
        assert_eq!(out, [1.0, 2.0, 6.0, 3.0, 4.0, 14.0]);
    }
}
