//! What the bases are to one another and to the target: coordinates, and what unrelated models come
//! to.

use rayon::prelude::*;

use super::sample::{Sample, Sampled};
use crate::numeric::linalg::{Dense, inner_product};
use crate::stats::coordinates::{Coordinates, principal_coordinates};

/// How much a base is like the base that it is most like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Control {
    /// The other base, by its place in the sample.
    pub nearest: usize,
    /// Mean cosine over the matrices, weighted by parameters.
    pub cosine: Option<f64>,
    /// The same of the excess.
    pub excess: f64,
    /// The least excess with any other base.
    pub lowest: f64,
}

/// Inner products of all pairs of models of one tensor, the target last, and Σ over its rows of the
/// products of their sums.
struct Products {
    inner: Dense,
    rows: Dense,
}

impl Products {
    /// `None` where a value is not finite.
    fn of(tensor: &Sampled) -> Option<Self> {
        let values = &tensor.places.values;
        let models = values.len();
        let row_sums: Vec<Vec<f64>> = values.iter().map(|v| sums(v, tensor.columns)).collect();
        let (mut inner, mut rows) = (Dense::zeros(models, models), Dense::zeros(models, models));
        for one in 0..models {
            for other in one..models {
                let product = inner_product(&values[one], &values[other]);
                let of_rows: f64 = row_sums[one]
                    .iter()
                    .zip(&row_sums[other])
                    .map(|(a, b)| a * b)
                    .sum();
                for (from, to) in [(one, other), (other, one)] {
                    inner.row_mut(from)[to] = product;
                    rows.row_mut(from)[to] = of_rows / tensor.columns as f64;
                }
            }
        }
        inner
            .values
            .iter()
            .all(|v| v.is_finite())
            .then_some(Self { inner, rows })
    }

    /// Cosine and excess of two models (guide/methods.md, section 3).
    fn figures(&self, one: usize, other: usize) -> Option<(f64, f64)> {
        let norm = |model: usize| self.inner.row(model)[model].sqrt();
        let norms = norm(one) * norm(other);
        if norms <= 0.0 {
            return None;
        }
        let product = self.inner.row(one)[other];
        let squares = [one, other].map(|model| self.inner.row(model)[model]);
        let cosine = match squares.iter().all(|square| *square == product) {
            true => 1.0,
            false => (product / norms).clamp(-1.0, 1.0),
        };
        let expected = (self.rows.row(one)[other] / norms).clamp(-1.0, 1.0);
        (expected <= 1.0 - 1e-9).then(|| (cosine, (cosine - expected) / (1.0 - expected)))
    }
}

fn sums(values: &[f32], columns: usize) -> Vec<f64> {
    let rows = values.chunks(columns.max(1));
    rows.map(|row| row.iter().map(|v| f64::from(*v)).sum())
        .collect()
}

/// The bases of a sample beside one another.
pub(crate) struct Among {
    tensors: Vec<(u64, Products)>,
    models: usize,
}

impl Among {
    pub(crate) fn of(sample: &Sample) -> Self {
        let tensors = sample.tensors.par_iter();
        let tensors: Vec<Option<(u64, Products)>> = tensors
            .map(|tensor| Some((tensor.elements, Products::of(tensor)?)))
            .collect();
        Self {
            tensors: tensors.into_iter().flatten().collect(),
            models: sample.models(),
        }
    }

    /// Principal coordinates of the target, then of the bases in the order of `ranked`, which holds
    /// their places in the sample.
    pub(crate) fn coordinates(&self, ranked: &[usize]) -> Option<Coordinates> {
        let target = self.models - 1;
        let order: Vec<usize> = std::iter::once(target)
            .chain(ranked.iter().copied())
            .collect();
        let mut sum = Dense::zeros(self.models, self.models);
        for (_, products) in &self.tensors {
            for (i, from) in order.iter().enumerate() {
                for (j, to) in order.iter().enumerate() {
                    sum.row_mut(i)[j] += products.inner.row(*from)[*to];
                }
            }
        }
        principal_coordinates(&sum)
    }

    /// Each base beside the base that it is most like; `None` for a base without another whose
    /// excess is defined.
    pub(crate) fn controls(&self) -> Vec<Option<Control>> {
        let bases = self.models - 1;
        let control = |base: usize| {
            let others = (0..bases).filter(|other| *other != base);
            let held = others.filter_map(|other| Some((other, self.mean(base, other)?)));
            let held: Vec<(usize, (f64, f64))> = held.collect();
            let best = held.iter().copied();
            let best = best.reduce(|best, held| if held.1.1 > best.1.1 { held } else { best });
            best.map(|(nearest, (cosine, excess))| Control {
                nearest,
                cosine: Some(cosine),
                excess,
                lowest: held.iter().map(|held| held.1.1).fold(excess, f64::min),
            })
        };
        (0..bases).map(control).collect()
    }

    /// Mean cosine and excess of two models, weighted by parameters.
    fn mean(&self, one: usize, other: usize) -> Option<(f64, f64)> {
        let (mut cosine, mut excess, mut weight) = (0.0, 0.0, 0.0);
        for (elements, products) in &self.tensors {
            if let Some(figures) = products.figures(one, other) {
                cosine += figures.0 * *elements as f64;
                excess += figures.1 * *elements as f64;
                weight += *elements as f64;
            }
        }
        (weight > 0.0).then(|| (cosine / weight, excess / weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::words::{Component, Role};
    use crate::numeric::grid::Grid;
    use crate::stats::shares::Places;

    fn sample(models: &[[f32; 4]]) -> Sample {
        let places = Places {
            values: models.iter().map(|model| model.to_vec()).collect(),
            grid: Grid::NONE,
            group: 0,
        };
        let tensor = Sampled {
            component: Component::Text,
            layer: None,
            role: Role::Q,
            elements: 4,
            columns: 4,
            places,
        };
        Sample {
            bases: (0..models.len() - 1).collect(),
            tensors: vec![tensor],
        }
    }

    #[test]
    fn a_control_is_the_nearest_other_base() {
        let models = [
            [1.0, -1.0, 2.0, 0.5],
            [1.1, -1.0, 2.0, 0.4],
            [2.0, 2.0, -1.0, 0.0],
            [0.0, 1.0, 0.0, 1.0],
        ];
        let found = Among::of(&sample(&models)).controls();
        let nearest: Vec<usize> = found.iter().flatten().map(|c| c.nearest).collect();
        assert_eq!(nearest, [1, 0, 1]);
        assert!(found[0].as_ref().unwrap().excess > 0.9 && found[2].as_ref().unwrap().excess < 0.0);
        assert_eq!(Among::of(&sample(&models[..2])).controls(), [None]);
    }

    #[test]
    fn a_value_that_is_not_finite_leaves_its_tensor_out() {
        let models = [[1.0, f32::NAN, 2.0, 0.5], [1.0; 4], [0.0, 1.0, 0.0, 1.0]];
        let among = Among::of(&sample(&models));
        assert!(among.tensors.is_empty());
        assert!(among.coordinates(&[0, 1]).is_none());
    }
}
