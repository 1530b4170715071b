//! The witness of rows of other networks: the angles among rows, the median over the network's
//! matrices.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::evidence::analysis::Setting;
use crate::evidence::part::PartKey;
use crate::evidence::parts::part_of;
use crate::model::words::Component;
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::stats::geometry::{Geometry, MOST_PAIRS, mutual_geometry, rows_of};

use super::{WitnessKind, Witnessed};

/// Rows from which on a matrix takes part in the median.
const LEAST_ROWS: usize = 32;

/// Witnesses of parts that are one matrix each, `suspects`: the median over all of them in a
/// component, weighed against the limit of each.
///
/// # Errors
/// A read that fails.
pub(super) fn geometries(
    setting: &Setting<'_>,
    suspects: &[&PartKey],
) -> Result<BTreeMap<PartKey, Witnessed>> {
    let suspected: BTreeSet<&PartKey> = suspects.iter().copied().collect();
    let pairs: Vec<_> = setting
        .alignment
        .pairs
        .iter()
        .filter_map(|pair| Some((part_of(&pair.target)?, pair)))
        .filter(|(key, _)| suspected.contains(key))
        .collect();
    let measured: Vec<Result<Option<(PartKey, Geometry, usize)>>> = pairs
        .par_iter()
        .map(|(key, pair)| {
            setting.monitor.check()?;
            let [base_model, target_model] = setting.models;
            let unreadable = base_model.unreadable(&pair.base).is_some()
                || target_model.unreadable(&pair.target).is_some();
            if unreadable {
                return Ok(None);
            }
            let views = [
                base_model.view(&pair.base)?,
                target_model.view(&pair.target)?,
            ];
            let rows = views[0].rows();
            if rows != views[1].rows() {
                return Ok(None);
            }
            let drawn = match setting.has_sketch() {
                true => setting.sampling.probes(rows),
                false => Draws::new(setting.sampling.seed, "units of a witness")
                    .distinct(MOST_PAIRS, rows),
            };
            let [base, target] = [rows_of(&views[0], &drawn)?, rows_of(&views[1], &drawn)?];
            let geometry = mutual_geometry(&[base], &[target], &[], rows);
            Ok(geometry.map(|geometry| (key.clone(), geometry, rows)))
        })
        .collect();
    let mut of_components: BTreeMap<Component, Vec<(PartKey, Geometry, usize)>> = BTreeMap::new();
    for found in measured {
        if let Some(found) = found? {
            of_components
                .entry(found.0.component)
                .or_default()
                .push(found);
        }
    }
    let mut out = BTreeMap::new();
    for found in of_components.into_values() {
        let shares: Vec<f64> = found
            .iter()
            .filter(|(_, _, rows)| *rows >= LEAST_ROWS)
            .map(|(_, geometry, _)| geometry.correlation / geometry.limit)
            .collect();
        let confirmed = median(shares).is_some_and(|share| share >= 1.0);
        for (key, geometry, _) in found {
            let own = geometry.confirms();
            let kind = (confirmed && !geometry.denies() || own).then_some(WitnessKind::Geometry);
            out.insert(
                key,
                Witnessed {
                    geometry: Some(geometry),
                    kind,
                },
            );
        }
    }
    Ok(out)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    values.get(middle).copied()
}
