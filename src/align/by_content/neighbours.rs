//! Vectors of a large set that may point the way another does, without holding each against each
//! (Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002): vectors whose
//! signs agree in some places drawn once, in one of several draws.
//!
//! Two vectors of a cosine c have one sign in a place with the chance 1 − arccos(c)/π where their
//! values are spread like those of weights.

use crate::numeric::rng::Draws;

/// Draws of places.
const TABLES: usize = 64;

/// Fewest and most places of a draw.
const PLACES: std::ops::RangeInclusive<u32> = 4..=16;

/// Most vectors of one draw's signs that are named: vectors that all look the same are no use.
const MOST_NAMED: usize = 64;

/// Longest start of a vector that is looked at.
pub(super) const LOOKED_AT: usize = 512;

/// Vectors by their signs.
pub(super) struct Index {
    tables: Vec<Table>,
}

struct Table {
    places: Vec<usize>,
    /// Where the vectors of each word of signs begin in `ids`, and where the last ends.
    starts: Vec<u32>,
    ids: Vec<u32>,
}

impl Table {
    /// The signs at the places; those of a vector and of its opposite are one word.
    fn word(&self, vector: &[f32]) -> usize {
        let mut word = 0usize;
        for place in &self.places {
            word = word << 1 | usize::from(vector[*place] < 0.0);
        }
        let all = (1 << self.places.len()) - 1;
        word.min(all ^ word)
    }

    fn new(places: Vec<usize>, vectors: &[&[f32]]) -> Self {
        let mut out = Self {
            starts: vec![0; (1 << places.len()) + 1],
            ids: vec![0; vectors.len()],
            places,
        };
        let words: Vec<usize> = vectors.iter().map(|vector| out.word(vector)).collect();
        for word in &words {
            out.starts[word + 1] += 1;
        }
        for word in 1..out.starts.len() {
            out.starts[word] += out.starts[word - 1];
        }
        let mut next = out.starts.clone();
        for (id, word) in (0u32..).zip(words) {
            out.ids[next[word] as usize] = id;
            next[word] += 1;
        }
        out
    }
}

impl Index {
    /// The index of vectors of one length, at least 1.
    ///
    /// Memory: 256 bytes a vector, 16 MB at most beside.
    pub(super) fn new(vectors: &[&[f32]]) -> Self {
        let length = vectors.first().map_or(0, |vector| vector.len());
        let looked_at = length.min(LOOKED_AT);
        let count = (vectors.len().max(2) as u64).ilog2() + 1;
        let count = (count.clamp(*PLACES.start(), *PLACES.end()) as usize).min(looked_at);
        let tables = (0..TABLES).map(|table| {
            let mut draws = Draws::new(0, &format!("signs {looked_at} {table}"));
            Table::new(draws.distinct(count, looked_at), vectors)
        });
        Self {
            tables: tables.collect(),
        }
    }

    /// The vectors that may point the way of `vector` or of its opposite, ascending.
    pub(super) fn near(&self, vector: &[f32]) -> Vec<usize> {
        let mut out = Vec::new();
        for table in &self.tables {
            let word = table.word(vector);
            let ids = table.starts[word] as usize..table.starts[word + 1] as usize;
            out.extend(
                table.ids[ids]
                    .iter()
                    .take(MOST_NAMED)
                    .map(|id| *id as usize),
            );
        }
        out.sort_unstable();
        out.dedup();
        out
    }
}

/// Σab in lanes, which the compiler puts side by side.
pub(super) fn product(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    f64::from(lanes.iter().sum::<f32>() + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_points_one_way_is_named_and_little_else() {
        let mut draws = Draws::new(7, "neighbours");
        let mut vector = || -> Vec<f32> { (0..200).map(|_| draws.normal() as f32).collect() };
        let all: Vec<Vec<f32>> = (0..3000).map(|_| vector()).collect();
        let noise: Vec<Vec<f32>> = (0..300).map(|_| vector()).collect();
        let views: Vec<&[f32]> = all.iter().map(Vec::as_slice).collect();
        let index = Index::new(&views);

        let (mut found, mut named) = (0, 0);
        for (at, noise) in noise.iter().enumerate() {
            // A cosine of 0.93, with the sign changed.
            let near = all[at].iter().zip(noise).map(|(a, b)| -a + 0.4 * b);
            let near = index.near(&near.collect::<Vec<f32>>());
            found += usize::from(near.contains(&at));
            named += near.len();
        }
        assert!(found >= 297, "{found} of 300");
        assert!(named < 300 * 300, "{named}");
    }
}
