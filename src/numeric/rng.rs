//! Random draws behind `--seed`: a specified stream, so that a seed gives the same draws for ever.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A stream of draws that belongs to one seed and one purpose.
pub struct Draws(ChaCha12Rng);

impl Draws {
    /// The stream of `seed` for `purpose`: ChaCha12 keyed with SHA-256 of both.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let key = Sha256::new()
            .chain_update(b"wcmp")
            .chain_update(seed.to_le_bytes())
            .chain_update(purpose)
            .finalize();
        Self(ChaCha12Rng::from_seed(key.into()))
    }

    /// A number below `bound`, every one equally likely (rejection on the raw words).
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing to draw from");
        let zone = u64::MAX - u64::MAX % bound;
        loop {
            let word = self.0.next_u64();
            if word < zone {
                return word % bound;
            }
        }
    }

    /// A number in [0, 1) with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// 64 random bits, each as likely 0 as 1.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// `count` distinct numbers below `bound`, ascending; all of them where `count >= bound`
    /// (Floyd's sampling).
    pub fn distinct(&mut self, count: usize, bound: usize) -> Vec<usize> {
        if count >= bound {
            return (0..bound).collect();
        }
        let mut chosen = std::collections::BTreeSet::new();
        for top in bound - count..bound {
            let drawn = self.below(top as u64 + 1) as usize;
            if !chosen.insert(drawn) {
                chosen.insert(top);
            }
        }
        chosen.into_iter().collect()
    }

    /// A random order of 0..n (Fisher and Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i as u64 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_draws_for_ever() {
        let mut draws = Draws::new(0, "test vector");
        let drawn: Vec<u64> = (0..4).map(|_| draws.below(1000)).collect();
        assert_eq!(drawn, TEST_VECTOR);
    }

    const TEST_VECTOR: [u64; 4] = [892, 749, 500, 633];

    #[test]
    fn distinct_draws_are_distinct_ascending_and_in_range() {
        let mut draws = Draws::new(3, "distinct");
        for bound in [1, 7, 64, 1000] {
            let drawn = draws.distinct(64, bound);
            assert_eq!(drawn.len(), bound.min(64));
            assert!(drawn.windows(2).all(|w| w[0] < w[1]) && drawn.iter().all(|&d| d < bound));
        }
    }

    #[test]
    fn permutations_are_uniform() {
        let mut draws = Draws::new(5, "orders");
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            *counts.entry(draws.permutation(3)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|&c| (850..1150).contains(&c)),
            "{counts:?}"
        );
    }
}
