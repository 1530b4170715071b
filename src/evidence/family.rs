//! Several models of one shape: their inner products, and what unrelated ones come to.

use crate::measure::record::Record;
use crate::model::sides::Sides;
use crate::numeric::linalg::Dense;

/// What the pass measured of one tensor that all models of a family have.
#[derive(Debug, Clone)]
pub struct FamilyTensor<'a> {
    /// Each base with the target, in the order of the bases.
    pub with_target: Vec<&'a Record>,
    /// Each base with each later one: 0 with 1, 0 with 2, ..., 1 with 2, ...
    pub between: Vec<&'a Record>,
    /// Number of elements.
    pub elements: u64,
}

/// Place of two bases, the first before the second, in [`FamilyTensor::between`] of a family of
/// `bases`.
///
/// # Panics
/// When they are not in this order.
pub fn place(first: usize, second: usize, bases: usize) -> usize {
    assert!(first < second && second < bases, "two bases in their order");
    first * bases - first * (first + 1) / 2 + second - first - 1
}

impl FamilyTensor<'_> {
    /// Inner products of the bases and of the target, which is last; shape (bases + 1, bases + 1).
    ///
    /// `None` where a value could not be read or is not finite.
    pub fn products(&self) -> Option<Dense> {
        let bases = self.with_target.len();
        let sound = |r: &&Record| {
            r.unreadable.is_none() && r.sums.nonfinite == Sides::default() && r.sums.n > 0
        };
        if !self.with_target.iter().chain(&self.between).all(sound) {
            return None;
        }
        let mut out = Dense::zeros(bases + 1, bases + 1);
        for (i, record) in self.with_target.iter().enumerate() {
            out.row_mut(i)[i] = record.sums.aa;
            out.row_mut(i)[bases] = record.sums.ab;
            out.row_mut(bases)[i] = record.sums.ab;
            out.row_mut(bases)[bases] = record.sums.bb;
            for j in i + 1..bases {
                let product = self.between[place(i, j, bases)].sums.ab;
                out.row_mut(i)[j] = product;
                out.row_mut(j)[i] = product;
            }
        }
        Some(out)
    }
}

/// How much a base is like the base that it is most like.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// The other base.
    pub nearest: usize,
    /// Mean cosine over the matrices, weighted by parameters.
    pub cosine: Option<f64>,
    /// The same of the excess.
    pub excess: f64,
}

/// Each base against the others. Where bases are known to be unrelated, this is what unrelated
/// models come to.
///
/// `None` for a base without another whose excess is defined.
pub fn controls(tensors: &[FamilyTensor<'_>], bases: usize) -> Vec<Option<Control>> {
    let mean = |i: usize, j: usize, of: &dyn Fn(&Record) -> Option<f64>| {
        let (mut sum, mut weight) = (0.0, 0.0);
        for tensor in tensors {
            if let Some(value) = of(tensor.between[place(i.min(j), i.max(j), bases)]) {
                sum += value * tensor.elements as f64;
                weight += tensor.elements as f64;
            }
        }
        (weight > 0.0).then(|| sum / weight)
    };
    let of = |base: usize| {
        let others = (0..bases).filter(|&other| other != base);
        let mut best: Option<Control> = None;
        for nearest in others {
            let Some(excess) = mean(base, nearest, &|r| r.figures().excess) else {
                continue;
            };
            if best.as_ref().is_none_or(|b| excess > b.excess) {
                best = Some(Control {
                    nearest,
                    cosine: mean(base, nearest, &|r| r.figures().cosine),
                    excess,
                });
            }
        }
        best
    };
    (0..bases).map(of).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numeric::sums::Sums;

    fn record(a: &[f64], b: &[f64]) -> Record {
        let sum =
            |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(&x, &y)| f(x, y)).sum::<f64>();
        let sums = Sums {
            n: a.len() as u64,
            ab: sum(&|x, y| x * y),
            aa: sum(&|x, _| x * x),
            bb: sum(&|_, y| y * y),
            dd: sum(&|x, y| (x - y) * (x - y)),
            ..Sums::default()
        };
        Record {
            sums,
            columns: a.len() as u64,
            ..Record::default()
        }
    }

    #[test]
    fn places_of_pairs_follow_one_another() {
        let places: Vec<usize> = (0..4)
            .flat_map(|i| (i + 1..4).map(move |j| place(i, j, 4)))
            .collect();
        assert_eq!(places, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn products_stand_in_their_places_and_broken_values_give_none() {
        let (a, b, target) = ([1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [1.0, 1.0, 1.0]);
        let (at, bt, ab) = (record(&a, &target), record(&b, &target), record(&a, &b));
        let tensor = FamilyTensor {
            with_target: vec![&at, &bt],
            between: vec![&ab],
            elements: 3,
        };
        assert_eq!(
            tensor.products().unwrap().values,
            [5.0, 2.0, 3.0, 2.0, 10.0, 4.0, 3.0, 4.0, 3.0]
        );
        let mut broken = record(&a, &b);
        broken.sums.nonfinite.target = 1;
        let tensor = FamilyTensor {
            with_target: vec![&at, &bt],
            between: vec![&broken],
            elements: 3,
        };
        assert!(tensor.products().is_none());
    }

    #[test]
    fn a_control_is_the_nearest_other_base() {
        let models = [
            [1.0, -1.0, 2.0, 0.5],
            [1.1, -1.0, 2.0, 0.4],
            [2.0, 2.0, -1.0, 0.0],
        ];
        let target = [0.0, 1.0, 0.0, 1.0];
        let with: Vec<Record> = models.iter().map(|m| record(m, &target)).collect();
        let pairs = [(0, 1), (0, 2), (1, 2)].map(|(i, j)| record(&models[i], &models[j]));
        let tensor = FamilyTensor {
            with_target: with.iter().collect(),
            between: pairs.iter().collect(),
            elements: 4,
        };
        let found = controls(&[tensor], 3);
        let nearest: Vec<usize> = found.iter().flatten().map(|c| c.nearest).collect();
        assert_eq!(nearest, [1, 0, 1]);
        assert!(found[0].as_ref().unwrap().excess > 0.9 && found[2].as_ref().unwrap().excess < 0.0);
        assert_eq!(controls(&[], 1), [None]);
    }
}
