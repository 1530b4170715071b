//! Pairs of matrices that no stored tensor holds as they are: sums over their rows, without
//! digests.

use std::ops::Range;

use crate::align::Pair;
use crate::error::Result;
use crate::model::sides::Sides;
use crate::numeric::rows::RowSource;

use super::fold::fold;
use super::jobs::on_all_workers;
use super::monitor::Monitor;
use super::record::Record;
use super::segment::{Geometry, SEGMENT, Summing};

/// Measures each of `pairs`, whose sides are read from `views`, of equal shape. Runs on the current
/// rayon pool; `phase` tells people what is measured.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(crate) fn measure_views(
    pairs: &[Pair],
    views: &[Sides<&dyn RowSource>],
    phase: &'static str,
    monitor: &dyn Monitor,
) -> Result<Vec<Record>> {
    let geometries: Vec<Geometry> = views
        .iter()
        .map(|view| Geometry {
            rows: view.base.rows() as u64,
            columns: view.base.columns() as u64,
        })
        .collect();
    let mut jobs: Vec<(usize, Range<usize>)> = Vec::new();
    for (at, view) in views.iter().enumerate() {
        let rows = view.base.rows();
        let step = (SEGMENT as usize / view.base.columns().max(1)).max(1);
        let starts = (0..rows).step_by(step);
        jobs.extend(starts.map(|first| (at, first..(first + step).min(rows))));
    }

    monitor.begin(phase, geometries.iter().map(|g| g.values()).sum());
    let tallies = on_all_workers(&jobs, |(at, rows)| {
        let geometry = geometries[*at];
        let step = |rows: Range<usize>| {
            monitor.advance(rows.len() as u64 * geometry.columns);
            monitor.check()
        };
        Summing::new(geometry, false).all_rows(rows.clone(), views[*at], &step)
    })?;
    monitor.end();

    let mut by_pair: Vec<Vec<_>> = pairs.iter().map(|_| Vec::new()).collect();
    for ((at, _), tally) in jobs.iter().zip(tallies) {
        by_pair[*at].push(tally);
    }
    let records = pairs.iter().zip(geometries).zip(by_pair);
    Ok(records
        .map(|((pair, geometry), tallies)| fold(pair, geometry, tallies))
        .collect())
}
