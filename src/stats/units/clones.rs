//! Blocks of one model that are copies of one another: layers duplicated in depth up-scaling,
//! experts copied from one dense FFN. Their tests are one test (guide/methods.md, section 4).

use std::collections::BTreeSet;

use super::features::{Features, Held};
use crate::numeric::linalg::products;

/// Standard errors by which same-index units must be more alike than others.
const STANDARD_ERRORS: f64 = 4.0;

/// Whether two blocks of one model are clones, by the same probe units of each: the mean cosine of
/// same-index units exceeds the mean over all pairs of units by 4 standard errors.
///
/// The standard error is that of the mean along a random order of one block's units:
/// √(Σd²/(m−1))/m, d the cosines with their row and column means taken off (Hoeffding 1951); common
/// directions and hubs are in those means.
///
/// # Panics
/// When the numbers of probes or the widths differ.
pub fn are_clones(one: &Held, other: &Held) -> bool {
    let count = one.units();
    assert_eq!(
        (count, one.width()),
        (other.units(), other.width()),
        "probes of different shapes"
    );
    if count < 2 {
        return false;
    }
    let mut cosines = vec![0.0; count * count];
    products(one.values(), other.values(), one.width(), &mut cosines);
    let at = |i: usize, j: usize| f64::from(cosines[i * count + j]);
    let m = count as f64;
    let mean = |sum: f64| sum / m;
    let row_means: Vec<f64> = (0..count)
        .map(|i| mean((0..count).map(|j| at(i, j)).sum()))
        .collect();
    let column_means: Vec<f64> = (0..count)
        .map(|j| mean((0..count).map(|i| at(i, j)).sum()))
        .collect();
    let grand_mean = mean(row_means.iter().sum());
    let same_index = mean((0..count).map(|i| at(i, i)).sum());
    let squares: f64 = (0..count)
        .flat_map(|i| (0..count).map(move |j| (i, j)))
        .map(|(i, j)| (at(i, j) - row_means[i] - column_means[j] + grand_mean).powi(2))
        .sum();
    let standard_error = (squares / (m - 1.0)).sqrt() / m;
    same_index - grand_mean > STANDARD_ERRORS * standard_error
}

/// Layers that are all held against each other: more than any model is known to have.
const LAYERS_IN_PAIRS: usize = 256;

/// Pairs of layers to be asked: all of `layers`, since up-scaling may repeat a run at any distance.
///
/// Of more than 256 layers as many pairs are asked as those have, so that a file cannot make the
/// work grow with the square: neighbours first, and layers apart by a half, a third, … of the depth,
/// as where the whole of it is repeated.
pub fn layer_pairs(layers: usize) -> Vec<(usize, usize)> {
    if layers <= LAYERS_IN_PAIRS {
        return (0..layers)
            .flat_map(|later| (0..later).map(move |earlier| (earlier, later)))
            .collect();
    }
    let most = LAYERS_IN_PAIRS * (LAYERS_IN_PAIRS - 1) / 2;
    let mut distances = BTreeSet::new();
    let mut pairs = Vec::new();
    for near in 1..layers {
        for distance in [near, layers / (near + 1)] {
            if distance == 0 || !distances.insert(distance) {
                continue;
            }
            if pairs.len() + layers - distance > most {
                return pairs;
            }
            pairs.extend((distance..layers).map(|later| (later - distance, later)));
        }
    }
    pairs
}

/// Pairs of experts of one layer to be asked: each with the first and with the one before it.
pub fn expert_pairs(experts: usize) -> Vec<(usize, usize)> {
    (1..experts)
        .flat_map(|expert| [(0, expert), (expert - 1, expert)])
        .skip(1)
        .collect()
}

/// Groups of `blocks` that are joined, directly or through others, by `clones`, pairs of either
/// model; members and groups in ascending order.
///
/// # Panics
/// When a pair names a block out of range.
pub fn groups(blocks: usize, clones: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut parents: Vec<usize> = (0..blocks).collect();
    for &(one, other) in clones {
        let (one, other) = (root(&parents, one), root(&parents, other));
        // The smaller number is the root, so that groups come out in the order of their first
        // members.
        parents[one.max(other)] = one.min(other);
    }
    let mut members = vec![Vec::new(); blocks];
    (0..blocks).for_each(|block| members[root(&parents, block)].push(block));
    members.retain(|group| !group.is_empty());
    members
}

fn root(parents: &[usize], mut block: usize) -> usize {
    while parents[block] != block {
        block = parents[block];
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    /// `blocks` of `units` × `width`, of likeness `likeness` to one another, with a share of
    /// `common` in one direction.
    fn family(
        blocks: usize,
        units: usize,
        width: usize,
        likeness: f64,
        common: f64,
        draws: &mut Draws,
    ) -> Vec<Held> {
        let mut normal =
            |count: usize| -> Vec<f64> { (0..count).map(|_| draws.normal()).collect() };
        let (ancestor, direction) = (normal(units * width), normal(width));
        let (kept, own) = (likeness.sqrt(), (1.0 - likeness).sqrt());
        let block = |_| {
            let noise = normal(units * width);
            let value =
                |at: usize| kept * ancestor[at] + own * noise[at] + common * direction[at % width];
            Held::new(
                (0..units * width).map(|at| value(at) as f32).collect(),
                width,
            )
        };
        (0..blocks).map(block).collect()
    }

    #[test]
    fn clones_are_found_down_to_a_likeness_of_a_third_and_strangers_are_not() {
        let mut draws = Draws::new(0, "clones");
        let mut found = |trials: usize, likeness: f64, common: f64| {
            let alike = |_: &usize| {
                let blocks = family(2, 32, 48, likeness, common, &mut draws);
                are_clones(&blocks[0], &blocks[1])
            };
            (0..trials).filter(alike).count()
        };
        assert_eq!(found(200, 0.4, 0.0), 200);
        assert!(found(200, 0.3, 0.0) >= 195);
        assert!(found(200, 0.4, 3.0) >= 195);
        assert_eq!(found(1000, 0.0, 0.0) + found(1000, 0.0, 3.0), 0);
    }

    #[test]
    fn pairs_of_layers_are_all_of_them_or_bounded() {
        for layers in [0, 1, 2, 7, 256] {
            assert_eq!(
                layer_pairs(layers).len(),
                layers * layers.saturating_sub(1) / 2
            );
        }
        for layers in [257, 300, 1000, 10_000, 32_000] {
            let pairs = layer_pairs(layers);
            assert!(
                pairs.len() <= 256 * 255 / 2 && pairs.len() >= layers - 1,
                "{layers}"
            );
            assert!(pairs.contains(&(layers - 2, layers - 1)));
            let distinct: BTreeSet<_> = pairs.iter().collect();
            assert_eq!(distinct.len(), pairs.len());
            assert!(
                pairs
                    .iter()
                    .all(|(one, other)| one < other && *other < layers)
            );
        }
        assert!(layer_pairs(10_000).contains(&(0, 5000)));
        assert!(layer_pairs(100_000).is_empty());
    }

    #[test]
    fn identical_blocks_are_clones_even_of_few_units() {
        let blocks = family(2, 8, 8, 1.0, 5.0, &mut Draws::new(0, "few"));
        assert!(are_clones(&blocks[0], &blocks[1]));
        let alike = Held::new(vec![1.0; 16], 2);
        assert!(!are_clones(&alike, &alike));
    }

    #[test]
    fn groups_join_through_others() {
        assert_eq!(
            groups(6, &[(4, 1), (1, 3), (0, 2)]),
            [vec![0, 2], vec![1, 3, 4], vec![5]]
        );
        assert_eq!(groups(3, &[]), [vec![0], vec![1], vec![2]]);
        assert_eq!(groups(4, &[(2, 3), (1, 2), (0, 3)]), [vec![0, 1, 2, 3]]);
        assert_eq!(layer_pairs(3), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(expert_pairs(3), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!((expert_pairs(0), expert_pairs(1)), (vec![], vec![]));
    }
}
