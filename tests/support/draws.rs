//! Random numbers that are the same on every machine: no logarithm, no sine, only exact or
//! correctly rounded steps.

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Draws(u64);

impl Draws {
    /// The stream that belongs to these words, told apart by their FNV-1a hash.
    pub(crate) fn new(words: &[&str]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in words.join("\u{1f}").bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(hash)
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Nearly normal: mean 0, variance 1, the sum of twelve uniform numbers.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// Heavy tails, mean 0: a normal number over the root of a uniform one.
    pub(crate) fn heavy(&mut self) -> f64 {
        self.normal() / (0.1 + self.unit()).sqrt()
    }

    /// A factor around 1, between 0.67 and 2.2, long-tailed upwards.
    pub(crate) fn factor(&mut self) -> f64 {
        0.7 / (0.1 + self.unit()).sqrt()
    }

    /// `count` draws of one kind.
    pub(crate) fn many(&mut self, count: usize, draw: impl Fn(&mut Self) -> f64) -> Vec<f64> {
        (0..count).map(|_| draw(self)).collect()
    }
}
