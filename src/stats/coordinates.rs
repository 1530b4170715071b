//! Where do models lie to each other? Principal coordinates from their inner products: one pass of
//! sums is enough, and no second look at the weights is taken.

use crate::numeric::linalg::{Dense, round6, symmetric_eigen};

/// Spread that is rounding error of the sums, as a share of the largest squared norm.
const ROUNDING: f64 = 1e-12;

/// Places of the models in the plane that shows most of their squared distances.
#[derive(Debug, Clone, PartialEq)]
pub struct Coordinates {
    /// One point a model, in the order of the models, in units of the models' norm; their mean is
    /// the origin.
    pub points: Vec<[f64; 2]>,
    /// Share of the squared distances along each axis, 0 to 1.
    pub explained: [f64; 2],
}

/// Classical scaling (Torgerson 1952): `products` has the inner products of n models, summed over
/// tensors that all of them share, shape (n, n). Figures have 6 significant digits. Each axis is
/// turned so that the model farthest out on it (the first of equals) has a positive coordinate.
///
/// `None` with fewer than two models, with a sum that is not finite, and where all models coincide.
///
/// # Panics
/// When `products` is not square.
pub(crate) fn principal_coordinates(products: &Dense) -> Option<Coordinates> {
    assert_eq!(
        products.rows, products.columns,
        "inner products of every pair"
    );
    let n = products.rows;
    if n < 2 {
        return None;
    }
    let means: Vec<f64> = (0..n)
        .map(|i| products.row(i).iter().sum::<f64>() / n as f64)
        .collect();
    let mean = means.iter().sum::<f64>() / n as f64;
    let mut centred = products.clone();
    for i in 0..n {
        centred
            .row_mut(i)
            .iter_mut()
            .zip(&means)
            .for_each(|(v, m)| *v += mean - means[i] - m);
    }
    let largest = (0..n).map(|i| products.row(i)[i]).fold(0.0, f64::max);
    let eigen = symmetric_eigen(&centred)?;
    // Values below zero are rounding: a Gram matrix has none.
    let spread: Vec<f64> = eigen
        .values
        .iter()
        .map(|&v| if v > ROUNDING * largest { v } else { 0.0 })
        .collect();
    let total: f64 = spread.iter().sum();
    if total == 0.0 {
        return None;
    }
    let extent = spread[0].sqrt();
    let place = |axis: usize, model: usize| {
        let value = eigen.vectors.row(axis)[model] * spread[axis].sqrt();
        if value.abs() > 1e-7 * extent {
            round6(value)
        } else {
            0.0
        }
    };
    let points = (0..n)
        .map(|model| [place(0, model), place(1, model)])
        .collect();
    Some(Coordinates {
        points,
        explained: [round6(spread[0] / total), round6(spread[1] / total)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    /// Inner products of models given as rows.
    fn products(models: &Dense) -> Dense {
        models.times_transposed(models)
    }

    fn random(rows: usize, columns: usize, seed: u64) -> Dense {
        let mut draws = Draws::new(seed, "models");
        Dense {
            rows,
            columns,
            values: (0..rows * columns).map(|_| draws.normal()).collect(),
        }
    }

    fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
        (a[0] - b[0]).hypot(a[1] - b[1])
    }

    #[test]
    fn models_of_a_plane_keep_all_their_distances() {
        let (plane, places) = (random(2, 500, 1), random(5, 2, 2));
        let models = places.times(&plane);
        let found = principal_coordinates(&products(&models)).unwrap();
        for i in 0..5 {
            for j in 0..5 {
                let apart = models
                    .row(i)
                    .iter()
                    .zip(models.row(j))
                    .map(|(x, y)| (x - y).powi(2))
                    .sum::<f64>()
                    .sqrt();
                assert!(
                    (distance(found.points[i], found.points[j]) - apart).abs()
                        < 1e-3 * apart.max(1.0)
                );
            }
        }
        assert!(
            (found.explained[0] + found.explained[1] - 1.0).abs() < 1e-5
                && found.explained[0] >= found.explained[1]
        );
    }

    #[test]
    fn a_fine_tune_lies_by_its_base_and_independent_models_apart() {
        let mut models = random(4, 2000, 3);
        let noise = random(1, 2000, 4);
        let tuned: Vec<f64> = models
            .row(0)
            .iter()
            .zip(&noise.values)
            .map(|(v, n)| v + 0.05 * n)
            .collect();
        models.append(&Dense {
            rows: 1,
            columns: 2000,
            values: tuned,
        });
        let found = principal_coordinates(&products(&models)).unwrap();
        let near = distance(found.points[0], found.points[4]);
        for other in 1..4 {
            assert!(distance(found.points[other], found.points[4]) > 10.0 * near);
        }
    }

    #[test]
    fn two_models_lie_on_a_line_and_the_first_is_on_the_right() {
        let found = principal_coordinates(&products(&random(2, 50, 5))).unwrap();
        assert!(found.points[0][0] > 0.0 && found.points[0][0] == -found.points[1][0]);
        assert_eq!(
            (found.points[0][1], found.points[1][1], found.explained),
            (0.0, 0.0, [1.0, 0.0])
        );
    }

    #[test]
    fn one_model_equal_models_and_broken_sums_have_no_coordinates() {
        let model = random(1, 50, 6);
        assert!(principal_coordinates(&products(&model)).is_none());
        let mut twins = model.clone();
        twins.append(&model);
        assert!(principal_coordinates(&products(&twins)).is_none());
        assert!(principal_coordinates(&Dense::zeros(3, 3)).is_none());
        let mut broken = products(&random(3, 50, 7));
        broken.values[1] = f64::NAN;
        assert!(principal_coordinates(&broken).is_none());
    }
}
