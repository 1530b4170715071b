//! Features less what they have in common: a few directions that all units share (frequent tokens,
//! a common mean, a low rank) hide what tells units apart, and make strangers alike.

use std::ops::Range;

use crate::error::Result;
use crate::numeric::linalg::{Dense, products, symmetric_eigen};
use crate::stats::units::{Features, Held, TILE};

/// Share of the mean eigenvalue that is added to each.
const RIDGE: f64 = 0.05;

/// The lower triangle of the mean of f·fᵀ over units, each feature f at length 1, shape (width,
/// width).
///
/// # Errors
/// When features cannot be read.
pub(crate) fn second_moment(features: &dyn Features) -> Result<Dense> {
    let (units, width) = (features.units(), features.width());
    let mut sum = Dense::zeros(width, width);
    if width == 0 {
        return Ok(sum);
    }
    for start in (0..units).step_by(TILE) {
        let tile = TILE.min(units - start);
        let mut values = vec![0.0f32; tile * width];
        features.read(start..start + tile, &mut values)?;
        let rows = Dense {
            rows: tile,
            columns: width,
            values: Held::new(values, width)
                .values()
                .iter()
                .map(|&x| f64::from(x))
                .collect(),
        };
        sum.add_own_products(&rows, 1.0 / units as f64);
    }
    Ok(sum)
}

/// (pooled moment + 5 % of its mean eigenvalue)^(−1/2), row-major, from the moments of both sides;
/// none where they do not fit one another, are zero or not finite.
pub(crate) fn whitening(base: &Dense, target: &Dense) -> Option<Vec<f32>> {
    let width = base.rows;
    if width == 0 || (target.rows, target.columns) != (width, width) {
        return None;
    }
    let mut pooled = base.clone();
    let values = pooled.values.iter_mut().zip(&target.values);
    values.for_each(|(x, y)| *x = 0.5 * (*x + y));
    let eigen = symmetric_eigen(&pooled)?;
    let mean = eigen.values.iter().sum::<f64>() / width as f64;
    if mean <= 0.0 {
        return None;
    }
    let mut scaled = eigen.vectors.clone();
    for (at, value) in eigen.values.iter().enumerate() {
        let factor = (value.max(0.0) + RIDGE * mean).sqrt().recip();
        scaled.row_mut(at).iter_mut().for_each(|x| *x *= factor);
    }
    let mut root = Dense::zeros(width, width);
    root.add_transposed_times(&eigen.vectors, &scaled, 1.0);
    Some(root.values.iter().map(|&x| x as f32).collect())
}

/// Features, at length 1, times a symmetric matrix of [`whitening`].
pub(crate) struct Whitened<'a> {
    features: &'a dyn Features,
    by: &'a [f32],
}

impl<'a> Whitened<'a> {
    /// None where the matrix has another width.
    pub(crate) fn new(features: &'a dyn Features, by: &'a [f32]) -> Option<Self> {
        let width = features.width();
        (width.checked_mul(width) == Some(by.len())).then_some(Self { features, by })
    }
}

impl Features for Whitened<'_> {
    fn units(&self) -> usize {
        self.features.units()
    }

    fn width(&self) -> usize {
        self.features.width()
    }

    fn read(&self, units: Range<usize>, out: &mut [f32]) -> Result<()> {
        let width = self.width();
        if width == 0 || units.is_empty() {
            return Ok(());
        }
        let out = &mut out[..units.len() * width];
        self.features.read(units, out)?;
        let unit_rows = Held::new(out.to_vec(), width);
        products(unit_rows.values(), self.by, width, out);
        Ok(())
    }
}
