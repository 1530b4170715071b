//! By which rule were the terms put together?

use rayon::prelude::*;

use super::Places;
use super::fit::Fit;

/// A rule that has its own name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    /// A weighted mean, or a sum of differences.
    Linear,
    /// Spherical interpolation, with the share of the second term.
    Spherical {
        /// How far from the first term to the second, 0 to 1.
        at: f64,
    },
    /// Not the target but the base of this place among the terms is the sum: of the target and of
    /// the other term.
    OfTarget {
        /// Place among the terms.
        sum: usize,
    },
    /// It is not told whether the target or one of the two is the sum.
    Open,
}

/// A spherical mean must leave less than this share of what a linear one leaves.
const SPHERICAL: f64 = 0.5;

/// Share of the values of a sum that are the rounded sum exactly.
const EXACT: f64 = 0.9;

/// The rule by which `fitted` was put together.
pub(crate) fn form(places: &[&Places], fitted: &Fit) -> Form {
    let &[first, second] = fitted.terms.as_slice() else {
        return Form::Linear;
    };
    let share = fitted.weights[1];
    let error = fitted.errors[1];
    if share > 1.0 + 3.0 * error || share < -3.0 * error {
        return beyond(places, [first, second], share);
    }
    spherical(places, [first, second]).unwrap_or(Form::Linear)
}

/// The target lies on the line through two bases and outside of them: then it can be one of them
/// led on, or that one can be the mean of the target and the other. Which of the two is computed
/// from the others is told by its values, which are the rounded sum exactly.
fn beyond(places: &[&Places], [first, second]: [usize; 2], share: f64) -> Form {
    let inner = usize::from(share > 0.5);
    let [near, far] = if inner == 1 {
        [second, first]
    } else {
        [first, second]
    };
    let led = if inner == 1 { share } else { 1.0 - share };
    let equal = |sum: usize, from: [(usize, f64); 2]| {
        let count = |places: &&Places| {
            let (mut equal, mut all) = (0u64, 0u64);
            for (at, value) in places.values[sum].iter().enumerate() {
                let [one, other] =
                    from.map(|(model, weight)| (f64::from(places.values[model][at]), weight));
                let apart = (one.0 - other.0).abs();
                let unit = places.grid.unit(*value);
                if !(8.0 * unit..64.0 * unit).contains(&apart) {
                    continue;
                }
                let off = one.0 * one.1 + other.0 * other.1 - f64::from(*value);
                // Half a unit, and a little for shares that are not known exactly.
                equal += u64::from(off.abs() <= 0.52 * unit);
                all += 1;
            }
            (equal, all)
        };
        let counts: Vec<(u64, u64)> = places.par_iter().map(count).collect();
        let (equal, all) = counts
            .iter()
            .fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        equal as f64 / all.max(1) as f64
    };
    let target = places.first().map_or(0, |places| places.bases());
    let as_target = equal(target, [(near, led), (far, 1.0 - led)]);
    let inverse = 1.0 / led;
    let as_base = equal(near, [(target, inverse), (far, 1.0 - inverse)]);
    // A mean loses half a unit to rounding, and going back from it to the target, as many times
    // that as the target lies beyond: so often is the target met by chance.
    let by_chance = inverse;
    if as_target > 0.5 * (1.0 + by_chance) {
        Form::Linear
    } else if as_base > EXACT {
        Form::OfTarget { sum: inner }
    } else {
        Form::Open
    }
}

/// Inner products of two terms and the target, of one tensor.
#[derive(Clone, Copy, Default)]
struct Products {
    aa: f64,
    bb: f64,
    ab: f64,
    at: f64,
    bt: f64,
    tt: f64,
}

impl Products {
    fn of(places: &Places, [a, b]: [usize; 2]) -> Self {
        let mut sums = Self::default();
        let both = places.values[a].iter().zip(&places.values[b]);
        for ((a, b), t) in both.zip(places.target()) {
            let (a, b, t) = (f64::from(*a), f64::from(*b), f64::from(*t));
            if (a * b * t).is_finite() {
                sums.aa += a * a;
                sums.bb += b * b;
                sums.ab += a * b;
                sums.at += a * t;
                sums.bt += b * t;
                sums.tt += t * t;
            }
        }
        sums
    }

    fn left(&self, [a, b]: [f64; 2]) -> f64 {
        let fitted = a * a * self.aa + b * b * self.bb + 2.0 * a * b * self.ab;
        self.tt - 2.0 * (a * self.at + b * self.bt) + fitted
    }

    /// Weights of a spherical mean; those of a plain one where the two are parallel.
    fn spherical(&self, at: f64) -> [f64; 2] {
        let cosine = self.ab / (self.aa * self.bb).sqrt();
        let angle = cosine.clamp(-1.0, 1.0).acos();
        if angle.is_nan() || angle.sin() < 1e-3 {
            return [1.0 - at, at];
        }
        [1.0 - at, at].map(|share| (share * angle).sin() / angle.sin())
    }
}

/// Spherical interpolation tensor by tensor, where it explains what a straight line does not.
fn spherical(places: &[&Places], terms: [usize; 2]) -> Option<Form> {
    let products: Vec<Products> = places
        .par_iter()
        .map(|places| Products::of(places, terms))
        .collect();
    let sum = |weights: &dyn Fn(&Products) -> [f64; 2]| {
        products
            .iter()
            .map(|p| p.left(weights(p)).max(0.0))
            .sum::<f64>()
    };
    let linear = |at: f64| sum(&|_| [1.0 - at, at]);
    let on_sphere = |at: f64| sum(&|p| p.spherical(at));
    let (best_linear, best) = (least(&linear), least(&on_sphere));
    let is_spherical = on_sphere(best) < SPHERICAL * linear(best_linear);
    is_spherical.then_some(Form::Spherical { at: best })
}

/// What spherical interpolation of two bases leaves of the squared distance to the nearer.
pub(super) fn left_by_sphere(places: &[&Places], terms: [usize; 2]) -> f64 {
    let products: Vec<Products> = places
        .par_iter()
        .map(|places| Products::of(places, terms))
        .collect();
    let sum = |at: f64| -> f64 {
        let left = products.iter().map(|p| p.left(p.spherical(at)).max(0.0));
        left.sum()
    };
    let nearest = sum(0.0).min(sum(1.0));
    if nearest > 0.0 {
        sum(least(&sum)) / nearest
    } else {
        1.0
    }
}

/// Where between 0 and 1 a function with one valley is least.
fn least(function: &dyn Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let third = (high - low) / 3.0;
        if function(low + third) < function(high - third) {
            high -= third;
        } else {
            low += third;
        }
    }
    0.5 * (low + high)
}

/// A merge that keeps a part of the values of its base as they are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sparse {
    /// The base of which values are kept.
    pub base: usize,
    /// The bases whose changes are taken.
    pub of: Vec<usize>,
    /// Share of the values that are changed, among those that one of these changes.
    pub changed: f64,
    /// Share of the changed values whose sign is that of the changes, where these agree.
    pub agreement: f64,
}

/// Least share of values that are kept.
const KEPT: f64 = 0.05;
/// Least agreement of signs. A further training that goes the same way reaches 0.9.
const AGREE: f64 = 0.98;
/// Least share of a tensor's values that are kept, and that are changed.
const SCATTERED: f64 = 0.02;
/// Values that must have been looked at.
const ENOUGH: u64 = 1000;
/// Units of rounding from which on a change is one.
const CHANGE: f64 = 8.0;
/// Units of rounding from which on not even a tenth of a change is lost in rounding.
const LARGE: f64 = 32.0;
/// Large changes that must have been looked at.
const ENOUGH_LARGE: u64 = 100;
/// Of the models of a merge, another is its base where the changes that it leaves out are smaller
/// than this share of those that the first leaves out, each beside the changes that are made.
const SMALLER: f64 = 0.5;

/// Values changed as one or two of `bases` change them and kept otherwise, as TIES, DARE and
/// other sparse merges leave them (guide/methods.md, section 10.1).
pub(crate) fn sparse(places: &[&Places], bases: &[usize]) -> Option<Sparse> {
    let mut best: Option<(Sparse, f64)> = None;
    let mut all: Vec<(Sparse, f64)> = Vec::new();
    for base in bases {
        let others: Vec<usize> = bases
            .iter()
            .copied()
            .filter(|other| other != base)
            .collect();
        let pairs = others.iter().enumerate().flat_map(|(i, one)| {
            let later = others[i + 1..].iter();
            later.map(move |other| vec![*one, *other])
        });
        let single = others.iter().map(|other| vec![*other]);
        for of in pairs.chain(single) {
            let Some((found, left_out)) = kept(places, *base, of) else {
                continue;
            };
            all.push((found.clone(), left_out));
            // Two stand for one only where their signs agree more often than one's with the target.
            let is_better = |best: &Sparse| {
                let gain = if found.of.len() < best.of.len() {
                    0.0
                } else {
                    0.001
                };
                found.agreement >= best.agreement + gain
            };
            if best.as_ref().is_none_or(|(best, _)| is_better(best)) {
                best = Some((found, left_out));
            }
        }
    }
    // A model whose change alone is taken in a place is kept there as well, but where its changes
    // are large, while a merge leaves out small ones of its base.
    let (best, left_out) = best?;
    let models = |found: &Sparse| {
        let mut models = found.of.clone();
        models.push(found.base);
        models.sort_unstable();
        models
    };
    let of_same = all
        .into_iter()
        .filter(|(found, other)| *other < SMALLER * left_out && models(found) == models(&best));
    let least = of_same.reduce(|least, found| if found.1 < least.1 { found } else { least });
    Some(least.map_or(best, |(found, _)| found))
}

/// A merge that keeps values of `base`, and the mean square of the changes that it leaves out over
/// that of those it makes.
fn kept(places: &[&Places], base: usize, of: Vec<usize>) -> Option<(Sparse, f64)> {
    #[derive(Default)]
    struct Count {
        movable: u64,
        changed: u64,
        agreed: u64,
        asked: u64,
        large: u64,
        large_kept: u64,
        /// Squares of the changes that are left out, and of those that are made.
        squares: [f64; 2],
    }
    let count = |places: &&Places| {
        let mut count = Count::default();
        for (at, target) in places.target().iter().enumerate() {
            let start = places.values[base][at];
            let least = CHANGE * places.grid.unit(start);
            let change = |model: &usize| f64::from(places.values[*model][at]) - f64::from(start);
            let mut changes = of.iter().map(change);
            let moved = f64::from(*target) - f64::from(start);
            if !changes
                .clone()
                .all(|change| change.abs() >= least && change != 0.0)
            {
                continue;
            }
            count.movable += 1;
            let is_large = changes
                .clone()
                .all(|change| change.abs() >= LARGE / CHANGE * least);
            count.large += u64::from(is_large);
            let square: f64 = changes.clone().map(|change| change * change).sum();
            count.squares[usize::from(moved != 0.0)] += square;
            if moved == 0.0 {
                count.large_kept += u64::from(is_large);
                continue;
            }
            count.changed += 1;
            let is_up = change(&of[0]) > 0.0;
            if changes.all(|change| (change > 0.0) == is_up) {
                count.asked += 1;
                count.agreed += u64::from((moved > 0.0) == is_up);
            }
        }
        count
    };
    let counts: Vec<Count> = places.par_iter().map(count).collect();
    // A tensor that is kept or changed as a whole, as in a model of which some tensors were trained
    // on, says nothing of single values.
    let is_mixed = |count: &&Count| {
        let few = (count.movable as f64 * SCATTERED) as u64;
        count.changed > few && count.movable - count.changed > few
    };
    let mixed: Vec<&Count> = counts.iter().filter(is_mixed).collect();
    let sum = |figure: &dyn Fn(&Count) -> u64| mixed.iter().map(|c| figure(c)).sum::<u64>();
    let (movable, changed) = (sum(&|c| c.movable), sum(&|c| c.changed));
    let (asked, agreed) = (sum(&|c| c.asked), sum(&|c| c.agreed));
    let found = Sparse {
        base,
        of,
        changed: changed as f64 / movable.max(1) as f64,
        agreement: agreed as f64 / asked.max(1) as f64,
    };
    // What rounding loses of a small share of the changes is kept where they are small alone.
    let (large, large_kept) = (sum(&|c| c.large), sum(&|c| c.large_kept));
    let is_kept = large >= ENOUGH_LARGE && large_kept as f64 >= KEPT * large as f64;
    let is_sparse =
        asked >= ENOUGH && is_kept && found.changed <= 1.0 - KEPT && found.agreement >= AGREE;
    let squares = |at: usize| mixed.iter().map(|c| c.squares[at]).sum::<f64>();
    let of_one = |squares: f64, count: u64| squares / count.max(1) as f64;
    let made = of_one(squares(1), changed);
    let left_out = of_one(squares(0), movable - changed) / made.max(f64::MIN_POSITIVE);
    is_sparse.then_some((found, left_out))
}
