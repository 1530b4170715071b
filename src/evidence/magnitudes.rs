//! DoRA's magnitudes against the base: training began with the norms of the base's rows, and moves
//! them little.
//!
//! Only units without an order of their own are asked: hidden units of a feed-forward and
//! dimensions of the residual stream. Rows of q, k and v stand by head and by rotary frequency,
//! whose norms follow one pattern in all models.

use crate::stats::levels::FOUND_LOG10;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::measure::monitor::Monitor;
use crate::model::words::Role;
use crate::numeric::rows::RowSource;
use crate::view::adapted::{Change, adapter, magnitudes};
use crate::view::logical::Logical;

use super::analysis::Setting;
use super::finding::{Finding, Scope, Statement, Supports};
use super::part::PartTest;
use crate::stats::chance;

/// Values of the base that are read at once, unless one row has more.
const HELD: usize = 1 << 18;

/// The magnitudes of one matrix against the base's row norms.
#[derive(Debug, Clone)]
pub(super) struct Magnitudes {
    /// The base's matrix.
    pub matrix: Logical,
    /// Name of the magnitudes.
    pub name: String,
    /// Rows with a magnitude and a norm.
    pub rows: usize,
    /// Rows that are in the larger half on both sides.
    pub shared: usize,
    /// The bound.
    pub test: PartTest,
}

/// Tests the magnitudes of every change that has them. Runs on the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn test_all(setting: &Setting<'_>, changes: &[Change]) -> Result<Vec<Magnitudes>> {
    let [base, target] = setting.models;
    let modules = adapter(target).map_or(&[][..], |adapter| &adapter.modules);
    let tested = changes
        .par_iter()
        .filter(|change| has_free_rows(&change.base))
        .map(|change| {
            let Some(module) = modules.get(change.module) else {
                return Ok(None);
            };
            let (Some(found), Some(at)) = (magnitudes(target, module)?, module.magnitude) else {
                return Ok(None);
            };
            let norms = row_norms(&base.view(&change.base)?, setting.monitor)?;
            let rows: Vec<[f64; 2]> = found
                .iter()
                .zip(norms)
                .map(|(m, norm)| [f64::from(m.abs()), norm])
                .collect();
            let rows: Vec<[f64; 2]> = rows
                .into_iter()
                .filter(|row| row.iter().all(|value| value.is_finite() && *value > 0.0))
                .collect();
            let shared = in_both_halves(&rows);
            let half = rows.len() / 2;
            let test = PartTest {
                log10_p: chance::overlap(shared, half, rows.len()),
                share_seen_95: share_seen(rows.len()),
            };
            let name = target
                .checkpoint()
                .tensors
                .get(at)
                .map(|tensor| tensor.name.clone())
                .unwrap_or_default();
            Ok(Some(Magnitudes {
                matrix: change.base.clone(),
                name,
                rows: rows.len(),
                shared,
                test,
            }))
        });
    tested.filter_map(Result::transpose).collect()
}

/// What the magnitudes say together; `None` where there are none. The bound holds however the tests
/// depend on one another.
pub(super) fn finding(tests: &[Magnitudes]) -> Option<Finding> {
    let least = tests
        .iter()
        .map(|test| test.test.log10_p)
        .min_by(f64::total_cmp)?;
    let log10_p = chance::bonferroni(least, tests.len());
    let [shared, halves] = [
        tests.iter().map(|t| t.shared).sum::<usize>(),
        tests.iter().map(|t| t.rows / 2).sum::<usize>(),
    ];
    let share = shared as f64 / halves.max(1) as f64;
    Some(Finding {
        statement: Statement::SharedMagnitudes {
            share,
            matrices: tests.len(),
        },
        value: Some(share),
        log10_p: Some(log10_p),
        supports: if log10_p <= FOUND_LOG10 {
            Supports::Derived
        } else {
            Supports::Nothing
        },
        scope: Scope::Model,
    })
}

/// Rows that are hidden units or dimensions of the residual stream.
fn has_free_rows(matrix: &Logical) -> bool {
    matrix.shape.len() == 2
        && matches!(
            matrix.meaning.role,
            Role::O | Role::Gate | Role::Up | Role::Down | Role::Fc1 | Role::Fc2
        )
}

fn row_norms(matrix: &dyn RowSource, monitor: &dyn Monitor) -> Result<Vec<f64>> {
    let columns = matrix.columns().max(1);
    let together = (HELD / columns).max(1);
    let mut values = vec![0.0; together.min(matrix.rows()) * columns];
    let mut out = Vec::with_capacity(matrix.rows());
    for begin in (0..matrix.rows()).step_by(together) {
        if monitor.interrupted() {
            return Err(Error::Interrupted);
        }
        let end = (begin + together).min(matrix.rows());
        matrix.read_rows(begin..end, &mut values)?;
        let rows = values.chunks_exact(columns).take(end - begin);
        out.extend(rows.map(|row| {
            row.iter()
                .map(|v| f64::from(*v) * f64::from(*v))
                .sum::<f64>()
                .sqrt()
        }));
    }
    Ok(out)
}

/// Rows in the larger half by either number. Equal numbers are taken in opposite orders on the two
/// sides, so that they never agree by their place.
fn in_both_halves(rows: &[[f64; 2]]) -> usize {
    let mut counts = vec![0; rows.len()];
    for side in [0, 1] {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| {
            let by_place = if side == 0 { a.cmp(&b) } else { b.cmp(&a) };
            rows[b][side].total_cmp(&rows[a][side]).then(by_place)
        });
        order
            .iter()
            .take(rows.len() / 2)
            .for_each(|&at| counts[at] += 1);
    }
    counts.iter().filter(|&&count| count == 2).count()
}

/// Least share of rows with the base's norms, the others in random order, that the test sees with
/// 95 % probability; `None` where it sees none. Of n rows n/4 + share·n/4 are expected in both
/// halves, ± √n/4.
fn share_seen(rows: usize) -> Option<f64> {
    const Z_95: f64 = 1.645;
    let n = rows as f64;
    let seen = |percent: &u32| {
        let expected = n / 4.0 * (1.0 + f64::from(*percent) / 100.0) - Z_95 * n.sqrt() / 4.0;
        expected > 0.0 && chance::overlap(expected as usize, rows / 2, rows) <= FOUND_LOG10
    };
    (1..=100)
        .find(seen)
        .map(|percent| f64::from(percent) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::rng::Draws;

    #[test]
    fn halves_agree_by_values_and_never_by_place() {
        let rows: Vec<[f64; 2]> = (1..=8)
            .map(|i| [f64::from(i), f64::from(i) * 1.01])
            .collect();
        assert_eq!(in_both_halves(&rows), 4);
        assert_eq!(in_both_halves(&[[1.0, 1.0]; 8]), 0);
        assert_eq!(in_both_halves(&[]), 0);
    }

    #[test]
    fn unrelated_norms_reach_no_level_more_often_than_it_says() {
        let mut rng = Draws::new(7, "magnitudes");
        let mut at_one_percent = 0;
        for _ in 0..2000 {
            let rows: Vec<[f64; 2]> = (0..64).map(|_| [rng.unit(), rng.unit()]).collect();
            at_one_percent += usize::from(chance::overlap(in_both_halves(&rows), 32, 64) <= -2.0);
        }
        assert!(at_one_percent <= 30, "{at_one_percent} of 2000 at 1 %");
    }

    #[test]
    fn power_grows_with_the_rows() {
        assert_eq!(share_seen(16), None);
        let shares: Vec<f64> = [64, 1024, 16384]
            .iter()
            .filter_map(|&rows| share_seen(rows))
            .collect();
        assert!(
            shares.len() == 3 && shares.is_sorted_by(|a, b| a > b),
            "{shares:?}"
        );
        assert!(shares[1] < 0.35);
    }
}
