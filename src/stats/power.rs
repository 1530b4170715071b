//! The power of a null result: how small a reuse would have been seen (guide/methods.md, section
//! 6).

use crate::stats::levels::{
    CERTAINTY, FOUND_LOG10, PART_SHARE_SEEN, POOLED_SHARE_SEEN, found_among,
};
use std::collections::BTreeMap;

use crate::stats::chance::{self, binomial_tail};

/// The probes and units of one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probed {
    /// Probes drawn.
    pub probes: usize,
    /// Units among which each was looked for, at least as many.
    pub units: usize,
}

/// What a null result is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// Probes of all tests pooled.
    pub probes: usize,
    /// Least number of hits at which the result would have been 1e-6 or rarer; none where not even
    /// all suffice.
    pub hits_needed: Option<usize>,
    /// Least share of units in their places that is seen with probability 0.95; none where no share
    /// is.
    pub share_seen_95: Option<f64>,
    /// Whether the share is small enough for "nothing found" to mean something.
    pub sufficient: bool,
}

impl Power {
    /// Of tests on blocks whose orders of units are independent of one another, read together.
    pub fn pooled(blocks: &[Probed]) -> Self {
        let probes = blocks.iter().map(|block| block.probes).sum();
        Self::of(probes, hits_needed(blocks, FOUND_LOG10), POOLED_SHARE_SEEN)
    }

    /// Of one test among `parts` that are read one by one (Bonferroni).
    pub fn part(block: Probed, parts: usize) -> Self {
        let level = found_among(parts);
        Self::of(block.probes, hits_needed(&[block], level), PART_SHARE_SEEN)
    }

    fn of(probes: usize, hits_needed: Option<usize>, largest_share: f64) -> Self {
        let share_seen_95 = hits_needed.and_then(|hits| share_seen_95(probes, hits));
        Self {
            probes,
            hits_needed,
            share_seen_95,
            sufficient: share_seen_95.is_some_and(|share| share <= largest_share),
        }
    }
}

/// The least h from which on P(H ≥ h) ≤ 10^`level_log10` for the number H of hits on independent
/// `blocks` together, by the bound that is the coefficient of xʰ in Π_b Σ_j
/// C(m_b,j)·(n_b−j)!/n_b!·xʲ; none where all probes hitting would not be as rare as that.
///
/// The coefficients of the product are log-concave, so they fall for good once they are below 1.
/// The sought one is found at its saddle point: with x scaled so that h is near the mean, the
/// scaled coefficients are the probabilities of a sum of independent counts, free of overflow and
/// underflow where they matter.
///
/// # Panics
/// When a block has more probes than units.
pub(crate) fn hits_needed(blocks: &[Probed], level_log10: f64) -> Option<usize> {
    let ln_level = level_log10 * std::f64::consts::LN_10;
    let mut alike: BTreeMap<Probed, usize> = BTreeMap::new();
    for block in blocks {
        *alike.entry(*block).or_default() += 1;
    }
    let polynomials: Vec<(Vec<f64>, usize)> = alike
        .iter()
        .map(|(&Probed { probes, units }, &count)| {
            assert!(probes <= units, "{probes} probes of {units} units");
            (
                (0..=probes)
                    .map(|hits| chance::ln_hit_subsets(hits, probes, units))
                    .collect(),
                count,
            )
        })
        .collect();
    let most: usize = blocks.iter().map(|block| block.probes).sum();
    let ln_rarest: f64 = polynomials
        .iter()
        .map(|(ln, count)| ln.last().unwrap_or(&0.0) * *count as f64)
        .sum();
    if most == 0 || ln_rarest > ln_level {
        return None;
    }

    let ln_scale = saddle_point(&polynomials, ln_level);
    let mut product = Scaled::one();
    for (ln_coefficients, count) in &polynomials {
        product = product.times(&Scaled::new(ln_coefficients, ln_scale).power(*count));
    }
    // Leaves out what the trimming of far tails has dropped: the sought coefficient is near the
    // mean.
    let ln_coefficient = |hits: usize| {
        let at = hits.checked_sub(product.first)?;
        Some(product.masses.get(at)?.ln() + product.ln_total - hits as f64 * ln_scale)
    };
    let rare = |hits: usize| ln_coefficient(hits).is_some_and(|ln| ln <= ln_level);
    let mut hits = (product.mean().round() as usize).min(most);
    while hits < most && !rare(hits) {
        hits += 1;
    }
    while hits > 0 && rare(hits - 1) {
        hits -= 1;
    }
    Some(hits)
}

/// The least share s with P(Bin(`probes`, s) ≥ `hits_needed`) ≥ 0.95; none where more hits than
/// probes are needed.
pub(crate) fn share_seen_95(probes: usize, hits_needed: usize) -> Option<f64> {
    if hits_needed > probes {
        return None;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if binomial_tail(probes, middle, hits_needed) >= CERTAINTY {
            high = middle
        } else {
            low = middle
        }
    }
    Some(high)
}

/// ln of the scale t at which ln P(t) − mean(t)·ln t reaches `ln_level`: it bounds the logarithm of
/// the coefficient of x^mean(t) in P from above, and falls in t.
fn saddle_point(polynomials: &[(Vec<f64>, usize)], ln_level: f64) -> f64 {
    let bound = |ln_scale: f64| -> f64 {
        polynomials
            .iter()
            .map(|(ln_coefficients, count)| {
                let scaled = Scaled::new(ln_coefficients, ln_scale);
                (scaled.ln_total - scaled.mean() * ln_scale) * *count as f64
            })
            .sum()
    };
    // Beyond this scale a coefficient after the last would have to be 1e26 times rarer than the
    // last.
    let (mut low, mut high) = (0.0, 60.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if bound(middle) > ln_level {
            low = middle
        } else {
            high = middle
        }
    }
    high
}

/// A polynomial with positive coefficients at a scale t of its variable: c_j·tʲ =
/// exp(ln_total)·masses[j − first], the masses summing to 1.
#[derive(Clone)]
struct Scaled {
    first: usize,
    masses: Vec<f64>,
    ln_total: f64,
}

impl Scaled {
    /// Masses below this are dropped from both ends.
    const NEGLIGIBLE: f64 = 1e-40;

    fn one() -> Self {
        Self {
            first: 0,
            masses: vec![1.0],
            ln_total: 0.0,
        }
    }

    fn new(ln_coefficients: &[f64], ln_scale: f64) -> Self {
        let ln_terms: Vec<f64> = ln_coefficients
            .iter()
            .enumerate()
            .map(|(j, ln)| ln + j as f64 * ln_scale)
            .collect();
        let largest = ln_terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self {
            first: 0,
            masses: ln_terms.iter().map(|ln| (ln - largest).exp()).collect(),
            ln_total: largest,
        }
        .normalised()
    }

    fn normalised(mut self) -> Self {
        let total: f64 = self.masses.iter().sum();
        self.masses.iter_mut().for_each(|mass| *mass /= total);
        self.ln_total += total.ln();
        let kept = |mass: &f64| *mass > Self::NEGLIGIBLE;
        self.masses.truncate(
            self.masses
                .iter()
                .rposition(kept)
                .map_or(0, |last| last + 1),
        );
        let leading = self.masses.iter().position(kept).unwrap_or(0);
        self.masses.drain(..leading);
        self.first += leading;
        self
    }

    fn times(&self, other: &Self) -> Self {
        let mut masses = vec![0.0; self.masses.len() + other.masses.len() - 1];
        for (i, a) in self.masses.iter().enumerate() {
            for (sum, b) in masses[i..].iter_mut().zip(&other.masses) {
                *sum += a * b;
            }
        }
        Self {
            first: self.first + other.first,
            masses,
            ln_total: self.ln_total + other.ln_total,
        }
        .normalised()
    }

    /// By repeated squaring.
    fn power(&self, mut exponent: usize) -> Self {
        let (mut result, mut square) = (Self::one(), self.clone());
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = result.times(&square);
            }
            exponent >>= 1;
            if exponent > 0 {
                square = square.times(&square);
            }
        }
        result
    }

    fn mean(&self) -> f64 {
        self.masses
            .iter()
            .enumerate()
            .map(|(at, mass)| (self.first + at) as f64 * mass)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks(count: usize, probes: usize, units: usize) -> Vec<Probed> {
        vec![Probed { probes, units }; count]
    }

    /// The definition, term by term in log space.
    fn hits_needed_slowly(blocks: &[Probed], level_log10: f64) -> Option<usize> {
        let add = |a: f64, b: f64| {
            if a == f64::NEG_INFINITY {
                b
            } else {
                a.max(b) + (-(a - b).abs()).exp().ln_1p()
            }
        };
        let mut product = vec![0.0];
        for &Probed { probes, units } in blocks {
            let mut next = vec![f64::NEG_INFINITY; product.len() + probes];
            for (i, &a) in product.iter().enumerate() {
                for j in 0..=probes {
                    next[i + j] = add(next[i + j], a + chance::ln_hit_subsets(j, probes, units));
                }
            }
            product = next;
        }
        let ln_level = level_log10 * std::f64::consts::LN_10;
        let last_common = product.iter().rposition(|&ln| ln > ln_level)?;
        (last_common + 1 < product.len()).then_some(last_common + 1)
    }

    #[test]
    fn the_development_zoo_needs_14_hits_of_384() {
        let power = Power::pooled(&blocks(6, 64, 176));
        assert_eq!((power.probes, power.hits_needed), (384, Some(14)));
        assert!(
            (power.share_seen_95.unwrap() - 0.0535).abs() < 0.0005,
            "{power:?}"
        );
        assert!(power.sufficient);
    }

    #[test]
    fn a_block_too_small_to_reach_the_level_has_no_power() {
        assert_eq!(
            Power::pooled(&blocks(1, 8, 8)),
            Power {
                probes: 8,
                hits_needed: None,
                share_seen_95: None,
                sufficient: false
            }
        );
        assert_eq!(hits_needed(&[], FOUND_LOG10), None);
        assert!(hits_needed(&blocks(2, 8, 8), FOUND_LOG10).is_some());
    }

    #[test]
    fn one_part_pays_for_the_number_of_parts() {
        let alone = Power::part(
            Probed {
                probes: 64,
                units: 4096,
            },
            1,
        );
        let of_many = Power::part(
            Probed {
                probes: 64,
                units: 4096,
            },
            1000,
        );
        let level = |hits: usize| chance::fixed_points(hits, 64, 4096);
        let needed = alone.hits_needed.unwrap();
        assert!(level(needed) <= -6.0 && level(needed - 1) > -6.0);
        assert!(of_many.hits_needed > alone.hits_needed && alone.sufficient);
        assert!(
            !Power::part(
                Probed {
                    probes: 12,
                    units: 12
                },
                100
            )
            .sufficient
        );
    }

    #[test]
    fn pooled_power_of_large_models() {
        let hundred_layers = hits_needed(&blocks(100, 64, 11_008), FOUND_LOG10);
        assert_eq!(
            hundred_layers,
            hits_needed_slowly(&blocks(100, 64, 11_008), FOUND_LOG10)
        );
        let small_layers = blocks(20, 64, 64);
        assert_eq!(
            hits_needed(&small_layers, FOUND_LOG10),
            hits_needed_slowly(&small_layers, FOUND_LOG10)
        );
        // Every expert of a large mixture: the number expected by the bound is 640, and e times
        // that is needed.
        let experts = hits_needed(&blocks(7680, 64, 768), FOUND_LOG10).unwrap();
        assert!((1700..1800).contains(&experts), "{experts}");
    }

    #[test]
    fn the_share_is_the_least_that_is_seen() {
        for (probes, hits) in [(1, 1), (64, 3), (384, 14), (100_000, 5), (100_000, 99_999)] {
            let share = share_seen_95(probes, hits).unwrap();
            assert!(binomial_tail(probes, share, hits) >= CERTAINTY);
            assert!(
                binomial_tail(probes, share * (1.0 - 1e-6), hits) < CERTAINTY,
                "{probes} {hits} {share}"
            );
        }
        assert_eq!(share_seen_95(3, 4), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_saddle_point_finds_the_same_count_as_the_definition(
            shapes in prop::collection::vec((1usize..65, 0usize..300), 1..5),
            level in -12f64..-0.5,
        ) {
            let blocks: Vec<Probed> = shapes.iter().map(|&(probes, more)| Probed { probes, units: probes + more }).collect();
            prop_assert_eq!(hits_needed(&blocks, level), hits_needed_slowly(&blocks, level));
        }
    }
}
