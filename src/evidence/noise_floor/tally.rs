//! What is counted over the elements of a tensor to tell rounding from a change
//! (guide/methods.md, section 6: "Noise floor of an encoding").
//!
//! A block of elements that are all within their steps, which is nearly every block where one side is
//! the other rounded, takes a short way: its counts are its length, and only the sums are left. Both
//! ways add the same terms to the same lanes in the same order.

use pulp::{Arch, Simd, WithSimd};

use crate::numeric::decode::FloatSteps;

/// Programs round products of codes and scales in formats of their own; nothing that matters is
/// smaller than this share of a step.
const STEP_SLACK: f64 = 1e-3;
/// Half steps that a value at the end of a grid may be away from what was clipped to it.
const CLIPPED_REACH: f64 = 4.0;

/// Counts over the elements of a tensor. s is the mean of the two steps at an element.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) n: u64,
    /// |a − b| ≤ s.
    pub(super) within: u64,
    /// |a − b| ≤ 2s.
    within_two: u64,
    /// |a − b| ≤ 4s.
    within_four: u64,
    /// |a − b| ≤ 8s.
    within_eight: u64,
    /// Σ(a − b)².
    squares: f64,
    /// Σs².
    steps: f64,
    /// Σa².
    size: f64,
}

impl Tally {
    pub(super) fn add(mut self, other: &Self) -> Self {
        self.n += other.n;
        self.within += other.within;
        self.within_two += other.within_two;
        self.within_four += other.within_four;
        self.within_eight += other.within_eight;
        self.squares += other.squares;
        self.steps += other.steps;
        self.size += other.size;
        self
    }

    /// Whether no more than the share `allowed` of the elements is outside of `within`.
    fn all_but(&self, within: u64, allowed: f64) -> bool {
        (self.n - within) as f64 <= allowed * self.n as f64
    }

    /// Round to nearest. Block formats without codes of their own for the ends of their grids
    /// (GGUF) leave a few clipped elements.
    pub(super) fn is_rounding(&self) -> bool {
        self.all_but(self.within, 0.01) && self.all_but(self.within_two, 1e-4)
    }

    /// A calibrated quantiser rounds some elements the other way, to pay for the errors of others.
    /// A uniform error between −s and s has the mean square s²/3; GPTQ on strongly correlated
    /// inputs in activation order reaches 1.6 times its root, with 0.5 % of the elements beyond 4s
    /// and 0.01 % beyond 8s.
    pub(super) fn is_calibrated_rounding(&self) -> bool {
        self.squares <= 4.0 * self.steps / 3.0
            && self.all_but(self.within_four, 0.01)
            && self.all_but(self.within_eight, 1e-3)
    }

    /// Root mean square of a change, relative to that of the values, that rounding would hide. A
    /// normal change of standard deviation d carries the share 0.4·d/s of uniform errors over s,
    /// and 1 % may be there; a calibrated rounding may grow up to the limit of its mean square.
    pub(super) fn hidden_change(&self, calibrated: bool) -> f64 {
        let square = if calibrated {
            4.0 * self.steps / 3.0 - self.squares
        } else {
            self.steps * (0.01f64 / 0.4).powi(2)
        };
        if self.size > 0.0 {
            (square.max(0.0) / self.size).sqrt()
        } else {
            0.0
        }
    }

    /// Rounding to nearest on scales that a search chose, which clips more: up to 1.5 % of the
    /// elements in every format of ggml, where a change of 1 % of the deviation puts 5 to 11 %
    /// outside in Q4_K to Q6_K.
    pub(super) fn is_searched_rounding(&self) -> bool {
        self.all_but(self.within, 0.04) && self.is_calibrated_rounding()
    }
}

/// The steps of one side's elements.
#[derive(Clone, Copy)]
pub(super) enum Steps<'a> {
    /// Those of a float's format.
    Float(FloatSteps),
    /// One an element; negative at the ends of a grid of codes.
    Each(&'a [f32]),
}

impl Steps<'_> {
    /// Writes the steps of the elements from `at` on, which have these values.
    #[inline(always)]
    fn write(&self, at: usize, values: &[f32], out: &mut [f64]) {
        match self {
            Self::Float(floats) => {
                for (out, value) in out.iter_mut().zip(values) {
                    let step = floats.step(*value);
                    *out = if value.is_finite() { step } else { f64::NAN };
                }
            }
            Self::Each(steps) => {
                for (out, step) in out.iter_mut().zip(&steps[at..]) {
                    *out = f64::from(*step);
                }
            }
        }
    }
}

impl Tally {
    /// Counts over the elements of both sides, of which `value_slack` is the share of a value that
    /// says nothing.
    pub(super) fn count(values: [&[f32]; 2], steps: [Steps<'_>; 2], value_slack: f64) -> Self {
        Arch::new().dispatch(Counting {
            values,
            steps,
            value_slack,
        })
    }
}

/// [`Tally::count`], compiled for each set of instructions; its sums are the same bits on all.
struct Counting<'a> {
    values: [&'a [f32]; 2],
    steps: [Steps<'a>; 2],
    value_slack: f64,
}

impl WithSimd for Counting<'_> {
    type Output = Tally;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tally {
        let Self {
            values: [a, b],
            steps,
            value_slack,
        } = self;
        let mut lanes = Lanes::default();
        let mut of_block = [[0.0; BLOCK]; 2];
        let mut at = 0;
        for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
            for (side, values) in [a, b].into_iter().enumerate() {
                steps[side].write(at, values, &mut of_block[side][..values.len()]);
            }
            let block = Block {
                values: [a, b],
                steps: [&of_block[0][..a.len()], &of_block[1][..b.len()]],
                value_slack,
            };
            if !lanes.add_near(block) {
                lanes.add_all(block);
            }
            at += a.len();
        }
        lanes.sum(at as u64)
    }
}

/// Elements of both sides, at most [`BLOCK`] of them.
#[derive(Clone, Copy)]
struct Block<'a> {
    values: [&'a [f32]; 2],
    steps: [&'a [f64]; 2],
    value_slack: f64,
}

/// Elements that are counted side by side, so that the compiler can use wide registers.
const LANES: usize = 8;

/// Elements of which a look tells whether they are all near.
const BLOCK: usize = 256;

/// A tally of every eighth element each; counts are whole numbers below 2⁵³.
#[derive(Default)]
struct Lanes {
    /// Elements of blocks in which all are within.
    near: u64,
    within: [f64; LANES],
    within_two: [f64; LANES],
    within_four: [f64; LANES],
    within_eight: [f64; LANES],
    sums: Sums,
}

/// The sums of a tally.
#[derive(Clone, Copy, Default)]
struct Sums {
    squares: [f64; LANES],
    steps: [f64; LANES],
    size: [f64; LANES],
}

impl Sums {
    /// Adds |a − b|, s and a.
    #[inline(always)]
    fn add(&mut self, lane: usize, apart: f64, limit: f64, a: f64) {
        self.squares[lane] += apart * apart;
        self.steps[lane] += limit * limit;
        self.size[lane] += a * a;
    }
}

/// How far two values may be apart to be within s, the mean of their steps.
#[inline(always)]
fn limit([a, b]: [f64; 2], steps: [f64; 2], value_slack: f64) -> f64 {
    let s = (steps[0].abs() + steps[1].abs()) / 2.0;
    let larger = if b.abs() > a.abs() { b.abs() } else { a.abs() };
    s * (1.0 + STEP_SLACK) + value_slack * larger
}

impl Lanes {
    /// Adds a block if all of its elements are within their steps; says whether they are.
    #[inline(always)]
    fn add_near(&mut self, block: Block<'_>) -> bool {
        let Block {
            values: [a, b],
            steps: [step_a, step_b],
            value_slack,
        } = block;
        let mut sums = self.sums;
        let mut beyond = [false; LANES];
        let mut add = |lane: usize, a: f32, b: f32, step_a: f64, step_b: f64| {
            let (a, b) = (f64::from(a), f64::from(b));
            let apart = (a - b).abs();
            let limit = limit([a, b], [step_a, step_b], value_slack);
            // Neither NaN nor an infinity is within a step of anything.
            beyond[lane] |= !((apart <= limit) & (limit < f64::INFINITY));
            sums.add(lane, apart, limit, a);
        };
        let (a, b) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let (step_a, step_b) = (step_a.as_chunks::<LANES>(), step_b.as_chunks::<LANES>());
        for (((a, b), step_a), step_b) in a.0.iter().zip(b.0).zip(step_a.0).zip(step_b.0) {
            for lane in 0..LANES {
                add(lane, a[lane], b[lane], step_a[lane], step_b[lane]);
            }
        }
        let rest = a.1.iter().zip(b.1).zip(step_a.1).zip(step_b.1);
        for (lane, (((a, b), step_a), step_b)) in rest.enumerate() {
            add(lane, *a, *b, *step_a, *step_b);
        }
        let is_near = beyond == [false; LANES];
        if is_near {
            self.near += block.values[0].len() as u64;
            self.sums = sums;
        }
        is_near
    }

    /// Adds a block.
    #[inline(always)]
    fn add_all(&mut self, block: Block<'_>) {
        let Block {
            values: [a, b],
            steps: [step_a, step_b],
            value_slack,
        } = block;
        let elements = a.iter().zip(b).zip(step_a).zip(step_b);
        for (k, (((a, b), step_a), step_b)) in elements.enumerate() {
            self.add(k % LANES, [*a, *b], [*step_a, *step_b], value_slack);
        }
    }

    #[inline(always)]
    fn add(&mut self, lane: usize, [a, b]: [f32; 2], steps: [f64; 2], value_slack: f64) {
        let (a, b) = (f64::from(a), f64::from(b));
        let is_equal = (a == b) | (a.is_nan() & b.is_nan());
        // A value at the end of a grid stands for what lies up to two steps beyond it: MLX fits its
        // grid to nought, the MX formats take the power of two below the largest element.
        let is_end = (steps[0] < 0.0) | (steps[1] < 0.0);
        let reach = if is_end { CLIPPED_REACH } else { 1.0 };
        let apart = if is_equal { 0.0 } else { (a - b).abs() };
        let limit = limit([a, b], steps, value_slack);
        let limit = if limit.is_finite() { limit } else { 0.0 };
        let one_if = |holds: bool| if holds { 1.0 } else { 0.0 };
        let twice = if reach > 2.0 { reach } else { 2.0 };
        self.within[lane] += one_if(apart <= reach * limit);
        self.within_two[lane] += one_if(apart <= twice * limit);
        self.within_four[lane] += one_if(apart <= 4.0 * limit);
        self.within_eight[lane] += one_if(apart <= 8.0 * limit);
        self.sums.add(lane, apart, limit, a);
    }

    fn sum(&self, n: u64) -> Tally {
        let sum = |lanes: &[f64; LANES]| lanes.iter().sum::<f64>();
        let count = |lanes: &[f64; LANES]| self.near + sum(lanes) as u64;
        Tally {
            n,
            within: count(&self.within),
            within_two: count(&self.within_two),
            within_four: count(&self.within_four),
            within_eight: count(&self.within_eight),
            squares: sum(&self.sums.squares),
            steps: sum(&self.sums.steps),
            size: sum(&self.sums.size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::Dtype;
    use crate::numeric::rng::Draws;

    fn count_over(values: [&[f32]; 2], steps: [&[f32]; 2]) -> Tally {
        Tally::count(values, steps.map(Steps::Each), 0.0)
    }

    /// Values, and the same after `quantise` on a grid of step 1.
    fn tally(count: usize, quantise: impl Fn(f64, &mut Draws) -> f64) -> Tally {
        let mut draws = Draws::new(7, "noise floor");
        let a: Vec<f32> = (0..count).map(|_| (20.0 * draws.normal()) as f32).collect();
        let b: Vec<f32> = a
            .iter()
            .map(|&a| quantise(f64::from(a), &mut draws) as f32)
            .collect();
        count_over([&a, &b], [&vec![0.0; count], &vec![1.0; count]])
    }

    #[test]
    fn rounding_to_nearest_passes_and_as_much_noise_does_not() {
        assert!(tally(100_000, |a, _| a.round()).is_rounding());
        let noise = tally(100_000, |a, draws| a + draws.normal() / 12f64.sqrt());
        assert!(!noise.is_rounding(), "{noise:?}");
        let tuned = tally(100_000, |a, draws| (a + 0.05 * draws.normal()).round());
        assert!(!tuned.is_rounding(), "{tuned:?}");
    }

    #[test]
    fn a_change_that_rounding_hides_passes_and_one_of_twice_its_size_does_not() {
        let hidden = 20.0 * tally(100_000, |a, _| a.round()).hidden_change(false);
        let changed =
            |size: f64| tally(100_000, move |a, draws| (a + size * draws.normal()).round());
        assert!(
            changed(0.8 * hidden).is_rounding() && !changed(2.0 * hidden).is_rounding(),
            "{hidden}"
        );
        let calibrated = 20.0 * tally(100_000, |a, _| a.round()).hidden_change(true);
        assert!(
            changed(0.9 * calibrated).is_calibrated_rounding(),
            "{calibrated}"
        );
        assert!(
            !changed(1.2 * calibrated).is_calibrated_rounding(),
            "{calibrated}"
        );
    }

    #[test]
    fn what_was_clipped_to_the_end_of_a_grid_is_told_from_what_was_changed() {
        // Codes -8 to 7 of step 1, values up to 8.5.
        let mut draws = Draws::new(7, "clipped");
        let a: Vec<f32> = (0..100_000)
            .map(|_| (17.0 * draws.unit() - 8.5) as f32)
            .collect();
        let clipped = |change: f32| {
            let mut draws = Draws::new(8, "change");
            let b: Vec<f32> = a
                .iter()
                .map(|a| {
                    (a + change * draws.normal() as f32)
                        .round()
                        .clamp(-8.0, 7.0)
                })
                .collect();
            let steps: Vec<f32> = b
                .iter()
                .map(|&b| if b == -8.0 || b == 7.0 { -1.0 } else { 1.0 })
                .collect();
            count_over([&a, &b], [&vec![0.0; a.len()], &steps])
        };
        assert!(clipped(0.0).is_rounding(), "{:?}", clipped(0.0));
        assert!(!clipped(0.05).is_rounding(), "{:?}", clipped(0.05));
    }

    #[test]
    fn a_calibrated_rounding_goes_the_other_way_now_and_then() {
        // Real GPTQ: 25 % over half a step, 2.6 % over one.
        let calibrated = tally(100_000, |a, draws| (a + 0.4 * draws.normal()).round());
        assert!(
            !calibrated.is_rounding() && calibrated.is_calibrated_rounding(),
            "{calibrated:?}"
        );
        let tuned = tally(100_000, |a, draws| (a + draws.normal()).round());
        assert!(!tuned.is_calibrated_rounding(), "{tuned:?}");
    }

    #[test]
    fn scales_of_a_search_clip_but_round_to_nearest() {
        let clipped = tally(100_000, |a, draws| {
            a.round() + f64::from(u8::from(draws.normal() > 2.2))
        });
        assert!(
            !clipped.is_rounding() && clipped.is_searched_rounding(),
            "{clipped:?}"
        );
        let tuned = tally(100_000, |a, draws| (a + 0.2 * draws.normal()).round());
        assert!(
            !tuned.is_searched_rounding() && tuned.is_calibrated_rounding(),
            "{tuned:?}"
        );
    }

    #[test]
    fn a_value_that_is_not_finite_must_be_so_on_both_sides() {
        let nan = count_over(
            [&[f32::NAN, 1.0], &[f32::NAN, f32::NAN]],
            [&[f32::NAN, 1.0], &[f32::NAN, 1.0]],
        );
        assert_eq!(nan.within, 1);
    }

    #[test]
    fn the_short_way_counts_what_the_long_one_does() {
        let mut draws = Draws::new(7, "short");
        let rounded = |value: f32| f32::from_bits((value.to_bits() + 0x8000) & 0xffff_0000);
        let scale = |at: usize| [1.0, 1e-4, 1e30, 1e-40][at / 700 % 4];
        let a: Vec<f32> = (0..2803)
            .map(|at| (scale(at) * draws.normal()) as f32)
            .collect();
        let near: Vec<f32> = a.iter().map(|&value| rounded(value)).collect();
        let mut far = near.clone();
        far[300] *= 1.5;
        far[1000] = f32::NAN;
        far[1500] = f32::INFINITY;
        for b in [near, far] {
            let floats = [Dtype::F32, Dtype::Bf16].map(|dtype| FloatSteps::new(dtype).unwrap());
            let short = Tally::count([&a, &b], floats.map(Steps::Float), 0.0);
            let each = |values: &[f32], floats: FloatSteps| -> Vec<f32> {
                let step = |value: &f32| match value.is_finite() {
                    true => floats.step(*value) as f32,
                    false => f32::NAN,
                };
                values.iter().map(step).collect()
            };
            let (of_a, of_b) = (each(&a, floats[0]), each(&b, floats[1]));
            let long = count_over([&a, &b], [&of_a, &of_b]);
            let bits = |tally: &Tally| [tally.squares, tally.steps, tally.size].map(f64::to_bits);
            assert_eq!(bits(&short), bits(&long));
            let counts = |tally: &Tally| {
                let within = [tally.within, tally.within_two, tally.within_four];
                (tally.n, within, tally.within_eight)
            };
            assert_eq!(counts(&short), counts(&long));
        }
    }

    #[test]
    fn without_a_step_only_equal_values_are_within() {
        let floats = [Steps::Float(FloatSteps::NONE); 2];
        let a: Vec<f32> = (0..600).map(|at| at as f32 - 300.0).collect();
        let mut b = a.clone();
        assert_eq!(Tally::count([&a, &b], floats, 0.0).within, 600);
        b[5] = b[5].next_up();
        assert_eq!(Tally::count([&a, &b], floats, 0.0).within, 599);
    }
}
