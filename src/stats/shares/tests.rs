use super::*;
use crate::model::dtype::Dtype;
use crate::numeric::rng::Draws;

const LENGTH: usize = 6000;
/// Tensors of a model.
const TENSORS: usize = 9;

/// Values of a model, tensor by tensor.
type Values = Vec<Vec<f64>>;

fn random(seed: u64, size: f64) -> Values {
    let mut draws = Draws::new(seed, "models");
    let tensor = |_| (0..LENGTH).map(|_| size * draws.normal()).collect();
    (0..TENSORS).map(tensor).collect()
}

fn sum(terms: &[(f64, &Values)]) -> Values {
    let value = |tensor: usize, at: usize| terms.iter().map(|(w, v)| w * v[tensor][at]).sum();
    (0..TENSORS)
        .map(|tensor| (0..LENGTH).map(|at| value(tensor, at)).collect())
        .collect()
}

fn bf16(values: &Values) -> Values {
    let round = |v: &f64| half::bf16::from_f64(*v).to_f64();
    values
        .iter()
        .map(|tensor| tensor.iter().map(round).collect())
        .collect()
}

/// Models in the same places, the target last and in bf16; every third tensor is one layer's.
fn places(models: &[&Values]) -> Vec<Places> {
    let of_model =
        |model: &Values, tensor: usize| model[tensor].iter().map(|v| *v as f32).collect();
    (0..TENSORS)
        .map(|tensor| Places {
            values: models.iter().map(|model| of_model(model, tensor)).collect(),
            grid: Grid::of(Dtype::Bf16),
            group: tensor / 3,
        })
        .collect()
}

/// An origin and trainings of it of this size.
fn relatives(size: f64) -> [Values; 4] {
    let origin = bf16(&random(1, 0.05));
    let tuned = |seed| bf16(&sum(&[(1.0, &origin), (1.0, &random(seed, 0.05 * size))]));
    let [a, b, c] = [2, 3, 4].map(tuned);
    [origin, a, b, c]
}

fn found(models: &[&Values]) -> Option<Found> {
    let places = places(models);
    let bases: Vec<usize> = (0..models.len() - 1).collect();
    search(&places, &bases)
}

fn fitted(models: &[&Values], terms: &[usize]) -> Fit {
    let places = places(models);
    fit(&places.iter().collect::<Vec<_>>(), terms).expect("terms that differ")
}

#[test]
fn shares_come_back_within_two_errors_from_rounded_sums() {
    for size in [0.3, 0.02] {
        let [_, a, b, _] = relatives(size);
        for share in [0.3, 0.429, 0.571, 0.6, 0.8, 0.9] {
            let target = bf16(&sum(&[(share, &a), (1.0 - share, &b)]));
            let fit = fitted(&[&a, &b, &target], &[0, 1]);
            let off = (fit.weights[0] - share).abs();
            assert!(off < 0.02 && off <= 2.0 * fit.errors[0], "{share}: {fit:?}");
            assert!(fit.errors[0] < 0.02 && fit.left < 0.02, "{share}: {fit:?}");
        }
    }
}

#[test]
fn terms_are_found_among_relatives_and_task_vectors_keep_their_signs() {
    let [origin, a, b, c] = relatives(0.2);
    let mean = bf16(&sum(&[(0.3, &a), (0.7, &b)]));
    assert_eq!(
        found(&[&origin, &c, &a, &b, &mean]),
        Some(Found::Terms(vec![2, 3]))
    );
    let three = bf16(&sum(&[(0.5, &a), (0.3, &b), (0.2, &c)]));
    assert_eq!(
        found(&[&origin, &a, &b, &c, &three]),
        Some(Found::Terms(vec![1, 2, 3]))
    );
    let chat = bf16(&sum(&[(1.0, &a), (1.0, &b), (-1.0, &origin)]));
    assert_eq!(
        found(&[&origin, &a, &b, &c, &chat]),
        Some(Found::Terms(vec![0, 1, 2]))
    );
    let fit = fitted(&[&origin, &a, &b, &chat], &[0, 1, 2]);
    for (weight, truth) in fit.weights.iter().zip([-1.0, 1.0, 1.0]) {
        assert!((weight - truth).abs() < 0.01, "{fit:?}");
    }
}

#[test]
fn relatives_that_are_no_sum_are_not_called_one() {
    let [origin, a, b, c] = relatives(0.2);
    let child = bf16(&sum(&[(1.0, &a), (1.0, &random(9, 0.01))]));
    let stranger = bf16(&random(8, 0.05));
    assert_eq!(found(&[&a, &b, &c, &origin]), None, "their origin");
    assert_eq!(found(&[&origin, &a, &b, &c]), None, "a sibling");
    assert_eq!(found(&[&origin, &a, &b, &child]), None, "a grandchild");
    assert_eq!(found(&[&origin, &a, &b, &stranger]), None);
    assert_eq!(found(&[&a, &origin]), None, "one base");
}

#[test]
fn a_copy_of_a_term_is_not_told_from_it() {
    let [origin, a, b, _] = relatives(0.2);
    let mean = bf16(&sum(&[(0.5, &a), (0.5, &b)]));
    let twin = a.clone();
    assert_eq!(
        found(&[&origin, &a, &twin, &b, &mean]),
        Some(Found::NotToldApart(1, 2))
    );
    assert!(
        fit(
            &places(&[&a, &twin, &mean]).iter().collect::<Vec<_>>(),
            &[0, 1]
        )
        .is_none()
    );
}

#[test]
fn a_mean_of_the_target_is_told_from_a_target_that_was_led_on() {
    let [origin, a, ..] = relatives(0.2);
    let mean = bf16(&sum(&[(0.5, &a), (0.5, &origin)]));
    let models = [&origin, &mean, &a];
    let all = places(&models);
    let all: Vec<&Places> = all.iter().collect();
    let fit = fitted(&models, &[0, 1]);
    assert_eq!(form(&all, &fit), Form::OfTarget { sum: 1 });

    let led_on = bf16(&sum(&[(1.4, &a), (-0.4, &origin)]));
    let models = [&origin, &a, &led_on];
    let all = places(&models);
    let all: Vec<&Places> = all.iter().collect();
    let fit = fitted(&models, &[0, 1]);
    assert!((fit.weights[1] - 1.4).abs() < 0.01, "{fit:?}");
    assert_eq!(form(&all, &fit), Form::Linear);
}

#[test]
fn spherical_interpolation_is_told_with_its_place() {
    let [_, a, b, _] = relatives(1.0);
    let mix = |at: f64| -> Values {
        let tensor = |tensor: usize| {
            let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
            let (x, y) = (&a[tensor], &b[tensor]);
            let angle = (dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()).acos();
            let [p, q] = [1.0 - at, at].map(|share| (share * angle).sin() / angle.sin());
            x.iter().zip(y).map(|(x, y)| p * x + q * y).collect()
        };
        bf16(&(0..TENSORS).map(tensor).collect())
    };
    for at in [0.3, 0.5] {
        let target = mix(at);
        assert_eq!(found(&[&a, &b, &target]), Some(Found::Terms(vec![0, 1])));
        let all = places(&[&a, &b, &target]);
        let all: Vec<&Places> = all.iter().collect();
        let Form::Spherical { at: told } = form(&all, &fitted(&[&a, &b, &target], &[0, 1])) else {
            panic!("{at}");
        };
        assert!((told - at).abs() < 0.01, "{told}");
    }
}

#[test]
fn a_sparse_merge_is_told_from_trainings() {
    let [origin, a, b, c] = relatives(0.2);
    let mut draws = Draws::new(5, "drops");
    let mut drop = |from: &Values, to: &mut Values| {
        for (tensor, change) in to.iter_mut().zip(from).zip(&origin) {
            let (tensor, from) = tensor;
            for ((value, from), start) in tensor.iter_mut().zip(from).zip(change) {
                if draws.unit() < 0.5 {
                    *value += from - start;
                }
            }
        }
    };
    let mut target = origin.clone();
    drop(&a, &mut target);
    drop(&b, &mut target);
    let target = bf16(&target);
    let models = [&origin, &a, &b, &c, &target];
    assert_eq!(found(&models), None);
    let all = places(&models);
    let all: Vec<&Places> = all.iter().collect();
    let told = sparse(&all, &[0, 1, 2, 3]).expect("half of the changes are dropped");
    assert_eq!((told.base, told.of.as_slice()), (0, &[1, 2][..]));
    assert!((told.changed - 0.75).abs() < 0.02, "{told:?}");

    for target in [&c, &origin, &sum(&[(1.0, &a), (1.0, &random(7, 0.01))])] {
        let all = places(&[&origin, &a, &b, target]);
        let all: Vec<&Places> = all.iter().collect();
        assert_eq!(sparse(&all, &[0, 1, 2]), None);
    }
}

#[test]
fn the_base_of_a_trimmed_merge_is_the_one_whose_small_changes_are_left_out() {
    let [origin, a, b, _] = relatives(0.2);
    let mut target = origin.clone();
    for (tensor, values) in target.iter_mut().enumerate() {
        for (at, value) in values.iter_mut().enumerate() {
            let start = origin[tensor][at];
            let changes = [&a, &b].map(|model| model[tensor][at] - start);
            // About half of the changes of each.
            let large = changes.map(|change| if change.abs() > 0.0067 { change } else { 0.0 });
            *value += match large {
                [0.0, change] | [change, 0.0] => change,
                [one, other] if one * other > 0.0 => 0.5 * (one + other),
                [one, other] if one.abs() > other.abs() => one,
                [_, other] => other,
            };
        }
    }
    let target = bf16(&target);
    for (models, base) in [
        ([&origin, &a, &b, &target], 0),
        ([&b, &a, &origin, &target], 2),
    ] {
        let all = places(&models);
        let all: Vec<&Places> = all.iter().collect();
        let told = sparse(&all, &[0, 1, 2]).expect("a part of the values is kept");
        assert_eq!(told.base, base, "{told:?}");
    }
}

#[test]
fn a_small_share_of_small_changes_that_rounding_loses_is_no_sparse_merge() {
    let [origin, a, ..] = relatives(0.05);
    let target = bf16(&sum(&[(0.97, &origin), (0.03, &a)]));
    let all = places(&[&origin, &a, &target]);
    let all: Vec<&Places> = all.iter().collect();
    assert_eq!(sparse(&all, &[0, 1]), None);
}

#[test]
fn values_that_are_not_finite_are_left_out() {
    let [_, a, mut b, _] = relatives(0.2);
    let target = bf16(&sum(&[(0.4, &a), (0.6, &b)]));
    b[0][17] = f64::NAN;
    b[1][3] = f64::INFINITY;
    let fit = fitted(&[&a, &b, &target], &[0, 1]);
    assert!((fit.weights[0] - 0.4).abs() < 0.01, "{fit:?}");
}
