//! Pairs of matrices that no stored tensor holds as they are: sums over their rows, without
//! digests.

use std::ops::Range;

use crate::align::Pair;
use crate::error::Result;
use crate::numeric::rows::RowSource;

use super::monitor::Monitor;
use super::pass::{record, run};
use super::record::Record;
use super::segment::{Geometry, SEGMENT, Summing};

/// Measures each of `pairs`, whose sides are read from `views`, base and target, of equal shape.
/// Runs on the current rayon pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub fn measure_views(
    pairs: &[Pair],
    views: &[[&dyn RowSource; 2]],
    what: &'static str,
    monitor: &dyn Monitor,
) -> Result<Vec<Record>> {
    let geometry = |of: usize| Geometry {
        rows: views[of][0].rows() as u64,
        columns: views[of][0].columns() as u64,
    };
    let mut jobs: Vec<(usize, Range<usize>)> = Vec::new();
    for (at, [view, _]) in views.iter().enumerate() {
        let step = (SEGMENT as usize / view.columns().max(1)).max(1);
        let starts = (0..view.rows()).step_by(step);
        jobs.extend(starts.map(|first| (at, first..(first + step).min(view.rows()))));
    }
    monitor.begin(what, (0..views.len()).map(|at| geometry(at).values()).sum());
    let tallies = run(&jobs, |(at, rows)| {
        let geometry = geometry(*at);
        let step = |rows: Range<usize>| {
            monitor.advance(rows.len() as u64 * geometry.columns);
            monitor.check()
        };
        Summing::new(geometry, false).all_rows(rows.clone(), views[*at], &step)
    })?;
    monitor.end();
    let mut of_pair: Vec<Vec<_>> = pairs.iter().map(|_| Vec::new()).collect();
    for ((at, _), tally) in jobs.iter().zip(tallies) {
        of_pair[*at].push(tally);
    }
    let records = pairs.iter().zip(of_pair).enumerate();
    Ok(records
        .map(|(at, (pair, tallies))| record(pair, geometry(at), tallies.into_iter()))
        .collect())
}
