//! Merges of several bases, in words.

use crate::report::number;
use crate::report::schema::{MergeRow, RunRow, TakenLayers, WeightRow};

/// Runs of layers that are told one by one.
const RUNS: usize = 4;

/// Of what the target is a merge.
pub(crate) fn merge(merge: &MergeRow) -> String {
    match merge {
        MergeRow::Sum {
            weights,
            rule,
            at: _,
            unexplained: _,
        } => format!("{}{}", sum(weights, "x"), rule_of(weights, rule)),
        MergeRow::Runs(runs) => {
            let told: Vec<String> = runs.iter().take(RUNS).map(run).collect();
            let more = runs.len().saturating_sub(RUNS);
            let more = match more {
                0 => String::new(),
                1 => "; and one more run of layers".to_owned(),
                n => format!("; and {n} more runs of layers"),
            };
            format!("{}{more}", told.join("; "))
        }
        MergeRow::Layers(taken) => {
            let told: Vec<String> = taken.iter().map(layers).collect();
            told.join(", then ")
        }
        MergeRow::Sparse {
            base,
            of,
            changed,
            agreement,
        } => format!(
            "{base} with {} of its values changed, by the signs of {} ({})",
            number::percent(Some(*changed)),
            of.join(" and "),
            number::percent(Some(*agreement))
        ),
    }
}

/// A weighted sum, with the largest error of its shares; `times` stands between a share and its
/// base.
pub(crate) fn sum(weights: &[WeightRow], times: &str) -> String {
    let mut out = String::new();
    for row in weights {
        let weight = row.weight.unwrap_or(0.0);
        let sign = match (out.is_empty(), weight < 0.0) {
            (true, false) => "",
            (true, true) => "-",
            (false, false) => " + ",
            (false, true) => " - ",
        };
        let size = number::weight(Some(weight.abs()));
        out.push_str(&format!("{sign}{size} {times} {}", row.base));
    }
    let errors = weights.iter().filter_map(|row| row.standard_error);
    match errors.reduce(f64::max) {
        Some(error) => {
            let error = number::fixed(Some((1e3 * error).ceil().max(1.0) / 1e3), 3);
            format!("{out} (each ± {error})")
        }
        None => out,
    }
}

/// What a sum is called.
fn rule_of(weights: &[WeightRow], rule: &str) -> String {
    let is_taken = |row: &&WeightRow| row.weight.is_some_and(|weight| weight < 0.0);
    let (taken, given): (Vec<&WeightRow>, Vec<&WeightRow>) = weights.iter().partition(is_taken);
    match (taken.as_slice(), given.as_slice()) {
        _ if rule == "spherical" => ", interpolated along the sphere".to_owned(),
        ([taken], [one, other]) => format!(
            ": what {} and {} changed of {}, added (task vectors)",
            one.base, other.base, taken.base
        ),
        ([taken], [one]) => format!(": {}, led on away from {}", one.base, taken.base),
        _ => String::new(),
    }
}

fn run(run: &RunRow) -> String {
    let layers = if run.first == run.last {
        format!("layer {}", run.first)
    } else {
        format!("layers {}-{}", run.first, run.last)
    };
    format!("{layers}: {}", sum(&run.weights, "x"))
}

fn layers(taken: &TakenLayers) -> String {
    let own = match taken.base_layers.as_slice() {
        // Saved by a version that did not keep them.
        [] => &taken.layers,
        _ => &taken.base_layers,
    };
    let layers = number::ranges(own.iter().copied());
    let word = if own.len() == 1 { "layer" } else { "layers" };
    let of = match taken.weights.as_slice() {
        [] => taken.base.clone(),
        weights => sum(weights, "x"),
    };
    format!("{word} {layers} of {of}")
}
