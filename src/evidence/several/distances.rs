//! Squared distances among the models of a sample, tensor by tensor.

use rayon::prelude::*;

use super::sample::Sample;
use crate::numeric::linalg::Dense;
use crate::stats::shares::Places;

/// Squared distances of all pairs of models, the target last.
#[derive(Debug)]
pub(crate) struct Distances {
    /// Of each tensor.
    tensors: Vec<Dense>,
    /// Of all together.
    total: Dense,
}

/// The angle at one model of three between the other two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Angle {
    /// Its cosine over all tensors.
    pub cosine: f64,
    /// Root mean square of the tensors' cosines, weighted by the lengths of their sides.
    pub spread: f64,
}

impl Distances {
    /// Of all places where the values of all models are finite.
    pub(crate) fn of(sample: &Sample) -> Self {
        let models = sample.models();
        let tensors: Vec<Dense> = sample
            .tensors
            .par_iter()
            .map(|tensor| distances(&tensor.places))
            .collect();
        let mut total = Dense::zeros(models, models);
        for tensor in &tensors {
            let both = total.values.iter_mut().zip(&tensor.values);
            both.for_each(|(sum, more)| *sum += more);
        }
        Self { tensors, total }
    }

    /// Squared distance of two models.
    pub(crate) fn between(&self, one: usize, other: usize) -> f64 {
        self.total.row(one)[other]
    }

    /// The angle at `corner` between `one` and `other`; `None` where one of them coincides with it.
    pub(crate) fn angle(&self, corner: usize, one: usize, other: usize) -> Option<Angle> {
        let (product, length) = sides(&self.total, corner, one, other);
        let cosine = (length > 0.0).then(|| product / length)?;
        let (mut squares, mut weight) = (0.0, 0.0);
        for tensor in &self.tensors {
            let (product, length) = sides(tensor, corner, one, other);
            if length > 0.0 {
                squares += product * product / length;
                weight += length;
            }
        }
        Some(Angle {
            cosine,
            spread: (squares / weight).sqrt(),
        })
    }
}

/// Inner product of the differences of `one` and `other` to `corner`, and the product of their
/// lengths: by the law of cosines.
fn sides(distances: &Dense, corner: usize, one: usize, other: usize) -> (f64, f64) {
    let [a, b] = [one, other].map(|model| distances.row(corner)[model]);
    let product = 0.5 * (a + b - distances.row(one)[other]);
    (product, (a * b).sqrt())
}

fn distances(places: &Places) -> Dense {
    let models = places.bases() + 1;
    let mut out = Dense::zeros(models, models);
    for one in 0..models {
        for other in one + 1..models {
            let both = places.values[one].iter().zip(&places.values[other]);
            let square = |(a, b): (&f32, &f32)| {
                let difference = f64::from(*a) - f64::from(*b);
                difference * difference
            };
            let squares = both.map(square).filter(|square| square.is_finite());
            let sum: f64 = squares.sum();
            out.row_mut(one)[other] = sum;
            out.row_mut(other)[one] = sum;
        }
    }
    out
}
