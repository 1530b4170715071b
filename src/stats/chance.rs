//! What chance would do: exact bounds of the probability that models trained independently agree as
//! much, and how such probabilities combine.
//!
//! Counts go in; probabilities come out as log10 p, finite, at most 0 and never −0: values such as
//! −1000 are ordinary and have no place in a plain f64. Sources: guide/methods.md, sections 4 and
//! 6.

use std::f64::consts::LN_10;

/// log10 of the chance that `hits` or more of `probes` units are found in their own places among
/// `units`: C(m,h)·(n−h)!/n!, and 1 without a hit.
///
/// The expected number of h-subsets of probes that all hit is at most this, whatever the features,
/// since the order of the units is uniform over all n! permutations; the rest is Markov's
/// inequality.
///
/// # Panics
/// When `hits > probes` or `probes > units`.
pub(crate) fn fixed_points(hits: usize, probes: usize, units: usize) -> f64 {
    assert!(
        hits <= probes && probes <= units,
        "{hits} hits of {probes} probes in {units} units"
    );
    log10(ln_hit_subsets(hits, probes, units))
}

/// log10 of the chance that `kept` distinct values in random order hold an increasing subsequence
/// of `longest` or more: C(m,k)/k!, the union bound over subsequences.
///
/// # Panics
/// When `longest > kept`.
pub(crate) fn order(kept: usize, longest: usize) -> f64 {
    assert!(longest <= kept, "{longest} in order of {kept}");
    log10(ln_choose(kept, longest) - ln_factorial(longest))
}

/// log10 of the chance that two sets of `chosen` among `units`, one of them at random, have
/// `shared` members or more in common: the upper tail of the hypergeometric distribution.
///
/// # Panics
/// When `shared > chosen` or `chosen > units`.
pub(crate) fn overlap(shared: usize, chosen: usize, units: usize) -> f64 {
    assert!(
        shared <= chosen && chosen <= units,
        "{shared} shared of {chosen} chosen of {units}"
    );
    let least = shared.max((2 * chosen).saturating_sub(units));
    if least == (2 * chosen).saturating_sub(units) {
        return 0.0;
    }
    let ways = |k: usize| ln_choose(chosen, k) + ln_choose(units - chosen, chosen - k);
    log10(ln_sum((least..=chosen).map(ways)) - ln_choose(units, chosen))
}

/// Fisher's combination of independent `log10_p`: log10 of the chi² tail of −2Σ ln p with two
/// degrees of freedom a value. Valid where every p is at least as large as uniform. 0 for an empty
/// list.
///
/// With an even number of degrees of freedom the tail is a finite sum, exp(−y)·Σ_{i<g} yⁱ/i! with y
/// = −Σ ln p, taken here in log space.
pub fn fisher(log10_p: &[f64]) -> f64 {
    let y = -LN_10 * log10_p.iter().sum::<f64>();
    if y.is_nan() || y <= 0.0 {
        return 0.0;
    }
    let mut ln_term = 0.0;
    let ln_terms = log10_p.iter().enumerate().map(|(i, _)| {
        if i > 0 {
            ln_term += y.ln() - (i as f64).ln();
        }
        ln_term
    });
    log10(ln_sum(ln_terms) - y)
}

/// log10 of the least of `count` probabilities after the choice of the least is paid for: min(1,
/// count·p).
pub fn bonferroni(least_log10_p: f64, count: usize) -> f64 {
    at_most_one(least_log10_p + (count.max(1) as f64).log10())
}

/// The p of a group of tests that depend on one another (clones, tensors with one order of
/// channels): `size` times the least. 0 for an empty list.
pub fn group(log10_p: &[f64]) -> f64 {
    bonferroni(log10_p.iter().copied().fold(0.0, f64::min), log10_p.len())
}

/// The p of all tests together: [`group`] within each of `groups` (indices into `log10_p`),
/// [`fisher`] over them.
///
/// # Panics
/// When an index is out of range.
pub fn combined(groups: &[Vec<usize>], log10_p: &[f64]) -> f64 {
    let of_groups: Vec<f64> = groups
        .iter()
        .filter(|members| !members.is_empty())
        .map(|members| {
            group(
                &members
                    .iter()
                    .map(|&member| log10_p[member])
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    fisher(&of_groups)
}

/// P(Bin(`trials`, `share`) ≥ `least`), by the regularised incomplete beta function I_share(least,
/// trials − least + 1).
pub fn binomial_tail(trials: usize, share: f64, least: usize) -> f64 {
    if least == 0 || (share >= 1.0 && least <= trials) {
        return 1.0;
    }
    if least > trials || share <= 0.0 {
        return 0.0;
    }
    incomplete_beta(least as f64, (trials - least + 1) as f64, share)
}

/// ln of C(m,j)·(n−j)!/n!.
pub(super) fn ln_hit_subsets(hits: usize, probes: usize, units: usize) -> f64 {
    if hits == 0 {
        return 0.0;
    }
    ln_choose(probes, hits) + ln_factorial(units - hits) - ln_factorial(units)
}

/// ln n!.
fn ln_factorial(n: usize) -> f64 {
    libm::lgamma(n as f64 + 1.0)
}

/// ln C(n, k).
fn ln_choose(n: usize, k: usize) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// log10 of a probability given by its natural logarithm.
fn log10(ln_p: f64) -> f64 {
    at_most_one(ln_p / LN_10)
}

/// Rounding above 1, −0 and NaN all become certainty, the side on which nobody is accused.
fn at_most_one(log10_p: f64) -> f64 {
    if log10_p < 0.0 {
        log10_p.max(f64::MIN)
    } else {
        0.0
    }
}

/// ln Σ exp(x).
fn ln_sum(ln_terms: impl Iterator<Item = f64>) -> f64 {
    let (largest, sum) = ln_terms.fold((f64::NEG_INFINITY, 0.0), |(largest, sum), x| {
        if x > largest {
            (x, sum * (largest - x).exp() + 1.0)
        } else {
            (largest, sum + (x - largest).exp())
        }
    });
    largest + sum.ln()
}

/// Regularised incomplete beta function I_x(a, b) for 0 < x < 1 and a, b ≥ 1: continued fraction of
/// DLMF 8.17.22, evaluated by the modified Lentz method. It needs of the order of √max(a, b) terms.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    let ln_front =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    if x < (a + 1.0) / (a + b + 2.0) {
        (ln_front - a.ln() + beta_fraction(a, b, x).ln())
            .exp()
            .min(1.0)
    } else {
        (1.0 - (ln_front - b.ln() + beta_fraction(b, a, 1.0 - x).ln()).exp()).max(0.0)
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    const TERMS: u32 = 100_000;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for term in 1..TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
    }

    /// All orders of 0..n.
    fn orders(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![Vec::new()];
        }
        let shorter = orders(n - 1);
        let insert = |order: &Vec<usize>, at| [&order[..at], &[n - 1], &order[at..]].concat();
        shorter
            .iter()
            .flat_map(|order| (0..n).map(move |at| insert(order, at)))
            .collect()
    }

    fn factorial(n: usize) -> f64 {
        (1..=n).map(|k| k as f64).product()
    }

    #[test]
    fn overlap_is_the_tail_of_the_hypergeometric_distribution() {
        // Of 3 among 6: 20 sets, of which 1 shares 3, 9 share 2, 9 share 1 and 1 shares none.
        for (shared, sets) in [(3, 1.0), (2, 10.0), (1, 19.0), (0, 20.0)] {
            assert!(
                close(overlap(shared, 3, 6), f64::log10(sets / 20.0)),
                "{shared}"
            );
        }
        assert_eq!(overlap(0, 0, 0), 0.0);
        assert_eq!(overlap(5, 5, 5), 0.0);
        assert!(close(overlap(32, 32, 64), -ln_choose(64, 32) / LN_10));
    }

    /// The most hits possible is the identity f: there the bound is the expected number of
    /// h-subsets of fixed points.
    #[test]
    fn fixed_points_is_the_expected_number_of_subsets_that_all_hit() {
        for n in 1..=7 {
            let orders = orders(n);
            for m in 1..=n {
                for h in 1..=m {
                    let choose = |k: usize| {
                        (0..h).fold(1.0, |c, i| {
                            c * (k as f64 - i as f64).max(0.0) / (i + 1) as f64
                        })
                    };
                    let hits = |order: &Vec<usize>| (0..m).filter(|&i| order[i] == i).count();
                    let subsets: f64 =
                        orders.iter().map(|order| choose(hits(order))).sum::<f64>() / factorial(n);
                    assert!(
                        close(fixed_points(h, m, n), subsets.log10().min(0.0)),
                        "{h} of {m} in {n}"
                    );
                    let tail = orders.iter().filter(|order| hits(order) >= h).count() as f64
                        / factorial(n);
                    assert!(
                        tail.log10() <= fixed_points(h, m, n) + 1e-12,
                        "{h} of {m} in {n}"
                    );
                }
            }
        }
    }

    #[test]
    fn order_bounds_the_longest_increasing_subsequence_of_a_random_order() {
        let longest = |order: &[usize]| {
            let mut best = vec![1; order.len()];
            for i in 0..order.len() {
                best[i] += (0..i)
                    .filter(|&j| order[j] < order[i])
                    .map(|j| best[j])
                    .max()
                    .unwrap_or(0);
            }
            best.into_iter().max().unwrap_or(0)
        };
        for n in 1..=7 {
            let orders = orders(n);
            for k in 1..=n {
                let tail =
                    orders.iter().filter(|order| longest(order) >= k).count() as f64 / factorial(n);
                assert!(tail.log10() <= order(n, k) + 1e-12, "{k} of {n}");
            }
            assert!(close(order(n, n), -factorial(n).log10()));
        }
    }

    #[test]
    fn known_values_of_the_bounds() {
        assert!(close(fixed_points(8, 8, 8), -40320f64.log10()));
        assert!(close(fixed_points(1, 64, 176), (64f64 / 176.0).log10()));
        assert_eq!(fixed_points(0, 64, 176).to_bits(), 0f64.to_bits());
        assert_eq!(fixed_points(1, 9, 9).to_bits(), 0f64.to_bits());
        assert_eq!(format!("{:.0}", fixed_points(128, 128, 128)), "-216");
        assert_eq!(format!("{:.0}", order(64, 64)), "-89");
        assert_eq!(format!("{:.1}", order(128, 128)), "-215.6");
        assert_eq!(order(70, 14).to_bits(), 0f64.to_bits());
        assert_eq!(order(0, 0), 0.0);
    }

    /// Values from Python's `decimal` with 60 digits: exp(-y)·Σ y^i/i!, y = -Σ ln p.
    #[test]
    fn fisher_holds_far_beyond_the_range_of_a_double() {
        assert!(close(fisher(&[-2.0]), -2.0));
        assert!(close(fisher(&[-1.0, -1.0]), -1.251_411_196_679_452));
        assert!(close(fisher(&[-0.1; 10]), -6.307_908_505_434_305e-5));
        assert!(close(
            fisher(&[-1000.0, -2000.0, -2000.0]),
            -4_992.178_583_164_915
        ));
        assert!(close(fisher(&[-50.0; 100]), -4_753.908_869_713_336));
        assert_eq!(fisher(&[]).to_bits(), 0f64.to_bits());
        assert_eq!(fisher(&[0.0, 0.0]).to_bits(), 0f64.to_bits());
    }

    #[test]
    fn a_choice_of_the_least_is_paid_for_and_never_passes_certainty() {
        assert!(close(bonferroni(-6.0, 3), -6.0 + 3f64.log10()));
        assert_eq!(bonferroni(-0.1, 3).to_bits(), 0f64.to_bits());
        assert_eq!(bonferroni(-0.0, 1).to_bits(), 0f64.to_bits());
        assert!(close(group(&[-1.0, -8.0]), -8.0 + 2f64.log10()));
        assert_eq!(group(&[]), 0.0);
        assert!(close(
            combined(&[vec![0, 1], vec![2], vec![]], &[-3.0, -9.0, -4.0]),
            fisher(&[group(&[-3.0, -9.0]), -4.0])
        ));
    }

    /// The last three are sums of Python's `decimal` with 60 digits.
    #[test]
    fn binomial_tails() {
        assert!(close(binomial_tail(10, 0.5, 8), 56.0 / 1024.0));
        assert!(close(binomial_tail(5, 0.3, 5), 0.3f64.powi(5)));
        assert!(close(binomial_tail(5, 0.3, 1), 1.0 - 0.7f64.powi(5)));
        assert_eq!(
            (
                binomial_tail(5, 0.3, 0),
                binomial_tail(5, 0.3, 6),
                binomial_tail(5, 1.0, 5)
            ),
            (1.0, 0.0, 1.0)
        );
        assert!(close(
            binomial_tail(384, 0.054, 14),
            0.955_752_620_025_943_1
        ));
        assert!(close(
            binomial_tail(100_000, 0.25, 25_200),
            0.072_660_042_957_594_3
        ));
        assert!(close(
            binomial_tail(100_000, 0.000_2, 60) / 4.199_991_869_206_376e-13,
            1.0
        ));
    }

    proptest! {
        #[test]
        fn more_agreement_is_never_likelier(n in 1usize..400, m in 1usize..65, h in 1usize..64) {
            let m = m.min(n);
            let h = h.min(m);
            prop_assert!(fixed_points(h, m, n) <= fixed_points(h - 1, m, n) + 1e-12);
            prop_assert!(fixed_points(h, m, n).is_finite() && order(m, h).is_finite());
        }

        #[test]
        fn fisher_is_monotone_and_finite(p in prop::collection::vec(-3000f64..=0.0, 1..40), at in 0usize..40) {
            let all = fisher(&p);
            prop_assert!(all <= 0.0 && all.is_finite());
            let mut lower = p.clone();
            lower[at % p.len()] -= 1.0;
            prop_assert!(fisher(&lower) <= all + 1e-9);
        }
    }
}
