//! The rows of a tensor, and which of them a row of the other side is most like.

use super::neighbours::{Index, product};

/// Products up to which every row of a tensor is looked at for every row that is looked for.
pub(super) const MOST_PRODUCTS: usize = 1 << 28;

/// Least cosine of rows that are one row wherever it stands, and its lead over the second.
const ROW_ALIKE: f64 = 0.5;
const ROW_AHEAD: f64 = 0.1;

/// The same of a vector.
pub(super) const VECTOR_ALIKE: f64 = 0.8;
pub(super) const VECTOR_AHEAD: f64 = 0.02;

/// One value of so many may stand out.
const OUTSTANDING: usize = 8;

/// The row of a tensor that is most like a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nearest {
    pub(super) row: usize,
    pub(super) cosine: f64,
    pub(super) second: f64,
}

impl Nearest {
    pub(super) fn is_clear(&self) -> bool {
        self.cosine >= ROW_ALIKE && self.cosine >= self.second + ROW_AHEAD
    }
}

/// The sampled rows of a tensor, about their mean, at norm 1.
pub(super) struct Rows {
    pub(super) width: usize,
    mean: Vec<f32>,
    values: Vec<f32>,
    /// The rows by their signs, where too many are looked for to look at each.
    index: Option<Index>,
}

impl Rows {
    /// The rows of `values`, of which so many are looked for.
    pub(super) fn new(width: usize, mut values: Vec<f32>, looked_for: usize) -> Self {
        let mut mean = vec![0.0f64; width];
        for row in values.chunks_exact(width) {
            mean.iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let count = (values.len() / width).max(1) as f64;
        let mean: Vec<f32> = mean.iter().map(|sum| (sum / count) as f32).collect();
        for row in values.chunks_exact_mut(width) {
            normalise(row, &mean);
        }
        let is_many = values.len().saturating_mul(looked_for) > MOST_PRODUCTS;
        let index = is_many.then(|| {
            let rows: Vec<&[f32]> = values.chunks_exact(width).collect();
            Index::new(&rows)
        });
        Self {
            width,
            mean,
            values,
            index,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Whether a probe is like a row in more than a few of its values.
    pub(super) fn is_alike_throughout(&self, row: usize, probe: &[f32]) -> bool {
        let mut probe = probe.to_vec();
        normalise(&mut probe, &self.mean);
        let values = &self.values[row * self.width..(row + 1) * self.width];
        is_alike_throughout(values, &probe)
    }

    /// The row nearest to a probe; one behind the last where none is near.
    pub(super) fn nearest(&self, probe: &[f32]) -> Nearest {
        let mut probe = probe.to_vec();
        normalise(&mut probe, &self.mean);
        let mut out = Nearest {
            row: self.count(),
            cosine: -1.0,
            second: -1.0,
        };
        let near = self.index.as_ref().map(|index| index.near(&probe));
        let all = 0..near.as_ref().map_or(self.count(), Vec::len);
        for at in all {
            let row = near.as_ref().map_or(at, |near| near[at]);
            let values = &self.values[row * self.width..(row + 1) * self.width];
            let cosine = product(values, &probe);
            if cosine > out.cosine {
                out.second = out.cosine;
                (out.row, out.cosine) = (row, cosine);
            } else if cosine > out.second {
                out.second = cosine;
            }
        }
        out
    }
}

/// Whether two vectors are alike without the few values that make up most of one of them: those of
/// the same channels stand out in gains and in rows that have nothing else in common.
fn is_alike_throughout(a: &[f32], b: &[f32]) -> bool {
    let mut places: Vec<usize> = (0..a.len().min(b.len())).collect();
    let size = |at: &usize| a[*at].abs().max(b[*at].abs());
    places.sort_by(|x, y| size(y).total_cmp(&size(x)).then(x.cmp(y)));
    let rest = &places[places.len().div_ceil(OUTSTANDING)..];
    let [mut product, mut of_a, mut of_b] = [0.0f64; 3];
    for at in rest {
        let (a, b) = (f64::from(a[*at]), f64::from(b[*at]));
        product += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    product >= VECTOR_ALIKE * (of_a * of_b).sqrt()
}

fn normalise(row: &mut [f32], mean: &[f32]) {
    row.iter_mut()
        .zip(mean)
        .for_each(|(value, mean)| *value -= mean);
    let norm = row
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    let factor = if norm > 0.0 && norm.is_finite() {
        1.0 / norm
    } else {
        0.0
    };
    row.iter_mut()
        .for_each(|value| *value = (f64::from(*value) * factor) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    #[test]
    fn a_channel_that_stands_out_makes_no_likeness() {
        let mut draws = Draws::new(7, "outstanding");
        let mut noise = || -> Vec<f32> { (0..64).map(|_| draws.normal() as f32).collect() };
        let (mut a, mut b) = (noise(), noise());
        a[17] = 60.0;
        b[17] = 60.0;
        assert!(product(&a, &b) > 0.8 * (product(&a, &a) * product(&b, &b)).sqrt());
        assert!(!is_alike_throughout(&a, &b));
        let near: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + 0.1 * b).collect();
        assert!(is_alike_throughout(&a, &near));
    }
}
