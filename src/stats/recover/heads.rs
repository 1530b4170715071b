//! The order of attention heads and of the key/value groups they belong to, by content.

use crate::numeric::linalg::{Dense, products, round6, squared_length};
use crate::numeric::rows::Matrix;
use crate::numeric::wide::widest;
use crate::stats::assignment::assign;

/// How one side's attention is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Query heads.
    pub heads: usize,
    /// Key/value groups; divides `heads`, and group g serves the heads from g · heads/groups on.
    pub groups: usize,
    /// Rows of a head.
    pub head_dimension: usize,
}

/// What a layer's attention is matched by: values and outputs in one common basis, residual or over
/// shared tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    /// Features of the rows of v, shape (groups · head_dimension, features).
    pub values: &'a Matrix,
    /// Features of the columns of o, shape (heads · head_dimension, features).
    pub outputs: &'a Matrix,
}

/// The order of the target's heads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HeadOrder {
    /// Group of the base for each group of the target.
    pub groups: Vec<usize>,
    /// Head of the base for each head of the target.
    pub heads: Vec<usize>,
    /// Heads whose best match by outputs alone lies in the best match of their group by values
    /// alone.
    pub hits: usize,
    /// Mean cosine of matched heads' outputs; 6 digits.
    pub agreement: f64,
}

/// What queries or keys, which took no part in the matching, say about an order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Check {
    /// Units (heads or groups) whose best match in the base is the one that the order names.
    pub hits: usize,
    /// Units compared.
    pub units: usize,
    /// Mean cosine of the pairs of the order; 6 digits.
    pub cosine: f64,
    /// Mean cosine of all other pairs; 6 digits, 0 with a single unit.
    pub others: f64,
}

/// The order of heads that makes values and outputs most alike: groups by the cosine of their
/// values plus the mean cosine of their outputs in the best order of their heads, then heads within
/// matched groups.
///
/// `None` where a shape does not fit the layout, or a value is not finite.
pub(crate) fn match_heads(base: Content, target: Content, layout: Layout) -> Option<HeadOrder> {
    let Layout {
        heads,
        groups,
        head_dimension,
    } = layout;
    if groups == 0 || heads == 0 || heads % groups != 0 || head_dimension == 0 {
        return None;
    }
    let values = similarities(base.values, target.values, groups, head_dimension)?;
    let outputs = similarities(base.outputs, target.outputs, heads, head_dimension)?;
    let size = heads / groups;

    // Rows are the target's, columns the base's.
    let mut alike = values.clone();
    let mut inside = Vec::with_capacity(groups * groups);
    for i in 0..groups {
        for j in 0..groups {
            let block = block(&outputs, i * size, j * size, size);
            let order: Vec<usize> = assign(&block).into_iter().flatten().collect();
            alike.row_mut(i)[j] += order
                .iter()
                .enumerate()
                .map(|(h, &g)| block.row(h)[g])
                .sum::<f64>()
                / size as f64;
            inside.push(order);
        }
    }
    let group_order: Vec<usize> = assign(&alike).into_iter().flatten().collect();
    let head_order: Vec<usize> = (0..heads)
        .map(|head| {
            let group = group_order[head / size];
            group * size + inside[head / size * groups + group][head % size]
        })
        .collect();
    let hits = (0..heads)
        .filter(|&head| best(outputs.row(head)).map(|h| h / size) == best(values.row(head / size)))
        .filter(|&head| best(outputs.row(head)).is_some())
        .count();
    let agreement = (0..heads)
        .map(|head| outputs.row(head)[head_order[head]])
        .sum::<f64>()
        / heads as f64;
    Some(HeadOrder {
        groups: group_order,
        heads: head_order,
        hits,
        agreement: round6(agreement),
    })
}

/// Looks whether `order` (base unit of each target unit) also brings together `base` and `target`,
/// features of tensors that took no part in finding it: rows of q for heads, of k for groups,
/// `rows` of them a unit.
///
/// `None` where a shape does not fit, or a value is not finite.
pub(crate) fn check_units(
    base: &Matrix,
    target: &Matrix,
    order: &[usize],
    rows: usize,
) -> Option<Check> {
    let units = order.len();
    if units == 0 || rows == 0 || order.iter().any(|&unit| unit >= units) {
        return None;
    }
    let alike = similarities(base, target, units, rows)?;
    let matched: f64 = order
        .iter()
        .enumerate()
        .map(|(i, &j)| alike.row(i)[j])
        .sum();
    let all: f64 = alike.values.iter().sum();
    let others = if units > 1 {
        (all - matched) / (units * (units - 1)) as f64
    } else {
        0.0
    };
    let hits = order
        .iter()
        .enumerate()
        .filter(|&(i, &j)| best(alike.row(i)) == Some(j))
        .count();
    Some(Check {
        hits,
        units,
        cosine: round6(matched / units as f64),
        others: round6(others),
    })
}

/// Cosines of units of `rows` rows each, shape (units of the target, units of the base); 0 where a
/// unit is zero.
fn similarities(base: &Matrix, target: &Matrix, units: usize, rows: usize) -> Option<Dense> {
    let count = units.checked_mul(rows)?;
    if [base, target]
        .iter()
        .any(|side| side.rows != count || side.columns != base.columns)
    {
        return None;
    }
    let length = rows * base.columns;
    let [of_base, of_target] = [unit_length(base, length)?, unit_length(target, length)?];
    let mut cosines = vec![0.0f32; units * units];
    products(&of_target, &of_base, length, &mut cosines);
    Some(Dense {
        rows: units,
        columns: units,
        values: cosines.iter().map(|&v| f64::from(v)).collect(),
    })
}

/// The values with every `length` of them scaled to norm 1; `None` where one is not finite.
fn unit_length(matrix: &Matrix, length: usize) -> Option<Vec<f32>> {
    let mut out = matrix.values.clone();
    for unit in out.chunks_mut(length.max(1)) {
        let norm = squared_length(unit).sqrt();
        if !norm.is_finite() {
            return None;
        }
        let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        widest(
            #[inline(always)]
            || {
                let values = unit.iter_mut();
                values.for_each(|v| *v = (f64::from(*v) * factor) as f32);
            },
        );
    }
    Some(out)
}

fn block(matrix: &Dense, row: usize, column: usize, size: usize) -> Dense {
    let values = (row..row + size)
        .flat_map(|i| matrix.row(i)[column..column + size].to_vec())
        .collect();
    Dense {
        rows: size,
        columns: size,
        values,
    }
}

/// The place of the largest value above 0; `None` where there is none or two are equal.
fn best(values: &[f64]) -> Option<usize> {
    let largest = values.iter().copied().fold(0.0, f64::max);
    let mut places = (0..values.len()).filter(|&i| values[i] == largest && largest > 0.0);
    let first = places.next()?;
    places.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    const LAYOUT: Layout = Layout {
        heads: 12,
        groups: 3,
        head_dimension: 8,
    };
    const FEATURES: usize = 40;

    fn random(rows: usize, seed: u64) -> Matrix {
        let mut draws = Draws::new(seed, "attention");
        Matrix {
            rows,
            columns: FEATURES,
            values: (0..rows * FEATURES)
                .map(|_| draws.normal() as f32)
                .collect(),
        }
    }

    /// Units in another order, under noise.
    fn moved(matrix: &Matrix, order: &[usize], noise: f32, seed: u64) -> Matrix {
        let mut out = random(matrix.rows, seed);
        let length = matrix.values.len() / order.len();
        for (unit, &from) in order.iter().enumerate() {
            for i in 0..length {
                let place = unit * length + i;
                out.values[place] = matrix.values[from * length + i] + noise * out.values[place];
            }
        }
        out
    }

    /// An order of the groups, and of the heads that stay together in it.
    fn orders(seed: u64) -> (Vec<usize>, Vec<usize>) {
        let mut draws = Draws::new(seed, "order");
        let groups = draws.permutation(3);
        let heads = groups
            .iter()
            .flat_map(|&g| draws.permutation(4).into_iter().map(move |h| g * 4 + h))
            .collect();
        (groups, heads)
    }

    #[test]
    fn planted_orders_are_found_through_noise_and_confirmed_by_queries_and_keys() {
        for (seed, noise) in [(1, 0.0), (2, 0.5), (3, 2.0)] {
            let (groups, heads) = orders(seed);
            let [v, o, q, k] = [
                random(24, 10),
                random(96, 11),
                random(96, 12),
                random(24, 13),
            ];
            let (v2, o2) = (moved(&v, &groups, noise, 20), moved(&o, &heads, noise, 21));
            let base = Content {
                values: &v,
                outputs: &o,
            };
            let found = match_heads(
                base,
                Content {
                    values: &v2,
                    outputs: &o2,
                },
                LAYOUT,
            )
            .unwrap();
            assert_eq!(
                (&found.groups, &found.heads, found.hits),
                (&groups, &heads, 12),
                "noise {noise}"
            );
            let queries = check_units(&q, &moved(&q, &heads, noise, 22), &found.heads, 8).unwrap();
            let keys = check_units(&k, &moved(&k, &groups, noise, 23), &found.groups, 8).unwrap();
            assert_eq!(
                (queries.hits, queries.units, keys.hits, keys.units),
                (12, 12, 3, 3)
            );
            let expected = 1.0 / f64::from(1.0 + noise * noise).sqrt();
            assert!(
                (queries.cosine - expected).abs() < 0.05 && queries.others.abs() < 0.05,
                "{queries:?}"
            );
        }
    }

    #[test]
    fn the_order_of_independent_heads_is_not_confirmed() {
        let (mut hits, mut confirmed) = (0, 0);
        for seed in 0..40 {
            let [v, o, q] = [
                random(24, 100 + seed),
                random(96, 200 + seed),
                random(96, 300 + seed),
            ];
            let [v2, o2, q2] = [
                random(24, 400 + seed),
                random(96, 500 + seed),
                random(96, 600 + seed),
            ];
            let base = Content {
                values: &v,
                outputs: &o,
            };
            let found = match_heads(
                base,
                Content {
                    values: &v2,
                    outputs: &o2,
                },
                LAYOUT,
            )
            .unwrap();
            let mut sorted = found.heads.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..12).collect::<Vec<_>>());
            assert!(
                found
                    .heads
                    .iter()
                    .enumerate()
                    .all(|(h, &from)| from / 4 == found.groups[h / 4])
            );
            let check = check_units(&q, &q2, &found.heads, 8).unwrap();
            hits += found.hits;
            confirmed += check.hits;
            assert!(check.cosine.abs() < 0.1);
        }
        // By chance a third of the heads agree on the group, and a twelfth of the queries with the
        // order.
        assert!(
            (100..230).contains(&hits) && (20..65).contains(&confirmed),
            "{hits} {confirmed}"
        );
    }

    #[test]
    fn shapes_that_do_not_fit_and_broken_values_have_no_order() {
        let [v, o] = [random(24, 1), random(96, 2)];
        let content = Content {
            values: &v,
            outputs: &o,
        };
        for layout in [
            Layout {
                heads: 11,
                groups: 3,
                head_dimension: 8,
            },
            Layout {
                heads: 12,
                groups: 0,
                head_dimension: 8,
            },
            Layout {
                heads: 0,
                groups: 3,
                head_dimension: 8,
            },
            Layout {
                heads: 12,
                groups: 3,
                head_dimension: 0,
            },
            Layout {
                heads: 12,
                groups: 3,
                head_dimension: 16,
            },
            Layout {
                heads: usize::MAX - 2,
                groups: 1,
                head_dimension: 8,
            },
        ] {
            assert!(
                match_heads(content, content, layout).is_none(),
                "{layout:?}"
            );
        }
        let mut broken = v.clone();
        broken.values[3] = f32::NAN;
        assert!(
            match_heads(
                content,
                Content {
                    values: &broken,
                    outputs: &o
                },
                LAYOUT
            )
            .is_none()
        );
        assert!(check_units(&v, &v, &[0, 1, 7], 8).is_none());
        let zero = Matrix {
            values: vec![0.0; v.values.len()],
            ..v.clone()
        };
        let found = match_heads(
            content,
            Content {
                values: &zero,
                outputs: &o,
            },
            LAYOUT,
        )
        .unwrap();
        assert_eq!(found.hits, 0, "a head without content is no hit");
    }
}
